//! The transit wallet (电子钱包, DF 1001): a PBOC e-purse, EP only.
//!
//! Bytes and behaviour are those of PBOC purses and FMCOS cards as public transcripts, manuals and
//! clients show them; the text of JR/T 0025 itself was not consulted. What the sources leave open or
//! disagree about is decided in `docs/adr/0009-transit-wallet.md`. The education zone never reads or
//! writes anything here but [`Card::wallet_is_settled`](crate::Card::wallet_is_settled).
//!
//! What is persistent lies in three places: the purse record and the log ([`record`]), the key store
//! ([`store`], with [`pin`] and [`lock`]), and the enable flag ([`control`]). What is volatile is a
//! value in the caller's hand: [`SecurityState`], and a pending transaction.

pub mod access;
mod attempt;
pub mod auth;
pub mod compound;
pub mod control;
pub mod line;
pub mod lock;
pub mod message;
pub mod pin;
pub mod purse;
pub mod record;
pub mod store;

use xuejika_keyscheme::legacy::{Fen, LineMac, Verified};

use crate::card::{Card, CardError};
use crate::file::tree::wallet_sfi;
use crate::nvm::Nvm;

pub use access::{Access, SecurityState};
pub use control::EnableFlag;
pub use purse::Pending;
pub use record::{LogRecord, Proof, PurseRecord};
pub use store::{StoredKey, Tries, WalletKeys, WalletSetup};

/// The most a wallet may hold, 1000 yuan (profile value).
pub const MAX_BALANCE: Fen = Fen(100_000);

/// Proof that the transit operator sent this very command: its line MAC was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operator(());

impl From<&Verified<LineMac>> for Operator {
    fn from(_: &Verified<LineMac>) -> Self {
        Self(())
    }
}

/// Why the wallet refused. Nothing has changed then but, for [`Self::Code`],
/// [`Self::LineMac`] and [`Self::Wrong`], an error counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WalletError {
    /// Something stored cannot be read.
    #[error("the wallet's {0} cannot be read")]
    Damaged(&'static str),
    /// The card has no wallet.
    #[error("the card has no wallet")]
    Absent,
    /// No key of the type has this identifier.
    #[error("no such wallet key")]
    KeyNotFound,
    /// No try of the key or PIN is left.
    #[error("the wallet key is locked")]
    KeyBlocked,
    /// A MAC is wrong.
    #[error("the MAC is wrong")]
    Code,
    /// The enable flag does not allow the transaction.
    #[error("the wallet is {}", .0.english())]
    NotEnabled(EnableFlag),
    /// The enable flag does not go from the one value to the other.
    #[error("the enable flag does not go from {} to {}", .0.english(), .1.english())]
    Flag(EnableFlag, EnableFlag),
    /// The enable flag has no such value.
    #[error("the enable flag {0:02X} is not defined")]
    FlagValue(u8),
    /// Money is left in the wallet.
    #[error("the wallet is not empty")]
    NotEmpty,
    /// The command does not belong to the transaction under way, or there is none.
    #[error("wrong transaction state")]
    State,
    /// The wallet holds less than the amount.
    #[error("not enough money")]
    Funds,
    /// The wallet would hold more than [`MAX_BALANCE`].
    #[error("the balance would exceed {MAX_BALANCE} yuan")]
    Ceiling,
    /// The transaction counter is at its maximum; for good.
    #[error("the transaction counter is at its maximum")]
    Counter,
    /// The last transaction was another one, or there was none.
    #[error("no proof of this transaction")]
    NoProof,
    /// The wallet has no such file.
    #[error("no such file of records")]
    FileNotFound,
    /// A record to be cached is longer than the one it replaces.
    #[error("the record is longer than the one it replaces")]
    RecordLength,
    /// A record to be cached does not begin with the tag of the one it replaces and its own length.
    #[error("the record does not begin with its tag and its length")]
    RecordData,
    /// The security state does not allow the use of the key or PIN.
    #[error("the security state does not allow it")]
    Access,
    /// The answer to a challenge is wrong.
    #[error("the answer to the challenge is wrong")]
    Answer,
    /// A PIN is wrong; this many tries are left.
    #[error("wrong, {0} tries left")]
    Wrong(u8),
    /// The MAC of a command under line protection is wrong.
    #[error("the MAC of the command is wrong")]
    LineMac,
    /// An enciphered command holds no data.
    #[error("the cryptogram holds no data")]
    Cryptogram,
    /// INTERNAL AUTHENTICATE needs whole blocks, a MAC at least one byte.
    #[error("the data to authenticate has the wrong length")]
    DataLength,
    /// A new PIN is not made of 3 to 12 digits.
    #[error("the new PIN is not made of 3 to 12 BCD digits")]
    PinForm,
    /// The PIN or the wallet to unblock is not blocked.
    #[error("not blocked")]
    NotBlocked,
    /// The wallet is blocked until the operator unblocks it.
    #[error("the wallet is blocked")]
    TemporarilyBlocked,
    /// The wallet is blocked for good.
    #[error("the wallet is blocked for good")]
    Blocked,
}

impl<N: Nvm> Card<N> {
    /// The balance, the counters and the last proof.
    ///
    /// # Errors
    /// Returns [`WalletError::Absent`] or [`WalletError::Damaged`].
    pub fn purse(&self) -> Result<PurseRecord, WalletError> {
        PurseRecord::parse(self.wallet_bytes(wallet_sfi::PURSE)?)
    }

    /// The enable flag.
    ///
    /// # Errors
    /// Returns [`WalletError::Absent`] or [`WalletError::Damaged`].
    pub fn enable_flag(&self) -> Result<EnableFlag, WalletError> {
        let flag = self.wallet_bytes(wallet_sfi::CONTROL)?.first().copied();
        flag.and_then(EnableFlag::from_code).ok_or(WalletError::Damaged("enable flag"))
    }

    /// Whether the wallet was never opened or is closed, and holds no money: what a recall asks for
    /// (操作规程 四/七).
    ///
    /// # Errors
    /// Returns [`CardError::Wallet`] when the wallet cannot be read.
    pub fn wallet_is_settled(&self) -> Result<bool, CardError> {
        let flag = self.enable_flag()?;
        Ok(matches!(flag, EnableFlag::NotOpened | EnableFlag::Closed)
            && self.purse()?.balance == Fen(0))
    }

    /// Whether the operator may write these bytes at the start of the control file.
    pub(crate) fn check_flag(&self, bytes: &[u8]) -> Result<(), WalletError> {
        let Some(&code) = bytes.first() else { return Ok(()) };
        let next = EnableFlag::from_code(code).ok_or(WalletError::FlagValue(code))?;
        let now = self.enable_flag()?;
        if !now.may_become(next) {
            return Err(WalletError::Flag(now, next));
        }
        if next == EnableFlag::Closed && self.purse()?.balance != Fen(0) {
            return Err(WalletError::NotEmpty);
        }
        Ok(())
    }

    /// Checks that all of a wallet can be read; a card without one passes.
    pub(crate) fn check_wallet(&self) -> Result<(), WalletError> {
        if self.tree().wallet.is_none() {
            return Ok(());
        }
        self.check_store()?;
        self.wallet_pin()?;
        self.wallet_lock()?;
        self.enable_flag()?;
        self.purse().map(drop)
    }

    fn wallet_bytes(&self, sfi: u8) -> Result<&[u8], WalletError> {
        self.wallet_file(sfi).map(|file| self.contents(file)).ok_or(WalletError::Absent)
    }
}
