//! Rare-character sheet (生僻字描述文件): CMIS writes pinyin in the place of a character it has not got,
//! and the sheet tells the district which one it is. It goes up with the data for the printed cards
//! (操作规程 四/三(一)); the school's seal is on the paper.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use crate::date::Date;
use crate::ident::{Pinyin, StudentNumber};
use crate::pupil::Pupil;
use crate::text::GbText;

/// Why a sheet cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RareCharacterError {
    /// The pupil's record does not say that the name has a rare character.
    #[error("pupil {0} has no rare character in the name: rare_character (生僻字标志) is false")]
    NotRare(StudentNumber),
    /// The pupil's record lacks the name in pinyin.
    #[error("pupil {0} has no name_pinyin (姓名拼音)")]
    NoPinyin(StudentNumber),
    /// A field that the sheet needs is empty.
    #[error("{0} is required")]
    Missing(&'static str),
}

/// A text that names no character.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not the code point of a character that a name can have, expected a form as U+20BB7"
)]
pub struct CodePointError(String);

/// The code point of a character that a name can have, written `U+20BB7`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CodePoint(char);

impl CodePoint {
    /// Returns the character.
    #[must_use]
    pub const fn character(self) -> char {
        self.0
    }
}

impl FromStr for CodePoint {
    type Err = CodePointError;

    fn from_str(text: &str) -> Result<Self, CodePointError> {
        let digits = text.strip_prefix("U+").filter(|digits| (4..=6).contains(&digits.len()));
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let character = number.and_then(char::from_u32);
        let is_in_names = |c: &char| GbText::<4>::new(c.encode_utf8(&mut [0; 4])).is_ok();
        character.filter(is_in_names).map(Self).ok_or_else(|| CodePointError(text.into()))
    }
}

impl fmt::Display for CodePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "U+{:04X}", u32::from(self.0))
    }
}

/// The sheet of one character.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
pub struct RareCharacterSheet {
    /// Pupil (学籍号).
    pub student_number: StudentNumber,
    /// Name in pinyin (姓名拼音).
    pub name_pinyin: Pinyin,
    /// How the character is written (生僻字的写法), as words.
    pub writing: String,
    /// Its code point, for one that has one (码位).
    pub code_point: Option<CodePoint>,
    /// Official name of the school (学校正式名称).
    pub school_name: String,
    /// Whom the district asks (联系人).
    pub contact: String,
    /// Day of the report (上报日期).
    pub reported_on: Date,
}

impl RareCharacterSheet {
    /// Makes the sheet of a pupil whose record says that the name has a rare character.
    ///
    /// # Errors
    /// Any [`RareCharacterError`].
    pub fn new(
        pupil: &Pupil,
        writing: String,
        code_point: Option<CodePoint>,
        contact: String,
        reported_on: Date,
    ) -> Result<Self, RareCharacterError> {
        let (identity, enrolment) = (&pupil.identity, &pupil.enrolment);
        let student_number = identity.student_number;
        if !identity.rare_character {
            return Err(RareCharacterError::NotRare(student_number));
        }
        let sheet = Self {
            student_number,
            name_pinyin: identity
                .name_pinyin
                .ok_or(RareCharacterError::NoPinyin(student_number))?,
            writing,
            code_point,
            school_name: enrolment.school_name.text(),
            contact,
            reported_on,
        };
        sheet.check()?;
        Ok(sheet)
    }

    /// Checks a sheet that came from elsewhere.
    ///
    /// # Errors
    /// [`RareCharacterError::Missing`] for an empty field.
    pub fn check(&self) -> Result<(), RareCharacterError> {
        let fields = [
            ("writing (生僻字的写法)", &self.writing),
            ("school_name (学校正式名称)", &self.school_name),
            ("contact (联系人)", &self.contact),
        ];
        match fields.into_iter().find(|(_, text)| text.trim().is_empty()) {
            Some((field, _)) => Err(RareCharacterError::Missing(field)),
            None => Ok(()),
        }
    }
}
