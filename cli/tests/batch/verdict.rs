//! `batch generate` and `batch check`: what is planted is found where it was planted, and nothing
//! is found in a clean batch.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::thread;

use super::support::{Batch, Found, run};
use encoding_rs::GB18030;

/// Seeds, sizes, profiles and formats of clean batches.
const CLEAN: [[&str; 4]; 10] = [
    ["1", "1", "cpu-aes", "csv"],
    ["2", "2", "cpu-sm4", "jsonl"],
    ["3", "49", "cpu-aes", "jsonl"],
    ["4", "100", "cpu-sm4", "csv"],
    ["5", "249", "cpu-aes", "csv"],
    ["6", "250", "cpu-sm4", "csv"],
    ["7", "251", "cpu-aes", "jsonl"],
    ["8", "700", "cpu-sm4", "jsonl"],
    ["98", "2049", "cpu-aes", "csv"],
    ["18446744073709551615", "3000", "cpu-sm4", "csv"],
];

#[test]
fn limits_are_those_of_the_contract() {
    // 3 of 100 cards are scrap, exactly at the limit; 5 are spares of 95.
    let batch = Batch::with_defect("too-much-scrap", &["--count", "100"]);
    let check = |limits: &str, code: i32, found: &[&str]| {
        batch.edit_manifest(|manifest| {
            let limits: toml::Table = limits.parse().unwrap();
            manifest.insert("limits".to_owned(), limits.into());
        });
        let checked = batch.check().expect(code);
        let expected = found.iter().map(|id| Found::of_batch(id)).collect();
        assert_eq!(checked.findings(), expected, "{limits}");
        let severity = if code == 0 { "warning" } else { "error" };
        let is_finding = |object: &&serde_json::Value| object["report"] == "finding";
        for finding in checked.objects().iter().filter(is_finding) {
            assert_eq!(finding["severity"], severity, "{limits}");
        }
    };
    check("", 0, &[]);
    check("scrap-percent = 2", 0, &["B-CNT-007"]);
    check("scrap-percent = 2\nbreach = \"error\"", 1, &["B-CNT-007"]);
    check("spare-percent = 5", 0, &["B-CNT-008"]);
    check("spare-percent = 5\nbreach = \"error\"", 1, &["B-CNT-008"]);
    check("spare-percent = 6\nbreach = \"error\"", 0, &[]);
    check("scrap-percent = 101", 1, &["B-MAN-001"]);
    batch.edit_manifest(|manifest| drop(manifest.remove("limits")));
    assert_eq!(batch.check().expect(0).findings(), BTreeSet::new());
}

/// Options of a clean batch.
fn options([seed, count, profile, format]: [&str; 4]) -> [&str; 8] {
    ["--seed", seed, "--count", count, "--profile", profile, "--format", format]
}

#[test]
fn nothing_is_found_in_ten_clean_batches() {
    for clean in CLEAN {
        let checked = Batch::new(&options(clean)).check().expect(0);
        assert_eq!(checked.findings(), BTreeSet::new(), "{clean:?}");
        let verdict = checked.verdict();
        assert_eq!(verdict["verdict"], "accepted", "{clean:?}");
        assert_eq!(verdict["rows"].to_string(), clean[1]);
        let values = 26 * verdict["good"].as_u64().unwrap();
        assert_eq!(verdict["key_values"], values, "every key of every good card is recomputed");
        assert!(!checked.err.contains("rows/s"), "no progress without a terminal");
    }
}

#[test]
fn each_defect_alone_is_found_where_it_is() {
    let kinds: Vec<_> = run(&["batch", "defects", "--json"]).expect(0).objects();
    assert!(kinds.len() >= 40, "only {} kinds", kinds.len());
    let names: Vec<&str> = kinds.iter().map(|kind| kind["kind"].as_str().unwrap()).collect();
    let check = |name: &&str| {
        let seed = name.len().to_string();
        let batch = Batch::with_defect(name, &["--count", "300", "--seed", &seed]);
        let checked = batch.check();
        let truth = batch.truth();
        assert!(!truth.is_empty(), "{name}");
        assert_eq!(checked.findings(), truth, "{name}");
        let verdict = checked.verdict();
        let refused = verdict["errors"].as_u64().unwrap() > 0;
        assert_eq!(verdict["verdict"], if refused { "refused" } else { "accepted" }, "{name}");
        assert_eq!(checked.code, i32::from(refused), "{name}");
    };
    thread::scope(|scope| {
        for part in names.chunks(names.len().div_ceil(2)) {
            scope.spawn(|| part.iter().for_each(check));
        }
    });
}

#[test]
fn all_defects_together_are_found_where_they_are() {
    for (seed, profile) in [("1", "cpu-aes"), ("2", "cpu-sm4")] {
        let options = ["--count", "1500", "--seed", seed, "--profile", profile];
        let batch = Batch::new(&[&["--defects", "all"], &options[..]].concat());
        let planted = batch.text("truth.jsonl").lines().count();
        assert!(planted >= 40, "only {planted} defects");
        assert_eq!(batch.check().expect(1).findings(), batch.truth(), "{profile}");
    }
}

#[test]
fn a_defect_is_planted_in_the_card_that_was_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let generate = |defects: &str| {
        fs::write(path("defects.toml"), defects).unwrap();
        let _ = fs::remove_dir_all(path("b"));
        let (defects, out) = (path("defects.toml"), path("b"));
        run(&["batch", "generate", "--count", "20", "--defects", &defects, "--out", &out])
    };
    generate(
        "[[defect]]\nkind = \"row-twice\"\ncard = 3\n[[defect]]\nkind = \"uid-form\"\ncard = 9\n",
    )
    .expect(0);
    let found = run(&["batch", "check", "--json", &path("b"), "--keys", "test"]).findings();
    let expected =
        [Found::on("B-SER-004", 4), Found::on("B-CHIP-003", 4), Found::on("B-CHIP-001", 10)];
    assert_eq!(found, expected.into());
    for wrong in [
        "[[defect]]\nkind = \"none such\"",
        "[[defect]]\nkind = \"uid-form\"\ncard = 0",
        "[[defect]]\nkind = \"uid-form\"\ncard = 21",
        "[[defect]]\nkind = \"no-replacement\"\ncard = 3",
        "[[defect]]\nkind = \"wrong-hash\"\ncard = 3",
        "[[defect]]\nkind = \"another-box\"",
        "defect = 3",
    ] {
        generate(wrong).expect(2);
    }
}

#[test]
fn one_seed_gives_one_batch() {
    let files = |seed: &str| {
        let batch = Batch::new(&["--count", "5000", "--seed", seed, "--defects", "all"]);
        ["batch.toml", "cards.csv", "truth.jsonl"].map(|name| batch.read(name))
    };
    let first = files("7");
    assert_eq!(first, files("7"));
    for (one, other) in first.iter().zip(&files("8")) {
        assert_ne!(one, other);
    }
}

#[test]
fn nothing_is_overwritten() {
    let batch = Batch::new(&["--count", "2"]);
    let before = batch.read("cards.csv");
    let folder = batch.path("").display().to_string();
    run(&["batch", "generate", "--count", "9", "--out", &folder]).expect(4);
    assert_eq!(batch.read("cards.csv"), before);
    run(&["batch", "generate", "--count", "0", "--out", &batch.path("n").display().to_string()])
        .expect(2);
}

#[test]
fn test_roots_are_used_only_when_they_are_asked_for() {
    let batch = Batch::new(&["--count", "3"]);
    let asked = batch.check().expect(0);
    assert!(asked.err.contains("published TEST keys"), "{}", asked.err);

    // The same roots from a file are refused, however they came there.
    let root = "E83E2C5D7FF63DA58B1A8E9D1E5B7C5A";
    let file = |clear: &str| {
        let path = batch.path("keys.toml");
        let text = format!(
            "[[root]]\nzone = 0xDF01\nnumber = 1\nversion = 1\nalgorithm = \"aes\"\nclear = \"{clear}\"\n"
        );
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.display().to_string()
    };
    batch.check_with(&["--keys", &file(root)]).expect(4);
    let published = test_root(1);
    let refused = batch.check_with(&["--keys", &file(&published)]).expect(4);
    assert!(refused.err.contains("published TEST key"), "{}", refused.err);
    assert!(!refused.err.contains(&published) && refused.out.is_empty());
}

/// The published test root of K`number`, version 1, AES.
fn test_root(number: u8) -> String {
    use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone, test_keys};
    let id = KeyId {
        zone: Zone::EDUCATION,
        number: KeyNumber(number),
        version: KeyVersion::FIRST,
        algorithm: Algorithm::Aes128,
    };
    hex::encode_upper(test_keys::root(&id).expose())
}

#[test]
fn a_wrong_key_file_is_told_before_any_row() {
    let batch = Batch::new(&["--count", "50"]);
    let path = |name: &str| batch.path(name).display().to_string();
    let (kek, root, envelope, keys) = (path("kek"), path("root"), path("envelope"), path("keys"));
    run(&["keys", "generate", "-o", &kek]).expect(0);
    run(&["keys", "generate", "-o", &root]).expect(0);
    let name = "DF01-01-01-01";
    run(&["keys", "wrap", &root, "--kek", &kek, "--key", name, "-o", &envelope]).expect(0);
    fs::rename(&envelope, &keys).unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
    let checked = batch.check_with(&["--keys", &keys, "--kek", &kek]).expect(1);
    let expected = [Found::of_batch("B-KEY-012"), Found::of_batch("B-KEY-013")];
    assert_eq!(checked.findings(), expected.into());
    assert_eq!(checked.verdict()["rows"], 0);
    batch.check_with(&["--keys", &path("none such")]).expect(2);
}

#[test]
fn without_roots_the_rest_is_checked() {
    let batch = Batch::with_defect("keys-copied", &["--count", "50"]);
    let checked = batch.check_with(&["--keys", "none"]).expect(1);
    let copied = batch.truth().into_iter().filter(|found| found.id == "B-KEY-010");
    let expected: BTreeSet<_> = copied.chain([Found::of_batch("B-KEY-013")]).collect();
    assert_eq!(checked.findings(), expected);
    assert_eq!(checked.verdict()["key_values"], 0);
}

/// The columns of a row and their widths in a vendor's file.
fn widths(heading: &str) -> Vec<(&str, usize)> {
    let width = |name: &str| match name {
        "serial" | "wallet_number" | "replacement" => 16,
        "uid" => 14,
        "atr" | "ats" => 36,
        "init_date" => 8,
        "image" => 96,
        "box" | "wallet_balance" => 10,
        "site" | "status" => 4,
        "key_set_version" | "wallet_state" => 2,
        _ => 6,
    };
    heading.split(',').map(|name| (name, width(name))).collect()
}

/// The batch as another vendor delivers it: GBK, fixed width, Chinese words, other dates.
fn as_fixed_width(batch: &Batch) {
    let lines = batch.lines();
    let widths = widths(&lines[0]);
    let mut mapping = "schema = 1\ndates = \"YYYYMMDD\"\n\n[columns]\n".to_owned();
    let mut start = 1;
    for (name, width) in &widths {
        mapping.push_str(&format!("{name} = {{ start = {start}, width = {width} }}\n"));
        start += width;
    }
    mapping.push_str("\n[values.status]\n\"良品\" = \"good\"\n\"废卡\" = \"scrap\"\n");
    let mut rows = Vec::new();
    for line in &lines[1..] {
        for (cell, (name, width)) in line.split(',').zip(&widths) {
            let cell = match *name {
                "status" if cell == "good" => "良品".to_owned(),
                "status" => "废卡".to_owned(),
                "init_date" => cell.replace('-', ""),
                _ => cell.to_owned(),
            };
            let (bytes, ..) = GB18030.encode(&cell);
            rows.extend_from_slice(&bytes);
            rows.extend(core::iter::repeat_n(b' ', width - bytes.len()));
        }
        rows.extend(b"\r\n");
    }
    batch.write("vendor.toml", mapping);
    batch.replace_rows("cards.txt", rows);
    set_file(batch, &[("format", "fixed"), ("encoding", "gbk"), ("mapping", "vendor.toml")]);
}

/// The batch with a vendor's own headings, quotes, semicolons and a constant column.
fn as_vendor_csv(batch: &Batch) {
    let lines = batch.lines();
    let version = lines[0].split(',').position(|name| name == "key_set_version").unwrap();
    let convert = |line: &String, heading: bool| {
        let mut cells: Vec<String> =
            line.split(',').map(|cell| format!("\"{}\"", cell.to_uppercase())).collect();
        if heading {
            cells[0] = "卡序号;流水".to_owned();
            cells[0] = format!("\"{}\"", cells[0]);
        }
        cells.remove(version);
        let joined = cells.join(";");
        let (bytes, ..) = GB18030.encode(&joined);
        bytes.into_owned()
    };
    let mut rows = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        rows.extend(convert(line, at == 0));
        rows.push(b'\n');
    }
    let columns = lines[0].split(',').skip(1).filter(|name| *name != "key_set_version");
    let columns: String =
        columns.map(|name| format!("{name} = \"{}\"\n", name.to_uppercase())).collect();
    let mapping = format!(
        "schema = 1\ndelimiter = \";\"\n[columns]\nserial = \"卡序号;流水\"\n{columns}\
         [constants]\nkey_set_version = \"01\"\n[values.status]\nGOOD = \"good\"\nSCRAP = \"scrap\"\n"
    );
    batch.write("vendor.toml", mapping);
    batch.replace_rows("cards.csv", rows);
    set_file(batch, &[("encoding", "gb18030"), ("mapping", "vendor.toml")]);
}

fn set_file(batch: &Batch, values: &[(&str, &str)]) {
    batch.edit_manifest(|manifest| {
        let file = manifest["file"][0].as_table_mut().unwrap();
        file.extend(values.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())));
    });
}

#[test]
fn a_vendors_own_layout_gives_the_same_verdict() {
    for convert in [as_fixed_width, as_vendor_csv] {
        let batch = Batch::new(&["--count", "300"]);
        convert(&batch);
        assert_eq!(batch.check().expect(0).findings(), BTreeSet::new());
        for kind in
            ["kcv-wrong", "image-of-other-card", "no-replacement", "row-missing", "uid-twice"]
        {
            let batch = Batch::with_defect(kind, &["--count", "300"]);
            convert(&batch);
            assert_eq!(batch.check().expect(1).findings(), batch.truth(), "{kind}");
        }
    }
}

#[test]
fn a_hash_takes_the_place_of_an_image() {
    use sha2::{Digest, Sha256};
    let batch = Batch::new(&["--count", "250"]);
    let mut lines = batch.lines();
    let image = lines[0].split(',').position(|name| name == "image").unwrap();
    for line in &mut lines[1..] {
        let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
        if let Ok(bytes) = hex::decode(&cells[image])
            && !bytes.is_empty()
        {
            cells[image] = hex::encode(Sha256::digest(bytes));
        }
        *line = cells.join(",");
    }
    batch.set_lines(&lines);
    assert_eq!(batch.check().expect(0).findings(), BTreeSet::new());
}

#[test]
fn rows_may_come_in_several_files() {
    let batch = Batch::with_defect("uid-twice", &["--count", "300"]);
    let lines = batch.lines();
    let (first, second) = lines[1..].split_at(100);
    let part = |rows: &[String]| [&lines[..1], rows].concat();
    batch.write("more.csv", part(second).join("\n") + "\n");
    let more = batch.read("more.csv");
    batch.set_lines(&part(first));
    batch.edit_manifest(|manifest| {
        let files = manifest["file"].as_array_mut().unwrap();
        let mut file = files[0].as_table().unwrap().clone();
        file.insert("name".to_owned(), "more.csv".into());
        file.insert("bytes".to_owned(), i64::try_from(more.len()).unwrap().into());
        let hash = <sha2::Sha256 as sha2::Digest>::digest(&more);
        file.insert("sha256".to_owned(), hex::encode(hash).into());
        files.push(file.into());
    });
    let checked = batch.check().expect(1);
    assert_eq!(checked.findings(), batch.truth());
    let row = batch.truth().first().unwrap().row.unwrap();
    let expected = if row <= 100 { "cards.csv" } else { "more.csv" };
    assert_eq!(checked.objects()[0]["file"], expected);
}

#[test]
fn findings_tell_what_to_do_and_no_secrets() {
    let batch = Batch::with_defect("kcv-form", &["--count", "300"]);
    let checked = batch.check();
    let finding = &checked.objects()[0];
    for field in ["id", "severity", "file", "row", "byte", "subject", "field", "expected", "found"]
    {
        assert!(!finding[field].is_null(), "{field}");
    }
    assert_eq!(finding["field"], "kcv_k2");
    // The cell holds a whole key, which stays out of every message.
    assert_eq!(finding["found"], "32 characters");
    assert!(!checked.out.contains("AABBCCDD"));
    let row = usize::try_from(finding["row"].as_u64().unwrap()).unwrap();
    let byte = usize::try_from(finding["byte"].as_u64().unwrap()).unwrap();
    let line = batch.lines()[row].clone();
    assert!(batch.read("cards.csv")[byte..].starts_with(line.as_bytes()));
}
