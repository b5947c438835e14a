//! EF 08 enrolment record (就读): where and how the pupil goes to school.

use alloc::string::String;

use super::error::{FieldErrors, Problem};
use super::field::{Field, Layout, RecordKind};
use super::wire::{Reader, Writer};
use crate::bcd::Digits;
use crate::code::{Boarding, EnrolmentState, Entry};
use crate::date::Date;
use crate::ident::{Category, Grade, SchoolId, SchoolingYears, Stage, StudentNumber, UnitCode};
use crate::text::GbText;

/// The enrolment record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Enrolment {
    /// Name of the school (校名).
    pub school_name: GbText<62>,
    /// National school identifier (学校标识码), in use since 2011.
    pub school_id: Option<SchoolId>,
    /// The school as a unit code (学校单位码).
    pub unit: UnitCode,
    /// Stage of schooling (学段).
    pub stage: Stage,
    /// Pupil category (学生类别).
    pub category: Category,
    /// Grade (年级).
    pub grade: Grade,
    /// Class (班); another than in the student number after a change of class.
    pub class: Digits<1>,
    /// Last two digits of the expected year of graduation (届别); later than in the student number
    /// after a repeated grade.
    pub cohort: Digits<1>,
    /// Years of schooling (学制).
    pub schooling_years: SchoolingYears,
    /// Date of entry to the school (入学日期).
    pub entry_date: Date,
    /// Last day of validity, as printed on the identity card (有效期至).
    pub valid_until: Date,
    /// Way of attending (就读方式).
    pub boarding: Boarding,
    /// Way of entry (入学方式).
    pub entry_mode: Entry,
    /// State of the school record (学籍状态).
    pub enrolment_state: EnrolmentState,
}

impl Enrolment {
    /// Length in bytes.
    pub const LEN: usize = 96;

    /// Where its fields are.
    pub const LAYOUT: Layout =
        Layout { record: RecordKind::Enrolment, len: Self::LEN, fields: field::ALL };

    /// Reads the record.
    ///
    /// # Errors
    /// Every field that breaks a rule.
    pub fn parse(bytes: &[u8]) -> Result<Self, FieldErrors> {
        let mut r = Reader::open(&Self::LAYOUT, bytes)?;
        let school_name = r.read(field::SCHOOL_NAME);
        let school_id = r.read(field::SCHOOL_ID);
        let claims = EnrolmentClaims {
            unit: r.read(field::UNIT),
            stage: r.read(field::STAGE),
            category: r.read(field::CATEGORY),
            grade: r.read(field::GRADE),
            class: r.read(field::CLASS),
            cohort: r.read(field::COHORT),
            schooling_years: r.read(field::SCHOOLING_YEARS),
            entry_date: r.read(field::ENTRY_DATE),
            valid_until: r.read(field::VALID_UNTIL),
        };
        let boarding = r.read(field::BOARDING);
        let entry_mode = r.read(field::ENTRY_MODE);
        let enrolment_state = r.read(field::ENROLMENT_STATE);
        claims.check(&mut r.errors);
        r.finish(|| {
            Some(Self {
                school_name: school_name?,
                school_id: school_id?,
                unit: claims.unit?,
                stage: claims.stage?,
                category: claims.category?,
                grade: claims.grade?,
                class: claims.class?,
                cohort: claims.cohort?,
                schooling_years: claims.schooling_years?,
                entry_date: claims.entry_date?,
                valid_until: claims.valid_until?,
                boarding: boarding?,
                entry_mode: entry_mode?,
                enrolment_state: enrolment_state?,
            })
        })
    }

    /// Writes the record.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        Writer::new()
            .write(field::SCHOOL_NAME, &self.school_name)
            .write(field::SCHOOL_ID, &self.school_id)
            .write(field::UNIT, &self.unit)
            .write(field::STAGE, &self.stage)
            .write(field::CATEGORY, &self.category)
            .write(field::GRADE, &self.grade)
            .write(field::CLASS, &self.class)
            .write(field::COHORT, &self.cohort)
            .write(field::SCHOOLING_YEARS, &self.schooling_years)
            .write(field::ENTRY_DATE, &self.entry_date)
            .write(field::VALID_UNTIL, &self.valid_until)
            .write(field::BOARDING, &self.boarding)
            .write(field::ENTRY_MODE, &self.entry_mode)
            .write(field::ENROLMENT_STATE, &self.enrolment_state)
            .seal(&Self::LAYOUT)
    }

    /// Checks the agreement between fields.
    ///
    /// # Errors
    /// The unit is no school, the stage is not that of the category, the grade does not fit the
    /// stage or is lower than its pupils can be in, or the validity ends before the entry or after the
    /// graduation.
    pub fn check(&self) -> Result<(), FieldErrors> {
        let mut errors = FieldErrors::default();
        self.claims().check(&mut errors);
        errors.into_result(Some(()))
    }

    pub(crate) const fn claims(&self) -> EnrolmentClaims {
        EnrolmentClaims {
            unit: Some(self.unit),
            stage: Some(self.stage),
            category: Some(self.category),
            grade: Some(self.grade),
            class: Some(self.class),
            cohort: Some(self.cohort),
            schooling_years: Some(self.schooling_years),
            entry_date: Some(self.entry_date),
            valid_until: Some(self.valid_until),
        }
    }
}

/// The values of an enrolment record that must agree; `None` for one that is wrong by itself.
pub(crate) struct EnrolmentClaims {
    pub(crate) unit: Option<UnitCode>,
    pub(crate) stage: Option<Stage>,
    pub(crate) category: Option<Category>,
    pub(crate) grade: Option<Grade>,
    pub(crate) class: Option<Digits<1>>,
    pub(crate) cohort: Option<Digits<1>>,
    pub(crate) schooling_years: Option<SchoolingYears>,
    pub(crate) entry_date: Option<Date>,
    pub(crate) valid_until: Option<Date>,
}

impl EnrolmentClaims {
    /// Checks the agreement within the record.
    pub(crate) fn check(&self, errors: &mut FieldErrors) {
        if self.unit.is_some_and(|unit| !unit.is_school()) {
            errors.push(field::UNIT, Problem::NotASchool);
        }
        if let (Some(stage), Some(category)) = (self.stage, self.category)
            && stage != category.stage()
        {
            let problem = Problem::disagrees(stage, field::CATEGORY, category.stage());
            errors.push(field::STAGE, problem);
        }
        if let (Some(grade), Some(stage), Some(years)) =
            (self.grade, self.stage, self.schooling_years)
        {
            let grades = stage.grades(years);
            if !grades.contains(&grade.value()) {
                let range = alloc::format!("{} to {}", grades.start(), grades.end());
                let problem = Problem::disagrees(grade, field::STAGE, range);
                errors.push(field::GRADE, problem);
            }
        }
        errors.check_order(
            (field::ENTRY_DATE, self.entry_date),
            (field::VALID_UNTIL, self.valid_until),
        );
        if let (Some(cohort), Some(entry)) = (self.cohort, self.entry_date) {
            self.check_graduation(graduation_year(cohort.value(), entry), entry, errors);
        }
    }

    /// Checks what ends with the graduation. No date of today is asked: a card has none, and what was
    /// right when it was written stays right.
    fn check_graduation(&self, year: u16, entry: Date, errors: &mut FieldErrors) {
        if let (Some(found), Ok(latest)) = (self.valid_until, Date::new(year, 8, 31))
            && found > latest
        {
            let source_field = field::COHORT.id;
            errors.push(field::VALID_UNTIL, Problem::After { found, source_field, latest });
        }
        if let (Some(grade), Some(stage), Some(years)) =
            (self.grade, self.stage, self.schooling_years)
        {
            // Years from the one of entry to the last one: a grade with more after it was left before.
            let ahead = year - 1 - entry.school_year();
            let can_be = |grade: Grade| u16::from(stage.years_after(grade, years)) <= ahead;
            let grades = stage.grades(years);
            if grades.contains(&grade.value()) && !can_be(grade) {
                let first = grades.clone().find(|n| Grade::new(*n).is_ok_and(can_be));
                let range =
                    alloc::format!("{} to {}", first.unwrap_or(*grades.end()), grades.end());
                errors.push(field::GRADE, Problem::disagrees(grade, field::COHORT, range));
            }
        }
    }

    /// Checks the agreement with the student number, of which `number_field` is the field. Its stage
    /// follows from its category.
    ///
    /// A number is given once for a stage and stays when the pupil changes class (转班), so its class
    /// is the first one. A pupil who repeats a grade (留级) or was suspended (休学) graduates later
    /// than the number says; one who skips a grade keeps the cohort of the number.
    pub(crate) fn check_against(
        &self,
        number_field: Field,
        number: StudentNumber,
        errors: &mut FieldErrors,
    ) {
        if let Some(category) = self.category
            && category != number.category()
        {
            let (found, stated) = (category.code(), number.category().code());
            errors.push(field::CATEGORY, Problem::disagrees(found, number_field, stated));
        }
        if let Some(unit) = self.unit
            && unit != number.unit()
        {
            let problem = Problem::disagrees(unit, number_field, number.unit());
            errors.push(field::UNIT, problem);
        }
        if let Some(cohort) = self.cohort {
            let first = u64::from(number.cohort());
            if (cohort.value() + 100 - first) % 100 > MAX_YEARS_LATER {
                let found = alloc::format!("{:02}", cohort.value());
                let range = two_digits(first, first + MAX_YEARS_LATER);
                errors.push(field::COHORT, Problem::disagrees(found, number_field, range));
            }
        }
        if let (Some(entry), Some(years)) = (self.entry_date, self.schooling_years) {
            let entered = entry.school_year();
            let last = entered + u16::from(years.value());
            if graduation_year(number.cohort().into(), entry) > last {
                let found = alloc::format!("of cohort {:02}", number.cohort());
                let range = two_digits((entered + 1).into(), last.into());
                errors.push(number_field, Problem::disagrees(found, field::ENTRY_DATE, range));
            }
        }
    }
}

/// How many years after the cohort of the number a pupil may graduate.
const MAX_YEARS_LATER: u64 = 3;

/// Returns the first year with the last two digits `cohort` in which a pupil who entered on `entry`
/// can graduate: at the end of that school year or of a later one.
fn graduation_year(cohort: u64, entry: Date) -> u16 {
    let first = entry.school_year() + 1;
    let wait = (cohort + 100 - u64::from(first % 100)) % 100;
    first + wait as u16
}

/// Two years as their last two digits.
fn two_digits(first: u64, last: u64) -> String {
    alloc::format!("{:02} to {:02}", first % 100, last % 100)
}

pub(crate) mod field {
    use super::{Field, RecordKind};

    const R: RecordKind = RecordKind::Enrolment;

    pub(crate) const SCHOOL_NAME: Field = Field::value(R, 0, 62, "school_name", "校名");
    const CRC_1: Field = Field::crc(R, 62, "crc_1");
    pub(crate) const SCHOOL_ID: Field = Field::value(R, 64, 5, "school_id", "学校标识码");
    pub(crate) const UNIT: Field = Field::value(R, 69, 3, "unit", "学校单位码");
    pub(crate) const STAGE: Field = Field::value(R, 72, 1, "stage", "学段");
    pub(crate) const CATEGORY: Field = Field::value(R, 73, 1, "category", "学生类别");
    pub(crate) const GRADE: Field = Field::value(R, 74, 1, "grade", "年级");
    pub(crate) const CLASS: Field = Field::value(R, 75, 1, "class", "班");
    pub(crate) const COHORT: Field = Field::value(R, 76, 1, "cohort", "届别");
    pub(crate) const SCHOOLING_YEARS: Field = Field::value(R, 77, 1, "schooling_years", "学制");
    const CRC_2: Field = Field::crc(R, 78, "crc_2");
    pub(crate) const ENTRY_DATE: Field = Field::value(R, 80, 4, "entry_date", "入学日期");
    pub(crate) const VALID_UNTIL: Field = Field::value(R, 84, 4, "valid_until", "有效期至");
    pub(crate) const BOARDING: Field = Field::value(R, 88, 1, "boarding", "就读方式");
    pub(crate) const ENTRY_MODE: Field = Field::value(R, 89, 1, "entry_mode", "入学方式");
    pub(crate) const ENROLMENT_STATE: Field = Field::value(R, 90, 1, "enrolment_state", "学籍状态");
    const RFU: Field = Field::reserved(R, 91, 3, "rfu");
    const CRC_3: Field = Field::crc(R, 94, "crc_3");

    pub(super) const ALL: &[Field] = &[
        SCHOOL_NAME,
        CRC_1,
        SCHOOL_ID,
        UNIT,
        STAGE,
        CATEGORY,
        GRADE,
        CLASS,
        COHORT,
        SCHOOLING_YEARS,
        CRC_2,
        ENTRY_DATE,
        VALID_UNTIL,
        BOARDING,
        ENTRY_MODE,
        ENROLMENT_STATE,
        RFU,
        CRC_3,
    ];
}
