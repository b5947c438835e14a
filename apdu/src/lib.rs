//! ISO 7816-4 commands, responses, BER-TLV, status words, chaining and secure messaging.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod channel;
pub mod frame;

pub use channel::{CardChannel, ChannelError};
