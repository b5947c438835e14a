//! The reader against every card of the catalogue of misbehaviours, at every occasion.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken premise fails the test"
)]

mod support;

use core::time::Duration;

use support::{SERIAL, UNIT, management, pupil, reader, sam, stamp, today};
use xuejika_card_model::nvm::{Nvm, RamNvm};
use xuejika_card_model::record::{SchoolYear, Term};
use xuejika_emulator::misbehave::{
    Act, CATALOGUE, Duty, Misbehaving, Misbehaviour, Plan, Ruling, Then, Who,
};
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::legacy::{Fen, Moment, TerminalId};
use xuejika_reader::Locked;
use xuejika_reader::wallet::psam::SoftPsam;
use xuejika_reader::wallet::{Direction, Order, SoftLoadHost, Terminal, WalletCard};

const OTHER: &str = "1100260100000014";
const TERMINAL: TerminalId = TerminalId([0x12, 0x00, 0x80, 0x80, 0x00, 0x01]);
const AT: Moment = Moment { date: [0x20, 0x26, 0x09, 0x01], time: [0x07, 0x30, 0x00] };

/// What a reader does with a card; whether it claims success.
type Operation = (&'static str, Who, fn(&mut Misbehaving) -> bool);

const OPERATIONS: [Operation; 5] = [
    ("unlock", Who::Management, |card| Locked::new(sam(UNIT)).unlock(card, today()).is_ok()),
    ("read", Who::Student, |card| {
        let mut reader = reader(UNIT);
        reader.connect(card, today()).and_then(|mut card| card.read()).is_ok()
    }),
    ("register", Who::Student, |card| {
        let mut reader = reader(UNIT);
        let (year, term) = (SchoolYear::new(2026).unwrap(), Term::Autumn);
        let card = reader.connect(card, today());
        card.and_then(|mut card| card.register(year, term, stamp())).is_ok()
    }),
    ("purchase", Who::Student, |card| {
        let mut terminal = Terminal::new(SoftPsam::test(TERMINAL).unwrap()).unwrap();
        let order = Order { amount: Fen(100), at: AT, cache: &[] };
        WalletCard::select(card)
            .is_ok_and(|mut wallet| terminal.purchase(&mut wallet, &order).is_ok())
    }),
    ("load", Who::Student, |card| load(card).is_ok()),
];

fn load(card: impl xuejika_apdu::CardChannel) -> Result<(), xuejika_reader::wallet::Stopped> {
    let mut wallet = WalletCard::select(card)?;
    wallet.verify(&"123456".parse().unwrap())?;
    let mut host = SoftLoadHost::test();
    wallet.transfer(&mut host, Direction::Load, Fen(100), TERMINAL, AT).map(drop)
}

/// Memory of a personalised card that holds money.
fn prepared(serial: &str) -> Vec<u8> {
    let mut card =
        VirtualCard::new(test_card::student(serial).unwrap(), Env::from_seed(3)).unwrap();
    card.power_on().unwrap();
    reader(UNIT).connect(&mut card, today()).unwrap().personalise(&pupil(), stamp(), true).unwrap();
    (0..3).for_each(|_| load(&mut card).unwrap());
    card.model().nvm().bytes().to_vec()
}

/// The cards of a run.
struct Cards {
    student: Vec<u8>,
    other: Vec<u8>,
}

impl Cards {
    fn new() -> Self {
        Self { student: prepared(SERIAL), other: prepared(OTHER) }
    }

    fn card(&self, who: Who, plan: Option<Plan>) -> Misbehaving {
        let card = match who {
            Who::Student => {
                VirtualCard::new(RamNvm::new(self.student.clone()), Env::from_seed(4)).unwrap()
            }
            Who::Management => management(UNIT),
        };
        let other = VirtualCard::new(RamNvm::new(self.other.clone()), Env::from_seed(5)).unwrap();
        let mut card = Misbehaving::new(card, other, plan).slow_by(Duration::from_millis(1));
        xuejika_apdu::CardChannel::reset(&mut card).unwrap();
        card
    }
}

/// Runs an operation with a sound card; gives it back.
fn sound(cards: &Cards, (name, who, operate): Operation) -> Misbehaving {
    let mut card = cards.card(who, None);
    assert!(operate(&mut card), "{name} with a sound card");
    card
}

/// Every misbehaviour at every occasion of every operation; how often each came about.
#[test]
fn the_reader_keeps_its_duties_with_every_card() {
    let cards = Cards::new();
    let mut reached = [0; CATALOGUE.len()];
    for operation @ (name, who, operate) in OPERATIONS {
        let honest = sound(&cards, operation);
        let wanted = honest.done();
        assert_eq!(wanted, u32::from(matches!(name, "register" | "purchase" | "load")), "{name}");
        for (what, reached) in CATALOGUE.iter().zip(&mut reached) {
            let occasions = if what.card == who { honest.occasions(what.occasion) } else { 0 };
            for nth in 1..=occasions {
                let plan = Plan { what, nth };
                let mut card = cards.card(who, Some(plan));
                let claims = operate(&mut card);
                match card.judge(claims, wanted, false) {
                    Ruling::Kept => *reached += 1,
                    // Nothing to replay before the second time, no such write in this commit, or what
                    // the card says is true.
                    Ruling::NotReached => {
                        let may = matches!(what.act, Act::Replay | Act::Cut(_) | Act::Status(_));
                        assert!(may, "{name} {plan}");
                    }
                    Ruling::Broken(why) => panic!("{name} {plan}: {why}: {:02X?}", card.steps()),
                }
                if recovers(what) {
                    assert!(claims, "{name} {plan}: the proof was there to be asked for");
                }
            }
        }
    }
    let never: Vec<_> = CATALOGUE.iter().zip(reached).filter(|(_, count)| *count == 0).collect();
    let never: Vec<_> = never.iter().map(|(what, _)| what.id).collect();
    // An answer of a session before can only be replayed where there is one.
    assert_eq!(never, ["READER-AUTH-006"]);
}

/// Whether the reader can end the transaction well: done, and the card is there to prove it.
fn recovers(what: &Misbehaviour) -> bool {
    let returns = matches!(what.act, Act::Lose { executed: true, then: Then::Back } | Act::Bare(_));
    returns && what.duty == Duty::Ask
}

/// The proof of the session before, to a reader that opens a second one.
#[test]
fn a_proof_of_the_session_before_opens_none() {
    let cards = Cards::new();
    let plan = "READER-AUTH-006".parse().unwrap();
    let mut card = cards.card(Who::Student, Some(plan));
    let mut reader = reader(UNIT);
    assert!(reader.connect(&mut card, today()).unwrap().read().is_ok());
    let claims = reader.connect(&mut card, today()).unwrap().read().is_ok();
    assert_eq!(card.judge(claims, 0, false), Ruling::Kept);
    assert!(!claims);
}

/// A reader that believes everything is found out: what it would claim breaks the duty.
#[test]
fn claims_of_success_break_the_duty_to_refuse() {
    let cards = Cards::new();
    for operation @ (name, who, operate) in OPERATIONS {
        let honest = sound(&cards, operation);
        for what in CATALOGUE.iter().filter(|what| what.card == who) {
            if honest.occasions(what.occasion) == 0 {
                continue;
            }
            let mut card = cards.card(who, Some(Plan { what, nth: 1 }));
            operate(&mut card);
            let refuses = matches!(what.duty, Duty::Refuse | Duty::StopShort | Duty::StayLocked);
            let ruling = card.judge(true, honest.done(), false);
            if refuses && ruling != Ruling::NotReached {
                assert!(matches!(ruling, Ruling::Broken(_)), "{name} {}", what.id);
            }
        }
    }
}
