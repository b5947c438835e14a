//! Readers of several kinds against cards that misbehave: the program itself, and two that believe too
//! much, which this test program plays when it is started once more.

use core::time::Duration;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use serde_json::Value;
use xuejika_card_model::calendar::term_of;
use xuejika_card_model::date::Date;
use xuejika_card_model::management::SamSerial;
use xuejika_card_model::record::TerminalId;
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::Algorithm;
use xuejika_keyscheme::legacy::{Fen, Moment, TerminalId as TerminalNumber};
use xuejika_reader::channel::TcpChannel;
use xuejika_reader::sam::SoftSam;
use xuejika_reader::wallet::psam::SoftPsam;
use xuejika_reader::wallet::{Stopped, Terminal, WalletCard};
use xuejika_reader::{Error, Locked, Stamp};

use crate::support::{Desk, PROGRAM, Run, SERIAL, Server, run};

const RUN: [&str; 4] = ["conformance", "reader", "run", "--json"];

/// Verdict and reason of each case.
fn verdicts(run: &Run) -> BTreeMap<String, (String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let cases = run.objects().into_iter().filter(|object| object["type"] == "case");
    cases.map(|it| (text(&it["id"]), (text(&it["verdict"]), text(&it["reason"])))).collect()
}

/// Ids of the cases with this verdict, without the occasion.
fn with_verdict(verdicts: &BTreeMap<String, (String, String)>, wanted: &str) -> Vec<String> {
    let ids = verdicts.iter().filter(|(_, (verdict, _))| verdict == wanted);
    let mut ids: Vec<_> = ids.map(|(id, _)| id.split('[').next().unwrap().to_owned()).collect();
    ids.dedup();
    ids
}

/// Runs the program as the reader; no case may fail. Gives the units of the cases that pass.
fn own(arguments: &[&str]) -> Vec<String> {
    let run = run(&[&RUN[..], &["--", PROGRAM], arguments].concat()).expect(0);
    let verdicts = verdicts(&run);
    assert_eq!(with_verdict(&verdicts, "fail"), Vec::<String>::new());
    let unit = |id: &String| id.split('-').nth(1).unwrap().to_owned();
    let mut units: Vec<_> = with_verdict(&verdicts, "pass").iter().map(unit).collect();
    units.sort();
    units.dedup();
    units
}

#[test]
fn the_reader_of_the_program_keeps_its_duties() {
    let units =
        own(&["reader", "register", "--target", "{target}", "--management", "{management}"]);
    assert_eq!(units, ["AUTH", "CHANGE", "ISSUE", "SELECT", "SM", "UNLOCK"]);
}

#[test]
fn the_terminal_of_the_program_keeps_its_duties() {
    assert_eq!(own(&["wallet", "purchase", "--amount", "2.50", "--target", "{target}"]), ["PAY"]);
    assert_eq!(own(&["wallet", "load", "--amount", "2.50", "--target", "{target}"]), ["LOAD"]);
}

/// Runs a test of this file as the reader.
fn gullible(name: &str, files: &[&str]) -> Run {
    let myself = std::env::current_exe().unwrap().display().to_string();
    let name = format!("conformance_reader::{name}");
    let reader = ["--", &*myself, &*name, "--exact", "--ignored", "{target}"];
    run(&[&RUN[..], files, &reader].concat()).expect(1)
}

#[test]
fn a_terminal_that_believes_too_much_is_found_out() {
    let desk = Desk::new("cpu-aes");
    let path = |name| desk.path(name).display().to_string();
    let (junit, html) = (path("junit.xml"), path("report.html"));
    let run = gullible("gullible_terminal", &["--junit", &junit, "--html", &html]);
    let found = verdicts(&run);
    let failed = with_verdict(&found, "fail");
    let expected = ["004", "005", "007", "008", "009", "012", "014", "015"];
    assert_eq!(failed, expected.map(|number| format!("READER-PAY-{number}")));
    for (id, why) in [
        ("READER-PAY-004", "success is claimed"),
        ("READER-PAY-007", "success is claimed"),
        ("READER-PAY-009", "done twice"),
        ("READER-PAY-014", "done twice"),
    ] {
        assert!(found[&format!("{id}[first]")].1.contains(why), "{id}: {found:?}");
    }
    let (junit, html) =
        (std::fs::read_to_string(junit).unwrap(), std::fs::read_to_string(html).unwrap());
    assert!(junit.contains("READER-PAY-004[first]") && junit.contains("success is claimed"));
    assert!(html.contains("the card misbehaves") && html.contains("DEBIT FOR PURCHASE"));
}

#[test]
fn a_reader_that_believes_too_much_is_found_out() {
    let found = verdicts(&gullible("gullible_reader", &[]));
    let failed = with_verdict(&found, "fail");
    for id in ["AUTH-003", "AUTH-004", "SM-001", "SM-002", "SM-003", "SM-007", "CHANGE-007"] {
        assert!(failed.contains(&format!("READER-{id}")), "{id}: {failed:?}");
    }
}

#[test]
fn a_reader_that_cannot_work_leaves_all_open() {
    for (command, why) in [
        (
            &[PROGRAM, "wallet", "balance", "--target", "tcp://127.0.0.1:1/{target}"][..],
            "sent nothing",
        ),
        (&[PROGRAM, "apdu", "--target", "{target}", "00B0840001", "00"], "status 2"),
    ] {
        let run = run(&[&RUN[..], &["--filter", "READER-SM-*", "--"], command].concat()).expect(3);
        for (verdict, reason) in verdicts(&run).values() {
            assert_eq!(verdict, "inconclusive");
            assert!(reason.contains(why) || reason.contains("sent nothing"), "{reason}");
        }
    }
    run(&[&RUN[..], &["--", PROGRAM, "list"]].concat()).expect(2);
    run(&[&RUN[..], &["--", "/nowhere/reader", "{target}"]].concat()).expect(2);
}

/// `emulate` serves a card that misbehaves to whoever comes.
#[test]
fn a_card_misbehaves_behind_a_port() {
    let desk = Desk::new("cpu-aes");
    let server = Server::start(&desk.card(), &["--misbehave", "READER-SELECT-003:2"]);
    let target = server.target();
    let select = crate::support::SELECT;
    let run = run(&["apdu", "--json", "--target", &target, select, select]).expect(0);
    let answers: Vec<_> =
        run.objects().iter().map(|it| it["response"].as_str().unwrap().to_owned()).collect();
    assert!(answers[0].contains(SERIAL), "{answers:?}");
    assert_eq!(answers[1], "");
    let listed = crate::support::run(&["conformance", "reader", "list", "--json"]).expect(0);
    assert!(listed.objects().len() >= 70);
}

/// Address of the card, where this program is a reader.
fn target() -> Option<TcpChannel> {
    let address = std::env::args().find_map(|it| Some(it.strip_prefix("tcp://")?.to_owned()))?;
    Some(TcpChannel::connect(&address, Duration::from_secs(20)).unwrap())
}

/// A terminal that takes a success for a payment, and pays again when an answer is lost.
#[test]
#[ignore = "a reader for another test"]
fn gullible_terminal() {
    let at = Moment { date: [0x20, 0x26, 0x09, 0x01], time: [0x07, 0x30, 0x00] };
    let number = TerminalNumber([0, 0, 0, 0, 0, 1]);
    let mut terminal = Terminal::new(SoftPsam::test(number).unwrap()).unwrap();
    for _ in 0..3 {
        let Some(channel) = target() else { return };
        let Ok(mut wallet) = WalletCard::select(channel) else { continue };
        let begun = wallet.initialise_purchase(Fen(250), number, false).unwrap();
        match begun.debit(&mut terminal, at) {
            Ok(_) | Err(Stopped::NotGenuine { .. }) => return,
            Err(Stopped::InDoubt { .. }) => {}
            Err(stopped) => panic!("{stopped}"),
        }
    }
    panic!("the card does not pay");
}

/// The date in Beijing: the cards are personalised on it.
fn today() -> Date {
    let since =
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(8 * 3600);
    let days = i32::try_from(since.as_secs() / 86_400).unwrap();
    Date::new(1970, 1, 1).unwrap().add_days(days).unwrap()
}

/// A reader to which what its SAM says about a card is nothing but noise.
#[test]
#[ignore = "a reader for another test"]
fn gullible_reader() {
    let Some(channel) = target() else { return };
    let (today, until) = (today(), "2099-12-31".parse().unwrap());
    let unit = "084012".parse().unwrap();
    let serial = SamSerial { unit, number: "000042".parse().unwrap() };
    let sam = SoftSam::test(Algorithm::Aes128, serial, until, ChaCha12Rng::seed_from_u64(1));
    let memory = test_card::management(Algorithm::Aes128, unit, until);
    let mut management = VirtualCard::new(memory, Env::from_seed(2)).unwrap();
    management.power_on().unwrap();
    let mut reader = Locked::new(sam).unlock(&mut management, today).unwrap();
    let time = "08:30:00".parse().unwrap();
    let stamp = Stamp { date: today, time, terminal: TerminalId([0, 0, 0, 7]) };
    let mut card = reader.connect(channel, today).unwrap();
    let (year, term) = term_of(today).unwrap();
    match card.register(year, term, stamp) {
        Ok(_) | Err(Error::Sam(_)) => {}
        Err(error) => panic!("{error}"),
    }
}
