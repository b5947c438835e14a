//! How the values of the desk records are written, and read: in the text form the library reads.

use alloc::string::String;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::stock::Movement;
use super::{ApplicationCode, CodePoint, FaultCause, FaultOccasion, ReplacementCause, Share};
use crate::code::{RecordType, Sex};
use crate::date::Date;
use crate::ident::{
    CardSerial, EducationId, Grade, Pinyin, SerialRange, Stage, StudentNumber, UnitCode,
};
use crate::list::Moment;
use crate::management::SamSerial;
use crate::record::{FilingNumber, TerminalId};
use crate::text::GbText;

macro_rules! as_displayed {
    ($($type:ty),+ $(,)?) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )+};
}

as_displayed!(
    ApplicationCode,
    CardSerial,
    CodePoint,
    Date,
    EducationId,
    FilingNumber,
    GbText<30>,
    GbText<62>,
    Grade,
    Moment,
    Pinyin,
    SamSerial,
    SerialRange,
    Share,
    StudentNumber,
    TerminalId,
    UnitCode
);

macro_rules! read_back {
    ($($type:ty),+ $(,)?) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(D::Error::custom)
            }
        }
    )+};
}

read_back!(
    ApplicationCode,
    CardSerial,
    CodePoint,
    Date,
    FilingNumber,
    Movement,
    Pinyin,
    SamSerial,
    SerialRange,
    StudentNumber,
    UnitCode
);

macro_rules! as_coded {
    ($($type:ty),+ $(,)?) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.code_text())
            }
        }
    )+};
}

as_coded!(FaultCause, FaultOccasion, Movement, RecordType, ReplacementCause, Sex, Stage);
