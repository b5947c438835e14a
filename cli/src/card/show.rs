//! What an image holds: the answer to reset, keys by their check values, files field by field.

mod psam;
mod sam;

use core::fmt;

use serde::Serialize;
use xuejika_card_model::Card;
use xuejika_card_model::file::tree::{CardKind, sfi};
use xuejika_card_model::file::{Df, Ef, Structure};
use xuejika_card_model::management::Authorisation;
use xuejika_card_model::nvm::{Nvm, RamNvm};
use xuejika_card_model::psam::PsamView;
use xuejika_card_model::record::{
    Enrolment, ExtensionEntry, FieldErrors, Identity, Issuance, LogEntry, Personalisation,
    Registration, StatusPair, Transfer,
};
use xuejika_card_model::sam::SamStore;
use xuejika_keyscheme::slots::{FAILURE_CAP, KeySlots};
use xuejika_keyscheme::{KeyNumber, KeyVersion, Zone};

use super::Summary;
use crate::atr;
use crate::fields::Rows;
use crate::keys::is_test_key;
use crate::shown::{Lines, Show};
use crate::{hex, tlv};

/// A whole card.
#[derive(Debug, Serialize)]
pub(super) struct View {
    #[serde(flatten)]
    summary: Summary,
    atr: String,
    atr_parts: Vec<atr::Part>,
    directories: Vec<Directory>,
}

impl View {
    pub(super) fn new(summary: Summary, card: &Card<RamNvm>) -> Self {
        let atr = xuejika_emulator::atr(card.header());
        Self {
            summary,
            atr: hex::emit(&atr),
            atr_parts: atr::explain(&atr),
            directories: card.tree().all().map(|df| Directory::new(card, df)).collect(),
        }
    }
}

impl Show for View {
    fn show(&self, to: &mut Lines) {
        to.line(&self.summary);
        to.line("");
        to.line(format_args!("ATR {}", self.atr));
        to.indented(2, |to| self.atr_parts.iter().for_each(|part| to.line(part)));
        for directory in &self.directories {
            to.line("");
            directory.show(to);
        }
    }
}

/// A DF with its keys and files.
#[derive(Debug, Serialize)]
struct Directory {
    id: String,
    title: &'static str,
    chinese: &'static str,
    name: String,
    keys: Vec<KeyView>,
    files: Vec<FileView>,
}

impl Directory {
    fn new(card: &Card<RamNvm>, df: &Df) -> Self {
        Self {
            id: format!("{:04X}", df.fid),
            title: df.title,
            chinese: df.chinese,
            name: hex::emit(df.name),
            keys: df.keys.iter().map(|number| KeyView::new(card, df, *number)).collect(),
            files: df.files.iter().map(|file| FileView::new(card, df, file)).collect(),
        }
    }
}

impl Show for Directory {
    fn show(&self, to: &mut Lines) {
        let Self { id, title, chinese, name, .. } = self;
        let name = if name.is_empty() { String::new() } else { format!(", name {name}") };
        to.line(format_args!("DF {id} {title} {chinese}{name}"));
        to.indented(2, |to| {
            self.keys.iter().for_each(|key| to.line(key));
            self.files.iter().for_each(|file| file.show(to));
        });
    }
}

/// A key: everything but its bytes.
#[derive(Debug, Serialize)]
struct KeyView {
    key: String,
    /// The one in use first.
    versions: Vec<VersionView>,
    failures: u16,
}

/// One version of a key.
#[derive(Debug, Serialize)]
struct VersionView {
    version: String,
    kcv: String,
    test_key: bool,
}

impl KeyView {
    fn new(card: &Card<RamNvm>, df: &Df, number: KeyNumber) -> Self {
        // A card that opens has no unreadable key.
        let slots = card.key_slots(df, number).ok().flatten();
        let view = |slots: &KeySlots, version: KeyVersion| VersionView {
            version: version.to_string(),
            kcv: slots.key(version).map(|key| key.kcv().to_string()).unwrap_or_default(),
            test_key: is_test_key(card, df, number, slots, version),
        };
        let versions = slots.iter().flat_map(|slots| {
            let versions = core::iter::once(slots.active_version()).chain(slots.other_version());
            versions.map(move |version| view(slots, version))
        });
        Self {
            key: number.to_string(),
            versions: versions.collect(),
            failures: slots.as_ref().map_or(0, KeySlots::failures),
        }
    }
}

impl fmt::Display for KeyView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<3}", self.key)?;
        if self.versions.is_empty() {
            return f.write_str(" not loaded");
        }
        for (index, VersionView { version, kcv, test_key }) in self.versions.iter().enumerate() {
            let also = if index == 0 { "" } else { ", also" };
            let test = if *test_key { " (test key)" } else { "" };
            write!(f, "{also} version {version} {kcv}{test}")?;
        }
        let or_more = if self.failures == FAILURE_CAP { " or more" } else { "" };
        write!(f, ", {}{or_more} failures", self.failures)
    }
}

/// A file and what is in it.
#[derive(Debug, Serialize)]
struct FileView {
    id: String,
    sfi: u8,
    name: &'static str,
    chinese: &'static str,
    structure: &'static str,
    size: usize,
    contents: Contents,
}

/// What is in a file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Contents {
    /// All bytes are 00, or no record was written.
    Empty,
    /// A record.
    Record(Rows),
    /// The records of a file that has several, in the order of their numbers.
    Records(Vec<Result<Rows, Damage>>),
    /// Data objects.
    Objects(Vec<tlv::Object>),
    /// What a management card grants, without its secret.
    Grant(Grant),
    /// Keys of a PSAM.
    Keys(psam::Keys),
    /// What a SAM holds, without keys.
    Sam(sam::Held),
    /// Bytes without a layout of this project.
    Hex(String),
    /// A record that breaks its rules.
    Damaged(Damage),
}

/// What is wrong with a record.
#[derive(Debug, Serialize)]
struct Damage {
    error: String,
    hex: String,
}

impl Damage {
    fn new(error: &impl ToString, bytes: &[u8]) -> Self {
        Self { error: error.to_string(), hex: hex::emit(bytes) }
    }
}

/// What a management card grants.
#[derive(Debug, Serialize)]
struct Grant {
    role: u8,
    unit: String,
    key_set: u8,
    valid_until: String,
    keys: Vec<String>,
}

impl FileView {
    fn new(card: &Card<RamNvm>, df: &Df, file: &Ef) -> Self {
        let all = file.offset..file.offset + file.structure.storage();
        let bytes = card.nvm().bytes().get(all).unwrap_or_default();
        Self {
            id: format!("{:04X}", file.fid),
            sfi: file.sfi,
            name: file.name,
            chinese: file.chinese,
            structure: file.structure.name(),
            size: bytes.len(),
            contents: match (PsamView::of(card), SamStore::of(card).ok().flatten()) {
                (Some(psam), _) => psam::contents(&psam, file, bytes),
                (None, Some(store)) => Contents::Sam(sam::Held::new(&store, file)),
                (None, None) => contents(card.header().kind, df, file, bytes),
            },
        }
    }
}

fn contents(kind: CardKind, df: &Df, file: &Ef, bytes: &[u8]) -> Contents {
    match (kind, df.zone(), file.sfi) {
        (CardKind::Management, _, sfi::ONLY) => grant(bytes),
        (_, Zone::EDUCATION, number) => education(number, file, bytes),
        _ if bytes.iter().all(|byte| *byte == 0) => Contents::Empty,
        (.., sfi::DIR) => {
            let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            match tlv::tree(bytes.get(..used).unwrap_or_default()) {
                Ok(objects) => Contents::Objects(objects),
                Err(error) => Contents::Damaged(Damage::new(&error, bytes)),
            }
        }
        _ => Contents::Hex(hex::emit(bytes)),
    }
}

fn education(number: u8, file: &Ef, bytes: &[u8]) -> Contents {
    match number {
        sfi::ISSUANCE => record(bytes, Issuance::parse),
        sfi::STATUS => record(bytes, |bytes| StatusPair::parse(bytes).map(|pair| pair.current)),
        sfi::IDENTITY => record(bytes, Identity::parse),
        sfi::ENROLMENT => record(bytes, Enrolment::parse),
        sfi::PERSONALISATION => record(bytes, Personalisation::parse),
        sfi::REGISTRATION => records(file, bytes, Registration::parse),
        sfi::TRANSFER => records(file, bytes, Transfer::parse),
        sfi::DIRECTORY => records(file, bytes, ExtensionEntry::parse),
        sfi::LOG => records(file, bytes, LogEntry::parse),
        _ => Contents::Hex(hex::emit(bytes)),
    }
}

fn record<T>(bytes: &[u8], parse: impl Fn(&[u8]) -> Result<T, FieldErrors>) -> Contents
where
    Rows: for<'a> From<&'a T>,
{
    if bytes.iter().all(|byte| *byte == 0) {
        return Contents::Empty;
    }
    match rows(bytes, parse) {
        Ok(rows) => Contents::Record(rows),
        Err(damage) => Contents::Damaged(damage),
    }
}

fn records<T>(file: &Ef, bytes: &[u8], parse: impl Fn(&[u8]) -> Result<T, FieldErrors>) -> Contents
where
    Rows: for<'a> From<&'a T>,
{
    match in_order(file.structure, bytes).as_slice() {
        [] => Contents::Empty,
        found => Contents::Records(found.iter().map(|bytes| rows(bytes, &parse)).collect()),
    }
}

fn rows<T>(bytes: &[u8], parse: impl Fn(&[u8]) -> Result<T, FieldErrors>) -> Result<Rows, Damage>
where
    Rows: for<'a> From<&'a T>,
{
    parse(bytes).map(|record| Rows::from(&record)).map_err(|error| Damage::new(&error, bytes))
}

/// A transparent file as it is, the records of any other in the order of their numbers.
fn in_order(structure: Structure, bytes: &[u8]) -> Vec<&[u8]> {
    match structure {
        Structure::Transparent { .. } => vec![bytes],
        _ => (1..=u8::MAX).map_while(|number| structure.record(bytes, number)).collect(),
    }
}

fn grant(bytes: &[u8]) -> Contents {
    let parsed = bytes.first_chunk().ok_or("the file is cut short".to_owned());
    let parsed =
        parsed.and_then(|bytes| Authorisation::parse(bytes).map_err(|error| error.to_string()));
    match parsed {
        Ok(authorisation) => {
            let keys = (0..=KeyNumber::APPLICATION.0).map(KeyNumber);
            let permitted = keys.filter(|key| authorisation.permitted.contains(*key));
            Contents::Grant(Grant {
                role: authorisation.role.code(),
                unit: authorisation.unit.to_string(),
                key_set: authorisation.key_set,
                valid_until: authorisation.valid_until.to_string(),
                keys: permitted.map(|key| key.to_string()).collect(),
            })
        }
        // The bytes hold the unlock secret.
        Err(error) => Contents::Damaged(Damage { error, hex: String::new() }),
    }
}

impl Show for FileView {
    fn show(&self, to: &mut Lines) {
        let Self { id, sfi, name, chinese, structure, size, contents } = self;
        let empty = matches!(contents, Contents::Empty | Contents::Sam(sam::Held::LastDay(None)));
        let empty = if empty { ": empty" } else { "" };
        to.line(format_args!(
            "EF {id} (SFI {sfi:02X}) {name} {chinese}, {structure}, {size} bytes{empty}"
        ));
        to.indented(2, |to| contents.show(to));
    }
}

impl Show for Contents {
    fn show(&self, to: &mut Lines) {
        match self {
            Self::Empty => {}
            Self::Record(rows) => rows.show(to),
            Self::Records(records) => {
                (1..).zip(records).for_each(|(number, record): (u8, _)| match record {
                    Ok(rows) => to.line(format_args!("{number:>2}  {}", rows.line())),
                    Err(Damage { error, hex }) => {
                        to.line(format_args!("{number:>2}  damaged: {error}"));
                        to.indented(4, |to| to.line(hex));
                    }
                });
            }
            Self::Objects(objects) => objects.iter().for_each(|object| object.show(to)),
            Self::Grant(Grant { role, unit, key_set, valid_until, keys }) => {
                let keys = keys.join(" ");
                to.line(format_args!(
                    "role {role:02X}, unit {unit}, key set {key_set:02X}, \
                     valid until {valid_until}, keys {keys}"
                ));
                to.line("unlock secret not shown");
            }
            Self::Keys(keys) => keys.show(to),
            Self::Sam(held) => held.show(to),
            Self::Hex(hex) => to.line(hex),
            Self::Damaged(Damage { error, hex }) => {
                to.line(format_args!("damaged: {error}"));
                to.line(hex);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cyclic_records_come_newest_first() {
        let structure = Structure::Cyclic { length: 1, count: 3 };
        let order = |bytes: &[u8]| in_order(structure, bytes).concat();
        assert_eq!(order(&[0, 0, 9, 9, 9]), [0; 0]);
        assert_eq!(order(&[1, 2, 1, 2, 9]), [2, 1]);
        assert_eq!(order(&[0, 3, 4, 2, 3]), [4, 3, 2]);
        assert_eq!(order(&[9, 9]), [0; 0]);
    }
}
