//! A reader's SAM, and what a management card or a student card at its other end would answer.

use xuejika_apdu::command::Command;
use xuejika_apdu::sm::CardSm;
use xuejika_apdu::{Class, Response, StatusWord};
use xuejika_card_model::date::Date;
use xuejika_card_model::management::{self, Authorisation, SamSerial};
use xuejika_card_model::nvm::Nvm;
use xuejika_card_model::sam::{Respond, VersionChoice};
use xuejika_emulator::dispatch::Operation;
use xuejika_emulator::test_card;
use xuejika_keyscheme::auth::{CardChallenge, CardId, Request};
use xuejika_keyscheme::provider::Path;
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone, test_keys};

use super::{Case, Expect, World};
use crate::case::{Bound, Card};
use crate::client::apdu;
use crate::support::send;
use crate::view::LAST_DAY;

const ALGORITHM: Algorithm = Algorithm::Aes128;

/// The first version of a key.
const fn id(zone: Zone, number: KeyNumber) -> KeyId {
    KeyId { zone, number, version: KeyVersion::FIRST, algorithm: ALGORITHM }
}

const K80: KeyId = id(Zone::MANAGEMENT, KeyNumber::MANAGEMENT);

fn date(text: &str) -> Date {
    text.parse().expect("a date")
}

fn memory() -> Vec<u8> {
    let number = "000042".parse().expect("a number");
    let serial = SamSerial { unit: "084012".parse().expect("a unit"), number };
    test_card::sam(ALGORITHM, serial, date("2027-08-31")).bytes().to_vec()
}

fn authorisation() -> (CardId, Authorisation) {
    management::test_card("084012".parse().expect("a unit"), date("2027-08-31"))
}

fn select(card: &mut Card) {
    send(card, b"\x00\xA4\x04\x0C\x07\xF0BJESM\x01");
}

/// As [`apdu`], asking for all there is.
fn asking(header: [u8; 4], data: &[u8]) -> Vec<u8> {
    [apdu(header, data), vec![0]].concat()
}

fn respond(id: KeyId, card: CardId) -> Vec<u8> {
    let challenge = Respond { id, path: Path::City, card, challenge: [0xA0; 16] };
    asking([0x80, 0x32, 0, 0], &challenge.emit())
}

/// Lets the SAM prove itself to a card with this serial; gives the command that opens the session,
/// and the card's end of it.
fn prove(card: &mut Card, id: KeyId, serial: CardId) -> (Vec<u8>, CardSm) {
    let proof = Request::parse(&send(card, &respond(id, serial)).data).expect("a proof");
    let key = test_keys::root(&id).card(&id, serial);
    let challenge = CardChallenge::new(id, serial, [0xA0; 16]);
    let (token, session) = challenge.verify(&key, &proof).expect("a right proof");
    (apdu([0x80, 0x34, 0, 0], &token), CardSm::new(&session.keys))
}

/// Opens a session, protects a READ BINARY in it and gives the card's protected answer.
fn answer(card: &mut Card, id: KeyId, serial: CardId, data: &[u8]) -> Vec<u8> {
    let (open, mut sm) = prove(card, id, serial);
    assert_eq!(send(card, &open).sw, 0x9000);
    let wire = send(card, &wrap());
    let command = Command::parse(&wire.data).expect("a command");
    sm.unwrap_command(&command, &mut Vec::new()).expect("a protected command");
    let mut out = Vec::new();
    sm.wrap_response(&Response { data, status: StatusWord::SUCCESS }, &mut out);
    out
}

fn wrap() -> Vec<u8> {
    let read = Command::new(Class::ISO, 0xB0, 0x81, 0).with_ne(256).to_vec().expect("short");
    asking([0x80, 0x36, 0, 0], &read)
}

fn unlock(card: &mut Card, today: &str) -> Vec<u8> {
    let (serial, authorisation) = authorisation();
    let contents = answer(card, K80, serial, &*authorisation.emit());
    asking([0x80, 0x40, 0, 0], &[&date(today).bytes()[..], &contents].concat())
}

/// The commands that write nothing.
pub(super) fn looks(operation: Operation, world: &World) -> Vec<Case> {
    let expect = Expect::nothing(match operation {
        // Locked, it has no key for anybody.
        Operation::SamWrapOpening | Operation::SamWrapKey => 0x6985,
        _ => 0x9000,
    });
    vec![world.case(operation, "a SAM", memory(), expect, move |_, card| {
        select(card);
        let (serial, _) = authorisation();
        match operation {
            Operation::SamState => vec![0x80, 0xCA, 0, 0, 0],
            Operation::SamVersion => {
                let (zone, number) = (K80.zone, K80.number);
                let offered = vec![KeyVersion::FIRST];
                let choice = VersionChoice { zone, number, algorithm: ALGORITHM, offered };
                asking([0x80, 0x30, 0, 0], &choice.emit())
            }
            Operation::SamRespond => respond(K80, serial),
            Operation::SamOpen => prove(card, K80, serial).0,
            Operation::SamWrap => {
                let (open, _) = prove(card, K80, serial);
                assert_eq!(send(card, &open).sw, 0x9000);
                wrap()
            }
            Operation::SamWrapKey => asking([0x80, 0x3A, 0, 0], &K80.emit()),
            Operation::SamUnwrap => {
                let answer = answer(card, K80, serial, &[]);
                asking([0x80, 0x38, 0, 0], &answer)
            }
            Operation::SamWrapOpening => {
                let event = [
                    &[0x20, 0x26, 0x09, 0x01, 0x08, 0x30, 0x00, 0, 0, 0, 7, 0][..],
                    &[0x01, 0x00, 0x07, 0x08, 0x40, 0x12, 0x20, 0x26, 0x00, 0x01],
                ];
                asking([0x80, 0x3C, 0x01, 0], &event.concat())
            }
            Operation::SamClose => vec![0x80, 0x3E, 0, 0],
            _ => vec![0x80, 0x44, 0, 0],
        }
    })]
}

/// UNLOCK SAM and SET DATE, which note the day.
pub(super) fn days(operation: Operation, world: &World) -> Vec<Case> {
    let last = |day: &'static str| {
        Expect::change(&[LAST_DAY])
            .bound(Bound::Once)
            .until(move |view| view.part(LAST_DAY) == date(day).bytes())
    };
    if operation == Operation::SamUnlock {
        let first = last("2026-09-01");
        let case = world.case(operation, "the first day", memory(), first, |_, card| {
            select(card);
            unlock(card, "2026-09-01")
        });
        return vec![case];
    }
    // It can be told the same day again, but not after a reset.
    let next = last("2026-09-02").bound(Bound::Free);
    vec![world.case(operation, "the next day", memory(), next, |_, card| {
        select(card);
        let command = unlock(card, "2026-09-01");
        assert_eq!(send(card, &command).sw, 0x9000);
        apdu([0x80, 0x42, 0, 0], &date("2026-09-02").bytes())
    })]
}

/// UNLOCK SAM on the last day there is, which every SAM takes.
pub(super) fn follow_up(world: &World, memory: Vec<u8>) -> Case {
    let expect = Expect::change(&[LAST_DAY]).bound(Bound::Once);
    world.case(Operation::SamUnlock, "the last day", memory, expect, |_, card| {
        select(card);
        unlock(card, "2027-08-31")
    })
}
