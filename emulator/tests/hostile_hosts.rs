//! Hosts that are slow, silent, half or none, in numbers: the good host among them is served, and the
//! card is never held by a host that has asked for nothing. On the other side, drivers that lie.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken premise fails the test")]

mod toy;

use core::net::SocketAddr;
use core::time::Duration;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use proptest::prelude::*;
use toy::{ATR, Host, Limits, dialling, echo, frame, listening, listening_under, wait_until};
use xuejika_emulator::transport::{Client, Peers};

const SELECT: [u8; 5] = [0x00, 0xA4, 0x00, 0x00, 0x00];

/// What a hostile host says before it goes silent.
const BAD: [&[u8]; 7] = [
    b"",
    &[0x00],
    &[0x00, 0x05, 0x00, 0xA4],
    &[0xFF, 0xFF, 0x00, 0xA4],
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    &[0x00, 0x00, 0x00, 0x00, 0x00, 0x00],
    &[0x00, 0x01, 0x7F, 0x00, 0x01, 0x03],
];

fn hostile(address: SocketAddr, words: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    // A host that has been sent away cannot write.
    let _ = stream.write_all(words);
    stream
}

#[test]
fn nothing_but_a_message_gets_the_card() {
    listening(|address, diary| {
        let crowd: Vec<_> = BAD.iter().map(|words| hostile(address, words)).collect();
        let mut host = Host::connect(address);
        assert_eq!(host.ask(&SELECT), echo(&SELECT));
        assert_eq!(diary.logged("connected to"), 1);
        assert_eq!(diary.entries(), ["command"]);
        drop(crowd);
    });
}

#[test]
fn a_good_host_comes_through_a_crowd() {
    listening(|address, diary| {
        let crowd: Vec<_> =
            (0..300).map(|index| hostile(address, BAD[index % BAD.len()])).collect();
        let mut host = Host::connect(address);
        assert_eq!(host.ask(&[0x04]), ATR);
        assert_eq!(host.ask(&SELECT), echo(&SELECT));
        assert!(diary.logged("refused") > 0, "300 hosts fit in no lobby");
        drop(crowd);
    });
}

#[test]
fn a_crowd_of_hosts_that_ask_is_served_one_by_one() {
    listening(|address, diary| {
        thread::scope(|scope| {
            for index in 0..300_u16 {
                scope.spawn(move || {
                    let [high, low] = index.to_be_bytes();
                    let command = [0x00, 0xB0, high, low];
                    assert_eq!(Host::connect(address).ask(&command), echo(&command));
                });
            }
        });
        wait_until("all to be gone", || diary.logged("disconnected") == 300);
        assert_eq!(diary.logged("refused"), 0);
    });
}

#[test]
fn whoever_never_asks_is_sent_away() {
    let deadline = Duration::from_millis(150);
    let limits = Limits { frame_deadline: Some(deadline), ..Limits::default() };
    listening_under(limits, |address, diary| {
        let crowd = BAD.map(|words| Host::new(hostile(address, words)));
        for mut host in crowd {
            host.expect_removal();
        }
        assert_eq!(diary.logged("left a frame unfinished for 150 ms"), BAD.len());
        assert_eq!(diary.entries(), [] as [&str; 0]);
    });
}

#[test]
fn a_silent_host_gives_way_to_one_that_asks() {
    let deadline = Duration::from_millis(300);
    let limits = Limits { idle_deadline: Some(deadline), ..Limits::default() };
    listening_under(limits, |address, diary| {
        let mut silent = Host::connect(address);
        silent.send(&[0x01]);
        assert_eq!(silent.ask(&[0x04]), ATR);
        let crowd = BAD.map(|words| hostile(address, words));
        thread::sleep(deadline * 3);
        assert_eq!(silent.ask(&SELECT), echo(&SELECT), "nobody else had asked");
        assert_eq!(Host::connect(address).ask(&SELECT), echo(&SELECT));
        silent.expect_removal();
        diary.wait_for_log("the host asked nothing for 300 ms and another one was waiting");
        assert_eq!(diary.entries()[..4], ["on", "command", "off", "command"]);
        drop(crowd);
    });
}

#[test]
fn polling_the_atr_does_not_keep_the_card() {
    let limits = Limits { idle_deadline: Some(Duration::from_millis(300)), ..Limits::default() };
    listening_under(limits, |address, diary| {
        let mut poller = Host::connect(address);
        assert_eq!(poller.ask(&SELECT), echo(&SELECT));
        // Polls until it is sent away, without a pause that the service could take for silence.
        let polls = thread::spawn(move || {
            let mut polls = 0;
            while poller.try_ask(&[0x04]).is_ok() {
                polls += 1;
            }
            polls
        });
        assert_eq!(Host::connect(address).ask(&SELECT), echo(&SELECT));
        assert!(polls.join().unwrap() > 0);
        diary.wait_for_log("the host asked nothing for 300 ms and another one was waiting");
        assert_eq!(diary.entries()[..3], ["command", "off", "command"]);
    });
}

#[test]
fn polling_the_atr_is_answered_while_nobody_else_asks() {
    let limits = Limits { idle_deadline: Some(Duration::from_millis(1)), ..Limits::default() };
    listening_under(limits, |address, diary| {
        let mut poller = Host::connect(address);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(500) {
            assert_eq!(poller.ask(&[0x04]), ATR);
        }
        assert_eq!(diary.logged("disconnected"), 0);
    });
}

#[test]
fn hosts_that_come_and_go_leave_nothing() {
    listening(|address, diary| {
        for round in 0..200 {
            let mut stream = hostile(address, BAD[round % BAD.len()]);
            if round % 2 == 0 {
                let _ = stream.write_all(&frame(&[0x01]));
            }
        }
        assert_eq!(Host::connect(address).ask(&SELECT), echo(&SELECT));
        // "connected to" stands for those who had the card; each of them is gone again.
        wait_until("the last one to be gone", || {
            diary.logged("disconnected from") == diary.logged("connected to")
        });
        assert_eq!(diary.entries().last(), Some(&"off"));
    });
}

#[test]
fn a_lying_driver_is_left_and_dialled_again() {
    let driver = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::new(&driver.local_addr().unwrap().to_string(), Peers::Loopback).unwrap();
    dialling(&client, |diary| {
        for words in [&BAD[2], &BAD[3], &BAD[4]] {
            let mut stream = driver.accept().unwrap().0;
            stream.write_all(words).unwrap();
        }
        let mut host = Host::new(driver.accept().unwrap().0);
        host.raw(&[0x00, 0x00, 0x00, 0x01, 0x7F]);
        assert_eq!(host.ask(&[0x04]), ATR);
        assert_eq!(host.ask(&SELECT), echo(&SELECT));
        assert_eq!(diary.logged("connected to"), 4);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever other hosts send and whenever they go, the next one is served.
    #[test]
    fn any_bytes_leave_the_card_to_the_next_host(
        words in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 1..12),
    ) {
        listening(|address, _| {
            for bytes in &words {
                drop(hostile(address, bytes));
            }
            assert_eq!(Host::connect(address).ask(&[0x04]), ATR);
        });
    }
}
