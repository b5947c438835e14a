//! Key ceremonies: a key in several components, one per custodian.
//!
//! The components are added bit by bit (XOR). Each has the length of the key, so whoever lacks one
//! of them knows nothing about the key. Every component carries its own check value, by which a
//! custodian's typing error is noticed before anything is combined.
//!
//! DES and TDES: the parity bits take no part in the cipher. Components and keys are given odd
//! parity, and a combined key has it again, whatever the number of components.
//!
//! ```
//! use xuejika_keyscheme::ceremony::{Component, ParityRule, combine};
//! use xuejika_keyscheme::keyblock::{KeyKind, KeyMaterial};
//!
//! let typed = [*b"component of one", *b"and of the next.", *b"and of the third"];
//! let components = typed.map(|bytes| {
//!     let printed = KeyMaterial::new(KeyKind::Aes128, &bytes).unwrap().kcv().bytes();
//!     Component::enter(KeyKind::Aes128, &bytes, printed, ParityRule::Odd).unwrap()
//! });
//! let key = combine(&components, None)?;
//! assert!(key.kcv().to_string().starts_with("cmac-aes:"));
//! # Ok::<(), xuejika_keyscheme::ceremony::CeremonyError>(())
//! ```

use alloc::vec::Vec;
use core::fmt;

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::cbc::xor;
use crate::error::InvalidLength;
use crate::kcv::{Kcv, KcvMethod};
use crate::keyblock::{KeyKind, KeyMaterial};

/// Fewest components of a key.
pub const MIN_COMPONENTS: usize = 2;

/// Number of components a ceremony should have: two custodians who meet are not yet the key.
pub const RECOMMENDED_COMPONENTS: usize = 3;

/// What is asked of the parity bits of an entered DES or TDES component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParityRule {
    /// Every byte odd: a typing error in a parity bit is noticed too, which a check value cannot do.
    Odd,
    /// Nothing: for components of equipment that does not set parity bits.
    Any,
}

/// One custodian's part of a key. Wiped on drop, never shown.
#[derive(Clone)]
pub struct Component(KeyMaterial);

impl Component {
    /// Takes a component as its custodian enters it, with the check value printed beside it (three
    /// bytes, by the method of the kind, see [`KeyMaterial::kcv`]).
    ///
    /// # Errors
    /// Returns [`ComponentError`] when length, parity or check value is wrong or the component is
    /// zero. The error never tells which byte.
    pub fn enter(
        kind: KeyKind,
        bytes: &[u8],
        printed: [u8; 3],
        parity: ParityRule,
    ) -> Result<Self, ComponentError> {
        let material = KeyMaterial::new(kind, bytes)?;
        check_kcv(&material, printed).map_err(ComponentError::CheckValue)?;
        if parity == ParityRule::Odd && !material.has_odd_parity() {
            return Err(ComponentError::Parity);
        }
        if significant(&material).iter().fold(0, |all, byte| all | byte) == 0 {
            return Err(ComponentError::Zero);
        }
        Ok(Self(material))
    }

    /// Kind of the key it is a part of.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        self.0.kind()
    }

    /// The secret bytes, for the custodian's eyes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// Its check value, to be printed beside it.
    #[must_use]
    pub fn kcv(&self) -> Kcv {
        self.0.kcv()
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Component({})", self.kind())
    }
}

/// Adds the components up to a key and compares its check value with the printed one, if there is
/// one already.
///
/// # Errors
/// Returns [`CeremonyError`] when there are fewer than [`MIN_COMPONENTS`], two are equal, their
/// kinds differ, or the key is degenerate or not the expected one.
pub fn combine(
    components: &[Component],
    printed: Option<[u8; 3]>,
) -> Result<KeyMaterial, CeremonyError> {
    let [first, others @ ..] = components else {
        return Err(CeremonyError::TooFew(0));
    };
    if components.len() < MIN_COMPONENTS {
        return Err(CeremonyError::TooFew(components.len()));
    }
    check_distinct(components)?;
    let mut sum = Zeroizing::new(first.expose().to_vec());
    for other in others {
        if other.kind() != first.kind() {
            let (expected, actual) = (first.kind(), other.kind());
            return Err(CeremonyError::Kind { actual, expected });
        }
        xor(&mut sum, other.expose());
    }
    let key = KeyMaterial::new(first.kind(), &sum)?.with_odd_parity();
    if key.is_weak() {
        return Err(CeremonyError::Weak);
    }
    if let Some(printed) = printed {
        check_kcv(&key, printed).map_err(CeremonyError::CheckValue)?;
    }
    Ok(key)
}

/// Splits `key` into `parts` components, all but one of them random.
///
/// # Errors
/// Returns [`CeremonyError`] when there would be fewer than [`MIN_COMPONENTS`], a DES or TDES key
/// has not odd parity, or the key is degenerate.
pub fn split<R: CryptoRng + ?Sized>(
    key: &KeyMaterial,
    parts: usize,
    rng: &mut R,
) -> Result<Vec<Component>, CeremonyError> {
    let Some(random) = parts.checked_sub(1).filter(|_| parts >= MIN_COMPONENTS) else {
        return Err(CeremonyError::TooFew(parts));
    };
    if !key.has_odd_parity() {
        return Err(CeremonyError::Parity);
    }
    let mut components = Vec::new();
    let mut rest = Zeroizing::new(key.expose().to_vec());
    let mut bytes = Zeroizing::new(key.expose().to_vec());
    for _ in 0..random {
        rng.fill_bytes(&mut bytes);
        let component = KeyMaterial::new(key.kind(), &bytes)?.with_odd_parity();
        xor(&mut rest, component.expose());
        components.push(Component(component));
    }
    components.push(Component(KeyMaterial::new(key.kind(), &rest)?.with_odd_parity()));
    // What cannot be put together again is not handed out.
    combine(&components, Some(key.kcv().bytes()))?;
    Ok(components)
}

/// A component is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ComponentError {
    /// It has another length than the key.
    #[error("component: {0}")]
    Length(#[from] InvalidLength),
    /// The check value is another one.
    #[error("component does not have the printed {0} check value")]
    CheckValue(KcvMethod),
    /// A byte has even parity.
    #[error("component has a byte of even parity, expected odd parity throughout")]
    Parity,
    /// It is zero and would add nothing.
    #[error("component is zero")]
    Zero,
}

/// Components and key do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CeremonyError {
    /// Too few components.
    #[error("{0} components, expected at least {MIN_COMPONENTS}")]
    TooFew(usize),
    /// Two components are equal and would cancel out.
    #[error("two components are equal")]
    Equal,
    /// The components are of different kinds or lengths.
    #[error("component of {actual} among components of {expected}")]
    Kind {
        /// Kind of the component.
        actual: KeyKind,
        /// Kind of the first component.
        expected: KeyKind,
    },
    /// The key is all zero, or its DES keys are weak or equal.
    #[error("key is weak or all zero")]
    Weak,
    /// The key has a byte of even parity.
    #[error("key has a byte of even parity, expected odd parity throughout")]
    Parity,
    /// The key is not the one whose check value is printed.
    #[error("key does not have the printed {0} check value")]
    CheckValue(KcvMethod),
    /// A part has the wrong length.
    #[error(transparent)]
    Length(#[from] InvalidLength),
}

fn check_kcv(key: &KeyMaterial, printed: [u8; 3]) -> Result<(), KcvMethod> {
    let kcv = key.kcv();
    if bool::from(kcv.bytes().ct_eq(&printed)) { Ok(()) } else { Err(kcv.method()) }
}

fn check_distinct(components: &[Component]) -> Result<(), CeremonyError> {
    for (index, one) in components.iter().enumerate() {
        let one = significant(&one.0);
        for other in components.iter().skip(index + 1) {
            if bool::from(one.ct_eq(&significant(&other.0))) {
                return Err(CeremonyError::Equal);
            }
        }
    }
    Ok(())
}

/// The bytes without their parity bits, where the kind has some.
fn significant(material: &KeyMaterial) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(material.expose().to_vec());
    if material.kind().has_parity() {
        bytes.iter_mut().for_each(|byte| *byte &= !1);
    }
    bytes
}
