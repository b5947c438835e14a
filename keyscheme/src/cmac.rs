//! CMAC (SP 800-38B, RFC 4493) over any block cipher, with its subkeys kept.

use cipher::array::ArraySize;
use cipher::{Array, Block, BlockCipherEncrypt};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::cbc::xor;
use crate::error::Mismatch;
use crate::padding::MARKER;

/// A CMAC key, ready for any number of messages.
pub struct Cmac<C: BlockCipherEncrypt> {
    cipher: C,
    /// Subkey for a whole last block.
    k1: Block<C>,
    /// Subkey for a padded last block.
    k2: Block<C>,
}

impl<C: BlockCipherEncrypt> Cmac<C> {
    /// Derives the two subkeys from the zero block (SP 800-38B §6.1).
    #[inline]
    pub fn new(cipher: C) -> Self {
        let mut zero = Block::<C>::default();
        cipher.encrypt_block(&mut zero);
        let k1 = double(&zero);
        let k2 = double(&k1);
        zero.zeroize();
        Self { cipher, k1, k2 }
    }

    /// Starts a message that arrives in parts.
    pub fn start(&self) -> Message<'_, C> {
        Message { key: self, chain: Block::<C>::default(), filled: 0 }
    }

    /// The full tag of `message`.
    pub fn tag(&self, message: &[u8]) -> Block<C> {
        self.start().with(message).finish()
    }

    /// The full tags of messages that begin with these blocks and go on alike, computed side by
    /// side: their chains do not wait for one another, so a processor with AES instructions takes
    /// little longer than for one.
    pub fn tags<const N: usize>(&self, firsts: [Block<C>; N], rest: &[u8]) -> [Block<C>; N] {
        let mut chains = firsts;
        let (blocks, tail) = Array::slice_as_chunks(rest);
        for block in blocks {
            self.cipher.encrypt_blocks(&mut chains);
            let block: &Block<C> = block;
            chains.iter_mut().for_each(|chain| xor(chain, block));
        }
        let last = if tail.is_empty() {
            self.k1.clone()
        } else {
            self.cipher.encrypt_blocks(&mut chains);
            self.last_block(tail)
        };
        chains.iter_mut().for_each(|chain| xor(chain, &last));
        self.cipher.encrypt_blocks(&mut chains);
        chains
    }

    /// The cipher under this key.
    pub fn cipher(&self) -> &C {
        &self.cipher
    }

    /// The last block of a message, padded and masked, from its bytes behind the last whole block:
    /// what is added to the chain before it is encrypted to the tag.
    pub(crate) fn last_block(&self, rest: &[u8]) -> Block<C> {
        let mut block = self.k2.clone();
        for (byte, data) in block.iter_mut().zip(rest.iter().chain([&MARKER])) {
            *byte ^= data;
        }
        block
    }
}

impl<C: BlockCipherEncrypt> Drop for Cmac<C> {
    fn drop(&mut self) {
        self.k1.zeroize();
        self.k2.zeroize();
    }
}

impl<C: BlockCipherEncrypt> core::fmt::Debug for Cmac<C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Cmac(..)")
    }
}

/// A message under way to its tag.
#[must_use]
pub struct Message<'a, C: BlockCipherEncrypt> {
    key: &'a Cmac<C>,
    /// CBC state with the pending block already added to it.
    chain: Block<C>,
    /// How many bytes of the pending block have arrived.
    filled: usize,
}

impl<C: BlockCipherEncrypt> core::fmt::Debug for Message<'_, C> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("cmac::Message(..)")
    }
}

impl<C: BlockCipherEncrypt> Message<'_, C> {
    /// Adds `data` to the message.
    pub fn with(mut self, data: &[u8]) -> Self {
        self.update(data);
        self
    }

    /// Adds `data` to the message.
    pub fn update(&mut self, data: &[u8]) {
        let room = if self.filled == 0 { 0 } else { C::block_size() - self.filled };
        let (now, later) = data.split_at(data.len().min(room));
        self.add(now);
        let (blocks, rest) = Array::slice_as_chunks(later);
        for block in blocks {
            self.make_room();
            let block: &Block<C> = block;
            self.chain.iter_mut().zip(block).for_each(|(byte, data)| *byte ^= data);
            self.filled = C::block_size();
        }
        if !rest.is_empty() {
            self.make_room();
            self.add(rest);
        }
    }

    /// Adds to the pending block what fits it.
    fn add(&mut self, data: &[u8]) {
        xor(self.chain.get_mut(self.filled..).unwrap_or(&mut []), data);
        self.filled += data.len();
    }

    /// Encrypts the pending block if it is whole.
    fn make_room(&mut self) {
        if self.filled == C::block_size() {
            self.key.cipher.encrypt_block(&mut self.chain);
            self.filled = 0;
        }
    }

    /// The full tag.
    #[must_use]
    pub fn finish(mut self) -> Block<C> {
        let key = self.key;
        if self.filled == C::block_size() {
            return self.finish_under(&key.k1);
        }
        if let Some(byte) = self.chain.get_mut(self.filled) {
            *byte ^= MARKER;
        }
        self.finish_padded()
    }

    /// The full tag of whole blocks that brought their padding with them.
    #[must_use]
    pub(crate) fn finish_padded(self) -> Block<C> {
        let key = self.key;
        self.finish_under(&key.k2)
    }

    fn finish_under(mut self, subkey: &Block<C>) -> Block<C> {
        xor(&mut self.chain, subkey);
        self.key.cipher.encrypt_block(&mut self.chain);
        self.chain
    }

    /// Compares the tag, cut on the right to `expected`'s length, in constant time.
    ///
    /// # Errors
    /// Returns [`Mismatch`] when it differs, or when `expected` is shorter than four bytes or
    /// longer than the tag.
    pub fn verify(self, expected: &[u8]) -> Result<(), Mismatch> {
        let tag = self.finish();
        match tag.get(..expected.len()) {
            Some(cut) if cut.len() >= 4 && bool::from(cut.ct_eq(expected)) => Ok(()),
            _ => Err(Mismatch),
        }
    }
}

/// Multiplies by x in GF(2^b), without a branch on the value (SP 800-38B §5.3).
pub(crate) fn double<N: ArraySize>(block: &Array<u8, N>) -> Array<u8, N> {
    let reduction = if N::USIZE == 8 { 0x1B } else { 0x87 };
    let mut result = block.clone();
    let mut carry = 0;
    for word in result.as_chunks_mut::<8>().0.iter_mut().rev() {
        let value = u64::from_be_bytes(*word);
        *word = (value << 1 | carry).to_be_bytes();
        carry = value >> 63;
    }
    if let Some(last) = result.last_mut() {
        let [.., carry] = carry.to_be_bytes();
        *last ^= reduction & 0_u8.wrapping_sub(carry);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::{Aes128, Sm4};
    use alloc::vec::Vec;
    use cipher::KeyInit;
    use cmac::Mac;
    use proptest::prelude::*;

    proptest! {
        /// The `cmac` crate is the oracle; parts of any size give the same tag.
        #[test]
        fn equals_the_oracle_however_it_is_cut(
            key: [u8; 16],
            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..6),
        ) {
            let whole: Vec<u8> = parts.concat();
            macro_rules! check {
                ($cipher:ty) => {{
                    let own = Cmac::new(<$cipher>::new(&key.into()));
                    let mut message = own.start();
                    for part in &parts {
                        message.update(part);
                    }
                    let mut oracle = <cmac::Cmac<$cipher> as cmac::KeyInit>::new(&key.into());
                    oracle.update(&whole);
                    let expected = oracle.finalize().into_bytes();
                    prop_assert_eq!(&message.finish()[..], &expected[..]);
                    prop_assert_eq!(&own.tag(&whole)[..], &expected[..]);
                }};
            }
            check!(Aes128);
            check!(Sm4);
        }

        /// Side by side or one after the other, of any number of blocks, whole and not.
        #[test]
        fn tags_are_those_of_each_message(
            key: [u8; 16],
            firsts: [[u8; 16]; 3],
            rest in proptest::collection::vec(any::<u8>(), 0..70),
        ) {
            macro_rules! check {
                ($cipher:ty) => {{
                    let own = Cmac::new(<$cipher>::new(&key.into()));
                    let expected = firsts.map(|first| own.start().with(&first).with(&rest).finish());
                    prop_assert_eq!(own.tags(firsts.map(Into::into), &rest), expected);
                }};
            }
            check!(Aes128);
            check!(Sm4);
        }

        #[test]
        fn verify_accepts_only_the_tag(key: [u8; 16], message: Vec<u8>, bit in 0_usize..64) {
            let mac = Cmac::new(Aes128::new(&key.into()));
            let mut tag = mac.tag(&message)[..8].to_vec();
            prop_assert!(mac.start().with(&message).verify(&tag).is_ok());
            tag[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(mac.start().with(&message).verify(&tag).is_err());
        }
    }

    #[test]
    fn verify_refuses_lengths_that_prove_nothing() {
        let mac = Cmac::new(Aes128::new(&[0; 16].into()));
        let tag = mac.tag(b"");
        for length in 0..4 {
            assert!(mac.start().verify(&tag[..length]).is_err());
        }
        assert!(mac.start().verify(&tag[..4]).is_ok());
        assert!(mac.start().verify(&[&tag[..], &[0]].concat()).is_err());
    }
}
