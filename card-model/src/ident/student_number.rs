//! Student number (学籍号) of Beijing: 16 digits, assigned anew at each stage.
//!
//! `01`, district 2, school type 1, school 3, pupil category 1, cohort 2 (last digits of the year of
//! graduation), class 2, seat 2, check 1; stored as 8 BCD bytes. How the Commission computes the
//! check digit is not public, so it is kept but not verified.

use core::fmt;
use core::str::FromStr;

use super::unit::UnitCodeError;
use super::{Category, District, DistrictError, SchoolType, Stage, UnitCode};
use crate::bcd::{self, BcdError, Digits};

/// First two digits of every Beijing student number.
const PROVINCE: u64 = 1;

/// Why digits are not the student number of an eligible pupil.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StudentNumberError {
    /// Not 16 decimal digits.
    #[error(transparent)]
    Digits(#[from] BcdError),
    /// The first two digits are not 01.
    #[error("student number begins with {0:02}, expected 01 (Beijing)")]
    Province(u64),
    /// Digits 3 and 4 are no district.
    #[error("{0} in the student number")]
    District(#[from] DistrictError),
    /// Digit 5 is no school type.
    #[error("school type {0} of the student number is not in the table of school types")]
    SchoolType(u8),
    /// Digits 6 to 8 are 000.
    #[error("school 000 of the student number must be from 001 to 999")]
    School,
    /// Digit 9 is 3: vocational pupils get no card.
    #[error("category 3 (vocational) of the student number is not eligible for a card")]
    NotEligible,
    /// Digit 9 does not go with digit 5.
    #[error("a school of type {} has no pupils of category {}", school_type.code(), category.code())]
    CategoryNotTaught {
        /// The school type of the number.
        school_type: SchoolType,
        /// The pupil category of the number.
        category: Category,
    },
}

/// The student number of an eligible pupil.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StudentNumber {
    digits: Digits<8>,
    district: District,
    school_type: SchoolType,
    unit: UnitCode,
    category: Category,
}

impl StudentNumber {
    /// Takes the 8 BCD bytes.
    ///
    /// # Errors
    /// The first rule broken, from left to right; see [`StudentNumberError`].
    pub fn from_bytes(bytes: [u8; 8]) -> Result<Self, StudentNumberError> {
        use StudentNumberError as E;
        let digits = Digits::from_bytes(bytes)?;
        let value = digits.value();
        let province = value / 100_000_000_000_000;
        if province != PROVINCE {
            return Err(E::Province(province));
        }
        let district = District::new(value / 1_000_000_000_000 % 100)?;
        let school_type = (value / 100_000_000_000 % 10) as u8;
        let school_type = SchoolType::from_code(school_type).ok_or(E::SchoolType(school_type))?;
        let school = (value / 100_000_000 % 1_000) as u16;
        let unit = UnitCode::school(district, school_type, school)
            .map_err(|_: UnitCodeError| E::School)?;
        let category = (value / 10_000_000 % 10) as u8;
        let category = Category::from_code(category).ok_or(E::NotEligible)?;
        if !school_type.admits(category) {
            return Err(E::CategoryNotTaught { school_type, category });
        }
        Ok(Self { digits, district, school_type, unit, category })
    }

    /// Returns the 8 BCD bytes.
    #[must_use]
    pub const fn bytes(&self) -> [u8; 8] {
        self.digits.bytes()
    }

    /// Returns the district.
    #[must_use]
    pub const fn district(&self) -> District {
        self.district
    }

    /// Returns the type of the school.
    #[must_use]
    pub const fn school_type(&self) -> SchoolType {
        self.school_type
    }

    /// Returns the number of the school within district and type, 1..=999.
    #[must_use]
    pub fn school(&self) -> u16 {
        (self.digits.value() / 100_000_000 % 1_000) as u16
    }

    /// Returns the pupil category.
    #[must_use]
    pub const fn category(&self) -> Category {
        self.category
    }

    /// Returns the cohort (届别): the last two digits of the expected year of graduation.
    #[must_use]
    pub fn cohort(&self) -> u8 {
        (self.digits.value() / 100_000 % 100) as u8
    }

    /// Returns the class (班), 0..=99.
    #[must_use]
    pub fn class(&self) -> u8 {
        (self.digits.value() / 1_000 % 100) as u8
    }

    /// Returns the number within the class (学号), 0..=99.
    #[must_use]
    pub fn seat(&self) -> u8 {
        (self.digits.value() / 10 % 100) as u8
    }

    /// Returns the check digit, unverified.
    #[must_use]
    pub fn check_digit(&self) -> u8 {
        (self.digits.value() % 10) as u8
    }

    /// Returns the school as a unit code: digits 3 to 8.
    #[must_use]
    pub const fn unit(&self) -> UnitCode {
        self.unit
    }

    /// Returns the stage of schooling, which the category determines.
    #[must_use]
    pub const fn stage(&self) -> Stage {
        self.category.stage()
    }
}

impl FromStr for StudentNumber {
    type Err = StudentNumberError;

    fn from_str(text: &str) -> Result<Self, StudentNumberError> {
        Self::from_bytes(bcd::encode(bcd::parse_decimal(text, 16)?)?)
    }
}

impl fmt::Display for StudentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.digits, f)
    }
}

impl fmt::Debug for StudentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StudentNumber({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;
    use proptest::prelude::*;

    fn error(text: &str) -> StudentNumberError {
        text.parse::<StudentNumber>().unwrap_err()
    }

    #[test]
    fn parts() {
        let number: StudentNumber = "0108401220903175".parse().unwrap();
        assert_eq!(number.district(), "08".parse().unwrap());
        assert_eq!(number.school_type(), SchoolType::Complete);
        assert_eq!(number.school(), 12);
        assert_eq!(number.category(), Category::Senior);
        assert_eq!((number.cohort(), number.class()), (9, 3));
        assert_eq!((number.seat(), number.check_digit()), (17, 5));
        assert_eq!(number.unit(), "084012".parse().unwrap());
        assert_eq!(number.stage(), Stage::Senior);
        assert_eq!(number.to_string(), "0108401220903175");
    }

    #[test]
    fn refusals() {
        use StudentNumberError as E;
        assert!(matches!(error("010840122090317"), E::Digits(_)));
        assert!(matches!(error("G108401220903175"), E::Digits(_)));
        assert!(StudentNumber::from_bytes([0xAA; 8]).is_err());
        assert_eq!(error("1108401220903175"), E::Province(11));
        assert_eq!(error("0100401220903175"), E::District(DistrictError::None));
        assert_eq!(error("0108901220903175"), E::SchoolType(9));
        assert_eq!(error("0108400020903175"), E::School);
        assert_eq!(error("0108601230903175"), E::NotEligible);
        assert_eq!(
            error("0108401200903175").to_string(),
            "a school of type 4 has no pupils of category 0"
        );
    }

    /// Every type digit with every category digit (操作规程 一/五: a vocational school's ordinary
    /// classes are eligible, vocational pupils are not).
    #[test]
    fn type_and_category_digits() {
        for school_type in 0..=9u8 {
            for category in 0..=9u8 {
                let text = format!("0108{school_type}012{category}0903175");
                let expected =
                    match (SchoolType::from_code(school_type), Category::from_code(category)) {
                        (None, _) => Some(StudentNumberError::SchoolType(school_type)),
                        (_, None) => Some(StudentNumberError::NotEligible),
                        (Some(school_type), Some(category)) => {
                            (!school_type.admits(category)).then_some(
                                StudentNumberError::CategoryNotTaught { school_type, category },
                            )
                        }
                    };
                assert_eq!(text.parse::<StudentNumber>().err(), expected);
            }
        }
    }

    proptest! {
        #[test]
        fn any_digits_round_trip_or_are_refused(text in "01[0-9]{2}[0-7][0-9]{11}") {
            if let Ok(number) = text.parse::<StudentNumber>() {
                prop_assert_eq!(number.to_string(), text);
                prop_assert_eq!(StudentNumber::from_bytes(number.bytes()), Ok(number));
            }
        }
    }
}
