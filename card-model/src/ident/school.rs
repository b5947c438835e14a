//! Schools and where a pupil stands in one: school type, pupil category, stage, grade and the
//! national school identifier.
//!
//! Sources: the digits of the Beijing student number (学籍号) for type and category, 暂行办法
//! 一(二) for the colours, 操作规程 一/五 for eligibility. The codes of the stage are
//! project-defined.

use core::fmt;
use core::ops::RangeInclusive;
use core::str::FromStr;

use crate::bcd::{self, BcdError, Digits};
use crate::code::codes;

codes! {
    /// School type (学校类别): which stages a school teaches.
    pub enum SchoolType {
        Primary = 0, "0", "primary school", "小学";
        Junior = 1, "1", "junior secondary school", "初中";
        NineYear = 2, "2", "nine-year school", "九年一贯制学校";
        TwelveYear = 3, "3", "twelve-year school", "十二年一贯制学校";
        Complete = 4, "4", "complete secondary school", "完全中学";
        Senior = 5, "5", "ordinary senior secondary school", "普通高中";
        Vocational = 6, "6", "vocational school", "职业学校";
        VocationalAndOrdinary = 7, "7", "vocational and ordinary school", "职业与普通合设学校";
    }
}

impl SchoolType {
    /// Returns the stages whose pupils can hold a card. Of a vocational school these are the
    /// ordinary senior classes (操作规程 一/五).
    #[must_use]
    pub const fn stages(self) -> &'static [Stage] {
        match self {
            Self::Primary => &[Stage::Primary],
            Self::Junior => &[Stage::Junior],
            Self::NineYear => &[Stage::Primary, Stage::Junior],
            Self::TwelveYear => &[Stage::Primary, Stage::Junior, Stage::Senior],
            Self::Complete => &[Stage::Junior, Stage::Senior],
            Self::Senior | Self::Vocational | Self::VocationalAndOrdinary => &[Stage::Senior],
        }
    }

    /// Tells whether a school of this type has pupils of `category`.
    #[must_use]
    pub fn admits(self, category: Category) -> bool {
        self.stages().contains(&category.stage())
    }
}

codes! {
    /// Pupil category (学生类别): stage and residence. Code 3, vocational pupils, is missing: they
    /// are not eligible for a card (操作规程 一/五).
    pub enum Category {
        Primary = 0, "0", "primary", "小学";
        Junior = 1, "1", "junior secondary", "初中";
        Senior = 2, "2", "ordinary senior secondary", "普通高中";
        GuestPrimary = 4, "4", "primary, guest", "小学借读";
        GuestJunior = 5, "5", "junior secondary, guest", "初中借读";
        GuestSenior = 6, "6", "ordinary senior secondary, guest", "普通高中借读";
        ResidentGuestPrimary = 7, "7", "primary, guest as resident", "小学借读(按京籍)";
        ResidentGuestJunior = 8, "8", "junior secondary, guest as resident", "初中借读(按京籍)";
        ResidentGuestSenior = 9, "9", "ordinary senior secondary, guest as resident",
            "普通高中借读(按京籍)";
    }
}

impl Category {
    /// Returns the stage of the category.
    #[must_use]
    pub const fn stage(self) -> Stage {
        match self {
            Self::Primary | Self::GuestPrimary | Self::ResidentGuestPrimary => Stage::Primary,
            Self::Junior | Self::GuestJunior | Self::ResidentGuestJunior => Stage::Junior,
            Self::Senior | Self::GuestSenior | Self::ResidentGuestSenior => Stage::Senior,
        }
    }
}

codes! {
    /// Stage of schooling (学段); one binary byte.
    pub enum Stage {
        Primary = 1, "1", "primary", "小学";
        Junior = 2, "2", "junior secondary", "初中";
        Senior = 3, "3", "senior secondary", "高中";
    }
}

impl Stage {
    /// Returns the stage after this one; `None` after the last of the schools that give cards.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self {
            Self::Primary => Some(Self::Junior),
            Self::Junior => Some(Self::Senior),
            Self::Senior => None,
        }
    }

    /// Returns the grades of the stage, for a stage or school that takes `years`. Where the primary
    /// stage takes five years and the junior stage four, grade 6 is a junior grade; nine years or
    /// more are those of a school with both stages, which may part them either way.
    #[must_use]
    pub const fn grades(self, years: SchoolingYears) -> RangeInclusive<u8> {
        match (self, years.value()) {
            (Self::Primary, 5) => 1..=5,
            (Self::Primary, _) => 1..=6,
            (Self::Junior, 4 | 9..) => 6..=9,
            (Self::Junior, _) => 7..=9,
            (Self::Senior, _) => 10..=12,
        }
    }

    /// Returns how many school years of the stage follow this grade at least.
    #[must_use]
    pub const fn years_after(self, grade: Grade, years: SchoolingYears) -> u8 {
        let last: u8 = match (self, years.value()) {
            (Self::Primary, 5 | 9..) => 5,
            (Self::Primary, _) => 6,
            (Self::Junior, _) => 9,
            (Self::Senior, _) => 12,
        };
        last.saturating_sub(grade.value())
    }

    /// Returns the background colour of the printed identity card, 暂行办法 一(二).
    #[must_use]
    pub const fn colour(self) -> Colour {
        match self {
            Self::Primary => Colour::Yellow,
            Self::Junior => Colour::Green,
            Self::Senior => Colour::Blue,
        }
    }
}

codes! {
    /// Background colour of the printed identity card (证件卡背景色). Not stored on the card.
    pub enum Colour {
        Yellow = 1, "1", "yellow", "黄";
        Green = 2, "2", "green", "绿";
        Blue = 3, "3", "blue", "蓝";
    }
}

/// A number that is no grade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("grade must be a number from 1 to 12, counted from primary 1")]
pub struct GradeError;

/// Grade (年级), 1..=12 counted from primary 1; one binary byte.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Grade(u8);

impl Grade {
    /// Takes a number from 1 to 12.
    ///
    /// # Errors
    /// [`GradeError`] for any other.
    pub const fn new(number: u8) -> Result<Self, GradeError> {
        match number {
            1..=12 => Ok(Self(number)),
            _ => Err(GradeError),
        }
    }

    /// Returns the number.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }
}

impl FromStr for Grade {
    type Err = GradeError;

    fn from_str(text: &str) -> Result<Self, GradeError> {
        Self::new(bcd::parse_number(text).ok_or(GradeError)?)
    }
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A number that is no length of schooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("years of schooling must be a number from 1 to 12")]
pub struct SchoolingYearsError;

/// Years of schooling of the stage or school (学制), 1..=12; one BCD byte.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SchoolingYears(u8);

impl SchoolingYears {
    /// Takes a number from 1 to 12.
    ///
    /// # Errors
    /// [`SchoolingYearsError`] for any other.
    pub const fn new(number: u8) -> Result<Self, SchoolingYearsError> {
        match number {
            1..=12 => Ok(Self(number)),
            _ => Err(SchoolingYearsError),
        }
    }

    /// Returns the number.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }
}

impl FromStr for SchoolingYears {
    type Err = SchoolingYearsError;

    fn from_str(text: &str) -> Result<Self, SchoolingYearsError> {
        Self::new(bcd::parse_number(text).ok_or(SchoolingYearsError)?)
    }
}

impl fmt::Display for SchoolingYears {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Why digits are not the identifier of a Beijing school.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchoolIdError {
    /// Not 10 decimal digits.
    #[error(transparent)]
    Digits(#[from] BcdError),
    /// Digits 3 and 4 are not 11.
    #[error("school identifier has province {0:02}, expected 11 (Beijing)")]
    Province(u64),
}

/// National school identifier (学校标识码), in use since 2011: 10 digits, category 2, province 2,
/// sequence 6; stored as 5 BCD bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SchoolId(Digits<5>);

impl SchoolId {
    /// Takes the 5 BCD bytes.
    ///
    /// # Errors
    /// [`SchoolIdError::Digits`] or [`SchoolIdError::Province`].
    pub fn from_bytes(bytes: [u8; 5]) -> Result<Self, SchoolIdError> {
        let digits = Digits::from_bytes(bytes)?;
        match digits.value() / 1_000_000 % 100 {
            11 => Ok(Self(digits)),
            province => Err(SchoolIdError::Province(province)),
        }
    }

    /// Returns the 5 BCD bytes.
    #[must_use]
    pub const fn bytes(&self) -> [u8; 5] {
        self.0.bytes()
    }

    /// Returns the school category of the national scheme, such as 21 for a primary school. It is
    /// not the digit of [`SchoolType`].
    #[must_use]
    pub fn category(&self) -> u8 {
        (self.0.value() / 100_000_000 % 100) as u8
    }
}

impl FromStr for SchoolId {
    type Err = SchoolIdError;

    fn from_str(text: &str) -> Result<Self, SchoolIdError> {
        Self::from_bytes(bcd::encode(bcd::parse_decimal(text, 10)?)?)
    }
}

impl fmt::Display for SchoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    /// The whole matrix of school type and category, written out.
    #[test]
    fn type_by_category() {
        let matrix: [&[u8]; 8] = [
            &[0, 4, 7],
            &[1, 5, 8],
            &[0, 1, 4, 5, 7, 8],
            &[0, 1, 2, 4, 5, 6, 7, 8, 9],
            &[1, 2, 5, 6, 8, 9],
            &[2, 6, 9],
            &[2, 6, 9],
            &[2, 6, 9],
        ];
        for (school_type, row) in SchoolType::ALL.iter().zip(matrix) {
            for category in Category::ALL {
                let expected = row.contains(&category.code());
                assert_eq!(school_type.admits(*category), expected, "{school_type} {category}");
            }
        }
        assert_eq!(Category::from_code(3), None);
    }

    #[test]
    fn colours_of_the_stages() {
        let colours = Stage::ALL.iter().map(|s| s.colour().chinese());
        assert!(colours.eq(["黄", "绿", "蓝"]));
    }

    #[test]
    fn grades_of_the_stages() {
        let grades = |stage: Stage, years| stage.grades(SchoolingYears::new(years).unwrap());
        assert_eq!(grades(Stage::Primary, 6), 1..=6);
        assert_eq!(grades(Stage::Primary, 5), 1..=5);
        assert_eq!(grades(Stage::Junior, 3), 7..=9);
        assert_eq!(grades(Stage::Junior, 4), 6..=9);
        assert_eq!(grades(Stage::Senior, 3), 10..=12);
        // A school of nine years: five and four, or six and three.
        assert_eq!((grades(Stage::Primary, 9), grades(Stage::Junior, 9)), (1..=6, 6..=9));
        for text in ["0", "13", "", "x", "-1"] {
            assert!(text.parse::<Grade>().is_err());
            assert!(text.parse::<SchoolingYears>().is_err());
        }
    }

    #[test]
    fn years_after_a_grade() {
        for (stage, years, grade, left) in [
            (Stage::Primary, 6, 1, 5),
            (Stage::Primary, 5, 1, 4),
            (Stage::Primary, 9, 1, 4),
            (Stage::Primary, 9, 6, 0),
            (Stage::Junior, 3, 7, 2),
            (Stage::Junior, 4, 6, 3),
            (Stage::Junior, 9, 6, 3),
            (Stage::Senior, 3, 10, 2),
            (Stage::Senior, 3, 12, 0),
        ] {
            let (grade, years) = (Grade::new(grade).unwrap(), SchoolingYears::new(years).unwrap());
            assert_eq!(stage.years_after(grade, years), left, "{stage} {years} {grade}");
        }
    }

    #[test]
    fn school_identifier() {
        let id: SchoolId = "2111000123".parse().unwrap();
        assert_eq!(id.bytes(), [0x21, 0x11, 0x00, 0x01, 0x23]);
        assert_eq!((id.category(), id.to_string().as_str()), (21, "2111000123"));
        assert_eq!("2131000123".parse::<SchoolId>(), Err(SchoolIdError::Province(31)));
        assert!("211100012".parse::<SchoolId>().is_err());
        assert!(SchoolId::from_bytes([0; 5]).is_err());
    }
}
