//! Legacy: what the codes of a purse (电子存折 ED, 电子钱包 EP) are computed over.
//!
//! Legacy: two-key TDES; disallowed by NIST for new protection since 2017 (two keys) and 2024
//! (any); not cache-timing safe; no fall-back between algorithms exists.
//!
//! A transaction is a value with what its INITIALIZE command fixes; what comes later is an
//! argument. Each layout stands here once, for card and host alike, and names the purpose of the
//! key and the kind of the code. Numbers are big-endian, dates and times BCD as sent. Sequence
//! numbers are those that INITIALIZE answered, from before the transaction.

use core::fmt;
use core::marker::PhantomData;

use super::key::{LimitKey, LoadKey, PurchaseKey, Purpose, TacKey, UnloadKey};
use super::proof::{Code, Mac1, Mac2, Mac3, Tac};
use crate::bytes::concat;

/// An amount in fen (分), 1/100 yuan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fen(pub u32);

impl Fen {
    /// The sum, unless it overflows.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference, unless it is negative.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// The four bytes on the wire.
    #[must_use]
    pub const fn emit(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for Fen {
    /// Prints yuan with two decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// Legacy: transaction type (交易类型标识), as in codes, log records and GET TRANSACTION PROVE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum TransactionType {
    /// ED load (存折圈存).
    PassbookLoad = 0x01,
    /// EP load (钱包圈存).
    WalletLoad = 0x02,
    /// ED unload (圈提).
    Unload = 0x03,
    /// ED cash withdrawal (取现).
    Cash = 0x04,
    /// ED purchase (存折消费).
    PassbookPurchase = 0x05,
    /// EP purchase (钱包消费).
    WalletPurchase = 0x06,
    /// Update of the overdraft limit (修改透支限额).
    LimitUpdate = 0x07,
    /// Credit purchase (信用消费).
    Credit = 0x08,
    /// Compound purchase (复合消费).
    CompoundPurchase = 0x09,
}

impl TransactionType {
    /// The type with this code.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0x01 => Self::PassbookLoad,
            0x02 => Self::WalletLoad,
            0x03 => Self::Unload,
            0x04 => Self::Cash,
            0x05 => Self::PassbookPurchase,
            0x06 => Self::WalletPurchase,
            0x07 => Self::LimitUpdate,
            0x08 => Self::Credit,
            0x09 => Self::CompoundPurchase,
            _ => return None,
        })
    }

    /// The byte on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// Legacy: which of the two purses is loaded; the code is P2 of the INITIALIZE commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Purse {
    /// ED, electronic passbook (电子存折).
    Passbook = 0x01,
    /// EP, electronic wallet (电子钱包).
    Wallet = 0x02,
}

impl Purse {
    /// The purse with this code.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0x01 => Some(Self::Passbook),
            0x02 => Some(Self::Wallet),
            _ => None,
        }
    }

    /// The byte on the wire.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// Legacy: the transactions that run like a purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PurchaseKind {
    /// ED cash withdrawal.
    Cash,
    /// ED purchase.
    Passbook,
    /// EP purchase.
    Wallet,
    /// Compound purchase from the EP.
    Compound,
}

/// Terminal number (终端机编号).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TerminalId(pub [u8; 6]);

/// When a transaction takes place, by the terminal's clock; bytes as sent, not checked here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Moment {
    /// BCD YYYYMMDD.
    pub date: [u8; 4],
    /// BCD hhmmss.
    pub time: [u8; 3],
}

/// Legacy: a load (圈存).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// The purse that is loaded.
    pub purse: Purse,
    /// The amount loaded.
    pub amount: Fen,
    /// The loading terminal.
    pub terminal: TerminalId,
}

impl Load {
    /// Its transaction type.
    #[must_use]
    pub const fn transaction_type(&self) -> TransactionType {
        match self.purse {
            Purse::Passbook => TransactionType::PassbookLoad,
            Purse::Wallet => TransactionType::WalletLoad,
        }
    }

    /// By the card: old balance ‖ amount ‖ type ‖ terminal.
    #[must_use]
    pub fn mac1(&self, old_balance: Fen) -> Input<LoadKey, Mac1> {
        Input::new(&[
            &old_balance.emit(),
            &self.amount.emit(),
            &[self.transaction_type().code()],
            &self.terminal.0,
        ])
    }

    /// By the host: amount ‖ type ‖ terminal ‖ date ‖ time.
    #[must_use]
    pub fn mac2(&self, at: Moment) -> Input<LoadKey, Mac2> {
        Input::new(&[
            &self.amount.emit(),
            &[self.transaction_type().code()],
            &self.terminal.0,
            &at.date,
            &at.time,
        ])
    }

    /// By the card: new balance ‖ on-line sequence ‖ amount ‖ type ‖ terminal ‖ date ‖ time.
    #[must_use]
    pub fn tac(&self, new_balance: Fen, sequence: u16, at: Moment) -> Input<TacKey, Tac> {
        Input::new(&[
            &new_balance.emit(),
            &sequence.to_be_bytes(),
            &self.amount.emit(),
            &[self.transaction_type().code()],
            &self.terminal.0,
            &at.date,
            &at.time,
        ])
    }
}

/// Legacy: a purchase (消费), a cash withdrawal (取现) or a compound purchase (复合消费).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// Which of them.
    pub kind: PurchaseKind,
    /// The amount paid.
    pub amount: Fen,
    /// The terminal that is paid.
    pub terminal: TerminalId,
}

impl Purchase {
    /// Its transaction type.
    #[must_use]
    pub const fn transaction_type(&self) -> TransactionType {
        match self.kind {
            PurchaseKind::Cash => TransactionType::Cash,
            PurchaseKind::Passbook => TransactionType::PassbookPurchase,
            PurchaseKind::Wallet => TransactionType::WalletPurchase,
            PurchaseKind::Compound => TransactionType::CompoundPurchase,
        }
    }

    /// By the terminal: amount ‖ type ‖ terminal ‖ date ‖ time.
    #[must_use]
    pub fn mac1(&self, at: Moment) -> Input<PurchaseKey, Mac1> {
        self.mac1_with(at, &[])
    }

    /// By the terminal, when it fetched an authentication code (认证码) from the card before: as
    /// [`Self::mac1`], and the code behind.
    #[must_use]
    pub fn mac1_with_auth_code(&self, at: Moment, code: [u8; 9]) -> Input<PurchaseKey, Mac1> {
        self.mac1_with(at, &code)
    }

    /// By the card: amount.
    #[must_use]
    pub fn mac2(&self) -> Input<PurchaseKey, Mac2> {
        Input::new(&[&self.amount.emit()])
    }

    /// By the card: amount ‖ type ‖ terminal ‖ terminal's sequence ‖ date ‖ time.
    #[must_use]
    pub fn tac(&self, terminal_sequence: u32, at: Moment) -> Input<TacKey, Tac> {
        Input::new(&[
            &self.amount.emit(),
            &[self.transaction_type().code()],
            &self.terminal.0,
            &terminal_sequence.to_be_bytes(),
            &at.date,
            &at.time,
        ])
    }

    fn mac1_with(&self, at: Moment, auth_code: &[u8]) -> Input<PurchaseKey, Mac1> {
        Input::new(&[
            &self.amount.emit(),
            &[self.transaction_type().code()],
            &self.terminal.0,
            &at.date,
            &at.time,
            auth_code,
        ])
    }
}

/// Legacy: an unload (圈提) from the passbook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unload {
    /// The amount taken back.
    pub amount: Fen,
    /// The terminal.
    pub terminal: TerminalId,
}

impl Unload {
    /// Its transaction type.
    pub const TRANSACTION_TYPE: TransactionType = TransactionType::Unload;

    /// By the card: old balance ‖ amount ‖ type ‖ terminal.
    #[must_use]
    pub fn mac1(&self, old_balance: Fen) -> Input<UnloadKey, Mac1> {
        Input::new(&[
            &old_balance.emit(),
            &self.amount.emit(),
            &[Self::TRANSACTION_TYPE.code()],
            &self.terminal.0,
        ])
    }

    /// By the host: amount ‖ type ‖ terminal ‖ date ‖ time.
    #[must_use]
    pub fn mac2(&self, at: Moment) -> Input<UnloadKey, Mac2> {
        Input::new(&[
            &self.amount.emit(),
            &[Self::TRANSACTION_TYPE.code()],
            &self.terminal.0,
            &at.date,
            &at.time,
        ])
    }

    /// By the card: new balance ‖ on-line sequence ‖ amount ‖ type ‖ terminal ‖ date ‖ time.
    #[must_use]
    pub fn mac3(&self, new_balance: Fen, sequence: u16, at: Moment) -> Input<UnloadKey, Mac3> {
        Input::new(&[
            &new_balance.emit(),
            &sequence.to_be_bytes(),
            &self.amount.emit(),
            &[Self::TRANSACTION_TYPE.code()],
            &self.terminal.0,
            &at.date,
            &at.time,
        ])
    }
}

/// Legacy: an update of the passbook's overdraft limit (修改透支限额). Limits are three bytes, in fen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitUpdate {
    /// The terminal.
    pub terminal: TerminalId,
}

impl LimitUpdate {
    /// Its transaction type.
    pub const TRANSACTION_TYPE: TransactionType = TransactionType::LimitUpdate;

    /// By the card: balance ‖ old limit ‖ type ‖ terminal.
    #[must_use]
    pub fn mac1(&self, balance: Fen, old_limit: [u8; 3]) -> Input<LimitKey, Mac1> {
        Input::new(&[
            &balance.emit(),
            &old_limit,
            &[Self::TRANSACTION_TYPE.code()],
            &self.terminal.0,
        ])
    }

    /// By the host: new limit ‖ type ‖ terminal ‖ date ‖ time.
    #[must_use]
    pub fn mac2(&self, new_limit: [u8; 3], at: Moment) -> Input<LimitKey, Mac2> {
        Input::new(&[
            &new_limit,
            &[Self::TRANSACTION_TYPE.code()],
            &self.terminal.0,
            &at.date,
            &at.time,
        ])
    }

    /// By the card: new stored balance ‖ on-line sequence ‖ new limit ‖ type ‖ terminal ‖ date ‖
    /// time.
    #[must_use]
    pub fn tac(
        &self,
        new_balance: Fen,
        sequence: u16,
        new_limit: [u8; 3],
        at: Moment,
    ) -> Input<TacKey, Tac> {
        Input::new(&[
            &new_balance.emit(),
            &sequence.to_be_bytes(),
            &new_limit,
            &[Self::TRANSACTION_TYPE.code()],
            &self.terminal.0,
            &at.date,
            &at.time,
        ])
    }
}

/// The longest layout, MAC1 of a purchase with authentication code.
const MAX_INPUT_LEN: usize = 4 + 1 + 6 + 4 + 3 + 9;

/// Legacy: the bytes under a code of kind `M`, for a key of purpose `P`.
#[derive(Clone, Debug)]
pub struct Input<P: Purpose, M: Code> {
    bytes: [u8; MAX_INPUT_LEN],
    len: usize,
    tag: PhantomData<(P, M)>,
}

impl<P: Purpose, M: Code> Input<P, M> {
    #[inline]
    fn new(parts: &[&[u8]]) -> Self {
        let len = parts.iter().map(|part| part.len()).sum::<usize>().min(MAX_INPUT_LEN);
        Self { bytes: concat(parts), len, tag: PhantomData }
    }

    /// The bytes, before padding.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&self.bytes)
    }
}
