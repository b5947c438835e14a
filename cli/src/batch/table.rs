//! Files of rows that are no lines of text: a thread takes them apart, cell by cell, and hands over
//! blocks of bounded size. The file is hashed before it is opened.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use sha2::{Digest, Sha256};
use xuejika_card_model::batch::{Check, Finding, Place};

use super::layout::Heading;
use super::lines::{BLOCK_ROWS, MAX_LINE};
use super::pipeline;
use super::walk::{Block, FileEnd, Next};

/// Bytes of text from which on a block is full.
const BLOCK: usize = 512 * 1024;

/// Blocks that wait to be taken.
const DEPTH: usize = 2;

/// Most columns that are looked at.
pub(crate) const MAX_COLUMNS: usize = 256;

/// A block of rows.
pub(crate) struct TableBlock {
    file: usize,
    first_row: u32,
    /// Cells of each row; none if it was reported.
    pub(crate) rows: Vec<Vec<String>>,
    /// Number of each row in its sheet, from 1.
    pub(crate) numbers: Vec<u32>,
    /// What was wrong with its rows.
    pub(crate) findings: Vec<Finding>,
}

impl TableBlock {
    /// Each row and where it is.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (Place, &[String])> {
        self.rows.iter().zip(self.first_row..).map(|(cells, row)| {
            (Place { file: Some(self.file), row: Some(row), byte: None }, cells.as_slice())
        })
    }
}

/// What is known of a file before it is taken apart.
pub(crate) struct About {
    path: PathBuf,
    file: usize,
    next_row: u32,
    bytes: u64,
    sha256: [u8; 32],
}

/// Reads a file once, for its length and hash.
pub(crate) fn about(path: &Path, file: usize, next_row: u32) -> io::Result<About> {
    let mut source = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut bytes = 0;
    loop {
        let length = source.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        hash.update(buffer.get(..length).unwrap_or_default());
        bytes += length as u64;
    }
    Ok(About { path: path.to_owned(), file, next_row, bytes, sha256: hash.finalize().into() })
}

/// Why a file is not read to its end.
pub(crate) enum Stop {
    /// Nobody takes its rows any more.
    Closed,
    /// It is damaged, or not what it should be.
    Damaged(Check, String),
    /// The machine failed.
    Failed(io::Error),
}

impl Stop {
    /// Damage, described by an error of a library.
    pub(crate) fn damaged(error: &impl ToString) -> Self {
        Self::Damaged(Check::FileDamaged, error.to_string())
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// What the thread hands over.
enum Piece {
    /// Names of the columns, and of another sheet that may have them.
    Heading(Vec<String>, Option<String>),
    Block(TableBlock),
    Stopped(Stop),
    End,
}

/// A file of rows that a thread takes apart.
pub(crate) struct Table {
    about: About,
    pieces: Receiver<Piece>,
    rows: u32,
    /// Whether its damage was told.
    over: bool,
    /// Another sheet, in which the names of columns may be.
    pub(crate) other: Option<String>,
}

impl Table {
    /// Starts the thread.
    pub(crate) fn start(
        about: About,
        read: impl FnOnce(&Path, &mut Sink) -> Result<(), Stop> + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, pieces) = sync_channel(DEPTH);
        let path = about.path.clone();
        let mut sink = Sink::new(sender, about.file, about.next_row);
        pipeline::thread().spawn(move || {
            let result = read(&path, &mut sink);
            // What was read before any damage is rows all the same.
            let result = sink.flush().and(result);
            let _ = sink.to.send(result.map_or_else(Piece::Stopped, |()| Piece::End));
        })?;
        Ok(Self { about, pieces, rows: 0, over: false, other: None })
    }

    /// The names of the columns, or why there are none.
    pub(crate) fn heading(&mut self) -> io::Result<Result<Heading, Vec<Finding>>> {
        match self.pieces.recv() {
            Ok(Piece::Heading(names, other)) => {
                self.other = other;
                Ok(Ok(Heading::Names(names)))
            }
            Ok(Piece::Stopped(stop)) => self.stopped(stop).map(Err),
            Ok(Piece::Block(_) | Piece::End) => Ok(Ok(Heading::Names(Vec::new()))),
            Err(_) => self.stopped(gone()).map(Err),
        }
    }

    /// What comes next.
    pub(crate) fn next(&mut self) -> io::Result<Next> {
        match self.pieces.recv() {
            Ok(Piece::Block(block)) => {
                self.rows += u32::try_from(block.rows.len()).unwrap_or(u32::MAX);
                Ok(Next::Block(Block::Table(block)))
            }
            Ok(Piece::Stopped(stop)) => {
                self.over = true;
                self.stopped(stop).map(Next::Damaged)
            }
            Ok(Piece::Heading(..) | Piece::End) => Ok(Next::End(self.end())),
            Err(_) if core::mem::replace(&mut self.over, true) => Ok(Next::End(self.end())),
            Err(_) => self.stopped(gone()).map(Next::Damaged),
        }
    }

    /// What is known of the file in the end.
    pub(crate) fn end(&self) -> FileEnd {
        let About { file, bytes, sha256, next_row, .. } = self.about;
        FileEnd { file, bytes, sha256, next_row: next_row + self.rows }
    }

    fn stopped(&self, stop: Stop) -> io::Result<Vec<Finding>> {
        let place = Place { file: Some(self.about.file), row: None, byte: None };
        match stop {
            Stop::Closed => Ok(Vec::new()),
            Stop::Failed(error) => Err(error),
            Stop::Damaged(check, found) => {
                let expected = match check {
                    Check::FileBomb => "the size of a batch",
                    Check::FileUnread => "a form that is read",
                    _ => "a whole file",
                };
                Ok(vec![Finding::new(check, expected, found).at(place)])
            }
        }
    }
}

/// The thread is gone without a word.
fn gone() -> Stop {
    Stop::Damaged(Check::FileDamaged, "what its reader does not expect".to_owned())
}

/// Where the thread puts rows.
pub(crate) struct Sink {
    to: SyncSender<Piece>,
    block: TableBlock,
    bytes: usize,
    /// Number of the row in its sheet.
    number: u32,
    other: Option<String>,
}

/// What a cell takes in memory beside its text.
const CELL: usize = size_of::<String>();

impl Sink {
    fn new(to: SyncSender<Piece>, file: usize, first_row: u32) -> Self {
        let block = TableBlock {
            file,
            first_row,
            rows: Vec::new(),
            numbers: Vec::new(),
            findings: Vec::new(),
        };
        Self { to, block, bytes: 0, number: 0, other: None }
    }

    /// Hands over the names of the columns, before any row.
    pub(crate) fn heading(&mut self, names: Vec<String>) -> Result<(), Stop> {
        self.to.send(Piece::Heading(names, self.other.take())).map_err(|_| Stop::Closed)
    }

    /// Names another sheet, before the heading.
    pub(crate) fn set_other(&mut self, sheet: Option<String>) {
        self.other = sheet;
    }

    /// Hands over a row of a sheet, which has this number there.
    pub(crate) fn numbered(&mut self, number: u32, cells: Vec<String>) -> Result<(), Stop> {
        self.number = number;
        self.row(cells)
    }

    /// Hands over a row.
    pub(crate) fn row(&mut self, cells: Vec<String>) -> Result<(), Stop> {
        let length = cells.iter().map(String::len).sum::<usize>();
        if length > MAX_LINE {
            return self.reported(
                Check::FileLongLine,
                "64 KiB at most",
                &format!("{length} bytes"),
            );
        }
        self.push(cells, length)
    }

    fn push(&mut self, cells: Vec<String>, length: usize) -> Result<(), Stop> {
        self.bytes += length + cells.len() * CELL;
        self.block.rows.push(cells);
        self.block.numbers.push(self.number);
        let full = self.bytes >= BLOCK || self.block.rows.len() >= BLOCK_ROWS;
        if full { self.flush() } else { Ok(()) }
    }

    /// Notes something about the row that comes next.
    pub(crate) fn note(&mut self, check: Check, expected: &str, found: &str) {
        let row = self.next_row();
        let place = Place { file: Some(self.block.file), row: Some(row), byte: None };
        self.block.findings.push(Finding::new(check, expected, found).at(place));
    }

    /// Hands over a row that cannot be read.
    pub(crate) fn reported(
        &mut self,
        check: Check,
        expected: &str,
        found: &str,
    ) -> Result<(), Stop> {
        self.note(check, expected, found);
        self.push(Vec::new(), MAX_LINE)
    }

    fn next_row(&self) -> u32 {
        self.block.first_row + u32::try_from(self.block.rows.len()).unwrap_or(u32::MAX)
    }

    fn flush(&mut self) -> Result<(), Stop> {
        let next = TableBlock {
            file: self.block.file,
            first_row: self.next_row(),
            rows: Vec::new(),
            numbers: Vec::new(),
            findings: Vec::new(),
        };
        let block = core::mem::replace(&mut self.block, next);
        self.bytes = 0;
        if block.rows.is_empty() && block.findings.is_empty() {
            return Ok(());
        }
        self.to.send(Piece::Block(block)).map_err(|_| Stop::Closed)
    }
}
