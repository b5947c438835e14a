//! Extension sectors: opened to one owner with its own key, used by that owner alone, reclaimed
//! without a trace.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken premise fails the test"
)]

mod support;

use support::scene::{
    SECTOR, application_key, carry_out, execute, opening, out_record, owner_key, put_entry,
    put_sector, put_transfers, scene, sector,
};
use support::{
    CITY, OTHER_DISTRICT, OTHER_SCHOOL, OWN_DISTRICT, OWN_SCHOOL, actor, card_in, file, issuance,
    open, put, put_status, request, status, tree, unit,
};
use xuejika_card_model::card::Denied;
use xuejika_card_model::date::Date;
use xuejika_card_model::event::{Body, Condition, Opening, OwnerKey, Request};
use xuejika_card_model::file::tree::sfi;
use xuejika_card_model::file::{Caller, Df, Ef};
use xuejika_card_model::lifecycle::{Event, STATES};
use xuejika_card_model::nvm::{Nvm, RamNvm};
use xuejika_card_model::record::{ExtensionEntry, ExtensionIndex, Grant, Issuance, Sector};
use xuejika_card_model::state::LifeCycleState as S;
use xuejika_card_model::{Card, CardError};
use xuejika_keyscheme::key::Key;
use xuejika_keyscheme::{Algorithm, KeyNumber};

fn df(index: u8) -> &'static Df {
    tree().dfs.iter().find(|df| df.zone() == sector(index).zone()).unwrap()
}

fn contents(index: u8) -> &'static Ef {
    df(index).by_sfi(sfi::ONLY).unwrap()
}

fn entry(card: &Card<RamNvm>, index: u8) -> ExtensionEntry {
    let record = card.record(file(sfi::DIRECTORY), index, Some(KeyNumber::READ)).unwrap();
    ExtensionEntry::parse(record).unwrap()
}

fn application(of: &str) -> Caller {
    Caller::Peer(actor(KeyNumber::APPLICATION, of))
}

fn open_for(index: u8, owner: &str) -> Request {
    let opening = Opening { index: sector(index), ..opening(owner) };
    Request { body: Body::Open(opening), ..request(Event::ExtensionOpen) }
}

fn reclaim(index: u8) -> Request {
    Request { body: Body::Reclaim(sector(index)), ..request(Event::ExtensionReclaim) }
}

fn refused(
    card: &mut Card<RamNvm>,
    request: &Request,
    key: Option<&OwnerKey>,
    of: &str,
) -> CardError {
    let before = card.nvm().bytes().to_vec();
    let actor = actor(KeyNumber::EXTENSION, of);
    let error = card.execute_with_key(request, key, actor).unwrap_err();
    assert!(card.nvm().bytes() == before, "{} wrote and failed", request.event.rule().name);
    error
}

#[test]
fn opening_grants_one_sector_and_loads_its_owners_key() {
    for (index, owner) in [(1, OWN_SCHOOL), (SECTOR, OWN_DISTRICT), (8, CITY)] {
        let mut card = open(&card_in(S::Active));
        carry_out(&mut card, &open_for(index, owner), OWN_SCHOOL).unwrap();
        let Opening { application, owner: unit, filing, .. } = opening(owner);
        let opened = request(Event::ExtensionOpen).date.try_into().unwrap();
        let grant = Grant { application, owner: unit, filing, opened };
        for other in 1..=ExtensionIndex::MAX {
            let expected = if other == index { Sector::Open(grant) } else { Sector::Closed };
            assert_eq!(entry(&card, other).sector, expected);
            let slots = card.key_slots(df(other), KeyNumber::APPLICATION).unwrap();
            assert_eq!(slots.is_some(), other == index);
        }
        assert!(card.status().unwrap().current.flags.extension_open);
    }
}

/// The directory is the application's permission: without a filing number there is none.
#[test]
fn opening_needs_an_application_a_filing_number_and_a_sector_that_exists() {
    let data = request(Event::ExtensionOpen).emit();
    let body = Request::HEADER_LEN;
    let with = |range: core::ops::Range<usize>, bytes: &[u8]| {
        let mut data = data.clone();
        data[range].copy_from_slice(bytes);
        Request::parse(Event::ExtensionOpen, &data)
    };
    assert!(Request::parse(Event::ExtensionOpen, &data).is_ok());
    let wrong = Err(CardError::EventData);
    assert_eq!(with(body..body + 1, &[0]), wrong);
    assert_eq!(with(body..body + 1, &[9]), wrong);
    assert_eq!(with(body + 1..body + 3, &[0, 0]), wrong);
    assert_eq!(with(body + 3..body + 6, &[0x99, 0, 0]), wrong);
    assert_eq!(with(body + 6..body + 10, &[0, 0, 0, 0]), wrong);
    assert_eq!(with(body + 6..body + 10, &[0, 0, 0, 0x0A]), wrong);
}

#[test]
fn a_school_opens_for_itself_its_district_or_the_city() {
    let mut card = open(&card_in(S::Active));
    for owner in [OTHER_SCHOOL, OTHER_DISTRICT] {
        let error = refused(&mut card, &open_for(1, owner), Some(&owner_key(owner)), OWN_SCHOOL);
        assert_eq!(error, CardError::ForeignUnit, "{owner}");
    }
}

#[test]
fn opening_checks_the_key_it_loads() {
    let mut card = open(&card_in(S::Active));
    let request = open_for(SECTOR, OWN_SCHOOL);
    assert_eq!(refused(&mut card, &request, None, OWN_SCHOOL), CardError::EventData);
    let mut torn = owner_key(OWN_SCHOOL);
    torn.data.kcv[2] ^= 1;
    assert_eq!(refused(&mut card, &request, Some(&torn), OWN_SCHOOL), CardError::KeyCheck);
    let mut foreign = owner_key(OWN_SCHOOL);
    foreign.data.key = Key::new(Algorithm::Sm4, [7; 16]);
    foreign.data.kcv = foreign.data.key.kcv().bytes();
    assert_eq!(refused(&mut card, &request, Some(&foreign), OWN_SCHOOL), CardError::EventData);
    // The directory has short dates.
    let mut old = card_in(S::Active);
    let init_date = Date::new(1999, 7, 1).unwrap();
    put(&mut old, file(sfi::ISSUANCE), &Issuance { init_date, ..issuance() }.emit());
    let mut card = open(&old);
    let early = Request { date: Date::new(1999, 12, 31).unwrap(), ..request };
    let error = refused(&mut card, &early, Some(&owner_key(OWN_SCHOOL)), OWN_SCHOOL);
    assert_eq!(error, CardError::EventData);
}

#[test]
fn a_sector_is_opened_once_and_reclaimed_once() {
    let mut card = open(&card_in(S::Active));
    let (first, key) = (open_for(SECTOR, OWN_SCHOOL), owner_key(OWN_SCHOOL));
    carry_out(&mut card, &first, OWN_SCHOOL).unwrap();
    let error = refused(&mut card, &open_for(SECTOR, CITY), Some(&key), OWN_SCHOOL);
    assert_eq!(error, CardError::Condition(Condition::SectorInUse));
    carry_out(&mut card, &reclaim(SECTOR), OWN_SCHOOL).unwrap();
    let error = refused(&mut card, &reclaim(SECTOR), None, OWN_SCHOOL);
    assert_eq!(error, CardError::Condition(Condition::SectorClosed));
    // Closed, it is as it was at delivery and can be opened again.
    assert_eq!(card.key_slots(df(SECTOR), KeyNumber::APPLICATION), Ok(None));
    carry_out(&mut card, &open_for(SECTOR, CITY), OWN_SCHOOL).unwrap();
}

#[test]
fn the_flag_says_whether_any_sector_is_open() {
    let mut card = open(&card_in(S::Active));
    let flag = |card: &Card<RamNvm>| card.status().unwrap().current.flags.extension_open;
    for index in [2, 5] {
        carry_out(&mut card, &open_for(index, CITY), OWN_SCHOOL).unwrap();
    }
    carry_out(&mut card, &reclaim(2), OWN_SCHOOL).unwrap();
    assert!(flag(&card));
    carry_out(&mut card, &reclaim(5), OWN_SCHOOL).unwrap();
    assert!(!flag(&card));
}

#[test]
fn reclaiming_leaves_neither_contents_nor_key() {
    for state in [S::Active, S::TransferredOut, S::Frozen] {
        let mut memory = scene(Event::ExtensionReclaim, state);
        put_sector(&mut memory, 8, CITY);
        let mut card = open(&memory);
        if state == S::Active {
            // What the application writes goes through the journal.
            let owner = Some(actor(KeyNumber::APPLICATION, OWN_SCHOOL));
            card.update(contents(SECTOR), 0, &[0xEE; 240], owner).unwrap();
        }
        execute(&mut card, Event::ExtensionReclaim, OWN_SCHOOL).unwrap();
        let bytes = card.nvm().bytes();
        for left in [&[0xEE; 16][..], &[0xD3; 16], application_key(SECTOR, OWN_SCHOOL).expose()] {
            assert!(!bytes.windows(left.len()).any(|window| window == left), "{left:02X?}");
        }
        // Its neighbour is untouched.
        assert!(matches!(entry(&card, 8).sector, Sector::Open(_)));
        let place = contents(8).offset;
        assert_eq!(bytes[place..place + 240], [0xD8; 240]);
    }
}

/// A card without a journal stops half way; this one takes such an image up and ends it.
#[test]
fn an_interrupted_reclaim_is_no_longer_the_applications_and_is_completed() {
    let mut memory = scene(Event::ExtensionReclaim, S::Active);
    let Sector::Open(grant) = entry(&open(&memory), SECTOR).sector else { panic!() };
    put_entry(&mut memory, SECTOR, Sector::Reclaiming(grant));
    let mut card = open(&memory);
    let (file, owner) = (contents(SECTOR), actor(KeyNumber::APPLICATION, OWN_SCHOOL));
    let denied = CardError::Denied(Denied::State);
    assert_eq!(card.read(file, application(OWN_SCHOOL)).unwrap_err(), denied);
    assert_eq!(card.update(file, 0, &[1], Some(owner)), Err(denied));
    let open = open_for(SECTOR, OWN_SCHOOL);
    let error = refused(&mut card, &open, Some(&owner_key(OWN_SCHOOL)), OWN_SCHOOL);
    assert_eq!(error, CardError::Condition(Condition::SectorInUse));
    execute(&mut card, Event::ExtensionReclaim, OWN_SCHOOL).unwrap();
    assert_eq!(entry(&card, SECTOR).sector, Sector::Closed);
    assert!(!card.status().unwrap().current.flags.extension_open);
}

/// A pupil carries no other district's application away: what the new school has no part in is wiped
/// when it takes the pupil in, in the same commit.
#[test]
fn a_transfer_in_wipes_the_sectors_that_the_new_school_has_no_part_in() {
    for (gone, stays) in [(&[2, 8][..], &[5][..]), (&[2], &[]), (&[], &[5]), (&[], &[])] {
        let mut memory = card_in(S::TransferredOut);
        put_transfers(&mut memory, &[out_record(Some(OTHER_SCHOOL))]);
        for &index in gone {
            put_sector(&mut memory, index, OTHER_DISTRICT);
        }
        for &index in stays {
            put_sector(&mut memory, index, OWN_DISTRICT);
        }
        let mut start = status(S::TransferredOut);
        start.flags.extension_open = true;
        put_status(&mut memory, &start);
        // What an application wrote may have gone through the journal.
        let end = memory.len();
        memory[end - 40..].fill(0xD2);
        let mut card = open(&memory);
        execute(&mut card, Event::TransferIn, OTHER_SCHOOL).unwrap();
        let bytes = card.nvm().bytes();
        for &index in gone {
            assert_eq!(entry(&card, index).sector, Sector::Closed);
            assert_eq!(card.key_slots(df(index), KeyNumber::APPLICATION), Ok(None));
            let key = *application_key(index, OTHER_DISTRICT).expose();
            for left in [&[0xD0 + index; 16][..], &key] {
                assert!(!bytes.windows(16).any(|window| window == left), "sector {index}");
            }
        }
        for &index in stays {
            assert!(matches!(entry(&card, index).sector, Sector::Open(_)));
            assert!(card.read(contents(index), application(OTHER_SCHOOL)).is_ok());
        }
        let flag = card.status().unwrap().current.flags.extension_open;
        assert_eq!(flag, !stays.is_empty());
    }
    // A sector whose owner cannot be read goes as well.
    let mut memory = card_in(S::TransferredOut);
    put_transfers(&mut memory, &[out_record(Some(OTHER_SCHOOL))]);
    put_sector(&mut memory, SECTOR, CITY);
    memory[file(sfi::DIRECTORY).offset + usize::from(SECTOR - 1) * ExtensionEntry::LEN + 3] ^= 1;
    let mut card = open(&memory);
    execute(&mut card, Event::TransferIn, OTHER_SCHOOL).unwrap();
    assert_eq!(entry(&card, SECTOR).sector, Sector::Closed);
}

#[test]
fn a_sector_is_read_by_the_units_of_its_owner_and_written_by_the_owner() {
    let all = [OWN_SCHOOL, OTHER_SCHOOL, OWN_DISTRICT, OTHER_DISTRICT, CITY];
    for (owner, readers) in [
        (OWN_SCHOOL, &[OWN_SCHOOL][..]),
        (OWN_DISTRICT, &[OWN_SCHOOL, OTHER_SCHOOL, OWN_DISTRICT]),
        (CITY, &all),
    ] {
        let mut memory = card_in(S::Active);
        put_sector(&mut memory, SECTOR, owner);
        for of in all {
            let mut card = open(&memory);
            let read = card.read(contents(SECTOR), application(of)).map(<[u8]>::to_vec);
            let actor = Some(actor(KeyNumber::APPLICATION, of));
            let written = card.update(contents(SECTOR), 239, &[7], actor);
            let what = format!("{of} in a sector of {owner}");
            let right = |holds| if holds { Ok(()) } else { Err(CardError::ForeignUnit) };
            assert_eq!(read.map(drop), right(readers.contains(&of)), "{what}");
            assert_eq!(written, right(of == owner), "{what}");
            assert_eq!(card.nvm().bytes() == memory, of != owner, "{what}");
        }
    }
}

#[test]
fn only_the_owners_key_opens_a_sector_and_only_in_some_states() {
    let mut memory = card_in(S::Active);
    put_sector(&mut memory, SECTOR, OWN_SCHOOL);
    let card = open(&memory);
    for number in (0..=0xFF).map(KeyNumber).filter(|&number| number != KeyNumber::APPLICATION) {
        let peer = Caller::Peer(actor(number, OWN_SCHOOL));
        let denied = card.read(contents(SECTOR), peer);
        assert_eq!(denied, Err(CardError::Denied(Denied::Security)));
    }
    // Who it is must be known, not only that it has the key.
    for caller in [Caller::Unproven, Caller::Key(KeyNumber::APPLICATION)] {
        let denied = card.read(contents(SECTOR), caller);
        assert_eq!(denied, Err(CardError::Denied(Denied::Security)));
    }
    // A closed sector has no owner, whoever holds its key.
    let denied = card.read(contents(1), application(OWN_SCHOOL));
    assert_eq!(denied, Err(CardError::Denied(Denied::State)));

    for state in STATES {
        let mut memory = card_in(state);
        put_sector(&mut memory, SECTOR, OWN_SCHOOL);
        let mut card = open(&memory);
        let reads = matches!(state, S::Active | S::TransferredOut | S::TransferredIn);
        assert_eq!(card.read(contents(SECTOR), application(OWN_SCHOOL)).is_ok(), reads);
        let actor = Some(actor(KeyNumber::APPLICATION, OWN_SCHOOL));
        let written = card.update(contents(SECTOR), 0, &[1], actor);
        assert_eq!(written.is_ok(), state == S::Active);
    }
    assert_eq!(unit(OWN_SCHOOL), opening(OWN_SCHOOL).owner);
}
