//! The SAM of a reader as a card: what it does for its host, and that it does nothing more. The host
//! is the reader's own client for it; the SAM in software, which runs the same model, gives the
//! expected answers.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a broken premise fails the test"
)]

use core::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;
use xuejika_apdu::sm::SmError;
use xuejika_apdu::{CardChannel, ChannelError, Class, Command, Response, StatusWord};
use xuejika_card_model::date::Date;
use xuejika_card_model::event;
use xuejika_card_model::file::KeySet;
use xuejika_card_model::lifecycle::Event;
use xuejika_card_model::management::{self, Authorisation, Role, SamSerial};
use xuejika_card_model::nvm::{Cut, Nvm, RamNvm, Torn};
use xuejika_card_model::record::{ExtensionIndex, ExtensionSet};
use xuejika_card_model::sam::SamStore;
use xuejika_card_model::{Card, factory};
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::auth::CardId;
use xuejika_keyscheme::provider::Path;
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone, test_keys};
use xuejika_reader::sam::{CardSam, Grant, Sam, SamError, SoftSam};
use xuejika_reader::{Error, Locked, Reader};

const UNIT: &str = "000000";
const AES: Algorithm = Algorithm::Aes128;

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

fn serial() -> SamSerial {
    SamSerial { unit: UNIT.parse().unwrap(), number: "000042".parse().unwrap() }
}

fn powered(nvm: RamNvm, seed: u64) -> VirtualCard {
    let mut card = VirtualCard::new(nvm, Env::from_seed(seed)).unwrap();
    card.power_on().unwrap();
    card
}

fn card() -> VirtualCard {
    powered(test_card::sam(AES, serial(), date("2027-08-31")), 5)
}

fn sam() -> CardSam<VirtualCard> {
    CardSam::new(card()).unwrap()
}

fn soft() -> SoftSam {
    SoftSam::test(AES, serial(), date("2027-08-31"), ChaCha12Rng::seed_from_u64(5))
}

fn management(unit: &str) -> VirtualCard {
    powered(test_card::management(AES, unit.parse().unwrap(), date("2027-08-31")), 6)
}

/// A SAM of either kind that opens to [`altered`] by this change.
fn sams_for(change: impl Fn(&mut Authorisation)) -> [Box<dyn Sam>; 2] {
    sams_lent(None, change)
}

/// As [`sams_for`], of an application unit with these sectors.
fn sams_lent(lent: Option<ExtensionSet>, change: impl Fn(&mut Authorisation)) -> [Box<dyn Sam>; 2] {
    let (card, mut grant) =
        management::test_card_for(UNIT.parse().unwrap(), lent, date("2027-08-31"));
    change(&mut grant);
    let store = || SamStore::test_for(AES, serial(), lent, card, &grant);
    let memory = RamNvm::new(factory::sam(&store()));
    let soft = SoftSam::holding(store(), ChaCha12Rng::seed_from_u64(5)).unwrap();
    [Box::new(CardSam::new(powered(memory, 5)).unwrap()), Box::new(soft)]
}

/// The management card of the SAM's unit, with something else written on it.
fn altered(change: impl FnOnce(&mut Authorisation)) -> VirtualCard {
    altered_lent(None, change)
}

/// As [`altered`], of an application unit with these sectors.
fn altered_lent(
    lent: Option<ExtensionSet>,
    change: impl FnOnce(&mut Authorisation),
) -> VirtualCard {
    let (serial, mut authorisation) =
        management::test_card_for(UNIT.parse().unwrap(), lent, date("2027-08-31"));
    change(&mut authorisation);
    let [_, uid @ ..] = serial.0;
    let key = |id: &KeyId| test_keys::root(id).card(id, serial);
    powered(RamNvm::new(factory::management(AES, serial, uid, &authorisation, key)), 6)
}

fn student() -> VirtualCard {
    powered(test_card::student("1100070100000017").unwrap(), 7)
}

type CardReader = Reader<CardSam<VirtualCard>>;

fn unlock_with(management: &mut VirtualCard, today: &str) -> Result<CardReader, Error> {
    Locked::new(sam()).unlock(management, date(today)).map_err(|locked| locked.error)
}

fn reader() -> CardReader {
    unlock_with(&mut management(UNIT), "2026-09-01").unwrap()
}

/// Runs everything up to the contents of the management card, still protected, as the SAM gets them.
fn present(sam: &mut dyn Sam, card: &mut VirtualCard) -> Vec<u8> {
    let id = key(Zone::MANAGEMENT, KeyNumber::MANAGEMENT);
    open(sam, card, b"\x00\xA4\x04\x0C\x07\xF0BJEMG\x01", id).unwrap();
    let mut wire = Vec::new();
    let read = Command::new(Class::ISO, 0xB0, 0x81, 0).with_ne(256);
    sam.wrap(&read, &mut wire).unwrap();
    send(card, &wire)
}

/// Selects an application and opens a session in it.
fn open(
    sam: &mut dyn Sam,
    card: &mut VirtualCard,
    select: &[u8],
    id: KeyId,
) -> Result<(), SamError> {
    assert_eq!(send(card, select), [0x90, 0x00]);
    let [_, _, number, version, algorithm] = id.emit();
    send(card, &[0, 0x22, 0xC1, 0xA4, 7, 0x80, 1, algorithm, 0x83, 2, number, version]);
    let challenge = send(card, &[0x00, 0x84, 0, 0, 0x10])[..16].try_into().unwrap();
    let serial = card.header().serial;
    let proof = sam.respond(id, Path::City, serial, challenge)?.emit();
    let token = send(card, &[&[0x00, 0x82, 0, 0, 0x28][..], &proof, &[0x10]].concat());
    sam.open(&token[..token.len() - 2])
}

const fn key(zone: Zone, number: KeyNumber) -> KeyId {
    KeyId { zone, number, version: KeyVersion::FIRST, algorithm: AES }
}

const K0: KeyId = key(Zone::EDUCATION, KeyNumber::MASTER);
const K1: KeyId = key(Zone::EDUCATION, KeyNumber::READ);
const K2: KeyId = key(Zone::EDUCATION, KeyNumber::PERSONALISE);
const SELECT_EDUCATION: &[u8] = b"\x00\xA4\x04\x0C\x07\xF0BJEDU\x01";

fn send(card: &mut VirtualCard, command: &[u8]) -> Vec<u8> {
    let mut response = Vec::new();
    card.transmit(command, &mut response).unwrap();
    response
}

fn respond(sam: &mut dyn Sam, id: KeyId) -> Option<SamError> {
    sam.respond(id, Path::City, CardId([0x11; 8]), [1; 16]).err()
}

#[test]
fn a_sam_says_what_it_is_and_another_card_is_refused() {
    let mut sam = sam();
    assert_eq!((sam.id(), sam.algorithm()), (serial().reader(), AES));
    assert_eq!(sam.version(K1.zone, K1.number, AES, &[KeyVersion::FIRST]), Err(SamError::Locked));
    assert_eq!(CardSam::new(student()).err(), Some(SamError::NoSam));
    assert_eq!(CardSam::new(management(UNIT)).err(), Some(SamError::NoSam));
    let sm4 = powered(test_card::sam(Algorithm::Sm4, serial(), date("2027-08-31")), 1);
    assert_eq!(CardSam::new(sm4).unwrap().algorithm(), Algorithm::Sm4);
}

#[test]
fn it_unlocks_and_talks_to_student_cards() {
    let mut reader = reader();
    assert_eq!(reader.grant().unit.to_string(), UNIT);
    assert_eq!(reader.grant().valid_until, date("2027-08-31"));
    let contents = reader.connect(student(), date("2026-09-01")).unwrap().read().unwrap();
    assert_eq!(contents.status.state.english(), "initialised");
    // A key goes from the city's SAM to the card.
    let mut card = student();
    let city = SamSerial { unit: "000000".parse().unwrap(), ..serial() };
    let sam = CardSam::new(powered(test_card::sam(AES, city, date("2027-08-31")), 5)).unwrap();
    let unlocked = Locked::new(sam).unlock(&mut management("000000"), date("2026-09-01"));
    let mut reader = unlocked.map_err(|locked| locked.error).unwrap();
    let mut connected = reader.connect(&mut card, date("2026-09-01")).unwrap();
    let second = KeyVersion::new(2).unwrap();
    connected.load_key(KeyNumber::STATUS, second).unwrap();
    assert_eq!(connected.key_versions(KeyNumber::STATUS), [KeyVersion::FIRST, second]);
}

#[test]
fn refusals_of_a_management_card_are_named() {
    let refusal = |management: &mut VirtualCard, today| match unlock_with(management, today) {
        Err(Error::Sam(error)) => error,
        other => panic!("{other:?}"),
    };
    let today = "2026-09-01";
    assert_eq!(refusal(&mut management("084013"), today), SamError::OtherUnit);
    let mut longer = altered(|card| card.valid_until = date("2028-08-31"));
    assert_eq!(refusal(&mut longer, today), SamError::ForeignGrant);
    // Every field of it belongs to what opens the key file.
    let changes: [fn(&mut Authorisation); 7] = [
        |card| card.role = Role::District,
        |card| card.key_set = 2,
        |card| card.permitted = KeySet::from_bits(0xFFFF),
        |card| card.permitted = KeySet::from_bits(0x0002),
        |card| card.floor = [0; 8],
        |card| card.floor[7] = 2,
        |card| card.secret[0] ^= 1,
    ];
    for change in changes {
        assert_eq!(refusal(&mut altered(change), today), SamError::ForeignGrant);
    }
    // From another key system.
    let sm4 = test_card::management(Algorithm::Sm4, UNIT.parse().unwrap(), date("2027-08-31"));
    let no_version = SamError::NoVersion(KeyNumber::MANAGEMENT);
    assert_eq!(refusal(&mut powered(sm4, 1), today), no_version);
    let error = unlock_with(&mut student(), today).unwrap_err();
    assert_eq!(error, Error::NoApplication("management application"));
}

#[test]
fn an_ended_grant_does_not_unlock() {
    let expired = unlock_with(&mut management(UNIT), "2027-09-01").unwrap_err();
    assert_eq!(expired, Error::Sam(SamError::Expired(date("2027-08-31"))));
    assert!(unlock_with(&mut management(UNIT), "2027-08-31").is_ok());
    // The SAM keeps to it by itself, whatever its host does.
    for sam in [&mut sam() as &mut dyn Sam, &mut soft()] {
        unlock(sam, "2026-09-01").unwrap();
        assert_eq!(sam.set_date(date("2027-08-31")), Ok(()));
        let ended = SamError::Expired(date("2027-08-31"));
        assert_eq!(sam.set_date(date("2027-09-01")), Err(ended));
        assert_eq!(respond(sam, K1), Some(SamError::Locked));
    }
}

/// Unlocks with the right management card.
fn unlock(sam: &mut dyn Sam, today: &str) -> Result<Grant, SamError> {
    unlock_by(sam, &mut management(UNIT), today)
}

fn unlock_by(
    sam: &mut dyn Sam,
    management: &mut VirtualCard,
    today: &str,
) -> Result<Grant, SamError> {
    let answer = present(sam, management);
    sam.unlock(&Response::parse(&answer).unwrap(), date(today))
}

#[test]
fn the_clock_does_not_go_back() {
    for sam in [&mut sam() as &mut dyn Sam, &mut soft()] {
        unlock(sam, "2026-09-02").unwrap();
        assert_eq!(sam.set_date(date("2026-09-01")), Err(SamError::ClockWentBack));
        sam.set_date(date("2026-09-05")).unwrap();
        sam.lock();
        assert_eq!(unlock(sam, "2026-09-04"), Err(SamError::ClockWentBack));
        assert!(unlock(sam, "2026-09-05").is_ok());
        // An ended grant leaves no trace that would lock the SAM out.
        assert!(sam.set_date(date("2099-01-01")).is_err());
        assert!(unlock(sam, "2026-09-05").is_ok());
    }
    // Nor by taking the power away.
    let mut card = card();
    unlock(&mut CardSam::new(&mut card).unwrap(), "2026-09-02").unwrap();
    card.power_off();
    card.power_on().unwrap();
    let refused = unlock(&mut CardSam::new(&mut card).unwrap(), "2026-09-01");
    assert_eq!(refused, Err(SamError::ClockWentBack));
}

#[test]
fn locked_it_has_no_key_for_anybody() {
    let locked = |sam: &mut dyn Sam| {
        assert_eq!(respond(sam, K1), Some(SamError::Locked));
        let version = sam.version(K1.zone, K1.number, AES, &[KeyVersion::FIRST]);
        assert_eq!(version, Err(SamError::Locked));
        assert_eq!(sam.set_date(date("2026-09-02")), Err(SamError::Locked));
    };
    for sam in [&mut sam() as &mut dyn Sam, &mut soft()] {
        locked(sam);
        unlock(sam, "2026-09-01").unwrap();
        assert_eq!(respond(sam, K1), None);
        sam.lock();
        locked(sam);
        // A failed attempt locks what was unlocked.
        unlock(sam, "2026-09-01").unwrap();
        assert!(unlock_by(sam, &mut management("084013"), "2026-09-01").is_err());
        locked(sam);
    }
}

#[test]
fn every_reset_and_power_up_locks() {
    let ways: [fn(&mut VirtualCard); 3] = [
        |card| assert!(VirtualCard::reset(card).is_ok()),
        |card| {
            card.power_off();
            card.power_on().unwrap();
        },
        // Selecting the application anew is a beginning, too.
        |card| assert_eq!(send(card, b"\x00\xA4\x04\x0C\x07\xF0BJESM\x01"), [0x90, 0x00]),
    ];
    for way in ways {
        let mut sam = sam();
        unlock(&mut sam, "2026-09-01").unwrap();
        open(&mut sam, &mut student(), SELECT_EDUCATION, K1).unwrap();
        way(sam.channel());
        send(sam.channel(), b"\x00\xA4\x04\x0C\x07\xF0BJESM\x01");
        let mut wire = Vec::new();
        let read = Command::new(Class::ISO, 0xB0, 0x86, 0).with_ne(256);
        assert_eq!(sam.wrap(&read, &mut wire), Err(SamError::NoSession));
        assert_eq!(respond(&mut sam, K1), Some(SamError::Locked));
    }
}

#[test]
fn an_idle_reader_locks_itself() {
    let mut reader = reader();
    let at = Duration::from_secs;
    reader.lock_when_idle(at(300), at(1000));
    assert_eq!(reader.tick(at(1299)), Ok(()));
    reader.connect(student(), date("2026-09-01")).unwrap();
    assert_eq!(reader.idle_since(), Some(at(1299)));
    assert_eq!(reader.tick(at(1598)), Ok(()));
    // A clock that goes back gains nothing.
    assert_eq!(reader.tick(at(0)), Ok(()));
    assert_eq!(reader.tick(at(1599)), Err(Error::Idle(at(300))));
    let refused = reader.connect(student(), date("2026-09-01")).err();
    assert_eq!(refused, Some(Error::Sam(SamError::Locked)));
}

#[test]
fn a_management_card_counts_its_uses() {
    let mut card = management(UNIT);
    assert_eq!(card.model().uses(), Some(0));
    // Found by anybody, without a key.
    let select = b"\x00\xA4\x04\x0C\x07\xF0BJEMG\x01";
    let uses = |card: &mut VirtualCard| {
        send(card, select);
        send(card, &[0x00, 0xB0, 0x82, 0x00, 0x04])
    };
    for times in 1..=3 {
        assert!(unlock_with(&mut card, "2026-09-01").is_ok());
        assert_eq!(uses(&mut card), [0, 0, 0, times, 0x90, 0x00]);
    }
    // A proof counts even when the SAM then refuses the card, and a wrong proof does not.
    assert!(unlock_with(&mut card, "2027-09-01").is_err());
    assert_eq!(card.model().uses(), Some(4));
    send(&mut card, select);
    send(&mut card, &[0, 0x22, 0xC1, 0xA4, 7, 0x80, 1, 1, 0x83, 2, 0x80, 1]);
    send(&mut card, &[0x00, 0x84, 0, 0, 0x10]);
    let wrong = [&[0x00, 0x82, 0, 0, 0x28][..], &[0; 40], &[0x10]].concat();
    assert_eq!(send(&mut card, &wrong), [0x63, 0x00]);
    assert_eq!(card.model().uses(), Some(4));
    assert_eq!(student().model().uses(), None);
}

/// A card that is gone after so many exchanges.
#[derive(Debug)]
struct Pulled {
    card: VirtualCard,
    left: usize,
}

impl CardChannel for Pulled {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        self.left = self.left.checked_sub(1).ok_or(ChannelError::Removed)?;
        CardChannel::transmit(&mut self.card, command, response)
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        CardChannel::reset(&mut self.card)
    }
}

#[test]
fn a_management_card_that_is_pulled_out_unlocks_nothing() {
    // SELECT, MSE, GET CHALLENGE, MUTUAL AUTHENTICATE, READ BINARY.
    for left in 0..5 {
        let mut pulled = Pulled { card: management(UNIT), left };
        let locked = Locked::new(sam()).unlock(&mut pulled, date("2026-09-01")).unwrap_err();
        assert_eq!(locked.error, Error::Channel(ChannelError::Removed), "after {left}");
        // The next try begins anew.
        let mut again = management(UNIT);
        assert!(locked.reader.unlock(&mut again, date("2026-09-01")).is_ok());
    }
    let mut pulled = Pulled { card: management(UNIT), left: 5 };
    assert!(Locked::new(sam()).unlock(&mut pulled, date("2026-09-01")).is_ok());
}

#[test]
fn a_sam_that_is_taken_away_counts_as_locked() {
    let sam = CardSam::new(Pulled { card: card(), left: 40 }).unwrap();
    let mut reader = Locked::new(sam).unlock(&mut management(UNIT), date("2026-09-01")).unwrap();
    let lost = (0..40)
        .find_map(|_| {
            let card = reader.connect(student(), date("2026-09-01"));
            card.and_then(|mut card| card.read()).err()
        })
        .unwrap();
    assert_eq!(lost, Error::Sam(SamError::Channel(ChannelError::Removed)));
    let refused = reader.connect(student(), date("2026-09-01")).err();
    assert_eq!(refused, Some(Error::Sam(SamError::Locked)));
}

#[test]
fn only_granted_keys_are_used() {
    let change = |card: &mut Authorisation| {
        card.permitted = KeySet::of(&[KeyNumber::MASTER, KeyNumber::READ]);
    };
    for sam in &mut sams_for(change) {
        let grant = unlock_by(sam, &mut altered(change), "2026-09-01").unwrap();
        assert_eq!(grant.permitted, KeySet::of(&[KeyNumber::MASTER, KeyNumber::READ]));
        assert_eq!(respond(sam, K1), None);
        let not_permitted = SamError::NotPermitted(KeyNumber::PERSONALISE);
        assert_eq!(respond(sam, K2), Some(not_permitted.clone()));
        let version = sam.version(K2.zone, K2.number, AES, &[KeyVersion::FIRST]);
        assert_eq!(version, Err(not_permitted.clone()));
        let mut out = Vec::new();
        let mut student = student();
        open(sam, &mut student, SELECT_EDUCATION, K0).unwrap();
        assert_eq!(sam.wrap_key(K2, &mut out), Err(not_permitted));
        assert!(out.is_empty());
    }
}

#[test]
fn no_version_below_the_floor_is_used() {
    let second = KeyVersion::new(2).unwrap();
    let change = |card: &mut Authorisation| card.floor = [1, 2, 1, 1, 1, 1, 1, 1];
    for sam in &mut sams_for(change) {
        unlock_by(sam, &mut altered(change), "2026-09-01").unwrap();
        let no_version = SamError::NoVersion(KeyNumber::READ);
        // Not even when the host asks for it past the choice of a version.
        assert_eq!(respond(sam, K1), Some(no_version.clone()));
        assert_eq!(respond(sam, KeyId { version: second, ..K1 }), None);
        assert_eq!(respond(sam, K2), None);
        let mut choose = |offered: &[KeyVersion]| sam.version(K1.zone, K1.number, AES, offered);
        assert_eq!(choose(&[KeyVersion::FIRST]), Err(no_version.clone()));
        assert_eq!(choose(&[KeyVersion::FIRST, second]), Ok(second));
        assert_eq!(choose(&[KeyVersion::new(3).unwrap()]), Err(no_version.clone()));
        assert_eq!(choose(&[]), Err(no_version));
    }
}

/// An application unit with this sector.
fn lent(sector: u8) -> Option<ExtensionSet> {
    ExtensionSet::of(ExtensionIndex::new(sector))
}

const AS_ISSUED: fn(&mut Authorisation) = |_| {};

/// Everything a SAM may use a key for begins with these two.
fn usable(sam: &mut dyn Sam, id: KeyId, path: Path) -> Result<(), SamError> {
    sam.version(id.zone, id.number, AES, &[id.version])?;
    sam.respond(id, path, CardId([0x11; 8]), [1; 16]).map(drop)
}

/// Library and canteen of one unit: each SAM reads the pupil and uses its own sector.
#[test]
fn an_application_unit_has_the_keys_of_its_own_sectors_alone() {
    let everything = |card: &mut Authorisation| card.permitted = KeySet::from_bits(0xFFFF);
    // It is the SAM that lacks the other keys: a management card that grants more widens nothing.
    for (change, lacking) in [(AS_ISSUED, false), (everything as fn(&mut Authorisation), true)] {
        for sam in &mut sams_lent(lent(3), change) {
            unlock_by(sam, &mut altered_lent(lent(3), change), "2026-09-01").unwrap();
            for number in KeyNumber::EDUCATION {
                let expected = match number {
                    KeyNumber::READ => Ok(()),
                    _ if lacking => Err(SamError::NoVersion(number)),
                    _ => Err(SamError::NotPermitted(number)),
                };
                let id = key(Zone::EDUCATION, number);
                assert_eq!(usable(sam, id, Path::City), expected, "{number}");
            }
            for index in ExtensionIndex::all() {
                let id = key(index.zone(), KeyNumber::APPLICATION);
                let none = Err(SamError::NoVersion(KeyNumber::APPLICATION));
                let expected = if index.value() == 3 { Ok(()) } else { none.clone() };
                assert_eq!(usable(sam, id, Path::City), expected, "{index:?}");
                // The same sector of a district or a school is lent by another.
                let district = [0x01, 0x08];
                let school = Path::School { district, unit: [0x08, 0x40, 0x12] };
                for path in [Path::District(district), school] {
                    assert_eq!(usable(sam, id, path), none, "{index:?}");
                }
            }
        }
    }
}

#[test]
fn the_management_cards_of_a_unit_open_their_own_sams_alone() {
    let holders = [None, lent(2), lent(3), ExtensionSet::of(ExtensionIndex::all())];
    for (at, sam_of) in holders.into_iter().enumerate() {
        for sam in &mut sams_lent(sam_of, AS_ISSUED) {
            for (of, card_of) in holders.into_iter().enumerate() {
                let mut card = altered_lent(card_of, AS_ISSUED);
                let unlocked = unlock_by(sam, &mut card, "2026-09-01").map(|grant| grant.role);
                let role = if at == 0 { Role::City } else { Role::Application };
                let expected = if at == of { Ok(role) } else { Err(SamError::ForeignGrant) };
                assert_eq!(unlocked, expected, "{card_of:?} at {sam_of:?}");
                // What it does not open, it leaves locked.
                let locked = respond(sam, K1);
                assert_eq!(locked, if at == of { None } else { Some(SamError::Locked) });
            }
        }
    }
}

/// What changes a card is under K2 to K6: the SAM has none of them, and the card takes none of it in
/// the sessions that are left.
#[test]
fn an_application_unit_changes_nothing_in_a_cards_life() {
    for sam in &mut sams_lent(lent(3), AS_ISSUED) {
        unlock_by(sam, &mut altered_lent(lent(3), AS_ISSUED), "2026-09-01").unwrap();
        let mut student = student();
        open(sam, &mut student, SELECT_EDUCATION, K1).unwrap();
        assert_eq!(sam.wrap_key(K2, &mut Vec::new()).map(drop), NO_SESSION);
        assert_eq!(sam.wrap_open(&opening(), KeyVersion::FIRST, &mut Vec::new()), NO_SESSION);
        let data = hex::decode("202609010800000000000100").unwrap();
        let before = student.model().status().unwrap();
        for event in [Event::PersonaliseBegin, Event::Freeze, Event::Cancel, Event::Recall] {
            open(sam, &mut student, SELECT_EDUCATION, K1).unwrap();
            let change = Command::new(Class::OWN, 0xF0, event.code(), 0);
            let (mut wire, mut out) = (Vec::new(), Vec::new());
            sam.wrap(&change.with_data(&data).with_ne(256), &mut wire).unwrap();
            let answer = send(&mut student, &wire);
            let status = sam.unwrap(&Response::parse(&answer).unwrap(), &mut out).unwrap();
            assert_eq!(status, StatusWord::SECURITY_STATUS, "{event:?}");
        }
        assert_eq!(student.model().status().unwrap(), before);
    }
}

#[test]
fn the_unlock_secret_is_told_to_nobody() {
    for sam in [&mut sam() as &mut dyn Sam, &mut soft()] {
        let answer = present(sam, &mut management(UNIT));
        let mut out = Vec::new();
        let response = Response::parse(&answer).unwrap();
        assert_eq!(sam.unwrap(&response, &mut out), Err(SamError::Confidential));
        assert!(out.is_empty());
        // The session is over, so nothing more can be made of it.
        assert_eq!(sam.unlock(&response, date("2026-09-01")), Err(SamError::NoSession));
    }
    // No file can be read.
    let mut card = card();
    for fid in 1..=3 {
        send(&mut card, b"\x00\xA4\x04\x0C\x07\xF0BJESM\x01");
        assert_eq!(send(&mut card, &[0x00, 0xB0, 0x80 | fid, 0, 0]), [0x69, 0x82]);
    }
}

/// A key goes to a card that has proved the key which loads it, and to nobody else.
#[test]
fn keys_are_wrapped_under_the_key_that_loads_them_alone() {
    for sam in [&mut sam() as &mut dyn Sam, &mut soft()] {
        unlock(sam, "2026-09-01").unwrap();
        for number in KeyNumber::EDUCATION {
            let mut out = Vec::new();
            open(sam, &mut student(), SELECT_EDUCATION, key(Zone::EDUCATION, number)).unwrap();
            let wrapped = sam.wrap_key(K2, &mut out).map(drop);
            let expected = if number == KeyNumber::MASTER { Ok(()) } else { NO_SESSION };
            assert_eq!((wrapped, out.is_empty()), (expected.clone(), expected.is_err()));
            out.clear();
            open(sam, &mut student(), SELECT_EDUCATION, key(Zone::EDUCATION, number)).unwrap();
            let wrapped = sam.wrap_open(&opening(), KeyVersion::FIRST, &mut out);
            let expected = if number == KeyNumber::EXTENSION { Ok(()) } else { NO_SESSION };
            assert_eq!((wrapped, out.is_empty()), (expected.clone(), expected.is_err()));
        }
        // Nor is K80 a key that a card takes.
        open(sam, &mut student(), SELECT_EDUCATION, K0).unwrap();
        let k80 = key(Zone::MANAGEMENT, KeyNumber::MANAGEMENT);
        let refused = sam.wrap_key(k80, &mut Vec::new());
        assert_eq!(refused, Err(SamError::NoVersion(KeyNumber::MANAGEMENT)));
        // A key of another sector than its number says is none of the education zone.
        let ka = key(Zone::extension(1).unwrap(), KeyNumber::APPLICATION);
        assert!(sam.wrap_key(ka, &mut Vec::new()).is_err());
    }
}

const NO_SESSION: Result<(), SamError> = Err(SamError::NoSession);

fn opening() -> event::Request {
    let data = hex::decode("20260901080000000000010001000108401200000001").unwrap();
    event::Request::parse(Event::ExtensionOpen, &data).unwrap()
}

/// Of a management card a SAM reads the contents, all of them, and sends it nothing else.
#[test]
fn nothing_else_is_wrapped_for_a_management_card() {
    for sam in [&mut sam() as &mut dyn Sam, &mut soft()] {
        let id = key(Zone::MANAGEMENT, KeyNumber::MANAGEMENT);
        open(sam, &mut management(UNIT), b"\x00\xA4\x04\x0C\x07\xF0BJEMG\x01", id).unwrap();
        let read = |p1, p2, ne| Command::new(Class::ISO, 0xB0, p1, p2).with_ne(ne);
        for command in [
            read(0x81, 0, 1),
            read(0x81, 0, 47),
            read(0x81, 1, 256),
            read(0x82, 0, 256),
            read(0x81, 0, 0),
            read(0x81, 0, 48).with_extended_lengths(),
            read(0x81, 0, 256).with_data(&[0]),
            Command::new(Class::ISO, 0xD6, 0x81, 0).with_data(&[0x61]),
            Command::new(Class::OWN, 0xB0, 0x81, 0).with_ne(256),
        ] {
            assert_eq!(sam.wrap(&command, &mut Vec::new()), NO_SESSION, "{command:?}");
        }
        assert_eq!(sam.wrap(&read(0x81, 0, 48), &mut Vec::new()), Ok(()));
    }
}

/// What the SAM enciphers, it enciphers in its turn: see [`xuejika_apdu::sm::ReaderSm`].
#[test]
fn out_of_turn_the_session_ends() {
    for sam in [&mut sam() as &mut dyn Sam, &mut soft()] {
        unlock(sam, "2026-09-01").unwrap();
        let mut student = student();
        let read = Command::new(Class::ISO, 0xB0, 0x85, 0).with_ne(48);
        open(sam, &mut student, SELECT_EDUCATION, K0).unwrap();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        sam.wrap(&read, &mut first).unwrap();
        assert_eq!(sam.wrap_key(K2, &mut second).map(drop), NO_SESSION);
        assert!(second.is_empty());
        let answer = send(&mut student, &first);
        let refused = sam.unwrap(&Response::parse(&answer).unwrap(), &mut second).map(drop);
        assert_eq!(refused, NO_SESSION);

        open(sam, &mut student, SELECT_EDUCATION, K0).unwrap();
        let refused = sam.unwrap(&Response::parse(&answer).unwrap(), &mut second).map(drop);
        assert_eq!(refused, NO_SESSION);
        assert_eq!(sam.wrap(&read, &mut second), NO_SESSION);
    }
}

/// A host with an unlocked SAM leaves no key of its own in a card.
#[test]
fn a_host_sends_no_key() {
    for sam in [&mut sam() as &mut dyn Sam, &mut soft()] {
        unlock(sam, "2026-09-01").unwrap();
        open(sam, &mut student(), SELECT_EDUCATION, K0).unwrap();
        let put = Command::new(Class::OWN, 0xD8, 0, 2);
        let open = Command::new(Class::OWN, 0xF0, Event::ExtensionOpen.code(), 0);
        for command in [put.with_data(&[1; 21]).with_ne(3), open.with_data(&[1; 44]).with_ne(4)] {
            assert_eq!(sam.wrap(&command, &mut Vec::new()), NO_SESSION);
        }
        let retire = Command::new(Class::OWN, 0xD8, 1, 0xFF);
        assert_eq!(sam.wrap(&retire, &mut Vec::new()), Ok(()));
    }
}

#[test]
fn an_image_of_the_layout_before_is_named_as_such() {
    let mut old = test_card::sam(AES, serial(), date("2027-08-31")).bytes().to_vec();
    old[3] = 0;
    let error = VirtualCard::new(RamNvm::new(old), Env::from_seed(1)).unwrap_err();
    assert!(error.to_string().contains("another version of this program made it"), "{error}");
}

#[test]
fn only_a_management_card_unlocks() {
    for sam in [&mut sam() as &mut dyn Sam, &mut soft()] {
        unlock(sam, "2026-09-01").unwrap();
        let mut student = student();
        open(sam, &mut student, SELECT_EDUCATION, K1).unwrap();
        let mut wire = Vec::new();
        let read = Command::new(Class::ISO, 0xB0, 0x85, 0).with_ne(48);
        sam.wrap(&read, &mut wire).unwrap();
        let answer = send(&mut student, &wire);
        let response = Response::parse(&answer).unwrap();
        assert_eq!(sam.unlock(&response, date("2026-09-01")), Err(SamError::NoSession));
        assert_eq!(respond(sam, K1), Some(SamError::Locked));
    }
}

#[test]
fn what_does_not_verify_ends_the_session() {
    for sam in [&mut sam() as &mut dyn Sam, &mut soft()] {
        let mut answer = present(sam, &mut management(UNIT));
        answer[10] ^= 1;
        let response = Response::parse(&answer).unwrap();
        let refused = sam.unlock(&response, date("2026-09-01"));
        assert_eq!(refused, Err(SamError::Sm(SmError::Incorrect)));
        let read = Command::new(Class::ISO, 0xB0, 0x86, 0).with_ne(256);
        assert_eq!(sam.wrap(&read, &mut Vec::new()), Err(SamError::NoSession));

        present(sam, &mut management(UNIT));
        let bare = Response { data: &[], status: StatusWord::SECURITY_STATUS };
        let refused = sam.unwrap(&bare, &mut Vec::new());
        let unprotected = SmError::Unprotected(StatusWord::SECURITY_STATUS);
        assert_eq!(refused, Err(SamError::Sm(unprotected)));

        assert_eq!(sam.open(&[0; 16]), Err(SamError::NoSession));
        sam.respond(
            key(Zone::MANAGEMENT, KeyNumber::MANAGEMENT),
            Path::City,
            CardId([1; 8]),
            [2; 16],
        )
        .unwrap();
        assert_eq!(sam.open(&[0; 16]), Err(SamError::NotGenuine));
        // What cannot be carried changes nothing.
        unlock(sam, "2026-09-01").unwrap();
        open(sam, &mut student(), SELECT_EDUCATION, K1).unwrap();
        let odd = Command::new(Class::ISO, 0xB1, 0, 0).with_ne(256);
        let refused = sam.wrap(&odd, &mut Vec::new());
        assert_eq!(refused, Err(SamError::Sm(SmError::NotCarried)));
        assert_eq!(sam.wrap(&read, &mut Vec::new()), Ok(()));
    }
}

#[test]
fn malformed_commands_are_refused() {
    let mut card = card();
    send(&mut card, b"\x00\xA4\x04\x0C\x07\xF0BJESM\x01");
    for (command, status) in [
        ("80CA000000", [0x90, 0x00]),
        ("80CA010000", [0x6A, 0x86]),
        ("80CA000005", [0x6C, 0x0A]),
        ("8030000005DF8080010001", [0x6A, 0x80]),
        ("8030000004DF80800100", [0x6A, 0x80]),
        ("8032000001AA28", [0x6A, 0x80]),
        ("8034000001AA", [0x67, 0x00]),
        ("8036000003AABBCC00", [0x6A, 0x80]),
        ("803600000500B0860010", [0x67, 0x00]),
        ("8036000005 00B086001000", [0x69, 0x85]),
        ("8038000001AA00", [0x6A, 0x80]),
        ("803A000005DF8080010000", [0x6A, 0x80]),
        ("803A000005DF8080010100", [0x69, 0x85]),
        ("803C000001AA00", [0x6A, 0x86]),
        ("803C010001AA00", [0x6A, 0x80]),
        ("803E0000", [0x90, 0x00]),
        ("803E000000", [0x67, 0x00]),
        ("804000000420260901", [0x67, 0x00]),
        ("804200000420261301", [0x6A, 0x80]),
        ("804200000420260901", [0x69, 0x82]),
        ("80440000", [0x90, 0x00]),
        ("8046000000", [0x6D, 0x00]),
    ] {
        let answer = send(&mut card, &hex::decode(command.replace(' ', "")).unwrap());
        assert_eq!(answer[answer.len() - 2..], status, "{command}");
    }
    // Nobody asks a SAM from outside its application.
    VirtualCard::reset(&mut card).unwrap();
    assert_eq!(send(&mut card, &[0x80, 0xCA, 0, 0, 0]), [0x6D, 0x00]);
}

#[test]
fn a_cut_leaves_the_last_day_before_or_after() {
    for after_writes in 0..3 {
        for after_bytes in 0..24 {
            let mut sam = sam();
            unlock(&mut sam, "2026-09-01").unwrap();
            sam.channel().cut_power(Cut { after_writes, after_bytes, torn: Torn::Prefix });
            let told = sam.set_date(date("2026-09-08")).is_ok();
            let left = RamNvm::new(sam.channel().model().nvm().bytes().to_vec());
            let store = SamStore::of(&Card::open(left).unwrap()).unwrap().unwrap();
            let days = [Some(date("2026-09-01")), Some(date("2026-09-08"))];
            assert!(days.contains(&store.last_seen()));
            assert!(!told || store.last_seen() == days[1]);
        }
    }
}

#[test]
fn damaged_secrets_are_no_card() {
    let good = test_card::sam(AES, serial(), date("2027-08-31")).bytes().to_vec();
    for bit in 0..8 * 34 {
        let mut bad = good.clone();
        bad[32 + bit / 8] ^= 1 << (bit % 8);
        assert!(VirtualCard::new(RamNvm::new(bad), Env::from_seed(1)).is_err(), "bit {bit}");
    }
    // A damaged key file opens to nobody.
    for byte in 66..66 + 700 {
        let mut bad = good.clone();
        bad[byte] ^= 1;
        let Ok(mut card) = VirtualCard::new(RamNvm::new(bad), Env::from_seed(1)) else { continue };
        card.power_on().unwrap();
        let unlocked = unlock(&mut CardSam::new(card).unwrap(), "2026-09-01");
        let unused = byte >= 68 + 656;
        assert_eq!(unlocked.is_ok(), unused, "byte {byte}");
    }
}

/// Each proof above fails when what it proves is broken.
#[cfg(faults)]
#[test]
fn every_seeded_fault_is_noticed() {
    use xuejika_card_model::fault::{Fault, seed};
    for (fault, proof) in [
        (Fault::SamStaysUnlocked, locked_it_has_no_key_for_anybody as fn()),
        (Fault::SamMaskIgnored, only_granted_keys_are_used),
        (Fault::SamFloorIgnored, no_version_below_the_floor_is_used),
        (Fault::SamValidityIgnored, an_ended_grant_does_not_unlock),
    ] {
        proof();
        seed(Some(fault));
        let noticed = std::panic::catch_unwind(proof).is_err();
        seed(None);
        assert!(noticed, "{fault:?} goes unnoticed");
    }
}
