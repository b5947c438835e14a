//! Mutual authentication byte for byte, every way it fails, and what the card counts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken premise fails the test"
)]

mod support;

use core::convert::Infallible;
use core::num::NonZeroU8;

use rand_core::{TryCryptoRng, TryRng};
use support::model::{OTHER_SCHOOL, OWN_SCHOOL, education, issuance, key, new_card, wallet};
use support::{
    Reply, Session, active_card, ask, bytes, challenge, choose, failures, key_id, memory,
    mutual_authenticate, power_up, power_up_with, prepare, prove, sam, select, send, session, sw,
};
use xuejika_apdu::fci::Fci;
use xuejika_apdu::sm::ReaderSm;
use xuejika_apdu::{Class, Command};
use xuejika_card_model::factory;
use xuejika_card_model::file::tree::CardKind;
use xuejika_card_model::nvm::{Cut, NvmError, RamNvm, Torn};
use xuejika_card_model::record::{Issuance, Profile};
use xuejika_card_model::state::LifeCycleState;
use xuejika_emulator::{Env, VirtualCard};
use xuejika_keyscheme::auth::{self, CardId, ReaderId, Request, SessionKeys};
use xuejika_keyscheme::key::Key;
use xuejika_keyscheme::slots::FAILURE_CAP;
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone};
use xuejika_vectors::{Fields, VectorFile, bundled};

/// Randomness that is no surprise.
struct Recorded([u8; 16]);

impl TryRng for Recorded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(0)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(0)
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        to.iter_mut().zip(self.0.iter().cycle()).for_each(|(to, from)| *to = *from);
        Ok(())
    }
}

impl TryCryptoRng for Recorded {}

fn transcripts() -> VectorFile {
    bundled().find(|file| file.name == "project_keyscheme_reference").unwrap()
}

fn algorithm(entry: &Fields<'_>) -> Algorithm {
    if entry.text("alg").unwrap() == "SM4" { Algorithm::Sm4 } else { Algorithm::Aes128 }
}

fn named(entry: &Fields<'_>) -> KeyId {
    KeyId {
        zone: Zone(u16::from_be_bytes(entry.array("zone").unwrap())),
        number: KeyNumber(entry.array::<1>("key_no").unwrap()[0]),
        version: KeyVersion::new(entry.array::<1>("key_ver").unwrap()[0]).unwrap(),
        algorithm: algorithm(entry),
    }
}

/// The card of a transcript: its serial, its key under its name, its challenge.
fn recorded_card(entry: &Fields<'_>) -> VirtualCard {
    let id = named(entry);
    let profile = match id.algorithm {
        Algorithm::Aes128 => Profile::CpuAes,
        Algorithm::Sm4 => Profile::CpuSm4,
    };
    let serial = entry.array("sn_icc").unwrap();
    let issuance = Issuance {
        card_serial: xuejika_card_model::ident::CardSerial::from_bytes(serial).unwrap(),
        profile,
        key_set_version: NonZeroU8::new(id.version.number()).unwrap(),
        ..issuance()
    };
    let keys = |other: &KeyId| {
        if *other == id {
            Key::new(id.algorithm, entry.array("card_key").unwrap())
        } else {
            key(other, CardId(serial))
        }
    };
    let memory = factory::student(&issuance, [0; 7], keys, &wallet(&issuance));
    let env = Env::with_rng(Recorded(entry.array("rnd_icc").unwrap()));
    power_up_with(RamNvm::new(memory.unwrap()), env)
}

fn response(reply: &Reply) -> Vec<u8> {
    [&reply.data[..], &reply.sw.to_be_bytes()].concat()
}

#[test]
fn the_recorded_handshakes_are_answered_byte_for_byte() {
    let file = transcripts();
    let mut replayed = 0;
    for vector in file.vectors.iter().filter(|vector| vector.id.ends_with("-auth")) {
        let entry = vector.fields();
        let id = named(&entry);
        let mut card = recorded_card(&entry);
        let reply = send(&mut card, &entry.hex("select_capdu").unwrap());
        let security = Fci::parse(&reply.data).unwrap().security.unwrap();
        assert_eq!(security.algorithm, entry.array::<1>("alg_id").unwrap()[0]);
        assert_eq!(security.serial, entry.array("sn_icc").unwrap());
        assert!(security.keys.iter().any(|key| key.number == id.number.0 && key.active == 1));
        assert_eq!(send(&mut card, &entry.hex("mse_capdu").unwrap()), sw(0x9000));
        for step in ["get_challenge", "mutual_auth"] {
            let reply = send(&mut card, &entry.hex(&format!("{step}_capdu")).unwrap());
            let expected = entry.hex(&format!("{step}_rapdu")).unwrap();
            assert_eq!(response(&reply), expected, "{}: {step}", vector.id);
        }
        replayed += 1;
    }
    assert_eq!(replayed, 2, "AES-128 and SM4");
}

/// Brings a card to where the recorded session begins.
fn recorded_session(file: &VectorFile) -> (VirtualCard, Session) {
    let vector = file.vectors.iter().find(|vector| vector.id == "AES-128-auth").unwrap();
    let entry = vector.fields();
    let mut card = recorded_card(&entry);
    for step in ["select_capdu", "mse_capdu", "get_challenge_capdu", "mutual_auth_capdu"] {
        assert_eq!(send(&mut card, &entry.hex(step).unwrap()).sw, 0x9000);
    }
    let keys = SessionKeys {
        enc: Key::new(Algorithm::Aes128, entry.array("ks_enc").unwrap()),
        mac: Key::new(Algorithm::Aes128, entry.array("ks_mac").unwrap()),
    };
    (card, Session::new(ReaderSm::new(&keys)))
}

/// The recorded commands are understood. The recorded answers are those of other files, but for the
/// refusal, which this card gives with the same bytes.
#[test]
fn the_recorded_session_is_understood() {
    let file = transcripts();
    let (mut card, mut session) = recorded_session(&file);
    let run = file.vectors.iter().find(|vector| vector.id == "AES-128-sm-run").unwrap();
    let statuses = [0x9000, 0x6982, 0x6982, 0x6981];
    let steps = run.fields().children("steps").unwrap();
    assert_eq!(steps.len(), statuses.len());
    for (step, status) in steps.iter().zip(statuses) {
        let plain = step.hex("plain_capdu").unwrap();
        let protected = session.wrap(&Command::parse(&plain).unwrap());
        assert_eq!(protected, step.hex("protected_capdu").unwrap());
        let reply = send(&mut card, &protected);
        if step.text("plain_rapdu").unwrap() == "6982" {
            assert_eq!(response(&reply), step.hex("protected_rapdu").unwrap());
        }
        assert_eq!(session.unwrap(&reply).sw, status);
    }
}

#[test]
fn the_recorded_attacks_on_a_session_are_refused_and_end_it() {
    let file = transcripts();
    let run = file.vectors.iter().find(|vector| vector.id == "AES-128-sm-run").unwrap();
    let steps = run.fields().children("steps").unwrap();
    let mut refused = 0;
    for vector in file.vectors.iter().filter(|vector| vector.id.contains("-sm-neg-")) {
        let entry = vector.fields();
        if !entry.has("protected_capdu") {
            continue;
        }
        let counter = entry.array::<16>("ssc").unwrap()[15];
        let (mut card, _) = recorded_session(&file);
        for step in &steps[..usize::from(counter / 2)] {
            send(&mut card, &step.hex("protected_capdu").unwrap());
        }
        let before = memory(&card);
        let reply = send(&mut card, &entry.hex("protected_capdu").unwrap());
        assert_eq!(response(&reply), entry.hex("card_sw").unwrap(), "{}", vector.id);
        let next = &steps[usize::from(counter / 2)].hex("protected_capdu").unwrap();
        assert_eq!(send(&mut card, next), sw(0x6988), "{}: the session is over", vector.id);
        assert_eq!(ask(&mut card, "00 B0 86 00 00"), sw(0x6982));
        assert!(memory(&card) == before);
        refused += 1;
    }
    assert_eq!(refused, 4);
}

#[test]
fn the_recorded_forgeries_are_refused_alike_and_counted() {
    let file = transcripts();
    let mut refused = 0;
    for vector in file.vectors.iter().filter(|vector| !vector.valid) {
        let entry = vector.fields();
        if !entry.has("t_ifd") {
            continue;
        }
        let id = named(&entry);
        let mut card = recorded_card(&entry);
        let df = *CardKind::Student.tree().dfs.iter().find(|df| df.zone() == id.zone).unwrap();
        select(&mut card, &df);
        if !df.keys.contains(&id.number) {
            // A sector has no key of that number to begin with.
            assert_eq!(choose(&mut card, &id), sw(0x6A88), "{}", vector.id);
            continue;
        }
        assert_eq!(choose(&mut card, &id), sw(0x9000));
        assert_eq!(challenge(&mut card), entry.array("rnd_icc").unwrap());
        let request = Request {
            nonce: entry.array("rnd_ifd").unwrap(),
            reader: ReaderId(entry.array("id_ifd").unwrap()),
            token: entry.array("t_ifd").unwrap(),
        };
        let reply = send(&mut card, &mutual_authenticate(&request));
        assert_eq!(response(&reply), entry.hex("card_sw").unwrap(), "{}", vector.id);
        assert_eq!(failures(&card, &df, id.number), 1, "{}", vector.id);
        refused += 1;
    }
    assert_eq!(refused, 6);
}

/// A proof spoiled in one way.
type Spoil = fn(&VirtualCard, &KeyId, [u8; 16]) -> Request;

#[test]
fn every_false_proof_gets_the_same_answer_and_is_counted() {
    let spoils: [(&str, Spoil); 7] = [
        ("flipped bit", |card, id, challenge| {
            let (mut request, _) = prove(card, id, sam(OWN_SCHOOL), challenge);
            request.token[15] ^= 1;
            request
        }),
        ("other key", |card, id, challenge| {
            prove(card, &KeyId { number: KeyNumber::STATUS, ..*id }, sam(OWN_SCHOOL), challenge).0
        }),
        ("other version", |card, id, challenge| {
            let version = KeyVersion::new(2).unwrap();
            prove(card, &KeyId { version, ..*id }, sam(OWN_SCHOOL), challenge).0
        }),
        ("other zone", |card, id, challenge| {
            prove(card, &KeyId { zone: Zone(0xDF11), ..*id }, sam(OWN_SCHOOL), challenge).0
        }),
        ("other reader", |card, id, challenge| {
            let (request, _) = prove(card, id, sam(OWN_SCHOOL), challenge);
            Request { reader: sam(OTHER_SCHOOL), ..request }
        }),
        ("other challenge", |card, id, mut challenge| {
            challenge[0] ^= 0x80;
            prove(card, id, sam(OWN_SCHOOL), challenge).0
        }),
        ("nothing", |_, _, _| Request { nonce: [0; 16], reader: ReaderId([0; 8]), token: [0; 16] }),
    ];
    let mut card = active_card();
    let id = key_id(&card, education(), KeyNumber::READ);
    let offset = education().key_offset(id.number).unwrap();
    for (tries, (name, spoil)) in (1..).zip(spoils) {
        let before = memory(&card);
        let challenge = prepare(&mut card, education(), &id);
        let request = spoil(&card, &id, challenge);
        assert_eq!(send(&mut card, &mutual_authenticate(&request)), sw(0x6300), "{name}");
        assert_eq!(failures(&card, education(), id.number), tries, "{name}");
        let after = memory(&card);
        let journal = card.model().tree().journal;
        let changed = (0..journal).filter(|&at| before[at] != after[at]);
        assert!(changed.eq([offset + 1]), "{name}: only the counter changes");
        // The choice of the key is gone as well.
        assert_eq!(ask(&mut card, "00 84 00 00 10"), sw(0x6985), "{name}");
    }
    // A proof under another serial is one for another card.
    let challenge = prepare(&mut card, education(), &id);
    let other = CardId([0x11, 0, 7, 1, 0, 0, 0, 0x25]);
    let (proof, _) =
        auth::respond(&key(&id, other), id, other, sam(OWN_SCHOOL), challenge, [0xC0; 16]);
    assert_eq!(send(&mut card, &mutual_authenticate(&proof)), sw(0x6300));
}

#[test]
fn a_challenge_is_for_the_very_next_command() {
    for between in [
        "00 A4 00 0C 02 00 07", // SELECT of a file
        "00 B0 85 00 00",       // a command that succeeds
        "00 B0 86 00 00",       // one that fails
        "00 22 C1 A4 07 80 01 01 83 02 01 01",
        "00 C0 00 00 00",
        "80 F0 01 00 00",
        "10 82 00 00 01 00", // a chain
        "0C B0 86 00 00",
        "FF 00 00 00",
        "00",
        "",
    ] {
        let mut card = active_card();
        let id = key_id(&card, education(), KeyNumber::READ);
        let challenge = prepare(&mut card, education(), &id);
        ask(&mut card, between);
        let (request, _) = prove(&card, &id, sam(OWN_SCHOOL), challenge);
        let reply = send(&mut card, &mutual_authenticate(&request));
        // Behind the start of a chain the proof is only the rest of something longer.
        let expected = if between.starts_with("10") { 0x6700 } else { 0x6985 };
        assert_eq!(reply, sw(expected), "behind {between:?}");
        assert_eq!(failures(&card, education(), id.number), 0);
    }
}

#[test]
fn a_newer_challenge_replaces_the_older() {
    let mut card = active_card();
    let id = key_id(&card, education(), KeyNumber::READ);
    let stale = prepare(&mut card, education(), &id);
    let fresh = challenge(&mut card);
    assert_ne!(stale, fresh);
    let (request, _) = prove(&card, &id, sam(OWN_SCHOOL), stale);
    assert_eq!(send(&mut card, &mutual_authenticate(&request)), sw(0x6300));
}

#[test]
fn a_challenge_is_answered_once() {
    let mut card = active_card();
    let id = key_id(&card, education(), KeyNumber::READ);
    let challenge = prepare(&mut card, education(), &id);
    let (good, _) = prove(&card, &id, sam(OWN_SCHOOL), challenge);
    let bad = Request { token: [0; 16], ..good };
    for (first, answer) in [(good, 0x9000), (bad, 0x6300)] {
        let mut card = active_card();
        assert_eq!(prepare(&mut card, education(), &id), challenge);
        assert_eq!(send(&mut card, &mutual_authenticate(&first)).sw, answer);
        assert_eq!(send(&mut card, &mutual_authenticate(&good)), sw(0x6985));
    }
    // Nor is it there after a reset, a power cycle or the selection of a DF.
    type Break = fn(&mut VirtualCard);
    // A reset leads to the MF, which has another command with this INS.
    let breaks: [(Break, u16); 3] = [
        (|card| drop(card.reset().unwrap().to_vec()), 0x6700),
        (
            |card| {
                card.power_off();
                card.power_on().unwrap();
            },
            0x6700,
        ),
        (|card| drop(select(card, education())), 0x6985),
    ];
    for (interrupt, expected) in breaks {
        let mut card = active_card();
        prepare(&mut card, education(), &id);
        interrupt(&mut card);
        assert_eq!(send(&mut card, &mutual_authenticate(&good)), sw(expected));
    }
}

#[test]
fn a_malformed_authentication_uses_up_the_challenge_but_no_try() {
    let data = "00".repeat(40);
    for (apdu, expected) in [
        (format!("00 82 00 00 27 {} 10", "00".repeat(39)), 0x6700),
        (format!("00 82 00 00 29 {} 10", "00".repeat(41)), 0x6700),
        ("00 82 00 00 10".into(), 0x6700),
        (format!("00 82 00 00 28 {data}"), 0x6700),
        (format!("00 82 00 00 28 {data} 0F"), 0x6C10),
        (format!("00 82 01 00 28 {data} 10"), 0x6A86),
        (format!("00 82 00 81 28 {data} 10"), 0x6A86),
        (format!("00 82 00 00 28 {data} 10 00"), 0x6700),
    ] {
        let mut card = active_card();
        let id = key_id(&card, education(), KeyNumber::READ);
        let challenge = prepare(&mut card, education(), &id);
        assert_eq!(ask(&mut card, &apdu), sw(expected), "{apdu}");
        let (request, _) = prove(&card, &id, sam(OWN_SCHOOL), challenge);
        assert_eq!(send(&mut card, &mutual_authenticate(&request)), sw(0x6985), "{apdu}");
        assert_eq!(failures(&card, education(), id.number), 0);
    }
}

#[test]
fn without_a_chosen_key_there_is_no_challenge() {
    let mut card = active_card();
    select(&mut card, education());
    assert_eq!(ask(&mut card, "00 84 00 00 10"), sw(0x6985));
    let id = key_id(&card, education(), KeyNumber::READ);
    prepare(&mut card, education(), &id);
    // A failed choice forgets the one before, and so does a DF.
    for forget in ["00 22 C1 A4 07 80 01 01 83 02 09 01", "00 A4 04 0C 07 F0 42 4A 45 44 55 01"] {
        assert_eq!(choose(&mut card, &id), sw(0x9000));
        ask(&mut card, forget);
        assert_eq!(ask(&mut card, "00 84 00 00 10"), sw(0x6985), "{forget}");
    }
    assert_eq!(choose(&mut card, &id), sw(0x9000));
    for (apdu, expected) in [
        ("00 84 00 00", 0x6700),
        ("00 84 00 00 08", 0x6C10),
        ("00 84 01 00 10", 0x6A86),
        ("00 84 00 00 01 00 10", 0x6700),
    ] {
        assert_eq!(ask(&mut card, apdu), sw(expected), "{apdu}");
    }
    assert_eq!(ask(&mut card, "00 84 00 00 00").data.len(), 16);
}

#[test]
fn a_key_is_chosen_by_number_version_and_algorithm() {
    let mut card = active_card();
    for (data, expected) in [
        ("80 01 01 83 02 01 01", 0x9000),
        ("80 01 01 83 02 07 01", 0x6A88), // no KA in the education zone
        ("80 01 01 83 02 80 01", 0x6A88),
        ("80 01 01 83 02 01 02", 0x6A88), // no such version
        ("80 01 01 83 02 01 00", 0x6A88), // transport key
        ("80 01 01 83 02 01 FF", 0x6A88), // empty slot
        ("80 01 02 83 02 01 01", 0x6A88), // SM4 on an AES card
        ("80 01 81 83 02 01 01", 0x6A88),
        ("80 01 00 83 02 01 01", 0x6A88),
        ("83 02 01 01 80 01 01", 0x6A80),
        ("80 01 01 83 02 01 01 00", 0x6A80),
        ("80 01 01 83 01 01", 0x6A80),
        ("80 02 01 01 83 02 01 01", 0x6A80),
        ("80 01 01", 0x6A80),
        ("80 01 01 84 02 01 01", 0x6A80),
    ] {
        select(&mut card, education());
        let data = bytes(data);
        let mse = Command::new(Class::ISO, 0x22, 0xC1, 0xA4).with_data(&data);
        assert_eq!(send(&mut card, &mse.to_vec().unwrap()), sw(expected), "{data:02X?}");
    }
    for apdu in ["00 22 41 A4 07 80010183020101", "00 22 C1 B8 07 80010183020101"] {
        assert_eq!(ask(&mut card, apdu), sw(0x6A86));
    }
    assert_eq!(ask(&mut card, "00 22 C1 A4 07 80010183020101 00"), sw(0x6700));
    assert_eq!(ask(&mut card, "00 22 C1 A4"), sw(0x6A80));
    // A sector that is closed has no key of an owner, and in the MF there is nothing to choose.
    let mut closed = power_up(RamNvm::new(new_card()));
    let sector = &CardKind::Student.tree().dfs[1];
    select(&mut closed, sector);
    let id = key_id(&closed, sector, KeyNumber::APPLICATION);
    assert_eq!(choose(&mut closed, &id), sw(0x6A88));
    closed.reset().unwrap();
    let id = key_id(&closed, education(), KeyNumber::READ);
    assert_eq!(choose(&mut closed, &id), sw(0x6D00));
}

/// A card one of whose keys has failed so often.
fn card_with_failures(number: KeyNumber, count: u16) -> VirtualCard {
    let mut memory = support::memory_in(LifeCycleState::Active);
    let offset = education().key_offset(number).unwrap();
    memory[offset..offset + 2].copy_from_slice(&count.to_be_bytes());
    power_up(RamNvm::new(memory))
}

fn fail(card: &mut VirtualCard, id: &KeyId) -> Reply {
    prepare(card, education(), id);
    let request = Request { nonce: [0; 16], reader: sam(OWN_SCHOOL), token: [0; 16] };
    send(card, &mutual_authenticate(&request))
}

/// A proof of 128 bits needs no limit: whoever is near would have one more way to do harm.
#[test]
fn no_number_of_failures_blocks_a_key() {
    for number in KeyNumber::EDUCATION {
        let mut card = card_with_failures(number, FAILURE_CAP - 1);
        let id = key_id(&card, education(), number);
        for _ in 0..3 {
            assert_eq!(fail(&mut card, &id), sw(0x6300));
            assert_eq!(failures(&card, education(), id.number), FAILURE_CAP);
            let reply = ask(&mut card, "00 84 00 00 10");
            assert_eq!(reply, sw(0x6985), "the choice of key is gone");
        }
        let writes = card.model().nvm().writes();
        assert_eq!(fail(&mut card, &id), sw(0x6300));
        assert_eq!(card.model().nvm().writes(), writes, "the memory does not wear out");
        session(&mut card, number);
    }
}

#[test]
fn a_success_takes_ten_failures_back() {
    for (before, after) in [(FAILURE_CAP - 1, FAILURE_CAP - 11), (12, 2), (10, 0), (3, 0)] {
        let mut card = card_with_failures(KeyNumber::READ, before);
        session(&mut card, KeyNumber::READ);
        assert_eq!(failures(&card, education(), KeyNumber::READ), after);
    }
}

/// Runs an authentication into a power cut everywhere.
fn cut_everywhere(request: impl Fn(&VirtualCard, &KeyId, [u8; 16]) -> Request) -> Vec<u16> {
    let mut counters = Vec::new();
    for after_writes in 0.. {
        for after_bytes in 0.. {
            let mut card = card_with_failures(KeyNumber::READ, 20);
            let id = key_id(&card, education(), KeyNumber::READ);
            let challenge = prepare(&mut card, education(), &id);
            let apdu = mutual_authenticate(&request(&card, &id, challenge));
            card.cut_power(Cut { after_writes, after_bytes, torn: Torn::Erased(0xFF) });
            let mut response = vec![0xEE];
            match card.transmit(&apdu, &mut response) {
                Ok(()) if after_bytes == 0 => return counters,
                Ok(()) => break,
                Err(error) => assert_eq!(error, NvmError::PowerLost),
            }
            assert!(response.is_empty() && !card.is_powered(), "no byte of an answer gets out");
            assert_eq!(card.transmit(&apdu, &mut response), Err(NvmError::PowerLost));
            card.power_on().unwrap();
            counters.push(failures(&card, education(), id.number));
            if after_bytes > 64 {
                break;
            }
        }
    }
    counters
}

#[test]
fn a_failure_is_stored_before_it_is_told() {
    let counters = cut_everywhere(|_, _, _| Request {
        nonce: [0; 16],
        reader: sam(OWN_SCHOOL),
        token: [0; 16],
    });
    assert!(counters.len() > 40);
    assert!(counters.iter().all(|counter| [20, 21].contains(counter)));
    // Once the journal is whole the try is spent.
    assert_eq!(counters.last(), Some(&21));
}

#[test]
fn a_success_is_stored_before_it_is_told() {
    let counters =
        cut_everywhere(|card, id, challenge| prove(card, id, sam(OWN_SCHOOL), challenge).0);
    assert!(counters.len() > 40);
    assert!(counters.iter().all(|counter| [20, 10].contains(counter)));
    assert_eq!(counters.last(), Some(&10));
}
