//! Why a list is refused.

use super::entries::NotDescended;
use super::entry::{EntryError, Moment};
use super::header::{Form, HeaderError};
use crate::ident::{CardSerial, UnitCode};

/// Why a list cannot be made, read or used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// The header breaks a rule.
    #[error("list header: {0}")]
    Header(#[from] HeaderError),
    /// The file is longer or shorter than its header says.
    #[error("the list has {found} bytes, but its header says {expected}")]
    Length {
        /// Bytes given.
        found: u64,
        /// Bytes of header, entries and checksum.
        expected: u64,
    },
    /// An entry breaks a rule; entries are counted from 0.
    #[error("entry {index}: {error}")]
    Entry {
        /// Its number.
        index: u32,
        /// The rule.
        error: EntryError,
    },
    /// The entries are not in ascending order of card, kind, unit and report, or one of them is ended
    /// or made unnecessary by its neighbour.
    #[error("entry {0} is out of order")]
    Order(u32),
    /// The list contains an entry of a unit outside its scope.
    #[error("card {serial} is listed by unit {unit}, outside the scope {scope} of the list")]
    Scope {
        /// The card.
        serial: CardSerial,
        /// Unit of the entry.
        unit: UnitCode,
        /// Unit of the list.
        scope: UnitCode,
    },
    /// An entry changed after the list was issued.
    #[error("card {serial} has an entry of {changed}, after the list was issued at {issued}")]
    AfterIssue {
        /// The card.
        serial: CardSerial,
        /// Last change of the entry.
        changed: Moment,
        /// Issue of the list.
        issued: Moment,
    },
    /// The digest of the entries is not the one in the header.
    #[error("the digest of the entries is {found:08X}, but the header says {expected:08X}")]
    Digest {
        /// Digest computed.
        found: u32,
        /// Digest in the header.
        expected: u32,
    },
    /// The checksum is not that of the list key.
    #[error("the list is not authentic: its MAC is not that of the list key of {0}")]
    Mac(UnitCode),
    /// A whole list where a delta is needed, or the other way round.
    #[error("this is a {found} list, expected a {expected} one")]
    Form {
        /// Form of the file.
        found: Form,
        /// Form needed.
        expected: Form,
    },
    /// A delta on another version of the list than the one it was made from.
    #[error(
        "the delta starts from version {base}, but this is version {version}; get the full list"
    )]
    Base {
        /// Version the delta starts from.
        base: u32,
        /// Version of the list given.
        version: u32,
    },
    /// A list of another unit.
    #[error("this is the list of unit {found}, expected unit {expected}")]
    Unit {
        /// Unit of the list.
        found: UnitCode,
        /// Unit needed.
        expected: UnitCode,
    },
    /// A version that is no later one.
    #[error("version {version} does not follow version {base}")]
    Version {
        /// The later version.
        version: u32,
        /// The earlier version.
        base: u32,
    },
    /// A later version that was issued earlier.
    #[error(
        "version {version} was issued at {issued}, before version {base} at {before}; versions and \
         times of issue go forward together"
    )]
    Issue {
        /// The later version.
        version: u32,
        /// When it was issued.
        issued: Moment,
        /// The earlier version.
        base: u32,
        /// When that was issued.
        before: Moment,
    },
    /// Two lists of one version that differ.
    #[error("there are two lists of unit {scope} of version {version}, and they differ")]
    Twice {
        /// Unit of the lists.
        scope: UnitCode,
        /// Their version.
        version: u32,
    },
    /// A part that was taken out for a unit's readers where a list is needed.
    #[error("this is a part of the list of {of} for readers; it is not merged or continued")]
    Part {
        /// Unit whose list it was taken from.
        of: UnitCode,
    },
    /// A list that is no later state of the other.
    #[error(transparent)]
    NotDescended(#[from] NotDescended),
    /// More entries than a file can count.
    #[error("a list holds at most 4294967295 entries")]
    TooMany,
    /// The card has no such entry that could be withdrawn.
    #[error("card {0} has no such entry on the list")]
    NotListed(CardSerial),
    /// The entry cannot be withdrawn so.
    #[error("card {serial}: {error}")]
    Withdrawal {
        /// The card.
        serial: CardSerial,
        /// The rule.
        error: EntryError,
    },
    /// The card was replaced: it stays refused (操作规程 四/六).
    #[error("card {0} was replaced and stays on the list")]
    Replaced(CardSerial),
}
