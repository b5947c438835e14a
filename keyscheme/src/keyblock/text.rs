//! The characters of a key block: printable ASCII, decimal digits and upper-case hex
//! (ANSI X9.143:2021 §4).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use super::error::{Field, FormatError};

/// Hands out the fields of a text one after the other.
pub(super) struct Scanner<'a>(&'a str);

impl<'a> Scanner<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The next `count` characters, which are `field`.
    pub(super) fn take(&mut self, count: usize, field: Field) -> Result<&'a str, FormatError> {
        let (taken, rest) =
            self.0.split_at_checked(count).ok_or(FormatError::Truncated { field })?;
        self.0 = rest;
        Ok(taken)
    }

    /// What has not been taken.
    pub(super) const fn rest(&self) -> &'a str {
        self.0
    }
}

/// Whether the character is between space and tilde.
pub(super) const fn is_printable(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

/// A number written with digits of `radix` only, letters upper-case.
pub(super) fn number(text: &str, radix: u32) -> Option<usize> {
    let is_digit = |c: char| c.is_digit(radix) && !c.is_ascii_lowercase();
    text.chars().all(is_digit).then(|| usize::from_str_radix(text, radix).ok()).flatten()
}

/// Bytes written in upper-case hex.
pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let pairs = (0..text.len()).step_by(2).map(|at| text.get(at..at + 2));
    pairs.map(|pair| u8::try_from(number(pair?, 16)?).ok()).collect()
}

/// Appends bytes in upper-case hex.
pub(super) fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02X}");
    }
}
