//! Response APDU (ISO 7816-3:2006 §12.1.2): data, then SW1 SW2.

use alloc::vec::Vec;

use crate::status::StatusWord;

/// A response APDU; the data is borrowed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Response<'a> {
    /// Response data, Nr bytes.
    pub data: &'a [u8],
    /// SW1 SW2.
    pub status: StatusWord,
}

impl<'a> Response<'a> {
    /// Reads a response; `None` when the two status bytes are missing.
    #[must_use]
    pub const fn parse(apdu: &'a [u8]) -> Option<Self> {
        match apdu {
            [data @ .., sw1, sw2] => {
                Some(Self { data, status: StatusWord(u16::from_be_bytes([*sw1, *sw2])) })
            }
            _ => None,
        }
    }

    /// Appends the bytes of this response to `out`.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.data);
        out.extend_from_slice(&self.status.bytes());
    }
}

impl core::fmt::Debug for Response<'_> {
    /// Shows the length and the status word, never the data.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Response(Nr {}, {})", self.data.len(), self.status)
    }
}
