//! Input files, read whole: regular files of bounded length, or standard input.

use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, anyhow, ensure};
use xuejika_emulator::files;

/// Most bytes of a text that people write or a program of ours has written: what is parsed from it
/// takes several times as much memory.
pub(crate) const MAX_TEXT: usize = 4 << 20;

/// Most bytes of a file that a program of ours has written, one entry per card or exchange: lists,
/// samples, reports.
pub(crate) const MAX_DATA: usize = 128 << 20;

/// Most bytes of a file of personalisation uploads: six million of them.
pub(crate) const MAX_UPLOADS: usize = 1 << 30;

/// Reads a file, or standard input when the path is `-`, of at most `most` bytes.
pub(crate) fn named(path: &Path, most: usize) -> anyhow::Result<Vec<u8>> {
    if path == Path::new("-") { standard(most) } else { bytes(path, most) }
}

/// Reads a regular file of at most `most` bytes: a device may never end, and a named pipe may never
/// begin.
pub(crate) fn bytes(path: &Path, most: usize) -> anyhow::Result<Vec<u8>> {
    Ok(files::read(path, most)?)
}

/// Reads a text of at most `most` bytes in UTF-8.
pub(crate) fn text(path: &Path, most: usize) -> anyhow::Result<String> {
    utf8(bytes(path, most)?).with_context(|| path.display().to_string())
}

/// Reads standard input, of at most `most` bytes.
pub(crate) fn standard(most: usize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let source = io::stdin().lock().take(most as u64 + 1);
    { source }.read_to_end(&mut bytes).context("standard input")?;
    ensure!(
        bytes.len() <= most,
        "standard input: has more than {most} bytes, the most it may have"
    );
    Ok(bytes)
}

/// The text in bytes that were read, without a byte-order mark.
pub(crate) fn utf8(bytes: Vec<u8>) -> anyhow::Result<String> {
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = 1 + good.filter(|byte| **byte == b'\n').count();
        anyhow!("line {line} is not UTF-8; convert the file first, for example from GB 18030")
    })?;
    Ok(text.strip_prefix('\u{FEFF}').map(str::to_owned).unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_of_bounded_length_are_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"12345").unwrap();
        assert_eq!(text(file.path(), 5).unwrap(), "12345");
        let error = format!("{:#}", text(file.path(), 4).unwrap_err());
        assert!(error.contains("4 bytes"), "{error}");
        std::fs::write(file.path(), b"1\n\xFF45").unwrap();
        assert!(format!("{:#}", text(file.path(), 5).unwrap_err()).contains("line 2 is not UTF-8"));
        std::fs::write(file.path(), "\u{FEFF}12").unwrap();
        assert_eq!(text(file.path(), 5).unwrap(), "12");
        #[cfg(unix)]
        assert!(format!("{:#}", bytes(Path::new("/dev/zero"), 5).unwrap_err()).contains("device"));
        assert!(bytes(file.path().parent().unwrap(), 5).is_err());
    }
}
