//! Unit code: digits 3 to 8 of the student number (district 2, school type 1, school 3), with
//! wildcards for a whole district and the whole city; 3 BCD bytes (project-defined).

use core::fmt;
use core::str::FromStr;

use super::{District, DistrictError, SchoolType};
use crate::bcd::{self, BcdError, pack};

/// Why digits are not a unit code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitCodeError {
    /// Not 6 decimal digits.
    #[error(transparent)]
    Digits(#[from] BcdError),
    /// Digits 1 and 2 are no district.
    #[error(transparent)]
    District(#[from] DistrictError),
    /// Digit 3 is no school type.
    #[error("school type {0} is not in the table of school types")]
    SchoolType(u8),
    /// The school number is 000 after a school type, or above 999.
    #[error("school number {0:03} must be from 001 to 999")]
    School(u16),
}

/// What a unit code stands for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scope {
    /// `000000`: the whole city.
    City,
    /// `dd0000`: a whole district.
    District(District),
    /// One school.
    School {
        /// The district of the school.
        district: District,
        /// The type of the school.
        school_type: SchoolType,
        /// The number of the school, 1..=999, within district and type.
        number: u16,
    },
}

/// A city, district or school.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitCode(Scope);

impl UnitCode {
    /// The whole city, `000000`.
    pub const CITY: Self = Self(Scope::City);

    /// Returns the unit of a whole district.
    #[must_use]
    pub const fn district(district: District) -> Self {
        Self(Scope::District(district))
    }

    /// Makes the unit of one school from its number, 1..=999, within district and type.
    ///
    /// # Errors
    /// [`UnitCodeError::School`] outside this range.
    pub const fn school(
        district: District,
        school_type: SchoolType,
        number: u16,
    ) -> Result<Self, UnitCodeError> {
        match number {
            1..=999 => Ok(Self(Scope::School { district, school_type, number })),
            _ => Err(UnitCodeError::School(number)),
        }
    }

    /// Takes the 3 BCD bytes.
    ///
    /// # Errors
    /// Any [`UnitCodeError`].
    pub fn from_bytes(bytes: [u8; 3]) -> Result<Self, UnitCodeError> {
        let value = bcd::decode(&bytes)?;
        let (school_type, number) = ((value / 1_000 % 10) as u8, (value % 1_000) as u16);
        if value == 0 {
            return Ok(Self::CITY);
        }
        let district = District::new(value / 10_000)?;
        if value % 10_000 == 0 {
            return Ok(Self::district(district));
        }
        let school_type =
            SchoolType::from_code(school_type).ok_or(UnitCodeError::SchoolType(school_type))?;
        Self::school(district, school_type, number)
    }

    /// Returns the 3 BCD bytes.
    #[must_use]
    pub const fn bytes(&self) -> [u8; 3] {
        match self.0 {
            Scope::City => [0, 0, 0],
            Scope::District(district) => [district.code(), 0, 0],
            Scope::School { district, school_type, number } => [
                district.code(),
                (school_type.code() << 4) | (number / 100 % 10) as u8,
                pack((number % 100) as u8),
            ],
        }
    }

    /// Returns what the code stands for.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        self.0
    }

    /// Tells whether the code is of one school.
    #[must_use]
    pub const fn is_school(&self) -> bool {
        matches!(self.0, Scope::School { .. })
    }

    /// Returns the district of the unit, or `None` for the whole city.
    #[must_use]
    pub const fn district_code(&self) -> Option<District> {
        match self.0 {
            Scope::City => None,
            Scope::District(district) | Scope::School { district, .. } => Some(district),
        }
    }

    /// Returns the unit one level up: the district of a school, the city of a district.
    #[must_use]
    pub const fn above(&self) -> Option<Self> {
        match self.0 {
            Scope::City => None,
            Scope::District(_) => Some(Self::CITY),
            Scope::School { district, .. } => Some(Self::district(district)),
        }
    }

    /// Tells whether `other` is this unit or lies within it.
    #[must_use]
    pub fn covers(&self, other: Self) -> bool {
        match (self.0, other.0) {
            (Scope::City, _) => true,
            (Scope::District(mine), Scope::District(theirs)) => mine == theirs,
            (Scope::District(mine), Scope::School { district, .. }) => mine == district,
            (Scope::School { .. }, _) => self.0 == other.0,
            (Scope::District(_), Scope::City) => false,
        }
    }
}

impl FromStr for UnitCode {
    type Err = UnitCodeError;

    fn from_str(text: &str) -> Result<Self, UnitCodeError> {
        Self::from_bytes(bcd::encode(bcd::parse_decimal(text, 6)?)?)
    }
}

impl fmt::Display for UnitCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c] = self.bytes();
        write!(f, "{a:02X}{b:02X}{c:02X}")
    }
}

impl fmt::Debug for UnitCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnitCode({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    fn unit(text: &str) -> UnitCode {
        text.parse().unwrap()
    }

    #[test]
    fn scopes() {
        assert_eq!(unit("000000").scope(), Scope::City);
        let district = "08".parse().unwrap();
        assert_eq!(unit("080000").scope(), Scope::District(district));
        let (school_type, number) = (SchoolType::Complete, 12);
        assert_eq!(unit("084012").scope(), Scope::School { district, school_type, number });
        assert_eq!(unit("084012").bytes(), [0x08, 0x40, 0x12]);
    }

    #[test]
    fn refusals() {
        use UnitCodeError as E;
        let parse = |text: &str| text.parse::<UnitCode>().unwrap_err();
        assert!(matches!(parse("08401"), E::Digits(_)));
        assert_eq!(parse("000001"), E::District(DistrictError::None));
        assert_eq!(parse("088012"), E::SchoolType(8));
        assert_eq!(parse("084000"), E::School(0));
        assert!(UnitCode::from_bytes([0x08, 0x4A, 0x12]).is_err());
        let district = "08".parse().unwrap();
        assert!(UnitCode::school(district, SchoolType::Primary, 1000).is_err());
    }

    #[test]
    fn levels() {
        assert_eq!(unit("084012").above(), Some(unit("080000")));
        assert_eq!(unit("080000").above(), Some(UnitCode::CITY));
        assert_eq!(UnitCode::CITY.above(), None);
    }

    #[test]
    fn cover() {
        let units = ["000000", "080000", "050000", "084012", "084013"].map(unit);
        let expected = [
            [true, true, true, true, true],
            [false, true, false, true, true],
            [false, false, true, false, false],
            [false, false, false, true, false],
            [false, false, false, false, true],
        ];
        for (outer, row) in units.iter().zip(expected) {
            for (inner, covers) in units.iter().zip(row) {
                assert_eq!(outer.covers(*inner), covers, "{outer} {inner}");
            }
        }
    }

    /// Of all 1000000 codes, those of a district and a school type round-trip, the rest are refused.
    #[test]
    fn exhaustive() {
        let mut legal = 0;
        for number in 0..1_000_000 {
            let text = format!("{number:06}");
            if let Ok(unit) = text.parse::<UnitCode>() {
                assert_eq!(unit.to_string(), text);
                legal += 1;
            }
        }
        assert_eq!(legal, 1 + 99 * (1 + 8 * 999));
    }
}
