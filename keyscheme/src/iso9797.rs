//! The MACs of ISO/IEC 9797-1:2011 and GB/T 15852.1-2020 over any block cipher.
//!
//! | algorithm | ISO/IEC 9797-1:2011 | GB/T 15852.1-2020 | here |
//! |---|---|---|---|
//! | 1, CBC-MAC | §7.2 | 1 | [`BlockMac::cbc`] |
//! | 2, EMAC | §7.3 | 2 | [`BlockMac::emac`] |
//! | 3, ANSI retail MAC | §7.4 | 3 | [`BlockMac::retail`] |
//! | 4, MacDES | §7.5 | 4 | [`BlockMac::double_first`] |
//! | 5, CMAC | §7.6 | 5 | [`Cmac`](crate::cmac::Cmac) |
//! | 6, LMAC | §7.7 | 6 | [`BlockMac::lmac`] |
//! | 7, TrCBC | | 7 | [`trcbc`] |
//! | 8, CBCR | | 8 | [`cbcr`] |
//!
//! A tag is one block; protocols send its left bytes. The card itself uses CMAC only, its wallet
//! algorithms 1 and 3 on DES ([`legacy::mac`](crate::legacy::mac)). Algorithm 1 is forgeable across
//! messages of different length, so every message of one key must have the same.

use alloc::vec::Vec;

use cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, BlockSizeUser, KeyInit, KeySizeUser};
use zeroize::Zeroize;

use crate::cbc::xor;
use crate::error::InvalidLength;
use crate::padding::MARKER;

/// How a message becomes whole blocks (ISO/IEC 9797-1:2011 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// Method 1: zeros, none when the blocks are whole already.
    Zeros,
    /// Method 2: one byte 80, then zeros. The method of PBOC.
    Marker,
    /// Method 3: zeros behind, a block with the length in bits in front.
    Length,
}

/// A MAC key of one of the algorithms 1, 2, 3, 4 and 6, ready for any number of messages.
#[derive(Clone)]
pub struct BlockMac<C> {
    chain: C,
    /// Second encryption of the first block (algorithm 4).
    first: Option<C>,
    last: Last<C>,
}

/// What happens to the last block.
#[derive(Clone)]
enum Last<C> {
    /// The same as to the others.
    Chain,
    /// Encrypted once more.
    Encrypt(C),
    /// Decrypted under a second key and encrypted again under the first.
    DecryptEncrypt(C),
    /// Encrypted under a second key instead of the first.
    Instead(C),
}

impl<C> BlockMac<C> {
    /// Algorithm 1: CBC-MAC without an output transformation.
    pub const fn cbc(key: C) -> Self {
        Self { chain: key, first: None, last: Last::Chain }
    }

    /// Algorithm 2: the last block is encrypted once more, under a second key.
    pub const fn emac(key: C, second: C) -> Self {
        Self { chain: key, first: None, last: Last::Encrypt(second) }
    }

    /// Algorithm 3: the last block is decrypted under a second key and encrypted again under the
    /// first. Equal keys give algorithm 1.
    pub const fn retail(key: C, second: C) -> Self {
        Self { chain: key, first: None, last: Last::DecryptEncrypt(second) }
    }

    /// Algorithm 4: the first block is encrypted once more under a third key, the last one under a
    /// second key. The third is the second with [`alternate`] bits.
    pub const fn double_first(key: C, second: C, third: C) -> Self {
        Self { chain: key, first: Some(third), last: Last::Encrypt(second) }
    }
}

impl<C> BlockMac<C>
where
    C: BlockCipherEncrypt + KeyInit + KeySizeUser<KeySize = <C as BlockSizeUser>::BlockSize>,
{
    /// Algorithm 6: all blocks but the last are chained under `E(key, 1)`, the last one under
    /// `E(key, 2)` (key derivation method 1, ISO/IEC 9797-1:2011 §6.2.2).
    pub fn lmac(key: &C) -> Self {
        let derived = |number: u8| {
            let mut block = Block::<C>::default();
            if let Some(last) = block.last_mut() {
                *last = number;
            }
            key.encrypt_block(&mut block);
            let cipher = C::new(&block);
            block.zeroize();
            cipher
        };
        Self { chain: derived(1), first: None, last: Last::Instead(derived(2)) }
    }
}

impl<C: BlockCipherEncrypt + BlockCipherDecrypt> BlockMac<C> {
    /// The whole tag of `message`, chained from `iv`.
    pub fn tag(&self, iv: &Block<C>, padding: Padding, message: &[u8]) -> Block<C> {
        let bits = (message.len() as u64 * 8).to_le_bytes();
        let mut length = Block::<C>::default();
        length.iter_mut().rev().zip(bits).for_each(|(to, from)| *to = from);
        let (front, behind): (&[u8], &[u8]) = match padding {
            Padding::Zeros => (&[], &[]),
            Padding::Marker => (&[], &[MARKER]),
            Padding::Length => (&length, &[]),
        };
        let mut chain = Chain::new(&self.chain, iv.clone());
        chain.first = self.first.as_ref();
        for part in [front, message, behind] {
            chain.update(part);
        }
        self.finish(chain)
    }

    fn finish<'a>(&'a self, mut chain: Chain<'a, C>) -> Block<C> {
        if let Last::Instead(cipher) = &self.last {
            chain.cipher = cipher;
        }
        chain.encrypt();
        match &self.last {
            Last::Chain | Last::Instead(_) => {}
            Last::Encrypt(cipher) => cipher.encrypt_block(&mut chain.block),
            Last::DecryptEncrypt(cipher) => {
                cipher.decrypt_block(&mut chain.block);
                self.chain.encrypt_block(&mut chain.block);
            }
        }
        chain.block
    }
}

impl<C> core::fmt::Debug for BlockMac<C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("BlockMac(..)")
    }
}

/// The tag of `message` by algorithm 7 of GB/T 15852.1-2020, `length` bytes: the left end of the
/// last block of CBC where the message is whole blocks, the right end where it had to be padded.
///
/// # Errors
/// Returns [`InvalidLength`] when `length` is beyond half a block, where the two ends overlap.
pub fn trcbc<C: BlockCipherEncrypt>(
    cipher: &C,
    message: &[u8],
    length: usize,
) -> Result<Vec<u8>, InvalidLength> {
    let half = C::block_size() / 2;
    if length > half {
        return Err(InvalidLength { what: "TrCBC tag", actual: length, expected: half });
    }
    let mut chain = Chain::new(cipher, Block::<C>::default());
    chain.update(message);
    let whole = chain.complete();
    chain.encrypt();
    let (left, _) = chain.block.split_at(length);
    let (_, right) = chain.block.split_at(C::block_size() - length);
    Ok(if whole { left } else { right }.to_vec())
}

/// The whole tag of `message` by algorithm 8 of GB/T 15852.1-2020: CBC from the encrypted zero
/// block; before its encryption the last block is rotated by one bit, to the right where the
/// message is whole blocks, to the left where it had to be padded.
pub fn cbcr<C: BlockCipherEncrypt>(cipher: &C, message: &[u8]) -> Block<C> {
    let mut chain = Chain::new(cipher, Block::<C>::default());
    chain.encrypt();
    chain.update(message);
    if chain.complete() {
        rotate_right(&mut chain.block);
    } else {
        rotate_left(&mut chain.block);
    }
    chain.encrypt();
    chain.block
}

/// A key made from another: alternate groups of four bits are inverted, the first of them too
/// (ISO/IEC 9797-1:2011 Annex B).
#[must_use]
pub fn alternate<const N: usize>(key: &[u8; N]) -> [u8; N] {
    key.map(|byte| byte ^ 0xF0)
}

/// CBC under way. A block is encrypted when the next byte arrives or the message ends, so that
/// missing bytes are zeros.
struct Chain<'a, C: BlockCipherEncrypt> {
    cipher: &'a C,
    first: Option<&'a C>,
    block: Block<C>,
    filled: usize,
}

impl<'a, C: BlockCipherEncrypt> Chain<'a, C> {
    const fn new(cipher: &'a C, iv: Block<C>) -> Self {
        Self { cipher, first: None, block: iv, filled: 0 }
    }

    fn update(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            if self.filled == C::block_size() {
                self.encrypt();
            }
            let (now, later) = data.split_at(data.len().min(C::block_size() - self.filled));
            if let Some(room) = self.block.get_mut(self.filled..) {
                xor(room, now);
            }
            self.filled += now.len();
            data = later;
        }
    }

    /// Padding method 4 (ISO/IEC 9797-1:2011 §6.3.5): a last block that is not whole gets the marker.
    /// Returns whether it was whole; the empty message is not.
    fn complete(&mut self) -> bool {
        let whole = self.filled == C::block_size();
        if !whole {
            self.update(&[MARKER]);
        }
        whole
    }

    fn encrypt(&mut self) {
        self.cipher.encrypt_block(&mut self.block);
        if let Some(cipher) = self.first.take() {
            cipher.encrypt_block(&mut self.block);
        }
        self.filled = 0;
    }
}

fn rotate_right(block: &mut [u8]) {
    let mut carry = block.last().map_or(0, |last| last << 7);
    for byte in block {
        (carry, *byte) = (*byte << 7, *byte >> 1 | carry);
    }
}

fn rotate_left(block: &mut [u8]) {
    let mut carry = block.first().map_or(0, |first| first >> 7);
    for byte in block.iter_mut().rev() {
        (carry, *byte) = (*byte >> 7, *byte << 1 | carry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::{Aes128, Sm4};
    use crate::{cbc, padding};
    use proptest::prelude::*;

    const PADDINGS: [Padding; 3] = [Padding::Zeros, Padding::Marker, Padding::Length];

    proptest! {
        /// Algorithm 1 is the last block of CBC encryption, padding method 2 that of the crate.
        #[test]
        fn plain_mac_is_the_last_cbc_block(key: [u8; 16], iv: [u8; 16], message: Vec<u8>) {
            let cipher = Sm4::new(&key.into());
            let tag = BlockMac::cbc(cipher.clone()).tag(&iv.into(), Padding::Marker, &message);
            let mut padded = message.clone();
            padding::pad(&mut padded, 16);
            prop_assert_eq!(tag, cbc::encrypt(&cipher, &iv.into(), &mut padded).unwrap());
        }

        #[test]
        fn equal_keys_make_retail_plain(key: [u8; 16], iv: [u8; 16], message: Vec<u8>) {
            let cipher = Aes128::new(&key.into());
            let (retail, plain) =
                (BlockMac::retail(cipher.clone(), cipher.clone()), BlockMac::cbc(cipher));
            for padding in PADDINGS {
                let iv = iv.into();
                prop_assert_eq!(
                    retail.tag(&iv, padding, &message),
                    plain.tag(&iv, padding, &message)
                );
            }
        }

        /// An IV is the same as a first block added to the message.
        #[test]
        fn iv_is_added_to_the_first_block(
            key: [u8; 16],
            iv: [u8; 16],
            message in prop::collection::vec(any::<u8>(), 16..80),
        ) {
            let mac = BlockMac::lmac(&Sm4::new(&key.into()));
            let mut mixed = message.clone();
            xor(&mut mixed, &iv);
            prop_assert_eq!(
                mac.tag(&iv.into(), Padding::Marker, &message),
                mac.tag(&[0; 16].into(), Padding::Marker, &mixed)
            );
        }

        /// TrCBC is one end of algorithm 1; which end tells padded messages apart.
        #[test]
        fn trcbc_is_an_end_of_the_plain_mac(key: [u8; 16], message: Vec<u8>, length in 0_usize..=8) {
            let cipher = Sm4::new(&key.into());
            let whole = !message.is_empty() && message.len().is_multiple_of(16);
            let padding = if whole { Padding::Zeros } else { Padding::Marker };
            let tag = BlockMac::cbc(cipher.clone()).tag(&[0; 16].into(), padding, &message);
            let end = if whole { &tag[..length] } else { &tag[16 - length..] };
            prop_assert_eq!(trcbc(&cipher, &message, length).unwrap(), end);
        }

        #[test]
        fn rotations_undo_each_other(value: u64) {
            let mut block = value.to_be_bytes();
            rotate_left(&mut block);
            prop_assert_eq!(u64::from_be_bytes(block), value.rotate_left(1));
            rotate_right(&mut block);
            prop_assert_eq!(u64::from_be_bytes(block), value);
        }
    }

    #[test]
    fn trcbc_keeps_to_half_a_block() {
        let cipher = Sm4::new(&[0; 16].into());
        for length in [9, 16, 17, usize::MAX] {
            assert!(trcbc(&cipher, b"", length).is_err());
        }
    }

    /// GB/T 15852.1-2020 Annex B: the cases whose message has to be padded.
    #[test]
    fn padded_messages_of_the_standard() {
        let key = *b"\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98\x76\x54\x32\x10";
        let cipher = Sm4::new(&key.into());
        let message = b"This is the test message ";
        assert_eq!(hex::encode(trcbc(&cipher, message, 8).unwrap()), "846fa2a5d83445a9");
        assert_eq!(hex::encode(cbcr(&cipher, message)), "a99d13013e892ee2c25be2daaa6c82e8");
    }
}
