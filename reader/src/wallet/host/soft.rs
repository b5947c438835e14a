//! A load host in software, with the books in memory. Keys lie in the host's memory too, so it takes
//! test keys only.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use xuejika_keyscheme::legacy::{
    Challenge, LineKey, LineMac, Load, LoadKey, Moment, NoWalletRoot, Purchase, PurchaseKind,
    Purse, Root, TacKey, TdesKey, TransactionType, Unload, UnloadKey, WalletRoots, test_keys,
};

use super::{Booking, Consent, HostError, LoadHost, OnlineRequest, Operator, Receipt};
use crate::wallet::card::CardNumber;
use crate::wallet::load::Direction;
use crate::wallet::purchase::Debited;
use crate::wallet::transaction::Transaction;

/// A load host in software. It also takes in the purchases of terminals (清算).
#[derive(Clone, Debug)]
pub struct SoftLoadHost {
    load: TdesKey<Root<LoadKey>>,
    unload: TdesKey<Root<UnloadKey>>,
    tac: TdesKey<Root<TacKey>>,
    line: TdesKey<Root<LineKey>>,
    books: BTreeMap<Name, Entry>,
    /// What was taken back or refused, and may still arrive.
    cancelled: Vec<Attempt>,
}

/// Card, its sequence number before the transaction, and type.
type Name = (CardNumber, u16, TransactionType);

/// A transaction with the card's random number of the one attempt that is meant; `None` when the host
/// has not heard of any.
type Attempt = (Transaction, Option<[u8; 4]>);

/// An entry of the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The transaction.
    pub transaction: Transaction,
    /// How far it is.
    pub state: EntryState,
    /// The card's random number, which fixes the session key.
    random: [u8; 4],
}

/// How far a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryState {
    /// The host has agreed; the card has not said yet that it did it.
    Open,
    /// The card has done it.
    Final,
}

impl SoftLoadHost {
    /// A host with the published test roots and empty books.
    #[must_use]
    pub fn test() -> Self {
        Self {
            load: test_keys::root(),
            unload: test_keys::root(),
            tac: test_keys::root(),
            line: test_keys::root(),
            books: BTreeMap::new(),
            cancelled: Vec::new(),
        }
    }

    /// A host with these roots and empty books.
    ///
    /// # Errors
    /// Returns [`NoWalletRoot`] unless the roots of load, unload, TAC and line protection are here.
    pub fn new(roots: &WalletRoots) -> Result<Self, NoWalletRoot> {
        Ok(Self {
            load: roots.root()?,
            unload: roots.root()?,
            tac: roots.root()?,
            line: roots.root()?,
            books: BTreeMap::new(),
            cancelled: Vec::new(),
        })
    }

    /// The books, by card, number and type.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.books.values()
    }

    /// Sum of the amounts of a type of transaction in a state, in fen.
    #[must_use]
    pub fn total(&self, kind: TransactionType, state: EntryState) -> u64 {
        let entries = self.entries().filter(|e| e.transaction.kind == kind && e.state == state);
        entries.map(|entry| u64::from(entry.transaction.amount.0)).sum()
    }

    /// Takes in a terminal's purchase: checks the TAC and books it, once.
    ///
    /// # Errors
    /// Returns [`HostError::NotGenuine`] for a wrong TAC, [`HostError::Booked`] when another purchase
    /// has this number, [`HostError::Duplicate`] when the same TAC came under another number.
    pub fn collect(&mut self, purchase: &Debited) -> Result<Booking, HostError> {
        let transaction = purchase.transaction;
        let kind = match transaction.kind {
            TransactionType::WalletPurchase => PurchaseKind::Wallet,
            TransactionType::CompoundPurchase => PurchaseKind::Compound,
            _ => return Err(HostError::WrongReceipt),
        };
        let Transaction { amount, terminal, terminal_sequence, at, .. } = transaction;
        let input = Purchase { kind, amount, terminal }.tac(terminal_sequence, at);
        self.tac_key(transaction.card)
            .verify(&input, purchase.tac)
            .map_err(|_| HostError::NotGenuine)?;
        let name = name(&transaction);
        if let Some(entry) = self.books.get(&name) {
            return if same_tac(&entry.transaction, &transaction) {
                Ok(Booking::Repeated)
            } else {
                Err(HostError::Booked)
            };
        }
        if self.entries().any(|entry| same_tac(&entry.transaction, &transaction)) {
            return Err(HostError::Duplicate);
        }
        let entry = Entry { transaction, state: EntryState::Final, random: [0; 4] };
        self.books.insert(name, entry);
        Ok(Booking::First)
    }

    fn tac_key(&self, card: CardNumber) -> xuejika_keyscheme::legacy::DesKey<TacKey> {
        self.tac.card_key(card.0).folded()
    }

    /// Will not agree to this attempt any more, should its request come late or again.
    fn forget(&mut self, attempt: Attempt) {
        if !self.cancelled.contains(&attempt) {
            self.cancelled.push(attempt);
        }
    }

    fn is_cancelled(&self, transaction: &Transaction, random: [u8; 4]) -> bool {
        let is_meant = |other: Option<[u8; 4]>| other.is_none_or(|other| other == random);
        self.cancelled.iter().any(|(other, of)| other == transaction && is_meant(*of))
    }

    /// Checks MAC1 and gives MAC2 for `at`.
    fn consent(&self, request: &OnlineRequest, at: Moment) -> Result<Consent, HostError> {
        let &OnlineRequest { card, amount, terminal, ref answer, .. } = request;
        let mac2 = match request.direction {
            Direction::Load => {
                let load = Load { purse: Purse::Wallet, amount, terminal };
                let session = self.load.card_key(card.0).session(answer.random, answer.sequence);
                session
                    .verify(&load.mac1(answer.balance), answer.mac1)
                    .map_err(|_| HostError::NotGenuine)?;
                session.code(&load.mac2(at))
            }
            Direction::Unload => {
                let unload = Unload { amount, terminal };
                let session = self.unload.card_key(card.0).session(answer.random, answer.sequence);
                session
                    .verify(&unload.mac1(answer.balance), answer.mac1)
                    .map_err(|_| HostError::NotGenuine)?;
                session.code(&unload.mac2(at))
            }
        };
        Ok(Consent { at, mac2 })
    }

    fn check(&self, entry: &Entry, receipt: Receipt) -> Result<(), HostError> {
        let Transaction { card, amount, sequence, terminal, at, .. } = entry.transaction;
        let balance = entry.transaction.new_balance().ok_or(HostError::NotGenuine)?;
        let checked = match (Direction::of(entry.transaction.kind), receipt) {
            (Some(Direction::Load), Receipt::Tac(tac)) => {
                let load = Load { purse: Purse::Wallet, amount, terminal };
                self.tac_key(card).verify(&load.tac(balance, sequence, at), tac).map(drop)
            }
            (Some(Direction::Unload), Receipt::Mac3(mac3)) => {
                let unload = Unload { amount, terminal };
                let session = self.unload.card_key(card.0).session(entry.random, sequence);
                session.verify(&unload.mac3(balance, sequence, at), mac3).map(drop)
            }
            _ => return Err(HostError::WrongReceipt),
        };
        checked.map_err(|_| HostError::NotGenuine)
    }
}

impl LoadHost for SoftLoadHost {
    fn authorise(&mut self, request: &OnlineRequest, at: Moment) -> Result<Consent, HostError> {
        let asked = request.transaction(at);
        let name = name(&asked);
        let open = self.books.get(&name).copied();
        let at = open.map_or(at, |entry| entry.transaction.at);
        let consent = self.consent(request, at)?;
        let transaction = request.transaction(at);
        let random = request.answer.random;
        match open {
            Some(Entry { state: EntryState::Final, .. }) => return Err(HostError::Booked),
            Some(entry) if entry.transaction != transaction => {
                self.forget((asked, Some(random)));
                return Err(HostError::Unsettled);
            }
            _ => {}
        }
        if self.is_cancelled(&asked, random) || self.is_cancelled(&transaction, random) {
            return Err(HostError::Cancelled);
        }
        self.books.insert(name, Entry { transaction, state: EntryState::Open, random });
        Ok(consent)
    }

    fn confirm(
        &mut self,
        transaction: &Transaction,
        receipt: Receipt,
    ) -> Result<Booking, HostError> {
        let name = name(transaction);
        let entry = *self.books.get(&name).ok_or(HostError::Unknown)?;
        if entry.transaction != *transaction {
            return Err(HostError::Unknown);
        }
        self.check(&entry, receipt)?;
        self.books.insert(name, Entry { state: EntryState::Final, ..entry });
        Ok(match entry.state {
            EntryState::Open => Booking::First,
            EntryState::Final => Booking::Repeated,
        })
    }

    fn cancel(&mut self, transaction: &Transaction) -> Result<(), HostError> {
        let name = name(transaction);
        let entry =
            self.books.get(&name).filter(|entry| entry.transaction == *transaction).copied();
        match entry.map(|entry| entry.state) {
            Some(EntryState::Final) => return Err(HostError::Booked),
            Some(_) => {
                self.books.remove(&name);
            }
            None => {}
        }
        self.forget((*transaction, entry.map(|entry| entry.random)));
        Ok(())
    }
}

impl Operator for SoftLoadHost {
    fn line_mac(
        &mut self,
        card: CardNumber,
        challenge: &Challenge,
        command: &[u8],
    ) -> Result<LineMac, HostError> {
        Ok(self.line.card_key(card.0).line_mac(challenge, command))
    }
}

const fn name(transaction: &Transaction) -> Name {
    (transaction.card, transaction.sequence, transaction.kind)
}

/// Whether two purchases of one card have the same TAC.
fn same_tac(a: &Transaction, b: &Transaction) -> bool {
    let fields =
        |t: &Transaction| (t.card, t.kind, t.amount, t.terminal, t.terminal_sequence, t.at);
    fields(a) == fields(b)
}
