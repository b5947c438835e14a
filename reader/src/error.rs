//! Why an operation with a card ended.

use core::num::NonZeroU16;
use core::time::Duration;

use xuejika_apdu::fci::FciError;
use xuejika_apdu::status::{Language, Outcome};
use xuejika_apdu::{ChannelError, StatusWord};
use xuejika_card_model::calendar::CalendarError;
use xuejika_card_model::date::Date;
use xuejika_card_model::event::Condition;
use xuejika_card_model::ident::{CardSerial, StudentNumber, UnitCode};
use xuejika_card_model::record::{FieldErrors, RecordKind};
use xuejika_card_model::state::LifeCycleState;
use xuejika_card_model::verdict::{Presented, Reason};
use xuejika_keyscheme::KeyNumber;

use crate::lists::NoLoss;
use crate::sam::SamError;

/// Why an operation with a card ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The card is gone or the connection failed. What the card did with the last command is
    /// unknown; present it again.
    #[error(transparent)]
    Channel(#[from] ChannelError),
    /// The SAM refused.
    #[error(transparent)]
    Sam(#[from] SamError),
    /// The card refused a command.
    #[error("{command}: the card answered {status} ({})", status.text(Language::English))]
    Status {
        /// What was asked.
        command: &'static str,
        /// What the card answered.
        status: StatusWord,
    },
    /// The card has no such application: it is another kind of card.
    #[error("this card has no {0}")]
    NoApplication(&'static str),
    /// The answer to SELECT is not understood.
    #[error("the answer to SELECT: {0}")]
    Fci(#[from] FciError),
    /// The card says what no card of this profile says.
    #[error("the card's answer to {0} is malformed")]
    Malformed(&'static str),
    /// The card follows another profile version or algorithm.
    #[error("the card's {what} {code:02X} is not supported")]
    Unsupported {
        /// What is not supported.
        what: &'static str,
        /// Its code.
        code: u8,
    },
    /// The card does not hold the key.
    #[error("the card does not hold key {0}")]
    NoKey(KeyNumber),
    /// The card does not accept the SAM's proof: it belongs to another key system.
    #[error("the card does not accept this SAM: another key system")]
    NotAccepted,
    /// A record on the card, or data for it, breaks its rules.
    #[error("{0}")]
    Records(#[from] FieldErrors),
    /// The card's state does not allow the operation.
    #[error("{operation} is not possible: the card is {}", state.english())]
    State {
        /// What was to be done.
        operation: &'static str,
        /// The state the card is in.
        state: LifeCycleState,
    },
    /// The state would allow the operation; something else it needs is missing.
    #[error("{operation} is not possible: {condition}")]
    Condition {
        /// What was to be done.
        operation: &'static str,
        /// What is missing.
        condition: Condition,
    },
    /// The card does not belong to the reader's unit.
    #[error("{operation} is not for unit {unit}: the card belongs to another")]
    OtherUnit {
        /// What was to be done.
        operation: &'static str,
        /// Unit of the reader.
        unit: UnitCode,
    },
    /// Keys are the city's to load and to retire (操作规程 二/六).
    #[error("{operation} is for the city alone (6982), not for unit {unit}")]
    CityOnly {
        /// What was to be done.
        operation: &'static str,
        /// Unit of the reader.
        unit: UnitCode,
    },
    /// The card is that of another pupil, or is to become it.
    #[error("the card is for student number {on_card}, not for {given}")]
    OtherPupil {
        /// Student number on the card, or of its transfer.
        on_card: StudentNumber,
        /// Student number given.
        given: StudentNumber,
    },
    /// No application may use the extension sector.
    #[error("extension sector {0} is not open to an application")]
    SectorNotOpen(u8),
    /// The extension sector is open to another application.
    #[error("extension sector {sector} is open to application {application:04X}")]
    OtherApplication {
        /// The sector, 1 to 8.
        sector: u8,
        /// Code of the application that may use it.
        application: NonZeroU16,
    },
    /// The SAM has no key of the extension sector that the card accepts: the sector is lent to
    /// another application unit or by another unit.
    #[error("the SAM has no key of extension sector {sector} of unit {owner}")]
    NoSectorKey {
        /// The sector, 1 to 8.
        sector: u8,
        /// Owner of the sector on the card.
        owner: UnitCode,
    },
    /// The pupil belongs to another school than the reader.
    #[error("the pupil belongs to unit {pupil}, the reader to unit {reader}")]
    ForeignUnit {
        /// Unit of the pupil.
        pupil: UnitCode,
        /// Unit of the reader.
        reader: UnitCode,
    },
    /// A list in force names the card.
    #[error("{operation} is not possible: {reason}")]
    Listed {
        /// What was to be done.
        operation: &'static str,
        /// Why the card is refused: replaced, lost or frozen.
        reason: Reason,
    },
    /// A temporary card is issued for a loss that stands (暂行办法 六(二)), and there is none.
    #[error("there is no temporary card for card {lost}: {why}")]
    NoLoss {
        /// The card named as lost.
        lost: CardSerial,
        /// What was expected of it, and what there is.
        why: NoLoss,
    },
    /// A temporary card lasts no longer than a replacement may take (暂行办法 六(二), 操作规程 四/六).
    #[error(
        "a temporary card is valid until {last} at the latest, not until {until}: the loss was \
         reported on {reported}"
    )]
    TooLong {
        /// Valid-until date of the pupil's data.
        until: Date,
        /// Last day that the rules allow.
        last: Date,
        /// Day of the report.
        reported: Date,
    },
    /// Who has left senior school gets no card (操作规程 一/五).
    #[error("the pupil's enrolment ended on {ended}, and it is {today}: a graduate gets no card")]
    EnrolmentEnded {
        /// Valid-until date of the pupil's data.
        ended: Date,
        /// The reader's date.
        today: Date,
    },
    /// A time limit lies beyond the calendar.
    #[error(transparent)]
    Calendar(#[from] CalendarError),
    /// The card has seen a later day: the clock of this reader is wrong, or that of the one before.
    /// A district or the city may go on.
    #[error(
        "the date {today} lies before the card's last event, of {last}: set the reader's clock; if \
         it is right, the district can go on with the card"
    )]
    BeforeLastEvent {
        /// Date of the operation.
        today: Date,
        /// Date of the newest record in the operation log (EF 0D).
        last: Date,
    },
    /// What was written does not read back.
    #[error("the card does not read back what was written to it")]
    ReadBack,
    /// The management card's validity has ended; the reader has to be unlocked again.
    #[error("the reader was unlocked until {0}; present a valid management card")]
    GrantEnded(Date),
    /// The reader has locked itself.
    #[error("the reader locked itself after {} s without a card", .0.as_secs())]
    Idle(Duration),
    /// The clock went back, which could revive an ended grant.
    #[error("the date {today} lies before {last_seen}, which this reader has seen already")]
    ClockWentBack {
        /// The date given.
        today: Date,
        /// The latest date seen.
        last_seen: Date,
    },
}

impl Error {
    /// Tells whether card, SAM or reader refused, by a rule. Otherwise something failed: the
    /// connection, or the card or SAM themselves.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Sam(error) => error.is_refusal(),
            Self::Status { status, .. } => status.outcome() != Outcome::ExecutionError,
            Self::Channel(_)
            | Self::Fci(_)
            | Self::Malformed(_)
            | Self::NoApplication(_)
            | Self::NoKey(_)
            | Self::ReadBack
            | Self::Unsupported { .. } => false,
            _ => true,
        }
    }

    /// Returns what this means for a verdict; `None` when it says nothing about card and reader.
    #[must_use]
    pub fn presented(&self) -> Option<Presented<'static>> {
        match self {
            Self::Sam(SamError::Locked) | Self::GrantEnded(_) | Self::Idle(_) => {
                Some(Presented::ReaderLocked)
            }
            Self::Sam(SamError::NotGenuine) | Self::NotAccepted | Self::NoApplication(_) => {
                Some(Presented::NotGenuine)
            }
            Self::Records(errors)
                if errors.iter().any(|error| error.field.record == RecordKind::Status) =>
            {
                Some(Presented::StatusDamaged)
            }
            // What a card answers that cannot tell its own state.
            Self::Status { status: StatusWord::EXECUTION_ERROR, .. } => {
                Some(Presented::StatusDamaged)
            }
            _ => None,
        }
    }
}
