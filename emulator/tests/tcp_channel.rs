//! The reader's TCP channel against a listening card, and against peers that are none.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken premise fails the test")]

mod toy;

use core::sync::atomic::Ordering;
use core::time::Duration;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Instant;

use toy::{ATR, BYTES, DIE, Host, NAP, PATIENCE, SLEEP_FOREVER, echo, listening};
use xuejika_apdu::{CardChannel, ChannelError};
use xuejika_reader::channel::TcpChannel;

const SELECT: [u8; 5] = [0x00, 0xA4, 0x00, 0x00, 0x00];

#[test]
fn a_card_is_powered_reset_and_commanded() {
    listening(|address, diary| {
        let mut channel = TcpChannel::connect(&address.to_string(), PATIENCE).unwrap();
        assert_eq!(channel.atr(), ATR);
        let mut response = vec![0xEE; 9];
        channel.transmit(&SELECT, &mut response).unwrap();
        assert_eq!(response, echo(&SELECT));
        assert_eq!(channel.reset().unwrap(), ATR);
        channel.power_off().unwrap();
        assert_eq!(channel.power_on().unwrap(), ATR);
        channel.transmit(&[0x00, BYTES, 0xFF, 0xFF], &mut response).unwrap();
        assert_eq!(response.len(), 0xFFFF);
        assert_eq!(diary.entries(), ["on", "command", "reset", "off", "on", "command"]);
    });
}

#[test]
fn a_tear_is_a_removal_and_the_channel_stays_closed() {
    listening(|address, _| {
        let mut channel = TcpChannel::connect(&address.to_string(), PATIENCE).unwrap();
        let mut response = Vec::new();
        let torn = channel.transmit(&[0x00, DIE], &mut response);
        assert_eq!(torn, Err(ChannelError::Removed));
        assert_eq!(response, [0_u8; 0]);
        assert_eq!(channel.transmit(&SELECT, &mut response), Err(ChannelError::Removed));
        assert_eq!(channel.reset(), Err(ChannelError::Removed));
        let mut channel = TcpChannel::connect(&address.to_string(), PATIENCE).unwrap();
        channel.transmit(&SELECT, &mut response).unwrap();
    });
}

#[test]
fn a_late_answer_is_never_taken_for_the_next_one() {
    listening(|address, diary| {
        let timeout = Duration::from_millis(200);
        let mut channel = TcpChannel::connect(&address.to_string(), timeout).unwrap();
        let mut response = Vec::new();
        let late = channel.transmit(&[0x00, SLEEP_FOREVER], &mut response);
        assert_eq!(late, Err(ChannelError::Timeout(200)));
        diary.release.store(true, Ordering::SeqCst);
        assert_eq!(channel.transmit(&SELECT, &mut response), Err(ChannelError::Removed));
    });
}

#[test]
fn a_card_busy_with_another_host_is_a_timeout() {
    listening(|address, _| {
        let mut first = Host::connect(address);
        assert_eq!(first.ask(&[0x04]), ATR);
        let busy = TcpChannel::connect(&address.to_string(), Duration::from_millis(200));
        assert_eq!(busy.err(), Some(ChannelError::Timeout(200)));
    });
}

#[test]
fn commands_the_protocol_cannot_carry_are_refused_before_sending() {
    listening(|address, diary| {
        let mut channel = TcpChannel::connect(&address.to_string(), PATIENCE).unwrap();
        let mut response = Vec::new();
        let too_long = ChannelError::TooLong { length: 0x1_0000, limit: 0xFFFF };
        assert_eq!(channel.transmit(&[0; 0x1_0000], &mut response), Err(too_long));
        for short in [&[][..], &[0x02][..]] {
            assert!(matches!(channel.transmit(short, &mut response), Err(ChannelError::Io(_))));
        }
        channel.transmit(&[0; 0xFFFD], &mut response).unwrap();
        assert_eq!(diary.entries(), ["on", "command"]);
    });
}

/// A card that answers everything with one byte and 61 01, in time each, has no more time than a card
/// that gives its answer at once.
#[test]
fn an_answer_in_pieces_has_the_time_of_one_command() {
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = peer.local_addr().unwrap().to_string();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = peer.accept().unwrap().0;
            stream.read_exact(&mut [0; 6]).unwrap();
            stream.write_all(&[0, 2, 0x3B, 0x00]).unwrap();
            while stream.read_exact(&mut [0; 7]).is_ok() {
                thread::sleep(Duration::from_millis(20));
                // The channel may be closed by now.
                let _ = stream.write_all(&[0, 3, 0xAA, 0x61, 0x01]);
            }
        });
        let limit = Duration::from_millis(300);
        let mut channel = TcpChannel::connect(&address, limit).unwrap();
        let (more, mut answer) = ([0x00, 0xC0, 0x00, 0x00, 0x00], Vec::new());
        channel.transmit(&SELECT, &mut answer).unwrap();
        // Each is answered in time; all of them cannot be.
        let end = (0..100).find_map(|_| channel.transmit(&more, &mut answer).err());
        assert_eq!(end, Some(ChannelError::Timeout(300)));
    });
}

/// Another command has its own time.
#[test]
fn every_command_has_its_own_time() {
    listening(|address, _| {
        let limit = Duration::from_millis(300);
        let mut channel = TcpChannel::connect(&address.to_string(), limit).unwrap();
        let (begun, mut answer) = (Instant::now(), Vec::new());
        while begun.elapsed() < 2 * limit {
            channel.transmit(&[0x00, NAP, 0x00, 0x00], &mut answer).unwrap();
        }
    });
}

/// Connects to a peer that answers the driver's first burst with `answer` and then closes.
fn connect_to(answer: &'static [u8]) -> Result<TcpChannel, ChannelError> {
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = peer.local_addr().unwrap().to_string();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut stream = peer.accept().unwrap().0;
            stream.read_exact(&mut [0; 6]).unwrap();
            stream.write_all(answer).unwrap();
        });
        TcpChannel::connect(&address, PATIENCE)
    })
}

#[test]
fn answers_that_are_none_are_told_apart() {
    let malformed = |answer| matches!(connect_to(answer), Err(ChannelError::Malformed(_)));
    assert_eq!(connect_to(&[]).err(), Some(ChannelError::Removed));
    assert_eq!(connect_to(&[0, 0]).err(), Some(ChannelError::Removed));
    assert_eq!(connect_to(&[0, 2, 0x3B]).err(), Some(ChannelError::Removed));
    assert!(malformed(&[0, 1, 0x3B]));
    assert!(malformed(&[0, 2, 0x3B, 0x00, 0x00]));
    assert!(malformed(&[0x22; 2 + 0x2222]), "no ATR is that long");
    assert_eq!(connect_to(&[0, 2, 0x3B, 0x00]).unwrap().atr(), [0x3B, 0x00]);
}

#[test]
fn nobody_at_the_address_is_an_io_error() {
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = peer.local_addr().unwrap().to_string();
    drop(peer);
    for address in [&address, "nonsense"] {
        let error = TcpChannel::connect(address, PATIENCE).unwrap_err();
        assert!(matches!(&error, ChannelError::Io(text) if text.contains(address)), "{error}");
    }
}
