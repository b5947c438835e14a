//! The calendar of the rules: until when a registration carries, when a loss takes effect, and every
//! other limit, each with its article.
//!
//! Pure functions of dates in Beijing; nothing here reads a clock. Working days need the holidays of
//! the year ([`Holidays`]); in a year whose holidays are not published, weekends and the holidays of
//! fixed date count, and whoever shows a result says so ([`Holidays::not_covered`]).
//!
//! ```
//! use xuejika_card_model::calendar::{Deadline, Holidays, replacement_from};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let reported = "2026-09-30".parse()?; // the National Day week follows
//! let holidays = Holidays::published();
//! assert_eq!(Deadline::LossEffective.last_day(reported, &holidays)?, "2026-10-09".parse()?);
//! assert_eq!(replacement_from(reported)?, "2026-10-10".parse()?);
//! # Ok(())
//! # }
//! ```

mod deadline;
mod holidays;

pub use deadline::{Deadline, Limit, Rule};
pub use holidays::{CalendarError, HolidayError, HolidayProblem, Holidays};

use crate::date::{Date, Time};
use crate::record::{Registration, SchoolYear, Term};

/// Days of the loss period (挂失期): the day of the report is day 0, and on day 10 a replacement
/// becomes possible (暂行办法 六(二), 操作规程 四/六).
pub const LOSS_PERIOD_DAYS: i32 = 10;

/// Days after the report of a loss beyond which no temporary card (临时卡) lasts: more than
/// [`temporary_card_until`] can give, whatever holidays lie in between.
pub const TEMPORARY_CARD_DAYS: i32 = 60;

/// Days after which a list is stale: lists are sent every day (操作规程 二/六, 三/六, 四/六).
pub const LIST_DAYS: i32 = 1;

/// Replacement fee (补卡费) in yuan, collected under [`REPLACEMENT_FEE_CODE`] (操作规程 四/六).
pub const REPLACEMENT_FEE_YUAN: u8 = 15;

/// Number under which the replacement fee is collected (收费编码, 京发改 2007 年 623 号).
pub const REPLACEMENT_FEE_CODE: &str = "174011";

/// Seconds by which Beijing is ahead of UTC, all year (Asia/Shanghai).
const BEIJING: u64 = 8 * 3600;

/// Converts seconds since 1970-01-01 UTC to date and time in Beijing; `None` after 2099.
#[must_use]
pub fn beijing(unix_seconds: u64) -> Option<(Date, Time)> {
    let seconds = unix_seconds.checked_add(BEIJING)?;
    let date = Date::new(1970, 1, 1).ok()?.add_days(i32::try_from(seconds / 86_400).ok()?)?;
    let part = |unit: u64, count: u64| u8::try_from(seconds / unit % count).ok();
    Some((date, Time::new(part(3600, 24)?, part(60, 60)?, part(1, 60)?).ok()?))
}

/// Returns the last day before an unregistered card lapses: 20 March and 20 September are still good
/// (暂行办法 六(五)). `None` beyond the range of dates.
///
/// A registration carries to the first such day after its term, whenever it was made; a card never
/// registered is good to the first such day on or after its personalisation. What is dated after
/// `today` does not count: a card that has nothing else lapsed on the last such day.
#[must_use]
pub fn registered_until(
    today: Date,
    personalised: Date,
    registrations: &[Registration],
) -> Option<Date> {
    let made = registrations.iter().filter(|registration| registration.date <= today);
    match made.map(Registration::period).max() {
        Some((school_year, term)) => term_cut_off(school_year, term),
        None if personalised <= today => cut_off_from(personalised),
        None => cut_off_before(today),
    }
}

/// Returns the term a date lies in: autumn from August to January, spring from February to July, so
/// that a swipe in the opening days belongs to the term that begins. `None` in January 1900.
#[must_use]
pub fn term_of(date: Date) -> Option<(SchoolYear, Term)> {
    let term = if (2..8).contains(&date.month()) { Term::Spring } else { Term::Autumn };
    Some((SchoolYear::new(date.school_year()).ok()?, term))
}

/// Tells whether a swipe on this date can be the registration for a term: the one it lies in, or the
/// one before, late. A later term would carry a card past the day on which it lapses (暂行办法 六(五)).
#[must_use]
pub fn can_register(date: Date, period: (SchoolYear, Term)) -> bool {
    term_of(date).is_some_and(|(year, term)| {
        let before = match term {
            Term::Autumn => SchoolYear::new(year.value() - 1).map(|year| (year, Term::Spring)),
            Term::Spring => Ok((year, Term::Autumn)),
        };
        period == (year, term) || Ok(period) == before
    })
}

/// Returns the day to which the registration for a term carries: autumn of year Y to 20 March Y+1,
/// spring to 20 September Y+1 (暂行办法 六(五)). `None` beyond the range of dates.
#[must_use]
pub fn term_cut_off(school_year: SchoolYear, term: Term) -> Option<Date> {
    let month = match term {
        Term::Autumn => 3,
        Term::Spring => 9,
    };
    Date::new(school_year.value() + 1, month, 20).ok()
}

/// Returns the first 20 March or 20 September on or after `date`; `None` beyond the range of dates.
#[must_use]
pub fn cut_off_from(date: Date) -> Option<Date> {
    [(0, 3), (0, 9), (1, 3)]
        .into_iter()
        .filter_map(|(years, month)| Date::new(date.year() + years, month, 20).ok())
        .find(|cut_off| *cut_off >= date)
}

/// Returns the last 20 March or 20 September before `date`; `None` beyond the range of dates.
fn cut_off_before(date: Date) -> Option<Date> {
    [(0, 9), (0, 3), (1, 9)]
        .into_iter()
        .filter_map(|(years, month)| Date::new(date.year().checked_sub(years)?, month, 20).ok())
        .find(|cut_off| *cut_off < date)
}

/// Returns the first day on which a lost card may be replaced: day 10 of the loss period
/// (操作规程 四/六). Nothing else happens on that day; the card stays on the list.
///
/// # Errors
/// [`CalendarError::OutOfRange`] after 2099.
pub fn replacement_from(reported: Date) -> Result<Date, CalendarError> {
    reported.add_days(LOSS_PERIOD_DAYS).ok_or(CalendarError::OutOfRange)
}

/// Returns the last possible day of a temporary card (临时卡): the loss period, the week to apply for
/// a replacement and the working days to hand it out (暂行办法 六(二), 操作规程 四/六). It ends earlier
/// when the lost card is found or its replacement handed out.
///
/// # Errors
/// As [`Deadline::last_day`].
pub fn temporary_card_until(reported: Date, holidays: &Holidays) -> Result<Date, CalendarError> {
    let apply_by =
        Deadline::ReplacementApplication.last_day(replacement_from(reported)?, holidays)?;
    Deadline::RecordCardReplaced.last_day(apply_by, holidays)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::TerminalId;
    use alloc::string::ToString;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn registration(year: u16, term: Term, on: &str) -> Registration {
        Registration {
            school_year: SchoolYear::new(year).unwrap(),
            term,
            date: date(on),
            unit: "084012".parse().unwrap(),
            terminal: TerminalId([0; 4]),
        }
    }

    /// Long after everything, so that everything counts.
    fn until(personalised: &str, registrations: &[Registration]) -> alloc::string::String {
        let today = date("2099-12-31");
        registered_until(today, date(personalised), registrations).unwrap().to_string()
    }

    #[test]
    fn without_a_registration_the_next_twentieth_counts() {
        for (personalised, expected) in [
            ("2007-09-01", "2007-09-20"),
            ("2007-09-20", "2007-09-20"),
            ("2007-09-21", "2008-03-20"),
            ("2007-12-31", "2008-03-20"),
            ("2008-01-01", "2008-03-20"),
            ("2008-02-29", "2008-03-20"),
            ("2008-03-20", "2008-03-20"),
            ("2008-03-21", "2008-09-20"),
        ] {
            assert_eq!(until(personalised, &[]), expected, "{personalised}");
        }
        assert_eq!(registered_until(date("2099-12-31"), date("2099-10-01"), &[]), None);
        // On its first day already, and not before.
        let first = date("2007-09-21");
        assert_eq!(registered_until(first, first, &[]), cut_off_from(first));
        let before = first.add_days(-1).unwrap();
        assert_eq!(registered_until(before, first, &[]), Some(date("2007-03-20")));
    }

    #[test]
    fn a_registration_carries_to_the_day_of_its_term() {
        let autumn = registration(2007, Term::Autumn, "2007-09-03");
        let spring = registration(2007, Term::Spring, "2008-02-18");
        assert_eq!(until("2007-09-01", &[autumn]), "2008-03-20");
        assert_eq!(until("2007-09-01", &[spring]), "2008-09-20");
        assert_eq!(until("2007-09-01", &[spring, autumn]), "2008-09-20");
        assert_eq!(until("2007-09-01", &[autumn, spring]), "2008-09-20");
        // A swipe after the day of lapse revives the card to the same day as one in time.
        let late = registration(2007, Term::Autumn, "2007-09-25");
        assert_eq!(until("2007-09-01", &[late]), "2008-03-20");
    }

    #[test]
    fn terms_turn_in_august_and_february() {
        for (day, expected) in [
            ("2026-07-31", (2025, Term::Spring)),
            ("2026-08-01", (2026, Term::Autumn)),
            ("2027-01-31", (2026, Term::Autumn)),
            ("2027-02-01", (2026, Term::Spring)),
        ] {
            let found = term_of(date(day)).map(|(year, term)| (year.value(), term));
            assert_eq!(found, Some(expected), "{day}");
        }
        assert_eq!(term_of(date("1900-01-31")), None);
    }

    #[test]
    fn a_swipe_is_for_its_term_or_the_one_before() {
        const TERMS: [(u16, Term); 5] = [
            (2006, Term::Spring),
            (2007, Term::Autumn),
            (2007, Term::Spring),
            (2008, Term::Autumn),
            (2008, Term::Spring),
        ];
        for (day, own) in [
            ("2007-08-01", 1), // late for the spring before
            ("2008-01-31", 1),
            ("2008-02-01", 2),
            ("2008-07-31", 2),
            ("2008-08-25", 3), // the opening days
        ] {
            for (place, (year, term)) in TERMS.into_iter().enumerate() {
                let allowed = place == own || place + 1 == own;
                let period = (SchoolYear::new(year).unwrap(), term);
                assert_eq!(can_register(date(day), period), allowed, "{day}: {year} {term}");
            }
        }
    }

    /// Correcting a pupil's data personalises again; it does not stand in for the swipe.
    #[test]
    fn personalising_again_is_no_registration() {
        let autumn = registration(2007, Term::Autumn, "2007-09-03");
        assert_eq!(until("2008-04-01", &[autumn]), "2008-03-20");
    }

    /// A clock that ran ahead when the card was written gives it nothing before that day.
    #[test]
    fn what_is_dated_ahead_does_not_count() {
        let personalised = date("2007-09-01");
        let autumn = registration(2007, Term::Autumn, "2007-09-03");
        let ahead = registration(2015, Term::Spring, "2016-03-01");
        let on = |today: &str, personalised, registrations: &[Registration]| {
            registered_until(date(today), personalised, registrations).unwrap().to_string()
        };
        assert_eq!(on("2008-01-10", personalised, &[ahead, autumn]), "2008-03-20");
        assert_eq!(on("2008-01-10", personalised, &[ahead]), "2007-09-20");
        assert_eq!(on("2016-03-01", personalised, &[ahead, autumn]), "2016-09-20");
        for (today, lapsed) in [
            ("2008-01-10", "2007-09-20"),
            ("2008-03-20", "2007-09-20"),
            ("2008-03-21", "2008-03-20"),
            ("2008-09-21", "2008-09-20"),
        ] {
            assert_eq!(on(today, date("2016-03-01"), &[ahead]), lapsed, "{today}");
        }
    }

    #[test]
    fn the_day_turns_in_beijing() {
        // 2008-03-20 15:59:59 and 16:00:00 UTC.
        let (last, next) = (1_206_028_799, 1_206_028_800);
        let (day, time) = beijing(last).unwrap();
        assert_eq!((day, time.to_string()), (date("2008-03-20"), "23:59:59".into()));
        assert_eq!(beijing(next), Some((date("2008-03-21"), Time::MIDNIGHT)));
        assert_eq!(beijing(0).unwrap().0, date("1970-01-01"));
        assert_eq!(beijing(u64::MAX), None);
    }

    #[test]
    fn the_loss_period_has_ten_days() {
        assert_eq!(replacement_from(date("2026-09-01")), Ok(date("2026-09-11")));
        assert_eq!(replacement_from(date("2008-02-25")), Ok(date("2008-03-06")));
        assert_eq!(replacement_from(date("2099-12-31")), Err(CalendarError::OutOfRange));
    }

    #[test]
    fn a_temporary_card_ends_with_the_last_hand_out() {
        let holidays = Holidays::published();
        // 2007-09-10, +10 days, +7 days: 09-27; ten working days over two worked weekend days (29 and
        // 30 September) and National Day (1 to 7 October).
        let end = temporary_card_until(date("2007-09-10"), &holidays);
        assert_eq!(end, Ok(date("2007-10-16")));
        // 2026-09-01, +10 days, +7 days: 09-18; ten working days over a worked Sunday (20
        // September), Mid-Autumn (25 to 27) and National Day (1 to 7 October).
        let end = temporary_card_until(date("2026-09-01"), &holidays);
        assert_eq!(end, Ok(date("2026-10-09")));
        // Over a year without a table.
        let end = temporary_card_until(date("2026-12-20"), &holidays);
        assert_eq!(end, Ok(date("2027-01-20")));
    }
}
