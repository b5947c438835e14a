//! The pages of a column, unpacked into exactly as many bytes as they announce, and never more of
//! them at a time than a batch needs (Parquet format 2.11, `PageHeader`).

use core::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parquet::basic::{Compression, Encoding, Type as Physical};
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::ColumnChunkMetaData;

use super::thrift::{self, Visitor};
use super::{bomb, damaged, unread};
use crate::Check;
use crate::file::sink::Stop;

/// Most bytes of one page, unpacked.
const MAX_PAGE: u64 = 16 << 20;

/// Most bytes of all pages that are open at a time, with what a library makes of dictionaries.
const MAX_OPEN: u64 = 192 << 20;

/// Most bytes of all pages together, unpacked.
const MAX_TOTAL: u64 = 8 << 30;

/// What a value of a dictionary takes in memory, beside the page.
const ENTRY: u64 = 40;

/// Bytes read at a time to find the end of a header.
const HEADER: usize = 512;

/// Memory and work that the pages of a file may take.
#[derive(Debug, Default)]
pub(super) struct Budget {
    open: AtomicU64,
    total: AtomicU64,
}

/// The pages of a column of a row group.
pub(super) struct Pages {
    file: Arc<File>,
    budget: Arc<Budget>,
    /// Place of the next header, and of the end.
    at: u64,
    end: u64,
    compression: Compression,
    /// Fewest bytes of a value in a dictionary.
    least: u64,
    /// Most values of a page: the rows of the group.
    rows: u64,
    /// What the dictionary and the current page take of the budget.
    dictionary: u64,
    page: u64,
}

impl Pages {
    /// The pages of a column in a group of so many rows.
    pub(super) fn new(
        file: Arc<File>,
        budget: Arc<Budget>,
        column: &ColumnChunkMetaData,
        rows: u64,
    ) -> Result<Self, Stop> {
        let number = |value: i64| u64::try_from(value).map_err(|_| damaged("a negative length"));
        let data = number(column.data_page_offset())?;
        let dictionary = column.dictionary_page_offset().map_or(Ok(0), number)?;
        // Some writers say 0 when there is no dictionary.
        let at = if (1..data).contains(&dictionary) { dictionary } else { data };
        let length = number(column.compressed_size())?;
        let end = at.checked_add(length).ok_or_else(|| damaged("a column beyond its file"))?;
        let type_length = u64::try_from(column.column_descr().type_length()).unwrap_or(1);
        let least = match column.column_type() {
            Physical::BYTE_ARRAY | Physical::INT32 | Physical::FLOAT => 4,
            Physical::INT64 | Physical::DOUBLE => 8,
            Physical::INT96 => 12,
            Physical::FIXED_LEN_BYTE_ARRAY => type_length.max(1),
            Physical::BOOLEAN => 1,
        };
        let compression = column.compression();
        Ok(Self { file, budget, at, end, compression, least, rows, dictionary: 0, page: 0 })
    }

    fn next(&mut self) -> Result<Option<Page>, Stop> {
        while self.at < self.end {
            let mut header = Header::default();
            let source = At { file: &self.file, at: self.at, end: self.end };
            let mut source = BufReader::with_capacity(HEADER, source);
            thrift::walk(&mut source, &mut header)?;
            let taken = source.buffer().len() as u64;
            self.at = source.get_ref().at - taken;
            if header.packed > self.end - self.at {
                return Err(damaged("a page beyond its column"));
            }
            let start = self.at;
            self.at += header.packed;
            if matches!(header.kind, DATA | DICTIONARY | DATA_V2) {
                self.admit(&header)?;
                let mut packed = vec![0; usize::try_from(header.packed).unwrap_or(0)];
                self.file.read_exact_at(&mut packed, start)?;
                return self.page(&header, packed).map(Some);
            }
        }
        Ok(None)
    }

    /// Refuses a page that takes more than the budget has.
    fn admit(&mut self, header: &Header) -> Result<(), Stop> {
        let Header { packed, unpacked, values, .. } = *header;
        if unpacked > MAX_PAGE || packed > MAX_PAGE + (MAX_PAGE >> 4) {
            return Err(bomb(format!("a page of {unpacked} bytes out of {packed}")));
        }
        let is_dictionary = header.kind == DICTIONARY;
        let most = if is_dictionary { unpacked / self.least } else { self.rows };
        if values > most {
            return Err(damaged("a page that announces more values than it can have"));
        }
        let taken = if is_dictionary { &mut self.dictionary } else { &mut self.page };
        let before =
            core::mem::replace(taken, unpacked + if is_dictionary { values * ENTRY } else { 0 });
        let after = *taken;
        self.budget.open.fetch_sub(before, Ordering::Relaxed);
        let open = self.budget.open.fetch_add(after, Ordering::Relaxed) + after;
        let total = self.budget.total.fetch_add(unpacked, Ordering::Relaxed) + unpacked;
        if open > MAX_OPEN {
            return Err(bomb(
                "pages that are too large to be read together: write row groups of \
                             fewer rows"
                    .into(),
            ));
        }
        if total > MAX_TOTAL {
            return Err(bomb(format!("more than {MAX_TOTAL} bytes")));
        }
        Ok(())
    }

    fn page(&self, header: &Header, packed: Vec<u8>) -> Result<Page, Stop> {
        let Header { kind, unpacked, encoding, .. } = *header;
        let whole = usize::try_from(unpacked).unwrap_or(0);
        let encoding = encoding_of(encoding)?;
        let small = |value: u64| u32::try_from(value).map_err(|_| damaged("a malformed header"));
        let num_values = small(header.values)?;
        // Levels of the second form are never packed.
        let levels = if kind == DATA_V2 { header.levels()? } else { 0 };
        let buf = if kind == DATA_V2 && header.plain {
            packed
        } else {
            let start = packed.get(..levels).ok_or_else(|| damaged("a page without its levels"))?;
            let rest = packed.get(levels..).unwrap_or_default();
            let values = whole.checked_sub(levels).ok_or_else(|| damaged("a page too short"))?;
            [start, &unpack(self.compression, rest, values)?].concat()
        };
        if buf.len() != whole {
            return Err(damaged("a page of another length than it announces"));
        }
        let buf = buf.into();
        Ok(match kind {
            DICTIONARY => Page::DictionaryPage { buf, num_values, encoding, is_sorted: false },
            DATA => Page::DataPage {
                buf,
                num_values,
                encoding,
                def_level_encoding: Encoding::RLE,
                rep_level_encoding: Encoding::RLE,
                statistics: None,
            },
            _ => Page::DataPageV2 {
                buf,
                num_values,
                encoding,
                num_nulls: small(header.nulls)?,
                num_rows: small(header.rows)?,
                def_levels_byte_len: small(header.definitions)?,
                rep_levels_byte_len: small(header.repetitions)?,
                is_compressed: false,
                statistics: None,
            },
        })
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        self.budget.open.fetch_sub(self.dictionary + self.page, Ordering::Relaxed);
    }
}

impl Iterator for Pages {
    type Item = ParquetResult<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> ParquetResult<Option<Page>> {
        Self::next(self).map_err(|stop| ParquetError::External(Box::new(Fault::from(stop))))
    }

    fn peek_next_page(&mut self) -> ParquetResult<Option<PageMetadata>> {
        Ok(None)
    }

    fn skip_next_page(&mut self) -> ParquetResult<()> {
        self.get_next_page().map(drop)
    }
}

/// Why there is no page, on its way through the library.
#[derive(Debug)]
struct Fault(Check, String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.1)
    }
}

impl core::error::Error for Fault {}

impl From<Stop> for Fault {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Damaged(check, found) => Self(check, found),
            Stop::Failed(error) => Self(Check::FileDamaged, error.to_string()),
            Stop::Closed => Self(Check::FileDamaged, String::new()),
        }
    }
}

/// What an error of the library says of the file.
pub(super) fn stop(error: &ParquetError) -> Stop {
    if let ParquetError::External(error) = error
        && let Some(Fault(check, found)) = error.downcast_ref()
    {
        return Stop::Damaged(*check, found.clone());
    }
    Stop::damaged(error)
}

/// Kinds of pages.
const DATA: i64 = 0;
const DICTIONARY: i64 = 2;
const DATA_V2: i64 = 3;

/// What a header says of its page.
#[derive(Clone, Copy, Debug, Default)]
struct Header {
    kind: i64,
    unpacked: u64,
    packed: u64,
    values: u64,
    encoding: i64,
    nulls: u64,
    rows: u64,
    definitions: u64,
    repetitions: u64,
    /// Whether the values of a page of the second form are not packed.
    plain: bool,
}

impl Header {
    /// Bytes of the levels of a page of the second form.
    fn levels(&self) -> Result<usize, Stop> {
        let levels = self.definitions.saturating_add(self.repetitions);
        usize::try_from(levels).map_err(|_| damaged("a malformed header"))
    }
}

impl Visitor for Header {
    fn number(&mut self, path: &[i64], value: i64) -> Result<(), Stop> {
        let length = || u64::try_from(value).map_err(|_| damaged("a negative length"));
        match path {
            [1] => self.kind = value,
            [2] => self.unpacked = length()?,
            [3] => self.packed = length()?,
            // DataPageHeader, DictionaryPageHeader, DataPageHeaderV2.
            [5 | 7 | 8, 1] => self.values = length()?,
            [5 | 7, 2] | [8, 4] => self.encoding = value,
            [8, 2] => self.nulls = length()?,
            [8, 3] => self.rows = length()?,
            [8, 5] => self.definitions = length()?,
            [8, 6] => self.repetitions = length()?,
            [8, 7] => self.plain = value == 0,
            _ => {}
        }
        Ok(())
    }
}

/// Encodings whose values cannot take more memory than their pages: plain, dictionaries, run lengths,
/// packed differences of numbers. Those of texts share prefixes or announce their number themselves.
fn encoding_of(number: i64) -> Result<Encoding, Stop> {
    Ok(match number {
        0 => Encoding::PLAIN,
        2 => Encoding::PLAIN_DICTIONARY,
        3 => Encoding::RLE,
        5 => Encoding::DELTA_BINARY_PACKED,
        8 => Encoding::RLE_DICTIONARY,
        6 => return Err(unread("encoding DELTA_LENGTH_BYTE_ARRAY: write plain or dictionaries")),
        7 => return Err(unread("encoding DELTA_BYTE_ARRAY: write plain or dictionaries")),
        9 => return Err(unread("encoding BYTE_STREAM_SPLIT: write plain or dictionaries")),
        number => return Err(unread(format!("encoding {number}: write plain or dictionaries"))),
    })
}

/// Unpacks into `length` bytes, neither more nor fewer.
fn unpack(compression: Compression, packed: &[u8], length: usize) -> Result<Vec<u8>, Stop> {
    let other = || damaged("a page of another length than it announces");
    let read = |source: &mut dyn Read| {
        let mut bytes = Vec::with_capacity(length);
        let most = length as u64 + 1;
        source.take(most).read_to_end(&mut bytes).map_err(|error| Stop::damaged(&error))?;
        Ok::<_, Stop>(bytes)
    };
    // Without values nothing is packed, in some writers not even nothing.
    if length == 0 {
        return Ok(Vec::new());
    }
    let bytes = match compression {
        Compression::UNCOMPRESSED => packed.to_vec(),
        Compression::SNAPPY => {
            if snap::raw::decompress_len(packed).map_err(|error| Stop::damaged(&error))? != length {
                return Err(other());
            }
            let unpacked = snap::raw::Decoder::new().decompress_vec(packed);
            unpacked.map_err(|error| Stop::damaged(&error))?
        }
        Compression::GZIP(_) => read(&mut flate2::read::MultiGzDecoder::new(packed))?,
        Compression::ZSTD(_) => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(packed);
            read(&mut decoder.map_err(|error| Stop::damaged(&error))?)?
        }
        Compression::LZ4_RAW => {
            let mut bytes = vec![0; length];
            let taken = lz4_flex::block::decompress_into(packed, &mut bytes);
            bytes.truncate(taken.map_err(|error| Stop::damaged(&error))?);
            bytes
        }
        other => {
            let name = format!("{other:?}");
            let name = name.split('(').next().unwrap_or_default();
            let hint = "write with Snappy, gzip, Zstandard, LZ4_RAW or none";
            return Err(unread(format!("columns compressed with {name}: {hint}")));
        }
    };
    if bytes.len() == length { Ok(bytes) } else { Err(other()) }
}

/// A part of a file as it is read.
struct At<'f> {
    file: &'f File,
    at: u64,
    end: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let length = buffer.len().min(left);
        let read = self.file.read_at(buffer.get_mut(..length).unwrap_or_default(), self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A column of a group of ten rows.
    fn pages(budget: &Arc<Budget>) -> Pages {
        Pages {
            file: Arc::new(tempfile::tempfile().unwrap()),
            budget: Arc::clone(budget),
            at: 0,
            end: 0,
            compression: Compression::UNCOMPRESSED,
            least: 4,
            rows: 10,
            dictionary: 0,
            page: 0,
        }
    }

    #[test]
    fn pages_take_no_more_than_the_budget_has() {
        let admit = |pages: &mut Pages, kind, packed, unpacked, values| match pages.admit(&Header {
            kind,
            packed,
            unpacked,
            values,
            ..Header::default()
        }) {
            Ok(()) => None,
            Err(Stop::Damaged(check, _)) => Some(check),
            Err(_) => panic!("another end"),
        };
        let one = |kind, packed, unpacked, values| {
            admit(&mut pages(&Arc::default()), kind, packed, unpacked, values)
        };
        let bomb = Some(Check::FileBomb);
        let most_packed = MAX_PAGE + (MAX_PAGE >> 4);
        assert_eq!(one(DATA, most_packed, MAX_PAGE, 10), None);
        assert_eq!(one(DATA, 1, MAX_PAGE + 1, 10), bomb);
        assert_eq!(one(DATA, most_packed + 1, 1, 10), bomb);
        // More values than rows; more in a dictionary than its bytes can be.
        assert_eq!(one(DATA, 1, 1, 11), Some(Check::FileDamaged));
        assert_eq!(one(DICTIONARY, 40, 40, 10), None);
        assert_eq!(one(DICTIONARY, 40, 40, 11), Some(Check::FileDamaged));
        // All columns that are open; a page takes the place of the one before.
        let budget = Arc::default();
        let mut columns: Vec<_> = (0..=MAX_OPEN / MAX_PAGE).map(|_| pages(&budget)).collect();
        let (last, others) = columns.split_last_mut().unwrap();
        for column in others {
            assert_eq!(admit(column, DATA, 1, MAX_PAGE, 10), None);
            assert_eq!(admit(column, DATA, 1, MAX_PAGE, 10), None);
        }
        assert_eq!(admit(last, DATA, 1, 1, 1), bomb);
        // All pages of the file.
        let budget = Arc::new(Budget { open: AtomicU64::new(0), total: AtomicU64::new(MAX_TOTAL) });
        assert_eq!(admit(&mut pages(&budget), DATA, 1, 1, 1), bomb);
    }

    #[test]
    fn pages_unpack_into_what_they_announce() {
        let text = b"0001".repeat(1000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&text).unwrap();
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        for (compression, packed) in [
            (Compression::UNCOMPRESSED, text.clone()),
            (Compression::SNAPPY, snap::raw::Encoder::new().compress_vec(&text).unwrap()),
            (Compression::GZIP(Default::default()), gzip.finish().unwrap()),
            (
                Compression::ZSTD(Default::default()),
                ruzstd::encoding::compress_to_vec(text.as_slice(), level),
            ),
            (Compression::LZ4_RAW, lz4_flex::block::compress(&text)),
        ] {
            let unpacked = |length| unpack(compression, &packed, length).ok();
            assert_eq!(unpacked(text.len()), Some(text.clone()), "{compression:?}");
            for other in [1, text.len() - 1, text.len() + 1] {
                assert_eq!(unpacked(other), None, "{compression:?} {other}");
            }
            let half = packed.get(..packed.len() / 2).unwrap();
            assert!(unpack(compression, half, text.len()).is_err(), "{compression:?}");
        }
        let named = unpack(Compression::LZO, &[1], 1);
        assert!(
            matches!(named, Err(Stop::Damaged(Check::FileUnread, text)) if text.contains("LZO"))
        );
    }
}
