//! Secrets that come in from the outside: a file or an open descriptor, never the command line and
//! never the environment. And the way out: into a new file that only its owner can read, or into an
//! open descriptor.
//!
//! A file of secrets is a regular file of the effective user without any right for group or others,
//! and its last path component is no symbolic link. The checks are made on the open descriptor, so
//! that nobody can put another file in its place in between.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt;
use core::str::FromStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, geteuid, setrlimit};
use zeroize::Zeroizing;

/// Largest secret that is read, in bytes: a key file of a few hundred roots.
pub const MAX_LEN: usize = 64 * 1024;

/// Permission bits that a file of secrets must not have.
const OTHERS: u32 = 0o077;

/// Where a secret is read from, or written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// A file.
    File(PathBuf),
    /// A descriptor that the caller of this process opened: a pipe, or a file that meets the rules
    /// for files.
    Descriptor(u32),
}

impl SecretSource {
    /// Reads the secret. The only copy is the one returned, wiped on drop.
    ///
    /// # Errors
    /// Returns a [`SecretError`] when the source breaks the rules or cannot be read.
    pub fn read(&self) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let file = self.open().map_err(|error| self.failed(error))?;
        let about = file.metadata().map_err(|error| self.failed(error))?;
        self.check(&about)?;
        self.read_all(file)
    }

    fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true);
        match self {
            // Non-blocking: opening a pipe must not wait for its other end before it is refused.
            Self::File(path) => {
                let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
                options.custom_flags(flags.bits().cast_signed()).open(path)
            }
            Self::Descriptor(number) => options.open(format!("/dev/fd/{number}")),
        }
    }

    /// Writes the secret, into a new file of mode 0600 or at the end of what the descriptor leads to:
    /// a pipe, or a file that meets the rules for files.
    ///
    /// # Errors
    /// Returns a [`SecretError`] when the place breaks the rules or cannot be written.
    pub fn write(&self, secret: &[u8]) -> Result<(), SecretError> {
        let number = match self {
            Self::File(path) => return write_new(path, secret),
            Self::Descriptor(number) => number,
        };
        let failed = |error| self.failed(error);
        let place = format!("/dev/fd/{number}");
        let mut file = OpenOptions::new().append(true).open(place).map_err(failed)?;
        self.check(&file.metadata().map_err(failed)?)?;
        file.write_all(secret).map_err(failed)
    }

    fn check(&self, about: &Metadata) -> Result<(), SecretError> {
        let kind = about.file_type();
        if matches!(self, Self::Descriptor(_)) && kind.is_fifo() {
            return Ok(());
        }
        let refuse = |refusal| Err(SecretError::Refused { place: self.clone(), refusal });
        let user = geteuid().as_raw();
        if !kind.is_file() {
            refuse(Refusal::NoRegularFile)
        } else if about.mode() & OTHERS != 0 {
            refuse(Refusal::Mode(about.mode() & 0o7777))
        } else if about.uid() != user {
            refuse(Refusal::Owner { owner: about.uid(), user })
        } else {
            Ok(())
        }
    }

    fn read_all(&self, mut file: File) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        // One buffer from the start: growing would leave copies behind.
        let mut bytes = Zeroizing::new(vec![0; MAX_LEN + 1]);
        let mut length = 0;
        loop {
            let room = bytes.get_mut(length..).unwrap_or_default();
            match file.read(room) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        if length > MAX_LEN {
            return Err(SecretError::TooLong(self.clone()));
        }
        bytes.truncate(length);
        Ok(bytes)
    }

    fn failed(&self, error: io::Error) -> SecretError {
        let place = self.clone();
        if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) {
            return SecretError::Refused { place, refusal: Refusal::Link };
        }
        SecretError::Io { place, error }
    }
}

impl FromStr for SecretSource {
    type Err = Infallible;

    /// Reads `fd:N`, `-` for the standard input, or the path of a file.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let descriptor = match text.strip_prefix("fd:") {
            Some(number) => number.parse().ok().filter(|_| !number.starts_with('+')),
            None => (text == "-").then_some(0),
        };
        Ok(descriptor.map_or_else(|| Self::File(text.into()), Self::Descriptor))
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Descriptor(number) => write!(f, "fd:{number}"),
        }
    }
}

/// Writes a secret into a new file of mode 0600 and makes it durable.
///
/// # Errors
/// Returns a [`SecretError`] when something of that name exists already, or it cannot be written.
pub fn write_new(path: &Path, secret: &[u8]) -> Result<(), SecretError> {
    let place = || SecretSource::File(path.to_owned());
    let failed = |error: io::Error| match error.kind() {
        ErrorKind::AlreadyExists => {
            SecretError::Refused { place: place(), refusal: Refusal::Exists }
        }
        _ => SecretError::Io { place: place(), error },
    };
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(secret).and_then(|()| file.sync_all()).map_err(|error| {
        // Half a secret is of no use to its owner.
        let _ = fs::remove_file(path);
        failed(error)
    })
}

/// Forbids core dumps of this process, which would hold its keys. On Linux nobody but the superuser
/// can look into its memory any more, either.
///
/// # Errors
/// Returns what the operating system says against it.
pub fn forbid_core_dumps() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?)
}

/// Why a secret is not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// It cannot be opened, read or written.
    #[error("{place}: {error}")]
    Io {
        /// Where.
        place: SecretSource,
        /// What the operating system says.
        error: io::Error,
    },
    /// Its place is not safe.
    #[error("{place}: {refusal}")]
    Refused {
        /// Where.
        place: SecretSource,
        /// Which rule is broken.
        refusal: Refusal,
    },
    /// It is longer than [`MAX_LEN`].
    #[error("{0}: longer than {MAX_LEN} bytes")]
    TooLong(SecretSource),
}

/// Which rule for files of secrets is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The last component of the path is a symbolic link.
    #[error("is a symbolic link, expected the file itself")]
    Link,
    /// It is a folder, a device, a socket, or a pipe with a name.
    #[error("is no regular file; secrets come from one or go to one, or to a pipe as fd:N")]
    NoRegularFile,
    /// Its mode gives rights to others.
    #[error("has mode {0:04o}, expected 0600: nobody else may have a right to it")]
    Mode(u32),
    /// It belongs to somebody else.
    #[error("belongs to user {owner}, expected {user}, who runs this program")]
    Owner {
        /// Whom it belongs to.
        owner: u32,
        /// The effective user.
        user: u32,
    },
    /// Something of that name exists.
    #[error("exists already; secrets are written to new files only")]
    Exists,
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use tempfile::TempDir;

    fn folder() -> TempDir {
        tempfile::tempdir().unwrap()
    }

    fn secret_in(folder: &TempDir, mode: u32) -> PathBuf {
        let path = folder.path().join(format!("{mode:o}"));
        write_new(&path, b"secret").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn refusal<T>(result: Result<T, SecretError>) -> Option<Refusal> {
        match result.err()? {
            SecretError::Refused { refusal, .. } => Some(refusal),
            _ => None,
        }
    }

    fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        SecretSource::File(path.to_owned()).read()
    }

    #[test]
    fn only_a_private_file_is_read() {
        let folder = folder();
        for mode in [0o600, 0o400, 0o700] {
            assert_eq!(*read(&secret_in(&folder, mode)).unwrap(), b"secret", "{mode:o}");
        }
        for mode in [0o640, 0o604, 0o660, 0o644, 0o620, 0o602, 0o610, 0o601] {
            assert_eq!(refusal(read(&secret_in(&folder, mode))), Some(Refusal::Mode(mode)));
        }
    }

    #[test]
    fn links_folders_and_devices_are_refused() {
        let folder = folder();
        let link = folder.path().join("link");
        symlink(secret_in(&folder, 0o600), &link).unwrap();
        assert_eq!(refusal(read(&link)), Some(Refusal::Link));
        assert_eq!(refusal(read(folder.path())), Some(Refusal::NoRegularFile));
        assert_eq!(refusal(read(Path::new("/dev/zero"))), Some(Refusal::NoRegularFile));
        assert!(matches!(read(&folder.path().join("none")), Err(SecretError::Io { .. })));
    }

    #[test]
    fn the_owner_has_to_be_the_effective_user() {
        let folder = folder();
        let path = secret_in(&folder, 0o600);
        let user = geteuid().as_raw();
        if user != 0 {
            return; // only the superuser can give a file away
        }
        std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
        assert_eq!(refusal(read(&path)), Some(Refusal::Owner { owner: 12345, user }));
    }

    #[test]
    fn long_secrets_are_refused() {
        let folder = folder();
        let path = folder.path().join("long");
        write_new(&path, &vec![b'A'; MAX_LEN]).unwrap();
        assert_eq!(read(&path).unwrap().len(), MAX_LEN);
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"A").unwrap();
        assert!(matches!(read(&path), Err(SecretError::TooLong(_))));
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = folder();
        let path = secret_in(&folder, 0o600);
        assert_eq!(refusal(write_new(&path, b"other")), Some(Refusal::Exists));
        assert_eq!(*read(&path).unwrap(), b"secret");
        let dangling = folder.path().join("dangling");
        symlink(folder.path().join("target"), &dangling).unwrap();
        assert_eq!(refusal(write_new(&dangling, b"other")), Some(Refusal::Exists));
    }

    #[test]
    fn a_descriptor_is_written_as_it_is_read() {
        use std::os::fd::AsRawFd;

        let folder = folder();
        let to = |file: &File| SecretSource::Descriptor(file.as_raw_fd().cast_unsigned());
        let path = secret_in(&folder, 0o600);
        let file = File::options().write(true).open(&path).unwrap();
        to(&file).write(b" and more").unwrap();
        assert_eq!(*read(&path).unwrap(), b"secret and more");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(refusal(to(&file).write(b"!")), Some(Refusal::Mode(0o640)));
        assert_eq!(fs::read(&path).unwrap(), b"secret and more");
        let device = File::options().write(true).open("/dev/null").unwrap();
        assert_eq!(refusal(to(&device).write(b"!")), Some(Refusal::NoRegularFile));
    }

    #[test]
    fn sources_are_named_as_they_are_written() {
        for text in ["fd:3", "folder/key", "fd:x"] {
            assert_eq!(text.parse::<SecretSource>().unwrap().to_string(), text);
        }
        assert_eq!("-".parse(), Ok(SecretSource::Descriptor(0)));
        assert_eq!("fd:3".parse(), Ok(SecretSource::Descriptor(3)));
    }
}
