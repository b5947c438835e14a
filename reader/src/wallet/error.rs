//! Why an act on the wallet ended, and what the card's status words mean there.

use core::fmt;

use xuejika_apdu::status::{Language, Outcome};
use xuejika_apdu::{ChannelError, StatusWord};
use xuejika_card_model::wallet::LogRecord;

use super::card::CardNumber;
use super::host::HostError;
use super::psam::PsamError;
use super::transaction::{InDoubt, Transaction};
use crate::error::Error;

/// Why an act on the wallet ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WalletError {
    /// The card is gone or the connection failed. What the card did with the last command is
    /// unknown.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The card has no wallet.
    #[error("this card has no wallet")]
    NoWallet,
    /// The card refused a command.
    #[error("{command}: the card answered {status} ({meaning})")]
    Refused {
        /// What was asked.
        command: &'static str,
        /// What the card answered.
        status: StatusWord,
        /// What that means for the wallet.
        meaning: Meaning,
    },
    /// The card's answer has another form than the command's.
    #[error("the card's answer to {0} is malformed")]
    Malformed(&'static str),
    /// Another card was presented than the one the transaction began with.
    #[error("this is card {found}; the transaction began with card {expected}")]
    OtherCard {
        /// The card of the transaction.
        expected: CardNumber,
        /// The card presented.
        found: CardNumber,
    },
    /// The power or the connection failed before the card had done it.
    #[error("interrupted; the card has not done it")]
    Interrupted,
    /// The balance cannot take the amount.
    #[error("the new balance is out of range")]
    Range,
    /// The transaction is settled by another side: a purchase by its terminal, a load or unload by
    /// its host.
    #[error("a transaction of type {0:02X} is not settled here")]
    WrongSide(u8),
    /// The card has neither proof nor log record of the transaction any more.
    #[error("the card's log does not reach back to the transaction")]
    LogRolledOver,
    /// The PSAM refused.
    #[error(transparent)]
    Psam(#[from] PsamError),
    /// The load host refused.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl From<Error> for WalletError {
    fn from(error: Error) -> Self {
        match error {
            Error::Channel(error) => Self::Channel(error),
            Error::Status { command, status } => Self::refused(command, status),
            Error::NoApplication(_) => Self::NoWallet,
            Error::Malformed(what) => Self::Malformed(what),
            _ => Self::Malformed("a command"),
        }
    }
}

impl WalletError {
    pub(super) fn refused(command: &'static str, status: StatusWord) -> Self {
        Self::Refused { command, status, meaning: Meaning::of(status) }
    }

    /// Tells whether card, PSAM or host refused, by a rule. Otherwise something failed, or the answer
    /// was lost.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Refused { status, .. } => status.outcome() != Outcome::ExecutionError,
            Self::OtherCard { .. } | Self::Range => true,
            Self::Psam(error) => !matches!(
                error,
                PsamError::Channel(_)
                    | PsamError::Malformed(_)
                    | PsamError::Memory
                    | PsamError::OutOfOrder
                    | PsamError::Status { .. }
            ),
            Self::Host(error) => *error != HostError::Unreachable,
            _ => false,
        }
    }

    /// What the card's status word means, when the card refused.
    #[must_use]
    pub const fn meaning(&self) -> Option<Meaning> {
        match self {
            Self::Refused { meaning, .. } => Some(*meaning),
            _ => None,
        }
    }
}

/// What a status word means for the wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Meaning {
    /// 9401: the balance is too small.
    InsufficientBalance,
    /// 9402: a sequence counter is at its end, for good.
    CounterExhausted,
    /// 9403: the card has no key with this index.
    UnknownKey,
    /// 9302: a MAC is wrong; one side is not genuine or the data was changed.
    WrongMac,
    /// 9303: the application is blocked for good.
    Blocked,
    /// 9406: the card has no proof of that transaction.
    NoProof,
    /// 9407: the record of the compound purchase is locked.
    RecordLocked,
    /// 6901: the command does not belong to the transaction's state.
    WrongState,
    /// 6982: a PIN or an authentication is missing.
    SecurityStatus,
    /// 6983: the PIN or key is blocked.
    MethodBlocked,
    /// 6985: not possible now: the wallet is not open, or the balance would exceed its limit.
    ConditionsOfUse,
    /// 6988: the line-protection MAC is wrong.
    WrongLineMac,
    /// 6A81: the card or the application is blocked.
    CardBlocked,
    /// 63Cx: wrong PIN, so many tries left.
    TriesLeft(u8),
    /// Any other; its general meaning holds.
    General(StatusWord),
}

impl Meaning {
    /// The meaning of a status word.
    #[must_use]
    pub const fn of(status: StatusWord) -> Self {
        match status.0 {
            0x9401 => Self::InsufficientBalance,
            0x9402 => Self::CounterExhausted,
            0x9403 => Self::UnknownKey,
            0x9302 => Self::WrongMac,
            0x9303 => Self::Blocked,
            0x9406 => Self::NoProof,
            0x9407 => Self::RecordLocked,
            0x6901 => Self::WrongState,
            0x6982 => Self::SecurityStatus,
            0x6983 => Self::MethodBlocked,
            0x6985 => Self::ConditionsOfUse,
            0x6988 => Self::WrongLineMac,
            0x6A81 => Self::CardBlocked,
            sw @ 0x63C0..=0x63CF => {
                let [_, low] = sw.to_be_bytes();
                Self::TriesLeft(low & 0x0F)
            }
            _ => Self::General(status),
        }
    }
}

impl fmt::Display for Meaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InsufficientBalance => "the balance is too small",
            Self::CounterExhausted => "a transaction counter of the card is used up",
            Self::UnknownKey => "the card has no such key",
            Self::WrongMac => "a MAC is wrong",
            Self::Blocked => "the wallet is blocked for good",
            Self::NoProof => "the card has no proof of that transaction",
            Self::RecordLocked => "the record of the compound purchase is locked",
            Self::WrongState => "the command does not belong to the transaction's state",
            Self::SecurityStatus => "a PIN or an authentication is missing",
            Self::MethodBlocked => "the PIN or key is blocked",
            Self::ConditionsOfUse => {
                "not possible now: the wallet is not open, or its balance would exceed the limit"
            }
            Self::WrongLineMac => "the line-protection MAC is wrong",
            Self::CardBlocked => "the card or the wallet is blocked",
            Self::TriesLeft(tries) => return write!(f, "wrong, {tries} tries left"),
            Self::General(status) => return f.write_str(&status.text(Language::English)),
        })
    }
}

impl WalletError {
    /// Why a transaction is not done that was in doubt for this cause: what the card said, if it
    /// said anything.
    pub(super) fn not_done(self) -> Stopped {
        Stopped::NotDone(match self {
            Self::Refused { .. } => self,
            _ => Self::Interrupted,
        })
    }
}

/// How a transaction ended that did not end well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// The card has not done it. It can be begun anew.
    #[error("{0}")]
    NotDone(#[from] WalletError),
    /// The answer was lost and the card cannot be asked. Keep the value until the card is back;
    /// until then, no new transaction of the same purpose with this card.
    #[error("in doubt until the card is back: {cause}")]
    InDoubt {
        /// The transaction, to be settled.
        doubt: InDoubt,
        /// Why the card could not be asked.
        cause: WalletError,
    },
    /// The card says that it has done it, and its code is wrong: it is not genuine, or the answer was
    /// changed. Deliver nothing; the operator decides by the TAC.
    #[error("the card says it is done, and its code is wrong")]
    NotGenuine {
        /// The transaction.
        transaction: Transaction,
        /// What the card gave as TAC, or as MAC3 of an unload.
        code: [u8; 4],
    },
    /// The card's log shows that it has done it, but a later transaction has replaced the proof:
    /// there will be no TAC.
    #[error("done by the card's log, but its proof was replaced by a later transaction")]
    Unproven {
        /// The transaction.
        transaction: Transaction,
        /// What the card's log says.
        record: LogRecord,
    },
}

impl Stopped {
    /// Tells whether card, PSAM or host refused, by a rule; see [`WalletError::is_refusal`].
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::NotDone(error) => error.is_refusal(),
            Self::NotGenuine { .. } => true,
            Self::InDoubt { .. } | Self::Unproven { .. } => false,
        }
    }
}
