//! `scenario`: the shipped ones all end as expected, and what is wrong with a file is told with its
//! line.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken premise fails the test"
)]

use core::time::Duration;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Longest wait for a run.
const PATIENCE: Duration = Duration::from_secs(300);

/// A scenario with one reader, one card, one pupil and room for a step.
const FRAME: &str = r#"title = "t"
articles = ["暂行办法 六(五)"]
date = "2007-09-01"
steps = [
    { do = "unlock", reader = "school" },
    STEP
]

[cards.a]
serial = "1100070100000017"
valid_from = "2007-09-01"

[readers.school]
unit = "084012"

[lists.school]
scope = "084012"

[pupils.z]
student_number = "0108401221003175"
"#;

struct Run {
    code: i32,
    out: String,
    err: String,
}

fn run(arguments: &[&str]) -> Run {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_xuejika"));
    let output = command.arg("scenario").args(arguments).timeout(PATIENCE).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn objects(run: &Run) -> Vec<Value> {
    run.out.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// Runs a file with this text.
fn play(text: &str, options: &[&str]) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.toml");
    fs::write(&file, text).unwrap();
    let mut played = run(&[&["run", file.to_str().unwrap()], options].concat());
    played.err = played.err.replace(&folder.path().display().to_string(), "");
    played
}

fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    files
}

fn stem(path: &Path) -> &str {
    path.file_stem().unwrap().to_str().unwrap()
}

#[test]
fn every_shipped_scenario_ends_as_expected() {
    let played = run(&["run", "--json"]);
    assert_eq!(played.code, 0, "{}{}", played.out, played.err);
    let objects = objects(&played);
    let (summary, scenarios) = objects.split_last().unwrap();
    let names: Vec<_> = scenarios.iter().map(|s| s["scenario"].as_str().unwrap()).collect();
    assert_eq!(names, shipped().iter().map(|path| stem(path)).collect::<Vec<_>>());
    for scenario in scenarios {
        assert_eq!(scenario["ok"], true, "{scenario}");
        assert!(!scenario["articles"].as_array().unwrap().is_empty(), "{scenario}");
        assert!(scenario["steps"].as_u64().unwrap() > 4, "{scenario}");
    }
    assert_eq!(
        (&summary["scenarios"], &summary["as_expected"]),
        (&scenarios.len().into(), &scenarios.len().into())
    );
}

#[test]
fn a_career_is_played_from_its_file() {
    let file = shipped().into_iter().find(|path| stem(path) == "career").unwrap();
    let played = run(&["run", file.to_str().unwrap()]);
    assert_eq!(played.code, 0, "{}", played.out);
    let line = played.out.lines().next().unwrap();
    assert!(line.starts_with("career ") && line.contains("ok") && line.contains("暂行办法 六(五)"));
    assert!(played.out.ends_with("\n1 of 1 scenarios as expected\n"), "{}", played.out);
    assert!(played.err.contains("TEST keys"), "{}", played.err);
}

#[test]
fn the_list_names_title_and_articles() {
    let listed = run(&["list"]);
    assert_eq!((listed.code, listed.out.lines().count()), (0, shipped().len()));
    let line = listed.out.lines().nth(19).unwrap();
    assert!(line.starts_with("20-recall ") && line.contains("操作规程 四/七"), "{line}");
}

/// Every scenario is refused somewhere, and that refusal matters: expecting success there fails.
#[test]
fn every_shipped_scenario_has_a_step_that_must_not_succeed() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for path in shipped() {
        let text = fs::read_to_string(&path).unwrap();
        let outcome = ["expect = \"", "outcome = \""]
            .iter()
            .flat_map(|key| text.match_indices(key))
            .map(|(at, key)| at + key.len())
            .max()
            .unwrap_or_else(|| panic!("{} expects success alone", stem(&path)));
        let end = outcome + text[outcome..].find('"').unwrap();
        let changed = format!("{}otherwise{}", &text[..outcome], &text[end..]);
        let file = folder.path().join(path.file_name().unwrap());
        fs::write(&file, changed).unwrap();
        files.push(file.to_str().unwrap().to_owned());
    }
    let mut arguments = vec!["run", "--json"];
    arguments.extend(files.iter().map(String::as_str));
    let played = run(&arguments);
    assert_eq!(played.code, 1, "{}", played.err);
    for scenario in objects(&played).split_last().unwrap().1 {
        assert_eq!(scenario["ok"], false, "{scenario}");
        assert_eq!(scenario["failed"]["expected"], "otherwise", "{scenario}");
    }
}

#[test]
fn a_step_that_ends_otherwise_is_told_with_its_line() {
    let text = FRAME.replace(
        "STEP",
        r#"{ do = "read", card = "a", reader = "school", expect = { state = "active" } },"#,
    );
    let played = play(&text, &[]);
    assert_eq!(played.code, 1);
    assert!(played.out.contains("FAILED"), "{}", played.out);
    assert!(
        played.out.contains(
            "step 2 (line 6), read:\n    expected state active\n    found    state initialised"
        ),
        "{}",
        played.out
    );
    let object = &objects(&play(&text, &["--json"]))[0];
    assert_eq!((&object["ok"], &object["steps"]), (&false.into(), &1.into()));
    assert_eq!(object["failed"]["line"], 6);
    assert_eq!(object["failed"]["found"], "state initialised");
    let refused = FRAME.replace("STEP", r#"{ do = "register", card = "a", reader = "school" },"#);
    let refused = play(&refused, &[]);
    assert!(refused.out.contains("expected ok\n    found    state: "), "{}", refused.out);
    let unknown =
        FRAME.replace("STEP", r#"{ do = "wallet", card = "a", expect = { colour = 1 } },"#);
    assert!(play(&unknown, &[]).out.contains("found    nothing called colour"));
}

#[test]
fn verbose_shows_each_step_and_what_was_said() {
    let text = FRAME.replace("STEP", r#"{ do = "apdu", card = "a", send = "00B0840008" },"#);
    let played = play(&text, &["-v"]);
    assert_eq!(played.code, 0);
    assert!(played.out.contains("  1. 2007-09-01 unlock: ok: unit 084012"), "{}", played.out);
    assert!(played.out.contains("     > 00B0840008\n     < 1000070100000017 9000 : "));
    let object = &objects(&play(&text, &["-v", "--json"]))[0];
    assert_eq!(object["details"][1]["apdus"][0]["status"], "9000");
}

/// Steps that cannot be, and what is said about their line, which is line 6.
const WRONG_STEPS: &[(&str, &str)] = &[
    (r#"{ do = "unlok", reader = "school" },"#, "unknown variant `unlok`, expected one of "),
    (
        r#"{ do = "restart", reader = "school", why = 1 },"#,
        "unknown field `why`, expected `reader`",
    ),
    (r#"{ do = "read", card = "a" },"#, "missing field `reader`"),
    (r#"{ reader = "school" },"#, "missing field `do`"),
    (r#"{ do = "read", card = "b", reader = "school" },"#, "step 2, read: there is no card \"b\""),
    (r#"{ do = "read", card = "a", reader = "x" },"#, "step 2, read: there is no reader \"x\""),
    (r#"{ do = "check-pupil", pupil = "y" },"#, "step 2, check-pupil: there is no pupil \"y\""),
    (r#"{ do = "merge", list = "l", from = [] },"#, "step 2, merge: there is no list \"l\""),
    (
        r#"{ do = "part", list = "school", of = "school" },"#,
        "step 2, part: the list \"school\" is empty",
    ),
    (
        r#"{ do = "freeze", card = "a", reader = "school", reason = "whim" },"#,
        "\"whim\" is not in the code table of Reason",
    ),
    (r#"{ do = "restart", reader = "school", date = "2007-13-01" },"#, "2007-13-01 is not a day"),
    (
        r#"{ do = "restart", reader = "school", cut = 1 },"#,
        "step 2, restart: cut: the step is about no card",
    ),
    (r#"{ do = "restart", reader = "school", cut = -1 },"#, "cut: is negative"),
    (
        r#"{ do = "restart", reader = "school", cut = "some" },"#,
        "cut: expected the number of a write, or \"each\"",
    ),
    (r#"{ do = "restart", reader = "school", expect = 1 },"#, "expect: expected a text or a table"),
    (
        r#"{ do = "restart", reader = "school", expect = { a = 1.5 } },"#,
        "expect.a: is no plain value",
    ),
    (r#"{ do = "load", card = "a", amount = "ten" },"#, "expected yuan with two decimals"),
    (r#"{ do = "damage", card = "a", copy = "C" },"#, "step 2, damage: copy: C is neither A nor B"),
    (
        r#"{ do = "deadline", limit = "soon", from = "2007-09-01" },"#,
        "step 2, deadline: limit: there is no \"soon\"",
    ),
    (r#"{ do = "apdu", card = "a", send = "0G" },"#, "step 2, apdu: "),
    (
        r#"{ do = "read-sector", card = "a", reader = "school", sector = 9 },"#,
        "step 2, read-sector: sector: expected 1 to 8",
    ),
    (
        r#"{ do = "check-batch", cards = 9, scrap = 10 },"#,
        "step 2, check-batch: scrap: more than there are cards",
    ),
    (r#"{ do = "check-batch", cards = 1001 },"#, "step 2, check-batch: cards: expected 1 to 1000"),
    ("nonsense", ""),
];

#[test]
fn a_wrong_step_is_named_with_file_and_line() {
    for (step, complaint) in WRONG_STEPS {
        let played = play(&FRAME.replace("STEP", step), &[]);
        assert_eq!(played.code, 2, "{step}: {}", played.out);
        let expected = format!("xuejika: /s.toml:6: {complaint}");
        assert!(played.err.contains(&expected), "{step}: {}", played.err);
    }
}

#[test]
fn a_wrong_file_is_named_with_its_line() {
    let frame = FRAME.replace("    STEP\n", "");
    assert_eq!(play(&frame, &[]).code, 0);
    for (from, to, complaint) in [
        ("title", "tittle", ":1: unknown field `tittle`, expected one of "),
        ("title = \"t\"\n", "", ": missing field `title`"),
        ("[\"暂行办法 六(五)\"]", "[]", ": names no article"),
        ("0000017", "0000018", ":9: "),
        ("084012", "08401", ":13: "),
        ("unit =", "untit =", ":13: unknown field `untit`"),
        ("unit =", "role = \"canteen\"\nunit =", ":13: unknown variant `canteen`"),
        ("unit =", "role = \"application\"\nunit =", "sectors: an application unit needs some"),
        ("unit =", "sectors = [3]\nunit =", "sectors: only with role = \"application\""),
        ("unit =", "role = \"application\"\nsectors = [9]\nunit =", "sectors: expected 1 to 8"),
        ("[pupils.z]\n", "[pupils.z]\neyes = 2\n", "unknown field `eyes`"),
        ("[pupils.z]\n", "[pupils.z]\nlike = \"q\"\n", "like: there is no such pupil"),
        ("[pupils.z]\n", "[pupils.z]\nsex = {}\n", "sex"),
        ("\"2007-09-01\"\nsteps", "\"2007-09-31\"\nsteps", ":3: 2007-09-31 is not a day"),
        ("[cards.a]", "[cards.a", ""),
    ] {
        assert!(frame.contains(from), "{from}");
        let played = play(&frame.replacen(from, to, 1), &[]);
        assert_eq!(played.code, 2, "{to}: {}", played.out);
        assert!(
            played.err.contains("/s.toml:") && played.err.contains(complaint),
            "{}",
            played.err
        );
        // Nothing was played.
        assert!(played.out.is_empty(), "{}", played.out);
    }
    let missing = run(&["run", "/no/such/file.toml"]);
    assert_eq!(missing.code, 2);
    assert!(missing.err.contains("/no/such/file.toml: "), "{}", missing.err);
}

/// The steps the program knows, as it names them itself.
fn steps() -> Vec<String> {
    let complaint = play(&FRAME.replace("STEP", r#"{ do = "?" },"#), &[]).err;
    let names = complaint.split_once("expected one of ").unwrap().1;
    let steps: Vec<_> = names.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(steps.len() > 40, "{complaint}");
    steps
}

fn document() -> String {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/scenarios.md");
    fs::read_to_string(document).unwrap()
}

#[test]
fn the_documented_example_ends_as_expected() {
    let document = document();
    let (_, example) = document.split_once("```toml\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let played = play(example, &[]);
    assert_eq!(played.code, 0, "{}", played.out);
}

#[test]
fn every_step_is_documented() {
    let document = document();
    for step in steps() {
        assert!(document.contains(&format!("`{step}`")), "{step} is not in docs/scenarios.md");
    }
}

/// A verb's operations, as its help lists them.
fn operations(verb: &str) -> Vec<String> {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_xuejika"));
    let help = command.args([verb, "--help"]).timeout(PATIENCE).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let listed = help.split_once("Commands:\n").unwrap().1.split("\n\n").next().unwrap();
    let names = listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names = names.map(|line| line.split_whitespace().next().unwrap().to_owned());
    names.filter(|name| name != "help").collect()
}

#[test]
fn every_operation_of_the_program_has_its_step() {
    let (document, steps) = (document(), steps());
    for operation in operations("reader") {
        assert!(steps.contains(&operation), "reader {operation} has no step");
    }
    for verb in ["desk", "list", "wallet"] {
        for operation in operations(verb) {
            let named = format!("`{verb} {operation}`");
            assert!(document.contains(&named), "{named} is not in docs/scenarios.md");
        }
    }
}

/// Refused is what somebody refused; neither what was done, nor what failed.
#[test]
fn refused_is_any_refusal_and_nothing_else() {
    for (step, found) in [
        (r#"do = "register", card = "a", reader = "school""#, None),
        (r#"do = "initialise", card = "a", reader = "school""#, None),
        (r#"do = "unlock", reader = "school", unit = "084013""#, None),
        (r#"do = "verdict", card = "a", reader = "school""#, None),
        (r#"do = "check-pupil", pupil = "z""#, None),
        (r#"do = "unlist", list = "school", kind = "loss", card = "a""#, None),
        (r#"do = "recall-slip", card = "b", reader = "school""#, Some("no card")),
        (r#"do = "purchase", card = "a", amount = "1.00""#, None),
        (r#"do = "apdu", card = "a", send = "00B0870010""#, None),
        (r#"do = "apdu", card = "a", send = "00B0840008""#, Some("ok: 1000070100000017")),
        (r#"do = "freeze", card = "a", reader = "school""#, None),
        (r#"do = "wallet", card = "a""#, Some("ok: 0.00 yuan")),
        (r#"do = "load", card = "a", amount = "1.00", cut = 0"#, Some("power-lost: ")),
    ] {
        for expect in [r#""refused""#, r#"{ outcome = "refused" }"#] {
            let step = format!("{{ {step}, expect = {expect} }},");
            let played = play(&FRAME.replace("STEP", &step), &[]);
            match found {
                None => assert_eq!(played.code, 0, "{step}: {}{}", played.out, played.err),
                Some(found) => assert!(
                    played.code != 0 && format!("{}{}", played.out, played.err).contains(found),
                    "{step}: {}{}",
                    played.out,
                    played.err
                ),
            }
        }
    }
}

/// Every step that writes to a wallet can be cut, and then counts its cuts, whole and torn.
#[test]
fn a_step_of_the_wallet_is_cut_at_each_write() {
    let money = r#"{ do = "load", card = "a", amount = "9.00" },"#;
    for step in [
        r#"do = "load", amount = "1.00""#,
        r#"do = "unload", amount = "1.00""#,
        r#"do = "purchase", amount = "1.00""#,
        r#"do = "suspend""#,
        r#"do = "refund""#,
    ] {
        let cut = format!("{{ {step}, card = \"a\", cut = \"each\", expect = {{ cuts = 0 }} }},");
        let played = play(&FRAME.replace("STEP", &format!("{money}\n{cut}")), &[]);
        assert_eq!(played.code, 1, "{step}: {}", played.err);
        let (_, cuts) = played.out.split_once("found    cuts ").expect(&played.out);
        let cuts: u32 = cuts.lines().next().unwrap().parse().unwrap();
        assert!(cuts >= 4 && cuts.is_multiple_of(2), "{step}: {cuts}");
    }
}

/// Holidays of the scenario stand before those of the file, and these before the published ones; a
/// year that none of them covers is named, and counted all the same.
#[test]
fn days_are_counted_by_the_holidays_given() {
    let step = |last: &str| {
        let limit = r#"do = "deadline", limit = "loss-effective", from = "2027-03-01""#;
        format!("{{ {limit}, expect = {{ last_day = \"{last}\" }} }},")
    };
    let plain = |last: &str| FRAME.replace("STEP", &step(last));
    let own = |last: &str| {
        plain(last).replace("steps = [", "holidays = [\"2027 03-02..03-04\"]\nsteps = [")
    };
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("table.txt");
    fs::write(&table, "2027 03-02\n").unwrap();
    let given = ["--holidays", table.to_str().unwrap()];
    for (text, options, warned) in [
        (plain("2027-03-03"), &[][..], true),
        (plain("2027-03-04"), &given, false),
        (own("2027-03-08"), &[], false),
        (own("2027-03-08"), &given, false),
    ] {
        let played = play(&text, options);
        assert_eq!(played.code, 0, "{}", played.out);
        let warning = "xuejika: the holidays of 2027 are not known";
        assert_eq!(played.err.contains(warning), warned, "{}", played.err);
    }
    let wrong = play(&own("2027-03-08").replace("03-02..03-04", "03-32"), &[]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("/s.toml:4: holidays: line 1: "), "{}", wrong.err);
    fs::write(&table, "MMXXVII\n").unwrap();
    let wrong = play(&plain("2027-03-03"), &given);
    assert_eq!((wrong.code, wrong.out.as_str()), (2, ""));
    assert!(wrong.err.contains("table.txt:1: "), "{}", wrong.err);
}
