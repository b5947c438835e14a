//! Every operation of school, district and application unit on a card, and how each is refused.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use core::num::NonZeroU16;

use support::{
    LOST, UNIT, date, powered, pupil, reader, reader_with_loss, stamp, student, temporary, today,
};
use xuejika_card_model::calendar::Holidays;
use xuejika_card_model::code::Reason;
use xuejika_card_model::event::{Condition, Opening};
use xuejika_card_model::file::tree::{CardKind, wallet_sfi};
use xuejika_card_model::ident::{StudentNumber, UnitCode};
use xuejika_card_model::nvm::{Cut, Nvm, RamNvm, Torn};
use xuejika_card_model::pupil::Pupil;
use xuejika_card_model::record::{
    ExtensionIndex, RecordKind, SchoolYear, Sector, Term, TransferOperation,
};
use xuejika_card_model::state::LifeCycleState as S;
use xuejika_emulator::{Env, VirtualCard};
use xuejika_keyscheme::KeyNumber;
use xuejika_reader::sam::{SamError, SoftSam};
use xuejika_reader::{CardContents, Change, Error, Personalised, StudentCard};

const NEW_SCHOOL: &str = "084013";
const DISTRICT: &str = "080000";
const CITY: &str = "000000";
const NEW_NUMBER: &str = "0108401312801056";

type Connected<'r, 'c> = StudentCard<'r, SoftSam, &'c mut VirtualCard>;

/// Lets a reader of `unit` do something with the card.
fn at<T>(
    unit: &str,
    card: &mut VirtualCard,
    work: impl FnOnce(&mut Connected<'_, '_>) -> Result<T, Error>,
) -> Result<T, Error> {
    work(&mut reader(unit).connect(card, today())?)
}

fn unit(text: &str) -> UnitCode {
    text.parse().unwrap()
}

fn number(text: &str) -> StudentNumber {
    text.parse().unwrap()
}

fn sector(index: u8) -> ExtensionIndex {
    ExtensionIndex::new(index).unwrap()
}

fn opening(index: u8, owner: &str) -> Opening {
    Opening {
        index: sector(index),
        application: NonZeroU16::new(0x0101).unwrap(),
        owner: unit(owner),
        filing: "20260001".parse().unwrap(),
    }
}

/// Issues a temporary card for the card that is lost.
fn issue_temporary(card: &mut VirtualCard) -> Result<Personalised, Error> {
    let (lost, holidays) = (LOST.parse().unwrap(), Holidays::published());
    let mut reader = reader_with_loss();
    reader.connect(card, today())?.temporary_issue(&temporary(), lost, &holidays, stamp(), true)
}

/// A card of the test pupil, in use.
fn active() -> VirtualCard {
    let mut card = student();
    at(UNIT, &mut card, |card| card.personalise(&pupil(), stamp(), true)).unwrap();
    card
}

fn read(card: &mut VirtualCard) -> CardContents {
    reader(UNIT).connect(card, today()).unwrap().read().unwrap()
}

fn pupil_at_the_new_school() -> Pupil {
    let mut pupil = pupil();
    pupil.identity.student_number = number(NEW_NUMBER);
    pupil.enrolment.unit = unit(NEW_SCHOOL);
    pupil
}

fn states(change: &Change) -> (S, S) {
    (change.before.state, change.outcome.state)
}

/// Expects a refusal that leaves the card's memory as it was.
fn refused<T: core::fmt::Debug>(
    unit: &str,
    card: &mut VirtualCard,
    work: impl FnOnce(&mut Connected<'_, '_>) -> Result<T, Error>,
) -> Error {
    let before = card.model().nvm().bytes().to_vec();
    let error = at(unit, card, work).unwrap_err();
    assert!(card.model().nvm().bytes() == before, "{error}: and wrote");
    error
}

#[test]
fn a_pupil_moves_to_another_school() {
    let mut card = active();
    let to = Some(unit(NEW_SCHOOL));
    let out = at(UNIT, &mut card, |card| card.transfer_out(false, to, None, stamp())).unwrap();
    assert_eq!(states(&out), (S::Active, S::TransferredOut));
    assert_eq!(out.written(), [RecordKind::Status, RecordKind::Transfer, RecordKind::Log]);
    assert_eq!(read(&mut card).owner(), Some(unit(UNIT)));

    // 操作规程 四/八: the transfer in comes first.
    let early = refused(NEW_SCHOOL, &mut card, |card| {
        card.personalise(&pupil_at_the_new_school(), stamp(), true)
    });
    let state = S::TransferredOut;
    assert_eq!(early, Error::State { operation: "personalise begin", state });
    let elsewhere = refused(UNIT, &mut card, |card| {
        card.transfer_in(pupil().identity.student_number, None, stamp())
    });
    let operation = "transfer in";
    assert_eq!(elsewhere, Error::OtherUnit { operation, unit: unit(UNIT) });

    let taken =
        at(NEW_SCHOOL, &mut card, |card| card.transfer_in(number(NEW_NUMBER), None, stamp()));
    assert_eq!(states(&taken.unwrap()), (S::TransferredOut, S::TransferredIn));
    assert_eq!(read(&mut card).owner(), Some(unit(NEW_SCHOOL)));

    let mut other = pupil_at_the_new_school();
    other.identity.student_number = number("0108401312801064");
    let given = other.identity.student_number;
    let wrong = refused(NEW_SCHOOL, &mut card, |card| card.personalise(&other, stamp(), true));
    assert_eq!(wrong, Error::OtherPupil { on_card: number(NEW_NUMBER), given });
    at(NEW_SCHOOL, &mut card, |card| card.personalise(&pupil_at_the_new_school(), stamp(), true))
        .unwrap();

    let contents = read(&mut card);
    assert_eq!(contents.pupil, Some(pupil_at_the_new_school()));
    assert_eq!(contents.owner(), Some(unit(NEW_SCHOOL)));
    let operations: Vec<_> = contents.transfers.iter().map(|record| record.operation).collect();
    assert_eq!(operations, [TransferOperation::In, TransferOperation::OutTransfer]);
    let former = refused(UNIT, &mut card, |card| card.freeze(None, stamp()));
    assert_eq!(former, Error::OtherUnit { operation: "freeze", unit: unit(UNIT) });
}

#[test]
fn a_transfer_is_withdrawn_by_the_former_school() {
    let mut card = active();
    at(UNIT, &mut card, |card| card.transfer_out(true, None, None, stamp())).unwrap();
    let foreign = refused(NEW_SCHOOL, &mut card, |card| card.withdraw(None, stamp()));
    let operation = "transfer withdraw";
    assert_eq!(foreign, Error::OtherUnit { operation, unit: unit(NEW_SCHOOL) });
    let done = at(UNIT, &mut card, |card| card.withdraw(None, stamp())).unwrap();
    assert_eq!(states(&done), (S::TransferredOut, S::Active));
    let again = refused(UNIT, &mut card, |card| card.withdraw(None, stamp()));
    assert_eq!(again, Error::State { operation, state: S::Active });
}

#[test]
fn a_card_is_frozen_and_unfrozen_by_those_who_may() {
    let mut card = active();
    let reason = Some(Reason::LeftSchool);
    let frozen = at(DISTRICT, &mut card, |card| card.freeze(reason, stamp())).unwrap();
    assert_eq!(states(&frozen), (S::Active, S::Frozen));
    assert_eq!(read(&mut card).status.reason, reason);
    let school = refused(UNIT, &mut card, |card| card.unfreeze(None, stamp()));
    assert_eq!(school, Error::OtherUnit { operation: "unfreeze", unit: unit(UNIT) });
    let back = at(CITY, &mut card, |card| card.unfreeze(None, stamp())).unwrap();
    assert_eq!(states(&back), (S::Frozen, S::Active));
}

#[test]
fn a_cancelled_or_replaced_card_is_dead_for_good() {
    for replace in [false, true] {
        let mut card = active();
        let done = at(UNIT, &mut card, |card| match replace {
            true => card.replace(Some(Reason::Replaced), stamp()),
            false => card.cancel(None, stamp()),
        });
        assert_eq!(states(&done.unwrap()), (S::Active, S::Cancelled));
        let state = S::Cancelled;
        for (operation, error) in [
            ("unfreeze", refused(UNIT, &mut card, |card| card.unfreeze(None, stamp()))),
            ("personalise begin", {
                refused(UNIT, &mut card, |card| card.personalise(&pupil(), stamp(), true))
            }),
            ("recall", refused(UNIT, &mut card, |card| card.recall(None, stamp()))),
        ] {
            assert_eq!(error, Error::State { operation, state });
        }
    }
}

#[test]
fn a_faulty_card_is_noted_and_goes_no_further() {
    let mut card = active();
    let done = at(UNIT, &mut card, |card| card.fault(Some(Reason::Fault), stamp())).unwrap();
    assert_eq!(states(&done), (S::Active, S::Fault));
    let error = refused(UNIT, &mut card, |card| {
        card.register(SchoolYear::new(2026).unwrap(), Term::Autumn, stamp())
    });
    assert_eq!(error, Error::State { operation: "register", state: S::Fault });
}

#[test]
fn data_is_corrected_and_the_student_number_stays() {
    let mut card = active();
    let mut corrected = pupil();
    corrected.identity.name = "张叁".parse().unwrap();
    let done = at(UNIT, &mut card, |card| card.correct(&corrected, stamp())).unwrap();
    assert_eq!((done.before.state, done.outcome.state), (S::Active, S::Active));
    let contents = read(&mut card);
    assert_eq!(contents.pupil, Some(corrected));
    assert!(contents.personalisation.unwrap().issued, "the card stays handed out");

    let mut other = corrected;
    other.identity.student_number = number("0108401212801064");
    let expected = Error::OtherPupil {
        on_card: corrected.identity.student_number,
        given: other.identity.student_number,
    };
    assert_eq!(refused(UNIT, &mut card, |card| card.correct(&other, stamp())), expected);
    let error = refused(UNIT, &mut card, |card| card.personalise(&other, stamp(), true));
    assert_eq!(error, expected);
    let error = refused(UNIT, &mut student(), |card| card.correct(&corrected, stamp()));
    assert_eq!(error, Error::State { operation: "correct", state: S::Initialised });
}

#[test]
fn a_temporary_card_is_issued_used_and_comes_back_empty() {
    let mut card = student();
    let issued = issue_temporary(&mut card).unwrap();
    assert_eq!(issued.outcome.state, S::Active);
    assert!(read(&mut card).status.flags.temporary);
    let out = refused(UNIT, &mut card, |card| card.transfer_out(false, None, None, stamp()));
    let condition = Condition::Temporary;
    assert_eq!(out, Error::Condition { operation: "transfer out", condition });

    let back = at(UNIT, &mut card, |card| card.temporary_return(None, stamp())).unwrap();
    assert_eq!(states(&back), (S::Active, S::Initialised));
    assert!(back.written().contains(&RecordKind::Extension));
    let contents = read(&mut card);
    assert!(!contents.status.flags.temporary && contents.pupil.is_none());

    let mut ordinary = active();
    let error = refused(UNIT, &mut ordinary, |card| card.temporary_return(None, stamp()));
    let condition = Condition::NotTemporary;
    assert_eq!(error, Error::Condition { operation: "temporary return", condition });
    let error = issue_temporary(&mut ordinary).unwrap_err();
    assert_eq!(error, Error::State { operation: "temporary issue", state: S::Active });
}

#[test]
fn an_interrupted_temporary_issue_is_completed_by_doing_it_again() {
    let mut cuts = 0;
    for after_writes in 0.. {
        let mut card = student();
        card.cut_power(Cut { after_writes, after_bytes: 5, torn: Torn::Random(after_writes) });
        let attempt = issue_temporary(&mut card);
        card.nvm_mut().arm(None);
        if attempt.is_ok() {
            break;
        }
        cuts += 1;
        card.power_on().unwrap();
        let again = issue_temporary(&mut card).unwrap();
        assert_eq!(again.outcome.state, S::Active);
        let contents = read(&mut card);
        assert!(contents.status.flags.temporary);
        assert_eq!(contents.pupil, Some(temporary()));
    }
    assert!(cuts > 10, "{cuts} cuts");
}

#[test]
fn a_recalled_card_is_inspected_and_serves_again() {
    let mut card = active();
    let generation = read(&mut card).issuance.generation;
    let recalled = at(UNIT, &mut card, |card| card.recall(Some(Reason::RecallOrder), stamp()));
    let recalled = recalled.unwrap();
    assert_eq!(states(&recalled), (S::Active, S::Recalled));
    assert!(recalled.written().contains(&RecordKind::Identity));
    let again = at(UNIT, &mut card, |card| card.recall(None, stamp())).unwrap();
    assert_eq!(again.written(), [RecordKind::Status, RecordKind::Log]);

    let school = refused(UNIT, &mut card, |card| card.restock(None, stamp()));
    assert_eq!(school, Error::OtherUnit { operation: "restock", unit: unit(UNIT) });
    // The school recalled it last, so its district inspects it.
    let stocked = at(DISTRICT, &mut card, |card| card.restock(None, stamp())).unwrap();
    assert_eq!(states(&stocked), (S::Recalled, S::Initialised));
    assert_eq!(read(&mut card).issuance.generation, generation + 1);
    at(NEW_SCHOOL, &mut card, |card| card.personalise(&pupil_at_the_new_school(), stamp(), true))
        .unwrap();
}

/// 操作规程 四/七: as long as the wallet is on, or holds money, the card is not recalled.
#[test]
fn a_card_whose_wallet_is_in_use_is_not_recalled() {
    let mut memory = active().model().nvm().bytes().to_vec();
    let wallet = CardKind::Student.tree().wallet.as_ref().unwrap();
    memory[wallet.by_sfi(wallet_sfi::CONTROL).unwrap().offset] = 1;
    let mut card = powered(VirtualCard::new(RamNvm::new(memory), Env::from_seed(3)).unwrap());
    let error = refused(UNIT, &mut card, |card| card.recall(None, stamp()));
    let condition = Condition::WalletInUse;
    assert_eq!(error, Error::Condition { operation: "recall", condition });
}

#[test]
fn a_sector_is_opened_used_and_reclaimed() {
    let mut card = active();
    let opened = at(UNIT, &mut card, |card| card.open_sector(opening(2, UNIT), stamp())).unwrap();
    assert_eq!(opened.written(), [RecordKind::Status, RecordKind::Extension, RecordKind::Log]);
    let contents = read(&mut card);
    assert!(contents.status.flags.extension_open);
    let grant = *contents.extensions[1].sector.grant().unwrap();
    assert_eq!((grant.owner, grant.opened.date()), (unit(UNIT), today()));

    at(UNIT, &mut card, |card| {
        card.write_sector(sector(2), 0, &[0x11; 240])?;
        card.write_sector(sector(2), 239, &[0x22])?;
        // Back in the education zone, in the same connection.
        card.read().map(drop)
    })
    .unwrap();
    let bytes = at(UNIT, &mut card, |card| card.read_sector(sector(2))).unwrap();
    assert_eq!(bytes, [&[0x11; 239][..], &[0x22]].concat());
    let outside = refused(UNIT, &mut card, |card| card.write_sector(sector(2), 239, &[1, 2]));
    assert!(matches!(outside, Error::Status { status, .. } if status.0 == 0x6700));

    let again = refused(UNIT, &mut card, |card| card.open_sector(opening(2, CITY), stamp()));
    let condition = Condition::SectorInUse;
    assert_eq!(again, Error::Condition { operation: "extension open", condition });
    let recall = refused(UNIT, &mut card, |card| card.recall(None, stamp()));
    let condition = Condition::SectorsOpen;
    assert_eq!(recall, Error::Condition { operation: "recall", condition });
    let out = refused(UNIT, &mut card, |card| card.transfer_out(false, None, None, stamp()));
    assert_eq!(out, Error::Condition { operation: "transfer out", condition });

    at(UNIT, &mut card, |card| card.reclaim_sector(sector(2), stamp())).unwrap();
    assert_eq!(read(&mut card).extensions[1].sector, Sector::Closed);
    let closed = refused(UNIT, &mut card, |card| card.read_sector(sector(2)));
    assert_eq!(closed, Error::SectorNotOpen(2));
    let again = refused(UNIT, &mut card, |card| card.reclaim_sector(sector(2), stamp()));
    let condition = Condition::SectorClosed;
    assert_eq!(again, Error::Condition { operation: "extension reclaim", condition });
    at(UNIT, &mut card, |card| card.recall(None, stamp())).unwrap();
}

#[test]
fn no_application_reads_anothers_sector() {
    let mut card = active();
    at(UNIT, &mut card, |card| {
        card.open_sector(opening(1, UNIT), stamp())?;
        card.open_sector(opening(2, DISTRICT), stamp())?;
        card.open_sector(opening(3, CITY), stamp())
    })
    .unwrap();
    for (of, allowed) in [
        (UNIT, [true, true, true]),
        (NEW_SCHOOL, [false, true, true]),
        (DISTRICT, [false, true, true]),
        ("050000", [false, false, true]),
        (CITY, [false, false, true]),
    ] {
        for (index, allowed) in (1..).zip(allowed) {
            let read = at(of, &mut card, |card| card.read_sector(sector(index)));
            match read {
                Ok(bytes) => assert!(allowed && bytes == [0; 240], "{of} in sector {index}"),
                Err(Error::Status { status, .. }) => assert!(!allowed && status.0 == 0x6982),
                Err(other) => panic!("{other}"),
            }
        }
    }
    // A district and the city do not open sectors, and a school none for another school.
    let sam = Error::Sam(SamError::NotPermitted(KeyNumber::EXTENSION));
    let error = refused(DISTRICT, &mut card, |card| card.open_sector(opening(4, UNIT), stamp()));
    assert_eq!(error, sam);
    let operation = "extension open";
    for (of, owner) in [(UNIT, NEW_SCHOOL), (NEW_SCHOOL, NEW_SCHOOL)] {
        let error = refused(of, &mut card, |card| card.open_sector(opening(4, owner), stamp()));
        assert_eq!(error, Error::OtherUnit { operation, unit: unit(of) });
    }
}

/// The owner's key never shows on the wire: the SAM sends it inside the session.
#[test]
fn an_owners_key_travels_protected() {
    let mut card = active();
    let mut wire = Vec::new();
    {
        let meddle = |_: usize, _: &mut VirtualCard, command: &[u8], _: &mut Vec<u8>| {
            wire.extend_from_slice(command);
        };
        let between = support::Between { card: &mut card, meddle, count: 0 };
        let mut reader = reader(UNIT);
        let mut connection = reader.connect(between, today()).unwrap();
        connection.open_sector(opening(5, UNIT), stamp()).unwrap();
    }
    let df = &CardKind::Student.tree().dfs[5];
    let slots = card.model().key_slots(df, KeyNumber::APPLICATION).unwrap().unwrap();
    let key = *slots.key(slots.active_version()).unwrap().expose();
    assert!(wire.len() > 100 && !wire.windows(16).any(|window| window == key));
    assert!(card.model().nvm().bytes().windows(16).any(|window| window == key));
}

#[test]
fn an_operation_has_the_date_it_is_given() {
    let mut card = active();
    let stamp = xuejika_reader::Stamp { date: date("2027-02-03"), ..stamp() };
    at(UNIT, &mut card, |card| card.freeze(None, stamp)).unwrap();
    let contents = read(&mut card);
    assert_eq!((contents.status.date, contents.log[0].date), (stamp.date, stamp.date));
}
