//! `batch readback`: virtual cards of a batch, presented one after the other over TCP.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use xuejika_card_model::record::Issuance;

use super::support::{Batch, PROGRAM, run};

/// Cards in the sample: letter F of level II.
const SIZE: usize = 20;

/// Size of the batch.
const COUNT: [&str; 2] = ["--count", "120"];

/// Cards of a batch on a port of their own.
struct Cards {
    child: Child,
    target: String,
}

impl Cards {
    fn serve(folder: &str, options: &[&str]) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["emulate", "--batch", folder, "--listen", "127.0.0.1:0", "--seed", "1"])
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("it listens").unwrap();
            if let Some(address) = line.strip_prefix("listening on ") {
                break address.to_owned();
            }
        };
        // Whoever serves goes on when nobody reads.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, target: format!("tcp://{address}") }
    }
}

impl Drop for Cards {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A batch, and a sample of it in which no card may fail.
struct Delivery {
    batch: Batch,
    folder: String,
    sample: String,
    serials: Vec<String>,
    rows: Vec<usize>,
}

impl Delivery {
    fn new() -> Self {
        let batch = Batch::new(&COUNT);
        let (folder, sample) = (batch.path("").display().to_string(), batch.path("sample.json"));
        let sample = sample.display().to_string();
        let draw = ["batch", "sample", &folder, "--plan", "II", "--aql", "0.65", "--seed", "5EED"];
        run(&[&draw[..], &["--out", &sample]].concat()).expect(0);
        let drawn: Value = serde_json::from_str(&batch.text("sample.json")).unwrap();
        let cards = drawn["cards"].as_array().unwrap().clone();
        assert_eq!(cards.len(), SIZE);
        let serials = cards.iter().map(|card| card["serial"].as_str().unwrap().to_owned());
        let rows = cards.iter().map(|card| usize::try_from(card["row"].as_u64().unwrap()).unwrap());
        let (serials, rows) = (serials.collect(), rows.collect());
        Self { batch, folder, sample, serials, rows }
    }

    /// Reads cards, each behind an Enter, after the first one.
    fn read(&self, target: &str, enters: usize, code: i32) -> Vec<Value> {
        let mut child = Command::new(PROGRAM)
            .args(["batch", "readback", &self.folder, "--keys", "test", "--json"])
            .args(["--sample", &self.sample, "--target", target])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Whoever has read enough does not wait for more.
        let _ = child.stdin.take().unwrap().write_all("\n".repeat(enters).as_bytes());
        let mut out = String::new();
        child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{out} {told}");
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The same batch, one row changed.
    fn altered(change: impl FnOnce(&str) -> String, row: usize) -> Batch {
        let batch = Batch::new(&COUNT);
        let mut lines = batch.lines();
        lines[row] = change(&lines[row]);
        batch.set_lines(&lines);
        batch
    }
}

#[test]
fn the_altered_card_is_named_with_its_field() {
    let delivery = Delivery::new();
    let altered = delivery.rows[13];
    let other_day = |line: &str| {
        let image = line.split(',').find(|cell| cell.len() == 2 * Issuance::LEN).unwrap();
        let bytes: [u8; Issuance::LEN] = hex::decode(image).unwrap().try_into().unwrap();
        let mut record = Issuance::parse(&bytes).unwrap();
        record.init_date = "2026-06-30".parse().unwrap();
        line.replacen(image, &hex::encode_upper(record.emit()), 1)
    };
    let other = Delivery::altered(other_day, altered);
    let path = other.path("").display().to_string();
    let cards = Cards::serve(&path, &["--sample", &delivery.sample]);
    // Broken off after eight cards, and taken up again.
    let first = delivery.read(&cards.target, 7, 1);
    assert_eq!(first.len(), 9);
    let end = &first[8];
    assert_eq!((&end["verdict"], &end["read"]), (&"incomplete".into(), &8.into()));
    let second = delivery.read(&cards.target, SIZE, 1);
    let all: Vec<&Value> =
        first.iter().chain(&second).filter(|line| line["report"] == "card").collect();
    assert_eq!(all.len(), SIZE);
    for (card, serial) in all.iter().zip(&delivery.serials) {
        assert_eq!(card["serial"], serial.as_str());
        let differs = card["row"] == altered;
        assert_eq!(card["result"], if differs { "differs" } else { "same" }, "{card}");
        if differs {
            let difference = &card["differences"].as_array().unwrap()[..];
            assert_eq!(difference.len(), 1, "{card}");
            assert_eq!(difference[0]["field"], "image.init_date");
            assert_eq!(difference[0]["found"], "2026-06-30");
        }
    }
    let end = second.last().unwrap();
    assert_eq!((&end["verdict"], &end["left"]), (&"refused".into(), &0.into()));
    assert_eq!(end["failed"], serde_json::json!([delivery.serials[13]]));
}

#[test]
fn every_part_of_a_card_is_compared() {
    let delivery = Delivery::new();
    let row = delivery.rows[0];
    let own = delivery.batch.lines()[row].clone();
    let cells: Vec<&str> = own.split(',').collect();
    let heading = delivery.batch.lines()[0].clone();
    let at = |name: &str| heading.split(',').position(|known| known == name).unwrap();
    let index = row.to_string();
    let cards = Cards::serve(&delivery.folder, &["--index", &index]);
    // What the card is stays; the rows that it is compared with change.
    let mut expected = Vec::new();
    let mut changed = cells.clone();
    for (name, value) in [
        ("atr", "3B8D80018031A8739E01C065000000000000"),
        ("wallet_number", "1000000000000009"),
        ("kcv_k3", "00AA11"),
        ("kcv_s5", "00AA11"),
    ] {
        changed[at(name)] = value;
        expected.push(name);
    }
    let mut lines = delivery.batch.lines();
    lines[row] = changed.join(",");
    delivery.batch.set_lines(&lines);
    let draw = ["batch", "sample", &delivery.folder, "--plan", "II", "--aql", "0.65"];
    // Draw until the changed card is in the sample.
    let sample = (0..200_u32)
        .map(|seed| {
            let path = delivery.batch.path(&format!("{seed}.json")).display().to_string();
            run(&[&draw[..], &["--seed", &format!("{seed:04x}"), "--out", &path]].concat());
            path
        })
        .find(|path| fs::read_to_string(path).unwrap().contains(cells[0]))
        .unwrap();
    let delivery = Delivery { sample, ..delivery };
    let read = delivery.read(&cards.target, 1, 1);
    let fields: Vec<&str> = read[0]["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|difference| difference["field"].as_str().unwrap())
        .collect();
    expected.sort_unstable();
    let mut found = fields.clone();
    found.sort_unstable();
    assert_eq!(found, expected, "{read:?}");
    // The same card again is no other one.
    assert_eq!(read[1]["reason"], "was read already");
}

#[test]
fn samples_and_cards_of_others_are_told() {
    let delivery = Delivery::new();
    let other = Batch::new(&["--count", "120", "--seed", "8"]);
    let folder = other.path("").display().to_string();
    let cards = Cards::serve(&folder, &["--index", "1"]);
    let read = delivery.read(&cards.target, 0, 1);
    assert_eq!(read[0]["reason"], "is not in the sample");
    assert_eq!(read[1]["read"], 0);
    let target = ["--target", &cards.target, "--sample", &delivery.sample];
    let foreign = ["batch", "readback", &folder, "--keys", "test"];
    assert!(run(&[&foreign, &target[..]].concat()).expect(2).err.contains("another batch"));
    let keyless = ["batch", "readback", &delivery.folder, "--keys", "none"];
    run(&[&keyless, &target[..]].concat()).expect(2);
}
