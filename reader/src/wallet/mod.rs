//! The transit wallet (电子钱包) from the terminal's side.
//!
//! [`WalletCard`] is a card with its wallet selected. A [`Terminal`] with its [`psam`] takes
//! purchases, a [`LoadHost`] loads and unloads, an [`Operator`] opens and closes. None of them
//! shows a key.
//!
//! What matters is the moment after the command that moves money, when its answer is lost. It leaves
//! [`InDoubt`], a value that can be stored. The same card, back in the field, ends it with GET
//! TRANSACTION PROVE and its log: done, with the very codes that were lost, or not done. It is never
//! done twice: the sequence number in the doubt names one transaction.
//!
//! ```
//! use xuejika_emulator::{Env, VirtualCard, test_card};
//! use xuejika_keyscheme::legacy::{Fen, Moment, TerminalId};
//! use xuejika_reader::wallet::psam::SoftPsam;
//! use xuejika_reader::wallet::{Direction, Order, SoftLoadHost, Terminal, WalletCard};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut card = VirtualCard::new(test_card::student("1100070100000017")?, Env::from_seed(3))?;
//! card.power_on()?;
//! let at = Moment { date: [0x20, 0x26, 0x09, 0x01], time: [0x07, 0x30, 0x00] };
//! let number = TerminalId([0x12, 0x00, 0x80, 0x80, 0x00, 0x01]);
//!
//! let mut wallet = WalletCard::select(card)?;
//! wallet.verify(&"123456".parse()?)?;
//! let mut host = SoftLoadHost::test();
//! wallet.transfer(&mut host, Direction::Load, Fen(1000), number, at)?;
//!
//! let mut gate = Terminal::new(SoftPsam::test(number)?)?;
//! let paid = gate.purchase(&mut wallet, &Order { amount: Fen(250), at, cache: &[] })?;
//! host.collect(&paid)?;
//! assert_eq!(wallet.balance()?, Fen(750));
//! # Ok(())
//! # }
//! ```

mod card;
mod error;
mod host;
mod load;
mod operator;
mod pin;
pub mod psam;
mod purchase;
mod transaction;

pub use card::{CardNumber, Fate, Proof, WalletCard};
pub use error::{Meaning, Stopped, WalletError};
pub use host::{
    Booking, Entry, EntryState, HostError, LoadHost, OnlineRequest, Operator, Receipt, SoftLoadHost,
};
pub use load::{Booked, Direction, OnlineInitialised};
pub use pin::{InvalidPin, Pin};
pub use purchase::{CacheRecord, CacheUpdate, Debited, Evidence, Initialised, Order, Terminal};
pub use transaction::{InDoubt, Transaction};
pub use xuejika_card_model::wallet::message::{Consent, OnlineAnswer, PurchaseAnswer};
