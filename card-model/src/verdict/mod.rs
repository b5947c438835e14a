//! Whether a venue accepts a card today: one pure function of what the reader found, what the lists
//! say, the date and the kind of venue.
//!
//! A card has no clock and cannot know that it was lost, so a lapse or a loss is never stored on it:
//! both follow from its records, the lists and the date the reader supplies. The questions are asked
//! in one order, and the first that goes against the card is the reason:
//!
//! 1. Is the reader unlocked (操作规程 一/四 管理卡)?
//! 2. Do card and reader belong to the same key system (操作规程 一/四, 一/九(三))?
//! 3. Is the card's status readable?
//! 4. Is the card in use, and are the pupil's records there?
//! 5. Was it replaced, lost or frozen (暂行办法 六(二), 操作规程 四/六)?
//! 6. Are the card and the enrolment valid?
//! 7. Is it registered (暂行办法 六(五))? What is dated after today does not count.
//! 8. Is a temporary card still good (暂行办法 六(二))?
//! 9. May this application use it (操作规程 三/七, 四/八)?
//!
//! None of them concerns the wallet, which is not personal and cannot be reported lost (暂行办法
//! 六(二)): for a purchase the verdict is [`Verdict::WalletRules`].

mod listed;
mod reason;

pub use listed::Listed;
pub use reason::{Reason, Warning};

use alloc::vec::Vec;
use core::num::NonZeroU16;

use crate::calendar;
use crate::date::Date;
use crate::ident::UnitCode;
use crate::lifecycle::Event;
use crate::list::Listing;
use crate::record::{
    Enrolment, ExtensionEntry, ExtensionIndex, Issuance, LogEntry, Personalisation, Registration,
    Sector, Status,
};
use crate::state::LifeCycleState;

/// What a reader found when the card was presented.
#[derive(Clone, Copy, Debug)]
pub enum Presented<'a> {
    /// Nothing: the reader is locked.
    ReaderLocked,
    /// Card and SAM did not prove themselves to each other.
    NotGenuine,
    /// The card is genuine, but no copy of its status record is valid.
    StatusDamaged,
    /// A genuine card with these records.
    Card(Facts<'a>),
}

/// What is on a card.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The card itself.
    pub issuance: &'a Issuance,
    /// Its status.
    pub status: &'a Status,
    /// Where the pupil goes to school; an active card has one.
    pub enrolment: Option<&'a Enrolment>,
    /// When it was personalised; an active card has one.
    pub personalisation: Option<&'a Personalisation>,
    /// Registrations, in any order.
    pub registrations: &'a [Registration],
    /// Entries of the extension directory.
    pub extensions: &'a [ExtensionEntry],
    /// Operation log, newest first.
    pub log: &'a [LogEntry],
}

/// Where and when a card is presented.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// Today, in Beijing.
    pub today: Date,
    /// What the card is wanted for.
    pub venue: Venue,
    /// What the reader's lists say of the card, one for each list it holds.
    pub lists: &'a [Listing],
}

/// What a card is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Venue {
    /// Anything in education that only needs to know the pupil (教育应用).
    Education,
    /// An application in an extension sector (扩展应用).
    Application {
        /// The sector.
        sector: ExtensionIndex,
        /// Code of the application.
        application: NonZeroU16,
        /// Unit on whose behalf it is used.
        unit: UnitCode,
        /// Whether the card proved itself under the application's key KA.
        key_accepted: bool,
    },
    /// A purchase or a load in the transit wallet (电子钱包).
    Wallet,
}

/// The outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Accepted; the card is good up to and including this day.
    Accept {
        /// Last day before the card lapses, or card or enrolment end.
        registered_until: Date,
    },
    /// Accepted, but somebody should look into something.
    AcceptWithWarning {
        /// Last day before the card lapses, or card or enrolment end.
        registered_until: Date,
        /// At least one warning.
        warnings: Vec<Warning>,
    },
    /// The education zone has no say; the rules of the wallet alone decide.
    WalletRules,
    /// Refused.
    Refuse(Reason),
}

/// Decides about a card.
#[must_use]
pub fn verdict(presented: &Presented<'_>, at: &Circumstances<'_>) -> Verdict {
    if at.venue == Venue::Wallet {
        return Verdict::WalletRules;
    }
    let listed = Listed::new(at.lists, at.today);
    match decide(presented, &listed, at) {
        Err(reason) => Verdict::Refuse(reason),
        Ok((registered_until, ahead)) => match listed.warnings.into_iter().chain(ahead).collect() {
            warnings if Vec::is_empty(&warnings) => Verdict::Accept { registered_until },
            warnings => Verdict::AcceptWithWarning { registered_until, warnings },
        },
    }
}

/// Asks the questions in order; the last good day and what is odd about the records, or the first
/// reason against.
fn decide(
    presented: &Presented<'_>,
    listed: &Listed,
    at: &Circumstances<'_>,
) -> Result<(Date, Option<Warning>), Reason> {
    let facts = match presented {
        Presented::ReaderLocked => return Err(Reason::ReaderLocked),
        Presented::NotGenuine => return Err(Reason::NotGenuine),
        Presented::StatusDamaged => return Err(Reason::StatusDamaged),
        Presented::Card(facts) => facts,
    };
    let status = facts.status;
    if status.state != LifeCycleState::Active {
        return Err(Reason::State(status.state));
    }
    let (Some(enrolment), Some(personalisation)) = (facts.enrolment, facts.personalisation) else {
        return Err(Reason::Incomplete);
    };
    listed.refusal().map_or(Ok(()), Err)?;
    check_validity(facts.issuance, at.today)?;
    // The enrolment of a temporary card ends with the card, which is asked below.
    let ended = at.today > enrolment.valid_until;
    if ended && !status.flags.temporary {
        return Err(Reason::EnrolmentEnded(enrolment.valid_until));
    }
    let personalised = first_personalised(facts, personalisation);
    let registered_until = calendar::registered_until(at.today, personalised, facts.registrations)
        .ok_or(Reason::Incomplete)?;
    if at.today > registered_until {
        return Err(Reason::NotRegistered(registered_until));
    }
    if ended {
        return Err(Reason::TemporaryEnded(enrolment.valid_until));
    }
    check_application(facts.extensions, at.venue)?;
    let last = registered_until.min(facts.issuance.valid_until).min(enrolment.valid_until);
    Ok((last, records_ahead(facts, personalisation, at.today)))
}

/// The day on which the card was first personalised at this school for this pupil, as far back as the
/// log goes: to correct its data is no registration (暂行办法 六(五)).
fn first_personalised(facts: &Facts<'_>, personalisation: &Personalisation) -> Date {
    let came = Event::TransferIn.code();
    let here = facts.log.iter().take_while(|entry| entry.operation != came);
    let commits = here.filter(|entry| entry.operation == Event::PersonaliseCommit.code());
    let dates = commits.take(personalisation.count.into()).map(|entry| entry.date);
    dates.fold(personalisation.date, Date::min)
}

/// Says when the newest record of a card lies ahead of the reader's date: one of both clocks is wrong.
fn records_ahead(
    facts: &Facts<'_>,
    personalisation: &Personalisation,
    today: Date,
) -> Option<Warning> {
    let registered = facts.registrations.iter().map(|registration| registration.date);
    let dates = registered.chain([personalisation.date, facts.status.date]);
    dates.max().filter(|newest| *newest > today).map(Warning::RecordsAhead)
}

fn check_validity(issuance: &Issuance, today: Date) -> Result<(), Reason> {
    if today < issuance.valid_from {
        return Err(Reason::NotYetValid(issuance.valid_from));
    }
    if today > issuance.valid_until {
        return Err(Reason::Expired(issuance.valid_until));
    }
    Ok(())
}

fn check_application(extensions: &[ExtensionEntry], venue: Venue) -> Result<(), Reason> {
    let Venue::Application { sector: index, application, unit, key_accepted } = venue else {
        return Ok(());
    };
    let entry = extensions.iter().find(|entry| entry.index == index);
    let grant = match entry.map(|entry| entry.sector) {
        None | Some(Sector::Closed) => return Err(Reason::SectorClosed(index)),
        Some(Sector::Reclaiming(_)) => return Err(Reason::SectorReclaiming(index)),
        Some(Sector::Open(grant)) => grant,
    };
    if grant.application != application {
        return Err(Reason::OtherApplication(grant.application));
    }
    if !grant.owner.covers(unit) {
        return Err(Reason::OtherOwner(grant.owner));
    }
    if !key_accepted {
        return Err(Reason::ApplicationKey(index));
    }
    Ok(())
}
