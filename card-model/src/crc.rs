//! The record check: CRC-16/X-25 (the CRC_B of ISO/IEC 14443-3), stored big-endian in the last
//! two bytes of every sealed group of a record (project-defined placement); and the CRC-32 of
//! journals, images and lists.

use crc::{CRC_16_IBM_SDLC, CRC_32_ISO_HDLC, Crc};

static X25: Crc<u16> = Crc::<u16>::new(&CRC_16_IBM_SDLC);
static HDLC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// Bytes a check value takes.
pub const CRC_LEN: usize = 2;

/// Returns the CRC-16/X-25 of `bytes`.
#[must_use]
pub fn crc16(bytes: &[u8]) -> u16 {
    X25.checksum(bytes)
}

/// Returns the CRC-32/ISO-HDLC of the concatenated `parts`: the check of journals and images.
#[must_use]
pub fn crc32(parts: &[&[u8]]) -> u32 {
    let mut crc = Crc32::new();
    for part in parts {
        crc.update(part);
    }
    crc.finish()
}

/// A CRC-32/ISO-HDLC of bytes that arrive in parts.
pub(crate) struct Crc32(crc::Digest<'static, u32>);

impl Crc32 {
    pub(crate) fn new() -> Self {
        Self(HDLC.digest())
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> u32 {
        self.0.finalize()
    }
}

/// Writes the check value of everything before the last two bytes into the last two bytes.
///
/// A slice shorter than two bytes has no room for a check value and is left alone.
pub fn seal(group: &mut [u8]) {
    if let Some((body, tail)) = group.split_last_chunk_mut::<CRC_LEN>() {
        *tail = crc16(body).to_be_bytes();
    }
}

/// Tells whether the last two bytes are the check value of everything before them.
#[must_use]
pub fn is_sealed(group: &[u8]) -> bool {
    group
        .split_last_chunk::<CRC_LEN>()
        .is_some_and(|(body, tail)| *tail == crc16(body).to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_check_values() {
        assert_eq!(crc16(b"123456789"), 0x906E);
        assert_eq!(crc32(&[b"1234", b"56789"]), 0xCBF4_3926);
    }

    #[test]
    fn seal_is_big_endian_at_the_end() {
        let mut group = *b"123456789\xA5\xA5";
        assert!(!is_sealed(&group));
        seal(&mut group);
        assert_eq!(&group, b"123456789\x90\x6E");
        assert!(is_sealed(&group));
    }

    #[test]
    fn blank_and_short_groups_are_not_sealed() {
        assert!(!is_sealed(&[0; 16]));
        assert!(!is_sealed(&[0xFF; 16]));
        assert!(!is_sealed(&[]));
        assert!(!is_sealed(&[0]));
        seal(&mut [0]);
    }
}
