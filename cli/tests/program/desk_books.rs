//! `desk allocation`, `desk waste`, `desk stock`, `desk slip`, `desk register`, and
//! `reader open-sector --register`.

use super::support::{self, Desk, Run, run, run_with};

const CARD: &str = "1100260100000014";

const LEDGER: &str = "day,movement,cards,counterpart,slip
2026-08-30,received,1100260100000014..1100260100000188,000000,C1
2026-09-01,handed out,1100260100000014..1100260100000105,084012,J1
2026-09-02,recalled in,1100260100000014,084012,J7
";

const APPLICATIONS: &str = "filing,application,owner,name,filed_by,day
20260001,00A1,084012,食堂,080000,2026-08-20
";

const SAMS: &str = "sam,reader,unit,handed_to,day,withdrawn
0000084012000001,R-0001,084012,080000,2026-08-20,2026-12-31
";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

fn desk(arguments: &[&str]) -> Run {
    run(&[&["desk"], arguments].concat())
}

#[test]
fn schools_get_their_cards() {
    let folder = Folder::new();
    let csv = "unit,pupils,held,ordered_back\n084012,1200,0,\n084013,1200,1300,\n";
    let file = folder.file("schools.csv", csv);
    let text = desk(&["allocation", &file]).expect(0).out;
    assert!(text.contains("unit 084012: 1200 pupils 学生, 96 spare (8 %) 备用, 0 held 已发: hand out 应发 1296, recall 应回收 0\n"), "{text}");
    let objects = desk(&["allocation", "--json", "--unit", "080000", &file]).expect(0).objects();
    let told: Vec<_> = objects
        .iter()
        .map(|o| (o["unit"].as_str(), o["hand_out"].as_u64(), o["recall"].as_u64()))
        .collect();
    assert_eq!(
        told,
        [
            (Some("084012"), Some(1296), Some(0)),
            (Some("084013"), Some(0), Some(4)),
            (Some("080000"), Some(1296), Some(4)),
        ]
    );
    let csv = run_with(&["desk", "allocation", "--csv", "-"], csv).expect(0).out;
    assert_eq!(csv.lines().next(), Some("unit,pupils,spare,held,hand_out,recall"));
    assert_eq!(csv.lines().count(), 5);

    let other = desk(&["allocation", "--unit", "050000", &file]).expect(1);
    assert!(other.err.contains("schools.csv: 2 errors\n"), "{}", other.err);
    assert!(
        other.err.contains("schools.csv:3: unit: unit 084013 is no school of 050000"),
        "{}",
        other.err
    );
    assert_eq!(other.out, "");
}

#[test]
fn spoilt_batches_are_found() {
    let folder = Folder::new();
    let file = folder.file("waste.csv", "unit,batch,cards,wasted\n084012,2026-1,1000,30\n");
    assert!(desk(&["waste", &file]).expect(0).out.contains("30 of 1000 cards are waste, 3.00 %\n"));
    let file = folder.file("waste.csv", "unit,batch,cards,wasted\n084012,2026-1,1000,31\n");
    let found = desk(&["waste", "--json", &file]).expect(1).objects();
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|waste| waste["liable"] == true && waste["percent"] == "3.10"));
    let text = desk(&["waste", &file]).expect(1).out;
    assert!(text.contains("3.10 %, above 3 %: liable 承担经济责任\n"), "{text}");
}

#[test]
fn a_ledger_tells_what_is_in_stock() {
    let folder = Folder::new();
    let ledger = folder.file("ledger.csv", LEDGER);
    let of = |verb: &str, more: &[&str]| {
        let district = ["stock", verb, &ledger, "--unit", "080000"];
        desk(&[&district[..], more].concat())
    };
    let balance = of("balance", &["--date", "2026-09-01"]).expect(0).out;
    assert_eq!(balance, "received 领取入库: 18\nhanded out 下发出库: 10\nin stock 库存: 8\n");
    let cards = of("cards", &["--date", "2026-09-02", "--json"]).expect(0).objects();
    assert_eq!((cards.len(), &cards[0]["movement"]), (9, &"recalled in".into()));

    let overdue = ["--date", "2026-09-30", "--json"];
    let found = of("overdue", &overdue).expect(1).object();
    assert_eq!((&found["count"], &found["due"]), (&8.into(), &"2026-09-11".into()));
    assert_eq!(found["cards"], "1100260100000113..1100260100000188");
    of("overdue", &[&overdue[..], &["--keep", "8"]].concat()).expect(0);
    of("overdue", &["--date", "2026-09-11"]).expect(0);
    let warned = of("overdue", &["--date", "2027-09-30"]).expect(1);
    assert!(warned.err.contains("the holidays of 2027 are not known"), "{}", warned.err);

    let all = "cards\n1100260100000014\n1100260100000113..1100260100000188\n";
    let counted = folder.file("counted.csv", all);
    let count = ["--date", "2026-09-02", "--counted", &counted];
    assert_eq!(of("count", &count).expect(0).out, "in stock 库存: 9\n");
    folder.file("counted.csv", &all.replace("1100260100000014\n", ""));
    let differs = of("count", &count).expect(1);
    assert!(
        differs.err.contains("8 cards counted, expected 9; missing 1: 1100260100000014"),
        "{}",
        differs.err
    );
}

#[test]
fn a_ledger_with_a_card_too_many_or_too_few_is_refused() {
    let folder = Folder::new();
    let with = |line: &str| {
        let file = folder.file("ledger.csv", &format!("{LEDGER}{line}\n"));
        desk(&["stock", "balance", &file, "--unit", "080000"]).expect(1).err
    };
    for (line, told) in [
        (format!("2026-09-03,received,{CARD},000000,"), "cards: taken in although in stock: "),
        (
            "2026-09-03,handed out,1100260100000022,084012,".into(),
            "cards: go out without being in stock: ",
        ),
        (
            "2026-09-03,handed out,1100260100000121,051001,".into(),
            "counterpart: expected a unit one level down",
        ),
        (
            format!("2026-09-03,personalised,{CARD},,"),
            "movement: personalised (个人化出库) does not happen at unit 080000",
        ),
        ("2026-09-02,recalled in,1100260100000014,084012,J7".into(), "day: line 4 says the same"),
    ] {
        let err = with(&line);
        assert!(err.contains(&format!("ledger.csv:5: {told}")), "{err}");
    }
}

#[test]
fn cards_go_down_with_a_slip() {
    let folder = Folder::new();
    let ledger = folder.file("ledger.csv", LEDGER);
    let make = |slip: &str| {
        let make = ["slip", "make", &ledger, "--unit", "080000", "--slip", slip];
        desk(&make)
    };
    let slip = make("J1").expect(0).out;
    assert_eq!(
        slip,
        "slip,day,from,to,movement,cards,count\n\
         J1,2026-09-01,080000,084012,6,1100260100000014..1100260100000105,10\n"
    );
    assert!(make("J9").expect(1).err.contains("no cards leave the stock of unit 080000"));

    let slip = folder.file("slip.csv", &slip);
    let check = |counted: &str| {
        let counted = folder.file("counted.csv", counted);
        desk(&["slip", "check", &slip, "--counted", &counted, "--date", "2026-09-03"])
    };
    let received = check("cards\n1100260100000014..1100260100000105\n").expect(0).out;
    let school = folder.file("school.csv", &received);
    let balance = desk(&["stock", "balance", &school, "--unit", "084012"]).expect(0).out;
    assert_eq!(balance, "received 领取入库: 10\nin stock 库存: 10\n");
    let differs = check("cards\n1100260100000014..1100260100000097\n").expect(1);
    assert!(differs.err.contains("make the slip anew (操作规程 一/九(四)): 9 cards counted, expected 10; missing 1: 1100260100000105\n"), "{}", differs.err);
    assert_eq!(differs.out, "");
    let twice = check(&format!("cards\n{CARD}\n{CARD}\n")).expect(1);
    assert!(
        twice.err.contains("counted.csv:3: cards: card 1100260100000014 stands there twice"),
        "{}",
        twice.err
    );
}

#[test]
fn registers_are_looked_up() {
    let folder = Folder::new();
    let (applications, sams) =
        (folder.file("applications.csv", APPLICATIONS), folder.file("sams.csv", SAMS));
    let application = |filing: &str, owner: &str| {
        let check = ["register", "check", "--applications", &applications, "--filing", filing];
        let rest = ["--application", "00a1", "--owner", owner, "--date", "2026-09-01", "--json"];
        desk(&[&check[..], &rest].concat())
    };
    assert_eq!(application("20260001", "084012").expect(0).object()["name"], "食堂");
    assert!(
        application("20260002", "084012")
            .expect(1)
            .err
            .contains("no application is filed under 20260002")
    );
    assert!(
        application("20260001", "080000")
            .expect(1)
            .err
            .contains("filed for unit 084012, not for 080000")
    );
    let sam = |more: &[&str]| {
        let check = ["register", "check", "--sams", &sams, "--sam", "0000084012000001"];
        desk(&[&check[..], more].concat())
    };
    assert!(sam(&["--date", "2026-09-01"]).expect(0).out.contains("handed_to: 080000\n"));
    assert!(sam(&["--date", "2026-12-31"]).expect(1).err.contains("was withdrawn on 2026-12-31"));
    assert!(
        sam(&["--date", "2026-09-01", "--unit", "084013"])
            .expect(1)
            .err
            .contains("belongs to unit 084012")
    );
    desk(&["register", "check", "--applications", &applications]).expect(2);
    desk(&["register", "check"]).expect(2);
}

#[test]
fn a_sector_is_opened_to_a_filed_application_only() {
    let desk = Desk::new("cpu-aes");
    let (target, register) = (desk.target(), desk.file("applications.csv", APPLICATIONS));
    run(&["reader", "personalise", "--target", &target, "--date", "2026-09-01"]).expect(0);
    let open = |filing: &str, register: &str| {
        let open = ["reader", "open-sector", "--target", &target, "--date", "2026-09-01"];
        let what = ["--sector", "1", "--application", "00A1", "--filing", filing];
        run(&[&open[..], &what, &["--register", register]].concat())
    };
    let before = std::fs::read(desk.path("card.img")).unwrap();
    assert!(
        open("20260002", &register)
            .expect(1)
            .err
            .contains("no application is filed under 20260002")
    );
    open("20260001", "none.csv").expect(2);
    assert_eq!(std::fs::read(desk.path("card.img")).unwrap(), before);
    open("20260001", &register).expect(0);
    assert_ne!(std::fs::read(desk.path("card.img")).unwrap(), before);
}

/// Every desk file that cannot be read: by file, line and field, and nothing is printed of it.
#[test]
fn unusable_files_are_told_with_what_was_expected() {
    let folder = Folder::new();
    let file = folder.file("x.csv", "");
    let counted = folder.file("counted.csv", "cards\n1100260100000014\n");
    let verbs: [&[&str]; 7] = [
        &["allocation", &file],
        &["waste", &file],
        &["stock", "balance", &file, "--unit", "080000"],
        &["slip", "make", &file, "--unit", "080000", "--slip", "J1"],
        &["slip", "check", &file, "--counted", &counted],
        &["register", "check", "--sams", &file, "--sam", "0000084012000001"],
        &[
            "register",
            "check",
            "--applications",
            &file,
            "--filing",
            "20260001",
            "--application",
            "00A1",
            "--owner",
            "084012",
        ],
    ];
    for verb in verbs {
        let refused = |text: &str, told: &str| {
            folder.file("x.csv", text);
            let run = desk(verb).expect(2);
            assert!(run.err.contains(told), "{verb:?}: {}", run.err);
            assert_eq!(run.out, "");
        };
        refused("", "x.csv:1: no column ");
        refused(
            "084012,1,2\n",
            "x.csv:1: no column is called \"084012\", expected a heading with ",
        );
        refused("unit,unit,colour\n", "x.csv:1: ");
        refused("\u{0}\u{1}", "x.csv:1: no column is called \"\\0\\u{1}\"");
    }
    let ledger = |text: &str| {
        folder.file("x.csv", text);
        desk(&["stock", "balance", &file, "--unit", "080000"]).expect(2).err
    };
    assert!(ledger("day,movement,cards\n").contains("x.csv: has no line below the heading"));
    let err = ledger("day,movement,cards\n2026-13-01,lost,1100260100000015\n");
    assert!(err.contains("x.csv: 3 errors\n"), "{err}");
    for told in [
        "x.csv:2: day: 2026-13-01 is not a day",
        "x.csv:2: movement: \"lost\" is unknown, expected one of 1 (received, 领取入库), 2 (",
        "x.csv:2: cards: card serial ends in 5, expected check digit 4",
    ] {
        assert!(err.contains(told), "{err}");
    }
    let err = ledger("day,movement,cards,slip\n2026-09-01,received,1100260100000014,J\u{7}1\n");
    assert!(err.contains("x.csv:2: slip: control character '\\u{7}' is not allowed"), "{err}");
    desk(&["waste", "no such file.csv"]).expect(2);
}

/// The commands of `docs/desk.md` run as they stand there, and end as it says.
#[cfg(unix)]
#[test]
fn the_page_runs_as_pasted() {
    let told = support::paste("desk.md");
    for words in ["hand out 应发 1296", "31 of 1000 cards", "in stock 库存: 9", "missing 1: "] {
        assert!(told.contains(words), "{words}: {told}");
    }
}
