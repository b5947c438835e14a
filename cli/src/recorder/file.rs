//! The file of a trace while it is written: locked, and only ever longer.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use super::PROGRAM;
use super::block::{Block, BlockError};
use super::blocks::Blocks;
use crate::exit::{Code, Failure, Outcome};

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
    pub(super) fn open(path: &Path) -> Outcome<Self> {
        let name = || path.display().to_string();
        let usage = |result: io::Result<_>| result.with_context(name).map_err(Failure::usage);
        let mut options = OpenOptions::new();
        let special = path.metadata().is_ok_and(|about| !about.is_file());
        options.append(true).read(!special).create(!special);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = usage(options.open(path))?;
        if special {
            return Ok(Self { path: path.to_owned(), file, length: None });
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let error = anyhow!("{}: another process records into this trace", name());
                return Err(Failure::device(error));
            }
            Err(TryLockError::Error(error)) => return Err(Failure::device(error)),
        }
        let length = earlier(&file).ok_or_else(|| {
            let error = "no trace of this program; no other file is ever changed";
            Failure::Because(Code::Unsafe, anyhow!("{}: {error}", name()))
        })?;
        // Half a packet, which a power cut may leave, would be in the way of what follows.
        file.set_len(length).with_context(name).map_err(Failure::device)?;
        Ok(Self { path: path.to_owned(), file, length: Some(length) })
    }

    /// The path, for messages.
    pub(super) fn name(&self) -> impl core::fmt::Display {
        self.path.display()
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
