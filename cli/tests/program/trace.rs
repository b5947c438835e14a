//! Traces: written while cards are talked to, without secrets, whole whatever happens; shown and
//! replayed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Desk, PROGRAM, Run, SELECT, Server, run};

/// SELECT of the wallet, and VERIFY of the PIN that new cards have.
const WALLET: &str = "00A40000021001";
const VERIFY: &str = "0020000103123456";

/// Runs the program with a new trace, and gives what the trace holds.
fn traced(desk: &Desk, arguments: &[&str]) -> (Run, Vec<Value>) {
    let path = trace_of(desk);
    let _ = fs::remove_file(&path);
    let run = run(&[arguments, &["--trace", &path]].concat());
    let shown = show(&path);
    (run, shown)
}

fn trace_of(desk: &Desk) -> String {
    desk.path("t.pcapng").display().to_string()
}

fn show(trace: &str) -> Vec<Value> {
    run(&["trace", "show", trace, "--json"]).expect(0).objects()
}

/// Texts of a field where it is there.
fn texts<'a>(shown: &'a [Value], field: &str) -> Vec<&'a str> {
    shown.iter().filter_map(|line| line[field].as_str()).collect()
}

fn comments(shown: &[Value]) -> Vec<&str> {
    shown
        .iter()
        .flat_map(|line| line["comments"].as_array().into_iter().flatten())
        .filter_map(Value::as_str)
        .collect()
}

#[test]
fn every_command_that_talks_to_cards_can_be_recorded() {
    let desk = Desk::new("cpu-aes");
    let target = desk.target();
    let select = [&["apdu", "--target"], &[&*target, SELECT][..]].concat();
    let (_, shown) = traced(&desk, &select);
    assert_eq!(texts(&shown, "command"), [SELECT]);
    assert_eq!(texts(&shown, "name"), ["SELECT"]);
    assert_eq!(texts(&shown, "event"), ["power"]);
    assert_eq!((&shown[0]["target"], &shown[0]["card"]), (&target.clone().into(), &"card".into()));
    assert!(shown[1]["atr"].as_str().unwrap().starts_with("3B8D"), "{shown:?}");

    let script = desk.file("s.txt", &format!("{SELECT}\nreset\n{SELECT} -> 6A82\n"));
    let (run, shown) = traced(&desk, &["script", "--target", &target, &script]);
    assert_eq!(run.code, 1);
    assert_eq!(texts(&shown, "event"), ["power", "reset"]);
    assert_eq!(texts(&shown, "command"), [SELECT, SELECT]);

    let reader = ["reader", "read", "--target", &target, "--date", "2026-09-01"];
    let (run, shown) = traced(&desk, &reader);
    assert_eq!(run.code, 0, "{run:?}");
    let cards: Vec<_> = shown.iter().map(|line| line["card"].as_str().unwrap()).collect();
    assert!(cards.contains(&"card") && cards.contains(&"management card"), "{cards:?}");

    let (run, shown) = traced(&desk, &["wallet", "balance", "--target", &target]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(texts(&shown, "name").contains(&"GET BALANCE"), "{shown:?}");

    let (run, shown) = traced(&desk, &["scenario", "run"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(comments(&shown).iter().any(|text| text.contains(" personalise")));
}

#[test]
fn a_served_card_is_recorded_too() {
    let desk = Desk::new("cpu-aes");
    let trace = trace_of(&desk);
    let server = Server::start(&desk.card(), &["--trace", &trace]);
    let target = format!("tcp://{}", server.address);
    run(&["apdu", "--target", &target, SELECT, WALLET, VERIFY]).expect(0);
    // The host is gone when the card has lost power.
    server.wait_for("disconnected from ");
    let shown = show(&trace);
    assert_eq!(texts(&shown, "command"), [SELECT, WALLET, "0020000103******"]);
    assert_eq!(texts(&shown, "event").last(), Some(&"off"));
}

#[test]
fn a_reader_under_test_is_recorded_too() {
    let desk = Desk::new("cpu-aes");
    let trace = trace_of(&desk);
    let options = ["conformance", "reader", "run", "--filter", "*-PAY-*", "--trace", &trace];
    let reader = ["--", PROGRAM, "wallet", "purchase", "--amount", "2.50", "--target", "{target}"];
    run(&[&options[..], &reader].concat()).expect(0);
    let shown = show(&trace);
    assert!(texts(&shown, "name").contains(&"DEBIT"), "{shown:?}");
    let comments = comments(&shown);
    assert!(comments.contains(&"case sound"), "{comments:?}");
    assert!(comments.iter().any(|text| text.contains("-PAY-") && text.ends_with(": pass")));
}

#[test]
fn other_commands_have_nothing_to_record() {
    let desk = Desk::new("cpu-aes");
    let trace = trace_of(&desk);
    let run = run(&["card", "show", &desk.card(), "--trace", &trace]).expect(2);
    assert!(run.err.contains("--trace: this command talks to no card"), "{run:?}");
    assert!(!Path::new(&trace).exists());
    let alone = crate::support::run(&["demo", "--trace-secrets"]).expect(2);
    assert!(alone.err.contains("--trace-secrets: there is no --trace"), "{alone:?}");
}

#[test]
fn the_same_seed_makes_the_same_trace() {
    let desk = Desk::new("cpu-aes");
    let trace = |name: &str, seed: &str| {
        let path = desk.path(name);
        run(&["demo", "--seed", seed, "--trace", path.to_str().unwrap()]).expect(0);
        fs::read(path).unwrap()
    };
    assert!(trace("1", "7") == trace("2", "7"));
    assert!(trace("3", "8") != trace("4", "7"));
}

#[test]
fn secrets_are_unreadable_unless_asked_for() {
    let desk = Desk::new("cpu-aes");
    let target = desk.target();
    let pin = [0x12, 0x34, 0x56];
    // A new PIN with its MAC, the PIN changed by its holder, a key in the clear.
    let others = [
        ("805E000107654321AABBCCDD", "805E000107**************"),
        ("805E010107123456FF123456", "805E010107**************"),
        ("80D800000410203040", "80D8000004********"),
    ];
    let commands = [&[WALLET, VERIFY][..], &others.map(|(command, _)| command)].concat();
    let arguments = [&["apdu", "--target", &target][..], &commands].concat();
    let (_, shown) = traced(&desk, &arguments);
    let expected = [&[WALLET, "0020000103******"][..], &others.map(|(_, masked)| masked)].concat();
    assert_eq!(texts(&shown, "command"), expected);
    assert_eq!(comments(&shown).iter().filter(|text| text.starts_with("masked: ")).count(), 4);
    let bytes = fs::read(trace_of(&desk)).unwrap();
    assert!(!bytes.windows(3).any(|window| window == pin));
    assert!(!bytes.windows(4).any(|window| window == [0x10, 0x20, 0x30, 0x40]));

    let (_, shown) = traced(&desk, &[&arguments[..], &["--trace-secrets"]].concat());
    assert_eq!(texts(&shown, "command"), commands);
    let bytes = fs::read(trace_of(&desk)).unwrap();
    assert!(bytes.windows(3).any(|window| window == pin));
}

#[test]
fn only_traces_are_written_to() {
    let desk = Desk::new("cpu-aes");
    let before = fs::read(desk.card()).unwrap();
    let refused = run(&["demo", "--trace", &desk.card()]).expect(4);
    let named = "card.img: no trace of this program; no other file is ever changed";
    assert!(refused.err.contains(named), "{refused:?}");
    assert!(fs::read(desk.card()).unwrap() == before);
    let folder = desk.path("none/t.pcapng").display().to_string();
    let missing = run(&["demo", "--trace", &folder]).expect(2);
    assert!(missing.err.contains(&folder), "{missing:?}");
}

/// SELECT, recorded `times` in one trace.
fn recorded(desk: &Desk, times: usize) -> String {
    let trace = trace_of(desk);
    let target = desk.target();
    (0..times).for_each(|_| {
        run(&["apdu", "--target", &target, SELECT, "--trace", &trace]).expect(0);
    });
    trace
}

#[test]
fn an_earlier_trace_is_kept() {
    let desk = Desk::new("cpu-aes");
    let trace = recorded(&desk, 1);
    let before = fs::read(&trace).unwrap();
    recorded(&desk, 1);
    assert!(fs::read(&trace).unwrap().starts_with(&before));
    assert_eq!(texts(&show(&trace), "command"), [SELECT, SELECT]);
    // A power cut may leave half a packet, which nobody can read.
    let whole = fs::read(&trace).unwrap();
    fs::write(&trace, &whole[..whole.len() - 3]).unwrap();
    recorded(&desk, 1);
    let shown = show(&trace);
    assert_eq!((texts(&shown, "command"), texts(&shown, "bytes")), (vec![SELECT; 2], vec![SELECT]));
    // What another program made is left alone.
    let mut foreign = before.clone();
    let at = foreign.windows(8).position(|window| window == b"xuejika ").unwrap();
    foreign[at..at + 8].copy_from_slice(b"dumpcap ");
    fs::write(&trace, &foreign).unwrap();
    run(&["demo", "--trace", &trace]).expect(4);
    assert!(fs::read(&trace).unwrap() == foreign);
}

#[test]
fn two_processes_do_not_write_one_trace() {
    let desk = Desk::new("cpu-aes");
    let trace = trace_of(&desk);
    let server = Server::start(&desk.card(), &["--trace", &trace]);
    let second = run(&["demo", "--trace", &trace]).expect(3);
    assert!(second.err.contains(&format!("{trace}: another process records")), "{second:?}");
    run(&["apdu", "--target", &server.target(), SELECT]).expect(0);
    server.wait_for("disconnected from ");
    assert_eq!(texts(&show(&trace), "command"), [SELECT]);
}

#[test]
fn a_rotated_trace_loses_nothing() {
    let desk = Desk::new("cpu-aes");
    let trace = trace_of(&desk);
    let mut server = Server::start(&desk.card(), &["--trace", &trace]);
    let speak = |server: &Server| {
        run(&["apdu", "--target", &server.target(), SELECT]).expect(0);
        server.wait_for("disconnected from ");
    };
    speak(&server);
    // As logrotate does it with copytruncate.
    let copy = desk.path("copy.pcapng").display().to_string();
    fs::copy(&trace, &copy).unwrap();
    fs::File::options().write(true).open(&trace).unwrap().set_len(0).unwrap();
    speak(&server);
    assert_eq!(texts(&show(&copy), "command"), [SELECT]);
    assert_eq!(texts(&show(&trace), "command"), [SELECT]);
    // As it does without: the process keeps what it has, and the name is free.
    let moved = desk.path("moved.pcapng").display().to_string();
    fs::rename(&trace, &moved).unwrap();
    speak(&server);
    assert_eq!(texts(&show(&moved), "command"), [SELECT, SELECT]);
    assert!(!Path::new(&trace).exists());
    // Somebody wrote into the middle of it: nothing is added.
    fs::File::options().append(true).open(&moved).unwrap().set_len(100).unwrap();
    speak(&server);
    assert_eq!(fs::read(&moved).unwrap().len(), 100);
    server.child.kill().unwrap();
}

/// Some tens of megabytes, shown by a process that may have far fewer.
#[test]
#[cfg(target_os = "linux")]
fn a_long_trace_is_shown_in_little_memory() {
    let desk = Desk::new("cpu-aes");
    let trace = recorded(&desk, 1);
    let once = fs::read(&trace).unwrap();
    let times = 60_000_000 / once.len();
    fs::write(&trace, once.repeat(times)).unwrap();
    let limited = format!("ulimit -v 60000; {PROGRAM} trace show {trace} | grep -c '^> {SELECT}$'");
    let output = Command::new("bash").args(["-o", "pipefail", "-c", &limited]).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!((out.trim(), output.status.code()), (&*times.to_string(), Some(0)), "{err}");
}

#[test]
#[cfg(target_os = "linux")]
fn input_without_end_is_refused() {
    for command in [
        "trace show /dev/zero",
        "keys inspect /dev/zero",
        "keys kcv /dev/zero",
        "list show /dev/zero --keys test",
        "reader verdict --list /dev/zero --target emu:cpu-aes",
        "card show /dev/zero",
        "conformance run --target replay:/dev/zero --ics /dev/null",
        "trace show -- /dev/urandom",
    ] {
        let limited = format!("ulimit -v 500000; exec {PROGRAM} {command}");
        let output = Command::new("bash").args(["-c", &limited]).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(matches!(output.status.code(), Some(2 | 4)), "{command}: {err}");
        assert!(err.contains("/dev/"), "{command}: {err}");
    }
}

/// Texts that take many times their size once they are parsed, and commands longer than any.
#[test]
#[cfg(target_os = "linux")]
fn texts_are_bounded_before_they_are_parsed() {
    let desk = Desk::new("cpu-aes");
    let big = desk.file("big.toml", &format!("a = [{}]", "[],".repeat(5_000_000)));
    let long = desk.file("long", &"00".repeat(1 << 20));
    for command in [
        format!("conformance run --target emu:cpu-aes --cases {big}"),
        format!("conformance ics {big}"),
        format!("reader personalise --target emu:cpu-aes --pupil {big}"),
        format!("apdu --target emu:cpu-aes - <{long}"),
        "apdu --target emu:cpu-aes - </dev/zero".to_owned(),
    ] {
        let limited = format!("ulimit -v 600000; exec {PROGRAM} {command}");
        let output = Command::new("bash").args(["-c", &limited]).output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{command}: {err}");
        assert!(err.len() < 5000, "{command}: {}", err.len());
    }
}

#[test]
fn a_trace_ends_whole_when_the_program_is_killed() {
    let desk = Desk::new("cpu-aes");
    let trace = trace_of(&desk);
    let mut server = Server::start(&desk.card(), &["--trace", &trace]);
    let target = format!("tcp://{}", server.address);
    run(&["apdu", "--target", &target, SELECT]).expect(0);
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let run = run(&["trace", "show", &trace]).expect(0);
    assert!(run.out.contains(&format!("> {SELECT}\n< ")), "{run:?}");
    assert_eq!(run.err, "");
}

/// A file that may not grow stands for a full disk.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_ends_the_trace_and_nothing_else() {
    let desk = Desk::new("cpu-aes");
    let trace = trace_of(&desk);
    let limited = format!("trap '' XFSZ; ulimit -f 8; exec {PROGRAM} demo --trace {trace}");
    let output = Command::new("bash").args(["-c", &limited]).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert_eq!(output.status.code(), Some(3), "{err}");
    assert!(out.contains("23 of 23 steps as expected"), "{out}");
    assert_eq!(err.matches(&format!("{trace}: the trace ends here: File too large")).count(), 1);
    let shown = run(&["trace", "show", &trace]).expect(0);
    assert_eq!(shown.err, "");
    assert!(shown.out.lines().count() > 20);

    let full = run(&["demo", "--trace", "/dev/full"]).expect(3);
    assert!(full.err.contains("/dev/full: No space left on device"), "{full:?}");
}

#[test]
fn a_trace_is_shown_as_commands_are_elsewhere() {
    let desk = Desk::new("cpu-aes");
    let trace = trace_of(&desk);
    let target = desk.target();
    let read = "00B0850008";
    let sent = run(&["apdu", "-v", "--target", &target, SELECT, read, "--trace", &trace]).expect(0);
    let shown = run(&["trace", "show", &trace]).expect(0);
    assert_eq!(shown.out, format!("[{target}: card]\n> power\n{}", sent.out));
    fs::remove_file(&trace).unwrap();
    // What the card says of its refusals stands beside them.
    let never = "00B0860000";
    let refused =
        run(&["apdu", "-v", "--target", &target, SELECT, never, "--trace", &trace]).expect(1);
    assert!(refused.out.contains("the card's reason: "), "{refused:?}");
    let shown = run(&["trace", "show", &trace]).expect(0);
    assert!(shown.out.ends_with(&refused.out), "{shown:?}");
}

#[test]
fn what_is_no_trace_is_named() {
    let desk = Desk::new("cpu-aes");
    for (name, contents) in [("empty", ""), ("text", "hello, this is no trace at all")] {
        let file = desk.file(name, contents);
        let run = run(&["trace", "show", &file]).expect(2);
        assert!(run.err.contains(&file), "{run:?}");
    }
    let target = format!("replay:{}", desk.file("text", "{}"));
    let ics = desk.file("ics", &run(&["conformance", "ics"]).out);
    let run = run(&["conformance", "run", "--target", &target, "--ics", &ics]).expect(2);
    assert!(run.err.contains("neither report nor trace of a run"), "{run:?}");
}

/// Verdict and reason of each case.
fn verdicts(run: &Run) -> BTreeMap<String, (String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let cases = run.objects().into_iter().filter(|object| object["type"] == "case");
    cases.map(|it| (text(&it["id"]), (text(&it["verdict"]), text(&it["reason"])))).collect()
}

/// Runs the suite with a trace, then against the trace; the verdicts have to be the same.
fn recorded_and_replayed(desk: &Desk, target: &str, options: &[&str]) -> [Run; 2] {
    let trace = trace_of(desk);
    let suite = ["conformance", "run", "--json", "--allow-destructive"];
    let recorded = run(&[&suite, options, &["--target", target, "--trace", &trace]].concat());
    let replay = format!("replay:{trace}");
    let replayed = run(&[&suite, options, &["--target", &replay]].concat()).expect(recorded.code);
    [recorded, replayed]
}

#[test]
fn a_recorded_run_replays_with_the_same_verdicts() {
    let desk = Desk::new("cpu-aes");
    let ics = desk.file("ics", &run(&["conformance", "ics"]).out);
    let runs = recorded_and_replayed(&desk, "emu:cpu-aes", &["--ics", &ics]);
    let [recorded, replayed] = runs.each_ref().map(verdicts);
    assert!(recorded.len() >= 400 && runs[0].code == 0, "{}", recorded.len());
    assert_eq!(recorded, replayed);
    // Every case says what came of it, and marks its packets.
    let shown = show(&trace_of(&desk));
    let comments: BTreeSet<_> = comments(&shown).into_iter().collect();
    for (case, _) in recorded.iter().filter(|(_, (verdict, _))| verdict == "pass") {
        for comment in [format!("case {case}"), format!("case {case}: pass")] {
            assert!(comments.contains(&*comment), "{comment}");
        }
    }
    assert!(comments.iter().any(|comment| comment.starts_with("masked: ")));
}

#[test]
fn a_card_that_fails_is_replayed_as_it_was() {
    if Command::new("python3").arg("--version").output().is_err() {
        return;
    }
    let desk = Desk::new("cpu-aes");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/line-protocol");
    let target = format!("exec:python3 {}", folder.join("card.py").display());
    let ics = folder.join("card.ics.toml").display().to_string();
    let options = ["--ics", &ics, "--filter", "APDU-*"];
    let runs = recorded_and_replayed(&desk, &target, &options);
    assert_eq!(runs[0].code, 1, "{:?}", runs[0].err);
    let [recorded, replayed] = runs.map(|run| verdicts(&run));
    assert_eq!(recorded, replayed);
}

#[test]
fn a_card_that_is_not_there_is_replayed_as_it_was() {
    let desk = Desk::new("cpu-aes");
    let ics = desk.file("ics", &run(&["conformance", "ics"]).out);
    let runs = recorded_and_replayed(&desk, "tcp://127.0.0.1:1", &["--ics", &ics]);
    let [recorded, replayed] = runs.map(|run| {
        verdicts(&run).into_iter().map(|(case, (verdict, _))| (case, verdict)).collect::<Vec<_>>()
    });
    assert_eq!(recorded, replayed);
    assert_eq!(recorded.iter().filter(|(_, verdict)| verdict == "inconclusive").count(), 3);
}
