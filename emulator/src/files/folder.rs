//! Folders that are made for files.

use std::fs;
use std::path::{Path, PathBuf};

use super::FileError;

/// A folder and the folders above it, as far as they were not there. Dropped without [`Self::keep`],
/// those that were made go again, if they are empty.
#[derive(Debug)]
pub struct NewFolder {
    path: PathBuf,
    /// How many were made.
    made: usize,
}

impl NewFolder {
    /// Makes what is not there yet.
    ///
    /// # Errors
    /// Returns a [`FileError`].
    pub fn create(path: &Path) -> Result<Self, FileError> {
        let missing =
            |folder: &&Path| !folder.as_os_str().is_empty() && folder.symlink_metadata().is_err();
        let made = path.ancestors().take_while(missing).count();
        let new = Self { path: path.into(), made };
        fs::create_dir_all(path).map_err(|error| FileError::of(path, error))?;
        Ok(new)
    }

    /// Leaves them where they are.
    pub fn keep(mut self) {
        self.made = 0;
    }
}

impl Drop for NewFolder {
    fn drop(&mut self) {
        for folder in self.path.ancestors().take(self.made) {
            let _ = fs::remove_dir(folder);
        }
    }
}
