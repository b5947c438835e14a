//! Wallets, terminals, a host, an operator and an attacker without keys.

use std::collections::HashSet;

use xuejika_card_model::nvm::{Cut, RamNvm, Torn};
use xuejika_card_model::wallet::{EnableFlag, WalletSetup};
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::legacy::Fen;

use super::commands::{self, Hand};
use super::desk;
use super::ledger::{Df, Kept, Kind, Ledger, Lock, Pending, TRIES};
use super::psam::Terminal;
use super::support::rng::Rng;
use super::support::{Reply, memory, power_up_with};
use super::view;

/// Commands of one seed.
pub(crate) const LENGTH: usize = 250;

/// Power goes in one command of so many.
const CUTS: usize = 20;

/// Commands to a wallet blocked for good, before the next one takes its place.
const AFTERLIFE: usize = 12;

pub(crate) const TERMINALS: [[u8; 6]; 2] =
    [[0x12, 0x00, 0x80, 0x80, 0x00, 0x01], [0x12, 0x00, 0x80, 0x80, 0x00, 0x02]];

const SERIALS: [&str; 2] = ["1100070100000017", "1100070100000025"];

/// What was done.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) commands: u64,
    pub(crate) done: u64,
    pub(crate) loads: u64,
    pub(crate) payments: u64,
    pub(crate) unloads: u64,
    pub(crate) wrong_codes: u64,
    pub(crate) cuts: u64,
    pub(crate) resets: u64,
    pub(crate) blocks: u64,
    pub(crate) unblocks: u64,
    /// Wallets that the issuer brought back into use.
    pub(crate) recoveries: u64,
    pub(crate) psam: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.commands += other.commands;
        self.done += other.done;
        self.loads += other.loads;
        self.payments += other.payments;
        self.unloads += other.unloads;
        self.wrong_codes += other.wrong_codes;
        self.cuts += other.cuts;
        self.resets += other.resets;
        self.blocks += other.blocks;
        self.unblocks += other.unblocks;
        self.recoveries += other.recoveries;
        self.psam += other.psam;
    }
}

/// A breach, with all that was sent.
pub(crate) struct Breach {
    pub(crate) what: String,
    pub(crate) history: Vec<String>,
}

/// A card, and its ledger.
pub(crate) struct Wallet {
    card: VirtualCard,
    pub(crate) ledger: Ledger,
    dead: usize,
    /// Commands that moved money.
    booked: HashSet<Vec<u8>>,
    /// Everything sent, for the report.
    history: Vec<String>,
}

impl Wallet {
    fn new(which: usize, rng: &mut Rng) -> Self {
        let profile = xuejika_card_model::record::Profile::CpuAes;
        let issuance = test_card::issuance(SERIALS[which].parse().unwrap(), profile).unwrap();
        let mut setup = test_card::wallet(&issuance);
        let mut history = vec![format!("card {}", SERIALS[which])];
        if rng.one_in(2) {
            let balance = rng.pick(&[0, 1, 5_000, 99_999, 100_000]);
            let counters = [0, 0, 255, 0xFFFC, 0xFFFE, 0xFFFF];
            let (online, offline) = (rng.pick(&counters), rng.pick(&counters));
            let flag = rng.pick(&[EnableFlag::Open, EnableFlag::Open, EnableFlag::Suspended]);
            setup = WalletSetup { flag, balance: Fen(balance), online, offline, ..setup };
            history.push(format!("{flag:?}, {balance} fen, counters {online} and {offline}"));
        }
        let memory = test_card::student_memory_with(&issuance, &setup).unwrap();
        let kept = Kept {
            balance: setup.balance.0,
            online: setup.online,
            offline: setup.offline,
            flag: setup.flag.code(),
            tries: [TRIES; 6],
            pin: vec![0x12, 0x34, 0x56],
            lock: Lock::None,
            card_blocked: false,
            log: Vec::new(),
            proof: None,
            compound: [1, 2, 3, 4].map(|tag| {
                let mut record = vec![0; 48];
                record[..2].copy_from_slice(&[tag, 0x2E]);
                record
            }),
        };
        let card = power_up_with(RamNvm::new(memory), Env::from_seed(rng.next()));
        let mut number = issuance.card_serial.bytes();
        number[..2].copy_from_slice(&[0x10, 0x00]);
        Self { card, ledger: Ledger::new(number, kept), dead: 0, booked: HashSet::new(), history }
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.ledger.kept.card_blocked || self.ledger.kept.lock == Lock::ForGood
    }

    /// Sends a command, and compares.
    pub(crate) fn send(&mut self, apdu: &[u8], tally: &mut Tally) -> Result<Reply, String> {
        tally.commands += 1;
        let before = self.ledger.kept.clone();
        let outcome = self.ledger.take(apdu);
        let mut response = Vec::new();
        self.card.transmit(apdu, &mut response).map_err(|error| format!("no answer: {error}"))?;
        self.history.push(format!("> {}\n  < {}", hex::encode(apdu), hex::encode(&response)));
        let (data, sw) = response.split_at(response.len() - 2);
        let reply = Reply { data: data.to_vec(), sw: u16::from_be_bytes([sw[0], sw[1]]) };
        let is_done = reply.sw == 0x9000;
        if is_done != outcome.done {
            let expected = if outcome.done { "carries it out" } else { "refuses" };
            return Err(format!("the card answers {:04X}, the ledger {expected}", reply.sw));
        }
        let is_last = matches!(apdu[..2], [0x80, 0x52 | 0x54]);
        if is_done && is_last && !self.booked.insert(apdu.to_vec()) {
            return Err("the same code is taken twice".into());
        }
        if is_done {
            if let Some(data) = &outcome.data
                && !data.is_empty()
                && reply.data[..data.len()] != data[..]
            {
                return Err(format!("the answer should be {}", hex::encode(data)));
            }
            self.ledger.learn(apdu, &reply.data)?;
        }
        self.compare(core::slice::from_ref(&self.ledger.kept.clone()))?;
        count(tally, apdu, &before, &self.ledger.kept, is_done);
        Ok(reply)
    }

    /// Sends a command in which power may go: afterwards the card keeps what it kept before, what the
    /// command comes to, or has spent a try.
    fn send_and_cut(&mut self, apdu: &[u8], cut: Cut, tally: &mut Tally) -> Result<(), String> {
        let before = self.ledger.clone();
        self.card.cut_power(cut);
        let mut response = Vec::new();
        let outcome = self.ledger.take(apdu);
        let answered = self.card.transmit(apdu, &mut response).is_ok();
        self.card.nvm_mut().arm(None);
        self.history.push(format!("> {}, power goes: {cut:?}", hex::encode(apdu)));
        tally.commands += 1;
        tally.cuts += u64::from(!answered);
        self.card.power_on().map_err(|error| format!("the card does not come back: {error}"))?;
        let mut may = outcome.halfway;
        may.push(self.ledger.kept.clone());
        if !answered {
            may.push(before.kept);
        }
        self.ledger.reset();
        self.compare(&may)
    }

    pub(crate) fn reset(&mut self) -> Result<(), String> {
        self.history.push("reset".into());
        self.card.reset().map_err(|error| format!("no reset: {error}"))?;
        self.ledger.reset();
        self.compare(core::slice::from_ref(&self.ledger.kept.clone()))
    }

    /// Compares what the card keeps with what it may keep, and takes that into the ledger.
    fn compare(&mut self, may: &[Kept]) -> Result<(), String> {
        let kept = view::kept(&memory(&self.card));
        if !may.contains(&kept) {
            let [.., expected] = may else { unreachable!("one at least") };
            return Err(kept.difference(expected));
        }
        self.ledger.kept = kept;
        Ok(())
    }
}

fn count(tally: &mut Tally, apdu: &[u8], before: &Kept, after: &Kept, is_done: bool) {
    tally.done += u64::from(is_done);
    let [cla, ins] = [apdu[0], apdu[1]];
    if before.lock == Lock::None && after.lock != Lock::None {
        tally.blocks += 1;
    }
    if before.lock != Lock::None && after.lock == Lock::None {
        tally.unblocks += 1;
    }
    tally.wrong_codes += u64::from(before.tries.iter().zip(&after.tries).any(|(a, b)| b < a));
    if is_done && cla == 0x80 {
        match (ins, apdu[2]) {
            (0x52, _) => tally.loads += 1,
            (0x54, 0x03) => tally.unloads += 1,
            (0x54, _) => tally.payments += 1,
            _ => {}
        }
    }
}

/// Two wallets, two terminals, and what the attacker has seen.
pub(crate) struct World {
    pub(crate) wallets: [Wallet; 2],
    pub(crate) terminals: [Terminal; 2],
    /// Commands of both wallets.
    pub(crate) seen: Vec<Vec<u8>>,
}

/// Runs the commands of this seed, until the first breach.
pub(crate) fn run(seed: u64, tally: &mut Tally) -> Result<(), Breach> {
    let mut rng = Rng::new(seed, "wallet");
    let wallets = [0, 1].map(|which| Wallet::new(which, &mut rng));
    let terminals = TERMINALS.map(|number| Terminal::new(number, seed));
    let mut world = World { wallets, terminals, seen: Vec::new() };
    let mut which = 0;
    for _ in 0..LENGTH {
        if rng.one_in(12) {
            which = 1 - which;
        }
        if let Err(what) = world.step(which, &mut rng, tally) {
            let history = core::mem::take(&mut world.wallets[which].history);
            return Err(Breach { what, history });
        }
        let wallet = &mut world.wallets[which];
        wallet.dead += usize::from(wallet.is_dead());
        if wallet.dead > AFTERLIFE {
            *wallet = Wallet::new(which, &mut rng);
        }
        for (which, terminal) in world.terminals.iter_mut().enumerate() {
            if terminal.is_locked() && rng.one_in(8) {
                *terminal = Terminal::new(TERMINALS[which], rng.next());
            }
        }
    }
    for wallet in &mut world.wallets {
        if let Err(what) = desk::recover(wallet, &mut rng, tally) {
            let history = core::mem::take(&mut wallet.history);
            return Err(Breach { what: format!("the issuer cannot recover: {what}"), history });
        }
    }
    Ok(())
}

impl World {
    fn step(&mut self, which: usize, rng: &mut Rng, tally: &mut Tally) -> Result<(), String> {
        if rng.one_in(30) {
            tally.resets += 1;
            return self.wallets[which].reset();
        }
        let terminal = rng.below(2);
        if rng.one_in(40) {
            self.terminals[terminal].start();
        }
        if rng.one_in(25) {
            tally.psam += 1;
            return self.lie_to_terminal(terminal, rng);
        }
        let ledger = &self.wallets[which].ledger;
        let debt = ledger.pending.clone().filter(|it| it.kind.is_off_line());
        if ledger.df == Df::Wallet
            && let Some(pending) = debt
            && pending.terminal == TERMINALS[terminal]
            && rng.one_in(2)
        {
            return self.pay(which, terminal, &pending, rng, tally);
        }
        let apdu = Hand { ledger, seen: &self.seen, rng }.next();
        self.remember(&apdu, rng);
        self.send(which, &apdu, rng, tally).map(drop)
    }

    fn send(
        &mut self,
        which: usize,
        apdu: &[u8],
        rng: &mut Rng,
        tally: &mut Tally,
    ) -> Result<Option<Reply>, String> {
        let wallet = &mut self.wallets[which];
        if rng.one_in(CUTS) {
            return wallet.send_and_cut(apdu, cut(rng), tally).map(|()| None);
        }
        wallet.send(apdu, tally).map(Some)
    }

    /// A terminal ends a purchase with its PSAM; on the way the attacker may lie to either side.
    fn pay(
        &mut self,
        which: usize,
        terminal: usize,
        pending: &Pending,
        rng: &mut Rng,
        tally: &mut Tally,
    ) -> Result<(), String> {
        let ledger = &self.wallets[which].ledger;
        let (number, counter) = (ledger.number, ledger.kept.offline);
        let ready = pending.kind == Kind::Purchase || !pending.cached.is_empty();
        let demand = self.terminals[terminal].demand(number, pending, counter, rng.bytes())?;
        let (Some(mut demand), true) = (demand, ready) else { return Ok(()) };
        tally.psam += 1;
        if rng.one_in(6) {
            let from = demand.len() - 4;
            commands::forge(&mut demand[from..], rng);
        }
        let apdu = commands::apdu([0x80, 0x54, 0x01, 0x00], &demand);
        self.remember(&apdu, rng);
        let Some(reply) = self.send(which, &apdu, rng, tally)? else { return Ok(()) };
        let mut mac2: [u8; 4] = match reply.data.get(4..8) {
            Some(mac2) => mac2.try_into().unwrap(),
            None => rng.bytes(),
        };
        if rng.one_in(3) {
            commands::forge(&mut mac2, rng);
        }
        self.terminals[terminal].credit(mac2)
    }

    /// Somebody without a card asks a terminal for its code and makes the card's up.
    fn lie_to_terminal(&mut self, terminal: usize, rng: &mut Rng) -> Result<(), String> {
        let kind = rng.pick(&[Kind::Purchase, Kind::Compound]);
        let (amount, random) = (u32::from_be_bytes(rng.bytes()), rng.bytes());
        let number = self.wallets[rng.below(2)].ledger.number;
        let terminal = &mut self.terminals[terminal];
        let made_up =
            Pending { kind, amount, terminal: terminal.number, random, cached: Vec::new() };
        terminal.demand(number, &made_up, u16::from_be_bytes(rng.bytes()), rng.bytes())?;
        terminal.credit(rng.bytes())
    }

    fn remember(&mut self, apdu: &[u8], rng: &mut Rng) {
        self.seen.push(apdu.to_vec());
        if self.seen.len() > 40 {
            let old = rng.below(40);
            self.seen.swap_remove(old);
        }
    }
}

/// A power cut near the beginning of what a command writes.
fn cut(rng: &mut Rng) -> Cut {
    let after_writes = rng.pick(&[0, 0, 1, 1, 2, 3, 5]);
    let after_bytes = rng.pick(&[0, 1, 2, 7, 16, 40, 1000]);
    let torn = rng.pick(&[Torn::Prefix, Torn::Erased(0), Torn::Erased(0xFF), Torn::Random(7)]);
    Cut { after_writes, after_bytes, torn }
}
