//! `xuejika batch` as its users run it.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken premise fails the test"
)]

mod bombs;
mod documents;
mod history;
mod hostile;
mod kinds;
mod library;
mod readback;
mod reports;
mod sample;
mod support;
mod tables;
mod verdict;
mod wallet_roots;
