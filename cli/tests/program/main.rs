//! The program as its users run it: arguments in, output and exit status out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken premise fails the test"
)]

mod apdu;
mod card;
mod conformance;
mod conformance_reader;
mod demo;
mod desk;
mod desk_books;
#[cfg(unix)]
mod desk_uploads;
#[cfg(target_os = "linux")]
mod dumps;
mod emulate;
mod foreign_text;
mod hostile_daemon;
#[cfg(unix)]
mod keys;
mod life;
#[cfg(unix)]
mod list;
mod lua;
mod reader;
mod script;
mod shell;
mod support;
mod three_cards;
mod trace;
mod vectors;
mod wallet;
#[cfg(unix)]
mod wallet_roots;
