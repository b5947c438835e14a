//! Districts and counties of Beijing: two digits on a card, and the dated table of those that exist.
//!
//! A card lives up to twelve years and cannot learn of a new district, so on cards any two digits but
//! 00 are a district. Which districts exist is asked of a [`Districts`] where data of people come in.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::bcd::{self, BcdError, pack};

/// Why a text or a number is no district.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DistrictError {
    /// Not 2 decimal digits.
    #[error(transparent)]
    Digits(#[from] BcdError),
    /// The digits 00, which stand for the whole city in a unit code.
    #[error("district 00 must be from 01 to 99")]
    None,
}

/// The two digits of a district (区) or county (县), 01 to 99; one BCD byte.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct District(u8);

impl District {
    /// Takes the BCD byte.
    ///
    /// # Errors
    /// Any [`DistrictError`].
    pub fn from_code(code: u8) -> Result<Self, DistrictError> {
        Self::new(bcd::decode(&[code])?)
    }

    /// Takes the number of the district.
    pub(super) const fn new(number: u64) -> Result<Self, DistrictError> {
        match number {
            1..=99 => Ok(Self(pack((number % 100) as u8))),
            _ => Err(DistrictError::None),
        }
    }

    /// Returns the BCD byte.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0
    }
}

impl FromStr for District {
    type Err = DistrictError;

    fn from_str(text: &str) -> Result<Self, DistrictError> {
        Self::new(bcd::parse_decimal(text, 2)?)
    }
}

impl fmt::Display for District {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02X}", self.0)
    }
}

/// A row of the table of districts.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct DistrictRow {
    /// The digits.
    pub code: District,
    /// Chinese name.
    pub name: String,
    /// English name, or empty.
    pub english: String,
    /// First year of the code, or `None` when it is as old as the card (2007).
    pub since: Option<u16>,
    /// Last year of the code, or `None` while it is in force.
    pub until: Option<u16>,
}

impl DistrictRow {
    /// Tells whether the code was in force in `year`; in a year of change both codes are.
    #[must_use]
    pub fn in_force(&self, year: u16) -> bool {
        self.since.is_none_or(|first| first <= year) && self.until.is_none_or(|last| year <= last)
    }
}

/// A district that is in no row of the table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("district {district} is not in the table of districts, which has {known}")]
pub struct UnknownDistrict {
    /// The district.
    pub district: District,
    /// The rows there are, as text.
    pub known: String,
}

/// A row for a district that has one already.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("district {code} is in the table already, as {name}")]
pub struct DistrictTwice {
    /// The digits.
    pub code: District,
    /// The name they have.
    pub name: String,
}

/// The table of districts: the published rows and those a user adds.
///
/// Built in are the last two digits of GB/T 2260 since 2007; districts that were merged or renamed
/// stay, as numbers keep their digits. Yanshan (燕山地区) is part of Fangshan there, but has an
/// education commission of its own, with 10 in the numbers of its pupils. Of other areas with
/// their own commission, such as the development area (北京经济技术开发区), no code is published:
/// they are added by [`Districts::add`].
///
/// ```
/// use xuejika_card_model::ident::{DistrictRow, Districts};
///
/// let mut districts = Districts::default();
/// let code = "20".parse()?;
/// assert!(districts.find(code).is_err());
/// let (name, english) = ("北京经济技术开发区".into(), String::new());
/// districts.add(DistrictRow { code, name, english, since: None, until: None })?;
/// assert!(districts.find(code).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Districts(Vec<DistrictRow>);

impl Default for Districts {
    /// The rows that are built in.
    fn default() -> Self {
        let row = |&(code, english, name, since, until): &BuiltIn| DistrictRow {
            code: District(code),
            name: name.into(),
            english: english.into(),
            since,
            until,
        };
        Self(BUILT_IN.iter().map(row).collect())
    }
}

impl Districts {
    /// Returns the rows, in the order of their codes.
    #[must_use]
    pub fn rows(&self) -> &[DistrictRow] {
        &self.0
    }

    /// Adds a row.
    ///
    /// # Errors
    /// [`DistrictTwice`] when the table has the code already.
    pub fn add(&mut self, row: DistrictRow) -> Result<(), DistrictTwice> {
        match self.place(row.code) {
            Ok(known) => Err(DistrictTwice { code: known.code, name: known.name.clone() }),
            Err(at) => {
                self.0.insert(at, row);
                Ok(())
            }
        }
    }

    /// Finds the row of a district, whatever its years: a number keeps the digits it was given.
    ///
    /// # Errors
    /// [`UnknownDistrict`], which names the rows there are.
    pub fn find(&self, district: District) -> Result<&DistrictRow, UnknownDistrict> {
        self.place(district).map_err(|_| {
            let rows = self.0.iter().map(|row| alloc::format!("{} {}", row.code, row.name));
            UnknownDistrict { district, known: rows.collect::<Vec<_>>().join(", ") }
        })
    }

    /// The row of the code, or where it would stand.
    fn place(&self, code: District) -> Result<&DistrictRow, usize> {
        let at = self.0.partition_point(|row| row.code < code);
        self.0.get(at).filter(|row| row.code == code).ok_or(at)
    }
}

/// BCD byte, English name, Chinese name, first and last year.
type BuiltIn = (u8, &'static str, &'static str, Option<u16>, Option<u16>);

const BUILT_IN: &[BuiltIn] = &[
    (0x01, "Dongcheng", "东城区", None, None),
    (0x02, "Xicheng", "西城区", None, None),
    (0x03, "Chongwen", "崇文区", None, Some(2010)),
    (0x04, "Xuanwu", "宣武区", None, Some(2010)),
    (0x05, "Chaoyang", "朝阳区", None, None),
    (0x06, "Fengtai", "丰台区", None, None),
    (0x07, "Shijingshan", "石景山区", None, None),
    (0x08, "Haidian", "海淀区", None, None),
    (0x09, "Mentougou", "门头沟区", None, None),
    (0x10, "Yanshan", "燕山地区", None, None),
    (0x11, "Fangshan", "房山区", None, None),
    (0x12, "Tongzhou", "通州区", None, None),
    (0x13, "Shunyi", "顺义区", None, None),
    (0x14, "Changping", "昌平区", None, None),
    (0x15, "Daxing", "大兴区", None, None),
    (0x16, "Huairou", "怀柔区", None, None),
    (0x17, "Pinggu", "平谷区", None, None),
    (0x18, "Miyun", "密云区", Some(2015), None),
    (0x19, "Yanqing", "延庆区", Some(2015), None),
    (0x28, "Miyun county", "密云县", None, Some(2015)),
    (0x29, "Yanqing county", "延庆县", None, Some(2015)),
];

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    fn district(text: &str) -> District {
        text.parse().unwrap()
    }

    #[test]
    fn digits() {
        assert_eq!(district("08").code(), 0x08);
        assert_eq!(district("99").to_string(), "99");
        assert_eq!(District::from_code(0x00), Err(DistrictError::None));
        assert!(matches!(District::from_code(0x1A), Err(DistrictError::Digits(_))));
        assert!("8".parse::<District>().is_err());
        assert!("00".parse::<District>().is_err());
    }

    #[test]
    fn the_table_by_year() {
        let districts = Districts::default();
        assert!(districts.rows().is_sorted_by_key(|row| row.code));
        let count = |year| districts.rows().iter().filter(|row| row.in_force(year)).count();
        assert_eq!([2007, 2010, 2011, 2014].map(count), [19, 19, 17, 17]);
        // In the year of change both codes are in force.
        assert_eq!([2015, 2016, 2026].map(count), [19, 17, 17]);
        assert_eq!(districts.find(district("10")).unwrap().name, "燕山地区");
    }

    #[test]
    fn rows_are_added_once() {
        let mut districts = Districts::default();
        let unknown = districts.find(district("20")).unwrap_err().to_string();
        assert!(unknown.starts_with("district 20 is not in the table of districts"), "{unknown}");
        assert!(unknown.ends_with("28 密云县, 29 延庆县"), "{unknown}");
        let row = |code, name: &str| DistrictRow {
            code: district(code),
            name: name.into(),
            english: String::new(),
            since: Some(2010),
            until: None,
        };
        assert_eq!(districts.add(row("20", "甲区")), Ok(()));
        assert_eq!(districts.find(district("20")).unwrap().name, "甲区");
        assert!(districts.rows().is_sorted_by_key(|row| row.code));
        let twice = districts.add(row("20", "乙区")).unwrap_err();
        assert_eq!(twice.to_string(), "district 20 is in the table already, as 甲区");
        assert!(districts.add(row("08", "乙区")).is_err());
    }
}
