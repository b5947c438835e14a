//! A card's memory in a file that survives the end of the process at any moment.
//!
//! The file always holds one whole image: each commit replaces it as [`crate::files`] does. While a
//! card is open, no other process can open it, by whatever name.

use std::io::Write;
use std::path::{Path, PathBuf};

use xuejika_card_model::image::{self, ImageError};
use xuejika_card_model::nvm::{Nvm, NvmError, RamNvm};

use crate::files::{self, Access, Existing, FileError, OwnedFile};

/// Longest image, in bytes.
const MAX_IMAGE: usize = image::OVERHEAD + image::MAX_MEMORY;

/// Memory backed by an image file.
#[derive(Debug)]
pub struct FileNvm {
    ram: RamNvm,
    file: OwnedFile,
    dirty: bool,
    /// Why the last commit could not be stored; what the file holds is the truth.
    failure: Option<ImageFileError>,
}

impl FileNvm {
    /// Opens an image file.
    ///
    /// # Errors
    /// Returns an [`ImageFileError`] when the file cannot be read, is damaged, or is in use.
    pub fn open(path: &Path) -> Result<Self, ImageFileError> {
        let mut file = OwnedFile::open(path)?;
        let ram = RamNvm::new(memory(path, &file.read(MAX_IMAGE)?)?);
        Ok(Self { ram, file, dirty: false, failure: None })
    }

    /// The memory in RAM, to plan a power cut.
    pub const fn ram_mut(&mut self) -> &mut RamNvm {
        &mut self.ram
    }

    /// Why the last commit could not be stored.
    #[must_use]
    pub const fn failure(&self) -> Option<&ImageFileError> {
        self.failure.as_ref()
    }

    fn store(&mut self) -> Result<(), ImageFileError> {
        let image = image::emit(self.ram.bytes())
            .map_err(|error| ImageFileError::Image { path: self.file.path().into(), error })?;
        Ok(self.file.replace(|new| new.write_all(&image))?)
    }

    fn load(&mut self) -> Result<(), ImageFileError> {
        let image = self.file.read(MAX_IMAGE)?;
        self.ram = RamNvm::new(memory(self.file.path(), &image)?);
        Ok(())
    }
}

impl Nvm for FileNvm {
    fn bytes(&self) -> &[u8] {
        self.ram.bytes()
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<(), NvmError> {
        if self.failure.is_some() {
            return Err(NvmError::Storage);
        }
        self.dirty = true;
        self.ram.write(offset, bytes)
    }

    /// The file is replaced as a whole: it never holds a part of what was written.
    fn barrier(&mut self) -> Result<(), NvmError> {
        self.ram.barrier()
    }

    fn sync(&mut self) -> Result<(), NvmError> {
        self.ram.sync()?;
        if self.dirty {
            self.failure = self.store().err();
            if self.failure.is_some() {
                return Err(NvmError::Storage);
            }
            self.dirty = false;
        }
        Ok(())
    }

    fn power_on(&mut self) -> Result<(), NvmError> {
        if self.failure.is_some() {
            self.failure = self.load().err();
            if self.failure.is_some() {
                return Err(NvmError::Storage);
            }
            self.dirty = false;
        }
        self.ram.power_on()
    }
}

/// Writes a new image file.
///
/// # Errors
/// Returns an [`ImageFileError`] when the memory is no image, or the file exists or cannot be
/// written.
pub fn create(path: &Path, memory: &[u8]) -> Result<(), ImageFileError> {
    let image =
        image::emit(memory).map_err(|error| ImageFileError::Image { path: path.into(), error })?;
    Ok(files::write(path, &image, Existing::Refuse, Access::Owner)?)
}

/// Reads the memory out of an image file, which may be open elsewhere: every commit is whole.
///
/// # Errors
/// Returns an [`ImageFileError`] naming the file and what is wrong with it.
pub fn read_image(path: &Path) -> Result<Vec<u8>, ImageFileError> {
    memory(path, &files::read(path, MAX_IMAGE)?)
}

fn memory(path: &Path, file: &[u8]) -> Result<Vec<u8>, ImageFileError> {
    let memory =
        image::parse(file).map_err(|error| ImageFileError::Image { path: path.into(), error })?;
    Ok(memory.to_vec())
}

/// Why a card's file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageFileError {
    /// The file cannot be read, written or used by this process alone.
    #[error(transparent)]
    File(#[from] FileError),
    /// The contents are damaged.
    #[error("{}: {error}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        error: ImageError,
    },
}
