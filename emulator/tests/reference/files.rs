//! The files of a student card, who may use them, and what is in them at delivery: sections 4, 5, 6
//! and 17.1 of the card profile.

use std::collections::BTreeMap;

use super::record::{crc, seal};

/// Life-cycle states.
pub(crate) const BLANK: u8 = 0x00;
pub(crate) const INIT: u8 = 0x10;
pub(crate) const PZG: u8 = 0x18;
pub(crate) const ACT: u8 = 0x20;
pub(crate) const OUT: u8 = 0x30;
pub(crate) const IN: u8 = 0x38;
pub(crate) const FRZ: u8 = 0x40;
pub(crate) const CAN: u8 = 0x50;
pub(crate) const RCL: u8 = 0x60;
pub(crate) const FLT: u8 = 0x70;

/// Identifiers of DFs.
pub(crate) const MF: u16 = 0x3F00;
pub(crate) const ZONE: u16 = 0xDF01;
pub(crate) const WALLET: u16 = 0x1001;
/// The extension sectors are this plus 1 to 8.
pub(crate) const SECTOR: u16 = 0xDF10;

/// Who may use a file.
#[derive(Clone, Copy)]
pub(crate) enum Right {
    Free,
    Never,
    Operator,
    /// Keys of the DF, and states.
    Keys(&'static [u8], &'static [u8]),
}

/// How a file is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Structure {
    Transparent,
    Linear,
    /// With this many records at most.
    Cyclic(usize),
    Purse,
}

/// What is known of a file.
#[derive(Clone, Copy)]
pub(crate) struct File {
    pub(crate) fid: u16,
    pub(crate) sfi: u8,
    pub(crate) structure: Structure,
    pub(crate) read: Right,
    pub(crate) update: Right,
}

const fn file((fid, sfi): (u16, u8), structure: Structure, read: Right, update: Right) -> File {
    File { fid, sfi, structure, read, update }
}

use Right::{Free, Keys, Never, Operator};
use Structure::{Cyclic, Linear, Transparent};

const ALL_KEYS: &[u8] = &[0, 1, 2, 3, 4, 5, 6];
const SCHOOL_KEYS: &[u8] = &[1, 2, 3, 4, 5, 6];
const ANY_STATE: &[u8] = &[BLANK, INIT, PZG, ACT, OUT, IN, FRZ, CAN, RCL, FLT];
const NOT_BLANK: &[u8] = &[INIT, PZG, ACT, OUT, IN, FRZ, CAN, RCL, FLT];
const PUPIL: &[u8] = &[PZG, ACT, OUT, IN, FRZ, CAN, FLT];
const REGISTERED: &[u8] = &[ACT, OUT, IN, FRZ, CAN, FLT];

const MF_FILES: &[File] = &[
    file((0x0004, 0x04), Transparent, Free, Operator),
    file((0x0005, 0x05), Transparent, Free, Operator),
    file((0x2F00, 0x1E), Transparent, Free, Never),
];
const ZONE_FILES: &[File] = &[
    file((5, 5), Transparent, Free, Keys(&[0], &[BLANK, INIT, RCL])),
    file((6, 6), Transparent, Keys(ALL_KEYS, ANY_STATE), Never),
    file((7, 7), Transparent, Keys(SCHOOL_KEYS, PUPIL), Keys(&[2], &[PZG])),
    file((8, 8), Transparent, Keys(SCHOOL_KEYS, PUPIL), Keys(&[2], &[PZG])),
    file((9, 9), Transparent, Keys(SCHOOL_KEYS, PUPIL), Never),
    file((10, 10), Cyclic(24), Keys(SCHOOL_KEYS, REGISTERED), Never),
    file((11, 11), Cyclic(8), Keys(SCHOOL_KEYS, PUPIL), Never),
    file((12, 12), Linear, Keys(SCHOOL_KEYS, NOT_BLANK), Never),
    file((13, 13), Cyclic(15), Keys(ALL_KEYS, NOT_BLANK), Never),
];
const SECTOR_FILES: &[File] =
    &[file((1, 1), Transparent, Keys(&[7], &[ACT, OUT, IN]), Keys(&[7], &[ACT]))];
const WALLET_FILES: &[File] = &[
    file((0x02, 0x02), Structure::Purse, Never, Never),
    file((0x05, 0x05), Transparent, Free, Operator),
    file((0x15, 0x15), Transparent, Free, Operator),
    file((0x16, 0x16), Transparent, Operator, Operator),
    file((0x17, 0x17), Transparent, Free, Operator),
    file((0x18, 0x18), Cyclic(10), Free, Never),
    file((0x19, 0x19), Linear, Free, Never),
];

/// The DFs, in the order of the profile.
pub(crate) const DFS: [u16; 11] =
    [MF, ZONE, 0xDF11, 0xDF12, 0xDF13, 0xDF14, 0xDF15, 0xDF16, 0xDF17, 0xDF18, WALLET];

/// The files of a DF.
pub(crate) fn files(df: u16) -> &'static [File] {
    match df {
        MF => MF_FILES,
        ZONE => ZONE_FILES,
        WALLET => WALLET_FILES,
        _ => SECTOR_FILES,
    }
}

/// The numbers of a DF's keys.
pub(crate) fn keys(df: u16) -> &'static [u8] {
    match df {
        MF | WALLET => &[],
        ZONE => ALL_KEYS,
        _ => &[6, 7],
    }
}

/// Number of an extension sector's DF.
pub(crate) fn sector(df: u16) -> Option<u8> {
    u8::try_from(df.checked_sub(SECTOR)?).ok().filter(|n| (1..=8).contains(n))
}

/// The names of a DF.
pub(crate) fn names(df: u16) -> Vec<Vec<u8>> {
    match df {
        MF => vec![b"1PAY.SYS.DDF01".to_vec()],
        ZONE => vec![b"\xF0BJEDU\x01".to_vec()],
        WALLET => vec![b"PBOC".to_vec(), b"OC".to_vec()],
        _ => vec![[b"\xF0BJEET".as_slice(), &[sector(df).unwrap()]].concat()],
    }
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Bytes(Vec<u8>),
    /// In a cyclic file the newest first.
    Records(Vec<Vec<u8>>),
}

/// All files, by DF and identifier.
pub(crate) type Files = BTreeMap<(u16, u16), Body>;

/// The number of the transit card (公共信息): 1000, and the end of the serial.
pub(crate) fn transit_number(serial: [u8; 8]) -> [u8; 8] {
    let mut number = serial;
    number[..2].copy_from_slice(&[0x10, 0x00]);
    number
}

const VALID: [u8; 8] = [0x20, 0x26, 0x09, 0x01, 0x20, 0x38, 0x08, 0x31];

/// The issuance record of a test card: section 16.
pub(crate) fn issuance(serial: [u8; 8], algorithm: u8) -> Vec<u8> {
    let profile = if algorithm == 1 { 4 } else { 3 };
    let group1 = [&serial[..], &[0x7F, 1, profile, 0, serial[3], 1]].concat();
    let group2 =
        [0x20, 0x26, 0x07, 0x01, 0x20, 0x26, 0x07, 0x01, 0x00, 0x01, 0x00, 0x01, 0x00, 0x00];
    let group3 = [&VALID[..], &[0; 6]].concat();
    [seal(&group1), seal(&group2), seal(&group3)].concat()
}

/// The files at delivery; those of a blank card have no history.
pub(crate) fn at_delivery(serial: [u8; 8], algorithm: u8, blank: bool) -> Files {
    let number = transit_number(serial);
    let mut files = Files::new();
    let mut put = |df, fid, bytes: Vec<u8>| files.insert((df, fid), Body::Bytes(bytes));
    let public = [&number[..], &[1, 2, 0, 0x30], &[0; 12], &VALID].concat();
    put(MF, 4, public);
    put(MF, 5, vec![0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
    put(MF, 0x2F00, directory());
    put(ZONE, 5, issuance(serial, algorithm));
    let status = |state, counter: u16| {
        let counter = counter.to_be_bytes();
        let date = [0x20, 0x26, 0x07, 0x01];
        seal(&[&[1, state, 0, 0][..], &counter, &date, &[0, 0, 0, 0]].concat())
    };
    let (old, new) = (status(BLANK, 0), status(INIT, 1));
    put(ZONE, 6, if blank { [old.clone(), old].concat() } else { [old, new].concat() });
    put(ZONE, 7, vec![0; 128]);
    put(ZONE, 8, vec![0; 96]);
    put(ZONE, 9, vec![0; 16]);
    for n in 1..=8 {
        put(SECTOR + n, 1, vec![0; 240]);
    }
    put(WALLET, 5, [&[0, 2][..], &[0; 62]].concat());
    let application = [&[2, 1, 0, 0][..], &number, &VALID, &[0, 0]].concat();
    put(WALLET, 0x15, [&[0, 0, 0x10, 0, 0, 0, 0, 0][..], &application].concat());
    put(WALLET, 0x16, vec![0; 55]);
    put(WALLET, 0x17, vec![0; 60]);
    let mut records = |df, fid, records| files.insert((df, fid), Body::Records(records));
    records(ZONE, 0x0A, vec![]);
    records(ZONE, 0x0B, vec![]);
    records(ZONE, 0x0C, (1..=8).map(closed_entry).collect());
    let begun = [1, 0, 0x20, 0x26, 0x07, 0x01, 0, 0, 0, 0, 0, 0, 0, 1];
    records(ZONE, 0x0D, if blank { vec![] } else { vec![seal(&begun)] });
    records(WALLET, 0x18, vec![]);
    records(WALLET, 0x19, (1..=4).map(|n| [&[n, 0x2E][..], &[0; 46]].concat()).collect());
    files
}

/// The entry of a sector that nobody has.
pub(crate) fn closed_entry(n: u8) -> Vec<u8> {
    seal(&[&[n][..], &[0; 13]].concat())
}

fn directory() -> Vec<u8> {
    let mut bytes = Vec::new();
    for df in &DFS[1..] {
        let name = &names(*df)[0];
        let length = u8::try_from(name.len()).unwrap();
        bytes.extend([0x61, length + 2, 0x4F, length]);
        bytes.extend(name);
    }
    bytes.resize(160, 0);
    bytes
}

/// The purse file: counters, balance, proof.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Purse {
    pub(crate) offline: u16,
    pub(crate) online: u16,
    pub(crate) balance: u32,
    pub(crate) proof: Proof,
}

/// The codes of the last transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) kind: u8,
    pub(crate) sequence: u16,
    pub(crate) mac: [u8; 4],
    pub(crate) tac: [u8; 4],
}

impl Purse {
    /// As the file holds it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Proof { kind, sequence, mac, tac } = &self.proof;
        let mut bytes = self.offline.to_be_bytes().to_vec();
        bytes.extend(self.online.to_be_bytes());
        bytes.extend(self.balance.to_be_bytes());
        bytes.push(*kind);
        bytes.extend(sequence.to_be_bytes());
        bytes.extend(mac);
        bytes.extend(tac);
        let check = crc(&bytes);
        [bytes, check.to_vec()].concat()
    }
}
