//! A pupil: the identity and the enrolment record together, and how they are made from text.
//!
//! The school's information system (CMIS) is the source of every value, so nothing is corrected
//! here: data is refused with a reason for every field, corrected at its source and given again
//! (暂行办法 四(二), 操作规程 四/三(二)).

use alloc::string::{String, ToString};
use core::str::FromStr;

use crate::bcd::Digits;
use crate::date::Date;
use crate::ident::{Districts, StudentNumber};
use crate::record::{
    Enrolment, EnrolmentClaims, Field, FieldErrors, Identity, IdentityClaims, Problem,
    enrolment_field as enrolment, identity_field as identity,
};

/// A pupil's identity and enrolment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Pupil {
    /// Who the pupil is.
    pub identity: Identity,
    /// Where the pupil goes to school.
    pub enrolment: Enrolment,
}

impl Pupil {
    /// Reads both records and checks their agreement.
    ///
    /// # Errors
    /// Every field of either record that breaks a rule.
    pub fn parse(identity: &[u8], enrolment: &[u8]) -> Result<Self, FieldErrors> {
        let (identity, enrolment) = match (Identity::parse(identity), Enrolment::parse(enrolment)) {
            (Ok(identity), Ok(enrolment)) => (identity, enrolment),
            (identity, enrolment) => {
                let mut errors = identity.err().unwrap_or_default();
                errors.append(enrolment.err().unwrap_or_default());
                return errors.into_result(None);
            }
        };
        let pupil = Self { identity, enrolment };
        pupil.check()?;
        Ok(pupil)
    }

    /// Checks each record and the agreement between the two.
    ///
    /// # Errors
    /// Every field that breaks a rule of [`Identity::check`] or [`Enrolment::check`]; an enrolment
    /// that is not that of the student number; a number of a cohort that this entry cannot have; an
    /// entry to school before birth.
    pub fn check(&self) -> Result<(), FieldErrors> {
        let mut errors = self.identity.check().err().unwrap_or_default();
        errors.append(self.enrolment.check().err().unwrap_or_default());
        check_agreement(
            Some(self.identity.student_number),
            Some(self.identity.birth_date),
            &self.enrolment.claims(),
            &mut errors,
        );
        errors.into_result(Some(()))
    }
}

/// A pupil as text: one field for each value of the two records, under the record's identifiers.
///
/// A missing or empty field is unset. Unit, stage, category, cohort and class follow from the
/// student number and may be left out; when stated, unit, stage and category must agree with it, the
/// cohort may be up to three years later. Coded fields take the code, the English or the Chinese name;
/// dates have the form `2026-09-01`.
///
/// ```
/// use xuejika_card_model::pupil::PupilDraft;
///
/// let draft = PupilDraft {
///     student_number: Some("0108401230903175".into()),
///     sex: Some("3".into()),
///     ..PupilDraft::default()
/// };
/// let errors = draft.build().unwrap_err();
/// assert!(errors.has("student_number")); // category 3 is not eligible
/// assert!(errors.has("sex")); // no such code
/// assert!(errors.has("name")); // required
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
pub struct PupilDraft {
    /// Student number (学籍号), 16 digits. Required.
    pub student_number: Option<String>,
    /// Formal or temporary (学籍类别). Required.
    pub record_type: Option<String>,
    /// Whether the name has a rare character (生僻字): true or false; unset is false.
    pub rare_character: Option<String>,
    /// Sex (性别码). Required.
    pub sex: Option<String>,
    /// Date of birth (出生日期). Required.
    pub birth_date: Option<String>,
    /// Name (姓名). Required.
    pub name: Option<String>,
    /// Name in pinyin (姓名拼音). Required for a name with a rare character.
    pub name_pinyin: Option<String>,
    /// Letter of the national pupil number (全国学籍号前缀): G, J or L.
    pub national_prefix: Option<String>,
    /// Document number (证件号), or the national pupil number without its letter.
    pub id_number: Option<String>,
    /// Document type (证件类型).
    pub id_type: Option<String>,
    /// Beijing education number (教育ID).
    pub education_id: Option<String>,
    /// Name of the school (校名). Required.
    pub school_name: Option<String>,
    /// National school identifier (学校标识码), 10 digits.
    pub school_id: Option<String>,
    /// Unit code of the school (学校单位码), 6 digits; derived.
    pub unit: Option<String>,
    /// Stage (学段); derived.
    pub stage: Option<String>,
    /// Pupil category (学生类别); derived.
    pub category: Option<String>,
    /// Grade (年级), 1 to 12. Required.
    pub grade: Option<String>,
    /// Class (班), 2 digits; as in the student number unless the pupil changed class (转班).
    pub class: Option<String>,
    /// Cohort (届别), 2 digits; as in the student number unless the pupil repeated a grade (留级).
    pub cohort: Option<String>,
    /// Years of schooling (学制). Required.
    pub schooling_years: Option<String>,
    /// Date of entry (入学日期). Required.
    pub entry_date: Option<String>,
    /// Last day of validity (有效期至). Required.
    pub valid_until: Option<String>,
    /// Way of attending (就读方式). Required.
    pub boarding: Option<String>,
    /// Way of entry (入学方式). Required.
    pub entry_mode: Option<String>,
    /// State of the school record (学籍状态). Required.
    pub enrolment_state: Option<String>,
}

impl PupilDraft {
    /// Makes the pupil of a district that is built in.
    ///
    /// # Errors
    /// As [`Self::build_with`].
    pub fn build(&self) -> Result<Pupil, FieldErrors> {
        self.build_with(&Districts::default())
    }

    /// Makes the pupil, whose district these are asked for.
    ///
    /// # Errors
    /// Every field that is missing, is not a value of its kind, or contradicts another.
    pub fn build_with(&self, districts: &Districts) -> Result<Pupil, FieldErrors> {
        let mut errors = FieldErrors::default();
        let identity = self.build_identity(&mut errors);
        let number = self.student_number.as_deref();
        let number = number.and_then(|text| text.parse::<StudentNumber>().ok());
        if let Some(number) = number {
            errors.note(identity::STUDENT_NUMBER, districts.find(number.district()));
        }
        let enrolment = self.build_enrolment(number, &mut errors);
        let pupil = match (identity, enrolment) {
            (Some(identity), Some(enrolment)) => Some(Pupil { identity, enrolment }),
            _ => None,
        };
        errors.into_result(pupil)
    }

    fn build_identity(&self, errors: &mut FieldErrors) -> Option<Identity> {
        let student_number = required(identity::STUDENT_NUMBER, &self.student_number, errors);
        let record_type = required(identity::RECORD_TYPE, &self.record_type, errors);
        let sex = required(identity::SEX, &self.sex, errors);
        let birth_date = required(identity::BIRTH_DATE, &self.birth_date, errors);
        let name = required(identity::NAME, &self.name, errors);
        let name_pinyin = optional(identity::NAME_PINYIN, &self.name_pinyin, errors);
        let prefix = optional(identity::NATIONAL_PREFIX, &self.national_prefix, errors);
        let id_number = optional(identity::ID_NUMBER, &self.id_number, errors);
        let id_type = optional(identity::ID_TYPE, &self.id_type, errors);
        let education_id = optional(identity::EDUCATION_ID, &self.education_id, errors);
        let rare_character = match given(&self.rare_character) {
            None | Some("false" | "0") => Some(false),
            Some("true" | "1") => Some(true),
            Some(_) => errors.note(identity::RARE_CHARACTER, Err(Problem::NotABoolean)),
        };
        IdentityClaims {
            rare_character,
            sex,
            birth_date,
            name_pinyin,
            national_prefix: prefix,
            id_number,
            id_type,
        }
        .check(errors);
        Some(Identity {
            student_number: student_number?,
            record_type: record_type?,
            rare_character: rare_character?,
            sex: sex?,
            birth_date: birth_date?,
            name: name?,
            name_pinyin: name_pinyin?,
            national_prefix: prefix?,
            id_number: id_number?,
            id_type: id_type?,
            education_id: education_id?,
        })
    }

    fn build_enrolment(
        &self,
        number: Option<StudentNumber>,
        errors: &mut FieldErrors,
    ) -> Option<Enrolment> {
        let school_name = required(enrolment::SCHOOL_NAME, &self.school_name, errors);
        let school_id = optional(enrolment::SCHOOL_ID, &self.school_id, errors);
        let claims = self.claims(number, errors);
        let boarding = required(enrolment::BOARDING, &self.boarding, errors);
        let entry_mode = required(enrolment::ENTRY_MODE, &self.entry_mode, errors);
        let state = required(enrolment::ENROLMENT_STATE, &self.enrolment_state, errors);
        claims.check(errors);
        let birth_date = given(&self.birth_date).and_then(|text| text.parse().ok());
        check_agreement(number, birth_date, &claims, errors);
        Some(Enrolment {
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
            enrolment_state: state?,
        })
    }

    /// The values that must agree, as stated or else as the student number says.
    fn claims(&self, number: Option<StudentNumber>, errors: &mut FieldErrors) -> EnrolmentClaims {
        let two_digits = |value: u8| Digits::<1>::new(value.into()).ok();
        let by_number = |value: fn(&StudentNumber) -> u8| two_digits(value(&number?));
        EnrolmentClaims {
            unit: optional(enrolment::UNIT, &self.unit, errors)
                .and_then(|stated| stated.or(number.map(|n| n.unit()))),
            stage: optional(enrolment::STAGE, &self.stage, errors)
                .and_then(|stated| stated.or(number.map(|n| n.stage()))),
            category: optional(enrolment::CATEGORY, &self.category, errors)
                .and_then(|stated| stated.or(number.map(|n| n.category()))),
            grade: required(enrolment::GRADE, &self.grade, errors),
            class: optional(enrolment::CLASS, &self.class, errors)
                .and_then(|stated| stated.or(by_number(StudentNumber::class))),
            cohort: optional(enrolment::COHORT, &self.cohort, errors)
                .and_then(|stated| stated.or(by_number(StudentNumber::cohort))),
            schooling_years: required(enrolment::SCHOOLING_YEARS, &self.schooling_years, errors),
            entry_date: required(enrolment::ENTRY_DATE, &self.entry_date, errors),
            valid_until: required(enrolment::VALID_UNTIL, &self.valid_until, errors),
        }
    }
}

impl From<&Pupil> for PupilDraft {
    /// Writes every value, the derived ones too; coded fields by their codes.
    fn from(pupil: &Pupil) -> Self {
        let (identity, enrolment) = (&pupil.identity, &pupil.enrolment);
        Self {
            student_number: Some(identity.student_number.to_string()),
            record_type: Some(identity.record_type.code_text().into()),
            rare_character: Some(identity.rare_character.to_string()),
            sex: Some(identity.sex.code_text().into()),
            birth_date: Some(identity.birth_date.to_string()),
            name: Some(identity.name.text()),
            name_pinyin: identity.name_pinyin.map(|text| text.to_string()),
            national_prefix: identity.national_prefix.map(|p| p.code_text().into()),
            id_number: identity.id_number.map(|text| text.to_string()),
            id_type: identity.id_type.map(|t| t.code_text().into()),
            education_id: identity.education_id.map(|text| text.to_string()),
            school_name: Some(enrolment.school_name.text()),
            school_id: enrolment.school_id.map(|id| id.to_string()),
            unit: Some(enrolment.unit.to_string()),
            stage: Some(enrolment.stage.code_text().into()),
            category: Some(enrolment.category.code_text().into()),
            grade: Some(enrolment.grade.to_string()),
            class: Some(enrolment.class.to_string()),
            cohort: Some(enrolment.cohort.to_string()),
            schooling_years: Some(enrolment.schooling_years.to_string()),
            entry_date: Some(enrolment.entry_date.to_string()),
            valid_until: Some(enrolment.valid_until.to_string()),
            boarding: Some(enrolment.boarding.code_text().into()),
            entry_mode: Some(enrolment.entry_mode.code_text().into()),
            enrolment_state: Some(enrolment.enrolment_state.code_text().into()),
        }
    }
}

/// Checks what ties the enrolment to the identity.
fn check_agreement(
    number: Option<StudentNumber>,
    birth_date: Option<Date>,
    claims: &EnrolmentClaims,
    errors: &mut FieldErrors,
) {
    if let Some(number) = number {
        claims.check_against(identity::STUDENT_NUMBER, number, errors);
    }
    errors.check_order(
        (identity::BIRTH_DATE, birth_date),
        (enrolment::ENTRY_DATE, claims.entry_date),
    );
}

fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

/// The value of a field that must be given; `None` after an error.
fn required<T>(field: Field, text: &Option<String>, errors: &mut FieldErrors) -> Option<T>
where
    T: FromStr<Err: Into<Problem>>,
{
    match given(text) {
        Some(text) => errors.note(field, text.parse()),
        None => errors.note(field, Err(Problem::Missing)),
    }
}

/// The value of a field that may be unset; the outer `None` after an error.
fn optional<T>(field: Field, text: &Option<String>, errors: &mut FieldErrors) -> Option<Option<T>>
where
    T: FromStr<Err: Into<Problem>>,
{
    match given(text) {
        Some(text) => errors.note(field, text.parse().map(Some)),
        None => Some(None),
    }
}
