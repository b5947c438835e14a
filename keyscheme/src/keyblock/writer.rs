//! Writing a key block.

use alloc::string::String;
use alloc::vec;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::binding::{self, ProtectionKey};
use super::error::WriteError;
use super::header::{BlockHeader, Header, MAX_BLOCK_LEN};
use super::material::{KeyKind, KeyMaterial};
use super::optional::CheckValue;
use super::text::push_hex;

/// Writes `key` into a key block of version B (TDES protection key) or D (AES).
///
/// The block carries the check values of both keys (KC and KP). Random padding makes all keys of an
/// algorithm equally long, so that the block does not tell a key's length (ANSI X9.143:2021 §6.1).
///
/// # Errors
/// Returns [`WriteError`] when the key has no place in a key block, is stronger than the protection
/// key, or the header breaks the form.
pub fn write<R: CryptoRng + ?Sized>(
    header: &Header,
    key: &KeyMaterial,
    protection: &ProtectionKey,
    rng: &mut R,
) -> Result<String, WriteError> {
    let longest = check_key(header, key)?;
    check_protection(key, protection.material())?;
    let version = protection.version();
    let length = (2 + longest).next_multiple_of(version.block_len());
    let block = BlockHeader {
        version,
        header: header.clone(),
        key: Some(CheckValue::of(key)),
        protection: Some(CheckValue::of(protection.material())),
    };
    let (mut text, total) = block.emit(2 * (length + version.mac_len()))?;
    if total > MAX_BLOCK_LEN {
        return Err(WriteError::TooLong(total));
    }
    let mut field = Zeroizing::new(vec![0; length]);
    rng.fill_bytes(&mut field);
    let bits = key.kind().bits().to_be_bytes();
    let content = bits.iter().chain(key.expose());
    field.iter_mut().zip(content).for_each(|(to, from)| *to = *from);
    let sealed = binding::seal(protection, text.as_bytes(), field);
    push_hex(&mut text, &sealed.ciphertext);
    push_hex(&mut text, &sealed.mac);
    Ok(text)
}

/// Length of the longest key of the algorithm, in bytes.
fn check_key(header: &Header, key: &KeyMaterial) -> Result<usize, WriteError> {
    let kinds = header.algorithm.kinds();
    match (key.kind(), kinds) {
        (KeyKind::Sm4, _) => Err(WriteError::Sm4),
        (KeyKind::Des, _) => Err(WriteError::SingleDes),
        (kind, [.., longest]) if kinds.contains(&kind) => Ok(longest.len()),
        (kind, _) => Err(WriteError::Algorithm { header: header.algorithm, key: kind }),
    }
}

fn check_protection(key: &KeyMaterial, protection: &KeyMaterial) -> Result<(), WriteError> {
    protection.check_strength()?;
    if key.kind().strength() > protection.kind().strength() {
        return Err(WriteError::Strength { key: key.kind(), protection: protection.kind() });
    }
    Ok(())
}
