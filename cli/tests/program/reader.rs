//! `reader`.

use super::support::{Desk, Run, SERIAL, run, run_with};

/// The first morning of a school year.
const DATE: [&str; 2] = ["--date", "2026-09-01"];

impl Desk {
    fn reader(&self, operation: &str, more: &[&str]) -> Run {
        let target = self.target();
        run(&[&["reader", operation, "--json", "--target", &target], &DATE[..], more].concat())
    }

    fn personalise(&self, file: &str, contents: &str, more: &[&str]) -> Run {
        let path = self.file(file, contents);
        self.reader("personalise", &[&["--pupil", &path], more].concat())
    }
}

#[test]
fn a_card_goes_through_its_first_day() {
    let desk = Desk::new("cpu-aes");
    let verdict = desk.reader("verdict", &[]).expect(1).object();
    assert_eq!(verdict["reason"], "state");
    assert!(verdict["chinese"].as_str().unwrap().contains("已初始化"));

    let done = desk.personalise("pupil.toml", &Desk::example("pupil.toml"), &["--issued"]);
    let done = done.expect(0);
    assert!(done.err.contains("published TEST keys in use"));
    let done = done.object();
    assert_eq!((&done["card"], &done["state"]), (&SERIAL.into(), &"active".into()));
    assert_eq!(done["resumed"], false);

    let done = desk.reader("register", &[]).expect(0).object();
    assert_eq!((&done["school_year"], &done["term"]), (&2026.into(), &"autumn".into()));
    assert_eq!(done["repeated"], false);
    let again = desk.reader("register", &[]).expect(0).object();
    assert_eq!((&again["repeated"], &again["counter"]), (&true.into(), &done["counter"]));

    let read = desk.reader("read", &[]).expect(0).object();
    assert_eq!(read["identity"]["name"], "张三");
    assert_eq!(read["identity"]["student_number"], "0108401222903175");
    assert_eq!(read["identity"]["id_number"], serde_json::Value::Null);
    assert_eq!(read["enrolment"]["unit"], "084012");
    assert_eq!(read["personalisation"]["issued"], "true");
    assert_eq!(read["registrations"].as_array().unwrap().len(), 1);
    assert_eq!(read["log"][0]["operation"], "register");

    let verdict = desk.reader("verdict", &[]).expect(0).object();
    assert_eq!(verdict["registered_until"], "2027-03-20");
}

#[test]
fn a_verdict_is_told_in_both_languages_and_lapses() {
    let desk = Desk::new("cpu-sm4");
    desk.reader("personalise", &[]).expect(0);
    desk.reader("register", &[]).expect(0);
    let on = |date: &str| run(&["reader", "verdict", "--target", &desk.target(), "--date", date]);
    let accepted = on("2027-03-20").expect(0).out;
    assert_eq!(accepted, "accept: registered until 2027-03-20\n接受：注册有效期至 2027-03-20\n");
    let refused = on("2027-03-21").expect(1).out;
    assert_eq!(
        refused,
        "refuse: not registered, lapsed after 2027-03-20\n拒绝：本学期未注册，已失效\n"
    );
    let target = desk.target();
    run(&["reader", "register", "--target", &target, "--date", "2027-03-22"]).expect(0);
    on("2027-09-20").expect(0);
    on("2039-01-01").expect(1);
}

#[test]
fn what_the_card_refuses_is_a_finding() {
    let desk = Desk::new("cpu-aes");
    let refused = desk.reader("register", &[]).expect(1).object();
    assert!(refused["refused"].as_str().unwrap().contains("the card is initialised"), "{refused}");
    let foreign = desk.reader("personalise", &["--sam-unit", "084013"]).expect(1).object();
    assert!(foreign["refused"].as_str().unwrap().contains("the reader to unit 084013"));
    desk.reader("personalise", &[]).expect(0);
    let foreign = desk.reader("register", &["--sam-unit", "084013"]).expect(1).object();
    assert!(foreign["refused"].as_str().unwrap().contains("not for unit 084013"), "{foreign}");
    // Any school's reader may read.
    desk.reader("read", &["--sam-unit", "050001"]).expect(0);
    let late = ["--date", "2100-01-01"];
    let target = desk.target();
    run(&[&["reader", "read", "--target", &target][..], &late].concat()).expect(2);
}

#[test]
fn a_management_card_can_be_an_image() {
    let desk = Desk::new("cpu-aes");
    let management = |name: &str, more: &[&str]| {
        let path = desk.path(name).display().to_string();
        let create = ["card", "create", "--kind", "management", "--profile", "cpu-aes"];
        run(&[&create[..], &["--unit", "084012", "-o", &path], more].concat()).expect(0);
        format!("emu:{path}")
    };
    let good = management("good.img", &[]);
    desk.reader("read", &["--management", &good]).expect(0);
    let expired = management("expired.img", &["--valid-until", "2026-08-31"]);
    let refused = desk.reader("read", &["--management", &expired]).expect(1).object();
    assert!(refused["refused"].as_str().unwrap().contains("valid until 2026-08-31"));
    // Made for another reader.
    let refused = desk.reader("read", &["--management", &good, "--sam-unit", "084013"]).expect(1);
    assert!(refused.out.contains("does not open this SAM"), "{}", refused.out);
    // No management card at all.
    let refused = desk.reader("read", &["--management", "emu:cpu-aes"]).expect(3);
    assert!(refused.err.contains("no management application"), "{}", refused.err);
    // Not a student card.
    let read = ["reader", "read", "--target", &good];
    assert!(run(&read).expect(3).err.contains("no education zone"));
}

#[test]
fn a_row_of_a_csv_file_is_chosen() {
    let csv = Desk::example("pupils.csv");
    let name = |more: &[&str]| {
        let desk = Desk::new("cpu-aes");
        desk.personalise("pupils.csv", &csv, more).expect(0);
        let read = desk.reader("read", &[]).expect(0).object();
        read["identity"]["name"].as_str().unwrap().to_owned()
    };
    assert_eq!(name(&["--row", "2"]), "李四");
    assert_eq!(name(&["--number", "0108401212904021"]), "王𠮷");
    let desk = Desk::new("cpu-aes");
    for (more, reason) in [
        (&[][..], "3 pupils fit, expected 1 (choose one with --row or --number)"),
        (&["--row", "4"], "0 pupils fit"),
        (&["--number", "0108401222903999"], "0 pupils fit"),
        (&["--number", "1"], "is not 16 decimal digits"),
        (&["--row", "1", "--number", "0108401222903175"], "cannot be used with"),
    ] {
        let refused = desk.personalise("pupils.csv", &csv, more).expect(2);
        assert!(refused.err.contains(reason), "{}", refused.err);
    }
}

#[test]
fn wrong_data_is_told_by_file_line_and_field() {
    let desk = Desk::new("cpu-aes");
    let toml = Desk::example("pupil.toml");
    let line_of = |text: &str| 1 + toml.lines().position(|line| line.starts_with(text)).unwrap();
    let wrong = toml
        .replace("sex = \"男\"", "sex = \"m\"")
        .replace("student_number = \"01084012", "student_number = \"01084011")
        .replace("grade = 10", "grade = 9");
    let refused = desk.personalise("wrong.toml", &wrong, &[]).expect(2);
    let path = desk.path("wrong.toml").display().to_string();
    for (field, reason) in [
        ("sex", "sex (性别码): \"m\" is not in the code table of Sex, expected one of 0 (unknown"),
        ("grade", "grade (年级): is 9, but stage says 10 to 12"),
    ] {
        let complaint = format!("\n{path}:{}: {reason}", line_of(field));
        assert!(refused.err.contains(&complaint), "{complaint} is not in {}", refused.err);
    }

    let wrong = Desk::example("pupils.csv").replace("2010-11-23", "23.11.2010");
    let refused = desk.personalise("wrong.csv", &wrong, &["--row", "2"]).expect(2);
    let path = desk.path("wrong.csv").display().to_string();
    let complaint = format!(
        "\n{path}:3: birth_date (出生日期): \"23.11.2010\" does not have the form YYYY-MM-DD\n"
    );
    assert!(refused.err.contains(&complaint), "{}", refused.err);

    for (name, contents, reason) in [
        ("a.toml", "grad = 1\n", ":1: unknown field `grad`, expected one of `student_number`"),
        ("b.toml", "grade = 1\ngrade = 2\n", ":2: duplicate key"),
        ("c.toml", "\ngrade = {}\n", ":2: grade: is table, expected text"),
        ("d.csv", "grade,grade\n1,2\n", ":1: grade is given twice"),
        ("e.csv", "grade\n1,2\n", ":2: has 2 cells, expected 1"),
        ("f.toml", "", "name (姓名): is required"),
    ] {
        let refused = desk.personalise(name, contents, &[]).expect(2);
        assert!(refused.err.contains(reason), "{name}: {}", refused.err);
        assert_eq!(refused.out, "");
    }
    std::fs::write(desk.path("gbk.csv"), b"name\n\xD5\xC5\xC8\xFD\n").unwrap();
    let gbk = desk.path("gbk.csv").display().to_string();
    let refused = desk.reader("personalise", &["--pupil", &gbk]).expect(2);
    assert!(refused.err.contains("line 2 is not UTF-8"), "{}", refused.err);
}

#[test]
fn a_pupil_can_come_from_standard_input() {
    let desk = Desk::new("cpu-aes");
    let personalise = ["reader", "personalise", "--target", &desk.target(), "--pupil", "-"];
    run_with(&personalise, &Desk::example("pupil.toml")).expect(0);
}

#[test]
fn a_seed_makes_a_run_repeatable_and_verbose_shows_it() {
    let trace = || {
        let desk = Desk::new("cpu-aes");
        run(&["reader", "personalise", "--target", &desk.target(), "--seed", "9", "-v"]).expect(0)
    };
    let (first, second) = (trace(), trace());
    assert_eq!(first.err, second.err);
    assert!(first.err.contains("\n> 0CD6"), "{}", first.err);
    assert!(first.err.contains("fictional pupil"));
    assert!(!first.err.contains("张三\n>"), "the trace shows protected data only");
}

#[test]
fn a_key_is_rolled_over() {
    let desk = Desk::new("cpu-sm4");
    let versions = |run: Run| run.expect(0).object()["versions"].clone();
    let loaded = versions(desk.reader("load-key", &["--key", "1", "--version", "2"]));
    assert_eq!(loaded, serde_json::json!([1, 2]));
    desk.reader("read", &[]).expect(0);
    assert_eq!(versions(desk.reader("retire-key", &["--key", "1"])), serde_json::json!([2]));
    let old = desk.reader("load-key", &["--key", "1", "--version", "1"]).expect(1).object();
    assert!(old["refused"].as_str().unwrap().contains("6A80"), "{old}");
    desk.reader("load-key", &["--key", "7", "--version", "2"]).expect(2);
    // Keys are the city's (操作规程 二/六).
    for unit in ["084012", "054020", "080000"] {
        for command in
            [&["load-key", "--key", "2", "--version", "2"][..], &["retire-key", "--key", "1"]]
        {
            let refused = desk.reader(command[0], &[&command[1..], &["--sam-unit", unit]].concat());
            let refused = refused.expect(1).object()["refused"].to_string();
            let reason = format!("is for the city alone (6982), not for unit {unit}");
            assert!(refused.contains(&reason), "{refused}");
        }
    }
    let city = ["--key", "2", "--version", "2", "--sam-unit", "000000"];
    assert_eq!(versions(desk.reader("load-key", &city)), serde_json::json!([1, 2]));
}
