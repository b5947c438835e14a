//! What a good host notices of hostile ones: `hostility PROGRAM [CONNECTIONS] [SECONDS]` serves a card
//! with `PROGRAM emulate`, measures a good host alone and beside each kind of crowd, and reads from
//! `/proc` what the crowds leave behind. It fails when a command beside a crowd takes more than twice as
//! long at the 99th percentile as alone, when a new host is not served, or when descriptors, threads or
//! 32 MiB of memory do not come back. Linux only.

use core::error::Error;
use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Threads that a crowd is spread over.
const HANDS: usize = 4;
/// SELECT of the education zone, framed.
const SELECT: [u8; 15] = *b"\x00\x0D\x00\xA4\x04\x00\x07\xF0BJEDU\x01\x00";
/// Power-up, framed.
const POWER_ON: [u8; 3] = [0, 1, 1];

/// What the hosts of a crowd say when they have connected, and every 100 ms after that.
struct Crowd {
    name: &'static str,
    first: &'static [u8],
    again: &'static [u8],
    /// They do not stay: they come, say it and go, every 100 ms.
    storm: bool,
}

const CROWDS: [Crowd; 7] = [
    Crowd { name: "silent", first: b"", again: b"", storm: false },
    Crowd { name: "one byte at a time", first: &[0xFF, 0xFF], again: &[0], storm: false },
    Crowd { name: "half a message", first: &[0, 5, 0, 0xA4], again: b"", storm: false },
    Crowd { name: "length lies", first: &[0xFF, 0xFF, 0, 1, 1], again: b"", storm: false },
    Crowd { name: "garbage", first: b"GET / HTTP/1.1\r\n", again: b"\0\0\0\0zzzz", storm: false },
    Crowd { name: "storm of nothing", first: b"", again: b"", storm: true },
    Crowd { name: "storm of power-ups", first: &POWER_ON, again: b"", storm: true },
];

/// The program, serving a card.
struct Daemon {
    child: Child,
    address: SocketAddr,
}

impl Daemon {
    fn start(program: &str, image: &str) -> Outcome<Self> {
        let create =
            ["card", "create", "--profile", "cpu-aes", "--serial", "1100070100000017", "-o", image];
        Command::new(program).args(create).output()?;
        let mut child = Command::new(program)
            .args(["emulate", image, "--volatile", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let address = loop {
            let line = lines.next().ok_or("the program serves nothing")??;
            if let Some(address) = line.strip_prefix("listening on ") {
                break address.parse()?;
            }
        };
        // Its log is read and dropped, or it would fill the pipe.
        thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, address })
    }

    /// Descriptors, threads and resident memory in KiB.
    fn costs(&self) -> Outcome<[usize; 3]> {
        let process = format!("/proc/{}", self.child.id());
        let status = fs::read_to_string(format!("{process}/status"))?;
        let field = |name: &str| -> Outcome<usize> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            Ok(line.and_then(|rest| rest.split_whitespace().next()).ok_or("no status")?.parse()?)
        };
        let descriptors = fs::read_dir(format!("{process}/fd"))?.count();
        Ok([descriptors, field("Threads:")?, field("VmRSS:")?])
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A host that behaves well.
struct Host(TcpStream);

impl Host {
    fn connect(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        (&stream).write_all(&POWER_ON)?;
        Ok(Self(stream))
    }

    /// One command and its answer, which has to be success.
    fn ask(&mut self) -> Outcome<()> {
        self.0.write_all(&SELECT)?;
        let mut header = [0; 2];
        self.0.read_exact(&mut header)?;
        let mut answer = vec![0; u16::from_be_bytes(header).into()];
        self.0.read_exact(&mut answer)?;
        if answer.ends_with(&[0x90, 0x00]) { Ok(()) } else { Err("the answer is wrong".into()) }
    }

    /// Median and 99th percentile of one command, in microseconds.
    fn measure(&mut self, time: Duration) -> Outcome<[f64; 2]> {
        let begun = Instant::now();
        let mut times = Vec::new();
        while begun.elapsed() < time {
            let asked = Instant::now();
            self.ask()?;
            times.push(asked.elapsed());
        }
        times.sort_unstable();
        let at = |percent: usize| times.get(times.len() * percent / 100).copied();
        let micros = |percent| at(percent).map_or(0.0, |time| time.as_secs_f64() * 1e6);
        Ok([micros(50), micros(99)])
    }
}

/// Keeps `count` hosts of a crowd at it until told to stop.
fn harass(crowd: &Crowd, address: SocketAddr, count: usize, stop: &AtomicBool) {
    let enter = || -> Option<TcpStream> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_millis(50)).ok()?;
        stream.set_nonblocking(true).ok()?;
        stream.write_all(crowd.first).ok()?;
        (!crowd.storm).then_some(stream)
    };
    let mut hosts: Vec<_> = (0..count).map(|_| enter()).collect();
    while !stop.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(100));
        for host in &mut hosts {
            if host.as_mut().is_none_or(|host| host.write_all(crowd.again).is_err()) {
                *host = enter();
            }
        }
    }
}

/// A good host that was there before, then new ones, beside a crowd.
fn beside(
    crowd: &Crowd,
    daemon: &Daemon,
    connections: usize,
    time: Duration,
) -> Outcome<([f64; 2], Duration)> {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let outcome = (|| {
            let mut host = Host::connect(daemon.address)?;
            host.ask()?;
            for _ in 0..HANDS {
                scope.spawn(|| harass(crowd, daemon.address, connections / HANDS, &stop));
            }
            thread::sleep(Duration::from_millis(500));
            let times = host.measure(time)?;
            drop(host);
            let mut slowest = Duration::ZERO;
            for _ in 0..5 {
                let begun = Instant::now();
                Host::connect(daemon.address)?.ask()?;
                slowest = slowest.max(begun.elapsed());
            }
            Ok((times, slowest))
        })();
        stop.store(true, Ordering::Relaxed);
        outcome
    })
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().ok_or("usage: hostility PROGRAM [CONNECTIONS] [SECONDS]")?;
    let connections = arguments.next().map_or(Ok(300), |text| text.parse())?;
    let time = Duration::from_secs(arguments.next().map_or(Ok(5), |text| text.parse())?);
    let folder = std::env::temp_dir().join(format!("hostility-{}", std::process::id()));
    fs::create_dir(&folder)?;
    let image = folder.join("card.img");
    let daemon = Daemon::start(&program, &image.display().to_string());
    let verdict = daemon.and_then(|daemon| run(&daemon, connections, time));
    fs::remove_dir_all(&folder)?;
    verdict
}

fn run(daemon: &Daemon, connections: usize, time: Duration) -> Outcome<()> {
    let alone = Host::connect(daemon.address)?.measure(time)?;
    thread::sleep(Duration::from_millis(500));
    let before = daemon.costs()?;
    println!("{connections} connections; descriptors, threads and KiB before: {before:?}");
    println!(
        "{:<20} {:>9} {:>9} {:>6} {:>12}",
        "beside", "median us", "p99 us", "ratio", "new host ms"
    );
    println!("{:<20} {:>9.1} {:>9.1} {:>6.2}", "nobody", alone[0], alone[1], 1.0);
    let mut slow = Vec::new();
    for crowd in &CROWDS {
        let ([median, p99], new) = beside(crowd, daemon, connections, time)?;
        let ratio = p99 / alone[1];
        let new = new.as_secs_f64() * 1e3;
        println!("{:<20} {median:>9.1} {p99:>9.1} {ratio:>6.2} {new:>12.1}", crowd.name);
        if ratio > 2.0 {
            slow.push(crowd.name);
        }
    }
    Host::connect(daemon.address)?.ask()?;
    thread::sleep(Duration::from_millis(500));
    let after = daemon.costs()?;
    println!("descriptors, threads and KiB after: {after:?}");
    if after[..2] != before[..2] || after[2] > before[2] + 32 * 1024 {
        return Err("the crowds have left something behind".into());
    }
    if slow.is_empty() { Ok(()) } else { Err(format!("more than twice as slow: {slow:?}").into()) }
}
