//! Secure messaging: READ BINARY of 32 bytes, wrapped and unwrapped at both ends.

use std::hint::black_box;
use std::time::Duration;

use aes::Aes128;
use cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use cmac::{Cmac, Mac};
use xuejika_apdu::sm::{CardSm, MAX_COMMANDS, ReaderSm};
use xuejika_apdu::{Class, Command, Response, StatusWord};
use xuejika_benches::{Bench, Clock};
use xuejika_keyscheme::auth::SessionKeys;
use xuejika_keyscheme::{Algorithm, Key};

const ENC: [u8; 16] = [3; 16];
const MAC: [u8; 16] = [5; 16];
const DATA: [u8; 32] = [0xA5; 32];

pub(crate) fn run(bench: &mut Bench) {
    let (enc, mac) = (Aes128::new(&ENC.into()), Aes128::new(&MAC.into()));
    let cmac = <Cmac<Aes128> as KeyInit>::new(&MAC.into());
    bench
        .row("secured READ BINARY 32, both ends")
        .ours_timed(secured)
        .floor(|| blocks(&enc, &mac))
        .against("cmac crate, no objects", || with_cmac(&enc, &cmac))
        .done();
}

/// As many commands as asked for, a new session whenever one is used up.
fn secured(repeats: u64) -> Duration {
    let keys = SessionKeys {
        enc: Key::new(Algorithm::Aes128, ENC),
        mac: Key::new(Algorithm::Aes128, MAC),
    };
    let command = Command::new(Class::ISO, 0xB0, 0x85, 0x00).with_ne(32);
    let response = Response { data: &DATA, status: StatusWord::SUCCESS };
    let [mut wire, mut plain, mut answer] = [const { Vec::new() }; 3];
    let mut taken = Duration::ZERO;
    let mut left = repeats;
    while left > 0 {
        let (mut reader, mut card) = (ReaderSm::new(&keys), CardSm::new(&keys));
        let turns = left.min(MAX_COMMANDS.into());
        let clock = Clock::start();
        for _ in 0..turns {
            wire.clear();
            answer.clear();
            reader.wrap_command(black_box(&command), &mut wire).unwrap();
            let received = Command::parse(&wire).unwrap();
            black_box(card.unwrap_command(&received, &mut plain).unwrap());
            card.wrap_response(black_box(&response), &mut answer);
            let received = Response::parse(&answer).unwrap();
            reader.unwrap_response(&received, &mut plain).unwrap();
        }
        taken += clock.elapsed();
        left -= turns;
    }
    taken
}

/// What both ends must run, each block after the one it needs: the checksum over 3 blocks of the
/// command; IV, 3 blocks of data and the checksum over 5 blocks of the response.
fn blocks(enc: &Aes128, mac: &Aes128) -> Block<Aes128> {
    let mut block: Block<Aes128> = black_box([1; 16]).into();
    let chain = |cipher: &Aes128, block: &mut Block<Aes128>, count| {
        for _ in 0..count {
            cipher.encrypt_block(block);
        }
    };
    chain(mac, &mut block, 3);
    chain(mac, &mut block, 3);
    chain(enc, &mut block, 1 + 3);
    let mut received = [block; 3];
    chain(mac, &mut block, 5);
    chain(mac, &mut block, 5);
    chain(enc, &mut block, 1);
    enc.decrypt_blocks(&mut received);
    let [first, ..] = received;
    for (to, from) in block.iter_mut().zip(first) {
        *to ^= from;
    }
    block
}

/// The same protection with the crates as they come, and without the data objects around it.
fn with_cmac(enc: &Aes128, mac: &Cmac<Aes128>) -> Vec<u8> {
    let counter = black_box([1_u8; 16]);
    let checksum = |bytes: &[u8]| {
        let tag = mac.clone().chain_update(counter).chain_update(bytes).finalize().into_bytes();
        tag[..8].to_vec()
    };
    let command = [0x80_u8; 32];
    assert_eq!(checksum(&command), checksum(&command));
    let mut sent = [&DATA[..], &[0x80; 16]].concat();
    let mut chain: Block<Aes128> = counter.into();
    enc.encrypt_block(&mut chain);
    for block in sent.chunks_exact_mut(16) {
        for (to, from) in chain.iter_mut().zip(&*block) {
            *to ^= from;
        }
        enc.encrypt_block(&mut chain);
        block.copy_from_slice(&chain);
    }
    let padded = [&sent[..], &[0x80; 16]].concat();
    assert_eq!(checksum(&padded), checksum(&padded));
    let mut before: Block<Aes128> = counter.into();
    enc.encrypt_block(&mut before);
    for block in sent.chunks_exact_mut(16) {
        let received: Block<Aes128> = Block::<Aes128>::try_from(&*block).unwrap();
        let mut plain = received;
        enc.decrypt_block(&mut plain);
        for (to, (a, b)) in block.iter_mut().zip(plain.iter().zip(&before)) {
            *to = a ^ b;
        }
        before = received;
    }
    sent
}
