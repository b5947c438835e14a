//! The purse record (EF 02), which no command reads or writes as a file, and the records of the log
//! (EF 18). The log is that of PBOC; the order of the purse record follows a vendor's, its check
//! value is project-defined.

use xuejika_keyscheme::bytes::concat;
use xuejika_keyscheme::legacy::{Fen, Moment, TerminalId, TransactionType};

use crate::crc;

use super::{MAX_BALANCE, WalletError};

/// What GET TRANSACTION PROVE can prove: the last finished transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Its type.
    pub kind: TransactionType,
    /// Its sequence number, as it became: one more than INITIALIZE answered.
    pub sequence: u16,
    /// MAC2 of a purchase, MAC3 of an unload, 00000000 for a load.
    pub mac: [u8; 4],
    /// TAC; 00000000 for an unload, which has none.
    pub tac: [u8; 4],
}

/// Balance, counters and proof of the EP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PurseRecord {
    /// Off-line counter (脱机交易序号): of the next purchase.
    pub offline: u16,
    /// On-line counter (联机交易序号): of the next load or unload.
    pub online: u16,
    /// Balance.
    pub balance: Fen,
    /// Proof of the last finished transaction.
    pub proof: Option<Proof>,
}

impl PurseRecord {
    /// Length of the encoding, in bytes.
    pub const LEN: usize = 8 + 11 + crc::CRC_LEN;

    /// Reads off-line counter (2), on-line counter (2), balance (4), proof: type (1, 00 = none),
    /// sequence (2), MAC (4), TAC (4); CRC (2).
    ///
    /// # Errors
    /// Returns [`WalletError::Damaged`] for a wrong check value, an undefined type or a balance above
    /// the ceiling.
    pub fn parse(bytes: &[u8]) -> Result<Self, WalletError> {
        let damaged = WalletError::Damaged("purse");
        let (true, Some((&[f1, f2, n1, n2, b1, b2, b3, b4], rest))) =
            (crc::is_sealed(bytes), bytes.split_first_chunk())
        else {
            return Err(damaged);
        };
        let &[kind, s1, s2, m1, m2, m3, m4, t1, t2, t3, t4, _, _] = rest else {
            return Err(damaged);
        };
        let proof = match kind {
            0 => None,
            code => Some(Proof {
                kind: TransactionType::from_code(code).ok_or(damaged)?,
                sequence: u16::from_be_bytes([s1, s2]),
                mac: [m1, m2, m3, m4],
                tac: [t1, t2, t3, t4],
            }),
        };
        let balance = Fen(u32::from_be_bytes([b1, b2, b3, b4]));
        if balance > MAX_BALANCE {
            return Err(damaged);
        }
        Ok(Self {
            offline: u16::from_be_bytes([f1, f2]),
            online: u16::from_be_bytes([n1, n2]),
            balance,
            proof,
        })
    }

    /// The stored bytes.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let proof: [u8; 11] = self.proof.map_or([0; 11], |proof| {
            let Proof { kind, sequence, mac, tac } = proof;
            concat(&[&[kind.code()], &sequence.to_be_bytes(), &mac, &tac])
        });
        let [offline, online] = [self.offline, self.online].map(u16::to_be_bytes);
        let mut bytes = concat(&[&offline, &online, &self.balance.emit(), &proof]);
        crc::seal(&mut bytes);
        bytes
    }
}

/// A record of the log (交易明细).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// Sequence number, as it became.
    pub sequence: u16,
    /// Amount.
    pub amount: Fen,
    /// Type of the transaction.
    pub kind: TransactionType,
    /// Terminal.
    pub terminal: TerminalId,
    /// Date and time, as the terminal sent them.
    pub at: Moment,
}

impl LogRecord {
    /// Length of the encoding, in bytes.
    pub const LEN: usize = 23;

    /// Reads sequence (2), overdraft limit (3, ignored: a wallet has none), amount (4), type (1),
    /// terminal (6), date (4), time (3). `None` for another length or an undefined type.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (&[s1, s2, _, _, _], rest) = bytes.split_first_chunk()?;
        let (&[a1, a2, a3, a4, kind], rest) = rest.split_first_chunk()?;
        let (terminal, rest) = rest.split_first_chunk()?;
        let (date, time) = rest.split_first_chunk()?;
        Some(Self {
            sequence: u16::from_be_bytes([s1, s2]),
            amount: Fen(u32::from_be_bytes([a1, a2, a3, a4])),
            kind: TransactionType::from_code(kind)?,
            terminal: TerminalId(*terminal),
            at: Moment { date: *date, time: time.try_into().ok()? },
        })
    }

    /// The stored bytes.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        concat(&[
            &self.sequence.to_be_bytes(),
            &[0; 3],
            &self.amount.emit(),
            &[self.kind.code()],
            &self.terminal.0,
            &self.at.date,
            &self.at.time,
        ])
    }
}
