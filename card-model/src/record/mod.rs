//! Records of the education zone, EF 05 to EF 0D: one file per record, both directions side by side.
//!
//! The byte layouts are project-defined. Every record is a multiple of 16 bytes and is made of
//! groups, each sealed by a CRC ([`crate::crc`]). `parse` reports every error by field and repairs
//! nothing; the checks run in the order length, CRC, encoding, code tables, student number, identity
//! number, agreement between fields, dates. `emit` cannot fail.
//!
//! A slot of a cyclic file that was never written is all 00 and is not a record: its reader skips
//! it before it calls `parse`.
//!
//! ```
//! use xuejika_card_model::record::{Issuance, RecordKind};
//!
//! let errors = Issuance::parse(&[0; 48]).unwrap_err();
//! assert_eq!(errors.iter().count(), 3); // one per sealed group
//! assert!(errors.iter().all(|e| e.field.record == RecordKind::Issuance));
//! ```

mod enrolment;
mod error;
mod extension;
mod field;
mod identity;
mod issuance;
mod log;
mod personalisation;
mod registration;
mod status;
mod transfer;
mod wire;

pub use enrolment::Enrolment;
pub use error::{FieldError, FieldErrors, Problem};
pub use extension::{
    ExtensionEntry, ExtensionIndex, ExtensionSet, ExtensionSetError, FilingNumber, Grant, Sector,
};
pub use field::{Field, FieldKind, Layout, RecordKind};
pub use identity::Identity;
pub use issuance::{CardType, Issuance, Profile};
pub use log::LogEntry;
pub use personalisation::Personalisation;
pub use registration::{Registration, SchoolYear, Term};
pub use status::{Slot, Status, StatusFlags, StatusPair};
pub use transfer::{Transfer, TransferOperation};
pub use wire::{TerminalId, TerminalIdError};

pub(crate) use enrolment::{EnrolmentClaims, field as enrolment_field};
pub(crate) use identity::{IdentityClaims, field as identity_field};
pub(crate) use wire::Wire;

/// The layouts of all records, in the order of their files.
pub const LAYOUTS: [&Layout; 9] = [
    &Issuance::LAYOUT,
    &Status::LAYOUT,
    &Identity::LAYOUT,
    &Enrolment::LAYOUT,
    &Personalisation::LAYOUT,
    &Registration::LAYOUT,
    &Transfer::LAYOUT,
    &ExtensionEntry::LAYOUT,
    &LogEntry::LAYOUT,
];
