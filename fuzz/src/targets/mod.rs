//! What each target does with its bytes. A function that returns has found nothing; one that panics
//! has.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a panic is a finding"
)]

mod cards;
mod data;
mod protection;
#[path = "../../../emulator/tests/reference/model.rs"]
mod reference;
mod wire;

#[cfg(faults)]
pub use cards::card_mock;
pub use cards::{card_image, card_raw, card_reference, file_tree, records};
pub use data::{batch_row, case_file, key_block, list};
pub use protection::{sm_card, sm_reader};
pub use wire::{atr, command, fci, response, tlv, vpcd};

/// A target.
pub type Target = fn(&[u8]);

/// All targets that need nothing but the libraries, by name.
pub const TARGETS: [(&str, Target); 17] = [
    ("command", command),
    ("response", response),
    ("tlv", tlv),
    ("atr", atr),
    ("fci", fci),
    ("vpcd", vpcd),
    ("sm_card", sm_card),
    ("sm_reader", sm_reader),
    ("card_reference", card_reference),
    ("card_raw", card_raw),
    ("card_image", card_image),
    ("file_tree", file_tree),
    ("records", records),
    ("batch_row", batch_row),
    ("key_block", key_block),
    ("case_file", case_file),
    ("list", list),
];
