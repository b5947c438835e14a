//! EF 0A registration record (学籍注册): one swipe at the start of a term, 暂行办法 六(五).

use core::fmt;
use core::str::FromStr;

use super::error::{FieldErrors, Problem};
use super::field::{Field, Layout, RecordKind};
use super::wire::{Reader, TerminalId, Writer};
use crate::bcd;
use crate::code::codes;
use crate::date::{Date, year_bytes};
use crate::ident::UnitCode;

codes! {
    /// Term (学期) of a school year; one binary byte (project-defined).
    pub enum Term {
        Autumn = 1, "1", "autumn", "第一学期";
        Spring = 2, "2", "spring", "第二学期";
    }
}

/// School year (学年), named by the year in which it begins, 1900..=2099; two BCD bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SchoolYear(u16);

impl SchoolYear {
    /// Takes the year in which the school year begins.
    ///
    /// # Errors
    /// [`Problem::Range`] outside 1900..=2099.
    pub const fn new(year: u16) -> Result<Self, Problem> {
        match year {
            1900..=2099 => Ok(Self(year)),
            _ => Err(Problem::Range { found: year as u64, min: 1900, max: 2099 }),
        }
    }

    /// Takes the 2 BCD bytes.
    ///
    /// # Errors
    /// [`Problem::Bcd`] or [`Problem::Range`].
    pub fn from_bytes(bytes: [u8; 2]) -> Result<Self, Problem> {
        Self::new((bcd::decode(&bytes)? % 10_000) as u16)
    }

    /// Returns the 2 BCD bytes.
    #[must_use]
    pub const fn bytes(&self) -> [u8; 2] {
        year_bytes(self.0)
    }

    /// Returns the year in which the school year begins.
    #[must_use]
    pub const fn value(self) -> u16 {
        self.0
    }
}

impl FromStr for SchoolYear {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        Self::from_bytes(bcd::encode(bcd::parse_decimal(text, 4)?)?)
    }
}

impl fmt::Display for SchoolYear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A registration record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Registration {
    /// School year (学年).
    pub school_year: SchoolYear,
    /// Term (学期).
    pub term: Term,
    /// Date of the swipe.
    pub date: Date,
    /// School of the swipe.
    pub unit: UnitCode,
    /// Terminal of the swipe.
    pub terminal: TerminalId,
}

impl Registration {
    /// Length in bytes.
    pub const LEN: usize = 16;

    /// Where its fields are.
    pub const LAYOUT: Layout =
        Layout { record: RecordKind::Registration, len: Self::LEN, fields: field::ALL };

    /// Reads a record.
    ///
    /// # Errors
    /// Every field that breaks a rule.
    pub fn parse(bytes: &[u8]) -> Result<Self, FieldErrors> {
        let mut r = Reader::open(&Self::LAYOUT, bytes)?;
        let school_year = r.read(field::SCHOOL_YEAR);
        let term = r.read(field::TERM);
        let date = r.read(field::DATE);
        let unit = r.read(field::UNIT);
        let terminal = r.read(field::TERMINAL);
        r.finish(|| {
            Some(Self {
                school_year: school_year?,
                term: term?,
                date: date?,
                unit: unit?,
                terminal: terminal?,
            })
        })
    }

    /// Writes the record.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        Writer::new()
            .write(field::SCHOOL_YEAR, &self.school_year)
            .write(field::TERM, &self.term)
            .write(field::DATE, &self.date)
            .write(field::UNIT, &self.unit)
            .write(field::TERMINAL, &self.terminal)
            .seal(&Self::LAYOUT)
    }

    /// Returns the term the record is of; two records of one term are the same registration.
    #[must_use]
    pub const fn period(&self) -> (SchoolYear, Term) {
        (self.school_year, self.term)
    }
}

mod field {
    use super::{Field, RecordKind};

    const R: RecordKind = RecordKind::Registration;

    pub(super) const SCHOOL_YEAR: Field = Field::value(R, 0, 2, "school_year", "学年");
    pub(super) const TERM: Field = Field::value(R, 2, 1, "term", "学期");
    pub(super) const DATE: Field = Field::value(R, 3, 4, "date", "日期");
    pub(super) const UNIT: Field = Field::value(R, 7, 3, "unit", "单位码");
    pub(super) const TERMINAL: Field = Field::value(R, 10, 4, "terminal", "终端号");
    const CRC: Field = Field::crc(R, 14, "crc");

    pub(super) const ALL: &[Field] = &[SCHOOL_YEAR, TERM, DATE, UNIT, TERMINAL, CRC];
}
