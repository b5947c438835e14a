//! The school's operations, from the locked reader to the verdict, and every way they are refused.
#![allow(clippy::unwrap_used, reason = "test helpers")]

mod support;

use support::{
    UNIT, date, management, powered, pupil, reader, sam, stamp, student, today, valid_until,
};
use xuejika_card_model::management::Role;
use xuejika_card_model::nvm::{Cut, Torn};
use xuejika_card_model::record::{SchoolYear, Term};
use xuejika_card_model::state::LifeCycleState;
use xuejika_card_model::verdict::{Reason, Verdict};
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::{Algorithm, KeyNumber, KeyVersion};
use xuejika_reader::sam::SamError;
use xuejika_reader::{Error, Locked};

const CITY: &str = "000000";

fn year(year: u16) -> SchoolYear {
    SchoolYear::new(year).unwrap()
}

#[test]
fn the_whole_way() {
    let (mut reader, mut card) = (reader(UNIT), student());
    assert_eq!(reader.grant().role, Role::School);

    let done =
        reader.connect(&mut card, today()).unwrap().personalise(&pupil(), stamp(), true).unwrap();
    assert_eq!((done.outcome.state, done.resumed), (LifeCycleState::Active, false));

    let mut connection = reader.connect(&mut card, today()).unwrap();
    let first = connection.register(year(2026), Term::Autumn, stamp()).unwrap().outcome;
    assert!(!first.repeated);
    let again = connection.register(year(2026), Term::Autumn, stamp()).unwrap();
    assert_eq!(again.written(), []);
    let again = again.outcome;
    assert!(again.repeated);
    assert_eq!(again.counter, first.counter);

    let contents = connection.read().unwrap();
    assert_eq!(contents.pupil, Some(pupil()));
    assert_eq!(contents.registrations.len(), 1);
    assert_eq!(contents.personalisation.unwrap().count, 1);
    // Initialise, begin, commit, register; the repeated registration left no trace.
    let operations: Vec<u8> = contents.log.iter().map(|entry| entry.operation).collect();
    assert_eq!(operations, [0x05, 0x03, 0x02, 0x01]);

    let lapse = date("2027-03-20");
    assert_eq!(contents.verdict(lapse), Verdict::Accept { registered_until: lapse });
    let lapsed = Verdict::Refuse(Reason::NotRegistered(lapse));
    assert_eq!(contents.verdict(date("2027-03-21")), lapsed);
}

#[test]
fn a_card_without_pupil_is_refused_by_its_state() {
    let mut card = student();
    let contents = reader(UNIT).connect(&mut card, today()).unwrap().read().unwrap();
    assert!(contents.pupil.is_none());
    let refused = Verdict::Refuse(Reason::State(LifeCycleState::Initialised));
    assert_eq!(contents.verdict(today()), refused);
}

#[test]
fn only_the_right_management_card_unlocks() {
    let still_locked = |card: &mut VirtualCard, today| {
        Locked::new(sam(UNIT)).unlock(card, today).map(drop).map_err(|stuck| stuck.error)
    };
    let other = Error::Sam(SamError::OtherUnit);
    assert_eq!(still_locked(&mut management("084013"), today()), Err(other));
    let expired = Error::Sam(SamError::Expired(valid_until()));
    assert_eq!(still_locked(&mut management(UNIT), date("2027-09-01")), Err(expired));
    let no_application = Error::NoApplication("management application");
    assert_eq!(still_locked(&mut student(), today()), Err(no_application));
    // A longer validity written on the card opens nothing: the key depends on it.
    let memory =
        test_card::management(Algorithm::Aes128, UNIT.parse().unwrap(), date("2099-08-31"));
    let mut longer = powered(VirtualCard::new(memory, Env::from_seed(2)).unwrap());
    assert_eq!(
        still_locked(&mut longer, date("2027-09-01")),
        Err(Error::Sam(SamError::ForeignGrant))
    );
    // The reader that stayed locked can try again.
    let stuck = Locked::new(sam(UNIT)).unlock(&mut student(), today()).err().unwrap();
    assert!(stuck.reader.unlock(&mut management(UNIT), today()).is_ok());
}

#[test]
fn a_locked_reader_is_locked_again_and_a_grant_ends() {
    let mut card = student();
    let locked = reader(UNIT).lock();
    let mut reader = locked.unlock(&mut management(UNIT), today()).map_err(|e| e.error).unwrap();
    let late = reader.connect(&mut card, date("2027-09-01")).err();
    assert_eq!(late, Some(Error::GrantEnded(valid_until())));
    let back = reader.connect(&mut card, today()).err();
    let last_seen = date("2027-09-01");
    assert_eq!(back, Some(Error::ClockWentBack { today: today(), last_seen }));
}

#[test]
fn another_schools_pupil_or_card_is_refused() {
    let mut card = student();
    let refused =
        reader("084013").connect(&mut card, today()).unwrap().personalise(&pupil(), stamp(), true);
    let units = (UNIT.parse().unwrap(), "084013".parse().unwrap());
    assert_eq!(refused, Err(Error::ForeignUnit { pupil: units.0, reader: units.1 }));

    reader(UNIT).connect(&mut card, today()).unwrap().personalise(&pupil(), stamp(), true).unwrap();
    let before = card.model().nvm().clone().into_bytes();
    let other = reader("084013").connect(&mut card, today()).unwrap().register(
        year(2026),
        Term::Autumn,
        stamp(),
    );
    assert_eq!(other.err(), Some(Error::OtherUnit { operation: "register", unit: units.1 }));
    assert_eq!(card.model().nvm().clone().into_bytes(), before);
}

#[test]
fn an_operation_in_the_wrong_state_names_the_state() {
    let mut card = student();
    let refused = reader(UNIT).connect(&mut card, today()).unwrap().register(
        year(2026),
        Term::Autumn,
        stamp(),
    );
    let state = LifeCycleState::Initialised;
    assert_eq!(refused.err(), Some(Error::State { operation: "register", state }));
}

#[test]
fn a_card_of_another_key_system_is_refused_both_ways() {
    // Same layout, same serial, other roots: every key byte of the education zone is changed.
    let mut bytes = test_card::student(support::SERIAL).unwrap().into_bytes();
    let education = &xuejika_card_model::file::tree::CardKind::Student.tree().dfs[0];
    for number in education.keys {
        let at = education.key_offset(*number).unwrap();
        // The keys stand behind failures, algorithm and versions.
        bytes[at + 5] ^= 1;
    }
    let memory = xuejika_card_model::nvm::RamNvm::new(bytes);
    let mut foreign = powered(VirtualCard::new(memory, Env::from_seed(3)).unwrap());
    let refused = reader(UNIT).connect(&mut foreign, today()).unwrap().read().err();
    assert_eq!(refused, Some(Error::NotAccepted));
}

/// Power goes at every write of a personalisation; doing it again completes it, and the card ends
/// like one that was never disturbed.
#[test]
fn an_interrupted_personalisation_is_completed_by_doing_it_again() {
    let undisturbed = {
        let mut card = student();
        let mut reader = reader(UNIT);
        reader.connect(&mut card, today()).unwrap().personalise(&pupil(), stamp(), true).unwrap();
        reader.connect(&mut card, today()).unwrap().read().unwrap()
    };
    let mut cuts = 0;
    for after_writes in 0.. {
        let mut card = student();
        let mut reader = reader(UNIT);
        card.cut_power(Cut { after_writes, after_bytes: 9, torn: Torn::Random(after_writes) });
        let attempt =
            reader.connect(&mut card, today()).unwrap().personalise(&pupil(), stamp(), true);
        card.nvm_mut().arm(None);
        if attempt.is_ok() {
            break;
        }
        assert!(matches!(attempt, Err(Error::Channel(_))), "{attempt:?}");
        cuts += 1;
        card.power_on().unwrap();
        let again = reader
            .connect(&mut card, today())
            .unwrap()
            .personalise(&pupil(), stamp(), true)
            .unwrap();
        assert_eq!(again.outcome.state, LifeCycleState::Active);
        let contents = reader.connect(&mut card, today()).unwrap().read().unwrap();
        assert_eq!(contents.pupil, undisturbed.pupil);
        assert_eq!(contents.status.state, undisturbed.status.state);
    }
    assert!(cuts > 10, "{cuts} cuts");
}

/// Rollover: the new version takes over at its first use, the old one stays until it is retired.
#[test]
fn a_key_is_rolled_over_and_the_old_version_retired() {
    let (first, second) = (KeyVersion::FIRST, KeyVersion::new(2).unwrap());
    let (mut reader, mut card) = (reader(CITY), student());
    let mut connection = reader.connect(&mut card, today()).unwrap();
    connection.load_key(KeyNumber::READ, second).unwrap();
    assert_eq!(connection.key_versions(KeyNumber::READ), [first, second]);
    let again = connection.load_key(KeyNumber::READ, first);
    assert!(matches!(again, Err(Error::Status { status, .. }) if status.0 == 0x6A80));

    connection.read().unwrap();
    drop(connection);
    let mut connection = reader.connect(&mut card, today()).unwrap();
    assert_eq!(connection.key_versions(KeyNumber::READ), [second, first]);
    connection.retire_key(KeyNumber::READ).unwrap();
    assert_eq!(connection.key_versions(KeyNumber::READ), [second]);
    connection.read().unwrap();
    let unknown = connection.load_key(KeyNumber::READ, KeyVersion::new(3).unwrap());
    assert_eq!(unknown, Err(Error::Sam(SamError::NoVersion(KeyNumber::READ))));
    drop(connection);

    // Keys are the city's: a school's SAM is not granted K0.
    let mut school = self::reader(UNIT);
    let refused = school.connect(&mut card, today()).unwrap().load_key(KeyNumber::STATUS, second);
    let (operation, unit) = ("loading a key", UNIT.parse().unwrap());
    assert_eq!(refused, Err(Error::CityOnly { operation, unit }));
}
