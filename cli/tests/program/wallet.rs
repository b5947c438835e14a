//! `wallet`.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use serde_json::Value;

use super::support::{Desk, Run, Server, run, run_with};

/// Number of the wallet of the cards.
const NUMBER: &str = "1000260100000014";

/// The first morning of a school year, always the same second.
const MORNING: [&str; 4] = ["--date", "2026-09-01", "--time", "07:30:00"];

fn wallet(target: &str, operation: &str, more: &[&str]) -> Run {
    let command = ["wallet", operation, "--json", "--target", target];
    run(&[&command[..], &MORNING, more].concat())
}

fn done(target: &str, operation: &str, more: &[&str]) -> Value {
    let run = wallet(target, operation, more).expect(0);
    assert!(run.err.contains("published TEST keys in use"), "{run:?}");
    run.object()
}

/// Load, pay and look, on a card fresh from its maker.
fn first_day(target: &str) {
    let load = done(target, "load", &["--amount", "10.00"]);
    assert_eq!((&load["balance"], &load["recovered"]), (&"10.00".into(), &false.into()));
    let paid = done(target, "purchase", &["--amount", "2.50"]);
    assert_eq!((&paid["balance"], &paid["mac2_checked"]), (&"7.50".into(), &true.into()));
    let log = done(target, "log", &[]);
    assert_eq!((&log["card"], &log["balance"]), (&NUMBER.into(), &"7.50".into()));
    let records = log["records"].as_array().unwrap();
    let seen: Vec<_> = records.iter().map(|r| (&r["type"], &r["amount"], &r["sequence"])).collect();
    let expected = [("06", "2.50", 1), ("02", "10.00", 1)]
        .map(|(kind, amount, number)| (kind.into(), amount.into(), number.into()));
    assert_eq!(seen, expected.each_ref().map(|(a, b, c): &(Value, Value, Value)| (a, b, c)));
    assert_eq!(records[0]["date"], "2026-09-01");
    assert_eq!(records[0]["time"], "07:30:00");
    // The proof that the card keeps is that of the purchase.
    let proof = done(target, "prove", &["--sequence", "1"]);
    assert_eq!((&proof["done"], &proof["tac"]), (&true.into(), &paid["tac"]));
    let none = wallet(target, "prove", &["--type", "02", "--sequence", "1"]).expect(1);
    assert_eq!(none.object()["done"], false);
}

#[test]
fn a_card_over_tcp_is_loaded_and_pays() {
    let desk = Desk::new("cpu-aes");
    let server = Server::start(&desk.card(), &[]);
    first_day(&server.target());
    drop(server);
    // The image keeps it.
    assert_eq!(done(&desk.target(), "balance", &[])["balance"], "7.50");
}

#[test]
fn a_card_in_a_file_is_loaded_and_pays() {
    first_day(&Desk::new("cpu-sm4").target());
}

#[test]
fn text_is_for_people() {
    let desk = Desk::new("cpu-aes");
    let say = |operation: &str, more: &[&str]| {
        let target = desk.target();
        let command = ["wallet", operation, "--target", &target];
        run(&[&command[..], &MORNING, more].concat()).expect(0).out
    };
    let expected = format!("wallet {NUMBER}: balance 余额 0.00 yuan, not opened 未开通\n");
    assert_eq!(say("balance", &[]), expected);
    assert!(say("log", &[]).contains("no transaction yet"));
    let loaded = say("load", &["--amount", "10.00"]);
    assert!(loaded.contains("loaded 圈存 10.00 yuan, balance 余额 10.00, number 1, TAC "));
    assert!(say("purchase", &["--amount", "0.05"]).contains("paid 消费 0.05 yuan"));
    let log = say("log", &[]);
    assert!(log.contains("\n  2026-09-01 07:30:00        0.05  type 06 purchase 消费, number 1,"));
    assert!(log.contains("\n  2026-09-01 07:30:00       10.00  type 02 load 圈存, number 1,"));
}

#[test]
fn the_operator_opens_stops_and_refunds() {
    let desk = Desk::new("cpu-aes");
    let target = desk.target();
    let state = |operation: &str| done(&target, operation, &[])["wallet"].clone();
    assert_eq!(state("balance"), "not opened");
    assert_eq!(state("open"), "open");
    done(&target, "load", &["--amount", "3.00"]);
    assert_eq!(state("stop"), "suspended");
    for operation in ["purchase", "load"] {
        let refused = wallet(&target, operation, &["--amount", "1.00"]).expect(1).object();
        assert_eq!((&refused["status"], &refused["wallet"]), (&"6985".into(), &"suspended".into()));
    }
    assert_eq!(state("resume"), "open");
    let unloaded = done(&target, "unload", &["--amount", "1.00"]);
    assert_eq!(unloaded["balance"], "2.00");
    assert!(unloaded.get("tac").is_none() && unloaded["mac3"].is_string());
    let refund = done(&target, "refund", &[]);
    assert_eq!((&refund["refunded"], &refund["wallet"]), (&"2.00".into(), &"closed".into()));
    assert_eq!(done(&target, "refund", &[])["refunded"], "0.00");
    assert_eq!(state("open"), "open");
}

#[test]
fn a_compound_purchase_writes_a_record() {
    let desk = Desk::new("cpu-aes");
    let target = desk.target();
    done(&target, "load", &["--amount", "3.00"]);
    let paid = done(&target, "capp", &["--amount", "1.00", "--record", "2", "--data", "A1 A2"]);
    assert_eq!((&paid["operation"], &paid["balance"]), (&"capp".into(), &"2.00".into()));
    let read = run(&["apdu", "--json", "--target", &target, "00A40000021001", "00B202CC00"]);
    let answers = read.expect(0).objects();
    assert!(answers[1]["response"].as_str().unwrap().starts_with("0202A1A2"), "{answers:?}");
    let refused = wallet(&target, "capp", &["--amount", "1.00", "--record", "9", "--data", "00"]);
    refused.expect(1);
    assert_eq!(done(&target, "balance", &[])["balance"], "2.00");
}

/// The test PSAM has no memory, and yet no number comes twice, within a second either.
#[test]
fn terminal_numbers_do_not_repeat() {
    let desk = Desk::new("cpu-aes");
    let target = desk.target();
    done(&target, "load", &["--amount", "3.00"]);
    let pay = || done(&target, "purchase", &["--amount", "0.10"]);
    let (first, second, third) = (pay(), pay(), pay());
    let number = |paid: &Value| paid["terminal_sequence"].as_u64().unwrap();
    assert_eq!(number(&second), number(&first) + 1);
    assert_eq!(number(&third), number(&second) + 1);
    assert_ne!(first["tac"], second["tac"]);
}

#[test]
fn a_psam_card_counts_for_itself() {
    let desk = Desk::new("cpu-aes");
    let target = desk.target();
    let image = desk.path("psam.img").display().to_string();
    let create = ["card", "create", "--kind", "psam", "--terminal", "3000200000AA", "-o", &image];
    run(&create).expect(0);
    done(&target, "load", &["--amount", "3.00"]);
    let psam = format!("emu:{image}");
    let pay = || done(&target, "purchase", &["--amount", "0.10", "--psam", &psam]);
    let (first, second) = (pay(), pay());
    assert_eq!(
        (&first["terminal"], &first["terminal_sequence"]),
        (&"3000200000AA".into(), &0.into())
    );
    assert_eq!(second["terminal_sequence"], 1);
    // Not a PSAM.
    wallet(&target, "purchase", &["--amount", "0.10", "--psam", "emu:cpu-aes"]).expect(1);
}

#[cfg(unix)]
#[test]
fn the_pin_comes_from_a_secret_source() {
    use std::os::unix::fs::PermissionsExt;
    let desk = Desk::new("cpu-aes");
    let path = desk.file("pin", "654321\n");
    let load = || wallet(&desk.target(), "load", &["--amount", "1.00", "--pin", &path]);
    load().expect(4);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let refused = load().expect(1).object();
    assert_eq!(refused["status"], "63C2", "{refused}");
    let target = desk.target();
    let load = ["wallet", "load", "--target", &target, "--amount", "1.00", "--pin", "-"];
    let traced = run_with(&[&load[..], &["-v"]].concat(), "123456").expect(0);
    assert!(traced.err.contains("\n> 0020000103******\n"), "{}", traced.err);
    let wrong = run_with(&load, "12").expect(2);
    assert!(wrong.err.contains("a PIN is 4 to 12 decimal digits"), "{}", wrong.err);
}

#[test]
fn what_cannot_be_used_is_told_before_the_card_is_touched() {
    let desk = Desk::new("cpu-aes");
    let target = desk.target();
    for (operation, more, reason) in [
        ("load", &["--amount", "10"][..], "two decimals"),
        ("load", &["--amount", "0.00"], "the amount is zero"),
        ("load", &["--amount", "1.00", "--terminal", "01"], "12 hexadecimal digits"),
        ("purchase", &[], "--amount"),
        ("prove", &[], "--sequence"),
        ("prove", &["--doubt", "00"], "what an interrupted command printed"),
        ("prove", &["--type", "0A", "--sequence", "1"], "transaction type"),
        ("capp", &["--amount", "1.00", "--data", "A"], "odd number"),
    ] {
        let refused = wallet(&target, operation, more).expect(2);
        assert!(refused.err.contains(reason), "{}", refused.err);
    }
    let unit = ["--kind", "management", "--profile", "cpu-aes", "--unit", "084012", "-o"];
    let image = desk.path("management.img").display().to_string();
    run(&[&["card", "create"], &unit[..], &[&image]].concat()).expect(0);
    let other = wallet(&format!("emu:{image}"), "balance", &[]).expect(3);
    assert!(other.err.contains("this card has no wallet"), "{}", other.err);
}

/// DEBIT FOR PURCHASE and CREDIT FOR LOAD as they begin on the wire.
const DEBIT: [u8; 4] = [0x80, 0x54, 0x01, 0x00];
const CREDIT: [u8; 4] = [0x80, 0x52, 0x00, 0x00];

/// What a broken road does with the command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Break {
    /// It does not reach the card.
    Before,
    /// The answer does not come back.
    After,
}

/// A road to a served card that breaks at this command, once. With `reopened`, a second connection
/// goes through.
fn broken_road(server: &Server, command: [u8; 4], how: Break, reopened: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let card = server.address.clone();
    thread::spawn(move || {
        let (host, _) = listener.accept().unwrap();
        let road = TcpStream::connect(&card).unwrap();
        forward(host, road, Some((command, how)));
        if reopened {
            let (host, _) = listener.accept().unwrap();
            forward(host, TcpStream::connect(&card).unwrap(), None);
        }
    });
    format!("tcp://{address}")
}

/// Passes frames on until one side closes, or until the command that breaks the road.
fn forward(mut host: TcpStream, mut card: TcpStream, breaks: Option<([u8; 4], Break)>) {
    let (mut back, mut answers) = (host.try_clone().unwrap(), card.try_clone().unwrap());
    let pump = thread::spawn(move || {
        while let Some(frame) = frame(&mut answers) {
            if back.write_all(&frame).is_err() {
                break;
            }
        }
    });
    while let Some(frame) = frame(&mut host) {
        let hit = breaks.filter(|(command, _)| frame[2..].starts_with(command));
        if hit.is_some() {
            // The way back goes first, then the command does or does not.
            host.shutdown(Shutdown::Both).unwrap();
        }
        if hit.is_none_or(|(_, how)| how == Break::After) {
            card.write_all(&frame).unwrap();
        }
        if hit.is_some() {
            break;
        }
    }
    // Whatever was sent is executed before the end of the stream is seen.
    let _ = card.shutdown(Shutdown::Write);
    let _ = pump.join();
    let _ = host.shutdown(Shutdown::Both);
}

/// A frame with its length, or the end.
fn frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut header = [0; 2];
    stream.read_exact(&mut header).ok()?;
    let mut frame = header.to_vec();
    frame.resize(2 + usize::from(u16::from_be_bytes(header)), 0);
    stream.read_exact(&mut frame[2..]).ok()?;
    Some(frame)
}

#[test]
fn a_lost_answer_over_tcp_is_asked_for_again() {
    for (command, operation, moved) in [(DEBIT, "purchase", "7.50"), (CREDIT, "load", "12.50")] {
        for how in [Break::Before, Break::After] {
            let desk = Desk::new("cpu-aes");
            let server = Server::start(&desk.card(), &[]);
            done(&server.target(), "load", &["--amount", "10.00"]);
            let road = broken_road(&server, command, how, true);
            let ended = wallet(&road, operation, &["--amount", "2.50"]);
            let balance = if how == Break::Before {
                let refused = ended.expect(1).object();
                assert_eq!(refused["refused"], "interrupted; the card has not done it");
                "10.00"
            } else {
                let paid = ended.expect(0).object();
                assert_eq!(paid["recovered"], true);
                assert_eq!(paid["mac2_checked"] == true, operation == "purchase");
                moved
            };
            assert_eq!(done(&server.target(), "balance", &[])["balance"], balance);
        }
    }
}

#[test]
fn a_card_that_is_gone_leaves_a_doubt_to_be_settled_later() {
    for (command, operation) in [(DEBIT, "purchase"), (CREDIT, "load")] {
        for how in [Break::Before, Break::After] {
            let desk = Desk::new("cpu-aes");
            let server = Server::start(&desk.card(), &[]);
            done(&server.target(), "load", &["--amount", "10.00"]);
            let road = broken_road(&server, command, how, false);
            let lost = wallet(&road, operation, &["--amount", "2.50"]).expect(3).object();
            assert_eq!((&lost["card"], &lost["amount"]), (&NUMBER.into(), &"2.50".into()));
            let doubt = lost["in_doubt"].as_str().unwrap();

            // Another card tells nothing.
            let other = Desk::new("cpu-aes");
            let image = other.path("other.img").display().to_string();
            let create = ["card", "create", "--profile", "cpu-aes", "--serial", "1100070100000017"];
            run(&[&create[..], &["-o", &image]].concat()).expect(0);
            let wrong = wallet(&format!("emu:{image}"), "prove", &["--doubt", doubt]).expect(1);
            assert!(wrong.out.contains(NUMBER), "{}", wrong.out);

            let is_done = how == Break::After;
            for _ in 0..2 {
                let target = server.target();
                let fate = wallet(&target, "prove", &["--doubt", doubt]);
                let fate = fate.expect(i32::from(!is_done)).object();
                assert_eq!((&fate["done"], &fate["amount"]), (&is_done.into(), &"2.50".into()));
            }
            let balance = match (is_done, operation) {
                (false, _) => "10.00",
                (true, "load") => "12.50",
                (true, _) => "7.50",
            };
            assert_eq!(done(&server.target(), "balance", &[])["balance"], balance);
        }
    }
}
