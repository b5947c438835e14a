//! The arithmetic of a purse, done again: session keys, MACs and proofs (card profile 17.5, 20).

use super::keys::wallet_key;
use super::tdes::{Des, Tdes, folded, padded};

pub(crate) type Code = [u8; 4];
pub(crate) type Number = [u8; 8];

/// The keys of one wallet.
pub(crate) struct Keys {
    pub(crate) load: Tdes,
    pub(crate) unload: Tdes,
    pub(crate) purchase: Tdes,
    pub(crate) tac: Des,
    pub(crate) line: Tdes,
    pub(crate) unblock: Tdes,
    pub(crate) reload: Des,
    pub(crate) external: Tdes,
    pub(crate) encrypt: Tdes,
    pub(crate) mac: Tdes,
}

impl Keys {
    /// The published test keys of the wallet with this card number.
    pub(crate) fn of(number: Number) -> Self {
        let key = |kind| wallet_key(kind, number);
        Self {
            load: Tdes::new(key(0x3F)),
            unload: Tdes::new(key(0x3D)),
            purchase: Tdes::new(key(0x3E)),
            tac: folded(key(0x34)),
            line: Tdes::new(key(0x36)),
            unblock: Tdes::new(key(0x37)),
            reload: folded(key(0x38)),
            external: Tdes::new(key(0x39)),
            encrypt: Tdes::new(key(0x30)),
            mac: Tdes::new(key(0x32)),
        }
    }
}

/// The session key of a load or unload.
pub(crate) fn online(key: &Tdes, random: [u8; 4], counter: u16) -> Des {
    session(key, random, counter, [0x80, 0x00])
}

/// The session key of a purchase.
pub(crate) fn offline(key: &Tdes, random: [u8; 4], counter: u16, terminal: u32) -> Des {
    let [_, _, a, b] = terminal.to_be_bytes();
    session(key, random, counter, [a, b])
}

fn session(key: &Tdes, random: [u8; 4], counter: u16, tail: [u8; 2]) -> Des {
    let input = [&random[..], &counter.to_be_bytes(), &tail].concat();
    Des::new(key.encrypt(input.try_into().unwrap()))
}

/// A code over these fields.
pub(crate) fn code(key: &Des, fields: &[&[u8]]) -> Code {
    key.mac(&fields.concat())
}

/// The MAC of a command under line protection.
pub(crate) fn line_mac(key: &Tdes, challenge: [u8; 8], message: &[u8]) -> Code {
    key.retail(challenge, message)
}

/// Data of PIN UNBLOCK: its length, the PIN, padding, enciphered.
pub(crate) fn enciphered(key: &Tdes, data: &[u8]) -> Vec<u8> {
    let length = u8::try_from(data.len()).unwrap();
    let mut plain = [&[length], data].concat();
    if plain.len() % 8 != 0 {
        plain = padded(&plain);
    }
    key.ecb(&plain, true)
}
