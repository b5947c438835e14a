//! No text from a file, a card or the command line ends a line, moves the cursor, turns the direction
//! of writing or hides: for every verb that takes such text.

use std::fs;

use super::support::{Desk, PROGRAM, SERIAL, run};

/// What a forger would like to be read as a line of its own.
const FORGED: &str = "FORGED batch 202607000001: accepted, 0 errors, 0 warnings";

/// A line end, the forged line, and what hides the rest: erase line, concealed text in C0 and in C1,
/// right-to-left override, isolate, line separator, zero width, return.
fn hostile() -> String {
    format!("x\n{FORGED}\u{1B}[2K\u{1B}[8m\u{9B}8m\u{202E}\u{2066}\u{2028}\u{200B}\u{7F}\r\u{B}")
}

/// The same where a line end cannot be.
fn hostile_line() -> String {
    hostile().replace(['\n', '\r'], "")
}

/// The same as it stands in a string of TOML or JSON.
fn quoted(text: &str) -> String {
    let escaped = |c: char| format!("\\u{:04X}", u32::from(c));
    let quote = |c: char| if c.is_ascii_graphic() || c == ' ' { c.into() } else { escaped(c) };
    format!("\"{}\"", text.chars().map(quote).collect::<String>())
}

/// Whether a character is one of the kinds above, or of the same kinds; not taken from the program.
fn deceives(c: char) -> bool {
    let c = u32::from(c);
    let (controls, marks) = (c < 0x20 || (0x7F..0xA0).contains(&c), [0x61C, 0xFEFF, 0xAD]);
    let ranges = [0x200B..=0x200F, 0x2028..=0x202E, 0x2060..=0x206F, 0xE0000..=0xE0FFF];
    controls || marks.contains(&c) || ranges.iter().any(|range| range.contains(&c))
}

/// Runs the program, as text and as JSON, and looks at all it says. Returns what it said as text.
fn check(arguments: &[&str], input: &str) -> String {
    let mut said = String::new();
    for json in [true, false] {
        let more: &[&str] = if json { &["--json"] } else { &[] };
        let mut command = assert_cmd::Command::new(PROGRAM);
        let output =
            command.args(arguments).args(more).write_stdin(input.to_owned()).output().unwrap();
        assert!(output.status.code().is_some(), "{arguments:?}");
        said = [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8(bytes).expect("UTF-8"))
            .concat();
        look(&said, arguments);
    }
    said
}

/// Fails when a text of this program deceives.
fn look(said: &str, by: &[&str]) {
    let deceptive = said.chars().find(|c| *c != '\n' && deceives(*c));
    assert_eq!(deceptive, None, "{by:?}: {said:?}");
    let forged = said.lines().find(|line| line.trim_start().starts_with(FORGED));
    assert_eq!(forged, None, "{by:?}: {said:?}");
}

/// As [`check`], and the text is shown, harmless.
fn shows(arguments: &[&str], input: &str) {
    let said = check(arguments, input);
    assert!(said.contains(FORGED), "{arguments:?}: {said}");
}

#[test]
fn arguments() {
    let (all, line) = (hostile(), hostile_line());
    shows(&[&all], "");
    shows(&["apdu", "--target", "emu:cpu-aes", &all], "");
    shows(&["apdu", "--target", &all, "00A4040000"], "");
    shows(&["apdu", "--target", "emu:cpu-aes", "--expect", &all, "00A4040000"], "");
    shows(&["card", "create", "--profile", &all], "");
    shows(&["card", "create", "--profile", "cpu-aes", "--serial", &line], "");
    shows(&["completions", &all], "");
    shows(&["keys", "generate", "--kind", &all], "");
    shows(&["desk", "fault", "--card", SERIAL, "--unit", &all, "--occasion", "1"], "");
    shows(&["wallet", "balance", "--target", &format!("emu:{all}")], "");
    shows(&["reader", "read", "--target", &format!("tcp://{line}:1")], "");
    shows(&["conformance", "run", "--target", &format!("exec:{all}")], "");
    check(&["apdu", "--target", "emu:cpu-aes", "-"], &format!("{all}\n00A4040000"));
}

#[cfg(unix)]
#[test]
fn names_of_files() {
    let desk = Desk::new("cpu-aes");
    let named = |name: &str| desk.path(name).display().to_string();
    let (missing, image) = (named(&hostile()), named(&format!("{}.card", hostile())));
    fs::copy(desk.card(), &image).unwrap();
    let target = format!("emu:{image}");
    let serial = ["--profile", "cpu-aes", "--serial", SERIAL];
    shows(
        &[&["card", "create", "-o", &named(&format!("{}.2", hostile()))], &serial[..]].concat(),
        "",
    );
    shows(&["card", "show", &image], "");
    shows(&["card", "export", &image, "--s70", &missing], "");
    fs::remove_file(&missing).unwrap_or_default();
    for verb in [
        &["card", "show"][..],
        &["script", "--target", "emu:cpu-aes"],
        &["scenario", "run"],
        &["vectors", "verify"],
        &["conformance", "ics"],
        &["conformance", "list", "--cases"],
        &["conformance", "run", "--target", "emu:cpu-aes", "--plan"],
        &["trace", "show"],
        &["list", "check", "--keys", "test"],
        &["list", "show", "--keys", "test"],
        &["keys", "inspect"],
        &["batch", "check", "--keys", "none"],
        &["batch", "convert", "--to", "csv", "--out", "/nowhere"],
        &["batch", "history", "list", "--history"],
        &["emulate", "--listen", "127.0.0.1:0"],
        &["reader", "personalise", "--target", &target, "--pupil"],
    ] {
        shows(&[verb, &[&missing]].concat(), "");
    }
    let folder = named(&format!("{} folder", hostile()));
    shows(&["batch", "generate", "--count", "3", "--out", &folder], "");
    let checked = check(&["batch", "check", &folder, "--keys", "test"], "");
    assert!(checked.contains("accepted"), "{checked}");
    traces(&desk, &target);
}

/// The trace of a run names its target, and `trace show` shows the name.
#[cfg(unix)]
fn traces(desk: &Desk, target: &str) {
    let trace = desk.path("t.pcapng").display().to_string();
    run(&["apdu", "--target", target, "00A4040000", "--trace", &trace]);
    shows(&["trace", "show", &trace], "");
}

#[test]
fn contents_of_files() {
    let desk = Desk::new("cpu-aes");
    let (all, line) = (quoted(&hostile()), hostile_line());
    for text in [line.clone(), format!("00A4040000 -> {line}"), format!("00A4040000{line}")] {
        check(&["script", "--target", "emu:cpu-aes", &desk.file("s", &text)], "");
    }

    let pupil = Desk::example("pupil.toml");
    let target = desk.target();
    for wrong in [
        pupil.replace("\"男\"", &all),
        format!("{all} = 1\n{pupil}"),
        format!("{pupil}\n{line}"),
        pupil.replace("\"张三\"", &all),
    ] {
        let file = desk.file("pupil.toml", &wrong);
        let done = check(&["reader", "personalise", "--target", &target, "--pupil", &file], "");
        assert!(done.contains("pupil.toml"), "{done}");
    }
    let csv = format!("student_number,name\n0108401222903175,\"{}\"\n", hostile());
    let csv = desk.file("pupils.csv", &csv);
    check(&["reader", "personalise", "--target", &target, "--pupil", &csv], "");
    let list = format!("card_serial,kind\n\"{}\",loss\n", hostile());
    let (list, to) = (desk.file("l.csv", &list), desk.path("l").display().to_string());
    let edition = ["--scope", "084012", "--version", "1", "--date", "2026-09-30"];
    let build = ["list", "build", "--keys", "test", "-o", &to, &list];
    check(&[&build[..], &edition].concat(), "");

    let scenario = "title = @\narticles = [@]\ndate = \"2026-09-01\"\n\
                    steps = [{ do = \"unlock\", reader = \"school\", expect = @ }]\n\
                    [readers.school]\nunit = \"084012\"\n";
    let scenario = desk.file("s.toml", &scenario.replace('@', &all));
    shows(&["scenario", "run", &scenario], "");
    let scenario = desk.file("s.toml", &format!("{all} = 1"));
    shows(&["scenario", "run", &scenario], "");

    let vector = |tag: &str| {
        format!(
            "{{\"topic\": \"AES-CMAC\", \"vectors\": [{{\"id\": {all}, \"alg\": \"AES-128-CMAC\",
              \"key\": \"2b7e151628aed2a6abf7158809cf4f3c\", \"msg\": \"\", \"tag\": {tag}}}]}}"
        )
    };
    shows(&["vectors", "verify", &desk.file("v", &vector("\"00\""))], "");
    check(&["vectors", "verify", &desk.file("v", &vector(&all))], "");
    check(&["trace", "show", &desk.file("t", &hostile())], "");
    check(&["list", "check", "--keys", "test", &desk.file("t", &hostile())], "");
    keys(&desk);
}

fn keys(desk: &Desk) {
    let (all, line) = (quoted(&hostile()), hostile_line());
    let file = |text: &str| {
        let path = desk.file("keys.toml", text);
        #[cfg(unix)]
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path
    };
    for text in [
        format!("[[root]]\nzone = {all}\n"),
        format!("[[root]]\n{all} = 1\n"),
        format!("[[{all}]]\nzone = 1\n"),
        format!("D0048{line}"),
        hostile(),
    ] {
        check(&["keys", "inspect", &file(&text)], "");
        check(&["keys", "kcv", "--keys", &file(&text)], "");
    }
}

#[test]
fn cases_of_a_foreign_suite() {
    let desk = Desk::new("cpu-aes");
    let case = "schema = 1\ntitle = @\n[[case]]\nid = \"FOR-TEXT-001\"\ntitle = @\n\
                title_zh = @\npurpose = @\nclause = [@]\nclass = \"negative\"\n\
                steps = [{ transmit = \"00 A4 04 00\", sw = \"9000\"  }]\n";
    let case = case.replace('@', &quoted(&hostile()));
    let file = desk.file("c.toml", &case);
    shows(&["conformance", "list", "--cases", &file], "");
    let paths = ["c.html", "c.xml", "c.jsonl"].map(|name| desk.path(name).display().to_string());
    let [html, junit, report] = &paths;
    let files = ["--html", html, "--junit", junit, "--report", report];
    let scope = ["--target", "emu:cpu-aes", "--cases", &file, "--verbose"];
    shows(&[&["conformance", "run"][..], &scope].concat(), "");
    run(&[&["conformance", "run"][..], &scope, &files].concat());
    for path in &paths {
        let text = fs::read_to_string(path).unwrap();
        let deceptive = text.chars().find(|c| *c != '\n' && deceives(*c));
        assert_eq!(deceptive, None, "{path}");
    }
    // What is recorded is shown again.
    let replay = format!("replay:{report}");
    let statement = desk.file("i.toml", &run(&["conformance", "ics"]).expect(0).out);
    let again = ["--target", &replay, "--cases", &file, "--ics", &statement, "--verbose"];
    shows(&[&["conformance", "run"][..], &again].concat(), "");
    let plan = ["conformance", "plan", "--target", "emu:cpu-aes", "--cases", &file];
    check(&plan, "");
    let wrong = desk.file("c.toml", &case.replace("FOR-TEXT-001", "\\u000AFORGED\\u001B"));
    check(&["conformance", "list", "--cases", &wrong], "");
}

#[cfg(unix)]
#[test]
fn batches() {
    let desk = Desk::new("cpu-aes");
    let folder = desk.path("b").display().to_string();
    run(&["batch", "generate", "--count", "5", "--out", &folder]).expect(0);
    let (manifest, rows) = (format!("{folder}/batch.toml"), format!("{folder}/cards.csv"));
    let (good, cards) =
        (fs::read_to_string(&manifest).unwrap(), fs::read_to_string(&rows).unwrap());
    let all = quoted(&hostile());
    let reports = ["r.html", "r.xml", "r.csv", "r.json"];
    let mut seen = 0;
    for (at, line) in good.lines().enumerate() {
        let Some((key, value)) = line.split_once(" = ").filter(|(_, it)| it.starts_with('"'))
        else {
            continue;
        };
        let line = |text: &str| {
            let mut lines: Vec<&str> = good.lines().collect();
            lines[at] = text;
            lines.join("\n") + "\n"
        };
        for text in [line(&format!("{key} = {all}")), line(&format!("{all} = {value}"))] {
            fs::write(&manifest, text).unwrap();
            let said = check(&["batch", "check", &folder, "--keys", "none"], "");
            seen += usize::from(said.contains("FORGED"));
        }
    }
    assert!(seen > 5, "{seen} manifests show the text");
    fs::write(&manifest, &good).unwrap();
    let heading = cards.lines().next().unwrap().to_owned();
    let hostile_cards = cards.replacen(&heading, &format!("{heading},{}", hostile_line()), 1);
    let cell = cards.replacen(",0", &format!(",={}", hostile_line()), 3);
    for text in [hostile_cards, cell, hostile() + &cards] {
        fs::write(&rows, text).unwrap();
        let paths = reports.map(|name| desk.path(name).display().to_string());
        paths.iter().for_each(|path| drop(fs::remove_file(path)));
        let files = ["--html", "--junit", "--csv", "--note"];
        let files: Vec<&str> =
            files.iter().zip(&paths).flat_map(|(option, path)| [*option, &**path]).collect();
        check(&["batch", "check", &folder, "--keys", "none"], "");
        run(&[&["batch", "check", &folder, "--keys", "none"][..], &files].concat()).expect(1);
        for path in &paths {
            let text = fs::read_to_string(path).unwrap();
            look(&text, &[path]);
        }
        check(&["batch", "convert", &folder, "--to", "csv", "--out", "/nowhere/x"], "");
    }
}

#[test]
fn cells_are_no_formulas_and_hide_nothing() {
    let sheet = ["desk", "fault", "--card", SERIAL, "--unit", "084012", "--occasion", "1"];
    let of = |text: &str| {
        let said =
            run(&[&sheet[..], &["--csv", &format!("--description={text}")]].concat()).expect(0).out;
        look(&said, &[text]);
        said
    };
    assert!(of("=cmd|'/C calc'!A0").contains(",'=cmd|"), "{}", of("=cmd"));
    for text in ["+1", "@SUM(1,1)", "\t=1", "\r=1", "\n=1", "-1", "＝1"] {
        let said = of(&format!("{text}x"));
        assert!(said.contains(",'") || said.contains(",\"'"), "{said}");
    }
    assert!(of(&hostile()).contains(FORGED));
    shows(&[&sheet[..], &["--description", &hostile()]].concat(), "");
    assert!(of("不能开机").contains(",不能开机,"));
}

#[test]
fn what_a_card_holds() {
    let desk = Desk::new("cpu-aes");
    let target = desk.target();
    let pupil = Desk::example("pupil.toml");
    // What a card accepts as a name is not for the reader to say: whatever is there is shown.
    let name = quoted("张\u{202E}三\u{200B}\u{2028}");
    let file = desk.file("pupil.toml", &pupil.replace("\"张三\"", &name));
    let personalise = ["reader", "personalise", "--target", &target, "--date", "2026-09-01"];
    check(&[&personalise[..], &["--pupil", &file]].concat(), "");
    check(&["reader", "read", "--target", &target], "");
    check(&["card", "show", &desk.card()], "");
    check(&["desk", "personalisation", "--target", &target], "");
    let csv = run(&["desk", "personalisation", "--target", &target, "--csv"]);
    look(&[csv.out, csv.err].concat(), &["desk personalisation"]);
}

/// A program under test says what it likes on the line protocol.
#[cfg(unix)]
#[test]
fn answers_of_programs_and_hosts() {
    let desk = Desk::new("cpu-aes");
    let said = format!("while read -r line; do printf '%s\\n' 'error {}'; done", hostile_line());
    let program = desk.file("liar.sh", &said);
    let statement = desk.file("i.toml", &run(&["conformance", "ics"]).expect(0).out);
    let target = format!("exec:sh {program}");
    let filter = ["--filter", "ACC-PLAIN-*", "--ics", &statement, "--verbose"];
    shows(&[&["conformance", "run", "--target", &target][..], &filter].concat(), "");
}
