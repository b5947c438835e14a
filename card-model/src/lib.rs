//! The card behind the commands: files, records, life cycle, transactions.
//!
//! [`Card`] lays a constant tree of files ([`file::tree`]) over a memory ([`nvm`]) and keeps every
//! rule: who may read and write what in which state ([`mod@file`]), what happens to a card in its life
//! ([`lifecycle`], [`event`]), and that each change is whole or not at all, wherever power goes
//! ([`txn`]). Records ([`record`]) and identifiers ([`ident`]) cannot hold an invalid value.
//!
//! No command bytes, no status word, no random source and no clock come in here: dates are given by
//! the terminal.
//!
//! ```
//! use xuejika_card_model::pupil::PupilDraft;
//!
//! // Data comes as text from the school's information system and is refused field by field.
//! let errors = PupilDraft { name: Some("张三".into()), ..Default::default() }.build().unwrap_err();
//! assert!(errors.has("student_number") && !errors.has("name"));
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod atr;
pub mod bcd;
pub mod calendar;
pub mod card;
pub mod code;
pub mod crc;
pub mod date;
pub mod desk;
pub mod event;
pub mod factory;
pub mod file;
pub mod ident;
pub mod image;
pub mod key_load;
pub mod lifecycle;
pub mod list;
pub mod management;
pub mod nvm;
pub mod psam;
pub mod pupil;
pub mod record;
pub mod s70;
pub mod sam;
pub mod state;
pub mod text;
pub mod txn;
pub mod verdict;
pub mod wallet;

pub use card::{Card, CardError, OpenError};
