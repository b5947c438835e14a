//! Card serial number (卡序号): 16 digits `1100` + year + vendor + sequence + Luhn digit, stored as
//! 8 BCD bytes (project-defined).

use core::fmt;
use core::str::FromStr;

use crate::bcd::{self, BcdError, Digits};

/// First digits of every serial: the area code of Beijing in GB/T 2260.
const PREFIX: u64 = 1100;

/// Why digits are not a card serial number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CardSerialError {
    /// Not 16 decimal digits.
    #[error(transparent)]
    Digits(#[from] BcdError),
    /// The first four digits are not 1100.
    #[error("card serial begins with {0:04}, expected 1100")]
    Prefix(u64),
    /// The last digit is not the check digit.
    #[error("card serial ends in {found}, expected check digit {expected}")]
    CheckDigit {
        /// The last digit.
        found: u64,
        /// The Luhn digit of the others.
        expected: u64,
    },
    /// A part outside its digits.
    #[error("{part} of a card serial is at most {max}")]
    PartTooLarge {
        /// Which part.
        part: &'static str,
        /// Its largest value.
        max: u32,
    },
}

/// A card serial number with a correct check digit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CardSerial(Digits<8>);

impl CardSerial {
    /// Makes the serial of a card from the last two digits of the year, the vendor number (0..=99)
    /// and the sequence number (0..=9999999), with its check digit.
    ///
    /// # Errors
    /// [`CardSerialError::PartTooLarge`] outside these ranges.
    pub fn new(year: u8, vendor: u8, sequence: u32) -> Result<Self, CardSerialError> {
        for (part, value, max) in [
            ("year", u32::from(year), 99),
            ("vendor", u32::from(vendor), 99),
            ("sequence", sequence, 9_999_999),
        ] {
            if value > max {
                return Err(CardSerialError::PartTooLarge { part, max });
            }
        }
        let body = ((PREFIX * 100 + u64::from(year)) * 100 + u64::from(vendor)) * 10_000_000
            + u64::from(sequence);
        Ok(Self(Digits::new(body * 10 + luhn_digit(body))?))
    }

    /// Takes the 8 BCD bytes.
    ///
    /// # Errors
    /// [`CardSerialError::Digits`], [`CardSerialError::Prefix`] or [`CardSerialError::CheckDigit`].
    pub fn from_bytes(bytes: [u8; 8]) -> Result<Self, CardSerialError> {
        let digits = Digits::from_bytes(bytes)?;
        let (prefix, body, found) =
            (digits.value() / 1_000_000_000_000, digits.value() / 10, digits.value() % 10);
        if prefix != PREFIX {
            return Err(CardSerialError::Prefix(prefix));
        }
        match luhn_digit(body) {
            expected if expected == found => Ok(Self(digits)),
            expected => Err(CardSerialError::CheckDigit { found, expected }),
        }
    }

    /// Returns the 8 BCD bytes: the diversification data of the card's keys.
    #[must_use]
    pub const fn bytes(&self) -> [u8; 8] {
        self.0.bytes()
    }

    /// Returns the last two digits of the year.
    #[must_use]
    pub fn year(&self) -> u8 {
        (self.0.value() / 10_000_000_000 % 100) as u8
    }

    /// Returns the vendor number.
    #[must_use]
    pub fn vendor(&self) -> u8 {
        (self.0.value() / 100_000_000 % 100) as u8
    }

    /// Returns the sequence number.
    #[must_use]
    pub fn sequence(&self) -> u32 {
        (self.0.value() / 10 % 10_000_000) as u32
    }
}

impl FromStr for CardSerial {
    type Err = CardSerialError;

    fn from_str(text: &str) -> Result<Self, CardSerialError> {
        Self::from_bytes(bcd::encode(bcd::parse_decimal(text, 16)?)?)
    }
}

impl fmt::Display for CardSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for CardSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CardSerial({self})")
    }
}

/// The digit that makes `body` followed by it pass the Luhn test (ISO/IEC 7812-1 annex B).
fn luhn_digit(body: u64) -> u64 {
    let (mut sum, mut rest, mut weight) = (0, body, 2);
    while rest > 0 {
        let product = rest % 10 * weight;
        sum += product / 10 + product % 10;
        (rest, weight) = (rest / 10, 3 - weight);
    }
    (10 - sum % 10) % 10
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    #[test]
    fn published_example() {
        let serial: CardSerial = "1100070100000017".parse().unwrap();
        assert_eq!(serial, CardSerial::new(7, 1, 1).unwrap());
        assert_eq!(serial.bytes(), [0x11, 0x00, 0x07, 0x01, 0, 0, 0, 0x17]);
    }

    /// The usual worked example of the Luhn method: 7992739871 takes the digit 3.
    #[test]
    fn luhn_example() {
        assert_eq!(luhn_digit(7_992_739_871), 3);
        assert_eq!(luhn_digit(0), 0);
    }

    #[test]
    fn refusals() {
        use CardSerialError as E;
        let parse = |text: &str| text.parse::<CardSerial>().unwrap_err();
        assert!(matches!(parse("110007010000001"), E::Digits(_)));
        assert!(matches!(parse("110007010000001A"), E::Digits(_)));
        assert_eq!(parse("1200070100000017"), E::Prefix(1200));
        let (found, expected) = (8, 7);
        assert_eq!(parse("1100070100000018"), E::CheckDigit { found, expected });
        assert!(CardSerial::from_bytes([0x1A; 8]).is_err());
        for (year, vendor, sequence) in [(100, 0, 0), (0, 100, 0), (0, 0, 10_000_000)] {
            assert!(CardSerial::new(year, vendor, sequence).is_err());
        }
    }

    proptest! {
        #[test]
        fn round_trip(year in 0..100u8, vendor in 0..100u8, sequence in 0..10_000_000u32) {
            let serial = CardSerial::new(year, vendor, sequence).unwrap();
            prop_assert_eq!(
                (serial.year(), serial.vendor(), serial.sequence()),
                (year, vendor, sequence)
            );
            prop_assert_eq!(CardSerial::from_bytes(serial.bytes()), Ok(serial));
            prop_assert_eq!(serial.to_string().parse(), Ok(serial));
        }

        #[test]
        fn one_wrong_digit_is_found(sequence in 0..10_000_000u32, at in 4..16usize, by in 1..10u8) {
            let text = CardSerial::new(26, 3, sequence).unwrap().to_string();
            let mut wrong = text.into_bytes();
            wrong[at] = b'0' + (wrong[at] - b'0' + by) % 10;
            let wrong = core::str::from_utf8(&wrong).unwrap();
            prop_assert!(wrong.parse::<CardSerial>().is_err());
        }
    }
}
