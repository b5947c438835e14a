//! A writer that hashes what goes through it.

use std::io::{self, Write};

use sha2::{Digest, Sha256};

pub(crate) struct Hashed<W> {
    to: W,
    hash: Sha256,
    bytes: u64,
}

impl<W> Hashed<W> {
    pub(crate) fn new(to: W) -> Self {
        Self { to, hash: Sha256::new(), bytes: 0 }
    }

    /// The writer, and number and SHA-256 of the bytes.
    pub(crate) fn finish(self) -> (W, u64, [u8; 32]) {
        (self.to, self.bytes, self.hash.finalize().into())
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.to.write(bytes)?;
        self.hash.update(bytes.get(..length).unwrap_or_default());
        self.bytes += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
