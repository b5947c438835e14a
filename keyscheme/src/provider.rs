//! Where root keys live, and the keys of cards derived from them.
//!
//! Roots lie in the host's memory or in a hardware token. [`KeyProvider`] is the one way to use
//! them: it gives keys of cards and check values, never a root. Callers say at their start where
//! the roots live ([`KeyProvider::custody`]) and whether they are the published test roots
//! ([`KeyProvider::is_test_key`]).
//!
//! ```
//! use xuejika_keyscheme::auth::CardId;
//! use xuejika_keyscheme::provider::{KeyProvider, Path, TestRoots};
//! use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone};
//!
//! # fn main() -> Result<(), xuejika_keyscheme::provider::ProviderError> {
//! let id = KeyId {
//!     zone: Zone(0xDF11),
//!     number: KeyNumber::APPLICATION,
//!     version: KeyVersion::FIRST,
//!     algorithm: Algorithm::Aes128,
//! };
//! let school = Path::School { district: [0x01, 0x08], unit: [0x08, 0x40, 0x12] };
//! let key = TestRoots.card_key(&id, school, CardId(*b"\x11\x00\x07\x01\x00\x00\x00\x17"))?;
//! assert!(TestRoots.is_test_key(&id)?);
//! # Ok(())
//! # }
//! ```

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::auth::CardId;
use crate::diversify::Step;
use crate::kcv::{Kcv, KcvMethod};
use crate::key::{Card, Key, KeyId, List, Root};
use crate::test_keys;

/// A place with root keys in it.
pub trait KeyProvider {
    /// Where the roots live, and what leaves that place.
    fn custody(&self) -> Custody;

    /// Derives the key of one card.
    ///
    /// # Errors
    /// Returns a [`ProviderError`] when the root is not there or cannot be used.
    fn card_key(&self, id: &KeyId, path: Path, card: CardId) -> Result<Key<Card>, ProviderError>;

    /// Computes the check values of the city-scope keys of many cards, in their order.
    ///
    /// # Errors
    /// As [`Self::card_key`].
    fn card_kcvs(&self, id: &KeyId, cards: &[CardId]) -> Result<Vec<Kcv>, ProviderError> {
        let kcv = |card: &CardId| Ok(self.card_key(id, Path::City, *card)?.kcv());
        cards.iter().map(kcv).collect()
    }

    /// Derives the key of the lists of the unit at the end of `path`.
    ///
    /// # Errors
    /// As [`Self::card_key`].
    fn list_key(&self, id: &KeyId, path: Path) -> Result<Key<List>, ProviderError>;

    /// Computes the check value of a root.
    ///
    /// # Errors
    /// As [`Self::card_key`].
    fn kcv(&self, id: &KeyId) -> Result<Kcv, ProviderError>;

    /// Whether a root is the published test root of its name, however it came here: it is if it
    /// derives what the test root derives. Compares all 128 bits, in constant time.
    ///
    /// # Errors
    /// As [`Self::card_key`].
    fn is_test_key(&self, id: &KeyId) -> Result<bool, ProviderError> {
        let probe = CardId([0; 8]);
        let published = Path::City.derive(&test_keys::root(id), id, probe);
        Ok(self.card_key(id, Path::City, probe)? == published)
    }
}

/// Where roots live. Its text is the sentence for the start of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Custody {
    /// Roots and all keys below them are in the memory of the host.
    Host,
    /// Roots stay in a hardware token; the keys derived from them pass through the host's memory.
    Token,
}

impl fmt::Display for Custody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "root keys and derived keys are in the memory of this process",
            Self::Token => {
                "root keys stay in the token; keys derived from them pass through the memory of \
                 this process"
            }
        })
    }
}

/// The way from a root to the key of a card, by who owns the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Path {
    /// City key: root → card.
    City,
    /// District key: root → district → card. The district is named by the first four digits of its
    /// pupils' 学籍号 as BCD.
    District([u8; 2]),
    /// School key: root → district → school → card.
    School {
        /// The district, as in [`Self::District`].
        district: [u8; 2],
        /// Unit code as BCD.
        unit: [u8; 3],
    },
}

impl Path {
    /// Derives the key of a card along this path.
    #[must_use]
    pub fn derive(self, root: &Key<Root>, id: &KeyId, card: CardId) -> Key<Card> {
        match self {
            Self::City => root.card(id, card),
            Self::District(district) => root.district(id, district).card(id, card),
            Self::School { district, unit } => {
                root.district(id, district).school(id, unit).card(id, card)
            }
        }
    }

    /// Derives the key of the lists of the unit at the end of this path.
    #[must_use]
    pub fn list(self, root: &Key<Root>, id: &KeyId) -> Key<List> {
        match self {
            Self::City => root.list(id),
            Self::District(district) => root.district(id, district).list(id),
            Self::School { district, unit } => {
                root.district(id, district).school(id, unit).list(id)
            }
        }
    }

    /// The steps between the root and the card, outermost first: what a token derives one by one.
    pub fn branch(self) -> impl Iterator<Item = Step> {
        let (district, school) = match self {
            Self::City => (None, None),
            Self::District(district) => (Some(district), None),
            Self::School { district, unit } => (Some(district), Some(unit)),
        };
        district.map(Step::District).into_iter().chain(school.map(Step::School))
    }
}

/// Why a provider gives no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderError {
    /// It holds no such root.
    #[error("there is no root for key {0}")]
    NoRoot(KeyId),
    /// The root is there and cannot be used as it is.
    #[error("{0}")]
    Unfit(String),
    /// The root is there and is refused, because it is not safe.
    #[error("{0}")]
    Refused(String),
    /// The token failed.
    #[error("{0}")]
    Token(String),
}

/// The published test roots ([`test_keys`]): any name has one, and they protect nothing.
#[derive(Clone, Copy, Debug)]
pub struct TestRoots;

impl KeyProvider for TestRoots {
    fn custody(&self) -> Custody {
        Custody::Host
    }

    fn card_key(&self, id: &KeyId, path: Path, card: CardId) -> Result<Key<Card>, ProviderError> {
        Ok(path.derive(&test_keys::root(id), id, card))
    }

    fn list_key(&self, id: &KeyId, path: Path) -> Result<Key<List>, ProviderError> {
        Ok(path.list(&test_keys::root(id), id))
    }

    fn kcv(&self, id: &KeyId) -> Result<Kcv, ProviderError> {
        Ok(test_keys::root(id).kcv())
    }
}

/// Roots in the memory of the host, wherever they were read from. Wiped on drop.
#[derive(Debug, Default)]
pub struct Roots {
    /// Boxed, so that no copy of a key is left behind when the map grows.
    by_id: BTreeMap<KeyId, Box<Key<Root>>>,
}

impl Roots {
    /// No root yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a root.
    ///
    /// # Errors
    /// Returns [`InvalidRoot`] for a second root of one name, one of another algorithm, or a weak
    /// one.
    pub fn add(&mut self, id: KeyId, root: Box<Key<Root>>) -> Result<(), InvalidRoot> {
        if root.algorithm() != id.algorithm {
            return Err(InvalidRoot::Algorithm(id));
        }
        if root.is_weak() {
            return Err(InvalidRoot::Weak(id));
        }
        match self.by_id.entry(id) {
            Entry::Occupied(_) => Err(InvalidRoot::Twice(id)),
            Entry::Vacant(entry) => {
                entry.insert(root);
                Ok(())
            }
        }
    }

    /// The names of the roots, in order.
    pub fn ids(&self) -> impl Iterator<Item = &KeyId> {
        self.by_id.keys()
    }

    fn root(&self, id: &KeyId) -> Result<&Key<Root>, ProviderError> {
        self.by_id.get(id).map(Box::as_ref).ok_or(ProviderError::NoRoot(*id))
    }
}

impl KeyProvider for Roots {
    fn custody(&self) -> Custody {
        Custody::Host
    }

    fn card_key(&self, id: &KeyId, path: Path, card: CardId) -> Result<Key<Card>, ProviderError> {
        Ok(path.derive(self.root(id)?, id, card))
    }

    fn card_kcvs(&self, id: &KeyId, cards: &[CardId]) -> Result<Vec<Kcv>, ProviderError> {
        let mut values = vec![Kcv::new(KcvMethod::Cmac(id.algorithm), [0; 3]); cards.len()];
        // One place for each card: the lengths cannot differ.
        let _ = self.root(id)?.card_kcvs(id, cards, &mut values);
        Ok(values)
    }

    fn list_key(&self, id: &KeyId, path: Path) -> Result<Key<List>, ProviderError> {
        Ok(path.list(self.root(id)?, id))
    }

    fn kcv(&self, id: &KeyId) -> Result<Kcv, ProviderError> {
        Ok(self.root(id)?.kcv())
    }
}

/// A root that cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRoot {
    /// Its name is taken.
    #[error("key {0} is given twice")]
    Twice(KeyId),
    /// The root is of another algorithm than its name says.
    #[error("the root given for key {0} is of another algorithm")]
    Algorithm(KeyId),
    /// The root is weak ([`crate::weak`]).
    #[error("the root given for key {0} is weak: its bytes repeat")]
    Weak(KeyId),
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    use crate::algorithm::Algorithm;
    use crate::key::{KeyNumber, KeyVersion, Zone};
    use proptest::prelude::*;

    const ID: KeyId = KeyId {
        zone: Zone::EDUCATION,
        number: KeyNumber::READ,
        version: KeyVersion::FIRST,
        algorithm: Algorithm::Aes128,
    };

    fn paths() -> impl Strategy<Value = Path> {
        let school = any::<([u8; 2], [u8; 3])>();
        prop_oneof![
            Just(Path::City),
            any::<[u8; 2]>().prop_map(Path::District),
            school.prop_map(|(district, unit)| Path::School { district, unit }),
        ]
    }

    fn ids() -> impl Strategy<Value = KeyId> {
        let algorithm = prop_oneof![Just(Algorithm::Aes128), Just(Algorithm::Sm4)];
        (any::<u16>(), any::<u8>(), 1..=0xFE_u8, algorithm).prop_map(
            |(zone, number, version, algorithm)| KeyId {
                zone: Zone(zone),
                number: KeyNumber(number),
                version: KeyVersion::new(version).unwrap(),
                algorithm,
            },
        )
    }

    proptest! {
        /// A token computes one CMAC per step; the host's typed derivation is the same.
        #[test]
        fn a_path_is_its_steps(id in ids(), path in paths(), root: [u8; 16], card: [u8; 8]) {
            let card = CardId(card);
            let key = path.branch().chain([Step::Card(card)]).fold(root, |key, step| {
                Key::<Root>::new(id.algorithm, key).mac().tag(&step.message(&id)).into()
            });
            let list = path.branch().chain([Step::List]).fold(root, |key, step| {
                Key::<Root>::new(id.algorithm, key).mac().tag(&step.message(&id)).into()
            });
            let root = Key::<Root>::new(id.algorithm, root);
            prop_assert!(path.derive(&root, &id, card) == Key::new(id.algorithm, key));
            prop_assert!(path.list(&root, &id) == Key::new(id.algorithm, list));
        }
    }

    proptest! {
        #[test]
        fn many_cards_at_once_are_as_one_by_one(
            id in ids(), root: [u8; 16], cards in proptest::collection::vec(any::<[u8; 8]>(), 0..70),
        ) {
            let cards: Vec<_> = cards.into_iter().map(CardId).collect();
            let mut roots = Roots::new();
            prop_assume!(roots.add(id, Box::new(Key::new(id.algorithm, root))).is_ok());
            let one = |card: &CardId| roots.card_key(&id, Path::City, *card).unwrap().kcv();
            let expected: Vec<_> = cards.iter().map(one).collect();
            prop_assert_eq!(roots.card_kcvs(&id, &cards), Ok(expected));
        }
    }

    /// A provider of whose check values nothing is known but the keys.
    struct Plain(Roots);

    impl KeyProvider for Plain {
        fn custody(&self) -> Custody {
            Custody::Token
        }

        fn card_key(
            &self,
            id: &KeyId,
            path: Path,
            card: CardId,
        ) -> Result<Key<Card>, ProviderError> {
            self.0.card_key(id, path, card)
        }

        fn list_key(&self, id: &KeyId, path: Path) -> Result<Key<List>, ProviderError> {
            self.0.list_key(id, path)
        }

        fn kcv(&self, id: &KeyId) -> Result<Kcv, ProviderError> {
            self.0.kcv(id)
        }
    }

    #[test]
    fn a_provider_need_not_compute_check_values_itself() {
        let mut roots = Roots::new();
        roots.add(ID, Box::new(test_keys::root(&ID))).unwrap();
        let cards = [CardId([1; 8]), CardId([2; 8])];
        let expected = roots.card_kcvs(&ID, &cards);
        assert_eq!(Plain(roots).card_kcvs(&ID, &cards), expected);
        assert_eq!(Plain(Roots::new()).card_kcvs(&ID, &cards), Err(ProviderError::NoRoot(ID)));
    }

    #[test]
    fn custody_is_told_in_a_sentence() {
        for (custody, said) in [
            (Custody::Host, "root keys and derived keys are in the memory of this process"),
            (Custody::Token, "root keys stay in the token; keys derived from them pass through"),
        ] {
            assert!(format!("{custody}").starts_with(said));
        }
    }

    #[test]
    fn levels_and_owners_have_different_keys() {
        let card = CardId(*b"\x11\x00\x07\x01\x00\x00\x00\x17");
        let school = |unit| Path::School { district: [0x01, 0x08], unit };
        let other_district = Path::School { district: [0x01, 0x05], unit: [0x08, 0x40, 0x12] };
        let paths = [
            Path::City,
            Path::District([0x01, 0x08]),
            Path::District([0x01, 0x05]),
            school([0x08, 0x40, 0x12]),
            school([0x08, 0x40, 0x13]),
            other_district,
        ];
        let keys = paths.map(|path| TestRoots.card_key(&ID, path, card).unwrap());
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key));
        }
    }

    #[test]
    fn test_roots_are_known_however_they_came() {
        let mut roots = Roots::new();
        let real = KeyId { number: KeyNumber::TRANSFER, ..ID };
        // The test root of another key is no test root of this one.
        roots.add(ID, Box::new(test_keys::root(&ID))).unwrap();
        roots.add(real, Box::new(test_keys::root(&ID))).unwrap();
        assert_eq!(roots.is_test_key(&ID), Ok(true));
        assert_eq!(roots.is_test_key(&real), Ok(false));
        assert_eq!(roots.kcv(&ID), TestRoots.kcv(&ID));
        assert_eq!(roots.ids().copied().collect::<Vec<_>>(), [ID, real]);
    }

    #[test]
    fn a_root_is_added_once_and_under_its_algorithm() {
        let mut roots = Roots::new();
        let root = || Box::new(test_keys::root(&ID));
        let sm4 = KeyId { algorithm: Algorithm::Sm4, ..ID };
        assert_eq!(roots.add(sm4, root()), Err(InvalidRoot::Algorithm(sm4)));
        let constant = Box::new(Key::new(ID.algorithm, [0xFF; 16]));
        assert_eq!(roots.add(ID, constant), Err(InvalidRoot::Weak(ID)));
        assert_eq!(roots.add(ID, root()), Ok(()));
        assert_eq!(roots.add(ID, root()), Err(InvalidRoot::Twice(ID)));
        assert_eq!(roots.kcv(&sm4), Err(ProviderError::NoRoot(sm4)));
        let error = format!("{}", ProviderError::NoRoot(sm4));
        assert_eq!(error, "there is no root for key DF01/K1v01 (sm4)");
    }
}
