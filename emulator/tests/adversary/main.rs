//! An attacker who holds a SAM, its management card, a student card and a PSAM, has any proper subset
//! of the keys there are, and sends what he likes: what he did not have, he must not get.
//!
//! After each sequence everything that came out is searched for every key, secret and session key that
//! he cannot compute, in the clear and under every session that he can open. What K0 and K6 of a card
//! are there to give (card profile 19.7) he may have. In some worlds the SAM is that of an application
//! unit: whatever is granted to it or presented to it, it uses K1 and the key of its own sector alone.
//!
//! ```text
//! cargo test --release -p xuejika-emulator --test sam_adversary -- [--sequences N] [--seed N]
//! ```
//!
//! Seed N runs sequences N, N + 1, ...; the one that finds something is named, and
//! `--sequences 1 --seed THAT` prints its commands.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a broken premise fails the test"
)]

mod crypto;
mod keys;
mod moves;
#[path = "../reference/rng.rs"]
#[allow(dead_code, reason = "some of it is for another test")]
mod rng;
mod world;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use moves::Attacker;
use rng::Rng;

/// Sequences in a debug build, with all other tests.
const QUICK: u64 = 150;
/// Sequences in a release build.
const CI: u64 = 20_000;
/// Steps of a sequence; most are several commands.
const STEPS: usize = 30;

/// What the command line asks for.
struct Options {
    first: u64,
    sequences: u64,
}

/// What was done.
#[derive(Default)]
struct Tally {
    commands: usize,
    successes: u64,
    sessions: usize,
    unlocks: u64,
}

fn main() -> ExitCode {
    let Some(options) = options(std::env::args().skip(1)) else {
        println!("0 passed, 0 failed, 1 skipped");
        return ExitCode::SUCCESS;
    };
    crypto::self_test();
    moves::self_test();
    let begun = Instant::now();
    let (tally, breach) = attack(&options);
    let Tally { commands, successes, sessions, unlocks } = tally;
    println!(
        "{} sequences from seed {}: {commands} commands, {successes} answered 9000, {sessions} \
         sessions, {unlocks} times unlocked, {} s",
        options.sequences,
        options.first,
        begun.elapsed().as_secs()
    );
    match breach {
        None => {
            println!("no breach");
            ExitCode::SUCCESS
        }
        Some((seed, what)) => {
            println!("BREACH in the sequence of seed {seed}: {what}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the sequences on all processors, until something is found.
fn attack(options: &Options) -> (Tally, Option<(u64, String)>) {
    let next = AtomicU64::new(options.first);
    let end = options.first.saturating_add(options.sequences);
    let (sum, found) = (Mutex::new(Tally::default()), Mutex::new(None));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || found.lock().unwrap().is_some() {
                        return;
                    }
                    if let Some(what) = sequence(seed, options.sequences == 1, &sum) {
                        found.lock().unwrap().get_or_insert((seed, what));
                    }
                }
            });
        }
    });
    (sum.into_inner().unwrap(), found.into_inner().unwrap())
}

/// One sequence; what it found.
fn sequence(seed: u64, verbose: bool, sum: &Mutex<Tally>) -> Option<String> {
    let mut rng = Rng::new(seed, "sam");
    let mut attacker = Attacker::new(seed, &mut rng);
    for _ in 0..STEPS {
        attacker.step();
        if attacker.world.breach.is_some() {
            break;
        }
    }
    let world = &mut attacker.world;
    world.search();
    if verbose {
        for (to, command) in &world.sent {
            println!("{to:?} < {}", hex::encode_upper(command));
        }
    }
    let mut sum = sum.lock().unwrap();
    sum.commands += world.sent.len();
    sum.successes += world.successes;
    sum.sessions += world.sessions.len();
    sum.unlocks += world.unlocks;
    world.breach.take()
}

/// What the arguments ask for; `None` when they ask for other tests only. What the test runner
/// passes to every program means nothing here.
fn options(mut arguments: impl Iterator<Item = String>) -> Option<Options> {
    let sequences = if cfg!(debug_assertions) { QUICK } else { CI };
    let mut options = Options { first: 1, sequences };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--sequences" => options.sequences = arguments.next()?.parse().ok()?,
            "--seed" => options.first = arguments.next()?.parse().ok()?,
            "--list" => return None,
            flag if flag.starts_with('-') => {}
            // The name of some other test.
            filter if !"sam_adversary".contains(filter) => return None,
            _ => {}
        }
    }
    Some(options)
}
