//! The pages of a Parquet file before a library unpacks them: what each header announces is compared
//! with what it takes in the file (Thrift compact protocol; Parquet format 2.11, `PageHeader`).

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use xuejika_card_model::batch::Check;

use super::table::Stop;

/// Most bytes of one page, unpacked.
const MAX_PAGE: u64 = 16 << 20;

/// Most times that a page may grow, and what may grow further. Snappy cannot reach this.
const MAX_RATIO: u64 = 100;
const SMALL: u64 = 64 << 10;

/// Most bytes of all pages together, unpacked.
const MAX_TOTAL: u64 = 4 << 30;

/// Most nested structures of a header.
const MAX_DEPTH: u32 = 8;

/// Encodings whose values cannot be longer than their pages: plain, dictionaries, run lengths, and
/// the two delta encodings that share no prefixes.
const ENCODINGS: [i64; 6] = [0, 2, 3, 5, 6, 8];

/// Types of the compact protocol.
mod kind {
    pub(super) const STOP: u8 = 0;
    pub(super) const TRUE: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const BYTE: u8 = 3;
    pub(super) const I16: u8 = 4;
    pub(super) const I32: u8 = 5;
    pub(super) const I64: u8 = 6;
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const BINARY: u8 = 8;
    pub(super) const LIST: u8 = 9;
    pub(super) const SET: u8 = 10;
    pub(super) const STRUCT: u8 = 12;
}

/// Refuses a file whose pages unpack to more than a batch can have.
pub(crate) fn check(path: &Path, metadata: &ParquetMetaData) -> Result<(), Stop> {
    let mut source = BufReader::new(File::open(path)?);
    let mut total = 0_u64;
    for column in metadata.row_groups().iter().flat_map(RowGroupMetaData::columns) {
        let number = |value: i64| u64::try_from(value).map_err(|_| malformed());
        let data = number(column.data_page_offset())?;
        // As the library begins.
        let start = column.dictionary_page_offset().map_or(Ok(data), number)?;
        let length = number(column.compressed_size())?;
        let end = start.checked_add(length).ok_or_else(malformed)?;
        let mut at = start;
        while at < end {
            source.seek(SeekFrom::Start(at))?;
            let mut header =
                Header { source: source.by_ref().take(end - at), page: Page::default() };
            header.structure(0, None)?;
            let taken = end - at - header.source.limit();
            let page = header.page;
            page.check()?;
            total = total.saturating_add(page.unpacked);
            if total > MAX_TOTAL {
                return Err(bomb(format!("more than {MAX_TOTAL} bytes")));
            }
            at = at.saturating_add(taken).saturating_add(page.packed);
        }
    }
    Ok(())
}

fn malformed() -> Stop {
    Stop::Damaged(Check::FileDamaged, "a malformed page header".to_owned())
}

fn bomb(found: String) -> Stop {
    Stop::Damaged(Check::FileBomb, found)
}

/// What a header says of its page.
#[derive(Clone, Copy, Debug, Default)]
struct Page {
    unpacked: u64,
    packed: u64,
    encoding: i64,
}

impl Page {
    /// Takes a number of the header: where it stands, and what it is.
    fn take(&mut self, parent: Option<i64>, field: i64, value: i64) -> Result<(), Stop> {
        let length = || u64::try_from(value).map_err(|_| malformed());
        match (parent, field) {
            (None, 2) => self.unpacked = length()?,
            (None, 3) => self.packed = length()?,
            // DataPageHeader, DictionaryPageHeader, DataPageHeaderV2.
            (Some(5 | 7), 2) | (Some(8), 4) => self.encoding = value,
            _ => {}
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Stop> {
        let Self { unpacked, packed, encoding } = *self;
        if unpacked > MAX_PAGE || unpacked > packed.saturating_mul(MAX_RATIO).max(SMALL) {
            return Err(bomb(format!("a page of {unpacked} bytes out of {packed}")));
        }
        if !ENCODINGS.contains(&encoding) {
            let found = format!("pages in encoding {encoding}");
            return Err(Stop::Damaged(Check::FileDamaged, found));
        }
        Ok(())
    }
}

/// A header as it is read.
struct Header<R> {
    source: R,
    page: Page,
}

impl<R: Read> Header<R> {
    fn byte(&mut self) -> Result<u8, Stop> {
        let mut byte = [0];
        self.source.read_exact(&mut byte).map_err(|_| malformed())?;
        let [byte] = byte;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64, Stop> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(malformed())
    }

    fn zigzag(&mut self) -> Result<i64, Stop> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn skip(&mut self, length: u64) -> Result<(), Stop> {
        let skipped = std::io::copy(&mut self.source.by_ref().take(length), &mut std::io::sink())?;
        if skipped == length { Ok(()) } else { Err(malformed()) }
    }

    /// Reads a structure that is the field `parent` of another one.
    fn structure(&mut self, depth: u32, parent: Option<i64>) -> Result<(), Stop> {
        if depth > MAX_DEPTH {
            return Err(malformed());
        }
        let mut field = 0;
        loop {
            let head = self.byte()?;
            let (delta, kind) = (head >> 4, head & 0x0F);
            if kind == kind::STOP {
                return Ok(());
            }
            field = if delta == 0 { self.zigzag()? } else { field + i64::from(delta) };
            match kind {
                kind::TRUE | kind::FALSE => {}
                kind::I16 | kind::I32 | kind::I64 => {
                    let value = self.zigzag()?;
                    if depth < 2 {
                        self.page.take(parent, field, value)?;
                    }
                }
                kind => self.value(kind, depth, field)?,
            }
        }
    }

    fn value(&mut self, kind: u8, depth: u32, field: i64) -> Result<(), Stop> {
        match kind {
            kind::BYTE | kind::TRUE | kind::FALSE => self.skip(1),
            kind::I16 | kind::I32 | kind::I64 => self.varint().map(drop),
            kind::DOUBLE => self.skip(8),
            kind::BINARY => {
                let length = self.varint()?;
                self.skip(length)
            }
            kind::LIST | kind::SET => {
                let head = self.byte()?;
                let count = match head >> 4 {
                    15 => self.varint()?,
                    count => count.into(),
                };
                (0..count).try_for_each(|_| self.value(head & 0x0F, depth + 1, 0))
            }
            kind::STRUCT => self.structure(depth + 1, Some(field)),
            _ => Err(malformed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(bytes: &[u8]) -> Result<Page, Stop> {
        let mut header = Header { source: bytes, page: Page::default() };
        header.structure(0, None)?;
        Ok(header.page)
    }

    #[test]
    fn a_header_says_how_long_its_page_is() {
        // Data page, 300 bytes out of 100, 7 values in plain encoding, and a crc behind.
        let bytes = [
            0x15, 0x00, 0x15, 0xD8, 0x04, 0x15, 0xC8, 0x01, 0x2C, 0x15, 0x0E, 0x15, 0x00, 0x15,
            0x06, 0x15, 0x06, 0x00, 0x00,
        ];
        let read = page(&bytes).ok().unwrap();
        assert_eq!((read.unpacked, read.packed, read.encoding), (300, 100, 0));
        assert!(read.check().is_ok());
        for length in 0..bytes.len() {
            assert!(page(&bytes[..length]).is_err(), "{length}");
        }
        // A negative length.
        assert!(page(&[0x25, 0x01, 0x00]).is_err());
        // Structures without end.
        assert!(page(&[0x1C; 64]).is_err());
    }

    #[test]
    fn pages_that_grow_too_much_are_refused() {
        let of = |unpacked, packed, encoding| Page { unpacked, packed, encoding }.check();
        assert!(of(1 << 20, 20 << 10, 8).is_ok());
        assert!(matches!(of(17 << 20, 17 << 20, 0), Err(Stop::Damaged(Check::FileBomb, _))));
        assert!(matches!(of(1 << 20, 1 << 10, 0), Err(Stop::Damaged(Check::FileBomb, _))));
        assert!(matches!(of(10, 10, 7), Err(Stop::Damaged(Check::FileDamaged, _))));
    }
}
