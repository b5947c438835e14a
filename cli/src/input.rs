//! Input files, read whole: regular files of bounded length, or standard input.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context;

/// Most bytes of a text that people write or a program of ours has written: what is parsed from it
/// takes several times as much memory.
pub(crate) const MAX_TEXT: u64 = 4 << 20;

/// Refuses what is no regular file: a device may never end, and a named pipe may never begin.
///
/// # Errors
/// Of kind [`io::ErrorKind::InvalidInput`] for a device, a socket or a named pipe, of kind
/// [`io::ErrorKind::IsADirectory`] for a folder; otherwise what the file system says.
pub(crate) fn regular(path: &Path) -> io::Result<()> {
    let about = fs::metadata(path)?;
    if about.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if about.is_file() {
        return Ok(());
    }
    let error = "is no regular file, but a device, a socket or a named pipe";
    Err(io::Error::new(io::ErrorKind::InvalidInput, error))
}

/// Reads a file of at most `most` bytes.
pub(crate) fn bytes(path: &Path, most: u64) -> anyhow::Result<Vec<u8>> {
    let read = || {
        regular(path)?;
        bounded(File::open(path)?, most)
    };
    read().with_context(|| path.display().to_string())
}

/// Reads a text of at most `most` bytes in UTF-8.
pub(crate) fn text(path: &Path, most: u64) -> anyhow::Result<String> {
    utf8(bytes(path, most)?).with_context(|| path.display().to_string())
}

/// Reads standard input, of at most `most` bytes.
pub(crate) fn standard(most: u64) -> anyhow::Result<Vec<u8>> {
    bounded(io::stdin().lock(), most).context("standard input")
}

/// The text in bytes that were read.
pub(crate) fn utf8(bytes: Vec<u8>) -> anyhow::Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        anyhow::anyhow!("is no UTF-8 text from byte {at} on")
    })
}

fn bounded(source: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        let error = format!("has more than {most} bytes, which is more than any such file needs");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_bounded_length_are_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), b"12345").unwrap();
        assert_eq!(text(file.path(), 5).unwrap(), "12345");
        let error = format!("{:#}", text(file.path(), 4).unwrap_err());
        assert!(error.contains("more than 4 bytes"), "{error}");
        fs::write(file.path(), b"12\xFF45").unwrap();
        assert!(format!("{:#}", text(file.path(), 5).unwrap_err()).contains("byte 2"));
        #[cfg(unix)]
        assert!(format!("{:#}", bytes(Path::new("/dev/zero"), 5).unwrap_err()).contains("device"));
        assert!(bytes(file.path().parent().unwrap(), 5).is_err());
    }
}
