//! Packed binary-coded decimal, most significant digit first, as every number printed on a card is
//! stored. Strict: a nibble above 9 is an error, never a digit.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

/// Why bytes or text are not the decimal number they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BcdError {
    /// A nibble above 9; `position` counts nibbles from the left, starting at 0.
    #[error("nibble {position} is {found:X}, expected a decimal digit")]
    NotADigit {
        /// Nibbles before the bad one.
        position: usize,
        /// The nibble.
        found: u8,
    },
    /// The number does not fit the digits it has.
    #[error("number does not fit {digits} decimal digits")]
    TooLarge {
        /// Digits available.
        digits: usize,
    },
    /// Text that is not exactly the expected count of decimal digits.
    #[error("{text:?} is not {digits} decimal digits")]
    NotDecimal {
        /// Digits expected.
        digits: usize,
        /// The text given.
        text: String,
    },
}

/// Returns the number in `bytes`.
///
/// # Errors
/// [`BcdError::NotADigit`] for a nibble above 9, [`BcdError::TooLarge`] above `u64::MAX`.
pub fn decode(bytes: &[u8]) -> Result<u64, BcdError> {
    let mut value: u64 = 0;
    for (position, digit) in nibbles(bytes).enumerate() {
        if digit > 9 {
            let found = digit;
            return Err(BcdError::NotADigit { position, found });
        }
        value = value
            .checked_mul(10)
            .and_then(|shifted| shifted.checked_add(u64::from(digit)))
            .ok_or(BcdError::TooLarge { digits: 19 })?;
    }
    Ok(value)
}

/// Returns `value` in `N` bytes, zero-padded on the left.
///
/// # Errors
/// [`BcdError::TooLarge`] when `value` needs more than `2 * N` digits.
pub fn encode<const N: usize>(value: u64) -> Result<[u8; N], BcdError> {
    let mut rest = value;
    let mut bytes = [0; N];
    for byte in bytes.iter_mut().rev() {
        *byte = pack((rest % 100) as u8);
        rest /= 100;
    }
    match rest {
        0 => Ok(bytes),
        _ => Err(BcdError::TooLarge { digits: 2 * N }),
    }
}

/// Returns the number of a text of exactly `digits` ASCII digits (at most 19).
///
/// # Errors
/// [`BcdError::NotDecimal`] for any other text.
pub fn parse_decimal(text: &str, digits: usize) -> Result<u64, BcdError> {
    let not_decimal = || BcdError::NotDecimal { digits, text: text.into() };
    if text.len() != digits || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(not_decimal());
    }
    text.parse().map_err(|_| not_decimal())
}

/// Returns the number of a text of ASCII digits without a sign, a space or a leading zero.
#[must_use]
pub fn parse_number<T: FromStr>(text: &str) -> Option<T> {
    let canonical = text == "0" || !text.starts_with('0');
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| canonical && digits)
}

/// Returns the high and low nibbles of `bytes` in order, whether digits or not.
pub fn nibbles(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0F])
}

/// Returns the BCD byte of a number below 100; higher digits are dropped.
pub(crate) const fn pack(number: u8) -> u8 {
    ((number / 10 % 10) << 4) | (number % 10)
}

/// A number of exactly `2 * N` decimal digits, stored as `N` BCD bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digits<const N: usize>([u8; N]);

impl<const N: usize> Digits<N> {
    /// Takes a number, zero-padded on the left.
    ///
    /// # Errors
    /// [`BcdError::TooLarge`] when it needs more than `2 * N` digits.
    pub fn new(value: u64) -> Result<Self, BcdError> {
        encode(value).map(Self)
    }

    /// Takes BCD bytes.
    ///
    /// # Errors
    /// [`BcdError::NotADigit`] for a nibble above 9.
    pub fn from_bytes(bytes: [u8; N]) -> Result<Self, BcdError> {
        match nibbles(&bytes).enumerate().find(|(_, digit)| *digit > 9) {
            Some((position, found)) => Err(BcdError::NotADigit { position, found }),
            None => Ok(Self(bytes)),
        }
    }

    /// Returns the BCD bytes.
    #[must_use]
    pub const fn bytes(&self) -> [u8; N] {
        self.0
    }

    /// Returns the number; saturates for more than 19 digits.
    #[must_use]
    pub fn value(&self) -> u64 {
        decode(&self.0).unwrap_or(u64::MAX)
    }
}

impl<const N: usize> FromStr for Digits<N> {
    type Err = BcdError;

    fn from_str(text: &str) -> Result<Self, BcdError> {
        Self::new(parse_decimal(text, 2 * N)?)
    }
}

impl<const N: usize> fmt::Display for Digits<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl<const N: usize> fmt::Debug for Digits<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digits({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    #[test]
    fn both_directions() {
        assert_eq!(decode(&[0x20, 0x07, 0x09]), Ok(200_709));
        assert_eq!(encode::<3>(200_709), Ok([0x20, 0x07, 0x09]));
        assert_eq!(decode(&[]), Ok(0));
    }

    #[test]
    fn strict() {
        assert_eq!(decode(&[0x12, 0x3A]), Err(BcdError::NotADigit { position: 3, found: 0xA }));
        assert!(Digits::<2>::from_bytes([0xF0, 0x00]).is_err());
        assert_eq!(encode::<1>(100), Err(BcdError::TooLarge { digits: 2 }));
        assert!(decode(&[0x99; 10]).is_err());
        for text in ["123", "12345", "12 4", "+123", "１２"] {
            assert!(text.parse::<Digits<2>>().is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_have_one_form() {
        assert_eq!((parse_number("0"), parse_number("12")), (Some(0_u8), Some(12)));
        for text in
            ["", "+1", "-1", " 1", "1 ", "01", "00", "1_0", "1e1", "1.0", "0x1", "１", "256"]
        {
            assert_eq!(parse_number::<u8>(text), None, "{text:?}");
        }
    }

    #[test]
    fn every_byte() {
        for byte in 0..=u8::MAX {
            let legal = byte >> 4 <= 9 && byte & 0x0F <= 9;
            assert_eq!(Digits::from_bytes([byte]).is_ok(), legal, "{byte:02X}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(value in 0..10_000_000_000_000_000u64) {
            let digits = Digits::<8>::new(value).unwrap();
            prop_assert_eq!(digits.value(), value);
            prop_assert_eq!(digits.to_string().parse(), Ok(digits));
            prop_assert_eq!(Digits::from_bytes(digits.bytes()), Ok(digits));
        }
    }
}
