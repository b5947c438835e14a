//! Dates that cannot be true: before the card was made, after it has ended, for a term that is not the
//! swipe's, before the pupil was born.
#![allow(clippy::unwrap_used, reason = "a broken premise fails the test")]

mod support;

use support::scene::{carry_out, right_unit, scene};
use support::{OWN_SCHOOL, card_in, issuance, open, pupil, put_pupil, request};
use xuejika_card_model::CardError;
use xuejika_card_model::code::Reason;
use xuejika_card_model::date::Date;
use xuejika_card_model::event::{Body, Request, Untimely};
use xuejika_card_model::lifecycle::{Event, STATES, TABLE};
use xuejika_card_model::nvm::Nvm;
use xuejika_card_model::record::{Issuance, SchoolYear, Term};
use xuejika_card_model::state::LifeCycleState as S;

/// What may still happen to a card whose validity has ended.
const AFTER_THE_END: [Event; 10] = [
    Event::Initialise,
    Event::Freeze,
    Event::Unfreeze,
    Event::Cancel,
    Event::Replace,
    Event::ExtensionReclaim,
    Event::Recall,
    Event::Restock,
    Event::Fault,
    Event::TemporaryReturn,
];

/// Executes an event on this day, on a card on which everything else is as it must be.
fn on(event: Event, state: S, date: Date) -> Result<(), CardError> {
    let memory = scene(event, state);
    let mut card = open(&memory);
    let mut request = Request { date, reason: Some(Reason::Clerical), ..request(event) };
    if let Body::Register { .. } = request.body {
        let (school_year, term) = xuejika_card_model::calendar::term_of(date).unwrap();
        request.body = Body::Register { school_year, term };
    }
    let result = carry_out(&mut card, &request, right_unit(event, state)).map(drop);
    assert!(result.is_ok() || card.nvm().bytes() == memory, "{} wrote and failed", event.code());
    result
}

#[test]
fn an_event_lies_in_the_life_of_the_card() {
    let Issuance { init_date, valid_until, .. } = issuance();
    let day_before = init_date.add_days(-1).unwrap();
    let day_after = valid_until.add_days(1).unwrap();
    for event in TABLE.map(|rule| rule.event) {
        for state in STATES.into_iter().filter(|state| event.next(*state, S::Active).is_some()) {
            let what = format!("{} in state {}", event.rule().name, state.english());
            let early = match event {
                Event::Initialise => Ok(()),
                _ => Err(Untimely::BeforeInitialisation(day_before).into()),
            };
            assert_eq!(on(event, state, day_before), early, "{what}");
            // A transfer is not taken in before it went out.
            if event != Event::TransferIn {
                assert_eq!(on(event, state, init_date), Ok(()), "{what}");
            }
            assert_eq!(on(event, state, valid_until), Ok(()), "{what}");
            let late = match AFTER_THE_END.contains(&event) {
                true => Ok(()),
                false => Err(Untimely::AfterValidity(day_after).into()),
            };
            assert_eq!(on(event, state, day_after), late, "{what}");
        }
    }
}

#[test]
fn a_registration_is_for_the_term_of_its_day_or_the_one_before() {
    let swipe = |day: &str, year, term| {
        let body = Body::Register { school_year: SchoolYear::new(year).unwrap(), term };
        let request = Request { date: day.parse().unwrap(), body, ..request(Event::Register) };
        carry_out(&mut open(&card_in(S::Active)), &request, OWN_SCHOOL).map(drop)
    };
    for (day, year, term) in [
        ("2007-08-28", 2007, Term::Autumn), // the opening days
        ("2007-09-25", 2006, Term::Spring), // late
        ("2008-01-31", 2007, Term::Autumn),
        ("2008-02-14", 2007, Term::Spring),
        ("2008-03-25", 2007, Term::Autumn),
    ] {
        assert_eq!(swipe(day, year, term), Ok(()), "{day}");
    }
    for (day, year, term) in [
        ("2007-09-01", 2015, Term::Spring),
        ("2007-09-01", 2007, Term::Spring),
        ("2007-09-01", 2006, Term::Autumn),
        ("2008-01-31", 2007, Term::Spring),
        ("2008-02-14", 2008, Term::Autumn),
        ("2008-02-14", 2006, Term::Spring),
    ] {
        let other = Untimely::OtherTerm(day.parse().unwrap()).into();
        assert_eq!(swipe(day, year, term), Err(other), "{day}");
    }
}

#[test]
fn nobody_is_personalised_before_birth() {
    let mut unborn = pupil();
    unborn.identity.birth_date = "2007-01-02".parse().unwrap();
    unborn.enrolment.entry_date = "2007-01-02".parse().unwrap();
    let mut memory = card_in(S::Personalising);
    put_pupil(&mut memory, &unborn);
    let commit = |day: &str| {
        let request = Request { date: day.parse().unwrap(), ..request(Event::PersonaliseCommit) };
        carry_out(&mut open(&memory), &request, OWN_SCHOOL).map(drop)
    };
    let untimely = Untimely::BeforeBirth("2007-01-01".parse().unwrap());
    assert_eq!(commit("2007-01-01"), Err(untimely.into()));
    assert_eq!(commit("2007-01-02"), Ok(()));
}
