//! Files that are given: regular ones only, because a device may never end and a named pipe may
//! never begin.

use std::fs::{self, File, FileType};
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use crate::error::Cause;

/// Opens a regular file.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    check(fs::metadata(path)?.file_type())?;
    let file = File::open(path)?;
    // The name may have changed its meaning meanwhile.
    check(file.metadata()?.file_type())?;
    Ok(file)
}

/// Reads a regular file of at most `limit` bytes as UTF-8.
pub(crate) fn text(path: &Path, limit: usize) -> Result<String, Cause> {
    let mut bytes = Vec::new();
    open(path)?.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(format!("is longer than {limit} bytes").into());
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        format!("is no UTF-8 text from byte {at} on").into()
    })
}

fn check(kind: FileType) -> io::Result<()> {
    if kind.is_file() {
        return Ok(());
    }
    let error = format!("is {}, expected a regular file", name(kind));
    Err(io::Error::new(ErrorKind::InvalidInput, error))
}

#[cfg(unix)]
fn name(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match kind {
        _ if kind.is_dir() => "a folder",
        _ if kind.is_fifo() => "a named pipe",
        _ if kind.is_socket() => "a socket",
        _ => "a device",
    }
}

#[cfg(not(unix))]
fn name(kind: FileType) -> &'static str {
    if kind.is_dir() { "a folder" } else { "something else" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_bounded_length_are_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), b"12345").unwrap();
        assert_eq!(text(file.path(), 5).unwrap(), "12345");
        let told = |path: &Path, limit| text(path, limit).unwrap_err().to_string();
        assert!(told(file.path(), 4).contains("4 bytes"));
        fs::write(file.path(), b"12\xFF45").unwrap();
        assert!(told(file.path(), 5).contains("byte 2"));
        assert!(told(file.path().parent().unwrap(), 5).contains("a folder"));
        #[cfg(unix)]
        assert!(told(Path::new("/dev/zero"), 5).contains("a device"));
    }
}
