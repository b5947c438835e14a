//! The secure-messaging session: what ends it, what does not, and that nothing forged or replayed
//! gets in.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken premise fails the test"
)]

mod support;

use support::model::{self, CITY, OWN_SCHOOL, education, file};
use support::{
    Reply, Session, active_card, ask, authenticate, bytes, card_in, change, key_id, memory,
    mutual_authenticate, power_up_with, prepare, prove, read, sam, select, send, session, sw,
    update,
};
use xuejika_apdu::sm::{ReaderSm, SmError};
use xuejika_apdu::{Class, Command, Response};
use xuejika_card_model::event::Outcome;
use xuejika_card_model::file::tree::{CardKind, sfi};
use xuejika_card_model::lifecycle::Event;
use xuejika_card_model::nvm::RamNvm;
use xuejika_card_model::state::LifeCycleState;
use xuejika_emulator::{Env, VirtualCard};
use xuejika_keyscheme::KeyNumber;
use xuejika_keyscheme::auth::SessionKeys;

/// Plain READ BINARY of the status file.
const READ_STATUS: &str = "00 B0 86 00 00";

/// The session is gone: protected commands and plain access alike are refused.
fn expect_over(card: &mut VirtualCard, session: &mut Session, what: &str) {
    let apdu = session.wrap(&read(file(sfi::STATUS)));
    assert_eq!(send(card, &apdu), sw(0x6988), "protected, after {what}");
    let in_education = ask(card, READ_STATUS).sw;
    assert!([0x6982, 0x6A82].contains(&in_education), "plain, after {what}");
}

fn expect_alive(card: &mut VirtualCard, session: &mut Session, what: &str) {
    assert_eq!(session.send(card, &read(file(sfi::STATUS))).sw, 0x9000, "after {what}");
}

#[test]
fn a_plain_command_ends_it() {
    for (command, answer) in [
        (READ_STATUS, 0x6982),
        ("00 B0 85 00 00", 0x9000), // a free file, too
        ("00 D6 87 00 01 00", 0x6982),
        ("00 B2 01 6C 00", 0x6982),
        ("00 84 00 00 10", 0x9000),
        ("00 22 C1 A4 07 80 01 01 83 02 01 01", 0x9000),
        ("00 A4 00 00 02 DF 01 00", 0x9000), // the same DF
        ("00 A4 04 0C 07 F0 42 4A 45 45 54 01", 0x9000),
        ("00 A4 00 0C 02 00 06", 0x9000), // a file of it
        ("00 A4 00 0C 02 12 34", 0x6A82),
        ("00 C0 00 00 00", 0x6985),
        ("80 F0 06 00 00", 0x6982),
        ("00 B1 00 00 00", 0x6D00),
        ("10 A4 04 00 01 F0", 0x9000), // the start of a chain
    ] {
        let mut card = active_card();
        let mut session = session(&mut card, KeyNumber::READ);
        expect_alive(&mut card, &mut session, "the authentication");
        assert_eq!(ask(&mut card, command).sw, answer, "{command}");
        expect_over(&mut card, &mut session, command);
    }
}

#[test]
fn a_malformed_command_ends_it() {
    for (command, answer) in [
        ("", 0x6700),
        ("00", 0x6700),
        ("00 B0 85", 0x6700),
        ("00 D6 87 00 05 01", 0x6700),
        ("00 D6 87 00 00 00 00 01", 0x6700),
        ("0C B0 86 00 10 97 01", 0x6700),
        ("01 B0 86 00 00", 0x6881),
        ("0D B0 86 00 00", 0x6881),
        ("4C B0 86 00 00", 0x6881),
        ("04 B0 86 00 00", 0x6882),
        ("08 B0 86 00 00", 0x6882),
        ("20 B0 86 00 00", 0x6E00),
        ("FF B0 86 00 00", 0x6E00),
    ] {
        let mut card = active_card();
        let mut session = session(&mut card, KeyNumber::READ);
        assert_eq!(ask(&mut card, command), sw(answer), "{command:?}");
        expect_over(&mut card, &mut session, command);
    }
}

#[test]
fn reset_and_loss_of_power_end_it() {
    type Break = fn(&mut VirtualCard);
    let breaks: [(&str, Break); 2] = [
        ("reset", |card| drop(card.reset().unwrap().to_vec())),
        ("power off", |card| {
            card.power_off();
            card.power_on().unwrap();
        }),
    ];
    for (what, interrupt) in breaks {
        let mut card = active_card();
        let mut session = session(&mut card, KeyNumber::READ);
        interrupt(&mut card);
        expect_over(&mut card, &mut session, what);
        // The MF is selected again.
        assert_eq!(ask(&mut card, "00 B0 84 00 00").data.len(), 32);
    }
}

#[test]
fn a_new_authentication_ends_it_even_when_it_fails() {
    let mut card = active_card();
    let mut first = session(&mut card, KeyNumber::READ);
    let mut second = session(&mut card, KeyNumber::STATUS);
    let apdu = first.wrap(&read(file(sfi::STATUS)));
    assert_eq!(send(&mut card, &apdu), sw(0x6988), "the first is over");
    let apdu = second.wrap(&read(file(sfi::STATUS)));
    assert_eq!(send(&mut card, &apdu), sw(0x6988), "and took the second with it");

    let mut session = session(&mut card, KeyNumber::READ);
    assert_eq!(ask(&mut card, &format!("00 82 00 00 28 {} 10", "00".repeat(40))), sw(0x6985));
    expect_over(&mut card, &mut session, "a failed authentication");
}

/// Keys of a new session, to build messages that no reader would send.
fn session_keys(card: &mut VirtualCard, number: KeyNumber) -> SessionKeys {
    let id = key_id(card, education(), number);
    let challenge = prepare(card, education(), &id);
    let (request, awaiting) = prove(card, &id, sam(OWN_SCHOOL), challenge);
    let token = send(card, &mutual_authenticate(&request)).data;
    awaiting.verify(&token).unwrap()
}

fn forged(class: u8, instruction: u8, objects: &[u8]) -> Vec<u8> {
    let length = u8::try_from(objects.len()).unwrap();
    [&[class, instruction, 0x86, 0x00, length], objects, &[0x00]].concat()
}

#[test]
fn an_error_of_the_protection_ends_it() {
    for (objects, answer) in [
        ("97 01 20", 0x6987), // no checksum
        ("87 01 01", 0x6987),
        ("8E 08 00 00 00 00 00 00 00 00", 0x6988), // a wrong one
        ("97 01 20 8E 08 00 00 00 00 00 00 00 00", 0x6988),
        ("97 01 20 8E 07 00 00 00 00 00 00 00", 0x6988), // a short one
        ("97 01 20 8E 81 08 00 00 00 00 00 00 00 00", 0x6988), // not DER
        ("8E 08 00 00 00 00 00 00 00 00 97 01 20", 0x6988), // order
        ("97 01 20 97 01 20 8E 08 00 00 00 00 00 00 00 00", 0x6988),
        ("85 01 00 8E 08 00 00 00 00 00 00 00 00", 0x6988), // unknown object
        ("97 05 20", 0x6988),                               // cut off
    ] {
        let mut card = active_card();
        let mut session = session(&mut card, KeyNumber::READ);
        assert_eq!(send(&mut card, &forged(0x0C, 0xB0, &bytes(objects))), sw(answer), "{objects}");
        expect_over(&mut card, &mut session, objects);
    }
    let mut card = active_card();
    let mut session = session(&mut card, KeyNumber::READ);
    assert_eq!(ask(&mut card, "0C B0 86 00"), sw(0x6987), "nothing at all");
    expect_over(&mut card, &mut session, "nothing at all");
}

#[test]
fn chaining_is_not_offered_in_it() {
    for class in [0x1C, 0x9C] {
        let mut card = active_card();
        let mut session = session(&mut card, KeyNumber::READ);
        // Refused before the counter moves: the next command of the session would be right.
        assert_eq!(send(&mut card, &[class, 0xB0, 0x86, 0, 0]), sw(0x6884));
        expect_over(&mut card, &mut session, "chaining");
    }
}

#[test]
fn unknown_instructions_are_answered_inside_and_it_lives() {
    let mut card = active_card();
    let mut session = session(&mut card, KeyNumber::READ);
    for hex in ["00 B4 00 00 00", "80 E2 00 00 01 00", "00 F0 00 00 00", "80 B0 86 00 00"] {
        assert_eq!(session.ask(&mut card, hex), sw(0x6D00), "{hex}");
    }
    expect_alive(&mut card, &mut session, "unknown instructions");
}

/// Odd instructions, whose data would come in DO 85, are not offered.
#[test]
fn an_odd_instruction_is_unknown_even_under_a_right_checksum() {
    let mut card = active_card();
    assert_eq!(ask(&mut card, "00 B1 00 06 04 54 02 00 00 00"), sw(0x6D00));
    let odd = Command::new(Class::ISO, 0xB1, 0x00, 0x06).with_ne(256);
    let keys = session_keys(&mut card, KeyNumber::READ);
    let mut reader = ReaderSm::new(&keys);
    assert_eq!(reader.wrap_command(&odd, &mut Vec::new()), Err(SmError::NotCarried));
    let counter = 1_u128.to_be_bytes();
    let pad = |bytes: &[u8]| {
        let mut padded = [bytes, &[0x80]].concat();
        padded.resize(padded.len().next_multiple_of(16), 0);
        padded
    };
    let (header, le) = ([0x0C, 0xB1, 0x00, 0x06], [0x97, 0x01, 0x00]);
    let message = [&counter[..], &pad(&header), &pad(&le)].concat();
    let checksum = keys.mac.mac().tag(&message);
    let apdu = [&header[..], &[13], &le, &[0x8E, 8], &checksum[..8], &[0]].concat();
    let reply = send(&mut card, &apdu);
    // The session has counted the odd command like any other.
    let mut session = Session::new(ReaderSm::new(&keys));
    session.wrap(&read(file(sfi::STATUS)));
    assert_eq!(session.unwrap(&reply), sw(0x6D00));
    expect_alive(&mut card, &mut session, "an odd instruction");
}

#[test]
fn application_errors_stay_inside_and_it_lives() {
    let mut card = active_card();
    let mut session = session(&mut card, KeyNumber::READ);
    let before = memory(&card);
    for (command, answer) in [
        ("00 B0 00 00 00", 0x6986),    // no current file
        ("00 D6 87 00 01 00", 0x6982), // another key
        ("00 D6 85 00 01 00", 0x6982),
        ("00 B0 86 00 21", 0x6C20), // Le
        ("00 B0 86 00", 0x6700),
        ("00 B0 86 20 00", 0x6B00), // offset
        ("00 B0 9E 00 00", 0x6A82), // no such file
        ("00 B0 E6 00 00", 0x6A86), // P1
        ("00 B0 8A 00 00", 0x6981), // structure
        ("00 B2 01 34 00", 0x6981),
        ("00 B2 10 6C 00", 0x6A83), // no such record
        ("00 B2 01 6C 11", 0x6C10),
        ("00 B2 01 6A 00", 0x6A86),
        ("00 D6 87 00", 0x6700),          // nothing to write
        ("00 D6 87 00 01 00 00", 0x6700), // Le
        ("80 F0 06 00 00", 0x6A80),       // no data
        ("80 F0 13 00 00", 0x6A86),       // no such event
        ("80 F0 06 01 00", 0x6A86),
        ("80 F0 06 00", 0x6700),
        ("80 F0 06 00 05", 0x6C04),
        ("80 D8 01 02 01 00 00", 0x6A80),                // key data
        ("00 A4 04 0C 07 F0 42 4A 45 44 55 01", 0x6882), // plain only
        ("00 22 C1 A4 07 80 01 01 83 02 01 01", 0x6882),
        ("00 84 00 00 10", 0x6882),
        ("00 C0 00 00 00", 0x6882),
        ("00 82 00 00 01 00 10", 0x6882),
    ] {
        assert_eq!(session.ask(&mut card, command), sw(answer), "{command}");
    }
    expect_alive(&mut card, &mut session, "all of them");
    assert!(memory(&card) == before);
}

/// An event under its own key in a state that does not allow it.
#[test]
fn a_refused_event_stays_inside() {
    let data = model::request(Event::Register).emit();
    for (state, answer) in [(LifeCycleState::Frozen, 0x6985), (LifeCycleState::Cancelled, 0x6985)] {
        let mut card = card_in(state);
        let mut session = session(&mut card, KeyNumber::REGISTER);
        assert_eq!(session.send(&mut card, &change(Event::Register, &data)), sw(answer));
        expect_alive(&mut card, &mut session, "a refused event");
    }
    // Not in another DF, not by another unit, not while a condition fails: sectors are open.
    let mut card = active_card();
    let sector = &CardKind::Student.tree().dfs[1];
    let mut owner = authenticate(&mut card, sector, KeyNumber::EXTENSION, sam(OWN_SCHOOL));
    let freeze = model::request(Event::Freeze).emit();
    assert_eq!(owner.send(&mut card, &change(Event::Freeze, &freeze)), sw(0x6985));
    let other = sam(model::OTHER_SCHOOL);
    let mut other = authenticate(&mut card, education(), KeyNumber::STATUS, other);
    assert_eq!(other.send(&mut card, &change(Event::Freeze, &freeze)), sw(0x6982));
    let recall = model::request(Event::Recall).emit();
    let mut own = session(&mut card, KeyNumber::STATUS);
    assert_eq!(own.send(&mut card, &change(Event::Recall, &recall)), sw(0x6985));
    let reply = own.send(&mut card, &change(Event::Freeze, &freeze));
    assert_eq!(reply.sw, 0x9000);
    assert_eq!(Outcome::parse(&reply.data).unwrap().state, LifeCycleState::Frozen);
}

#[test]
fn get_response_fetches_a_long_answer_without_ending_it() {
    let sector = &CardKind::Student.tree().dfs[1];
    for piece in [1, 7, 100, 255] {
        let mut card = active_card();
        let mut session = authenticate(&mut card, sector, KeyNumber::APPLICATION, sam(OWN_SCHOOL));
        let apdu = session.wrap(&read(&sector.files[0]));
        let mut reply = send(&mut card, &apdu);
        assert_eq!((reply.data.len(), reply.sw >> 8), (256, 0x61));
        while reply.sw >> 8 == 0x61 {
            let left = reply.sw & 0xFF;
            let more = send(&mut card, &[0x00, 0xC0, 0x00, 0x00, piece]);
            assert_eq!(more.data.len(), usize::from(left.min(piece.into())));
            reply.data.extend(more.data);
            reply.sw = more.sw;
        }
        let file = &sector.files[0];
        let stored = &memory(&card)[file.offset..][..file.structure.storage()];
        assert_eq!(session.unwrap(&reply).data, stored);
        assert_eq!(session.send(&mut card, &read(&sector.files[0])).sw, 0x9000, "alive");
        assert_eq!(ask(&mut card, "00 C0 00 00 00"), sw(0x6985), "nothing left");
    }
}

#[test]
fn what_was_not_fetched_is_gone() {
    let sector = &CardKind::Student.tree().dfs[1];
    let mut card = active_card();
    let mut session = authenticate(&mut card, sector, KeyNumber::APPLICATION, sam(OWN_SCHOOL));
    let long = session.wrap(&read(&sector.files[0]));
    assert_eq!(send(&mut card, &long).sw >> 8, 0x61);
    // The next command discards what was not fetched.
    assert_eq!(ask(&mut card, "00 A4 00 0C").sw, 0x9000);
    assert_eq!(ask(&mut card, "00 C0 00 00 00"), sw(0x6985));

    for spoilt in ["00 C0 01 00 00", "00 C0 00 01 00", "00 C0 00 00 01 00 00", "00 C0 00 00"] {
        let mut session = authenticate(&mut card, sector, KeyNumber::APPLICATION, sam(OWN_SCHOOL));
        let long = session.wrap(&read(&sector.files[0]));
        assert_eq!(send(&mut card, &long).sw >> 8, 0x61);
        assert!([0x6A86, 0x6700].contains(&ask(&mut card, spoilt).sw), "{spoilt}");
        assert_eq!(ask(&mut card, "00 C0 00 00 00"), sw(0x6985), "{spoilt}");
    }
}

#[test]
fn an_extended_command_gets_a_long_answer_at_once() {
    let sector = &CardKind::Student.tree().dfs[1];
    let mut card = active_card();
    let mut session = authenticate(&mut card, sector, KeyNumber::APPLICATION, sam(CITY));
    let data = [0x5A; 240];
    let write = update(&sector.files[0], &data).with_extended_lengths();
    assert_eq!(session.send(&mut card, &write), sw(0x9000));
    let long = read(&sector.files[0]).with_ne(65_536).with_extended_lengths();
    let apdu = session.wrap(&long);
    let reply = send(&mut card, &apdu);
    assert_eq!(reply.sw, 0x9000);
    assert_eq!(session.unwrap(&reply).data, data);
}

/// A card whose handshake runs the same each time, one command into its session.
fn ready(number: KeyNumber, command: &Command<'_>) -> (VirtualCard, Session, Vec<u8>) {
    let state = if number == KeyNumber::PERSONALISE {
        LifeCycleState::Personalising
    } else {
        LifeCycleState::Active
    };
    let mut card = card_in(state);
    let mut session = session(&mut card, number);
    let apdu = session.wrap(command);
    (card, session, apdu)
}

#[test]
fn every_flipped_bit_of_a_protected_command_is_refused() {
    let identity = model::pupil().identity.emit();
    let freeze = model::request(Event::Freeze).emit();
    let commands = [
        (KeyNumber::READ, read(file(sfi::STATUS))),
        (KeyNumber::READ, read(file(sfi::LOG))),
        (KeyNumber::PERSONALISE, update(file(sfi::IDENTITY), &identity)),
        (KeyNumber::STATUS, change(Event::Freeze, &freeze)),
    ];
    let mut trials = 0;
    for (number, command) in &commands {
        let (mut card, mut session, apdu) = ready(*number, command);
        let reply = send(&mut card, &apdu);
        assert_eq!(session.unwrap(&reply).sw, 0x9000);
        for bit in 0..8 * apdu.len() {
            let (mut card, _, mut apdu) = ready(*number, command);
            let before = memory(&card);
            let genuine = apdu.clone();
            apdu[bit / 8] ^= 0x80 >> (bit % 8);
            let reply = send(&mut card, &apdu);
            let what = format!("bit {bit} of {genuine:02X?}");
            assert!(reply.data.is_empty() && reply.sw >= 0x6700 && reply.sw < 0x7000, "{what}");
            assert!(memory(&card) == before, "{what}");
            assert_eq!(send(&mut card, &genuine), sw(0x6988), "{what}: the session is over");
            trials += 1;
        }
        // Truncated, and with bytes too many.
        for length in 0..apdu.len() {
            let (mut card, _, apdu) = ready(*number, command);
            let before = memory(&card);
            let reply = send(&mut card, &apdu[..length]);
            assert!(reply.data.is_empty() && reply.sw >= 0x6700, "{length} bytes");
            assert!(memory(&card) == before);
        }
        let (mut card, _, apdu) = ready(*number, command);
        assert_eq!(send(&mut card, &[&apdu[..], &[0]].concat()), sw(0x6700));
    }
    assert!(trials > 1500, "{trials}");
}

#[test]
fn a_replayed_command_is_refused_in_the_same_session() {
    let freeze = model::request(Event::Freeze).emit();
    let (mut card, mut session, apdu) = ready(KeyNumber::STATUS, &change(Event::Freeze, &freeze));
    let reply = send(&mut card, &apdu);
    assert_eq!(session.unwrap(&reply).sw, 0x9000);
    let before = memory(&card);
    assert_eq!(send(&mut card, &apdu), sw(0x6988));
    assert!(memory(&card) == before);
}

#[test]
fn a_replayed_command_is_refused_in_a_new_session() {
    let freeze = model::request(Event::Freeze).emit();
    let mut card = active_card();
    let mut old = session(&mut card, KeyNumber::STATUS);
    let recorded = old.wrap(&change(Event::Freeze, &freeze));
    // The very same SAM under the very same key, and nothing has been sent yet.
    let mut fresh = session(&mut card, KeyNumber::STATUS);
    let before = memory(&card);
    assert_eq!(send(&mut card, &recorded), sw(0x6988));
    assert!(memory(&card) == before);
    expect_over(&mut card, &mut fresh, "a replay");
    // After a reset the card draws another challenge.
    card.reset().unwrap();
    session(&mut card, KeyNumber::STATUS);
    assert_eq!(send(&mut card, &recorded), sw(0x6988));
}

#[test]
fn a_command_dropped_or_swapped_is_noticed() {
    // Two cards that draw the same challenges: the other one answers the command that this one never
    // got, so that the reader goes on.
    let [mut card, mut other] = [active_card(), active_card()];
    session(&mut card, KeyNumber::READ);
    let mut session = session(&mut other, KeyNumber::READ);
    session.send(&mut other, &read(file(sfi::STATUS)));
    let next = session.wrap(&read(file(sfi::STATUS)));
    assert_eq!(send(&mut card, &next), sw(0x6988));
}

#[test]
fn a_command_for_one_card_is_refused_by_another() {
    let freeze = model::request(Event::Freeze).emit();
    let memory_of = |serial: &str| {
        use xuejika_card_model::record::Issuance;
        let issuance = Issuance { card_serial: serial.parse().unwrap(), ..model::issuance() };
        let serial = xuejika_keyscheme::auth::CardId(issuance.card_serial.bytes());
        let (key, wallet) = (|id: &_| model::key(id, serial), model::wallet(&issuance));
        let mut memory =
            xuejika_card_model::factory::student(&issuance, [0; 7], key, &wallet).unwrap();
        model::put_pupil(&mut memory, &model::pupil());
        model::put_status(&mut memory, &model::status(LifeCycleState::Active));
        memory
    };
    // Both draw the same challenges.
    let [mut one, mut two] = ["1100070100000017", "1100070100000025"]
        .map(|serial| power_up_with(RamNvm::new(memory_of(serial)), Env::from_seed(1)));
    let mut with_one = session(&mut one, KeyNumber::STATUS);
    let mut with_two = session(&mut two, KeyNumber::STATUS);
    let for_one = with_one.wrap(&change(Event::Freeze, &freeze));
    let for_two = with_two.wrap(&change(Event::Freeze, &freeze));
    assert_ne!(for_one, for_two);
    let before = memory(&two);
    assert_eq!(send(&mut two, &for_one), sw(0x6988));
    assert!(memory(&two) == before);
    assert_eq!(send(&mut one, &for_one).sw, 0x9000);
}

#[test]
fn a_reader_notices_a_forged_answer() {
    let freeze = model::request(Event::Freeze).emit();
    let command = change(Event::Freeze, &freeze);
    let (mut card, _, apdu) = ready(KeyNumber::STATUS, &command);
    let Reply { data, sw: status } = send(&mut card, &apdu);
    let genuine = [&data[..], &status.to_be_bytes()].concat();
    let accepted = |answer: &[u8]| {
        // The same handshake gives the same keys.
        let mut sm = ReaderSm::new(&session_keys(&mut active_card(), KeyNumber::STATUS));
        sm.wrap_command(&command, &mut Vec::new()).unwrap();
        sm.unwrap_response(&Response::parse(answer).unwrap(), &mut Vec::new()).is_ok()
    };
    assert!(accepted(&genuine));
    for bit in 0..8 * genuine.len() {
        let mut forged = genuine.clone();
        forged[bit / 8] ^= 0x80 >> (bit % 8);
        assert!(!accepted(&forged), "bit {bit}");
    }
    assert!(!accepted(&[0x90, 0x00]));
    assert!(!accepted(&[0x6A, 0x82]));
}

#[test]
fn a_session_opens_in_every_df_with_keys() {
    for df in CardKind::Student.tree().dfs {
        for &number in df.keys {
            let mut card = active_card();
            authenticate(&mut card, df, number, sam(OWN_SCHOOL));
        }
    }
    let mut card = active_card();
    select(&mut card, &CardKind::Student.tree().mf);
    assert_eq!(ask(&mut card, "00 22 C1 A4 07 80 01 01 83 02 01 01"), sw(0x6D00));
}
