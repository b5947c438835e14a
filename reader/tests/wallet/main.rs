//! The terminal's and the host's side of the wallet against the virtual card: the ordinary day, every
//! lost answer, wrong cards, repeated messages, lies.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken premise fails the test"
)]

mod day;
mod doubt;
mod late;
mod lies;
mod round_trip;
mod support;
