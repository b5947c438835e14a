//! Check values of a batch: `cargo bench -p xuejika-benches --bench bulk`, and without the vectors
//! of the processor `--no-default-features`. Each line derives the key of every card from one root
//! and computes its check value: in bulk, as one would write it with the published ciphers, and one
//! card at a time with this library. The floor is the calls of the published cipher alone.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "benchmarks")]

use std::hint::black_box;
use std::thread;
use std::time::Instant;

use cipher::consts::U16;
use cipher::{Block, BlockCipherEncrypt, KeyInit, KeySizeUser};
use cmac::{Cmac, Mac};
use xuejika_benches::Bench;
use xuejika_keyscheme::algorithm::{Aes128, Sm4, TdesEde2};
use xuejika_keyscheme::auth::CardId;
use xuejika_keyscheme::diversify::Step;
use xuejika_keyscheme::kcv::{Kcv, KcvMethod};
use xuejika_keyscheme::legacy::{self, PurchaseKey};
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone, test_keys};

/// A multiple of no group of lanes.
const CARDS: u32 = 10_007;

fn main() {
    let mut bench = Bench::from_args();
    wallet(&mut bench);
    education::<Aes128, Cmac<Aes128>>(&mut bench, Algorithm::Aes128);
    education::<Sm4, Cmac<Sm4>>(&mut bench, Algorithm::Sm4);
    bench.print();
}

fn numbers() -> Vec<[u8; 8]> {
    (0..CARDS).map(|number| (0x1100_0701_0000_0000 + u64::from(number)).to_be_bytes()).collect()
}

fn wallet(bench: &mut Bench) {
    let numbers = numbers();
    let root = legacy::test_keys::root::<PurchaseKey>();
    let library = TdesEde2::new(root.expose().into());
    let mut halves = vec![Block::<TdesEde2>::default(); 2 * numbers.len()];
    let fill = |numbers: &[[u8; 8]], out: &mut [Kcv]| root.card_kcvs(numbers, out).unwrap();
    let mut out = room();
    bench
        .row("wallet key and check value, in bulk, a card")
        .elements(CARDS)
        .ours(|| fill(black_box(&numbers), &mut out))
        .floor(|| {
            library.encrypt_blocks(black_box(&mut halves));
            for [left, right] in halves.as_chunks().0 {
                let mut key = [0; 16];
                key[..8].copy_from_slice(left);
                key[8..].copy_from_slice(right);
                let mut block = Block::<TdesEde2>::default();
                TdesEde2::new(&key.into()).encrypt_block(&mut block);
                black_box(block);
            }
        })
        .against("des crate, root kept", || {
            for number in black_box(&numbers) {
                let mut key = [0; 16];
                let (left, right) = key.split_at_mut(8);
                left.copy_from_slice(number);
                right.iter_mut().zip(number).for_each(|(to, from)| *to = !from);
                library.encrypt_block(left.try_into().unwrap());
                library.encrypt_block(right.try_into().unwrap());
                let mut block = Block::<TdesEde2>::default();
                TdesEde2::new(&key.into()).encrypt_block(&mut block);
                black_box(block);
            }
        })
        .against("this library, one at a time", || {
            for number in black_box(&numbers) {
                black_box(root.card_key(*number).kcv());
            }
        })
        .against_timed(TWO_THREADS, |repeats| in_two(&numbers, repeats, fill))
        .done();
}

fn education<C, M>(bench: &mut Bench, algorithm: Algorithm)
where
    C: BlockCipherEncrypt<BlockSize = U16> + KeyInit + KeySizeUser<KeySize = U16>,
    M: Mac + KeyInit + KeySizeUser<KeySize = U16> + Clone,
{
    let cards: Vec<CardId> = numbers().into_iter().map(CardId).collect();
    let id = KeyId {
        zone: Zone::EDUCATION,
        number: KeyNumber::READ,
        version: KeyVersion::FIRST,
        algorithm,
    };
    let root = test_keys::root(&id);
    let (cipher, library) =
        (C::new(root.expose().into()), <M as KeyInit>::new(root.expose().into()));
    let mut blocks = vec![Block::<C>::default(); cards.len()];
    let fill = |cards: &[CardId], out: &mut [Kcv]| root.card_kcvs(&id, cards, out).unwrap();
    let mut out = room();
    bench
        .row(&format!("{algorithm} key and check value, in bulk, a card"))
        .elements(CARDS)
        .ours(|| fill(black_box(&cards), &mut out))
        .floor(|| {
            // Derivation: a CMAC over two blocks. Check value: subkey and one block.
            cipher.encrypt_blocks(black_box(&mut blocks));
            cipher.encrypt_blocks(&mut blocks);
            for key in &blocks {
                let (key, mut block) = (C::new(key), Block::<C>::default());
                key.encrypt_block(&mut block);
                key.encrypt_block(&mut block);
                black_box(block);
            }
        })
        .against("cmac crate, root kept", || {
            for card in black_box(&cards) {
                let message = Step::Card(*card).message(&id);
                let key = library.clone().chain_update(message).finalize().into_bytes();
                let key: [u8; 16] = key.as_slice().try_into().unwrap();
                let value = <M as KeyInit>::new(&key.into()).chain_update([0; 16]);
                black_box(value.finalize());
            }
        })
        .against("this library, one at a time", || {
            for card in black_box(&cards) {
                black_box(root.card(&id, *card).kcv());
            }
        })
        .against_timed(TWO_THREADS, |repeats| in_two(&cards, repeats, fill))
        .done();
}

const TWO_THREADS: &str = "in bulk on two threads, by the clock on the wall";

/// In halves, each on a thread of its own.
fn in_two<T: Sync>(
    cards: &[T],
    repeats: u64,
    fill: impl Fn(&[T], &mut [Kcv]) + Sync,
) -> std::time::Duration {
    let half = cards.len().div_ceil(2);
    let mut out = room();
    let started = Instant::now();
    for _ in 0..repeats {
        thread::scope(|scope| {
            for (cards, out) in black_box(cards).chunks(half).zip(out.chunks_mut(half)) {
                scope.spawn(|| fill(cards, out));
            }
        });
    }
    started.elapsed()
}

fn room() -> Vec<Kcv> {
    (0..CARDS).map(|_| Kcv::new(KcvMethod::ZeroBlock, [0; 3])).collect()
}
