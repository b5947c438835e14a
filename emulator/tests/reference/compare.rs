//! Everything the real card keeps, against what the reference keeps.

use xuejika_card_model::file::{Df, Structure};
use xuejika_card_model::nvm::Nvm;
use xuejika_emulator::VirtualCard;

use super::card::{Lock, RefCard};
use super::files::{self, Body};
use super::keys;
use super::record::seal;

/// Length of a stored key of the education zone: failures, algorithm, versions, keys.
const SLOTS_LEN: usize = 37;

/// The first difference, in words.
pub(crate) fn difference(card: &VirtualCard, reference: &RefCard) -> Option<String> {
    let memory = card.model().nvm().bytes();
    card.model().tree().all().find_map(|df| {
        files_of(memory, df, reference).or_else(|| match df.fid {
            files::WALLET => store_of(&memory[df.keys_offset..], reference),
            _ => slots_of(memory, df, reference),
        })
    })
}

fn files_of(memory: &[u8], df: &Df, reference: &RefCard) -> Option<String> {
    df.files.iter().find_map(|file| {
        let stored = &memory[file.offset..file.offset + file.structure.storage()];
        let found = match file.structure {
            Structure::Transparent { .. } => Body::Bytes(stored.to_vec()),
            Structure::Purse { .. } => {
                return differs("purse", stored, &reference.purse.bytes());
            }
            structure => Body::Records(
                (1..=u8::MAX)
                    .map_while(|n| structure.record(stored, n).map(<[u8]>::to_vec))
                    .collect(),
            ),
        };
        let expected = &reference.files[&(df.fid, file.fid)];
        (found != *expected).then(|| {
            format!("file {:04X}/{:04X}: {found:02X?}, not {expected:02X?}", df.fid, file.fid)
        })
    })
}

fn slots_of(memory: &[u8], df: &Df, reference: &RefCard) -> Option<String> {
    df.keys.iter().enumerate().find_map(|(place, number)| {
        let offset = df.keys_offset + place * SLOTS_LEN;
        let expected = reference.slots.get(&(df.fid, number.0)).map_or(vec![0; SLOTS_LEN], |it| {
            let (version, key) = it.other.unwrap_or((0xFF, [0; 16]));
            let head = [reference.algorithm, it.active.0, version];
            [&it.failures.to_be_bytes()[..], &head, &it.active.1, &key].concat()
        });
        let what = format!("key {:04X}/{:02X}", df.fid, number.0);
        differs(&what, &memory[offset..offset + SLOTS_LEN], &expected)
    })
}

/// Keys, PIN and lock of the wallet: 17.4.
fn store_of(memory: &[u8], reference: &RefCard) -> Option<String> {
    let mut expected = Vec::new();
    for (kind, access, next) in keys::WALLET_KEYS {
        let key = &reference.wallet_keys[&kind];
        let head = [kind, 1, access, next, 1, 0, 0x30 | key.tries];
        expected.extend(seal(&[&head[..], &key.key].concat()));
    }
    let head = [0x3A, 1, 0xF0, 1, 0x30 | reference.pin_tries];
    expected.extend(seal(&[&head[..], &reference.pin].concat()));
    let lock = match reference.lock {
        Lock::Open => 0,
        Lock::Blocked => 1,
        Lock::ForGood => 2,
    };
    expected.extend(seal(&[lock, reference.card_blocked.into()]));
    differs("wallet store", &memory[..expected.len()], &expected)
}

fn differs(what: &str, found: &[u8], expected: &[u8]) -> Option<String> {
    (found != expected).then(|| format!("{what}: {found:02X?}, not {expected:02X?}"))
}
