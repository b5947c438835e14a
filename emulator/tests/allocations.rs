//! Memory: a plain command asks the allocator for nothing, and a card takes little beside its files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken premise fails the test"
)]

mod support;

use allocation_counter::measure;
use support::wallet::{memory_with, open_with};
use support::{bytes, power_up_with};
use xuejika_card_model::nvm::{Nvm, RamNvm};
use xuejika_emulator::{Env, VirtualCard, test_card};

/// Bytes a card may take beside the contents of its memory.
const CARD_LIMIT: i64 = 4096;

/// Selects a DF, then plain commands in it: each is answered as often as it is asked.
const PLAIN: &[&[&str]] = &[
    // The MF, without its name.
    &["00 A4 00 00 02 3F 00 00", "00 A4 00 0C 02 3F 00", "00 84 00 00 08"],
    // The education zone: SELECT by name, READ BINARY of 32 and of all bytes, a challenge, refusals.
    &[
        "00 A4 04 00 07 F0 42 4A 45 44 55 01 00",
        "00 B0 85 00 20",
        "00 B0 85 00 00",
        "00 22 C1 A4 07 80 01 01 83 02 01 01",
        "00 B0 81 00 20",
        "00 FF 00 00",
        "00 B0 85",
        "FF B0 85 00 20",
    ],
    // The wallet: SELECT, balance, log, INITIALIZE FOR PURCHASE, a challenge.
    &[
        "00 A4 00 00 02 10 01 00",
        "80 5C 00 02 04",
        "00 B2 01 C4 17",
        "80 50 01 02 0B 01 00 00 00 01 12 00 80 80 00 01 0F",
        "00 84 00 00 04",
    ],
];

#[test]
fn plain_commands_allocate_nothing() {
    let mut card = power_up_with(RamNvm::new(memory_with(&open_with(1000))), Env::from_seed(7));
    let mut response = Vec::new();
    for commands in PLAIN.iter().map(|list| list.iter().map(|hex| bytes(hex)).collect::<Vec<_>>()) {
        // The first time the buffers grow.
        for command in &commands {
            card.transmit(command, &mut response).unwrap();
        }
        for command in &commands {
            let used = measure(|| card.transmit(command, &mut response).unwrap());
            assert_eq!(used.count_total, 0, "{command:02X?} answered {response:02X?}");
        }
    }
}

#[test]
fn a_card_takes_little_beside_its_files() {
    let answer = bytes("00 A4 04 00 07 F0 42 4A 45 44 55 01 00");
    let memory = test_card::student("1100070100000017").unwrap();
    let contents = i64::try_from(memory.bytes().len()).unwrap();
    let used = measure(|| {
        let mut card = Box::new(VirtualCard::new(memory.clone(), Env::from_seed(7)).unwrap());
        card.power_on().unwrap();
        card.transmit(&answer, &mut Vec::new()).unwrap();
        core::mem::forget(card);
    });
    let beside = used.bytes_current - contents;
    assert!((0..CARD_LIMIT).contains(&beside), "{beside} bytes beside {contents}");
}
