//! Keys: one type per purpose, named by zone, number, version and algorithm.
//!
//! ```
//! use xuejika_keyscheme::auth::{CardId, SessionKeys};
//! use xuejika_keyscheme::key::{Card, Kek, Key, KeyId, Root, SessionEnc, SessionMac};
//!
//! fn card_key(root: &Key<Root>, id: &KeyId, card: CardId) -> Key<Card> { root.card(id, card) }
//! fn session(enc: Key<SessionEnc>, mac: Key<SessionMac>) -> SessionKeys {
//!     SessionKeys { enc, mac }
//! }
//! fn open(kek: &Key<Kek>, sealed: &[u8]) -> bool { kek.open(b"head", sealed).is_ok() }
//! fn show(key: &Key<Root>) -> String { format!("{:?}, {}", key, key.kcv()) }
//! ```
//!
//! A root is no card key, and a card key derives no other:
//!
//! ```compile_fail,E0308
//! # use xuejika_keyscheme::key::{Card, Key, Root};
//! fn card_key(root: Key<Root>) -> Key<Card> { root }
//! ```
//! ```compile_fail,E0599
//! # use xuejika_keyscheme::auth::CardId;
//! # use xuejika_keyscheme::key::{Card, Key, KeyId};
//! fn card_key(key: &Key<Card>, id: &KeyId, card: CardId) -> Key<Card> { key.card(id, card) }
//! ```
//!
//! The keys of a session cannot be swapped, and only a key-encryption key opens an envelope:
//!
//! ```compile_fail,E0308
//! # use xuejika_keyscheme::auth::SessionKeys;
//! # use xuejika_keyscheme::key::{Key, SessionEnc, SessionMac};
//! fn session(enc: Key<SessionEnc>, mac: Key<SessionMac>) -> SessionKeys {
//!     SessionKeys { enc: mac, mac: enc }
//! }
//! ```
//! ```compile_fail,E0599
//! # use xuejika_keyscheme::key::{Card, Key};
//! fn open(key: &Key<Card>, sealed: &[u8]) -> bool { key.open(b"head", sealed).is_ok() }
//! ```
//!
//! No key is printed or copied by accident, and there is no purpose but those listed here:
//!
//! ```compile_fail,E0277
//! # use xuejika_keyscheme::key::{Key, Root};
//! fn show(key: &Key<Root>) -> String { format!("{key}") }
//! ```
//! ```compile_fail,E0277
//! # use xuejika_keyscheme::key::{Key, Root};
//! fn show(key: &Key<Root>) -> String { format!("{key:02X}") }
//! ```
//! ```compile_fail,E0507
//! # use xuejika_keyscheme::key::{Key, Root};
//! fn copy(key: &Key<Root>) -> Key<Root> { *key }
//! ```
//! ```compile_fail,E0277
//! # use xuejika_keyscheme::key::Purpose;
//! struct Anything;
//! impl Purpose for Anything { const NAME: &'static str = "key for anything"; }
//! ```

use core::fmt;
use core::marker::PhantomData;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::algorithm::{Algorithm, BLOCK_LEN, CardCipher};
use crate::cmac::Cmac;
use crate::kcv::Kcv;

/// What a key may be used for. Each purpose is a type, so that a key of another purpose does not
/// compile in its place.
pub trait Purpose: sealed::Sealed {
    /// Name for messages.
    const NAME: &'static str;
}

macro_rules! purposes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        mod sealed {
            pub trait Sealed {}
            $(impl Sealed for super::$name {})*
        }
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub enum $name {}
            impl Purpose for $name {
                const NAME: &'static str = $text;
            }
        )*
    };
}

purposes! {
    /// Root key of one (zone, number, version); stays with the city.
    Root = "root key",
    /// Key of one district (区县), derived from a root.
    District = "district key",
    /// Key of one school, derived from a district key.
    School = "school key",
    /// Key of one card, the only kind a card stores.
    Card = "card key",
    /// Session key for encryption.
    SessionEnc = "session encryption key",
    /// Session key for checksums.
    SessionMac = "session MAC key",
    /// A SAM's own secret, from which its unlock key is derived.
    Sam = "SAM key",
    /// Key-encryption key that opens a SAM's key file.
    Kek = "key-encryption key",
    /// Key of one unit's loss and freeze lists (挂失冻结名单).
    List = "list key",
}

/// A 128-bit secret key of purpose `P`. Wiped on drop, never shown.
pub struct Key<P: Purpose> {
    algorithm: Algorithm,
    bytes: Zeroizing<[u8; BLOCK_LEN]>,
    purpose: PhantomData<P>,
}

impl<P: Purpose> Key<P> {
    /// Takes the bytes as a key of purpose `P`.
    #[must_use]
    pub fn new(algorithm: Algorithm, bytes: [u8; BLOCK_LEN]) -> Self {
        Self { algorithm, bytes: Zeroizing::new(bytes), purpose: PhantomData }
    }

    /// The algorithm this key belongs to.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The secret bytes, for storage in a card or under another key.
    #[must_use]
    pub fn expose(&self) -> &[u8; BLOCK_LEN] {
        &self.bytes
    }

    /// Check value: CMAC of the zero block, three bytes.
    #[must_use]
    pub fn kcv(&self) -> Kcv {
        Kcv::cmac(self.algorithm, &self.mac())
    }

    /// Expands the key schedule.
    #[inline]
    #[must_use]
    pub fn cipher(&self) -> CardCipher {
        CardCipher::new(self.algorithm, &self.bytes)
    }

    /// Expands the key for CMAC.
    #[inline]
    #[must_use]
    pub fn mac(&self) -> Cmac<CardCipher> {
        Cmac::new(self.cipher())
    }
}

impl<P: Purpose> Clone for Key<P> {
    fn clone(&self) -> Self {
        Self::new(self.algorithm, *self.bytes)
    }
}

impl<P: Purpose> PartialEq for Key<P> {
    /// Compares in constant time.
    fn eq(&self, other: &Self) -> bool {
        self.algorithm == other.algorithm && bool::from(self.bytes.ct_eq(&*other.bytes))
    }
}

impl<P: Purpose> Eq for Key<P> {}

impl<P: Purpose> fmt::Debug for Key<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, {})", P::NAME, self.algorithm)
    }
}

/// The DF a key belongs to, by its file identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Zone(pub u16);

impl Zone {
    /// Education zone (教育区), DF01.
    pub const EDUCATION: Self = Self(0xDF01);
    /// Management card (管理卡), DF80 (project-defined).
    pub const MANAGEMENT: Self = Self(0xDF80);

    /// Extension sector (扩展扇区) `index`, 1 to 8.
    #[must_use]
    pub const fn extension(index: u8) -> Option<Self> {
        match index {
            1..=8 => Some(Self(0xDF10 + index as u16)),
            _ => None,
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04X}", self.0)
    }
}

/// Number of a key inside its zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyNumber(pub u8);

impl KeyNumber {
    /// K0 卡主控: initialise, issuance data, load keys; for the city only.
    pub const MASTER: Self = Self(0x00);
    /// K1 教育认证: read the education zone.
    pub const READ: Self = Self(0x01);
    /// K2 个人化: personalise.
    pub const PERSONALISE: Self = Self(0x02);
    /// K3 注册: append a registration.
    pub const REGISTER: Self = Self(0x03);
    /// K4 升转学: transfer out and in.
    pub const TRANSFER: Self = Self(0x04);
    /// K5 状态: freeze, unfreeze, cancel, recall, restock, fault.
    pub const STATUS: Self = Self(0x05);
    /// K6 扩展管理: open and reclaim extension sectors.
    pub const EXTENSION: Self = Self(0x06);
    /// KA 扩展应用: read and write one's own extension sector.
    pub const APPLICATION: Self = Self(0x07);
    /// K80: authenticates a management card and a SAM to each other.
    pub const MANAGEMENT: Self = Self(0x80);
    /// K81: authenticates the loss and freeze lists (挂失冻结名单) of one unit.
    pub const LIST: Self = Self(0x81);

    /// The key numbers of the education zone, K0 to K6.
    pub const EDUCATION: [Self; 7] = [
        Self::MASTER,
        Self::READ,
        Self::PERSONALISE,
        Self::REGISTER,
        Self::TRANSFER,
        Self::STATUS,
        Self::EXTENSION,
    ];
}

impl fmt::Display for KeyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0x07 => f.write_str("KA"),
            number => write!(f, "K{number:X}"),
        }
    }
}

/// Version of a key, 01 to FE. 00 is the transport key of the factory and FF an empty slot; neither
/// can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyVersion(u8);

impl KeyVersion {
    /// The first version.
    pub const FIRST: Self = Self(0x01);

    /// The version with this number, 01 to FE.
    #[must_use]
    pub const fn new(number: u8) -> Option<Self> {
        match number {
            0x00 | 0xFF => None,
            number => Some(Self(number)),
        }
    }

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for KeyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02X}", self.0)
    }
}

/// The full name of a key: everything that keeps it apart from its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId {
    /// DF it opens.
    pub zone: Zone,
    /// Number inside the zone.
    pub number: KeyNumber,
    /// Version.
    pub version: KeyVersion,
    /// Algorithm.
    pub algorithm: Algorithm,
}

impl KeyId {
    /// Length of the encoding, in bytes.
    pub const LEN: usize = 5;

    /// Zone (2), number, version, algorithm identifier: the form inside every derivation.
    #[must_use]
    pub const fn emit(&self) -> [u8; Self::LEN] {
        let [high, low] = self.zone.0.to_be_bytes();
        [high, low, self.number.0, self.version.0, self.algorithm.code()]
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}v{} ({})", self.zone, self.number, self.version, self.algorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn debug_shows_no_byte_of_a_key() {
        let key = Key::<Root>::new(Algorithm::Aes128, [0xA5; 16]);
        assert_eq!(format!("{key:?}"), "Key(root key, aes)");
        assert_eq!(format!("{:?}", key.cipher()), "CardCipher::Aes128(..)");
        assert_eq!(format!("{:?}", key.mac()), "Cmac(..)");
    }

    #[test]
    fn versions_exclude_transport_and_empty() {
        assert_eq!(KeyVersion::new(0x00), None);
        assert_eq!(KeyVersion::new(0xFF), None);
        assert_eq!((1..=0xFE).filter_map(KeyVersion::new).count(), 254);
    }

    #[test]
    fn extension_zones_are_df11_to_df18() {
        assert_eq!(Zone::extension(0), None);
        assert_eq!(Zone::extension(9), None);
        assert_eq!(Zone::extension(1), Some(Zone(0xDF11)));
        assert_eq!(Zone::extension(8), Some(Zone(0xDF18)));
    }
}
