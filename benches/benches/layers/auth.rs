//! Mutual authentication: the handshake alone, with both ends of the session made ready, and as
//! commands to a card.

use std::hint::black_box;
use std::time::Duration;

use aes::Aes128;
use cipher::{Block, BlockCipherEncrypt, KeyInit};
use cmac::{Cmac, Mac};
use xuejika_apdu::sm::{CardSm, ReaderSm};
use xuejika_benches::Bench;
use xuejika_emulator::VirtualCard;
use xuejika_keyscheme::auth::{CardChallenge, CardId, CardSession, ReaderId, SessionKeys, respond};
use xuejika_keyscheme::{Algorithm, Key, KeyId, KeyNumber, KeyVersion, Zone, test_keys};

use crate::cards::{self, SELECT_EDUCATION};

const ID: KeyId = KeyId {
    zone: Zone::EDUCATION,
    number: KeyNumber::READ,
    version: KeyVersion::FIRST,
    algorithm: Algorithm::Aes128,
};
const READER: ReaderId = ReaderId([2; 8]);
const NONCE: [u8; 16] = [4; 16];

/// What each of the four values is derived from: label, constant, length, counter, context.
const INPUT: [u8; 69] = [0x5A; 69];

pub(crate) fn run(bench: &mut Bench) {
    let nonce = || black_box(NONCE);
    bench
        .row("mutual authentication, session keys, both sides")
        .ours(handshake)
        .floor(|| [0, 1].map(|_| one_by_one(nonce())))
        .against("the same blocks, four at a time", || [0, 1].map(|_| four_at_a_time(nonce())))
        .against("cmac crate", || [0, 1].map(|_| with_cmac(nonce())))
        .done();
    bench
        .row("the same, secure messaging ready, both sides")
        .ours(|| {
            let (card, reader) = handshake();
            (CardSm::new(&card.keys), ReaderSm::new(&reader))
        })
        .floor(|| [0, 1].map(|_| ready(one_by_one(nonce()))))
        .against("the same blocks, four at a time", || {
            [0, 1].map(|_| ready(four_at_a_time(nonce())))
        })
        .against("cmac crate", || [0, 1].map(|_| ready_with_cmac(nonce())))
        .done();
    let (card, _) = cards::wallet();
    let script = Script::record(&card);
    bench
        .row("authentication by commands, card in process")
        .ours_timed(|repeats| script.play(&card, repeats))
        .floor(|| ready(one_by_one(nonce())))
        .against("the same blocks, four at a time", || ready(four_at_a_time(nonce())))
        .against("cmac crate", || ready_with_cmac(nonce()))
        .done();
}

fn handshake() -> (CardSession, SessionKeys) {
    let (key, card) = (Key::new(Algorithm::Aes128, black_box([7; 16])), CardId([1; 8]));
    let challenge = CardChallenge::new(ID, card, black_box([3; 16]));
    let (request, awaiting) = respond(&key, ID, card, READER, challenge.nonce(), NONCE);
    let (answer, session) = challenge.verify(&key, &request).unwrap();
    (session, awaiting.verify(&answer).unwrap())
}

/// One side: the key schedule, the subkey, and two tokens and two session keys of five blocks each,
/// every block after the one before.
fn one_by_one(key: [u8; 16]) -> [Block<Aes128>; 4] {
    let cipher = Aes128::new(&key.into());
    let mut block = Block::<Aes128>::default();
    cipher.encrypt_block(&mut block);
    [1, 2, 3, 4].map(|constant| {
        block[0] ^= constant;
        for _ in 0..5 {
            cipher.encrypt_block(&mut block);
        }
        block
    })
}

/// As [`one_by_one`], for the four do not wait for one another.
fn four_at_a_time(key: [u8; 16]) -> [Block<Aes128>; 4] {
    let cipher = Aes128::new(&key.into());
    let mut subkey = Block::<Aes128>::default();
    cipher.encrypt_block(&mut subkey);
    let mut chains = [1, 2, 3, 4].map(|constant| {
        let mut chain = subkey;
        chain[0] ^= constant;
        chain
    });
    for _ in 0..5 {
        cipher.encrypt_blocks(&mut chains);
    }
    chains
}

/// The schedules of the two session keys, and the subkey of the one for checksums.
fn ready([.., enc, mac]: [Block<Aes128>; 4]) -> Block<Aes128> {
    let (enc, mac) = (Aes128::new(&enc), Aes128::new(&mac));
    let mut subkey = Block::<Aes128>::default();
    mac.encrypt_block(&mut subkey);
    black_box(enc);
    subkey
}

fn with_cmac(key: [u8; 16]) -> [Block<Aes128>; 4] {
    let mac = <Cmac<Aes128> as KeyInit>::new(&key.into());
    [1_u8, 2, 3, 4].map(|constant| {
        let mut input = INPUT;
        input[11] = constant;
        mac.clone().chain_update(input).finalize().into_bytes()
    })
}

fn ready_with_cmac(key: [u8; 16]) -> (Aes128, Cmac<Aes128>) {
    let [.., enc, mac] = with_cmac(key);
    (Aes128::new(&enc), <Cmac<Aes128> as KeyInit>::new(&mac))
}

/// Authentications as a reader would ask for them of a card with known randomness.
struct Script(Vec<[Vec<u8>; 3]>);

impl Script {
    const LEN: usize = 200;

    fn record(card: &VirtualCard) -> Self {
        let mut card = cards::fresh(card);
        let mut response = Vec::new();
        cards::ask(&mut card, SELECT_EDUCATION, &mut response);
        let serial = card.header().serial;
        let key = test_keys::root(&ID).card(&ID, serial);
        let (choose, challenge) =
            (b"\x00\x22\xC1\xA4\x07\x80\x01\x01\x83\x02\x01\x01", b"\x00\x84\x00\x00\x10");
        let turn = |_| {
            cards::ask(&mut card, choose, &mut response);
            cards::ask(&mut card, challenge, &mut response);
            let nonce = *response.first_chunk().unwrap();
            let (request, _) = respond(&key, ID, serial, READER, nonce, NONCE);
            let prove = [b"\x00\x82\x00\x00\x28", &request.emit()[..], &[0x10]].concat();
            cards::ask(&mut card, &prove, &mut response);
            [choose.to_vec(), challenge.to_vec(), prove]
        };
        Self((0..Self::LEN).map(turn).collect())
    }

    fn play(&self, card: &VirtualCard, repeats: u64) -> Duration {
        cards::play(card, SELECT_EDUCATION, &self.0, repeats)
    }
}
