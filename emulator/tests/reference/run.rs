//! One sequence of commands on both cards.

use core::convert::Infallible;
use core::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand_core::{TryCryptoRng, TryRng};
use xuejika_card_model::nvm::RamNvm;
use xuejika_card_model::record::Profile;
use xuejika_card_model::wallet::{EnableFlag, WalletSetup};
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::KeyNumber;
use xuejika_keyscheme::legacy::Fen;

use crate::card::RefCard;
use crate::compare::difference;
use crate::files::{self, WALLET, ZONE};
use crate::plans;
use crate::rng::Rng;
use crate::terminal::Terminal;

const SERIAL: [u8; 8] = [0x11, 0x00, 0x07, 0x01, 0x00, 0x00, 0x00, 0x17];

/// After so many commands everything the cards keep is compared, and at the end.
const LOOK: usize = 10;

/// What was done.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) commands: u64,
    pub(crate) resets: u64,
    pub(crate) done: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.commands += other.commands;
        self.resets += other.resets;
        self.done += other.done;
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
}

/// Random numbers that depend on nothing but the command they are drawn in: when a card draws them is its
/// own affair.
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
    let mut pair = Pair::new(seed);
    let mut terminal = Terminal::new(seed);
    prelude(seed, &mut terminal, &pair.reference);
    let (mut tally, mut transcript) = (Tally::default(), Vec::new());
    let mut response = Vec::new();
    for step in 0..steps {
        let parted = |what, transcript| Err(Divergence { seed, step, what, transcript });
        match terminal.next(&pair.reference) {
            None => {
                tally.resets += 1;
                pair.card.reset().unwrap();
                pair.reference.reset();
                transcript.push("reset".to_owned());
            }
            Some(command) => {
                tally.commands += 1;
                pair.command.fetch_add(1, Ordering::Relaxed);
                pair.card.transmit(&command, &mut response).unwrap();
                let expected = pair.reference.transmit(&command);
                tally.done += u64::from(response.ends_with(&[0x90, 0x00]));
                transcript.push(format!("> {}\n< {}", hex(&command), hex(&response)));
                if response != expected {
                    let what = format!("the reference answers {}", hex(&expected));
                    return parted(what, transcript);
                }
            }
        }
        if (step % LOOK == LOOK - 1 || step == steps - 1)
            && let Some(what) = difference(&pair.card, &pair.reference)
        {
            return parted(what, transcript);
        }
    }
    Ok(tally)
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
        plan.extend(plans::charge(rng.pick(&[1, 2_000, 100_000])));
    }
    terminal.begin(plan);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
