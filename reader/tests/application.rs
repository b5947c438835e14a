//! An application unit (应用单位) at its sector: what it may do, and that the key decides.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test helpers")]

mod support;

use core::num::NonZeroU16;

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use support::{
    Between, SERIAL, UNIT, entry, list, powered, pupil, reader, stamp, student, today, valid_until,
};
use xuejika_apdu::ChannelError;
use xuejika_card_model::event::Opening;
use xuejika_card_model::list::Kind;
use xuejika_card_model::management::{Role, SamSerial};
use xuejika_card_model::record::{ExtensionIndex, ExtensionSet, SchoolYear, Term};
use xuejika_card_model::state::LifeCycleState;
use xuejika_card_model::verdict::{Reason, Venue, Verdict};
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::{Algorithm, KeyNumber};
use xuejika_reader::sam::{SamError, SoftSam};
use xuejika_reader::{Change, Error, Locked, Reader, StudentCard};

const DISTRICT: &str = "080000";
const LIBRARY: (u8, u16) = (2, 0x2002);
const CANTEEN: (u8, u16) = (3, 0x3003);

fn sector(index: u8) -> ExtensionIndex {
    ExtensionIndex::new(index).unwrap()
}

fn code(code: u16) -> NonZeroU16 {
    NonZeroU16::new(code).unwrap()
}

/// The unlocked reader of an application unit of `unit`.
fn application(unit: &str, index: u8) -> Reader<SoftSam> {
    let lent = ExtensionSet::of([sector(index)]);
    let serial = SamSerial { unit: unit.parse().unwrap(), number: "000001".parse().unwrap() };
    let (aes, rng) = (Algorithm::Aes128, ChaCha12Rng::seed_from_u64(4));
    let sam = SoftSam::test_for(aes, serial, lent, valid_until(), rng);
    let memory = test_card::management_for(aes, serial.unit, lent, valid_until());
    let mut card = powered(VirtualCard::new(memory, Env::from_seed(5)).unwrap());
    Locked::new(sam).unlock(&mut card, today()).map_err(|locked| locked.error).unwrap()
}

/// A pupil's card whose school lends sector 2 to the library and 3 to the canteen.
fn lent(owner: &str) -> VirtualCard {
    let mut card = student();
    let mut office = reader(UNIT);
    let mut connection = office.connect(&mut card, today()).unwrap();
    connection.personalise(&pupil(), stamp(), true).unwrap();
    for (index, application) in [LIBRARY, CANTEEN] {
        let (owner, filing) = (owner.parse().unwrap(), "20260001".parse().unwrap());
        let opening =
            Opening { index: sector(index), application: code(application), owner, filing };
        connection.open_sector(opening, stamp()).unwrap();
    }
    card
}

fn accepted(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Accept { .. })
}

#[test]
fn it_decides_reads_and_writes_in_its_own_sector() {
    let (mut card, mut canteen) = (lent(UNIT), application(UNIT, 3));
    assert_eq!(canteen.grant().role, Role::Application);
    let mut connection = canteen.connect(&mut card, today()).unwrap();
    let mut visit = connection.application(sector(3), code(0x3003)).unwrap();
    assert!(accepted(&visit.verdict(today())));
    assert_eq!(visit.contents().pupil, Some(pupil()));
    assert_eq!(visit.read().unwrap(), [0; 240]);
    visit.write(238, &[1, 2]).unwrap();
    assert!(
        matches!(visit.write(239, &[1, 2]), Err(Error::Status { status, .. }) if status.0 == 0x6700)
    );
    assert_eq!(visit.read().unwrap()[238..], [1, 2]);
    // The date counts as anywhere.
    let late = "2026-09-21".parse().unwrap();
    let lapsed = Reason::NotRegistered("2026-09-20".parse().unwrap());
    assert_eq!(visit.verdict(late), Verdict::Refuse(lapsed));
    // Back in the education zone.
    assert_eq!(connection.read().unwrap().status.state, LifeCycleState::Active);
}

/// What the reader's lists say counts for an application as for education.
#[test]
fn its_reader_asks_the_lists() {
    let (mut card, mut canteen) = (lent(UNIT), application(UNIT, 3));
    let loss = entry(SERIAL, Kind::Loss, UNIT, "2026-08-31", "2026-08-31");
    canteen.take_list(list(UNIT, 1, "2026-09-01", &[loss])).unwrap();
    let mut connection = canteen.connect(&mut card, today()).unwrap();
    let contents = connection.read().unwrap();
    assert!(accepted(&contents.verdict(today())), "by the card alone");
    assert_eq!(connection.verdict(&contents), Verdict::Refuse(Reason::Lost));
    let visit = connection.application(sector(3), code(0x3003)).unwrap();
    assert_eq!(visit.verdict(today()), Verdict::Refuse(Reason::Lost));
}

/// The library's reader and the canteen's sector, both of one school; and the school's sector of the
/// same number beside the district's.
#[test]
fn the_key_is_that_of_its_own_sector_and_unit() {
    for (owner, of) in [(UNIT, DISTRICT), (UNIT, "084013"), (DISTRICT, UNIT)] {
        let mut card = lent(owner);
        let mut other = application(of, 3);
        let refused = other.connect(&mut card, today()).unwrap().read_sector(sector(3));
        let owner = owner.parse().unwrap();
        assert_eq!(refused, Err(Error::NoSectorKey { sector: 3, owner }), "{of}");
    }
    let mut card = lent(UNIT);
    let mut library = application(UNIT, 2);
    let mut connection = library.connect(&mut card, today()).unwrap();
    let unit = UNIT.parse().unwrap();
    let mut visit = connection.application(sector(3), code(0x3003)).unwrap();
    assert!(matches!(visit.venue(), Venue::Application { key_accepted: false, .. }));
    let refused = Verdict::Refuse(Reason::ApplicationKey(sector(3)));
    assert_eq!(visit.verdict(today()), refused);
    let no_key = Error::NoSectorKey { sector: 3, owner: unit };
    assert_eq!(visit.read(), Err(no_key.clone()));
    assert_eq!(visit.write(0, &[1]), Err(no_key.clone()));
    assert_eq!(connection.write_sector(sector(3), 0, &[1]), Err(no_key));
    assert_eq!(connection.read_sector(sector(2)).unwrap(), [0; 240]);
    // The office that lends sectors has the keys of all.
    let mut office = reader(UNIT);
    let mut connection = office.connect(&mut card, today()).unwrap();
    assert_eq!(connection.application(sector(3), code(0x3003)).unwrap().read().unwrap(), [0; 240]);
}

#[test]
fn it_uses_no_sector_of_another_application_and_none_that_is_closed() {
    let (mut card, mut canteen) = (lent(UNIT), application(UNIT, 3));
    let mut connection = canteen.connect(&mut card, today()).unwrap();
    let mut visit = connection.application(sector(3), code(0x4004)).unwrap();
    let other = Verdict::Refuse(Reason::OtherApplication(code(0x3003)));
    assert_eq!(visit.verdict(today()), other);
    let application = code(0x3003);
    assert_eq!(visit.write(0, &[1]), Err(Error::OtherApplication { sector: 3, application }));
    let mut visit = connection.application(sector(4), code(0x4004)).unwrap();
    let closed = Verdict::Refuse(Reason::SectorClosed(sector(4)));
    assert_eq!(visit.verdict(today()), closed);
    assert_eq!(visit.read(), Err(Error::SectorNotOpen(4)));
}

/// A card that knows K1 of a pupil and not KA is not accepted, whatever its directory says.
#[test]
fn a_card_that_does_not_prove_the_applications_key_is_refused() {
    let refused = Verdict::Refuse(Reason::ApplicationKey(sector(3)));
    for (answer, error) in [
        // Another proof than the key gives.
        ([&[0x5A; 16][..], &[0x90, 0x00]].concat(), Error::Sam(SamError::NotGenuine)),
        (vec![0x63, 0x00], Error::NotAccepted),
    ] {
        let (mut card, mut canteen) = (lent(UNIT), application(UNIT, 3));
        let mut proofs = 0;
        let meddle = |_: usize, _: &mut VirtualCard, command: &[u8], response: &mut Vec<u8>| {
            proofs += usize::from(command.starts_with(&[0x00, 0x82]));
            // The second proof is the one in the sector.
            if command.starts_with(&[0x00, 0x82]) && proofs == 2 {
                response.clone_from(&answer);
            }
        };
        let between = Between { card: &mut card, meddle, count: 0 };
        let mut connection = canteen.connect(between, today()).unwrap();
        let mut visit = connection.application(sector(3), code(0x3003)).unwrap();
        assert_eq!(visit.verdict(today()), refused);
        assert_eq!(visit.read(), Err(error));
    }
    // A card that is gone decides nothing.
    let (mut card, mut canteen) = (lent(UNIT), application(UNIT, 3));
    let meddle = |_: usize, _: &mut VirtualCard, command: &[u8], response: &mut Vec<u8>| {
        if command.starts_with(&[0x00, 0xA4]) && command.ends_with(&[0x03, 0x00]) {
            response.clear();
        }
    };
    let between = Between { card: &mut card, meddle, count: 0 };
    let mut connection = canteen.connect(between, today()).unwrap();
    let gone = connection.application(sector(3), code(0x3003)).map(drop);
    assert_eq!(gone, Err(Error::Channel(ChannelError::Removed)));
}

#[test]
fn it_changes_nothing_in_a_cards_life() {
    type Operation = fn(&mut StudentCard<'_, SoftSam, &mut VirtualCard>) -> Result<Change, Error>;
    let (mut card, mut canteen) = (lent(UNIT), application(UNIT, 3));
    let before = reader(UNIT).connect(&mut card, today()).unwrap().read().unwrap();
    let operations: [(Operation, KeyNumber); 6] = [
        (|card| card.freeze(None, stamp()), KeyNumber::STATUS),
        (|card| card.cancel(None, stamp()), KeyNumber::STATUS),
        (|card| card.recall(None, stamp()), KeyNumber::STATUS),
        (|card| card.transfer_out(false, None, None, stamp()), KeyNumber::TRANSFER),
        (|card| card.reclaim_sector(sector(3), stamp()), KeyNumber::EXTENSION),
        (
            |card| {
                let year = SchoolYear::new(2026).unwrap();
                card.register(year, Term::Autumn, stamp())
            },
            KeyNumber::REGISTER,
        ),
    ];
    for (operation, number) in operations {
        let refused = operation(&mut canteen.connect(&mut card, today()).unwrap());
        assert_eq!(refused, Err(Error::Sam(SamError::NotPermitted(number))));
    }
    let after = reader(UNIT).connect(&mut card, today()).unwrap().read().unwrap();
    assert_eq!((before.status, before.log), (after.status, after.log));
}
