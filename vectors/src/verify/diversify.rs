//! One diversification step of AN10922.

use xuejika_keyscheme::an10922::{self, KeyType};
use xuejika_keyscheme::cmac::Cmac;

use super::cipher::AnyCipher;
use super::outcome::{Check, Problem, expect, expect_if_any};
use crate::vector::Fields;

pub(super) fn check(entry: &Fields<'_>) -> Check {
    match AnyCipher::new(entry.text("alg")?, &entry.hex("master_key")?)? {
        AnyCipher::Aes128(cipher) => check_key(entry, cipher),
        AnyCipher::Aes192(cipher) => check_key(entry, cipher),
        AnyCipher::Aes256(cipher) => check_key(entry, cipher),
        AnyCipher::TdesEde2(cipher) => check_key(entry, cipher),
        AnyCipher::TdesEde3(cipher) => check_key(entry, cipher),
        AnyCipher::Sm4(_) | AnyCipher::Des(_) => {
            Err(Problem::NotSupported("AN10922 for this key type"))
        }
    }
}

fn check_key<C: KeyType>(entry: &Fields<'_>, cipher: C) -> Check {
    let constants = C::CONSTANTS.iter().map(|constant| vec![*constant]);
    if entry.has("div_constants") && !entry.hex_list("div_constants")?.into_iter().eq(constants) {
        return Err(entry.error("div_constants", "the constants of the key type").into());
    }
    let key = an10922::diversify(&Cmac::new(cipher), &entry.hex("div_input_m")?)?;
    expect(entry, "diversified_key", &key)?;
    expect_if_any(entry, "with_key_version_55", &versioned(&key, 0x55))
}

/// The key version of a TDEA key stands in the parity bits of the first half; those of the second
/// half of a two-key one are inverted, so that the halves differ.
fn versioned(key: &[u8], version: u8) -> Vec<u8> {
    let mut key = key.to_vec();
    let two_keys = key.len() == 16;
    for (index, byte) in key.iter_mut().enumerate() {
        let bit = version >> (7 - index % 8) & 1;
        match index / 8 {
            0 => *byte = *byte & !1 | bit,
            1 if two_keys => *byte = *byte & !1 | (bit ^ 1),
            _ => {}
        }
    }
    key
}
