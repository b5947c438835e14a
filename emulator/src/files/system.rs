//! What systems call differently.

use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io;
use std::path::Path;

#[cfg(target_os = "linux")]
pub(super) use linux::{anonymous, link, rename_new};
#[cfg(not(target_os = "linux"))]
pub(super) use portable::{anonymous, link, rename_new};
#[cfg(unix)]
pub(super) use unix::{create_new, kind, names, open, same};

#[cfg(unix)]
mod unix {
    use super::*;
    use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};

    use rustix::fs::OFlags;

    /// Opens a file to read it, without waiting for the other end of a pipe.
    pub(in super::super) fn open(path: &Path) -> io::Result<File> {
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
        OpenOptions::new().read(true).custom_flags(flags).open(path)
    }

    /// Makes a file that was not there; a link is something that is there.
    pub(in super::super) fn create_new(path: &Path, mode: u32) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).mode(mode).open(path)
    }

    /// What is no regular file.
    pub(in super::super) fn kind(kind: FileType) -> &'static str {
        match kind {
            _ if kind.is_dir() => "a folder",
            _ if kind.is_symlink() => "a symbolic link",
            _ if kind.is_fifo() => "a named pipe",
            _ if kind.is_socket() => "a socket",
            _ => "a device",
        }
    }

    /// Whether both are the same file.
    pub(in super::super) fn same(one: &Metadata, other: &Metadata) -> bool {
        (one.dev(), one.ino()) == (other.dev(), other.ino())
    }

    /// How many names a file has.
    pub(in super::super) fn names(about: &Metadata) -> u64 {
        about.nlink()
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use super::*;
    use std::os::fd::AsRawFd;

    use rustix::fs::{
        AtFlags, CWD, Mode, OFlags, RenameFlags, linkat, open as open_at, renameat_with,
    };

    /// A file without a name, which goes with its last descriptor; none where there is no such
    /// thing, or no way to give it a name.
    pub(in super::super) fn anonymous(folder: &Path, mode: u32) -> Option<File> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let file = File::from(open_at(folder, flags, Mode::from_raw_mode(mode)).ok()?);
        fs::symlink_metadata(place(&file)).ok()?;
        Some(file)
    }

    /// Gives a file without a name one that is free.
    pub(in super::super) fn link(file: &File, path: &Path) -> io::Result<()> {
        Ok(linkat(CWD, place(file), CWD, path, AtFlags::SYMLINK_FOLLOW)?)
    }

    /// Renames a file to a name that is free.
    pub(in super::super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
        Ok(renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)?)
    }

    fn place(file: &File) -> String {
        format!("/proc/self/fd/{}", file.as_raw_fd())
    }
}

#[cfg(not(target_os = "linux"))]
mod portable {
    use super::*;

    pub(in super::super) fn anonymous(_folder: &Path, _mode: u32) -> Option<File> {
        None
    }

    pub(in super::super) fn link(_file: &File, _path: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Renames a file to a name that is free.
    pub(in super::super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)?;
        fs::remove_file(from)
    }
}

#[cfg(not(unix))]
pub(super) use other::{create_new, kind, names, open, same};

#[cfg(not(unix))]
mod other {
    use super::*;

    pub(in super::super) fn open(path: &Path) -> io::Result<File> {
        File::open(path)
    }

    pub(in super::super) fn create_new(path: &Path, _mode: u32) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).open(path)
    }

    pub(in super::super) fn kind(kind: FileType) -> &'static str {
        if kind.is_dir() { "a folder" } else { "something else" }
    }

    /// Cannot be known.
    pub(in super::super) fn same(_one: &Metadata, _other: &Metadata) -> bool {
        true
    }

    pub(in super::super) fn names(_about: &Metadata) -> u64 {
        1
    }
}
