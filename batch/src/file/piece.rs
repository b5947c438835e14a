//! What is known of a file of rows once it was read.

use sha2::{Digest, Sha256};

/// What is known of a file once it was read.
#[derive(Debug)]
pub struct FileEnd {
    /// The file, by its place in the manifest.
    pub file: usize,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
    /// The row after its last one.
    pub next_row: u32,
}

/// SHA-256 over the hashes of files, in order.
#[must_use]
pub fn digest(files: &[FileEnd]) -> [u8; 32] {
    let mut hash = Sha256::new();
    files.iter().for_each(|file| hash.update(file.sha256));
    hash.finalize().into()
}
