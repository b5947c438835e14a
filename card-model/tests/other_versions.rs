//! A card of another version of the program is named as that, and not as damaged.
#![allow(clippy::unwrap_used, reason = "a broken premise fails the test")]

mod support;

use support::new_card;
use xuejika_card_model::nvm::RamNvm;
use xuejika_card_model::{Card, OpenError};

fn error(memory: Vec<u8>) -> OpenError {
    Card::open(RamNvm::new(memory)).unwrap_err()
}

#[test]
fn another_version_is_no_damage() {
    let changed = |at: usize, value| {
        let mut memory = new_card();
        *memory.get_mut(at).unwrap() = value;
        // Whatever the rest is like, which this version cannot judge.
        memory.get_mut(32..).unwrap().fill(0xA5);
        error(memory)
    };
    assert_eq!(changed(2, 9), OpenError::Profile(9));
    assert_eq!(changed(3, 9), OpenError::Layout { found: 9, expected: 0 });
    let mut longer = new_card();
    longer.push(0);
    for error in [changed(2, 9), changed(3, 9), error(longer)] {
        let text = error.to_string();
        assert!(text.contains("another version"), "{text}");
    }
}
