//! The whole system: cards, terminals with their PSAMs, a load host, and everything that goes wrong
//! between them. Power is cut, messages are lost, come twice, or come late; cards are taken away and
//! presented again, also elsewhere. After every step the sum of all money is exact.

mod road;

use xuejika_card_model::file::tree::wallet_sfi;
use xuejika_card_model::nvm::{Cut, Torn};
use xuejika_card_model::record::Profile;
use xuejika_card_model::wallet::EnableFlag;
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::legacy::{Fen, Moment, TerminalId, TransactionType};
use xuejika_reader::wallet::psam::SoftPsam;
use xuejika_reader::wallet::{
    Booked, CacheRecord, CacheUpdate, Debited, Direction, EntryState, InDoubt, LoadHost, Order,
    Pin, SoftLoadHost, Stopped, Terminal, WalletCard, WalletError,
};

use super::case::Card;
use super::cuts::Breach;
use super::invariants::{Books, SYSTEM, conserved_by_all};
use super::memory::Memory;
use super::rng::Rng;
use road::{Held, Line, Road};

const CARDS: usize = 50;
const GATES: usize = 5;

/// What happened.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LedgerTally {
    pub(crate) steps: u64,
    pub(crate) done: u64,
    pub(crate) not_done: u64,
    pub(crate) doubts: u64,
    pub(crate) settled: u64,
    /// Done by the log, the proof replaced elsewhere.
    pub(crate) unproven: u64,
    /// Given up: the log does not reach back.
    pub(crate) rolled_over: u64,
    pub(crate) troubles: road::Troubles,
}

impl LedgerTally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.done += other.done;
        self.not_done += other.not_done;
        self.doubts += other.doubts;
        self.settled += other.settled;
        self.unproven += other.unproven;
        self.rolled_over += other.rolled_over;
        self.troubles.add(&other.troubles);
    }
}

/// A terminal, what it does not know, and what it has not sent in.
struct Gate {
    terminal: Option<Terminal<SoftPsam<Memory>>>,
    number: TerminalId,
    doubts: Vec<Doubt>,
    batch: Vec<Debited>,
}

/// A doubt, and the truth, which the terminal does not know.
#[derive(Clone, Copy)]
struct Doubt {
    doubt: InDoubt,
    card: usize,
    done: bool,
}

/// What a terminal and a card set out to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Load,
    Purchase,
    Compound,
    Unload,
    Refund,
}

/// Everything of one seed.
struct Town {
    seed: u64,
    rng: Rng,
    cards: Vec<Card>,
    gates: Vec<Gate>,
    host: SoftLoadHost,
    /// Messages to the host that come late.
    held: Vec<Held>,
    /// Commands of the past.
    past: Vec<Vec<u8>>,
    books: Books,
    seconds: u32,
    tally: LedgerTally,
    without: bool,
}

/// The memories of all cards, new.
pub(crate) fn fresh() -> Vec<Vec<u8>> {
    (1..=CARDS)
        .map(|number| {
            let sequence = u32::try_from(number).unwrap();
            let serial =
                xuejika_card_model::ident::CardSerial::new(7, 1, sequence).expect("a serial");
            let issuance = test_card::issuance(serial, Profile::CpuAes).expect("a record");
            test_card::student_memory(&issuance).expect("a card")
        })
        .collect()
}

/// Runs a seed. `without` leaves W6 out.
pub(crate) fn run(
    fresh: &[Vec<u8>],
    seed: u64,
    steps: u64,
    without: bool,
) -> Result<LedgerTally, Breach> {
    let mut town = Town::new(fresh, seed, without);
    for _ in 0..steps {
        town.step()?;
        town.check()?;
    }
    town.close()?;
    Ok(town.tally)
}

impl Town {
    fn new(fresh: &[Vec<u8>], seed: u64, without: bool) -> Self {
        let mut rng = Rng::new(seed, "ledger");
        let cards = fresh.iter().map(|memory| {
            let memory = Memory::new(memory.clone());
            let mut card = VirtualCard::new(memory, Env::from_seed(rng.next())).expect("a card");
            card.power_on().expect("power");
            card
        });
        let cards = cards.collect();
        let gates = (1..=GATES).map(|number| {
            let number = TerminalId([0x12, 0x00, 0x80, 0x80, 0x00, u8::try_from(number).unwrap()]);
            let memory = test_card::psam(number).expect("a PSAM").into_bytes();
            let psam = SoftPsam::open(Memory::new(memory)).expect("a memory").expect("a PSAM");
            let terminal = Some(Terminal::new(psam).expect("a terminal"));
            Gate { terminal, number, doubts: Vec::new(), batch: Vec::new() }
        });
        Self {
            seed,
            rng,
            cards,
            gates: gates.collect(),
            host: SoftLoadHost::test(),
            held: Vec::new(),
            past: Vec::new(),
            books: Books::default(),
            seconds: 0,
            tally: LedgerTally::default(),
            without,
        }
    }

    /// One thing that happens.
    fn step(&mut self) -> Result<(), Breach> {
        self.tally.steps += 1;
        self.seconds += 1 + u32::try_from(self.rng.below(3)).unwrap();
        self.deliver(3)?;
        if self.rng.one_in(16) {
            self.revoke()?;
        }
        let gate = self.rng.below(GATES);
        // Some cards are in use more than others.
        let among = if self.rng.one_in(2) { 6 } else { CARDS };
        let card = self.rng.below(among);
        if self.rng.one_in(24) {
            self.wake(gate, true);
        }
        match self.gates[gate].doubts.iter().position(|doubt| doubt.card == card) {
            Some(index) => self.settle(gate, index, true),
            None => self.act(gate, card),
        }
    }

    fn act(&mut self, gate: usize, card: usize) -> Result<(), Breach> {
        let before = self.balance(card);
        let act = match self.rng.below(20) {
            0 => Act::Refund,
            1..=2 if before > 0 => Act::Unload,
            3..=5 if before > 0 => Act::Compound,
            6..=13 if before > 0 => Act::Purchase,
            _ => Act::Load,
        };
        let amount = match act {
            Act::Load => 1 + self.rng.below(30_000),
            Act::Refund => before as usize,
            // Sometimes all there is, sometimes more than that.
            _ if self.rng.one_in(8) => before.max(1) as usize,
            _ => 1 + self.rng.below(before as usize + before as usize / 8),
        };
        let amount = Fen(u32::try_from(amount).unwrap());
        let result = match act {
            Act::Purchase | Act::Compound => self.purchase(gate, card, amount, act),
            Act::Load => self.transfer(gate, card, Direction::Load, amount).map(drop),
            Act::Unload => self.transfer(gate, card, Direction::Unload, amount).map(drop),
            Act::Refund => self.refund(gate, card),
        };
        self.account(gate, card, act, amount, before, result)
    }

    fn purchase(&mut self, gate: usize, card: usize, amount: Fen, act: Act) -> Result<(), Stopped> {
        let at = self.now();
        let mut terminal = self.terminal(gate);
        let tag = 1 + u8::try_from(card % 4).unwrap();
        let record = [tag, 2, at.time[1], at.time[2]];
        let update = CacheUpdate {
            file: wallet_sfi::COMPOUND,
            record: CacheRecord::Tag(tag),
            data: &record,
        };
        let cache = if act == Act::Compound { core::slice::from_ref(&update) } else { &[] };
        let order = Order { amount, at, cache };
        let result = WalletCard::select(self.road(card))
            .map_err(Stopped::from)
            .and_then(|mut wallet| terminal.purchase(&mut wallet, &order));
        self.gates[gate].terminal = Some(terminal);
        if let Err(Stopped::NotDone(WalletError::Psam(_))) = &result {
            self.wake(gate, false);
        }
        self.gates[gate].batch.push(result?);
        Ok(())
    }

    fn transfer(
        &mut self,
        gate: usize,
        card: usize,
        direction: Direction,
        amount: Fen,
    ) -> Result<Booked, Stopped> {
        let (at, number) = (self.now(), self.gates[gate].number);
        let (road, mut line) = self.ways(card);
        let mut wallet = WalletCard::select(road)?;
        if wallet.flag()? == EnableFlag::Closed {
            wallet.set_flag(&mut line, EnableFlag::Open)?;
        }
        wallet.verify(&pin())?;
        wallet.transfer(&mut line, direction, amount, number, at)
    }

    fn refund(&mut self, gate: usize, card: usize) -> Result<(), Stopped> {
        let (at, number) = (self.now(), self.gates[gate].number);
        let (road, mut line) = self.ways(card);
        let mut wallet = WalletCard::select(road)?;
        wallet.refund(&mut line, &pin(), number, at).map(drop)
    }

    /// Enters what came of an act into the books, and what is true beside what is known.
    fn account(
        &mut self,
        gate: usize,
        card: usize,
        act: Act,
        amount: Fen,
        before: u32,
        result: Result<(), Stopped>,
    ) -> Result<(), Breach> {
        let moved = i64::from(self.balance(card)) - i64::from(before);
        let amount = i64::from(amount.0);
        let due = if act == Act::Load { amount } else { -amount };
        match result {
            Ok(()) => {
                self.tally.done += 1;
                self.expect(moved == due, format!("{act:?} done, {moved} fen in place of {due}"))?;
                self.enter(act_kind(act), amount);
            }
            // A refund can stop after its unload: the flag is set in a command of its own.
            Err(Stopped::NotDone(_)) if act == Act::Refund && moved == due => {
                self.enter(act_kind(act), amount);
            }
            Err(Stopped::NotDone(error)) => {
                self.tally.not_done += 1;
                self.expect(moved == 0, format!("{act:?} not done ({error}), {moved} fen moved"))?;
            }
            Err(Stopped::InDoubt { doubt, .. }) => {
                self.tally.doubts += 1;
                self.expect(moved == 0 || moved == due, format!("{act:?}: {moved} fen moved"))?;
                // What is stored is what comes back.
                let doubt = InDoubt::parse(&doubt.emit()).expect("a stored doubt");
                let done = moved != 0;
                self.doubt(act_kind(act), if done { amount } else { 0 });
                self.gates[gate].doubts.push(Doubt { doubt, card, done });
            }
            Err(other) => self.expect(false, format!("{act:?}: {other}"))?,
        }
        Ok(())
    }

    /// Brings a card with a doubt to its terminal.
    fn settle(&mut self, gate: usize, index: usize, troubled: bool) -> Result<(), Breach> {
        let Doubt { doubt, card, done } = self.gates[gate].doubts[index];
        let transaction = *doubt.transaction();
        let before = self.balance(card);
        let mut terminal = self.terminal(gate);
        let result = match Direction::of(transaction.kind) {
            Some(_) => {
                let (mut road, mut line) = self.ways(card);
                (road.calm, line.calm) = (!troubled, !troubled);
                WalletCard::select(road)
                    .map_err(Stopped::from)
                    .and_then(|mut wallet| wallet.settle_online(&mut line, doubt).map(|_| None))
            }
            None => {
                let mut road = self.road(card);
                road.calm = !troubled;
                WalletCard::select(road)
                    .map_err(Stopped::from)
                    .and_then(|mut wallet| terminal.settle(&mut wallet, doubt).map(Some))
            }
        };
        self.gates[gate].terminal = Some(terminal);
        let same = self.balance(card) == before;
        self.expect(same, "settling moved money".into())?;
        let amount = i64::from(transaction.amount.0);
        match result {
            Ok(debited) => {
                self.expect(done, "settled as done, and the card had not done it".into())?;
                self.doubt(transaction.kind, -amount);
                self.enter(transaction.kind, amount);
                self.gates[gate].batch.extend(debited);
            }
            Err(Stopped::NotDone(WalletError::Interrupted)) => {
                self.expect(!done, "settled as not done, and the card had done it".into())?;
            }
            // It stays in the doubt ledger for good: nobody has its TAC.
            Err(Stopped::Unproven { .. }) => {
                self.expect(done, "settled by the log, and the card had not done it".into())?;
                self.tally.unproven += 1;
            }
            Err(Stopped::InDoubt { cause: WalletError::LogRolledOver, .. }) => {
                self.tally.rolled_over += 1;
            }
            Err(Stopped::InDoubt { .. } | Stopped::NotDone(_)) if troubled => return Ok(()),
            Err(other) => return self.expect(false, format!("settling: {other:?}")),
        }
        self.tally.settled += 1;
        self.gates[gate].doubts.remove(index);
        Ok(())
    }

    /// Delivers some of the messages that were held back, one in `n` of each kind.
    fn deliver(&mut self, n: usize) -> Result<(), Breach> {
        while !self.held.is_empty() && (n == 0 || self.rng.one_in(n)) {
            let held = self.held.swap_remove(self.rng.below(self.held.len()));
            held.deliver(&mut self.host);
        }
        for gate in 0..GATES {
            while !self.gates[gate].batch.is_empty() && (n == 0 || self.rng.one_in(n)) {
                let at = self.rng.below(self.gates[gate].batch.len());
                let debited = self.gates[gate].batch[at].clone();
                // A purchase that was sent in may be sent in again.
                if n == 0 || !self.rng.one_in(4) {
                    self.gates[gate].batch.swap_remove(at);
                }
                match self.host.collect(&debited) {
                    Ok(xuejika_reader::wallet::Booking::First) => {
                        self.collected(i64::from(debited.transaction.amount.0));
                    }
                    Ok(xuejika_reader::wallet::Booking::Repeated) => {}
                    Err(error) => self.expect(false, format!("collecting: {error}"))?,
                }
            }
        }
        Ok(())
    }

    /// A terminal that has lost its way wants something back that is final.
    fn revoke(&mut self) -> Result<(), Breach> {
        let entries: Vec<_> =
            self.host.entries().filter(|e| e.state == EntryState::Final).collect();
        if entries.is_empty() {
            return Ok(());
        }
        let transaction = entries[self.rng.below(entries.len())].transaction;
        let kept = self.host.cancel(&transaction).is_err();
        self.expect(kept, "what was final was taken back".into())
    }

    /// Ends the day: everything is delivered and settled, and the host's books alone are exact.
    fn close(&mut self) -> Result<(), Breach> {
        self.seconds += 60;
        for gate in 0..GATES {
            self.wake(gate, false);
        }
        self.deliver(0)?;
        for gate in 0..GATES {
            while !self.gates[gate].doubts.is_empty() {
                self.settle(gate, 0, false)?;
            }
        }
        self.deliver(0)?;
        self.check()?;
        use EntryState::{Final, Open};
        use TransactionType::{CompoundPurchase, Unload, WalletLoad, WalletPurchase};
        let total = |kind, state| i64::try_from(self.host.total(kind, state)).unwrap();
        let books = self.books;
        let paid = total(WalletPurchase, Final) + total(CompoundPurchase, Final);
        self.expect(paid == books.debits, format!("{paid} fen of purchases at the host"))?;
        // A receipt can have come late, by itself. What stays open the card has done, and nobody can
        // prove it any more; or nobody can tell.
        let loads = total(WalletLoad, Final) + total(WalletLoad, Open);
        let loaded = books.loads + books.doubtful_loads;
        let unloads = total(Unload, Final) + total(Unload, Open);
        let unloaded = books.unloads + books.doubtful_unloads;
        let sure = self.tally.rolled_over == 0;
        self.expect(!sure || loads == loaded, format!("{loads} fen loaded, not {loaded}"))?;
        self.expect(!sure || unloads == unloaded, format!("{unloads} fen unloaded, not {unloaded}"))
    }

    fn check(&mut self) -> Result<(), Breach> {
        self.books.balances = (0..CARDS).map(|card| i64::from(self.balance(card))).sum();
        let booked = |state| self.host.total(TransactionType::WalletLoad, state);
        let booked = booked(EntryState::Final) + booked(EntryState::Open);
        self.books.booked = i64::try_from(booked).unwrap();
        match conserved_by_all(&self.books) {
            Err(what) if !self.without => Err(self.breach(what)),
            _ => Ok(()),
        }
    }

    /// What an act must do by what its terminal says: W6 of one card.
    fn expect(&self, holds: bool, what: String) -> Result<(), Breach> {
        if holds || self.without { Ok(()) } else { Err(self.breach(what)) }
    }

    fn breach(&self, what: String) -> Breach {
        let place = format!("ledger, step {}", self.tally.steps);
        Breach { invariant: SYSTEM, what, place, seed: self.seed }
    }

    /// Books a transaction of which somebody has the code. A purchase counts when it is sent in.
    fn enter(&mut self, kind: TransactionType, amount: i64) {
        match kind {
            TransactionType::WalletLoad => self.books.loads += amount,
            TransactionType::Unload => self.books.unloads += amount,
            // Until then it is in the terminal's batch.
            _ => self.books.doubtful_debits += amount,
        }
    }

    fn collected(&mut self, amount: i64) {
        self.books.doubtful_debits -= amount;
        self.books.debits += amount;
    }

    fn doubt(&mut self, kind: TransactionType, amount: i64) {
        match kind {
            TransactionType::WalletLoad => self.books.doubtful_loads += amount,
            TransactionType::Unload => self.books.doubtful_unloads += amount,
            _ => self.books.doubtful_debits += amount,
        }
    }

    /// What is on a card, which gets power if it has none.
    fn balance(&mut self, card: usize) -> u32 {
        let card = &mut self.cards[card];
        card.nvm_mut().arm(None);
        if !card.is_powered() {
            card.power_on().expect("power");
        }
        card.model().purse().expect("a purse").balance.0
    }

    /// The terminal of a gate, whose PSAM may be about to lose power.
    fn terminal(&mut self, gate: usize) -> Terminal<SoftPsam<Memory>> {
        self.gates[gate].terminal.take().expect("a terminal")
    }

    /// Resets a gate's PSAM. When `doomed`, power will go in one of its next writes.
    fn wake(&mut self, gate: usize, doomed: bool) {
        let mut psam = self.terminal(gate).into_psam();
        let cut = doomed.then(|| Cut {
            after_writes: self.rng.below(6) as u64,
            after_bytes: self.rng.below(20),
            torn: Torn::Random(self.rng.next()),
        });
        psam.nvm_mut().arm(None);
        psam.reset().expect("power");
        psam.nvm_mut().arm(cut);
        self.gates[gate].terminal = Some(Terminal::new(psam).expect("a terminal"));
    }

    fn road(&mut self, card: usize) -> Road<'_> {
        let rng = Rng::new(self.rng.next(), "road");
        Road::new(&mut self.cards[card], rng, &mut self.past, &mut self.tally.troubles)
    }

    /// The road to a card and the line to the host.
    fn ways(&mut self, card: usize) -> (Road<'_>, Line<'_>) {
        let rng = Rng::new(self.rng.next(), "road");
        let troubles = &mut self.tally.troubles;
        let line = Line::new(&mut self.host, Rng::new(self.rng.next(), "line"), &mut self.held);
        (Road::new(&mut self.cards[card], rng, &mut self.past, troubles), line)
    }

    /// The clock of all terminals.
    fn now(&self) -> Moment {
        let bcd = |value: u32| u8::try_from(value / 10 * 16 + value % 10).unwrap();
        let (hours, minutes) = (self.seconds / 3600 % 24, self.seconds / 60 % 60);
        let time = [bcd(hours), bcd(minutes), bcd(self.seconds % 60)];
        Moment { date: [0x20, 0x26, 0x09, 0x01], time }
    }
}

const fn act_kind(act: Act) -> TransactionType {
    match act {
        Act::Load => TransactionType::WalletLoad,
        Act::Purchase => TransactionType::WalletPurchase,
        Act::Compound => TransactionType::CompoundPurchase,
        Act::Unload | Act::Refund => TransactionType::Unload,
    }
}

fn pin() -> Pin {
    "123456".parse().expect("a PIN")
}
