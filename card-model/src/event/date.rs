//! Which dates the card believes (project-defined).
//!
//! A card has no clock: every date comes from the terminal. It refuses what cannot be true whatever
//! the day is. Whether a date is today's, and whether it follows what is on the card, is for the
//! reader: one terminal whose clock runs ahead would lock the card for all others
//! (`docs/adr/0017-dates.md`).

use super::{Body, Request};
use crate::calendar::can_register;
use crate::card::{Card, CardError};
use crate::date::Date;
use crate::lifecycle::Dated;
use crate::nvm::Nvm;
use crate::record::Issuance;

/// Why the date of an event cannot be true. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Untimely {
    /// The card did not exist.
    #[error("{0} lies before the card was initialised")]
    BeforeInitialisation(Date),
    /// The card's validity has ended: nothing puts it to use any more.
    #[error("{0} lies after the card's validity")]
    AfterValidity(Date),
    /// A registration for a term that the swipe is too early or too late for (暂行办法 六(五)).
    #[error("a registration on {0} is for the term of that day or the one before")]
    OtherTerm(Date),
    /// The pupil was not yet born.
    #[error("{0} lies before the pupil's birth")]
    BeforeBirth(Date),
}

impl<N: Nvm> Card<N> {
    /// Checks the date of an event against the card's own, and that of a registration against its
    /// term.
    pub(super) fn check_date(&self, request: &Request) -> Result<(), CardError> {
        let Request { event, date, body, .. } = *request;
        let Issuance { init_date, valid_until, .. } = self.issuance()?;
        let dated = event.dated();
        if dated != Dated::Any && date < init_date {
            return Err(Untimely::BeforeInitialisation(date).into());
        }
        if dated == Dated::WhileValid && date > valid_until {
            return Err(Untimely::AfterValidity(date).into());
        }
        match body {
            Body::Register { school_year, term } if !can_register(date, (school_year, term)) => {
                Err(Untimely::OtherTerm(date).into())
            }
            _ => Ok(()),
        }
    }
}
