//! Records of the education zone as rows of names and values, the same for files and for what a
//! reader read.

use core::fmt::{self, Display};

use serde::ser::{Serialize, SerializeMap, Serializer};
use xuejika_card_model::lifecycle::Event;
use xuejika_card_model::psam::{ApplicationInfo, PublicInfo};
use xuejika_card_model::record::{
    Enrolment, ExtensionEntry, Identity, Issuance, Layout, LogEntry, Personalisation, Registration,
    Sector, Status, StatusFlags, Transfer,
};

use crate::hex;
use crate::output::Padded;
use crate::shown::{Lines, Show};

/// Columns for the names of a field.
const NAME_COLUMNS: usize = 30;

/// A value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Not set.
    Unset,
    /// As text.
    Text(String),
    /// A row of a code table, in English and Chinese.
    Coded(&'static str, &'static str),
}

impl Value {
    fn text(value: impl Display) -> Self {
        Self::Text(value.to_string())
    }

    fn optional(value: Option<impl Display>) -> Self {
        value.map_or(Self::Unset, Self::text)
    }
}

/// The names of a value's row in its code table.
macro_rules! coded {
    ($row:expr) => {
        Value::Coded($row.english(), $row.chinese())
    };
}

impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset => f.write_str("-"),
            Self::Text(text) => f.write_str(text),
            Self::Coded(english, chinese) => write!(f, "{english} {chinese}"),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unset => serializer.serialize_none(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Coded(english, _) => serializer.serialize_str(english),
        }
    }
}

/// A record: its fields in order. In JSON an object from field to value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rows(Vec<(&'static str, &'static str, Value)>);

impl Rows {
    /// Adds the Chinese names of `layout` to values under their identifiers.
    fn new<const N: usize>(layout: &Layout, values: [(&'static str, Value); N]) -> Self {
        let chinese = |id: &str| {
            let field = layout.fields.iter().find(|field| field.id == id);
            field.map_or("生僻字标志", |field| field.chinese)
        };
        Self(values.map(|(id, value)| (id, chinese(id), value)).into())
    }

    /// All fields in one line, leaving out what is not set.
    pub(crate) fn line(&self) -> String {
        let set = self.0.iter().filter(|(.., value)| *value != Value::Unset);
        let fields = set.map(|(id, chinese, value)| format!("{id} {chinese} {value}"));
        fields.collect::<Vec<_>>().join(", ")
    }
}

/// Each field is a line of its own.
impl Show for Rows {
    fn show(&self, to: &mut Lines) {
        for (id, chinese, value) in &self.0 {
            let name = Padded(format_args!("{id} {chinese}"), NAME_COLUMNS);
            to.line(format_args!("{name} {value}"));
        }
    }
}

impl Serialize for Rows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (id, _, value) in &self.0 {
            map.serialize_entry(id, value)?;
        }
        map.end()
    }
}

impl From<&PublicInfo> for Rows {
    fn from(info: &PublicInfo) -> Self {
        Self(vec![
            ("serial", "序列号", Value::Text(hex::emit(&info.serial))),
            ("version", "版本", Value::text(format_args!("{:02X}", info.version))),
            (
                "key_card_type",
                "密钥卡类型",
                Value::text(format_args!("{:02X}", info.key_card_type)),
            ),
            ("fci", "FCI数据", Value::Text(hex::emit(&info.fci))),
        ])
    }
}

impl From<&ApplicationInfo> for Rows {
    fn from(info: &ApplicationInfo) -> Self {
        Self(vec![
            ("key_index", "消费密钥索引", Value::text(format_args!("{:02X}", info.key_index))),
            ("issuer", "应用发行者标识", Value::Text(hex::emit(&info.issuer))),
            ("acceptor", "应用接收者标识", Value::Text(hex::emit(&info.acceptor))),
            ("valid_from", "启用日期", Value::text(info.valid_from)),
            ("valid_until", "有效日期", Value::text(info.valid_until)),
        ])
    }
}

impl From<&Issuance> for Rows {
    fn from(record: &Issuance) -> Self {
        Self::new(
            &Issuance::LAYOUT,
            [
                ("card_serial", Value::text(record.card_serial)),
                ("card_type", coded!(record.card_type)),
                ("layout_version", Value::text(Issuance::LAYOUT_VERSION)),
                ("profile", coded!(record.profile)),
                ("vendor", Value::text(record.vendor)),
                ("key_set_version", Value::text(record.key_set_version)),
                ("init_date", Value::text(record.init_date)),
                ("batch", Value::text(record.batch)),
                ("site", Value::Text(hex::emit(&record.site))),
                ("generation", Value::text(record.generation)),
                ("valid_from", Value::text(record.valid_from)),
                ("valid_until", Value::text(record.valid_until)),
            ],
        )
    }
}

impl From<&Status> for Rows {
    fn from(record: &Status) -> Self {
        Self::new(
            &Status::LAYOUT,
            [
                ("version", Value::text(Status::VERSION)),
                ("state", coded!(record.state)),
                ("previous", coded!(record.previous)),
                ("flags", flags(record.flags)),
                ("counter", Value::text(record.counter)),
                ("date", Value::text(record.date)),
                ("unit", Value::text(record.unit)),
                ("reason", record.reason.map_or(Value::Unset, |reason| coded!(reason))),
            ],
        )
    }
}

fn flags(flags: StatusFlags) -> Value {
    let names = [
        (flags.temporary, "temporary 临时卡"),
        (flags.rare_name, "rare name 生僻字"),
        (flags.issued, "issued 已发放"),
        (flags.extension_open, "extension open 扩展已开放"),
    ];
    let set: Vec<_> = names.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
    if set.is_empty() { Value::Unset } else { Value::Text(set.join(", ")) }
}

impl From<&Identity> for Rows {
    fn from(record: &Identity) -> Self {
        Self::new(
            &Identity::LAYOUT,
            [
                ("student_number", Value::text(record.student_number)),
                ("record_type", coded!(record.record_type)),
                ("rare_character", Value::text(record.rare_character)),
                ("sex", coded!(record.sex)),
                ("birth_date", Value::text(record.birth_date)),
                ("name", Value::text(record.name)),
                ("name_pinyin", Value::optional(record.name_pinyin)),
                (
                    "national_prefix",
                    record.national_prefix.map_or(Value::Unset, |prefix| coded!(prefix)),
                ),
                ("id_number", Value::optional(record.id_number)),
                ("id_type", record.id_type.map_or(Value::Unset, |id_type| coded!(id_type))),
                ("education_id", Value::optional(record.education_id)),
            ],
        )
    }
}

impl From<&Enrolment> for Rows {
    fn from(record: &Enrolment) -> Self {
        Self::new(
            &Enrolment::LAYOUT,
            [
                ("school_name", Value::text(record.school_name)),
                ("school_id", Value::optional(record.school_id)),
                ("unit", Value::text(record.unit)),
                ("stage", coded!(record.stage)),
                ("category", coded!(record.category)),
                ("grade", Value::text(record.grade)),
                ("class", Value::text(record.class)),
                ("cohort", Value::text(record.cohort)),
                ("schooling_years", Value::text(record.schooling_years)),
                ("entry_date", Value::text(record.entry_date)),
                ("valid_until", Value::text(record.valid_until)),
                ("boarding", coded!(record.boarding)),
                ("entry_mode", coded!(record.entry_mode)),
                ("enrolment_state", coded!(record.enrolment_state)),
            ],
        )
    }
}

impl From<&Personalisation> for Rows {
    fn from(record: &Personalisation) -> Self {
        Self::new(
            &Personalisation::LAYOUT,
            [
                ("count", Value::text(record.count)),
                ("date", Value::text(record.date)),
                ("unit", Value::text(record.unit)),
                ("terminal", Value::text(record.terminal)),
                ("issued", Value::text(record.issued)),
            ],
        )
    }
}

impl From<&Registration> for Rows {
    fn from(record: &Registration) -> Self {
        Self::new(
            &Registration::LAYOUT,
            [
                ("school_year", Value::text(record.school_year)),
                ("term", coded!(record.term)),
                ("date", Value::text(record.date)),
                ("unit", Value::text(record.unit)),
                ("terminal", Value::text(record.terminal)),
            ],
        )
    }
}

impl From<&Transfer> for Rows {
    fn from(record: &Transfer) -> Self {
        Self::new(
            &Transfer::LAYOUT,
            [
                ("operation", coded!(record.operation)),
                ("reason", coded!(record.reason)),
                ("from", Value::text(record.from)),
                ("to", Value::optional(record.to)),
                ("old_number", Value::text(record.old_number)),
                ("new_number", Value::optional(record.new_number)),
                ("out_date", Value::text(record.out_date)),
                ("in_date", Value::optional(record.in_date)),
                ("out_terminal", Value::text(record.out_terminal)),
                ("sequence", Value::text(record.sequence)),
            ],
        )
    }
}

impl From<&ExtensionEntry> for Rows {
    fn from(record: &ExtensionEntry) -> Self {
        let grant = record.sector.grant();
        let state = match record.sector {
            Sector::Closed => Value::Coded("closed", "未开放"),
            Sector::Open(_) => Value::Coded("open", "已开放"),
            Sector::Reclaiming(_) => Value::Coded("reclaiming", "回收中"),
        };
        Self::new(
            &ExtensionEntry::LAYOUT,
            [
                ("index", Value::text(record.index.value())),
                ("state", state),
                ("application", Value::optional(grant.map(|grant| grant.application))),
                ("owner", Value::optional(grant.map(|grant| grant.owner))),
                ("filing", Value::optional(grant.map(|grant| grant.filing))),
                ("opened", Value::optional(grant.map(|grant| grant.opened))),
            ],
        )
    }
}

impl From<&LogEntry> for Rows {
    fn from(record: &LogEntry) -> Self {
        let operation = match Event::from_code(record.operation) {
            Some(event) => Value::Coded(event.rule().name, event.rule().chinese),
            None => Value::Text(format!("{:02X}", record.operation)),
        };
        let result = match record.result {
            0 => Value::Coded("success", "成功"),
            code => Value::Text(format!("{code:02X}")),
        };
        Self::new(
            &LogEntry::LAYOUT,
            [
                ("operation", operation),
                ("result", result),
                ("date", Value::text(record.date)),
                ("time", Value::text(record.time)),
                ("unit", Value::text(record.unit)),
                ("counter", Value::text(record.counter)),
            ],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xuejika_card_model::record::{FieldKind, LAYOUTS, RecordKind};

    /// Shows `bytes` as the record of `kind`.
    fn rows(kind: RecordKind, bytes: &[u8]) -> Rows {
        match kind {
            RecordKind::Issuance => Rows::from(&Issuance::parse(bytes).unwrap()),
            RecordKind::Status => Rows::from(&Status::parse(bytes).unwrap()),
            RecordKind::Identity => Rows::from(&Identity::parse(bytes).unwrap()),
            RecordKind::Enrolment => Rows::from(&Enrolment::parse(bytes).unwrap()),
            RecordKind::Personalisation => Rows::from(&Personalisation::parse(bytes).unwrap()),
            RecordKind::Registration => Rows::from(&Registration::parse(bytes).unwrap()),
            RecordKind::Transfer => Rows::from(&Transfer::parse(bytes).unwrap()),
            RecordKind::Extension => Rows::from(&ExtensionEntry::parse(bytes).unwrap()),
            RecordKind::Log => Rows::from(&LogEntry::parse(bytes).unwrap()),
        }
    }

    fn sample(kind: RecordKind) -> Vec<u8> {
        let date = "2026-09-01".parse().unwrap();
        let unit = "084012".parse().unwrap();
        let old_number = "0108401222903175".parse().unwrap();
        let terminal = "00000001".parse().unwrap();
        let pupil = crate::pupil_file::sample().unwrap();
        let issuance = xuejika_emulator::test_card::issuance(
            "1100260100000014".parse().unwrap(),
            xuejika_card_model::record::Profile::CpuAes,
        );
        let state = xuejika_card_model::state::LifeCycleState::Active;
        let flags = StatusFlags::default();
        match kind {
            RecordKind::Issuance => issuance.unwrap().emit().into(),
            RecordKind::Status => {
                let previous = state;
                Status { state, previous, flags, counter: 1, date, unit, reason: None }
                    .emit()
                    .into()
            }
            RecordKind::Identity => pupil.identity.emit().into(),
            RecordKind::Enrolment => pupil.enrolment.emit().into(),
            RecordKind::Personalisation => {
                Personalisation { count: 1, date, unit, terminal, issued: true }.emit().into()
            }
            RecordKind::Registration => {
                let (school_year, term) = crate::clock::period(date, None, None).unwrap();
                Registration { school_year, term, date, unit, terminal }.emit().into()
            }
            RecordKind::Transfer => Transfer {
                operation: "1".parse().unwrap(),
                reason: "27".parse().unwrap(),
                from: unit,
                to: None,
                old_number,
                new_number: None,
                out_date: date,
                in_date: None,
                out_terminal: terminal,
                sequence: 1,
            }
            .emit()
            .into(),
            RecordKind::Extension => {
                let index = xuejika_card_model::record::ExtensionIndex::new(1).unwrap();
                ExtensionEntry { index, sector: Sector::Closed }.emit().into()
            }
            RecordKind::Log => {
                let time = "08:00:00".parse().unwrap();
                LogEntry { operation: 5, result: 0, date, time, unit, counter: 1 }.emit().into()
            }
        }
    }

    /// No field of any record is forgotten, and each is under its own name.
    #[test]
    fn every_field_of_every_record_is_shown() {
        for layout in LAYOUTS {
            let values = layout.fields.iter().filter(|field| field.kind == FieldKind::Value);
            let expected: Vec<_> = values.map(|field| (field.id, field.chinese)).collect();
            let Rows(rows) = rows(layout.record, &sample(layout.record));
            let mut shown: Vec<_> = rows.iter().map(|(id, chinese, _)| (*id, *chinese)).collect();
            shown.retain(|(id, _)| *id != "rare_character");
            assert_eq!(shown, expected, "{:?}", layout.record);
        }
    }
}
