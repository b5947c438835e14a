//! PUT KEY: a card takes newer versions of its keys, whole, and only from the city under K0.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken premise fails the test"
)]

mod support;

use support::model::{OWN_SCHOOL, education, issuance, key, new_card, put_status, status};
use support::{
    Reply, Session, active_card, authenticate, challenge, choose, failures, key_id, memory,
    memory_in, mutual_authenticate, power_up, prove, sam, select, send, session, sw,
};
use xuejika_apdu::{Class, Command};
use xuejika_card_model::key_load::KeyData;
use xuejika_card_model::nvm::RamNvm;
use xuejika_card_model::state::LifeCycleState;
use xuejika_emulator::VirtualCard;
use xuejika_keyscheme::auth::{CardId, ReaderId};
use xuejika_keyscheme::slots::FAILURE_CAP;
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion};

/// PUT KEY: loads a version of a key, derived like any other.
fn put_key(session: &mut Session, card: &mut VirtualCard, id: &KeyId) -> Reply {
    let data = KeyData::emit(&key(id, card.header().serial));
    let [_, _, number, version, _] = id.emit();
    let put = Command::new(Class::OWN, 0xD8, number, version).with_data(&*data).with_ne(256);
    session.send(card, &put)
}

#[test]
fn a_loaded_version_takes_over_at_its_first_use() {
    let mut card = active_card();
    let first = key_id(&card, education(), KeyNumber::READ);
    let next = KeyId { version: KeyVersion::new(2).unwrap(), ..first };
    let versions = |card: &VirtualCard| {
        let slots = card.model().key_slots(education(), first.number).unwrap().unwrap();
        (slots.active_version().number(), slots.other_version().map(KeyVersion::number))
    };
    let try_key = |card: &mut VirtualCard, id: &KeyId| {
        select(card, education());
        if choose(card, id).sw != 0x9000 {
            return false;
        }
        let challenge = challenge(card);
        let (request, _) = prove(card, id, sam(OWN_SCHOOL), challenge);
        send(card, &mutual_authenticate(&request)).sw == 0x9000
    };
    let kcv = key(&next, card.header().serial).kcv();
    let mut master = session(&mut card, KeyNumber::MASTER);
    let reply = put_key(&mut master, &mut card, &next);
    assert_eq!((reply.sw, &reply.data[..]), (0x9000, &kcv.bytes()[..]));
    assert_eq!(versions(&card), (1, Some(2)));
    assert!(try_key(&mut card, &first));
    assert_eq!(versions(&card), (1, Some(2)));
    assert!(try_key(&mut card, &next));
    assert_eq!(versions(&card), (2, Some(1)));
    // The old one stays as fall-back, and takes nothing over, until it is retired.
    assert!(try_key(&mut card, &first));
    assert_eq!(versions(&card), (2, Some(1)));
    let mut master = session(&mut card, KeyNumber::MASTER);
    assert_eq!(master.ask(&mut card, "80 D8 01 FF"), sw(0x9000));
    assert_eq!(versions(&card), (2, None));
    assert!(!try_key(&mut card, &first));
    assert!(try_key(&mut card, &next));
}

#[test]
fn a_key_comes_whole_newer_and_under_the_master_key() {
    let good = |id: &KeyId| {
        let serial = CardId(issuance().card_serial.bytes());
        KeyData::emit(&key(id, serial)).to_vec()
    };
    let mut card = active_card();
    let id = KeyId {
        version: KeyVersion::new(2).unwrap(),
        ..key_id(&card, education(), KeyNumber::READ)
    };
    let mut data = good(&id);
    let sm4 = good(&KeyId { algorithm: Algorithm::Sm4, ..id });
    let before = memory(&card);
    let mut expect = |number: u8, p1: u8, p2: u8, data: &[u8], expected: u16| {
        let mut session = session(&mut card, KeyNumber(number));
        let put = Command::new(Class::OWN, 0xD8, p1, p2).with_data(data).with_ne(256);
        assert_eq!(session.send(&mut card, &put), sw(expected), "K{number} {p1:02X} {p2:02X}");
    };
    for number in 1..=6 {
        expect(number, 1, 2, &data, 0x6982);
    }
    expect(0, 1, 1, &data, 0x6A80); // not newer
    expect(0, 1, 0, &data, 0x6A86);
    expect(0, 7, 2, &data, 0x6A88);
    expect(0, 1, 2, &data[..20], 0x6A80);
    expect(0, 1, 2, &sm4, 0x6A80);
    data[20] ^= 1;
    expect(0, 1, 2, &data, 0x6A80); // its check value
    assert!(memory(&card) == before);

    let data = good(&id);
    for (state, expected) in [
        (LifeCycleState::Blank, 0x6985),
        (LifeCycleState::Cancelled, 0x6985),
        (LifeCycleState::Fault, 0x6985),
        (LifeCycleState::Recalled, 0x9000),
        (LifeCycleState::Initialised, 0x9000),
    ] {
        let mut memory = new_card();
        put_status(&mut memory, &status(state));
        let mut card = power_up(RamNvm::new(memory));
        let mut session = session(&mut card, KeyNumber::MASTER);
        let put = Command::new(Class::OWN, 0xD8, 1, 2).with_data(&data).with_ne(3);
        assert_eq!(session.send(&mut card, &put).sw, expected, "{}", state.english());
    }
}

/// K0 acts for the city only (操作规程 二/六): whoever else has got hold of it changes nothing.
#[test]
fn keys_and_issuance_data_are_the_citys() {
    use support::model::{CITY, OTHER_DISTRICT, OWN_DISTRICT, issuance};
    let stock = || {
        let mut memory = new_card();
        put_status(&mut memory, &status(LifeCycleState::Initialised));
        power_up(RamNvm::new(memory))
    };
    let put = |card: &VirtualCard| {
        let version = KeyVersion::new(2).unwrap();
        let id = KeyId { version, ..key_id(card, education(), KeyNumber::READ) };
        KeyData::emit(&key(&id, card.header().serial)).to_vec()
    };
    let issuance = issuance().emit();
    for (of, expected) in
        [(OWN_SCHOOL, 0x6982), (OWN_DISTRICT, 0x6982), (OTHER_DISTRICT, 0x6982), (CITY, 0x9000)]
    {
        let mut card = stock();
        let (data, before) = (put(&card), memory(&card));
        let load = Command::new(Class::OWN, 0xD8, 1, 2).with_data(&data).with_ne(3);
        let update = Command::new(Class::ISO, 0xD6, 0x85, 0).with_data(&issuance);
        let retire = Command::new(Class::OWN, 0xD8, 1, 0xFF);
        let mut session = authenticate(&mut card, education(), KeyNumber::MASTER, sam(of));
        for command in [&update, &retire, &load] {
            assert_eq!(session.send(&mut card, command).sw, expected, "{of}");
        }
        assert_eq!(memory(&card) == before, of != CITY, "{of}");
    }
    // A number that is no SAM's is nobody's.
    let mut card = stock();
    let reader = ReaderId([1, 0, 0, 0, 0, 0, 0, 1]);
    let mut session = authenticate(&mut card, education(), KeyNumber::MASTER, reader);
    assert_eq!(session.ask(&mut card, "80 D8 01 FF"), sw(0x6982));
}

/// However often somebody has failed under a key: it works, and a new version begins at 0.
#[test]
fn a_newer_version_forgets_the_failures() {
    let mut memory = memory_in(LifeCycleState::Active);
    let offset = education().key_offset(KeyNumber::READ).unwrap();
    memory[offset..offset + 2].copy_from_slice(&FAILURE_CAP.to_be_bytes());
    let mut card = power_up(RamNvm::new(memory));
    let old = key_id(&card, education(), KeyNumber::READ);
    select(&mut card, education());
    assert_eq!(choose(&mut card, &old), sw(0x9000));
    let next = KeyId { version: KeyVersion::new(2).unwrap(), ..old };
    let mut master = session(&mut card, KeyNumber::MASTER);
    assert_eq!(put_key(&mut master, &mut card, &next).sw, 0x9000);
    assert_eq!(failures(&card, education(), KeyNumber::READ), 0);
}
