//! What purse commands carry and answer, for card and terminal alike. PBOC layouts.

use xuejika_keyscheme::legacy::{Fen, Mac1, Mac2, Moment, TerminalId};

/// Data of every INITIALIZE command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Initialise {
    /// Identifier of the key.
    pub kid: u8,
    /// Amount.
    pub amount: Fen,
    /// Terminal.
    pub terminal: TerminalId,
}

impl Initialise {
    /// Length in bytes.
    pub const LEN: usize = 11;

    /// Reads key identifier (1), amount (4), terminal (6); `None` for another length.
    #[must_use]
    pub const fn parse(bytes: &[u8]) -> Option<Self> {
        let &[kid, a1, a2, a3, a4, t1, t2, t3, t4, t5, t6] = bytes else { return None };
        Some(Self {
            kid,
            amount: Fen(u32::from_be_bytes([a1, a2, a3, a4])),
            terminal: TerminalId([t1, t2, t3, t4, t5, t6]),
        })
    }

    /// Writes the data.
    #[must_use]
    pub const fn emit(&self) -> [u8; Self::LEN] {
        let ([a1, a2, a3, a4], [t1, t2, t3, t4, t5, t6]) = (self.amount.emit(), self.terminal.0);
        [self.kid, a1, a2, a3, a4, t1, t2, t3, t4, t5, t6]
    }
}

/// Answer to INITIALIZE FOR LOAD and FOR UNLOAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnlineAnswer {
    /// Balance before.
    pub balance: Fen,
    /// On-line sequence number before.
    pub sequence: u16,
    /// Version of the key.
    pub version: u8,
    /// Algorithm byte of the key.
    pub algorithm: u8,
    /// The card's random number.
    pub random: [u8; 4],
    /// MAC1, by which the host knows the card.
    pub mac1: Mac1,
}

impl OnlineAnswer {
    /// Length in bytes.
    pub const LEN: usize = 16;

    /// Reads balance (4), sequence (2), version (1), algorithm (1), random (4), MAC1 (4); `None` for
    /// another length.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let &[b1, b2, b3, b4, s1, s2, version, algorithm, r1, r2, r3, r4, m1, m2, m3, m4] = bytes
        else {
            return None;
        };
        Some(Self {
            balance: Fen(u32::from_be_bytes([b1, b2, b3, b4])),
            sequence: u16::from_be_bytes([s1, s2]),
            version,
            algorithm,
            random: [r1, r2, r3, r4],
            mac1: Mac1::from([m1, m2, m3, m4]),
        })
    }

    /// Writes the answer.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let [b1, b2, b3, b4] = self.balance.emit();
        let [s1, s2] = self.sequence.to_be_bytes();
        let [r1, r2, r3, r4] = self.random;
        let [m1, m2, m3, m4] = self.mac1.into();
        [b1, b2, b3, b4, s1, s2, self.version, self.algorithm, r1, r2, r3, r4, m1, m2, m3, m4]
    }
}

/// Answer to INITIALIZE FOR PURCHASE and FOR CAPP PURCHASE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PurchaseAnswer {
    /// Balance before.
    pub balance: Fen,
    /// Off-line sequence number before.
    pub sequence: u16,
    /// Overdraft limit; a wallet has none.
    pub overdraft: [u8; 3],
    /// Version of the key.
    pub version: u8,
    /// Algorithm byte of the key.
    pub algorithm: u8,
    /// The card's random number.
    pub random: [u8; 4],
}

impl PurchaseAnswer {
    /// Length in bytes.
    pub const LEN: usize = 15;

    /// Reads balance (4), sequence (2), overdraft (3), version (1), algorithm (1), random (4);
    /// `None` for another length.
    #[must_use]
    pub const fn parse(bytes: &[u8]) -> Option<Self> {
        let &[b1, b2, b3, b4, s1, s2, o1, o2, o3, version, algorithm, r1, r2, r3, r4] = bytes
        else {
            return None;
        };
        Some(Self {
            balance: Fen(u32::from_be_bytes([b1, b2, b3, b4])),
            sequence: u16::from_be_bytes([s1, s2]),
            overdraft: [o1, o2, o3],
            version,
            algorithm,
            random: [r1, r2, r3, r4],
        })
    }

    /// Writes the answer.
    #[must_use]
    pub const fn emit(&self) -> [u8; Self::LEN] {
        let [b1, b2, b3, b4] = self.balance.emit();
        let [s1, s2] = self.sequence.to_be_bytes();
        let [o1, o2, o3] = self.overdraft;
        let [r1, r2, r3, r4] = self.random;
        [b1, b2, b3, b4, s1, s2, o1, o2, o3, self.version, self.algorithm, r1, r2, r3, r4]
    }
}

/// Data of CREDIT FOR LOAD and of DEBIT FOR UNLOAD: the host's consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Date and time, as the host sent them.
    pub at: Moment,
    /// MAC2.
    pub mac2: Mac2,
}

impl Consent {
    /// Length in bytes.
    pub const LEN: usize = 11;

    /// Reads date (4), time (3), MAC2 (4); `None` for another length.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let &[d1, d2, d3, d4, t1, t2, t3, m1, m2, m3, m4] = bytes else { return None };
        let at = Moment { date: [d1, d2, d3, d4], time: [t1, t2, t3] };
        Some(Self { at, mac2: Mac2::from([m1, m2, m3, m4]) })
    }

    /// Writes the data.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let ([d1, d2, d3, d4], [t1, t2, t3]) = (self.at.date, self.at.time);
        let [m1, m2, m3, m4] = self.mac2.into();
        [d1, d2, d3, d4, t1, t2, t3, m1, m2, m3, m4]
    }
}

/// Data of DEBIT FOR PURCHASE: the terminal's demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// The terminal's own sequence number.
    pub sequence: u32,
    /// Date and time, as the terminal sent them.
    pub at: Moment,
    /// MAC1.
    pub mac1: Mac1,
}

impl Demand {
    /// Length in bytes.
    pub const LEN: usize = 15;

    /// Reads the terminal's sequence (4), date (4), time (3), MAC1 (4); `None` for another length.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let &[s1, s2, s3, s4, d1, d2, d3, d4, t1, t2, t3, m1, m2, m3, m4] = bytes else {
            return None;
        };
        Some(Self {
            sequence: u32::from_be_bytes([s1, s2, s3, s4]),
            at: Moment { date: [d1, d2, d3, d4], time: [t1, t2, t3] },
            mac1: Mac1::from([m1, m2, m3, m4]),
        })
    }

    /// Writes the data.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let [s1, s2, s3, s4] = self.sequence.to_be_bytes();
        let ([d1, d2, d3, d4], [t1, t2, t3]) = (self.at.date, self.at.time);
        let [m1, m2, m3, m4] = self.mac1.into();
        [s1, s2, s3, s4, d1, d2, d3, d4, t1, t2, t3, m1, m2, m3, m4]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_message_round_trips(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            macro_rules! check {
                ($($message:ident),*) => {$(
                    let parsed = $message::parse(&bytes);
                    prop_assert_eq!(parsed.is_some(), bytes.len() == $message::LEN);
                    if let Some(message) = parsed {
                        prop_assert_eq!(&message.emit()[..], &bytes);
                    }
                )*};
            }
            check!(Initialise, OnlineAnswer, PurchaseAnswer, Consent, Demand);
        }
    }
}
