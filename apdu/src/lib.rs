//! ISO 7816-4 commands, responses, BER-TLV, status words, chaining and secure messaging.
//!
//! Each object on the wire has one file with its two directions side by side. Nothing here knows a
//! card's files or state, and nothing panics on any input.
//!
//! ```
//! use xuejika_apdu::{Class, Command, Response, StatusWord};
//!
//! // SELECT the education zone by name.
//! let name = [0xF0, 0x42, 0x4A, 0x45, 0x44, 0x55, 0x01];
//! let select = Command::new(Class::ISO, 0xA4, 0x04, 0x00).with_data(&name).with_ne(256);
//! let bytes = select.to_vec()?;
//! assert_eq!(bytes, b"\x00\xA4\x04\x00\x07\xF0BJEDU\x01\x00");
//! assert_eq!(Command::parse(&bytes), Ok(select));
//!
//! let response = Response::parse(&[0x6A, 0x82]).unwrap();
//! assert_eq!(response.status, StatusWord::FILE_NOT_FOUND);
//! # Ok::<(), xuejika_apdu::command::EmitError>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod chain;
pub mod channel;
pub mod class;
pub mod command;
pub mod fci;
pub mod frame;
pub mod response;
pub mod sm;
pub mod status;
pub mod tlv;

pub use channel::{CardChannel, ChannelError};
pub use class::Class;
pub use command::Command;
pub use response::Response;
pub use status::StatusWord;
