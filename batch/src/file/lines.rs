//! Files of rows, line by line: in blocks of bounded size, hashed on the way, and never more of a
//! line in memory than a row can have.

use std::io::{self, BufRead, BufReader, Read};

use sha2::{Digest, Sha256};

use super::piece::FileEnd;
use crate::{Check, Finding, Place};

/// Longest line of a row, in bytes.
pub(crate) const MAX_LINE: usize = 64 * 1024;

/// Bytes from which on a block is full, and rows or findings from which on it is.
const BLOCK: usize = 512 * 1024;
pub(super) const BLOCK_ROWS: usize = 2048;

/// Bytes read at a time.
const BUFFER: usize = 256 * 1024;

/// The byte-order marks of UTF-8 and GB 18030.
const BOMS: [&[u8]; 2] = [b"\xEF\xBB\xBF", b"\x84\x31\x95\x33"];

/// First bytes of files that hold no text that is read here, and what they are.
const NO_TEXT: [(&[u8], &str); 10] = [
    (b"PAR1", "Parquet"),
    (b"BZh", "a bzip2 archive"),
    (b"\x28\xB5\x2F\xFD", "a Zstandard archive"),
    (b"7z\xBC\xAF\x27\x1C", "a 7z archive"),
    (b"PK\x03\x04", "a zip archive or a spreadsheet"),
    (b"\x1F\x8B", "a gzip archive"),
    (b"\xFD7zXZ", "an xz archive"),
    (b"\xD0\xCF\x11\xE0", "an old spreadsheet"),
    (b"\xFF\xFE", "UTF-16"),
    (b"\xFE\xFF", "UTF-16"),
];

/// A block of lines.
#[derive(Debug)]
pub(crate) struct Block {
    bytes: Vec<u8>,
    lines: Vec<(usize, usize)>,
    /// Number of each line in the file, from 1.
    pub(crate) numbers: Vec<u32>,
    /// The file.
    pub(crate) file: usize,
    /// Number of its first row.
    first_row: u32,
    /// Bytes of the file before it.
    offset: u64,
    /// What was wrong with its lines; a line that could not be taken is empty.
    pub(crate) findings: Vec<Finding>,
}

impl Block {
    /// Each row: where it is, and its bytes without the line end; no byte if it was reported.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (Place, &[u8])> {
        self.lines.iter().zip(self.first_row..).map(|(&(start, end), row)| {
            let byte = Some(self.offset + start as u64);
            let place = Place { file: Some(self.file), row: Some(row), byte };
            (place, self.bytes.get(start..end).unwrap_or_default())
        })
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }
}

/// A file of rows.
pub(crate) struct Lines {
    reader: BufReader<Hashing<Box<dyn Read + Send>>>,
    file: usize,
    next_row: u32,
    /// Bytes taken as lines.
    offset: u64,
    /// Whether the first line ends in CR LF.
    crlf: Option<bool>,
    mixed: bool,
    /// Lines that were taken.
    line: u32,
}

/// How a line was taken.
enum Taken {
    Whole,
    TooLong,
    CutShort,
    Nothing,
}

impl Lines {
    /// Begins a file whose first row has this number. Findings about its beginning are noted.
    pub(crate) fn new(
        source: Box<dyn Read + Send>,
        file: usize,
        next_row: u32,
        findings: &mut Vec<Finding>,
    ) -> io::Result<Self> {
        let source = Hashing { inner: source, hash: Sha256::new(), bytes: 0 };
        let reader = BufReader::with_capacity(BUFFER, source);
        let mut lines =
            Self { reader, file, next_row, offset: 0, crlf: None, mixed: false, line: 0 };
        let start = lines.reader.fill_buf()?;
        // Digits and separators are every second byte of UTF-16.
        if matches!(start, [0, text, ..] | [text, 0, ..] if *text > 0) {
            let error = "is UTF-16 without a byte-order mark; save it as UTF-8";
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        if let Some((_, what)) = NO_TEXT.iter().find(|(magic, _)| start.starts_with(magic)) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("is {what}, not text in the declared encoding"),
            ));
        }
        if let Some(bom) = BOMS.iter().find(|bom| start.starts_with(bom)) {
            lines.reader.consume(bom.len());
            lines.offset = bom.len() as u64;
            let expected = "text from the first byte on";
            let finding = Finding::new(Check::FileBom, expected, hex::encode_upper(bom));
            findings.push(finding.at(Place { file: Some(file), row: None, byte: Some(0) }));
        }
        Ok(lines)
    }

    /// Takes the heading, which is in this line of the file; none if there is no such line.
    pub(crate) fn heading(&mut self, row: u32) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        for _ in 1..row {
            self.take(&mut line)?;
            line.clear();
        }
        match self.take(&mut line)? {
            // A line that ends in CR alone shows why no name is known.
            Taken::CutShort if line.contains(&b'\r') => Ok(Some(line)),
            Taken::Whole => {
                let end = self.line_end(&line);
                line.truncate(end);
                Ok(Some(line))
            }
            _ => Ok(None),
        }
    }

    /// Takes the next block; none at the end.
    pub(crate) fn block(&mut self) -> io::Result<Option<Block>> {
        let mut block = Block {
            bytes: Vec::with_capacity(BLOCK + MAX_LINE),
            lines: Vec::new(),
            numbers: Vec::new(),
            file: self.file,
            first_row: self.next_row,
            offset: self.offset,
            findings: Vec::new(),
        };
        while block.bytes.len() < BLOCK && block.lines.len().max(block.findings.len()) < BLOCK_ROWS
        {
            let start = block.bytes.len();
            let before = self.offset;
            let taken = self.take(&mut block.bytes)?;
            let line = block.bytes.get(start..).unwrap_or_default();
            let end = start + self.line_end(line);
            let place =
                Place { file: Some(self.file), row: Some(self.next_row), byte: Some(before) };
            let mut note = |check, expected: &str, found: String| {
                block.findings.push(Finding::new(check, expected, found).at(place));
            };
            match taken {
                Taken::Nothing => break,
                Taken::Whole | Taken::CutShort if is_padding(block.bytes.get(start..end)) => {
                    let found = "Ctrl-Z or NULs, with which DOS programs end a file".to_owned();
                    note(Check::FileControl, "the end of the file", found);
                    continue;
                }
                Taken::Whole if end == start => {
                    note(Check::FileEmptyLine, "a row", "nothing".to_owned());
                    continue;
                }
                Taken::Whole => block.lines.push((start, end)),
                Taken::TooLong => {
                    let found = format!("{} bytes", self.offset - before);
                    note(Check::FileLongLine, "64 KiB at most", found);
                    block.bytes.truncate(start);
                    block.lines.push((start, start));
                }
                Taken::CutShort => {
                    note(Check::FileCutShort, "a line end", "the end of the file".to_owned());
                    block.lines.push((start, start));
                }
            }
            if self.is_mixed(block.bytes.get(end..).unwrap_or_default()) {
                let style = |crlf| if crlf { "CR LF" } else { "LF" };
                let first = self.crlf.unwrap_or_default();
                let finding = Finding::new(Check::FileLineEnds, style(first), style(!first));
                block.findings.push(finding.at(place));
            }
            self.next_row += 1;
            block.numbers.push(self.line);
            // Long lines leave a gap behind; the offsets of later rows must not know it.
            if matches!(taken, Taken::TooLong) {
                break;
            }
        }
        Ok((!block.lines.is_empty() || !block.findings.is_empty()).then_some(block))
    }

    /// Reads what is left and tells what the file is.
    pub(crate) fn end(mut self) -> io::Result<FileEnd> {
        io::copy(&mut self.reader, &mut io::sink())?;
        let Hashing { hash, bytes, .. } = self.reader.into_inner();
        let sha256 = hash.finalize().into();
        Ok(FileEnd { file: self.file, bytes, sha256, next_row: self.next_row })
    }

    /// Appends one line with its end, or the beginning of one that is too long.
    fn take(&mut self, line: &mut Vec<u8>) -> io::Result<Taken> {
        let limit = MAX_LINE as u64;
        let length = self.reader.by_ref().take(limit).read_until(b'\n', line)?;
        self.offset += length as u64;
        self.line = self.line.saturating_add(1);
        Ok(match line.last() {
            _ if length == 0 => Taken::Nothing,
            Some(b'\n') => Taken::Whole,
            _ if length < MAX_LINE => Taken::CutShort,
            _ => {
                self.skip_line()?;
                Taken::TooLong
            }
        })
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.reader.fill_buf()?;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let length = end.map_or(buffer.len(), |end| end + 1);
            self.reader.consume(length);
            self.offset += length as u64;
            if end.is_some() || length == 0 {
                return Ok(());
            }
        }
    }

    /// Length of a line without its end; the first line says how lines end.
    fn line_end(&mut self, line: &[u8]) -> usize {
        let (crlf, end) = match line {
            [text @ .., b'\r', b'\n'] => (true, text.len()),
            [text @ .., b'\n'] => (false, text.len()),
            text => return text.len(),
        };
        self.crlf.get_or_insert(crlf);
        end
    }

    /// Whether this is the first line end of another kind.
    fn is_mixed(&mut self, end: &[u8]) -> bool {
        let other = match end {
            b"\r\n" => self.crlf == Some(false),
            b"\n" => self.crlf == Some(true),
            _ => false,
        };
        other && !core::mem::replace(&mut self.mixed, true)
    }
}

/// Whether a line is nothing but what programs fill the end of a file with.
fn is_padding(line: Option<&[u8]>) -> bool {
    line.is_some_and(|line| {
        !line.is_empty() && line.iter().all(|byte| matches!(byte, 0x00 | 0x1A | b'\r'))
    })
}

/// A reader that hashes what goes through it.
struct Hashing<R> {
    inner: R,
    hash: Sha256,
    bytes: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.hash.update(buffer.get(..length).unwrap_or_default());
        self.bytes += length as u64;
        Ok(length)
    }
}
