//! One group per layer: `cargo bench -p xuejika-benches`. Compare the lines of a group with each
//! other; absolute times belong to the machine.
#![allow(missing_docs, reason = "criterion's macros generate undocumented items")]
#![allow(clippy::unwrap_used, reason = "benchmarks")]

use std::hint::black_box;

use cipher::KeyInit;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use xuejika_apdu::Command;
use xuejika_apdu::tlv::TlvReader;
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::algorithm::Aes128;
use xuejika_keyscheme::auth::{CardChallenge, CardId, ReaderId, respond};
use xuejika_keyscheme::cmac::Cmac;
use xuejika_keyscheme::{Algorithm, Key, KeyId, KeyNumber, KeyVersion, Zone};

const SELECT: &[u8] = b"\x00\xA4\x04\x00\x07\xF0BJEDU\x01\x00";

fn cmac(c: &mut Criterion) {
    use cmac::Mac;
    let key = [7; 16];
    let mut group = c.benchmark_group("cmac");
    for length in [16_usize, 64, 256] {
        let message = vec![0xA5; length];
        group.throughput(Throughput::Bytes(length as u64));
        let own = Cmac::new(Aes128::new(&key.into()));
        group.bench_function(format!("own/{length}"), |b| b.iter(|| own.tag(black_box(&message))));
        let other = <cmac::Cmac<Aes128> as KeyInit>::new(&key.into());
        group.bench_function(format!("cmac crate/{length}"), |b| {
            b.iter(|| other.clone().chain_update(black_box(&message)).finalize());
        });
    }
    group.finish();
}

/// The floor of a handshake: the blocks it cannot do without, one after the other.
fn handshake(c: &mut Criterion) {
    let id = KeyId {
        zone: Zone::EDUCATION,
        number: KeyNumber::READ,
        version: KeyVersion::FIRST,
        algorithm: Algorithm::Aes128,
    };
    let (card, reader) = (CardId([1; 8]), ReaderId([2; 8]));
    let key = Key::new(Algorithm::Aes128, [7; 16]);
    let mut group = c.benchmark_group("mutual authentication, both sides");
    group.bench_function("ours", |b| {
        b.iter(|| {
            let challenge = CardChallenge::new(id, card, black_box([3; 16]));
            let (request, awaiting) = respond(&key, id, card, reader, challenge.nonce(), [4; 16]);
            let (answer, _) = challenge.verify(&key, &request).unwrap();
            awaiting.verify(&answer).unwrap()
        });
    });
    // Each side: one key schedule, one subkey block, four derivations of five blocks.
    group.bench_function("floor: the same AES blocks and schedules", |b| {
        use cipher::BlockCipherEncrypt;
        b.iter(|| {
            let mut block = black_box([3; 16]).into();
            for _ in 0..2 {
                let cipher = Aes128::new(&block);
                for _ in 0..1 + 4 * 5 {
                    cipher.encrypt_block(&mut block);
                }
            }
            block
        });
    });
    group.finish();
}

fn parsing(c: &mut Criterion) {
    let mut group = c.benchmark_group("parse a case 4 command");
    group.bench_function("ours", |b| b.iter(|| Command::parse(black_box(SELECT))));
    group.bench_function("nom", |b| b.iter(|| nom_case_4(black_box(SELECT))));
    group.finish();

    let fci = b"\x6F\x1A\x84\x07\xF0BJEDU\x01\x8A\x01\x05\xA5\x0C\x80\x01\x01\x81\x02\x11\x00\x83\x01\x01";
    let fci = &fci[..];
    let mut group = c.benchmark_group("walk a data object");
    group.bench_function("ours", |b| b.iter(|| TlvReader::new(black_box(fci)).read()));
    group.bench_function("iso7816-tlv", |b| {
        b.iter(|| iso7816_tlv::ber::Tlv::parse(black_box(fci)));
    });
    group.finish();
}

/// Header, data and Le of a case 4 command.
type Case4<'a> = (&'a [u8], &'a [u8], u8);

/// A short case 4 command as one would write it with a parser library.
fn nom_case_4(input: &[u8]) -> nom::IResult<&[u8], Case4<'_>> {
    use nom::Parser;
    use nom::bytes::complete::take;
    use nom::multi::length_data;
    use nom::number::complete::u8;
    (take(4_usize), length_data(u8), u8).parse(input)
}

fn commands(c: &mut Criterion) {
    let memory = test_card::student("1100070100000017").unwrap();
    let mut card = VirtualCard::new(memory, Env::seeded(1)).unwrap();
    card.power_on().unwrap();
    let mut response = Vec::new();
    let mut group = c.benchmark_group("command in process");
    group.throughput(Throughput::Elements(1));
    for (name, command) in [("SELECT", SELECT), ("READ BINARY 32", b"\x00\xB0\x85\x00\x20")] {
        group.bench_function(name, |b| {
            b.iter(|| card.transmit(black_box(command), &mut response).unwrap());
        });
    }
    group.finish();
}

criterion_group!(layers, cmac, handshake, parsing, commands);
criterion_main!(layers);
