//! All or nothing: every persistent change of a card goes through a [`Transaction`].
//!
//! A commit writes one journal record with a CRC-32, then the changes to their places, with a barrier
//! in between for memory that gathers writes, and waits until all is kept. When power
//! goes before the record is whole, its checksum fails and nothing has changed; when it goes later,
//! [`Store::open`] finds the record and completes it. The record is left standing: repeating it
//! changes nothing, since nothing else ever writes.
//!
//! Journal region: length of the entries (2) ‖ CRC-32 of length and entries (4) ‖ entries, each
//! offset (2) ‖ length (2) ‖ bytes, or offset (2) ‖ 8000 + length (2) for a stretch of 00.
//! Project-defined.

use alloc::borrow::Cow;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use zeroize::Zeroizing;

use crate::crc::crc32;
use crate::nvm::{Nvm, NvmError};

/// Length of the journal record's header, in bytes.
const HEADER_LEN: usize = 6;

/// What most records fit, in bytes: growing would leave copies of keys behind.
const USUAL_LEN: usize = 128;

/// Length of an entry's header, in bytes.
const ENTRY_LEN: usize = 4;

/// Bit of an entry's length that makes it a stretch of 00, which needs no bytes in the record.
const ZEROS: u16 = 0x8000;

/// Memory under a journal.
#[derive(Clone, Debug)]
pub struct Store<N: Nvm> {
    nvm: N,
    journal: Range<usize>,
}

impl<N: Nvm> Store<N> {
    /// Opens memory whose journal lies in `journal`, completing a commit that power cut short.
    ///
    /// # Errors
    /// Returns an [`NvmError`] when power goes again or the journal lies outside the memory. Opening
    /// can be repeated.
    pub fn open(nvm: N, journal: Range<usize>) -> Result<Self, NvmError> {
        let mut store = Self { nvm, journal };
        store.recover()?;
        Ok(store)
    }

    /// Completes the standing journal record where its changes are not all in place.
    ///
    /// # Errors
    /// Returns an [`NvmError`] when power goes again. It can be repeated.
    pub fn recover(&mut self) -> Result<(), NvmError> {
        let region = self.nvm.bytes().get(self.journal.clone()).ok_or(NvmError::OutOfRange)?;
        let entries = Zeroizing::new(Entries::of_record(region).rest.to_vec());
        // What is read of the record need not be kept yet.
        self.nvm.barrier()?;
        for (offset, bytes) in Entries::new(&entries) {
            let place = self.nvm.bytes().get(offset..offset + bytes.len());
            if place != Some(&*bytes) {
                self.nvm.write(offset, &bytes)?;
            }
        }
        // Power may have gone between the last write and the sync.
        self.nvm.sync()
    }

    /// The committed bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.nvm.bytes()
    }

    /// The memory itself.
    #[must_use]
    pub const fn nvm(&self) -> &N {
        &self.nvm
    }

    /// The memory itself, to plan a power cut. Bytes are changed by transactions only.
    pub const fn nvm_mut(&mut self) -> &mut N {
        &mut self.nvm
    }

    /// Starts a transaction. Dropping it changes nothing.
    pub fn begin(&mut self) -> Transaction<'_, N> {
        Transaction { store: self, record: empty_record(), overflow: false, scrub: false }
    }
}

/// A set of changes that become visible together or not at all.
#[must_use = "a transaction that is not committed changes nothing"]
pub struct Transaction<'a, N: Nvm> {
    store: &'a mut Store<N>,
    /// The journal record under construction.
    record: Zeroizing<Vec<u8>>,
    overflow: bool,
    scrub: bool,
}

impl<N: Nvm> core::fmt::Debug for Transaction<'_, N> {
    /// The record may hold keys and is not shown.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Transaction({} bytes)", self.record.len())
    }
}

impl<N: Nvm> Transaction<'_, N> {
    /// Plans to write `bytes` at `offset`.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        if self.open_entry(offset, bytes.len(), 0) {
            self.record.extend_from_slice(bytes);
        }
    }

    /// Plans to fill `range` with 00.
    pub fn zero(&mut self, range: Range<usize>) {
        self.open_entry(range.start, range.len(), ZEROS);
    }

    /// Plans to leave nothing of earlier commits behind in the journal: what is wiped or destroyed
    /// may once have gone through it.
    pub const fn scrub(&mut self) {
        self.scrub = true;
    }

    /// Begins an entry of the record; false when it cannot be written.
    fn open_entry(&mut self, offset: usize, length: usize, kind: u16) -> bool {
        match (u16::try_from(offset), u16::try_from(length)) {
            (Ok(offset), Ok(length)) if length < ZEROS => {
                self.make_room(usize::from(length));
                self.record.extend_from_slice(&offset.to_be_bytes());
                self.record.extend_from_slice(&(length | kind).to_be_bytes());
                true
            }
            _ => {
                self.overflow = true;
                false
            }
        }
    }

    /// Makes room for an entry with so many bytes. A record that grew by itself would leave keys in
    /// the memory it gives back.
    fn make_room(&mut self, length: usize) {
        let needed = self.record.len() + ENTRY_LEN + length;
        if needed > self.record.capacity() {
            let mut larger = Zeroizing::new(Vec::with_capacity(2 * needed));
            larger.extend_from_slice(&self.record);
            self.record = larger;
        }
    }

    /// The bytes in `range` as they will be after the commit.
    #[must_use]
    pub fn read(&self, range: Range<usize>) -> Vec<u8> {
        let mut result = self.store.bytes().get(range.clone()).unwrap_or(&[]).to_vec();
        for (offset, bytes) in Entries::new(self.record.get(HEADER_LEN..).unwrap_or(&[])) {
            for (position, byte) in (offset..).zip(&*bytes) {
                let slot = position.checked_sub(range.start).and_then(|at| result.get_mut(at));
                if let Some(slot) = slot {
                    *slot = *byte;
                }
            }
        }
        result
    }

    /// Makes the changes permanent.
    ///
    /// # Errors
    /// Returns an [`NvmError`] when the changes exceed the journal or the memory (nothing changed
    /// then), when power goes (the next [`Store::open`] decides which), or when the store fails.
    pub fn commit(mut self) -> Result<(), NvmError> {
        if self.record.len() == HEADER_LEN && !self.overflow {
            return Ok(());
        }
        let journal = self.store.journal.clone();
        if self.scrub {
            let rest = journal.start + self.record.len() + ENTRY_LEN;
            self.zero(rest..journal.end.max(rest));
        }
        if self.overflow || self.record.len() > journal.len() || !self.fits() {
            return Err(NvmError::OutOfRange);
        }
        self.seal()?;
        self.store.nvm.write(journal.start, &self.record)?;
        self.store.nvm.barrier()?;
        for (offset, bytes) in Entries::new(self.record.get(HEADER_LEN..).unwrap_or(&[])) {
            self.store.nvm.write(offset, &bytes)?;
        }
        self.store.nvm.sync()
    }

    /// Whether every entry stays inside the memory and off the journal, but for what lies behind this
    /// record.
    fn fits(&self) -> bool {
        let limit = self.store.bytes().len();
        let start = self.store.journal.start;
        let free = start + self.record.len();
        Entries::new(self.record.get(HEADER_LEN..).unwrap_or(&[])).all(|(offset, bytes)| {
            let end = offset + bytes.len();
            end <= limit && (end <= start || offset >= free)
        })
    }

    fn seal(&mut self) -> Result<(), NvmError> {
        let length = u16::try_from(self.record.len() - HEADER_LEN)
            .map_err(|_| NvmError::OutOfRange)?
            .to_be_bytes();
        let crc = checksum(length, self.record.get(HEADER_LEN..).unwrap_or(&[]));
        let header = length.into_iter().chain(crc);
        self.record.iter_mut().zip(header).for_each(|(to, from)| *to = from);
        Ok(())
    }
}

/// A record without entries, its header still to be sealed.
fn empty_record() -> Zeroizing<Vec<u8>> {
    let mut record = Vec::with_capacity(USUAL_LEN);
    record.resize(HEADER_LEN, 0);
    Zeroizing::new(record)
}

fn checksum(length: [u8; 2], entries: &[u8]) -> [u8; 4] {
    crc32(&[&length, entries]).to_be_bytes()
}

/// The entries of a journal record.
struct Entries<'a> {
    rest: &'a [u8],
}

impl<'a> Entries<'a> {
    const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// The entries of a record whose checksum holds, none otherwise.
    fn of_record(record: &'a [u8]) -> Self {
        let whole = || {
            let (length, rest) = record.split_first_chunk::<2>()?;
            let (crc, rest) = rest.split_first_chunk::<4>()?;
            let entries = rest.get(..usize::from(u16::from_be_bytes(*length)))?;
            (checksum(*length, entries) == *crc).then_some(entries)
        };
        Self::new(whole().unwrap_or(&[]))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = (usize, Cow<'a, [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[o1, o2, l1, l2], rest) = self.rest.split_first_chunk::<ENTRY_LEN>()?;
        let length = u16::from_be_bytes([l1, l2]);
        let (bytes, rest) = if length & ZEROS == 0 {
            let (bytes, rest) = rest.split_at_checked(length.into())?;
            (Cow::Borrowed(bytes), rest)
        } else {
            (Cow::Owned(vec![0; usize::from(length & !ZEROS)]), rest)
        };
        self.rest = rest;
        Some((usize::from(u16::from_be_bytes([o1, o2])), bytes))
    }
}
