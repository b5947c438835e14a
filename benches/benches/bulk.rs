//! Check values of a batch: `cargo bench -p xuejika-benches --bench bulk`, and without the vectors
//! of the processor `--no-default-features`. Each group derives the key of every card from one root
//! and computes its check value: as one would write it with the published ciphers, one card at a
//! time with this library, and in bulk on one and on two threads.
#![allow(missing_docs, reason = "criterion's macros generate undocumented items")]
#![allow(clippy::unwrap_used, reason = "benchmarks")]

use std::hint::black_box;
use std::thread;

use cipher::consts::U16;
use cipher::{Block, BlockCipherEncrypt, KeyInit, KeySizeUser};
use cmac::{Cmac, Mac};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use xuejika_keyscheme::algorithm::{Aes128, Sm4, TdesEde2};
use xuejika_keyscheme::auth::CardId;
use xuejika_keyscheme::diversify::Step;
use xuejika_keyscheme::kcv::{Kcv, KcvMethod};
use xuejika_keyscheme::legacy::{self, PurchaseKey};
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone, test_keys};

/// A multiple of no group of lanes.
const CARDS: u64 = 10_007;

fn numbers() -> Vec<[u8; 8]> {
    (0..CARDS).map(|number| (0x1100_0701_0000_0000 + number).to_be_bytes()).collect()
}

fn wallet(c: &mut Criterion) {
    let numbers = numbers();
    let root = legacy::test_keys::root::<PurchaseKey>();
    let mut group = c.benchmark_group("wallet key: derive, check value");
    let library = TdesEde2::new(root.expose().into());
    group.bench_function("des crate, root kept", |b| {
        b.iter(|| {
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
        });
    });
    group.bench_function("one at a time", |b| {
        b.iter(|| {
            for number in black_box(&numbers) {
                black_box(root.card_key(*number).kcv());
            }
        });
    });
    bulk(&mut group, &numbers, |numbers, out| root.card_kcvs(numbers, out).unwrap());
}

fn education<M>(c: &mut Criterion, algorithm: Algorithm)
where
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
    let mut group = c.benchmark_group(format!("{algorithm} key: derive, check value"));
    let library = <M as KeyInit>::new(root.expose().into());
    group.bench_function("cmac crate, root kept", |b| {
        b.iter(|| {
            for card in black_box(&cards) {
                let message = Step::Card(*card).message(&id);
                let key = library.clone().chain_update(message).finalize().into_bytes();
                let key: [u8; 16] = key.as_slice().try_into().unwrap();
                let value = <M as KeyInit>::new(&key.into()).chain_update([0; 16]);
                black_box(value.finalize());
            }
        });
    });
    group.bench_function("one at a time", |b| {
        b.iter(|| {
            for card in black_box(&cards) {
                black_box(root.card(&id, *card).kcv());
            }
        });
    });
    bulk(&mut group, &cards, |cards, out| root.card_kcvs(&id, cards, out).unwrap());
}

fn bulk<T: Sync>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    cards: &[T],
    fill: impl Fn(&[T], &mut [Kcv]) + Sync,
) {
    group.throughput(Throughput::Elements(CARDS));
    let mut out = vec![Kcv::new(KcvMethod::ZeroBlock, [0; 3]); cards.len()];
    group.bench_function("bulk", |b| b.iter(|| fill(black_box(cards), &mut out)));
    let half = cards.len().div_ceil(2);
    group.bench_function("bulk, two threads", |b| {
        b.iter(|| {
            thread::scope(|scope| {
                for (cards, out) in black_box(cards).chunks(half).zip(out.chunks_mut(half)) {
                    scope.spawn(|| fill(cards, out));
                }
            });
        });
    });
}

fn aes(c: &mut Criterion) {
    education::<Cmac<Aes128>>(c, Algorithm::Aes128);
}

fn sm4(c: &mut Criterion) {
    education::<Cmac<Sm4>>(c, Algorithm::Sm4);
}

criterion_group!(batch, wallet, aes, sm4);
criterion_main!(batch);
