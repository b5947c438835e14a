//! Files of rows that are no lines of text: a thread takes them apart, cell by cell, and hands over
//! blocks of bounded size. The file is hashed before it is opened.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};

use sha2::{Digest, Sha256};

use super::layout::Heading;
use super::piece::FileEnd;
use super::regular;
use super::sink::{Piece, Sink, Stop, TableBlock};
use crate::pipeline;
use crate::{Check, Finding, Place};

/// Blocks that wait to be taken.
const DEPTH: usize = 2;

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
    let mut source = regular::open(path)?;
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
            sink.end(result);
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

    /// The next block: none at the end, findings where the file is damaged.
    pub(crate) fn next(&mut self) -> io::Result<Result<Option<TableBlock>, Vec<Finding>>> {
        match self.pieces.recv() {
            Ok(Piece::Block(block)) => {
                self.rows += u32::try_from(block.rows.len()).unwrap_or(u32::MAX);
                Ok(Ok(Some(block)))
            }
            Ok(Piece::Stopped(stop)) => {
                self.over = true;
                self.stopped(stop).map(Err)
            }
            Ok(Piece::Heading(..) | Piece::End) => Ok(Ok(None)),
            Err(_) if core::mem::replace(&mut self.over, true) => Ok(Ok(None)),
            Err(_) => self.stopped(gone()).map(Err),
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
