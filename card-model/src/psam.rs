//! The purchase SAM (PSAM, 终端安全模块): the operator's terminal side of a purchase.
//!
//! It holds the roots of the operator's card keys and its own running number. It never gives a key
//! away, and never gives one running number two meanings: a number is used up, durably, before the
//! MAC1 that carries it is told. Sizes and orders are those that public terminals have been seen to
//! use; what is project-defined is marked so.

mod cipher;
mod info;
mod issue;
mod key;
mod purchase;

pub use cipher::{MAC_MESSAGE_LIMIT, MacPart};
pub use info::{ApplicationInfo, PublicInfo};
pub use issue::PsamIssue;
pub use key::{InvalidPsamKey, KeyKind, MAX_LEVELS, PsamKey, split_usage};
pub(crate) use purchase::FAILURES_LEN;
pub use purchase::{MAC2_LIMIT, Psam, PsamSession, PsamView};

use alloc::vec::Vec;

use xuejika_keyscheme::legacy::diversify::FACTOR_LEN;
use xuejika_keyscheme::legacy::{
    Fen, Mac1, Moment, Purchase, PurchaseKind, TerminalId, TransactionType,
};

use crate::card::CardError;
use key::usage;

/// Diversification factors, applied to a root in this order (project-defined; operators differ).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factors {
    list: [[u8; FACTOR_LEN]; MAX_LEVELS],
    count: u8,
}

impl Factors {
    /// These factors, at most [`MAX_LEVELS`]; `None` when there are more.
    #[must_use]
    pub fn new(factors: &[[u8; FACTOR_LEN]]) -> Option<Self> {
        let mut list = [[0; FACTOR_LEN]; MAX_LEVELS];
        list.get_mut(..factors.len())?.copy_from_slice(factors);
        Some(Self { list, count: u8::try_from(factors.len()).ok()? })
    }

    /// The one factor of a card whose keys come straight from the root: its number.
    #[must_use]
    pub const fn card(number: [u8; FACTOR_LEN]) -> Self {
        Self { list: [number, [0; FACTOR_LEN], [0; FACTOR_LEN]], count: 1 }
    }

    /// Reads factors that stand one behind the other; `None` unless they are whole and at most
    /// [`MAX_LEVELS`].
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        match bytes.as_chunks() {
            (factors, []) => Self::new(factors),
            _ => None,
        }
    }

    /// Usage byte of a key of this kind that these factors lead down from: number of levels in the
    /// high three bits, kind in the low five.
    #[must_use]
    pub fn usage(&self, kind: KeyKind) -> u8 {
        usage(self.count, kind)
    }

    /// The factors.
    #[must_use]
    pub fn list(&self) -> &[[u8; FACTOR_LEN]] {
        self.list.get(..self.count.into()).unwrap_or(&[])
    }
}

/// What a PSAM needs for MAC1: the card's answer to INITIALIZE FOR PURCHASE and the terminal's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PurchaseRequest {
    /// The card's random number.
    pub random: [u8; 4],
    /// The card's off-line sequence number (脱机交易序号).
    pub sequence: u16,
    /// The amount to be paid.
    pub amount: Fen,
    /// Which kind of purchase.
    pub kind: PurchaseKind,
    /// Date and time by the terminal's clock.
    pub at: Moment,
    /// Version of the card's purchase key (密钥版本号), which chooses the PSAM's root.
    pub version: u8,
    /// Algorithm byte of the card (算法标识); carried, not examined: every root is two-key TDES.
    pub algorithm: u8,
    /// Factors from the root to the card's key.
    pub factors: Factors,
}

impl PurchaseRequest {
    /// Length without factors, in bytes.
    pub const BASE_LEN: usize = 4 + 2 + 4 + 1 + 4 + 3 + 1 + 1;

    /// Reads random (4) ‖ sequence (2) ‖ amount (4) ‖ type (1) ‖ date (4) ‖ time (3) ‖ key version
    /// (1) ‖ algorithm (1) ‖ factors (8 each).
    ///
    /// # Errors
    /// Returns [`PsamError::Length`] or [`PsamError::TransactionType`].
    #[rustfmt::skip]
    pub fn parse(data: &[u8]) -> Result<Self, PsamError> {
        let Some((&[
            r1, r2, r3, r4, s1, s2, a1, a2, a3, a4, kind,
            d1, d2, d3, d4, t1, t2, t3, version, algorithm,
        ], factors)) = data.split_first_chunk::<{ Self::BASE_LEN }>() else {
            return Err(PsamError::Length);
        };
        Ok(Self {
            random: [r1, r2, r3, r4],
            sequence: u16::from_be_bytes([s1, s2]),
            amount: Fen(u32::from_be_bytes([a1, a2, a3, a4])),
            at: Moment { date: [d1, d2, d3, d4], time: [t1, t2, t3] },
            version,
            algorithm,
            factors: Factors::parse(factors).ok_or(PsamError::Length)?,
            kind: purchase_kind(kind).ok_or(PsamError::TransactionType(kind))?,
        })
    }

    /// Writes the encoding.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        let kind = self.purchase(TerminalId([0; 6])).transaction_type().code();
        self.random
            .into_iter()
            .chain(self.sequence.to_be_bytes())
            .chain(self.amount.emit())
            .chain([kind])
            .chain(self.at.date)
            .chain(self.at.time)
            .chain([self.version, self.algorithm])
            .chain(self.factors.list().iter().copied().flatten())
            .collect()
    }

    /// The purchase at this terminal, as codes are computed over it.
    #[must_use]
    pub const fn purchase(&self, terminal: TerminalId) -> Purchase {
        Purchase { kind: self.kind, amount: self.amount, terminal }
    }
}

/// The kind of purchase with this transaction type.
const fn purchase_kind(code: u8) -> Option<PurchaseKind> {
    Some(match TransactionType::from_code(code) {
        Some(TransactionType::Cash) => PurchaseKind::Cash,
        Some(TransactionType::PassbookPurchase) => PurchaseKind::Passbook,
        Some(TransactionType::WalletPurchase) => PurchaseKind::Wallet,
        Some(TransactionType::CompoundPurchase) => PurchaseKind::Compound,
        _ => return None,
    })
}

/// What a PSAM answers: its running number, used up by this, and MAC1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PurchaseProof {
    /// The terminal's sequence number (终端交易序号).
    pub sequence: u32,
    /// MAC1, by which the card knows the terminal.
    pub mac1: Mac1,
}

impl PurchaseProof {
    /// Length of the encoding, in bytes.
    pub const LEN: usize = 8;

    /// Reads sequence (4) ‖ MAC1 (4); `None` for another length.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let &[s1, s2, s3, s4, m1, m2, m3, m4] = bytes else { return None };
        let sequence = u32::from_be_bytes([s1, s2, s3, s4]);
        Some(Self { sequence, mac1: Mac1::from([m1, m2, m3, m4]) })
    }

    /// Writes the encoding.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let [s1, s2, s3, s4] = self.sequence.to_be_bytes();
        let [m1, m2, m3, m4] = self.mac1.into();
        [s1, s2, s3, s4, m1, m2, m3, m4]
    }
}

/// Why a PSAM refused. Nothing has changed then but the MAC2 failure counter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PsamError {
    /// The data has no length of this command.
    #[error("the data has a wrong length")]
    Length,
    /// The transaction type is no purchase.
    #[error("transaction type {0:02X} is no purchase")]
    TransactionType(u8),
    /// The kind of key is not offered, or may not be used this way.
    #[error("the kind of key {0:02X} may not be used so")]
    KeyUse(u8),
    /// There is no key of this kind, version and number of levels.
    #[error("the PSAM holds no such key")]
    KeyNotFound,
    /// The running number has reached its end; the PSAM makes no purchase any more.
    #[error("the terminal sequence number is used up")]
    Exhausted,
    /// MAC2 is wrong: the card is not genuine, or did not pay.
    #[error("MAC2 is wrong")]
    Mac2,
    /// MAC2 was wrong too often; the PSAM makes no purchase any more.
    #[error("the PSAM is locked: MAC2 was wrong {MAC2_LIMIT} times")]
    Locked,
    /// No purchase waits for its MAC2.
    #[error("no purchase waits for its MAC2")]
    NoPurchase,
    /// No key was delivered, or no MAC has begun.
    #[error("no working key, or no MAC has begun")]
    NoWorkingKey,
    /// The memory is damaged, failed or lost power.
    #[error(transparent)]
    Card(#[from] CardError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn requests_and_proofs_round_trip(
            data in prop::collection::vec(any::<u8>(), 20..=45), proof: [u8; 8],
        ) {
            match PurchaseRequest::parse(&data) {
                Ok(request) => prop_assert_eq!(request.emit(), data),
                Err(PsamError::TransactionType(code)) => {
                    prop_assert!(code == data[10] && !matches!(code, 4 | 5 | 6 | 9));
                }
                Err(error) => {
                    prop_assert_eq!(error, PsamError::Length);
                    prop_assert!(![20, 28, 36, 44].contains(&data.len()));
                }
            }
            prop_assert_eq!(PurchaseProof::parse(&proof).map(|proof| proof.emit()), Some(proof));
        }
    }

    #[test]
    fn at_most_three_factors() {
        assert_eq!(Factors::new(&[[1; 8]; 4]), None);
        assert_eq!(Factors::card([1; 8]), Factors::new(&[[1; 8]]).unwrap());
        assert_eq!(Factors::card([1; 8]).usage(KeyKind::Maintenance), 0x25);
    }
}
