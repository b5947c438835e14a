//! BER-TLV data objects (ISO 7816-4:2020 §6.3), strict: one encoding for each value.

mod reader;
mod writer;

pub use reader::{Tlv, TlvReader};
pub use writer::Writer;

/// Largest tag, in bytes.
pub const MAX_TAG_LEN: usize = 3;

/// A tag of one to three bytes, as a big-endian number: `Tag(0x6F)`, `Tag(0x9F0C)`, `Tag(0x7F4E)`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(u32);

impl Tag {
    /// The tag written as this number.
    ///
    /// Takes what EMV and PBOC use (9F0C, BF0C) although their tag numbers would fit one byte.
    /// Refused are 00 and FF, which pad between objects, an unfinished or over-long tag, and a
    /// second byte of 00 or 80.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        let [zero, first, second, third] = number.to_be_bytes();
        let valid = match (zero, first, second, third) {
            (0, 0, 0, 0x00 | 0xFF) => false,
            (0, 0, 0, only) => !more_follow(only),
            (0, 0, first, last) => {
                more_follow(first) && last & 0x80 == 0 && last != 0 && first != 0xFF
            }
            (0, first, middle, last) => {
                more_follow(first) && first != 0xFF && middle > 0x80 && last & 0x80 == 0
            }
            _ => false,
        };
        if valid { Some(Self(number)) } else { None }
    }

    /// The tag of one byte known at compile time.
    ///
    /// # Panics
    /// At compile time, when this is no tag.
    #[must_use]
    pub const fn of(number: u32) -> Self {
        match Self::new(number) {
            Some(tag) => tag,
            #[allow(clippy::panic, reason = "evaluated for constants only")]
            None => panic!("not a tag"),
        }
    }

    /// The tag as a number.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Whether the value holds further data objects.
    #[must_use]
    pub const fn is_constructed(self) -> bool {
        let first = match self.len() {
            1 => self.0,
            2 => self.0 >> 8,
            _ => self.0 >> 16,
        };
        first & 0x20 != 0
    }

    /// Number of bytes on the wire.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a tag is never empty")]
    pub const fn len(self) -> usize {
        match self.0 {
            0..=0xFF => 1,
            0x100..=0xFFFF => 2,
            _ => 3,
        }
    }
}

impl core::fmt::Display for Tag {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:0width$X}", self.0, width = 2 * self.len())
    }
}

impl core::fmt::Debug for Tag {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Tag({self})")
    }
}

/// Whether a first tag byte announces more tag bytes.
const fn more_follow(first: u8) -> bool {
    first & 0x1F == 0x1F
}

/// Why bytes are not a data object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlvError {
    /// The bytes end inside a tag, a length or a value.
    #[error("the data object is cut short")]
    Truncated,
    /// The tag is not one this crate accepts.
    #[error("invalid tag")]
    InvalidTag,
    /// The length has an indefinite, over-long or non-minimal form.
    #[error("invalid length of object {0}")]
    InvalidLength(Tag),
    /// Another object stands where this one must.
    #[error("object {expected} expected, found {found:?}")]
    Unexpected {
        /// The object that must stand here.
        expected: Tag,
        /// What stands here instead, if anything.
        found: Option<Tag>,
    },
    /// Bytes follow the last object.
    #[error("{0} bytes follow the last data object")]
    Trailing(usize),
}
