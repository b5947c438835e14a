//! An insider against the policy: every kind of unit, key, command, order and date, through real
//! commands, on virtual cards. What the card allows and refuses is compared with [`policy`], what it holds
//! afterwards with [`ledger`].
//!
//! ```text
//! cargo test --release -p xuejika-emulator --test insider -- --steps N --seed S
//! bash .ci/faults run cargo test --release -p xuejika-emulator --test insider -- --faults
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken premise fails the test"
)]

mod deed;
#[cfg(faults)]
mod faults;
mod hand;
mod ledger;
mod policy;
mod record;
#[cfg(faults)]
#[path = "../support/faults.rs"]
mod seeded;
mod shrink;
#[path = "../support/mod.rs"]
mod support;
mod view;
mod walk;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant;

use deed::{Event, Kind};
use policy::{RULES, Verdict};
use support::walk::{Options, Share, for_seeds};
use walk::{Broken, LENGTH, Tally};

/// Tries in a release build, as CI does it, and in a debug build, with all other tests.
const SHARE: Share = Share { name: "insider", release: 300_000, debug: 2_000 };

/// So many tries have to reach every event and every rule.
const THOROUGH: u64 = 500_000;

fn main() -> ExitCode {
    let Some(options) = Options::parse(&SHARE) else {
        println!("0 passed, 0 failed, 1 skipped");
        return ExitCode::SUCCESS;
    };
    if options.faults {
        return find_faults();
    }
    let start = Instant::now();
    let seeds = options.steps.div_ceil(LENGTH as u64);
    let (tally, breaches) = for_seeds(options.seed..options.seed + seeds, walk::run, Tally::add);
    print(&tally);
    let last = options.seed + seeds - 1;
    println!("seeds {} to {last}, {:.1} s", options.seed, start.elapsed().as_secs_f64());
    let mut kinds: BTreeMap<String, (u64, u64, Broken)> = BTreeMap::new();
    for (seed, broken) in breaches {
        kinds.entry(broken.breach.kind.clone()).or_insert((0, seed, broken)).0 += 1;
    }
    let unreached = if options.steps < THOROUGH { Vec::new() } else { unreached(&tally) };
    unreached.iter().for_each(|what| println!("NEVER: {what}"));
    let failed = kinds.len() + unreached.len();
    for (times, seed, broken) in kinds.into_values() {
        println!("BREACH with seed {seed} ({times} times): {}", broken.breach.what);
        for (number, act) in (1..).zip(shrink::shortest(broken)) {
            println!("  {number}. {act}");
        }
        println!("  again with: --steps 1 --seed {seed}");
    }
    println!("{} passed, {failed} failed", u8::from(failed == 0));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Events that no card allowed, and rules that nothing was tried against.
fn unreached(tally: &Tally) -> Vec<String> {
    let events = Event::ALL.into_iter().filter(|event| {
        let of_event = |((known, _), _): (&(Event, Kind), _)| known == event;
        !tally.events.iter().any(of_event)
    });
    let rules = RULES.iter().zip(&tally.rules).filter(|(_, counts)| **counts == [0, 0]);
    events
        .map(|event| format!("{event:?} was allowed"))
        .chain(rules.map(|(rule, _)| format!("tried: {}", rule.text)))
        .collect()
}

/// Whether the walk finds what is seeded.
fn find_faults() -> ExitCode {
    #[cfg(faults)]
    let (found, missed) = faults::find();
    // Without the feature nothing can be seeded.
    #[cfg(not(faults))]
    let (found, missed) = (0, 1);
    println!("{found} passed, {missed} failed");
    if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print(tally: &Tally) {
    println!(
        "cards {}, tries {}: {} allowed, {} refused",
        tally.cards, tally.steps, tally.allowed, tally.refused
    );
    for ((event, kind), count) in &tally.events {
        println!("  {event:?} by {kind:?}: {count}");
    }
    for (rule, [allowed, refused]) in RULES.iter().zip(&tally.rules) {
        let verdict = if rule.verdict == Verdict::Open { "open" } else { "no" };
        println!(
            "  {verdict:4} {allowed:6} allowed {refused:6} refused: {} ({})",
            rule.text, rule.article
        );
    }
}
