//! Reading and writing the fields of a record.
//!
//! [`Wire`] puts one value into its bytes and back. [`Reader`] checks length, CRCs and reserved
//! bytes, then reads fields and collects errors; [`Writer`] writes fields and seals the groups.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::num::{NonZeroU8, NonZeroU16};
use core::ops::Range;
use core::str::FromStr;

use super::error::{FieldErrors, Problem};
use super::extension::{ExtensionIndex, FilingNumber};
use super::field::{Field, FieldKind, Layout};
use super::issuance::{CardType, Profile};
use super::registration::{SchoolYear, Term};
use super::transfer::TransferOperation;
use crate::bcd::{self, Digits};
use crate::code::{Boarding, EnrolmentState, Entry, IdType, Reason, RecordType, Sex};
use crate::crc::{crc16, seal};
use crate::date::{Date, ShortDate, Time};
use crate::ident::{
    CardSerial, Category, Grade, NationalPrefix, SchoolId, SchoolingYears, Stage, StudentNumber,
    UnitCode,
};
use crate::state::LifeCycleState;
use crate::text::{AsciiText, GbText, Repertoire};

/// Number of a terminal: four opaque bytes, written as hex (project-defined).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TerminalId(pub [u8; 4]);

impl fmt::Display for TerminalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08X}", u32::from_be_bytes(self.0))
    }
}

/// A text that is no terminal number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a terminal number, expected 8 hexadecimal digits")]
pub struct TerminalIdError(String);

impl FromStr for TerminalId {
    type Err = TerminalIdError;

    /// Reads eight hexadecimal digits and nothing else.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u32::from_str_radix(text, 16) {
            Ok(number) if digits => Ok(Self(number.to_be_bytes())),
            _ => Err(TerminalIdError(text.into())),
        }
    }
}

/// A value of a field: both directions between the value and its bytes.
pub(crate) trait Wire: Sized {
    fn decode(bytes: &[u8]) -> Result<Self, Problem>;
    fn encode(&self, out: &mut [u8]);
}

/// Types with `from_bytes` and `bytes`.
macro_rules! wire_via_bytes {
    ($($type:ty),+ $(,)?) => {$(
        impl Wire for $type {
            fn decode(bytes: &[u8]) -> Result<Self, Problem> {
                Self::from_bytes(array(bytes)?).map_err(Into::into)
            }

            fn encode(&self, out: &mut [u8]) {
                copy(&self.bytes(), out);
            }
        }
    )+};
}

wire_via_bytes!(
    CardSerial,
    Date,
    FilingNumber,
    SchoolId,
    SchoolYear,
    ShortDate,
    StudentNumber,
    Time,
    UnitCode
);

/// Code tables.
macro_rules! wire_via_code {
    ($($type:ty),+ $(,)?) => {$(
        impl Wire for $type {
            fn decode(bytes: &[u8]) -> Result<Self, Problem> {
                let [code] = array(bytes)?;
                Self::from_code(code).ok_or(Problem::UnknownCode(code))
            }

            fn encode(&self, out: &mut [u8]) {
                copy(&[self.code()], out);
            }
        }
    )+};
}

wire_via_code!(
    Boarding,
    CardType,
    Category,
    EnrolmentState,
    Entry,
    IdType,
    NationalPrefix,
    Profile,
    Reason,
    RecordType,
    Sex,
    Stage,
    Term,
    TransferOperation,
);

impl<const N: usize> Wire for [u8; N] {
    fn decode(bytes: &[u8]) -> Result<Self, Problem> {
        array(bytes)
    }

    fn encode(&self, out: &mut [u8]) {
        copy(self, out);
    }
}

impl Wire for u8 {
    fn decode(bytes: &[u8]) -> Result<Self, Problem> {
        array(bytes).map(Self::from_be_bytes)
    }

    fn encode(&self, out: &mut [u8]) {
        copy(&self.to_be_bytes(), out);
    }
}

impl Wire for u16 {
    fn decode(bytes: &[u8]) -> Result<Self, Problem> {
        array(bytes).map(Self::from_be_bytes)
    }

    fn encode(&self, out: &mut [u8]) {
        copy(&self.to_be_bytes(), out);
    }
}

impl Wire for NonZeroU8 {
    fn decode(bytes: &[u8]) -> Result<Self, Problem> {
        Self::new(u8::decode(bytes)?).ok_or(Problem::Zero)
    }

    fn encode(&self, out: &mut [u8]) {
        self.get().encode(out);
    }
}

impl Wire for NonZeroU16 {
    fn decode(bytes: &[u8]) -> Result<Self, Problem> {
        Self::new(u16::decode(bytes)?).ok_or(Problem::Zero)
    }

    fn encode(&self, out: &mut [u8]) {
        self.get().encode(out);
    }
}

impl Wire for bool {
    fn decode(bytes: &[u8]) -> Result<Self, Problem> {
        match u8::decode(bytes)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Problem::NotABoolean),
        }
    }

    fn encode(&self, out: &mut [u8]) {
        u8::from(*self).encode(out);
    }
}

impl<const N: usize> Wire for Digits<N> {
    fn decode(bytes: &[u8]) -> Result<Self, Problem> {
        Ok(Self::from_bytes(array(bytes)?)?)
    }

    fn encode(&self, out: &mut [u8]) {
        copy(&self.bytes(), out);
    }
}

impl<const N: usize> Wire for GbText<N> {
    fn decode(bytes: &[u8]) -> Result<Self, Problem> {
        Ok(Self::from_bytes(array(bytes)?)?)
    }

    fn encode(&self, out: &mut [u8]) {
        copy(&self.bytes(), out);
    }
}

impl<const N: usize, R: Repertoire> Wire for AsciiText<N, R> {
    fn decode(bytes: &[u8]) -> Result<Self, Problem> {
        Ok(Self::from_bytes(array(bytes)?)?)
    }

    fn encode(&self, out: &mut [u8]) {
        copy(&self.bytes(), out);
    }
}

impl Wire for TerminalId {
    fn decode(bytes: &[u8]) -> Result<Self, Problem> {
        array(bytes).map(Self)
    }

    fn encode(&self, out: &mut [u8]) {
        copy(&self.0, out);
    }
}

impl Wire for LifeCycleState {
    fn decode(bytes: &[u8]) -> Result<Self, Problem> {
        u8::decode(bytes).map(Self::from)
    }

    fn encode(&self, out: &mut [u8]) {
        self.code().encode(out);
    }
}

impl Wire for Grade {
    fn decode(bytes: &[u8]) -> Result<Self, Problem> {
        Ok(Self::new(u8::decode(bytes)?)?)
    }

    fn encode(&self, out: &mut [u8]) {
        self.value().encode(out);
    }
}

impl Wire for SchoolingYears {
    fn decode(bytes: &[u8]) -> Result<Self, Problem> {
        let [years] = array(bytes)?;
        Ok(Self::new((bcd::decode(&[years])? % 100) as u8)?)
    }

    fn encode(&self, out: &mut [u8]) {
        bcd::pack(self.value()).encode(out);
    }
}

impl Wire for ExtensionIndex {
    fn decode(bytes: &[u8]) -> Result<Self, Problem> {
        let index = u8::decode(bytes)?;
        Self::new(index).ok_or(Problem::Range {
            found: index.into(),
            min: 1,
            max: Self::MAX.into(),
        })
    }

    fn encode(&self, out: &mut [u8]) {
        self.value().encode(out);
    }
}

/// An unset field is all 00.
impl<T: Wire> Wire for Option<T> {
    fn decode(bytes: &[u8]) -> Result<Self, Problem> {
        if bytes.iter().all(|byte| *byte == 0) { Ok(None) } else { T::decode(bytes).map(Some) }
    }

    fn encode(&self, out: &mut [u8]) {
        match self {
            Some(value) => value.encode(out),
            None => out.fill(0),
        }
    }
}

/// Reads the fields of a record and collects what is wrong with them.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    broken: Vec<Range<usize>>,
    pub(crate) errors: FieldErrors,
}

impl<'a> Reader<'a> {
    /// Checks length, CRCs and reserved bytes. A wrong length ends the reading.
    pub(crate) fn open(layout: &Layout, bytes: &'a [u8]) -> Result<Self, FieldErrors> {
        let mut reader = Self { bytes, broken: Vec::new(), errors: FieldErrors::default() };
        let (found, expected) = (bytes.len(), layout.len);
        if found != expected {
            let problem = Problem::Length { found, expected };
            reader.errors.push(layout.whole(), problem);
            return Err(reader.errors);
        }
        for (crc, group) in layout.groups() {
            reader.check_crc(crc, group);
        }
        for field in layout.fields {
            if field.kind == FieldKind::Reserved {
                reader.check_reserved(*field);
            }
        }
        Ok(reader)
    }

    /// Reads a field; `None` when it is wrong, or lies in a group whose CRC is.
    pub(crate) fn read<T: Wire>(&mut self, field: Field) -> Option<T> {
        let value = T::decode(self.sound(field)?);
        self.errors.note(field, value)
    }

    /// Reads a version byte that must be `expected`.
    pub(crate) fn expect_version(&mut self, field: Field, expected: u8) {
        if let Some(found) = self.read::<u8>(field)
            && found != expected
        {
            let problem = Problem::Version { found, expected };
            self.errors.push(field, problem);
        }
    }

    /// Ends the reading.
    pub(crate) fn finish<T>(self, build: impl FnOnce() -> Option<T>) -> Result<T, FieldErrors> {
        self.errors.into_result(build())
    }

    fn check_crc(&mut self, crc: Field, group: Range<usize>) {
        let body = self.bytes.get(group.start..crc.start).unwrap_or_default();
        let expected = crc16(body);
        if let Some(found) = self.read::<u16>(crc)
            && found != expected
        {
            self.errors.push(crc, Problem::Crc { found, expected });
            self.broken.push(group);
        }
    }

    fn check_reserved(&mut self, field: Field) {
        if let Some(bytes) = self.sound(field)
            && bytes.iter().any(|byte| *byte != 0)
        {
            self.errors.push(field, Problem::Reserved);
        }
    }

    fn sound(&self, field: Field) -> Option<&'a [u8]> {
        let broken = self.broken.iter().any(|group| group.contains(&field.start));
        if broken { None } else { self.bytes.get(field.range()) }
    }
}

/// Writes the fields of a record of `N` bytes; what is not written stays 00.
pub(crate) struct Writer<const N: usize>([u8; N]);

impl<const N: usize> Writer<N> {
    pub(crate) const fn new() -> Self {
        Self([0; N])
    }

    pub(crate) fn write<T: Wire>(mut self, field: Field, value: &T) -> Self {
        if let Some(out) = self.0.get_mut(field.range()) {
            value.encode(out);
        }
        self
    }

    /// Seals every group of the layout.
    pub(crate) fn seal(mut self, layout: &Layout) -> [u8; N] {
        for (_, group) in layout.groups() {
            if let Some(group) = self.0.get_mut(group) {
                seal(group);
            }
        }
        self.0
    }
}

fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Problem> {
    bytes.try_into().map_err(|_| Problem::Length { found: bytes.len(), expected: N })
}

fn copy(bytes: &[u8], out: &mut [u8]) {
    for (slot, byte) in out.iter_mut().zip(bytes) {
        *slot = *byte;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn a_terminal_number_is_eight_digits_and_nothing_else() {
        let number: TerminalId = "0a00FFff".parse().unwrap();
        assert_eq!((number.0, &*number.to_string()), ([0x0A, 0, 0xFF, 0xFF], "0A00FFFF"));
        for text in [
            "",
            "1",
            "0000009",
            "000000009",
            "+0000009",
            "-0000009",
            " 0000009",
            "0000009 ",
            "0000_009",
            "0x000009",
            "0000000g",
            "０００００００９",
            "0000\u{661}",
        ] {
            let error = text.parse::<TerminalId>().unwrap_err().to_string();
            assert!(error.ends_with("expected 8 hexadecimal digits"), "{text:?}: {error}");
        }
    }
}
