//! EF 09 personalisation record (个人化记录): written last, so that its presence and the state
//! "active" together commit a personalisation.

use super::error::FieldErrors;
use super::field::{Field, Layout, RecordKind};
use super::wire::{Reader, TerminalId, Writer};
use crate::date::Date;
use crate::ident::UnitCode;

/// The personalisation record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Personalisation {
    /// How often the card was personalised.
    pub count: u16,
    /// Date of the last time.
    pub date: Date,
    /// Unit that did it.
    pub unit: UnitCode,
    /// Terminal that did it.
    pub terminal: TerminalId,
    /// Whether the card was handed out.
    pub issued: bool,
}

impl Personalisation {
    /// Length in bytes.
    pub const LEN: usize = 16;

    /// Where its fields are.
    pub const LAYOUT: Layout =
        Layout { record: RecordKind::Personalisation, len: Self::LEN, fields: field::ALL };

    /// Reads the record.
    ///
    /// # Errors
    /// Every field that breaks a rule.
    pub fn parse(bytes: &[u8]) -> Result<Self, FieldErrors> {
        let mut r = Reader::open(&Self::LAYOUT, bytes)?;
        let count = r.read(field::COUNT);
        let date = r.read(field::DATE);
        let unit = r.read(field::UNIT);
        let terminal = r.read(field::TERMINAL);
        let issued = r.read(field::ISSUED);
        r.finish(|| {
            Some(Self {
                count: count?,
                date: date?,
                unit: unit?,
                terminal: terminal?,
                issued: issued?,
            })
        })
    }

    /// Writes the record.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        Writer::new()
            .write(field::COUNT, &self.count)
            .write(field::DATE, &self.date)
            .write(field::UNIT, &self.unit)
            .write(field::TERMINAL, &self.terminal)
            .write(field::ISSUED, &self.issued)
            .seal(&Self::LAYOUT)
    }
}

mod field {
    use super::{Field, RecordKind};

    const R: RecordKind = RecordKind::Personalisation;

    pub(super) const COUNT: Field = Field::value(R, 0, 2, "count", "次数");
    pub(super) const DATE: Field = Field::value(R, 2, 4, "date", "日期");
    pub(super) const UNIT: Field = Field::value(R, 6, 3, "unit", "单位码");
    pub(super) const TERMINAL: Field = Field::value(R, 9, 4, "terminal", "终端号");
    pub(super) const ISSUED: Field = Field::value(R, 13, 1, "issued", "发放标志");
    const CRC: Field = Field::crc(R, 14, "crc");

    pub(super) const ALL: &[Field] = &[COUNT, DATE, UNIT, TERMINAL, ISSUED, CRC];
}
