//! The block ciphers of the card profiles.
//!
//! Everything above works on any cipher of the `cipher` traits, so SM4 takes the place of AES by a
//! type parameter. [`CardCipher`] is the one place where the choice is made at run time, from the
//! algorithm identifier stored with a key.

use cipher::consts::{U1, U16};
use cipher::{
    BlockCipherDecClosure, BlockCipherDecrypt, BlockCipherEncClosure, BlockCipherEncrypt,
    BlockSizeUser, KeyInit, ParBlocksSizeUser,
};

pub use aes::{Aes128, Aes192, Aes256};
pub use cipher;
pub use des::{Des, TdesEde2, TdesEde3};
pub use sm4::Sm4;

/// Size of a cipher block and of a card key, in bytes.
pub const BLOCK_LEN: usize = 16;

/// Algorithm identifier of a key (project-defined codes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Algorithm {
    /// AES with a 128-bit key (FIPS 197), profile `cpu-aes`.
    Aes128 = 0x01,
    /// SM4 (GB/T 32907-2016), profile `cpu-sm4`.
    Sm4 = 0x02,
}

impl Algorithm {
    /// The algorithm with this identifier, if the education and extension zones know it.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0x01 => Some(Self::Aes128),
            0x02 => Some(Self::Sm4),
            _ => None,
        }
    }

    /// The identifier on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Short name, as printed before key check values.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aes128 => "aes",
            Self::Sm4 => "sm4",
        }
    }
}

impl core::fmt::Display for Algorithm {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// A keyed block cipher chosen at run time.
///
/// AES runs in constant time on every target (hardware or fixsliced); SM4 uses lookup tables and
/// makes no such promise.
#[derive(Clone)]
#[allow(
    clippy::large_enum_variant,
    reason = "a card holds one at a time and the library is free of needless allocation"
)]
pub enum CardCipher {
    /// AES-128.
    Aes128(Aes128),
    /// SM4.
    Sm4(Sm4),
}

impl CardCipher {
    /// Expands `key` for `algorithm`.
    #[inline]
    #[must_use]
    pub fn new(algorithm: Algorithm, key: &[u8; BLOCK_LEN]) -> Self {
        match algorithm {
            Algorithm::Aes128 => Self::Aes128(Aes128::new(key.into())),
            Algorithm::Sm4 => Self::Sm4(Sm4::new(key.into())),
        }
    }
}

impl core::fmt::Debug for CardCipher {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Aes128(_) => "CardCipher::Aes128(..)",
            Self::Sm4(_) => "CardCipher::Sm4(..)",
        })
    }
}

impl BlockSizeUser for CardCipher {
    type BlockSize = U16;
}

impl ParBlocksSizeUser for CardCipher {
    type ParBlocksSize = U1;
}

impl BlockCipherEncrypt for CardCipher {
    #[inline]
    fn encrypt_with_backend(&self, f: impl BlockCipherEncClosure<BlockSize = U16>) {
        match self {
            Self::Aes128(cipher) => cipher.encrypt_with_backend(f),
            Self::Sm4(cipher) => cipher.encrypt_with_backend(f),
        }
    }
}

impl BlockCipherDecrypt for CardCipher {
    #[inline]
    fn decrypt_with_backend(&self, f: impl BlockCipherDecClosure<BlockSize = U16>) {
        match self {
            Self::Aes128(cipher) => cipher.decrypt_with_backend(f),
            Self::Sm4(cipher) => cipher.decrypt_with_backend(f),
        }
    }
}
