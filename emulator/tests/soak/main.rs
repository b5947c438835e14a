//! Power cuts, seeded bugs and the system ledger.
//!
//! Every command of the dispatch table is cut everywhere ([`cuts`]) and judged by the invariants
//! ([`invariants`]); a town of cards, terminals and a host keeps its money under every kind of
//! trouble ([`ledger`]); and, in the copy that `.ci/faults` patches, both are judged in turn: every seeded bug has
//! to be found ([`bugs`]).
//!
//! ```text
//! bash .ci/faults run cargo test --release -p xuejika-emulator --test soak -- --soak
//!     --seed N --only NAME    one seed of one command, of `ledger`, or of the bug with this name
//!     --without W4            leave an invariant out
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken premise fails the test"
)]

mod bugs;
mod case;
mod client;
mod cuts;
#[cfg(faults)]
#[path = "../support/faults.rs"]
mod faults;
mod invariants;
mod ledger;
mod memory;
mod report;

mod scenes;
#[path = "../support/mod.rs"]
mod support;
mod view;

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use cuts::{Breach, Effort, Harness, Tally, guarded};
use ledger::LedgerTally;
use report::Report;
use scenes::{World, operations};
use support::rng;

/// How much is done.
#[derive(Clone, Copy)]
struct Share {
    effort: Effort,
    /// Seeds of every command.
    seeds: u64,
    /// Seeds of the ledger.
    towns: u64,
    /// Steps of each.
    steps: u64,
}

/// Before a release.
const SOAK: Share = Share { effort: Effort::SOAK, seeds: 120, towns: 10_000, steps: 200 };

/// In a release build without `--soak`, as CI does it.
const CI: Share = Share { effort: Effort::QUICK, seeds: 16, towns: 1_000, steps: 200 };

/// In a debug build, with all other tests.
const QUICK: Share = Share { effort: Effort::QUICK, seeds: 1, towns: 100, steps: 200 };

/// What the command line asks for.
#[derive(Clone, Default)]
struct Options {
    soak: bool,
    seed: Option<u64>,
    only: Option<String>,
    without: Option<String>,
}

fn main() -> ExitCode {
    let Some(options) = options(std::env::args().skip(1)) else {
        println!("0 passed, 0 failed, 1 skipped");
        return ExitCode::SUCCESS;
    };
    let start = Instant::now();
    let share = match (options.soak, cfg!(debug_assertions)) {
        (true, _) => SOAK,
        (false, true) => QUICK,
        (false, false) => CI,
    };
    let mut report = Report::default();
    report.cuts = cut_everything(&options, share, &mut report.breaches);
    report.ledger = run_towns(&options, share, &mut report.breaches);
    report.bugs = bugs::hunt_all(options.only.as_deref(), options.without.as_deref());
    report.print(&options, share.seeds, start.elapsed());
    if report.passed() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What the arguments ask for; `None` when they ask for other tests only. What the test runner passes
/// to every program means nothing here.
fn options(mut arguments: impl Iterator<Item = String>) -> Option<Options> {
    let mut options = Options::default();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--soak" => options.soak = true,
            "--seed" => options.seed = Some(arguments.next()?.parse().ok()?),
            "--only" => options.only = Some(arguments.next()?),
            "--without" => options.without = Some(arguments.next()?),
            "--list" => return None,
            flag if flag.starts_with('-') => {}
            // The name of some other test.
            filter if !"soak".contains(filter) => return None,
            _ => {}
        }
    }
    Some(options)
}

/// Runs `work` for the seeds from 1 to `last` on all processors, until one breaks an invariant.
fn for_seeds<T: Default + Send>(
    options: &Options,
    last: u64,
    breaches: &mut Vec<Breach>,
    work: impl Fn(u64) -> Result<T, Breach> + Sync,
    add: impl Fn(&mut T, &T) + Sync,
) -> T {
    let (first, last) = options.seed.map_or((1, last), |seed| (seed, seed));
    let next = AtomicU64::new(first);
    let (sum, found) = (Mutex::new(T::default()), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > last || found.lock().is_ok_and(|found| !found.is_empty()) {
                        return;
                    }
                    match work(seed) {
                        Ok(part) => add(&mut sum.lock().unwrap(), &part),
                        Err(breach) => found.lock().unwrap().push(breach),
                    }
                }
            });
        }
    });
    breaches.extend(found.into_inner().unwrap());
    sum.into_inner().unwrap()
}

/// Cuts every command.
fn cut_everything(options: &Options, share: Share, breaches: &mut Vec<Breach>) -> Tally {
    let wanted = |name: &str| options.only.as_deref().is_none_or(|only| only == name);
    let work = |seed| {
        let mut world = World::new(seed);
        let mut harness = Harness::new(seed, share.effort, options.without.clone());
        for operation in operations() {
            let name = format!("{operation:?}");
            if wanted(&name) {
                guarded(&name, seed, || harness.command(operation, &mut world))?;
            }
        }
        Ok(harness.tally)
    };
    for_seeds(options, share.seeds, breaches, work, Tally::add)
}

/// Runs the ledger.
fn run_towns(options: &Options, share: Share, breaches: &mut Vec<Breach>) -> LedgerTally {
    if options.only.as_deref().is_some_and(|only| only != "ledger") {
        return LedgerTally::default();
    }
    let fresh = ledger::fresh();
    let without = options.without.as_deref() == Some(invariants::SYSTEM);
    let work = |seed| guarded("ledger", seed, || ledger::run(&fresh, seed, share.steps, without));
    for_seeds(options, share.towns, breaches, work, LedgerTally::add)
}
