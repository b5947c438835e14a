//! The checks. Each makes its keys secret, runs the library, and looks that what comes out is secret
//! still: one that was lost on the way, as by an address, would not be found any more.

use std::hint::black_box;

use xuejika_apdu::sm::{CardSm, ReaderSm};
use xuejika_apdu::{Class, Command};
use xuejika_keyscheme::algorithm::cipher::{
    Array, BlockCipherDecrypt, BlockCipherEncrypt, Key as CipherKey, KeyInit,
};
use xuejika_keyscheme::algorithm::{Aes128, Aes192, Aes256, Sm4, TdesEde2};
use xuejika_keyscheme::auth::{
    AwaitingCard, CardChallenge, CardId, ReaderId, Request, SessionKeys, respond,
};
use xuejika_keyscheme::key::{Card, Kek, Purpose, Root, Sam};
use xuejika_keyscheme::keyblock::{KeyKind, KeyMaterial, ProtectionKey, Reader};
use xuejika_keyscheme::unlock::RECORD_LEN;
use xuejika_keyscheme::{Algorithm, Key, KeyId, KeyNumber, KeyVersion, Zone};

use crate::valgrind::{is_secret, publish, secret};
use crate::{Check, Group};

const fn clean(name: &'static str, verdicts: usize, run: fn()) -> Check {
    Check { group: Group::Clean, name, verdicts, run }
}

const fn control(name: &'static str, run: fn()) -> Check {
    Check { group: Group::Control, name, verdicts: 0, run }
}

const fn known(name: &'static str, verdicts: usize, run: fn()) -> Check {
    Check { group: Group::Known, name, verdicts, run }
}

/// Everything that is run.
pub static CHECKS: [Check; 26] = [
    clean("AES-128, both directions", 0, || assert_secret(&block::<Aes128>())),
    clean("AES-192, both directions", 0, || assert_secret(&block::<Aes192>())),
    clean("AES-256, both directions", 0, || assert_secret(&block::<Aes256>())),
    clean("CMAC of AES-128", 0, || assert_secret(&cmac(Algorithm::Aes128))),
    clean("CMAC verified, right", 1, || cmac_verify(true)),
    clean("CMAC verified, wrong", 1, || cmac_verify(false)),
    clean("keys compared, equal", 1, || key_equality(16)),
    clean("keys compared, first byte differs", 1, || key_equality(0)),
    clean("keys compared, last byte differs", 1, || key_equality(15)),
    clean("check values compared, equal", 1, || check_values(0)),
    clean("check values compared, different", 1, || check_values(1)),
    clean("derivation of a card key from its root", 0, diversification),
    clean("reader's proof verified, right", 1, || reader_proof(true)),
    clean("reader's proof verified, wrong", 1, || reader_proof(false)),
    clean("card's proof verified, right", 2, || card_proof(true)),
    clean("card's proof verified, wrong", 2, || card_proof(false)),
    clean("envelope sealed, and opened after a change", 1, || envelope(false)),
    clean("secured command made, and refused after a change", 1, || secured_command(false)),
    clean("key block refused under another key", 1, key_block),
    control("bytes compared one by one", byte_loop),
    control("table indexed by a secret", table),
    known("padding of an envelope, once verified", 1, || envelope(true)),
    known("padding of a secured command, once verified", 1, || secured_command(true)),
    known("SM4, both directions", 0, || drop(block::<Sm4>())),
    known("CMAC of SM4", 0, || drop(cmac(Algorithm::Sm4))),
    known("TDES with two keys, both directions", 0, || drop(block::<TdesEde2>())),
];

const MESSAGE: [u8; 40] = [0x5A; 40];
const CARD: CardId = CardId([0x11, 0, 7, 1, 0, 0, 0, 0x17]);
const READER: ReaderId = ReaderId([0, 0, 0x08, 0x40, 0x12, 0, 0, 0x42]);

fn id() -> KeyId {
    KeyId {
        zone: Zone::EDUCATION,
        number: KeyNumber::READ,
        version: KeyVersion::FIRST,
        algorithm: Algorithm::Aes128,
    }
}

/// A secret AES key.
fn key<P: Purpose>(fill: u8) -> Key<P> {
    Key::new(Algorithm::Aes128, secret([fill; 16]))
}

#[track_caller]
fn assert_secret(bytes: &[u8]) {
    assert!(is_secret(bytes), "the secret was lost on the way");
}

/// Expands a key, encrypts a block and decrypts it again. Gives the encrypted block.
fn block<C: KeyInit + BlockCipherEncrypt + BlockCipherDecrypt>() -> Vec<u8> {
    let mut bytes = CipherKey::<C>::default();
    for (byte, secret) in bytes.iter_mut().zip(secret([0x3C; 32])) {
        *byte = secret;
    }
    let cipher = C::new(&bytes);
    let mut block = Array::default();
    cipher.encrypt_block(&mut block);
    let encrypted = block.to_vec();
    cipher.decrypt_block(&mut block);
    black_box(&block);
    encrypted
}

fn cmac(algorithm: Algorithm) -> Vec<u8> {
    let key = Key::<Card>::new(algorithm, secret([1; 16]));
    key.mac().tag(&MESSAGE).to_vec()
}

/// Changes a byte where something is to be wrong.
fn spoil(byte: Option<&mut u8>, right: bool) {
    if let Some(byte) = byte.filter(|_| !right) {
        *byte ^= 1;
    }
}

fn cmac_verify(right: bool) {
    let mac = key::<Card>(1).mac();
    let mut tag = mac.tag(&MESSAGE);
    publish(&mut tag);
    spoil(tag.first_mut(), right);
    assert_eq!(mac.start().with(&MESSAGE).verify(&tag).is_ok(), right);
}

/// Two keys that differ in one byte, or nowhere.
fn key_equality(at: usize) {
    let mut bytes = [7; 16];
    spoil(bytes.get_mut(at), false);
    let other = Key::<Root>::new(Algorithm::Aes128, secret(bytes));
    assert_eq!(black_box(&key::<Root>(7)) == black_box(&other), at == 16);
}

fn check_values(difference: u8) {
    let (one, other) = (key::<Root>(7).kcv(), key::<Root>(7 + difference).kcv());
    assert_secret(&one.bytes());
    assert_eq!(black_box(&one) == black_box(&other), difference == 0);
}

fn diversification() {
    let (id, root) = (id(), key::<Root>(2));
    assert_secret(root.card(&id, CARD).expose());
    let school = root.district(&id, [0x01, 0x08]).school(&id, [0x08, 0x40, 0x12]);
    assert_secret(school.card(&id, CARD).expose());
}

/// The reader's side of a handshake; its proof has gone over the wire.
fn request(key: &Key<Card>) -> (Request, AwaitingCard) {
    let (request, awaiting) = respond(key, id(), CARD, READER, [0xA0; 16], [0xC0; 16]);
    assert_secret(&request.token);
    let mut bytes = request.emit();
    publish(&mut bytes);
    (Request::parse(&bytes).unwrap(), awaiting)
}

fn reader_proof(right: bool) {
    let key = key::<Card>(3);
    let (mut request, _) = request(&key);
    spoil(request.token.first_mut(), right);
    let verified = CardChallenge::new(id(), CARD, [0xA0; 16]).verify(&key, &request);
    assert_eq!(verified.is_ok(), right);
    if let Ok((token, session)) = verified {
        assert_secret(&token);
        assert_secret(session.keys.mac.expose());
    }
}

fn card_proof(right: bool) {
    let key = key::<Card>(3);
    let (request, awaiting) = request(&key);
    let challenge = CardChallenge::new(id(), CARD, [0xA0; 16]);
    let (mut token, _) = challenge.verify(&key, &request).unwrap();
    publish(&mut token);
    spoil(token.last_mut(), right);
    assert_eq!(awaiting.verify(&token).is_ok(), right);
}

/// A key file sealed under the key that a management card completes.
fn envelope(right: bool) {
    let kek: Key<Kek> = key::<Sam>(4).unlock(&secret([6; RECORD_LEN]), READER, CARD);
    assert_secret(kek.expose());
    let mut sealed = kek.seal(b"head", &secret([9; 21]));
    assert_secret(&sealed);
    publish(&mut sealed);
    spoil(sealed.first_mut(), right);
    assert_eq!(kek.open(b"head", &sealed).is_ok(), right);
}

fn secured_command(right: bool) {
    let keys = SessionKeys { enc: key(5), mac: key(6) };
    let data = secret([8; 20]);
    let mut wire = Vec::new();
    let command = Command::new(Class::ISO, 0xD6, 0x87, 0x00).with_data(&data);
    ReaderSm::new(&keys).wrap_command(&command, &mut wire).unwrap();
    assert_secret(&wire);
    publish(&mut wire);
    let checksum = wire.len() - 2;
    spoil(wire.get_mut(checksum), right);
    let (command, mut buffer) = (Command::parse(&wire).unwrap(), Vec::new());
    assert_eq!(CardSm::new(&keys).unwrap_command(&command, &mut buffer).is_ok(), right);
}

/// A published block (version D), under a key that is not its own.
fn key_block() {
    let block = "D0112P0AE00E0000B82679114F470F540165EDFBF7E250FCEA43F810D215F8D207E2E417C07156A2\
                 7E8E31DA05F7425509593D03A457DC34";
    let material = KeyMaterial::new(KeyKind::Aes256, &secret([0x5C; 32])).unwrap();
    assert_secret(material.expose());
    let protection = ProtectionKey::new(material).unwrap();
    assert!(Reader::new().read(block, &protection).is_err());
}

fn byte_loop() {
    let (one, other) = (secret([1; 16]), [1; 16]);
    let equal = black_box(&one).iter().zip(black_box(&other)).all(|(one, other)| one == other);
    black_box(equal);
}

fn table() {
    let table: [u8; 256] = core::array::from_fn(|index| (index as u8).wrapping_mul(7));
    let [index] = secret([42]);
    black_box(black_box(&table)[usize::from(index)]);
}
