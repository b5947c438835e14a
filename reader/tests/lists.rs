//! What the lists of a reader refuse before anything is written, what they let pass with a note, and
//! the dates that a reader does not believe (暂行办法 六(二), 操作规程 四/六).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test helpers")]

mod support;

use core::num::NonZeroU16;
use std::sync::Arc;

use support::{
    Between, LOST, SERIAL, UNIT, date, entry, list, pupil, reader, reader_with_loss, stamp,
    student, temporary, today,
};
use xuejika_card_model::calendar::Holidays;
use xuejika_card_model::date::Date;
use xuejika_card_model::event::Opening;
use xuejika_card_model::file::CYCLIC_HEADER_LEN;
use xuejika_card_model::file::tree::{CardKind, sfi};
use xuejika_card_model::ident::CardSerial;
use xuejika_card_model::lifecycle::Event;
use xuejika_card_model::list::{Entry, Kind, ListError};
use xuejika_card_model::nvm::{Cut, Nvm, RamNvm, Torn};
use xuejika_card_model::record::{ExtensionIndex, SchoolYear, Term};
use xuejika_card_model::state::LifeCycleState as S;
use xuejika_card_model::verdict::{Reason, Warning};
use xuejika_emulator::VirtualCard;
use xuejika_reader::sam::SoftSam;
use xuejika_reader::{Change, Error, NoLoss, Reader, Stamp, StudentCard};

const NEW_SCHOOL: &str = "084013";
const DISTRICT: &str = "080000";
const CITY: &str = "000000";

/// Lasts to the end of the test pupil's card, and longer than a temporary card may.
const LONG: &str = "2028-08-31";

type Connected<'r, 'c> = StudentCard<'r, SoftSam, &'c mut VirtualCard>;

/// An operation that is one event.
type Operation = fn(&mut Connected<'_, '_>) -> Result<Change, Error>;

/// A card of the test pupil, in use.
fn active() -> VirtualCard {
    let mut card = student();
    at(UNIT, &mut card, |card| card.personalise(&pupil(), stamp(), true)).unwrap();
    card
}

fn at<T>(
    unit: &str,
    card: &mut VirtualCard,
    work: impl FnOnce(&mut Connected<'_, '_>) -> Result<T, Error>,
) -> Result<T, Error> {
    work(&mut reader(unit).connect(card, today())?)
}

/// A reader with the city's list of these entries.
fn with(unit: &str, entries: &[Entry]) -> Reader<SoftSam> {
    let mut reader = reader(unit);
    reader.take_list(list(CITY, 1, "2026-09-01", entries)).unwrap();
    reader
}

/// An entry of the school about the card in the reader, in force today.
fn listed(kind: Kind) -> Entry {
    entry(SERIAL, kind, UNIT, "2026-08-31", "2026-08-31")
}

fn register(card: &mut Connected<'_, '_>) -> Result<Change, Error> {
    card.register(SchoolYear::new(2026).unwrap(), Term::Autumn, stamp())
}

fn transfer_out(card: &mut Connected<'_, '_>) -> Result<Change, Error> {
    card.transfer_out(false, Some(NEW_SCHOOL.parse().unwrap()), None, stamp())
}

fn open_sector(card: &mut Connected<'_, '_>) -> Result<Change, Error> {
    let (index, owner) = (ExtensionIndex::new(1).unwrap(), UNIT.parse().unwrap());
    let (application, filing) = (NonZeroU16::MIN, "20260001".parse().unwrap());
    card.open_sector(Opening { index, application, owner, filing }, stamp())
}

/// What puts a card to use, or keeps it there, with the unit that does it and a card for it.
fn in_use() -> Vec<(Event, &'static str, VirtualCard, Operation)> {
    let mut out = active();
    at(UNIT, &mut out, transfer_out).unwrap();
    let moved = out.model().nvm().clone();
    let out = |serial| {
        let env = xuejika_emulator::Env::from_seed(serial);
        support::powered(VirtualCard::new(moved.clone(), env).unwrap())
    };
    vec![
        (Event::PersonaliseBegin, UNIT, student(), |card| {
            card.personalise(&pupil(), stamp(), true).map(changed)
        }),
        (Event::PersonaliseBegin, UNIT, active(), |card| {
            card.correct(&pupil(), stamp()).map(changed)
        }),
        (Event::Register, UNIT, active(), register),
        (Event::TransferOut, UNIT, active(), transfer_out),
        (Event::TransferIn, NEW_SCHOOL, out(1), |card| {
            card.transfer_in("0108401312801056".parse().unwrap(), None, stamp())
        }),
        (Event::TransferWithdraw, UNIT, out(2), |card| card.withdraw(None, stamp())),
        (Event::ExtensionOpen, UNIT, active(), open_sector),
    ]
}

/// A personalisation as a change, to be one of several operations.
fn changed(done: xuejika_reader::Personalised) -> Change {
    let xuejika_reader::Personalised { before, outcome, notes, .. } = done;
    Change { event: Event::PersonaliseCommit, before, outcome, notes }
}

#[test]
fn a_listed_card_is_neither_put_to_use_nor_kept_there() {
    for (kind, reason) in [
        (Kind::Replaced, Reason::Replaced),
        (Kind::Loss, Reason::Lost),
        (Kind::Freeze, Reason::Frozen),
    ] {
        for (event, unit, mut card, operation) in in_use() {
            let mut reader = with(unit, &[listed(kind)]);
            let before = card.model().nvm().bytes().to_vec();
            let refused = operation(&mut reader.connect(&mut card, today()).unwrap());
            let operation = event.rule().name;
            assert_eq!(refused, Err(Error::Listed { operation, reason }));
            assert!(card.model().nvm().bytes() == before, "{operation}: and wrote");
        }
    }
    // The same cards and operations, not listed: each is done, and there is nothing to note.
    for (event, unit, mut card, operation) in in_use() {
        let other = entry(LOST, Kind::Loss, UNIT, "2026-08-31", "2026-08-31");
        let mut reader = with(unit, &[other]);
        let done = operation(&mut reader.connect(&mut card, today()).unwrap()).unwrap();
        assert_eq!(done.notes, [], "{event:?}");
    }
}

/// What takes a card out of use, or marks it, is done all the same and says what the lists say.
#[test]
fn a_listed_card_can_be_taken_out_of_use() {
    let stock = || student();
    let recalled = || {
        let mut card = active();
        at(UNIT, &mut card, |card| card.recall(None, stamp())).unwrap();
        card
    };
    let opened = || {
        let mut card = active();
        at(UNIT, &mut card, open_sector).unwrap();
        card
    };
    let cases: Vec<(&str, VirtualCard, Operation)> = vec![
        (UNIT, active(), |card| card.freeze(None, stamp())),
        (UNIT, active(), |card| card.unfreeze(None, stamp())),
        (UNIT, active(), |card| card.cancel(None, stamp())),
        (CITY, stock(), |card| card.cancel(None, stamp())),
        (UNIT, active(), |card| card.replace(None, stamp())),
        (UNIT, active(), |card| card.fault(None, stamp())),
        (UNIT, active(), |card| card.recall(None, stamp())),
        (DISTRICT, recalled(), |card| card.restock(None, stamp())),
        (UNIT, opened(), |card| card.reclaim_sector(ExtensionIndex::new(1).unwrap(), stamp())),
        (UNIT, issued_temporary(), |card| card.temporary_return(None, stamp())),
    ];
    for (unit, mut card, operation) in cases {
        let mut reader = with(unit, &[listed(Kind::Loss), listed(Kind::Freeze)]);
        let done = operation(&mut reader.connect(&mut card, today()).unwrap()).unwrap();
        let notes = [Reason::Lost, Reason::Frozen].map(Warning::Listed);
        assert_eq!(done.notes, notes, "{:?}", done.event);
    }
}

fn issued_temporary() -> VirtualCard {
    let (mut card, lost) = (student(), LOST.parse().unwrap());
    let mut reader = reader_with_loss();
    let mut connected = reader.connect(&mut card, today()).unwrap();
    connected.temporary_issue(&temporary(), lost, &Holidays::published(), stamp(), true).unwrap();
    card
}

/// Not in force yet, an old list, one from tomorrow: done, with a note.
#[test]
fn what_is_not_in_force_is_noted() {
    let soon = entry(SERIAL, Kind::Loss, UNIT, "2026-08-31", "2026-09-02");
    let mut reader = reader(UNIT);
    reader.take_list(list(UNIT, 1, "2026-08-31", &[soon])).unwrap();
    reader.take_list(list(DISTRICT, 4, "2026-08-25", &[])).unwrap();
    reader.take_list(list(CITY, 7, "2026-09-02", &[])).unwrap();
    let mut card = active();
    let done = register(&mut reader.connect(&mut card, today()).unwrap()).unwrap();
    let notes = [
        Warning::LossReported(date("2026-09-02")),
        Warning::StaleList(date("2026-08-25")),
        Warning::ListAhead(date("2026-09-02")),
    ];
    assert_eq!(done.notes, notes);
    // The reader's date decides, whatever date the operation is given.
    let mut connected = reader.connect(&mut card, date("2026-09-02")).unwrap();
    let refused = register(&mut connected);
    assert_eq!(refused, Err(Error::Listed { operation: "register", reason: Reason::Lost }));
}

/// The state comes first: a card that cannot be registered is refused for what it is.
#[test]
fn the_state_comes_before_the_lists() {
    let mut card = student();
    let refused =
        register(&mut with(UNIT, &[listed(Kind::Loss)]).connect(&mut card, today()).unwrap());
    let state = S::Initialised;
    assert_eq!(refused, Err(Error::State { operation: "register", state }));
}

/// A report counts by the unit of the pupil and by the generation of the card.
#[test]
fn whose_card_it_is_decides() {
    let frozen = |unit| entry(SERIAL, Kind::Freeze, unit, "2026-08-31", "2026-08-31");
    let lost = |card: &mut VirtualCard, entry| {
        register(&mut with(UNIT, &[entry]).connect(card, today()).unwrap())
    };
    let reason = Reason::Frozen;
    for unit in [UNIT, DISTRICT, CITY] {
        let refused = lost(&mut active(), frozen(unit));
        assert_eq!(refused, Err(Error::Listed { operation: "register", reason }), "{unit}");
    }
    // Another school has no say over this pupil; over a card of the stock everybody has.
    let done = lost(&mut active(), frozen("054020")).unwrap();
    assert_eq!(done.notes, []);
    let mut stock = student();
    let refused = with(UNIT, &[frozen("054020")])
        .connect(&mut stock, today())
        .unwrap()
        .personalise(&pupil(), stamp(), true);
    let operation = "personalise begin";
    assert_eq!(refused.err(), Some(Error::Listed { operation, reason }));
    // The school that the pupil came from.
    let mut moved = active();
    at(UNIT, &mut moved, transfer_out).unwrap();
    let number = "0108401312801056".parse().unwrap();
    let refused = with(NEW_SCHOOL, &[frozen(UNIT)])
        .connect(&mut moved, today())
        .unwrap()
        .transfer_in(number, None, stamp());
    assert_eq!(refused, Err(Error::Listed { operation: "transfer in", reason }));
    // Restocked, it is the next pupil's: what was said of the first one is past.
    let mut card = active();
    at(UNIT, &mut card, |card| card.recall(None, stamp())).unwrap();
    at(DISTRICT, &mut card, |card| card.restock(None, stamp())).unwrap();
    let mut reader = with(UNIT, &[listed(Kind::Freeze).of_generation(0)]);
    let done = reader.connect(&mut card, today()).unwrap().personalise(&pupil(), stamp(), true);
    assert_eq!(done.unwrap().notes, []);
    let now = listed(Kind::Freeze).of_generation(1);
    let refused = lost(&mut card, now);
    assert_eq!(refused, Err(Error::Listed { operation: "register", reason }));
}

/// After a transfer the reports of both schools count, before the pupil is personalised anew and after.
#[test]
fn either_school_has_a_say_over_a_pupil_who_moved() {
    let frozen = |unit| entry(SERIAL, Kind::Freeze, unit, "2026-08-31", "2026-08-31");
    let number = "0108401312801056";
    let mut moved = pupil();
    moved.identity.student_number = number.parse().unwrap();
    moved.enrolment.unit = NEW_SCHOOL.parse().unwrap();
    let mut card = active();
    at(UNIT, &mut card, transfer_out).unwrap();
    at(NEW_SCHOOL, &mut card, |card| card.transfer_in(number.parse().unwrap(), None, stamp()))
        .unwrap();
    let personalise = |card: &mut VirtualCard, entry| {
        let mut reader = with(NEW_SCHOOL, &[entry]);
        reader.connect(card, today()).unwrap().personalise(&moved, stamp(), true).map(changed)
    };
    let refused = |done: Result<Change, Error>, operation| {
        assert_eq!(done, Err(Error::Listed { operation, reason: Reason::Frozen }));
    };
    for school in [UNIT, NEW_SCHOOL] {
        refused(personalise(&mut card, frozen(school)), "personalise begin");
    }
    personalise(&mut card, frozen("054020")).unwrap();
    for school in [UNIT, NEW_SCHOOL] {
        let mut reader = with(NEW_SCHOOL, &[frozen(school)]);
        refused(register(&mut reader.connect(&mut card, today()).unwrap()), "register");
    }
}

/// While the pupil's files are half written, the school that began is the pupil's.
#[test]
fn an_interrupted_correction_is_its_schools() {
    let frozen = |unit| entry(SERIAL, Kind::Freeze, unit, "2026-08-31", "2026-08-31");
    let correct = |card: &mut VirtualCard, unit| {
        let mut reader = with(UNIT, &[frozen(unit)]);
        reader.connect(card, today()).unwrap().correct(&pupil(), stamp())
    };
    let cut = |after_writes| {
        let mut card = active();
        card.cut_power(Cut { after_writes, after_bytes: 9, torn: Torn::Random(1) });
        let _ = at(UNIT, &mut card, |card| card.correct(&pupil(), stamp()));
        card.nvm_mut().arm(None);
        support::powered(card)
    };
    let half_written = |card: &VirtualCard| card.model().state() == Ok(S::Personalising);
    let mut card = (0..50).map(cut).find(half_written).unwrap();
    let (operation, reason) = ("personalise begin", Reason::Frozen);
    assert_eq!(correct(&mut card, UNIT), Err(Error::Listed { operation, reason }));
    assert!(correct(&mut card, "054020").unwrap().resumed);
}

/// The card with a file whose records cannot be read.
fn damaged(card: &VirtualCard, sfi: u8) -> VirtualCard {
    let mut memory = card.model().nvm().bytes().to_vec();
    let file = CardKind::Student.tree().education().unwrap().by_sfi(sfi).unwrap();
    memory[file.offset..][..file.structure.storage()][CYCLIC_HEADER_LEN..].fill(0xAA);
    // The last event is complete; what the journal has of it would be put in its place again.
    memory[CardKind::Student.tree().journal..].fill(0);
    let env = xuejika_emulator::Env::from_seed(4);
    support::powered(VirtualCard::new(RamNvm::new(memory), env).unwrap())
}

/// Without its log a card does not tell its last day: it is not put to use, but taken out of it.
#[test]
fn a_card_with_a_damaged_log_is_taken_out_of_use() {
    let mut card = damaged(&active(), sfi::LOG);
    let refused = at(UNIT, &mut card, register);
    assert!(matches!(refused, Err(Error::Records(_))), "{refused:?}");
    at(UNIT, &mut card, |card| card.freeze(None, stamp())).unwrap();
}

/// Where a pupil came from, a damaged record does not tell: the school of today has its say.
#[test]
fn a_damaged_transfer_names_no_school() {
    let mut card = active();
    at(UNIT, &mut card, transfer_out).unwrap();
    at(UNIT, &mut card, |card| card.withdraw(None, stamp())).unwrap();
    let mut card = damaged(&card, sfi::TRANSFER);
    let frozen = |unit| entry(SERIAL, Kind::Freeze, unit, "2026-08-31", "2026-08-31");
    let mut lost = |unit| {
        let mut reader = with(UNIT, &[frozen(unit)]);
        register(&mut reader.connect(&mut card, today()).unwrap())
    };
    let (operation, reason) = ("register", Reason::Frozen);
    assert_eq!(lost(UNIT), Err(Error::Listed { operation, reason }));
    assert_eq!(lost("054020").unwrap().notes, []);
}

/// Whose card it is costs reading. It is read once, and only when a list names the card.
#[test]
fn a_card_that_no_list_names_is_not_read() {
    let commands = |reader: &mut Reader<SoftSam>| {
        let mut card = active();
        let meddle = |_: usize, _: &mut VirtualCard, _: &[u8], _: &mut Vec<u8>| ();
        let mut channel = Between { card: &mut card, meddle, count: 0 };
        let mut connected = reader.connect(&mut channel, today()).unwrap();
        connected.register(SchoolYear::new(2026).unwrap(), Term::Autumn, stamp()).unwrap();
        channel.count
    };
    let plain = commands(&mut reader(UNIT));
    let other = entry(LOST, Kind::Loss, UNIT, "2026-08-31", "2026-08-31");
    assert_eq!(commands(&mut with(UNIT, &[other])), plain);
    // The enrolment, and transfers to their end.
    let foreign = entry(SERIAL, Kind::Loss, "054020", "2026-08-31", "2026-08-31");
    assert_eq!(commands(&mut with(UNIT, &[foreign])), plain + 2);
}

/// Lists stay when the reader is locked; a later version takes the place of an earlier one, and an
/// earlier one nobody's.
#[test]
fn a_reader_keeps_its_lists_and_takes_newer_ones() {
    let shared = Arc::new(list(UNIT, 2, "2026-09-01", &[listed(Kind::Loss)]));
    let mut reader = reader(UNIT);
    assert!(reader.lists().is_empty());
    reader.take_list(Arc::clone(&shared)).unwrap();
    assert_eq!(Arc::strong_count(&shared), 2, "shared, not copied");
    let mut locked = reader.lock();
    locked.take_list(list(DISTRICT, 1, "2026-09-01", &[])).unwrap();
    assert_eq!(locked.lists().iter().count(), 2);
    let unlocked = locked.unlock(&mut support::management(UNIT), today());
    let mut reader = unlocked.map_err(|locked| locked.error).unwrap();
    let mut card = active();
    assert!(register(&mut reader.connect(&mut card, today()).unwrap()).is_err());

    let older = reader.take_list(list(UNIT, 1, "2026-08-31", &[])).unwrap_err();
    assert!(matches!(older, ListError::Version { version: 1, base: 2 }), "{older}");
    let other = reader.take_list(list(UNIT, 2, "2026-09-01", &[])).unwrap_err();
    assert!(matches!(other, ListError::Twice { .. }), "{other}");
    assert!(register(&mut reader.connect(&mut card, today()).unwrap()).is_err());
    // Withdrawn (解挂): the newer list no longer has it.
    reader.take_list(list(UNIT, 3, "2026-09-01", &[])).unwrap();
    assert_eq!(reader.lists().iter().count(), 2);
    register(&mut reader.connect(&mut card, today()).unwrap()).unwrap();
}

/// A temporary card of the stock for a lost card, valid to a day, issued on a day.
fn issue(
    reader: &mut Reader<SoftSam>,
    lost: &str,
    until: &str,
    day: Date,
) -> Result<Vec<Warning>, Error> {
    let mut pupil = pupil();
    pupil.enrolment.valid_until = date(until);
    let (mut card, lost) = (student(), lost.parse().unwrap());
    let before = card.model().nvm().bytes().to_vec();
    let stamp = Stamp { date: day, ..stamp() };
    let done = reader.connect(&mut card, day).unwrap().temporary_issue(
        &pupil,
        lost,
        &Holidays::published(),
        stamp,
        true,
    );
    assert_eq!(done.is_err(), card.model().nvm().bytes() == before);
    done.map(|done| done.notes)
}

/// 暂行办法 六(二): temporary cards exist during the loss alone.
#[test]
fn a_temporary_card_needs_a_loss_that_stands() {
    let none = |reader: &mut Reader<SoftSam>, lost: &str| {
        let serial: CardSerial = lost.parse().unwrap();
        match issue(reader, lost, "2026-10-09", today()) {
            Err(Error::NoLoss { lost, why }) if lost == serial => why,
            other => panic!("{other:?}"),
        }
    };
    let loss = |unit| entry(LOST, Kind::Loss, unit, "2026-08-31", "2026-09-02");
    let newest = today();
    assert_eq!(none(&mut reader(UNIT), LOST), NoLoss::NoList);
    assert_eq!(none(&mut with(UNIT, &[]), LOST), NoLoss::NotListed { newest });
    // Another school's report, another kind, another card.
    assert_eq!(none(&mut with(UNIT, &[loss("054020")]), LOST), NoLoss::NotListed { newest });
    let freeze = entry(LOST, Kind::Freeze, UNIT, "2026-08-31", "2026-08-31");
    assert_eq!(none(&mut with(UNIT, &[freeze]), LOST), NoLoss::NotListed { newest });
    let other = none(&mut with(UNIT, &[loss(UNIT)]), "1100070100000033");
    assert_eq!(other, NoLoss::NotListed { newest });
    // Withdrawn; replaced.
    let found = loss(UNIT);
    let at = xuejika_card_model::list::Moment { date: today(), ..found.reported() };
    let found = found.withdraw(at).unwrap();
    assert_eq!(none(&mut with(UNIT, &[found]), LOST), NoLoss::NotListed { newest });
    let replaced = entry(LOST, Kind::Replaced, UNIT, "2026-09-01", "2026-09-01");
    assert_eq!(none(&mut with(UNIT, &[loss(UNIT), replaced]), LOST), NoLoss::Replaced);
    // Its own stand-in.
    assert_eq!(none(&mut with(UNIT, &[loss(UNIT)]), SERIAL), NoLoss::SameCard);

    // Reported, in force or not, by the school or above it; on one list of several.
    for unit in [UNIT, DISTRICT, CITY] {
        issue(&mut with(UNIT, &[loss(unit)]), LOST, "2026-09-30", today()).unwrap();
    }
    let mut two = with(UNIT, &[]);
    two.take_list(list(UNIT, 3, "2026-09-01", &[loss(UNIT)])).unwrap();
    issue(&mut two, LOST, "2026-09-30", today()).unwrap();
    // The card that is to become the temporary card is itself listed.
    let refused =
        issue(&mut with(UNIT, &[loss(UNIT), listed(Kind::Loss)]), LOST, "2026-09-30", today());
    let (operation, reason) = ("temporary issue", Reason::Lost);
    assert_eq!(refused, Err(Error::Listed { operation, reason }));
}

/// 操作规程 四/六: ten days of loss, a week to apply, ten working days to hand the new card out.
#[test]
fn a_temporary_card_ends_when_the_replacement_is_handed_out() {
    let (reported, last) = (today(), date("2026-10-09"));
    let mut reader = reader_with_loss();
    issue(&mut reader, LOST, "2026-10-09", today()).unwrap();
    for until in ["2026-10-10", LONG] {
        let refused = issue(&mut reader, LOST, until, today());
        let until = date(until);
        assert_eq!(refused, Err(Error::TooLong { until, last, reported }));
    }
    // Counted from the report, not from the issue; a second report does not begin it anew.
    let again = entry(LOST, Kind::Loss, UNIT, "2026-09-21", "2026-09-21");
    let first = entry(LOST, Kind::Loss, DISTRICT, "2026-09-01", "2026-09-01");
    reader.take_list(list(CITY, 9, "2026-09-22", &[again, first])).unwrap();
    reader.take_list(list(DISTRICT, 2, "2026-09-22", &[again])).unwrap();
    let on = date("2026-09-22");
    let refused = issue(&mut reader, LOST, "2026-10-10", on);
    assert_eq!(refused, Err(Error::TooLong { until: date("2026-10-10"), last, reported }));
    let notes = issue(&mut reader, LOST, "2026-10-09", date("2026-10-09")).unwrap();
    assert!(notes.contains(&Warning::StaleList(today())), "{notes:?}");
    // Afterwards there is nothing left to issue.
    let late = issue(&mut reader, LOST, "2026-10-09", date("2026-10-10"));
    let (lost, why) = (LOST.parse().unwrap(), NoLoss::Over { reported, last });
    assert_eq!(late, Err(Error::NoLoss { lost, why }));
}

/// Why a temporary card is refused says what was expected and what there is, with its day.
#[test]
fn refusals_name_the_day() {
    let text = |done: Result<Vec<Warning>, Error>| done.unwrap_err().to_string();
    let long = text(issue(&mut reader_with_loss(), LOST, LONG, today()));
    assert_eq!(
        long,
        "a temporary card is valid until 2026-10-09 at the latest, not until 2028-08-31: the loss \
         was reported on 2026-09-01"
    );
    let none = text(issue(&mut with(UNIT, &[]), LOST, "2026-10-09", today()));
    assert_eq!(
        none,
        "there is no temporary card for card 1100070100000025: expected a report of its loss that \
         stands, but the reader's lists, the newest of 2026-09-01, have none of this school or above \
         it"
    );
}

/// A school stops when the card has seen a later day; district and city go on and note it.
#[test]
fn an_operation_before_the_last_event_is_refused_at_a_school() {
    let day = date("2026-11-02");
    let later = Stamp { date: day, ..stamp() };
    let mut card = student();
    let mut ahead = reader(UNIT);
    ahead.connect(&mut card, day).unwrap().personalise(&pupil(), later, true).unwrap();

    let refused = |done: Result<Change, Error>| {
        assert_eq!(done, Err(Error::BeforeLastEvent { today: today(), last: day }));
    };
    let before = card.model().nvm().bytes().to_vec();
    refused(at(UNIT, &mut card, register));
    refused(at(UNIT, &mut card, |card| card.freeze(None, stamp())));
    refused(at(UNIT, &mut card, |card| card.correct(&pupil(), stamp()).map(changed)));
    refused(at(UNIT, &mut card, open_sector));
    assert!(card.model().nvm().bytes() == before, "and wrote");
    // Reading writes nothing.
    at(UNIT, &mut card, |card| card.read().map(|contents| contents.status)).unwrap();
    // The day of the last event is late enough.
    let mut same_day = reader(UNIT);
    let mut connected = same_day.connect(&mut card, day).unwrap();
    connected.freeze(None, later).unwrap();
    for unit in [DISTRICT, CITY] {
        let done = at(unit, &mut card, |card| card.unfreeze(None, stamp())).unwrap();
        assert_eq!(done.notes, [Warning::RecordsAhead(day)], "{unit}");
        at(unit, &mut card, |card| card.freeze(None, Stamp { date: day, ..stamp() })).unwrap();
    }
}
