//! `list`, and `reader verdict --list`.

use super::support::{Desk, Run, SERIAL, run, run_with};

const SCHOOL: &str = "084012";

const REPORTS: &str = "\
card_serial,kind,reported_date,reported_time,effective,reason,withdrawn_date,withdrawn_time
1100260100000014,loss,2026-09-30,16:20:00,,,,
1100260100000022,冻结,2026-09-30,,,52,,
1100260100000030,replaced,2026-09-11,,,55,,
1100260100000048,挂失,2026-09-01,08:00:00,2026-09-02,,2026-09-03,12:00:00
";

impl Desk {
    pub(super) fn name(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// `list VERB ... -o NAME`, as JSON and with the test keys.
    fn list(&self, verb: &str, arguments: &[&str], to: &str) -> Run {
        let to = self.name(to);
        let command = ["list", verb, "--json", "--keys", "test", "-o", &to];
        run(&[&command, arguments].concat())
    }

    fn build(&self, csv: &str, scope: &str, version: &str, day: &str, to: &str) -> Run {
        let reports = self.file(&format!("{to}.csv"), csv);
        let edition = ["--scope", scope, "--version", version, "--date", day, "--time", "18:00:00"];
        self.list("build", &[&[&*reports], &edition[..]].concat(), to)
    }
}

fn folder() -> Desk {
    Desk::new("cpu-aes")
}

#[test]
fn reports_become_a_list_and_come_back_as_csv() {
    let desk = folder();
    let built = desk.build(REPORTS, SCHOOL, "1", "2026-09-30", "a").expect(0);
    assert!(built.err.contains("published TEST keys in use"), "{}", built.err);
    let built = built.object();
    for (field, value) in
        [("entries", 4), ("loss", 1), ("freeze", 1), ("replaced", 1), ("withdrawn", 1)]
    {
        assert_eq!(built[field], value, "{field}");
    }
    let file = desk.name("a");
    let shown = run(&["list", "show", "--json", "--keys", "test", &file]).expect(0).objects();
    assert_eq!(shown.len(), 5);
    // Before the National Day week: the second working day is 9 October (操作规程 四/六).
    assert_eq!((&shown[1]["kind"], &shown[1]["effective"]), (&"loss".into(), &"2026-10-09".into()));
    assert_eq!(shown[2]["effective"], "2026-09-30");
    assert_eq!(shown[4]["withdrawn"], "2026-09-03 12:00:00");

    let csv = run(&["list", "show", "--csv", "--keys", "test", &file]).expect(0).out;
    desk.build(&csv, SCHOOL, "1", "2026-09-30", "again").expect(0);
    let bytes = |name: &str| std::fs::read(desk.path(name)).unwrap();
    assert_eq!(bytes("a"), bytes("again"));

    let card = |serial: &str| run(&["list", "show", "--keys", "test", "--card", serial, &file]);
    assert!(card(SERIAL).expect(0).out.contains("loss 挂失"));
    card("1100260100000055").expect(1);
    // What was written once is not overwritten.
    let again = desk.build(REPORTS, SCHOOL, "2", "2026-09-30", "a").expect(4);
    assert!(again.err.contains("a: "), "{}", again.err);
    // Files that do not go together are named.
    let stale = desk.list("merge", &[&*file, "--scope", SCHOOL, "--version", "1"], "b").expect(2);
    assert!(stale.err.contains("a: version 1 does not follow version 1"), "{}", stale.err);
}

#[test]
fn complaints_name_file_line_and_field() {
    let desk = folder();
    let line = |line: &str| {
        let csv = format!("{}\n{line}\n", REPORTS.lines().next().unwrap());
        let run = desk.build(&csv, SCHOOL, "1", "2026-12-31", "x").expect(2);
        let (_, rest) = run.err.split_once("x.csv:2: ").unwrap_or_else(|| panic!("{run:?}"));
        rest.to_owned()
    };
    assert!(line("1100260100000015,loss,2026-09-01,,,,,").starts_with("card_serial: "));
    assert!(line(",loss,2026-09-01,,,,,").starts_with("card_serial: is required"));
    assert!(line("1100260100000014,lost,2026-09-01,,,,,").starts_with("kind: "));
    assert!(line("1100260100000014,loss,,,,,,").starts_with("reported_date: is required"));
    assert!(line("1100260100000014,loss,2026-02-30,,,,,").starts_with("reported_date: "));
    assert!(line("1100260100000014,loss,2026-09-01,25:00:00,,,,").starts_with("reported_time: "));
    assert!(line("1100260100000014,loss,2026-09-02,,2026-09-01,,,").starts_with("effective: "));
    assert!(line("1100260100000014,loss,2026-09-02,,,xx,,").starts_with("reason: "));
    assert!(line("1100260100000014,loss,2026-09-02,,,,,08:00:00").starts_with("withdrawn_time: "));
    assert!(
        line("1100260100000014,replaced,2026-09-02,,,,2026-09-03,").starts_with("withdrawn_date: ")
    );
    let other = "card_serial,kind,unit,reported_date\n1100260100000014,loss,084013,2026-09-01\n";
    let error = desk.build(other, SCHOOL, "1", "2026-12-31", "y").expect(2).err;
    let expected = "y.csv:2: unit: is 084013, outside the unit 084012 of the list";
    assert!(error.contains(expected), "{error}");
    for (cells, field) in
        [("2027-01-01,,,,,", "reported_date"), ("2026-09-01,,,,2027-01-01,", "withdrawn_date")]
    {
        let error = line(&format!("1100260100000014,freeze,{cells}"));
        let expected = format!("{field}: is 2027-01-01 00:00:00, after the list is issued at 2026");
        assert!(error.starts_with(&expected), "{error}");
    }
    let error = line("1100260100000014,loss,2026-09-01,,,,,,+1");
    assert!(error.starts_with("has 9 cells, expected 8 as in the heading"), "{error}");
    let generation =
        "card_serial,kind,reported_date,generation\n1100260100000014,loss,2026-09-01,+1\n";
    let error = desk.build(generation, SCHOOL, "1", "2026-12-31", "g").expect(2).err;
    assert!(
        error.contains("g.csv:2: generation: \"+1\" is no whole number of at most 255"),
        "{error}"
    );
    let heading = "card_serial,kind,reported_date,colour\n1100260100000014,loss,2026-09-01,red\n";
    let error = desk.build(heading, SCHOOL, "1", "2026-12-31", "z").expect(2).err;
    assert!(error.contains("z.csv:1: unknown field `colour`"), "{error}");
    let stdin = ["list", "build", "-", "--keys", "test", "--scope", SCHOOL, "--version", "1"];
    let to = desk.name("stdin");
    let run = run_with(&[&stdin[..], &["--date", "2026-12-31", "-o", &to]].concat(), REPORTS);
    assert!(run.expect(0).out.contains("4 entries"));
}

/// A year without a table counts weekends and holidays of fixed date, and says so.
#[test]
fn a_year_without_holidays_is_named() {
    let desk = folder();
    let reports =
        desk.file("r.csv", "card_serial,kind,reported_date\n1100260100000014,loss,2026-12-31\n");
    let edition = ["--scope", SCHOOL, "--version", "1", "--date", "2027-01-04"];
    let without = desk.list("build", &[&[&*reports], &edition[..]].concat(), "0").expect(0);
    assert!(without.err.contains("the holidays of 2027 are not known"), "{}", without.err);
    let shown = run(&["list", "show", "--json", "--keys", "test", &desk.name("0")]).objects();
    assert_eq!(shown[1]["effective"], "2027-01-05");
    let holidays = desk.file("holidays", "2027 01-01..01-03 work 01-09\n");
    let with = [&[&*reports, "--holidays", &*holidays], &edition[..]].concat();
    let with = desk.list("build", &with, "a").expect(0);
    assert!(!with.err.contains("holidays"), "{}", with.err);
    let shown = run(&["list", "show", "--json", "--keys", "test", &desk.name("a")]).objects();
    assert_eq!(shown[1]["effective"], "2027-01-05");
    let wrong = desk.file("wrong", "2027 01-01\n2027 01-02\n");
    let with = [&[&*reports, "--holidays", &*wrong], &edition[..]].concat();
    let error = desk.list("build", &with, "b").expect(2).err;
    assert!(error.contains("wrong:2: the year 2027 is given twice"), "{error}");
}

/// Two schools, their district, the city, and a delta for those who had the version before.
#[test]
fn lists_are_merged_compared_and_led_on() {
    let desk = folder();
    let one =
        |serial: &str| format!("card_serial,kind,reported_date\n{serial},freeze,2026-09-01\n");
    desk.build(&one(SERIAL), SCHOOL, "1", "2026-09-02", "a").expect(0);
    desk.build(&one("1100260100000022"), "084013", "1", "2026-09-02", "b").expect(0);
    let [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(|name| desk.name(name));
    let issued = ["--date", "2026-09-03", "--time", "18:00:00"];
    let district = |version| [&["--scope", "080000", "--version", version][..], &issued].concat();
    let merge = |lists: &[&str], version, to: &str| {
        desk.list("merge", &[lists, &district(version)[..]].concat(), to)
    };
    assert_eq!(merge(&[&a], "1", "c").expect(0).object()["entries"], 1);
    assert_eq!(merge(&[&c, &b, &a], "2", "d").expect(0).object()["entries"], 2);
    assert!(merge(&[&c, &b], "1", "x").expect(2).err.contains("version 1 does not follow"));

    let diff = desk.list("diff", &[&c, &d], "e").expect(0).object();
    assert_eq!(
        (&diff["form"], &diff["base"], &diff["entries"]),
        (&"delta".into(), &1.into(), &1.into())
    );
    desk.list("apply", &[&c, &e], "f").expect(0);
    assert_eq!(std::fs::read(&d).unwrap(), std::fs::read(desk.path("f")).unwrap());
    let wrong = desk.list("apply", &[&d, &e], "x").expect(2).err;
    assert!(wrong.contains("the delta starts from version 1, but this is version 2"), "{wrong}");
    assert!(desk.list("apply", &[&c, &d], "x").expect(2).err.contains("a full list"));
    assert!(desk.list("diff", &[&d, &c], "x").expect(2).err.contains("does not follow"));

    let part = ["--scope", SCHOOL, "--version", "9", "--date", "2026-09-03"];
    let part = desk.list("part", &[&[&*d], &part[..]].concat(), "p").expect(0).object();
    assert_eq!((&part["scope"], &part["of"]), (&SCHOOL.into(), &"080000".into()));
    assert_eq!(part["entries"], 2, "any card can be shown at any school");
    let up = desk.list("merge", &[&[&*desk.name("p")], &district("3")[..]].concat(), "x").expect(2);
    assert!(up.err.contains("a part of the list of 080000 for readers"), "{}", up.err);
}

/// A backdated version, and two lists of one version.
#[test]
fn versions_and_times_of_issue_go_forward_together() {
    let desk = folder();
    desk.build(REPORTS, SCHOOL, "2", "2026-10-02", "old").expect(0);
    desk.build(REPORTS, SCHOOL, "3", "2026-10-01", "backdated").expect(0);
    let one = format!("card_serial,kind,reported_date\n{SERIAL},freeze,2026-09-01\n");
    desk.build(&one, SCHOOL, "2", "2026-10-02", "other").expect(0);
    let [old, backdated, other] = ["old", "backdated", "other"].map(|name| desk.name(name));
    let reports = desk.file("one.csv", &one);
    let next = ["--base", &old, "--scope", SCHOOL, "--version", "3", "--date", "2026-10-01"];
    let next = desk.list("build", &[&[&*reports][..], &next].concat(), "x").expect(2).err;
    assert!(next.contains("version 3 was issued at 2026-10-01"), "{next}");
    let district = ["--scope", "080000", "--version", "1", "--date", "2026-10-03"];
    let merge =
        |lists: &[&str]| desk.list("merge", &[lists, &district[..]].concat(), "x").expect(2).err;
    assert!(merge(&[&old, &backdated]).contains("before version 2 at 2026-10-02"));
    assert!(merge(&[&old, &other]).contains("two lists of unit 084012 of version 2"));
    let diff = desk.list("diff", &[&old, &backdated], "x").expect(2).err;
    assert!(diff.contains("go forward together"), "{diff}");
    assert!(!desk.path("x").exists());

    let check = ["list", "check", "--json", "--keys", "test", "--date", "2026-10-02"];
    let check = |lists: &[&str]| run(&[&check, lists].concat());
    check(&[&old, &old]).expect(0);
    for (lists, words) in [([&*old, &backdated], "before version 2"), ([&old, &other], "differ")] {
        let found = check(&lists).expect(1).objects();
        let finding = found.iter().find(|line| line["finding"] == "edition").unwrap();
        let detail = finding["detail"].as_str().unwrap();
        assert!(detail.contains(lists[0]) && detail.contains(words), "{detail}");
        let target = desk.target();
        let both = ["--list", lists[0], "--list", lists[1], "--target", &target];
        let refused = run(&[&["reader", "verdict"][..], &both].concat()).expect(2);
        assert!(refused.err.contains(words), "{}", refused.err);
    }
}

#[test]
fn a_list_of_another_key_is_refused_for_safety() {
    let desk = folder();
    desk.build(REPORTS, SCHOOL, "1", "2026-09-30", "a").expect(0);
    let mut bytes = std::fs::read(desk.path("a")).unwrap();
    // Another version of the key is named than the one that made it.
    bytes[6] = 2;
    std::fs::write(desk.path("b"), &bytes).unwrap();
    let check = |name: &str| run(&["list", "check", "--keys", "test", &desk.name(name)]);
    assert!(check("b").expect(4).err.contains("not authentic"));
    bytes.truncate(60);
    std::fs::write(desk.path("c"), &bytes).unwrap();
    assert!(check("c").expect(2).err.contains("60 bytes"));
    desk.file("d", "something else entirely, but long enough for a header");
    assert!(check("d").expect(2).err.contains("this is no list file"));
    assert!(check("e").expect(2).err.contains('e'));
    let verdict = desk.verdict("2026-09-30", "b").expect(4);
    assert!(verdict.err.contains("not authentic"), "{verdict:?}");
}

#[test]
fn a_check_finds_what_is_old_or_against_the_rules() {
    let desk = folder();
    let csv = "card_serial,kind,reported_date,effective,withdrawn_date\n\
               1100260100000022,loss,2026-09-01,2026-09-03,2026-09-04\n\
               1100260100000022,replaced,2026-09-11,,\n";
    desk.build(csv, SCHOOL, "1", "2026-09-30", "a").expect(0);
    let check =
        |day| run(&["list", "check", "--json", "--keys", "test", "--date", day, &desk.name("a")]);
    let findings = |day| {
        let found = check(day).expect(1).objects();
        found.iter().filter_map(|f| f["finding"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let always = ["withdrawn-replaced"];
    assert_eq!(findings("2026-10-01"), always);
    assert_eq!(findings("2026-10-02"), [&["stale"], &always[..]].concat());
    assert_eq!(findings("2026-09-29"), [&["ahead"], &always[..]].concat());
    desk.build(REPORTS, SCHOOL, "1", "2026-09-30", "b").expect(0);
    run(&["list", "check", "--keys", "test", "--date", "2026-10-01", &desk.name("b")]).expect(0);
}

/// What another school says about a card changes nothing, and is named where lists are merged.
#[test]
fn units_that_disagree_are_named() {
    let desk = folder();
    let heading = "card_serial,kind,reported_date,withdrawn_date\n";
    desk.build(&format!("{heading}{SERIAL},loss,2026-09-01,\n"), SCHOOL, "1", "2026-09-04", "a")
        .expect(0);
    let theirs = format!("{heading}{SERIAL},loss,2026-09-02,2026-09-03\n");
    desk.build(&theirs, "054020", "1", "2026-09-04", "b").expect(0);
    let [a, b, c] = ["a", "b", "c"].map(|name| desk.name(name));
    let city = ["--scope", "000000", "--version", "1", "--date", "2026-09-04"];
    let merged = desk.list("merge", &[&[&*a, &*b], &city[..]].concat(), "c").expect(0).objects();
    assert_eq!((&merged[0]["loss"], &merged[1]["finding"]), (&1.into(), &"units-disagree".into()));
    let check = run(&["list", "check", "--keys", "test", "--date", "2026-09-04", &c]).expect(1);
    assert!(check.out.contains("unit 084012 stands; unit 054020 withdrew"), "{}", check.out);
}

/// A loss takes effect within two working days, a replacement at once; a file without heading or
/// reports is not taken for an empty list.
#[test]
fn what_makes_no_list() {
    let desk = folder();
    let refused = |csv: &str, day| desk.build(csv, SCHOOL, "1", day, "x").expect(2).err;
    let heading = "card_serial,kind,reported_date,effective\n";
    for (kind, effective, limit) in
        [("loss", "2026-09-04", "2026-09-03"), ("replaced", "2026-09-02", "2026-09-01")]
    {
        let csv = format!("{heading}{SERIAL},{kind},2026-09-01,{effective}\n");
        let error = refused(&csv, "2026-12-31");
        assert!(error.contains("x.csv:2: effective: "), "{error}");
        assert!(error.contains(&format!("expected {limit} at the latest")), "{error}");
    }
    let error = refused(&format!("{SERIAL},loss,2026-09-01,\n"), "2026-12-31");
    assert!(error.contains("x.csv:1: no column card_serial, expected a heading"), "{error}");
    for nothing in ["", "\n"] {
        assert!(refused(nothing, "2026-12-31").contains("no column card_serial"), "{nothing:?}");
    }
    assert!(refused(heading, "2026-12-31").contains("--empty"));
    let empty = desk.file("empty.csv", heading);
    let edition = ["--scope", SCHOOL, "--version", "1", "--date", "2026-09-04", "--empty"];
    let none = desk.list("build", &[&[&*empty], &edition[..]].concat(), "y").expect(0).object();
    assert_eq!(none["entries"], 0);
    let full = desk.file("full.csv", REPORTS);
    let edition = ["--scope", SCHOOL, "--version", "1", "--date", "2026-12-31", "--empty"];
    let error = desk.list("build", &[&[&*full], &edition[..]].concat(), "z").expect(2).err;
    assert!(error.contains("holds reports"), "{error}");
}

impl Desk {
    fn verdict(&self, day: &str, list: &str) -> Run {
        let (target, list) = (self.target(), self.name(list));
        let command = ["reader", "verdict", "--json", "--target", &target, "--date", day];
        run(&[&command[..], &["--list", &list]].concat())
    }
}

/// A card that knows nothing of its loss: accepted, accepted with a warning, refused, found again.
#[test]
fn a_reader_refuses_a_listed_card() {
    let desk = folder();
    let target = desk.target();
    for operation in ["personalise", "register"] {
        run(&["reader", operation, "--target", &target, "--date", "2026-09-01"]).expect(0);
    }
    let heading = "card_serial,kind,reported_date,withdrawn_date\n";
    let loss = |withdrawn| format!("{heading}{SERIAL},loss,2026-09-03,{withdrawn}\n");
    let nothing = desk.file("0.csv", heading);
    let first = ["--scope", SCHOOL, "--version", "1", "--date", "2026-09-02", "--empty"];
    desk.list("build", &[&[&*nothing], &first[..]].concat(), "1").expect(0);
    desk.build(&loss(""), SCHOOL, "2", "2026-09-03", "2").expect(0);
    desk.build(&loss("2026-09-08"), SCHOOL, "3", "2026-09-08", "3").expect(0);

    assert_eq!(
        desk.verdict("2026-09-03", "1").expect(0).object()["warnings"],
        serde_json::json!([])
    );
    let stale = desk.verdict("2026-09-04", "1").expect(0).object();
    assert_eq!(stale["warnings"], serde_json::json!(["stale-list"]));
    let reported = desk.verdict("2026-09-04", "2").expect(0).object();
    assert_eq!(reported["warnings"], serde_json::json!(["loss-reported"]));
    assert!(reported["chinese"].as_str().unwrap().contains("挂失尚未生效"));
    // Thursday's report holds on Monday.
    let lost = desk.verdict("2026-09-07", "2").expect(1).object();
    assert_eq!((&lost["reason"], &lost["card"]), (&"lost".into(), &SERIAL.into()));
    let found = desk.verdict("2026-09-08", "3").expect(0).object();
    assert_eq!(found["registered_until"], "2027-03-20");
}

/// A reader without its management card accepts nothing.
#[test]
fn a_locked_reader_says_so() {
    let desk = folder();
    let other = desk.name("management.img");
    let management = ["card", "create", "--kind", "management", "--profile", "cpu-aes"];
    run(&[&management[..], &["--unit", "084013", "-o", &other]].concat()).expect(0);
    let (target, management) = (desk.target(), format!("emu:{other}"));
    let verdict = ["reader", "verdict", "--json", "--target", &target, "--date", "2026-09-01"];
    let verdict =
        run(&[&verdict[..], &["--sam-unit", SCHOOL, "--management", &management]].concat());
    let verdict = verdict.expect(1);
    assert_eq!(verdict.object()["reason"], "reader-locked");
    assert!(verdict.err.contains("management card"), "{}", verdict.err);
}

/// The commands of `docs/lists.md` run as they stand there, and end as it says.
#[cfg(unix)]
#[test]
fn the_page_runs_as_pasted() {
    let told = super::support::paste("lists.md");
    for words in ["refuse: the card is reported lost", "temporary-issue", "registered 已注册"] {
        assert!(told.contains(words), "{words}: {told}");
    }
}
