//! The purchase SAM (PSAM, 终端安全模块) as the terminal uses it.
//!
//! The operator's roots stay inside. A purchase, between card and PSAM:
//!
//! 1. INITIALIZE FOR PURCHASE on the card, with [`Psam::terminal`];
//! 2. [`Psam::initialise_purchase`] with the card's answer: sequence number and MAC1;
//! 3. DEBIT FOR PURCHASE on the card: TAC and MAC2;
//! 4. [`Psam::credit_purchase`] with MAC2.
//!
//! The number of step 2 is used up there and then, whatever becomes of the purchase: it never
//! stands for two. Step 4 can come late, after the terminal had to ask the card for the proof of the
//! transaction; reset and the next step 2 give it up.

mod card;
mod soft;

pub use card::CardPsam;
pub use soft::SoftPsam;

use alloc::vec::Vec;

use xuejika_apdu::status::Language;
use xuejika_apdu::{ChannelError, StatusWord};
use xuejika_keyscheme::legacy::{Mac2, TerminalId};

pub use xuejika_card_model::psam::{
    Factors, KeyKind, PsamError as Refused, PurchaseProof, PurchaseRequest,
};

/// A purchase SAM.
pub trait Psam {
    /// Number of the terminal it makes (终端机编号), as cards log it.
    ///
    /// # Errors
    /// Returns a [`PsamError`] when a PSAM that is a card does not tell.
    fn terminal(&mut self) -> Result<TerminalId, PsamError>;

    /// Takes the card's answer to INITIALIZE FOR PURCHASE and gives what DEBIT FOR PURCHASE needs.
    /// The sequence number is used up, durably, before it is told.
    ///
    /// # Errors
    /// Returns [`PsamError::NoKey`], [`PsamError::Exhausted`], [`PsamError::Locked`], or what a
    /// channel gives.
    fn initialise_purchase(
        &mut self,
        request: &PurchaseRequest,
    ) -> Result<PurchaseProof, PsamError>;

    /// Checks the card's MAC2 of the purchase begun last and ends it.
    ///
    /// # Errors
    /// Returns [`PsamError::NotGenuine`] for a wrong MAC2, which is counted and ends the purchase;
    /// [`PsamError::OutOfOrder`] when none has begun; or what a channel gives.
    fn credit_purchase(&mut self, mac2: Mac2) -> Result<(), PsamError>;

    /// Derives the working key of [`Self::encrypt`] and [`Self::mac`]: a key of this kind and
    /// version, by these factors. It stays until the next one, or until a reset.
    ///
    /// # Errors
    /// Returns [`PsamError::NoKey`] or [`PsamError::KeyUse`]: a purchase key is never delivered.
    fn deliver_key(
        &mut self,
        kind: KeyKind,
        version: u8,
        factors: &Factors,
    ) -> Result<(), PsamError>;

    /// Encrypts whole blocks of 8 bytes under the working key (TDES, ECB).
    ///
    /// # Errors
    /// Returns [`PsamError::OutOfOrder`] without a working key, [`PsamError::KeyUse`] when its kind
    /// does not encrypt, [`PsamError::Length`] for no or broken blocks.
    fn encrypt(&mut self, data: &[u8]) -> Result<Vec<u8>, PsamError>;

    /// The retail MAC of a message that is padded already, left four bytes, chained from `iv`.
    ///
    /// # Errors
    /// As [`Self::encrypt`].
    fn mac(&mut self, iv: [u8; 8], padded: &[u8]) -> Result<[u8; 4], PsamError>;
}

/// Why a PSAM did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PsamError {
    /// It holds no key of this kind, version and number of levels.
    #[error("the PSAM holds no such key")]
    NoKey,
    /// The kind of key may not be used so.
    #[error("the PSAM does not use its key so")]
    KeyUse,
    /// The data has a wrong length.
    #[error("the data for the PSAM has a wrong length")]
    Length,
    /// Its sequence number has reached the end.
    #[error("the terminal sequence number of the PSAM is used up")]
    Exhausted,
    /// The card's MAC2 is wrong: it is not genuine, or has not paid.
    #[error("the card's MAC2 is wrong")]
    NotGenuine,
    /// MAC2 was wrong too often.
    #[error("the PSAM is locked: MAC2 was wrong too often")]
    Locked,
    /// No purchase waits for its MAC2, or no key was delivered.
    #[error("the PSAM was asked out of order")]
    OutOfOrder,
    /// Its memory failed; what it did last is unknown.
    #[error("the memory of the PSAM failed")]
    Memory,
    /// The PSAM is a card and answered something else.
    #[error("{command}: the PSAM answered {status} ({})", status.text(Language::English))]
    Status {
        /// What was asked.
        command: &'static str,
        /// What it answered.
        status: StatusWord,
    },
    /// The PSAM is a card and its answer has the wrong form.
    #[error("the PSAM's answer to {0} is malformed")]
    Malformed(&'static str),
    /// The channel to the PSAM failed; what it did last is unknown.
    #[error(transparent)]
    Channel(#[from] ChannelError),
}
