//! Batches of initialised cards (初始化批次): what a vendor declares and delivers, and the rules by
//! which a batch is accepted. No files, no threads, no clock: those are the program's.
//!
//! A [`Manifest`] declares the batch and becomes a [`Plan`] once it contradicts itself nowhere. Each
//! card is one row of [`Cells`], read as a [`Row`]; [`keys`] recomputes every key check value;
//! [`index`] and [`tally`] look at all rows together. Whatever breaks a rule is a [`Finding`] under a
//! stable identifier of the [catalogue](Check). Formats project-defined; what a batch has to keep is
//! `操作规程 一/八`.

pub mod catalogue;
pub mod chip;
pub mod finding;
pub mod image;
pub mod index;
pub mod keys;
pub mod manifest;
pub mod plan;
pub mod row;
pub mod sampling;
pub mod schema;
pub mod tally;

pub use catalogue::{Check, Severity};
pub use finding::{Finding, Place};
pub use keys::KeySource;
pub use manifest::Manifest;
pub use plan::Plan;
pub use row::{Row, State};
pub use schema::{Cells, Column, KeySlot};
pub use tally::Tally;
