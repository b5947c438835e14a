//! The time limits of the rules, one row each.

use super::holidays::{CalendarError, Holidays};
use crate::date::Date;

/// How a limit is counted. The day it starts on is day 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Working days (工作日).
    WorkingDays(u8),
    /// Calendar days.
    Days(u8),
    /// Calendar months: the same day of the month, or the last day of a shorter month.
    Months(u8),
}

impl Limit {
    /// Returns the last day within the limit.
    ///
    /// # Errors
    /// [`CalendarError::OutOfRange`] after 2099.
    pub fn last_day(self, from: Date, holidays: &Holidays) -> Result<Date, CalendarError> {
        match self {
            Self::WorkingDays(count) => holidays.add_working_days(from, count.into()),
            Self::Days(count) => from.add_days(count.into()).ok_or(CalendarError::OutOfRange),
            Self::Months(count) => add_months(from, count).ok_or(CalendarError::OutOfRange),
        }
    }
}

/// One limit with its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// How long.
    pub limit: Limit,
    /// Article that sets it.
    pub article: &'static str,
    /// What has to be done in time.
    pub english: &'static str,
    /// The same in Chinese.
    pub chinese: &'static str,
}

macro_rules! deadlines {
    ($($(#[$doc:meta])* $name:ident = $limit:expr, $article:literal, $english:literal, $chinese:literal;)+) => {
        /// A time limit of the rules. The day of the report, application or receipt is day 0.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Deadline {
            $(
                $(#[$doc])*
                $name,
            )+
        }

        impl Deadline {
            /// Every limit.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Returns the limit with its article.
            #[must_use]
            pub const fn rule(self) -> Rule {
                match self {
                    $(Self::$name => Rule {
                        limit: $limit,
                        article: $article,
                        english: $english,
                        chinese: $chinese,
                    },)+
                }
            }
        }
    };
}

deadlines! {
    /// From a loss report (挂失) until it takes effect inside the school, at the latest.
    LossEffective = Limit::WorkingDays(2), "暂行办法 六(二), 操作规程 四/六",
        "a loss takes effect inside the school", "挂失在校内生效";
    /// From a damage, or from the end of the loss period, until the replacement is applied for.
    ReplacementApplication = Limit::Days(7), "操作规程 四/六",
        "a replacement is applied for", "申请补办学籍卡";
    /// From the application until the new record card (学籍卡) is handed out.
    RecordCardReplaced = Limit::WorkingDays(10), "操作规程 四/六",
        "a replaced record card is handed out", "补办的学籍卡发给学生";
    /// From the application until the new student card (学生卡), printed card included, is handed
    /// out; the shares of district and city are inside.
    StudentCardReplaced = Limit::WorkingDays(20), "暂行办法 六(三), 操作规程 一/九(六)",
        "a replaced student card is handed out", "补办的学生卡发给学生";
    /// The district's share of [`Self::StudentCardReplaced`], the city's inside.
    DistrictShare = Limit::WorkingDays(17), "操作规程 一/九(六)",
        "the district's share of a replacement", "补卡的区级工作";
    /// The city's share of [`Self::DistrictShare`].
    CityShare = Limit::WorkingDays(14), "操作规程 一/九(六)",
        "the city's share of a replacement", "补卡的市级工作";
    /// From receipt of cards at a district or a school until they are passed on.
    CardsPassedOn = Limit::WorkingDays(10), "暂行办法 六(一), 操作规程 一/九(五)",
        "received cards are passed on", "领到的学生卡下发";
    /// From a personalisation until its record reaches the district, by media at the latest.
    PersonalisationUpload = Limit::Months(1), "操作规程 四/五",
        "a personalisation is uploaded", "个人化信息上传区级";
}

impl Deadline {
    /// Returns the last day within the limit.
    ///
    /// # Errors
    /// [`CalendarError::OutOfRange`] after 2099.
    pub fn last_day(self, from: Date, holidays: &Holidays) -> Result<Date, CalendarError> {
        self.rule().limit.last_day(from, holidays)
    }
}

fn add_months(from: Date, months: u8) -> Option<Date> {
    let month0 = u16::from(from.month() - 1) + u16::from(months);
    let (year, month) = (from.year() + month0 / 12, u8::try_from(month0 % 12 + 1).ok()?);
    (1..=from.day()).rev().find_map(|day| Date::new(year, month, day).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    /// Day 0, the last day and the articles, over weekends, holidays and worked weekends.
    #[test]
    fn every_limit_at_its_boundary() {
        let holidays = Holidays::published();
        for (deadline, from, last) in [
            // Monday; Friday over a weekend; Sunday; before a worked Sunday; before a long holiday.
            (Deadline::LossEffective, "2026-03-02", "2026-03-04"),
            (Deadline::LossEffective, "2026-03-06", "2026-03-10"),
            (Deadline::LossEffective, "2026-03-08", "2026-03-10"),
            (Deadline::LossEffective, "2026-09-18", "2026-09-21"),
            (Deadline::LossEffective, "2026-02-14", "2026-02-25"),
            (Deadline::ReplacementApplication, "2026-09-11", "2026-09-18"),
            (Deadline::RecordCardReplaced, "2026-03-02", "2026-03-16"),
            (Deadline::RecordCardReplaced, "2026-04-27", "2026-05-13"),
            (Deadline::StudentCardReplaced, "2026-03-02", "2026-03-30"),
            (Deadline::DistrictShare, "2026-03-02", "2026-03-25"),
            (Deadline::CityShare, "2026-03-02", "2026-03-20"),
            (Deadline::CardsPassedOn, "2026-03-02", "2026-03-16"),
            (Deadline::PersonalisationUpload, "2026-09-01", "2026-10-01"),
            (Deadline::PersonalisationUpload, "2026-01-31", "2026-02-28"),
            (Deadline::PersonalisationUpload, "2024-01-31", "2024-02-29"),
            (Deadline::PersonalisationUpload, "2026-12-31", "2027-01-31"),
        ] {
            assert_eq!(deadline.last_day(date(from), &holidays), Ok(date(last)), "{from}");
        }
    }

    #[test]
    fn beyond_the_calendar() {
        let holidays = Holidays::published();
        for limit in [Limit::Days(1), Limit::Months(1)] {
            let day = limit.last_day(date("2099-12-31"), &holidays);
            assert_eq!(day, Err(CalendarError::OutOfRange));
        }
    }

    /// 20 working days hold 17 of the district, and these the city's 14 (操作规程 一/九(六)).
    #[test]
    fn shares_lie_inside_each_other() {
        let shares = [Deadline::StudentCardReplaced, Deadline::DistrictShare, Deadline::CityShare];
        let limits = shares.map(|deadline| deadline.rule().limit);
        assert_eq!(limits, [20, 17, 14].map(Limit::WorkingDays));
        assert_eq!(Deadline::ALL.len(), 8);
        assert!(Deadline::ALL.iter().all(|deadline| !deadline.rule().article.is_empty()));
    }
}
