//! The reader's side of the Beijing student-record card: unlock, authenticate, personalise, register,
//! read.
//!
//! A reader starts as [`Locked`]. Presenting a management card gives a [`Reader`], the only type that
//! can talk to student cards; all keys stay in its [`sam`]. Cards are reached through any
//! [`CardChannel`](xuejika_apdu::CardChannel): a virtual card in process, a TCP peer, a PC/SC reader.
//!
//! # Lists
//!
//! A reader that is given the loss and freeze lists (挂失、冻结名单) of its school, district or city with
//! [`Reader::take_list`] asks them before it writes. A card that is replaced, lost or frozen is refused
//! what would put it to use or keep it there ([`Error::Listed`]); what takes it out of use is done, and
//! [`Change::notes`] says what the lists say. A temporary card is issued for a loss that stands on one of
//! them alone ([`StudentCard::temporary_issue`]). A reader without lists asks none: give it the newest
//! every day.
//!
//! # Dates
//!
//! Card and library have no clock; every date is the caller's. The library checks what it can see: the
//! management card is valid on that day, the date does not go back while the reader is unlocked
//! ([`Error::ClockWentBack`]), and at a school's reader it does not lie before the card's last event
//! ([`Error::BeforeLastEvent`]). The caller has to make sure that the clock is set at all, for example that
//! it is not earlier than the day on which the product was built, and that it shows the date in Beijing
//! ([`calendar::beijing`](xuejika_card_model::calendar::beijing)): a date ahead is written to the card
//! and binds the next school.
//!
//! # A reader at work
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
//! let mut management_card = VirtualCard::new(memory, Env::from_seed(2))?;
//! management_card.power_on()?;
//! let mut reader = Locked::new(sam).unlock(&mut management_card, today)?;
//!
//! let mut card = VirtualCard::new(test_card::student("1100070100000017")?, Env::from_seed(3))?;
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
mod lists;
pub mod sam;
mod session;
mod stock;
mod student;
mod unlock;
pub mod wallet;

pub use error::Error;
pub use lists::{Lists, NoLoss};
pub use stock::{Proof, StockCard};
pub use student::{ApplicationCard, CardContents, Change, Personalised, Stamp, StudentCard};
pub use unlock::{Locked, Reader, StillLocked};
