//! `batch accept` and `batch history`: duplicates across batches, one transaction or none, whatever
//! happens to the process or the disk.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use super::support::{Batch, Found, PROGRAM, Run, run};

/// A history in a folder of its own.
struct History {
    folder: TempDir,
}

impl History {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("history")
    }

    fn text(&self) -> String {
        self.path().display().to_string()
    }

    fn accept(&self, batch: &Batch, options: &[&str]) -> Run {
        let folder = batch.path("").display().to_string();
        let history = self.text();
        let accept =
            ["batch", "accept", &folder, "--keys", "test", "--history", &history, "--json"];
        run(&[&accept, options].concat())
    }

    fn check(&self, batch: &Batch) -> Run {
        batch.check_with(&["--keys", "test", "--history", &self.text()])
    }

    fn query(&self, verb: &str, options: &[&str]) -> Run {
        let history = self.text();
        run(&[&["batch", "history", verb, "--history", &history, "--json"], options].concat())
    }

    fn numbers(&self) -> Vec<String> {
        let batches = self.query("list", &[]).expect(0).objects();
        batches.iter().map(|batch| batch["batch"].as_str().unwrap().to_owned()).collect()
    }

    fn acts(&self) -> Vec<String> {
        let acts = self.query("log", &[]).expect(0).objects();
        acts.iter().map(|act| act["act"].as_str().unwrap().to_owned()).collect()
    }
}

fn cell(batch: &Batch, row: usize, name: &str) -> String {
    let lines = batch.lines();
    let column = lines[0].split(',').position(|known| known == name).unwrap();
    lines[row].split(',').nth(column).unwrap().to_owned()
}

#[test]
fn what_is_in_an_accepted_batch_is_named_with_its_rows() {
    let history = History::new();
    let first = Batch::new(&["--count", "3", "--seed", "1"]);
    assert_eq!(history.check(&first).code, 2, "there is no history yet");
    history.accept(&first, &["--by", "city"]).expect(0);
    // The same vendor, so that the first serials are the same; other UIDs, but for two.
    let second = Batch::new(&["--count", "260", "--seed", "100"]);
    let mut lines = second.lines();
    for (row, of) in [(20, 1), (30, 3)] {
        let own = cell(&second, row, "uid");
        lines[row] = lines[row].replacen(&own, &cell(&first, of, "uid"), 1);
    }
    second.set_lines(&lines);
    let expected: BTreeSet<Found> = [
        Found::on("B-HIS-002", 1),
        Found::on("B-HIS-002", 2),
        Found::on("B-HIS-002", 3),
        Found::on("B-HIS-003", 20),
        Found::on("B-HIS-003", 30),
    ]
    .into();
    let checked = history.check(&second).expect(1);
    assert_eq!(checked.findings(), expected);
    let told = checked.objects();
    let found = |row: u64| told.iter().find(|finding| finding["row"] == row).unwrap();
    assert_eq!(found(20)["found"], "batch 202607000001 row 1");
    assert_eq!(found(20)["subject"], cell(&second, 20, "serial"));
    assert_eq!(found(3)["subject"], cell(&first, 3, "serial"));
    // The same without a history is clean, and acceptance is refused, noted, and changes nothing.
    assert_eq!(second.check().expect(0).findings(), BTreeSet::new());
    assert_eq!(history.accept(&second, &[]).expect(1).findings(), expected);
    assert_eq!(history.numbers(), ["202607000001"]);
    assert_eq!(history.acts(), ["accepted", "refused"]);
    assert_eq!(history.check(&second).expect(1).findings(), expected);
}

#[test]
fn keys_of_an_accepted_card_are_named() {
    let history = History::new();
    let first = Batch::new(&["--count", "2", "--seed", "1"]);
    history.accept(&first, &[]).expect(0);
    let second = Batch::new(&["--count", "20", "--seed", "2"]);
    let mut lines = second.lines();
    for key in ["kcv_k0", "kcv_k1", "kcv_k2"] {
        lines[5] = lines[5].replacen(&cell(&second, 5, key), &cell(&first, 2, key), 1);
    }
    second.set_lines(&lines);
    let expected = [Found::on("B-HIS-004", 5), Found::on("B-KEY-002", 5)];
    assert_eq!(history.check(&second).expect(1).findings(), expected.into());
}

#[test]
fn a_batch_is_accepted_once_and_can_be_taken_back() {
    let history = History::new();
    let batch = Batch::new(&["--count", "12"]);
    history.accept(&batch, &[]).expect(0);
    for refused in [history.accept(&batch, &[]), history.check(&batch)] {
        assert_eq!(refused.expect(1).findings(), [Found::of_batch("B-HIS-001")].into());
    }
    let number = ["--batch", "202607000001", "--reason", "wrong boxes", "--by", "city"];
    history.query("undo", &number).expect(0);
    assert_eq!(history.numbers(), [""; 0]);
    assert!(history.query("undo", &number).expect(2).err.contains("never accepted"));
    assert_eq!(history.check(&batch).expect(0).findings(), BTreeSet::new());
    history.accept(&batch, &[]).expect(0);
    assert_eq!(history.acts(), ["accepted", "refused", "undone", "accepted"]);
    let log = history.query("log", &[]).objects();
    let of_undone = |name: &str| log[2][name].clone();
    assert_eq!(of_undone("reason"), "wrong boxes");
    assert_eq!((of_undone("by"), of_undone("rows")), ("city".into(), 12.into()));
}

#[test]
fn warnings_are_accepted_on_purpose_only() {
    let history = History::new();
    let batch = Batch::with_defect("empty-line", &["--count", "12"]);
    assert!(history.accept(&batch, &[]).expect(1).err.contains("--despite-warnings"));
    assert_eq!(history.numbers(), [""; 0]);
    history.accept(&batch, &["--despite-warnings"]).expect(0);
    assert_eq!(history.numbers(), ["202607000001"]);
    let refused = Batch::with_defect("uid-form", &["--count", "12", "--seed", "2"]);
    history.accept(&refused, &["--despite-warnings"]).expect(1);
    assert_eq!(history.numbers(), ["202607000001"]);
}

#[test]
fn a_killed_acceptance_leaves_the_history_whole() {
    let history = History::new();
    history.accept(&Batch::new(&["--count", "40", "--seed", "3"]), &[]).expect(0);
    let batch = Batch::new(&["--count", "500", "--seed", "4"]);
    let number = "202607000004".to_owned();
    let accept = || {
        Command::new(PROGRAM)
            .args(["batch", "accept", "--keys", "test", "--history", &history.text()])
            .arg(batch.path(""))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let undo = || {
        history.query("undo", &["--batch", &number, "--reason", "test"]).expect(0);
    };
    let start = Instant::now();
    assert_eq!(accept().wait().unwrap().code(), Some(0));
    let whole = start.elapsed();
    undo();
    for part in 1..=12 {
        let mut child = accept();
        thread::sleep(whole * part / 11);
        child.kill().unwrap();
        child.wait().unwrap();
        let numbers = history.numbers();
        assert_eq!(numbers[0], "202607000003");
        let checked = history.check(&batch);
        if numbers.contains(&number) {
            assert_eq!(checked.expect(1).findings(), [Found::of_batch("B-HIS-001")].into());
            undo();
        } else {
            assert_eq!(numbers.len(), 1);
            assert_eq!(checked.expect(0).findings(), BTreeSet::new());
        }
    }
    history.accept(&batch, &[]).expect(0);
    assert_eq!(history.numbers(), ["202607000003", &number]);
    assert_eq!(fs::read_dir(history.folder.path()).unwrap().count(), 1, "nothing is beside it");
}

#[test]
fn a_full_disk_changes_nothing() {
    let history = History::new();
    history.accept(&Batch::new(&["--count", "20", "--seed", "3"]), &[]).expect(0);
    let batch = Batch::new(&["--count", "600", "--seed", "4"]);
    // No file can be longer than 4 KiB, as on a disk that is full.
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$@\"", "sh", PROGRAM])
        .args(["batch", "accept", "--keys", "test", "--history", &history.text()])
        .arg(batch.path(""))
        .output()
        .unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("as it was before"), "{told}");
    assert!(told.contains(&history.text()) && told.contains("no space"), "{told}");
    assert_eq!(history.numbers(), ["202607000003"]);
    assert_eq!(fs::read_dir(history.folder.path()).unwrap().count(), 1, "nothing is beside it");
    history.accept(&batch, &[]).expect(0);
}

#[test]
fn a_history_has_one_writer_and_is_nothing_else() {
    let history = History::new();
    let batch = Batch::new(&["--count", "2"]);
    history.accept(&batch, &[]).expect(0);
    let held = fs::File::open(history.path()).unwrap();
    held.try_lock().unwrap();
    for refused in [
        history.accept(&batch, &[]),
        history.query("undo", &["--batch", "202607000001", "--reason", "test"]),
    ] {
        let told = refused.expect(3).err;
        assert!(told.contains("another process"), "{told}");
    }
    // Looking into it takes no lock.
    assert_eq!(history.numbers(), ["202607000001"]);
    history.check(&batch).expect(1);
    drop(held);
    let second = history.folder.path().join("second");
    fs::hard_link(history.path(), &second).unwrap();
    assert!(history.accept(&batch, &[]).expect(2).err.contains("2 names"));
    fs::remove_file(second).unwrap();
    // A database of before, another version, and no history at all.
    for (contents, expected) in [
        (b"redb\x1A\x0A\xA9\x0D\x0A".repeat(1000), "version 1, expected 2"),
        (b"xuejika batch history 3\n".to_vec(), "version 3"),
        (b"serial,uid\n".repeat(1000), "is no history"),
        (Vec::new(), "is no history"),
    ] {
        fs::write(history.path(), &contents).unwrap();
        for run in [history.accept(&batch, &[]), history.check(&batch), history.query("list", &[])]
        {
            let told = run.expect(2).err;
            assert!(told.contains(expected) && told.contains(&history.text()), "{told}");
        }
        assert_eq!(fs::read(history.path()).unwrap(), contents);
    }
    let folder = history.folder.path().display().to_string();
    run(&["batch", "history", "list", "--history", &folder]).expect(2);
}

/// All bits and lengths are tried where the file is read; here it is each verb that says so.
#[test]
fn a_damaged_history_is_named_by_every_verb() {
    let history = History::new();
    let batch = Batch::new(&["--count", "60", "--seed", "1"]);
    history.accept(&batch, &[]).expect(0);
    let whole = fs::read(history.path()).unwrap();
    let refused = |damaged: &[u8], what: &str| {
        fs::write(history.path(), damaged).unwrap();
        let undo = ["--batch", "202607000001", "--reason", "test"];
        for run in [
            history.check(&batch),
            history.accept(&batch, &[]),
            history.query("list", &[]),
            history.query("log", &[]),
            history.query("undo", &undo),
        ] {
            let told = run.expect(2).err;
            assert!(told.contains(&history.text()), "{what}: {told}");
        }
        assert_eq!(fs::read(history.path()).unwrap(), damaged, "{what}");
    };
    for length in (0..whole.len()).step_by(211) {
        refused(&whole[..length], &format!("{length} bytes"));
    }
    for at in (0..whole.len()).step_by(157) {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        refused(&flipped, &format!("byte {at}"));
    }
}

#[test]
fn the_log_is_for_programs_too() {
    let history = History::new();
    history.accept(&Batch::new(&["--count", "2"]), &[]).expect(0);
    let batch: &Value = &history.query("list", &[]).objects()[0];
    for field in ["batch", "vendor", "sha256", "rows", "good", "scrap", "time"] {
        assert!(!batch[field].is_null(), "{field}");
    }
}
