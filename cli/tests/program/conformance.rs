//! The conformance suite against cards of every kind of target, and against one that lies.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::support::{Desk, Run, SERIAL, Server, run};

/// Runs the suite with these arguments.
fn conformance(arguments: &[&str]) -> Run {
    run(&[&["conformance", "run", "--json"], arguments].concat())
}

/// The objects of one type.
fn objects(run: &Run, kind: &str) -> Vec<Value> {
    run.objects().into_iter().filter(|object| object["type"] == kind).collect()
}

/// Verdict of each case.
fn verdicts(run: &Run) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let cases = objects(run, "case");
    cases.iter().map(|case| (text(&case["id"]), text(&case["verdict"]))).collect()
}

/// Ids of the cases with this verdict, each without its parameters.
fn with_verdict(run: &Run, verdict: &str) -> BTreeSet<String> {
    let verdicts = verdicts(run);
    let ids = verdicts.iter().filter(|(_, found)| *found == verdict).map(|(id, _)| id);
    ids.map(|id| id.split('[').next().unwrap().to_owned()).collect()
}

fn all_pass(target: &str) -> Run {
    let run = conformance(&["--target", target, "--allow-destructive"]).expect(0);
    let summary = &objects(&run, "summary")[0];
    let count = |name: &str| summary[name].as_u64().unwrap();
    assert_eq!(count("pass") + count("not_applicable"), count("cases"), "{summary}");
    assert!(count("cases") >= 1900, "{summary}");
    // Of the options of a card the test cards have none.
    assert_eq!(with_verdict(&run, "not-applicable"), BTreeSet::from(["RESET-ATR-002".to_owned()]));
    run
}

#[test]
fn every_case_passes_on_the_card_with_sm4() {
    all_pass("emu:cpu-sm4");
}

#[test]
fn every_case_passes_and_every_command_and_status_word_is_covered() {
    let run = all_pass("emu:cpu-aes");
    let (commands, statuses) = covered(&run);
    let missing: Vec<_> = commands_of_the_profile().difference(&commands).cloned().collect();
    assert_eq!(missing, [], "commands no case has carried out");
    let missing: Vec<_> = status_words_of_the_profile()
        .into_iter()
        .filter(|pattern| !statuses.iter().any(|status| fits(pattern, status)))
        .collect();
    assert_eq!(missing, [""; 0], "status words no case has seen");
}

/// Command name and place, and status words, of all exchanges.
fn covered(run: &Run) -> (BTreeSet<(String, String)>, BTreeSet<String>) {
    let (mut commands, mut statuses) = (BTreeSet::new(), BTreeSet::new());
    for case in objects(run, "case") {
        for exchange in case["exchanges"].as_array().unwrap() {
            let text = |field: &str| exchange[field].as_str().unwrap_or_default();
            let plain = exchange["plain"]["response"].as_str().filter(|text| !text.is_empty());
            let response = plain.unwrap_or(text("response"));
            let (command, status) = (text("command"), &response[response.len().max(4) - 4..]);
            if exchange["kind"] != "transmit" || command.len() < 8 {
                continue;
            }
            statuses.insert(status.to_owned());
            let carried_out = status.starts_with("90") || status.starts_with("61");
            if carried_out {
                let kind = case["card"].as_str().unwrap();
                commands.insert((command[2..4].to_owned(), place(kind, text("df")).to_owned()));
            }
        }
    }
    (commands, statuses)
}

/// What the command table calls the place.
fn place(kind: &str, df: &str) -> &'static str {
    match (kind, df) {
        ("psam", _) => "PSAM",
        ("sam" | "limited", "DF81") => "SAM",
        (_, "1001") => "wallet",
        ("student" | "worn" | "damaged", "3F00") => "MF",
        _ => "zone",
    }
}

fn commands_of_the_profile() -> BTreeSet<(String, String)> {
    let rows = table("commands");
    assert!(rows.len() >= 29, "the table of commands was not found");
    rows.iter()
        .flat_map(|row| {
            let places = row[1].split(", ");
            places.map(|place| (row[3].clone(), place.to_owned())).collect::<Vec<_>>()
        })
        // A SAM has no file that could be read, neither it nor a PSAM one that could be written; the MF
        // of a student card has no records.
        .filter(|(ins, place)| {
            let (ins, place) = (ins.as_str(), place.as_str());
            !matches!(
                (ins, place),
                ("D6" | "B2", "PSAM") | ("B0" | "D6" | "B2", "SAM") | ("B2", "MF")
            )
        })
        .collect()
}

fn status_words_of_the_profile() -> Vec<String> {
    table("status words").into_iter().map(|row| row[0].clone()).collect()
}

/// The rows of a table of the card profile.
fn table(name: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/card-profile.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once(&format!("<!-- {name} -->")).expect(name);
    let (body, _) = rest.split_once("<!-- /").unwrap();
    let rows = body.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|row| row.trim_matches('|').split('|').map(|it| it.trim().to_owned()).collect())
        .collect()
}

/// Whether a status word is one of `61xx`.
fn fits(pattern: &str, status: &str) -> bool {
    pattern.len() == status.len()
        && pattern.chars().zip(status.chars()).all(|(want, found)| want == 'x' || want == found)
}

/// Not one verdict differs, whatever the road: in process, from an image, over TCP, from a recording.
#[test]
fn a_portable_plan_gives_the_same_verdicts_on_every_target() {
    let desk = Desk::new("cpu-aes");
    let ics = desk.file("card.ics.toml", &run(&["conformance", "ics"]).expect(0).out);
    let (plan, report) = (desk.path("plan.json"), desk.path("report.jsonl"));
    let (plan, report) = (plan.to_str().unwrap(), report.to_str().unwrap());
    let make = ["conformance", "plan", "--target", "emu:cpu-aes", "--portable", "-o", plan];
    run(&make).expect(0);
    let at = |target: &str, more: &[&str]| {
        let scope = ["--target", target, "--ics", &ics, "--plan", plan];
        conformance(&[&scope[..], more].concat()).expect(0)
    };
    let local = at("emu:cpu-aes", &[]);
    let expected = verdicts(&local);
    let count = |verdict| expected.values().filter(|it| *it == verdict).count();
    assert!(count("pass") > 1000, "{}", count("pass"));
    assert_eq!(count("pass") + count("not-applicable"), expected.len());
    let image = desk.target();
    assert_eq!(verdicts(&at(&image, &[])), expected);
    let server = Server::start(&desk.card(), &["--fresh"]);
    let remote = at(&server.target(), &["--fresh-on-power", "--report", report]);
    assert_eq!(verdicts(&remote), expected);
    let again = at(&format!("replay:{report}"), &[]);
    assert_eq!(verdicts(&again), expected);
    let head = |run: &Run| objects(run, "run")[0].clone();
    assert_eq!(head(&again)["plan"], head(&local)["plan"]);
    assert_eq!(head(&remote)["serial"], SERIAL);
    for case in objects(&local, "case").iter().filter(|it| it["verdict"] == "not-applicable") {
        let reason = case["reason"].as_str().unwrap();
        let known =
            ["the target has no ", "the card is spoilt for good", "the card does not claim "];
        assert!(known.iter().any(|it| reason.starts_with(it)), "{reason}");
    }
}

/// Without a root nothing can be said; with another root than the card's the card says so.
#[cfg(unix)]
#[test]
fn other_roots_come_from_a_key_file() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new("cpu-aes");
    let root = |number: u8| {
        let id = xuejika_keyscheme::KeyId {
            zone: xuejika_keyscheme::Zone::EDUCATION,
            number: xuejika_keyscheme::KeyNumber(number),
            version: xuejika_keyscheme::KeyVersion::FIRST,
            algorithm: xuejika_keyscheme::Algorithm::Aes128,
        };
        let root = hex::encode(xuejika_keyscheme::test_keys::root(&id).expose());
        format!(
            "[[root]]\nzone = 0xDF01\nnumber = {number}\nversion = 1\nalgorithm = \"aes\"\n\
             clear = \"{root}\"\n"
        )
    };
    let keys = desk.file("keys.toml", &(0..=5).map(root).collect::<String>());
    std::fs::set_permissions(&keys, std::fs::Permissions::from_mode(0o600)).unwrap();
    let arguments = ["--target", "emu:cpu-aes", "--filter", "AUTH-OK-001*", "--keys", &keys];
    let run = conformance(&arguments).expect(3);
    let verdicts = verdicts(&run);
    assert_eq!(verdicts["AUTH-OK-001[110105,5]"], "pass");
    assert_eq!(verdicts["AUTH-OK-001[110105,6]"], "blocked");
    assert!(run.err.contains("TEST"), "{}", run.err);
}

#[test]
fn destructive_cases_and_other_cards_do_not_apply() {
    let filter = ["--target", "emu:cpu-aes", "--filter", "SEC-BLOCK-*"];
    let run = conformance(&filter).expect(0);
    let spared = with_verdict(&run, "not-applicable");
    let destructive = ["SEC-BLOCK-002", "SEC-BLOCK-004", "SEC-BLOCK-005"];
    assert_eq!(spared, destructive.map(str::to_owned).into());
    let desk = Desk::new("cpu-aes");
    let ics = "schema = 1\n[card]\nprofile = \"cpu-aes\"\nkinds = [\"student\"]\n";
    let ics = desk.file("card.ics.toml", ics);
    let run = conformance(&[&filter[..], &["--ics", &ics]].concat()).expect(0);
    assert_eq!(with_verdict(&run, "not-applicable").len(), 5);
}

#[test]
fn a_plan_for_another_card_is_refused() {
    let desk = Desk::new("cpu-aes");
    let plan = run(&["conformance", "plan", "--target", "emu:cpu-aes"]).expect(0).out;
    let plan = desk.file("plan.json", &plan);
    let run = conformance(&["--target", "emu:cpu-sm4", "--plan", &plan]).expect(2);
    assert!(run.err.contains("the plan was made for the statement"), "{run:?}");
}

#[test]
fn slips_in_files_are_named_with_their_line() {
    let desk = Desk::new("cpu-aes");
    let head = "schema = 1\ntitle = \"t\"\n[[case]]\nid = \"A-B-001\"\ntitle = \"t\"\ntitle_zh = \"t\"\n\
                purpose = \"p\"\nclause = [\"9.3\"]\nclass = \"negative\"\n";
    for (rest, expected) in [
        (
            "steps = [{ transmit = \"00\", wings = 1 }]",
            ":10: \"transmit\" takes no field \"wings\"",
        ),
        ("steps = [{ transmit = \"0\" }]", ":10: transmit: "),
        ("steps = [{ transmit = \"00\", sw = \"90000\" }]", ":10: sw: \"90000\""),
        ("steps = [{ transmit = \"00\",\n data = \"0?\" }]", ":11: data: "),
        ("steps = [{ transmit = \"??\" }]", ":10: transmit: "),
        ("steps = [{ sw = \"9000\" }]", ":10: a step has one action"),
        ("wings = 1\nsteps = []", ":10: unknown field `wings`"),
        ("given = [\"nothing\"]\nsteps = []", ":10: there is no fixture"),
        ("requires = [\"wings\"]\nsteps = []", ":10: \"wings\" is no condition"),
        (
            "steps = []\n[[case]]\nid = \"A-B-001\"\ntitle = \"t\"\ntitle_zh = \"t\"\npurpose = \"p\"\n\
          clause = [\"9\"]\nclass = \"positive\"\nsteps = []",
            ":12: case A-B-001 is there twice",
        ),
        ("steps = [\n", ":1"),
    ] {
        let file = desk.file("case.toml", &format!("{head}{rest}\n"));
        let run = conformance(&["--target", "emu:cpu-aes", "--cases", &file]).expect(2);
        assert!(run.err.contains(&format!("case.toml{expected}")), "{expected}: {}", run.err);
    }
    let ics = desk.file("bad.toml", "schema = 1\n[card]\nprofile = \"s70\"\nkinds = []\n");
    let run = run(&["conformance", "ics", &ics]).expect(2);
    assert!(run.err.contains("bad.toml:3: ") && run.err.contains("bad.toml:4: "), "{run:?}");
}

/// A card of 7 lines that knows the file 04 of the MF and nothing else.
#[cfg(unix)]
const CARD: &str = "#!/bin/sh
while read word rest; do
  case \"$word $rest\" in
    begin*) echo ok;;
    'reset '|'power ') echo ok 3B00;;
    *00B0840008) echo ok 10002601000000149000;;
    LIE
    *) echo ok 6D00;;
  esac
done
";

#[cfg(unix)]
fn lying(lie: &str, filter: &str) -> (Run, String) {
    let desk = Desk::new("cpu-aes");
    let script = desk.file("card.sh", &CARD.replace("LIE", lie));
    let ics = "schema = 1\n[card]\nprofile = \"cpu-aes\"\nkinds = [\"student\"]\n\
               serial = \"1100260100000014\"\n";
    let ics = desk.file("card.ics.toml", ics);
    let junit = desk.path("junit.xml").display().to_string();
    let target = format!("exec:sh {script}");
    let arguments = ["--target", &target, "--ics", &ics, "--filter", filter, "--junit", &junit];
    (conformance(&arguments), std::fs::read_to_string(&junit).unwrap())
}

#[cfg(unix)]
#[test]
fn a_foreign_card_that_lies_is_told_where() {
    let honest = "transmit*) [ ${#rest} -lt 8 ] && echo ok 6700 || echo ok 6E00;;";
    let (run, junit) = lying(honest, "APDU-CLASS-001*");
    let run = run.expect(0);
    assert_eq!(verdicts(&run).len(), 17);
    assert!(junit.contains("tests=\"17\"") && junit.contains("failures=\"0\""), "{junit}");
    let lie = "*A0B0840008) echo ok 9000;; transmit*) echo ok 6E00;;";
    let (run, junit) = lying(lie, "APDU-CLASS-001*");
    let run = run.expect(1);
    let failed: Vec<_> =
        verdicts(&run).into_iter().filter(|(_, verdict)| verdict == "fail").collect();
    assert_eq!(failed, [("APDU-CLASS-001[A0]".to_owned(), "fail".to_owned())]);
    assert!(junit.contains("status word 9000, expected 6E00"), "{junit}");
}

#[cfg(unix)]
#[test]
fn a_foreign_card_that_is_lost_leaves_the_case_open_and_the_run_goes_on() {
    for (lie, reason) in [
        ("*A0B0840008) echo removed;;", "removed"),
        ("*A0B0840008) exit;;", "removed"),
        ("*A0B0840008) echo hello;;", "hello"),
        ("*A0B0840008) echo ok 90;;", "1 bytes"),
        ("*A0B0840008) echo ok xyz;;", "hexadecimal"),
    ] {
        let lie = format!("{lie} transmit*) echo ok 6E00;;");
        let (run, junit) = lying(&lie, "APDU-CLASS-001*");
        let run = run.expect(3);
        let verdicts = verdicts(&run);
        assert_eq!(verdicts["APDU-CLASS-001[A0]"], "inconclusive", "{lie}");
        let others = verdicts.iter().filter(|(_, verdict)| *verdict == "pass").count();
        assert_eq!(others, 16, "{lie}: {verdicts:?}");
        let cases = objects(&run, "case");
        let lost = cases.iter().find(|case| case["verdict"] == "inconclusive").unwrap();
        assert!(lost["reason"].as_str().unwrap().contains(reason), "{lost}");
        assert!(junit.contains("errors=\"1\""), "{junit}");
    }
}

/// The example of the line protocol, where Python is installed.
#[cfg(unix)]
#[test]
fn the_faults_of_the_example_are_found() {
    if std::process::Command::new("python3").arg("--version").output().is_err() {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/line-protocol");
    let target = format!("exec:python3 {}", folder.join("card.py").display());
    let ics = folder.join("card.ics.toml").display().to_string();
    let mut failed = BTreeSet::new();
    for filter in ["APDU-CLASS-*", "APDU-INS-*", "APDU-LE-*"] {
        let run = conformance(&["--target", &target, "--ics", &ics, "--filter", filter]).expect(1);
        let verdicts = verdicts(&run).into_iter();
        failed.extend(verdicts.filter(|(_, verdict)| verdict == "fail").map(|(id, _)| id));
    }
    let expected = [
        "APDU-CLASS-001[A0]",
        "APDU-CLASS-001[FF]",
        "APDU-INS-001[00 B1]",
        "APDU-LE-001[behind-8]",
        "APDU-LE-001[one-more]",
    ];
    assert_eq!(failed, expected.map(str::to_owned).into());
}

#[test]
fn a_target_that_is_gone_ends_the_run_with_a_report() {
    let desk = Desk::new("cpu-aes");
    let ics = run(&["conformance", "ics"]).expect(0).out;
    let ics = ics.replace("kinds", "serial = \"1100260100000014\"\nkinds");
    let ics = desk.file("card.ics.toml", &ics);
    let run = conformance(&[
        "--target",
        "tcp://127.0.0.1:1",
        "--ics",
        &ics,
        "--filter",
        "APDU-CLASS-001*",
    ])
    .expect(3);
    let verdicts = verdicts(&run);
    assert_eq!(verdicts.len(), 17);
    let count = |verdict| verdicts.values().filter(|found| *found == verdict).count();
    assert_eq!((count("inconclusive"), count("blocked")), (3, 14));
}

#[test]
fn a_known_failure_is_waived_until_its_day() {
    let desk = Desk::new("cpu-aes");
    let case = "schema = 1\ntitle = \"t\"\n[[case]]\nid = \"X-Y-001\"\ntitle = \"t\"\n\
                title_zh = \"t\"\npurpose = \"p\"\nclause = [\"9\"]\nclass = \"positive\"\n\
                steps = [{ transmit = \"00B0840008\", sw = \"6A82\" }]\n";
    let case = desk.file("case.toml", case);
    let statement = run(&["conformance", "ics"]).expect(0).out;
    for (until, code, verdict) in [("2099-12-31", 0, "waived"), ("2020-01-01", 1, "fail")] {
        let waiver = format!(
            "{statement}\n[[waiver]]\ncase = \"X-*\"\nticket = \"T-1\"\nuntil = \"{until}\"\n"
        );
        let ics = desk.file("card.ics.toml", &waiver);
        let arguments = ["--target", "emu:cpu-aes", "--ics", &ics, "--cases", &case];
        let run = conformance(&arguments).expect(code);
        assert_eq!(verdicts(&run)["X-Y-001"], verdict);
    }
}

#[test]
fn cases_are_listed_with_their_clauses() {
    let list = run(&["conformance", "list", "--json", "--filter", "EP-LOAD-*"]).expect(0);
    let cases = list.objects();
    assert_eq!(cases.len(), 3);
    assert!(cases[0]["clause"].as_array().unwrap().contains(&Value::from("17.9")));
}

#[test]
fn the_page_is_whole_or_not_there_whatever_the_card_does() {
    let desk = Desk::new("cpu-aes");
    let page = desk.path("report.html").display().to_string();
    // The serial cannot be had from a card that is gone, and there is a report all the same.
    let ics = run(&["conformance", "ics"]).expect(0).out;
    let ics = desk.file("card.ics.toml", &ics);
    let gone = ["--target", "tcp://127.0.0.1:1", "--ics", &ics, "--filter", "APDU-CLASS-001*"];
    let lost = conformance(&[&gone[..], &["--html", &page]].concat()).expect(3);
    let html = std::fs::read_to_string(&page).unwrap();
    assert_eq!(html.matches("<tr id=").count(), verdicts(&lost).len());
    assert!(html.contains("14</b><i class=\"doubt\"></i>blocked"), "{html}");
    let filter = ["--target", "emu:cpu-aes", "--filter", "SM-OK-001"];
    conformance(&[&filter[..], &["--html", &page]].concat()).expect(0);
    let html = std::fs::read_to_string(&page).unwrap();
    for part in ["MUTUAL AUTHENTICATE", "inside (明文)", "wrong Le, 32 is right", "成功"] {
        assert!(html.contains(part), "{part}");
    }
    let parts = std::fs::read_dir(desk.path("")).unwrap().filter_map(Result::ok);
    assert!(
        parts.map(|file| file.file_name()).all(|name| !name.to_string_lossy().contains(".part"))
    );
    let nowhere = desk.path("nowhere/report.html").display().to_string();
    conformance(&[&filter[..], &["--html", &nowhere]].concat()).expect(2);
}
