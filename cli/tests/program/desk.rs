//! `desk`.

use super::support::{Desk, Run, SERIAL, run};

#[test]
fn a_personalisation_is_uploaded() {
    let desk = Desk::new("cpu-aes");
    let target = desk.target();
    let record =
        |more: &[&str]| run(&[&["desk", "personalisation", "--target", &target], more].concat());
    let none = record(&["--json"]).expect(1);
    assert!(none.err.contains("no pupil is on the card: it is initialised"), "{}", none.err);

    let personalise = ["reader", "personalise", "--target", &target, "--date", "2026-09-01"];
    run(&[&personalise[..], &["--issued"]].concat()).expect(0);
    let upload = record(&["--json"]).expect(0).object();
    for (field, value) in [
        ("card_serial", SERIAL),
        ("student_number", "0108401222903175"),
        ("name", "张三"),
        ("unit", "084012"),
        ("personalised_on", "2026-09-01"),
        ("upload_by", "2026-10-01"),
        ("terminal", "00000001"),
    ] {
        assert_eq!(upload[field], value, "{field}");
    }
    assert_eq!((&upload["issued"], &upload["temporary"]), (&true.into(), &false.into()));

    let csv = record(&["--csv"]).expect(0).out;
    let lines: Vec<_> = csv.lines().map(|line| line.split(',').collect::<Vec<_>>()).collect();
    assert_eq!(lines.len(), 2);
    let fields: Vec<_> = upload.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(lines[0], fields);
    assert!(lines[1].contains(&"张三") && lines[1].contains(&"2026-10-01"));
    assert!(record(&[]).expect(0).out.contains("name: 张三\n"));
}

fn fault(more: &[&str]) -> Run {
    let sheet = ["desk", "fault", "--json", "--card", SERIAL, "--unit", "084012"];
    let day = ["--occasion", "个人化失败", "--date", "2026-09-01"];
    run(&[&sheet[..], &day, more].concat())
}

#[test]
fn a_fault_sheet_goes_up() {
    let sheet = fault(&["--description", "no answer"]).expect(0).object();
    assert_eq!((&sheet["occasion"], &sheet["city_found"]), (&"1".into(), &serde_json::Value::Null));
    let up = ["--district", "2026-09-03=1", "--city", "2026-09-10=1"];
    let sheet = fault(&up).expect(0).object();
    assert_eq!(
        (&sheet["city_tested_on"], &sheet["city_found"]),
        (&"2026-09-10".into(), &"1".into())
    );
    let refused = fault(&["--district", "2026-09-03=3", "--city", "2026-09-10=1"]).expect(1);
    assert!(refused.err.contains("not confirmed by the level below"), "{}", refused.err);
    fault(&["--city", "2026-09-10=1"]).expect(2);
    fault(&["--district", "2026-09-03"]).expect(2);
}

#[test]
fn unused_stock_goes_back() {
    let desk = Desk::new("cpu-aes");
    let target = desk.target();
    let recall = |unit: &str| {
        let line = ["desk", "recall", "--json", "--target", &target, "--unit", unit];
        run(&[&line[..], &["--date", "2026-09-01"]].concat())
    };
    let line = recall("084012").expect(0).object();
    assert_eq!((&line["district"], &line["passed"]), (&"080000".into(), &true.into()));
    assert_eq!(line["recalled_on"], serde_json::Value::Null);
    assert!(recall("080000").expect(1).err.contains("is no school"));
    run(&["reader", "personalise", "--target", &target, "--date", "2026-09-01"]).expect(0);
    let used = recall("084012").expect(1);
    assert!(used.err.contains("is active, expected recalled"), "{}", used.err);
}

#[test]
fn a_replacement_is_applied_for_in_time() {
    let desk = Desk::new("cpu-aes");
    let pupil = desk.file("pupil.toml", &Desk::example("pupil.toml"));
    let form = |cause: &str, day: &str, more: &[&str]| {
        let form = ["desk", "replacement", "--json", "--pupil", &pupil, "--card", SERIAL];
        let about = ["--cause", cause, "--since", "2026-09-01", "--date", day];
        run(&[&form[..], &about, more].concat())
    };
    let early = form("lost", "2026-09-10", &[]).expect(1);
    assert!(early.err.contains("can be replaced from 2026-09-11"), "{}", early.err);
    let lost = form("丢失", "2026-09-11", &[]).expect(0).object();
    assert_eq!((&lost["fee_yuan"], &lost["fee_code"]), (&15.into(), &"174011".into()));
    assert_eq!((&lost["apply_by"], &lost["late"]), (&"2026-09-18".into(), &false.into()));
    assert_eq!(lost["hand_out_by"], "2026-09-24");
    assert_eq!(form("lost", "2026-09-19", &[]).expect(0).object()["late"], true);
    assert_eq!(form("3", "2026-09-01", &[]).expect(0).object()["fee_yuan"], 0);
    let done = ["--new-card", "1100260100000022", "--handed-out-on", "2026-09-20"];
    let done = form("damaged", "2026-09-02", &done).expect(0).object();
    assert_eq!(done["new_card"], "1100260100000022");
    form("damaged", "2026-09-02", &["--new-card", "1100260100000022"]).expect(2);
    assert!(form("damaged", "2026-08-31", &[]).expect(1).err.contains("before 2026-09-01"));
    // Once: a list that has the card as replaced ends it.
    let csv = format!("card_serial,kind,reported_date\n{SERIAL},replaced,2026-09-02\n");
    let (csv, list) = (desk.file("reports.csv", &csv), desk.path("list").display().to_string());
    let build = ["list", "build", &csv, "--scope", "084012", "--version", "1", "--keys", "test"];
    run(&[&build[..], &["--date", "2026-09-03", "-o", &list]].concat()).expect(0);
    let given = ["--list", list.as_str()];
    let again = form("damaged", "2026-09-03", &given).expect(1);
    assert!(again.err.contains("was replaced already, as reported on 2026-09-02"), "{}", again.err);
    form("damaged", "2026-09-01", &given).expect(0);
}

#[test]
fn a_rare_character_is_told_to_the_district() {
    let desk = Desk::new("cpu-aes");
    let pupils = desk.file("pupils.csv", &Desk::example("pupils.csv"));
    let sheet = |number: &str, more: &[&str]| {
        let sheet = ["desk", "rare-character", "--pupil", &pupils, "--number", number];
        let about = ["--contact", "李老师", "--date", "2026-09-10"];
        run(&[&sheet[..], &about, more].concat())
    };
    let writing = ["--writing", "上土下口", "--code-point", "U+20BB7"];
    let made = sheet("0108401212904021", &[&writing[..], &["--json"]].concat()).expect(0).object();
    assert_eq!((&made["name_pinyin"], &made["code_point"]), (&"Wang Ji".into(), &"U+20BB7".into()));
    assert_eq!(made["school_name"], "北京市示范第一中学");
    let csv = sheet("0108401212904021", &[&writing[..], &["--csv"]].concat()).expect(0).out;
    assert!(csv.starts_with("student_number,name_pinyin,writing,code_point,school_name,"), "{csv}");
    let refused = sheet("0108401222903175", &writing).expect(1);
    assert!(refused.err.contains("rare_character (生僻字标志) is false"), "{}", refused.err);
    assert!(sheet("0108401212904021", &["--writing", " "]).expect(1).err.contains("writing"));
    let no_character = ["--writing", "上土下口", "--code-point", "U+D800"];
    assert!(sheet("0108401212904021", &no_character).expect(2).err.contains("U+20BB7"));
}

#[test]
fn a_file_adds_districts() {
    let desk = Desk::new("cpu-aes");
    let districts = desk.file("districts.toml", &Desk::example("districts.toml"));
    let sheet = |unit: &str, more: &[&str]| {
        let sheet = ["desk", "fault", "--card", SERIAL, "--occasion", "2", "--unit", unit];
        run(&[&sheet[..], &["--date", "2026-09-01"], more].concat())
    };
    sheet("104012", &[]).expect(0);
    let unknown = sheet("204012", &[]).expect(2);
    assert!(unknown.err.contains("district 20 is not in the table"), "{}", unknown.err);
    assert!(unknown.err.contains("10 燕山地区"), "{}", unknown.err);
    sheet("204012", &["--districts", &districts]).expect(0);
    let pupil = Desk::example("pupil.toml").replace("0108401222903175", "0120401222903175");
    let pupil = desk.file("pupil.toml", &pupil);
    let target = desk.target();
    let personalise = ["reader", "personalise", "--target", &target, "--date", "2026-09-01"];
    let personalise = [&personalise[..], &["--pupil", &pupil]].concat();
    let refused = run(&personalise).expect(2);
    assert!(refused.err.contains("student_number (学籍号): district 20"), "{}", refused.err);
    run(&[&personalise[..], &["--districts", "no such file"]].concat()).expect(2);
    let sample = ["reader", "personalise", "--target", &target, "--districts", "no such file"];
    run(&sample).expect(2);
    run(&[&personalise[..], &["--districts", &districts]].concat()).expect(0);
}
