//! The circuits against the published tables, the cipher against published vectors and the `des`
//! crate, the whole against the path for one card.

use super::*;
use crate::algorithm::TdesEde2;
use crate::bulk::wide::Wide;
use crate::legacy::{LoadKey, PurchaseKey};
use alloc::vec;
use alloc::vec::Vec;
use cipher::{BlockCipherEncrypt, KeyInit};
use proptest::prelude::*;

/// FIPS 46-3: four rows of sixteen for each S-box.
const TABLES: [[u8; 64]; 8] = [
    [
        14, 4, 13, 1, 2, 15, 11, 8, 3, 10, 6, 12, 5, 9, 0, 7, 0, 15, 7, 4, 14, 2, 13, 1, 10, 6, 12,
        11, 9, 5, 3, 8, 4, 1, 14, 8, 13, 6, 2, 11, 15, 12, 9, 7, 3, 10, 5, 0, 15, 12, 8, 2, 4, 9,
        1, 7, 5, 11, 3, 14, 10, 0, 6, 13,
    ],
    [
        15, 1, 8, 14, 6, 11, 3, 4, 9, 7, 2, 13, 12, 0, 5, 10, 3, 13, 4, 7, 15, 2, 8, 14, 12, 0, 1,
        10, 6, 9, 11, 5, 0, 14, 7, 11, 10, 4, 13, 1, 5, 8, 12, 6, 9, 3, 2, 15, 13, 8, 10, 1, 3, 15,
        4, 2, 11, 6, 7, 12, 0, 5, 14, 9,
    ],
    [
        10, 0, 9, 14, 6, 3, 15, 5, 1, 13, 12, 7, 11, 4, 2, 8, 13, 7, 0, 9, 3, 4, 6, 10, 2, 8, 5,
        14, 12, 11, 15, 1, 13, 6, 4, 9, 8, 15, 3, 0, 11, 1, 2, 12, 5, 10, 14, 7, 1, 10, 13, 0, 6,
        9, 8, 7, 4, 15, 14, 3, 11, 5, 2, 12,
    ],
    [
        7, 13, 14, 3, 0, 6, 9, 10, 1, 2, 8, 5, 11, 12, 4, 15, 13, 8, 11, 5, 6, 15, 0, 3, 4, 7, 2,
        12, 1, 10, 14, 9, 10, 6, 9, 0, 12, 11, 7, 13, 15, 1, 3, 14, 5, 2, 8, 4, 3, 15, 0, 6, 10, 1,
        13, 8, 9, 4, 5, 11, 12, 7, 2, 14,
    ],
    [
        2, 12, 4, 1, 7, 10, 11, 6, 8, 5, 3, 15, 13, 0, 14, 9, 14, 11, 2, 12, 4, 7, 13, 1, 5, 0, 15,
        10, 3, 9, 8, 6, 4, 2, 1, 11, 10, 13, 7, 8, 15, 9, 12, 5, 6, 3, 0, 14, 11, 8, 12, 7, 1, 14,
        2, 13, 6, 15, 0, 9, 10, 4, 5, 3,
    ],
    [
        12, 1, 10, 15, 9, 2, 6, 8, 0, 13, 3, 4, 14, 7, 5, 11, 10, 15, 4, 2, 7, 12, 9, 5, 6, 1, 13,
        14, 0, 11, 3, 8, 9, 14, 15, 5, 2, 8, 12, 3, 7, 0, 4, 10, 1, 13, 11, 6, 4, 3, 2, 12, 9, 5,
        15, 10, 11, 14, 1, 7, 6, 0, 8, 13,
    ],
    [
        4, 11, 2, 14, 15, 0, 8, 13, 3, 12, 9, 7, 5, 10, 6, 1, 13, 0, 11, 7, 4, 9, 1, 10, 14, 3, 5,
        12, 2, 15, 8, 6, 1, 4, 11, 13, 12, 3, 7, 14, 10, 15, 6, 8, 0, 5, 9, 2, 6, 11, 13, 8, 1, 4,
        10, 7, 9, 5, 0, 15, 14, 2, 3, 12,
    ],
    [
        13, 2, 8, 4, 6, 15, 11, 1, 10, 9, 3, 14, 5, 0, 12, 7, 1, 15, 13, 8, 10, 3, 7, 4, 12, 5, 6,
        11, 0, 14, 9, 2, 7, 11, 4, 1, 9, 12, 14, 2, 0, 6, 10, 13, 15, 3, 5, 8, 2, 1, 14, 7, 4, 10,
        8, 13, 15, 12, 9, 0, 3, 5, 6, 11,
    ],
];

/// All 64 inputs at once, input `n` in lane `n`.
#[test]
fn circuits_are_the_published_tables() {
    type Circuit = fn([u64; 6]) -> [u64; 4];
    let circuits: [Circuit; 8] = [
        sboxes::s1,
        sboxes::s2,
        sboxes::s3,
        sboxes::s4,
        sboxes::s5,
        sboxes::s6,
        sboxes::s7,
        sboxes::s8,
    ];
    let words = lanes::load::<u64>((0..64).map(|n: u64| n << 58));
    let input = core::array::from_fn(|bit| words[bit]);
    for (circuit, table) in circuits.iter().zip(&TABLES) {
        let mut output = [u64::ZERO; 64];
        output[..4].copy_from_slice(&circuit(input));
        let mut values = Vec::new();
        lanes::store(output, |value| values.push((value >> 60) as u8));
        for (n, value) in values.into_iter().enumerate() {
            let (row, column) = ((n >> 4) & 2 | n & 1, (n >> 1) & 15);
            assert_eq!(value, table[16 * row + column], "input {n:06b}");
        }
    }
}

fn encrypt<W: Word>(keys: &[[u8; 16]], blocks: &[[u8; 8]]) -> Vec<[u8; 8]> {
    let words =
        |from: &mut dyn Iterator<Item = [u8; 8]>| lanes::load::<W>(from.map(u64::from_be_bytes));
    let left = words(&mut keys.iter().map(|key| halves(key).0));
    let right = words(&mut keys.iter().map(|key| halves(key).1));
    let blocks_in = words(&mut blocks.iter().copied());
    let mut out = Vec::new();
    let result = des::encrypt(&des::schedule(), &[left, right], &blocks_in);
    lanes::store(result, |block| out.push(block.to_be_bytes()));
    out.truncate(blocks.len());
    out
}

/// SP 800-17 known answers of single DES (equal halves): variable plaintext, variable key,
/// permutation and substitution tests, some of each.
#[test]
fn published_des_vectors() {
    const VECTORS: [(u64, u64, u64); 10] = [
        (0x0101010101010101, 0x8000000000000000, 0x95F8A5E5DD31D900),
        (0x0101010101010101, 0x4000000000000000, 0xDD7F121CA5015619),
        (0x0101010101010101, 0x0000000000000001, 0x166B40B44ABA4BD6),
        (0x8001010101010101, 0x0000000000000000, 0x95A8D72813DAA94D),
        (0x0101010101010102, 0x0000000000000000, 0x869EFD7F9F265A09),
        (0x1046913489980131, 0x0000000000000000, 0x88D55E54F54C97B4),
        (0x7CA110454A1A6E57, 0x01A1D6D039776742, 0x690F5B0D9A26939B),
        (0x0131D9619DC1376E, 0x5CD54CA83DEF57DA, 0x7A389D10354BD271),
        (0x07A1133E4A0B2686, 0x0248D43806F67172, 0x868EBB51CAB4599A),
        (0x3849674C2602319E, 0x51454B582DDF440A, 0x7178876E01F19B2A),
    ];
    let keys = VECTORS.map(|(key, ..)| {
        let mut double = [0; 16];
        double[..8].copy_from_slice(&key.to_be_bytes());
        double[8..].copy_from_slice(&key.to_be_bytes());
        double
    });
    let blocks = VECTORS.map(|(_, block, _)| block.to_be_bytes());
    let expected = VECTORS.map(|(.., block)| block.to_be_bytes());
    assert_eq!(encrypt::<u64>(&keys, &blocks), expected);
    assert_eq!(encrypt::<Wide>(&keys, &blocks), expected);
}

proptest! {
    /// A key and a block of its own in every lane.
    #[test]
    fn agrees_with_the_oracle(
        pairs in prop::collection::vec(any::<([u8; 16], [u8; 8])>(), 0..=64),
    ) {
        let (keys, blocks): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        let expected: Vec<[u8; 8]> = keys.iter().zip(&blocks).map(|(key, block)| {
            let mut block = (*block).into();
            TdesEde2::new(key.into()).encrypt_block(&mut block);
            block.into()
        }).collect();
        prop_assert_eq!(&encrypt::<u64>(&keys, &blocks), &expected);
        prop_assert_eq!(&encrypt::<Wide>(&keys, &blocks), &expected);
    }

    /// Any number of cards, whole groups of lanes or not; 64 lanes, and what this machine has.
    #[test]
    fn check_values_are_those_of_single_cards(
        root: [u8; 16], numbers in prop::collection::vec(any::<[u8; 8]>(), 0..600),
    ) {
        let (root, _) = TdesKey::<Root<PurchaseKey>>::import_reporting(root);
        let expected: Vec<Kcv> =
            numbers.iter().map(|number| root.card_key(*number).kcv()).collect();
        let mut out = vec![Kcv::new(KcvMethod::OnesBlock, [0; 3]); numbers.len()];
        root.card_kcvs(&numbers, &mut out).unwrap();
        prop_assert_eq!(&out, &expected);

        out.fill(Kcv::new(KcvMethod::OnesBlock, [0; 3]));
        CheckValues { root: root.expose(), numbers: &numbers, out: &mut out }.run::<u64>();
        prop_assert_eq!(&out, &expected);
    }
}

#[test]
fn slices_of_different_length_are_refused_untouched() {
    let root = crate::legacy::test_keys::root::<LoadKey>();
    let empty = Kcv::new(KcvMethod::OnesBlock, [0; 3]);
    let mut out = [empty; 2];
    for numbers in [&[[1; 8]][..], &[[1; 8]; 3]] {
        let expected = UnequalLengths { cards: numbers.len(), places: 2 };
        assert_eq!(root.card_kcvs(numbers, &mut out), Err(expected));
        assert_eq!(out, [empty; 2]);
    }
    assert_eq!(root.card_kcvs(&[], &mut []), Ok(()));
}
