//! One sequence of commands on both cards.

use core::convert::Infallible;
use core::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand_core::{TryCryptoRng, TryRng};
use xuejika_card_model::nvm::{Cut, RamNvm, Torn};
use xuejika_card_model::record::Profile;
use xuejika_card_model::wallet::{EnableFlag, WalletSetup};
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::KeyNumber;
use xuejika_keyscheme::legacy::Fen;

use super::card::RefCard;
use super::compare::difference;
use super::files::{self, WALLET, ZONE};
use super::plans;
use super::rng::Rng;
use super::terminal::Terminal;
use super::wallet_plans;

const SERIAL: [u8; 8] = [0x11, 0x00, 0x07, 0x01, 0x00, 0x00, 0x00, 0x17];

/// Power goes in one command of so many, if the command writes enough.
const CUTS: usize = 25;

/// After so many commands everything the cards keep is compared, and at the end.
const LOOK: usize = 10;

/// What was done.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) commands: u64,
    pub(crate) resets: u64,
    pub(crate) done: u64,
    /// Commands in which power went.
    pub(crate) cuts: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.commands += other.commands;
        self.resets += other.resets;
        self.done += other.done;
        self.cuts += other.cuts;
    }
}

/// Where the cards parted.
pub(crate) struct Divergence {
    pub(crate) seed: u64,
    pub(crate) step: usize,
    pub(crate) what: String,
    /// Everything sent and answered.
    transcript: Vec<String>,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.transcript {
            writeln!(f, "{line}")?;
        }
        write!(f, "seed {}, step {}: {}", self.seed, self.step, self.what)
    }
}

/// Both cards, in the same state.
struct Pair {
    card: VirtualCard,
    reference: RefCard,
    /// Number of the command, for random numbers.
    command: Arc<AtomicU64>,
}

impl Pair {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed, "card");
        let algorithm = if rng.one_in(4) { 2 } else { 1 };
        let profile = if algorithm == 1 { Profile::CpuAes } else { Profile::CpuSm4 };
        let issuance = test_card::issuance("1100070100000017".parse().unwrap(), profile).unwrap();
        let blank = rng.one_in(12);
        let mut setup = test_card::wallet(&issuance);
        if !blank && rng.one_in(4) {
            let balance = rng.pick(&[0, 1, 5_000, 99_999, 100_000]);
            let (online, offline) =
                (rng.pick(&[0, 255, 0xFFFD, 0xFFFE, 0xFFFF]), rng.pick(&[0, 0xFFFD, 0xFFFF]));
            let flag = rng.pick(&[EnableFlag::Open, EnableFlag::Suspended]);
            setup = WalletSetup { flag, balance: Fen(balance), online, offline, ..setup };
        }
        let mut memory = match blank {
            true => test_card::blank_student_memory(&issuance).unwrap(),
            false => test_card::student_memory_with(&issuance, &setup).unwrap(),
        };
        let tape = Tape { seed, command: Arc::default() };
        let (of_card, at) = (tape.clone(), Arc::clone(&tape.command));
        let random = move |bytes: &mut [u8]| tape.fill(bytes);
        let mut reference = RefCard::new(SERIAL, algorithm, blank, random);
        (reference.purse.online, reference.purse.offline) = (setup.online, setup.offline);
        reference.purse.balance = setup.balance.0;
        reference.bytes_mut(WALLET, 5)[0] = setup.flag.code();
        wear(&mut rng, &mut memory, &mut reference);
        let mut card = VirtualCard::new(RamNvm::new(memory), Env::with_rng(of_card)).unwrap();
        card.power_on().unwrap();
        reference.reset();
        Self { card, reference, command: at }
    }

    fn reset(&mut self, tally: &mut Tally) -> Option<String> {
        tally.resets += 1;
        self.card.reset().unwrap();
        self.reference.reset();
        None
    }

    /// Sends a command to both.
    fn send(
        &mut self,
        command: &[u8],
        tally: &mut Tally,
        transcript: &mut Vec<String>,
    ) -> Option<String> {
        tally.commands += 1;
        self.command.fetch_add(1, Ordering::Relaxed);
        let mut response = Vec::new();
        self.card.transmit(command, &mut response).unwrap();
        let expected = self.reference.transmit(command);
        tally.done += u64::from(response.ends_with(&[0x90, 0x00]));
        transcript.push(format!("> {}\n< {}", hex(command), hex(&response)));
        (response != expected).then(|| format!("the reference answers {}", hex(&expected)))
    }

    /// Sends a command in which power may go. Afterwards the card is the one from before or the one
    /// from after, or has spent a try.
    fn send_and_cut(&mut self, command: &[u8], cut: Cut, tally: &mut Tally) -> Option<String> {
        tally.commands += 1;
        self.command.fetch_add(1, Ordering::Relaxed);
        let before = self.reference.clone();
        let expected = self.reference.transmit(command);
        let mut response = Vec::new();
        self.card.cut_power(cut);
        let answered = self.card.transmit(command, &mut response).is_ok();
        self.card.nvm_mut().arm(None);
        if answered {
            let what =
                || format!("the card answers {}, the reference {}", hex(&response), hex(&expected));
            return (response != expected).then(what);
        }
        tally.cuts += 1;
        self.card.power_on().unwrap();
        let candidates = [vec![before.clone(), self.reference.clone()], before.with_spent_tries()];
        let same = |it: &mut RefCard| {
            it.reset();
            difference(&self.card, it).is_none()
        };
        match candidates.concat().into_iter().find_map(|mut it| same(&mut it).then_some(it)) {
            None => Some("after the power cut the card is neither old nor new".to_owned()),
            Some(found) => {
                self.reference = found;
                None
            }
        }
    }
}

/// Random numbers that depend on nothing but the command they are drawn in: when a card draws them
/// is its own affair.
#[derive(Clone)]
struct Tape {
    seed: u64,
    command: Arc<AtomicU64>,
}

impl Tape {
    fn fill(&self, bytes: &mut [u8]) {
        let command = self.command.load(Ordering::Relaxed);
        let mut rng = Rng::new(self.seed ^ command << 32, "tape");
        bytes.fill_with(|| rng.next().to_le_bytes()[0]);
    }
}

impl TryRng for Tape {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        self.fill(to);
        Ok(())
    }
}

impl TryCryptoRng for Tape {}

/// Failures of keys near their limit, a damaged copy of the status record.
fn wear(rng: &mut Rng, memory: &mut [u8], reference: &mut RefCard) {
    let tree = xuejika_card_model::file::tree::CardKind::Student.tree();
    let zone = tree.education().unwrap();
    if rng.one_in(4) {
        let number = u8::try_from(rng.below(7)).unwrap();
        let failures = rng.pick(&[1_u16, 9, 10, 255, 998, 999, 999, 1000]);
        let offset = zone.key_offset(KeyNumber(number)).unwrap();
        memory[offset..offset + 2].copy_from_slice(&failures.to_be_bytes());
        reference.slots.get_mut(&(ZONE, number)).unwrap().failures = failures;
    }
    if rng.one_in(6) {
        // Copy A is the older one of a card at delivery.
        let at = rng.below(16);
        memory[zone.by_sfi(6).unwrap().offset + at] ^= 1;
        reference.bytes_mut(ZONE, 6)[at] ^= 1;
    }
}

/// Runs the sequence of this seed.
pub(crate) fn sequence(seed: u64, steps: usize) -> Result<Tally, Divergence> {
    play(seed, Terminal::new(Rng::new(seed, "terminal")), steps)
}

/// Lets a terminal loose on the cards of this seed.
pub(crate) fn play(seed: u64, mut terminal: Terminal, steps: usize) -> Result<Tally, Divergence> {
    let mut pair = Pair::new(seed);
    prelude(seed, &mut terminal, &pair.reference);
    let (mut tally, mut transcript) = (Tally::default(), Vec::new());
    for step in 0..steps {
        if terminal.rng.is_used_up() {
            break;
        }
        let mut parted = match terminal.next(&pair.reference) {
            None => {
                transcript.push("reset".to_owned());
                pair.reset(&mut tally)
            }
            Some(command) if terminal.rng.one_in(CUTS) => {
                let cut = cut(&mut terminal.rng);
                transcript.push(format!("> {}, {cut:?}", hex(&command)));
                pair.send_and_cut(&command, cut, &mut tally)
            }
            Some(command) => pair.send(&command, &mut tally, &mut transcript),
        };
        if step % LOOK == LOOK - 1 || step == steps - 1 {
            parted = parted.or_else(|| difference(&pair.card, &pair.reference));
        }
        if let Some(what) = parted {
            return Err(Divergence { seed, step, what, transcript });
        }
    }
    match difference(&pair.card, &pair.reference) {
        Some(what) => Err(Divergence { seed, step: steps, what, transcript }),
        None => Ok(tally),
    }
}

/// A power cut near the beginning of what a command writes.
fn cut(rng: &mut Rng) -> Cut {
    let after_writes = rng.pick(&[0, 0, 1, 2, 3, 5, 8, 12]);
    let after_bytes = rng.pick(&[0, 1, 2, 7, 16, 40, 1000]);
    let seed = rng.next();
    let torn = rng.pick(&[Torn::Prefix, Torn::Erased(0), Torn::Erased(0xFF), Torn::Random(seed)]);
    Cut { after_writes, after_bytes, torn }
}

/// Lets a terminal loose on the card of this seed alone: what the reference says shapes what is
/// sent, and is not compared.
pub(crate) fn play_alone(seed: u64, mut terminal: Terminal, steps: usize) {
    let mut pair = Pair::new(seed);
    prelude(seed, &mut terminal, &pair.reference);
    let (mut tally, mut transcript) = (Tally::default(), Vec::new());
    for _ in 0..steps {
        if terminal.rng.is_used_up() {
            break;
        }
        let _ = match terminal.next(&pair.reference) {
            None => pair.reset(&mut tally),
            Some(command) => pair.send(&command, &mut tally, &mut transcript),
        };
    }
}

/// What has happened to the card before it comes to the terminal.
fn prelude(seed: u64, terminal: &mut Terminal, card: &RefCard) {
    let mut rng = Rng::new(seed, "prelude");
    if card.status().is_none_or(|status| status.state != files::INIT) {
        return;
    }
    let mut plan = Vec::new();
    if rng.one_in(2) {
        plan.extend(plans::personalise(card, if rng.one_in(6) { 4 } else { 2 }));
        if rng.one_in(3) {
            plan.extend(plans::open_sector(card));
        }
    }
    if rng.one_in(2) {
        plan.extend(wallet_plans::charge(rng.pick(&[1, 2_000, 100_000])));
    }
    terminal.begin(plan);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
