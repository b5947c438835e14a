//! EF 0D operation log record (操作日志): one for every event in the
//! card's life.

use super::error::FieldErrors;
use super::field::{Field, Layout, RecordKind};
use super::wire::{Reader, Writer};
use crate::date::{Date, Time};
use crate::ident::UnitCode;

/// A log record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LogEntry {
    /// Code of the operation (project-defined; the card's operations give it its meaning).
    pub operation: u8,
    /// Code of the result, 00 for success (project-defined).
    pub result: u8,
    /// Date, from the terminal.
    pub date: Date,
    /// Time of day, from the terminal.
    pub time: Time,
    /// Unit that did it.
    pub unit: UnitCode,
    /// Counter of the status record after the operation.
    pub counter: u16,
}

impl LogEntry {
    /// Length in bytes.
    pub const LEN: usize = 16;

    /// Where its fields are.
    pub const LAYOUT: Layout =
        Layout { record: RecordKind::Log, len: Self::LEN, fields: field::ALL };

    /// Reads a record.
    ///
    /// # Errors
    /// Every field that breaks a rule.
    pub fn parse(bytes: &[u8]) -> Result<Self, FieldErrors> {
        let mut r = Reader::open(&Self::LAYOUT, bytes)?;
        let operation = r.read(field::OPERATION);
        let result = r.read(field::RESULT);
        let date = r.read(field::DATE);
        let time = r.read(field::TIME);
        let unit = r.read(field::UNIT);
        let counter = r.read(field::COUNTER);
        r.finish(|| {
            Some(Self {
                operation: operation?,
                result: result?,
                date: date?,
                time: time?,
                unit: unit?,
                counter: counter?,
            })
        })
    }

    /// Writes the record.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        Writer::new()
            .write(field::OPERATION, &self.operation)
            .write(field::RESULT, &self.result)
            .write(field::DATE, &self.date)
            .write(field::TIME, &self.time)
            .write(field::UNIT, &self.unit)
            .write(field::COUNTER, &self.counter)
            .seal(&Self::LAYOUT)
    }
}

mod field {
    use super::{Field, RecordKind};

    const R: RecordKind = RecordKind::Log;

    pub(super) const OPERATION: Field = Field::value(R, 0, 1, "operation", "操作");
    pub(super) const RESULT: Field = Field::value(R, 1, 1, "result", "结果");
    pub(super) const DATE: Field = Field::value(R, 2, 4, "date", "日期");
    pub(super) const TIME: Field = Field::value(R, 6, 3, "time", "时间");
    pub(super) const UNIT: Field = Field::value(R, 9, 3, "unit", "单位码");
    pub(super) const COUNTER: Field = Field::value(R, 12, 2, "counter", "计数器");
    const CRC: Field = Field::crc(R, 14, "crc");

    pub(super) const ALL: &[Field] = &[OPERATION, RESULT, DATE, TIME, UNIT, COUNTER, CRC];
}
