//! Working days: Monday to Friday, but for the public holidays and the weekend days worked in their
//! place, which are data and are published anew every year.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use core::str::FromStr;

use crate::bcd;
use crate::date::{Date, DateError};

/// The holidays of 2007 to 2026.
const PUBLISHED: &str = include_str!("holidays.txt");

/// Some Monday, from which weekdays are counted.
const MONDAY: (u16, u8, u8) = (2007, 1, 1);

/// Holidays on the same day every year, month and day: New Year, Labour Day, National Day
/// (全国年节及纪念日放假办法). They count in a year whose table is not known.
const FIXED: [(u8, u8); 5] = [(1, 1), (5, 1), (10, 1), (10, 2), (10, 3)];

/// Why a date cannot be computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CalendarError {
    /// The result is no day up to 2099-12-31.
    #[error("the date lies after 2099-12-31")]
    OutOfRange,
}

/// What is wrong with a line of a holiday table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct HolidayError {
    /// Number of the line, the first being 1.
    pub line: usize,
    /// What is wrong.
    pub problem: HolidayProblem,
}

/// What is wrong with a line of a holiday table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HolidayProblem {
    /// The line does not begin with a year.
    #[error("{0:?} is not a year from 1900 to 2099")]
    Year(String),
    /// The year has a line already.
    #[error("the year {0} is given twice")]
    Twice(u16),
    /// Not `MM-DD` or `MM-DD..MM-DD`.
    #[error("{0:?} is not a day (MM-DD) or a span of days (MM-DD..MM-DD)")]
    Day(String),
    /// A day the year does not have.
    #[error(transparent)]
    Date(#[from] DateError),
    /// A day is named twice.
    #[error("{0} is named twice")]
    Again(Date),
    /// A day to be worked that is no weekend day.
    #[error("{0} is no Saturday or Sunday, so it is worked anyway")]
    Weekday(Date),
}

/// A holiday table: which days of which years are worked.
///
/// Its text has one line a year: `2026 01-01..01-03 02-15..02-23 work 01-04 02-14` names the days
/// off, then the weekend days that are worked; `#` begins a note.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holidays {
    years: BTreeSet<u16>,
    /// Days that differ from the rule "Monday to Friday", and whether they are worked.
    exceptions: BTreeMap<Date, bool>,
}

impl Holidays {
    /// Returns the table of the published holidays of 2007 to 2026.
    #[must_use]
    pub fn published() -> Self {
        PUBLISHED.parse().unwrap_or_default()
    }

    /// Puts the years of `other` in place of the same years here.
    pub fn replace(&mut self, other: Self) {
        self.exceptions.retain(|date, _| !other.years.contains(&date.year()));
        self.exceptions.extend(other.exceptions);
        self.years.extend(other.years);
    }

    /// Returns the years covered, in order.
    pub fn years(&self) -> impl Iterator<Item = u16> + '_ {
        self.years.iter().copied()
    }

    /// Tells whether a day is worked. In a year that the table does not cover, Monday to Friday are,
    /// but for the holidays of fixed date; say so to the user: [`Self::not_covered`].
    #[must_use]
    pub fn is_working_day(&self, date: Date) -> bool {
        let fixed = || FIXED.contains(&(date.month(), date.day()));
        match self.exceptions.get(&date) {
            Some(worked) => *worked,
            None if self.years.contains(&date.year()) => !is_weekend(date),
            None => !is_weekend(date) && !fixed(),
        }
    }

    /// Returns the years from one day to another that the table does not cover: what was computed
    /// from them may be a few days off.
    pub fn not_covered(&self, from: Date, to: Date) -> impl Iterator<Item = u16> + '_ {
        (from.year()..=to.year()).filter(|year| !self.years.contains(year))
    }

    /// Returns the `count`th working day after `from`.
    ///
    /// # Errors
    /// [`CalendarError::OutOfRange`] after 2099.
    pub fn add_working_days(&self, from: Date, count: u16) -> Result<Date, CalendarError> {
        let mut day = from;
        let mut left = count;
        while left > 0 {
            day = day.add_days(1).ok_or(CalendarError::OutOfRange)?;
            left -= u16::from(self.is_working_day(day));
        }
        Ok(day)
    }

    fn add_line(&mut self, line: &str) -> Result<(), HolidayProblem> {
        let mut words = line.split_whitespace();
        let Some(first) = words.next() else { return Ok(()) };
        let year = bcd::parse_decimal(first, 4)
            .ok()
            .and_then(|year| u16::try_from(year).ok())
            .filter(|year| (1900..=2099).contains(year))
            .ok_or_else(|| HolidayProblem::Year(first.into()))?;
        if !self.years.insert(year) {
            return Err(HolidayProblem::Twice(year));
        }
        let mut worked = false;
        for word in words {
            if word == "work" {
                worked = true;
                continue;
            }
            let (first, last) = span(year, word)?;
            let mut day = Some(first);
            while let Some(date) = day.filter(|date| *date <= last) {
                self.add_day(date, worked)?;
                day = date.add_days(1);
            }
        }
        Ok(())
    }

    fn add_day(&mut self, date: Date, worked: bool) -> Result<(), HolidayProblem> {
        if worked && !is_weekend(date) {
            return Err(HolidayProblem::Weekday(date));
        }
        match self.exceptions.insert(date, worked) {
            None => Ok(()),
            Some(_) => Err(HolidayProblem::Again(date)),
        }
    }
}

impl FromStr for Holidays {
    type Err = HolidayError;

    /// Reads a table.
    fn from_str(text: &str) -> Result<Self, HolidayError> {
        let mut holidays = Self::default();
        for (line, text) in (1..).zip(text.lines()) {
            let rules = text.split('#').next().unwrap_or_default();
            holidays.add_line(rules).map_err(|problem| HolidayError { line, problem })?;
        }
        Ok(holidays)
    }
}

/// Reads `MM-DD` or `MM-DD..MM-DD`.
fn span(year: u16, word: &str) -> Result<(Date, Date), HolidayProblem> {
    let malformed = || HolidayProblem::Day(word.into());
    let day = |text: &str| {
        let (month, day) = text.split_once('-').ok_or_else(malformed)?;
        let number = |text| {
            let number = bcd::parse_decimal(text, 2).map_err(|_| malformed())?;
            u8::try_from(number).map_err(|_| malformed())
        };
        Ok::<_, HolidayProblem>(Date::new(year, number(month)?, number(day)?)?)
    };
    let (first, last) = word.split_once("..").unwrap_or((word, word));
    let (first, last) = (day(first)?, day(last)?);
    if first <= last { Ok((first, last)) } else { Err(malformed()) }
}

fn is_weekend(date: Date) -> bool {
    let (year, month, day) = MONDAY;
    Date::new(year, month, day).is_ok_and(|monday| monday.days_until(date).rem_euclid(7) >= 5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn published_years() {
        let holidays: Holidays = PUBLISHED.parse().unwrap();
        assert_eq!(holidays, Holidays::published());
        assert!(holidays.years().eq(2007..=2026));
        // Working days a year, counted from the notices.
        let count = |year: u16| {
            let first = Date::new(year, 1, 1).unwrap();
            let days = (0..366).filter_map(|n| first.add_days(n)).filter(|d| d.year() == year);
            days.filter(|day| holidays.is_working_day(*day)).count()
        };
        let counts: Vec<_> = [2008, 2020, 2024, 2025, 2026].map(count).into();
        assert_eq!(counts, [251, 249, 251, 248, 248]);
    }

    #[test]
    fn holidays_weekends_and_worked_weekends() {
        let holidays = Holidays::published();
        for (day, worked) in [
            ("2026-09-30", true),  // Wednesday
            ("2026-10-01", false), // National Day
            ("2026-10-07", false),
            ("2026-10-08", true),
            ("2026-10-10", true),  // Saturday, worked
            ("2026-10-11", false), // Sunday
            ("2008-02-29", true),  // leap day, Friday
            ("2020-01-31", false), // Spring Festival, prolonged that year
            ("2007-12-29", true),  // Saturday, worked for New Year 2008
        ] {
            assert_eq!(holidays.is_working_day(date(day)), worked, "{day}");
        }
    }

    #[test]
    fn a_year_without_a_table_has_weekends_and_fixed_holidays() {
        let holidays = Holidays::published();
        for (day, worked) in [
            ("2026-12-31", true),
            ("2027-01-01", false), // Friday, New Year
            ("2027-01-02", false), // Saturday
            ("2027-01-04", true),
            ("2027-05-01", false),
            ("2027-10-01", false), // Friday, National Day
            ("2027-10-04", true),  // Monday; a table would say more
        ] {
            assert_eq!(holidays.is_working_day(date(day)), worked, "{day}");
        }
        assert_eq!(holidays.add_working_days(date("2026-12-31"), 2), Ok(date("2027-01-05")));
        let years = |from, to| holidays.not_covered(date(from), date(to)).collect::<Vec<_>>();
        assert_eq!(years("2026-12-01", "2026-12-31"), []);
        assert_eq!(years("2026-12-31", "2028-01-01"), [2027, 2028]);
    }

    #[test]
    fn a_table_of_ones_own() {
        let mut holidays = Holidays::published();
        let own = "# from the notice\n2027 01-01..01-03 work 01-09 # and so on\n\n2026\n";
        holidays.replace(own.parse().unwrap());
        assert!(!holidays.is_working_day(date("2027-01-01")));
        assert!(holidays.is_working_day(date("2027-01-04")));
        assert!(holidays.is_working_day(date("2027-01-09")));
        assert!(holidays.is_working_day(date("2026-10-01")), "replaced");
        assert!(!holidays.is_working_day(date("2025-10-01")), "kept");
        assert_eq!(holidays.add_working_days(date("2026-12-31"), 0), Ok(date("2026-12-31")));
    }

    #[test]
    fn refusals_name_the_line() {
        use HolidayProblem as P;
        let problem = |text: &str| {
            let error = alloc::format!("2025 01-01\n{text}").parse::<Holidays>().unwrap_err();
            assert_eq!(error.line, 2);
            error.problem
        };
        assert_eq!(problem("26 01-01"), P::Year("26".into()));
        assert_eq!(problem("1899"), P::Year("1899".into()));
        assert_eq!(problem("2025"), P::Twice(2025));
        for word in ["0101", "1-1", "01-03..01-01", "01-01..", "01-01..x", "day"] {
            assert_eq!(problem(&alloc::format!("2026 {word}")), P::Day(word.into()));
        }
        assert!(matches!(problem("2026 02-29"), P::Date(_)));
        assert_eq!(problem("2026 01-01..01-03 01-02"), P::Again(date("2026-01-02")));
        assert_eq!(problem("2026 01-03 work 01-03"), P::Again(date("2026-01-03")));
        assert_eq!(problem("2026 work 01-05"), P::Weekday(date("2026-01-05")));
    }
}
