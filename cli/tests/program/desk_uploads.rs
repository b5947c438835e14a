//! `desk uploads`, and `reader personalise --uploads`.

use super::support::{Desk, Run, SERIAL, run, run_with};

const SCHOOL: &str = "084012";
const LOST: &str = "1100260100000022";

const RECORDS: &str = "\
card_serial,student_number,record_type,name,sex,birth_date,school_name,grade,valid_until,personalised_on,terminal,count,temporary,lost_card,ended_on
1100260100000022,0108401222903183,正式,李四,女,2011-05-04,北京市示范第一中学,10,2029-08-31,2026-09-01,00000001,1,,,
1100260100000030,0108401222903183,1,李四,2,2011-05-04,北京市示范第一中学,10,2026-10-10,2026-09-10,00000001,1,true,1100260100000022,
";

impl Desk {
    /// `desk uploads VERB ... -o NAME`, as JSON and with the test keys.
    fn uploads(&self, verb: &str, more: &[&str], scope: &str, version: &str, to: &str) -> Run {
        let to = self.name(to);
        let command = ["desk", "uploads", verb, "--json", "--keys", "test", "-o", &to];
        let day = ["--date", "2026-09-20", "--time", "18:00:00"];
        let edition = ["--scope", scope, "--version", version];
        run(&[&command, &edition[..], &day, more].concat())
    }

    fn build_uploads(&self, csv: &str, to: &str) -> Run {
        let records = self.file(&format!("{to}.csv"), csv);
        self.uploads("build", &[&records], SCHOOL, "1", to)
    }

    fn check(&self, file: &str, more: &[&str]) -> Run {
        let file = self.name(file);
        let check = ["desk", "uploads", "check", "--json", "--keys", "test", &file];
        run(&[&check, more].concat())
    }
}

#[test]
fn records_become_a_file_and_come_back_as_csv() {
    let desk = Desk::new("cpu-aes");
    let built = desk.build_uploads(RECORDS, "a").expect(0).object();
    assert_eq!((&built["records"], &built["cards"]), (&2.into(), &2.into()));
    let show = |more: &[&str]| {
        run(&[&["desk", "uploads", "show", "--keys", "test", &desk.name("a")], more].concat())
    };
    let shown = show(&["--json"]).expect(0).objects();
    assert_eq!(shown[1]["name"], "李四");
    assert_eq!(shown[2]["lost_card"], LOST);
    assert_eq!(shown[2]["uploaded_at"], "2026-09-20 18:00:00");
    assert!(show(&[]).expect(0).out.contains("temporary 临时卡 for 1100260100000022"));
    show(&["--card", "1100260100000048"]).expect(1);
    let csv = show(&["--csv"]).expect(0).out;
    desk.build_uploads(&csv, "again").expect(0);
    let bytes = |name: &str| std::fs::read(desk.path(name)).unwrap();
    assert_eq!(bytes("a"), bytes("again"));
}

#[test]
fn a_card_is_read_uploaded_merged_and_checked() {
    let desk = Desk::new("cpu-aes");
    let target = desk.target();
    run(&["reader", "personalise", "--target", &target, "--date", "2026-09-01"]).expect(0);
    let record = ["desk", "personalisation", "--csv", "--target", &target];
    let record = run(&[&record[..], &["--date", "2026-09-02", "--time", "09:00:00"]].concat());
    desk.build_uploads(&record.expect(0).out, "school").expect(0);
    desk.check("school", &["--date", "2026-09-20"]).expect(0);
    let school = desk.name("school");
    let merged = desk.uploads("merge", &[&school], "080000", "1", "district").expect(0).object();
    assert_eq!((&merged["scope"], &merged["records"]), (&"080000".into(), &1.into()));
    let late = desk.file("late.csv", &RECORDS.replace("2026-09-01,", "2026-08-19,"));
    let next = ["--base", &school, &late];
    desk.uploads("build", &next, SCHOOL, "2", "next").expect(0);
    let late = desk.check("next", &["--date", "2026-09-20"]).expect(1).objects();
    assert_eq!((&late[1]["finding"], &late[1]["card"]), (&"late".into(), &LOST.into()));
    assert_eq!(late[1]["article"], "操作规程 四/五");
    // A record card has no lost one that it stands in for.
    let lost = ["desk", "personalisation", "--target", &target, "--lost", LOST];
    assert!(run(&lost).expect(2).err.contains("lost_card: must be empty for a card that is not"));
}

#[test]
fn lists_tell_when_a_temporary_card_is_due_back() {
    let desk = Desk::new("cpu-aes");
    desk.build_uploads(RECORDS, "a").expect(0);
    let reports = "card_serial,kind,reported_date,withdrawn_date\n\
                   1100260100000022,loss,2026-09-09,2026-09-15\n";
    let reports = desk.file("reports.csv", reports);
    let list = desk.name("list");
    let build = ["list", "build", &reports, "--scope", SCHOOL, "--version", "1", "--keys", "test"];
    run(&[&build[..], &["--date", "2026-09-20", "-o", &list]].concat()).expect(0);
    desk.check("a", &["--date", "2026-09-20"]).expect(0);
    let due = desk.check("a", &["--date", "2026-09-20", "--list", &list]).expect(1).objects();
    assert_eq!(due[1]["finding"], "still-out");
    assert!(due[1]["detail"].as_str().unwrap().contains("2026-09-15: the lost card was found"));
    let back = RECORDS.replace(",true,1100260100000022,", ",true,1100260100000022,2026-09-16");
    desk.build_uploads(&back, "back").expect(0);
    desk.check("back", &["--date", "2026-09-20", "--list", &list]).expect(0);
}

#[test]
fn wrong_records_are_told_by_file_line_and_field() {
    let desk = Desk::new("cpu-aes");
    let heading = RECORDS.lines().next().unwrap();
    for (csv, expected) in [
        (String::new(), "x.csv:1: no column card_serial"),
        (RECORDS.lines().skip(1).collect::<Vec<_>>().join("\n"), "x.csv:1: no column card_serial"),
        (format!("{heading}\n"), "x.csv: there is no record; --empty makes a file without"),
        (RECORDS.replace("terminal,", "terminals,"), "x.csv:1: no column terminal"),
        (RECORDS.replace(",ended_on", ",end"), "x.csv:1: unknown field `end`"),
        (
            RECORDS.replace(",2,2011", ",7,2011"),
            "x.csv:3: sex: \"7\" is not in the code table of Sex",
        ),
        (RECORDS.replace(",2,2011", ",7,2011"), "1 (male, 男), 2 (female, 女)"),
        (RECORDS.replace("0000022,0108", "0000023,0108"), "x.csv:2: card_serial: "),
        (
            RECORDS.replace(",true,", ",yes,"),
            "x.csv:3: temporary: is \"yes\", expected true or false",
        ),
        (RECORDS.replace(",true,", ",,"), "x.csv:3: lost_card: must be empty"),
        (RECORDS.replace(",1,true", ",0,true"), "x.csv:3: count: must not be zero"),
        (
            RECORDS.replace(",1,true", ",+1,true"),
            "x.csv:3: count: \"+1\" is no whole number of at most 65535",
        ),
        (RECORDS.replace(",lost_card", ",temporary"), "x.csv:1: duplicate field `temporary`"),
        (
            format!("{RECORDS}{}\n", RECORDS.lines().nth(1).unwrap().replace(",10,", ",11,")),
            "x.csv:4: says otherwise than line 2 of the same personalisation, expected one of them",
        ),
        (RECORDS.replace("2026-09-10,", "2026-09-31,"), "x.csv:3: personalised_on: "),
        (
            RECORDS.replace("2026-09-10,", "2026-09-21,"),
            "x.csv:3: uploaded_at: is 2026-09-20, before",
        ),
    ] {
        let refused = desk.build_uploads(&csv, "x").expect(2);
        assert!(refused.err.contains(expected), "{expected}: {}", refused.err);
        assert!(!desk.path("x").exists(), "{expected}: nothing is half-written");
    }
    let other = format!("{heading},personalised_by\n{},084013\n", RECORDS.lines().nth(1).unwrap());
    let other = desk.build_uploads(&other, "x").expect(2);
    let expected = "x.csv:2: personalised_by: is 084013, outside the unit 084012 of the file";
    assert!(other.err.contains(expected), "{}", other.err);
}

#[test]
fn files_that_are_not_what_they_say_are_refused() {
    let desk = Desk::new("cpu-aes");
    desk.build_uploads(RECORDS, "a").expect(0);
    let file = desk.name("a");
    let exists = desk.build_uploads(RECORDS, "a").expect(4);
    assert!(exists.err.contains("exists"), "{}", exists.err);
    // The next version has to be one, and of this unit.
    let records = desk.name("a.csv");
    let next = ["--base", &*file, &records];
    let stale = desk.uploads("build", &next, SCHOOL, "1", "next").expect(2);
    assert!(stale.err.contains("version 1 does not follow version 1"), "{}", stale.err);
    let other = desk.uploads("build", &next, "084013", "2", "next").expect(2);
    assert!(other.err.contains("084013"), "{}", other.err);
    let outside = desk.uploads("merge", &[&file], "050000", "1", "next").expect(2);
    assert!(outside.err.contains("unit 084012, expected unit 050000"), "{}", outside.err);
    assert!(!desk.path("next").exists());

    let bytes = std::fs::read(&file).unwrap();
    let given = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = bytes.clone();
        change(&mut bytes);
        std::fs::write(desk.path("bad"), bytes).unwrap();
        desk.check("bad", &["--date", "2026-09-20"])
    };
    let refused = |run: Run, code: i32, expected: &str| {
        let run = run.expect(code);
        assert!(run.err.contains("bad: ") && run.err.contains(expected), "{expected}: {}", run.err);
    };
    refused(given(&|bytes| *bytes.last_mut().unwrap() ^= 1), 4, "not authentic: its MAC");
    refused(given(&|bytes| bytes.truncate(0)), 2, "0 bytes are no header");
    refused(given(&|bytes| bytes.truncate(47)), 2, "47 bytes are no header");
    refused(given(&|bytes| drop(bytes.drain(..48))), 2, "this is no list file");
    refused(given(&|bytes| bytes.truncate(300)), 2, "has 300 bytes, but its header says 416");
    refused(
        given(&|bytes| bytes[48 + 32] = 7),
        2,
        "entry 0: sex: code 07 is not in the code table",
    );
    refused(given(&|bytes| bytes[3] = b'L'), 2, "expected a file of personalisation uploads");
    let list = run(&["list", "show", "--keys", "test", &file]).expect(2);
    assert!(list.err.contains("file of personalisation uploads, expected a loss"), "{}", list.err);
}

#[test]
fn a_reader_asks_the_uploads_first() {
    let desk = Desk::new("cpu-aes");
    let (target, pupil) = (desk.target(), desk.file("pupil.toml", &Desk::example("pupil.toml")));
    // What the school uploaded of another card of this pupil.
    run(&["reader", "personalise", "--target", &target, "--date", "2026-09-01", "--pupil", &pupil])
        .expect(0);
    let record = ["desk", "personalisation", "--csv", "--target", &target];
    let record = run(&[&record[..], &["--date", "2026-09-02"]].concat()).expect(0).out;
    desk.build_uploads(&record.replace(SERIAL, LOST), "uploads").expect(0);
    let second = Desk::new("cpu-aes");
    let (uploads, target) = (desk.name("uploads"), second.target());
    let ask = |more: &[&str]| {
        let personalise = ["reader", "personalise", "--target", &target, "--date", "2026-09-21"];
        run(&[&personalise[..], &["--pupil", &pupil, "--uploads", &uploads], more].concat())
    };
    let before = std::fs::read(second.path("card.img")).unwrap();
    let refused = ask(&[]).expect(1);
    assert!(refused.err.contains(&format!("has a card in use, {LOST}")), "{}", refused.err);
    assert_eq!(std::fs::read(second.path("card.img")).unwrap(), before, "nothing is written");
    let reports = format!("card_serial,kind,reported_date\n{LOST},replaced,2026-09-20\n");
    let list = desk.name("list");
    let build = ["list", "build", "-", "--scope", SCHOOL, "--version", "1", "--keys", "test"];
    run_with(&[&build[..], &["--date", "2026-09-20", "-o", &list]].concat(), &reports).expect(0);
    ask(&["--list", &list]).expect(0);
}

/// The commands of `docs/uploads.md` run as they stand there, and end as it says.
#[cfg(unix)]
#[test]
fn the_page_runs_as_pasted() {
    let told = super::support::paste("uploads.md");
    for words in ["2 personalisations 个人化 of 2 cards", "has a card in use, 1100260100000014"]
    {
        assert!(told.contains(words), "{words}: {told}");
    }
}
