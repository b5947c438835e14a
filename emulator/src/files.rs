//! Files that hold: read within a limit, written whole or not at all, replaced by one process only.
//!
//! A new file has no name until it is complete and durable, where the system can do that (Linux,
//! `O_TMPFILE`); elsewhere it has a random name of its own, is made anew and follows no link. Then it
//! gets its name in one step. A process that is killed leaves nothing, or at most a file called
//! `.xuejika-….part`, which the next one that writes into the folder removes.

mod folder;
mod system;

pub use folder::NewFolder;

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Beginning and end of the name of a file that is not complete yet. Project-defined.
const TEMPORARY: (&str, &str) = (".xuejika-", ".part");

/// How often a file is opened anew that was replaced at that moment.
const TRIES: u32 = 100;

/// What to do with a file that exists already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave it and write nothing.
    Refuse,
    /// Replace it, if it is a regular file; a symbolic link stands for its target.
    Replace,
}

/// Who may read a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Its owner only: mode 0600.
    Owner,
    /// Whoever the umask of the process lets.
    Umask,
}

/// Writes a file whole, makes it durable and gives it its name.
///
/// # Errors
/// Returns a [`FileError`]; the place is then as it was before.
pub fn write(
    path: &Path,
    contents: &[u8],
    existing: Existing,
    access: Access,
) -> Result<(), FileError> {
    let mut new = NewFile::create(path, existing, access)?;
    new.write_all(contents).map_err(|error| FileError::of(path, error))?;
    new.commit()
}

/// Reads a regular file of at most `limit` bytes. A pipe or a device is named and not waited for.
///
/// # Errors
/// Returns a [`FileError`].
pub fn read(path: &Path, limit: usize) -> Result<Vec<u8>, FileError> {
    contents(&mut open(path)?, path, limit)
}

/// Opens a regular file to read it.
///
/// # Errors
/// Returns a [`FileError`]; a folder, pipe, device or socket is [`FileError::Kind`].
pub fn open(path: &Path) -> Result<File, FileError> {
    let failed = |error| FileError::of(path, error);
    regular(path, &fs::metadata(path).map_err(failed)?)?;
    let file = system::open(path).map_err(failed)?;
    // The name may have changed its meaning meanwhile.
    regular(path, &file.metadata().map_err(failed)?)?;
    Ok(file)
}

fn regular(path: &Path, about: &fs::Metadata) -> Result<(), FileError> {
    if about.is_file() {
        return Ok(());
    }
    Err(FileError::Kind { path: path.into(), found: system::kind(about.file_type()) })
}

/// All bytes of a file, in a buffer that does not grow.
fn contents(file: &mut File, path: &Path, limit: usize) -> Result<Vec<u8>, FileError> {
    let failed = |error| FileError::of(path, error);
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    let capacity = usize::try_from(length).ok().filter(|length| *length <= limit);
    let too_long = FileError::TooLong { path: path.into(), limit };
    let Some(capacity) = capacity else { return Err(too_long) };
    let mut bytes = Vec::with_capacity(capacity);
    file.take(length).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Gives names to several files: all of them or, if one of them was to be new and cannot be, none
/// of the new ones.
///
/// # Errors
/// Returns the first [`FileError`].
pub fn commit_all(files: Vec<NewFile>) -> Result<(), FileError> {
    // A full disk shows here, before any of them has its name.
    for new in &files {
        new.file.sync_all().map_err(|error| FileError::of(&new.path, error))?;
    }
    let mut placed: Vec<PathBuf> = Vec::with_capacity(files.len());
    for new in files {
        let (path, existing) = (new.path.clone(), new.existing);
        if let Err(error) = new.commit() {
            for path in &placed {
                let _ = fs::remove_file(path);
            }
            return Err(error);
        }
        if existing == Existing::Refuse {
            placed.push(path);
        }
    }
    Ok(())
}

/// A file that is being written. Dropped without [`Self::commit`], it leaves nothing.
#[derive(Debug)]
pub struct NewFile {
    file: File,
    path: PathBuf,
    existing: Existing,
    /// The name it has until then, if it needs one.
    temporary: Temporary,
}

impl NewFile {
    /// Begins a file that is to be called `path`.
    ///
    /// # Errors
    /// Returns a [`FileError`] when it can be seen already that it can never have that name.
    pub fn create(path: &Path, existing: Existing, access: Access) -> Result<Self, FileError> {
        let path = destination(path, existing)?;
        remove_left_over(folder(&path));
        Self::begin(path, existing, access)
    }

    fn begin(path: PathBuf, existing: Existing, access: Access) -> Result<Self, FileError> {
        let mode = match access {
            Access::Owner => 0o600,
            Access::Umask => 0o666,
        };
        let made = match system::anonymous(folder(&path), mode) {
            Some(file) => Ok((file, Temporary(None))),
            None => named(folder(&path), mode),
        };
        let (file, temporary) = made.map_err(|error| FileError::of(&path, error))?;
        // Held until the end of the process: nobody takes it for one that was left over.
        let _ = file.try_lock();
        Ok(Self { file, path, existing, temporary })
    }

    /// What it will be called.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Cuts or extends what was written so far to this length in bytes.
    ///
    /// # Errors
    /// Returns what the file system says against it.
    pub fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    /// Makes the file durable and gives it its name.
    ///
    /// # Errors
    /// Returns a [`FileError`]; the place is then as it was before.
    pub fn commit(mut self) -> Result<(), FileError> {
        self.file
            .sync_all()
            .and_then(|()| self.place())
            .and_then(|()| sync_folder(&self.path))
            .map_err(|error| FileError::of(&self.path, error))
    }

    /// Gives it its name in one step.
    fn place(&mut self) -> io::Result<()> {
        match (self.existing, self.temporary.0.as_deref()) {
            (Existing::Refuse, None) => return system::link(&self.file, &self.path),
            (Existing::Refuse, Some(name)) => system::rename_new(name, &self.path)?,
            (Existing::Replace, Some(name)) => fs::rename(name, &self.path)?,
            (Existing::Replace, None) => {
                let name = random_name(folder(&self.path))?;
                system::link(&self.file, &name)?;
                fs::rename(&*self.temporary.0.insert(name), &self.path)?;
            }
        }
        self.temporary.0 = None;
        Ok(())
    }
}

/// Its errors are a [`FileError`] within, so that they name the file through every writer around it.
impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let named =
            |error: io::Error| io::Error::new(error.kind(), FileError::of(&self.path, error));
        self.file.write(bytes).map_err(named)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A name that goes away with its value.
#[derive(Debug)]
struct Temporary(Option<PathBuf>);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(name) = &self.0 {
            let _ = fs::remove_file(name);
        }
    }
}

/// A file that only this process replaces, for as long as it is open. The lock is on the file and
/// not on its name: whatever it is called, it is the same.
#[derive(Debug)]
pub struct OwnedFile {
    file: File,
    /// Without symbolic links.
    path: PathBuf,
}

impl OwnedFile {
    /// Opens a file that has one name.
    ///
    /// # Errors
    /// Returns a [`FileError`]: [`FileError::InUse`] while another process has it open,
    /// [`FileError::Linked`] when replacing it would leave another name with the old contents.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let failed = |error| FileError::of(path, error);
        for _ in 0..TRIES {
            let name = fs::canonicalize(path).map_err(failed)?;
            let file = open(&name)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => break,
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            let owned = Self { file, path: name };
            match owned.check() {
                // Its owner replaced it while we opened it.
                Err(FileError::Replaced { .. }) => {}
                Err(error) => return Err(error.called(path)),
                Ok(()) => {
                    remove_left_over(folder(&owned.path));
                    return Ok(owned);
                }
            }
        }
        Err(FileError::InUse { path: path.into() })
    }

    /// Reads it, if it has at most `limit` bytes.
    ///
    /// # Errors
    /// Returns a [`FileError`].
    pub fn read(&mut self, limit: usize) -> Result<Vec<u8>, FileError> {
        self.check()?;
        contents(&mut self.file, &self.path, limit)
    }

    /// What it is called, without symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file as it is now, for reading.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Replaces the contents with what `fill` writes, all or nothing, and waits until they are
    /// durable. Its rights stay as they are.
    ///
    /// # Errors
    /// Returns a [`FileError`]: [`FileError::Replaced`] or [`FileError::Linked`] when its name stands
    /// for something else by now, or it has got another one.
    pub fn replace(
        &mut self,
        fill: impl FnOnce(&mut NewFile) -> io::Result<()>,
    ) -> Result<(), FileError> {
        self.check()?;
        let mut new = NewFile::begin(self.path.clone(), Existing::Replace, Access::Owner)?;
        let rights = self.file.metadata().map(|about| about.permissions());
        fill(&mut new)
            .and_then(|()| new.file.set_permissions(rights?))
            .and_then(|()| new.file.sync_all())
            .and_then(|()| new.place())
            .map_err(|error| FileError::of(&self.path, error))?;
        // Its lock comes with it, held since before it had a name.
        self.file = new.file;
        sync_folder(&self.path).map_err(|error| FileError::of(&self.path, error))
    }

    /// The name stands for this file, and no other name does.
    fn check(&self) -> Result<(), FileError> {
        let path = || self.path.clone();
        let own = self.file.metadata().map_err(|error| FileError::of(&self.path, error))?;
        let named = fs::symlink_metadata(&self.path);
        if !named.is_ok_and(|named| system::same(&named, &own)) {
            return Err(FileError::Replaced { path: path() });
        }
        match system::names(&own) {
            1 => Ok(()),
            names => Err(FileError::Linked { path: path(), names }),
        }
    }
}

/// Where a new file goes: `path` without symbolic links.
fn destination(path: &Path, existing: Existing) -> Result<PathBuf, FileError> {
    let failed = |error| FileError::of(path, error);
    let about = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(path.into()),
        Err(error) => return Err(failed(error)),
        Ok(about) => about,
    };
    match existing {
        Existing::Refuse => Err(FileError::Exists { path: path.into() }),
        Existing::Replace if about.is_symlink() => {
            let path = fs::canonicalize(path).map_err(failed)?;
            destination(&path, existing)
        }
        Existing::Replace => regular(path, &about).map(|()| path.into()),
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A name becomes durable with its folder.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder(path))?.sync_all() } else { Ok(()) }
}

/// A new file with a name of its own.
fn named(folder: &Path, mode: u32) -> io::Result<(File, Temporary)> {
    let name = random_name(folder)?;
    let file = system::create_new(&name, mode)?;
    Ok((file, Temporary(Some(name))))
}

fn random_name(folder: &Path) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    let (begin, end) = TEMPORARY;
    Ok(folder.join(format!("{begin}{:016x}{end}", u64::from_be_bytes(random))))
}

/// Removes what processes left that were killed: files with a temporary name that nobody has open.
fn remove_left_over(folder: &Path) {
    let (begin, end) = TEMPORARY;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let random = name.to_str().and_then(|name| name.strip_prefix(begin)?.strip_suffix(end));
        let ours = random.is_some_and(|random| {
            random.len() == 16 && random.bytes().all(|digit| digit.is_ascii_hexdigit())
        });
        let path = entry.path();
        let is_file = || entry.file_type().is_ok_and(|kind| kind.is_file());
        if ours && is_file() && system::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = fs::remove_file(path);
        }
    }
}

/// Why a file cannot be read or written.
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
    /// The disk is full, or a limit of its user or of the process is reached.
    #[error("{}: no space: {error}", path.display())]
    NoSpace {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        error: io::Error,
    },
    /// It exists already.
    #[error("{}: exists already; no file is ever overwritten", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// It is no regular file.
    #[error("{}: is {found}, expected a regular file", path.display())]
    Kind {
        /// What is there.
        path: PathBuf,
        /// What it is, with its article.
        found: &'static str,
    },
    /// It is longer than it may be.
    #[error("{}: is longer than {limit} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Most bytes.
        limit: usize,
    },
    /// Another process has it open.
    #[error("{}: another process has it open", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It has several names, and replacing it would leave the others with the old contents.
    #[error("{}: has {names} names (hard links), expected 1", path.display())]
    Linked {
        /// One of them.
        path: PathBuf,
        /// How many there are.
        names: u64,
    },
    /// Its name stands for something else by now.
    #[error("{}: was removed or replaced by another program", path.display())]
    Replaced {
        /// The name.
        path: PathBuf,
    },
}

impl FileError {
    /// What the file system says about this file.
    #[must_use]
    pub fn of(path: &Path, error: io::Error) -> Self {
        let error = match error.downcast::<Self>() {
            Ok(known) => return known,
            Err(error) => error,
        };
        let path = path.into();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::NoSpace { path, error }
            }
            ErrorKind::AlreadyExists => Self::Exists { path },
            _ => Self::Io { path, error },
        }
    }

    /// The same of the file by another name.
    fn called(mut self, name: &Path) -> Self {
        match &mut self {
            Self::Io { path, .. }
            | Self::NoSpace { path, .. }
            | Self::Exists { path }
            | Self::Kind { path, .. }
            | Self::TooLong { path, .. }
            | Self::InUse { path }
            | Self::Linked { path, .. }
            | Self::Replaced { path } => name.clone_into(path),
        }
        self
    }
}
