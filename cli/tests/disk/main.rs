//! An adversary of the file system: kills the program at random moments, fills the disk, and puts
//! links, pipes, folders and folders that cannot be written into the way of every verb that writes.
//!
//! After each: every file is the old one or the new one, whole; nothing else lies there; the status
//! is right, and the message names the file and the reason.
//!
//! ```text
//! cargo test -p xuejika --test disk -- --seconds 60 --seed 1
//! ```
#![cfg_attr(not(unix), allow(unused, reason = "the adversary knows Unix"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken premise fails the test"
)]

#[cfg(unix)]
mod place;
#[cfg(unix)]
mod trouble;
#[cfg(unix)]
mod verbs;

/// Seconds of a run of all tests.
const SHARE: u64 = 4;

#[cfg(unix)]
fn main() {
    let option = |name: &str| {
        let mut words = std::env::args().skip_while(|word| word != name).skip(1);
        words.next().map(|number| number.parse::<u64>().unwrap())
    };
    let (seconds, seed) = (option("--seconds").unwrap_or(SHARE), option("--seed").unwrap_or(1));
    trouble::run(core::time::Duration::from_secs(seconds), seed);
}

#[cfg(not(unix))]
fn main() {}
