//! `batch check` on files that nobody should deliver: a message with the place, bounded memory, and
//! an exit code, whatever comes in.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};

use super::support::{Batch, Found, run};
use proptest::test_runner::{Config, TestRunner};

fn small() -> Batch {
    Batch::new(&["--count", "20"])
}

/// What is found, gaps aside: a row that cannot be read leaves one.
fn found(batch: &Batch) -> BTreeSet<Found> {
    let findings = batch.check().expect(1).findings();
    findings.into_iter().filter(|found| found.gap.is_none()).collect()
}

#[test]
fn a_line_of_a_gibibyte_takes_no_memory() {
    let batch = small();
    let path = batch.path("cards.csv");
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    // A hole of the disk: a line of zeros, then one good end.
    let end = file.seek(SeekFrom::End(1 << 30)).unwrap();
    file.write_all(b"\n").unwrap();
    let checked = batch.check().expect(1);
    let found = checked.findings();
    for id in ["B-FILE-002", "B-FILE-003", "B-CNT-001"] {
        assert!(found.contains(&Found::of_batch(id)), "{id}");
    }
    assert!(found.contains(&Found::on("B-FILE-008", 21)));
    assert!(end > 1 << 30);
    if let Some(memory) = checked.verdict()["peak_memory_mib"].as_u64() {
        assert!(memory < 100, "{memory} MiB");
    }
}

#[test]
fn a_manifest_cannot_claim_memory() {
    let batch = small();
    batch.edit_manifest(|manifest| {
        let count = manifest["count"].as_table_mut().unwrap();
        count.insert("rows".to_owned(), i64::from(u32::MAX).into());
    });
    let checked = batch.check().expect(1);
    assert!(checked.findings().contains(&Found::of_batch("B-CNT-001")));
    if let Some(memory) = checked.verdict()["peak_memory_mib"].as_u64() {
        assert!(memory < 100, "{memory} MiB");
    }
}

#[test]
fn other_files_than_text_are_named() {
    for (start, what) in [
        (&b"PK\x03\x04rest"[..], "zip"),
        (b"\x1F\x8B\x08rest", "gzip"),
        (b"\xFF\xFEs\0e\0", "UTF-16"),
        (b"\xFE\xFF\0s\0e", "UTF-16"),
        (b"\xD0\xCF\x11\xE0rest", "spreadsheet"),
    ] {
        let batch = small();
        batch.replace_rows("cards.csv", start);
        let checked = batch.check().expect(2);
        assert!(checked.err.contains(what) && checked.err.contains("cards.csv"), "{checked:?}");
    }
}

#[test]
fn line_ends_may_be_of_either_kind() {
    let batch = small();
    batch.replace_rows("cards.csv", batch.text("cards.csv").replace('\n', "\r\n"));
    assert_eq!(batch.check().expect(0).findings(), BTreeSet::new());
    // CR alone ends no line.
    batch.replace_rows("cards.csv", batch.text("cards.csv").replace("\r\n", "\r"));
    let checked = batch.check().expect(1);
    assert_eq!(checked.findings(), [Found::of_batch("B-FILE-006")].into());
    assert!(checked.out.contains("a CR alone"), "{checked:?}");
}

#[test]
fn files_without_rows_are_told() {
    let gap = |batch: &Batch| batch.check().expect(1).findings();
    let batch = small();
    let heading = batch.lines()[0].clone() + "\n";
    batch.replace_rows("cards.csv", &heading);
    let found = gap(&batch);
    assert!(found.contains(&Found::of_batch("B-CNT-001")), "{found:?}");
    assert!(found.iter().any(|found| found.gap.is_some()));
    for contents in ["", "\n", "serial", heading.trim_end()] {
        batch.replace_rows("cards.csv", contents);
        let found = gap(&batch);
        assert!(found.contains(&Found::of_batch("B-FILE-010")), "{contents:?}: {found:?}");
        // What cannot be read is not counted as missing.
        assert!(!found.contains(&Found::of_batch("B-CNT-001")));
    }
}

#[test]
fn bad_rows_of_json_are_found_one_by_one() {
    let batch = Batch::new(&["--count", "20", "--format", "jsonl"]);
    let mut lines: Vec<String> = batch.text("cards.jsonl").lines().map(str::to_owned).collect();
    let uid_to = |line: &String, other: &str| line.replacen("\"uid\"", other, 1);
    lines[1] = uid_to(&lines[1], "\"serial\"");
    lines[3] = uid_to(&lines[3], "\"unknown\"");
    lines[5] = lines[5].replacen("\"wallet_balance\":\"0\"", "\"wallet_balance\":[0]", 1);
    lines[7].truncate(40);
    lines[9].push('x');
    lines[11] = "[]".to_owned();
    lines[13] = "{}".to_owned();
    lines[15] = "[".repeat(60_000);
    // A whole number is as good as its digits.
    lines[17] = lines[17].replacen("\"wallet_balance\":\"0\"", "\"wallet_balance\":0", 1);
    // UID and balance in the same row: one cell is a formula, one is negative.
    lines[18] = lines[18].replacen("\"wallet_balance\":\"0\"", "\"wallet_balance\":\"-1\"", 1);
    batch.replace_rows("cards.jsonl", lines.join("\n") + "\n");
    let json = [2, 4, 6, 8, 10, 12, 16].map(|row| Found::on("B-FILE-016", row));
    let others = [Found::on("B-ROW-001", 14), Found::on("B-FILE-015", 19)];
    assert_eq!(found(&batch), json.into_iter().chain(others).collect());
}

#[test]
fn encodings_are_not_mixed() {
    let batch = small();
    let mut lines = batch.lines();
    let with = |line: &String, text: &str| line.replacen("B00001", text, 1);
    lines[3] = with(&lines[3], "箱");
    lines[5] = with(&lines[5], "\u{FEFF}B00001");
    lines[7] = with(&lines[7], "\u{FFFD}");
    batch.set_lines(&lines);
    let expected =
        [Found::on("B-BOX-001", 3), Found::on("B-FILE-005", 5), Found::on("B-FILE-005", 7)];
    assert_eq!(found(&batch), expected.into());
    // The same bytes are no GB 18030 of any box either, and nothing is guessed.
    batch.edit_manifest(|manifest| {
        let file = manifest["file"][0].as_table_mut().unwrap();
        file.insert("encoding".to_owned(), "gb18030".into());
    });
    assert!(found(&batch).iter().all(|found| [Some(3), Some(5), Some(7)].contains(&found.row)));
}

#[test]
fn headings_are_strict() {
    let batch = small();
    let original = batch.lines();
    let with_heading = |heading: String| {
        let mut lines = original.clone();
        lines[0] = heading;
        batch.set_lines(&lines);
        batch.check().findings()
    };
    let heading = &original[0];
    let twice = heading.replacen("uid", "serial", 1);
    let expected = [Found::of_batch("B-FILE-010"), Found::of_batch("B-FILE-011")];
    assert_eq!(with_heading(twice), expected.into());
    assert!(with_heading(format!("\"{heading}")).contains(&Found::of_batch("B-FILE-014")));
    assert!(with_heading(heading.to_uppercase()).contains(&Found::of_batch("B-FILE-010")));
    // The order of columns is free.
    let turned: Vec<String> =
        original.iter().map(|line| line.rsplit(',').collect::<Vec<_>>().join(",")).collect();
    batch.set_lines(&turned);
    assert_eq!(batch.check().expect(0).findings(), BTreeSet::new());
    // A column of the vendor's own is a warning.
    let wider: Vec<String> = original
        .iter()
        .enumerate()
        .map(|(at, line)| format!("{line},{}", if at == 0 { "note" } else { "x" }))
        .collect();
    batch.set_lines(&wider);
    assert_eq!(batch.check().expect(0).findings(), [Found::of_batch("B-FILE-012")].into());
}

/// A change of a manifest.
type Edit = fn(&mut toml::Table);

#[test]
fn unusable_input_is_a_usage_error() {
    let check = |path: &str| run(&["batch", "check", path, "--keys", "test"]).expect(2).err;
    assert!(check("/none/such").contains("/none/such"));
    let edits: [(&str, Edit); 5] = [
        ("schema", |manifest| drop(manifest.insert("schema".to_owned(), 2.into()))),
        ("surplus", |manifest| drop(manifest.insert("surplus".to_owned(), 2.into()))),
        ("count", |manifest| drop(manifest.remove("count"))),
        ("../cards.csv", |manifest| {
            let file = manifest["file"][0].as_table_mut().unwrap();
            file.insert("name".to_owned(), "../cards.csv".into());
        }),
        ("vendor.toml", |manifest| {
            let file = manifest["file"][0].as_table_mut().unwrap();
            file.insert("mapping".to_owned(), "vendor.toml".into());
        }),
    ];
    for (told, edit) in edits {
        let batch = small();
        batch.edit_manifest(edit);
        let error = check(&batch.path("").display().to_string());
        assert!(error.contains(told), "{error}");
    }
    for manifest in ["", "schema = ", "\0", "schema = 1"] {
        let batch = small();
        batch.write("batch.toml", manifest);
        assert!(check(&batch.path("").display().to_string()).contains("batch.toml"));
    }
    let batch = small();
    fs::write(batch.path("batch.toml"), b"\xFF\xFE").unwrap();
    check(&batch.path("").display().to_string());
}

#[test]
fn mapping_files_are_strict() {
    for mapping in [
        "schema = 2",
        "schema = 1\nsurplus = 1",
        "schema = 1\n[columns]\nnone = \"x\"",
        "schema = 1\n[constants]\nnone = \"x\"",
        "schema = 1\ndelimiter = \"张\"",
        "schema = 1\ndelimiter = \"ab\"",
        "schema = 1\ndates = \"DDMMYY\"",
        "schema = 1\nheading-row = 0",
    ] {
        let batch = small();
        batch.write("vendor.toml", mapping);
        batch.edit_manifest(|manifest| {
            let file = manifest["file"][0].as_table_mut().unwrap();
            file.insert("mapping".to_owned(), "vendor.toml".into());
        });
        let checked = batch.check().expect(2);
        assert!(checked.err.contains("vendor.toml"), "{mapping}: {}", checked.err);
    }
    let batch = small();
    batch.edit_manifest(|manifest| {
        let file = manifest["file"][0].as_table_mut().unwrap();
        file.insert("format".to_owned(), "fixed".into());
    });
    assert!(batch.check().expect(2).err.contains("mapping"));
}

#[test]
fn a_row_of_another_width_is_found() {
    let batch = small();
    batch.write("vendor.toml", "schema = 1\n[columns]\nserial = { start = 1, width = 16 }\n");
    batch.replace_rows("cards.txt", "1100260200000013\n110026020000001\n11002602000000133\n");
    batch.edit_manifest(|manifest| {
        let file = manifest["file"][0].as_table_mut().unwrap();
        file.insert("format".to_owned(), "fixed".into());
        file.insert("mapping".to_owned(), "vendor.toml".into());
    });
    let found = found(&batch);
    for row in [2, 3] {
        assert!(found.contains(&Found::on("B-FILE-018", row)), "{found:?}");
    }
    assert!(found.contains(&Found::on("B-ROW-001", 1)));
}

#[test]
fn any_damage_is_found_and_none_ends_the_program() {
    let batch = Batch::new(&["--count", "12"]);
    let (rows, manifest) = (batch.read("cards.csv"), batch.read("batch.toml"));
    let damage = (0..rows.len(), proptest::num::u8::ANY, proptest::bool::ANY);
    let mut runner =
        TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    let result = runner.run(&damage, |(at, byte, cut)| {
        let mut bad = rows.clone();
        if cut {
            bad.truncate(at);
        } else {
            bad[at] = byte;
        }
        if bad != rows {
            batch.write("cards.csv", &bad);
            let code = batch.check().code;
            assert!(code == 1 || (code == 2 && at < 8), "{code} for byte {at}");
        }
        Ok(())
    });
    result.unwrap();
    batch.write("cards.csv", &rows);
    let damage = (0..manifest.len(), proptest::num::u8::ANY, proptest::bool::ANY);
    let result = runner.run(&damage, |(at, byte, cut)| {
        let mut bad = manifest.clone();
        if cut {
            bad.truncate(at);
        } else {
            bad[at] = byte;
        }
        batch.write("batch.toml", &bad);
        assert!(batch.check().code <= 2);
        Ok(())
    });
    result.unwrap();
}

#[test]
fn a_check_can_be_repeated_and_leaves_nothing() {
    let batch = small();
    let names = || {
        let entries = fs::read_dir(batch.path("")).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect::<BTreeSet<_>>()
    };
    let before = names();
    for _ in 0..2 {
        batch.check().expect(0);
        assert_eq!(names(), before);
    }
}
