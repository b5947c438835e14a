//! Input files: read within a limit, a pipe like a file, `-` the standard input.

use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, ensure};
use xuejika_emulator::files;

use crate::exit::{Failure, Outcome};

/// Largest input that is read as a whole, in bytes.
const MAX: usize = 64 << 20;

/// The contents of a file.
pub(crate) fn bytes(path: &Path) -> Outcome<Vec<u8>> {
    files::read_input(path, MAX).map_err(Failure::usage)
}

/// The contents of a file in UTF-8.
pub(crate) fn text(path: &Path) -> anyhow::Result<String> {
    let bytes = files::read_input(path, MAX)?;
    String::from_utf8(bytes).with_context(|| path.display().to_string())
}

/// The contents of a file, or of the standard input where the path is `-`.
pub(crate) fn bytes_or_stdin(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path != Path::new("-") {
        return Ok(files::read_input(path, MAX)?);
    }
    let mut bytes = Vec::new();
    io::stdin().lock().take(MAX as u64 + 1).read_to_end(&mut bytes)?;
    ensure!(bytes.len() <= MAX, "standard input: is longer than {MAX} bytes");
    Ok(bytes)
}
