//! `apdu`.

use super::support::{Desk, SELECT, run, run_with};

/// A file that only a session may read.
const READ_STATUS: &str = "00B0860000";

fn apdu(more: &[&str]) -> super::support::Run {
    run(&[&["apdu", "--target", "emu:cpu-aes", "--seed", "1"], more].concat())
}

#[test]
fn all_spellings_are_the_same_command() {
    let expected = apdu(&[SELECT]).expect(0).out;
    assert!(expected.starts_with(&format!("> {SELECT}\n< 6F")));
    for spelling in [
        "00:A4:04:00:07:F0:42:4A:45:44:55:01:00",
        "00 a4 04 00 07 f0 42 4a 45 44 55 01 00",
        "0x00,0xA4,0x04,0x00,0x07,0xF0,0x42,0x4A,0x45,0x44,0x55,0x01,0x00",
    ] {
        assert_eq!(apdu(&[spelling]).expect(0).out, expected, "{spelling}");
    }
}

#[test]
fn several_commands_share_one_session() {
    let run = apdu(&[SELECT, "0022C1A40780010183020101", "0084000010"]).expect(0);
    assert_eq!(run.out.matches(" 9000 : success").count(), 3);
    apdu(&["0022C1A40780010183020101"]).expect(1);
}

#[test]
fn an_fci_is_shown_as_a_tree() {
    let run = apdu(&[SELECT]).expect(0);
    for line in [
        "  6F file control information",
        "    84 DF name: F0424A45445501",
        "      80 algorithm: 01 (aes)",
        "      81 card serial: 1100260100000014",
    ] {
        assert!(run.out.lines().any(|found| found == line), "{line} is not in\n{}", run.out);
    }
    let json = apdu(&[SELECT, "--json"]).expect(0).object();
    assert_eq!(json["status"], "9000");
    assert_eq!(json["text"], "success");
    assert_eq!(json["objects"][0]["objects"][0]["value"], "F0424A45445501");
}

#[test]
fn a_refusal_is_a_finding_unless_it_was_expected() {
    let refused = apdu(&[SELECT, READ_STATUS]).expect(1);
    assert!(refused.out.ends_with("< 6982 : security status not satisfied\n"), "{}", refused.out);
    for expected in ["6982", "69xx", "9000|6982"] {
        apdu(&[SELECT, READ_STATUS, "--expect", expected]).expect(0);
    }
    apdu(&[SELECT, "--expect", "6982"]).expect(1);
    // Only the last command may fail.
    apdu(&[READ_STATUS, SELECT, READ_STATUS, "--expect", "6982"]).expect(1);
    apdu(&[SELECT, "--expect", "698"]).expect(2);
}

#[test]
fn words_can_be_chinese_and_the_card_in_process_says_why() {
    let run = apdu(&["--lang", "zh", "-v", SELECT, READ_STATUS]).expect(1);
    assert!(run.out.contains("< 6982 : 不满足安全状态\n"), "{}", run.out);
    assert!(run.out.contains("the card's reason: access denied"), "{}", run.out);
    assert!(run.out.contains("# READ BINARY\n") && run.out.starts_with("ATR 3B"));
}

#[test]
fn commands_come_from_standard_input() {
    let input = format!("# select\n\n{SELECT}\n00 b0 85 00 00\n");
    let from = |input| run_with(&["apdu", "--target", "emu:cpu-sm4", "-", "--json"], input);
    assert_eq!(from(&input).expect(0).objects().len(), 2);
    let wrong = from("00A40000\nnonsense\n").expect(2);
    assert!(wrong.err.contains("standard input, line 2: 'n' is no hexadecimal digit"));
    assert_eq!(wrong.objects().len(), 1, "the first command was sent");
}

#[test]
fn what_cannot_be_used_is_told_before_anything_is_sent() {
    for (hex, reason) in [
        ("00A4040", "odd number of hexadecimal digits"),
        ("00A404xx", "'x' is no hexadecimal digit"),
        ("00", "expected 2 or more"),
    ] {
        let run = apdu(&[SELECT, hex]).expect(2);
        assert!(run.err.contains(reason) && run.err.contains(hex), "{}", run.err);
        assert_eq!(run.out, "");
    }
    apdu(&[]).expect(2);
}

#[test]
fn a_seed_makes_challenges_repeatable() {
    let challenge = |seed: &str| {
        let commands = [SELECT, "0022C1A40780010183020101", "0084000010"];
        let options = ["apdu", "--target", "emu:cpu-aes", "--seed", seed];
        run(&[&options[..], &commands].concat()).expect(0).out
    };
    assert_eq!(challenge("5"), challenge("5"));
    assert_ne!(challenge("5"), challenge("6"));
}

#[test]
fn each_kind_of_target_that_cannot_be_had_has_its_status() {
    for (target, code, reason) in [
        ("card.img", 2, "expected emu:cpu-aes"),
        ("emu:s70", 2, "s70 is no processor card"),
        ("emu:/nonexistent/card.img", 2, "/nonexistent/card.img"),
        ("tcp://127.0.0.1:1", 3, "cannot connect to 127.0.0.1:1"),
    ] {
        let run = run(&["apdu", "--target", target, SELECT]).expect(code);
        assert!(run.err.contains(reason), "{target}: {}", run.err);
    }
}

#[cfg(not(feature = "pcsc"))]
#[test]
fn without_pcsc_the_message_says_how_to_get_it() {
    let run = run(&["apdu", "--target", "pcsc:0", SELECT]).expect(2);
    assert!(run.err.contains("build it with --features pcsc"), "{}", run.err);
}

#[test]
fn a_target_that_is_no_file_leaves_nothing_behind() {
    let desk = Desk::new("cpu-aes");
    let missing = format!("emu:{}", desk.path("missing.img").display());
    run(&["apdu", "--target", &missing, SELECT]).expect(2);
    assert!(!desk.path("missing.img.lock").exists());
}
