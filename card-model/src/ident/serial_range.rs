//! Consecutive card serials, as slips, ledgers and manifests write them: `S` or `S..S`.

use core::fmt;
use core::str::FromStr;

use super::{CardSerial, CardSerialError};

/// Why a text is no range of serials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SerialRangeError {
    /// One end is no serial.
    #[error(transparent)]
    Serial(#[from] CardSerialError),
    /// The ends are of different years or vendors, or the last lies before the first.
    #[error(
        "{first}..{last} is no range, expected serials of one year and vendor, the first first"
    )]
    Ends {
        /// The first serial.
        first: CardSerial,
        /// The last serial.
        last: CardSerial,
    },
}

/// Consecutive serials of one year and vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SerialRange {
    /// First serial.
    pub first: CardSerial,
    /// Last serial.
    pub last: CardSerial,
}

impl SerialRange {
    /// Whether `serial` is one of them.
    #[must_use]
    pub fn contains(&self, serial: CardSerial) -> bool {
        (self.first..=self.last).contains(&serial)
    }

    /// The serial with this sequence number in the year and of the vendor of the range.
    #[must_use]
    pub fn serial(&self, sequence: u32) -> Option<CardSerial> {
        CardSerial::new(self.first.year(), self.first.vendor(), sequence).ok()
    }

    /// Returns how many serials there are.
    #[must_use]
    pub fn count(&self) -> u32 {
        (self.last.sequence() + 1).saturating_sub(self.first.sequence())
    }

    /// Returns the serials in order.
    pub fn serials(self) -> impl Iterator<Item = CardSerial> {
        let sequences = self.first.sequence()..=self.last.sequence();
        sequences.filter_map(move |sequence| self.serial(sequence))
    }

    /// Returns the range with `serial` at its end, if it is the next one.
    #[must_use]
    pub fn followed_by(self, serial: CardSerial) -> Option<Self> {
        let next = self.serial(self.last.sequence() + 1)?;
        (next == serial).then_some(Self { last: serial, ..self })
    }
}

impl From<CardSerial> for SerialRange {
    fn from(serial: CardSerial) -> Self {
        Self { first: serial, last: serial }
    }
}

impl FromStr for SerialRange {
    type Err = SerialRangeError;

    fn from_str(text: &str) -> Result<Self, SerialRangeError> {
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let (first, last): (CardSerial, CardSerial) = (first.parse()?, last.parse()?);
        let alike = (first.year(), first.vendor()) == (last.year(), last.vendor());
        match alike && first <= last {
            true => Ok(Self { first, last }),
            false => Err(SerialRangeError::Ends { first, last }),
        }
    }
}

impl fmt::Display for SerialRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}..{}", self.first, self.last),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn refusals() {
        let parse = |text: &str| text.parse::<SerialRange>().unwrap_err();
        assert!(matches!(parse(""), SerialRangeError::Serial(_)));
        assert!(matches!(parse("1100260100000014.."), SerialRangeError::Serial(_)));
        // Backwards, and from one vendor to another.
        for text in ["1100260100000022..1100260100000014", "1100260100000014..1100260200000013"] {
            assert!(matches!(parse(text), SerialRangeError::Ends { .. }), "{text}");
        }
    }

    proptest! {
        #[test]
        fn both_ways(first in 0..9_999_900u32, more in 0..99u32) {
            let serial = |sequence| CardSerial::new(26, 1, sequence).unwrap();
            let range = SerialRange { first: serial(first), last: serial(first + more) };
            prop_assert_eq!(range.to_string().parse(), Ok(range));
            let serials: Vec<_> = range.serials().collect();
            prop_assert_eq!(serials.len(), range.count() as usize);
            let built = serials[1..].iter().try_fold(SerialRange::from(serials[0]), |range, next| {
                range.followed_by(*next)
            });
            prop_assert_eq!(built, Some(range));
        }
    }

    #[test]
    fn the_last_sequence_number_has_no_next() {
        let last = CardSerial::new(26, 1, 9_999_999).unwrap();
        assert_eq!(SerialRange::from(last).followed_by(last), None);
        assert_eq!(SerialRange::from(last).count(), 1);
    }
}
