//! Legacy: the MACs of ISO/IEC 9797-1 on single DES: algorithm 1 (plain CBC-MAC, the purse),
//! algorithm 3 ("retail MAC", line protection) and, for completeness of the family, 2 and 4.
//!
//! Legacy: two-key TDES; disallowed by NIST for new protection since 2017 (two keys) and 2024
//! (any); not cache-timing safe; no fall-back between algorithms exists.
//!
//! The algorithms themselves are those of [`iso9797`](crate::iso9797), which knows no cipher.
//!
//! A tag of eight bytes; PBOC sends the left four. A plain CBC-MAC is forgeable across messages of
//! different length; the purse gives every message of one key its fixed length.

use cipher::KeyInit;

use super::check::{DES_KEY_LEN, KEY_LEN, halves};
use crate::algorithm::Des;
use crate::iso9797::{BlockMac, alternate};

pub use crate::iso9797::Padding;

/// Length of a DES block and of a whole tag, in bytes.
pub const BLOCK_LEN: usize = 8;

/// The initial value of a MAC that binds no challenge.
pub const ZERO_IV: [u8; BLOCK_LEN] = [0; BLOCK_LEN];

/// Legacy: a MAC key on DES, ready for any number of messages.
#[derive(Clone)]
pub struct DesMac(BlockMac<Des>);

impl DesMac {
    /// Algorithm 1: CBC-MAC without an output transformation.
    #[must_use]
    pub fn cbc(key: &[u8; DES_KEY_LEN]) -> Self {
        Self(BlockMac::cbc(des(key)))
    }

    /// Algorithm 2: the last block is encrypted once more, under the key with every other nibble
    /// inverted.
    #[must_use]
    pub fn emac(key: &[u8; DES_KEY_LEN]) -> Self {
        Self(BlockMac::emac(des(key), des(&alternate(key))))
    }

    /// Algorithm 3, "retail MAC": chained under the left half, the last block decrypted under the
    /// right half and encrypted under the left one. Equal halves give algorithm 1.
    #[must_use]
    pub fn retail(key: &[u8; KEY_LEN]) -> Self {
        let (left, right) = halves(key);
        Self(BlockMac::retail(des(&left), des(&right)))
    }

    /// Algorithm 4: chained under the left half, the last block encrypted under the right one, the
    /// first block encrypted once more under the right one with every other nibble inverted.
    #[must_use]
    pub fn double_first(key: &[u8; KEY_LEN]) -> Self {
        let (left, right) = halves(key);
        Self(BlockMac::double_first(des(&left), des(&right), des(&alternate(&right))))
    }

    /// The whole tag of `message`, chained from `iv`.
    #[must_use]
    pub fn tag(&self, iv: [u8; BLOCK_LEN], padding: Padding, message: &[u8]) -> [u8; BLOCK_LEN] {
        self.0.tag(&iv.into(), padding, message).into()
    }
}

impl core::fmt::Debug for DesMac {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("DesMac(..)")
    }
}

fn des(key: &[u8; DES_KEY_LEN]) -> Des {
    Des::new(key.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cbc, padding};
    use alloc::vec::Vec;
    use proptest::prelude::*;

    proptest! {
        /// Algorithm 1 is the last block of CBC encryption, padding method 2 that of the crate.
        #[test]
        fn plain_mac_is_the_last_cbc_block(key: [u8; 8], iv: [u8; 8], message: Vec<u8>) {
            let tag = DesMac::cbc(&key).tag(iv, Padding::Marker, &message);
            let mut padded = message.clone();
            padding::pad(&mut padded, 8);
            let last = cbc::encrypt(&des(&key), &iv.into(), &mut padded).unwrap();
            prop_assert_eq!(tag, <[u8; 8]>::from(last));
        }

        #[test]
        fn equal_halves_make_retail_plain(key: [u8; 8], iv: [u8; 8], message: Vec<u8>) {
            let double = [key, key].concat().try_into().unwrap();
            for padding in [Padding::Zeros, Padding::Marker, Padding::Length] {
                prop_assert_eq!(
                    DesMac::retail(&double).tag(iv, padding, &message),
                    DesMac::cbc(&key).tag(iv, padding, &message)
                );
            }
        }
    }
}
