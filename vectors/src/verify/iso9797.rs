//! The MACs of ISO/IEC 9797-1 and GB/T 15852.1 on DES and SM4, whole or cut on the right.

use xuejika_keyscheme::algorithm::Sm4;
use xuejika_keyscheme::algorithm::cipher::KeyInit;
use xuejika_keyscheme::cmac::Cmac;
use xuejika_keyscheme::iso9797::{BlockMac, alternate, cbcr, trcbc};
use xuejika_keyscheme::legacy::DesMac;
use xuejika_keyscheme::legacy::mac::{Padding, ZERO_IV};
use xuejika_keyscheme::padding;

use super::outcome::{Check, Problem, expect_if_any, expect_prefix};
use crate::vector::Fields;

pub(super) fn check(entry: &Fields<'_>) -> Check {
    let tag = match entry.text("cipher")? {
        "SM4" => sm4_tag(entry)?,
        name if name.starts_with("DES") => des_tag(entry)?,
        _ => return Err(Problem::NotSupported("ISO/IEC 9797-1 on other ciphers")),
    };
    expect_prefix(entry, "tag", &tag)?;
    expect_if_any(entry, "full_tag", &tag)
}

fn des_tag(entry: &Fields<'_>) -> Result<Vec<u8>, Problem> {
    let mac = match algorithm(entry)? {
        1 => DesMac::cbc(&entry.array("key")?),
        2 => DesMac::emac(&entry.array("key")?),
        3 => DesMac::retail(&double_key(entry)?),
        4 => DesMac::double_first(&double_key(entry)?),
        _ => return Err(Problem::NotSupported("MAC algorithm unknown")),
    };
    let (padding, message) = message(entry)?;
    Ok(mac.tag(ZERO_IV, padding, &message).to_vec())
}

fn sm4_tag(entry: &Fields<'_>) -> Result<Vec<u8>, Problem> {
    let key = Sm4::new(&entry.array("key")?.into());
    let second = || Ok::<[u8; 16], Problem>(entry.array("key2")?);
    let cipher = |key: [u8; 16]| Sm4::new(&key.into());
    let mac = match algorithm(entry)? {
        1 => BlockMac::cbc(key),
        2 => BlockMac::emac(key, cipher(second()?)),
        3 => BlockMac::retail(key, cipher(second()?)),
        4 => BlockMac::double_first(key, cipher(second()?), cipher(alternate(&second()?))),
        6 => BlockMac::lmac(&key),
        own_padding => return sm4_tag_of_any_length(entry, own_padding, key),
    };
    let (padding, message) = message(entry)?;
    Ok(mac.tag(&[0; 16].into(), padding, &message).to_vec())
}

/// The algorithms that pad by themselves, by method 4.
fn sm4_tag_of_any_length(
    entry: &Fields<'_>,
    algorithm: usize,
    key: Sm4,
) -> Result<Vec<u8>, Problem> {
    if entry.count("padding")? != 4 {
        return Err(entry.error("padding", "method 4").into());
    }
    let message = entry.hex("msg")?;
    match algorithm {
        5 => Ok(Cmac::new(key).tag(&message).to_vec()),
        7 => Ok(trcbc(&key, &message, entry.hex("tag")?.len())?),
        8 => Ok(cbcr(&key, &message).to_vec()),
        _ => Err(Problem::NotSupported("MAC algorithm unknown")),
    }
}

/// The number of the algorithm, which stands at the end of its name.
fn algorithm(entry: &Fields<'_>) -> Result<usize, Problem> {
    let number = entry.text("alg")?.rsplit(' ').next().and_then(|number| number.parse().ok());
    Ok(number.ok_or_else(|| entry.error("alg", "the number of a MAC algorithm at the end"))?)
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
