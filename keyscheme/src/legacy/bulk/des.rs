//! Two-key TDES in encrypt direction (FIPS 46-3, SP 800-67) on one bit of many blocks at a time.
//!
//! Permutations and key schedule are wiring: they choose words and compute nothing. So a key of its
//! own in every lane costs no more than one key for all.

use super::sboxes::{s1, s2, s3, s4, s5, s6, s7, s8};
use crate::bulk::lanes::{Word, at};

/// The bits of a block or of a key with its parity bits.
pub(super) type Bits<W> = [W; 64];

/// One half of a block.
type Half<W> = [W; 32];

/// Which bits of a key make each round key, from 0.
pub(super) type Schedule = [[usize; 48]; 16];

/// Initial permutation. Tables count from 1, as FIPS 46-3 does.
const IP: [usize; 64] = [
    58, 50, 42, 34, 26, 18, 10, 2, 60, 52, 44, 36, 28, 20, 12, 4, 62, 54, 46, 38, 30, 22, 14, 6,
    64, 56, 48, 40, 32, 24, 16, 8, 57, 49, 41, 33, 25, 17, 9, 1, 59, 51, 43, 35, 27, 19, 11, 3, 61,
    53, 45, 37, 29, 21, 13, 5, 63, 55, 47, 39, 31, 23, 15, 7,
];

/// Where the four outputs of each S-box go: the permutation P, read backwards.
const P: [[usize; 4]; 8] = [
    [9, 17, 23, 31],
    [13, 28, 2, 18],
    [24, 16, 30, 6],
    [26, 20, 10, 1],
    [8, 14, 25, 3],
    [4, 29, 11, 19],
    [32, 12, 22, 7],
    [5, 27, 15, 21],
];

/// Permuted choice 1, registers C and D.
const PC1: [[usize; 28]; 2] = [
    [
        57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3,
        60, 52, 44, 36,
    ],
    [
        63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29, 21, 13,
        5, 28, 20, 12, 4,
    ],
];

/// Permuted choice 2.
const PC2: [usize; 48] = [
    14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2, 41, 52,
    31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
];

/// By how much the registers have been rotated in each round.
const ROTATIONS: [usize; 16] = [1, 2, 4, 6, 8, 10, 12, 14, 15, 17, 19, 21, 23, 25, 27, 28];

/// The key schedule.
pub(super) fn schedule() -> Schedule {
    ROTATIONS.map(|rotation| {
        PC2.map(|bit| {
            let (register, bit) = ((bit - 1) / 28, bit - 1 + rotation);
            PC1.get(register).and_then(|bits| bits.get(bit % 28)).map_or(0, |bit| bit - 1)
        })
    })
}

/// Encrypts `block` under the key `left ‖ right`: E(left), D(right), E(left).
#[inline(always)]
pub(super) fn encrypt<W: Word>(
    schedule: &Schedule,
    [left, right]: &[Bits<W>; 2],
    block: &Bits<W>,
) -> Bits<W> {
    let (mut l, mut r) = ([W::ZERO; 32], [W::ZERO; 32]);
    for (to, from) in l.iter_mut().chain(&mut r).zip(IP) {
        *to = at(block, from - 1);
    }
    let (mut l, mut r) = (&mut l, &mut r);
    for (key, forward) in [(left, true), (right, false), (left, true)] {
        for number in 0..schedule.len() {
            let number = if forward { number } else { schedule.len() - 1 - number };
            if let Some(bits) = schedule.get(number) {
                round(l, r, key, bits);
            }
            core::mem::swap(&mut l, &mut r);
        }
        // The halves change places once more. The final permutation and the initial one of the next
        // pass undo each other.
        core::mem::swap(&mut l, &mut r);
    }
    let mut out = [W::ZERO; 64];
    for (from, to) in l.iter().chain(r.iter()).zip(IP) {
        if let Some(word) = out.get_mut(to - 1) {
            *word = *from;
        }
    }
    out
}

/// One round: `left ^= f(right, round key)`.
#[inline(always)]
fn round<W: Word>(left: &mut Half<W>, right: &Half<W>, key: &Bits<W>, bits: &[usize; 48]) {
    add(left, 0, s1(expand(right, key, bits, 0)));
    add(left, 1, s2(expand(right, key, bits, 1)));
    add(left, 2, s3(expand(right, key, bits, 2)));
    add(left, 3, s4(expand(right, key, bits, 3)));
    add(left, 4, s5(expand(right, key, bits, 4)));
    add(left, 5, s6(expand(right, key, bits, 5)));
    add(left, 6, s7(expand(right, key, bits, 6)));
    add(left, 7, s8(expand(right, key, bits, 7)));
}

/// The input of one S-box: its part of the expansion E, and of the round key.
#[inline(always)]
fn expand<W: Word>(right: &Half<W>, key: &Bits<W>, bits: &[usize; 48], sbox: usize) -> [W; 6] {
    let mut input = [W::ZERO; 6];
    for (i, word) in input.iter_mut().enumerate() {
        let bit = bits.get(6 * sbox + i).copied().unwrap_or(0);
        *word = at(right, (4 * sbox + 31 + i) % 32) ^ at(key, bit % 64);
    }
    input
}

/// Adds the output of one S-box where the permutation P sends it.
#[inline(always)]
fn add<W: Word>(left: &mut Half<W>, sbox: usize, values: [W; 4]) {
    for (value, to) in values.into_iter().zip(P.get(sbox).into_iter().flatten()) {
        if let Some(word) = left.get_mut(to - 1) {
            *word ^= value;
        }
    }
}
