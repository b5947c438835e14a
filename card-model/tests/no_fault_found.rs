//! A card was sent up as faulty and has no fault (操作规程 一/八(三)2): what becomes of it, who says
//! so, and what a fault does not undo.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a broken premise fails the test")]

mod support;

use support::scene::{
    NEW_NUMBER, carry_out, execute, in_record, out_record, pupil_taken_in, put_transfers, scene,
};
use support::{
    CITY, OTHER_DISTRICT, OTHER_SCHOOL, OWN_DISTRICT, OWN_SCHOOL, actor, card_in, committed, file,
    issuance, new_card, open, personalisation, pupil, put, put_status, request, status, unit,
};
use xuejika_card_model::event::Condition;
use xuejika_card_model::file::tree::sfi;
use xuejika_card_model::lifecycle::Event;
use xuejika_card_model::nvm::{Nvm, RamNvm};
use xuejika_card_model::pupil::Pupil;
use xuejika_card_model::record::{Status, StatusFlags};
use xuejika_card_model::state::LifeCycleState as S;
use xuejika_card_model::{Card, CardError};
use xuejika_keyscheme::KeyNumber;

fn current(card: &Card<RamNvm>) -> Status {
    card.status().unwrap().current
}

fn write(card: &mut Card<RamNvm>, pupil: &Pupil, of: &str) -> Result<(), CardError> {
    let actor = Some(actor(KeyNumber::PERSONALISE, of));
    card.update(file(sfi::IDENTITY), 0, &pupil.identity.emit(), actor)?;
    card.update(file(sfi::ENROLMENT), 0, &pupil.enrolment.emit(), actor)
}

/// Marks the card as faulty and finds no fault.
fn sent_up_and_down(card: &mut Card<RamNvm>, by: &str) {
    execute(card, Event::Fault, by).unwrap();
    execute(card, Event::Restock, OWN_DISTRICT).unwrap();
}

#[test]
fn a_card_without_a_fault_is_what_it_was() {
    for (state, by) in [
        (S::Initialised, OTHER_SCHOOL),
        (S::Active, OWN_SCHOOL),
        (S::TransferredOut, OWN_SCHOOL),
        (S::TransferredIn, OTHER_SCHOOL),
        (S::Recalled, OWN_SCHOOL),
    ] {
        let mut card = open(&scene(Event::Freeze, state));
        let before = committed(&card);
        sent_up_and_down(&mut card, by);
        assert_eq!(card.state(), Ok(state));
        assert_eq!(card.issuance(), Ok(issuance()), "generations count recalls");
        let after = committed(&card);
        let kept =
            [file(sfi::STATUS), file(sfi::LOG)].map(|f| f.offset..f.offset + f.structure.storage());
        let changed = |at: &usize| before[*at] != after[*at];
        let strays = (0..before.len()).filter(changed);
        assert!(strays.into_iter().all(|at| kept.iter().any(|range| range.contains(&at))));
    }
    // Whose it was, it is again.
    let mut card = open(&card_in(S::Active));
    sent_up_and_down(&mut card, OWN_SCHOOL);
    execute(&mut card, Event::Register, OWN_SCHOOL).unwrap();
    let mut recalled = open(&card_in(S::Recalled));
    sent_up_and_down(&mut recalled, OWN_SCHOOL);
    execute(&mut recalled, Event::Restock, OWN_DISTRICT).unwrap();
    assert_eq!(recalled.issuance().unwrap().generation, 1);
}

#[test]
fn a_district_that_covers_the_unit_that_found_the_fault_says_so_or_the_city() {
    let marked = |memory: &[u8], by: &str, of: &str| {
        let mut card = open(memory);
        execute(&mut card, Event::Fault, by).unwrap();
        // Noting it again takes nothing over.
        let _ = execute(&mut card, Event::Fault, OWN_SCHOOL);
        execute(&mut card, Event::Restock, of).map(drop)
    };
    let no = Err(CardError::ForeignUnit);
    for memory in [card_in(S::Active), new_card()] {
        for (by, inspectors) in [
            (OWN_SCHOOL, &[OWN_DISTRICT, CITY][..]),
            (OWN_DISTRICT, &[OWN_DISTRICT, CITY]),
            (CITY, &[CITY]),
        ] {
            for of in [OWN_SCHOOL, OTHER_SCHOOL, OWN_DISTRICT, OTHER_DISTRICT, CITY] {
                let expected = if inspectors.contains(&of) { Ok(()) } else { no.clone() };
                assert_eq!(marked(&memory, by, of), expected, "fault by {by}, restock by {of}");
            }
        }
    }
    let blank = card_in(S::Blank);
    assert_eq!(marked(&blank, CITY, OWN_DISTRICT), no);
    assert_eq!(marked(&blank, CITY, CITY), Ok(()));
}

/// A fault is no way around a freeze, and none back from the end.
#[test]
fn a_fault_undoes_neither_freeze_nor_cancellation() {
    let mut frozen = open(&card_in(S::Active));
    execute(&mut frozen, Event::Freeze, CITY).unwrap();
    execute(&mut frozen, Event::Fault, OWN_SCHOOL).unwrap();
    for of in [OWN_DISTRICT, CITY] {
        let before = frozen.nvm().bytes().to_vec();
        let no_way = CardError::Condition(Condition::NoWayBack);
        assert_eq!(execute(&mut frozen, Event::Restock, of), Err(no_way), "{of}");
        assert!(frozen.nvm().bytes() == before);
    }
    for event in [Event::Freeze, Event::Unfreeze, Event::Recall, Event::TemporaryReturn] {
        assert!(execute(&mut frozen, event, CITY).is_err(), "{}", event.rule().name);
    }
    execute(&mut frozen, Event::Replace, OWN_SCHOOL).unwrap();

    let mut cancelled = open(&card_in(S::Cancelled));
    execute(&mut cancelled, Event::Fault, OWN_SCHOOL).unwrap();
    assert_eq!(cancelled.state(), Ok(S::Cancelled));
    assert!(matches!(execute(&mut cancelled, Event::Restock, CITY), Err(CardError::Event(_))));

    // What stands under a fault that no event has made.
    for previous in [S::Cancelled, S::Fault, S::Frozen] {
        let mut memory = card_in(S::Fault);
        put_status(&mut memory, &Status { previous, ..status(S::Fault) });
        let no_way = CardError::Condition(Condition::NoWayBack);
        assert_eq!(execute(&mut open(&memory), Event::Restock, CITY), Err(no_way), "{previous}");
    }
}

/// 个人化失败: nothing was committed, so the card is of the stock, and nothing half written is left.
#[test]
fn a_first_personalising_that_failed_leaves_a_card_of_the_stock() {
    for begin in [Event::PersonaliseBegin, Event::TemporaryIssue] {
        let mut card = open(&new_card());
        execute(&mut card, begin, OWN_SCHOOL).unwrap();
        write(&mut card, &pupil(), OWN_SCHOOL).unwrap();
        sent_up_and_down(&mut card, OWN_SCHOOL);
        assert_eq!(card.state(), Ok(S::Initialised));
        assert_eq!(current(&card).flags, StatusFlags::default());
        assert_eq!(card.issuance(), Ok(issuance()));
        let name = &pupil().identity.emit()[16..22];
        assert!(!card.nvm().bytes().windows(6).any(|window| window == name));
        // Any school takes it, for an ordinary pupil.
        execute(&mut card, Event::PersonaliseBegin, OTHER_SCHOOL).unwrap();
        write(&mut card, &pupil_taken_in(), OTHER_SCHOOL).unwrap();
        execute(&mut card, Event::PersonaliseCommit, OTHER_SCHOOL).unwrap();
        assert!(!current(&card).flags.temporary);
    }
}

/// A correction that failed stays one: of this pupil, by this school.
#[test]
fn a_correction_goes_on_after_a_fault() {
    let mut memory = card_in(S::Active);
    let withdrawn = xuejika_card_model::record::Transfer {
        operation: xuejika_card_model::record::TransferOperation::Withdrawn,
        ..out_record(None)
    };
    for transfers in [&[][..], &[out_record(None), withdrawn]] {
        put_transfers(&mut memory, transfers);
        let mut card = open(&memory);
        execute(&mut card, Event::PersonaliseBegin, OWN_SCHOOL).unwrap();
        let mut corrected = pupil();
        corrected.identity.name = "王晓明".parse().unwrap();
        write(&mut card, &corrected, OWN_SCHOOL).unwrap();
        sent_up_and_down(&mut card, OWN_SCHOOL);
        assert_eq!((card.state(), current(&card).previous), (Ok(S::Personalising), S::Active));
        let mut other = pupil();
        other.identity.student_number = "0108401220903183".parse().unwrap();
        let error = write(&mut card, &other, OWN_SCHOOL).unwrap_err();
        assert_eq!(error, CardError::Condition(Condition::OtherPupil));
        for of in [OTHER_SCHOOL, OWN_DISTRICT] {
            assert_eq!(write(&mut card, &corrected, of), Err(CardError::ForeignUnit), "{of}");
            let begun = execute(&mut card, Event::PersonaliseBegin, of);
            assert_eq!(begun, Err(CardError::ForeignUnit), "{of}");
        }
        execute(&mut card, Event::PersonaliseCommit, OWN_SCHOOL).unwrap();
        assert_eq!(card.pupil(), Ok(corrected));
    }
}

#[test]
fn a_pupil_taken_in_keeps_the_number_of_the_transfer_after_a_fault() {
    let whole = pupil_taken_in();
    let mut wrong = whole;
    wrong.identity.student_number = "0108401320903183".parse().unwrap();
    for written in [None, Some(&wrong), Some(&whole)] {
        let mut memory = card_in(S::TransferredIn);
        put_transfers(&mut memory, &[out_record(Some(OTHER_SCHOOL)), in_record()]);
        let mut card = open(&memory);
        execute(&mut card, Event::PersonaliseBegin, OTHER_SCHOOL).unwrap();
        if let Some(pupil) = written {
            write(&mut card, pupil, OTHER_SCHOOL).unwrap();
        }
        sent_up_and_down(&mut card, OTHER_SCHOOL);
        assert_eq!(card.state(), Ok(S::Personalising));
        let refused = write(&mut card, &wrong, OTHER_SCHOOL)
            .and_then(|()| execute(&mut card, Event::PersonaliseCommit, OTHER_SCHOOL));
        assert_eq!(refused, Err(CardError::Condition(Condition::OtherPupil)));
        write(&mut card, &whole, OTHER_SCHOOL).unwrap();
        execute(&mut card, Event::PersonaliseCommit, OTHER_SCHOOL).unwrap();
        assert_eq!(card.pupil().unwrap().identity.student_number.to_string(), NEW_NUMBER);
    }
}

/// What a school writes into EF 07 and EF 08 gives the card to nobody before it is committed.
#[test]
fn half_written_data_name_no_owner() {
    for end in [Event::Fault, Event::Cancel] {
        let mut card = open(&new_card());
        execute(&mut card, Event::PersonaliseBegin, OWN_SCHOOL).unwrap();
        write(&mut card, &pupil_taken_in(), OWN_SCHOOL).unwrap();
        assert_eq!(execute(&mut card, Event::Cancel, OTHER_SCHOOL), Err(CardError::ForeignUnit));
        execute(&mut card, end, OWN_SCHOOL).unwrap();
        for (of, allowed) in [(OTHER_SCHOOL, false), (OTHER_DISTRICT, false), (OWN_SCHOOL, true)] {
            let done = execute(&mut card, Event::Replace, of).is_ok();
            assert_eq!(done, allowed, "replace by {of} after {}", end.rule().name);
        }
    }
    // A correction that names another school leaves the card with its own.
    let mut card = open(&card_in(S::Active));
    execute(&mut card, Event::PersonaliseBegin, OWN_SCHOOL).unwrap();
    let enrolment = pupil_taken_in().enrolment.emit();
    let school = Some(actor(KeyNumber::PERSONALISE, OWN_SCHOOL));
    card.update(file(sfi::ENROLMENT), 0, &enrolment, school).unwrap();
    let moved = carry_out(&mut card, &request(Event::PersonaliseCommit), OWN_SCHOOL);
    assert!(matches!(moved, Err(CardError::Records(_))));
    execute(&mut card, Event::Fault, OWN_DISTRICT).unwrap();
    assert_eq!(execute(&mut card, Event::Replace, OTHER_SCHOOL), Err(CardError::ForeignUnit));
    execute(&mut card, Event::Replace, OWN_SCHOOL).unwrap();
    assert_eq!(current(&card).unit, unit(OWN_SCHOOL));

    // The commit of another school is what counts, not the name in a file.
    let mut memory = card_in(S::Active);
    put(&mut memory, file(sfi::PERSONALISATION), &personalisation(OTHER_SCHOOL).emit());
    let frozen = execute(&mut open(&memory), Event::Freeze, OWN_SCHOOL);
    assert_eq!(frozen, Err(CardError::ForeignUnit));
}
