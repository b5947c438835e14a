//! Batches of initialised cards (初始化批次): what a vendor declares and delivers, and the rules by
//! which a batch is accepted.
//!
//! ```
//! use xuejika_batch::generate::{Defects, Design, Generator};
//! use xuejika_batch::manifest::Format;
//! use xuejika_batch::{Delivery, Error, Event, Options, check};
//! use xuejika_card_model::record::Profile;
//!
//! # fn main() -> Result<(), Error> {
//! // A batch as a vendor delivers it, here in memory and with a defect: two cards with one serial.
//! let mut design = Design::new(300, 1, Profile::CpuAes)?;
//! let defects = Defects::these(["serial-twice"], &mut design)?;
//! let vendor = Generator::new(design, Some(defects), Format::Csv)?;
//! let mut rows = Vec::new();
//! let written = vendor.write_rows(&mut rows, |_| {})?;
//! let delivery = Delivery::in_memory(vendor.manifest(&written)?, rows);
//!
//! let mut found = Vec::new();
//! let checked = check(&delivery, vendor.roots().roots(), &Options::default(), |event| {
//!     if let Event::Finding(line) = event {
//!         found.push(line.id);
//!     }
//!     Ok::<_, Error>(())
//! })?;
//! assert_eq!(checked.verdict.verdict, "refused");
//! assert_eq!(found, ["B-SER-004", "B-SER-005"]);
//! # Ok(())
//! # }
//! ```
//!
//! A [`Delivery`] is a manifest and its files of rows ([`mod@file`]). The [`Manifest`] becomes a [`Plan`]
//! once it contradicts itself nowhere. Each card is one row of [`Cells`], read as a [`Row`]; [`keys`]
//! recomputes every key check value; [`index`] and [`tally`] look at all rows together. Whatever breaks a
//! rule is a [`Finding`] under a stable identifier of the [catalogue](Check). A [`history`] tells what was
//! accepted before, [`sampling`] and [`sample`] which cards are looked at, [`mod@generate`] makes batches
//! for tests.
//!
//! The crate reads files and writes none: what it makes goes to a [`Write`](std::io::Write) of the caller,
//! who knows how files are kept whole. Formats project-defined; what a batch has to keep is
//! `操作规程 一/八`.
#![forbid(unsafe_code)]

mod all_rows;
pub mod catalogue;
mod check;
pub mod chip;
mod error;
pub mod file;
pub mod finding;
pub mod generate;
mod hashed;
pub mod history;
pub mod image;
pub mod index;
pub mod keys;
pub mod manifest;
pub mod note;
mod noted;
pub mod one_row;
pub mod pipeline;
pub mod plan;
pub mod report;
pub mod row;
pub mod sample;
pub mod sampling;
pub mod schema;
pub mod tally;

pub use all_rows::SortedRows;
pub use catalogue::{Check, Severity};
pub use check::{Checked, Event, Options, check};
pub use error::{Cause, Error};
pub use file::Delivery;
pub use finding::{Finding, Place};
pub use history::History;
pub use keys::{KeySource, Roots};
pub use manifest::Manifest;
pub use plan::Plan;
pub use report::{Line, Report, Verdict};
pub use row::{Row, State};
pub use schema::{Cells, Column, KeySlot};
pub use tally::Tally;
