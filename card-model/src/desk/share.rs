//! Shares in percent, in whole numbers: a limit is met or exceeded exactly.

use core::fmt;

/// A share in whole percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub u8);

impl Percent {
    /// Returns this share of a number of cards, rounded up to whole cards.
    #[must_use]
    pub fn of(self, cards: u64) -> u64 {
        cards.saturating_mul(self.0.into()).div_ceil(100)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.0)
    }
}

/// A part of a whole.
///
/// It is shown in percent with two decimals, rounded up, so that what is shown is above a limit
/// exactly if the share is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// The part.
    pub part: u64,
    /// The whole.
    pub whole: u64,
}

impl Share {
    /// Tells whether the share is above a limit: more than the limit, not as much.
    #[must_use]
    pub fn is_above(self, limit: Percent) -> bool {
        u128::from(self.part) * 100 > u128::from(self.whole) * u128::from(limit.0)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hundredths = (u128::from(self.part) * 10_000).div_ceil(u128::from(self.whole).max(1));
        write!(f, "{}.{:02}", hundredths / 100, hundredths % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    #[test]
    fn cards_are_rounded_up() {
        for (cards, spare) in [(0, 0), (1, 1), (12, 1), (13, 2), (100, 8), (101, 9), (1250, 100)] {
            assert_eq!(Percent(8).of(cards), spare, "{cards}");
        }
    }

    #[test]
    fn exactly_the_limit_is_not_above_it() {
        for (part, whole, above, shown) in [
            (3, 100, false, "3.00"),
            (4, 100, true, "4.00"),
            (31, 1000, true, "3.10"),
            (300_001, 10_000_000, true, "3.01"),
            (299_999, 10_000_000, false, "3.00"),
            (0, 1, false, "0.00"),
            (1, 1, true, "100.00"),
        ] {
            let share = Share { part, whole };
            assert_eq!((share.is_above(Percent(3)), &*share.to_string()), (above, shown));
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_decides(part in 0..5000u64, whole in 1..5000u64) {
            let share = Share { part, whole };
            let hundredths: u64 = share.to_string().replace('.', "").parse().unwrap();
            prop_assert_eq!(share.is_above(Percent(3)), hundredths > 300);
        }
    }
}
