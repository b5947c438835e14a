//! The file of a history. Project-defined; `docs/batch.md` has it byte by byte.
//!
//! `xuejika batch history 2\n` ‖ for each accepted batch its serials, UIDs and keys, each value with
//! its row (4), in order of the values ‖ index, as JSON: batches with the SHA-256 of their values, and
//! log ‖ length of the index (8) ‖ SHA-256 of the first line, the index and its length (32).

use std::fs::File;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use xuejika_card_model::card::UID_LEN;

use super::{Act, Entry};
use crate::all_rows::{FINGERPRINT, SortedRows};
use crate::error::Error;
use crate::hashed::Hashed;
use crate::index::Sorted;

/// First line of the file.
const MAGIC: &[u8; 24] = b"xuejika batch history 2\n";

/// First line without version and end.
const NAME: &[u8] = b"xuejika batch history ";

/// First bytes of a history of version 1, which was a database.
const VERSION_1: &[u8] = b"redb";

/// Length and digest of the index.
const TRAILER: u64 = 8 + 32;

/// Largest index, in bytes: a hundred thousand acts.
const MAX_INDEX: u64 = 64 << 20;

/// Values that are read at a time.
const BLOCK: usize = 4096;

/// Bytes of a row number.
const ROW: usize = 4;

/// What the file holds beside the values.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Index {
    batches: Vec<Stored>,
    log: Vec<Act>,
}

/// An accepted batch and where its values are.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    entry: Entry,
    serials: u32,
    uids: u32,
    keys: u32,
    /// SHA-256 of its values.
    digest: String,
}

impl Stored {
    /// Length of its values in bytes.
    fn length(&self) -> u64 {
        let of = |count: u32, length: usize| u64::from(count) * (length + ROW) as u64;
        of(self.serials, 8) + of(self.uids, UID_LEN) + of(self.keys, FINGERPRINT)
    }

    fn check(&self, digest: [u8; 32]) -> io::Result<()> {
        if hex::encode(digest) == self.digest {
            return Ok(());
        }
        let batch = &self.entry.batch;
        Err(damaged(&format!("the values of batch {batch} are not those that were accepted")))
    }
}

/// A row that has a value of an accepted batch.
pub(super) struct Hit {
    pub(super) row: u32,
    /// Place of the batch in the history.
    pub(super) batch: usize,
    /// Row of that batch.
    pub(super) other: u32,
}

/// What rows have in common with accepted batches.
#[derive(Default)]
pub(super) struct Hits {
    pub(super) serials: Vec<Hit>,
    pub(super) uids: Vec<Hit>,
    pub(super) keys: Vec<Hit>,
}

/// An open file, found undamaged when it was opened; without a file, no act was noted yet.
#[derive(Debug)]
pub(super) struct Store {
    file: Option<File>,
    name: String,
    index: Index,
}

impl Store {
    /// No act yet.
    pub(super) fn new(name: String) -> Self {
        Self { file: None, name, index: Index::default() }
    }

    /// Reads a file.
    pub(super) fn read(file: File, name: String) -> Result<Self, Error> {
        let mut store = Self { file: Some(file), name, index: Index::default() };
        store.index = store.read_index().map_err(|error| store.failed(error))?;
        store.find_all(None, |_| false)?;
        Ok(store)
    }

    /// The accepted batches, oldest first.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.index.batches.iter().map(|stored| &stored.entry)
    }

    /// What was done, oldest first.
    pub(super) fn acts(&self) -> &[Act] {
        &self.index.log
    }

    /// What rows have in common with batches that are not `left_out`.
    pub(super) fn find(
        &self,
        rows: &SortedRows,
        left_out: impl Fn(&Entry) -> bool,
    ) -> Result<Hits, Error> {
        self.find_all(Some(rows), left_out)
    }

    /// Reads all values and compares their digests.
    fn find_all(
        &self,
        rows: Option<&SortedRows>,
        left_out: impl Fn(&Entry) -> bool,
    ) -> Result<Hits, Error> {
        let read = || -> io::Result<Hits> {
            let mut hits = Hits::default();
            let mut source = BufReader::new(self.values()?);
            for (batch, stored) in self.index.batches.iter().enumerate() {
                let rows = rows.filter(|_| !left_out(&stored.entry));
                let mut values = Values { source: &mut source, hash: Sha256::new(), batch };
                let serials = rows.map(|rows| &rows.serials);
                values.take(stored.serials, serials, &mut hits.serials)?;
                let uids = rows.map(|rows| &rows.uids);
                values.take(stored.uids, uids, &mut hits.uids)?;
                let keys = rows.map(|rows| &rows.fingerprints);
                values.take(stored.keys, keys, &mut hits.keys)?;
                stored.check(values.hash.finalize().into())?;
            }
            Ok(hits)
        };
        read().map_err(|error| self.failed(error))
    }

    /// Writes the file with another act, without the batches that are not `kept`, and with a new one.
    pub(super) fn write(
        &self,
        to: &mut impl Write,
        act: Act,
        kept: impl Fn(&Entry) -> bool,
        new: Option<(&Entry, &SortedRows)>,
    ) -> io::Result<()> {
        let mut source = self.values()?;
        let mut index = self.index.clone();
        index.batches.retain(|stored| kept(&stored.entry));
        index.log.push(act);
        let mut to = BufWriter::new(to);
        to.write_all(MAGIC)?;
        for stored in &self.index.batches {
            let mut values = source.by_ref().take(stored.length());
            if kept(&stored.entry) {
                let mut to = Hashed::new(&mut to);
                io::copy(&mut values, &mut to)?;
                let (.., digest) = to.finish();
                stored.check(digest)?;
            } else {
                io::copy(&mut values, &mut io::sink())?;
            }
        }
        if let Some((entry, rows)) = new {
            index.batches.push(emit_values(&mut to, entry, rows)?);
        }
        emit_index(&mut to, &index)?;
        to.flush()
    }

    /// The file from its first value on.
    fn values(&self) -> io::Result<Box<dyn Read>> {
        let Some(file) = &self.file else { return Ok(Box::new(io::empty())) };
        let mut file = file.try_clone()?;
        file.seek(SeekFrom::Start(MAGIC.len() as u64))?;
        Ok(Box::new(file))
    }

    fn read_index(&self) -> io::Result<Index> {
        let Some(mut file) = self.file.as_ref() else { return Ok(Index::default()) };
        file.seek(SeekFrom::Start(0))?;
        let mut first = Vec::new();
        file.take(MAGIC.len() as u64).read_to_end(&mut first)?;
        check_version(&first)?;
        let cut = || damaged("it is cut short");
        let length = file.metadata()?.len();
        let start = length.checked_sub(TRAILER).ok_or_else(cut)?;
        file.seek(SeekFrom::Start(start))?;
        let (mut stated, mut digest) = ([0; 8], [0; 32]);
        file.read_exact(&mut stated)?;
        file.read_exact(&mut digest)?;
        let stated = u64::from_be_bytes(stated);
        let index = start.checked_sub(stated).filter(|_| stated <= MAX_INDEX);
        let index = index.ok_or_else(|| damaged("it does not end with an index"))?;
        file.seek(SeekFrom::Start(index))?;
        let mut bytes = Vec::new();
        file.take(stated).read_to_end(&mut bytes)?;
        if digest_of(&bytes) != digest {
            return Err(damaged("its index is not the one that was written"));
        }
        let parsed: Index =
            serde_json::from_slice(&bytes).map_err(|error| damaged(&error.to_string()))?;
        let values = parsed.batches.iter().fold(0, |sum: u64, it| sum.saturating_add(it.length()));
        if values.saturating_add(MAGIC.len() as u64) != index {
            return Err(damaged("its values are not as long as its index says"));
        }
        Ok(parsed)
    }

    /// What cannot be read is damage; what the file system says is not.
    fn failed(&self, error: io::Error) -> Error {
        match error.kind() {
            ErrorKind::UnexpectedEof => Error::input(&self.name, damaged("it is cut short")),
            ErrorKind::InvalidData => Error::input(&self.name, error),
            _ => Error::reading(&self.name, error),
        }
    }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("damaged, restore it from a copy: {what}"))
}

fn check_version(first: &[u8]) -> io::Result<()> {
    if first == MAGIC {
        return Ok(());
    }
    let text = if first.starts_with(VERSION_1) {
        "is a history of version 1, expected 2: accept its batches again, into a new history"
            .to_owned()
    } else if let Some(version) = first.strip_prefix(NAME) {
        format!("is a history of version {}, expected 2", version.escape_ascii())
    } else {
        "is no history of batches".to_owned()
    };
    Err(io::Error::new(ErrorKind::InvalidData, text))
}

/// Values of one batch, hashed as they are read.
struct Values<'a, R> {
    source: &'a mut R,
    hash: Sha256,
    batch: usize,
}

impl<R: Read> Values<'_, R> {
    /// Reads `count` values in their order beside `rows` in theirs.
    fn take<const N: usize>(
        &mut self,
        count: u32,
        rows: Option<&Sorted<N>>,
        hits: &mut Vec<Hit>,
    ) -> io::Result<()> {
        let mut rows = rows.map_or(&[][..], Sorted::entries);
        let mut buffer = vec![0; BLOCK * (N + ROW)];
        let mut left = count as usize;
        while left > 0 {
            let some = left.min(BLOCK);
            left -= some;
            let block = buffer.get_mut(..some * (N + ROW)).unwrap_or_default();
            self.source.read_exact(block)?;
            self.hash.update(&*block);
            for entry in block.chunks_exact(N + ROW) {
                let Some((value, row)) = entry.split_first_chunk::<N>() else { continue };
                let other = row.first_chunk().copied().map_or(0, u32::from_be_bytes);
                let before = rows.iter().take_while(|(own, _)| own < value).count();
                rows = rows.get(before..).unwrap_or_default();
                let same = rows.iter().take_while(|(own, _)| own == value);
                let batch = self.batch;
                hits.extend(same.map(|(_, row)| Hit { row: *row, batch, other }));
            }
        }
        Ok(())
    }
}

/// Writes the values of a batch.
fn emit_values(to: &mut impl Write, entry: &Entry, rows: &SortedRows) -> io::Result<Stored> {
    let mut to = Hashed::new(to);
    let serials = emit_column(&mut to, &rows.serials)?;
    let uids = emit_column(&mut to, &rows.uids)?;
    let keys = emit_column(&mut to, &rows.fingerprints)?;
    let (.., digest) = to.finish();
    let digest = hex::encode(digest);
    Ok(Stored { entry: entry.clone(), serials, uids, keys, digest })
}

fn emit_column<const N: usize>(to: &mut impl Write, values: &Sorted<N>) -> io::Result<u32> {
    for block in values.entries().chunks(BLOCK) {
        let mut bytes = Vec::with_capacity(block.len() * (N + ROW));
        for (value, row) in block {
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(&row.to_be_bytes());
        }
        to.write_all(&bytes)?;
    }
    u32::try_from(values.entries().len()).map_err(io::Error::other)
}

/// Writes the index and what is after it.
fn emit_index(to: &mut impl Write, index: &Index) -> io::Result<()> {
    let bytes = serde_json::to_vec(index)?;
    to.write_all(&bytes)?;
    to.write_all(&(bytes.len() as u64).to_be_bytes())?;
    to.write_all(&digest_of(&bytes))
}

fn digest_of(index: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(MAGIC);
    hash.update(index);
    hash.update((index.len() as u64).to_be_bytes());
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::all_rows::AllRows;
    use crate::{KeySlot, Place, Row};
    use std::fs;
    use std::path::Path;
    use xuejika_card_model::ident::CardSerial;

    fn rows(sequences: &[u32]) -> SortedRows {
        let mut all = AllRows::new(sequences.len());
        let row = |sequence: u32| Row {
            serial: CardSerial::new(26, 2, sequence).ok(),
            uid: Some([sequence.to_be_bytes()[3]; UID_LEN]),
            kcv: [Some([sequence.to_be_bytes()[3]; 3]); KeySlot::COUNT],
            ..Row::default()
        };
        all.take((1..).zip(sequences).map(|(at, it)| (Place::row(at), row(*it))).collect());
        all.sorted()
    }

    fn entry(batch: &str, rows: u32) -> Entry {
        let [vendor, sha256, time] = ["02", "aa", "2026-07-01T08:00:00+08:00"].map(str::to_owned);
        let (batch, by) = (batch.to_owned(), None);
        Entry { batch, vendor, sha256, rows, good: rows, scrap: 0, time, by }
    }

    fn act(batch: &str) -> Act {
        let [time, act] = ["2026-07-01T08:00:00+08:00", "accepted"].map(str::to_owned);
        let (batch, findings, by, reason) = (batch.to_owned(), None, None, None);
        Act { time, act, batch, rows: 0, findings, by, reason }
    }

    fn open(path: &Path) -> Result<Store, Error> {
        if path.exists() {
            Store::read(File::open(path).unwrap(), path.display().to_string())
        } else {
            Ok(Store::new(path.display().to_string()))
        }
    }

    fn replace(
        path: &Path,
        act: Act,
        kept: impl Fn(&Entry) -> bool,
        new: Option<(&Entry, &SortedRows)>,
    ) {
        let mut bytes = Vec::new();
        open(path).unwrap().write(&mut bytes, act, kept, new).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn places(hits: &[Hit]) -> Vec<(u32, usize, u32)> {
        hits.iter().map(|hit| (hit.row, hit.batch, hit.other)).collect()
    }

    #[test]
    fn values_are_found_in_the_batches_that_have_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        for (batch, sequences) in [("1", &[5, 3, 9][..]), ("2", &[4, 10]), ("3", &[])] {
            let new = (&entry(batch, 1), &rows(sequences));
            replace(&path, act(batch), |_| true, Some(new));
        }
        let own = rows(&[4, 3, 3, 8, 9]);
        let hits = open(&path).unwrap().find(&own, |_| false).unwrap();
        for hits in [&hits.serials, &hits.uids, &hits.keys] {
            assert_eq!(places(hits), [(2, 0, 2), (3, 0, 2), (5, 0, 3), (1, 1, 1)]);
        }
        let hits = open(&path).unwrap().find(&own, |entry| entry.batch == "1").unwrap();
        assert_eq!(places(&hits.uids), [(1, 1, 1)]);
        // What is left keeps its values when a batch in front of it goes.
        replace(&path, act("1"), |entry| entry.batch != "1", None);
        let store = open(&path).unwrap();
        assert_eq!(places(&store.find(&own, |_| false).unwrap().keys), [(1, 0, 1)]);
        let named: Vec<_> = store.entries().map(|entry| entry.batch.as_str()).collect();
        assert_eq!((named, store.acts().len()), (vec!["2", "3"], 4));
    }

    #[test]
    fn every_bit_and_every_length_is_checked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        for (batch, sequences) in [("1", &[5, 3, 9][..]), ("2", &[4])] {
            let new = (&entry(batch, 1), &rows(sequences));
            replace(&path, act(batch), |_| true, Some(new));
        }
        let whole = fs::read(&path).unwrap();
        let refused = |damaged: &[u8], what: &str| {
            fs::write(&path, damaged).unwrap();
            let error = open(&path).unwrap_err();
            assert!(matches!(error, Error::Input { .. }), "{what}");
            assert_eq!(error.to_string(), path.display().to_string(), "{what}");
        };
        for length in 0..whole.len() {
            refused(&whole[..length], &format!("{length} bytes"));
        }
        for bit in 0..8 * whole.len() {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            refused(&flipped, &format!("bit {bit}"));
        }
        refused(&[&whole[..], &[0]].concat(), "a byte more");
        fs::write(&path, &whole).unwrap();
        open(&path).unwrap();
    }

    /// What changes while the file is open is noticed at the next use.
    #[test]
    fn a_change_after_opening_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let new = (&entry("1", 1), &rows(&[5, 3, 9]));
        replace(&path, act("1"), |_| true, Some(new));
        let store = open(&path).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[MAGIC.len()] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(store.find(&rows(&[5]), |_| false).is_err());
        assert!(store.write(&mut Vec::new(), act("1"), |_| true, None).is_err());
    }
}
