//! Personalisation upload record (个人化信息): what a school tells its district, and the district the
//! city, about a card it personalised. [`Uploads`](super::Uploads) are files of them.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt::Display;

use crate::calendar::{CalendarError, Deadline, Holidays};
use crate::code::{RecordType, Sex};
use crate::date::Date;
use crate::ident::{CardSerial, EducationId, Grade, Stage, StudentNumber, UnitCode};
use crate::list::{Content, EntryError, Moment, Statement, moment, put_moment};
use crate::pupil::Pupil;
use crate::record::{Issuance, Personalisation, Problem, Status, TerminalId, Wire};
use crate::text::GbText;

/// One personalised card (操作规程 四/五).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    pub name: GbText<30>,
    /// Whether the name has a rare character (生僻字).
    pub rare_character: bool,
    /// Sex (性别).
    pub sex: Sex,
    /// Date of birth (出生日期): with name and sex it tells pupils apart (暂行办法 四(一)).
    pub birth_date: Date,
    /// Beijing education number (教育ID), which tells namesakes of one birthday apart.
    pub education_id: Option<EducationId>,
    /// School (校名).
    pub school_name: GbText<62>,
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
    /// The lost card that a temporary card stands in for (挂失的学籍卡), 操作规程 四/六.
    pub lost_card: Option<CardSerial>,
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
    /// Day the card ceased to be the pupil's: recalled, given back, sent up as faulty, cancelled or
    /// replaced (停用日期).
    pub ended_on: Option<Date>,
    /// When the personalisation was stated first (上传时间).
    pub uploaded_at: Moment,
    /// When this statement of it was made (更新时间); of several the newest counts.
    pub stated_at: Moment,
}

impl PersonalisationUpload {
    /// Length in bytes, in a file.
    pub const LEN: usize = 176;

    /// Makes the record of what is on a card, stated at `at`.
    ///
    /// # Errors
    /// [`CalendarError::OutOfRange`] when the last day to upload lies after 2099.
    pub fn new(
        issuance: &Issuance,
        status: &Status,
        pupil: &Pupil,
        personalisation: &Personalisation,
        at: Moment,
    ) -> Result<Self, CalendarError> {
        let Pupil { identity, enrolment } = pupil;
        let from = personalisation.date;
        Ok(Self {
            card_serial: issuance.card_serial,
            generation: issuance.generation,
            student_number: identity.student_number,
            record_type: identity.record_type,
            name: identity.name,
            rare_character: identity.rare_character,
            sex: identity.sex,
            birth_date: identity.birth_date,
            education_id: identity.education_id,
            school_name: enrolment.school_name,
            unit: enrolment.unit,
            stage: enrolment.stage,
            grade: enrolment.grade,
            valid_until: enrolment.valid_until,
            temporary: status.flags.temporary,
            lost_card: None,
            personalised_on: from,
            personalised_by: personalisation.unit,
            terminal: personalisation.terminal,
            count: personalisation.count,
            issued: personalisation.issued,
            upload_by: upload_by(from)?,
            ended_on: None,
            uploaded_at: at,
            stated_at: at,
        })
    }

    /// Names the lost card that this temporary card stands in for (暂行办法 六(二), 操作规程 四/六).
    ///
    /// # Errors
    /// [`EntryError::Value`] when this is no temporary card, or the lost one itself.
    pub fn for_lost(self, lost: CardSerial) -> Result<Self, EntryError> {
        let record = Self { lost_card: Some(lost), ..self };
        record.check_lost()?;
        Ok(record)
    }

    /// States at `at` that the card ceased to be the pupil's on a day.
    ///
    /// # Errors
    /// [`EntryError::Value`] for a day before the personalisation, or a moment before the statement.
    pub fn ended(self, on: Date, at: Moment) -> Result<Self, EntryError> {
        let record = Self { ended_on: Some(on), stated_at: at, ..self };
        record.check()?;
        Ok(record)
    }

    /// Reads a record from the bytes of a file.
    ///
    /// # Errors
    /// [`EntryError::Value`] with the first field that breaks a rule.
    pub fn parse(bytes: &[u8; Self::LEN]) -> Result<Self, EntryError> {
        let flags: u8 = FLAGS.read(bytes)?;
        let flag = |bit: u8| flags & bit != 0;
        if flags & !(TEMPORARY | ISSUED | RARE) != 0 || RESERVED.read::<[u8; 2]>(bytes)? != [0; 2] {
            return Err(wrong(RESERVED.field, Problem::Reserved));
        }
        let personalised_on = PERSONALISED_ON.read(bytes)?;
        let out_of_range = |_| EntryError::Field(PERSONALISED_ON.field);
        let record = Self {
            card_serial: CARD_SERIAL.read(bytes)?,
            generation: GENERATION.read(bytes)?,
            student_number: STUDENT_NUMBER.read(bytes)?,
            record_type: RECORD_TYPE.read(bytes)?,
            name: NAME.read(bytes)?,
            rare_character: flag(RARE),
            sex: SEX.read(bytes)?,
            birth_date: BIRTH_DATE.read(bytes)?,
            education_id: EDUCATION_ID.read(bytes)?,
            school_name: SCHOOL_NAME.read(bytes)?,
            unit: UNIT.read(bytes)?,
            stage: STAGE.read(bytes)?,
            grade: GRADE.read(bytes)?,
            valid_until: VALID_UNTIL.read(bytes)?,
            temporary: flag(TEMPORARY),
            lost_card: LOST_CARD.read(bytes)?,
            personalised_on,
            personalised_by: PERSONALISED_BY.read(bytes)?,
            terminal: TERMINAL.read(bytes)?,
            count: COUNT.read(bytes)?,
            issued: flag(ISSUED),
            upload_by: upload_by(personalised_on).map_err(out_of_range)?,
            ended_on: ENDED_ON.read(bytes)?,
            uploaded_at: moment(bytes, UPLOADED_AT.at)
                .ok_or(EntryError::Field(UPLOADED_AT.field))?,
            stated_at: moment(bytes, STATED_AT.at).ok_or(EntryError::Field(STATED_AT.field))?,
        };
        record.check()?;
        Ok(record)
    }

    /// Writes the record as it stands in a file.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let bit = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = bit(self.temporary, TEMPORARY)
            | bit(self.issued, ISSUED)
            | bit(self.rare_character, RARE);
        CARD_SERIAL.write(&mut bytes, &self.card_serial);
        GENERATION.write(&mut bytes, &self.generation);
        FLAGS.write(&mut bytes, &flags);
        COUNT.write(&mut bytes, &self.count);
        PERSONALISED_ON.write(&mut bytes, &self.personalised_on);
        PERSONALISED_BY.write(&mut bytes, &self.personalised_by);
        TERMINAL.write(&mut bytes, &self.terminal);
        STUDENT_NUMBER.write(&mut bytes, &self.student_number);
        RECORD_TYPE.write(&mut bytes, &self.record_type);
        SEX.write(&mut bytes, &self.sex);
        BIRTH_DATE.write(&mut bytes, &self.birth_date);
        STAGE.write(&mut bytes, &self.stage);
        GRADE.write(&mut bytes, &self.grade);
        UNIT.write(&mut bytes, &self.unit);
        VALID_UNTIL.write(&mut bytes, &self.valid_until);
        ENDED_ON.write(&mut bytes, &self.ended_on);
        LOST_CARD.write(&mut bytes, &self.lost_card);
        EDUCATION_ID.write(&mut bytes, &self.education_id);
        NAME.write(&mut bytes, &self.name);
        SCHOOL_NAME.write(&mut bytes, &self.school_name);
        put_moment(&mut bytes, UPLOADED_AT.at, &self.uploaded_at);
        put_moment(&mut bytes, STATED_AT.at, &self.stated_at);
        bytes
    }

    fn check_lost(&self) -> Result<(), EntryError> {
        match self.lost_card {
            Some(_) if !self.temporary => {
                Err(wrong(LOST_CARD.field, Problem::Unexpected("for a card that is not temporary")))
            }
            Some(lost) if lost == self.card_serial => {
                Err(wrong(LOST_CARD.field, Problem::Unexpected("for the lost card itself")))
            }
            _ => Ok(()),
        }
    }

    /// Which personalisation it is: statements of one are settled together. The unit is part of it, so
    /// that no unit's statement takes the place of another unit's.
    pub(super) fn subject(&self) -> impl Ord + use<> {
        let when = (self.personalised_on, self.count, self.temporary);
        (self.card_serial, self.generation, when, self.student_number, self.personalised_by)
    }

    /// What decides between statements of one personalisation: the newest; of two at the same moment
    /// the one whose bytes are larger, whenever the first was made.
    fn weight(&self) -> (Moment, [u8; Self::LEN]) {
        let at = self.stated_at;
        (at, Self { uploaded_at: at, ..*self }.emit())
    }
}

impl Statement for PersonalisationUpload {
    const LEN: usize = Self::LEN;
    const CONTENT: Content = Content::Uploads;

    fn read(bytes: &[u8]) -> Result<Self, EntryError> {
        Self::parse(bytes.first_chunk().ok_or(EntryError::Field("record"))?)
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend(self.emit());
    }

    /// Checks what ties the fields to each other: school and stage are those of the student number,
    /// days follow each other, and only a temporary card names a lost one.
    fn check(&self) -> Result<(), EntryError> {
        let number = self.student_number;
        agree(UNIT.field, &self.unit, &number.unit())?;
        agree(STAGE.field, &self.stage, &number.stage())?;
        if self.count == 0 {
            return Err(wrong(COUNT.field, Problem::Zero));
        }
        if upload_by(self.personalised_on).ok() != Some(self.upload_by) {
            return Err(EntryError::Field("upload_by"));
        }
        self.check_lost()?;
        let born = (BIRTH_DATE.field, self.birth_date);
        let personalised = (PERSONALISED_ON.field, self.personalised_on);
        let ended = (ENDED_ON.field, self.ended_on.unwrap_or(self.personalised_on));
        in_order(born, personalised)?;
        in_order(personalised, ended)?;
        in_order(personalised, (UPLOADED_AT.field, self.uploaded_at.date))?;
        in_order(ended, (STATED_AT.field, self.stated_at.date))?;
        if self.stated_at < self.uploaded_at {
            return Err(EntryError::Field(STATED_AT.field));
        }
        Ok(())
    }

    fn serial(&self) -> CardSerial {
        self.card_serial
    }

    #[allow(clippy::misnamed_getters, reason = "whoever personalised the card states it")]
    fn unit(&self) -> UnitCode {
        self.personalised_by
    }

    fn changed(&self) -> Moment {
        self.stated_at
    }

    fn place(&self, other: &Self) -> Ordering {
        let subject = self.subject().cmp(&other.subject());
        subject.then_with(|| self.weight().cmp(&other.weight()))
    }

    fn same_subject(&self, other: &Self) -> bool {
        self.subject() == other.subject()
    }

    /// The newest statement counts, from the moment of the first on.
    fn settle(several: &[Self], settled: &mut Vec<Self>) {
        let first = several.iter().map(|record| record.uploaded_at).min();
        let newest = several.iter().max_by_key(|record| record.weight());
        settled
            .extend(newest.zip(first).map(|(newest, uploaded_at)| Self { uploaded_at, ..*newest }));
    }

    fn precedes(&self, next: &Self) -> bool {
        !self.same_subject(next)
    }

    /// Stating again what stands adds nothing, whenever it is done.
    fn repeats(&self, standing: &Self) -> bool {
        let (uploaded_at, stated_at) = (standing.uploaded_at, standing.stated_at);
        self.stated_at >= stated_at && Self { uploaded_at, stated_at, ..*self } == *standing
    }
}

fn upload_by(personalised_on: Date) -> Result<Date, CalendarError> {
    // A month needs no holidays.
    Deadline::PersonalisationUpload.last_day(personalised_on, &Holidays::default())
}

fn wrong(field: &'static str, problem: Problem) -> EntryError {
    EntryError::Value { field, problem }
}

/// Checks a value against what the student number says.
fn agree<T: PartialEq + Display>(
    field: &'static str,
    found: &T,
    expected: &T,
) -> Result<(), EntryError> {
    if found == expected {
        return Ok(());
    }
    let (found, expected) = (found.to_string(), expected.to_string());
    let source_field = STUDENT_NUMBER.field;
    Err(wrong(field, Problem::Disagrees { found, source_field, expected }))
}

fn in_order(
    (earlier_field, earlier): (&'static str, Date),
    (field, found): (&'static str, Date),
) -> Result<(), EntryError> {
    if found < earlier {
        return Err(wrong(field, Problem::Before { found, earlier_field, earlier }));
    }
    Ok(())
}

/// A value of the record: its name, and where its bytes are.
struct Place {
    field: &'static str,
    at: usize,
    len: usize,
}

impl Place {
    const fn new(field: &'static str, at: usize, len: usize) -> Self {
        Self { field, at, len }
    }

    fn read<T: Wire>(&self, record: &[u8]) -> Result<T, EntryError> {
        let bytes = record.get(self.at..self.at + self.len).unwrap_or_default();
        T::decode(bytes).map_err(|problem| wrong(self.field, problem))
    }

    fn write<T: Wire>(&self, record: &mut [u8], value: &T) {
        if let Some(bytes) = record.get_mut(self.at..self.at + self.len) {
            value.encode(bytes);
        }
    }
}

// The 176 bytes (project-defined); numbers, dates and texts as on the card.
const CARD_SERIAL: Place = Place::new("card_serial", 0, 8);
const GENERATION: Place = Place::new("generation", 8, 1);
const FLAGS: Place = Place::new("flags", 9, 1);
const COUNT: Place = Place::new("count", 10, 2);
const PERSONALISED_ON: Place = Place::new("personalised_on", 12, 4);
const PERSONALISED_BY: Place = Place::new("personalised_by", 16, 3);
const TERMINAL: Place = Place::new("terminal", 19, 4);
const STUDENT_NUMBER: Place = Place::new("student_number", 23, 8);
const RECORD_TYPE: Place = Place::new("record_type", 31, 1);
const SEX: Place = Place::new("sex", 32, 1);
const BIRTH_DATE: Place = Place::new("birth_date", 33, 4);
const STAGE: Place = Place::new("stage", 37, 1);
const GRADE: Place = Place::new("grade", 38, 1);
const UNIT: Place = Place::new("unit", 39, 3);
const VALID_UNTIL: Place = Place::new("valid_until", 42, 4);
const ENDED_ON: Place = Place::new("ended_on", 46, 4);
const LOST_CARD: Place = Place::new("lost_card", 50, 8);
const EDUCATION_ID: Place = Place::new("education_id", 58, 10);
const NAME: Place = Place::new("name", 68, 30);
const SCHOOL_NAME: Place = Place::new("school_name", 98, 62);
const UPLOADED_AT: Place = Place::new("uploaded_at", 160, 7);
const STATED_AT: Place = Place::new("stated_at", 167, 7);
const RESERVED: Place = Place::new("reserved bits", 174, 2);

// Bits of the flags.
const TEMPORARY: u8 = 0x01;
const ISSUED: u8 = 0x02;
const RARE: u8 = 0x04;
