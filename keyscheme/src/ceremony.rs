//! Key ceremonies: a key in several components, one per custodian.
//!
//! The components are added bit by bit (XOR). Each has the length of the key, so whoever lacks one
//! of them knows nothing about the key. Every component carries its own check value, by which a
//! custodian's typing error is noticed before anything is combined. Beside it stands its [`Place`]:
//! which component of how many it is, and the check value of the whole key, by which a component that
//! is lost, comes twice or belongs to another key is named ([`assemble`]). Components of other
//! equipment may come without; [`combine`] adds them up.
//!
//! DES and TDES: the parity bits take no part in the cipher. Components and keys are given odd
//! parity, and a combined key has it again, whatever the number of components.
//!
//! ```
//! use xuejika_keyscheme::ceremony::{CeremonyError, Component, ParityRule, assemble, combine, split};
//! use xuejika_keyscheme::keyblock::{KeyKind, KeyMaterial};
//!
//! let typed = [*b"component of one", *b"and of the next.", *b"and of the third"];
//! let components = typed.map(|bytes| {
//!     let printed = KeyMaterial::new(KeyKind::Aes128, &bytes).unwrap().kcv().bytes();
//!     Component::enter(KeyKind::Aes128, &bytes, printed, ParityRule::Odd).unwrap()
//! });
//! let key = combine(&components, None)?;
//! assert!(key.kcv().to_string().starts_with("cmac-aes:"));
//!
//! # struct Rng;
//! # impl rand_core::TryRng for Rng {
//! #     type Error = core::convert::Infallible;
//! #     fn try_next_u32(&mut self) -> Result<u32, Self::Error> { Ok(4) }
//! #     fn try_next_u64(&mut self) -> Result<u64, Self::Error> { Ok(4) }
//! #     fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Self::Error> {
//! #         to.iter_mut().for_each(|byte| *byte = byte.wrapping_add(75));
//! #         Ok(())
//! #     }
//! # }
//! # impl rand_core::TryCryptoRng for Rng {}
//! # let mut rng = Rng;
//! let mut parts = split(&key, 3, &mut rng)?;
//! assert_eq!(assemble(&parts)?, key);
//! parts.pop();
//! let lost = CeremonyError::Missing { number: 3, count: 3 };
//! assert_eq!(assemble(&parts), Err(lost));
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
use crate::weak::WeakKey;

/// Fewest components of a key.
pub const MIN_COMPONENTS: usize = 2;

/// Most components of a key.
pub const MAX_COMPONENTS: usize = 16;

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

/// Which component of which key, as it stands beside it. No secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    number: u8,
    count: u8,
    key: Kcv,
}

impl Place {
    /// Component `number` of `count`, of the key with the check value `key`.
    ///
    /// # Errors
    /// Returns [`PlaceError`] when there are not [`MIN_COMPONENTS`] to [`MAX_COMPONENTS`], or the
    /// number is none of 1 to `count`.
    pub fn new(number: u8, count: u8, key: Kcv) -> Result<Self, PlaceError> {
        let counts = MIN_COMPONENTS..=MAX_COMPONENTS;
        if counts.contains(&usize::from(count)) && (1..=count).contains(&number) {
            Ok(Self { number, count, key })
        } else {
            Err(PlaceError { number, count })
        }
    }

    /// Number of the component, counted from 1.
    #[must_use]
    pub const fn number(&self) -> u8 {
        self.number
    }

    /// Number of components of the key.
    #[must_use]
    pub const fn count(&self) -> u8 {
        self.count
    }

    /// Check value of the whole key.
    #[must_use]
    pub const fn key(&self) -> Kcv {
        self.key
    }
}

/// A component and its place.
#[derive(Clone, Debug)]
pub struct Part {
    /// Which one it is.
    pub place: Place,
    /// The component.
    pub component: Component,
}

/// Adds up all the components of one key, in any order.
///
/// # Errors
/// Returns [`CeremonyError`] when a component belongs to another key, comes twice or is missing, and
/// as [`combine`] does. The whole key must have the check value that the components state.
pub fn assemble(parts: &[Part]) -> Result<KeyMaterial, CeremonyError> {
    let [first, ..] = parts else { return Err(CeremonyError::TooFew(0)) };
    let expected = first.place;
    for (at, part) in parts.iter().enumerate() {
        let place = part.place;
        let earlier = parts.iter().take(at).any(|other| other.place.number == place.number);
        let fault = if place.key != expected.key {
            PartFault::Key { actual: place.key, expected: expected.key }
        } else if place.count != expected.count {
            PartFault::Count { actual: place.count, expected: expected.count }
        } else if earlier {
            PartFault::Repeated(place.number)
        } else {
            continue;
        };
        return Err(CeremonyError::Part { at, fault });
    }
    let here = |number| parts.iter().any(|part| part.place.number == number);
    if let Some(number) = (1..=expected.count).find(|number| !here(*number)) {
        return Err(CeremonyError::Missing { number, count: expected.count });
    }
    let components: Vec<_> = parts.iter().map(|part| part.component.clone()).collect();
    combine(&components, Some(expected.key.bytes()))
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
    key.check_strength()?;
    if let Some(printed) = printed {
        check_kcv(&key, printed).map_err(CeremonyError::CheckValue)?;
    }
    Ok(key)
}

/// Splits `key` into `parts` components, all but one of them random.
///
/// # Errors
/// Returns [`CeremonyError`] when there would not be [`MIN_COMPONENTS`] to [`MAX_COMPONENTS`], a DES
/// or TDES key has not odd parity, or the key is weak.
pub fn split<R: CryptoRng + ?Sized>(
    key: &KeyMaterial,
    parts: usize,
    rng: &mut R,
) -> Result<Vec<Part>, CeremonyError> {
    let Some(random) = parts.checked_sub(1).filter(|_| parts >= MIN_COMPONENTS) else {
        return Err(CeremonyError::TooFew(parts));
    };
    let count = u8::try_from(parts).ok().filter(|_| parts <= MAX_COMPONENTS);
    let count = count.ok_or(CeremonyError::TooMany(parts))?;
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
    let parts: Vec<_> = (1..=count)
        .zip(components)
        .map(|(number, component)| Part {
            place: Place { number, count, key: key.kcv() },
            component,
        })
        .collect();
    // What cannot be put together again is not handed out.
    assemble(&parts)?;
    Ok(parts)
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

/// There is no such component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "component {number} of {count}, expected 1 to the number of components, which is \
     {MIN_COMPONENTS} to {MAX_COMPONENTS}"
)]
pub struct PlaceError {
    number: u8,
    count: u8,
}

/// Why a component does not go with the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PartFault {
    /// It belongs to another key.
    #[error("a component of the key {actual}, expected one of {expected} as the first is")]
    Key {
        /// Check value of its key.
        actual: Kcv,
        /// Check value of the first component's key.
        expected: Kcv,
    },
    /// It was split off at another time.
    #[error("one of {actual} components, expected one of {expected} as the first is")]
    Count {
        /// Number of components in its split.
        actual: u8,
        /// Number of components in the first one's.
        expected: u8,
    },
    /// It is among them already.
    #[error("component {0} is given twice")]
    Repeated(u8),
}

/// Components and key do not go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CeremonyError {
    /// Too few components.
    #[error("{0} components, expected at least {MIN_COMPONENTS}")]
    TooFew(usize),
    /// Too many components.
    #[error("{0} components, expected at most {MAX_COMPONENTS}")]
    TooMany(usize),
    /// A component does not go with the others.
    #[error("{fault}")]
    Part {
        /// Its place in the order given, counted from 0.
        at: usize,
        /// Why not.
        fault: PartFault,
    },
    /// A component is not there.
    #[error("component {number} of {count} is missing")]
    Missing {
        /// Its number, counted from 1.
        number: u8,
        /// How many there are.
        count: u8,
    },
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
    /// The key is weak.
    #[error(transparent)]
    Weak(#[from] WeakKey),
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
