//! Virtual cards of the Beijing student-record system: in process, over TCP and behind PC/SC, with
//! power cuts at every write.
//!
//! [`VirtualCard`] opens with a complete example. A card is driven through
//! [`CardChannel`](xuejika_apdu::CardChannel) like any other card; the same seed and the same
//! commands give the same bytes.
#![forbid(unsafe_code)]

mod card;
mod command;
pub mod dispatch;
mod env;
pub mod file_store;
pub mod files;
pub mod misbehave;
mod state;
pub mod status_map;
pub mod test_card;
pub mod transport;

pub use card::VirtualCard;
pub use env::{Env, SEEDED_START};
pub use file_store::FileNvm;
pub use xuejika_card_model::atr::{atr, ats};
