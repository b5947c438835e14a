//! `demo`.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::support::{PROGRAM, run};

#[test]
fn every_step_is_as_expected_and_test_keys_are_announced() {
    let demo = run(&["demo"]).expect(0);
    assert!(demo.out.ends_with("23 of 23 steps as expected (seed 1)\n"), "{}", demo.out);
    assert!(!demo.out.contains("NOT AS EXPECTED"));
    assert_eq!(demo.err.matches("published TEST keys").count(), 1);
    assert!(!demo.out.contains('>'), "no commands unless asked for");
}

#[test]
fn json_is_the_same_for_the_same_seed() {
    let first = run(&["demo", "--seed", "7", "--json", "-v"]).expect(0);
    let again = run(&["demo", "--json", "-v", "--seed", "7"]).expect(0);
    let other = run(&["demo", "--seed", "8", "--json", "-v"]).expect(0);
    assert_eq!(first.out, again.out);
    assert_ne!(first.out, other.out);
}

#[test]
fn json_has_one_object_for_each_step_and_a_summary() {
    let demo = run(&["demo", "--json"]).expect(0);
    let objects = demo.objects();
    let (summary, steps) = objects.split_last().unwrap();
    assert_eq!(summary["steps"], steps.len());
    assert_eq!(summary["as_expected"], steps.len());
    let outcome = |id: &str| {
        let step = steps.iter().find(|step| step["step"] == id).expect(id);
        step["outcome"].as_str().unwrap().to_owned()
    };
    for done in [
        "create",
        "unlock",
        "personalise",
        "register",
        "read",
        "verdict",
        "load",
        "pay",
        "prove-unpaid",
        "prove",
    ] {
        assert_eq!(outcome(done), "ok", "{done}");
    }
    for refused in [
        "locked",
        "foreign-management",
        "expired-management",
        "lapsed",
        "foreign-reader",
        "replay",
        "early-pay",
        "poor",
    ] {
        assert_eq!(outcome(refused), "refused", "{refused}");
    }
    for interrupted in ["power-cut", "pay-cut", "pay-late-cut"] {
        assert_eq!(outcome(interrupted), "interrupted", "{interrupted}");
    }
    assert!(steps.iter().all(|step| step["as_expected"] == true && step.get("apdus").is_none()));
}

#[test]
fn verbose_shows_the_commands_in_plain_words() {
    let demo = run(&["demo", "-v"]).expect(0);
    assert!(demo.out.contains("    > 00A4040007F0424A4544550100\n    < 6F"));
    assert!(demo.out.contains(" 9000 : success\n"));
    assert!(demo.out.contains("    < 6300 : authentication failed\n"));
    assert!(demo.out.contains("    ! the card was removed or lost power\n"));
    assert!(run(&["demo", "-v", "--lang", "zh"]).expect(0).out.contains(" 9000 : 成功\n"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = Command::new(PROGRAM)
        .args(["vectors", "verify", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::with_capacity(1, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with('{'));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
