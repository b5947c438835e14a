//! The files of a PSAM; of its keys only the check values.

use serde::Serialize;
use xuejika_card_model::file::Ef;
use xuejika_card_model::nvm::RamNvm;
use xuejika_card_model::psam::{MAC2_LIMIT, PsamKey, PsamView};

use super::{Contents, Damage};
use crate::fields::Rows;
use crate::hex;
use crate::shown::{Lines, Show};

/// The key file: how often MAC2 was wrong, and the keys without their bytes.
#[derive(Debug, Serialize)]
pub(super) struct Keys {
    mac2_failures: u8,
    locked: bool,
    keys: Vec<Key>,
}

/// A key: everything but its bytes.
#[derive(Debug, Serialize)]
struct Key {
    kind: &'static str,
    levels: u8,
    version: String,
    kcv: String,
    test_key: bool,
}

impl From<&PsamKey> for Key {
    fn from(key: &PsamKey) -> Self {
        Self {
            kind: key.kind().name(),
            levels: key.levels(),
            version: format!("{:02X}", key.version()),
            kcv: key.kcv().to_string(),
            test_key: key.is_test(),
        }
    }
}

/// What is in a file of a PSAM.
pub(super) fn contents(psam: &PsamView<'_, RamNvm>, file: &Ef, bytes: &[u8]) -> Contents {
    match file.fid {
        0x0001 => Contents::Keys(Keys {
            mac2_failures: psam.mac2_failures(),
            locked: psam.is_locked(),
            // A card that opens has no unreadable key.
            keys: psam.keys().flatten().map(|key| Key::from(&key)).collect(),
        }),
        0x0015 => Contents::Record(Rows::from(&psam.public())),
        0x0017 => match psam.application() {
            Ok(application) => Contents::Record(Rows::from(&application)),
            Err(error) => Contents::Damaged(Damage::new(&error, bytes)),
        },
        _ => Contents::Hex(hex::emit(bytes)),
    }
}

impl Show for Keys {
    fn show(&self, to: &mut Lines) {
        let Self { mac2_failures, locked, keys } = self;
        for Key { kind, levels, version, kcv, test_key } in keys {
            let test = if *test_key { " (test key)" } else { "" };
            to.line(format_args!("{kind}, levels {levels}, version {version} {kcv}{test}"));
        }
        let locked = if *locked { ", locked" } else { "" };
        to.line(format_args!("{mac2_failures} of {MAC2_LIMIT} wrong MAC2{locked}"));
    }
}
