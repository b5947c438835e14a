//! Records of the education zone, byte by byte (card profile, section 6).

use super::deed::{Act, Body, Day, Form, Number, Unit, decimal};
use super::ledger::Move;

/// What the guardian pays in, and what a ride costs, in fen.
pub(crate) const LOAD: u32 = 1000;
pub(crate) const PRICE: u32 = 200;

/// Number of the terminal of every event.
pub(crate) const TERMINAL: [u8; 4] = [0, 0, 0, 9];
/// Time of every event.
pub(crate) const TIME: [u8; 3] = [0x09, 0x30, 0x00];
/// Code of the application in sector n: 0x2000 + n.
pub(crate) const APPLICATION: u8 = 0x20;

pub(crate) const NAME: [u8; 6] = [0xCD, 0xF5, 0xD0, 0xA1, 0xC3, 0xF7];
const SCHOOL_NAME: [u8; 8] = [0xB1, 0xB1, 0xBE, 0xA9, 0xD6, 0xD0, 0xD1, 0xA7];

/// CRC-16/X-25.
pub(crate) fn crc(bytes: &[u8]) -> [u8; 2] {
    let step = |crc: u16, _| if crc & 1 == 1 { crc >> 1 ^ 0x8408 } else { crc >> 1 };
    let crc = bytes.iter().fold(0xFFFF, |crc, byte| (0..8).fold(crc ^ u16::from(*byte), step));
    (!crc).to_be_bytes()
}

/// Fills a field and gives the rest of the record zeros up to `end`, then the checksum.
fn group(fields: &[&[u8]], len: usize) -> Vec<u8> {
    let mut bytes = fields.concat();
    bytes.resize(len - 2, 0);
    let crc = crc(&bytes);
    bytes.extend(crc);
    bytes
}

fn spoil(mut bytes: Vec<u8>, form: Form) -> Vec<u8> {
    match form {
        Form::Right => {}
        Form::Torn => bytes[0] ^= 1,
        Form::Zeros => bytes.fill(0),
    }
    bytes
}

/// Number of a pupil of a school that teaches both secondary stages.
pub(crate) fn number(school: Unit, senior: bool, seat: u8) -> Number {
    let [a, b, c] = school.0;
    Number([0x01, a, b, c, if senior { 0x21 } else { 0x11 }, 0x00, 0x10 | seat >> 4, seat << 4 | 5])
}

/// EF 07.
pub(crate) fn identity(number: Number, form: Form) -> Vec<u8> {
    let bytes = [
        group(&[&number.0, &[0x00, 0x01, 0x19, 0x91, 0x05, 0x04]], 16),
        group(&[&NAME], 32),
        group(&[], 48),
        group(&[], 32),
    ];
    spoil(bytes.concat(), form)
}

/// EF 08.
pub(crate) fn enrolment(number: Number, form: Form) -> Vec<u8> {
    let category = number.0[4] >> 4;
    let (stage, grade) = if category == 2 { (3, 10) } else { (2, 7) };
    let unit = number.school().0;
    let cohort = number.0[4] << 4 | number.0[5] >> 4;
    let class = number.0[5] << 4 | number.0[6] >> 4;
    let taught = [stage, category, grade, class, cohort, 0x03];
    let bytes = [
        group(&[&SCHOOL_NAME], 64),
        group(&[&[0; 5], &unit, &taught], 16),
        group(&[&[0x20, 0x07, 0x09, 0x01, 0x20, 0x10, 0x08, 0x31, 0x01, 0x21, 0x00]], 16),
    ];
    spoil(bytes.concat(), form)
}

/// The day on which every card of the walk was initialised.
pub(crate) fn made() -> Day {
    Day::new(2026, 7, 1)
}

/// The last day of a card that is good until this year.
pub(crate) const fn last_day(until: u8) -> Day {
    Day([0x20, until, 0x08, 0x31])
}

/// The second half of EF 05 of a test card: group 3, from the validity on.
pub(crate) fn validity(until: u8) -> Vec<u8> {
    group(&[&[0x20, 0x26, 0x09, 0x01, 0x20, until, 0x08, 0x31]], 16)
}

pub(crate) fn personalisation(count: u16, act: &Act, handed_out: bool) -> [u8; 14] {
    let count = count.to_be_bytes();
    join(&[&count, &act.day.0, &act.unit.0, &TERMINAL, &[u8::from(handed_out)]])
}

pub(crate) fn registration(act: &Act, body: &Body) -> [u8; 14] {
    let year = Day::new(body.term.0, 1, 1).0;
    join(&[&year[..2], &[body.term.1], &act.day.0, &act.unit.0, &TERMINAL])
}

pub(crate) fn term_of(registration: &[u8; 14]) -> (u16, u8) {
    (decimal(registration[0]) * 100 + decimal(registration[1]), registration[2])
}

/// The start of a record of EF 0B up to the dates, without the reason.
pub(crate) fn transfer_out(moving: &Move, from: Unit) -> [u8; 32] {
    let operation = if moving.promotion { 2 } else { 1 };
    let to = moving.to.unwrap_or(Unit::CITY);
    transfer(operation, from, to, moving, Number([0; 8]), [0; 4])
}

pub(crate) fn transfer_in(moving: &Move, from: Unit, act: &Act, number: Number) -> [u8; 32] {
    transfer(3, from, act.unit, moving, number, act.day.0)
}

pub(crate) fn withdrawal(moving: &Move, from: Unit) -> [u8; 32] {
    let to = moving.to.unwrap_or(Unit::CITY);
    transfer(4, from, to, moving, Number([0; 8]), [0; 4])
}

fn transfer(
    operation: u8,
    from: Unit,
    to: Unit,
    moving: &Move,
    new: Number,
    in_date: [u8; 4],
) -> [u8; 32] {
    let dates = [&moving.day.0[..], &in_date].concat();
    join(&[&[operation, 0], &from.0, &to.0, &moving.old.0, &new.0, &dates])
}

fn join<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    parts.concat().try_into().unwrap()
}

/// Event data, profile 12.2.
pub(crate) fn event(act: &Act, body: &[u8]) -> Vec<u8> {
    [&act.day.0[..], &TIME, &TERMINAL, &[act.reason], body].concat()
}

/// Every number a pupil may have in the walk.
pub(crate) fn pupils() -> impl Iterator<Item = Number> {
    Unit::ALL.into_iter().skip(3).flat_map(|school| {
        [false, true]
            .into_iter()
            .flat_map(move |senior| (0..3).map(move |seat| number(school, senior, seat)))
    })
}
