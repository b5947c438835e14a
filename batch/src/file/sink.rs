//! Where a reader of workbooks or Parquet files puts the rows: blocks of bounded size, which go to
//! another thread.

use std::io;
use std::sync::mpsc::SyncSender;

use super::lines::{BLOCK_ROWS, MAX_LINE};
use crate::{Check, Finding, Place};

/// Bytes of text from which on a block is full.
const BLOCK: usize = 512 * 1024;

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
pub(crate) enum Piece {
    /// Names of the columns, and of another sheet that may have them.
    Heading(Vec<String>, Option<String>),
    Block(TableBlock),
    Stopped(Stop),
    End,
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
    pub(crate) fn new(to: SyncSender<Piece>, file: usize, first_row: u32) -> Self {
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

    /// Ends the rows; what was read before any damage is rows all the same.
    pub(crate) fn end(mut self, result: Result<(), Stop>) {
        let result = self.flush().and(result);
        let _ = self.to.send(result.map_or_else(Piece::Stopped, |()| Piece::End));
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
