//! `reader`: the operations of a card's life and of its extension sectors.

use super::support::{Desk, Run, SERIAL, run};

const PUPIL: &str = "0108401222903175";

/// Another card than the one in the reader.
const OTHER: &str = "1100260100000022";

fn reader(desk: &Desk, operation: &str, more: &[&str]) -> Run {
    let target = desk.target();
    let base = ["reader", operation, "--json", "--target", &target, "--date", "2026-10-08"];
    run(&[&base[..], more].concat())
}

/// A card of the example's pupil.
fn active() -> Desk {
    let desk = Desk::new("cpu-aes");
    reader(&desk, "personalise", &["--issued"]).expect(0);
    desk
}

/// What changed: state before, state afterwards, records written.
fn changed(run: Run) -> (String, String, Vec<String>) {
    let object = run.expect(0).object();
    let text = |name: &str| object[name].as_str().unwrap().to_owned();
    let written = object["written"].as_array().unwrap();
    let written = written.iter().map(|record| record.as_str().unwrap().to_owned()).collect();
    (text("before"), text("state"), written)
}

fn refused(run: Run) -> String {
    run.expect(1).object()["refused"].as_str().unwrap().to_owned()
}

/// A list with the loss of the card [`OTHER`], reported at the school.
fn loss(desk: &Desk) -> String {
    list(desk, "1", &format!("{OTHER},loss,2026-10-08\n"))
}

/// A version of the school's list with these reports.
fn list(desk: &Desk, version: &str, reports: &str) -> String {
    let reports = desk.file("reports.csv", &format!("card_serial,kind,reported_date\n{reports}"));
    let list = desk.path(&format!("{version}.list")).display().to_string();
    let edition = ["--scope", "084012", "--version", version, "--date", "2026-10-08"];
    let build = ["list", "build", &*reports, "--keys", "test", "-o", &list];
    run(&[&build[..], &edition[..], &["--time", "18:00:00"]].concat()).expect(0);
    list
}

/// The example's pupil with another valid-until date.
fn temporary_pupil(desk: &Desk, until: &str) -> String {
    let pupil = Desk::example("pupil.toml");
    let line = pupil.lines().find(|line| line.starts_with("valid_until")).unwrap();
    desk.file("temporary.toml", &pupil.replace(line, &format!("valid_until = {until}")))
}

/// The lists that a reader holds decide before anything is written (暂行办法 六(二), 操作规程 四/六).
#[test]
fn a_listed_card_is_refused_or_noted() {
    let desk = active();
    let frozen = list(&desk, "1", &format!("{SERIAL},freeze,2026-10-08\n"));
    let replaced = list(&desk, "2", &format!("{SERIAL},replaced,2026-10-08\n"));
    let open = ["--sector", "1", "--application", "0101", "--filing", "20260001"];
    let before = std::fs::read(desk.card()).unwrap();
    for (operation, more) in [
        ("register", &[][..]),
        ("correct", &[]),
        ("personalise", &[]),
        ("transfer-out", &["--to", "084013"]),
        ("open-sector", &open),
    ] {
        let run = reader(&desk, operation, &[more, &["--list", &frozen]].concat()).expect(1);
        let refused = run.object();
        assert_eq!(refused["reason"], "frozen", "{refused}");
        let text = refused["refused"].as_str().unwrap();
        assert!(text.ends_with("is not possible: the card is on the freeze list"), "{text}");
    }
    assert_eq!(std::fs::read(desk.card()).unwrap(), before);
    // Of two versions of one list the later counts, whatever the order.
    for lists in [[&frozen, &replaced], [&replaced, &frozen]] {
        let both = ["--list", lists[0], "--list", lists[1]];
        let refused = reader(&desk, "register", &both).expect(1).object();
        assert_eq!(refused["reason"], "replaced");
    }
    let read = reader(&desk, "read", &["--list", &frozen]).expect(0).object();
    assert_eq!(read["notes"], serde_json::json!(["frozen"]));
    let done = reader(&desk, "freeze", &["--list", &frozen]).expect(0).object();
    assert_eq!(done["notes"], serde_json::json!(["frozen"]));
    assert_eq!(reader(&desk, "unfreeze", &[]).expect(0).object()["notes"], serde_json::json!([]));
    let recall = ["reader", "recall", "--target", &desk.target(), "--date", "2026-10-12"];
    let out = run(&[&recall[..], &["--list", &frozen]].concat()).expect(0).out;
    assert!(out.contains("\nnote: the card is on the freeze list 已列入冻结名单\n"), "{out}");
    assert!(out.ends_with("is stale; get a newer one 名单已过期，请更新\n"), "{out}");
    reader(&desk, "freeze", &["--list", "nowhere.list"]).expect(2);
}

/// A temporary card is for a loss that stands, and ends with it.
#[test]
fn a_temporary_card_names_the_lost_one() {
    let desk = Desk::new("cpu-aes");
    let (list, pupil) = (loss(&desk), temporary_pupil(&desk, "2026-11-07"));
    let issue =
        |more: &[&str]| reader(&desk, "temporary-issue", &[&["--pupil", &*pupil], more].concat());
    issue(&["--list", &list]).expect(2);
    let none = refused(issue(&["--lost", OTHER]));
    assert!(none.ends_with("expected its loss on a list, but the reader holds none"), "{none}");
    let other = refused(issue(&["--lost", "1100260100000030", "--list", &list]));
    assert!(other.contains("the newest of 2026-10-08, have none of this school"), "{other}");
    // Ten days, a week, and ten working days from 2026-10-25 on.
    let long = refused(issue(&["--lost", OTHER, "--list", &list]));
    assert_eq!(
        long,
        "a temporary card is valid until 2026-11-06 at the latest, not until 2026-11-07: the loss \
         was reported on 2026-10-08"
    );
    temporary_pupil(&desk, "2026-11-06");
    issue(&["--lost", OTHER, "--list", &list]).expect(0);
}

/// A school's reader does not write before what the card has seen; the district's says so.
#[test]
fn a_date_before_the_last_event_is_not_believed() {
    let desk = active();
    let early = ["reader", "freeze", "--json", "--target", &desk.target(), "--date", "2026-10-07"];
    let school = refused(run(&early));
    let reason = "the date 2026-10-07 lies before the card's last event, of 2026-10-08";
    assert!(school.starts_with(reason), "{school}");
    let district = run(&[&early[..], &["--sam-unit", "080000"]].concat()).expect(0).object();
    assert_eq!(district["notes"], serde_json::json!(["records-ahead"]));
}

fn words(before: &str, state: &str, written: &[&str]) -> (String, String, Vec<String>) {
    (before.into(), state.into(), written.iter().map(|&record| record.into()).collect())
}

#[test]
fn each_operation_says_what_changed() {
    let desk = Desk::new("cpu-sm4");
    let personalised = changed(reader(&desk, "personalise", &[]));
    let pupil = ["status", "identity", "enrolment", "personalisation", "log"];
    assert_eq!(personalised, words("initialised", "active", &pupil));
    let registered = changed(reader(&desk, "register", &[]));
    assert_eq!(registered, words("active", "active", &["status", "registration", "log"]));
    assert_eq!(changed(reader(&desk, "register", &[])), words("active", "active", &[]));
    assert_eq!(changed(reader(&desk, "correct", &[])), words("active", "active", &pupil));

    let marked = ["status", "log"];
    let frozen = reader(&desk, "freeze", &["--reason", "left school", "--sam-unit", "080000"]);
    assert_eq!(changed(frozen), words("active", "frozen", &marked));
    let school = refused(reader(&desk, "unfreeze", &[]));
    assert!(school.contains("unfreeze is not for unit 084012"), "{school}");
    let back = reader(&desk, "unfreeze", &["--sam-unit", "080000"]);
    assert_eq!(changed(back), words("frozen", "active", &marked));
    let state = refused(reader(&desk, "transfer-in", &["--new-number", PUPIL]));
    assert_eq!(state, "transfer in is not possible: the card is active");

    let out = run(&["reader", "fault", "--target", &desk.target(), "--date", "2026-10-09"]);
    let out = out.expect(0).out;
    assert!(out.contains("fault 故障登记: active 在用 → fault 故障, counter "), "{out}");
    assert!(out.ends_with("\nwritten: status 状态, log 操作日志\n"), "{out}");
}

#[test]
fn a_pupil_moves_and_comes_back() {
    let desk = active();
    let transfer = ["status", "transfer", "log"];
    let out = reader(&desk, "transfer-out", &["--to", "084013", "--promotion"]);
    assert_eq!(changed(out), words("active", "transferred out", &transfer));
    assert_eq!(
        changed(reader(&desk, "withdraw", &[])),
        words("transferred out", "active", &transfer)
    );
    reader(&desk, "transfer-out", &[]).expect(0);
    // The school of the new number takes the pupil in.
    let taken = reader(&desk, "transfer-in", &["--new-number", "0108401322903175"]);
    assert_eq!(changed(taken), words("transferred out", "transferred in", &transfer));
    let former = refused(reader(&desk, "freeze", &["--sam-unit", "084012"]));
    assert!(former.contains("not for unit 084012"), "{former}");
    let read = reader(&desk, "read", &[]).expect(0).object();
    assert_eq!(read["transfers"][0]["to"], "084013");
    reader(&desk, "transfer-out", &["--to", "080000"]).expect(2);
}

#[test]
fn a_sector_is_opened_used_and_reclaimed() {
    let desk = active();
    let open = ["--sector", "2", "--application", "0101", "--filing", "20260001"];
    let opened = changed(reader(&desk, "open-sector", &open));
    assert_eq!(opened, words("active", "active", &["status", "extension", "log"]));
    let write = ["--sector", "2", "--offset", "4", "--data", "CAFE"];
    reader(&desk, "write-sector", &write).expect(0);
    let bytes = reader(&desk, "read-sector", &["--sector", "2"]).expect(0).object();
    assert!(bytes["bytes"].as_str().unwrap().starts_with("00000000CAFE00"), "{bytes}");
    let stranger = reader(&desk, "read-sector", &["--sector", "2", "--sam-unit", "084013"]);
    assert!(refused(stranger).contains("6982"));
    let recall = refused(reader(&desk, "recall", &[]));
    assert_eq!(recall, "recall is not possible: extension sectors must be reclaimed first");
    reader(&desk, "reclaim-sector", &["--sector", "2"]).expect(0);
    let closed = refused(reader(&desk, "read-sector", &["--sector", "2"]));
    assert_eq!(closed, "extension sector 2 is not open to an application");

    for wrong in [
        ["--sector", "9", "--application", "0101", "--filing", "20260001"],
        ["--sector", "1", "--application", "0000", "--filing", "20260001"],
        ["--sector", "1", "--application", "0101", "--filing", "00000000"],
    ] {
        reader(&desk, "open-sector", &wrong).expect(2);
    }
    reader(&desk, "open-sector", &open[..4]).expect(2);
}

/// Two applications of one school: each has the key of its own sector, with test keys in the program
/// and on cards.
#[test]
fn an_application_unit_works_in_its_own_sector() {
    let desk = active();
    for (sector, application) in [("2", "2002"), ("3", "3003")] {
        let open = ["--sector", sector, "--application", application, "--filing", "20260001"];
        reader(&desk, "open-sector", &open).expect(0);
    }
    let make = |kind: &str, more: &[&str]| {
        let path = desk.path(kind).display().to_string();
        let create = ["card", "create", "--kind", kind, "--profile", "cpu-aes", "-o", &path];
        run(&[&create[..], &["--unit", "084012"], more].concat()).expect(0);
        format!("emu:{path}")
    };
    let sam = make("sam", &["--sectors", "3"]);
    let management = make("management", &["--role", "application", "--sectors", "3"]);
    let cards = ["--sam", &sam, "--management", &management];
    for canteen in [&["--sectors", "3"][..], &["--role", "application", "--sectors", "3"], &cards] {
        works_in_sector_3_alone(&desk, canteen);
    }
    // The school's own management card, and the library's, are for other SAMs.
    for other in [&[][..], &["--sectors", "2"]] {
        let refused = refused(reader(&desk, "freeze", &[&["--sam", &sam], other].concat()));
        assert_eq!(refused, "the management card does not open this SAM");
    }
}

fn works_in_sector_3_alone(desk: &Desk, canteen: &[&str]) {
    let at = |operation: &str, more: &[&str]| {
        reader(desk, operation, &[canteen, &["--sector"], more].concat())
    };
    at("write-sector", &["3", "--data", "CAFE"]).expect(0);
    let bytes = at("read-sector", &["3"]).expect(0).object();
    assert!(bytes["bytes"].as_str().unwrap().starts_with("CAFE00"), "{bytes}");
    at("verdict", &["3", "--application", "3003"]).expect(0);
    let no_key = "the SAM has no key of extension sector 2 of unit 084012";
    assert_eq!(refused(at("read-sector", &["2"])), no_key);
    assert_eq!(refused(at("write-sector", &["2", "--data", "00"])), no_key);
    for (sector, application, reason) in [
        ("2", "2002", "application-key"),
        ("3", "2002", "other-application"),
        ("4", "3003", "sector-closed"),
    ] {
        let verdict = at("verdict", &[sector, "--application", application]).expect(1);
        assert_eq!(verdict.object()["reason"], reason);
    }
    let life = refused(reader(desk, "freeze", canteen));
    assert_eq!(life, "the management card does not grant key K5");
}

#[test]
fn the_sectors_of_an_application_unit_are_named() {
    let desk = Desk::new("cpu-aes");
    for (wrong, complaint) in [
        (&["--role", "application"][..], "--role application needs --sectors"),
        (&["--role", "office", "--sectors", "3"], "--sectors is for --role application"),
        (&["--sectors", "3,9"], "expected sectors from 1 to 8 with commas between them"),
    ] {
        let refused = reader(&desk, "read", wrong).expect(2);
        assert!(refused.err.contains(complaint), "{}", refused.err);
    }
    reader(&desk, "verdict", &["--sector", "3"]).expect(2);
    let student = ["card", "create", "--profile", "cpu-aes", "--serial", "1100070100000017"];
    let refused = run(&[&student[..], &["--sectors", "3", "-o", "never.card"]].concat()).expect(2);
    assert!(refused.err.contains("--sectors is for a SAM or a management card"), "{}", refused.err);
}

#[test]
fn a_card_goes_back_to_stock_and_out_again() {
    let desk = active();
    let recalled = changed(reader(&desk, "recall", &["--reason", "56"]));
    assert_eq!((&*recalled.0, &*recalled.1), ("active", "recalled"));
    assert!(recalled.2.contains(&"identity".to_owned()));
    // The district of the school that recalled it inspects it.
    let stock = changed(reader(&desk, "restock", &[]));
    assert_eq!(stock, words("recalled", "initialised", &["status", "issuance", "log"]));
    let read = reader(&desk, "read", &[]).expect(0).object();
    assert_eq!(read["issuance"]["generation"], "1");
    assert_eq!(read["identity"], serde_json::Value::Null);

    let (list, pupil) = (loss(&desk), temporary_pupil(&desk, "2026-10-31"));
    let issue = ["--issued", "--lost", OTHER, "--list", &list, "--pupil", &pupil];
    let issued = changed(reader(&desk, "temporary-issue", &issue));
    assert_eq!((&*issued.0, &*issued.1), ("initialised", "active"));
    let returned = changed(reader(&desk, "temporary-return", &[]));
    assert_eq!((&*returned.0, &*returned.1), ("active", "initialised"));
    for (operation, state) in [("replace", "initialised"), ("withdraw", "initialised")] {
        assert!(refused(reader(&desk, operation, &[])).ends_with(state));
    }
    let cancelled = changed(reader(&desk, "cancel", &[]));
    assert_eq!(cancelled, words("initialised", "cancelled", &["status", "log"]));
    let replaced = changed(reader(&active(), "replace", &["--reason", "replaced"]));
    assert_eq!((&*replaced.0, &*replaced.1), ("active", "cancelled"));
}

#[test]
fn a_blank_card_is_initialised_by_the_city() {
    let desk = Desk::blank("cpu-aes");
    let early = refused(reader(&desk, "personalise", &[]));
    assert!(early.ends_with("is not possible: the card is blank"), "{early}");
    let school = refused(reader(&desk, "initialise", &["--sam-unit", "084012"]));
    assert_eq!(school, "the management card does not grant key K0");
    let initialised = changed(reader(&desk, "initialise", &[]));
    assert_eq!(initialised, words("blank", "initialised", &["status", "log"]));
    let again = refused(reader(&desk, "initialise", &[]));
    assert_eq!(again, "initialise is not possible: the card is initialised");
    reader(&desk, "personalise", &[]).expect(0);

    let none = ["card", "create", "--kind", "psam", "--blank", "-o", "never.card"];
    assert!(run(&none).expect(2).err.contains("only a student card can be blank"));
}
