//! How the values of the desk records are written: in the text form the library reads.

use serde::{Serialize, Serializer};

use super::{FaultCause, FaultOccasion, ReplacementCause};
use crate::code::{RecordType, Sex};
use crate::date::Date;
use crate::ident::{CardSerial, EducationId, Grade, Stage, StudentNumber, UnitCode};
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

as_displayed!(CardSerial, Date, Grade, StudentNumber, TerminalId, UnitCode);

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
