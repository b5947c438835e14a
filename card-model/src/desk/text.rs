//! How the values of the desk records are written, and read: in the text form the library reads.

use alloc::string::String;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{CodePoint, FaultCause, FaultOccasion, ReplacementCause};
use crate::code::{RecordType, Sex};
use crate::date::Date;
use crate::ident::{CardSerial, EducationId, Grade, Pinyin, Stage, StudentNumber, UnitCode};
use crate::list::Moment;
use crate::record::TerminalId;
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

as_displayed!(CardSerial, CodePoint, Date, Grade, Pinyin, StudentNumber, TerminalId, UnitCode);

macro_rules! read_back {
    ($($type:ty),+ $(,)?) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                String::deserialize(from)?.parse().map_err(D::Error::custom)
            }
        }
    )+};
}

read_back!(CodePoint, Date, Pinyin, StudentNumber);

as_displayed!(EducationId, GbText<30>, GbText<62>, Moment);

macro_rules! as_coded {
    ($($type:ty),+ $(,)?) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.code_text())
            }
        }
    )+};
}

as_coded!(FaultCause, FaultOccasion, RecordType, ReplacementCause, Sex, Stage);
