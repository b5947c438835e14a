//! The columns of a row and the keys of a card, version 1 of the schema (project-defined).

use xuejika_keyscheme::legacy::{self, WalletPurpose};
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone};

/// Version of the schema of manifests and rows.
pub const VERSION: u32 = 1;

/// Columns in front of the key check values.
const FACTS: usize = 14;

/// Names of the columns, in the order of a file that the project writes.
const NAMES: [&str; Column::COUNT] = [
    "serial",
    "uid",
    "atr",
    "ats",
    "init_date",
    "site",
    "key_set_version",
    "wallet_number",
    "wallet_balance",
    "wallet_state",
    "image",
    "box",
    "status",
    "replacement",
    "kcv_k0",
    "kcv_k1",
    "kcv_k2",
    "kcv_k3",
    "kcv_k4",
    "kcv_k5",
    "kcv_k6",
    "kcv_s1",
    "kcv_s2",
    "kcv_s3",
    "kcv_s4",
    "kcv_s5",
    "kcv_s6",
    "kcv_s7",
    "kcv_s8",
    "kcv_w30",
    "kcv_w31",
    "kcv_w32",
    "kcv_w34",
    "kcv_w36",
    "kcv_w37",
    "kcv_w38",
    "kcv_w39",
    "kcv_w3d",
    "kcv_w3e",
    "kcv_w3f",
];

/// In front of the name of a key in the name of its column.
const KCV: &str = "kcv_";

/// Keys of the education zone.
const EDUCATION: u8 = 7;

/// Extension sectors.
const SECTORS: u8 = 8;

/// FMCOS types of the wallet keys, in the order of the columns.
pub const WALLET_TYPES: [u8; 11] = [
    legacy::InternalEncryptKey::KEY_TYPE,
    legacy::InternalDecryptKey::KEY_TYPE,
    legacy::InternalMacKey::KEY_TYPE,
    legacy::TacKey::KEY_TYPE,
    legacy::LineKey::KEY_TYPE,
    legacy::PinUnblockKey::KEY_TYPE,
    legacy::PinReloadKey::KEY_TYPE,
    legacy::ExternalAuthKey::KEY_TYPE,
    legacy::UnloadKey::KEY_TYPE,
    legacy::PurchaseKey::KEY_TYPE,
    legacy::LoadKey::KEY_TYPE,
];

/// A column of a row.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Column(u8);

impl Column {
    /// Card serial (卡序号), 16 digits.
    pub const SERIAL: Self = Self(0);
    /// UID of the chip, 14 hexadecimal digits.
    pub const UID: Self = Self(1);
    /// Answer to reset as a PC/SC reader makes it, in hexadecimal.
    pub const ATR: Self = Self(2);
    /// Answer to select of ISO/IEC 14443-4, in hexadecimal, without CRC.
    pub const ATS: Self = Self(3);
    /// Initialisation date (初始化日期), as 2026-07-01.
    pub const INIT_DATE: Self = Self(4);
    /// Initialisation site (初始化机构), 4 hexadecimal digits.
    pub const SITE: Self = Self(5);
    /// Key-set version (密钥版本), two hexadecimal digits.
    pub const KEY_SET_VERSION: Self = Self(6);
    /// Card number of the wallet, 16 digits.
    pub const WALLET_NUMBER: Self = Self(7);
    /// Balance of the wallet, in fen.
    pub const WALLET_BALANCE: Self = Self(8);
    /// Enable flag of the wallet: 00 not opened.
    pub const WALLET_STATE: Self = Self(9);
    /// EF 05, 96 hexadecimal digits, or its SHA-256, 64.
    pub const IMAGE: Self = Self(10);
    /// Box the card lies in.
    pub const BOX: Self = Self(11);
    /// `good` (良品) or `scrap` (废卡).
    pub const STATUS: Self = Self(12);
    /// Serial of the card that replaces a scrap one.
    pub const REPLACEMENT: Self = Self(13);

    /// Number of columns.
    pub const COUNT: usize = FACTS + KeySlot::COUNT;

    /// All columns, in order.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator {
        (0..NAMES.len()).map(Self::at)
    }

    /// The column of a key check value.
    #[must_use]
    pub fn kcv(slot: KeySlot) -> Self {
        Self::at(FACTS + slot.index())
    }

    /// The column with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES.iter().position(|known| *known == name).map(Self::at)
    }

    /// The name in the heading.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.get(self.index()).copied().unwrap_or_default()
    }

    /// Place in the order of columns, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    #[allow(clippy::cast_possible_truncation, reason = "there are fewer than 256 columns")]
    const fn at(index: usize) -> Self {
        Self(index as u8)
    }
}

/// A key that every card has, by its place in the schema: `k0` to `k6` are the keys of the education
/// zone, `s1` to `s8` K6 of the extension sectors, `w30` to `w3f` the wallet keys by FMCOS type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeySlot(u8);

/// Where a key lies on the card.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum KeyPlace {
    /// In the education zone or an extension sector.
    Card(Zone, KeyNumber),
    /// In the wallet, by its FMCOS type.
    Wallet(u8),
}

impl KeySlot {
    /// Number of keys.
    pub const COUNT: usize = EDUCATION as usize + SECTORS as usize + WALLET_TYPES.len();

    /// All keys, in the order of the columns.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).take(Self::COUNT).map(Self)
    }

    /// The key with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|slot| slot.name() == name)
    }

    /// The name, as in `kcv_k0` without `kcv_`.
    #[must_use]
    pub fn name(self) -> &'static str {
        Column::kcv(self).name().trim_start_matches(KCV)
    }

    /// Place in the order of keys, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// Where it lies on the card.
    #[must_use]
    pub fn place(self) -> KeyPlace {
        let sector = self.0.saturating_sub(EDUCATION);
        match Zone::extension(sector + 1) {
            _ if self.0 < EDUCATION => KeyPlace::Card(Zone::EDUCATION, KeyNumber(self.0)),
            Some(zone) => KeyPlace::Card(zone, KeyNumber::EXTENSION),
            None => {
                let index = usize::from(sector.saturating_sub(SECTORS));
                KeyPlace::Wallet(WALLET_TYPES.get(index).copied().unwrap_or_default())
            }
        }
    }

    /// Whether it is a wallet key.
    #[must_use]
    pub fn is_wallet(self) -> bool {
        matches!(self.place(), KeyPlace::Wallet(_))
    }

    /// The name of its root, unless it is a wallet key.
    #[must_use]
    pub fn id(self, version: KeyVersion, algorithm: Algorithm) -> Option<KeyId> {
        match self.place() {
            KeyPlace::Card(zone, number) => Some(KeyId { zone, number, version, algorithm }),
            KeyPlace::Wallet(_) => None,
        }
    }
}

/// The cells of one row. A cell that was reported already is left out of every other check.
#[derive(Clone, Debug)]
pub struct Cells<'a>([Option<&'a str>; Column::COUNT]);

impl<'a> Cells<'a> {
    /// A row of empty cells.
    #[must_use]
    pub const fn empty() -> Self {
        Self([Some(""); Column::COUNT])
    }

    /// The text of a cell, or nothing when it was reported already.
    #[must_use]
    pub fn get(&self, column: Column) -> Option<&'a str> {
        self.0.get(column.index()).copied().flatten()
    }

    /// Sets a cell.
    pub fn set(&mut self, column: Column, text: Option<&'a str>) {
        if let Some(cell) = self.0.get_mut(column.index()) {
            *cell = text;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_one_name() {
        for column in Column::all() {
            assert_eq!(Column::from_name(column.name()), Some(column));
        }
        assert_eq!(Column::from_name("key"), None);
        assert_eq!(Column::REPLACEMENT.name(), "replacement");
    }

    #[test]
    fn slots_are_where_their_names_say() {
        let id = |name: &str| {
            let slot = KeySlot::from_name(name).unwrap();
            slot.id(KeyVersion::FIRST, Algorithm::Aes128).map(|id| (id.zone.0, id.number.0))
        };
        assert_eq!(id("k0"), Some((0xDF01, 0)));
        assert_eq!(id("k6"), Some((0xDF01, 6)));
        assert_eq!(id("s1"), Some((0xDF11, 6)));
        assert_eq!(id("s8"), Some((0xDF18, 6)));
        assert_eq!(id("w34"), None);
        let wallet: Vec<_> = KeySlot::all()
            .filter_map(|slot| match slot.place() {
                KeyPlace::Wallet(key_type) => Some((slot.name(), key_type)),
                KeyPlace::Card(..) => None,
            })
            .collect();
        assert_eq!(wallet.len(), WALLET_TYPES.len());
        for (name, key_type) in wallet {
            assert_eq!(u8::from_str_radix(&name[1..], 16), Ok(key_type));
        }
    }
}
