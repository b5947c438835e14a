//! Civil dates and times as the card stores them: BCD `YYYYMMDD`, `YYMMDD` and `hhmmss`.
//!
//! The model has no clock: every date comes from outside, in Beijing time. On the card
//! `00000000` means "unset" and is `None` here, so a [`Date`] is always a day that exists.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use crate::bcd::{self, BcdError, pack};

/// Why bytes, numbers or text are not a date or a time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    /// The bytes are not decimal.
    #[error(transparent)]
    Bcd(#[from] BcdError),
    /// Decimal, but no such day between 1900 and 2099.
    #[error("{year:04}-{month:02}-{day:02} is not a day from 1900-01-01 to 2099-12-31")]
    NoSuchDay {
        /// Year given.
        year: u16,
        /// Month given.
        month: u8,
        /// Day given.
        day: u8,
    },
    /// A day that the two-digit year of a short date cannot tell.
    #[error("{0} is not a day from 2000-01-01 to 2099-12-31")]
    OutsideShortRange(Date),
    /// Decimal, but no such time of day.
    #[error("{hour:02}:{minute:02}:{second:02} is not a time from 00:00:00 to 23:59:59")]
    NoSuchTime {
        /// Hour given.
        hour: u8,
        /// Minute given.
        minute: u8,
        /// Second given.
        second: u8,
    },
    /// Text of another form.
    #[error("{text:?} does not have the form {expected}")]
    Form {
        /// The text given.
        text: String,
        /// The form expected.
        expected: &'static str,
    },
}

/// A day from 1900-01-01 to 2099-12-31.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// Takes year, month (1..=12) and day (1..=31).
    ///
    /// # Errors
    /// [`DateError::NoSuchDay`] when there is no such day, or it lies outside 1900..=2099.
    pub const fn new(year: u16, month: u8, day: u8) -> Result<Self, DateError> {
        if year >= 1900 && year <= 2099 && is_day(year, month, day) {
            Ok(Self { year, month, day })
        } else {
            Err(DateError::NoSuchDay { year, month, day })
        }
    }

    /// Takes BCD `YYYYMMDD`. `00000000` is not a date; read such a field as `Option<Date>`.
    ///
    /// # Errors
    /// [`DateError::Bcd`] for a nibble above 9, otherwise as [`Date::new`].
    pub fn from_bytes(bytes: [u8; 4]) -> Result<Self, DateError> {
        let number = bcd::decode(&bytes)?;
        Self::new(
            (number / 10_000 % 10_000) as u16,
            (number / 100 % 100) as u8,
            (number % 100) as u8,
        )
    }

    /// Returns BCD `YYYYMMDD`.
    #[must_use]
    pub const fn bytes(&self) -> [u8; 4] {
        let [century, year] = year_bytes(self.year);
        [century, year, pack(self.month), pack(self.day)]
    }

    /// Returns the year, 1900..=2099.
    #[must_use]
    pub const fn year(self) -> u16 {
        self.year
    }

    /// Returns the month, 1..=12.
    #[must_use]
    pub const fn month(self) -> u8 {
        self.month
    }

    /// Returns the day of the month, 1..=31.
    #[must_use]
    pub const fn day(self) -> u8 {
        self.day
    }

    /// Returns the year in which the school year of the day begins: school years turn on 1 August.
    #[must_use]
    pub const fn school_year(self) -> u16 {
        if self.month >= 8 { self.year } else { self.year - 1 }
    }

    /// Returns the calendar days from this date to `other`; negative when `other` is earlier.
    #[must_use]
    pub fn days_until(self, other: Self) -> i32 {
        other.day_number() - self.day_number()
    }

    /// Returns the date `days` later (earlier when negative), or `None` outside 1900..=2099.
    #[must_use]
    pub fn add_days(self, days: i32) -> Option<Self> {
        Self::from_day_number(self.day_number().checked_add(days)?)
    }

    /// Days since 0000-03-01 in the proleptic Gregorian calendar, counting years from March so
    /// that the leap day is the last day of its year.
    fn day_number(self) -> i32 {
        let (year, month) = (i32::from(self.year), i32::from(self.month));
        let year = if month <= 2 { year - 1 } else { year };
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i32::from(self.day) - 1;
        365 * year + year / 4 - year / 100 + year / 400 + day_of_year
    }

    /// Inverse of `day_number`; only defined inside the supported years.
    fn from_day_number(number: i32) -> Option<Self> {
        const DAYS_PER_ERA: i32 = 146_097;
        let (era, day) = (number.div_euclid(DAYS_PER_ERA), number.rem_euclid(DAYS_PER_ERA));
        let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
        let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day_of_month = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = (shifted_month + 2) % 12 + 1;
        let year = era * 400 + year_of_era + i32::from(month <= 2);
        Self::new(year.try_into().ok()?, month.try_into().ok()?, day_of_month.try_into().ok()?).ok()
    }
}

impl FromStr for Date {
    type Err = DateError;

    /// Reads `2026-09-01`.
    fn from_str(text: &str) -> Result<Self, DateError> {
        let form = || DateError::Form { text: text.into(), expected: "YYYY-MM-DD" };
        let [year, month, day] = numbers(text, '-', [4, 2, 2]).ok_or_else(form)?;
        let small = |number: u16| u8::try_from(number).map_err(|_| form());
        Self::new(year, small(month)?, small(day)?)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A [`Date`] from 2000 to 2099, stored as BCD `YYMMDD`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShortDate(Date);

impl ShortDate {
    /// Takes BCD `YYMMDD`.
    ///
    /// # Errors
    /// As [`Date::from_bytes`].
    pub fn from_bytes([year, month, day]: [u8; 3]) -> Result<Self, DateError> {
        Date::from_bytes([0x20, year, month, day]).map(Self)
    }

    /// Returns BCD `YYMMDD`.
    #[must_use]
    pub const fn bytes(&self) -> [u8; 3] {
        let [_, year, month, day] = self.0.bytes();
        [year, month, day]
    }

    /// Returns the date.
    #[must_use]
    pub const fn date(self) -> Date {
        self.0
    }
}

impl TryFrom<Date> for ShortDate {
    type Error = DateError;

    fn try_from(date: Date) -> Result<Self, DateError> {
        if date.year >= 2000 { Ok(Self(date)) } else { Err(DateError::OutsideShortRange(date)) }
    }
}

impl fmt::Display for ShortDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A time of day, Beijing time, to the second.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    hour: u8,
    minute: u8,
    second: u8,
}

impl Time {
    /// 00:00:00.
    pub const MIDNIGHT: Self = Self { hour: 0, minute: 0, second: 0 };

    /// Takes hour (0..=23), minute and second (0..=59).
    ///
    /// # Errors
    /// [`DateError::NoSuchTime`] outside these ranges.
    pub const fn new(hour: u8, minute: u8, second: u8) -> Result<Self, DateError> {
        let time = Self { hour, minute, second };
        if hour < 24 && minute < 60 && second < 60 {
            Ok(time)
        } else {
            Err(DateError::NoSuchTime { hour, minute, second })
        }
    }

    /// Takes BCD `hhmmss`.
    ///
    /// # Errors
    /// [`DateError::Bcd`] for a nibble above 9, otherwise as [`Time::new`].
    pub fn from_bytes(bytes: [u8; 3]) -> Result<Self, DateError> {
        let number = bcd::decode(&bytes)?;
        Self::new((number / 10_000 % 100) as u8, (number / 100 % 100) as u8, (number % 100) as u8)
    }

    /// Returns BCD `hhmmss`.
    #[must_use]
    pub const fn bytes(&self) -> [u8; 3] {
        [pack(self.hour), pack(self.minute), pack(self.second)]
    }
}

impl FromStr for Time {
    type Err = DateError;

    /// Reads `08:30:00`.
    fn from_str(text: &str) -> Result<Self, DateError> {
        let form = || DateError::Form { text: text.into(), expected: "hh:mm:ss" };
        let [hour, minute, second] = numbers(text, ':', [2, 2, 2]).ok_or_else(form)?;
        let small = |number: u16| u8::try_from(number).map_err(|_| form());
        Self::new(small(hour)?, small(minute)?, small(second)?)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hour, minute, second } = self;
        write!(f, "{hour:02}:{minute:02}:{second:02}")
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Tells whether the Gregorian calendar has this day, in any year.
pub(crate) const fn is_day(year: u16, month: u8, day: u8) -> bool {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let last = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => 0,
    };
    1 <= day && day <= last
}

/// Returns a year below 10000 as two BCD bytes.
pub(crate) const fn year_bytes(year: u16) -> [u8; 2] {
    [pack((year / 100 % 100) as u8), pack((year % 100) as u8)]
}

/// Splits `text` at two separators into numbers of exactly the given widths.
fn numbers(text: &str, separator: char, widths: [usize; 3]) -> Option<[u16; 3]> {
    let mut parts = text.split(separator);
    let mut found = [0; 3];
    for (slot, width) in found.iter_mut().zip(widths) {
        let number = bcd::parse_decimal(parts.next()?, width).ok()?;
        *slot = number.try_into().ok()?;
    }
    parts.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn calendar() {
        for text in ["1900-01-01", "2000-02-29", "2008-02-29", "2099-12-31"] {
            assert_eq!(date(text).to_string(), text);
        }
        for text in [
            "1899-12-31",
            "2100-01-01",
            "1900-02-29",
            "2007-02-29",
            "2007-04-31",
            "2007-00-10",
            "2007-13-10",
            "2007-10-00",
        ] {
            assert!(matches!(text.parse::<Date>(), Err(DateError::NoSuchDay { .. })), "{text}");
        }
        for text in ["20070901", "2007-9-1", "2007-09-01-", "2007/09/01", ""] {
            assert!(matches!(text.parse::<Date>(), Err(DateError::Form { .. })), "{text}");
        }
    }

    #[test]
    fn bcd_both_ways() {
        assert_eq!(date("2007-09-01").bytes(), [0x20, 0x07, 0x09, 0x01]);
        assert!(Date::from_bytes([0; 4]).is_err());
        assert!(matches!(Date::from_bytes([0x20, 0x07, 0x0A, 0x01]), Err(DateError::Bcd(_))));
    }

    #[test]
    fn counting() {
        assert_eq!(date("2008-02-28").days_until(date("2008-03-01")), 2);
        assert_eq!(date("2007-02-28").days_until(date("2007-03-01")), 1);
        assert_eq!(date("1970-01-01").days_until(date("2000-01-01")), 10_957);
        assert_eq!(date("2007-12-25").add_days(10).unwrap(), date("2008-01-04"));
        assert_eq!(date("2099-12-31").add_days(1), None);
        assert_eq!(date("1900-01-01").add_days(-1), None);
        assert_eq!(date("2000-01-01").add_days(i32::MAX), None);
    }

    #[test]
    fn every_day_in_turn() {
        let mut day = date("1900-01-01");
        let mut count = 1;
        while let Some(next) = day.add_days(1) {
            assert!(next > day && next.days_until(day) == -1, "{day}");
            assert_eq!(Date::from_bytes(next.bytes()), Ok(next));
            (day, count) = (next, count + 1);
        }
        assert_eq!((day, count), (date("2099-12-31"), 73_049));
    }

    #[test]
    fn short_date_holds_this_century_only() {
        let day = ShortDate::try_from(date("2007-09-01")).unwrap();
        assert_eq!(day.bytes(), [0x07, 0x09, 0x01]);
        assert_eq!(ShortDate::from_bytes(day.bytes()), Ok(day));
        assert!(ShortDate::try_from(date("1999-12-31")).is_err());
        assert!(ShortDate::from_bytes([0, 0, 0]).is_err());
    }

    #[test]
    fn time_of_day() {
        let time: Time = "08:30:59".parse().unwrap();
        assert_eq!(time.bytes(), [0x08, 0x30, 0x59]);
        assert_eq!(time.to_string(), "08:30:59");
        for text in ["24:00:00", "00:60:00", "00:00:60", "0:00:00", "00:00"] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
        assert!(Time::from_bytes([0x0A, 0, 0]).is_err());
    }

    proptest! {
        #[test]
        fn days_until_inverts_add_days(from in 0..73_049i32, to in 0..73_049i32) {
            let epoch = date("1900-01-01");
            let (from, to) = (epoch.add_days(from).unwrap(), epoch.add_days(to).unwrap());
            prop_assert_eq!(from.add_days(from.days_until(to)), Some(to));
        }

        #[test]
        fn time_round_trip(hour in 0..24u8, minute in 0..60u8, second in 0..60u8) {
            let time = Time::new(hour, minute, second).unwrap();
            prop_assert_eq!(Time::from_bytes(time.bytes()), Ok(time));
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }
    }
}
