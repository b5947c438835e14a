//! The reader's side of the Beijing student-record card: unlock, authenticate, personalise, register,
//! read.
//!
//! A reader starts as [`Locked`]. Presenting a management card gives a [`Reader`], the only type that
//! can talk to student cards; all keys stay in its [`sam`]. Cards are reached through any
//! [`CardChannel`](xuejika_apdu::CardChannel): a virtual card in process, a TCP peer, a PC/SC reader.
//!
//! ```
//! use rand_chacha::ChaCha12Rng;
//! use rand_core::SeedableRng;
//! use xuejika_card_model::management::SamSerial;
//! use xuejika_emulator::{Env, VirtualCard, test_card};
//! use xuejika_keyscheme::Algorithm;
//! use xuejika_reader::{Locked, sam::SoftSam};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (today, valid_until) = ("2026-09-01".parse()?, "2027-08-31".parse()?);
//! let serial = SamSerial { unit: "084012".parse()?, number: "000042".parse()? };
//! let rng = ChaCha12Rng::seed_from_u64(1);
//! let sam = SoftSam::test(Algorithm::Aes128, serial, valid_until, rng);
//!
//! let memory = test_card::management(Algorithm::Aes128, serial.unit, valid_until);
//! let mut management_card = VirtualCard::new(memory, Env::seeded(2))?;
//! management_card.power_on()?;
//! let mut reader = Locked::new(sam).unlock(&mut management_card, today)?;
//!
//! let mut card = VirtualCard::new(test_card::student("1100070100000017")?, Env::seeded(3))?;
//! card.power_on()?;
//! let contents = reader.connect(card, today)?.read()?;
//! assert_eq!(contents.status.state.english(), "initialised");
//! # Ok(())
//! # }
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "std")]
pub mod channel;
mod error;
mod link;
pub mod sam;
mod session;
mod stock;
mod student;
mod unlock;
pub mod wallet;

pub use error::Error;
pub use stock::{Proof, StockCard};
pub use student::{ApplicationCard, CardContents, Change, Personalised, Stamp, StudentCard};
pub use unlock::{Locked, Reader, StillLocked};
