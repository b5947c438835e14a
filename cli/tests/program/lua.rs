//! The tables of `docs/wireshark/xuejika.lua` against the program's. A mismatch prints the table as
//! it should be, ready to paste.

use core::fmt::Write;
use std::collections::BTreeMap;
use std::path::Path;

use xuejika_apdu::StatusWord;
use xuejika_apdu::class::Family;
use xuejika_apdu::status::Language;
use xuejika_card_model::file::Df;
use xuejika_card_model::file::tree::CardKind;
use xuejika_emulator::dispatch::COMMANDS;

const KINDS: [CardKind; 4] =
    [CardKind::Student, CardKind::Management, CardKind::Psam, CardKind::Sam];

/// Compares the table between two marks. What has the same key is told together.
fn compare(mark: &str, name: &str, rows: impl Iterator<Item = (String, String)>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/wireshark/xuejika.lua");
    let text = std::fs::read_to_string(path).unwrap();
    let (begin, end) = (format!("-- <{mark}>\n"), format!("-- </{mark}>\n"));
    let after = text.split_once(&begin).unwrap().1;
    let found = after.split_once(&end).unwrap().0;
    let mut values = BTreeMap::<String, Vec<String>>::new();
    for (key, value) in rows {
        let values = values.entry(key).or_default();
        if !values.contains(&value) {
            values.push(value);
        }
    }
    let mut expected = format!("{name} = {{\n");
    for (key, values) in values {
        // A number stands as it is.
        let value = values.join(" / ");
        let value = if value.starts_with("0x") { value } else { format!("\"{value}\"") };
        writeln!(expected, "    [{key}] = {value},").unwrap();
    }
    expected += "}\n";
    assert!(found == expected, "{mark}, expected:\n{begin}{expected}{end}");
}

fn dfs() -> impl Iterator<Item = &'static Df> {
    KINDS.into_iter().flat_map(|kind| kind.tree().all())
}

#[test]
fn commands() {
    let rows = COMMANDS.iter().map(|spec| {
        let family = if spec.family == Family::Proprietary { 0x80 } else { 0x00 };
        (format!("0x{family:02X}{:02X}", spec.instruction), spec.name.to_owned())
    });
    compare("commands", "local COMMANDS", rows);
}

#[test]
fn status_words() {
    let rows = StatusWord::NAMED
        .iter()
        .map(|word| (format!("0x{:04X}", word.0), word.text(Language::English).into_owned()));
    compare("status words", "local STATUS", rows);
}

#[test]
fn applications() {
    let rows = dfs().map(|df| (format!("0x{:04X}", df.fid), df.title.to_owned()));
    compare("applications", "local APPLICATIONS", rows);
}

#[test]
fn names() {
    let names = dfs().flat_map(|df| [(df.name, df.fid), (df.alias, df.fid)]);
    let rows = names
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, fid)| (format!("\"{}\"", hex::encode_upper(name)), format!("0x{fid:04X}")));
    compare("names", "local NAMES", rows);
}

#[test]
fn files() {
    let rows = dfs().flat_map(|df| {
        df.files
            .iter()
            .map(|file| (format!("0x{:04X}{:02X}", df.fid, file.sfi), file.name.to_owned()))
    });
    compare("files", "local FILES", rows);
}
