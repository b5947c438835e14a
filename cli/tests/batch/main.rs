//! `xuejika batch` as its users run it.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken premise fails the test"
)]

mod documents;
mod hostile;
mod support;
mod verdict;
