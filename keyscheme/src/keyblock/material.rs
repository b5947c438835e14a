//! Symmetric keys outside a card: bytes with their kind.
//!
//! Invariant: the number of bytes is the one of the kind. The bytes are wiped on drop, compared in
//! constant time and never shown.

use alloc::vec::Vec;
use core::fmt;

use cipher::KeyInit;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::algorithm::{Algorithm, Sm4};
use crate::cmac::Cmac;
use crate::error::InvalidLength;
use crate::kcv::Kcv;
use crate::key::{Key, Purpose};
use crate::legacy::Parity;
use crate::legacy::check::{Weakness, set_odd_parity};
use crate::weak::{self, WeakKey};

/// Block cipher and key length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// AES with a 128-bit key (FIPS 197).
    Aes128,
    /// AES with a 192-bit key (FIPS 197).
    Aes192,
    /// AES with a 256-bit key (FIPS 197).
    Aes256,
    /// SM4 (GB/T 32907-2016).
    Sm4,
    /// Single DES: only to take over keys of old equipment.
    Des,
    /// Two-key TDES (SP 800-67): legacy, for the purse and for what comes from elsewhere.
    Tdes2,
    /// Three-key TDES (SP 800-67): legacy.
    Tdes3,
}

impl KeyKind {
    /// Length of a key, in bytes.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "no kind of key is empty")]
    pub const fn len(self) -> usize {
        self.bits() as usize / 8
    }

    /// Length of a key in bits, parity bits included.
    pub(super) const fn bits(self) -> u16 {
        match self {
            Self::Des => 64,
            Self::Aes128 | Self::Sm4 | Self::Tdes2 => 128,
            Self::Aes192 | Self::Tdes3 => 192,
            Self::Aes256 => 256,
        }
    }

    /// Whether the lowest bit of every byte is a parity bit (SP 800-67 §3.2).
    #[must_use]
    pub const fn has_parity(self) -> bool {
        matches!(self, Self::Des | Self::Tdes2 | Self::Tdes3)
    }

    /// Effective strength in bits (SP 800-57 part 1 r5, Table 2).
    pub(super) const fn strength(self) -> u16 {
        match self {
            Self::Des => 56,
            Self::Tdes2 => 80,
            Self::Tdes3 => 112,
            Self::Aes128 | Self::Sm4 => 128,
            Self::Aes192 => 192,
            Self::Aes256 => 256,
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aes128 => "AES-128",
            Self::Aes192 => "AES-192",
            Self::Aes256 => "AES-256",
            Self::Sm4 => "SM4",
            Self::Des => "DES",
            Self::Tdes2 => "two-key TDES",
            Self::Tdes3 => "three-key TDES",
        })
    }
}

/// A secret key of any kind. Wiped on drop, never shown.
#[derive(Clone)]
pub struct KeyMaterial {
    kind: KeyKind,
    bytes: Zeroizing<Vec<u8>>,
}

/// Evaluates an expression with the expanded cipher of a [`KeyMaterial`].
macro_rules! with_cipher {
    ($material:expr, $cipher:ident => $body:expr) => {{
        use $crate::algorithm::{Aes128, Aes192, Aes256, Des, Sm4, TdesEde2, TdesEde3};
        use $crate::keyblock::KeyKind;
        with_cipher!(@ $material, $cipher, $body,
            Aes128 = Aes128, Aes192 = Aes192, Aes256 = Aes256, Sm4 = Sm4,
            Des = Des, Tdes2 = TdesEde2, Tdes3 = TdesEde3)
    }};
    (@ $material:expr, $cipher:ident, $body:expr, $($kind:ident = $type:ty),*) => {
        match $material.kind() {
            $(KeyKind::$kind => {
                let $cipher = $material.expand::<$type>();
                $body
            })*
        }
    };
}

impl KeyMaterial {
    /// Takes `bytes` as a key of `kind`.
    ///
    /// # Errors
    /// Returns [`InvalidLength`] when the kind has keys of another length.
    pub fn new(kind: KeyKind, bytes: &[u8]) -> Result<Self, InvalidLength> {
        if bytes.len() != kind.len() {
            return Err(InvalidLength { what: "key", actual: bytes.len(), expected: kind.len() });
        }
        Ok(Self { kind, bytes: Zeroizing::new(bytes.to_vec()) })
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The secret bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.bytes
    }

    /// Check value by the method of the kind (ANSI X9.24-1:2017 Annex A): CMAC of the zero block
    /// for AES and SM4, encryption of the zero block for DES and TDES.
    #[must_use]
    pub fn kcv(&self) -> Kcv {
        match self.kind {
            KeyKind::Sm4 => Kcv::cmac(Algorithm::Sm4, &Cmac::new(self.expand::<Sm4>())),
            kind if kind.has_parity() => with_cipher!(self, cipher => Kcv::zero_block(&cipher)),
            _ => with_cipher!(self, cipher => Kcv::cmac(Algorithm::Aes128, &Cmac::new(cipher))),
        }
    }

    /// The key as a card key of purpose `P`; none when its kind is not a card algorithm.
    #[must_use]
    pub fn to_key<P: Purpose>(&self) -> Option<Key<P>> {
        let algorithm = match self.kind {
            KeyKind::Aes128 => Algorithm::Aes128,
            KeyKind::Sm4 => Algorithm::Sm4,
            _ => return None,
        };
        Some(Key::new(algorithm, self.bytes.as_slice().try_into().ok()?))
    }

    /// Whether every byte has odd parity, where the kind has parity bits.
    #[must_use]
    pub fn has_odd_parity(&self) -> bool {
        !self.kind.has_parity() || Parity::of(&self.bytes) == Parity::Odd
    }

    /// The same key with every byte of odd parity, where the kind has parity bits.
    #[must_use]
    pub fn with_odd_parity(mut self) -> Self {
        if self.kind.has_parity() {
            set_odd_parity(&mut self.bytes);
        }
        self
    }

    /// Refuses a weak key.
    ///
    /// # Errors
    /// Returns [`WeakKey`] as [`Self::is_weak`] says.
    pub fn check_strength(&self) -> Result<(), WeakKey> {
        if self.is_weak() { Err(WeakKey(self.kind)) } else { Ok(()) }
    }

    /// Whether the key is weak: its bytes repeat ([`weak::repeats`]); for DES and TDES, whatever the
    /// parity bits, a [`Weakness`] in one of its DES keys, or two equal DES keys.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        if !self.kind.has_parity() {
            return weak::repeats(&self.bytes);
        }
        let normal = self.clone().with_odd_parity();
        let (parts, _) = normal.bytes.as_chunks();
        parts.iter().enumerate().any(|(index, part)| {
            Weakness::of(part).is_some() || parts.iter().skip(index + 1).any(|next| next == part)
        })
    }

    /// A key of the same kind whose bytes `change` makes of these.
    pub(super) fn replaced(&self, change: impl FnOnce(&mut [u8])) -> Self {
        let mut other = self.clone();
        change(&mut other.bytes);
        other
    }

    /// Expands the key schedule; `C` must be the cipher of the kind.
    pub(super) fn expand<C: KeyInit>(&self) -> C {
        debug_assert_eq!(C::key_size(), self.bytes.len());
        let mut key = cipher::Key::<C>::default();
        key.iter_mut().zip(self.bytes.iter()).for_each(|(to, from)| *to = *from);
        let cipher = C::new(&key);
        key.zeroize();
        cipher
    }
}

impl<P: Purpose> From<&Key<P>> for KeyMaterial {
    fn from(key: &Key<P>) -> Self {
        let kind = match key.algorithm() {
            Algorithm::Aes128 => KeyKind::Aes128,
            Algorithm::Sm4 => KeyKind::Sm4,
        };
        Self { kind, bytes: Zeroizing::new(key.expose().to_vec()) }
    }
}

impl PartialEq for KeyMaterial {
    /// Compares in constant time.
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && bool::from(self.bytes.ct_eq(&other.bytes))
    }
}

impl Eq for KeyMaterial {}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyMaterial({})", self.kind)
    }
}
