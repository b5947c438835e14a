//! Fields and layouts: where each value of a record is and what it is called. The same constant
//! serves reading, writing and messages.

use core::ops::Range;

use crate::code::codes;
use crate::crc::CRC_LEN;

codes! {
    /// Record of the education zone; the code is the short file identifier.
    pub enum RecordKind {
        Issuance = 0x05, "05", "issuance", "发行信息";
        Status = 0x06, "06", "status", "状态";
        Identity = 0x07, "07", "identity", "身份";
        Enrolment = 0x08, "08", "enrolment", "就读";
        Personalisation = 0x09, "09", "personalisation", "个人化记录";
        Registration = 0x0A, "0A", "registration", "学籍注册";
        Transfer = 0x0B, "0B", "transfer", "升转学";
        Extension = 0x0C, "0C", "extension", "扩展目录";
        Log = 0x0D, "0D", "log", "操作日志";
    }
}

/// What the bytes of a field are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FieldKind {
    /// A value.
    Value,
    /// Reserved bytes, 00.
    Reserved,
    /// The CRC of the bytes since the previous CRC.
    Crc,
}

/// A field of a record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Field {
    /// The record it belongs to.
    pub record: RecordKind,
    /// Stable English identifier, unique within the record.
    pub id: &'static str,
    /// Chinese name.
    pub chinese: &'static str,
    /// What its bytes are.
    pub kind: FieldKind,
    /// Offset of the first byte.
    pub start: usize,
    /// Length in bytes.
    pub len: usize,
}

impl Field {
    pub(crate) const fn value(
        record: RecordKind,
        start: usize,
        len: usize,
        id: &'static str,
        chinese: &'static str,
    ) -> Self {
        let kind = FieldKind::Value;
        Self { record, id, chinese, kind, start, len }
    }

    pub(crate) const fn reserved(
        record: RecordKind,
        start: usize,
        len: usize,
        id: &'static str,
    ) -> Self {
        let kind = FieldKind::Reserved;
        Self { kind, ..Self::value(record, start, len, id, "保留字节") }
    }

    pub(crate) const fn crc(record: RecordKind, start: usize, id: &'static str) -> Self {
        let kind = FieldKind::Crc;
        Self { kind, ..Self::value(record, start, CRC_LEN, id, "校验码") }
    }

    /// Returns the offsets of the field's bytes.
    #[must_use]
    pub const fn range(&self) -> Range<usize> {
        self.start..self.start + self.len
    }
}

/// All fields of a record, in order and without gaps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// The record.
    pub record: RecordKind,
    /// Its length in bytes.
    pub len: usize,
    /// Its fields.
    pub fields: &'static [Field],
}

impl Layout {
    /// The record as a whole, for errors that concern no single field.
    pub(crate) const fn whole(&self) -> Field {
        Field::value(self.record, 0, self.len, "record", "整条记录")
    }

    /// Each CRC field with the group it seals, the CRC included.
    pub(crate) fn groups(&self) -> impl Iterator<Item = (Field, Range<usize>)> + use<> {
        let mut start = 0;
        let crcs = self.fields.iter().filter(|f| f.kind == FieldKind::Crc);
        crcs.map(move |crc| {
            let group = start..crc.range().end;
            start = group.end;
            (*crc, group)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::LAYOUTS;

    #[test]
    fn fields_tile_their_record() {
        for layout in LAYOUTS {
            let mut end = 0;
            for field in layout.fields {
                assert_eq!(field.record, layout.record);
                assert_eq!(field.start, end, "{field:?}");
                end = field.range().end;
            }
            assert_eq!(end, layout.len, "{:?}", layout.record);
            assert_eq!(layout.len % 16, 0);
            assert_eq!(layout.groups().last().unwrap().1.end, layout.len);
        }
        assert!(LAYOUTS.iter().map(|l| l.record).eq(RecordKind::ALL.iter().copied()));
    }

    #[test]
    fn identifiers_are_unique_and_stable_in_form() {
        for layout in LAYOUTS {
            for (at, field) in layout.fields.iter().enumerate() {
                assert!(layout.fields[at + 1..].iter().all(|f| f.id != field.id));
                let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                assert!(field.id.chars().all(legal), "{}", field.id);
            }
        }
    }
}
