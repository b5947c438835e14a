//! Reading a unit's file as it arrives, in parts of any size.
//!
//! Entries go into a sink at once, but the sink comes out only after the checksum over everything
//! was found right: nobody acts on a list that is not authentic.

use alloc::vec::Vec;

use xuejika_keyscheme::CardCipher;
use xuejika_keyscheme::cmac::Message;

use super::entry::Entry;
use super::error::ListError;
use super::header::{Form, Header, HeaderError, ListMac};
use super::statement::Statement;
use crate::crc::Crc32;

/// Length of the checksum behind the entries: a whole CMAC (SP 800-38B).
pub const MAC_LEN: usize = 16;

/// A list file under way into a sink.
pub type Decoder<'k, S> = FileDecoder<'k, Entry, S>;

/// A unit's file of statements `E` under way into a sink.
///
/// The key must be the list key of the unit the header names ([`Header::parse`] tells it before).
pub struct FileDecoder<'k, E, S> {
    header: Header,
    mac: Message<'k, CardCipher>,
    crc: Crc32,
    /// The entry, or at the end the checksum, that is not complete.
    part: Vec<u8>,
    /// Bytes given so far, the header included.
    found: u64,
    /// Entries complete so far.
    index: u32,
    last: Option<E>,
    sink: S,
}

impl<'k, E: Statement, S: Extend<E>> FileDecoder<'k, E, S> {
    /// Starts with the header, the first [`Header::LEN`] bytes of the file.
    ///
    /// # Errors
    /// [`ListError::Header`], also for a file about something else, and [`ListError::Mac`] for a key
    /// of another version or algorithm.
    pub fn new(header: &[u8; Header::LEN], key: &'k ListMac, sink: S) -> Result<Self, ListError> {
        let parsed = Header::parse(header)?;
        let (found, expected) = (parsed.content, E::CONTENT);
        if found != expected {
            return Err(HeaderError::Content { found, expected }.into());
        }
        if (parsed.key_version, parsed.algorithm) != (key.version(), key.algorithm()) {
            return Err(ListError::Mac(parsed.scope));
        }
        Ok(Self {
            header: parsed,
            mac: key.start().with(header),
            crc: Crc32::new(),
            part: Vec::with_capacity(E::LEN),
            found: Header::LEN as u64,
            index: 0,
            last: None,
            sink,
        })
    }

    /// Returns what the header says; not authentic before [`Self::finish`].
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Takes the next part of the file.
    ///
    /// # Errors
    /// The first entry that breaks a rule; bytes behind the end are told by [`Self::finish`].
    pub fn push(&mut self, mut bytes: &[u8]) -> Result<(), ListError> {
        self.found += bytes.len() as u64;
        while self.index < self.header.count && !bytes.is_empty() {
            bytes = self.fill(bytes, E::LEN);
            if self.part.len() == E::LEN {
                self.entry()?;
            }
        }
        self.fill(bytes, MAC_LEN);
        Ok(())
    }

    /// Ends the file and gives the sink.
    ///
    /// # Errors
    /// [`ListError::Length`], [`ListError::Mac`] or, but for a delta, [`ListError::Digest`].
    pub fn finish(self) -> Result<(Header, S), ListError> {
        let entries = u64::from(self.header.count) * E::LEN as u64;
        let expected = Header::LEN as u64 + entries + MAC_LEN as u64;
        if self.found != expected {
            return Err(ListError::Length { found: self.found, expected });
        }
        self.mac.verify(&self.part).map_err(|_| ListError::Mac(self.header.scope))?;
        let (found, expected) = (self.crc.finish(), self.header.digest);
        if self.header.form != Form::Delta && found != expected {
            return Err(ListError::Digest { found, expected });
        }
        Ok((self.header, self.sink))
    }

    /// Fills the part up to `len` bytes and gives what is left over.
    fn fill<'b>(&mut self, bytes: &'b [u8], len: usize) -> &'b [u8] {
        let (now, later) = bytes.split_at(bytes.len().min(len.saturating_sub(self.part.len())));
        self.part.extend_from_slice(now);
        later
    }

    fn entry(&mut self) -> Result<(), ListError> {
        let index = self.index;
        self.mac.update(&self.part);
        self.crc.update(&self.part);
        let entry = E::read(&self.part).map_err(|error| ListError::Entry { index, error })?;
        let follows = |last: &E| last.place(&entry).is_lt() && last.precedes(&entry);
        if !self.last.as_ref().is_none_or(follows) {
            return Err(ListError::Order(index));
        }
        self.header.admit(&entry)?;
        self.last = Some(entry);
        self.sink.extend(Some(entry));
        self.index += 1;
        self.part.clear();
        Ok(())
    }
}

impl<E, S> core::fmt::Debug for FileDecoder<'_, E, S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("FileDecoder").field("header", &self.header).finish_non_exhaustive()
    }
}

impl Header {
    /// Checks that an entry may stand in this list.
    fn admit<E: Statement>(&self, entry: &E) -> Result<(), ListError> {
        super::whole::admit(self.of.unwrap_or(self.scope), self.issued, entry)
    }
}

/// Reads a whole file into a sink; a part serves where a whole list is expected.
pub(super) fn read<E: Statement, S: Extend<E>>(
    file: &[u8],
    key: &ListMac,
    expected: Form,
    sink: impl FnOnce(&Header) -> S,
) -> Result<(Header, S), ListError> {
    let (head, body) =
        file.split_first_chunk().ok_or(HeaderError::Short(file.len())).map_err(ListError::from)?;
    let header = Header::parse(head)?;
    if (header.form == Form::Delta) != (expected == Form::Delta) {
        return Err(ListError::Form { found: header.form, expected });
    }
    let mut decoder = FileDecoder::new(head, key, sink(&header))?;
    decoder.push(body)?;
    decoder.finish()
}
