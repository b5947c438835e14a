//! `emulate --listen` among hostile hosts: a good host gets its answers, and the crowd leaves neither
//! descriptors nor threads nor memory behind.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Instant;

use super::support::{Desk, PATIENCE, SELECT, Server, run};

/// Hosts of a crowd.
const CROWD: usize = 300;

/// What hosts say that are none: nothing, half a message, a wrong length, another protocol.
const BAD: [&[u8]; 5] =
    [b"", &[0, 5, 0, 0xA4], &[0xFF, 0xFF, 0, 1, 1], b"GET / HTTP/1.1\r\n\r\n", &[0, 0, 0, 1, 0x7F]];

/// Most memory that a crowd may leave behind, in KiB.
const GROWTH: usize = 32 * 1024;

/// What a process holds.
#[derive(Clone, Copy, Debug)]
struct Holds {
    descriptors: usize,
    threads: usize,
    kib: usize,
}

impl Holds {
    fn of(server: &Server) -> Self {
        let process = format!("/proc/{}", server.child.id());
        let status = fs::read_to_string(format!("{process}/status")).unwrap();
        let field = |name: &str| -> usize {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        let descriptors = fs::read_dir(format!("{process}/fd")).unwrap().count();
        Self { descriptors, threads: field("Threads:"), kib: field("VmRSS:") }
    }
}

/// A host that behaves well.
struct Host(TcpStream);

impl Host {
    fn connect(server: &Server) -> Self {
        let stream = TcpStream::connect(&server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        (&stream).write_all(&[0, 1, 1]).unwrap();
        Self(stream)
    }

    /// Selects the education zone and expects its FCI.
    fn select(&mut self) {
        let command = hex::decode(SELECT).unwrap();
        let length = u8::try_from(command.len()).unwrap();
        self.0.write_all(&[&[0, length][..], &command].concat()).unwrap();
        let mut header = [0; 2];
        self.0.read_exact(&mut header).unwrap();
        let mut answer = vec![0; u16::from_be_bytes(header).into()];
        self.0.read_exact(&mut answer).unwrap();
        assert!(answer.starts_with(&[0x6F]) && answer.ends_with(&[0x90, 0x00]), "{answer:02X?}");
    }
}

fn crowd(address: &str) -> Vec<TcpStream> {
    let enter = |index: usize| {
        let mut stream = TcpStream::connect(address).unwrap();
        // One that was sent away cannot write.
        let _ = stream.write_all(BAD[index % BAD.len()]);
        stream
    };
    (0..CROWD).map(enter).collect()
}

fn wait_until_back(server: &Server, before: Holds) {
    let begun = Instant::now();
    loop {
        let now = Holds::of(server);
        let back = now.descriptors <= before.descriptors && now.threads <= before.threads;
        if back && now.kib <= before.kib + GROWTH {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{now:?}, before {before:?}");
        thread::sleep(core::time::Duration::from_millis(20));
    }
}

fn served() -> (Desk, Server, Holds) {
    let desk = Desk::new("cpu-aes");
    let server = Server::start(&desk.card(), &["--volatile"]);
    Host::connect(&server).select();
    server.wait_for("disconnected from ");
    let before = Holds::of(&server);
    (desk, server, before)
}

#[test]
fn a_crowd_that_says_nothing_useful_holds_nobody_up() {
    let (_desk, server, before) = served();
    let mut there_before = Host::connect(&server);
    there_before.select();
    let address = server.address.as_str();
    let strangers = thread::scope(|scope| {
        let coming = scope.spawn(|| crowd(address));
        // While they come the card answers the host that has it, and it alone.
        while !coming.is_finished() {
            there_before.select();
        }
        coming.join().unwrap()
    });
    there_before.select();
    drop(there_before);
    run(&["apdu", "--target", &server.target(), SELECT]).expect(0);
    assert!(Holds::of(&server).descriptors <= before.descriptors + 64);
    drop(strangers);
    Host::connect(&server).select();
    wait_until_back(&server, before);
}

/// A crowd takes all descriptors there are, and the card still serves a host and writes its image, with
/// a temporary file of its own.
#[test]
fn few_descriptors_starve_nobody() {
    for most in [16, 20] {
        let desk = Desk::new("cpu-aes");
        let server = Server::start_with_descriptors(&desk.card(), most);
        let strangers = crowd(&server.address);
        run(&["apdu", "--target", &server.target(), SELECT]).expect(0);
        let date = ["--date", "2026-09-01"];
        let target = server.target();
        let personalise = ["reader", "personalise", "--target", &target];
        run(&[&personalise[..], &date].concat()).expect(0);
        assert!(Holds::of(&server).descriptors <= most);
        drop(strangers);
        Host::connect(&server).select();
    }
}

#[test]
fn hosts_that_come_and_go_leave_nothing_behind() {
    let (_desk, server, before) = served();
    for _ in 0..3 {
        drop(crowd(&server.address));
        for _ in 0..20 {
            // Gone in the middle of a command.
            let mut host = Host::connect(&server);
            host.0.write_all(&[0, 13, 0x00, 0xA4]).unwrap();
        }
        Host::connect(&server).select();
    }
    wait_until_back(&server, before);
}

/// The other direction: drivers that lie to a card that dials them.
#[test]
fn a_lying_driver_is_dialled_again_and_served() {
    let driver = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = driver.local_addr().unwrap().to_string();
    let desk = Desk::new("cpu-aes");
    let server = Server::spawn(&["emulate", &desk.card(), "--vpcd", &address]);
    for words in [BAD[1], BAD[3]] {
        let (mut stream, _) = driver.accept().unwrap();
        stream.write_all(words).unwrap();
    }
    let mut host = Host(driver.accept().unwrap().0);
    host.0.set_read_timeout(Some(PATIENCE)).unwrap();
    host.0.write_all(&[0, 0, 0, 1, 0x7F, 0, 1, 1]).unwrap();
    host.select();
    assert!(Holds::of(&server).descriptors < 32);
}
