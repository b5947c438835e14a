//! Events with all they carry, and cards on which their conditions are met.

use core::num::NonZeroU16;

use xuejika_card_model::event::{Body, Opening, Outcome, OwnerKey};
use xuejika_card_model::key_load::KeyData;
use xuejika_card_model::management::key_path;
use xuejika_card_model::record::{
    ExtensionEntry, ExtensionIndex, Grant, Sector, Transfer, TransferOperation,
};
use xuejika_card_model::{Card, CardError};
use xuejika_keyscheme::slots::KeySlots;

use super::*;

/// Number of the test pupil at [`OTHER_SCHOOL`].
pub(crate) const NEW_NUMBER: &str = "0108401320903175";

/// The sector the test events open and reclaim.
pub(crate) const SECTOR: u8 = 3;

pub(crate) fn sector(index: u8) -> ExtensionIndex {
    ExtensionIndex::new(index).unwrap()
}

/// The test pupil after the transfer to [`OTHER_SCHOOL`].
pub(crate) fn pupil_taken_in() -> Pupil {
    let mut pupil = pupil();
    pupil.identity.student_number = NEW_NUMBER.parse().unwrap();
    pupil.enrolment.unit = unit(OTHER_SCHOOL);
    pupil.check().unwrap();
    pupil
}

/// What the event carries of its own.
pub(crate) fn body(event: Event) -> Body {
    match event {
        Event::PersonaliseCommit => Body::Commit { issued: true },
        Event::Register => {
            Body::Register { school_year: SchoolYear::new(2006).unwrap(), term: Term::Autumn }
        }
        Event::ExtensionOpen => Body::Open(opening(OWN_SCHOOL)),
        Event::ExtensionReclaim => Body::Reclaim(sector(SECTOR)),
        Event::TransferOut => Body::TransferOut { promotion: false, to: Some(unit(OTHER_SCHOOL)) },
        Event::TransferIn => Body::TransferIn { new_number: NEW_NUMBER.parse().unwrap() },
        _ => Body::None,
    }
}

pub(crate) fn opening(owner: &str) -> Opening {
    Opening {
        index: sector(SECTOR),
        application: NonZeroU16::new(0x1234).unwrap(),
        owner: unit(owner),
        filing: "20070001".parse().unwrap(),
    }
}

/// KA of a sector for the test card, by its owner.
pub(crate) fn application_key(index: u8, owner: &str) -> Key<CardKey> {
    let (zone, number, version) = (sector(index).zone(), KeyNumber::APPLICATION, KeyVersion::FIRST);
    let id = KeyId { zone, number, version, algorithm: Algorithm::Aes128 };
    let serial = CardId(issuance().card_serial.bytes());
    key_path(unit(owner)).derive(&test_keys::root(&id), &id, serial)
}

/// The key that comes with the opening of [`SECTOR`].
pub(crate) fn owner_key(owner: &str) -> OwnerKey {
    let key = application_key(SECTOR, owner);
    let kcv = key.kcv().bytes();
    OwnerKey { version: KeyVersion::FIRST, data: KeyData { key, kcv } }
}

/// Everything an event brings to the card.
pub(crate) fn event_data(event: Event) -> Vec<u8> {
    let mut data = request(event).emit();
    if event == Event::ExtensionOpen {
        data.extend_from_slice(&owner_key(OWN_SCHOOL).emit());
    }
    data
}

/// Executes an event under its key, with all it carries.
pub(crate) fn execute<N: Nvm>(
    card: &mut Card<N>,
    event: Event,
    of: &str,
) -> Result<Outcome, CardError> {
    carry_out(card, &request(event), of)
}

/// As [`execute`], with this request.
pub(crate) fn carry_out<N: Nvm>(
    card: &mut Card<N>,
    request: &Request,
    of: &str,
) -> Result<Outcome, CardError> {
    let key = match request.body {
        Body::Open(opening) => Some(owner_key(&opening.owner.to_string())),
        _ => None,
    };
    card.execute_with_key(request, key.as_ref(), actor(request.event.rule().key, of))
}

/// Writes the records of a cyclic file, the oldest first.
pub(crate) fn put_ring(memory: &mut [u8], file: &Ef, records: &[Vec<u8>]) {
    let used = u8::try_from(records.len()).unwrap();
    put(memory, file, &[vec![used.saturating_sub(1), used], records.concat()].concat());
}

/// An open transfer of the test pupil.
pub(crate) fn out_record(to: Option<&str>) -> Transfer {
    Transfer {
        operation: TransferOperation::OutTransfer,
        reason: Reason::TransferredOut,
        from: unit(OWN_SCHOOL),
        to: to.map(unit),
        old_number: pupil().identity.student_number,
        new_number: None,
        out_date: Date::new(2006, 9, 2).unwrap(),
        in_date: None,
        out_terminal: TerminalId([0, 0, 0, 8]),
        sequence: 1,
    }
}

/// The transfer of [`out_record`], done.
pub(crate) fn in_record() -> Transfer {
    Transfer {
        operation: TransferOperation::In,
        new_number: Some(NEW_NUMBER.parse().unwrap()),
        in_date: Some(Date::new(2006, 9, 3).unwrap()),
        ..out_record(Some(OTHER_SCHOOL))
    }
}

pub(crate) fn put_transfers(memory: &mut [u8], records: &[Transfer]) {
    let records: Vec<_> = records.iter().map(|record| record.emit().to_vec()).collect();
    put_ring(memory, file(sfi::TRANSFER), &records);
}

/// Opens a sector to an owner and leaves something in it.
pub(crate) fn put_sector(memory: &mut [u8], index: u8, owner: &str) {
    let Opening { application, owner: unit, filing, .. } = opening(owner);
    let opened = Date::new(2006, 9, 1).unwrap().try_into().unwrap();
    let grant = Grant { application, owner: unit, filing, opened };
    put_entry(memory, index, Sector::Open(grant));
    let df = tree().dfs.iter().find(|df| df.zone() == sector(index).zone()).unwrap();
    let slots = KeySlots::new(KeyVersion::FIRST, application_key(index, owner)).emit();
    let place = df.key_offset(KeyNumber::APPLICATION).unwrap();
    memory[place..place + KeySlots::LEN].copy_from_slice(&slots);
    put(memory, &df.files[0], &[0xD0 + index; 240]);
}

pub(crate) fn put_entry(memory: &mut [u8], index: u8, what: Sector) {
    let entry = ExtensionEntry { index: sector(index), sector: what };
    let place = file(sfi::DIRECTORY).offset + usize::from(index - 1) * ExtensionEntry::LEN;
    memory[place..place + ExtensionEntry::LEN].copy_from_slice(&entry.emit());
}

/// A card in this state on which the event's own condition is met.
pub(crate) fn scene(event: Event, state: LifeCycleState) -> Vec<u8> {
    use LifeCycleState as S;
    let mut memory = card_in(state);
    let mut status = status(state);
    match (state, event) {
        (S::Frozen, Event::TemporaryReturn) => status.previous = S::Active,
        (S::TransferredOut | S::Frozen, _) => {
            put_transfers(&mut memory, &[out_record(Some(OTHER_SCHOOL))]);
        }
        (S::TransferredIn, _) => {
            put_transfers(&mut memory, &[out_record(Some(OTHER_SCHOOL)), in_record()]);
            status.unit = unit(OTHER_SCHOOL);
        }
        _ => {}
    }
    status.flags.temporary = event == Event::TemporaryReturn;
    if event == Event::TransferIn {
        // The one goes, the other stays.
        put_sector(&mut memory, SECTOR, OTHER_DISTRICT);
        put_sector(&mut memory, SECTOR + 1, CITY);
        status.flags.extension_open = true;
    }
    if matches!(event, Event::ExtensionReclaim | Event::TemporaryReturn) {
        put_sector(&mut memory, SECTOR, OWN_SCHOOL);
        status.flags.extension_open = true;
    }
    put_status(&mut memory, &status);
    memory
}

/// The unit whose event this is, on the card of [`scene`].
pub(crate) fn right_unit(event: Event, state: LifeCycleState) -> &'static str {
    match (event, state) {
        (Event::Initialise, _) | (_, LifeCycleState::Blank) => CITY,
        (Event::Restock, _) | (Event::Cancel, LifeCycleState::Initialised) => OWN_DISTRICT,
        (Event::TransferIn, _) | (_, LifeCycleState::TransferredIn) => OTHER_SCHOOL,
        _ => OWN_SCHOOL,
    }
}

/// Units whose event this is not, on the card of [`scene`].
pub(crate) fn wrong_units(event: Event, state: LifeCycleState) -> &'static [&'static str] {
    use LifeCycleState as S;
    let stock = state == S::Initialised;
    match (event, event.rule().key) {
        (Event::Initialise, _) => &[OWN_SCHOOL, OWN_DISTRICT],
        (Event::Fault, _) if state == S::Blank => &[OWN_SCHOOL, OWN_DISTRICT],
        (Event::Cancel, _) if stock => &[OWN_SCHOOL, OTHER_SCHOOL],
        (Event::Restock, _) => &[OWN_SCHOOL, OTHER_DISTRICT],
        (Event::TransferIn, _) => &[OWN_SCHOOL, OWN_DISTRICT, CITY],
        (_, KeyNumber::STATUS) if stock => &[],
        (_, KeyNumber::STATUS) if state == S::TransferredIn => &[OWN_SCHOOL, OTHER_DISTRICT],
        (_, KeyNumber::STATUS) => &[OTHER_SCHOOL, OTHER_DISTRICT],
        _ if stock => &[OWN_DISTRICT, CITY],
        _ if state == S::TransferredIn => &[OWN_SCHOOL, OWN_DISTRICT, CITY],
        _ => &[OTHER_SCHOOL, OWN_DISTRICT, CITY],
    }
}
