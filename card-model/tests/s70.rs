//! Sector images (S70): the records of a card go there and back unchanged, and no flipped bit of the
//! zones goes unnoticed.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken premise fails the test"
)]

mod support;

use proptest::prelude::*;
use support::scene::{execute, in_record, out_record, put_entry, put_ring, put_transfers};
use support::{OTHER_SCHOOL, OWN_SCHOOL, card_in, file, open, put_status, status};
use xuejika_card_model::Card;
use xuejika_card_model::card::CardError;
use xuejika_card_model::date::Date;
use xuejika_card_model::file::tree::sfi;
use xuejika_card_model::lifecycle::Event;
use xuejika_card_model::nvm::RamNvm;
use xuejika_card_model::record::{
    ExtensionEntry, ExtensionIndex, LogEntry, Profile, Registration, SchoolYear, Sector, Slot,
    Term, TerminalId, Transfer, TransferOperation,
};
use xuejika_card_model::s70::{
    ACCESS, BLOCK_LEN, Contents, Extension, LEN, Place, S70Error, S70Problem, TRANSFERS,
};
use xuejika_card_model::state::LifeCycleState as S;

/// First byte of the education zone: sector 28.
const ZONE: usize = 28 * 4 * BLOCK_LEN;

fn offset(sector: u8, block: u8) -> usize {
    Place { sector, block }.offset()
}

/// A card in use with a transfer behind it, a registration, and a sector open.
fn card() -> Card<RamNvm> {
    let mut memory = card_in(S::Active);
    let out = out_record(Some(OTHER_SCHOOL));
    let withdrawn = Transfer { operation: TransferOperation::Withdrawn, ..out };
    put_transfers(&mut memory, &[out, withdrawn]);
    let mut card = open(&memory);
    execute(&mut card, Event::Register, OWN_SCHOOL).unwrap();
    execute(&mut card, Event::ExtensionOpen, OWN_SCHOOL).unwrap();
    card
}

fn contents() -> Contents {
    let mut contents = Contents::of(&card()).unwrap();
    contents.extensions[2].payload = [0xA5; 240];
    contents
}

fn problems(image: &[u8]) -> Vec<S70Error> {
    Contents::parse(image).unwrap_err().into_iter().collect()
}

#[test]
fn an_image_of_a_card_reads_back() {
    let contents = contents();
    assert_eq!(contents.issuance.profile, Profile::S70);
    assert_eq!((contents.registrations.len(), contents.transfers.len()), (1, 2));
    assert!(matches!(contents.extensions[2].sector, Sector::Open(_)));
    let image = contents.emit().unwrap();
    assert_eq!(image.len(), LEN);
    let parsed = Contents::parse(&image).unwrap();
    assert_eq!((parsed.contents, parsed.damaged_status), (contents, None));
}

#[test]
fn every_state_of_a_card_can_be_exported() {
    for state in S::ALL.iter().copied().filter(|state| *state != S::Active) {
        let contents = Contents::of(&open(&card_in(state))).unwrap();
        let parsed = Contents::parse(&contents.emit().unwrap()).unwrap();
        assert_eq!(parsed.contents, contents, "{state}");
    }
}

#[test]
fn a_flipped_bit_is_noticed() {
    let contents = contents();
    let image = contents.emit().unwrap();
    let open_payload = offset(38, 0)..offset(38, 15);
    for bit in 8 * ZONE..8 * LEN {
        let mut bad = image.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        match Contents::parse(&bad) {
            Err(_) => {}
            Ok(parsed) => {
                let other = parsed.contents != contents && open_payload.contains(&(bit / 8));
                assert!(other || parsed.damaged_status.is_some(), "byte {:03X}", bit / 8);
            }
        }
    }
}

#[test]
fn sectors_of_others_are_not_looked_at() {
    let contents = contents();
    let mut image = contents.emit().unwrap();
    assert_eq!(
        &image[offset(0, 3)..][..10],
        [[0xFF; 6].as_slice(), &[0xFF, 7, 0x80, 0x69]].concat()
    );
    image[..ZONE].fill(0x5A);
    assert_eq!(Contents::parse(&image).unwrap().contents, contents);
}

#[test]
fn errors_name_sector_block_and_field() {
    let image = contents().emit().unwrap();
    let with = |at: usize, bytes: &[u8]| {
        let mut bad = image.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        problems(&bad)
    };
    let [error] = &with(offset(32, 8), &[0])[..] else { panic!("one error") };
    assert_eq!((error.sector, error.block), (32, 11));
    let text = error.to_string();
    assert!(text.starts_with("sector 32 block 11: enrolment.crc_1 (校验码): "), "{text}");
    let place = |at, bytes: &[u8]| {
        let errors = with(at, bytes);
        (errors[0].sector, errors[0].block, errors[0].problem.clone())
    };
    assert_eq!(place(offset(31, 2), &[1]), (31, 2, S70Problem::NotEmpty));
    assert_eq!(place(offset(29, 2), &[2]), (29, 2, S70Problem::Rings));
    assert_eq!(place(offset(33, 7), &[1]), (33, 7, S70Problem::NotEmpty));
    assert_eq!(place(offset(36, 14), &[1]), (36, 14, S70Problem::NotEmpty));
    assert_eq!(place(offset(35, 15), &[0x11; 6]), (35, 15, S70Problem::Key('A')));
    let [a, b, c, _] = ACCESS;
    let access = S70Problem::Access([a, b, c, 0]);
    assert_eq!(place(offset(39, 15) + 9, &[0]), (39, 15, access));
    let index = ExtensionIndex::new(2).unwrap();
    let entry = ExtensionEntry { index, sector: Sector::Closed }.emit();
    assert_eq!(place(offset(30, 0), &entry), (30, 0, S70Problem::OtherEntry(2)));
    assert_eq!(place(offset(32, 0), &[0; 240]), (32, 0, S70Problem::NoPupil));
    assert_eq!(problems(&image[1..])[0].problem, S70Problem::Length(LEN - 1));
}

#[test]
fn one_status_copy_is_enough() {
    let contents = contents();
    for (block, slot) in [(0, Slot::A), (1, Slot::B)] {
        let mut image = contents.emit().unwrap();
        image[offset(29, block)] ^= 1;
        let parsed = Contents::parse(&image).unwrap();
        assert_eq!((parsed.contents, parsed.damaged_status), (contents.clone(), Some(slot)));
    }
}

#[test]
fn contents_that_have_no_room_are_refused() {
    let problem = |contents: &Contents| contents.emit().unwrap_err().into_iter().next().unwrap();
    let mut wrong = contents();
    wrong.issuance.profile = Profile::CpuAes;
    assert_eq!(problem(&wrong).problem, S70Problem::Profile(Profile::CpuAes));
    let mut wrong = contents();
    wrong.transfers = vec![in_record(); TRANSFERS + 1];
    assert_eq!(problem(&wrong).problem, S70Problem::TooMany { found: 6, room: 5 });
    let mut wrong = contents();
    wrong.extensions[0] = Extension { payload: [1; 240], ..Extension::CLOSED };
    assert_eq!(problem(&wrong).problem, S70Problem::NotEmpty);
}

/// The table of the card profile: what it places in a block is what an error there names.
#[test]
fn the_document_has_every_place() {
    let document = include_str!("../../docs/card-profile.md");
    let section = document.split("## 21. Sector card").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows: Vec<Vec<_>> = section
        .lines()
        .filter(|line| line.starts_with("| ") && line[2..].starts_with(char::is_numeric))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let mut contents = contents();
    contents.registrations = vec![registration(2006, Term::Autumn)];
    contents.transfers = vec![in_record()];
    let image = contents.emit().unwrap();
    let mut placed = 0;
    for row in &rows {
        let [sectors, block, what, bytes] = row[..] else { panic!("{row:?}") };
        let mut ends = sectors.split(" to ").map(|number| number.parse::<u8>().unwrap());
        let first = ends.next().unwrap();
        let (last, block) = (ends.next().unwrap_or(first), block.parse().unwrap());
        let len: usize = bytes.split(' ').next().unwrap().parse().unwrap();
        placed += len * usize::from(last - first + 1);
        let mut bad = image.clone();
        bad[offset(first, block)] ^= 0x80;
        let errors = match Contents::parse(&bad) {
            Ok(parsed) => {
                assert!(what.starts_with("status") && parsed.damaged_status == Some(Slot::A));
                continue;
            }
            Err(errors) => errors,
        };
        let error = errors.into_iter().next().unwrap();
        assert_eq!(error.sector, first, "{what}");
        let named = match &error.problem {
            S70Problem::Field(error) => error.field.record.english(),
            S70Problem::Rings => "ring",
            S70Problem::NotEmpty => "",
            other => panic!("{what}: {other}"),
        };
        assert!(what.contains(named), "{what}: {error}");
    }
    // All data blocks of sectors 28 to 39 but what is left of 29 is placed.
    assert_eq!((rows.len(), placed), (13, 4 * 48 + 8 * 240));
}

/// A sector card has four extension sectors, a processor card eight.
#[test]
fn a_card_that_uses_a_fifth_sector_cannot_be_exported() {
    let mut memory = card_in(S::Active);
    let grant = *contents().extensions[2].sector.grant().unwrap();
    put_entry(&mut memory, 5, Sector::Open(grant));
    assert_eq!(Contents::of(&open(&memory)), Err(CardError::Structure));
}

/// The newest records come along, the oldest give way.
#[test]
fn the_newest_records_are_taken_over() {
    let mut memory = card_in(S::Frozen);
    put_status(&mut memory, &status(S::Frozen));
    let records: Vec<_> = (2006..2030).map(|year| registration(year, Term::Autumn)).collect();
    let bytes: Vec<_> = records.iter().map(|record| record.emit().to_vec()).collect();
    put_ring(&mut memory, file(sfi::REGISTRATION), &bytes);
    let contents = Contents::of(&open(&memory)).unwrap();
    let newest: Vec<_> = records.into_iter().rev().take(15).collect();
    assert_eq!(contents.registrations, newest);
}

fn registration(year: u16, term: Term) -> Registration {
    Registration {
        school_year: SchoolYear::new(year).unwrap(),
        term,
        date: Date::new(year, 9, 1).unwrap(),
        unit: support::unit(OWN_SCHOOL),
        terminal: TerminalId([0, 0, 0, 9]),
    }
}

/// Turns a ring so that its newest record lies in `slot`.
fn turn(image: &mut [u8], (place, len, room): (usize, usize, usize), ring: usize, slot: u8) {
    let area = &mut image[place..place + len * room];
    area.rotate_right(len * (usize::from(slot) + 1) % (len * room));
    image[offset(29, 2) + 1 + 2 * ring] = slot;
    let block = &mut image[offset(29, 2)..][..BLOCK_LEN];
    xuejika_card_model::crc::seal(block);
}

proptest! {
    #[test]
    fn any_number_of_records_reads_back(
        registrations in 0..=15_u16,
        transfers in 0..=5_usize,
        log in 0..=15_u16,
        payload in prop::array::uniform32(any::<u8>()),
    ) {
        let mut contents = contents();
        contents.registrations =
            (0..registrations).map(|n| registration(2000 + n, Term::Spring)).collect();
        contents.transfers = vec![in_record(); transfers];
        let entry = contents.log[0];
        contents.log = (0..log).map(|counter| LogEntry { counter, ..entry }).collect();
        contents.extensions[2].payload[..32].copy_from_slice(&payload);
        let image = contents.emit().unwrap();
        prop_assert_eq!(Contents::parse(&image).unwrap().contents, contents);
    }

    /// On a card that has been in use for long, a full ring begins anywhere.
    #[test]
    fn full_rings_begin_anywhere(slots in (0..15_u8, 0..5_u8, 0..15_u8)) {
        let mut contents = contents();
        contents.registrations = (0..15).map(|n| registration(2000 + n, Term::Spring)).collect();
        contents.transfers =
            (0..5).map(|sequence| Transfer { sequence, ..in_record() }).collect();
        let entry = contents.log[0];
        contents.log = (0..15).map(|counter| LogEntry { counter, ..entry }).collect();
        let mut image = contents.emit().unwrap();
        turn(&mut image, (offset(33, 0), 16, 15), 0, slots.0);
        turn(&mut image, (offset(34, 0), 48, 5), 1, slots.1);
        turn(&mut image, (offset(35, 0), 16, 15), 2, slots.2);
        prop_assert_eq!(Contents::parse(&image).unwrap().contents, contents);
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        place in ZONE..LEN,
        bytes in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut image = contents().emit().unwrap();
        image.iter_mut().skip(place).zip(bytes).for_each(|(to, from)| *to = from);
        let _ = Contents::parse(&image);
    }
}
