//! Keys in components, and single keys under a transport or storage key of old equipment.

use xuejika_keyscheme::ceremony::{Component, ParityRule, RECOMMENDED_COMPONENTS};
use xuejika_keyscheme::ceremony::{assemble, combine, split};
use xuejika_keyscheme::kcv::KcvMethod;
use xuejika_keyscheme::keyblock::KeyMaterial;
use xuejika_keyscheme::legacy::ecb;

use super::cipher::AnyCipher;
use super::keyblock::{Padding, kind};
use super::outcome::{Check, Problem, expect, expect_if_any};
use crate::vector::Fields;

pub(super) fn check(entry: &Fields<'_>) -> Check {
    match entry.text_or_empty("kind")? {
        "" => check_components(entry),
        "encrypted-under-test-LMK-04-05" => check_storage(entry),
        "key-under-transport-key" => check_transport(entry),
        _ => Err(Problem::NotSupported("keys under another key")),
    }
}

fn check_components(entry: &Fields<'_>) -> Check {
    let components = components(entry)?;
    let key = combine(&components, None).map_err(refused)?;
    check_key(entry, &key)?;
    let again = split(&key, RECOMMENDED_COMPONENTS, &mut Padding(0))
        .and_then(|parts| assemble(&parts))
        .map_err(refused)?;
    if again == key {
        Ok(())
    } else {
        Err(Problem::Refused("the key changes when it is split and combined".into()))
    }
}

/// The components as they are entered. Where no check values are printed, parity was not cared for
/// either.
fn components(entry: &Fields<'_>) -> Result<Vec<Component>, Problem> {
    let algorithm = entry.text("alg")?;
    let parts = entry.hex_list("components")?;
    let stated = entry.has("component_kcv").then(|| entry.hex_list("component_kcv")).transpose()?;
    let parity = if stated.is_some() { ParityRule::Odd } else { ParityRule::Any };
    let mut components = Vec::new();
    for (index, bytes) in parts.iter().enumerate() {
        let material = KeyMaterial::new(kind(algorithm, bytes.len())?, bytes)?;
        let printed = match &stated {
            None => material.kcv().bytes(),
            Some(stated) => {
                let bytes = stated.get(index).and_then(|kcv| kcv.as_slice().try_into().ok());
                bytes.ok_or_else(|| entry.error("component_kcv", "three bytes per component"))?
            }
        };
        components
            .push(Component::enter(material.kind(), bytes, printed, parity).map_err(refused)?);
    }
    Ok(components)
}

fn check_key(entry: &Fields<'_>, key: &KeyMaterial) -> Check {
    let kcv = key.kcv();
    let method = match kcv.method() {
        KcvMethod::ZeroBlock => "encrypt-zero-block",
        _ => "cmac-zero-block",
    };
    if !["", method].contains(&entry.text_or_empty("kcv_method")?) {
        return Err(Problem::NotSupported("check values of one vendor"));
    }
    expect(entry, "key", key.expose())?;
    expect_if_any(entry, "key_kcv", &kcv.bytes())
}

/// A key under a pair of storage keys. By scheme U each half is encrypted under a variant of its
/// own: the first byte of the right storage key with A6 or 5A added.
fn check_storage(entry: &Fields<'_>) -> Check {
    let [left @ .., a, b, c, d, e, f, g, h] = entry.array::<16>("lmk")?;
    let key = entry.hex("key")?;
    let variants: &[u8] = match entry.text("scheme")? {
        "plain" => &[0],
        scheme if scheme.starts_with("U ") => &[0xA6, 0x5A],
        _ => return Err(Problem::NotSupported("storage schemes other than U")),
    };
    if key.len() != 8 * variants.len() {
        return Err(entry.error("key", "one DES key per variant").into());
    }
    let mut encrypted = Vec::new();
    for (part, variant) in key.chunks(8).zip(variants) {
        let storage = [left, [a ^ variant, b, c, d, e, f, g, h]].concat();
        encrypted.extend(under(&storage, part)?);
    }
    expect(entry, "encrypted", &encrypted)
}

fn check_transport(entry: &Fields<'_>) -> Check {
    let key = entry.hex("key")?;
    expect(entry, "encrypted", &under(&entry.hex("transport_key")?, &key)?)?;
    check_key(entry, &KeyMaterial::new(kind(entry.text("alg")?, key.len())?, &key)?)
}

/// `data` in ECB mode under a DES or TDES key.
fn under(key: &[u8], data: &[u8]) -> Result<Vec<u8>, Problem> {
    let mut data = data.to_vec();
    let cipher = AnyCipher::new("TDES", key)?;
    with_cipher!(cipher, cipher => ecb::encrypt(&cipher, &mut data))?;
    Ok(data)
}

fn refused(error: impl std::fmt::Display) -> Problem {
    Problem::Refused(error.to_string())
}
