//! Any sequence of commands: the card answers each with two status bytes at least and never lets a
//! stranger change anything but a failure counter.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xuejika_emulator::{Env, VirtualCard, test_card};

fuzz_target!(|bytes: &[u8]| {
    let memory = test_card::student("1100070100000017").expect("a valid serial");
    let mut card = VirtualCard::new(memory, Env::seeded(1)).expect("a new card opens");
    card.power_on().expect("power");
    let (mut rest, mut response) = (bytes, Vec::new());
    while let [length, tail @ ..] = rest {
        let (command, tail) = tail.split_at(tail.len().min(usize::from(*length)));
        if command.is_empty() {
            card.reset().expect("power");
        } else {
            card.transmit(command, &mut response).expect("power");
            assert!(response.len() >= 2);
        }
        rest = tail;
    }
});
