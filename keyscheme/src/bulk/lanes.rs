//! Words of a bitsliced cipher: bit `i` of many independent blocks in one word, one block per lane.
//!
//! A gate of the cipher is one instruction for all lanes. No lookup and no branch depends on data,
//! so a bitsliced cipher runs in constant time. Bit 0 of a block is the most significant bit of its
//! first byte, as standards count.

use core::ops::{BitAnd, BitOr, BitXor, BitXorAssign, Not, Shl, Shr};

use zeroize::{DefaultIsZeroes, Zeroize};

/// Lanes of a `u64`, and bits of a block that are transposed together.
pub(super) const BITS: usize = 64;

/// One bit of each of 64 or 256 blocks.
pub(crate) trait Word:
    DefaultIsZeroes
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + BitXor<Output = Self>
    + BitXorAssign
    + Not<Output = Self>
    + Shl<usize, Output = Self>
    + Shr<usize, Output = Self>
{
    /// Zero in every lane.
    const ZERO: Self;

    /// How many blocks fit.
    const LANES: usize;

    /// These bits in every group of 64 lanes.
    fn repeat(group: u64) -> Self;

    /// The groups of 64 lanes.
    fn groups(&mut self) -> &mut [u64];
}

/// Work that is done on words of any width.
pub(crate) trait Job {
    /// Does it. Always inlined, and nothing it calls may stay a function of its own: that is how
    /// the compiler comes to use the instructions of the caller.
    fn run<W: Word>(self);
}

/// Runs `job` on the widest words that this processor works on at once: 256 lanes with AVX2, which
/// takes the feature `simd`, otherwise 64.
pub(crate) fn run(job: impl Job) {
    #[cfg(all(feature = "simd", target_arch = "x86_64"))]
    if let Some(avx2) = fearless_simd::Level::new().as_avx2() {
        use fearless_simd::Simd;
        return avx2.vectorize(
            #[inline(always)]
            || job.run::<super::wide::Wide>(),
        );
    }
    job.run::<u64>();
}

impl Word for u64 {
    const ZERO: Self = 0;
    const LANES: usize = BITS;

    #[inline(always)]
    fn repeat(group: u64) -> Self {
        group
    }

    #[inline(always)]
    fn groups(&mut self) -> &mut [u64] {
        core::slice::from_mut(self)
    }
}

/// Word `index`. Wiring only uses indices that exist.
#[inline(always)]
pub(crate) fn at<W: Word>(words: &[W], index: usize) -> W {
    words.get(index).copied().unwrap_or(W::ZERO)
}

/// The same 64 bits in every lane, without a branch on them.
#[inline(always)]
pub(crate) fn splat<W: Word>(bits: u64) -> [W; BITS] {
    let mut words = [W::ZERO; BITS];
    for (index, word) in words.iter_mut().enumerate() {
        *word = W::repeat(0_u64.wrapping_sub((bits >> (BITS - 1 - index)) & 1));
    }
    words
}

/// Blocks of 64 bits, one per lane; the lanes left over hold zeros.
#[inline(always)]
pub(crate) fn load<W: Word>(mut blocks: impl Iterator<Item = u64>) -> [W; BITS] {
    let mut words = [W::ZERO; BITS];
    for group in 0..W::LANES / BITS {
        for (word, block) in words.iter_mut().zip(&mut blocks) {
            if let Some(slot) = word.groups().get_mut(group) {
                *slot = block;
            }
        }
    }
    transpose(&mut words);
    words
}

/// Hands out the blocks in the lanes, in the order of [`load`].
#[inline(always)]
pub(crate) fn store<W: Word>(mut words: [W; BITS], mut f: impl FnMut(u64)) {
    transpose(&mut words);
    for group in 0..W::LANES / BITS {
        for word in &mut words {
            f(word.groups().get(group).copied().unwrap_or(0));
        }
    }
    words.zeroize();
}

/// Transposes matrices of 64 × 64 bits by swapping ever smaller blocks beside the diagonal.
#[inline(always)]
fn transpose<W: Word>(rows: &mut [W; BITS]) {
    let mut width = BITS / 2;
    let mut low = u64::MAX >> width;
    while width > 0 {
        for pair in rows.chunks_exact_mut(2 * width) {
            let (upper, lower) = pair.split_at_mut(width);
            for (upper, lower) in upper.iter_mut().zip(lower) {
                let swap = (*upper ^ (*lower >> width)) & W::repeat(low);
                *upper ^= swap;
                *lower ^= swap << width;
            }
        }
        width /= 2;
        low ^= low << width;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bulk::wide::Wide;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn round_trip<W: Word>(blocks: &[u64]) -> Vec<u64> {
        let mut stored = Vec::new();
        store(load::<W>(blocks.iter().copied()), |block| stored.push(block));
        stored.truncate(blocks.len());
        stored
    }

    proptest! {
        #[test]
        fn words_hold_the_bits_of_their_lanes(
            blocks in prop::collection::vec(any::<u64>(), 0..=256), bit in 0_usize..64,
        ) {
            let words = load::<Wide>(blocks.iter().copied());
            for (lane, block) in blocks.iter().enumerate() {
                let mut word = words[bit];
                let part = word.groups()[lane / 64];
                prop_assert_eq!((part >> (63 - lane % 64)) & 1, (block >> (63 - bit)) & 1);
            }
            prop_assert_eq!(round_trip::<Wide>(&blocks), blocks.clone());
            let few = &blocks[..blocks.len().min(64)];
            prop_assert_eq!(round_trip::<u64>(few), few);
        }

        #[test]
        fn splat_fills_every_lane(bits: u64) {
            store(splat::<Wide>(bits), |block| assert_eq!(block, bits));
        }
    }
}
