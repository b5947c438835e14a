//! Legacy: the operator's roots of the wallet keys, as far as they are here: at most one for each
//! FMCOS key type.
//!
//! Legacy: two-key TDES; disallowed by NIST for new protection since 2017 (two keys) and 2024
//! (any); not cache-timing safe; no fall-back between algorithms exists.
//!
//! Invariant: no root has a weak half or equal halves.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use super::check::{KEY_LEN, KeyFault, set_odd_parity};
use super::diversify::{FACTOR_LEN, diversify};
use super::key::{AnyPurpose, AnyRoot, KEY_TYPES, Root, TdesKey, WalletPurpose};
use super::{bulk, test_keys};
use crate::kcv::{Kcv, KcvMethod};

/// Legacy: FMCOS type of a wallet key, one for each [`WalletPurpose`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct WalletKeyType(u8);

impl WalletKeyType {
    /// The type with this code, if wallet keys have it.
    #[must_use]
    pub fn new(code: u8) -> Option<Self> {
        Self::all().find(|known| known.0 == code)
    }

    /// The type of the keys of purpose `P`.
    #[must_use]
    pub const fn of<P: WalletPurpose>() -> Self {
        Self(P::KEY_TYPE)
    }

    /// All types, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        KEY_TYPES.iter().map(|(code, _)| Self(*code))
    }

    /// The code, 30 to 3F.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0
    }

    /// What the keys are for, as [`Purpose::NAME`](super::Purpose::NAME).
    #[must_use]
    pub fn name(self) -> &'static str {
        KEY_TYPES.iter().find(|(code, _)| *code == self.0).map_or("", |(_, name)| name)
    }
}

impl fmt::Display for WalletKeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02X} ({})", self.0, self.name())
    }
}

/// Legacy: the roots that are here, by type. Wiped on drop, never shown.
#[derive(Clone, Debug, Default)]
pub struct WalletRoots {
    /// Boxed, so that no copy of a key is left behind when the map grows.
    by_type: BTreeMap<WalletKeyType, Box<TdesKey<AnyRoot>>>,
}

impl WalletRoots {
    /// No root yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The published test roots, of all types.
    #[must_use]
    pub fn test() -> Self {
        let root = |key_type| (key_type, Box::new(test_keys::of_type(key_type)));
        Self { by_type: WalletKeyType::all().map(root).collect() }
    }

    /// Adds the root of a type.
    ///
    /// # Errors
    /// Returns [`InvalidWalletRoot`] for a second root of one type, or a weak key.
    pub fn add(
        &mut self,
        key_type: WalletKeyType,
        root: &[u8; KEY_LEN],
    ) -> Result<(), InvalidWalletRoot> {
        let Entry::Vacant(entry) = self.by_type.entry(key_type) else {
            return Err(InvalidWalletRoot::Twice(key_type));
        };
        let root = TdesKey::import(*root);
        entry.insert(Box::new(root.map_err(|fault| InvalidWalletRoot::Weak { key_type, fault })?));
        Ok(())
    }

    /// Whether there is no root.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_type.is_empty()
    }

    /// The types that have a root, in order.
    pub fn types(&self) -> impl Iterator<Item = WalletKeyType> {
        self.by_type.keys().copied()
    }

    /// The root of the keys of purpose `P`.
    ///
    /// # Errors
    /// Returns [`NoWalletRoot`] if it is not here.
    pub fn root<P: WalletPurpose>(&self) -> Result<TdesKey<Root<P>>, NoWalletRoot> {
        self.any(WalletKeyType::of::<P>()).map(|root| TdesKey::derived(*root.expose()))
    }

    /// The secret bytes of a root, for storage in a PSAM or under another key.
    ///
    /// # Errors
    /// As [`Self::root`].
    pub fn expose(&self, key_type: WalletKeyType) -> Result<&[u8; KEY_LEN], NoWalletRoot> {
        self.any(key_type).map(TdesKey::expose)
    }

    /// The check value of a root.
    ///
    /// # Errors
    /// As [`Self::root`].
    pub fn kcv(&self, key_type: WalletKeyType) -> Result<Kcv, NoWalletRoot> {
        self.any(key_type).map(TdesKey::kcv)
    }

    /// The check value of the key of one card.
    ///
    /// # Errors
    /// As [`Self::root`].
    pub fn card_kcv(
        &self,
        key_type: WalletKeyType,
        number: [u8; FACTOR_LEN],
    ) -> Result<Kcv, NoWalletRoot> {
        let key: TdesKey<AnyPurpose> = diversify(self.any(key_type)?, number);
        Ok(key.kcv())
    }

    /// The check values of the keys of many cards, in their order.
    ///
    /// # Errors
    /// As [`Self::root`].
    pub fn card_kcvs(
        &self,
        key_type: WalletKeyType,
        numbers: &[[u8; FACTOR_LEN]],
    ) -> Result<Vec<Kcv>, NoWalletRoot> {
        let mut values = vec![Kcv::new(KcvMethod::ZeroBlock, [0; 3]); numbers.len()];
        // One place for each card: the lengths cannot differ.
        let _ = bulk::card_kcvs(self.expose(key_type)?, numbers, &mut values);
        Ok(values)
    }

    /// Whether a root is the published test root of its type, parity aside.
    ///
    /// # Errors
    /// As [`Self::root`].
    pub fn is_test_key(&self, key_type: WalletKeyType) -> Result<bool, NoWalletRoot> {
        let mut bytes = Zeroizing::new(*self.expose(key_type)?);
        set_odd_parity(&mut *bytes);
        Ok(TdesKey::<AnyRoot>::import_any(*bytes) == test_keys::of_type(key_type))
    }

    fn any(&self, key_type: WalletKeyType) -> Result<&TdesKey<AnyRoot>, NoWalletRoot> {
        self.by_type.get(&key_type).map(Box::as_ref).ok_or(NoWalletRoot(key_type))
    }
}

/// Legacy: the root of a type is not here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no root of wallet keys of type {0}")]
pub struct NoWalletRoot(pub WalletKeyType);

/// Legacy: a root that cannot be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidWalletRoot {
    /// Its type has a root.
    #[error("the root of wallet keys of type {0} is given twice")]
    Twice(WalletKeyType),
    /// It is weak.
    #[error("the root of wallet keys of type {key_type}: {fault}")]
    Weak {
        /// The type.
        key_type: WalletKeyType,
        /// What is wrong with the key.
        fault: KeyFault,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::legacy::{LimitKey, LoadKey, PurchaseKey};
    use alloc::format;
    use proptest::prelude::*;

    const PURCHASE: WalletKeyType = WalletKeyType::of::<PurchaseKey>();
    const LOAD: WalletKeyType = WalletKeyType::of::<LoadKey>();

    proptest! {
        #[test]
        fn a_root_is_the_one_that_was_added(
            bytes: [u8; 16], numbers in prop::collection::vec(any::<[u8; 8]>(), 0..20),
        ) {
            let mut roots = WalletRoots::new();
            prop_assume!(roots.add(PURCHASE, &bytes).is_ok());
            let typed = roots.root::<PurchaseKey>().unwrap();
            prop_assert_eq!(typed.expose(), &bytes);
            prop_assert_eq!(roots.kcv(PURCHASE), Ok(typed.kcv()));
            let singly: Vec<_> = numbers.iter().map(|it| typed.card_key(*it).kcv()).collect();
            let again: Result<Vec<_>, _> =
                numbers.iter().map(|it| roots.card_kcv(PURCHASE, *it)).collect();
            prop_assert_eq!(again.as_ref(), Ok(&singly));
            prop_assert_eq!(roots.card_kcvs(PURCHASE, &numbers), Ok(singly));
            prop_assert_eq!(roots.is_test_key(PURCHASE), Ok(false));
            prop_assert_eq!(roots.kcv(LOAD), Err(NoWalletRoot(LOAD)));
        }
    }

    #[test]
    fn types_are_those_of_the_purposes() {
        let codes: Vec<u8> =
            (0..=0xFF).filter(|code| WalletKeyType::new(*code).is_some()).collect();
        assert!(WalletKeyType::all().map(WalletKeyType::code).eq(codes.iter().copied()));
        assert_eq!(codes.len(), 12);
        assert_eq!(format!("{PURCHASE}"), "3E (purchase key)");
        assert_eq!(WalletKeyType::of::<LimitKey>().code(), 0x3C);
    }

    #[test]
    fn test_roots_are_known_whatever_their_parity() {
        let test = WalletRoots::test();
        assert!(test.types().eq(WalletKeyType::all()));
        assert!(test.root::<LoadKey>() == Ok(test_keys::root::<LoadKey>()));
        let other_parity = test.expose(LOAD).unwrap().map(|byte| byte ^ 1);
        let mut roots = WalletRoots::new();
        roots.add(LOAD, &other_parity).unwrap();
        // The test root of one type is none of another.
        roots.add(PURCHASE, &other_parity).unwrap();
        assert_eq!(roots.is_test_key(LOAD), Ok(true));
        assert_eq!(roots.is_test_key(PURCHASE), Ok(false));
    }

    #[test]
    fn weak_and_second_roots_are_refused() {
        let mut roots = WalletRoots::new();
        let weak = roots.add(LOAD, &[0xFF; 16]).unwrap_err();
        assert!(matches!(weak, InvalidWalletRoot::Weak { key_type: LOAD, .. }));
        assert!(roots.is_empty());
        let root = *WalletRoots::test().expose(PURCHASE).unwrap();
        roots.add(LOAD, &root).unwrap();
        assert!(!roots.is_empty());
        assert_eq!(roots.add(LOAD, &root), Err(InvalidWalletRoot::Twice(LOAD)));
        assert!(!format!("{roots:?}").contains(&format!("{}", root[0])));
    }
}
