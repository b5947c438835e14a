//! EF 0B transfer record (升转学): a pupil leaves one school and enters another, 操作规程 四/八.
//!
//! The record of a transfer in repeats what the record of the transfer out says and completes it.

use super::error::{FieldErrors, Problem};
use super::field::{Field, Layout, RecordKind};
use super::wire::{Reader, TerminalId, Writer};
use crate::code::{Reason, codes};
use crate::date::Date;
use crate::ident::{StudentNumber, UnitCode};

codes! {
    /// What a transfer record says (操作); one binary byte (project-defined).
    pub enum TransferOperation {
        OutTransfer = 1, "1", "out, transfer", "转学转出";
        OutPromotion = 2, "2", "out, promotion", "升学转出";
        In = 3, "3", "in", "转入";
        Withdrawn = 4, "4", "withdrawn", "撤销转出";
    }
}

/// A transfer record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Transfer {
    /// What the record says.
    pub operation: TransferOperation,
    /// Reason of the move.
    pub reason: Reason,
    /// Former school, that of `old_number` (原校).
    pub from: UnitCode,
    /// New school (新校); `None` (000000) while unknown.
    pub to: Option<UnitCode>,
    /// Student number at the former school (原学籍号).
    pub old_number: StudentNumber,
    /// Student number at the new school (新学籍号); `None` until the transfer in.
    pub new_number: Option<StudentNumber>,
    /// Date of the transfer out.
    pub out_date: Date,
    /// Date of the transfer in; `None` until then.
    pub in_date: Option<Date>,
    /// Terminal of the transfer out.
    pub out_terminal: TerminalId,
    /// Sequence number of the transfer on this card.
    pub sequence: u16,
}

impl Transfer {
    /// Length in bytes.
    pub const LEN: usize = 48;

    /// Where its fields are.
    pub const LAYOUT: Layout =
        Layout { record: RecordKind::Transfer, len: Self::LEN, fields: field::ALL };

    /// Reads a record.
    ///
    /// # Errors
    /// Every field that breaks a rule.
    pub fn parse(bytes: &[u8]) -> Result<Self, FieldErrors> {
        let mut r = Reader::open(&Self::LAYOUT, bytes)?;
        let reason = r.read(field::REASON);
        let out_terminal = r.read(field::OUT_TERMINAL);
        let sequence = r.read(field::SEQUENCE);
        let claims = Claims {
            operation: r.read(field::OPERATION),
            from: r.read(field::FROM),
            to: r.read(field::TO),
            old_number: r.read(field::OLD_NUMBER),
            new_number: r.read(field::NEW_NUMBER),
            out_date: r.read(field::OUT_DATE),
            in_date: r.read(field::IN_DATE),
        };
        claims.check(&mut r.errors);
        r.finish(|| {
            Some(Self {
                operation: claims.operation?,
                reason: reason?,
                from: claims.from?,
                to: claims.to?,
                old_number: claims.old_number?,
                new_number: claims.new_number?,
                out_date: claims.out_date?,
                in_date: claims.in_date?,
                out_terminal: out_terminal?,
                sequence: sequence?,
            })
        })
    }

    /// Writes the record.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        Writer::new()
            .write(field::OPERATION, &self.operation)
            .write(field::REASON, &self.reason)
            .write(field::FROM, &self.from)
            .write(field::TO, &self.to)
            .write(field::OLD_NUMBER, &self.old_number)
            .write(field::NEW_NUMBER, &self.new_number)
            .write(field::OUT_DATE, &self.out_date)
            .write(field::IN_DATE, &self.in_date)
            .write(field::OUT_TERMINAL, &self.out_terminal)
            .write(field::SEQUENCE, &self.sequence)
            .seal(&Self::LAYOUT)
    }

    /// Checks the agreement between fields.
    ///
    /// # Errors
    /// A unit that is not that of its student number; on a transfer in, a missing new unit, number
    /// or date, or a date before the transfer out; on the other records, a new number or in date.
    pub fn check(&self) -> Result<(), FieldErrors> {
        let mut errors = FieldErrors::default();
        Claims {
            operation: Some(self.operation),
            from: Some(self.from),
            to: Some(self.to),
            old_number: Some(self.old_number),
            new_number: Some(self.new_number),
            out_date: Some(self.out_date),
            in_date: Some(self.in_date),
        }
        .check(&mut errors);
        errors.into_result(Some(()))
    }
}

/// The values of a transfer record that must agree; `None` for one that is wrong by itself.
struct Claims {
    operation: Option<TransferOperation>,
    from: Option<UnitCode>,
    to: Option<Option<UnitCode>>,
    old_number: Option<StudentNumber>,
    new_number: Option<Option<StudentNumber>>,
    out_date: Option<Date>,
    in_date: Option<Option<Date>>,
}

impl Claims {
    fn check(&self, errors: &mut FieldErrors) {
        match self.operation {
            Some(TransferOperation::In) => {
                expect_set(field::TO, self.to, errors);
                expect_set(field::NEW_NUMBER, self.new_number, errors);
                expect_set(field::IN_DATE, self.in_date, errors);
            }
            Some(_) => {
                expect_unset(field::NEW_NUMBER, self.new_number, errors);
                expect_unset(field::IN_DATE, self.in_date, errors);
            }
            None => {}
        }
        if let (Some(from), Some(number)) = (self.from, self.old_number) {
            check_unit((field::FROM, from), (field::OLD_NUMBER, number), errors);
        }
        if let (Some(Some(to)), Some(Some(number))) = (self.to, self.new_number) {
            check_unit((field::TO, to), (field::NEW_NUMBER, number), errors);
        }
        errors.check_order(
            (field::OUT_DATE, self.out_date),
            (field::IN_DATE, self.in_date.flatten()),
        );
    }
}

fn expect_set<T: Copy>(field: Field, value: Option<Option<T>>, errors: &mut FieldErrors) {
    if matches!(value, Some(None)) {
        errors.push(field, Problem::Missing);
    }
}

fn expect_unset<T: Copy>(field: Field, value: Option<Option<T>>, errors: &mut FieldErrors) {
    if matches!(value, Some(Some(_))) {
        errors.push(field, Problem::Unexpected("before the transfer in"));
    }
}

fn check_unit(
    (field, unit): (Field, UnitCode),
    (number_field, number): (Field, StudentNumber),
    errors: &mut FieldErrors,
) {
    if unit != number.unit() {
        let problem = Problem::disagrees(unit, number_field, number.unit());
        errors.push(field, problem);
    }
}

mod field {
    use super::{Field, RecordKind};

    const R: RecordKind = RecordKind::Transfer;

    pub(super) const OPERATION: Field = Field::value(R, 0, 1, "operation", "操作");
    pub(super) const REASON: Field = Field::value(R, 1, 1, "reason", "原因");
    pub(super) const FROM: Field = Field::value(R, 2, 3, "from", "原校单位码");
    pub(super) const TO: Field = Field::value(R, 5, 3, "to", "新校单位码");
    pub(super) const OLD_NUMBER: Field = Field::value(R, 8, 8, "old_number", "原学籍号");
    pub(super) const NEW_NUMBER: Field = Field::value(R, 16, 8, "new_number", "新学籍号");
    pub(super) const OUT_DATE: Field = Field::value(R, 24, 4, "out_date", "转出日期");
    pub(super) const IN_DATE: Field = Field::value(R, 28, 4, "in_date", "转入日期");
    pub(super) const OUT_TERMINAL: Field = Field::value(R, 32, 4, "out_terminal", "转出终端号");
    pub(super) const SEQUENCE: Field = Field::value(R, 36, 2, "sequence", "序号");
    const RFU: Field = Field::reserved(R, 38, 8, "rfu");
    const CRC: Field = Field::crc(R, 46, "crc");

    pub(super) const ALL: &[Field] = &[
        OPERATION,
        REASON,
        FROM,
        TO,
        OLD_NUMBER,
        NEW_NUMBER,
        OUT_DATE,
        IN_DATE,
        OUT_TERMINAL,
        SEQUENCE,
        RFU,
        CRC,
    ];
}
