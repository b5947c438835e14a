//! The keys a PSAM stores: roots of the operator, each bound to one use and one number of levels.

use subtle::ConstantTimeEq;
use xuejika_keyscheme::kcv::Kcv;
use xuejika_keyscheme::legacy::check::KEY_LEN;
use xuejika_keyscheme::legacy::{
    ExternalAuthKey, InternalEncryptKey, InternalMacKey, LineKey, NoWalletRoot, PurchaseKey, Root,
    TdesKey, WalletPurpose, WalletRoots, test_keys,
};
use zeroize::Zeroizing;

use super::{Factors, PsamError};
use crate::crc::{CRC_LEN, is_sealed, seal};

/// Most levels between a root and a card key.
pub const MAX_LEVELS: usize = 3;

/// What a key of a PSAM is for: the low five bits of its usage byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum KeyKind {
    /// Purchase (消费): MAC1 and MAC2 of a purchase, and nothing else.
    Purchase = 0x02,
    /// Maintenance (维护): line protection of card files, MAC and encryption.
    Maintenance = 0x05,
    /// MAC.
    Mac = 0x06,
    /// Encryption (加密).
    Encryption = 0x07,
    /// MAC and encryption.
    MacAndEncryption = 0x08,
    /// External authentication (外部认证): answers a card's challenge by encryption.
    ExternalAuthentication = 0x0E,
}

impl KeyKind {
    /// The kinds of key.
    pub const ALL: [Self; 6] = [
        Self::Purchase,
        Self::Maintenance,
        Self::Mac,
        Self::Encryption,
        Self::MacAndEncryption,
        Self::ExternalAuthentication,
    ];

    /// The kind with this code.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The code in usage bytes.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Plain words for the kind.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Purchase => "purchase",
            Self::Maintenance => "maintenance",
            Self::Mac => "MAC",
            Self::Encryption => "encryption",
            Self::MacAndEncryption => "MAC and encryption",
            Self::ExternalAuthentication => "external authentication",
        }
    }

    /// Whether a delivered key of this kind encrypts.
    #[must_use]
    pub const fn encrypts(self) -> bool {
        matches!(
            self,
            Self::Maintenance
                | Self::Encryption
                | Self::MacAndEncryption
                | Self::ExternalAuthentication
        )
    }

    /// Whether a delivered key of this kind makes MACs.
    #[must_use]
    pub const fn makes_macs(self) -> bool {
        matches!(self, Self::Maintenance | Self::Mac | Self::MacAndEncryption)
    }
}

/// A key as a PSAM stores it: a root, or with no levels a card key itself.
#[derive(Clone)]
pub struct PsamKey {
    kind: KeyKind,
    levels: u8,
    version: u8,
    bytes: Zeroizing<[u8; KEY_LEN]>,
}

impl PsamKey {
    /// Length of the stored form, in bytes: usage, version, key, CRC.
    pub const LEN: usize = 2 + KEY_LEN + CRC_LEN;

    /// A root `levels` above the card keys (at most [`MAX_LEVELS`]; `None` beyond). With no levels
    /// the key serves one card only, as in published transcripts.
    #[must_use]
    pub fn new(kind: KeyKind, levels: u8, version: u8, bytes: [u8; KEY_LEN]) -> Option<Self> {
        let bytes = Zeroizing::new(bytes);
        (usize::from(levels) <= MAX_LEVELS).then_some(Self { kind, levels, version, bytes })
    }

    /// The published test keys of a PSAM: version 01, one level by the wallet's card number.
    #[must_use]
    pub fn test() -> [Self; 5] {
        [
            Self::of(KeyKind::Purchase, &test_keys::root::<PurchaseKey>()),
            Self::of(KeyKind::Maintenance, &test_keys::root::<LineKey>()),
            Self::of(KeyKind::Mac, &test_keys::root::<InternalMacKey>()),
            Self::of(KeyKind::Encryption, &test_keys::root::<InternalEncryptKey>()),
            Self::of(KeyKind::ExternalAuthentication, &test_keys::root::<ExternalAuthKey>()),
        ]
    }

    /// The purchase key of a PSAM under an operator's roots, as [`Self::test`] has it.
    ///
    /// # Errors
    /// Returns [`NoWalletRoot`] if its root is not here.
    pub fn purchase(roots: &WalletRoots) -> Result<Self, NoWalletRoot> {
        Ok(Self::of(KeyKind::Purchase, &roots.root::<PurchaseKey>()?))
    }

    fn of<P: WalletPurpose>(kind: KeyKind, root: &TdesKey<Root<P>>) -> Self {
        Self { kind, levels: 1, version: 0x01, bytes: Zeroizing::new(*root.expose()) }
    }

    /// Whether it is one of the published test keys.
    #[must_use]
    pub fn is_test(&self) -> bool {
        Self::test().iter().any(|key| key.bytes == self.bytes)
    }

    /// Reads a slot: usage (1: levels in the high three bits, kind in the low five) ‖ version (1) ‖
    /// key (16) ‖ CRC (2); `None` for an empty slot, all 00.
    ///
    /// # Errors
    /// Returns [`InvalidPsamKey`] when the slot is damaged.
    pub fn parse(slot: &[u8; Self::LEN]) -> Result<Option<Self>, InvalidPsamKey> {
        if slot.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        if !is_sealed(slot) {
            return Err(InvalidPsamKey::Checksum);
        }
        let (&[usage, version], rest) = slot.split_first_chunk().ok_or(InvalidPsamKey::Checksum)?;
        let bytes = *rest.first_chunk().ok_or(InvalidPsamKey::Checksum)?;
        let (levels, kind) = split_usage(usage);
        KeyKind::from_code(kind)
            .and_then(|kind| Self::new(kind, levels, version, bytes))
            .ok_or(InvalidPsamKey::Usage(usage))
            .map(Some)
    }

    /// Writes the slot.
    #[must_use]
    pub fn emit(&self) -> Zeroizing<[u8; Self::LEN]> {
        let mut slot = Zeroizing::new([0; Self::LEN]);
        let fields = [self.usage(), self.version].into_iter().chain(*self.bytes);
        slot.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        seal(&mut *slot);
        slot
    }

    /// Its usage byte: levels in the high three bits, kind in the low five.
    #[must_use]
    pub const fn usage(&self) -> u8 {
        usage(self.levels, self.kind)
    }

    /// What it is for.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Levels between it and the card keys.
    #[must_use]
    pub const fn levels(&self) -> u8 {
        self.levels
    }

    /// Its version.
    #[must_use]
    pub const fn version(&self) -> u8 {
        self.version
    }

    /// Check value: encryption of the zero block, three bytes.
    #[must_use]
    pub fn kcv(&self) -> Kcv {
        TdesKey::<InternalEncryptKey>::import_reporting(*self.bytes).0.kcv()
    }

    /// Whether the two are one key for two purposes, which may make an oracle of it: encryption under
    /// a key derives the keys below it, and session keys. Parity bits are none of a key's.
    pub(super) fn is_misused_by(&self, other: &Self) -> bool {
        let without_parity = |key: &Self| Zeroizing::new(key.bytes.map(|byte| byte & 0xFE));
        self.usage() != other.usage()
            && bool::from(without_parity(self).ct_eq(&*without_parity(other)))
    }

    /// Whether this key serves such a request.
    pub(super) fn serves(&self, kind: KeyKind, version: u8, factors: &Factors) -> bool {
        (self.kind, self.version) == (kind, version)
            && usize::from(self.levels) == factors.list().len()
    }

    /// Derives the card's key.
    pub(super) fn derive<P: WalletPurpose>(&self, factors: &Factors) -> TdesKey<P> {
        let Some((last, levels)) = factors.list().split_last() else {
            return TdesKey::import_reporting(*self.bytes).0;
        };
        let root = TdesKey::<Root<P>>::import_reporting(*self.bytes).0;
        levels.iter().fold(root, |root, factor| root.level(*factor)).card_key(*last)
    }
}

impl core::fmt::Debug for PsamKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "PsamKey(usage {:02X}, version {:02X})", self.usage(), self.version)
    }
}

/// Usage byte of a key.
pub(super) const fn usage(levels: u8, kind: KeyKind) -> u8 {
    levels << 5 | kind.code()
}

/// Number of levels and code of the kind in a usage byte.
#[must_use]
pub const fn split_usage(usage: u8) -> (u8, u8) {
    (usage >> 5, usage & 0x1F)
}

/// Why a stored key of a PSAM cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPsamKey {
    /// The CRC does not match.
    #[error("the checksum of the key does not match")]
    Checksum,
    /// The usage byte is not defined.
    #[error("key usage {0:02X} is not defined")]
    Usage(u8),
    /// The key is there a second time, for another kind or number of levels.
    #[error("the key with usage {0:02X} is there for another use, too")]
    Shared(u8),
}

impl From<InvalidPsamKey> for PsamError {
    fn from(_: InvalidPsamKey) -> Self {
        Self::Card(crate::card::CardError::Corrupt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xuejika_keyscheme::legacy::TacKey;

    #[test]
    fn parse_reverses_emit_and_every_flipped_bit_is_refused() {
        let key = PsamKey::new(KeyKind::Purchase, 2, 1, [0x5A; 16]).unwrap();
        let slot = *key.emit();
        assert_eq!(slot[0], 0x42);
        assert_eq!(*PsamKey::parse(&slot).unwrap().unwrap().emit(), slot);
        assert!(PsamKey::parse(&[0; PsamKey::LEN]).unwrap().is_none());
        for bit in 0..8 * PsamKey::LEN {
            let mut bad = slot;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(PsamKey::parse(&bad).unwrap_err(), InvalidPsamKey::Checksum);
        }
        let mut bad = slot;
        bad[0] = 0x42 + 0x01;
        seal(&mut bad);
        assert_eq!(PsamKey::parse(&bad).unwrap_err(), InvalidPsamKey::Usage(0x43));
        assert!(PsamKey::new(KeyKind::Purchase, 4, 1, [0; 16]).is_none());
    }

    #[test]
    fn one_key_for_two_uses_is_seen() {
        let key = |kind, levels, bytes| PsamKey::new(kind, levels, 1, bytes).unwrap();
        let purchase = key(KeyKind::Purchase, 1, [0x5A; 16]);
        assert!(purchase.is_misused_by(&key(KeyKind::Encryption, 0, [0x5A; 16])));
        assert!(purchase.is_misused_by(&key(KeyKind::Encryption, 1, [0x5B; 16])));
        assert!(purchase.is_misused_by(&key(KeyKind::Purchase, 2, [0x5A; 16])));
        assert!(!purchase.is_misused_by(&key(KeyKind::Purchase, 1, [0x5A; 16])));
        assert!(!purchase.is_misused_by(&key(KeyKind::Encryption, 1, [0x5C; 16])));
    }

    #[test]
    fn factors_go_from_the_root_down() {
        let bytes = *test_keys::root::<TacKey>().expose();
        let key = |levels| PsamKey::new(KeyKind::Mac, levels, 1, bytes).unwrap();
        let root = test_keys::root::<TacKey>();
        let factors = |list: &[[u8; 8]]| Factors::new(list).unwrap();
        assert_eq!(key(0).derive::<TacKey>(&factors(&[])).expose(), &bytes);
        assert!(key(1).derive(&Factors::card([1; 8])) == root.card_key([1; 8]));
        let expected = root.level([1; 8]).level([2; 8]).card_key([3; 8]);
        assert!(key(3).derive(&factors(&[[1; 8], [2; 8], [3; 8]])) == expected);
    }

    #[test]
    fn a_purchase_key_does_nothing_else() {
        assert!(!KeyKind::Purchase.encrypts() && !KeyKind::Purchase.makes_macs());
        for kind in KeyKind::ALL {
            assert_eq!(KeyKind::from_code(kind.code()), Some(kind));
        }
    }
}
