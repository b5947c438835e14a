//! The conformance suite judged: each seeded fault of a card is switched on in turn, and some case has
//! to fail. Prints which.
//!
//! ```text
//! bash .ci/faults run cargo test --release -p xuejika-emulator --test mutants [-- FAULT]
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a broken premise fails the test"
)]

#[cfg(faults)]
mod bench;
#[cfg(faults)]
#[path = "../support/faults.rs"]
mod faults;
#[cfg(faults)]
mod hunt;

#[cfg(faults)]
fn main() -> std::process::ExitCode {
    hunt::run(std::env::args().nth(1).filter(|name| !name.starts_with('-')).as_deref())
}

#[cfg(not(faults))]
fn main() {
    println!("no faults in these sources: bash .ci/faults run");
}
