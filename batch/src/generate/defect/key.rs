//! Defects of keys and of their check values.

use xuejika_keyscheme::auth::CardId;
use xuejika_keyscheme::kcv::Kcv;
use xuejika_keyscheme::key::{Card, Key};
use xuejika_keyscheme::legacy::{LoadKey, TdesKey};
use xuejika_keyscheme::{KeyVersion, test_keys};

use super::At::Row;
use super::{Kind, Plant, RowCells, before};
use crate::error::Cause;
use crate::{Check, Column, KeySlot};

pub(super) const KINDS: &[Kind] = &[
    Kind::row(
        "kcv-form",
        "a whole key in the place of its check value",
        &[(Check::KeyForm, Row)],
        Plant::Cells(|row| row.set(Column::kcv(slot("k2")?), "00112233445566778899AABBCCDDEEFF")),
    ),
    Kind::row(
        "kcv-wrong",
        "a check value with one digit changed",
        &[(Check::KeyWrong, Row)],
        Plant::Cells(|row| {
            let [a, b, c] = value(row, slot("k1")?);
            set(row, "k1", [a, b, c ^ 1])
        }),
    ),
    Kind::row(
        "wallet-kcv-wrong",
        "the check value of a wallet key with one digit changed",
        &[(Check::KeyWrong, Row)],
        Plant::Cells(|row| {
            let [a, b, c] = value(row, slot("w34")?);
            set(row, "w34", [a, b, c ^ 1])
        }),
    ),
    Kind::row(
        "default-key",
        "a sector key that was never changed",
        &[(Check::KeyDefault, Row)],
        Plant::Cells(|row| {
            let key = Key::<Card>::new(row.design.algorithm, [0; 16]);
            set(row, "s3", key.kcv().bytes())
        }),
    ),
    Kind::row(
        "default-wallet-key",
        "a wallet key of all FF",
        &[(Check::KeyDefault, Row)],
        Plant::Cells(|row| {
            let (key, _) = TdesKey::<LoadKey>::import_reporting([0xFF; 16]);
            set(row, "w3f", key.kcv().bytes())
        }),
    ),
    Kind::row(
        "key-not-diversified",
        "a card with the root itself",
        &[(Check::KeyRoot, Row)],
        Plant::Cells(|row| {
            let root = row.source.root(slot("k5")?)?.ok_or("the root of k5")?;
            set(row, "k5", root)
        }),
    ),
    Kind::row(
        "keys-swapped",
        "two keys in each other's place",
        &[(Check::KeySwapped, Row)],
        Plant::Cells(|row| {
            let (a, b) = (value(row, slot("k3")?), value(row, slot("k4")?));
            set(row, "k3", b)?;
            set(row, "k4", a)
        }),
    ),
    Kind::row(
        "key-of-other-version",
        "a key of the next version",
        &[(Check::KeyVersion, Row)],
        Plant::Cells(|row| {
            let next = KeyVersion::new(row.design.key_version.number() + 1);
            set(row, "k6", key(row, "k6", next.ok_or("a next version")?)?.kcv().bytes())
        }),
    ),
    Kind::row(
        "kcv-of-other-method",
        "the encryption of a zero block in the place of the CMAC",
        &[(Check::KeyMethod, Row)],
        Plant::Cells(|row| {
            let key = key(row, "k0", row.design.key_version)?;
            set(row, "k0", Kcv::zero_block(&key.cipher()).bytes())
        }),
    ),
    Kind::row(
        "weak-key",
        "a weak DES key in the wallet",
        &[(Check::KeyWeak, Row)],
        Plant::Cells(|row| {
            let weak = *b"\x1F\x1F\x1F\x1F\x0E\x0E\x0E\x0E\x1F\x1F\x1F\x1F\x0E\x0E\x0E\x0E";
            let (key, _) = TdesKey::<LoadKey>::import_reporting(weak);
            set(row, "w3e", key.kcv().bytes())
        }),
    ),
    Kind::row(
        "keys-copied",
        "the keys of the card before",
        &[(Check::KeyWrong, Row), (Check::KeyCopied, Row)],
        Plant::Card(|sketch, design| {
            sketch.keys = before(sketch, design)?.keys;
            Ok(())
        }),
    ),
    Kind::row(
        "key-set-version",
        "a row with another key-set version",
        &[(Check::KeySetVersion, Row)],
        Plant::Cells(|row| row.set(Column::KEY_SET_VERSION, "02")),
    ),
];

fn slot(name: &str) -> Result<KeySlot, Cause> {
    KeySlot::from_name(name).ok_or_else(|| format!("{name} is no key").into())
}

fn value(row: &RowCells<'_>, slot: KeySlot) -> [u8; 3] {
    row.values.get(slot.index()).copied().unwrap_or_default()
}

fn set(row: &mut RowCells<'_>, name: &str, value: [u8; 3]) -> Result<(), Cause> {
    row.set(Column::kcv(slot(name)?), hex::encode(value))
}

/// A test key of the card.
fn key(row: &RowCells<'_>, name: &str, version: KeyVersion) -> Result<Key<Card>, Cause> {
    let id = slot(name)?.id(version, row.design.algorithm).ok_or("no wallet key")?;
    Ok(test_keys::root(&id).card(&id, CardId(row.sketch.serial.bytes())))
}
