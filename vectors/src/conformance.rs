//! The conformance suite: cases that any card can be asked, and one verdict for each.
//!
//! ```text
//! case files ──► Suite ─┐
//! card.ics.toml ► Ics ──┴► Plan ──► Runner + Bench (a card) ──► CaseReport …
//! ```
//!
//! A case says in published terms what a card has to answer; whatever cryptogram is in it is computed
//! here from keys and rules, and never taken from the card. The runner drives any
//! [`CardChannel`](xuejika_apdu::CardChannel) through a [`Bench`] and does no input or output of its
//! own.

mod bench;
mod bytes;
pub mod case;
mod expect;
mod glob;
mod hash;
pub mod ics;
pub mod plan;
pub mod report;
pub mod run;
mod source;
pub mod step;

pub use bench::{Bench, BenchError};
pub use case::{Case, Class, Kind, Suite, Variant};
pub use expect::Status;
pub use glob::glob;
pub use hash::Hash;
pub use ics::Ics;
pub use plan::{Plan, Scope};
pub use report::{CaseReport, Verdict};
pub use run::{Runner, identify};
pub use source::SourceError;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$((concat!($name, ".toml"), include_str!(concat!("../conformance/", $name, ".toml")))),*]
    };
}

/// Name and text of every case file of the suite.
pub const FILES: [(&str, &str); 12] = files![
    "fixtures", "apdu", "files", "access", "auth", "sm", "life", "purse", "security", "others",
    "sam", "samples",
];

/// The suite compiled into this crate.
///
/// # Errors
/// Returns a [`SourceError`] for a slip in a case file; a test shows that there is none.
pub fn suite() -> Result<Suite, SourceError> {
    Suite::parse(&FILES)
}
