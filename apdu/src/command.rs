//! Command APDU (ISO 7816-3:2006 §12.1): cases 1, 2, 3 and 4 with short and extended lengths.

use alloc::vec::Vec;

use crate::class::Class;

/// Largest number of data bytes a command can carry.
pub const MAX_NC: usize = 65_535;

/// Largest number of response bytes a command can ask for.
pub const MAX_NE: u32 = 65_536;

/// Largest Nc of a short length field.
const MAX_SHORT_NC: usize = 255;

/// Largest Ne of a short length field.
const MAX_SHORT_NE: u32 = 256;

/// A command APDU; the data is borrowed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// CLA.
    pub class: Class,
    /// INS.
    pub instruction: u8,
    /// P1.
    pub p1: u8,
    /// P2.
    pub p2: u8,
    /// Command data, Nc bytes.
    pub data: &'a [u8],
    /// Largest number of response bytes asked for; 0 = no Le field.
    pub ne: u32,
    /// Whether the length fields are, or have to be, extended.
    pub extended: bool,
}

/// The command cases (ISO 7816-3:2006 table 11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Case {
    /// No data, no response data.
    One,
    /// Response data only.
    Two,
    /// Command data only.
    Three,
    /// Both.
    Four,
}

impl<'a> Command<'a> {
    /// A case 1 command; add data and Ne with [`Self::with_data`] and [`Self::with_ne`].
    #[inline]
    #[must_use]
    pub const fn new(class: Class, instruction: u8, p1: u8, p2: u8) -> Self {
        Self { class, instruction, p1, p2, data: &[], ne: 0, extended: false }
    }

    /// The same command with this data.
    #[inline]
    #[must_use]
    pub const fn with_data(mut self, data: &'a [u8]) -> Self {
        self.data = data;
        self
    }

    /// The same command asking for up to `ne` bytes.
    #[inline]
    #[must_use]
    pub const fn with_ne(mut self, ne: u32) -> Self {
        self.ne = ne;
        self
    }

    /// The same command with extended length fields where it has any.
    #[inline]
    #[must_use]
    pub const fn with_extended_lengths(mut self) -> Self {
        self.extended = true;
        self
    }

    /// Whether this is the plain READ BINARY (ISO 7816-4:2020 §11.3.3) of a whole file of `size` bytes
    /// by its short identifier: from the first byte, with short lengths, for all there is.
    #[must_use]
    pub const fn reads_all(&self, sfi: u8, size: usize) -> bool {
        matches!(self.header(), [0x00, 0xB0, p1, 0x00] if p1 == 0x80 | sfi)
            && self.data.is_empty()
            && !self.extended
            && (self.ne == 256 || self.ne as usize == size)
    }

    /// CLA INS P1 P2.
    #[inline]
    #[must_use]
    pub const fn header(&self) -> [u8; 4] {
        [self.class.0, self.instruction, self.p1, self.p2]
    }

    /// Which case this is.
    #[must_use]
    pub const fn case(&self) -> Case {
        match (self.data.is_empty(), self.ne) {
            (true, 0) => Case::One,
            (true, _) => Case::Two,
            (false, 0) => Case::Three,
            (false, _) => Case::Four,
        }
    }

    /// Reads a command; every byte must be accounted for.
    ///
    /// # Errors
    /// Returns a [`ParseError`] naming the broken rule.
    #[inline]
    pub const fn parse(apdu: &'a [u8]) -> Result<Self, ParseError> {
        let [class, instruction, p1, p2, body @ ..] = apdu else {
            return Err(ParseError::TooShort(apdu.len()));
        };
        let command = Self::new(Class(*class), *instruction, *p1, *p2);
        match body {
            [] => Ok(command),
            [le] => Ok(command.with_ne(short_ne(*le))),
            [0, high, low] => Ok(command.with_ne(extended_ne(*high, *low)).with_extended_lengths()),
            [0, _] => Err(ParseError::Truncated { nc: 0, actual: 0 }),
            [0, high, low, rest @ ..] => {
                command.with_extended_lengths().parse_data(be16(*high, *low), rest)
            }
            [lc, rest @ ..] => command.parse_data(*lc as usize, rest),
        }
    }

    /// Reads `nc` data bytes and an optional Le field of the form set in `self`.
    #[inline]
    const fn parse_data(self, nc: usize, rest: &'a [u8]) -> Result<Self, ParseError> {
        if nc == 0 {
            return Err(ParseError::ZeroLc);
        }
        let Some((data, le)) = rest.split_at_checked(nc) else {
            return Err(ParseError::Truncated { nc, actual: rest.len() });
        };
        let command = self.with_data(data);
        match (le, self.extended) {
            ([], _) => Ok(command),
            ([le], false) => Ok(command.with_ne(short_ne(*le))),
            ([high, low], true) => Ok(command.with_ne(extended_ne(*high, *low))),
            _ => Err(ParseError::Trailing(le.len())),
        }
    }

    /// Appends the bytes of this command to `out`. Lengths are extended when they must be or when
    /// [`Self::extended`] is set.
    ///
    /// # Errors
    /// Returns an [`EmitError`] when the data or Ne is beyond what extended lengths can say;
    /// nothing is written then.
    pub fn emit(&self, out: &mut Vec<u8>) -> Result<(), EmitError> {
        let nc = u16::try_from(self.data.len()).map_err(|_| EmitError::Data(self.data.len()))?;
        if self.ne > MAX_NE {
            return Err(EmitError::Ne(self.ne));
        }
        out.extend_from_slice(&self.header());
        let [.., ne_high, ne_low] = self.ne.to_be_bytes();
        if self.extended || self.data.len() > MAX_SHORT_NC || self.ne > MAX_SHORT_NE {
            if self.case() != Case::One {
                out.push(0);
            }
            if nc != 0 {
                out.extend_from_slice(&nc.to_be_bytes());
                out.extend_from_slice(self.data);
            }
            if self.ne != 0 {
                out.extend_from_slice(&[ne_high, ne_low]);
            }
        } else {
            if nc != 0 {
                let [_, lc] = nc.to_be_bytes();
                out.push(lc);
                out.extend_from_slice(self.data);
            }
            if self.ne != 0 {
                out.push(ne_low);
            }
        }
        Ok(())
    }

    /// The bytes of this command.
    ///
    /// # Errors
    /// As [`Self::emit`].
    pub fn to_vec(&self) -> Result<Vec<u8>, EmitError> {
        let mut out = Vec::new();
        self.emit(&mut out)?;
        Ok(out)
    }
}

impl core::fmt::Debug for Command<'_> {
    /// Shows the header and the lengths, never the data.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let [cla, ins, p1, p2] = self.header();
        write!(f, "Command({cla:02X} {ins:02X} {p1:02X} {p2:02X}")?;
        write!(f, ", Nc {}, Ne {})", self.data.len(), self.ne)
    }
}

const fn short_ne(le: u8) -> u32 {
    if le == 0 { MAX_SHORT_NE } else { le as u32 }
}

const fn extended_ne(high: u8, low: u8) -> u32 {
    match u16::from_be_bytes([high, low]) {
        0 => MAX_NE,
        ne => ne as u32,
    }
}

const fn be16(high: u8, low: u8) -> usize {
    u16::from_be_bytes([high, low]) as usize
}

/// Why bytes are not a command APDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// Fewer than the four header bytes.
    #[error("a command has at least 4 bytes, this one {0}")]
    TooShort(usize),
    /// The data ends before Lc says so.
    #[error("Lc announces {nc} bytes, only {actual} follow")]
    Truncated {
        /// Announced length.
        nc: usize,
        /// Bytes present.
        actual: usize,
    },
    /// An extended Lc of zero.
    #[error("Lc is present and zero")]
    ZeroLc,
    /// Bytes that are no Le field of the form of Lc.
    #[error("{0} bytes behind the data are no Le field")]
    Trailing(usize),
}

/// Why a command cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EmitError {
    /// Too many data bytes.
    #[error("{0} data bytes exceed the limit of 65535")]
    Data(usize),
    /// Ne too large.
    #[error("Ne {0} exceeds the limit of 65536")]
    Ne(u32),
}
