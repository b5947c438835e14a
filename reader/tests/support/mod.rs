//! A reader of school 084012, its cards, a pupil, and a channel that can lie.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses its part")]

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use xuejika_apdu::{CardChannel, ChannelError};
use xuejika_card_model::date::{Date, Time};
use xuejika_card_model::list::{
    Edition, Entry, Kind, List, ListMac, Lookup, Moment, key_id, key_path,
};
use xuejika_card_model::management::SamSerial;
use xuejika_card_model::pupil::{Pupil, PupilDraft};
use xuejika_card_model::record::TerminalId;
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::provider::{KeyProvider, TestRoots};
use xuejika_keyscheme::{Algorithm, KeyVersion};
use xuejika_reader::sam::SoftSam;
use xuejika_reader::{Locked, Reader, Stamp};

pub(crate) const SERIAL: &str = "1100070100000017";
pub(crate) const UNIT: &str = "084012";

/// The card whose loss [`lost`] reports.
pub(crate) const LOST: &str = "1100070100000025";

pub(crate) fn date(text: &str) -> Date {
    text.parse().unwrap()
}

pub(crate) fn today() -> Date {
    date("2026-09-01")
}

pub(crate) fn valid_until() -> Date {
    date("2027-08-31")
}

pub(crate) fn stamp() -> Stamp {
    Stamp { date: today(), time: Time::new(8, 30, 0).unwrap(), terminal: TerminalId([0, 0, 0, 7]) }
}

pub(crate) fn sam(unit: &str) -> SoftSam {
    let serial = SamSerial { unit: unit.parse().unwrap(), number: "000042".parse().unwrap() };
    SoftSam::test(Algorithm::Aes128, serial, valid_until(), ChaCha12Rng::seed_from_u64(1))
}

pub(crate) fn management(unit: &str) -> VirtualCard {
    let memory = test_card::management(Algorithm::Aes128, unit.parse().unwrap(), valid_until());
    powered(VirtualCard::new(memory, Env::from_seed(2)).unwrap())
}

pub(crate) fn reader(unit: &str) -> Reader<SoftSam> {
    Locked::new(sam(unit)).unlock(&mut management(unit), today()).map_err(|e| e.error).unwrap()
}

pub(crate) fn student() -> VirtualCard {
    powered(VirtualCard::new(test_card::student(SERIAL).unwrap(), Env::from_seed(3)).unwrap())
}

pub(crate) fn powered(mut card: VirtualCard) -> VirtualCard {
    card.power_on().unwrap();
    card
}

pub(crate) fn pupil() -> Pupil {
    let some = |text: &str| Some(text.to_owned());
    PupilDraft {
        student_number: some("0108401212801056"),
        record_type: some("formal"),
        sex: some("1"),
        birth_date: some("2013-05-17"),
        name: some("张三"),
        school_name: some("北京市示例中学"),
        grade: some("7"),
        schooling_years: some("3"),
        entry_date: some("2025-09-01"),
        valid_until: some("2028-08-31"),
        boarding: some("1"),
        entry_mode: some("11"),
        enrolment_state: some("0"),
        ..PupilDraft::default()
    }
    .build()
    .unwrap()
}

/// The pupil with data for a temporary card: the last day for a loss reported [`today`].
pub(crate) fn temporary() -> Pupil {
    let mut pupil = pupil();
    pupil.enrolment.valid_until = date("2026-10-09");
    pupil
}

/// An entry about a card, reported in the morning of a day by a unit, in force from another day on.
pub(crate) fn entry(card: &str, kind: Kind, unit: &str, reported: &str, effective: &str) -> Entry {
    let reported = Moment { date: date(reported), time: Time::new(8, 0, 0).unwrap() };
    let (card, unit) = (card.parse().unwrap(), unit.parse().unwrap());
    Entry::new(card, kind, unit, reported, date(effective), None).unwrap()
}

/// The list of a unit with these entries, issued at noon of a day, as a reader keeps it.
pub(crate) fn list(scope: &str, version: u32, issued: &str, entries: &[Entry]) -> Lookup {
    let scope = scope.parse().unwrap();
    let issued = Moment { date: date(issued), time: Time::new(12, 0, 0).unwrap() };
    let list = List::new(Edition { scope, version, issued }, entries.iter().copied()).unwrap();
    let id = key_id(KeyVersion::FIRST, Algorithm::Aes128);
    let mac = ListMac::new(&TestRoots.list_key(&id, key_path(scope)).unwrap(), id);
    Lookup::parse(&list.emit(&mac), &mac).unwrap()
}

/// A reader whose school's list has the loss of the card [`LOST`], reported [`today`].
pub(crate) fn reader_with_loss() -> Reader<SoftSam> {
    let loss = entry(LOST, Kind::Loss, UNIT, "2026-09-01", "2026-09-03");
    let mut reader = reader(UNIT);
    reader.take_list(list(UNIT, 1, "2026-09-01", &[loss])).unwrap();
    reader
}

/// A channel that hands every exchange to a function between the card and the reader.
pub(crate) struct Between<'a, F> {
    pub(crate) card: &'a mut VirtualCard,
    /// Gets the number of the exchange, the command and the honest response, to change at will.
    pub(crate) meddle: F,
    pub(crate) count: usize,
}

impl<F: FnMut(usize, &mut VirtualCard, &[u8], &mut Vec<u8>)> CardChannel for Between<'_, F> {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        CardChannel::transmit(self.card, command, response)?;
        (self.meddle)(self.count, self.card, command, response);
        self.count += 1;
        if response.is_empty() { Err(ChannelError::Removed) } else { Ok(()) }
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        CardChannel::reset(self.card)
    }
}
