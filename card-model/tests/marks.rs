//! A mark keeps its maker: who froze, recalled or cancelled a card, when and why, stays on it until the
//! event that ends the mark, and only a unit that covers the maker ends it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a broken premise fails the test")]

mod support;

use support::scene::{carry_out, execute, put_sector, right_unit, scene};
use support::{
    CITY, OTHER_DISTRICT, OTHER_SCHOOL, OWN_DISTRICT, OWN_SCHOOL, actor, card_in, file, new_card,
    open, put_status, request, status, unit,
};
use xuejika_card_model::code::Reason;
use xuejika_card_model::date::Date;
use xuejika_card_model::event::Request;
use xuejika_card_model::file::tree::sfi;
use xuejika_card_model::lifecycle::{Event, STATES, TABLE};
use xuejika_card_model::nvm::{Nvm, RamNvm};
use xuejika_card_model::record::{LogEntry, Status};
use xuejika_card_model::state::LifeCycleState;
use xuejika_card_model::{Card, CardError};
use xuejika_keyscheme::KeyNumber;

use LifeCycleState as S;

/// Everybody who might act, the owner's line first.
const UNITS: [&str; 5] = [OWN_SCHOOL, OWN_DISTRICT, CITY, OTHER_SCHOOL, OTHER_DISTRICT];

fn current(card: &Card<RamNvm>) -> Status {
    card.status().unwrap().current
}

/// What a mark says of itself.
fn maker(card: &Card<RamNvm>) -> (Date, String, Option<Reason>) {
    let Status { date, unit, reason, .. } = current(card);
    (date, unit.to_string(), reason)
}

/// The units of [`UNITS`] whose event happens on this card.
fn allowed(memory: &[u8], event: Event) -> Vec<&'static str> {
    let happens = |of: &&str| match execute(&mut open(memory), event, of) {
        Ok(_) => true,
        Err(CardError::ForeignUnit) => false,
        Err(error) => panic!("{}: {error}", event.rule().name),
    };
    UNITS.into_iter().filter(happens).collect()
}

/// A temporary card in use, frozen by this unit.
fn frozen_by(of: &str) -> Vec<u8> {
    let mut memory = card_in(S::Active);
    let mut start = status(S::Active);
    start.flags.temporary = true;
    put_status(&mut memory, &start);
    let mut card = open(&memory);
    execute(&mut card, Event::Freeze, of).unwrap();
    card.nvm().bytes().to_vec()
}

/// A card recalled by this unit.
fn recalled_by(of: &str) -> Vec<u8> {
    let mut card = open(&card_in(S::Active));
    execute(&mut card, Event::Recall, of).unwrap();
    card.nvm().bytes().to_vec()
}

/// Whatever the event and whoever comes with it: a state that stays keeps date, unit and reason. The
/// log says who it was.
#[test]
fn an_event_that_leaves_the_state_leaves_date_unit_and_reason() {
    let mut kept = 0;
    for event in TABLE.map(|rule| rule.event) {
        for state in STATES.into_iter().filter(|state| event.next(*state, *state) == Some(*state)) {
            let memory = scene(event, state);
            if open(&memory).status().unwrap().current.previous == state {
                continue;
            }
            for of in UNITS {
                let mut card = open(&memory);
                let before = (maker(&card), current(&card));
                let request = Request { reason: Some(Reason::Clerical), ..request(event) };
                if event.next(state, before.1.previous) != Some(state)
                    || carry_out(&mut card, &request, of).is_err()
                {
                    continue;
                }
                let what = format!("{} by {of} in state {}", event.rule().name, state.english());
                assert_eq!(maker(&card), before.0, "{what}");
                assert_eq!(current(&card).previous, before.1.previous, "{what}");
                assert_eq!(current(&card).counter, before.1.counter.wrapping_add(1), "{what}");
                let log = card.record(file(sfi::LOG), 1, Some(KeyNumber::READ)).unwrap();
                let log = LogEntry::parse(log).unwrap();
                assert_eq!((log.unit, log.date), (unit(of), request.date), "{what}");
                kept += 1;
            }
            assert!(allowed(&memory, event).contains(&right_unit(event, state)));
        }
    }
    assert_eq!(kept, 33, "events by units that leave the state");
}

/// Freezing again takes nothing over, and what would bring the card back into use is for the unit
/// that froze it, or one above.
#[test]
fn a_freeze_is_ended_by_the_unit_that_set_it_or_one_above() {
    for (by, above) in [
        (OWN_SCHOOL, &[OWN_SCHOOL, OWN_DISTRICT, CITY][..]),
        (OWN_DISTRICT, &[OWN_DISTRICT, CITY]),
        (CITY, &[CITY]),
    ] {
        let memory = frozen_by(by);
        for event in [Event::Unfreeze, Event::Recall, Event::TemporaryReturn] {
            assert_eq!(allowed(&memory, event), above, "{} of a freeze by {by}", event.rule().name);
        }
        // These make an end of the card and free nothing.
        for event in [Event::Freeze, Event::Cancel, Event::Replace, Event::Fault] {
            let own = [OWN_SCHOOL, OWN_DISTRICT, CITY];
            assert_eq!(allowed(&memory, event), own, "{} of a freeze by {by}", event.rule().name);
        }
    }
}

/// A school reclaims a sector, or freezes again, and then lifts what the city has set.
#[test]
fn no_event_in_between_makes_a_freeze_somebody_elses() {
    let mut memory = card_in(S::Active);
    put_sector(&mut memory, support::scene::SECTOR, OWN_SCHOOL);
    for between in [Event::ExtensionReclaim, Event::Freeze] {
        let mut card = open(&memory);
        execute(&mut card, Event::Freeze, CITY).unwrap();
        execute(&mut card, between, OWN_SCHOOL).unwrap();
        let lifted = card.execute(&request(Event::Unfreeze), actor(KeyNumber::STATUS, OWN_SCHOOL));
        assert_eq!(lifted, Err(CardError::ForeignUnit), "after {}", between.rule().name);
        execute(&mut card, Event::Unfreeze, CITY).unwrap();
    }
}

/// A recalled card belongs to the line of the unit that recalled it until it is stock again.
#[test]
fn a_recalled_card_stays_with_the_unit_that_recalled_it() {
    for (by, line) in [
        (OWN_SCHOOL, &[OWN_SCHOOL, OWN_DISTRICT, CITY][..]),
        (OWN_DISTRICT, &[OWN_DISTRICT, CITY]),
        (CITY, &[CITY]),
    ] {
        let memory = recalled_by(by);
        for event in [Event::Recall, Event::Cancel, Event::Fault] {
            assert_eq!(allowed(&memory, event), line, "{} of a recall by {by}", event.rule().name);
        }
        let inspectors: Vec<_> = line.iter().copied().filter(|of| *of != OWN_SCHOOL).collect();
        assert_eq!(allowed(&memory, Event::Restock), inspectors, "restock of a recall by {by}");
        // Recalling again changes nothing of that.
        let mut again = open(&memory);
        execute(&mut again, Event::Recall, CITY).unwrap();
        assert_eq!(allowed(again.nvm().bytes(), Event::Restock), inspectors);
    }
}

/// A card that never had a pupil: whose word counts in stock, and before it.
#[test]
fn stock_is_cancelled_above_the_schools_and_a_blank_card_is_the_citys() {
    let stock = new_card();
    assert_eq!(allowed(&stock, Event::Cancel), [OWN_DISTRICT, CITY, OTHER_DISTRICT]);
    // Any desk may find a card faulty (操作规程 一/八(三)2), or send it up.
    for event in [Event::Fault, Event::Recall] {
        assert_eq!(allowed(&stock, event), UNITS, "{}", event.rule().name);
    }
    for event in [Event::Initialise, Event::Fault] {
        assert_eq!(allowed(&scene(event, S::Blank), event), [CITY], "{}", event.rule().name);
    }
    // A fault noted in stock belongs to the line of the school that noted it.
    let mut faulty = open(&stock);
    execute(&mut faulty, Event::Fault, OWN_SCHOOL).unwrap();
    let memory = faulty.nvm().bytes();
    assert_eq!(allowed(memory, Event::Cancel), [OWN_SCHOOL, OWN_DISTRICT, CITY]);
}
