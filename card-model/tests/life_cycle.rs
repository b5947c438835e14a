//! The life of a card: what each event does in each state, under which key, for whom, and that a
//! refusal changes nothing.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken premise fails the test"
)]

mod support;

use support::scene::{carry_out, execute, in_record, out_record, put_transfers, right_unit, scene};
use support::{
    CITY, OTHER_DISTRICT, OTHER_SCHOOL, OWN_DISTRICT, OWN_SCHOOL, actor, card_in, committed, file,
    new_card, open, pupil, put, put_pupil, put_status, request, status, tree, unit,
};
use xuejika_card_model::card::Denied;
use xuejika_card_model::code::Reason;
use xuejika_card_model::date::Date;
use xuejika_card_model::event::{Actor, Body, Outcome, Request};
use xuejika_card_model::file::Df;
use xuejika_card_model::file::tree::sfi;
use xuejika_card_model::lifecycle::{Event, STATES, TABLE, Transition};
use xuejika_card_model::nvm::{Nvm, RamNvm};
use xuejika_card_model::pupil::Pupil;
use xuejika_card_model::record::{LogEntry, Personalisation, Registration, Status};
use xuejika_card_model::state::LifeCycleState;
use xuejika_card_model::{Card, CardError};
use xuejika_keyscheme::KeyNumber;
use xuejika_keyscheme::auth::ReaderId;
use xuejika_keyscheme::slots::KeySlots;

use LifeCycleState as S;

/// Expects a refusal that leaves every byte of the memory, the journal too, as it was.
fn refused(card: &mut Card<RamNvm>, request: &Request, actor: Actor) -> CardError {
    let before = card.nvm().bytes().to_vec();
    let error = card.execute(request, actor).unwrap_err();
    assert!(card.nvm().bytes() == before, "{} wrote and failed", request.event.rule().name);
    error
}

fn current(card: &Card<RamNvm>) -> Status {
    card.status().unwrap().current
}

fn newest_log(card: &Card<RamNvm>) -> LogEntry {
    let record = card.record(file(sfi::LOG), 1, Some(KeyNumber::READ)).unwrap();
    LogEntry::parse(record).unwrap()
}

#[test]
fn the_table_decides_every_event_in_every_state() {
    let mut done = 0_usize;
    for rule in &TABLE {
        for (state, &transition) in STATES.into_iter().zip(&rule.transitions) {
            let what = format!("{} in state {}", rule.name, state.english());
            let mut card = open(&scene(rule.event, state));
            let of = right_unit(rule.event, state);
            let expected = match transition {
                Transition::Refused => None,
                Transition::Stay => Some(state),
                Transition::To(next) => Some(next),
                Transition::Previous => Some(current(&card).previous),
            };
            let Some(next) = expected else {
                let error = refused(&mut card, &request(rule.event), actor(rule.key, of));
                assert_eq!(error, CardError::Event(rule.name), "{what}");
                continue;
            };
            let before = current(&card);
            let outcome = execute(&mut card, rule.event, of).unwrap();
            assert_eq!(outcome.state, next, "{what}");
            let after = current(&card);
            assert_eq!((after.state, after.counter), (next, outcome.counter), "{what}");
            assert_eq!(after.counter, before.counter.wrapping_add(1), "{what}");
            let event = request(rule.event);
            let expected = match next == state {
                true => (before.date, before.unit, before.reason),
                false => (event.date, unit(of), event.reason),
            };
            assert_eq!((after.date, after.unit, after.reason), expected, "{what}");
            let log = newest_log(&card);
            assert_eq!((log.date, log.unit), (event.date, unit(of)), "{what}");
            assert_eq!((log.operation, log.counter), (rule.event.code(), after.counter), "{what}");
            done += 1;
        }
    }
    let by_event = [1, 4, 1, 1, 1, 4, 4, 9, 6, 1, 3, 1, 1, 1, 7, 2, 10, 3];
    assert_eq!(done, by_event.iter().sum::<usize>(), "allowed transitions");
}

#[test]
fn an_event_comes_under_its_own_key_only() {
    for rule in &TABLE {
        for state in STATES {
            let mut card = open(&scene(rule.event, state));
            let request = request(rule.event);
            for number in (0..=0xFF).map(KeyNumber).filter(|&number| number != rule.key) {
                for of in [OWN_SCHOOL, CITY] {
                    let error = refused(&mut card, &request, actor(number, of));
                    assert_eq!(error, CardError::Denied(Denied::Security), "{}", rule.name);
                }
            }
        }
    }
}

#[test]
fn an_event_comes_from_a_sam_of_a_unit() {
    let key = Event::Freeze.rule().key;
    for reader in [[1, 0, 8, 0x40, 0x12, 0, 0, 1], [0, 0, 0x99, 0, 0, 0, 0, 1], [0xFF; 8]] {
        let mut card = open(&card_in(S::Active));
        let actor = Actor { key, reader: ReaderId(reader) };
        let error = refused(&mut card, &request(Event::Freeze), actor);
        assert_eq!(error, CardError::ForeignUnit);
    }
}

#[test]
fn a_status_event_is_for_the_own_school_and_whoever_is_above_it() {
    for event in [Event::Freeze, Event::Unfreeze, Event::Cancel, Event::Fault] {
        for state in [S::Personalising, S::Active, S::TransferredOut, S::TransferredIn] {
            for (of, allowed) in [
                (OWN_SCHOOL, true),
                (OWN_DISTRICT, true),
                (CITY, true),
                (OTHER_SCHOOL, false),
                (OTHER_DISTRICT, false),
            ] {
                if event.next(state, state).is_none() {
                    continue;
                }
                let what = format!("{} by {of} in state {}", event.rule().name, state.english());
                let mut card = open(&card_in(state));
                if allowed {
                    execute(&mut card, event, of).unwrap();
                    assert_eq!(newest_log(&card).unit, unit(of), "{what}");
                } else {
                    let actor = actor(event.rule().key, of);
                    let error = refused(&mut card, &request(event), actor);
                    assert_eq!(error, CardError::ForeignUnit, "{what}");
                }
            }
        }
    }
}

#[test]
fn a_school_event_is_for_the_own_school_alone() {
    for (event, state) in [
        (Event::PersonaliseBegin, S::Active),
        (Event::PersonaliseBegin, S::Personalising),
        (Event::PersonaliseBegin, S::TransferredIn),
        (Event::PersonaliseCommit, S::Personalising),
        (Event::Register, S::Active),
    ] {
        for of in [OTHER_SCHOOL, OWN_DISTRICT, OTHER_DISTRICT, CITY] {
            let mut card = open(&card_in(state));
            let error = refused(&mut card, &request(event), actor(event.rule().key, of));
            assert_eq!(error, CardError::ForeignUnit, "{} by {of}", event.rule().name);
        }
        execute(&mut open(&card_in(state)), event, OWN_SCHOOL).unwrap();
    }
}

#[test]
fn a_card_of_the_stock_goes_to_any_school_but_to_nobody_above() {
    for event in [Event::PersonaliseBegin, Event::TemporaryIssue] {
        for of in [OWN_SCHOOL, OTHER_SCHOOL] {
            let mut card = open(&new_card());
            execute(&mut card, event, of).unwrap();
            assert_eq!(current(&card).unit, unit(of));
        }
        for of in [OWN_DISTRICT, CITY] {
            let mut card = open(&new_card());
            let error = refused(&mut card, &request(event), actor(event.rule().key, of));
            assert_eq!(error, CardError::ForeignUnit);
        }
    }
}

/// The transfer record says who took the pupil in, the enrolment who had the pupil before.
#[test]
fn a_pupil_taken_in_belongs_to_the_new_school() {
    let mut memory = card_in(S::TransferredIn);
    put_transfers(&mut memory, &[out_record(None), in_record()]);
    let event = Event::PersonaliseBegin;
    let mut card = open(&memory);
    let error = refused(&mut card, &request(event), actor(event.rule().key, OWN_SCHOOL));
    assert_eq!(error, CardError::ForeignUnit);
    execute(&mut card, event, OTHER_SCHOOL).unwrap();
}

#[test]
fn state_record_and_log_advance_together() {
    for event in TABLE.map(|rule| rule.event) {
        let from = STATES.into_iter().find(|&state| event.next(state, S::Active).is_some());
        let from = from.unwrap();
        let mut card = open(&scene(event, from));
        let before = current(&card);
        let request = Request { reason: Some(Reason::Clerical), ..request(event) };
        let of = right_unit(event, from);
        let outcome = carry_out(&mut card, &request, of).unwrap();
        let after = current(&card);
        assert_eq!(after.counter, before.counter.wrapping_add(1));
        assert_eq!(
            (outcome.state, outcome.counter, outcome.repeated),
            (after.state, after.counter, false)
        );
        // What a state that stays says of itself: marks.rs.
        if after.state != from {
            assert_eq!((after.date, after.unit), (request.date, unit(of)));
            assert_eq!(after.reason, request.reason);
        }
        assert_eq!(
            newest_log(&card),
            LogEntry {
                operation: event.code(),
                result: 0,
                date: request.date,
                time: request.time,
                unit: unit(of),
                counter: after.counter,
            }
        );
    }
}

#[test]
fn the_counter_wraps_and_the_log_keeps_the_newest() {
    let mut card = open(&card_in(S::Active));
    for change in 1..=40_u16 {
        let event = if change % 2 == 1 { Event::Freeze } else { Event::Unfreeze };
        let outcome = execute(&mut card, event, OWN_SCHOOL).unwrap();
        assert_eq!(outcome.counter, 0xFFFE_u16.wrapping_add(change));
        // What the card reads after power-up is what it reads now.
        assert_eq!(current(&open(card.nvm().bytes())), current(&card));
    }
    for number in 1..=15 {
        let record = card.record(file(sfi::LOG), number, Some(KeyNumber::READ)).unwrap();
        let counter = 0xFFFE_u16.wrapping_add(41 - u16::from(number));
        assert_eq!(LogEntry::parse(record).unwrap().counter, counter);
    }
    let beyond = card.record(file(sfi::LOG), 16, Some(KeyNumber::READ));
    assert_eq!(beyond, Err(CardError::RecordNotFound));
}

#[test]
fn the_same_term_is_registered_once() {
    let mut card = open(&card_in(S::Active));
    let first = execute(&mut card, Event::Register, OWN_SCHOOL).unwrap();
    assert!(!first.repeated);
    let before = card.nvm().bytes().to_vec();
    let second = execute(&mut card, Event::Register, OWN_SCHOOL).unwrap();
    assert_eq!(second, Outcome { repeated: true, ..first });
    assert!(card.nvm().bytes() == before, "a repetition writes nothing");
    let registrations: Vec<Registration> = card.registrations().collect();
    assert_eq!(registrations.len(), 1);
    let record = registrations[0];
    assert_eq!(
        Body::Register { school_year: record.school_year, term: record.term },
        request(Event::Register).body
    );
    assert_eq!((record.date, record.unit), (request(Event::Register).date, unit(OWN_SCHOOL)));
}

#[test]
fn the_newest_registrations_stay_and_an_older_one_gives_way() {
    use xuejika_card_model::record::{SchoolYear, Term};
    let mut card = open(&card_in(S::Active));
    let terms = (2006..=2017_u16).flat_map(|year| [(year, Term::Autumn), (year, Term::Spring)]);
    let terms: Vec<_> = terms.map(|(year, term)| (SchoolYear::new(year).unwrap(), term)).collect();
    for &(school_year, term) in &terms {
        let body = Body::Register { school_year, term };
        let (year, month) = match term {
            Term::Autumn => (school_year.value(), 9),
            Term::Spring => (school_year.value() + 1, 2),
        };
        let date = Date::new(year, month, 20).unwrap();
        let request = Request { body, date, ..request(Event::Register) };
        card.execute(&request, actor(KeyNumber::REGISTER, OWN_SCHOOL)).unwrap();
    }
    let stored: Vec<_> = card.registrations().map(|record| record.period()).collect();
    let newest: Vec<_> = terms.iter().rev().copied().take(24).collect();
    assert_eq!(stored, newest);
}

#[test]
fn a_card_without_a_valid_pupil_is_not_committed() {
    let fields = |memory: Vec<u8>| -> Vec<&'static str> {
        let mut card = open(&memory);
        let actor = actor(KeyNumber::PERSONALISE, OWN_SCHOOL);
        match refused(&mut card, &request(Event::PersonaliseCommit), actor) {
            CardError::Records(errors) => errors.iter().map(|error| error.field.id).collect(),
            other => panic!("{other}"),
        }
    };
    let mut empty = new_card();
    put_status(&mut empty, &status(S::Personalising));
    // Seven sealed groups, none of them sealed.
    assert_eq!(fields(empty).len(), 7);

    let with = |change: fn(&mut Pupil)| {
        let mut pupil = pupil();
        change(&mut pupil);
        let mut memory = card_in(S::Personalising);
        put_pupil(&mut memory, &pupil);
        fields(memory)
    };
    assert_eq!(with(|pupil| pupil.enrolment.cohort = "13".parse().unwrap()), ["cohort"]);
    assert_eq!(
        with(|pupil| pupil.enrolment.entry_date = "1990-01-01".parse().unwrap()),
        ["student_number", "entry_date"]
    );
    let mut torn = card_in(S::Personalising);
    put(&mut torn, file(sfi::ENROLMENT), &[0xFF]);
    assert_eq!(fields(torn), ["crc_1"]);
}

#[test]
fn a_pupil_of_another_school_is_not_committed() {
    let mut memory = card_in(S::Personalising);
    put_status(&mut memory, &Status { unit: unit(OTHER_SCHOOL), ..status(S::Personalising) });
    let actor = actor(KeyNumber::PERSONALISE, OTHER_SCHOOL);
    let error = refused(&mut open(&memory), &request(Event::PersonaliseCommit), actor);
    assert_eq!(error, CardError::ForeignUnit);
}

#[test]
fn a_commit_is_counted_and_the_card_stays_issued() {
    let mut card = open(&card_in(S::Personalising));
    let commit = |card: &mut Card<RamNvm>, issued| {
        let body = Body::Commit { issued };
        let request = Request { body, ..request(Event::PersonaliseCommit) };
        card.execute(&request, actor(KeyNumber::PERSONALISE, OWN_SCHOOL)).unwrap();
        let file = file(sfi::PERSONALISATION);
        let record = card.read(file, Some(KeyNumber::READ)).unwrap();
        let record = Personalisation::parse(record).unwrap();
        (record.count, record.issued, current(card).flags.issued)
    };
    assert_eq!(commit(&mut card, false), (1, false, false));
    execute(&mut card, Event::PersonaliseBegin, OWN_SCHOOL).unwrap();
    assert_eq!(commit(&mut card, true), (2, true, true));
    execute(&mut card, Event::PersonaliseBegin, OWN_SCHOOL).unwrap();
    assert_eq!(commit(&mut card, false), (3, true, true));
}

#[test]
fn a_rare_name_is_flagged_at_the_commit() {
    let mut pupil = pupil();
    pupil.identity.rare_character = true;
    pupil.identity.name_pinyin = Some("Wang Ji".parse().unwrap());
    let mut memory = card_in(S::Personalising);
    put_pupil(&mut memory, &pupil);
    let mut card = open(&memory);
    execute(&mut card, Event::PersonaliseCommit, OWN_SCHOOL).unwrap();
    assert!(current(&card).flags.rare_name);
}

#[test]
fn a_temporary_card_is_flagged_for_good() {
    let mut card = open(&new_card());
    execute(&mut card, Event::TemporaryIssue, OWN_SCHOOL).unwrap();
    assert_eq!(card.state(), Ok(S::Personalising));
    for (sfi, bytes) in
        [(sfi::IDENTITY, &pupil().identity.emit()[..]), (sfi::ENROLMENT, &pupil().enrolment.emit())]
    {
        card.update(file(sfi), 0, bytes, Some(actor(KeyNumber::PERSONALISE, OWN_SCHOOL))).unwrap();
    }
    execute(&mut card, Event::PersonaliseCommit, OWN_SCHOOL).unwrap();
    assert!(current(&card).flags.temporary);
    execute(&mut card, Event::Freeze, OWN_SCHOOL).unwrap();
    assert!(current(&card).flags.temporary);
    // An ordinary first personalisation sets no such flag.
    let mut ordinary = open(&new_card());
    execute(&mut ordinary, Event::PersonaliseBegin, OWN_SCHOOL).unwrap();
    assert!(!current(&ordinary).flags.temporary);
}

#[test]
fn unfreezing_restores_the_state_before_the_freeze() {
    for state in [S::Active, S::TransferredOut, S::TransferredIn] {
        let mut card = open(&card_in(state));
        for event in [Event::Freeze, Event::Freeze] {
            execute(&mut card, event, OWN_SCHOOL).unwrap();
            assert_eq!(current(&card).state, S::Frozen);
            assert_eq!(current(&card).previous, state);
        }
        execute(&mut card, Event::Unfreeze, OWN_SCHOOL).unwrap();
        assert_eq!(card.state(), Ok(state));
    }
}

#[test]
fn an_unknown_state_byte_is_a_fault_that_its_school_can_only_cancel_or_note() {
    let mut memory = card_in(S::Active);
    let mut record = status(S::Active).emit();
    record[1] = 0x21;
    xuejika_card_model::crc::seal(&mut record);
    put(&mut memory, file(sfi::STATUS), &[record, record].concat());
    for event in TABLE.map(|rule| rule.event) {
        let result = execute(&mut open(&memory), event, OWN_SCHOOL);
        assert_eq!(result.is_ok(), matches!(event, Event::Cancel | Event::Replace | Event::Fault));
    }
}

/// Whichever copy is damaged, the other one is the card's status, and power-up writes it into both.
#[test]
fn status_copies_heal_each_other_at_power_up() {
    for (damaged, state) in [(0, S::Active), (Status::LEN, S::Personalising)] {
        let mut memory = card_in(S::Active);
        let older = Status { counter: 0xFFFD, ..status(S::Personalising) };
        put(&mut memory, file(sfi::STATUS), &[older.emit(), status(S::Active).emit()].concat());
        let at = file(sfi::STATUS).offset + damaged;
        memory[at + 3] ^= 0x10;
        let mut card = open(&memory);
        assert_eq!(card.state(), Ok(state));
        assert!(!card.status().unwrap().other_damaged);
        let copies = card.nvm().bytes()[file(sfi::STATUS).offset..][..2 * Status::LEN].to_vec();
        assert_eq!(copies[..Status::LEN], copies[Status::LEN..]);
        let writes = card.nvm().writes();
        card.power_on().unwrap();
        assert_eq!(card.nvm().writes(), writes, "there is nothing more to heal");
        // A healed pair goes on as any other.
        let outcome = execute(&mut card, Event::Fault, OWN_SCHOOL).unwrap();
        assert_eq!(current(&card).counter, outcome.counter);
        assert_eq!(card.state(), Ok(S::Fault));
    }
}

/// A state of a later profile reads as a fault; healing keeps its byte.
#[test]
fn healing_copies_bytes_and_does_not_rewrite_them() {
    let mut memory = card_in(S::Active);
    let mut record = status(S::Active).emit();
    record[1] = 0x21;
    xuejika_card_model::crc::seal(&mut record);
    put(&mut memory, file(sfi::STATUS), &[[0xEE; Status::LEN], record].concat());
    let card = open(&memory);
    assert_eq!(card.state(), Ok(S::Fault));
    assert_eq!(card.nvm().bytes()[file(sfi::STATUS).offset..][..Status::LEN], record);
}

/// The data of an event does not say who acts, and an event writes to no file but its own.
#[test]
fn an_event_touches_its_own_files_only() {
    for event in TABLE.map(|rule| rule.event) {
        let may = |state: &S| event.next(*state, S::Active).is_some_and(|next| next != *state);
        let any = |state: &S| event.next(*state, S::Active).is_some();
        let from = STATES.into_iter().find(may).or(STATES.into_iter().find(any)).unwrap();
        let mut card = open(&scene(event, from));
        let before = committed(&card);
        execute(&mut card, event, right_unit(event, from)).unwrap();
        let own = event.records().iter().map(|record| record.code());
        let own: Vec<_> = own.chain([sfi::STATUS, sfi::LOG]).map(file).collect();
        let sectors = match event {
            Event::ExtensionOpen | Event::ExtensionReclaim | Event::TransferIn => &tree().dfs[3..4],
            Event::TemporaryReturn => &tree().dfs[1..],
            _ => &[],
        };
        let inside = |at: usize| {
            let files = own.iter().copied().chain(sectors.iter().flat_map(|df| df.files));
            let of_key = |df: &Df| {
                let start = df.key_offset(KeyNumber::APPLICATION).unwrap();
                (start..start + KeySlots::LEN).contains(&at)
            };
            files
                .map(|file| file.offset..file.offset + file.structure.storage())
                .any(|range| range.contains(&at))
                || sectors.iter().any(of_key)
        };
        let after = committed(&card);
        let strays = (0..before.len()).filter(|&at| before[at] != after[at] && !inside(at));
        assert_eq!(strays.count(), 0, "{}", event.rule().name);
    }
}
