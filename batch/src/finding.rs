//! One thing found: where, what was expected, what is there.

use std::borrow::Cow;

use crate::catalogue::Check;

/// Longest text of a file that is repeated in a message, in bytes.
const MAX_SHOWN: usize = 24;

/// Where something was found. Rows are counted from 1 over all files of a batch, headings aside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Place {
    /// Number of the file in the manifest, from 0.
    pub file: Option<usize>,
    /// The row.
    pub row: Option<u32>,
    /// Bytes before it in the file.
    pub byte: Option<u64>,
}

impl Place {
    /// A row whose byte offset is not known.
    #[must_use]
    pub const fn row(row: u32) -> Self {
        Self { file: None, row: Some(row), byte: None }
    }
}

/// A finding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The check.
    pub check: Check,
    /// Where.
    pub place: Place,
    /// The card serial, box or file it is about.
    pub subject: Option<String>,
    /// The field.
    pub field: Option<Cow<'static, str>>,
    /// What was expected.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl Finding {
    /// A finding whose place, subject and field are not known here.
    #[allow(clippy::needless_pass_by_value, reason = "takes values and references alike")]
    #[must_use]
    pub fn new(check: Check, expected: impl ToString, found: impl ToString) -> Self {
        Self {
            check,
            place: Place::default(),
            subject: None,
            field: None,
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    /// Names the field.
    #[must_use]
    pub fn field(self, field: impl Into<Cow<'static, str>>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// Names the card, box or file.
    #[allow(clippy::needless_pass_by_value, reason = "takes values and references alike")]
    #[must_use]
    pub fn subject(self, subject: impl ToString) -> Self {
        Self { subject: Some(subject.to_string()), ..self }
    }

    /// Names the place.
    #[must_use]
    pub fn at(self, place: Place) -> Self {
        Self { place, ..self }
    }
}

/// A text of a file as messages show it: whole when it looks like a number, a code or a date, and
/// its length otherwise. Neither names of people nor keys get into a report this way.
#[must_use]
pub fn shown(text: &str) -> String {
    let code = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':');
    if text.is_empty() {
        "nothing".into()
    } else if text.len() <= MAX_SHOWN && text.bytes().all(code) {
        text.into()
    } else {
        format!("{} characters", text.chars().count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_keys_nor_names_are_shown() {
        assert_eq!(shown("1100070100000017"), "1100070100000017");
        assert_eq!(shown("00112233445566778899AABBCCDDEEFF"), "32 characters");
        assert_eq!(shown("张三"), "2 characters");
        assert_eq!(shown("=1+1"), "4 characters");
        assert_eq!(shown(""), "nothing");
    }
}
