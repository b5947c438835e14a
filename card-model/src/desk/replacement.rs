//! Replacement form (补办申请单): a pupil applies for a new record card.

use alloc::string::String;

use crate::calendar::{
    CalendarError, Deadline, Holidays, REPLACEMENT_FEE_CODE, REPLACEMENT_FEE_YUAN, replacement_from,
};
use crate::code::codes;
use crate::date::Date;
use crate::ident::{CardSerial, StudentNumber, UnitCode};
use crate::list::{Kind, List};
use crate::pupil::Pupil;

codes! {
    /// Why a card is replaced (补办原因), 暂行办法 六(三), 操作规程 四/六; project-defined code.
    pub enum ReplacementCause {
        Lost = 1, "1", "lost", "丢失";
        Damaged = 2, "2", "damaged", "损坏";
        Quality = 3, "3", "fault of the card", "卡片质量问题";
    }
}

/// Why a replacement cannot be applied for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplacementError {
    /// The application lies before the loss, damage or fault it is about.
    #[error("applied on {applied_on}, before {since}")]
    BeforeCause {
        /// Day of the application.
        applied_on: Date,
        /// Day of the loss report, damage or fault.
        since: Date,
    },
    /// The loss period is not over (操作规程 四/六).
    #[error("a card lost on {reported_on} can be replaced from {from}, not on {applied_on}")]
    LossPeriod {
        /// Day of the loss report.
        reported_on: Date,
        /// First day of a replacement.
        from: Date,
        /// Day of the application.
        applied_on: Date,
    },
    /// The card was replaced before: it is cancelled, and its pupil has another.
    #[error("card {card} was replaced already, as reported on {on}")]
    Replaced {
        /// The card.
        card: CardSerial,
        /// Day of the report.
        on: Date,
    },
    /// A date cannot be computed.
    #[error(transparent)]
    Calendar(#[from] CalendarError),
}

/// One application.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ReplacementForm {
    /// Pupil (学籍号).
    pub student_number: StudentNumber,
    /// Name (姓名).
    pub name: String,
    /// School (校名).
    pub school_name: String,
    /// School as a unit code (学校单位码).
    pub unit: UnitCode,
    /// Card to be replaced (原卡序号).
    pub old_card: CardSerial,
    /// Why (补办原因).
    pub cause: ReplacementCause,
    /// Day of the loss report, the damage or the fault (挂失或损坏日期).
    pub since: Date,
    /// Day of the application (申请日期).
    pub applied_on: Date,
    /// Last day to apply (最迟申请日期).
    pub apply_by: Date,
    /// Whether the application came after that day.
    pub late: bool,
    /// Fee in yuan (补卡费); none for a fault of the card.
    pub fee_yuan: u8,
    /// Number under which the fee is collected (收费编码).
    pub fee_code: &'static str,
    /// Last day to hand out the new record card (最迟发放日期).
    pub hand_out_by: Date,
    /// The new card, once there is one (新卡序号).
    pub new_card: Option<CardSerial>,
    /// Day the new card was handed out (发放日期).
    pub handed_out_on: Option<Date>,
}

impl ReplacementForm {
    /// Fills in the form of a pupil whose card was reported lost, or was damaged, on `since`.
    ///
    /// # Errors
    /// [`ReplacementError::LossPeriod`] before the tenth day of a loss,
    /// [`ReplacementError::BeforeCause`], [`ReplacementError::Calendar`].
    pub fn new(
        pupil: &Pupil,
        old_card: CardSerial,
        cause: ReplacementCause,
        since: Date,
        applied_on: Date,
        holidays: &Holidays,
    ) -> Result<Self, ReplacementError> {
        if applied_on < since {
            return Err(ReplacementError::BeforeCause { applied_on, since });
        }
        let from = match cause {
            ReplacementCause::Lost => replacement_from(since)?,
            ReplacementCause::Damaged | ReplacementCause::Quality => since,
        };
        if applied_on < from {
            let reported_on = since;
            return Err(ReplacementError::LossPeriod { reported_on, from, applied_on });
        }
        let apply_by = Deadline::ReplacementApplication.last_day(from, holidays)?;
        let fee_yuan = match cause {
            ReplacementCause::Quality => 0,
            ReplacementCause::Lost | ReplacementCause::Damaged => REPLACEMENT_FEE_YUAN,
        };
        Ok(Self {
            student_number: pupil.identity.student_number,
            name: pupil.identity.name.text(),
            school_name: pupil.enrolment.school_name.text(),
            unit: pupil.enrolment.unit,
            old_card,
            cause,
            since,
            applied_on,
            apply_by,
            late: applied_on > apply_by,
            fee_yuan,
            fee_code: REPLACEMENT_FEE_CODE,
            hand_out_by: Deadline::RecordCardReplaced.last_day(applied_on, holidays)?,
            new_card: None,
            handed_out_on: None,
        })
    }

    /// Asks the loss and freeze lists: a card is replaced once (操作规程 四/六). As it is cancelled then
    /// for good, a report by its school or above counts whichever holder it is about; a report after
    /// the application tells of this one.
    ///
    /// # Errors
    /// [`ReplacementError::Replaced`] with the first report.
    pub fn unless_replaced(self, lists: &[&List]) -> Result<Self, ReplacementError> {
        let card = self.old_card;
        let reports = lists.iter().flat_map(|list| list.entries().open(card, Kind::Replaced));
        let reports = reports.filter(|report| report.unit().covers(self.unit));
        let first = reports.map(|report| report.reported().date).min();
        match first.filter(|on| *on <= self.applied_on) {
            Some(on) => Err(ReplacementError::Replaced { card, on }),
            None => Ok(self),
        }
    }

    /// Notes that the card broke before it was handed out: the damage is not the holder's
    /// (操作规程 四/六), and the replacement costs nothing.
    #[must_use]
    pub fn never_handed_out(self) -> Self {
        let fee_yuan = match self.cause {
            ReplacementCause::Lost => self.fee_yuan,
            ReplacementCause::Damaged | ReplacementCause::Quality => 0,
        };
        Self { fee_yuan, ..self }
    }

    /// Notes the new card and the day it was handed out.
    ///
    /// # Errors
    /// [`ReplacementError::BeforeCause`] for a day before the application.
    pub fn hand_out(self, new_card: CardSerial, on: Date) -> Result<Self, ReplacementError> {
        let since = self.applied_on;
        if on < since {
            return Err(ReplacementError::BeforeCause { applied_on: on, since });
        }
        Ok(Self { new_card: Some(new_card), handed_out_on: Some(on), ..self })
    }
}
