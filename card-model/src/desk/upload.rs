//! Personalisation upload record (个人化信息): what a school tells its district, and the district the
//! city, about a card it personalised.

use alloc::string::String;

use crate::calendar::{CalendarError, Deadline, Holidays};
use crate::code::{RecordType, Sex};
use crate::date::Date;
use crate::ident::{CardSerial, Grade, Stage, StudentNumber, UnitCode};
use crate::pupil::Pupil;
use crate::record::{Issuance, Personalisation, Status, TerminalId};

/// One personalised card (操作规程 四/五).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PersonalisationUpload {
    /// Card (卡序号).
    pub card_serial: CardSerial,
    /// How often the card came back and was restocked (代次).
    pub generation: u8,
    /// Pupil (学籍号).
    pub student_number: StudentNumber,
    /// Formal or temporary school record (学籍类别).
    pub record_type: RecordType,
    /// Name (姓名).
    pub name: String,
    /// Whether the name has a rare character (生僻字).
    pub rare_character: bool,
    /// Sex (性别).
    pub sex: Sex,
    /// School (校名).
    pub school_name: String,
    /// School as a unit code (学校单位码).
    pub unit: UnitCode,
    /// Stage (学段).
    pub stage: Stage,
    /// Grade (年级).
    pub grade: Grade,
    /// Last day of validity (有效期至).
    pub valid_until: Date,
    /// Whether it is a temporary card (临时卡).
    pub temporary: bool,
    /// Day of the personalisation (个人化日期).
    pub personalised_on: Date,
    /// Unit that personalised it (个人化单位).
    pub personalised_by: UnitCode,
    /// Terminal it was done at (终端号).
    pub terminal: TerminalId,
    /// How often the card was personalised (个人化次数).
    pub count: u16,
    /// Whether it was handed out (已发放).
    pub issued: bool,
    /// Last day to hand the record in, by media where the network fails.
    pub upload_by: Date,
}

impl PersonalisationUpload {
    /// Makes the record of what is on a card.
    ///
    /// # Errors
    /// [`CalendarError::OutOfRange`] when the last day to upload lies after 2099.
    pub fn new(
        issuance: &Issuance,
        status: &Status,
        pupil: &Pupil,
        personalisation: &Personalisation,
    ) -> Result<Self, CalendarError> {
        let Pupil { identity, enrolment } = pupil;
        let from = personalisation.date;
        Ok(Self {
            card_serial: issuance.card_serial,
            generation: issuance.generation,
            student_number: identity.student_number,
            record_type: identity.record_type,
            name: identity.name.text(),
            rare_character: identity.rare_character,
            sex: identity.sex,
            school_name: enrolment.school_name.text(),
            unit: enrolment.unit,
            stage: enrolment.stage,
            grade: enrolment.grade,
            valid_until: enrolment.valid_until,
            temporary: status.flags.temporary,
            personalised_on: from,
            personalised_by: personalisation.unit,
            terminal: personalisation.terminal,
            count: personalisation.count,
            issued: personalisation.issued,
            // A month needs no holidays.
            upload_by: Deadline::PersonalisationUpload.last_day(from, &Holidays::default())?,
        })
    }
}
