//! A card's memory in a file that survives the end of the process at any moment.
//!
//! The file always holds one whole image: each commit writes a new file beside it, makes it
//! durable, and renames it over the old one. A lock keeps two processes off one card.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use xuejika_card_model::image::{self, ImageError};
use xuejika_card_model::nvm::{Nvm, NvmError, RamNvm};

/// Memory backed by an image file.
#[derive(Debug)]
pub struct FileNvm {
    ram: RamNvm,
    path: PathBuf,
    /// Held for as long as the card is open.
    _lock: File,
    dirty: bool,
    /// A commit could not be stored; what the file holds is the truth.
    failed: bool,
}

impl FileNvm {
    /// Opens an image file.
    ///
    /// # Errors
    /// Returns a [`FileError`] when the file cannot be read, is damaged, or is in use.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        // A file that is no card gets no lock beside it.
        read_image(path)?;
        let lock = lock(path)?;
        let memory = read_image(path)?;
        let (path, ram) = (path.to_owned(), RamNvm::new(memory));
        Ok(Self { ram, path, _lock: lock, dirty: false, failed: false })
    }

    /// The memory in RAM, to plan a power cut.
    pub const fn ram_mut(&mut self) -> &mut RamNvm {
        &mut self.ram
    }
}

impl Nvm for FileNvm {
    fn bytes(&self) -> &[u8] {
        self.ram.bytes()
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) -> Result<(), NvmError> {
        if self.failed {
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
            let stored = image::emit(self.ram.bytes())
                .map_err(|_| NvmError::Storage)
                .and_then(|image| replace(&self.path, &image).map_err(|_| NvmError::Storage));
            self.failed = stored.is_err();
            stored?;
            self.dirty = false;
        }
        Ok(())
    }

    fn power_on(&mut self) -> Result<(), NvmError> {
        if self.failed {
            let memory = read_image(&self.path).map_err(|_| NvmError::Storage)?;
            self.ram = RamNvm::new(memory);
            self.failed = false;
            self.dirty = false;
        }
        self.ram.power_on()
    }
}

/// Writes a new image file.
///
/// # Errors
/// Returns a [`FileError`] when the memory is no image, or the file exists or cannot be written.
pub fn create(path: &Path, memory: &[u8]) -> Result<(), FileError> {
    let image =
        image::emit(memory).map_err(|error| FileError::Image { path: path.into(), error })?;
    let io = |error| FileError::Io { path: path.into(), error };
    // Claims the name first, so that no existing card is ever replaced.
    private().create_new(true).open(path).map_err(io)?;
    replace(path, &image).map_err(io)
}

/// Reads the memory out of an image file.
///
/// # Errors
/// Returns a [`FileError`] naming the file and what is wrong with it.
pub fn read_image(path: &Path) -> Result<Vec<u8>, FileError> {
    let bytes = fs::read(path).map_err(|error| FileError::Io { path: path.into(), error })?;
    let memory =
        image::parse(&bytes).map_err(|error| FileError::Image { path: path.into(), error })?;
    Ok(memory.to_vec())
}

/// Puts `contents` in the place of the file, all or nothing, and waits until it is durable.
fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let temporary = sibling(path, "new");
    let mut file = private().create(true).truncate(true).open(&temporary)?;
    file.write_all(contents)?;
    file.sync_data()?;
    fs::rename(&temporary, path)?;
    // The rename itself becomes durable with the directory.
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

fn lock(path: &Path) -> Result<File, FileError> {
    let io = |error| FileError::Io { path: path.into(), error };
    // The image is replaced at every commit, so the lock needs a file of its own.
    let file = private().create(true).truncate(false).open(sibling(path, "lock")).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(FileError::InUse { path: path.into() }),
        Err(fs::TryLockError::Error(error)) => Err(io(error)),
    }
}

/// The image holds keys: readable by its owner only.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn sibling(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    name.into()
}

/// Why a card's file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file system failed.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What failed.
        #[source]
        error: io::Error,
    },
    /// The contents are damaged.
    #[error("{}: {error}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        error: ImageError,
    },
    /// Another process has the card open.
    #[error("{}: another process has this card open", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
}
