//! Cards that misbehave, to see what a reader makes of them.
//!
//! [`CATALOGUE`] names what a card, or somebody on the road to it, can do wrong, and what a reader has
//! to do then. [`Misbehaving`] is a sound card that does one of these things at the n-th occasion; it
//! watches what the reader sends and counts what it has done itself, so that [`Misbehaving::judge`]
//! needs nothing from the reader but whether it claims success.

mod card;
mod catalogue;
mod judge;

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

pub use card::{Misbehaving, Step};
pub use catalogue::CATALOGUE;
pub use judge::Ruling;

/// How long a slow card takes longer than others. Not longer than a reader has to wait.
pub const SLOWNESS: Duration = Duration::from_secs(3);

/// What a card does wrong, and what a reader has to do then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Misbehaviour {
    /// `READER-<UNIT>-<NNN>`, never used again for another one.
    pub id: &'static str,
    /// What the card does.
    pub title: &'static str,
    /// What the card does, in Chinese (中文).
    pub title_zh: &'static str,
    /// Which card it is.
    pub card: Who,
    /// When.
    pub occasion: Occasion,
    /// What.
    pub act: Act,
    /// What the reader has to do.
    pub duty: Duty,
}

impl Misbehaviour {
    /// Whether it goes on at every later occasion; what is lost or slow is so once.
    #[must_use]
    pub const fn lasts(&self) -> bool {
        !matches!(self.act, Act::Lose { .. } | Act::Cut(_) | Act::Slow)
    }
}

/// Which card misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Student-record card (学籍卡).
    Student,
    /// Management card (管理卡).
    Management,
}

/// A command at which a card can misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Occasion {
    /// SELECT of the education zone or the management application, by name.
    Select,
    /// READ BINARY of the issuance record.
    Issuance,
    /// GET CHALLENGE.
    Challenge,
    /// MUTUAL AUTHENTICATE.
    Proof,
    /// Any command under secure messaging.
    Protected,
    /// A command under secure messaging that changes the card.
    Change,
    /// INITIALIZE FOR PURCHASE or FOR CAPP PURCHASE.
    InitialisePurchase,
    /// DEBIT FOR PURCHASE.
    Debit,
    /// INITIALIZE FOR LOAD.
    InitialiseLoad,
    /// CREDIT FOR LOAD.
    Credit,
}

impl Occasion {
    /// Every occasion.
    pub const ALL: [Self; 10] = [
        Self::Select,
        Self::Issuance,
        Self::Challenge,
        Self::Proof,
        Self::Protected,
        Self::Change,
        Self::InitialisePurchase,
        Self::Debit,
        Self::InitialiseLoad,
        Self::Credit,
    ];

    /// Whether this command is one.
    #[must_use]
    pub const fn fits(self, command: &[u8]) -> bool {
        let [class, instruction, p1, ..] = *command else { return false };
        let protected = class <= 0x9F && class & 0x0C == 0x0C;
        match self {
            // F0 'B' 'J': the project's own names.
            Self::Select => matches!(command, [0x00, 0xA4, 0x04, _, _, 0xF0, 0x42, 0x4A, ..]),
            Self::Issuance => class == 0x00 && instruction == 0xB0 && p1 == 0x85,
            Self::Challenge => class == 0x00 && instruction == 0x84,
            // EXTERNAL AUTHENTICATE of the wallet has the same code and is shorter.
            Self::Proof => class == 0x00 && instruction == 0x82 && command.len() > 24,
            Self::Protected => protected,
            Self::Change => protected && matches!(instruction, 0xD6 | 0xD8 | 0xF0),
            Self::InitialisePurchase => {
                class == 0x80 && instruction == 0x50 && matches!(p1, 0x01 | 0x03)
            }
            Self::Debit => class == 0x80 && instruction == 0x54 && p1 == 0x01,
            Self::InitialiseLoad => class == 0x80 && instruction == 0x50 && p1 == 0x00,
            Self::Credit => class == 0x80 && instruction == 0x52,
        }
    }
}

/// What a card does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// One bit of the response data is another, so many bytes from the front.
    Flip(usize),
    /// One bit of the last byte of the response data is another: of a checksum, where there is one.
    FlipLast,
    /// The status word is another.
    Status(u16),
    /// The card does what it is told and answers with this status word alone.
    Bare(u16),
    /// The card does nothing and answers so many bytes of nonsense, and success.
    Pretend(usize),
    /// The answer to the same kind of command before, once more.
    Replay,
    /// The command's own data from this byte on, as the answer.
    Reflect(usize),
    /// So many bytes at the end of the response data are missing.
    Truncate(usize),
    /// A byte is appended to the response data.
    Extend,
    /// Nonsense of the right length, and success.
    Garbage,
    /// One byte, which is no response.
    OneByte,
    /// There is always more to be had with GET RESPONSE.
    Endless,
    /// The answer of another card.
    OtherCard,
    /// No answer.
    Lose {
        /// Whether the card has executed the command.
        executed: bool,
        /// What is in the field afterwards.
        then: Then,
    },
    /// Power goes in the middle of what the command writes, after so many writes.
    Cut(u64),
    /// The answer takes [`SLOWNESS`].
    Slow,
}

/// What is in the field after a lost answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The same card.
    Back,
    /// No card, for good.
    Gone,
    /// Another card.
    Other,
    /// The same card, which proves its last transaction (GET TRANSACTION PROVE) wrongly.
    FalseProof,
}

/// What a reader has to do. In every case the card does nothing more often than it was wanted, and
/// success is claimed only for what the card has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Refuse: claim no success, and send nothing more in a session after a wrong answer.
    Refuse,
    /// Refuse, before the command that moves money.
    StopShort,
    /// Not do it twice. Success may be claimed if the card has done it.
    Once,
    /// Not do it twice, and where the card has done it ask for its proof (GET TRANSACTION PROVE).
    Ask,
    /// Stay locked: open no session with a student card.
    StayLocked,
}

impl Duty {
    /// In words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Refuse => {
                "The reader refuses: it claims no success and sends nothing more in the session."
            }
            Self::StopShort => {
                "The reader refuses before the command that moves money, and claims no success."
            }
            Self::Once => {
                "The reader does not do it twice, and claims success only if the card has done it."
            }
            Self::Ask => {
                "The reader does not do it twice; it asks the card for its proof (GET TRANSACTION \
                 PROVE), and claims success only if the card has done it."
            }
            Self::StayLocked => {
                "The reader stays locked: it opens no session with a student card and claims no \
                 success."
            }
        }
    }
}

/// A misbehaviour and the occasion from which on, `ID` or `ID:N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What the card does wrong.
    pub what: &'static Misbehaviour,
    /// At which occasion first, from 1.
    pub nth: u32,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.what.id, self.nth)
    }
}

/// No misbehaviour has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected ID or ID:N of a misbehaviour, such as READER-SM-001 or READER-SM-001:3")]
pub struct NoSuchMisbehaviour;

impl FromStr for Plan {
    type Err = NoSuchMisbehaviour;

    fn from_str(text: &str) -> Result<Self, NoSuchMisbehaviour> {
        let (id, nth) = text.split_once(':').unwrap_or((text, "1"));
        let what = CATALOGUE.iter().find(|what| what.id == id).ok_or(NoSuchMisbehaviour)?;
        match nth.parse() {
            Ok(nth @ 1..) => Ok(Self { what, nth }),
            _ => Err(NoSuchMisbehaviour),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_are_read_as_they_are_written() {
        for what in &CATALOGUE {
            let plan = Plan { what, nth: 3 };
            assert_eq!(plan.to_string().parse(), Ok(plan));
            assert_eq!(what.id.parse(), Ok(Plan { what, nth: 1 }));
        }
        for text in ["", "READER-SM-999", "READER-SM-001:", "READER-SM-001:0", "READER-SM-001:x"] {
            assert_eq!(text.parse::<Plan>(), Err(NoSuchMisbehaviour), "{text}");
        }
    }

    #[test]
    fn ids_are_there_once_and_in_form() {
        for (at, what) in CATALOGUE.iter().enumerate() {
            let parts: Vec<_> = what.id.split('-').collect();
            let [area, unit, number] = parts[..] else { panic!("{}", what.id) };
            assert_eq!((area, number.len()), ("READER", 3), "{}", what.id);
            assert!(unit.bytes().all(|byte| byte.is_ascii_uppercase()), "{}", what.id);
            assert!(number.bytes().all(|byte| byte.is_ascii_digit()), "{}", what.id);
            assert!(CATALOGUE[..at].iter().all(|other| other.id != what.id), "{}", what.id);
        }
    }
}
