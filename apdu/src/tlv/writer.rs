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
    pub fn object(&mut self, tag: Tag, value: &[u8]) -> &mut Self {
        self.tag(tag);
        let (bytes, used) = length(value.len());
        self.out.extend(bytes.iter().take(used));
        self.out.extend_from_slice(value);
        self
    }

    /// Writes an object whose value is what `contents` writes.
    pub fn template(&mut self, tag: Tag, contents: impl FnOnce(&mut Writer<'_>)) -> &mut Self {
        self.tag(tag);
        let start = self.out.len();
        contents(&mut Writer::new(self.out));
        let (bytes, used) = length(self.out.len() - start);
        self.out.extend(bytes.iter().take(used));
        if let Some(value_and_length) = self.out.get_mut(start..) {
            value_and_length.rotate_right(used);
        }
        self
    }

    fn tag(&mut self, tag: Tag) {
        let bytes = tag.number().to_be_bytes();
        self.out.extend(bytes.iter().skip(bytes.len() - tag.len()));
    }
}

/// The shortest length field, in the first bytes of an array. Values are below 16 MiB.
fn length(value_len: usize) -> ([u8; 4], usize) {
    let [.., high, middle, low] = value_len.to_be_bytes();
    match value_len {
        0..=0x7F => ([low, 0, 0, 0], 1),
        0x80..=0xFF => ([0x81, low, 0, 0], 2),
        0x100..=0xFFFF => ([0x82, middle, low, 0], 3),
        _ => ([0x83, high, middle, low], 4),
    }
}
