//! Identifiers on the card: types that cannot hold an invalid value.
//!
//! Each is made from text or from its bytes on the card and checked there; afterwards its parts can
//! be read without a second check.

mod card_serial;
mod district;
mod national;
mod school;
mod serial_range;
mod student_number;
mod unit;

pub use card_serial::{CardSerial, CardSerialError};
pub use district::{
    District, DistrictError, DistrictRow, DistrictTwice, Districts, UnknownDistrict,
};
pub use national::{
    NationalId, NationalIdError, NationalPrefix, NationalPupilNumber, NationalPupilNumberError,
};
pub use school::{
    Category, Colour, Grade, GradeError, SchoolId, SchoolIdError, SchoolType, SchoolingYears,
    SchoolingYearsError, Stage,
};
pub use serial_range::{SerialRange, SerialRangeError};
pub use student_number::{StudentNumber, StudentNumberError};
pub use unit::{Scope, UnitCode, UnitCodeError};

use crate::text::{AsciiText, Latin};

/// Name in pinyin (姓名拼音, XMPY), at most 46 letters.
pub type Pinyin = AsciiText<46, Latin>;

/// Number of any identity document (证件号, SFZJH), or the 18 characters of a national pupil number.
pub type DocumentNumber = AsciiText<18>;

/// Beijing education number (教育ID): opaque, at most 10 characters, as its format is not public.
pub type EducationId = AsciiText<10>;
