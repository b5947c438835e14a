//! Test keys and what is derived from keys: sections 8, 10 and 16 of the card profile.

use super::cipher::{Block, Cipher};
use super::tdes::Tdes;

const MASTER: Block = [
    0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF,
];

fn root(zone: u16, number: u8, version: u8, algorithm: u8) -> Block {
    let name = [&zone.to_be_bytes()[..], &[number, version, algorithm]].concat();
    Cipher::new(1, MASTER).cmac(&[b"XUEJIKA TEST ROOT".as_slice(), &name].concat())
}

/// The card's key under the test root.
pub(crate) fn card_key(
    zone: u16,
    number: u8,
    version: u8,
    algorithm: u8,
    serial: [u8; 8],
) -> Block {
    let input =
        [&[0x01][..], &serial, &zone.to_be_bytes(), &[number, version, algorithm, 3], b"XJK1"]
            .concat();
    Cipher::new(algorithm, root(zone, number, version, algorithm)).cmac(&input)
}

/// The types of the wallet's keys, in the order of 17.4.
pub(crate) const WALLET_KEYS: [(u8, u8, u8); 11] = [
    (0x3E, 0xF0, 0),
    (0x3F, 0xE1, 0),
    (0x34, 0xF0, 0),
    (0x3D, 0xE1, 0),
    (0x36, 0xF0, 0),
    (0x37, 0xF0, 0),
    (0x38, 0xF0, 0),
    (0x39, 0xF0, 2),
    (0x30, 0xF0, 0),
    (0x31, 0xF0, 0),
    (0x32, 0xF0, 0),
];

/// A wallet key under the test root, for a card number.
pub(crate) fn wallet_key(kind: u8, number: [u8; 8]) -> Block {
    let odd = |byte: u8| byte ^ u8::from(byte.count_ones().is_multiple_of(2));
    let root = Tdes::new(root(0x1001, kind, 1, 0x81).map(odd));
    let halves = [root.encrypt(number), root.encrypt(number.map(|byte| !byte))];
    halves.concat().try_into().unwrap()
}

/// The check value of a key.
pub(crate) fn kcv(algorithm: u8, key: Block) -> [u8; 3] {
    Cipher::new(algorithm, key).cmac(&[0; 16])[..3].try_into().unwrap()
}

/// What both ends of an authentication know.
#[derive(Clone)]
pub(crate) struct Context {
    pub(crate) zone: u16,
    pub(crate) number: u8,
    pub(crate) version: u8,
    pub(crate) algorithm: u8,
    pub(crate) serial: [u8; 8],
    pub(crate) reader: [u8; 8],
    pub(crate) of_card: Block,
    pub(crate) of_reader: Block,
}

/// Constants of the derivation.
pub(crate) const TOKEN_CARD: u8 = 0x01;
pub(crate) const TOKEN_READER: u8 = 0x02;
pub(crate) const ENCRYPTION: u8 = 0x04;
pub(crate) const CHECKSUM: u8 = 0x06;

/// KDF of 10.2.
pub(crate) fn derive(key: Block, constant: u8, context: &Context) -> Block {
    let Context { zone, number, version, algorithm, serial, reader, of_card, of_reader } = context;
    let input = [
        b"XUEJIKA1".as_slice(),
        &[0, 0, 0, constant, 0, 0, 0x80, 1],
        &zone.to_be_bytes(),
        &[*number, *version, *algorithm],
        serial,
        reader,
        of_card,
        of_reader,
    ]
    .concat();
    Cipher::new(*algorithm, key).cmac(&input)
}
