//! Values of Parquet columns as text: what a person would write for them.

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::schema::types::ColumnDescriptor;
use xuejika_card_model::date::{Date, Time};

use super::pages;
use crate::file::sink::Stop;
use crate::file::text::number_text;

/// Day 0 of Parquet dates, and of INT96 timestamps (Julian days), counted to 2000-01-01.
const EPOCH_TO_2000: i64 = 10_957;
const JULIAN_EPOCH: i64 = 2_440_588;

/// Seconds of a day, and at which of them a day begins in Beijing.
const DAY: i64 = 86_400;
const BEIJING: i64 = 16 * 3600;

/// A cell as it came: text, or bytes that are none.
pub(super) type Cell = Result<String, Vec<u8>>;

/// How the values of a column become text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Hex,
    Number,
    Unsigned,
    Day,
    /// Parts of a second since 1970, in UTC or on the clock of the place.
    Moment {
        parts: i64,
        utc: bool,
    },
    /// A whole number of parts: ten to this power make one.
    Decimal(u32),
}

impl Kind {
    /// How the values of a column become text.
    pub(super) fn of(column: &ColumnDescriptor) -> Self {
        let decimal = || Self::Decimal(u32::try_from(column.type_scale()).unwrap_or(0));
        let moment = |unit: &TimeUnit, utc| {
            let parts = match unit {
                TimeUnit::MILLIS => 1_000,
                TimeUnit::MICROS => 1_000_000,
                TimeUnit::NANOS => 1_000_000_000,
            };
            Self::Moment { parts, utc }
        };
        let plain = match column.physical_type() {
            Physical::BYTE_ARRAY => Self::Text,
            Physical::FIXED_LEN_BYTE_ARRAY => Self::Hex,
            _ => Self::Number,
        };
        match (column.logical_type_ref(), column.converted_type()) {
            (Some(LogicalType::Date), _) | (None, ConvertedType::DATE) => Self::Day,
            (Some(LogicalType::Timestamp(at)), _) => moment(&at.unit, at.is_adjusted_to_u_t_c),
            (None, ConvertedType::TIMESTAMP_MILLIS) => moment(&TimeUnit::MILLIS, true),
            (None, ConvertedType::TIMESTAMP_MICROS) => moment(&TimeUnit::MICROS, true),
            (Some(LogicalType::Decimal(_)), _) | (None, ConvertedType::DECIMAL) => decimal(),
            (Some(LogicalType::Integer(integer)), _) if !integer.is_signed => Self::Unsigned,
            (None, ConvertedType::UINT_32 | ConvertedType::UINT_64) => Self::Unsigned,
            _ => plain,
        }
    }

    fn number(self, value: i64, bits: u32) -> String {
        match self {
            Self::Day => day_text(value).unwrap_or_else(|| value.to_string()),
            Self::Moment { parts, utc } => moment_text(value, parts, utc),
            Self::Decimal(scale) => decimal_text(value.into(), scale),
            Self::Unsigned if bits == 32 => (value & 0xFFFF_FFFF).to_string(),
            Self::Unsigned => value.cast_unsigned().to_string(),
            _ => value.to_string(),
        }
    }

    fn bytes(self, bytes: &[u8]) -> Cell {
        match self {
            Self::Hex => Ok(hex::encode_upper(bytes)),
            Self::Decimal(scale) if bytes.len() <= 16 => {
                let fill = if bytes.first().is_some_and(|byte| *byte >= 0x80) { 0xFF } else { 0 };
                let mut whole = [fill; 16];
                let end = whole.iter_mut().rev().zip(bytes.iter().rev());
                end.for_each(|(to, from)| *to = *from);
                Ok(decimal_text(i128::from_be_bytes(whole), scale))
            }
            _ => str::from_utf8(bytes).map(str::to_owned).map_err(|_| bytes.to_vec()),
        }
    }
}

/// A day since 1970.
fn day_text(day: i64) -> Option<String> {
    let days = i32::try_from(day.checked_sub(EPOCH_TO_2000)?).ok()?;
    Some(Date::new(2000, 1, 1).ok()?.add_days(days)?.to_string())
}

/// A moment: its day, when it is the midnight with which one begins here or, in UTC, anywhere.
fn moment_text(value: i64, parts: i64, utc: bool) -> String {
    let (seconds, rest) = (value.div_euclid(parts), value.rem_euclid(parts));
    let (day, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let text = match (rest, second) {
        (0, 0) => day_text(day),
        (0, BEIJING) if utc => day_text(day + 1),
        _ => {
            let small = |number: i64| u8::try_from(number).unwrap_or(0);
            let [hour, minute] = [small(second / 3600), small(second / 60 % 60)];
            let time = Time::new(hour, minute, small(second % 60)).ok();
            day_text(day).zip(time).map(|(day, time)| format!("{day}T{time}"))
        }
    };
    text.unwrap_or_else(|| value.to_string())
}

/// A decimal number; without its point when nothing but zeros are after it.
fn decimal_text(value: i128, scale: u32) -> String {
    let Some(one) = 10_i128.checked_pow(scale) else { return value.to_string() };
    let (whole, rest) = (value / one, (value % one).unsigned_abs());
    match (rest, value < 0) {
        (0, _) => whole.to_string(),
        (_, false) => format!("{whole}.{rest:0width$}", width = scale as usize),
        (_, true) => format!("-{}.{rest:0width$}", whole.unsigned_abs(), width = scale as usize),
    }
}

/// The next cells of a column, `count` of them unless it ends before.
pub(super) fn texts(
    reader: &mut ColumnReader,
    column: &ColumnDescriptor,
    kind: Kind,
    count: usize,
) -> Result<Vec<Cell>, Stop> {
    type R = ColumnReader;
    let of = (column, count);
    match reader {
        R::ByteArrayColumnReader(reader) => values(reader, of, |value| kind.bytes(value.data())),
        R::FixedLenByteArrayColumnReader(reader) => {
            values(reader, of, |value| kind.bytes(value.data()))
        }
        R::Int32ColumnReader(reader) => {
            values(reader, of, |value| Ok(kind.number((*value).into(), 32)))
        }
        R::Int64ColumnReader(reader) => values(reader, of, |value| Ok(kind.number(*value, 64))),
        R::Int96ColumnReader(reader) => values(reader, of, |value| {
            let [low, high, day] = [0, 1, 2].map(|at| value.data().get(at).copied().unwrap_or(0));
            let nanos = i64::from(low) | i64::from(high) << 32;
            let day = i64::from(day) - JULIAN_EPOCH;
            let seconds = day * DAY + nanos / 1_000_000_000;
            let whole = nanos % 1_000_000_000 == 0;
            let text = if whole { moment_text(seconds, 1, true) } else { format!("{seconds} s") };
            Ok(text)
        }),
        R::FloatColumnReader(reader) => {
            values(reader, of, |value| Ok(number_text((*value).into())))
        }
        R::DoubleColumnReader(reader) => values(reader, of, |value| Ok(number_text(*value))),
        R::BoolColumnReader(reader) => values(reader, of, |value| Ok(value.to_string())),
    }
}

fn values<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    (column, count): (&ColumnDescriptor, usize),
    text: impl Fn(&T::T) -> Cell,
) -> Result<Vec<Cell>, Stop> {
    let (mut present, mut values) = (Vec::new(), Vec::new());
    let mut cells = Vec::with_capacity(count);
    let optional = column.max_def_level() > 0;
    while cells.len() < count {
        present.clear();
        values.clear();
        let levels = optional.then_some(&mut present);
        let (rows, ..) = reader
            .read_records(count - cells.len(), levels, None, &mut values)
            .map_err(|error| pages::stop(&error))?;
        if rows == 0 {
            break;
        }
        let mut values = values.iter();
        let mut next = || values.next().map_or(Ok(String::new()), &text);
        cells.extend((0..rows).map(|row| match present.get(row) {
            Some(level) if *level < column.max_def_level() => Ok(String::new()),
            _ => next(),
        }));
    }
    Ok(cells)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_at_midnight_are_days() {
        let day = 20_635 * DAY;
        assert_eq!(moment_text(day, 1, false), "2026-07-01");
        assert_eq!(moment_text(day * 1_000_000, 1_000_000, true), "2026-07-01");
        assert_eq!(moment_text(day - 8 * 3600, 1, true), "2026-07-01");
        assert_eq!(moment_text(day - 8 * 3600, 1, false), "2026-06-30T16:00:00");
        assert_eq!(moment_text(day + 61, 1, true), "2026-07-01T00:01:01");
        assert_eq!(moment_text(i64::MIN, 1, true), i64::MIN.to_string());
        assert_eq!(moment_text(i64::MAX, 1, false), i64::MAX.to_string());
    }

    #[test]
    fn decimals_are_their_digits() {
        assert_eq!(decimal_text(1_100_260_200_000_013, 0), "1100260200000013");
        assert_eq!(decimal_text(0, 2), "0");
        assert_eq!(decimal_text(105, 2), "1.05");
        assert_eq!(decimal_text(-5, 2), "-0.05");
        assert_eq!(decimal_text(5, 60), "5");
        assert_eq!(Kind::Decimal(0).bytes(&[0xFF, 0xFE]), Ok("-2".to_owned()));
        assert_eq!(Kind::Decimal(1).bytes(&[0x01, 0x00]), Ok("25.6".to_owned()));
        assert_eq!(Kind::Unsigned.number(-1, 32), u32::MAX.to_string());
        assert_eq!(Kind::Unsigned.number(-1, 64), u64::MAX.to_string());
    }
}
