//! Reading: a cursor that borrows and never allocates.

use super::{MAX_TAG_LEN, Tag, TlvError, more_follow};

/// One data object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// Its tag.
    pub tag: Tag,
    /// Its value.
    pub value: &'a [u8],
}

/// A cursor over concatenated data objects.
#[derive(Clone, Copy, Debug)]
pub struct TlvReader<'a> {
    rest: &'a [u8],
}

impl<'a> TlvReader<'a> {
    /// Starts at the first object of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The bytes not yet read.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads the next object, or `None` at the end.
    ///
    /// # Errors
    /// Returns a [`TlvError`] when the next bytes are not an object; the cursor stays.
    #[inline]
    pub fn read(&mut self) -> Result<Option<Tlv<'a>>, TlvError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (tag, rest) = read_tag(self.rest)?;
        let (length, rest) = read_length(tag, rest)?;
        let (value, rest) = rest.split_at_checked(length).ok_or(TlvError::Truncated)?;
        self.rest = rest;
        Ok(Some(Tlv { tag, value }))
    }

    /// Reads the next object if it has this tag, and leaves it where it is if not.
    ///
    /// # Errors
    /// Returns a [`TlvError`] when the next bytes are not an object.
    #[inline]
    pub fn optional(&mut self, tag: Tag) -> Result<Option<&'a [u8]>, TlvError> {
        let mut ahead = *self;
        match ahead.read()? {
            Some(object) if object.tag == tag => {
                *self = ahead;
                Ok(Some(object.value))
            }
            _ => Ok(None),
        }
    }

    /// Reads the next object, which must have this tag.
    ///
    /// # Errors
    /// Returns [`TlvError::Unexpected`] for another object or none, or what [`Self::read`] does.
    #[inline]
    pub fn expect(&mut self, tag: Tag) -> Result<&'a [u8], TlvError> {
        match self.read()? {
            Some(object) if object.tag == tag => Ok(object.value),
            other => Err(TlvError::Unexpected { expected: tag, found: other.map(|tlv| tlv.tag) }),
        }
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Returns [`TlvError::Trailing`] when bytes are left.
    pub const fn finish(self) -> Result<(), TlvError> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(TlvError::Trailing(left)),
        }
    }
}

#[inline]
fn read_tag(bytes: &[u8]) -> Result<(Tag, &[u8]), TlvError> {
    let (first, rest) = bytes.split_first().ok_or(TlvError::Truncated)?;
    if !more_follow(*first) {
        return Ok((Tag::new(u32::from(*first)).ok_or(TlvError::InvalidTag)?, rest));
    }
    let mut number = u32::from(*first);
    for (index, byte) in rest.iter().take(MAX_TAG_LEN - 1).enumerate() {
        number = number << 8 | u32::from(*byte);
        if byte & 0x80 == 0 {
            let rest = rest.get(index + 1..).unwrap_or(&[]);
            return Ok((Tag::new(number).ok_or(TlvError::InvalidTag)?, rest));
        }
    }
    Err(if rest.len() < MAX_TAG_LEN - 1 { TlvError::Truncated } else { TlvError::InvalidTag })
}

/// Reads a definite length of one to four bytes in its shortest form.
#[inline]
fn read_length(tag: Tag, bytes: &[u8]) -> Result<(usize, &[u8]), TlvError> {
    let (length, minimum, rest) = match bytes {
        [short @ 0..=0x7F, rest @ ..] => return Ok((usize::from(*short), rest)),
        [0x81, a, rest @ ..] => (u32::from(*a), 0x80, rest),
        [0x82, a, b, rest @ ..] => (u32::from_be_bytes([0, 0, *a, *b]), 0x100, rest),
        [0x83, a, b, c, rest @ ..] => (u32::from_be_bytes([0, *a, *b, *c]), 0x1_0000, rest),
        [] | [0x81..=0x83, ..] => return Err(TlvError::Truncated),
        _ => return Err(TlvError::InvalidLength(tag)),
    };
    if length < minimum {
        return Err(TlvError::InvalidLength(tag));
    }
    Ok((usize::try_from(length).map_err(|_| TlvError::InvalidLength(tag))?, rest))
}
