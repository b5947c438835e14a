//! EF 07 identity record (身份): who the pupil is.
//!
//! By default the document number is left empty: the card works without it, and it is sensitive.

use core::ops::Range;

use super::error::{FieldErrors, Problem};
use super::field::{Field, Layout, RecordKind};
use super::wire::{Reader, Wire, Writer};
use crate::code::{IdType, RecordType, Sex};
use crate::date::Date;
use crate::ident::{
    DocumentNumber, EducationId, NationalId, NationalPrefix, NationalPupilNumber, Pinyin,
    StudentNumber,
};
use crate::text::GbText;

/// The identity record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Identity {
    /// Student number (学籍号).
    pub student_number: StudentNumber,
    /// Formal or temporary school record (学籍类别).
    pub record_type: RecordType,
    /// Whether the name has a rare character (生僻字), 操作规程 四/三(一).
    pub rare_character: bool,
    /// Sex (性别码).
    pub sex: Sex,
    /// Date of birth (出生日期).
    pub birth_date: Date,
    /// Name (姓名).
    pub name: GbText<30>,
    /// Name in pinyin (姓名拼音); required for a name with a rare character.
    pub name_pinyin: Option<Pinyin>,
    /// Letter of the national pupil number; then `id_number` holds the 18 characters after it.
    pub national_prefix: Option<NationalPrefix>,
    /// Number of the identity document (证件号), or the national pupil number without its letter.
    pub id_number: Option<DocumentNumber>,
    /// Type of the identity document (证件类型).
    pub id_type: Option<IdType>,
    /// Beijing education number (教育ID).
    pub education_id: Option<EducationId>,
}

impl Identity {
    /// Length in bytes.
    pub const LEN: usize = 128;

    /// Where the student number stands in the record.
    pub const STUDENT_NUMBER: Range<usize> = field::STUDENT_NUMBER.range();

    /// Where its fields are.
    pub const LAYOUT: Layout =
        Layout { record: RecordKind::Identity, len: Self::LEN, fields: field::ALL };

    /// Reads the record.
    ///
    /// # Errors
    /// Every field that breaks a rule.
    pub fn parse(bytes: &[u8]) -> Result<Self, FieldErrors> {
        let mut r = Reader::open(&Self::LAYOUT, bytes)?;
        let student_number = r.read(field::STUDENT_NUMBER);
        let kind: Option<RecordTypeByte> = r.read(field::RECORD_TYPE);
        let sex = r.read(field::SEX);
        let birth_date = r.read(field::BIRTH_DATE);
        let name = r.read(field::NAME);
        let name_pinyin = r.read(field::NAME_PINYIN);
        let national_prefix = r.read(field::NATIONAL_PREFIX);
        let id_number = r.read(field::ID_NUMBER);
        let id_type = r.read(field::ID_TYPE);
        let education_id = r.read(field::EDUCATION_ID);
        IdentityClaims {
            rare_character: kind.map(|kind| kind.rare_character),
            sex,
            birth_date,
            name_pinyin,
            national_prefix,
            id_number,
            id_type,
        }
        .check(&mut r.errors);
        r.finish(|| {
            Some(Self {
                student_number: student_number?,
                record_type: kind?.record_type,
                rare_character: kind?.rare_character,
                sex: sex?,
                birth_date: birth_date?,
                name: name?,
                name_pinyin: name_pinyin?,
                national_prefix: national_prefix?,
                id_number: id_number?,
                id_type: id_type?,
                education_id: education_id?,
            })
        })
    }

    /// Writes the record.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let kind =
            RecordTypeByte { record_type: self.record_type, rare_character: self.rare_character };
        Writer::new()
            .write(field::STUDENT_NUMBER, &self.student_number)
            .write(field::RECORD_TYPE, &kind)
            .write(field::SEX, &self.sex)
            .write(field::BIRTH_DATE, &self.birth_date)
            .write(field::NAME, &self.name)
            .write(field::NAME_PINYIN, &self.name_pinyin)
            .write(field::NATIONAL_PREFIX, &self.national_prefix)
            .write(field::ID_NUMBER, &self.id_number)
            .write(field::ID_TYPE, &self.id_type)
            .write(field::EDUCATION_ID, &self.education_id)
            .seal(&Self::LAYOUT)
    }

    /// Checks the agreement between fields.
    ///
    /// # Errors
    /// A rare character without pinyin; a document number that breaks the rules of its type or
    /// prefix, is missing, or has neither; sex or date of birth that the number contradicts.
    pub fn check(&self) -> Result<(), FieldErrors> {
        let mut errors = FieldErrors::default();
        IdentityClaims {
            rare_character: Some(self.rare_character),
            sex: Some(self.sex),
            birth_date: Some(self.birth_date),
            name_pinyin: Some(self.name_pinyin),
            national_prefix: Some(self.national_prefix),
            id_number: Some(self.id_number),
            id_type: Some(self.id_type),
        }
        .check(&mut errors);
        errors.into_result(Some(()))
    }

    /// Returns the national pupil number (全国学籍号), when the record has one.
    #[must_use]
    pub fn national_pupil_number(&self) -> Option<NationalPupilNumber> {
        NationalPupilNumber::new(self.national_prefix?, self.id_number?).ok()
    }

    /// Returns the resident identity number (公民身份号码), when the record has one.
    #[must_use]
    pub fn national_id(&self) -> Option<NationalId> {
        match (self.national_prefix, self.id_type) {
            (Some(_), _) => self.national_pupil_number()?.national_id(),
            (None, Some(IdType::ResidentIdCard)) => self.id_number?.as_str().parse().ok(),
            (None, _) => None,
        }
    }
}

/// The values of an identity record that must agree; `None` for one that is wrong by itself.
pub(crate) struct IdentityClaims {
    pub(crate) rare_character: Option<bool>,
    pub(crate) sex: Option<Sex>,
    pub(crate) birth_date: Option<Date>,
    pub(crate) name_pinyin: Option<Option<Pinyin>>,
    pub(crate) national_prefix: Option<Option<NationalPrefix>>,
    pub(crate) id_number: Option<Option<DocumentNumber>>,
    pub(crate) id_type: Option<Option<IdType>>,
}

impl IdentityClaims {
    pub(crate) fn check(&self, errors: &mut FieldErrors) {
        if (self.rare_character, self.name_pinyin) == (Some(true), Some(None)) {
            errors.push(field::NAME_PINYIN, Problem::Missing);
        }
        if let (Some(prefix), Some(id_type)) = (self.national_prefix, self.id_type) {
            check_prefix(prefix, id_type, errors);
            match self.id_number {
                Some(Some(number)) => self.check_number(prefix, id_type, number, errors),
                Some(None) => check_no_number(prefix, id_type, errors),
                None => {}
            }
        }
    }

    fn check_number(
        &self,
        prefix: Option<NationalPrefix>,
        id_type: Option<IdType>,
        number: DocumentNumber,
        errors: &mut FieldErrors,
    ) {
        match (prefix, id_type) {
            (Some(prefix), _) => {
                let number = NationalPupilNumber::new(prefix, number);
                if let Some(number) = errors.note(field::ID_NUMBER, number) {
                    self.check_birth_date(number.birth_date(), errors);
                    self.check_sex(number.national_id(), errors);
                }
            }
            (None, Some(IdType::ResidentIdCard)) => {
                let id = number.as_str().parse::<NationalId>();
                if let Some(id) = errors.note(field::ID_NUMBER, id) {
                    self.check_birth_date(id.birth_date(), errors);
                    self.check_sex(Some(id), errors);
                }
            }
            (None, Some(_)) => {}
            (None, None) => errors.push(field::ID_TYPE, Problem::Missing),
        }
    }

    fn check_birth_date(&self, stated: Option<Date>, errors: &mut FieldErrors) {
        if let Some(claimed) = self.birth_date
            && stated != Some(claimed)
        {
            let stated = stated.map_or("a year before 1900".into(), |d| alloc::format!("{d}"));
            let problem = Problem::disagrees(claimed, field::ID_NUMBER, stated);
            errors.push(field::BIRTH_DATE, problem);
        }
    }

    fn check_sex(&self, id: Option<NationalId>, errors: &mut FieldErrors) {
        if let (Some(claimed), Some(id)) = (self.sex, id)
            && claimed != id.sex()
        {
            let problem = Problem::disagrees(claimed, field::ID_NUMBER, id.sex());
            errors.push(field::SEX, problem);
        }
    }
}

/// `G` goes with an identity card, `J` and `L` are for pupils without one.
fn check_prefix(prefix: Option<NationalPrefix>, id_type: Option<IdType>, errors: &mut FieldErrors) {
    if let (Some(prefix), Some(id_type)) = (prefix, id_type)
        && (prefix == NationalPrefix::Formal) != (id_type == IdType::ResidentIdCard)
    {
        let problem = Problem::disagrees(id_type, field::NATIONAL_PREFIX, prefix);
        errors.push(field::ID_TYPE, problem);
    }
}

/// Only a document of type Z may go without its number.
fn check_no_number(
    prefix: Option<NationalPrefix>,
    id_type: Option<IdType>,
    errors: &mut FieldErrors,
) {
    if prefix.is_some() || !matches!(id_type, None | Some(IdType::Other)) {
        errors.push(field::ID_NUMBER, Problem::Missing);
    }
}

/// The record type (bits 0 and 1) and the mark of a rare character (bit 7) in one byte.
#[derive(Clone, Copy)]
struct RecordTypeByte {
    record_type: RecordType,
    rare_character: bool,
}

impl RecordTypeByte {
    const TYPE: u8 = 0x03;
    const RARE: u8 = 0x80;
}

impl Wire for RecordTypeByte {
    fn decode(bytes: &[u8]) -> Result<Self, Problem> {
        let byte = u8::decode(bytes)?;
        if byte & !(Self::TYPE | Self::RARE) != 0 {
            return Err(Problem::Reserved);
        }
        let code = byte & Self::TYPE;
        Ok(Self {
            record_type: RecordType::from_code(code).ok_or(Problem::UnknownCode(code))?,
            rare_character: byte & Self::RARE != 0,
        })
    }

    fn encode(&self, out: &mut [u8]) {
        let rare = if self.rare_character { Self::RARE } else { 0 };
        (self.record_type.code() | rare).encode(out);
    }
}

pub(crate) mod field {
    use super::{Field, RecordKind};

    const R: RecordKind = RecordKind::Identity;

    pub(crate) const STUDENT_NUMBER: Field = Field::value(R, 0, 8, "student_number", "学籍号");
    pub(crate) const RECORD_TYPE: Field = Field::value(R, 8, 1, "record_type", "学籍类别");
    /// Bit 7 of the record type, named on its own for messages.
    pub(crate) const RARE_CHARACTER: Field = Field::value(R, 8, 1, "rare_character", "生僻字标志");
    pub(crate) const SEX: Field = Field::value(R, 9, 1, "sex", "性别码");
    pub(crate) const BIRTH_DATE: Field = Field::value(R, 10, 4, "birth_date", "出生日期");
    const CRC_1: Field = Field::crc(R, 14, "crc_1");
    pub(crate) const NAME: Field = Field::value(R, 16, 30, "name", "姓名");
    const CRC_2: Field = Field::crc(R, 46, "crc_2");
    pub(crate) const NAME_PINYIN: Field = Field::value(R, 48, 46, "name_pinyin", "姓名拼音");
    const CRC_3: Field = Field::crc(R, 94, "crc_3");
    pub(crate) const NATIONAL_PREFIX: Field =
        Field::value(R, 96, 1, "national_prefix", "全国学籍号前缀");
    pub(crate) const ID_NUMBER: Field = Field::value(R, 97, 18, "id_number", "证件号");
    pub(crate) const ID_TYPE: Field = Field::value(R, 115, 1, "id_type", "证件类型");
    pub(crate) const EDUCATION_ID: Field = Field::value(R, 116, 10, "education_id", "教育ID");
    const CRC_4: Field = Field::crc(R, 126, "crc_4");

    pub(super) const ALL: &[Field] = &[
        STUDENT_NUMBER,
        RECORD_TYPE,
        SEX,
        BIRTH_DATE,
        CRC_1,
        NAME,
        CRC_2,
        NAME_PINYIN,
        CRC_3,
        NATIONAL_PREFIX,
        ID_NUMBER,
        ID_TYPE,
        EDUCATION_ID,
        CRC_4,
    ];
}
