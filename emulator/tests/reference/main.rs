//! A second card against the first: a slow, clear model of a student card, written from the card
//! profile with ciphers of its own, maps in the place of a memory, and no journal. Both get the
//! same commands and the same random numbers; every byte they answer and everything they keep has
//! to be the same.
//!
//! ```text
//! cargo test -p xuejika-emulator --release --test reference [-- --runs N --seed N --steps N]
//! bash .ci/faults run cargo test --release -p xuejika-emulator --test reference [-- --faults [NAME]]
//! ```
//!
//! With `--seed` that one sequence runs, and is printed as far as it went when the cards part.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a broken premise fails the test"
)]

#[cfg(faults)]
mod faults;
#[path = "model.rs"]
#[allow(dead_code, reason = "some of it is for the fuzz targets")]
mod reference;
#[cfg(faults)]
#[path = "../support/faults.rs"]
mod seeded;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use reference::run::{Divergence, Tally};
use reference::{cipher, run, tdes};

/// Sequences in a debug build, with all other tests.
const QUICK: u64 = 120;
/// Sequences in a release build, as CI does it.
const CI: u64 = 20_000;
/// Commands of a sequence.
const STEPS: usize = 100;

/// What the command line asks for.
struct Options {
    first: u64,
    runs: u64,
    steps: usize,
    faults: bool,
    only: Option<String>,
}

fn main() -> ExitCode {
    let Some(options) = options(std::env::args().skip(1)) else {
        println!("0 passed, 0 failed, 1 skipped");
        return ExitCode::SUCCESS;
    };
    cipher::self_test();
    tdes::self_test();
    if options.faults {
        return hunt(&options);
    }
    let begun = Instant::now();
    let (tally, found) = compare_cards(&options);
    let Tally { commands, resets, done, cuts } = tally;
    println!(
        "{} sequences from seed {}: {commands} commands, {done} answered 9000, {cuts} power cuts, \
         {resets} resets, {} s",
        options.runs,
        options.first,
        begun.elapsed().as_secs()
    );
    match found {
        None => {
            println!("no divergence");
            ExitCode::SUCCESS
        }
        Some(found) => {
            println!("{found}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the sequences on all processors, until the cards part.
fn compare_cards(options: &Options) -> (Tally, Option<Divergence>) {
    let next = AtomicU64::new(options.first);
    let end = options.first + options.runs;
    let (sum, found) = (Mutex::new(Tally::default()), Mutex::new(None::<Divergence>));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end || found.lock().unwrap().is_some() {
                        return;
                    }
                    match run::sequence(seed, options.steps) {
                        Ok(tally) => sum.lock().unwrap().add(&tally),
                        Err(divergence) => {
                            found.lock().unwrap().get_or_insert(divergence);
                        }
                    }
                }
            });
        }
    });
    (sum.into_inner().unwrap(), found.into_inner().unwrap())
}

#[cfg(faults)]
fn hunt(options: &Options) -> ExitCode {
    faults::hunt(options.only.as_deref(), options.steps)
}

#[cfg(not(faults))]
fn hunt(options: &Options) -> ExitCode {
    println!("no faults in these sources for {:?}: bash .ci/faults run", options.only);
    ExitCode::FAILURE
}

/// What the arguments ask for; `None` when they ask for other tests only. What the test runner
/// passes to every program means nothing here.
fn options(mut arguments: impl Iterator<Item = String>) -> Option<Options> {
    let runs = if cfg!(debug_assertions) { QUICK } else { CI };
    let mut options = Options { first: 1, runs, steps: STEPS, faults: false, only: None };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--runs" => options.runs = arguments.next()?.parse().ok()?,
            "--steps" => options.steps = arguments.next()?.parse().ok()?,
            "--seed" => {
                (options.first, options.runs) = (arguments.next()?.parse().ok()?, 1);
            }
            "--faults" => options.faults = true,
            "--list" => return None,
            flag if flag.starts_with('-') => {}
            name if options.faults => options.only = Some(name.to_owned()),
            // The name of some other test.
            filter if !"reference".contains(filter) => return None,
            _ => {}
        }
    }
    Some(options)
}
