//! Writing: lengths are always in their shortest form, templates nest by closures.

use alloc::vec::Vec;

use super::Tag;

/// Writes data objects behind what `out` already holds.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Writes to the end of `out`.
    #[must_use]
    pub const fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out }
    }

    /// Writes an object with this value.
    #[inline]
    pub fn object(&mut self, tag: Tag, value: &[u8]) -> &mut Self {
        self.head(tag, value.len());
        self.out.extend_from_slice(value);
        self
    }

    /// Writes an object whose value is these parts, one behind the other.
    pub fn parts<const N: usize>(
        &mut self,
        tag: Tag,
        parts: impl ExactSizeIterator<Item = [u8; N]>,
    ) -> &mut Self {
        self.head(tag, N * parts.len());
        parts.for_each(|part| self.out.extend_from_slice(&part));
        self
    }

    /// Writes an object whose value is what `contents` writes.
    pub fn template(&mut self, tag: Tag, contents: impl FnOnce(&mut Writer<'_>)) -> &mut Self {
        // Most values are short: their length takes the one byte kept for it.
        self.head(tag, 0);
        let start = self.out.len();
        contents(&mut Writer::new(self.out));
        let (bytes, used) = length(self.out.len() - start);
        match (self.out.get_mut(start - 1), bytes) {
            (Some(place), [short, ..]) if used == 1 => *place = short,
            _ => drop(self.out.splice(start - 1..start, bytes.into_iter().take(used))),
        }
        self
    }

    /// Writes tag and length of an object whose value the caller appends.
    #[inline]
    pub fn head(&mut self, tag: Tag, value_len: usize) {
        let bytes = tag.number().to_be_bytes();
        let (length, used) = length(value_len);
        // Nearly always one byte each, which is one move.
        if let ([0, 0, 0, tag], [length, ..], 1) = (bytes, length, used) {
            self.out.extend_from_slice(&[tag, length]);
            return;
        }
        self.out.extend_from_slice(bytes.get(bytes.len() - tag.len()..).unwrap_or(&[]));
        self.out.extend_from_slice(length.get(..used).unwrap_or(&[]));
    }
}

/// The shortest length field, in the first bytes of an array. Values are below 16 MiB.
#[inline]
fn length(value_len: usize) -> ([u8; 4], usize) {
    let [.., high, middle, low] = value_len.to_be_bytes();
    match value_len {
        0..=0x7F => ([low, 0, 0, 0], 1),
        0x80..=0xFF => ([0x81, low, 0, 0], 2),
        0x100..=0xFFFF => ([0x82, middle, low, 0], 3),
        _ => ([0x83, high, middle, low], 4),
    }
}
