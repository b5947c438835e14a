//! `kill -9` at any moment: what a card has acknowledged is in its image, and the image is whole.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken premise fails the test"
)]

#[allow(dead_code, reason = "shared with the other tests of the program")]
#[path = "program/support.rs"]
mod support;

use core::time::Duration;
use std::path::Path;
use std::thread;

use support::{Desk, Server, run};
use xuejika_apdu::CardChannel;
use xuejika_card_model::Card;
use xuejika_card_model::nvm::RamNvm;
use xuejika_emulator::file_store;
use xuejika_keyscheme::KeyNumber;
use xuejika_reader::channel::TcpChannel;

/// How often the program is killed.
const KILLS: u16 = 60;

/// SELECT, MANAGE SECURITY ENVIRONMENT for K1, GET CHALLENGE.
const BEFORE: [&str; 3] = [support::SELECT, "0022C1A40780010183020101", "0084000010"];

/// One round kills after the answer, the next while the command is under way, later every time.
#[test]
fn nothing_acknowledged_is_lost() {
    let desk = Desk::new("cpu-aes");
    let mut counted = 0;
    for round in 1..=KILLS {
        let mut server = Server::start(&desk.card(), &[]);
        let mut card = TcpChannel::connect(&server.address, support::PATIENCE).unwrap();
        for command in BEFORE {
            assert_eq!(send(&mut card, &hex::decode(command).unwrap()), Some(0x9000));
        }
        let wrong_proof = [&[0x00, 0x82, 0x00, 0x00, 40][..], &[0x5A; 40], &[0]].concat();
        if round % 2 == 1 {
            assert_eq!(send(&mut card, &wrong_proof), Some(0x6300));
            kill(&mut server);
            counted += 1;
            assert_eq!(failures(&desk.card()), counted, "round {round}");
        } else {
            let host = thread::spawn(move || send(&mut card, &wrong_proof));
            thread::sleep(Duration::from_micros(100 * u64::from(round)));
            kill(&mut server);
            let acknowledged = host.join().unwrap().is_some();
            let found = failures(&desk.card());
            assert!(found == counted + 1 || (found == counted && !acknowledged), "round {round}");
            counted = found;
        }
    }
    let card = run(&["card", "show", &desk.card(), "--json"]).expect(0).object();
    assert_eq!(card["directories"][1]["keys"][1]["failures"], counted);
}

/// Kills the program and waits until it is gone.
fn kill(server: &mut Server) {
    server.child.kill().unwrap();
    let status = server.child.wait().unwrap();
    assert!(status.code().is_none(), "it ended by itself: {status}");
}

/// Status word of the answer, if there was one.
fn send(card: &mut TcpChannel, command: &[u8]) -> Option<u16> {
    let mut response = Vec::new();
    card.transmit(command, &mut response).ok()?;
    response.last_chunk().copied().map(u16::from_be_bytes)
}

/// The failure counter of K1 in the image, which has to be whole.
fn failures(path: &str) -> u16 {
    let memory = file_store::read_image(Path::new(path)).unwrap();
    let card = Card::open(RamNvm::new(memory)).unwrap();
    let education = card.tree().education().unwrap();
    card.key_slots(education, KeyNumber::READ).unwrap().unwrap().failures()
}
