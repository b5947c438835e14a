//! A reader whose keys are on a SAM that is a card: three cards served over TCP, and no key of any of
//! them in the reader's process.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use xuejika_card_model::management::{self, SamSerial};
use xuejika_card_model::nvm::RamNvm;
use xuejika_emulator::file_store;
use xuejika_emulator::transport::{CardDied, Event, Listener, Peers, Service, Slot};
use xuejika_emulator::{Env, VirtualCard};
use xuejika_keyscheme::auth::{CardChallenge, CardId, Request};
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone, test_keys};

use super::support::{Desk, PROGRAM, SERIAL, Server, run};

const UNIT: &str = "084012";

/// The cards of one desk: student, SAM, management.
struct Cards {
    desk: Desk,
    sam: Server,
    management: Server,
}

impl Cards {
    fn new(profile: &str) -> Self {
        let desk = Desk::new(profile);
        let make = |kind: &str| {
            let path = desk.path(kind).display().to_string();
            let create = ["card", "create", "--kind", kind, "--profile", profile];
            run(&[&create[..], &["--unit", UNIT, "-o", &path]].concat()).expect(0);
            Server::start(&path, &[])
        };
        let (sam, management) = (make("sam"), make("management"));
        Self { desk, sam, management }
    }

    /// The arguments that name SAM and management card.
    fn office(&self) -> [String; 4] {
        let (sam, management) = (self.sam.target(), self.management.target());
        ["--sam".into(), sam, "--management".into(), management]
    }
}

fn reader(operation: &str, target: &str, office: &[String], date: &str) -> Vec<String> {
    let words = ["reader", operation, "--target", target, "--date", date, "--time", "08:30:00"];
    words.iter().map(ToString::to_string).chain(office.iter().cloned()).collect()
}

#[test]
fn three_served_cards_do_the_main_job() {
    for profile in ["cpu-aes", "cpu-sm4"] {
        let cards = Cards::new(profile);
        let student = Server::start(&cards.desk.card(), &[]);
        let operate = |operation: &str, date: &str, more: &[&str], code| {
            let words = reader(operation, &student.target(), &cards.office(), date);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            run(&[&words, more].concat()).expect(code)
        };
        operate("personalise", "2026-09-01", &[], 0);
        operate("register", "2026-09-01", &[], 0);
        let read = operate("read", "2026-09-02", &["--json"], 0).object();
        assert_eq!(read["identity"]["name"], "张三");
        // Keys are the city's: this SAM has no K0.
        let refused = operate("load-key", "2026-09-02", &["--key", "5", "--version", "2"], 1);
        assert!(refused.out.contains("for the city alone (6982), not for unit 084012"));
        operate("verdict", "2026-09-02", &[], 0);
        // The SAM has seen a later day.
        let refused = operate("read", "2026-09-01", &[], 1);
        assert!(refused.out.contains("before one the SAM has seen"), "{}", refused.out);
        // Without its management card it does nothing.
        let alone = ["--management", "emu:cpu-aes"];
        let words = reader("read", &student.target(), &cards.office()[..2], "2026-09-02");
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let refused = run(&[&words, &alone[..]].concat()).expect(3);
        assert!(refused.err.contains("no management application"), "{}", refused.err);
    }
}

#[test]
fn a_card_that_is_no_sam_is_refused() {
    let desk = Desk::new("cpu-aes");
    let read = ["reader", "read", "--target", &desk.target(), "--sam", "emu:cpu-aes"];
    let refused = run(&read).expect(3);
    assert!(refused.err.contains("is no SAM"), "{}", refused.err);
}

#[test]
fn a_sam_shows_no_key() {
    let cards = Cards::new("cpu-aes");
    let path = cards.desk.path("sam").display().to_string();
    let shown = run(&["card", "show", &path]).expect(0);
    for text in ["two keys (test keys), not shown", "sealed until", "SAM卡"] {
        assert!(shown.out.contains(text), "{text}: {}", shown.out);
    }
    assert!(!shown.out.contains("4041424344"));
}

/// Reads the reader's memory in the middle of a session: no key is there. With the SAM in the
/// reader's own process, the same search finds them.
#[cfg(target_os = "linux")]
#[test]
fn no_key_is_in_the_memory_of_the_reader() {
    let cards = Cards::new("cpu-aes");
    let found = search_reader(&cards.desk, &cards.office());
    assert!(found.is_empty(), "{found:?}");

    let found = search_reader(&cards.desk, &[]);
    for name in ["root of K2", "root of K80", "session key"] {
        assert!(found.iter().any(|found| found == name), "{name}: {found:?}");
    }
}

/// Personalises the desk's card, stops in the middle and searches the reader's memory.
#[cfg(target_os = "linux")]
fn search_reader(desk: &Desk, office: &[String]) -> Vec<String> {
    let memory = file_store::read_image(desk.path("card.img").as_ref()).unwrap();
    let mut card = VirtualCard::new(RamNvm::new(memory), Env::from_seed(3)).unwrap();
    card.power_on().unwrap();
    let (asks, asked) = mpsc::channel();
    let (answers, answered) = mpsc::channel();
    let slow = Slow { card, said: Vec::new(), asks, answered };
    let (address, served) = mpsc::channel();
    thread::spawn(move || serve(slow, &address));
    let target = format!("tcp://{}", served.recv().unwrap());
    let mut child = Command::new(PROGRAM)
        .args(reader("personalise", &target, office, "2026-09-01"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // In the middle of the session: MUTUAL AUTHENTICATE is answered, a protected command is here.
    let said: Vec<(Vec<u8>, Vec<u8>)> = asked.recv().unwrap();
    let found = wanted(&said).search(&memory_of(&child));
    answers.send(()).unwrap();
    drop(answers);
    assert!(child.wait().unwrap().success());
    found
}

/// A card that stops before the first UPDATE BINARY of a session until it is told to go on.
struct Slow {
    card: VirtualCard,
    said: Vec<(Vec<u8>, Vec<u8>)>,
    asks: mpsc::Sender<Vec<(Vec<u8>, Vec<u8>)>>,
    answered: mpsc::Receiver<()>,
}

impl Slot for Slow {
    fn atr(&self) -> &[u8] {
        self.card.atr()
    }

    fn power_on(&mut self) {
        Slot::power_on(&mut self.card);
    }

    fn power_off(&mut self) {
        Slot::power_off(&mut self.card);
    }

    fn reset(&mut self) {
        Slot::reset(&mut self.card);
    }

    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), CardDied> {
        if command.starts_with(&[0x0C, 0xD6]) && self.asks.send(self.said.clone()).is_ok() {
            // Only once: the other end is gone when the search is over.
            let _ = self.answered.recv();
        }
        Slot::transmit(&mut self.card, command, response)?;
        self.said.push((command.to_vec(), response.clone()));
        Ok(())
    }
}

fn serve(mut slow: Slow, address: &mpsc::Sender<String>) {
    let listener = Listener::bind("127.0.0.1:0", Peers::Loopback).unwrap();
    let log = |event: &Event| {
        if let Event::Listening(at) = event {
            let _ = address.send(at.to_string());
        }
    };
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    listener.run(&mut slow, &Service::new(&stop, &log));
}

/// Keys to look for, by their first bytes.
#[derive(Default)]
struct Wanted(HashMap<[u8; 16], String>);

impl Wanted {
    /// Names of the keys in these bytes, each once.
    fn search(&self, bytes: &[u8]) -> Vec<String> {
        let mut first = [false; 0x1_0000];
        for key in self.0.keys() {
            first[usize::from(u16::from_be_bytes([key[0], key[1]]))] = true;
        }
        let mut found: Vec<_> = bytes
            .windows(16)
            .filter(|at| first[usize::from(u16::from_be_bytes([at[0], at[1]]))])
            .filter_map(|at| self.0.get(at))
            .cloned()
            .collect();
        found.sort();
        found.dedup();
        found
    }
}

/// The roots, the keys of the cards at the desk, what opens the SAM's key file, and the keys of the
/// session. What the program carries as published constants is left out; none of them is a key of a
/// card.
fn wanted(said: &[(Vec<u8>, Vec<u8>)]) -> Wanted {
    let mut wanted = Wanted::default();
    let mut add = |name: String, key: &[u8; 16]| drop(wanted.0.insert(*key, name));
    let algorithm = Algorithm::Aes128;
    let card = CardId(hex::decode(SERIAL).unwrap().try_into().unwrap());
    let (serial, authorisation) =
        management::test_card(UNIT.parse().unwrap(), "2099-12-31".parse().unwrap());
    let education = KeyNumber::EDUCATION.map(|number| (Zone::EDUCATION, number, card));
    let k80 = (Zone::MANAGEMENT, KeyNumber::MANAGEMENT, serial);
    for (zone, number, card) in education.into_iter().chain([k80]) {
        for version in [1, 2].map(|version| KeyVersion::new(version).unwrap()) {
            let id = KeyId { zone, number, version, algorithm };
            let root = test_keys::root(&id);
            add(format!("root of {number}"), root.expose());
            add(format!("card key {number}"), root.card(&id, card).expose());
        }
    }
    let sam = SamSerial { unit: UNIT.parse().unwrap(), number: "000001".parse().unwrap() };
    let kek = authorisation.unlock(&test_keys::sam(algorithm), sam.reader(), serial);
    add("key-encryption key".into(), kek.expose());
    let keys = session(said, card);
    add("session key".into(), keys.enc.expose());
    add("session key".into(), keys.mac.expose());
    wanted
}

/// The keys of the last session.
fn session(said: &[(Vec<u8>, Vec<u8>)], card: CardId) -> xuejika_keyscheme::auth::SessionKeys {
    let last = |start: &[u8]| said.iter().rev().find(|(command, _)| command.starts_with(start));
    let (choice, _) = last(&[0x00, 0x22]).unwrap();
    let (_, challenge) = last(&[0x00, 0x84]).unwrap();
    let (proof, _) = last(&[0x00, 0x82]).unwrap();
    let id = KeyId {
        zone: Zone::EDUCATION,
        number: KeyNumber(choice[10]),
        version: KeyVersion::new(choice[11]).unwrap(),
        algorithm: Algorithm::Aes128,
    };
    let key = test_keys::root(&id).card(&id, card);
    let challenge = CardChallenge::new(id, card, challenge[..16].try_into().unwrap());
    challenge.verify(&key, &Request::parse(&proof[5..45]).unwrap()).unwrap().1.keys
}

/// Everything a process can write to: heap, stacks, variables.
#[cfg(target_os = "linux")]
fn memory_of(child: &Child) -> Vec<u8> {
    let folder = format!("/proc/{}", child.id());
    let maps = BufReader::new(fs::File::open(format!("{folder}/maps")).unwrap());
    let mut memory = fs::File::open(format!("{folder}/mem")).unwrap();
    let mut bytes = Vec::new();
    for line in maps.lines().map(Result::unwrap) {
        let (range, rest) = line.split_once(' ').unwrap();
        if !rest.starts_with("rw") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|hex| u64::from_str_radix(hex, 16).unwrap());
        memory.seek(SeekFrom::Start(start)).unwrap();
        // Pages that were never touched cannot be read everywhere; the rest counts.
        let _ = memory.by_ref().take(end - start).read_to_end(&mut bytes);
    }
    assert!(bytes.len() > 100_000, "{} bytes", bytes.len());
    bytes
}
