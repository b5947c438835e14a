//! A memory whose wallet cannot be read is no card: it is refused when it is opened, by name, not
//! in the middle of a transaction.
#![allow(clippy::unwrap_used, reason = "a broken premise fails the test")]

mod support;

use support::{new_card, put, tree};
use xuejika_card_model::file::tree::wallet_sfi;
use xuejika_card_model::nvm::RamNvm;
use xuejika_card_model::{Card, OpenError};

fn error(memory: Vec<u8>) -> Option<String> {
    match Card::open(RamNvm::new(memory)) {
        Ok(_) => None,
        Err(OpenError::Wallet(error)) => Some(error.to_string()),
        Err(other) => Some(format!("not the wallet: {other}")),
    }
}

#[test]
fn every_part_of_the_wallet_is_read_when_a_card_is_opened() {
    let wallet = tree().wallet.as_ref().unwrap();
    assert_eq!(error(new_card()), None);
    for (sfi, bytes, expected) in [
        (wallet_sfi::CONTROL, vec![4], "the wallet's enable flag cannot be read"),
        (wallet_sfi::PURSE, vec![0xA5; 16], "the wallet's purse cannot be read"),
    ] {
        let mut memory = new_card();
        put(&mut memory, wallet.by_sfi(sfi).unwrap(), &bytes);
        assert_eq!(error(memory).as_deref(), Some(expected));
    }
    // Every byte of keys, PIN and lock state is under a check value.
    for offset in wallet.keys_offset..wallet.keys_offset + wallet.keys_len() {
        let mut memory = new_card();
        *memory.get_mut(offset).unwrap() ^= 0xFF;
        let told = error(memory).unwrap();
        assert!(told.starts_with("the wallet's ") && told.ends_with(" cannot be read"), "{told}");
    }
}
