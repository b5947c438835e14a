//! Whose root it is: the two kinds of tables, and what a name stands for in each.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use xuejika_keyscheme::key::Key;
use xuejika_keyscheme::legacy::{WalletKeyType, WalletRoots};
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone, test_keys};

use super::table::Entry;
use super::{CLEAR, ENVELOPE, Found, KEY_BLOCK, KeyFile, Problem, ROOT_LEN, wrong};

const ZONE: &str = "zone";
const NUMBER: &str = "number";
const VERSION: &str = "version";
const ALGORITHM: &str = "algorithm";
const TYPE: &str = "type";

/// Kinds of tables.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Roots of the city.
    Root,
    /// Roots of the transit operator.
    WalletRoot,
}

impl Kind {
    /// The kind with this name.
    pub(super) fn from_table(name: &str) -> Option<Self> {
        [Self::Root, Self::WalletRoot].into_iter().find(|kind| kind.table() == name)
    }

    const fn table(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::WalletRoot => "wallet-root",
        }
    }

    /// The fields that name the key.
    pub(super) const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::Root => &[ZONE, NUMBER, VERSION, ALGORITHM],
            Self::WalletRoot => &[TYPE],
        }
    }

    /// The fields of which one holds the root.
    pub(super) const fn forms(self) -> &'static [&'static str] {
        match self {
            Self::Root => &[ENVELOPE, KEY_BLOCK, CLEAR],
            Self::WalletRoot => &[ENVELOPE, CLEAR],
        }
    }
}

/// The name of a root in a key file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootName {
    /// Of the city, for the education zone and the extension sectors.
    Key(KeyId),
    /// Of the transit operator, for the wallet.
    Wallet(WalletKeyType),
}

impl fmt::Display for RootName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => write!(f, "key {id}"),
            Self::Wallet(key_type) => write!(f, "wallet keys of type {key_type}"),
        }
    }
}

impl From<KeyId> for RootName {
    fn from(id: KeyId) -> Self {
        Self::Key(id)
    }
}

impl From<WalletKeyType> for RootName {
    fn from(key_type: WalletKeyType) -> Self {
        Self::Wallet(key_type)
    }
}

impl RootName {
    /// Reads the fields that [`Self::emit`] writes.
    pub(super) fn parse(kind: Kind, entry: &Entry<'_>) -> Result<Self, Found> {
        match kind {
            Kind::Root => key(entry).map(Self::Key),
            Kind::WalletRoot => {
                let expected = "an FMCOS type of wallet keys, 0x30 to 0x3F";
                entry.integer(TYPE, expected, WalletKeyType::new).map(Self::Wallet)
            }
        }
    }

    /// The heading of the table and the fields of the name.
    pub(super) fn emit(self) -> String {
        let table = self.kind().table();
        match self {
            Self::Key(id) => format!(
                "[[{table}]]\n{ZONE} = 0x{}\n{NUMBER} = 0x{:02X}\n{VERSION} = 0x{}\n\
                 {ALGORITHM} = \"{}\"\n",
                id.zone, id.number.0, id.version, id.algorithm,
            ),
            Self::Wallet(key_type) => {
                format!("[[{table}]]\n{TYPE} = 0x{:02X}\n", key_type.code())
            }
        }
    }

    /// The header of an envelope (project-defined): `XJKROOT1` and the key identifier, or `XJKWROOT`
    /// and the FMCOS type, so that it opens for no other name.
    pub(super) fn envelope_header(self) -> Vec<u8> {
        match self {
            Self::Key(id) => [&b"XJKROOT1"[..], &id.emit()].concat(),
            Self::Wallet(key_type) => [&b"XJKWROOT"[..], &[key_type.code()]].concat(),
        }
    }

    /// Adds the root of this name.
    pub(super) fn add(self, root: &[u8; ROOT_LEN], keys: &mut KeyFile) -> Result<(), Problem> {
        match self {
            Self::Key(id) => {
                keys.roots.add(id, Box::new(Key::new(id.algorithm, *root)))?;
            }
            Self::Wallet(key_type) => keys.wallet.add(key_type, root)?,
        }
        Ok(())
    }

    /// Whether it is the published test root of this name.
    pub(super) fn is_published(self, root: &[u8; ROOT_LEN]) -> bool {
        match self {
            Self::Key(id) => Key::new(id.algorithm, *root) == test_keys::root(&id),
            Self::Wallet(key_type) => {
                let mut roots = WalletRoots::new();
                roots.add(key_type, root).is_ok() && roots.is_test_key(key_type) == Ok(true)
            }
        }
    }

    const fn kind(self) -> Kind {
        match self {
            Self::Key(_) => Kind::Root,
            Self::Wallet(_) => Kind::WalletRoot,
        }
    }
}

fn key(entry: &Entry<'_>) -> Result<KeyId, Found> {
    let zone = entry.integer(ZONE, "a file identifier, 0x0000 to 0xFFFF", Some)?;
    let number = entry.integer(NUMBER, "a key number, 0x00 to 0xFF", Some)?;
    let version = entry.integer(VERSION, "a key version, 0x01 to 0xFE", KeyVersion::new)?;
    let (at, name) = entry.string(ALGORITHM)?;
    let algorithm = [Algorithm::Aes128, Algorithm::Sm4]
        .into_iter()
        .find(|algorithm| algorithm.name() == name)
        .ok_or((at, wrong(ALGORITHM, "\"aes\" or \"sm4\"")))?;
    Ok(KeyId { zone: Zone(zone), number: KeyNumber(number), version, algorithm })
}
