//! The file of a history: replaced whole or not at all, by one process at a time.

use std::io;
use std::path::{Path, PathBuf};

use xuejika_batch::History;
use xuejika_batch::history::Change;
use xuejika_emulator::files::{self, Access, Existing, FileError, NewFile, OwnedFile};

use crate::exit::{Failure, Outcome};

/// Opens a history to look into it; others may look, and one may add to it, at the same time.
pub(crate) fn look(path: &Path) -> Outcome<History> {
    Ok(History::read(files::open(path)?, path.display().to_string())?)
}

/// A history that no other process can add to.
pub(crate) struct HistoryFile {
    /// What is in it.
    pub(crate) history: History,
    /// Where it is.
    pub(crate) place: Place,
}

/// Where a history is written.
pub(crate) enum Place {
    /// The file that is there.
    There(OwnedFile),
    /// Made by the first act.
    New(PathBuf),
}

impl HistoryFile {
    /// Opens a history to add to it; the first act makes it if it is not there.
    pub(crate) fn open(path: &Path) -> Outcome<Self> {
        let name = path.display().to_string();
        if path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Ok(Self { history: History::new(name), place: Place::New(path.into()) });
        }
        let file = OwnedFile::open(path)?;
        let copy = file.file().try_clone().map_err(|error| FileError::of(path, error))?;
        Ok(Self { history: History::read(copy, name)?, place: Place::There(file) })
    }
}

impl Place {
    /// Replaces the history by what it is after a change.
    pub(crate) fn replace(&mut self, change: &Change<'_>) -> Outcome<()> {
        let fill = |file: &mut NewFile| change.write(file);
        let replaced = match self {
            Self::There(file) => file.replace(fill),
            Self::New(path) => make(path, fill),
        };
        let as_before = |failure: Failure| match failure {
            Failure::Because(code, error) => {
                Failure::Because(code, error.context("the history is as it was before"))
            }
            other => other,
        };
        replaced.map_err(|error| as_before(error.into()))
    }
}

fn make(path: &Path, fill: impl FnOnce(&mut NewFile) -> io::Result<()>) -> Result<(), FileError> {
    let mut new = NewFile::create(path, Existing::Refuse, Access::Umask)?;
    fill(&mut new).map_err(|error| FileError::of(path, error))?;
    new.commit()
}
