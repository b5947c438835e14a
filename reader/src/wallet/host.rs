//! The load host (圈存前置) as a terminal reaches it: the operator's books and the keys of loads.

mod soft;

pub use soft::{Entry, EntryState, SoftLoadHost};

use xuejika_card_model::wallet::message::{Consent, OnlineAnswer};
use xuejika_keyscheme::legacy::{Challenge, Fen, LineMac, Mac3, Moment, Tac, TerminalId};

use super::card::CardNumber;
use super::load::Direction;
use super::transaction::Transaction;

/// A load host. One transaction is named by card, on-line sequence number and type, and is booked
/// once however often it comes.
pub trait LoadHost {
    /// Checks the card's MAC1, books, and gives MAC2 with the date and time of the booking. The same transaction again, with the same
    /// amount, is not booked again; its first date and time hold.
    ///
    /// # Errors
    /// Returns [`HostError::NotGenuine`] for a wrong MAC1, [`HostError::Booked`] when the card has
    /// done it already, [`HostError::Unsettled`] when another one with this number is open,
    /// [`HostError::Cancelled`] for one that was taken back or refused before.
    fn authorise(&mut self, request: &OnlineRequest, at: Moment) -> Result<Consent, HostError>;

    /// Takes the card's receipt; the transaction is final. Again, it changes nothing.
    ///
    /// # Errors
    /// Returns [`HostError::NotGenuine`] for a wrong receipt, [`HostError::Unknown`] for a
    /// transaction that was not authorised.
    fn confirm(
        &mut self,
        transaction: &Transaction,
        receipt: Receipt,
    ) -> Result<Booking, HostError>;

    /// Takes back a transaction the card has not done, even one the host has not heard of yet: should
    /// it come late, it is refused. Again, it changes nothing.
    ///
    /// # Errors
    /// Returns [`HostError::Booked`] for a transaction that is final.
    fn cancel(&mut self, transaction: &Transaction) -> Result<(), HostError>;
}

/// The operator's key for line protection (线路保护), by which files of the wallet are changed.
pub trait Operator {
    /// The MAC over a command to this card, under its challenge.
    ///
    /// # Errors
    /// Returns a [`HostError`] when the operator does not agree.
    fn line_mac(
        &mut self,
        card: CardNumber,
        challenge: &Challenge,
        command: &[u8],
    ) -> Result<LineMac, HostError>;
}

/// What a card asks its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnlineRequest {
    /// The card.
    pub card: CardNumber,
    /// Load or unload.
    pub direction: Direction,
    /// Amount, in fen.
    pub amount: Fen,
    /// The terminal.
    pub terminal: TerminalId,
    /// What the card answered to INITIALIZE.
    pub answer: OnlineAnswer,
}

impl OnlineRequest {
    /// The transaction it becomes.
    #[must_use]
    pub const fn transaction(&self, at: Moment) -> Transaction {
        Transaction {
            card: self.card,
            kind: self.direction.transaction_type(),
            amount: self.amount,
            old_balance: self.answer.balance,
            sequence: self.answer.sequence,
            terminal: self.terminal,
            terminal_sequence: 0,
            at,
        }
    }
}

/// By what a card says that it has done a load or unload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// TAC of a load.
    Tac(Tac),
    /// MAC3 of an unload.
    Mac3(Mac3),
}

impl Receipt {
    /// The bytes.
    #[must_use]
    pub fn code(&self) -> [u8; 4] {
        match *self {
            Self::Tac(tac) => tac.into(),
            Self::Mac3(mac3) => mac3.into(),
        }
    }
}

/// Whether a receipt was new to the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Booking {
    /// It was.
    First,
    /// It had been there before.
    Repeated,
}

/// Why a host refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// A code of the card is wrong.
    #[error("the card's code is wrong: it is not genuine, or the data was changed")]
    NotGenuine,
    /// The card has done this transaction before; it is final.
    #[error("this transaction is booked already")]
    Booked,
    /// Another transaction of the card with this number is open; it has to be settled first.
    #[error("an earlier transaction of the card is open; settle it first")]
    Unsettled,
    /// This transaction was taken back or refused before; only its message comes late.
    #[error("this transaction was taken back or refused before")]
    Cancelled,
    /// The books do not know the transaction.
    #[error("the host does not know this transaction")]
    Unknown,
    /// The receipt is that of another kind of transaction.
    #[error("the receipt does not fit the transaction")]
    WrongReceipt,
    /// The same TAC was sent in under another number.
    #[error("this TAC was sent in before under another number")]
    Duplicate,
    /// The host cannot be reached.
    #[error("the host cannot be reached")]
    Unreachable,
}
