//! The result of one entry, and what a check may find on the way.

use std::fmt;

use xuejika_keyscheme::{InvalidLength, Mismatch};

use crate::vector::{FieldError, Fields};

/// What became of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Valid, and everything came out as the file says.
    Passed,
    /// Invalid, and refused as it must be.
    Refused,
    /// Not as the file says; the text names what differs.
    Failed(String),
    /// Nothing here runs such an entry; the text names what is missing.
    NotSupported(&'static str),
}

impl Outcome {
    /// Weighs what a check found against what the file expects.
    pub(super) fn new(valid: bool, check: Check) -> Self {
        match (valid, check) {
            (true, Ok(())) => Self::Passed,
            (false, Err(Problem::Refused(_))) => Self::Refused,
            (false, Ok(())) => Self::Failed("accepted, although it is marked invalid".into()),
            (_, Err(Problem::NotSupported(what))) => Self::NotSupported(what),
            (_, Err(Problem::Refused(text) | Problem::Wrong(text))) => Self::Failed(text),
            (_, Err(Problem::Data(FieldError { field, expected, .. }))) => {
                Self::Failed(format!("{field}: expected {expected}"))
            }
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Refused => f.write_str("refused as it must be"),
            Self::Failed(text) => write!(f, "failed: {text}"),
            Self::NotSupported(what) => write!(f, "not supported: {what}"),
        }
    }
}

/// `Ok` when the code under test accepts the entry.
pub(super) type Check = Result<(), Problem>;

/// Why an entry was not accepted.
#[derive(Debug)]
pub(super) enum Problem {
    /// The code under test refuses it: right for an invalid entry, wrong for a valid one.
    Refused(String),
    /// A value beside the point of the entry differs: wrong in any case.
    Wrong(String),
    /// The data of the entry cannot be used: wrong in any case.
    Data(FieldError),
    /// Nothing here runs such an entry.
    NotSupported(&'static str),
}

impl Problem {
    /// A refusal where the entry leaves no room for one.
    pub(super) fn in_any_case(self) -> Self {
        match self {
            Self::Refused(text) => Self::Wrong(text),
            other => other,
        }
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Self {
        Self::Data(error)
    }
}

impl From<Mismatch> for Problem {
    fn from(error: Mismatch) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<InvalidLength> for Problem {
    fn from(error: InvalidLength) -> Self {
        Self::Refused(error.to_string())
    }
}

/// Accepts when `computed` is what the field holds.
pub(super) fn expect(entry: &Fields<'_>, field: &str, computed: &[u8]) -> Check {
    compare(entry, field, computed, &entry.hex(field)?)
}

/// Accepts when the field is missing or holds `computed`.
pub(super) fn expect_if_any(entry: &Fields<'_>, field: &str, computed: &[u8]) -> Check {
    if entry.has(field) { expect(entry, field, computed) } else { Ok(()) }
}

/// Accepts when the field holds `computed`, cut on the right to the length of the field. A field
/// that is empty or longer than `computed` is refused.
pub(super) fn expect_prefix(entry: &Fields<'_>, field: &str, computed: &[u8]) -> Check {
    let stated = entry.hex(field)?;
    let cut = computed.get(..stated.len()).filter(|cut| !cut.is_empty());
    compare(entry, field, cut.unwrap_or(computed), &stated)
}

fn compare(entry: &Fields<'_>, field: &str, computed: &[u8], stated: &[u8]) -> Check {
    if computed == stated {
        return Ok(());
    }
    let (field, computed, stated) =
        (entry.path_of(field), hex::encode(computed), hex::encode(stated));
    Err(Problem::Refused(format!("{field}: computed {computed}, the file says {stated}")))
}
