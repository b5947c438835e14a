//! The stored form of a card: its memory behind a header and before a CRC-32. Project-defined.
//!
//! `XJKCARD1` ‖ format version (2) ‖ memory length (4) ‖ memory ‖ CRC-32 of everything before (4).
//! Any flipped bit, missing or extra byte is found and named; nothing is repaired.

use alloc::vec::Vec;

use crate::crc::crc32;

/// First bytes of every image.
pub const MAGIC: [u8; 8] = *b"XJKCARD1";

/// Format version written and read.
pub const VERSION: u16 = 1;

/// Bytes around the memory.
pub const OVERHEAD: usize = MAGIC.len() + 2 + 4 + 4;

/// Largest memory an image may hold; offsets inside a card have two bytes.
pub const MAX_MEMORY: usize = u16::MAX as usize;

/// Wraps `memory` for storage.
///
/// # Errors
/// Returns [`ImageError::TooLarge`] above [`MAX_MEMORY`].
pub fn emit(memory: &[u8]) -> Result<Vec<u8>, ImageError> {
    let length = match u32::try_from(memory.len()) {
        Ok(length) if memory.len() <= MAX_MEMORY => length,
        _ => return Err(ImageError::TooLarge(memory.len())),
    };
    let mut image = Vec::with_capacity(OVERHEAD + memory.len());
    image.extend_from_slice(&MAGIC);
    image.extend_from_slice(&VERSION.to_be_bytes());
    image.extend_from_slice(&length.to_be_bytes());
    image.extend_from_slice(memory);
    image.extend_from_slice(&crc32(&[&image]).to_be_bytes());
    Ok(image)
}

/// Unwraps a stored image.
///
/// # Errors
/// Returns an [`ImageError`] naming the damage.
pub fn parse(image: &[u8]) -> Result<&[u8], ImageError> {
    let short = ImageError::Truncated { expected: OVERHEAD, found: image.len() };
    let (magic, rest) = image.split_first_chunk::<8>().ok_or(short)?;
    if *magic != MAGIC {
        return Err(ImageError::Magic);
    }
    let (version, rest) = rest.split_first_chunk::<2>().ok_or(short)?;
    let version = u16::from_be_bytes(*version);
    if version != VERSION {
        return Err(ImageError::Version(version));
    }
    let (length, rest) = rest.split_first_chunk::<4>().ok_or(short)?;
    let length = u32::from_be_bytes(*length) as usize;
    if length > MAX_MEMORY {
        return Err(ImageError::TooLarge(length));
    }
    let expected = OVERHEAD + length;
    if image.len() < expected {
        return Err(ImageError::Truncated { expected, found: image.len() });
    }
    if image.len() > expected {
        return Err(ImageError::Trailing(image.len() - expected));
    }
    let (body, stored) = image.split_last_chunk::<4>().ok_or(short)?;
    if crc32(&[body]).to_be_bytes() != *stored {
        return Err(ImageError::Checksum);
    }
    rest.get(..length).ok_or(short)
}

/// What is wrong with a stored image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// It does not begin like a card image.
    #[error("not a card image: it does not begin with \"XJKCARD1\"")]
    Magic,
    /// Another version of the format.
    #[error("the image is of another version: format {0}, expected {VERSION}")]
    Version(u16),
    /// Bytes are missing.
    #[error("the image is cut short: {found} bytes, expected {expected}")]
    Truncated {
        /// Expected length.
        expected: usize,
        /// Length found.
        found: usize,
    },
    /// Bytes follow the image.
    #[error("{0} bytes follow the image")]
    Trailing(usize),
    /// The memory is larger than any card's.
    #[error("the image announces {0} bytes of memory, more than any card has")]
    TooLarge(usize),
    /// The contents do not match their checksum.
    #[error("the image is damaged: its CRC-32 does not match")]
    Checksum,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parse_reverses_emit(memory in proptest::collection::vec(any::<u8>(), 0..300)) {
            let image = emit(&memory).unwrap();
            prop_assert_eq!(parse(&image), Ok(&memory[..]));
        }
    }

    #[test]
    fn every_flipped_bit_truncation_and_extra_byte_is_named() {
        let image = emit(&[0x5A; 200]).unwrap();
        for bit in 0..8 * image.len() {
            let mut bad = image.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(parse(&bad).is_err(), "bit {bit}");
        }
        // A version is told before its contents are judged by the rules of this one.
        for version in [0, 2, 0x0101] {
            let mut other = image.clone();
            other[8..10].copy_from_slice(&u16::to_be_bytes(version));
            for image in [&other[..], &other[..10], &[&other[..], &[0]].concat()] {
                assert_eq!(parse(image), Err(ImageError::Version(version)));
            }
        }
        for length in 0..image.len() {
            let cut = parse(&image[..length]);
            assert!(matches!(cut, Err(ImageError::Truncated { .. })), "length {length}");
        }
        assert_eq!(parse(&[&image[..], &[0]].concat()), Err(ImageError::Trailing(1)));
        assert_eq!(emit(&[0; MAX_MEMORY + 1]), Err(ImageError::TooLarge(MAX_MEMORY + 1)));
    }
}
