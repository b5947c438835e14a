//! How a step ended: an outcome with a name that files can expect, words for people, and facts.

use core::fmt::Display;

use xuejika_apdu::status::Outcome;
use xuejika_apdu::{ChannelError, StatusWord};
use xuejika_card_model::desk::{Conflict, RecallError, ReplacementError, SheetError};
use xuejika_card_model::event::Condition;
use xuejika_card_model::list::ListError;
use xuejika_card_model::record::FieldErrors;
use xuejika_card_model::verdict::Warning;
use xuejika_reader::Error;
use xuejika_reader::sam::SamError;
use xuejika_reader::wallet::{Meaning, Stopped, WalletError};

use super::expectation::Expectation;

/// How a step ended.
#[derive(Debug)]
pub(super) struct Found {
    end: End,
    outcome: String,
    text: String,
    facts: Vec<(&'static str, String)>,
}

/// The kind of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It was done.
    Done,
    /// Card, SAM, reader, lists or desks refused, by a rule.
    Refused,
    /// Power, the connection, a device or the program failed.
    Failed,
}

impl Found {
    /// It was done.
    pub(super) fn done(text: impl Into<String>) -> Self {
        Self::done_as("ok", text)
    }

    /// It was done, under another name than "ok".
    pub(super) fn done_as(outcome: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(End::Done, outcome, text)
    }

    /// It was refused.
    pub(super) fn refused(outcome: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(End::Refused, outcome, text)
    }

    /// It failed.
    pub(super) fn failed(outcome: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(End::Failed, outcome, text)
    }

    /// The card answered so.
    pub(super) fn answered(status: StatusWord, text: impl Into<String>) -> Self {
        match status {
            StatusWord::SUCCESS => Self::done(text),
            status => {
                let refused = status.outcome() != Outcome::ExecutionError;
                Self::stopped(refused, status.to_string(), text)
            }
        }
    }

    /// It was refused, or failed.
    fn stopped(is_refusal: bool, outcome: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(if is_refusal { End::Refused } else { End::Failed }, outcome, text)
    }

    fn new(end: End, outcome: impl Into<String>, text: impl Into<String>) -> Self {
        Self { end, outcome: outcome.into(), text: text.into(), facts: Vec::new() }
    }

    /// A fact to compare.
    pub(super) fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.facts.push((name, value.to_string()));
        self
    }

    /// What the lists said of a card and an operation that went on.
    pub(super) fn noting(mut self, notes: &[Warning]) -> Self {
        for note in notes {
            self.text += &format!("; note: {note}");
        }
        let ids: Vec<_> = notes.iter().map(Warning::id).collect();
        self.with("notes", ids.join(", "))
    }

    /// Whether it was done.
    pub(super) fn is_done(&self) -> bool {
        self.end == End::Done
    }

    /// Whether it ended under this name.
    fn is(&self, expected: &str) -> bool {
        self.outcome == expected || (expected == REFUSED && self.end == End::Refused)
    }

    /// The name of the outcome.
    pub(super) fn outcome(&self) -> &str {
        &self.outcome
    }

    /// The words for people.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What is otherwise than expected, as expected and as found.
    pub(super) fn differs(&self, expected: &Expectation) -> Option<(String, String)> {
        if !self.is(&expected.outcome) {
            let found = format!("{}: {}", self.outcome, self.text);
            return Some((expected.outcome.clone(), found));
        }
        expected.facts.iter().find_map(|(name, value)| {
            let found = self.facts.iter().find(|(fact, _)| fact == name).map(|(_, value)| value);
            match found {
                Some(found) if found == value => None,
                Some(found) => Some((format!("{name} {value}"), format!("{name} {found}"))),
                None => Some((format!("{name} {value}"), format!("nothing called {name}"))),
            }
        })
    }
}

/// Every refusal, whatever its name.
const REFUSED: &str = "refused";

/// Power went in the middle.
const POWER_LOST: &str = "power-lost";

impl From<Error> for Found {
    fn from(error: Error) -> Self {
        let (refused, text) = (error.is_refusal(), error.to_string());
        let outcome = match error {
            Error::Channel(ChannelError::Removed) => POWER_LOST,
            Error::Channel(_) => "channel",
            Error::Sam(error) => sam(&error),
            Error::Status { status, .. } => {
                return Self::stopped(refused, status.to_string(), text);
            }
            Error::NoApplication(_) => "no-application",
            Error::NoKey(_) => "no-key",
            Error::NotAccepted => "not-accepted",
            Error::Records(errors) => return (&errors).into(),
            Error::State { state, .. } => return Self::refused("state", text).with("state", state),
            Error::Condition { condition, .. } => self::condition(condition),
            Error::OtherUnit { .. } | Error::CityOnly { .. } => "other-unit",
            Error::OtherPupil { .. } => "other-pupil",
            Error::SectorNotOpen(_) => "sector-not-open",
            Error::NoSectorKey { .. } => "no-sector-key",
            Error::ForeignUnit { .. } => "foreign-pupil",
            Error::GrantEnded(_) => "grant-ended",
            Error::ClockWentBack { .. } => "clock-went-back",
            Error::Idle(_) => "idle",
            Error::Listed { reason, .. } => reason.id(),
            Error::NoLoss { .. } => "no-loss",
            Error::TooLong { .. } => "too-long",
            Error::BeforeLastEvent { .. } => "before-last-event",
            Error::EnrolmentEnded { .. } => "enrolment-ended",
            _ => "failed",
        };
        Self::stopped(refused, outcome, text)
    }
}

impl From<&FieldErrors> for Found {
    fn from(errors: &FieldErrors) -> Self {
        let fields: Vec<_> = errors.iter().map(|error| error.field.id).collect();
        Self::refused("records", errors.to_string()).with("fields", fields.join(", "))
    }
}

const fn sam(error: &SamError) -> &'static str {
    match error {
        SamError::Locked => "locked",
        SamError::NotPermitted(_) => "not-permitted",
        SamError::NoVersion(_) => "no-version",
        SamError::NotGenuine => "not-genuine",
        SamError::Expired(_) => "expired",
        SamError::ForeignGrant => "foreign-grant",
        SamError::OtherUnit => "other-unit",
        _ => "sam",
    }
}

const fn condition(condition: Condition) -> &'static str {
    match condition {
        Condition::WalletInUse => "wallet-in-use",
        Condition::WalletOpened => "wallet-opened",
        Condition::SectorsOpen => "sectors-open",
        Condition::Temporary => "temporary",
        Condition::NotTemporary => "not-temporary",
        Condition::NoOpenTransfer => "no-open-transfer",
        Condition::OtherPupil => "other-pupil",
        Condition::SectorInUse => "sector-in-use",
        Condition::SectorClosed => "sector-closed",
        Condition::NoWayBack => "no-way-back",
        Condition::WornOut => "worn-out",
    }
}

impl From<WalletError> for Found {
    fn from(error: WalletError) -> Self {
        let (refused, text) = (error.is_refusal(), error.to_string());
        let outcome = match error {
            WalletError::Channel(ChannelError::Removed) => POWER_LOST,
            WalletError::Refused { meaning, status, .. } => match meaning {
                Meaning::InsufficientBalance => "insufficient-balance",
                Meaning::ConditionsOfUse => "wallet-not-open",
                Meaning::WrongMac => "wrong-mac",
                Meaning::SecurityStatus => "no-pin",
                _ => return Self::stopped(refused, status.to_string(), text),
            },
            WalletError::Interrupted => "interrupted",
            WalletError::NoWallet => "no-wallet",
            _ => "wallet",
        };
        Self::stopped(refused, outcome, text)
    }
}

impl From<Stopped> for Found {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::NotDone(error) => error.into(),
            Stopped::InDoubt { cause, .. } => cause.into(),
            other => Self::stopped(other.is_refusal(), "not-genuine", other.to_string()),
        }
    }
}

impl From<ListError> for Found {
    fn from(error: ListError) -> Self {
        let outcome = match error {
            ListError::Mac(_) => "not-authentic",
            ListError::Base { .. } => "wrong-base",
            ListError::Digest { .. } => "wrong-digest",
            ListError::Unit { .. } | ListError::Scope { .. } => "other-unit",
            ListError::Version { .. } => "wrong-version",
            ListError::NotListed(_) => "not-listed",
            ListError::Replaced(_) => "replaced",
            ListError::AfterIssue { .. } | ListError::Entry { .. } => "wrong-time",
            _ => "damaged",
        };
        Self::refused(outcome, error.to_string())
    }
}

impl From<ReplacementError> for Found {
    fn from(error: ReplacementError) -> Self {
        let outcome = match error {
            ReplacementError::LossPeriod { .. } => "loss-period",
            ReplacementError::Replaced { .. } => "replaced",
            _ => "replacement",
        };
        Self::refused(outcome, error.to_string())
    }
}

impl From<Conflict> for Found {
    fn from(conflict: Conflict) -> Self {
        let outcome = match conflict {
            Conflict::NumberTaken(_) => "number-taken",
            Conflict::SecondCard(_) => "second-card",
            Conflict::SamePerson(_) => "same-person",
            Conflict::NoLostCard(_) => "no-lost-card",
            _ => "refused",
        };
        Self::refused(outcome, conflict.to_string())
    }
}

impl From<RecallError> for Found {
    fn from(error: RecallError) -> Self {
        let outcome = match error {
            RecallError::NotRecalled { .. } => "not-recalled",
            _ => "recall",
        };
        Self::refused(outcome, error.to_string())
    }
}

impl From<SheetError> for Found {
    fn from(error: SheetError) -> Self {
        let outcome = match error {
            SheetError::Backdated { .. } => "wrong-time",
            _ => "not-confirmed",
        };
        Self::refused(outcome, error.to_string())
    }
}
