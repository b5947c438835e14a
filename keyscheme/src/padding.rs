//! Padding method 2 of ISO/IEC 9797-1 (also ISO 7816-4:2020 §10.2.3.1): one byte 80, then 00s.

use alloc::vec::Vec;

use crate::error::Mismatch;

/// First byte of the padding.
pub const MARKER: u8 = 0x80;

/// Appends the padding, so that the length becomes a multiple of `block_len`.
///
/// At least one byte is added.
pub fn pad(message: &mut Vec<u8>, block_len: usize) {
    message.push(MARKER);
    let padded = message.len().next_multiple_of(block_len.max(1));
    message.resize(padded, 0);
}

/// Returns `padded` without its padding.
///
/// The marker is searched from the end, so that a whole extra block of padding is accepted, as
/// some cards send it.
///
/// # Errors
/// Returns [`Mismatch`] when no marker is found behind which all bytes are 00.
pub fn unpad(padded: &[u8]) -> Result<&[u8], Mismatch> {
    let end = padded.iter().rposition(|&byte| byte != 0).ok_or(Mismatch)?;
    match padded.split_at_checked(end) {
        Some((message, [MARKER, ..])) => Ok(message),
        _ => Err(Mismatch),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pads_always_and_minimally() {
        for (length, expected) in [(0, 16), (1, 16), (15, 16), (16, 32), (17, 32)] {
            let mut message = alloc::vec![0xAA; length];
            pad(&mut message, 16);
            assert_eq!(message.len(), expected);
            assert_eq!(message[length], MARKER);
        }
    }

    #[test]
    fn refuses_what_has_no_marker() {
        for bad in [&[][..], &[0; 16], &[0x80, 1], &[0x80, 0, 0x81, 0]] {
            assert_eq!(unpad(bad), Err(Mismatch));
        }
        assert_eq!(unpad(&[0x80; 2]), Ok(&[0x80][..]));
    }

    proptest! {
        #[test]
        fn unpad_reverses_pad(message: Vec<u8>, block_len in 1_usize..=32) {
            let mut padded = message.clone();
            pad(&mut padded, block_len);
            prop_assert_eq!(padded.len() % block_len, 0);
            prop_assert_eq!(unpad(&padded), Ok(&message[..]));
        }
    }
}
