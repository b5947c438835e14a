//! Storage of one card key: two versions and a failure counter.
//!
//! A new version is loaded beside the active one and takes over at its first successful use; the
//! old one stays as fall-back until it is retired or overwritten. Failures are counted per key, over
//! both versions, for whoever examines a card: nothing depends on the count, for a proof of 128 bits
//! is not guessed and a key that anybody can block is a weapon. Layout project-defined.

use crate::algorithm::{Algorithm, BLOCK_LEN};
use crate::bytes::concat;
use crate::error::InvalidLength;
use crate::key::{Card, Key, KeyVersion};

/// Where the count of failed authentications stops, so that wrong proofs do not wear the memory out.
pub const FAILURE_CAP: u16 = 1000;

/// By how much one success lowers the failure counter.
pub const SUCCESS_CREDIT: u16 = 10;

/// Version byte of an empty slot.
pub const EMPTY: u8 = 0xFF;

/// One version of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Slot {
    version: KeyVersion,
    key: Key<Card>,
}

/// What a stored key says in front of its secret bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotsHeader {
    /// Failures counted so far.
    pub failures: u16,
    /// The algorithm of both versions.
    pub algorithm: Algorithm,
    /// The version in use.
    pub active: KeyVersion,
    /// The other version: the next one before its first use, the fall-back after it.
    pub other: Option<KeyVersion>,
}

impl SlotsHeader {
    /// Length of the encoding, in bytes.
    pub const LEN: usize = 5;

    /// Reads failures (2) ‖ algorithm ‖ active version ‖ other version.
    ///
    /// # Errors
    /// Returns [`InvalidSlots`] when a field holds an undefined value.
    pub fn parse(
        [f1, f2, algorithm, active, other]: [u8; Self::LEN],
    ) -> Result<Self, InvalidSlots> {
        let version = |number| KeyVersion::new(number).ok_or(InvalidSlots::Version(number));
        Ok(Self {
            failures: u16::from_be_bytes([f1, f2]),
            algorithm: Algorithm::from_code(algorithm).ok_or(InvalidSlots::Algorithm(algorithm))?,
            active: version(active)?,
            other: if other == EMPTY { None } else { Some(version(other)?) },
        })
    }
}

/// A card key with its active version, its other version and its failure counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySlots {
    active: Slot,
    other: Option<Slot>,
    failures: u16,
}

impl KeySlots {
    /// Length of the encoding, in bytes.
    pub const LEN: usize = SlotsHeader::LEN + 2 * BLOCK_LEN;

    /// A key with one version and no failures.
    #[must_use]
    pub const fn new(version: KeyVersion, key: Key<Card>) -> Self {
        Self { active: Slot { version, key }, other: None, failures: 0 }
    }

    /// Reads the header ([`SlotsHeader`]) ‖ active key ‖ other key.
    ///
    /// # Errors
    /// Returns [`InvalidSlots`] when a field holds an undefined value.
    pub fn parse(bytes: &[u8; Self::LEN]) -> Result<Self, InvalidSlots> {
        let [f1, f2, algorithm, active, other, keys @ ..] = bytes;
        let header = SlotsHeader::parse([*f1, *f2, *algorithm, *active, *other])?;
        let (active_key, other_key) = keys.split_at(BLOCK_LEN);
        let slot = |version: KeyVersion, bytes: &[u8]| -> Result<Slot, InvalidSlots> {
            let wrong = InvalidLength { what: "key", actual: bytes.len(), expected: BLOCK_LEN };
            let bytes = bytes.try_into().map_err(|_| wrong)?;
            Ok(Slot { version, key: Key::new(header.algorithm, bytes) })
        };
        Ok(Self {
            active: slot(header.active, active_key)?,
            other: header.other.map(|version| slot(version, other_key)).transpose()?,
            failures: header.failures,
        })
    }

    /// The bytes stored by the card; they hold the keys in the clear.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let other_version = self.other.as_ref().map_or(EMPTY, |slot| slot.version.number());
        let other_key = self.other.as_ref().map_or([0; BLOCK_LEN], |slot| *slot.key.expose());
        concat(&[
            &self.failures.to_be_bytes(),
            &[self.algorithm().code(), self.active.version.number(), other_version],
            self.active.key.expose(),
            &other_key,
        ])
    }

    /// The algorithm of both versions.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.active.key.algorithm()
    }

    /// The version in use.
    #[must_use]
    pub const fn active_version(&self) -> KeyVersion {
        self.active.version
    }

    /// The other version: the next one before its first use, the fall-back after it.
    #[must_use]
    pub fn other_version(&self) -> Option<KeyVersion> {
        self.other.as_ref().map(|slot| slot.version)
    }

    /// The key of this version, if one of the two slots holds it.
    #[must_use]
    pub fn key(&self, version: KeyVersion) -> Option<&Key<Card>> {
        core::iter::once(&self.active)
            .chain(&self.other)
            .find(|slot| slot.version == version)
            .map(|slot| &slot.key)
    }

    /// Loads a newer version beside the active one, in the place of the other, and forgets the
    /// failures.
    ///
    /// # Errors
    /// Returns [`InvalidSlots`] for another algorithm, or a version that is not newer: a card never
    /// goes back.
    pub fn load(&mut self, version: KeyVersion, key: Key<Card>) -> Result<(), InvalidSlots> {
        if key.algorithm() != self.algorithm() {
            return Err(InvalidSlots::Algorithm(key.algorithm().code()));
        }
        if version <= self.active.version {
            return Err(InvalidSlots::Version(version.number()));
        }
        self.other = Some(Slot { version, key });
        self.failures = 0;
        Ok(())
    }

    /// Forgets the old version that stayed as fall-back; a next version not used yet stays.
    pub fn retire(&mut self) {
        self.other = self.other.take().filter(|other| other.version > self.active.version);
    }

    /// Failures counted so far.
    #[must_use]
    pub const fn failures(&self) -> u16 {
        self.failures
    }

    /// Counts a failed authentication, up to [`FAILURE_CAP`]. Says whether anything changed.
    pub fn count_failure(&mut self) -> bool {
        let before = self.failures;
        self.failures = before.saturating_add(1).min(FAILURE_CAP);
        self.failures != before
    }

    /// Counts a successful authentication with `version`: credits [`SUCCESS_CREDIT`] and, when it
    /// was the next version, makes that one active. Says whether anything changed.
    pub fn count_success(&mut self, version: KeyVersion) -> bool {
        let before = self.failures;
        self.failures = before.saturating_sub(SUCCESS_CREDIT);
        let switched = match &mut self.other {
            Some(other) if other.version == version && version > self.active.version => {
                core::mem::swap(&mut self.active, other);
                true
            }
            _ => false,
        };
        switched || self.failures != before
    }
}

/// A stored key cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSlots {
    /// The algorithm identifier is not defined.
    #[error("key algorithm {0:02X} is not defined")]
    Algorithm(u8),
    /// The version is not usable.
    #[error("key version {0:02X} is not usable")]
    Version(u8),
    /// A part has the wrong length.
    #[error(transparent)]
    Length(#[from] InvalidLength),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn version(number: u8) -> KeyVersion {
        KeyVersion::new(number).unwrap()
    }

    fn two_versions() -> KeySlots {
        KeySlots {
            active: Slot { version: version(1), key: Key::new(Algorithm::Sm4, [1; 16]) },
            other: Some(Slot { version: version(2), key: Key::new(Algorithm::Sm4, [2; 16]) }),
            failures: 0,
        }
    }

    #[test]
    fn the_other_version_takes_over_and_the_old_one_stays() {
        let mut slots = two_versions();
        assert!(!slots.count_success(version(1)));
        assert!(slots.count_success(version(2)));
        assert_eq!(slots.active_version(), version(2));
        assert_eq!(slots.other_version(), Some(version(1)));
        // The fall-back works, and does not take over again.
        assert!(!slots.count_success(version(1)));
        assert_eq!(slots.active_version(), version(2));
        assert_eq!(slots.key(version(1)).unwrap().expose(), &[1; 16]);
        assert!(slots.key(version(3)).is_none());
    }

    #[test]
    fn the_count_stops_at_its_cap_and_never_goes_below_zero() {
        let mut slots = two_versions();
        for _ in 0..FAILURE_CAP {
            slots.count_failure();
        }
        assert_eq!(slots.failures(), FAILURE_CAP);
        slots.count_failure();
        assert_eq!(slots.failures(), FAILURE_CAP);
        assert!(slots.count_success(version(1)));
        assert_eq!(slots.failures(), FAILURE_CAP - SUCCESS_CREDIT);
        slots.failures = 3;
        slots.count_success(version(1));
        assert_eq!(slots.failures(), 0);
    }

    #[test]
    fn only_newer_versions_are_loaded_and_only_older_ones_retired() {
        let key = |byte| Key::new(Algorithm::Sm4, [byte; 16]);
        let mut slots = KeySlots::new(version(5), key(5));
        slots.count_failure();
        assert_eq!(slots.load(version(5), key(1)), Err(InvalidSlots::Version(5)));
        assert_eq!(slots.load(version(4), key(1)), Err(InvalidSlots::Version(4)));
        let foreign = Key::new(Algorithm::Aes128, [0; 16]);
        assert_eq!(slots.load(version(6), foreign), Err(InvalidSlots::Algorithm(1)));
        assert_eq!(slots.failures(), 1);
        slots.load(version(6), key(6)).unwrap();
        assert_eq!((slots.failures(), slots.active_version()), (0, version(5)));
        slots.retire();
        assert_eq!(slots.other_version(), Some(version(6)));
        slots.count_success(version(6));
        assert_eq!(slots.other_version(), Some(version(5)));
        slots.retire();
        assert_eq!(slots.other_version(), None);
        assert!(slots.key(version(5)).is_none());
    }

    #[test]
    fn undefined_values_are_named() {
        let mut bytes = two_versions().emit();
        bytes[2] = 0x81;
        assert_eq!(KeySlots::parse(&bytes), Err(InvalidSlots::Algorithm(0x81)));
        let mut bytes = two_versions().emit();
        bytes[3] = 0xFF;
        assert_eq!(KeySlots::parse(&bytes), Err(InvalidSlots::Version(0xFF)));
        let mut bytes = two_versions().emit();
        bytes[4] = 0x00;
        assert_eq!(KeySlots::parse(&bytes), Err(InvalidSlots::Version(0x00)));
    }

    proptest! {
        #[test]
        fn parse_reverses_emit(key: [u8; 16], other: Option<[u8; 16]>, failures in 0..=FAILURE_CAP) {
            let slot = |number, key| Slot { version: version(number), key: Key::new(Algorithm::Aes128, key) };
            let slots = KeySlots { active: slot(7, key), other: other.map(|key| slot(9, key)), failures };
            prop_assert_eq!(KeySlots::parse(&slots.emit()), Ok(slots));
        }
    }
}
