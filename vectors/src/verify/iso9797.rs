//! The MACs of ISO/IEC 9797-1 on DES, whole or cut on the right.

use xuejika_keyscheme::legacy::DesMac;
use xuejika_keyscheme::legacy::mac::{Padding, ZERO_IV};
use xuejika_keyscheme::padding;

use super::outcome::{Check, Problem, expect_if_any, expect_prefix};
use crate::vector::Fields;

pub(super) fn check(entry: &Fields<'_>) -> Check {
    if !entry.text("cipher")?.starts_with("DES") {
        return Err(Problem::NotSupported("ISO/IEC 9797-1 on ciphers other than DES"));
    }
    let (padding, message) = message(entry)?;
    let tag = mac(entry)?.tag(ZERO_IV, padding, &message);
    expect_prefix(entry, "tag", &tag)?;
    expect_if_any(entry, "full_tag", &tag)
}

fn mac(entry: &Fields<'_>) -> Result<DesMac, Problem> {
    match entry.text("alg")? {
        "ISO9797-1 MAC algorithm 1" => Ok(DesMac::cbc(&entry.array("key")?)),
        "ISO9797-1 MAC algorithm 2" => Ok(DesMac::emac(&entry.array("key")?)),
        "ISO9797-1 MAC algorithm 3" => Ok(DesMac::retail(&double_key(entry)?)),
        "ISO9797-1 MAC algorithm 4" => Ok(DesMac::double_first(&double_key(entry)?)),
        _ => Err(Problem::NotSupported("MAC algorithm unknown")),
    }
}

/// Both keys, in one field or in two.
fn double_key(entry: &Fields<'_>) -> Result<[u8; 16], Problem> {
    let key = [entry.hex("key")?, entry.hex_if_any("key2")?.unwrap_or_default()].concat();
    Ok(key.try_into().map_err(|_| entry.error("key", "16 bytes, with key2 if it is there"))?)
}

/// Some entries show the message with its padding only.
fn message(entry: &Fields<'_>) -> Result<(Padding, Vec<u8>), Problem> {
    if entry.has("padded_msg") {
        let padded = entry.hex("padded_msg")?;
        let message = padding::unpad(&padded)?;
        if padded.len() != (message.len() + 1).next_multiple_of(8) {
            return Err(entry.error("padded_msg", "padding method 2").into());
        }
        return Ok((Padding::Marker, message.to_vec()));
    }
    let padding = match entry.count("padding")? {
        1 => Padding::Zeros,
        2 => Padding::Marker,
        3 => Padding::Length,
        _ => return Err(entry.error("padding", "method 1, 2 or 3").into()),
    };
    Ok((padding, entry.hex("msg")?))
}
