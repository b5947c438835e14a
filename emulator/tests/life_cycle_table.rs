//! The whole table of the life cycle over the wire: one test for every event in every state, each
//! with the right key and unit, with every other key, and with units whose event it is not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken premise fails the test"
)]

mod support;

use support::model::scene::{event_data, right_unit, scene, wrong_units};
use support::model::{CITY, education};
use support::{Reply, authenticate, change, memory, power_up, sam};
use xuejika_card_model::event::Outcome;
use xuejika_card_model::lifecycle::{Event, STATES, TABLE, Transition};
use xuejika_card_model::nvm::RamNvm;
use xuejika_card_model::state::LifeCycleState;
use xuejika_emulator::VirtualCard;
use xuejika_keyscheme::KeyNumber;

const NOT_ALLOWED: u16 = 0x6982;
const WRONG_STATE: u16 = 0x6985;

/// Asks a card for an event in a session of this unit under this key.
fn ask(card: &mut VirtualCard, event: Event, key: KeyNumber, of: &str) -> Reply {
    let mut session = authenticate(card, education(), key, sam(of));
    session.send(card, &change(event, &event_data(event)))
}

/// As [`ask`], on a fresh card of the scene; a refusal must leave its memory as it was.
fn refused(event: Event, state: LifeCycleState, key: KeyNumber, of: &str) -> u16 {
    let start = scene(event, state);
    let mut card = power_up(RamNvm::new(start.clone()));
    let reply = ask(&mut card, event, key, of);
    assert_eq!(reply.data, [], "{key} of {of}");
    assert!(memory(&card) == start, "{key} of {of}: refused with {:04X} and wrote", reply.sw);
    reply.sw
}

fn check(event: Event, state: LifeCycleState) {
    let column = STATES.iter().position(|&column| column == state).unwrap();
    let rule = event.rule();
    let transition = rule.transitions.into_iter().nth(column).unwrap();
    let of = right_unit(event, state);
    let mut card = power_up(RamNvm::new(scene(event, state)));
    let before = card.model().status().unwrap().current;
    let next = match transition {
        Transition::Refused => None,
        Transition::Stay => Some(state),
        Transition::To(next) => Some(next),
        Transition::Previous => Some(before.previous),
    };
    match next {
        None => assert_eq!(refused(event, state, rule.key, of), WRONG_STATE),
        Some(next) => {
            let reply = ask(&mut card, event, rule.key, of);
            assert_eq!(reply.sw, 0x9000, "{:?}", card.last_refusal());
            let outcome = Outcome::parse(&reply.data).unwrap();
            assert_eq!(outcome.state, next);
            assert_eq!(card.model().state(), Ok(next));
            assert_eq!(outcome.counter, before.counter.wrapping_add(1));
            assert!(!outcome.repeated);
        }
    }
    for key in KeyNumber::EDUCATION.into_iter().filter(|&key| key != rule.key) {
        for of in [of, CITY] {
            assert_eq!(refused(event, state, key, of), NOT_ALLOWED, "{key}");
        }
    }
    for of in wrong_units(event, state) {
        let expected = if next.is_some() { NOT_ALLOWED } else { WRONG_STATE };
        assert_eq!(refused(event, state, rule.key, of), expected, "{of}");
    }
}

macro_rules! columns {
    ($event:ident, $($name:ident = $state:ident,)*) => {
        $(#[test]
        fn $name() {
            super::check(super::Event::$event, super::LifeCycleState::$state);
        })*
    };
}

macro_rules! rows {
    ($($name:ident = $event:ident,)*) => {
        $(mod $name {
            columns! {
                $event,
                in_blank = Blank,
                in_initialised = Initialised,
                in_personalising = Personalising,
                in_active = Active,
                in_transferred_out = TransferredOut,
                in_transferred_in = TransferredIn,
                in_frozen = Frozen,
                in_cancelled = Cancelled,
                in_recalled = Recalled,
                in_fault = Fault,
            }
        })*

        const ROWS: &[Event] = &[$(Event::$event),*];
    };
}

rows! {
    initialise = Initialise,
    personalise_begin = PersonaliseBegin,
    personalise_commit = PersonaliseCommit,
    temporary_issue = TemporaryIssue,
    register = Register,
    freeze = Freeze,
    unfreeze = Unfreeze,
    cancel = Cancel,
    replace = Replace,
    extension_open = ExtensionOpen,
    extension_reclaim = ExtensionReclaim,
    transfer_out = TransferOut,
    transfer_in = TransferIn,
    transfer_withdraw = TransferWithdraw,
    recall = Recall,
    restock = Restock,
    fault = Fault,
    temporary_return = TemporaryReturn,
}

#[test]
fn every_event_and_every_state_is_here() {
    assert!(TABLE.iter().map(|rule| rule.event).eq(ROWS.iter().copied()));
    assert_eq!(STATES.len(), 10);
}
