//! The file of a trace while it is written: locked, and only ever longer.

use alloc::borrow::ToOwned;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use super::PROGRAM;
use super::block::{Block, BlockError};
use super::blocks::Blocks;

/// Why a trace cannot be begun.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file cannot be opened or made.
    #[error("{}: {error}", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Another process records into the file.
    #[error("{}: another process records into this trace", .0.display())]
    Busy(PathBuf),
    /// The file holds something else than a trace of this library.
    #[error("{}: no trace of this program; no other file is ever changed", .0.display())]
    Foreign(PathBuf),
    /// The file cannot be locked or written.
    #[error("{}: {error}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// A trace that is written to its end. A pipe or a device is written as it is.
#[derive(Debug)]
pub(super) struct TraceFile {
    path: PathBuf,
    file: File,
    /// Length of what is whole, in bytes; none of a pipe or a device.
    length: Option<u64>,
}

impl TraceFile {
    /// Opens or makes the file. Another program's file is refused, and so is one that another process
    /// writes to.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |error| OpenError::Write { path: path.to_owned(), error };
        let mut options = OpenOptions::new();
        let special = path.metadata().is_ok_and(|about| !about.is_file());
        options.append(true).read(!special).create(!special);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file =
            options.open(path).map_err(|error| OpenError::Open { path: path.to_owned(), error })?;
        if special {
            return Ok(Self { path: path.to_owned(), file, length: None });
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::Busy(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let length = earlier(&file).ok_or_else(|| OpenError::Foreign(path.to_owned()))?;
        // Half a packet, which a power cut may leave, would be in the way of what follows.
        file.set_len(length).map_err(failed)?;
        Ok(Self { path: path.to_owned(), file, length: Some(length) })
    }

    /// The path, for messages.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether somebody made the file empty, as rotations of logs do.
    ///
    /// # Errors
    /// Returns an error when the file was changed in another way, or removed.
    pub(super) fn was_emptied(&mut self) -> io::Result<bool> {
        let Some(length) = &mut self.length else { return Ok(false) };
        let about = self.file.metadata()?;
        match about.len() {
            _ if is_removed(&about) => Err(io::Error::other("the file was removed")),
            actual if actual == *length => Ok(false),
            0 => {
                *length = 0;
                Ok(true)
            }
            _ => Err(io::Error::other("another program changed the file")),
        }
    }

    /// Writes the bytes at the end, or none of them.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(bytes);
        if let Some(length) = &mut self.length {
            match written {
                Ok(()) => *length += bytes.len() as u64,
                // Half a block would be in the way of whoever reads the rest.
                Err(_) => drop(self.file.set_len(*length)),
            }
        }
        written
    }
}

/// Whether the file has no name any more.
fn is_removed(about: &Metadata) -> bool {
    #[cfg(unix)]
    let links = std::os::unix::fs::MetadataExt::nlink(about);
    #[cfg(not(unix))]
    let links = u64::from(about.is_file());
    links == 0
}

/// Length of the earlier trace in a file, in bytes; none if it is no trace of ours.
fn earlier(file: &File) -> Option<u64> {
    let mut blocks = Blocks::new(BufReader::new(file));
    match blocks.next().ok()? {
        None => return Some(0),
        Some(Block::Section { program }) if program.starts_with(PROGRAM) => {}
        Some(_) => return None,
    }
    loop {
        match blocks.next() {
            Ok(Some(_)) => {}
            Ok(None) | Err(BlockError::Short) => return Some(blocks.end()),
            Err(_) => return None,
        }
    }
}
