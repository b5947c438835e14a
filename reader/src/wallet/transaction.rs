//! A transaction as the terminal or the host remembers it, and the doubt when its answer was lost.

use alloc::vec::Vec;

use xuejika_card_model::crc;
use xuejika_card_model::wallet::LogRecord;
use xuejika_keyscheme::legacy::{Fen, Moment, TerminalId, TransactionType};

use super::card::CardNumber;

/// What fixes a transaction: enough to ask the card for its proof and to check a TAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Transaction {
    /// The card.
    pub card: CardNumber,
    /// Transaction type.
    pub kind: TransactionType,
    /// Amount, in fen.
    pub amount: Fen,
    /// Balance before it, in fen.
    pub old_balance: Fen,
    /// The card's sequence number before it, as INITIALIZE answered: on-line for a load or unload,
    /// off-line for a purchase.
    pub sequence: u16,
    /// The terminal.
    pub terminal: TerminalId,
    /// The terminal's sequence number; 0 for a load or unload.
    pub terminal_sequence: u32,
    /// When.
    pub at: Moment,
}

/// First byte of a stored transaction (project-defined).
const VERSION: u8 = 0x01;

impl Transaction {
    /// Length of the stored form, in bytes.
    pub const LEN: usize = 1 + 8 + 1 + 4 + 4 + 2 + 6 + 4 + 4 + 3 + 2;

    /// Writes the stored form (project-defined): version 01 ‖ card (8) ‖ type (1) ‖ amount (4) ‖
    /// old balance (4) ‖ sequence (2) ‖ terminal (6) ‖ its sequence (4) ‖ date (4) ‖ time (3) ‖
    /// CRC (2).
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::LEN);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.card.0);
        bytes.push(self.kind.code());
        bytes.extend_from_slice(&self.amount.emit());
        bytes.extend_from_slice(&self.old_balance.emit());
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.terminal.0);
        bytes.extend_from_slice(&self.terminal_sequence.to_be_bytes());
        bytes.extend_from_slice(&self.at.date);
        bytes.extend_from_slice(&self.at.time);
        bytes.extend_from_slice(&[0; crc::CRC_LEN]);
        crc::seal(&mut bytes);
        bytes
    }

    /// Reads the stored form; `None` for another version, length or type, or a wrong CRC.
    #[must_use]
    #[rustfmt::skip]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if !crc::is_sealed(bytes) {
            return None;
        }
        let &[
            VERSION, c1, c2, c3, c4, c5, c6, c7, c8, kind,
            a1, a2, a3, a4, b1, b2, b3, b4, s1, s2, n1, n2, n3, n4, n5, n6,
            q1, q2, q3, q4, d1, d2, d3, d4, t1, t2, t3, _, _,
        ] = bytes else { return None };
        Some(Self {
            card: CardNumber([c1, c2, c3, c4, c5, c6, c7, c8]),
            kind: TransactionType::from_code(kind)?,
            amount: Fen(u32::from_be_bytes([a1, a2, a3, a4])),
            old_balance: Fen(u32::from_be_bytes([b1, b2, b3, b4])),
            sequence: u16::from_be_bytes([s1, s2]),
            terminal: TerminalId([n1, n2, n3, n4, n5, n6]),
            terminal_sequence: u32::from_be_bytes([q1, q2, q3, q4]),
            at: Moment { date: [d1, d2, d3, d4], time: [t1, t2, t3] },
        })
    }

    /// Balance after it; `None` when that is out of range.
    #[must_use]
    pub const fn new_balance(&self) -> Option<Fen> {
        match self.kind {
            TransactionType::PassbookLoad | TransactionType::WalletLoad => {
                self.old_balance.checked_add(self.amount)
            }
            _ => self.old_balance.checked_sub(self.amount),
        }
    }

    /// The sequence number under which the card keeps proof and log record: one higher.
    #[must_use]
    pub const fn proof_sequence(&self) -> Option<u16> {
        self.sequence.checked_add(1)
    }

    /// Whether a log record is this transaction's.
    pub(super) fn is_logged_as(&self, record: &LogRecord) -> bool {
        Some(record.sequence) == self.proof_sequence()
            && record.kind == self.kind
            && record.amount == self.amount
            && record.terminal == self.terminal
            && record.at == self.at
    }
}

/// A transaction whose answer was lost: done or not, only the card knows.
///
/// Its bytes ([`Self::emit`]) can be stored until the same card comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct InDoubt(pub(super) Transaction);

impl InDoubt {
    /// The transaction.
    #[must_use]
    pub const fn transaction(&self) -> &Transaction {
        &self.0
    }

    /// Writes the stored form, that of [`Transaction::emit`].
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        self.0.emit()
    }

    /// Reads the stored form, as [`Transaction::parse`].
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        Transaction::parse(bytes).map(Self)
    }
}
