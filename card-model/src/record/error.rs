//! Errors of records: every problem with the field it concerns.

use alloc::string::String;
use alloc::vec::{self, Vec};
use core::fmt;

use super::field::Field;
use crate::bcd::BcdError;
use crate::code::CodeError;
use crate::date::{Date, DateError};
use crate::ident::{
    CardSerialError, GradeError, NationalIdError, NationalPupilNumberError, SchoolIdError,
    SchoolingYearsError, StudentNumberError, UnitCodeError, UnknownDistrict,
};
use crate::text::TextError;

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The record has another length.
    #[error("has {found} bytes, expected {expected}")]
    Length {
        /// Length given.
        found: usize,
        /// Length of the record.
        expected: usize,
    },
    /// The stored CRC is not that of the group.
    #[error("is {found:04X}, but the data has the CRC {expected:04X}")]
    Crc {
        /// CRC stored.
        found: u16,
        /// CRC of the data.
        expected: u16,
    },
    /// The two copies of a record have counters that name no later one.
    #[error("names no later copy: copy A has {a}, copy B has {b}")]
    Copies {
        /// Counter of copy A.
        a: u16,
        /// Counter of copy B.
        b: u16,
    },
    /// A field that must have a value has none.
    #[error("is required")]
    Missing,
    /// A field that must be empty here has a value.
    #[error("must be empty {0}")]
    Unexpected(&'static str),
    /// Reserved bytes or bits are set.
    #[error("has reserved bits set, expected 0")]
    Reserved,
    /// A format version that is not supported.
    #[error("is version {found:02X}, expected {expected:02X}")]
    Version {
        /// Version given.
        found: u8,
        /// Version supported.
        expected: u8,
    },
    /// A number that must not be zero is zero.
    #[error("must not be zero")]
    Zero,
    /// A number outside its range.
    #[error("is {found}, expected {min} to {max}")]
    Range {
        /// Number given.
        found: u64,
        /// Smallest number allowed.
        min: u64,
        /// Largest number allowed.
        max: u64,
    },
    /// Neither true nor false.
    #[error("is neither true (1) nor false (0)")]
    NotABoolean,
    /// Bytes that are not decimal.
    #[error(transparent)]
    Bcd(#[from] BcdError),
    /// Not the text of this field.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A byte that is in no row of the code table.
    #[error("code {0:02X} is not in the code table")]
    UnknownCode(u8),
    /// A text that is in no row of the code table.
    #[error(transparent)]
    UnknownName(#[from] CodeError),
    /// Not a card serial number.
    #[error(transparent)]
    CardSerial(#[from] CardSerialError),
    /// Not a grade.
    #[error(transparent)]
    Grade(#[from] GradeError),
    /// Not a length of schooling.
    #[error(transparent)]
    SchoolingYears(#[from] SchoolingYearsError),
    /// Not a school identifier.
    #[error(transparent)]
    SchoolId(#[from] SchoolIdError),
    /// Not a unit code.
    #[error(transparent)]
    UnitCode(#[from] UnitCodeError),
    /// Not the student number of an eligible pupil.
    #[error(transparent)]
    StudentNumber(#[from] StudentNumberError),
    /// Not a resident identity number.
    #[error(transparent)]
    NationalId(#[from] NationalIdError),
    /// Not a national pupil number.
    #[error(transparent)]
    NationalPupilNumber(#[from] NationalPupilNumberError),
    /// The unit code of a district or the city, where a school is needed.
    #[error("is not the unit code of a school")]
    NotASchool,
    /// The field contradicts another one.
    #[error("is {found}, but {source_field} says {expected}")]
    Disagrees {
        /// What the field says.
        found: String,
        /// Identifier of the other field.
        source_field: &'static str,
        /// What the other field says.
        expected: String,
    },
    /// Not a date or time.
    #[error(transparent)]
    Date(#[from] DateError),
    /// A date that must not be before another one is.
    #[error("is {found}, before {earlier_field} {earlier}")]
    Before {
        /// The date of the field.
        found: Date,
        /// Identifier of the field with the earlier date.
        earlier_field: &'static str,
        /// That date.
        earlier: Date,
    },
    /// A date after the last day that another field allows.
    #[error("is {found}, after {latest}, the last day by {source_field}")]
    After {
        /// The date of the field.
        found: Date,
        /// Identifier of the field that sets the last day.
        source_field: &'static str,
        /// That day.
        latest: Date,
    },
    /// A district that the table of districts does not have.
    #[error(transparent)]
    UnknownDistrict(#[from] UnknownDistrict),
}

impl Problem {
    /// Says that a field is `found` although `source_field` determines it as `expected`.
    pub(crate) fn disagrees(
        found: impl fmt::Display,
        source_field: Field,
        expected: impl fmt::Display,
    ) -> Self {
        Self::Disagrees {
            found: alloc::format!("{found}"),
            source_field: source_field.id,
            expected: alloc::format!("{expected}"),
        }
    }

    /// The step of checking that finds the problem; errors are reported in this order.
    const fn step(&self) -> u8 {
        match self {
            Self::Length { .. } => 0,
            Self::Crc { .. } | Self::Copies { .. } => 1,
            Self::Missing
            | Self::Unexpected(_)
            | Self::Reserved
            | Self::Version { .. }
            | Self::Zero
            | Self::Range { .. }
            | Self::NotABoolean
            | Self::Bcd(_)
            | Self::Text(_)
            | Self::CardSerial(_)
            | Self::Grade(_)
            | Self::SchoolingYears(_)
            | Self::SchoolId(_)
            | Self::UnitCode(_) => 2,
            Self::UnknownCode(_) | Self::UnknownName(_) => 3,
            Self::StudentNumber(_) | Self::UnknownDistrict(_) => 4,
            Self::NationalId(_) | Self::NationalPupilNumber(_) => 5,
            Self::NotASchool | Self::Disagrees { .. } => 6,
            Self::Date(_) | Self::Before { .. } | Self::After { .. } => 7,
        }
    }
}

/// A problem with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}.{} ({}): {problem}", field.record, field.id, field.chinese)]
pub struct FieldError {
    /// The field.
    pub field: Field,
    /// What is wrong with it.
    pub problem: Problem,
}

/// All problems found, in the order of the checks; at least one when it is the error of a `Result`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Returns the errors in order.
    pub fn iter(&self) -> core::slice::Iter<'_, FieldError> {
        self.0.iter()
    }

    /// Tells whether there is an error of the field with this identifier.
    #[must_use]
    pub fn has(&self, field_id: &str) -> bool {
        self.iter().any(|error| error.field.id == field_id)
    }

    pub(crate) fn push(&mut self, field: Field, problem: Problem) {
        self.0.push(FieldError { field, problem });
    }

    /// Takes the value of `result`, or records its error for `field`.
    pub(crate) fn note<T, E: Into<Problem>>(
        &mut self,
        field: Field,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|error| self.push(field, error.into())).ok()
    }

    /// Records an error when both dates are known and `later` is before `earlier`.
    pub(crate) fn check_order(
        &mut self,
        earlier: (Field, Option<Date>),
        later: (Field, Option<Date>),
    ) {
        if let ((earlier_field, Some(earlier)), (field, Some(found))) = (earlier, later)
            && found < earlier
        {
            let earlier_field = earlier_field.id;
            let problem = Problem::Before { found, earlier_field, earlier };
            self.push(field, problem);
        }
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// Ends the checks: the value when there is one and nothing was found, else what was found.
    pub(crate) fn into_result<T>(mut self, value: Option<T>) -> Result<T, Self> {
        self.0.sort_by_key(|error| error.problem.step());
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(self),
        }
    }
}

impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl core::error::Error for FieldErrors {}

impl<'a> IntoIterator for &'a FieldErrors {
    type Item = &'a FieldError;
    type IntoIter = core::slice::Iter<'a, FieldError>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for FieldErrors {
    type Item = FieldError;
    type IntoIter = vec::IntoIter<FieldError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
