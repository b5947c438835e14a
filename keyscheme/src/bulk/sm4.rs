//! SM4 (GB/T 32907-2016) on one bit of many blocks at a time, one card per lane.
//!
//! Every lane has a key of its own. The key above the cards is the same one in all lanes and takes
//! the same way, once for all cards.

use zeroize::Zeroize;

use super::Inputs;
use super::lanes::{self, Job, Word, at};
use crate::algorithm::{Algorithm, BLOCK_LEN};
use crate::auth::CardId;
use crate::kcv::{Kcv, KcvMethod};
use crate::key::{Key, KeyId, Purpose};

/// The bits of a 32-bit word.
type Bits<W> = [W; 32];

/// A block or a key.
type Block<W> = [Bits<W>; 4];

/// One word per round.
type RoundKeys<W> = [Bits<W>; 32];

/// System parameter (GB/T 32907-2016 §7.3).
const FK: [u32; 4] = [0xA3B1_BAC6, 0x56AA_3350, 0x677D_9197, 0xB270_22DC];

pub(super) fn fill<P: Purpose>(key: &Key<P>, id: &KeyId, cards: &[CardId], out: &mut [Kcv]) {
    let inputs = Inputs::new(&key.mac(), id);
    lanes::run(CheckValues { key: key.expose(), inputs: &inputs, cards, out });
}

pub(super) struct CheckValues<'a> {
    pub(super) key: &'a [u8; BLOCK_LEN],
    pub(super) inputs: &'a Inputs,
    pub(super) cards: &'a [CardId],
    pub(super) out: &'a mut [Kcv],
}

impl Job for CheckValues<'_> {
    #[inline(always)]
    fn run<W: Word>(self) {
        let (mut above, mut below) = ([[W::ZERO; 32]; 32], [[W::ZERO; 32]; 32]);
        expand::<W>(splat(self.key), &mut above);
        let mut last = splat(&self.inputs.last);
        let outputs = self.out.chunks_mut(W::LANES);
        for (cards, out) in self.cards.chunks(W::LANES).zip(outputs) {
            let mut key = load(cards.iter().map(|card| self.inputs.first(*card)));
            two_blocks(&above, &mut key, |chain| add(chain, &last));
            expand(key, &mut below);
            let mut values = [[W::ZERO; 32]; 4];
            two_blocks(&below, &mut values, double);
            key.zeroize();

            let mut out = out.iter_mut();
            let mut head = [W::ZERO; 64];
            head.iter_mut().zip(values.as_flattened()).for_each(|(to, from)| *to = *from);
            lanes::store(head, |value| {
                if let Some(out) = out.next() {
                    let [a, b, c, ..] = value.to_be_bytes();
                    *out = Kcv::new(KcvMethod::Cmac(Algorithm::Sm4), [a, b, c]);
                }
            });
        }
        above.zeroize();
        below.zeroize();
        last.zeroize();
    }
}

/// The same block in every lane.
#[inline(always)]
fn splat<W: Word>(block: &[u8; BLOCK_LEN]) -> Block<W> {
    load(core::iter::repeat_n(*block, W::LANES))
}

/// One block per lane.
#[inline(always)]
fn load<W: Word>(blocks: impl Iterator<Item = [u8; BLOCK_LEN]> + Clone) -> Block<W> {
    let half = |block: [u8; BLOCK_LEN], index: usize| {
        block.as_chunks().0.get(index).map_or(0, |half| u64::from_be_bytes(*half))
    };
    let halves = [
        lanes::load(blocks.clone().map(|block| half(block, 0))),
        lanes::load(blocks.map(|block| half(block, 1))),
    ];
    let mut words = [[W::ZERO; 32]; 4];
    words.as_flattened_mut().copy_from_slice(halves.as_flattened());
    words
}

#[inline(always)]
fn add<W: Word>(block: &mut Block<W>, other: &Block<W>) {
    for (word, other) in block.iter_mut().zip(other) {
        exclusive_or(word, other);
    }
}

#[inline(always)]
fn exclusive_or<W: Word>(word: &mut Bits<W>, other: &Bits<W>) {
    for (bit, other) in word.iter_mut().zip(other) {
        *bit ^= *other;
    }
}

/// Multiplication by x in GF(2^128), as between the subkeys of CMAC.
#[inline(always)]
fn double<W: Word>(block: &mut Block<W>) {
    let bits = block.as_flattened_mut();
    bits.rotate_left(1);
    // The bit that left is at the end now: x^128 = x^7 + x^2 + x + 1.
    if let [.., seventh, _, _, _, _, second, first, carry] = bits {
        for bit in [seventh, second, first] {
            *bit ^= *carry;
        }
    }
}

/// One round: adds T(the other three words + round key) to the first word.
#[inline(always)]
fn round<W: Word>([a, b, c, d]: [&mut Bits<W>; 4], key: &Bits<W>, rotations: &[usize]) {
    let mut bytes = [[W::ZERO; 8]; 4];
    for (index, byte) in bytes.iter_mut().enumerate() {
        for (bit, word) in (8 * index..).zip(byte.iter_mut()) {
            *word = at(b, bit) ^ at(c, bit) ^ at(d, bit) ^ at(key, bit);
        }
        *byte = sbox(*byte);
    }
    let bits = bytes.as_flattened();
    for (index, word) in a.iter_mut().enumerate() {
        *word ^= at(bits, index);
        for by in rotations {
            *word ^= at(bits, (index + by) % 32);
        }
    }
}

/// The round keys (GB/T 32907-2016 §7.3).
#[inline(always)]
fn expand<W: Word>(mut key: Block<W>, keys: &mut RoundKeys<W>) {
    for (word, parameter) in key.iter_mut().zip(FK) {
        exclusive_or(word, &constant(parameter));
    }
    let [mut a, mut b, mut c, mut d] = key.each_mut();
    for (number, round_key) in (0_u8..).zip(keys) {
        // Byte j of CK_i is 7 (4 i + j) mod 256.
        let parameter = [0, 1, 2, 3].map(|j| number.wrapping_mul(28).wrapping_add(7 * j));
        round([a, b, c, d], &constant(u32::from_be_bytes(parameter)), &[13, 23]);
        *round_key = *a;
        (a, b, c, d) = (b, c, d, a);
    }
    key.zeroize();
}

#[inline(always)]
fn constant<W: Word>(word: u32) -> Bits<W> {
    let mut bits = [W::ZERO; 32];
    let words: [W; 64] = lanes::splat(u64::from(word) << 32);
    bits.iter_mut().zip(words).for_each(|(to, from)| *to = from);
    bits
}

/// Encrypts, does what stands between two blocks of a CMAC, and encrypts again.
#[inline(always)]
fn two_blocks<W: Word>(keys: &RoundKeys<W>, block: &mut Block<W>, between: impl Fn(&mut Block<W>)) {
    for pass in 0..2 {
        if pass == 1 {
            between(block);
        }
        encrypt(keys, block);
    }
}

#[inline(always)]
fn encrypt<W: Word>(keys: &RoundKeys<W>, block: &mut Block<W>) {
    let [mut a, mut b, mut c, mut d] = block.each_mut();
    for key in keys {
        round([a, b, c, d], key, &[2, 10, 18, 24]);
        (a, b, c, d) = (b, c, d, a);
    }
    block.reverse();
}

/// The S-box (GB/T 32907-2016 §6.2) as 125 two-input gates: the inverse in GF(2^8) computed in the
/// tower GF(((2^2)^2)^2), between two linear layers. Most significant bit first.
#[inline(always)]
fn sbox<W: Word>(x: [W; 8]) -> [W; 8] {
    let linear = enter_tower(x);
    let inverse = invert(x, linear);
    leave_tower(x, linear, inverse)
}

/// The first linear layer.
#[inline(always)]
fn enter_tower<W: Word>([x7, x6, x5, x4, x3, x2, x1, x0]: [W; 8]) -> [W; 20] {
    let t1 = x0 ^ x6;
    let t2 = x2 ^ x5;
    let t3 = x7 ^ t2;
    let t4 = x4 ^ t1;
    let t5 = x3 ^ t3;
    let t6 = x5 ^ x6;
    let t7 = x1 ^ t1;
    let t8 = x1 ^ x4;
    let t9 = x2 ^ x6;
    let t10 = x1 ^ x7;
    let t11 = x3 ^ t6;
    let t12 = t6 ^ t8;
    let t13 = x1 ^ t11;
    let t14 = x6 ^ t5;
    let t15 = x1 ^ t2;
    let t16 = x2 ^ t7;
    let t17 = x5 ^ t4;
    let t18 = x7 ^ t9;
    let t19 = x3 ^ x4;
    let t20 = x2 ^ t4;
    let t21 = x7 ^ t11;
    let t22 = x5 ^ t8;
    let t23 = t2 ^ t7;
    let t24 = x4 ^ t9;
    let t25 = t4 ^ t10;
    let t26 = x4 ^ t5;
    [t3, t4, t5, t7, t10, t12, t13, t14, t15, t16, t17, t18, t19, t20, t21, t22, t23, t24, t25, t26]
}

/// The inverse in GF((2^2)^2) of the norm, and the sums the products with it need.
#[inline(always)]
#[rustfmt::skip]
fn invert<W: Word>(
    [_, _, x5, _, _, x2, _, _]: [W; 8],
    [
        t3, t4, t5, t7, t10, t12, t13, t14, t15, t16, t17, t18, t19, t20, t21, t22, t23, t24,
        t25, t26,
    ]: [W; 20],
) -> [W; 9] {
    let t27 = t21 & !x2;
    let t28 = t10 & !t4;
    let t29 = t13 & t20;
    let t30 = t7 & !t24;
    let t31 = t15 & t17;
    let t32 = t22 & !t12;
    let t33 = t26 | t16;
    let t34 = t3 & !x5;
    let t35 = t23 & !t19;
    let t36 = t33 ^ t34;
    let t37 = t34 ^ t35;
    let t38 = t29 ^ t5;
    let t39 = t28 ^ t36;
    let t40 = t30 ^ t37;
    let t41 = t31 ^ t14;
    let t42 = t32 ^ t41;
    let t43 = t32 ^ t25;
    let t44 = t29 ^ t37;
    let t45 = t36 ^ t42;
    let t46 = t18 ^ t44;
    let t47 = t40 ^ t43;
    let t48 = t38 ^ t39;
    let t49 = t27 ^ t46;
    let t50 = !t48;
    let t51 = t45 & !t50;
    let t52 = t51 ^ t47;
    let t53 = t52 & t49;
    let t54 = t53 ^ t50;
    let t55 = t48 | t45;
    let t56 = t55 ^ t49;
    let t57 = t56 & !t47;
    let t58 = t57 ^ t45;
    let t59 = t47 | t50;
    let t60 = t59 & !t56;
    let t61 = t49 & !t45;
    let t62 = t61 ^ t60;
    let t63 = t52 | t61;
    let t64 = t63 ^ t59;
    let t65 = t54 ^ t62;
    let t66 = t58 ^ t64;
    let t67 = t64 ^ t62;
    let t68 = t65 ^ t66;
    let t69 = t58 ^ t54;
    [t54, t58, t62, t64, t65, t66, t67, t68, t69]
}

/// The products that give the inverse in GF(2^8), and the second linear layer.
#[inline(always)]
#[rustfmt::skip]
fn leave_tower<W: Word>(
    [_, _, x5, _, _, x2, _, _]: [W; 8],
    [
        t3, t4, _, t7, t10, t12, t13, _, t15, t16, t17, _, t19, t20, t21, t22, t23, t24, _,
        t26,
    ]: [W; 20],
    [t54, t58, t62, t64, t65, t66, t67, t68, t69]: [W; 9],
) -> [W; 8] {
    let t70 = t58 & !x2;
    let t71 = t64 & !t4;
    let t72 = t66 & t20;
    let t73 = t54 & t7;
    let t74 = t62 & t17;
    let t75 = t65 & t22;
    let t76 = t69 & !t16;
    let t77 = t67 & !x5;
    let t78 = t68 & t23;
    let t79 = t58 & t21;
    let t80 = t64 & t10;
    let t81 = t66 & t13;
    let t82 = t54 & !t24;
    let t83 = t62 & t15;
    let t84 = t65 & !t12;
    let t85 = t69 & !t26;
    let t86 = t67 & t3;
    let t87 = t68 & !t19;
    let t88 = t82 ^ t83;
    let t89 = t74 ^ t88;
    let t90 = t87 ^ t89;
    let t91 = t76 ^ t80;
    let t92 = t70 ^ t85;
    let t93 = t81 ^ t86;
    let t94 = t73 ^ t92;
    let t95 = t72 ^ t77;
    let t96 = t75 ^ t93;
    let t97 = t90 ^ t94;
    let t98 = t73 ^ t78;
    let t99 = t76 ^ t95;
    let t100 = t77 ^ t96;
    let t101 = t72 ^ t79;
    let t102 = t75 ^ t77;
    let t103 = t90 ^ t100;
    let t104 = t71 ^ t81;
    let t105 = t89 ^ t98;
    let t106 = t84 ^ t95;
    let t107 = t104 ^ t106;
    let t108 = t79 ^ t105;
    let t109 = t96 ^ t101;
    let t110 = t94 ^ t109;
    let t111 = t71 ^ t97;
    let t112 = t91 ^ t103;
    let t113 = t80 ^ t85;
    let t114 = t88 ^ t110;
    let t115 = t93 ^ t113;
    let t116 = t98 ^ t102;
    let t117 = t83 ^ t107;
    let t118 = t91 ^ t108;
    let t119 = t91 ^ t117;
    let t120 = t97 ^ t99;
    let t121 = !t115;
    let t122 = !t119;
    let t123 = !t118;
    let t124 = !t116;
    let t125 = !t120;
    [t125, t124, t111, t123, t114, t112, t122, t121]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bulk::wide::Wide;
    use alloc::vec::Vec;

    /// GB/T 32907-2016 §6.2.
    const TABLE: [u8; 256] = [
        0xD6, 0x90, 0xE9, 0xFE, 0xCC, 0xE1, 0x3D, 0xB7, 0x16, 0xB6, 0x14, 0xC2, 0x28, 0xFB, 0x2C,
        0x05, 0x2B, 0x67, 0x9A, 0x76, 0x2A, 0xBE, 0x04, 0xC3, 0xAA, 0x44, 0x13, 0x26, 0x49, 0x86,
        0x06, 0x99, 0x9C, 0x42, 0x50, 0xF4, 0x91, 0xEF, 0x98, 0x7A, 0x33, 0x54, 0x0B, 0x43, 0xED,
        0xCF, 0xAC, 0x62, 0xE4, 0xB3, 0x1C, 0xA9, 0xC9, 0x08, 0xE8, 0x95, 0x80, 0xDF, 0x94, 0xFA,
        0x75, 0x8F, 0x3F, 0xA6, 0x47, 0x07, 0xA7, 0xFC, 0xF3, 0x73, 0x17, 0xBA, 0x83, 0x59, 0x3C,
        0x19, 0xE6, 0x85, 0x4F, 0xA8, 0x68, 0x6B, 0x81, 0xB2, 0x71, 0x64, 0xDA, 0x8B, 0xF8, 0xEB,
        0x0F, 0x4B, 0x70, 0x56, 0x9D, 0x35, 0x1E, 0x24, 0x0E, 0x5E, 0x63, 0x58, 0xD1, 0xA2, 0x25,
        0x22, 0x7C, 0x3B, 0x01, 0x21, 0x78, 0x87, 0xD4, 0x00, 0x46, 0x57, 0x9F, 0xD3, 0x27, 0x52,
        0x4C, 0x36, 0x02, 0xE7, 0xA0, 0xC4, 0xC8, 0x9E, 0xEA, 0xBF, 0x8A, 0xD2, 0x40, 0xC7, 0x38,
        0xB5, 0xA3, 0xF7, 0xF2, 0xCE, 0xF9, 0x61, 0x15, 0xA1, 0xE0, 0xAE, 0x5D, 0xA4, 0x9B, 0x34,
        0x1A, 0x55, 0xAD, 0x93, 0x32, 0x30, 0xF5, 0x8C, 0xB1, 0xE3, 0x1D, 0xF6, 0xE2, 0x2E, 0x82,
        0x66, 0xCA, 0x60, 0xC0, 0x29, 0x23, 0xAB, 0x0D, 0x53, 0x4E, 0x6F, 0xD5, 0xDB, 0x37, 0x45,
        0xDE, 0xFD, 0x8E, 0x2F, 0x03, 0xFF, 0x6A, 0x72, 0x6D, 0x6C, 0x5B, 0x51, 0x8D, 0x1B, 0xAF,
        0x92, 0xBB, 0xDD, 0xBC, 0x7F, 0x11, 0xD9, 0x5C, 0x41, 0x1F, 0x10, 0x5A, 0xD8, 0x0A, 0xC1,
        0x31, 0x88, 0xA5, 0xCD, 0x7B, 0xBD, 0x2D, 0x74, 0xD0, 0x12, 0xB8, 0xE5, 0xB4, 0xB0, 0x89,
        0x69, 0x97, 0x4A, 0x0C, 0x96, 0x77, 0x7E, 0x65, 0xB9, 0xF1, 0x09, 0xC5, 0x6E, 0xC6, 0x84,
        0x18, 0xF0, 0x7D, 0xEC, 0x3A, 0xDC, 0x4D, 0x20, 0x79, 0xEE, 0x5F, 0x3E, 0xD7, 0xCB, 0x39,
        0x48,
    ];

    #[test]
    fn circuit_is_the_published_table() {
        let words = lanes::load::<Wide>((0..256).map(|n: u64| n << 56));
        let mut output = [Wide::ZERO; 64];
        output[..8].copy_from_slice(&sbox(words[..8].try_into().unwrap()));
        let mut values = Vec::new();
        lanes::store(output, |value| values.push(value.to_be_bytes()[0]));
        assert_eq!(values, TABLE);
    }

    /// GB/T 32907-2016 appendix A, example 1.
    #[test]
    fn published_vector() {
        let text = 0x0123_4567_89AB_CDEF_FEDC_BA98_7654_3210_u128.to_be_bytes();
        let mut keys = [[0_u64; 32]; 32];
        expand(splat(&text), &mut keys);
        let mut block = splat(&text);
        encrypt(&keys, &mut block);
        let expected = 0x681E_DF34_D206_965E_86B3_E94F_536E_4246_u128.to_be_bytes();
        assert!(block == splat(&expected));
    }
}
