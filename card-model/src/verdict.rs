//! Whether a venue accepts a card today: one pure function over what is on the card.
//!
//! A card has no clock, so lapses are never stored: they follow from its records and the date the
//! reader supplies. Loss and freeze lists come on top of this, from outside.

use crate::date::Date;
use crate::record::{Enrolment, Issuance, Personalisation, Registration, Status, Term};
use crate::state::LifeCycleState;

/// What a verdict is made of.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Today, in Beijing.
    pub today: Date,
    /// The card itself.
    pub issuance: &'a Issuance,
    /// Its status.
    pub status: &'a Status,
    /// Where the pupil goes to school; an active card has one.
    pub enrolment: Option<&'a Enrolment>,
    /// When it was personalised; an active card has one.
    pub personalisation: Option<&'a Personalisation>,
    /// Registrations, newest first.
    pub registrations: &'a [Registration],
}

/// Why a card is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The card is in another state than "active".
    State(LifeCycleState),
    /// The card is active but a pupil's records are missing.
    Incomplete,
    /// Before the first day of the education application.
    NotYetValid(Date),
    /// After the last day of the education application.
    Expired(Date),
    /// After the pupil's valid-until date; of a temporary card, its end.
    EnrolmentEnded(Date),
    /// Not registered in time: lapsed after this day (暂行办法 六(五)).
    NotRegistered(Date),
}

/// The outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Accepted; the card is registered up to and including this day.
    Accept {
        /// Last day before the card lapses.
        registered_until: Date,
    },
    /// Refused.
    Refuse(Reason),
}

impl Reason {
    /// Stable identifier, for programs.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::State(_) => "state",
            Self::Incomplete => "incomplete",
            Self::NotYetValid(_) => "not-yet-valid",
            Self::Expired(_) => "expired",
            Self::EnrolmentEnded(_) => "enrolment-ended",
            Self::NotRegistered(_) => "not-registered",
        }
    }

    /// The reason in Chinese.
    #[must_use]
    pub const fn chinese(&self) -> &'static str {
        match self {
            Self::State(state) => state.chinese(),
            Self::Incomplete => "学生信息不完整",
            Self::NotYetValid(_) => "尚未启用",
            Self::Expired(_) => "学籍卡已过有效期",
            Self::EnrolmentEnded(_) => "就读有效期已过",
            Self::NotRegistered(_) => "本学期未注册，已失效",
        }
    }
}

impl core::fmt::Display for Reason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::State(state) => write!(f, "the card is {}", state.english()),
            Self::Incomplete => f.write_str("the pupil's records are incomplete"),
            Self::NotYetValid(from) => write!(f, "not valid before {from}"),
            Self::Expired(until) => write!(f, "the card expired after {until}"),
            Self::EnrolmentEnded(until) => write!(f, "the enrolment ended after {until}"),
            Self::NotRegistered(until) => write!(f, "not registered, lapsed after {until}"),
        }
    }
}

/// Decides about a card, in the order of severity: state, validity of the card, validity of the
/// enrolment, registration.
#[must_use]
pub fn verdict(facts: &Facts<'_>) -> Verdict {
    let today = facts.today;
    if facts.status.state != LifeCycleState::Active {
        return Verdict::Refuse(Reason::State(facts.status.state));
    }
    let (Some(enrolment), Some(personalisation)) = (facts.enrolment, facts.personalisation) else {
        return Verdict::Refuse(Reason::Incomplete);
    };
    if today < facts.issuance.valid_from {
        return Verdict::Refuse(Reason::NotYetValid(facts.issuance.valid_from));
    }
    if today > facts.issuance.valid_until {
        return Verdict::Refuse(Reason::Expired(facts.issuance.valid_until));
    }
    if today > enrolment.valid_until {
        return Verdict::Refuse(Reason::EnrolmentEnded(enrolment.valid_until));
    }
    let Some(registered_until) = registered_until(personalisation.date, facts.registrations) else {
        return Verdict::Refuse(Reason::Incomplete);
    };
    if today > registered_until {
        return Verdict::Refuse(Reason::NotRegistered(registered_until));
    }
    Verdict::Accept { registered_until }
}

/// The last day before an unregistered card lapses: 20 March and 20 September are still good
/// (暂行办法 六(五)). `None` beyond the range of dates.
///
/// A registration carries to the first such day after its term; a card never registered, to the
/// first on or after its personalisation.
#[must_use]
pub fn registered_until(personalised: Date, registrations: &[Registration]) -> Option<Date> {
    let by_registration = registrations
        .iter()
        .filter_map(|registration| {
            let next_year = registration.school_year.value() + 1;
            match registration.term {
                Term::Autumn => Date::new(next_year, 3, 20).ok(),
                Term::Spring => Date::new(next_year, 9, 20).ok(),
            }
        })
        .max();
    by_registration.max(cut_off_after(personalised))
}

/// The first 20 March or 20 September on or after `date`.
fn cut_off_after(date: Date) -> Option<Date> {
    [(0, 3), (0, 9), (1, 3)]
        .into_iter()
        .filter_map(|(years, month)| Date::new(date.year() + years, month, 20).ok())
        .find(|cut_off| *cut_off >= date)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{SchoolYear, TerminalId};
    use alloc::string::ToString;

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn registration(year: u16, term: Term) -> Registration {
        Registration {
            school_year: SchoolYear::new(year).unwrap(),
            term,
            date: date("2026-09-01"),
            unit: "084012".parse().unwrap(),
            terminal: TerminalId([0; 4]),
        }
    }

    #[test]
    fn the_twentieth_is_the_last_day() {
        let until = |personalised, registrations: &[Registration]| {
            registered_until(date(personalised), registrations).unwrap().to_string()
        };
        assert_eq!(until("2007-09-01", &[]), "2007-09-20");
        assert_eq!(until("2007-09-20", &[]), "2007-09-20");
        assert_eq!(until("2007-09-21", &[]), "2008-03-20");
        assert_eq!(until("2008-02-29", &[]), "2008-03-20");
        assert_eq!(until("2007-09-01", &[registration(2007, Term::Autumn)]), "2008-03-20");
        assert_eq!(until("2007-09-01", &[registration(2007, Term::Spring)]), "2008-09-20");
        let late_first = [registration(2006, Term::Autumn), registration(2007, Term::Autumn)];
        assert_eq!(until("2006-09-01", &late_first), "2008-03-20");
        assert_eq!(registered_until(date("2099-10-01"), &[]), None);
    }
}
