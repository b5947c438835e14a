//! The personal PIN (个人密码) as a terminal takes it.

use core::fmt;
use core::str::FromStr;

use zeroize::Zeroizing;

/// A PIN of 4 to 12 decimal digits. Wiped on drop, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Pin {
    bytes: Zeroizing<[u8; Self::MAX_LEN]>,
    len: usize,
}

impl Pin {
    /// Longest PIN, in bytes.
    const MAX_LEN: usize = 6;

    /// The digits in BCD; an odd last digit is followed by F.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or(&*self.bytes)
    }
}

impl FromStr for Pin {
    type Err = InvalidPin;

    fn from_str(text: &str) -> Result<Self, InvalidPin> {
        let digits = text.as_bytes();
        if !(4..=2 * Self::MAX_LEN).contains(&digits.len())
            || !digits.iter().all(u8::is_ascii_digit)
        {
            return Err(InvalidPin);
        }
        let mut pin = Self { bytes: Zeroizing::new([0; Self::MAX_LEN]), len: 0 };
        for (byte, pair) in pin.bytes.iter_mut().zip(digits.chunks(2)) {
            let nibble = |at| pair.get(at).map_or(0x0F, |digit: &u8| digit & 0x0F);
            *byte = nibble(0) << 4 | nibble(1);
            pin.len += 1;
        }
        Ok(pin)
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(..)")
    }
}

/// Text that is no PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a PIN is 4 to 12 decimal digits")]
pub struct InvalidPin;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn digits_are_packed() {
        let bytes = |text: &str| text.parse::<Pin>().map(|pin| pin.bytes().to_vec());
        assert_eq!(bytes("123456").unwrap(), [0x12, 0x34, 0x56]);
        assert_eq!(bytes("12345").unwrap(), [0x12, 0x34, 0x5F]);
        assert_eq!(bytes("123456789012").unwrap(), [0x12, 0x34, 0x56, 0x78, 0x90, 0x12]);
        for text in ["", "123", "1234567890123", "12a4", " 1234", "１２３４"] {
            assert_eq!(bytes(text), Err(InvalidPin), "{text:?}");
        }
        assert_eq!(format!("{:?}", "4711".parse::<Pin>().unwrap()), "Pin(..)");
    }
}
