//! `batch sample`: the same seed draws the same cards, and says what they prove.

use std::collections::BTreeSet;

use serde_json::Value;

use super::support::{Batch, Run, run};

fn sample(batch: &Batch, options: &[&str]) -> Run {
    let folder = batch.path("").display().to_string();
    run(&[&["batch", "sample", &folder, "--json"], options].concat())
}

fn serials(sample: &Value) -> Vec<&str> {
    let cards = sample["cards"].as_array().unwrap();
    cards.iter().map(|card| card["serial"].as_str().unwrap()).collect()
}

#[test]
fn the_same_seed_draws_the_same_cards() {
    let batch = Batch::new(&["--count", "1000"]);
    let plan = ["--plan", "gbt2828-II", "--aql", "0.65", "--seed"];
    let draw = |seed| sample(&batch, &[&plan[..], &[seed]].concat()).expect(0).objects().remove(0);
    let first = draw("00112233");
    assert_eq!(first, draw("00112233"));
    assert_ne!(serials(&first), serials(&draw("00112234")));
    // 990 or so good cards at level II: letter J, 80 cards, one of them may fail.
    assert_eq!((&first["size"], &first["accept"]), (&80.into(), &1.into()));
    let distinct: BTreeSet<_> = serials(&first).into_iter().collect();
    assert_eq!(distinct.len(), 80);
    // Four boxes of 250, each with its share.
    for name in ["B00001", "B00002", "B00003", "B00004"] {
        let cards = first["cards"].as_array().unwrap();
        assert_eq!(cards.iter().filter(|card| card["box"] == name).count(), 20, "{name}");
    }
    // Every card is a good one, in its row.
    let lines = batch.lines();
    for card in first["cards"].as_array().unwrap() {
        let row = usize::try_from(card["row"].as_u64().unwrap()).unwrap();
        assert!(lines[row].starts_with(card["serial"].as_str().unwrap()));
        assert!(lines[row].contains(",good,"));
    }
    // Another batch of the same size draws others.
    let other = Batch::new(&["--count", "1000", "--seed", "100"]);
    let drawn = sample(&other, &[&plan[..], &["00112233"]].concat()).expect(0).objects().remove(0);
    assert_ne!(serials(&first), serials(&drawn));
}

#[test]
fn a_published_draw_stays_what_it_is() {
    let batch = Batch::new(&["--count", "200", "--seed", "7"]);
    let plan = ["--plan", "S-1", "--aql", "6.5", "--seed", "cafe"];
    let drawn = sample(&batch, &plan).expect(0).objects().remove(0);
    let rows: Vec<u64> = drawn["cards"]
        .as_array()
        .unwrap()
        .iter()
        .map(|card| card["row"].as_u64().unwrap())
        .collect();
    assert_eq!(rows, PUBLISHED);
}

/// Rows that were drawn when the way to draw was fixed: a change would part vendor and city.
const PUBLISHED: [u64; 2] = [84, 192];

#[test]
fn plain_words_say_what_it_proves() {
    let batch = Batch::new(&["--count", "300"]);
    let folder = batch.path("").display().to_string();
    let words = |options: &[&str]| {
        run(&[&["batch", "sample", &folder, "--seed", "01"], options].concat()).expect(0).out
    };
    let text = words(&["--zero-failure", "1"]);
    assert!(text.contains("Accept the batch with up to 0 failing cards, refuse it with 1."));
    assert!(text.contains("If none fails: with 95 % confidence, not more than 2 of the"));
    let text = words(&["--plan", "II", "--aql", "1.0"]);
    assert!(text.contains("A batch that fails exactly at the AQL passes"), "{text}");
}

#[test]
fn bad_requests_are_usage_errors() {
    let batch = Batch::new(&["--count", "20"]);
    for options in [
        &["--seed", "01"][..],
        &["--seed", "01", "--plan", "II"],
        &["--seed", "01", "--plan", "IV", "--aql", "1.0"],
        &["--seed", "01", "--plan", "II", "--aql", "0.3"],
        &["--seed", "01", "--zero-failure", "0"],
        &["--seed", "01", "--zero-failure", "100"],
        &["--seed", "", "--zero-failure", "1"],
        &["--seed", "0", "--zero-failure", "1"],
        &["--zero-failure", "1"],
    ] {
        sample(&batch, options).expect(2);
    }
    let bad = Batch::with_defect("nul-byte", &["--count", "20"]);
    sample(&bad, &["--seed", "01", "--zero-failure", "1"]).expect(1);
}
