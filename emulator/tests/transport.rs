//! The card side of the vpcd protocol against a host that behaves well, badly and not at all.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken premise fails the test")]

mod toy;

use core::sync::atomic::Ordering;
use core::time::Duration;
use std::net::TcpListener;
use std::thread;

use proptest::prelude::*;
use toy::{
    ATR, BYTES, DIE, Host, Limits, NAP, SLEEP_FOREVER, dialling, echo, frame, listening,
    listening_under, wait_until,
};
use xuejika_emulator::transport::{Client, Listener, Peers, TransportError};

const SELECT: [u8; 5] = [0x00, 0xA4, 0x00, 0x00, 0x00];

#[test]
fn controls_are_silent_and_commands_are_answered_once() {
    listening(|address, diary| {
        let mut host = Host::connect(address);
        for control in [0x01, 0x02, 0x00, 0x01] {
            host.send(&[control]);
        }
        // Had any control been answered, its answer would come first.
        assert_eq!(host.ask(&[0x04]), ATR);
        assert_eq!(host.ask(&SELECT), echo(&SELECT));
        assert_eq!(host.ask(&[0x00, 0xB0]), echo(&[0x00, 0xB0]));
        assert_eq!(diary.entries(), ["on", "reset", "off", "on", "command", "command"]);
    });
}

#[test]
fn a_burst_of_reset_and_atr_is_two_messages() {
    listening(|address, diary| {
        let mut host = Host::connect(address);
        for _ in 0..2 {
            host.raw(&[0x00, 0x01, 0x02, 0x00, 0x01, 0x04]);
            assert_eq!(host.receive(), ATR);
        }
        assert_eq!(diary.entries(), ["on", "reset"], "without power a reset is a power-up");
    });
}

#[test]
fn a_pipelining_host_gets_every_answer_in_order() {
    listening(|address, _| {
        let mut host = Host::connect(address);
        let commands: Vec<_> = (0..500_u16).map(u16::to_be_bytes).collect();
        let commands: Vec<_> = commands.iter().map(|[high, low]| [*low, 0x00, *high]).collect();
        let burst: Vec<u8> = commands.iter().flat_map(|command| frame(command)).collect();
        host.raw(&burst);
        for command in &commands {
            assert_eq!(host.receive(), echo(command));
        }
    });
}

#[test]
fn bytes_may_come_one_at_a_time() {
    listening(|address, _| {
        let mut host = Host::connect(address);
        for byte in [frame(&[0x01]), frame(&[0x04]), frame(&SELECT)].concat() {
            host.raw(&[byte]);
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(host.receive(), ATR);
        assert_eq!(host.receive(), echo(&SELECT));
    });
}

#[test]
fn atr_polls_do_not_reach_the_card() {
    listening(|address, diary| {
        let mut host = Host::connect(address);
        host.ask(&[0x04]);
        let reads = diary.atr_reads.load(Ordering::SeqCst);
        for _ in 0..100 {
            assert_eq!(host.ask(&[0x04]), ATR);
        }
        assert_eq!(diary.atr_reads.load(Ordering::SeqCst), reads);
        assert_eq!(diary.entries(), [] as [&str; 0]);
    });
}

#[test]
fn empty_bodies_and_undefined_controls_are_ignored() {
    listening(|address, diary| {
        let mut host = Host::connect(address);
        host.send(&[]);
        for control in (0..=u8::MAX).filter(|code| ![0, 1, 2, 4].contains(code)) {
            host.send(&[control]);
        }
        assert_eq!(host.ask(&SELECT), echo(&SELECT));
        assert_eq!(diary.entries(), ["command"]);
    });
}

#[test]
fn the_longest_frames_pass_both_ways() {
    listening(|address, _| {
        let mut host = Host::connect(address);
        let longest = vec![0xA5; 0xFFFF];
        assert_eq!(host.ask(&longest), [0x6F, 0x00], "65535 bytes and a status word fit no frame");
        let command = vec![0xA5; 0xFFFD];
        assert_eq!(host.ask(&command), echo(&command));
        assert_eq!(host.ask(&[0x00, BYTES, 0xFF, 0xFF]).len(), 0xFFFF);
    });
}

#[test]
fn a_response_no_frame_can_hold_becomes_6f00() {
    listening(|address, _| {
        let mut host = Host::connect(address);
        for (class, high, low) in
            [(0xFF, 0x00, 0x00), (0xFF, 0x00, 0x05), (0x00, 0x00, 0x00), (0x00, 0x00, 0x01)]
        {
            assert_eq!(host.ask(&[class, BYTES, high, low]), [0x6F, 0x00]);
        }
        assert_eq!(host.ask(&SELECT), echo(&SELECT));
    });
}

#[test]
fn a_dead_card_closes_the_connection_and_is_back_for_the_next_host() {
    listening(|address, diary| {
        let mut host = Host::connect(address);
        host.send(&[0x01]);
        host.send(&[0x00, DIE]);
        host.expect_removal();
        diary.wait_for_log("the card lost power");
        assert_eq!(diary.entries(), ["on", "command", "off"]);
        assert_eq!(Host::connect(address).ask(&SELECT), echo(&SELECT));
    });
}

#[test]
fn a_frame_cut_off_by_a_disconnect_reaches_nobody() {
    listening(|address, diary| {
        let mut host = Host::connect(address);
        assert_eq!(host.ask(&[0x04]), ATR);
        host.raw(&[0x00, 0x05, 0x00, 0xA4]);
        drop(host);
        diary.wait_for_log("the host closed the connection");
        assert_eq!(diary.entries(), ["off"]);
        assert_eq!(Host::connect(address).ask(&[0x04]), ATR);
    });
}

#[test]
fn an_unfinished_frame_has_a_deadline_but_silence_has_none() {
    let deadline = Duration::from_millis(150);
    listening_under(limit_frame_deadline(deadline), |address, diary| {
        let mut host = Host::connect(address);
        assert_eq!(host.ask(&[0x04]), ATR);
        thread::sleep(deadline * 3);
        assert_eq!(host.ask(&[0x04]), ATR);
        host.raw(&[0x00]);
        host.expect_removal();
        diary.wait_for_log("left a frame unfinished for 150 ms");
    });
}

#[test]
fn a_dribbled_frame_meets_the_same_deadline() {
    let deadline = Duration::from_millis(150);
    listening_under(limit_frame_deadline(deadline), |address, diary| {
        let mut host = Host::connect(address);
        host.raw(&[0xFF, 0xFF]);
        wait_until("the deadline", || {
            thread::sleep(Duration::from_millis(5));
            let _ = std::io::Write::write(&mut host.0, &[0]);
            diary.logged("left a frame unfinished") == 1
        });
    });
}

#[test]
fn a_host_that_stops_reading_is_dropped() {
    let deadline = Duration::from_millis(150);
    listening_under(limit_frame_deadline(deadline), |address, diary| {
        let mut host = Host::connect(address);
        let request = frame(&[0x00, BYTES, 0xFF, 0xFF]).repeat(1000);
        let _ = std::io::Write::write_all(&mut host.0, &request);
        diary.wait_for_log("left a frame unfinished");
    });
}

#[test]
fn the_second_host_waits_for_the_first() {
    listening(|address, diary| {
        let mut first = Host::connect(address);
        assert_eq!(first.ask(&[0x04]), ATR);
        let mut second = Host::connect(address);
        second.send(&SELECT);
        for _ in 0..20 {
            assert_eq!(first.ask(&[0x04]), ATR);
        }
        assert_eq!(diary.entries(), [] as [&str; 0]);
        drop(first);
        assert_eq!(second.receive(), echo(&SELECT));
        assert_eq!(diary.entries(), ["off", "command"]);
    });
}

#[test]
fn the_watchdog_releases_the_host_of_a_stuck_card() {
    listening_under(limit_budget(Duration::from_millis(200)), |address, diary| {
        let mut host = Host::connect(address);
        host.send(&[0x00, SLEEP_FOREVER]);
        host.expect_removal();
        diary.wait_for_log("the card took longer than 200 ms");
        diary.release.store(true, Ordering::SeqCst);
        assert_eq!(Host::connect(address).ask(&SELECT), echo(&SELECT));
        assert_eq!(diary.logged("disconnected"), 1, "one line for one loss");
    });
}

#[test]
fn the_watchdog_lets_a_busy_card_work() {
    listening_under(limit_budget(Duration::from_millis(500)), |address, diary| {
        let mut host = Host::connect(address);
        let begun = std::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(1500) {
            assert_eq!(host.ask(&[0x00, NAP]), [0x90, 0x00]);
        }
        assert_eq!(diary.logged("disconnected"), 0);
    });
}

#[test]
fn the_client_connects_when_the_driver_comes_up_and_again_after_each_loss() {
    let driver = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = driver.local_addr().unwrap();
    let client = Client::new(&address.to_string(), Peers::Loopback).unwrap();
    drop(driver);
    dialling(&client, |diary| {
        diary.wait_for_log("will retry");
        thread::sleep(Duration::from_millis(1800)); // two more attempts
        assert_eq!(diary.logged("will retry"), 1, "one line however often it is tried");
        let driver = TcpListener::bind(address).unwrap();
        for round in 1..=3 {
            let mut host = Host::new(driver.accept().unwrap().0);
            host.raw(&[0x00, 0x01, 0x01, 0x00, 0x01, 0x04]);
            assert_eq!(host.receive(), ATR);
            if round == 2 {
                host.send(&[0x00, DIE]);
                host.expect_removal();
            } else {
                host.raw(&[0x00, 0x05, 0x00]);
            }
        }
        drop(driver);
        wait_until("a second report", || diary.logged("will retry") == 2);
        assert_eq!(diary.logged("connected to"), 3);
        assert_eq!(diary.entries(), ["on", "off", "on", "command", "off", "on", "off"]);
    });
}

#[test]
fn stopping_ends_both_kinds_with_and_without_a_host() {
    listening(|_, _| {});
    listening(|address, _| Host::connect(address).ask(&[0x04]));
    listening(|address, _| {
        let mut host = Host::connect(address);
        host.ask(&[0x04]);
        host
    })
    .expect_removal();
    let driver = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::new(&driver.local_addr().unwrap().to_string(), Peers::Loopback).unwrap();
    dialling(&client, |_| driver.accept().unwrap());
    drop(driver);
    dialling(&client, |diary| {
        diary.wait_for_log("will retry");
    });
}

#[test]
fn the_network_is_refused_unless_asked_for() {
    let refused = |error| matches!(error, TransportError::NotLoopback { .. });
    assert!(Listener::bind("0.0.0.0:0", Peers::Loopback).is_err_and(refused));
    assert!(Client::new("192.0.2.1:35963", Peers::Loopback).is_err_and(refused));
    assert!(Listener::bind("0.0.0.0:0", Peers::Any).is_ok());
    assert!(Client::new("192.0.2.1:35963", Peers::Any).is_ok());
}

#[test]
fn a_taken_port_is_named() {
    let listener = Listener::bind("127.0.0.1:0", Peers::Loopback).unwrap();
    let address = listener.local_addr().to_string();
    let error = Listener::bind(&address, Peers::Loopback).unwrap_err();
    assert!(matches!(error, TransportError::Bind { .. }));
    assert!(error.to_string().contains(&address));
}

fn limit_budget(budget: Duration) -> Limits {
    Limits { budget: Some(budget), ..Limits::default() }
}

fn limit_frame_deadline(deadline: Duration) -> Limits {
    Limits { frame_deadline: Some(deadline), ..Limits::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However the bytes are cut into segments, each message is seen once and in order.
    #[test]
    fn segmentation_does_not_matter(
        bodies in prop::collection::vec(prop::collection::vec(0_u8..0x50, 0..40), 1..20),
        cuts in prop::collection::vec(1_usize..30, 1..20),
    ) {
        listening(|address, _| {
            let mut host = Host::connect(address);
            let stream: Vec<u8> = bodies.iter().flat_map(|body| frame(body)).collect();
            let mut rest = stream.as_slice();
            for cut in cuts.iter().cycle() {
                let (segment, later) = rest.split_at((*cut).min(rest.len()));
                host.raw(segment);
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            for body in &bodies {
                match body.as_slice() {
                    [4] => assert_eq!(host.receive(), ATR),
                    [] | [_] => {}
                    command => assert_eq!(host.receive(), echo(command)),
                }
            }
            assert_eq!(host.ask(&SELECT), echo(&SELECT));
        });
    }
}
