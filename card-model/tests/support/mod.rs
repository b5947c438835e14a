//! Cards under the published test keys in any state of their life, and what can be done to them.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "each test program uses its own part; a broken premise fails the test"
)]

pub(crate) mod scene;

use core::num::NonZeroU8;

use xuejika_card_model::bcd::Digits;
use xuejika_card_model::code::Reason;
use xuejika_card_model::date::{Date, Time};
use xuejika_card_model::event::{Actor, Request};
use xuejika_card_model::file::tree::{CardKind, Tree, sfi};
use xuejika_card_model::file::{Df, Ef, KeySet};
use xuejika_card_model::ident::UnitCode;
use xuejika_card_model::lifecycle::Event;
use xuejika_card_model::management::{Authorisation, Role, SamSerial};
use xuejika_card_model::nvm::{Nvm, RamNvm};
use xuejika_card_model::pupil::{Pupil, PupilDraft};
use xuejika_card_model::record::{
    CardType, Issuance, Personalisation, Profile, SchoolYear, Status, StatusFlags, Term, TerminalId,
};
use xuejika_card_model::state::LifeCycleState;
use xuejika_card_model::wallet::{WalletKeys, WalletSetup};
use xuejika_card_model::{Card, factory};
use xuejika_keyscheme::auth::CardId;
use xuejika_keyscheme::key::{Card as CardKey, Key};
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, test_keys};

/// The school of the test pupil.
pub(crate) const OWN_SCHOOL: &str = "084012";
/// Another school of the same district.
pub(crate) const OTHER_SCHOOL: &str = "084013";
/// The district of both.
pub(crate) const OWN_DISTRICT: &str = "080000";
/// Another district.
pub(crate) const OTHER_DISTRICT: &str = "050000";
/// The whole city.
pub(crate) const CITY: &str = "000000";

pub(crate) fn unit(text: &str) -> UnitCode {
    text.parse().unwrap()
}

/// SAM number 42 of a unit.
pub(crate) fn actor(key: KeyNumber, of: &str) -> Actor {
    let number = Digits::new(42).unwrap();
    Actor { key, reader: SamSerial { unit: unit(of), number }.reader() }
}

pub(crate) fn tree() -> &'static Tree {
    CardKind::Student.tree()
}

pub(crate) fn education() -> &'static Df {
    tree().education().unwrap()
}

pub(crate) fn file(sfi: u8) -> &'static Ef {
    education().by_sfi(sfi).unwrap()
}

pub(crate) fn key(id: &KeyId, serial: CardId) -> Key<CardKey> {
    test_keys::root(id).card(id, serial)
}

pub(crate) fn issuance() -> Issuance {
    let card_serial = "1100070100000017".parse().unwrap();
    Issuance {
        card_serial,
        card_type: CardType::Test,
        profile: Profile::CpuAes,
        vendor: Digits::new(card_serial.vendor().into()).unwrap(),
        key_set_version: NonZeroU8::MIN,
        init_date: Date::new(2006, 7, 1).unwrap(),
        batch: Digits::new(1).unwrap(),
        site: [0, 1],
        generation: 0,
        valid_from: Date::new(2006, 9, 1).unwrap(),
        valid_until: Date::new(2018, 8, 31).unwrap(),
    }
}

/// An empty wallet that was never opened.
pub(crate) fn wallet(issuance: &Issuance) -> WalletSetup {
    WalletSetup::new(WalletKeys::test(factory::transit_number(issuance)))
}

/// A new card, in state "initialised".
pub(crate) fn new_card() -> Vec<u8> {
    let issuance = issuance();
    let serial = CardId(issuance.card_serial.bytes());
    factory::student(&issuance, [4; 7], |id| key(id, serial), &wallet(&issuance)).unwrap()
}

pub(crate) fn management_card() -> Vec<u8> {
    let authorisation = Authorisation {
        role: Role::School,
        unit: unit(OWN_SCHOOL),
        key_set: 1,
        valid_until: Date::new(2009, 8, 31).unwrap(),
        permitted: KeySet::of(&KeyNumber::EDUCATION),
        floor: [1; 8],
        secret: [7; 16].into(),
    };
    let serial = CardId([0x90, 0, 8, 0x40, 0x12, 0, 0, 1]);
    factory::management(Algorithm::Aes128, serial, [4; 7], &authorisation, |id| key(id, serial))
}

pub(crate) fn pupil() -> Pupil {
    let text = |text: &str| Some(text.into());
    PupilDraft {
        student_number: text("0108401220903175"),
        record_type: text("formal"),
        sex: text("女"),
        birth_date: text("1990-12-31"),
        name: text("王小明"),
        school_name: text("北京市第一中学"),
        grade: text("10"),
        schooling_years: text("3"),
        entry_date: text("2006-09-01"),
        valid_until: text("2009-08-31"),
        boarding: text("1"),
        entry_mode: text("21"),
        enrolment_state: text("0"),
        ..PupilDraft::default()
    }
    .build()
    .unwrap()
}

pub(crate) fn status(state: LifeCycleState) -> Status {
    let previous = match state {
        LifeCycleState::Frozen => LifeCycleState::TransferredOut,
        LifeCycleState::Fault => LifeCycleState::Active,
        _ => LifeCycleState::Initialised,
    };
    Status {
        state,
        previous,
        flags: StatusFlags::default(),
        counter: 0xFFFE,
        date: Date::new(2006, 9, 1).unwrap(),
        unit: unit(OWN_SCHOOL),
        reason: None,
    }
}

/// Overwrites the start of a file, without asking anyone.
pub(crate) fn put(memory: &mut [u8], file: &Ef, bytes: &[u8]) {
    memory[file.offset..file.offset + bytes.len()].copy_from_slice(bytes);
}

/// Puts a card into a state by writing a sealed status record.
pub(crate) fn put_status(memory: &mut [u8], status: &Status) {
    let older = Status { counter: status.counter.wrapping_sub(1), ..*status };
    put(memory, file(sfi::STATUS), &[older.emit(), status.emit()].concat());
}

pub(crate) fn put_pupil(memory: &mut [u8], pupil: &Pupil) {
    put(memory, file(sfi::IDENTITY), &pupil.identity.emit());
    put(memory, file(sfi::ENROLMENT), &pupil.enrolment.emit());
}

/// The commit of the pupil at this school.
pub(crate) fn personalisation(of: &str) -> Personalisation {
    Personalisation {
        count: 1,
        date: Date::new(2006, 9, 1).unwrap(),
        unit: unit(of),
        terminal: TerminalId([0, 0, 0, 9]),
        issued: true,
    }
}

/// A card in this state, with a pupil where the state has one. While a school is personalising it,
/// nothing has been committed yet.
pub(crate) fn card_in(state: LifeCycleState) -> Vec<u8> {
    use LifeCycleState::{Blank, Initialised, Personalising, Recalled};
    let mut memory = new_card();
    if !matches!(state, Blank | Initialised | Recalled) {
        put_pupil(&mut memory, &pupil());
    }
    if !matches!(state, Blank | Initialised | Recalled | Personalising) {
        put(&mut memory, file(sfi::PERSONALISATION), &personalisation(OWN_SCHOOL).emit());
    }
    put_status(&mut memory, &status(state));
    memory
}

pub(crate) fn open(memory: &[u8]) -> Card<RamNvm> {
    Card::open(RamNvm::new(memory.to_vec())).unwrap()
}

/// Everything but the journal.
pub(crate) fn committed<N: Nvm>(card: &Card<N>) -> Vec<u8> {
    card.nvm().bytes()[..card.tree().journal].to_vec()
}

pub(crate) fn request(event: Event) -> Request {
    Request {
        event,
        date: Date::new(2006, 9, 4).unwrap(),
        time: Time::new(9, 30, 0).unwrap(),
        terminal: TerminalId([0, 0, 0, 9]),
        reason: None,
        body: scene::body(event),
    }
}
