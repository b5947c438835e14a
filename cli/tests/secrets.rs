//! No key leaves the program where it should not: not in its output, its errors, its arguments, its
//! environment, nor in a panic. Everything it says is searched for every key it uses, in every form
//! a key may be written in.
//!
//! Image files and files of secrets hold keys by design and are not searched.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken premise fails the test"
)]

#[path = "secrets/known.rs"]
mod known;
#[path = "secrets/search.rs"]
mod search;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::panic;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use known::{SERIALS, UNIT, known_keys, session_keys};
use search::Secrets;
use tempfile::TempDir;
use xuejika_apdu::sm::ReaderSm;
use xuejika_apdu::{Class, Command as Apdu};
use xuejika_card_model::date::Date;
use xuejika_card_model::file::tree::EDUCATION_NAME;
use xuejika_card_model::ident::UnitCode;
use xuejika_card_model::image;
use xuejika_card_model::key_load::KeyData;
use xuejika_card_model::management::{self, Authorisation, SamSerial};
use xuejika_card_model::nvm::{Nvm, RamNvm};
use xuejika_card_model::sam::SamStore;
use xuejika_card_model::txn::Store;
use xuejika_emulator::{Env, FileNvm, VirtualCard, file_store, test_card};
use xuejika_keyscheme::auth::{AwaitingCard, CardId, SessionKeys, respond};
use xuejika_keyscheme::key::{Card, Kek, Root};
use xuejika_keyscheme::provider::Roots;
use xuejika_keyscheme::slots::KeySlots;
use xuejika_keyscheme::{Algorithm, Key, KeyId, KeyNumber, KeyVersion, Zone, test_keys};
use xuejika_reader::sam::SoftSam;
use xuejika_reader::{Locked, Reader};

const PROGRAM: &str = env!("CARGO_BIN_EXE_xuejika");
const DATE: [&str; 4] = ["--date", "2026-09-01", "--time", "08:30:00"];

/// A folder to work in, and the keys nobody may see.
struct Desk {
    folder: TempDir,
    secrets: Secrets,
    /// How much has been searched, in bytes.
    searched: usize,
}

impl Desk {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), secrets: known_keys(), searched: 0 }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// As [`Self::run_any`]; it has to end with this code.
    fn run(&mut self, words: &str, code: i32) {
        let (actual, said) = self.run_any(words);
        assert_eq!(actual, Some(code), "{words}: {said}");
    }

    /// Runs the program, as talkative as it gets, and searches what it says. `@` stands for the
    /// folder.
    fn run_any(&mut self, words: &str) -> (Option<i32>, String) {
        let output = command(&self.words(words)).output().unwrap();
        let said = [output.stdout, b"\n".to_vec(), output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        for (name, key) in session_keys(&said) {
            self.secrets.add(&name, &key);
        }
        self.search(words, said.as_bytes());
        (output.status.code(), said)
    }

    fn words(&self, words: &str) -> Vec<String> {
        words.split(' ').map(|word| word.replace('@', &self.path(""))).collect()
    }

    fn search(&mut self, what: &str, said: &[u8]) {
        self.searched += said.len();
        let found = self.secrets.find(said);
        assert!(found.is_empty(), "{what} shows {found:?}");
    }
}

fn command(words: &[String]) -> Command {
    let mut command = Command::new(PROGRAM);
    let talkative =
        [("RUST_LOG", "trace"), ("RUST_BACKTRACE", "full"), ("RUST_LIB_BACKTRACE", "1")];
    command.args(words).envs(talkative).stdin(Stdio::null());
    command
}

#[test]
fn the_demonstration_shows_no_key() {
    let mut desk = Desk::new();
    let before = desk.secrets.len();
    desk.run("demo -v --json", 0);
    desk.run("demo -v --seed 7", 0);
    // At least eight handshakes succeed in each run, and give two keys each.
    assert!(desk.secrets.len() >= before + 2 * 8 * 2, "{}", desk.secrets.len() - before);
    assert!(desk.searched > 20_000, "{}", desk.searched);
}

#[test]
fn cards_show_no_key() {
    let mut desk = Desk::new();
    create_cards(&mut desk);
    for card in ["@aes", "@sm4", "@management", "@psam", "@sam"] {
        desk.run(&format!("card show {card} -v"), 0);
        desk.run(&format!("card show {card} --json"), 0);
    }
    // Every file of every application, asked for without a session.
    for (card, application) in [
        ("aes", "00A4040007F0424A4544550100"),
        ("aes", "00A4040007F0424A4545540100"),
        ("management", "00A4040007F0424A454D470100"),
        ("sam", "00A4040007F0424A45534D0100"),
        ("psam", "00A4000000"),
        ("psam", "00A4040007F0424A4550530100"),
    ] {
        for file in 0..=0x1E {
            let read = format!("00B0{:02X}0000", 0x80 | file);
            desk.run_any(&format!("apdu -v --target emu:@{card} {application} {read}"));
        }
    }
}

#[test]
fn a_served_card_and_its_reader_show_no_key() {
    let mut desk = Desk::new();
    create_cards(&mut desk);
    let before = desk.secrets.len();
    for card in ["aes", "sm4"] {
        let (mut server, target) = serve(&desk, card);
        let management = if card == "aes" { " --management emu:@management" } else { "" };
        let reader = |operation: &str| {
            let date = DATE.join(" ");
            format!("reader {operation} --target {target} -v {date}{management}")
        };
        desk.run(&format!("apdu -v --target {target} 00A4040007F0424A4544550100 00B0850000"), 0);
        desk.run(&reader("personalise"), 0);
        desk.run(&reader("register"), 0);
        desk.run(&format!("{} --json", reader("read")), 0);
        desk.run(&reader("verdict"), 0);
        desk.run(&format!("{} --sam-unit 084013", reader("register")), 1);
        let about: &[&str] = if cfg!(target_os = "linux") { &["cmdline", "environ"] } else { &[] };
        for about in about {
            let bytes = fs::read(format!("/proc/{}/{about}", server.id())).unwrap();
            assert!(!bytes.is_empty());
            desk.search(about, &bytes);
        }
        server.kill().unwrap();
        let mut said = Vec::new();
        server.stdout.take().unwrap().read_to_end(&mut said).unwrap();
        server.stderr.take().unwrap().read_to_end(&mut said).unwrap();
        server.wait().unwrap();
        desk.search("emulate", &said);
    }
    // One session to personalise, two to register, one to read and one for the verdict; one more in
    // vain, where the test management card unlocks any school's reader. Two keys each.
    assert_eq!(desk.secrets.len(), before + (5 + 6) * 2);
}

#[test]
fn a_reader_with_a_sam_that_is_a_card_shows_no_key() {
    let mut desk = Desk::new();
    create_cards(&mut desk);
    let date = DATE.join(" ");
    for operation in ["personalise", "register", "read --json", "verdict"] {
        let cards = "--target emu:@aes --sam emu:@sam --management emu:@management";
        desk.run(&format!("reader {operation} {cards} -v {date}"), 0);
    }
    let cards = "--target emu:@aes --sam emu:@city-sam --management emu:@city-management";
    desk.run(&format!("reader load-key --key 5 --version 2 {cards} -v {date}"), 0);
    desk.run("reader read --target emu:@aes --sam emu:@aes -v", 3);
    desk.run("reader read --target emu:@aes --sam emu:@sam -v --date 2026-08-31", 1);
}

#[test]
fn a_trace_shows_no_key() {
    let mut desk = Desk::new();
    create_cards(&mut desk);
    let before = desk.secrets.len();
    let date = DATE.join(" ");
    let cards = "--target emu:@aes --sam emu:@sam --management emu:@management";
    let city = "--target emu:@aes --sam emu:@city-sam --management emu:@city-management";
    for (words, least) in [
        ("demo -v --json".to_owned(), 20_000),
        (format!("reader personalise {cards} -v {date}"), 4_000),
        (format!("reader load-key --key 5 --version 2 {city} -v {date}"), 4_000),
        (format!("reader read --target emu:@sm4 -v {date}"), 4_000),
    ] {
        desk.run(&format!("{words} --trace @trace.pcapng"), 0);
        let trace = fs::read(desk.path("trace.pcapng")).unwrap();
        assert!(trace.len() >= least, "{words}: {}", trace.len());
        desk.search(&words, &trace);
        desk.run("trace show @trace.pcapng", 0);
    }
    assert!(desk.secrets.len() > before + 16, "{}", desk.secrets.len() - before);
}

#[test]
fn errors_show_no_key() {
    let mut desk = Desk::new();
    create_cards(&mut desk);
    let whole = fs::read(desk.path("aes")).unwrap();
    let memory = image::parse(&whole).unwrap().to_vec();
    let damage = |at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let changed = |change: &dyn Fn(&mut [u8])| {
        let mut memory = memory.clone();
        change(&mut memory);
        image::emit(&memory).unwrap()
    };
    let keys = education_keys();
    let images = [
        ("flipped-in-a-key", damage(14 + keys + 8)),
        ("flipped-magic", damage(0)),
        ("cut-in-a-key", whole[..14 + keys + 10].to_vec()),
        ("too-long", [&whole[..], &whole[..]].concat()),
        ("key-algorithm", changed(&|memory| memory[keys + 2] = 0x81)),
        ("key-version", changed(&|memory| memory[keys + 3] = 0xFF)),
        ("no-record", changed(&|memory| memory[keys + 7 * KeySlots::LEN] ^= 0xFF)),
        ("other-size", changed(&|memory| memory[2] = 9)),
        ("raw-memory", memory.clone()),
    ];
    for (name, bytes) in images {
        fs::write(desk.path(name), bytes).unwrap();
        desk.run(&format!("card show @{name} -v"), 2);
        desk.run(&format!("emulate @{name} --listen 127.0.0.1:0"), 2);
        desk.run(&format!("reader read --target emu:@{name} -v"), 2);
    }
    let foreign =
        changed(&|memory| (0..7).for_each(|key| memory[keys + key * KeySlots::LEN + 5] ^= 1));
    fs::write(desk.path("foreign"), foreign).unwrap();
    desk.run("reader read --target emu:@foreign -v", 1);
    // The wrong card, the wrong SAM, no card.
    desk.run("reader read --target emu:@management -v", 3);
    desk.run("reader read --target emu:@aes -v --management emu:@sm4", 3);
    desk.run("reader read --target emu:@aes -v --management emu:@management --sam-unit 084013", 1);
    desk.run("card show @missing", 2);
    desk.run("card create --profile cpu-aes --serial 1100260100000014 -o @aes", 4);
    desk.run("reader read --target tcp://127.0.0.1:1", 3);
}

/// Secrets typed where they do not belong, or with a mistake in them, are not repeated.
#[test]
fn files_of_secrets_are_not_repeated() {
    let mut desk = Desk::new();
    let id = education(KeyNumber::READ, Algorithm::Aes128);
    let root = hex::encode(test_keys::root(&id).expose());
    let toml = |value: &str| {
        format!("[[root]]\nzone = 0xDF01\nnumber = 1\nversion = 1\nalgorithm = \"aes\"\n{value}\n")
    };
    let files = [
        ("root", root.clone(), 0),
        ("short", root[..30].to_owned(), 2),
        ("letter", format!("{root}g"), 2),
        ("kind", format!("sm5 {root}"), 2),
        ("kcv", format!("aes-128 {root}\nkcv cmac-aes:000000"), 1),
        ("more", format!("{root}\n{root}"), 2),
        ("reversed", root.chars().rev().collect(), 0),
    ];
    for (name, text, code) in files {
        write_secret(&desk, name, &text);
        desk.run(&format!("keys kcv @{name}"), code);
        desk.run(&format!("keys --json split @{name} -o @part-of-{name}"), code);
    }
    for (name, text, code) in [
        ("clear.toml", toml(&format!("clear = \"{root}\"")), 0),
        ("bare.toml", toml(&format!("clear = {root}")), 2),
        ("open.toml", toml(&format!("clear = \"{root}")), 2),
        ("unknown.toml", toml(&format!("key = \"{root}\"")), 2),
        ("envelope.toml", toml(&format!("envelope = \"{root}\"")), 2),
        ("field.toml", toml(&format!("clear = \"{root}\"\n\"{root}\" = 1")), 2),
    ] {
        write_secret(&desk, name, &text);
        desk.run(&format!("keys kcv --keys @{name}"), code);
        let derive = "derive --key DF01-01-01-01 --card 1100260100000014";
        desk.run(&format!("keys {derive} --keys @{name}"), code);
    }
    // On the command line it is refused, and not repeated even then.
    desk.run(&format!("keys kcv {root}"), 4);
}

/// Whatever a program prints of a value when it panics over it.
#[test]
fn panics_and_debug_texts_show_no_key() {
    let mut desk = Desk::new();
    for algorithm in [Algorithm::Aes128, Algorithm::Sm4] {
        for (name, text) in debug_texts(&desk, algorithm) {
            assert!(!text.is_empty());
            desk.search(name, text.as_bytes());
        }
        let said = panic_text(|| {
            let sam = sam(algorithm);
            let mut card = student(algorithm);
            drop(Locked::new(sam).unlock(&mut card, date("2026-09-01")).unwrap());
        });
        assert!(said.contains("the reader stays locked") || said.contains("StillLocked"), "{said}");
        desk.search("panic", said.as_bytes());
    }
}

/// Without this, the other tests show nothing.
#[test]
fn a_key_in_plain_view_is_found() {
    let secrets = known_keys();
    let id = education(KeyNumber::STATUS, Algorithm::Aes128);
    let root = test_keys::root(&id);
    let card = root.card(&id, CardId(SERIALS[0]));
    for (name, key) in
        [("root DF01/K5v01 (aes)", root.expose()), ("card key DF01/K5v01 (aes)", card.expose())]
    {
        for text in search::ways_to_write(key) {
            let said = [&b"\"x\":\""[..], &text, b"\"\n"].concat();
            let found = secrets.find(&said);
            assert!(
                found.iter().any(|found| found.starts_with(name)),
                "{name}: {:?}",
                String::from_utf8_lossy(&said)
            );
        }
    }
    assert!(secrets.find(b"0123456789ABCDEF 1100260100000014 F0424A45445501").is_empty());
    // What the searches would have shown of a memory that prints itself.
    let memory = student(Algorithm::Aes128).model().nvm().bytes().to_vec();
    assert_eq!(secrets.find(format!("{memory:?}").as_bytes()).len(), 7 + 8);
}

/// Fails to compile when one of the types can be printed or written as data.
macro_rules! assert_no_text_form {
    ($($type:ty),* $(,)?) => {$(
        const _: () = {
            /// Implemented twice for a type with a text form, which makes `probe` ambiguous.
            trait Ambiguous<A> {
                fn probe() {}
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            impl<T: ?Sized + core::fmt::Display> Ambiguous<u8> for T {}
            impl<T: ?Sized + serde::Serialize> Ambiguous<u16> for T {}
            impl<T: ?Sized + core::fmt::LowerHex> Ambiguous<u32> for T {}
            impl<T: ?Sized + core::fmt::UpperHex> Ambiguous<u64> for T {}
            impl<T: ?Sized + AsRef<[u8]>> Ambiguous<u128> for T {}
            let _: fn() = <$type as Ambiguous<_>>::probe;
        };
    )*};
}

assert_no_text_form!(
    Key<Root>,
    Key<Card>,
    Key<Kek>,
    Key<xuejika_keyscheme::key::Sam>,
    SessionKeys,
    AwaitingCard,
    KeySlots,
    Authorisation,
    KeyData,
    Roots,
    SoftSam,
    SamStore,
    Reader<SoftSam>,
    Locked<SoftSam>,
    RamNvm,
    VirtualCard,
);

// --- Set-up ----------------------------------------------------------------------------------

fn create_cards(desk: &mut Desk) {
    let serial = hex::encode(SERIALS[0]);
    desk.run(&format!("card create --profile cpu-aes --serial {serial} -o @aes"), 0);
    desk.run(&format!("card create -v --json --profile cpu-sm4 --serial {serial} -o @sm4"), 0);
    let management =
        format!("card create -v --kind management --profile cpu-aes --unit {UNIT} -o @management");
    desk.run(&management, 0);
    let sam = format!("card create -v --kind sam --profile cpu-aes --unit {UNIT} -o @sam");
    desk.run(&sam, 0);
    // Keys are the city's to load.
    for kind in ["management", "sam"] {
        let create = format!("card create -v --kind {kind} --profile cpu-aes --unit 000000");
        desk.run(&format!("{create} -o @city-{kind}"), 0);
    }
    desk.run("card create -v --kind psam --terminal 120080800001 -o @psam", 0);
}

fn serve(desk: &Desk, card: &str) -> (Child, String) {
    let words = desk.words(&format!("emulate -v @{card} --listen 127.0.0.1:0"));
    let mut server = command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::with_capacity(1, server.stdout.as_mut().unwrap());
    let mut line = String::new();
    while !line.contains("listening on ") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "the program does not listen");
    }
    let address = line.trim().rsplit(' ').next().unwrap();
    let target = format!("tcp://{address}");
    (server, target)
}

fn write_secret(desk: &Desk, name: &str, text: &str) {
    fs::write(desk.path(name), text).unwrap();
    fs::set_permissions(desk.path(name), fs::Permissions::from_mode(0o600)).unwrap();
}

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

fn education(number: KeyNumber, algorithm: Algorithm) -> KeyId {
    KeyId { zone: Zone::EDUCATION, number, version: KeyVersion::FIRST, algorithm }
}

/// Where the keys of the education zone lie in memory.
fn education_keys() -> usize {
    let card = student(Algorithm::Aes128);
    card.model().tree().education().unwrap().keys_offset
}

fn student(algorithm: Algorithm) -> VirtualCard {
    let profile = match algorithm {
        Algorithm::Aes128 => xuejika_card_model::record::Profile::CpuAes,
        Algorithm::Sm4 => xuejika_card_model::record::Profile::CpuSm4,
    };
    let issuance = test_card::issuance(hex::encode(SERIALS[0]).parse().unwrap(), profile).unwrap();
    let memory = RamNvm::new(test_card::student_memory(&issuance).unwrap());
    let mut card = VirtualCard::new(memory, Env::from_seed(3)).unwrap();
    card.power_on().unwrap();
    card
}

fn sam(algorithm: Algorithm) -> SoftSam {
    let serial = SamSerial { unit: UNIT.parse().unwrap(), number: "000001".parse().unwrap() };
    let rng = <rand_chacha::ChaCha12Rng as rand_core::SeedableRng>::seed_from_u64(1);
    SoftSam::test(algorithm, serial, date("2027-08-31"), rng)
}

/// What every value that holds a key says of itself.
fn debug_texts(desk: &Desk, algorithm: Algorithm) -> Vec<(&'static str, String)> {
    macro_rules! texts {
        ($($value:expr),* $(,)?) => {
            vec![$((stringify!($value), match $value { value => format!("{value:?} {value:#?}") })),*]
        };
    }
    let id = education(KeyNumber::MASTER, algorithm);
    let root = test_keys::root(&id);
    let key = root.card(&id, CardId(SERIALS[0]));
    let (management, authorisation) =
        management::test_card(UNIT.parse().unwrap(), date("2027-08-31"));
    let reader = SamSerial { unit: UNIT.parse().unwrap(), number: "000001".parse().unwrap() };
    let kek = authorisation.unlock(&test_keys::sam(algorithm), reader.reader(), management);
    let data = put_key_data(algorithm);
    let card = card_that_took_a_key(algorithm);
    let image = desk.folder.path().join(format!("{algorithm}.img"));
    file_store::create(&image, card.model().nvm().bytes()).unwrap();
    let served = VirtualCard::new(FileNvm::open(&image).unwrap(), Env::from_seed(1)).unwrap();
    let mut store = Store::open(RamNvm::new(vec![0; 256]), 128..256).unwrap();
    let mut transaction = store.begin();
    transaction.write(0, &KeySlots::new(KeyVersion::FIRST, key.clone()).emit());
    let (request, awaiting) =
        respond(&key, id, CardId(SERIALS[0]), reader.reader(), [1; 16], [2; 16]);
    let challenge = xuejika_keyscheme::auth::CardChallenge::new(id, CardId(SERIALS[0]), [1; 16]);
    let session = challenge.verify(&key, &request).unwrap().1;
    let mut roots = Roots::new();
    roots.add(id, Box::new(root.clone())).unwrap();
    let mut field = student(algorithm);
    let mut unlocked = unlocked(algorithm);
    let mut texts = texts![
        &root,
        &key,
        &kek,
        key.cipher(),
        key.mac(),
        key.mac().start(),
        &authorisation,
        &session,
        &awaiting,
        &roots,
        KeySlots::new(KeyVersion::FIRST, key.clone()),
        KeyData::parse(&data),
        &card,
        &served,
        card.model().nvm(),
        &transaction,
        xuejika_apdu::sm::CardSm::new(&session.keys),
        sam(algorithm),
        Locked::new(sam(algorithm)),
        &unlocked,
    ];
    let mut connected = unlocked.connect(&mut field, date("2026-09-01")).unwrap();
    connected.read().unwrap();
    texts.extend(texts![&connected]);
    texts
}

fn unlocked(algorithm: Algorithm) -> Reader<SoftSam> {
    let memory = test_card::management(algorithm, UNIT.parse().unwrap(), date("2027-08-31"));
    let mut card = VirtualCard::new(memory, Env::from_seed(2)).unwrap();
    card.power_on().unwrap();
    Locked::new(sam(algorithm)).unlock(&mut card, date("2026-09-01")).map_err(|e| e.error).unwrap()
}

/// Data of PUT KEY: the second version of K0.
fn put_key_data(algorithm: Algorithm) -> Vec<u8> {
    let version = KeyVersion::new(2).unwrap();
    let id = KeyId { version, ..education(KeyNumber::MASTER, algorithm) };
    let key = test_keys::root(&id).card(&id, CardId(SERIALS[0]));
    [&[algorithm.code(), 0x01][..], key.expose(), &key.kcv().bytes()].concat()
}

/// A card that has just taken a key under K0: the key went through all its buffers.
fn card_that_took_a_key(algorithm: Algorithm) -> VirtualCard {
    let mut card = student(algorithm);
    let mut response = Vec::new();
    let mut send = |card: &mut VirtualCard, command: &Apdu<'_>| {
        card.transmit(&command.to_vec().unwrap(), &mut response).unwrap();
        assert!(response.ends_with(&[0x90, 0x00]), "{response:02X?}");
        response.clone()
    };
    let id = education(KeyNumber::MASTER, algorithm);
    let reference = [0x80, 1, algorithm.code(), 0x83, 2, 0, 1];
    send(&mut card, &Apdu::new(Class::ISO, 0xA4, 4, 0).with_data(&EDUCATION_NAME).with_ne(256));
    send(&mut card, &Apdu::new(Class::ISO, 0x22, 0xC1, 0xA4).with_data(&reference));
    let challenge = send(&mut card, &Apdu::new(Class::ISO, 0x84, 0, 0).with_ne(16));
    let serial = CardId(SERIALS[0]);
    let key = test_keys::root(&id).card(&id, serial);
    let reader = SamSerial { unit: UnitCode::CITY, number: "000001".parse().unwrap() };
    let challenge = challenge[..16].try_into().unwrap();
    let (request, awaiting) = respond(&key, id, serial, reader.reader(), challenge, [2; 16]);
    let token =
        send(&mut card, &Apdu::new(Class::ISO, 0x82, 0, 0).with_data(&request.emit()).with_ne(16));
    let keys = awaiting.verify(&token[..16]).unwrap();
    let mut wire = Vec::new();
    let data = put_key_data(algorithm);
    let put = Apdu::new(Class::OWN, 0xD8, 0, 2).with_data(&data).with_ne(3);
    ReaderSm::new(&keys).wrap_command(&put, &mut wire).unwrap();
    send(&mut card, &Apdu::parse(&wire).unwrap());
    card
}

/// What a panic says, backtrace and all.
fn panic_text(body: impl FnOnce() + panic::UnwindSafe) -> String {
    let said = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&said);
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let backtrace = std::backtrace::Backtrace::force_capture();
        *sink.lock().unwrap() = format!("{info}\n{backtrace}");
    }));
    let result = panic::catch_unwind(body);
    panic::set_hook(before);
    assert!(result.is_err(), "expected a panic");
    said.lock().unwrap().clone()
}

/// The image keeps its keys: the searches are not made on cards without any.
#[test]
fn images_hold_the_keys_that_are_searched_for() {
    let mut desk = Desk::new();
    create_cards(&mut desk);
    for (name, least) in [("aes", 15), ("sm4", 15), ("management", 2), ("psam", 5), ("sam", 2)] {
        let found = desk.secrets.find(&fs::read(Path::new(&desk.path(name))).unwrap());
        assert!(found.len() >= least, "{name}: {found:?}");
    }
}
