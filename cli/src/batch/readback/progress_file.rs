//! What was read so far: JSON lines, the first of which names batch and sample.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, ensure};
use serde::{Deserialize, Serialize};
use xuejika_card_model::ident::CardSerial;
use xuejika_emulator::files::{self, Access, Existing, FileError};

use super::compare::Difference;
use crate::exit::{Failure, Outcome};

/// Largest file, in bytes.
const MAX_FILE: u64 = 32 << 20;

/// The first line.
#[derive(PartialEq, Serialize, Deserialize)]
struct Head {
    batch: String,
    sample_sha256: String,
}

/// A card that was read.
#[derive(Serialize, Deserialize)]
struct Line {
    serial: String,
    row: u32,
    differences: Vec<Difference>,
}

/// An open progress file.
pub(crate) struct ProgressFile {
    file: File,
    path: PathBuf,
    /// Length of its whole lines, in bytes.
    length: u64,
    /// Cards that were read, and whether they were like their rows.
    cards: BTreeMap<CardSerial, bool>,
}

impl ProgressFile {
    /// Opens the file of this sample, or makes it.
    pub(crate) fn open(path: &Path, batch: &str, sample_sha256: &str) -> Outcome<Self> {
        let head = Head { batch: batch.to_owned(), sample_sha256: sample_sha256.to_owned() };
        if path.symlink_metadata().is_err() {
            let first = line(&head).map_err(Failure::device)?;
            match files::write(path, &first, Existing::Refuse, Access::Umask) {
                // Another reading was faster.
                Err(FileError::Exists { .. }) => {}
                made => made?,
            }
        }
        // What is no file is named and not waited for.
        files::open(path)?;
        Self::take_up(path, &head)
            .with_context(|| path.display().to_string())
            .map_err(Failure::usage)
    }

    fn take_up(path: &Path, head: &Head) -> anyhow::Result<Self> {
        let mut file = OpenOptions::new().read(true).append(true).open(path)?;
        file.try_lock().context("another reading is at work")?;
        ensure!(file.metadata()?.len() <= MAX_FILE, "is larger than any progress file");
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        // A line that was cut short by a crash was never read.
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        text.truncate(whole);
        file.set_len(whole as u64)?;
        let (path, length, cards) = (path.to_owned(), whole as u64, BTreeMap::new());
        let mut progress = Self { file, length, path, cards };
        let mut lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        match lines.next() {
            None => progress.append(head).map_err(|failure| anyhow!(failure.text()))?,
            Some(line) => {
                let other = "belongs to another sample";
                ensure!(serde_json::from_slice::<Head>(line).is_ok_and(|own| own == *head), other);
            }
        }
        for line in lines {
            let line: Line = serde_json::from_slice(line)?;
            progress.cards.insert(line.serial.parse()?, line.differences.is_empty());
        }
        Ok(progress)
    }

    /// Whether a card was read.
    pub(crate) fn has(&self, serial: CardSerial) -> bool {
        self.cards.contains_key(&serial)
    }

    /// Notes a card, for good.
    pub(crate) fn add(
        &mut self,
        serial: CardSerial,
        row: u32,
        differences: Vec<Difference>,
    ) -> Outcome<()> {
        let same = differences.is_empty();
        let line = Line { serial: serial.to_string(), row, differences };
        self.append(&line)?;
        self.cards.insert(serial, same);
        Ok(())
    }

    /// Serials of the cards that differ.
    pub(crate) fn failed(&self) -> Vec<String> {
        let failed = self.cards.iter().filter(|(_, same)| !**same);
        failed.map(|(serial, _)| serial.to_string()).collect()
    }

    fn append(&mut self, entry: &impl Serialize) -> Outcome<()> {
        let bytes = line(entry).map_err(Failure::device)?;
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        written.map_err(|error| {
            // Half a line is nothing that was read.
            let _ = self.file.set_len(self.length);
            FileError::of(&self.path, error)
        })?;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

fn line(entry: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(entry)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cut_short_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("progress");
        let serial: CardSerial = "1100260200000013".parse().unwrap();
        let mut progress = ProgressFile::open(&path, "1", "aa").unwrap();
        progress.add(serial, 1, Vec::new()).unwrap();
        drop(progress);
        let whole = std::fs::read(&path).unwrap();
        for length in 0..=whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let progress = ProgressFile::open(&path, "1", "aa").unwrap();
            assert_eq!(progress.has(serial), length == whole.len(), "{length}");
        }
        assert!(ProgressFile::open(&path, "1", "bb").is_err());
    }
}
