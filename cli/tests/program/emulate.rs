//! `emulate`.

use std::fs;
use std::io::Read;
use std::net::TcpListener;

use super::support::{Desk, PATIENCE, SELECT, SERIAL, Server, run};

#[test]
fn a_served_card_answers_over_tcp() {
    let desk = Desk::new("cpu-aes");
    let server = Server::start(&desk.card(), &[]);
    let answer = run(&["apdu", "--target", &server.target(), SELECT, "--json"]).expect(0).object();
    assert_eq!(answer["status"], "9000");
    server.wait_for("connected to 127.0.0.1:");
    assert!(server.wait_for("disconnected from ").ends_with("the host closed the connection"));
    run(&["apdu", "--target", &server.target(), SELECT]).expect(0);
}

#[test]
fn the_reader_works_over_tcp_and_the_image_keeps_it() {
    let desk = Desk::new("cpu-sm4");
    let server = Server::start(&desk.card(), &[]);
    let operate = |operation: &str, code| {
        let target = server.target();
        run(&["reader", operation, "--target", &target, "--date", "2026-09-01"]).expect(code)
    };
    operate("verdict", 1);
    operate("personalise", 0);
    operate("register", 0);
    operate("verdict", 0);
    drop(server);
    let verdict = ["reader", "verdict", "--target", &desk.target(), "--date", "2027-03-20"];
    run(&verdict).expect(0);
}

#[test]
fn a_volatile_card_leaves_its_image_alone() {
    let desk = Desk::new("cpu-aes");
    let before = fs::read(desk.card()).unwrap();
    let server = Server::start(&desk.card(), &["--volatile"]);
    run(&["reader", "personalise", "--target", &server.target()]).expect(0);
    let read = run(&["reader", "read", "--target", &server.target(), "--json"]).expect(0).object();
    assert_eq!(read["identity"]["name"], "张三");
    drop(server);
    assert_eq!(fs::read(desk.card()).unwrap(), before);
    assert!(!desk.path("card.img.lock").exists());
}

#[test]
fn a_seed_makes_a_served_card_repeatable() {
    let desk = Desk::new("cpu-aes");
    let challenge = || {
        let server = Server::start(&desk.card(), &["--seed", "3"]);
        let commands = [SELECT, "0022C1A40780010183020101", "0084000010"];
        run(&[&["apdu", "--target", &server.target()], &commands[..]].concat()).expect(0).out
    };
    assert_eq!(challenge(), challenge());
}

#[test]
fn one_road_is_needed() {
    let desk = Desk::new("cpu-aes");
    let neither = run(&["emulate", &desk.card()]).expect(2);
    assert!(neither.err.contains("--vpcd") && neither.err.contains("--listen"));
    let both = ["emulate", &desk.card(), "--vpcd", "127.0.0.1:1", "--listen", "127.0.0.1:0"];
    run(&both).expect(2);
    run(&["emulate", &desk.card(), "--listen", "nonsense"]).expect(2);
}

#[test]
fn the_network_is_refused_unless_asked_for() {
    let desk = Desk::new("cpu-aes");
    for road in [["--listen", "0.0.0.0:0"], ["--vpcd", "192.0.2.1:35963"]] {
        let refused = run(&[&["emulate", &desk.card()], &road[..]].concat()).expect(4);
        assert!(refused.err.contains("--allow-remote"), "{}", refused.err);
    }
}

#[test]
fn one_card_is_served_by_one_process() {
    let desk = Desk::new("cpu-aes");
    let server = Server::start(&desk.card(), &[]);
    let second = run(&["emulate", &desk.card(), "--listen", "127.0.0.1:0"]).expect(3);
    assert!(second.err.contains("another process has it open"), "{}", second.err);
    run(&["apdu", "--target", &desk.target(), SELECT]).expect(3);
    // Looking at the image needs no card.
    run(&["card", "show", &desk.card()]).expect(0);
    let port = server.address.clone();
    let other = Desk::new("cpu-aes");
    run(&["emulate", &other.card(), "--listen", &port]).expect(3);
}

#[test]
fn state_changes_are_objects_in_json() {
    let desk = Desk::new("cpu-aes");
    let mut server = json_server(&desk);
    let card: serde_json::Value = serde_json::from_str(&server.wait_for("")).unwrap();
    assert_eq!(card["serial"], SERIAL);
    let listening: serde_json::Value = serde_json::from_str(&server.wait_for("")).unwrap();
    assert_eq!(listening["event"], "listening");
    server.address = listening["address"].as_str().unwrap().to_owned();
    run(&["apdu", "--target", &server.target(), SELECT]).expect(0);
    assert!(server.wait_for("{\"event\":\"connected\",\"address\":\"").starts_with("127.0.0.1:"));
    server.wait_for("{\"event\":\"disconnected\"");
}

fn json_server(desk: &Desk) -> Server {
    Server::spawn(&["emulate", &desk.card(), "--listen", "127.0.0.1:0", "--json"])
}

/// The driver's part: the card dials, and answers the poll with its ATR.
#[test]
fn a_driver_is_dialled() {
    let driver = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = driver.local_addr().unwrap().to_string();
    let desk = Desk::new("cpu-aes");
    let server = Server::spawn(&["emulate", &desk.card(), "--vpcd", &address]);
    let (mut card, _) = driver.accept().unwrap();
    card.set_read_timeout(Some(PATIENCE)).unwrap();
    std::io::Write::write_all(&mut card, &[0, 1, 4]).unwrap();
    let mut atr = [0; 4];
    card.read_exact(&mut atr).unwrap();
    assert_eq!(atr, [0, 18, 0x3B, 0x8D]);
    assert_eq!(server.wait_for("connected to "), address);
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_the_service_cleanly() {
    let desk = Desk::new("cpu-aes");
    for signal in ["-INT", "-TERM"] {
        let mut server = Server::start(&desk.card(), &[]);
        let pid = server.child.id().to_string();
        let kill = std::process::Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(kill.success());
        assert_eq!(server.child.wait().unwrap().code(), Some(0), "{signal}");
    }
}
