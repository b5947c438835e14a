//! Wallets against a ledger of their own: every command is judged by arithmetic done again here, and
//! everything a wallet keeps is compared after each. Hosts, terminals with their PSAMs, the operator and
//! the holder do what they do; an attacker without keys forges codes, repeats what was seen, mixes
//! transactions and cuts the power.
//!
//! ```text
//! cargo test --release -p xuejika-emulator --test wallet_walk -- --steps N --seed S
//! bash .ci/faults run cargo test --release -p xuejika-emulator --test wallet_walk -- --faults
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken premise fails the test"
)]

#[path = "../reference/cipher.rs"]
#[allow(dead_code, reason = "the card's keys need CMAC alone")]
mod cipher;
mod codes;
mod commands;
mod desk;
#[cfg(faults)]
mod faults;
#[path = "../reference/keys.rs"]
#[allow(dead_code, reason = "the wallet's keys alone")]
mod keys;
mod ledger;
mod psam;
mod security;
#[cfg(faults)]
#[path = "../support/faults.rs"]
mod seeded;
#[path = "../support/mod.rs"]
mod support;
#[path = "../reference/tdes.rs"]
mod tdes;
mod view;
mod walk;

use std::process::ExitCode;
use std::time::Instant;

use support::walk::{Options, Share, for_seeds};
use walk::{LENGTH, Tally};

/// Commands in a release build, as CI does it, and in a debug build, with all other tests.
const SHARE: Share = Share { name: "wallet_walk", release: 3_000_000, debug: 10_000 };

fn main() -> ExitCode {
    let Some(options) = Options::parse(&SHARE) else {
        println!("0 passed, 0 failed, 1 skipped");
        return ExitCode::SUCCESS;
    };
    tdes::self_test();
    if options.faults {
        return find_faults();
    }
    let start = Instant::now();
    let seeds = options.steps.div_ceil(LENGTH as u64);
    let (tally, breaches) = for_seeds(options.seed..options.seed + seeds, walk::run, Tally::add);
    print(&tally);
    let last = options.seed + seeds - 1;
    println!("seeds {} to {last}, {:.1} s", options.seed, start.elapsed().as_secs_f64());
    for (seed, breach) in breaches.iter().take(5) {
        println!("BREACH with seed {seed}: {}", breach.what);
        breach.history.iter().for_each(|line| println!("  {line}"));
        println!("  again with: --steps 1 --seed {seed}");
    }
    let failed = breaches.len();
    println!("{} passed, {failed} failed", u8::from(failed == 0));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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
    println!("commands          {}, {} done", tally.commands, tally.done);
    println!("  loads           {}", tally.loads);
    println!("  purchases       {}", tally.payments);
    println!("  unloads         {}", tally.unloads);
    println!("  at a PSAM       {}", tally.psam);
    println!("wrong codes       {}", tally.wrong_codes);
    println!("wallets blocked   {}, {} unblocked", tally.blocks, tally.unblocks);
    println!("recovered         {}, by the issuer at the end", tally.recoveries);
    println!("power cuts        {}, {} resets", tally.cuts, tally.resets);
}
