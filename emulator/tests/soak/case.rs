//! A command in a scene, and what it must do.

use xuejika_card_model::wallet::PurseRecord;
use xuejika_emulator::dispatch::Operation;
use xuejika_emulator::{Env, VirtualCard};
use xuejika_keyscheme::legacy::{Fen, Moment, TerminalId, TransactionType};

use super::memory::Memory;
use super::view::{Counter, PURSE, Part, View};

pub(crate) type Card = VirtualCard<Memory>;

/// Leads a freshly powered card up to the command and gives the command.
pub(crate) type Prepare = Box<dyn Fn(&mut Card) -> Vec<u8>>;

/// A command in a scene.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) operation: Operation,
    /// The memory before the scene.
    pub(crate) start: Vec<u8>,
    pub(crate) prepare: Prepare,
    pub(crate) expect: Expect,
    /// Seed of the card's randomness.
    pub(crate) seed: u64,
}

impl Case {
    /// The card just before the command, and the command.
    pub(crate) fn stage(&self) -> (Card, Vec<u8>) {
        let memory = Memory::new(self.start.clone());
        let mut card = VirtualCard::new(memory, Env::from_seed(self.seed)).expect("a card");
        card.power_on().expect("power");
        let command = (self.prepare)(&mut card);
        (card, command)
    }
}

/// How long what a command needs stays good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// It needs nothing volatile.
    Free,
    /// For one use, until a reset.
    Once,
    /// For the very next command alone.
    Next,
}

/// A transaction of the purse.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Money {
    pub(crate) kind: TransactionType,
    pub(crate) amount: Fen,
    pub(crate) terminal: TerminalId,
    pub(crate) at: Moment,
    /// TAC or MAC3 are right for this card before.
    pub(crate) is_right: fn(&Self, &PurseRecord, &[u8]) -> bool,
    /// The terminal's own number.
    pub(crate) sequence: u32,
}

impl Money {
    /// What the balance grows by.
    pub(crate) fn delta(&self) -> i64 {
        let amount = i64::from(self.amount.0);
        if self.kind == TransactionType::WalletLoad { amount } else { -amount }
    }

    pub(crate) fn is_online(&self) -> bool {
        matches!(self.kind, TransactionType::WalletLoad | TransactionType::Unload)
    }

    /// The counter it advances.
    pub(crate) fn counter(&self, purse: &PurseRecord) -> u16 {
        if self.is_online() { purse.online } else { purse.offline }
    }

    /// What GET TRANSACTION PROVE answers, given the answer to the command.
    pub(crate) fn proof(&self, answer: &[u8]) -> Vec<u8> {
        match self.kind {
            TransactionType::WalletLoad => [&[0; 4], answer].concat(),
            TransactionType::Unload => [answer, &[0; 4]].concat(),
            _ => [&answer[4..], &answer[..4]].concat(),
        }
    }
}

/// What a card must be like that has executed a command.
pub(crate) type Goal = Box<dyn Fn(&View) -> bool>;

/// What a command must do.
pub(crate) struct Expect {
    /// The status word.
    pub(crate) status: u16,
    /// The secret it tries before comparing.
    pub(crate) spends: Option<Counter>,
    /// The failure it counts.
    pub(crate) counts: Option<Counter>,
    /// What may be different afterwards.
    pub(crate) changes: Vec<Part>,
    pub(crate) money: Option<Money>,
    pub(crate) goal: Option<Goal>,
    pub(crate) bound: Bound,
}

impl Expect {
    /// A command that changes nothing.
    pub(crate) const fn nothing(status: u16) -> Self {
        Self {
            status,
            spends: None,
            counts: None,
            changes: Vec::new(),
            money: None,
            goal: None,
            bound: Bound::Free,
        }
    }

    /// A command that changes these parts.
    pub(crate) fn change(parts: &[Part]) -> Self {
        Self { changes: parts.to_vec(), ..Self::nothing(0x9000) }
    }

    /// A wrong secret, counted.
    pub(crate) fn failure(status: u16, counter: Counter) -> Self {
        let changes = vec![counter.part()];
        Self { counts: Some(counter), changes, ..Self::nothing(status) }
    }

    /// A transaction of the purse.
    pub(crate) fn money(money: Money, key_type: u8) -> Self {
        use super::view::{COMPOUND, FLAG, LOG};
        let key = Part::WalletKey(key_type);
        let parts = [PURSE, LOG, FLAG, key];
        let compound = (money.kind == TransactionType::CompoundPurchase).then_some(COMPOUND);
        let changes = parts.into_iter().chain(compound).collect();
        Self { money: Some(money), changes, bound: Bound::Next, ..Self::nothing(0x9000) }
    }

    pub(crate) fn spending(mut self, counter: Counter) -> Self {
        self.spends = Some(counter);
        self.changes.push(counter.part());
        self
    }

    pub(crate) fn bound(mut self, bound: Bound) -> Self {
        self.bound = bound;
        self
    }

    pub(crate) fn until(mut self, goal: impl Fn(&View) -> bool + 'static) -> Self {
        self.goal = Some(Box::new(goal));
        self
    }

    pub(crate) fn also(mut self, part: Part) -> Self {
        self.changes.push(part);
        self
    }
}
