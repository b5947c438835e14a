//! Legacy: the MACs of ISO/IEC 9797-1 on single DES: algorithm 1 (plain CBC-MAC, the purse),
//! algorithm 3 ("retail MAC", line protection) and, for completeness of the family, 2 and 4.
//!
//! Legacy: two-key TDES; disallowed by NIST for new protection since 2017 (two keys) and 2024
//! (any); not cache-timing safe; no fall-back between algorithms exists.
//!
//! A tag of eight bytes; PBOC sends the left four. A plain CBC-MAC is forgeable across messages of
//! different length; the purse gives every message of one key its fixed length.

use cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

use super::check::{DES_KEY_LEN, KEY_LEN, halves};
use crate::algorithm::Des;
use crate::cbc::xor;
use crate::padding::MARKER;

/// Length of a DES block and of a whole tag, in bytes.
pub const BLOCK_LEN: usize = 8;

/// The initial value of a MAC that binds no challenge.
pub const ZERO_IV: [u8; BLOCK_LEN] = [0; BLOCK_LEN];

/// Legacy: how a message becomes whole blocks (ISO/IEC 9797-1:2011 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// Method 1: zeros, none when the blocks are whole already.
    Zeros,
    /// Method 2: one byte 80, then zeros. The method of PBOC.
    Marker,
    /// Method 3: zeros behind, a block with the length in bits in front.
    Length,
}

/// Legacy: a MAC key on DES, ready for any number of messages.
#[derive(Clone)]
pub struct DesMac {
    chain: Des,
    /// Second encryption of the first block (algorithm 4).
    first: Option<Des>,
    output: Output,
}

/// The output transformation.
#[derive(Clone)]
enum Output {
    None,
    Encrypt(Des),
    DecryptEncrypt(Des),
}

impl DesMac {
    /// Algorithm 1: CBC-MAC without an output transformation.
    #[must_use]
    pub fn cbc(key: &[u8; DES_KEY_LEN]) -> Self {
        Self { chain: des(key), first: None, output: Output::None }
    }

    /// Algorithm 2: the last block is encrypted once more, under the key with every other nibble
    /// inverted.
    #[must_use]
    pub fn emac(key: &[u8; DES_KEY_LEN]) -> Self {
        Self { chain: des(key), first: None, output: Output::Encrypt(des(&alternate(key))) }
    }

    /// Algorithm 3, "retail MAC": chained under the left half, the last block decrypted under the
    /// right half and encrypted under the left one. Equal halves give algorithm 1.
    #[must_use]
    pub fn retail(key: &[u8; KEY_LEN]) -> Self {
        let (left, right) = halves(key);
        Self { chain: des(&left), first: None, output: Output::DecryptEncrypt(des(&right)) }
    }

    /// Algorithm 4: chained under the left half, the last block encrypted under the right one, the
    /// first block encrypted once more under the right one with every other nibble inverted.
    #[must_use]
    pub fn double_first(key: &[u8; KEY_LEN]) -> Self {
        let (left, right) = halves(key);
        Self {
            chain: des(&left),
            first: Some(des(&alternate(&right))),
            output: Output::Encrypt(des(&right)),
        }
    }

    /// The whole tag of `message`, chained from `iv`.
    #[must_use]
    pub fn tag(&self, iv: [u8; BLOCK_LEN], padding: Padding, message: &[u8]) -> [u8; BLOCK_LEN] {
        let length = match padding {
            Padding::Length => &(message.len() as u64 * 8).to_be_bytes()[..],
            Padding::Zeros | Padding::Marker => &[],
        };
        let marker: &[u8] = if padding == Padding::Marker { &[MARKER] } else { &[] };
        let mut chain =
            Chain { mac: self, first: self.first.as_ref(), block: iv.into(), filled: 0 };
        for part in [length, message, marker] {
            chain.update(part);
        }
        chain.finish().into()
    }
}

impl core::fmt::Debug for DesMac {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("DesMac(..)")
    }
}

/// A message under way to its tag. A block is encrypted when the next byte arrives or the message
/// ends, so that missing bytes are zeros.
struct Chain<'a> {
    mac: &'a DesMac,
    first: Option<&'a Des>,
    block: Block<Des>,
    filled: usize,
}

impl Chain<'_> {
    fn update(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            if self.filled == BLOCK_LEN {
                self.encrypt();
            }
            let (now, later) = data.split_at(data.len().min(BLOCK_LEN - self.filled));
            if let Some(room) = self.block.get_mut(self.filled..) {
                xor(room, now);
            }
            self.filled += now.len();
            data = later;
        }
    }

    fn encrypt(&mut self) {
        self.mac.chain.encrypt_block(&mut self.block);
        if let Some(cipher) = self.first.take() {
            cipher.encrypt_block(&mut self.block);
        }
        self.filled = 0;
    }

    fn finish(mut self) -> Block<Des> {
        self.encrypt();
        match &self.mac.output {
            Output::None => {}
            Output::Encrypt(cipher) => cipher.encrypt_block(&mut self.block),
            Output::DecryptEncrypt(cipher) => {
                cipher.decrypt_block(&mut self.block);
                self.mac.chain.encrypt_block(&mut self.block);
            }
        }
        self.block
    }
}

fn des(key: &[u8; DES_KEY_LEN]) -> Des {
    Des::new(key.into())
}

/// The second key made from the first (ISO/IEC 9797-1:2011 Annex B).
fn alternate(key: &[u8; DES_KEY_LEN]) -> [u8; DES_KEY_LEN] {
    key.map(|byte| byte ^ 0xF0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cbc;
    use crate::padding;
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

        /// An IV is the same as a first block added to the message.
        #[test]
        fn iv_is_added_to_the_first_block(
            key: [u8; 16],
            iv: [u8; 8],
            message in prop::collection::vec(any::<u8>(), 8..40),
        ) {
            let mac = DesMac::retail(&key);
            let mut mixed = message.clone();
            xor(&mut mixed, &iv);
            prop_assert_eq!(
                mac.tag(iv, Padding::Marker, &message),
                mac.tag(ZERO_IV, Padding::Marker, &mixed)
            );
        }
    }
}
