//! `script`.

use super::support::{Desk, run, run_with};

const SCRIPT: &str = "\
# the education zone
reset
00 A4 04 00 07 F0 42 4A 45 44 55 01 00 ;  // FCI
00B0850000 -> 9000
00:B0:86:00:00 = 6982 ;
0x00,0xB0,0x9F,0x00,0x00 -> 6A82|69xx
";

fn script(text: &str, more: &[&str]) -> super::support::Run {
    run_with(&[&["script", "--target", "emu:cpu-aes", "-"], more].concat(), text)
}

#[test]
fn a_script_in_mixed_dialects_is_as_expected() {
    let run = script(SCRIPT, &[]).expect(0);
    assert!(run.out.starts_with("ATR 3B8D80018031A873"));
    assert!(run.out.ends_with("4 commands, 0 not as expected\n"), "{}", run.out);
}

#[test]
fn a_mismatch_is_a_finding_with_its_line() {
    let run = script(&SCRIPT.replace("= 6982", "= 9000"), &[]).expect(1);
    assert!(run.out.contains("\n! line 5: found 6982, expected 9000\n"), "{}", run.out);
    assert!(run.out.ends_with("4 commands, 1 not as expected\n"));
    let objects = script(&SCRIPT.replace("= 6982", "= 9000"), &["--json"]).expect(1).objects();
    let wrong: Vec<_> = objects.iter().filter(|object| object["as_expected"] == false).collect();
    assert_eq!(wrong.len(), 1);
    assert_eq!((&wrong[0]["line"], &wrong[0]["expected"]), (&5.into(), &"9000".into()));
}

#[test]
fn without_an_expectation_any_answer_will_do() {
    script("00FF0000\n", &[]).expect(0);
}

#[test]
fn an_unreadable_script_is_named_with_its_line_and_sends_nothing() {
    let desk = Desk::new("cpu-aes");
    let path = desk.file("wrong.txt", "00A40000\n00A4zz00\n");
    let wrong = run(&["script", "--target", &desk.target(), &path]).expect(2);
    assert!(wrong.err.contains(&format!("{path}:2: 'z' is no hexadecimal digit")), "{}", wrong.err);
    assert_eq!(wrong.out, "");
    let path = desk.file("wrong.txt", "00A40000 -> 90000\n");
    let wrong = run(&["script", "--target", &desk.target(), &path]).expect(2);
    assert!(wrong.err.contains(&format!("{path}:1: \"90000\" is no status word")));
    let missing = desk.path("missing.txt").display().to_string();
    let wrong = run(&["script", "--target", &desk.target(), &missing]).expect(2);
    assert!(wrong.err.contains(&missing));
}
