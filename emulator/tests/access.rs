//! Who may read and write which file, in which state: every file × every state × every session.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken premise fails the test"
)]

mod support;

use support::model::{CITY, OWN_SCHOOL, education, file};
use support::{
    Reply, Session, active_card, authenticate, bytes, card_in, memory, memory_in, power_up, read,
    sam, select, send, session, sw, update,
};
use xuejika_apdu::{Class, Command};
use xuejika_card_model::file::tree::{CardKind, sfi, wallet_sfi};
use xuejika_card_model::file::{Df, Ef, Right, Structure};
use xuejika_card_model::lifecycle::STATES;
use xuejika_card_model::nvm::RamNvm;
use xuejika_card_model::state::LifeCycleState;
use xuejika_emulator::VirtualCard;
use xuejika_keyscheme::KeyNumber;

/// What the constant says about a command in a session under `key`, or in the clear.
fn expected(right: Right, key: Option<KeyNumber>, state: LifeCycleState) -> u16 {
    match right {
        Right::Never | Right::Operator => 0x6982,
        Right::Keys(keys, _) if !key.is_some_and(|key| keys.contains(key)) => 0x6982,
        Right::Keys(_, states) if !states.contains(state) => 0x6985,
        Right::Free | Right::Keys(..) => 0x9000,
    }
}

/// Sends a command in the session, or in the clear without one.
fn through(card: &mut VirtualCard, session: Option<&mut Session>, command: &Command<'_>) -> Reply {
    match session {
        Some(session) => session.send(card, command),
        None => send(card, &command.to_vec().unwrap()),
    }
}

/// Reads the file and writes back what is in it, and looks at both answers.
fn check(
    card: &mut VirtualCard,
    mut session: Option<&mut Session>,
    file: &Ef,
    key: Option<KeyNumber>,
    state: LifeCycleState,
) {
    let what = format!("{} in state {} under {key:?}", file.name, state.english());
    let stored = memory(card)[file.offset..file.offset + file.structure.storage()].to_vec();
    let reply = through(card, session.as_deref_mut(), &read(file));
    let mut right = match file.structure {
        Structure::Purse { .. } => 0x6981,
        _ => expected(file.read, key, state),
    };
    let empty = matches!(file.structure, Structure::Cyclic { .. }) && stored[1] == 0;
    if right == 0x9000 && empty {
        right = 0x6A83;
    }
    assert_eq!(reply.sw, right, "read {what}");
    assert_eq!(reply.data.is_empty(), right != 0x9000, "read {what}");
    if let (0x9000, Structure::Transparent { .. }) = (right, file.structure) {
        assert_eq!(reply.data, stored, "read {what}");
    }

    let before = memory(card);
    let reply = through(card, session, &update(file, &stored));
    let right = match file.structure {
        Structure::Transparent { .. } => expected(file.update, key, state),
        _ => 0x6981,
    };
    assert_eq!(reply, sw(right), "update {what}");
    if right != 0x9000 {
        assert!(memory(card) == before, "update {what} wrote");
    }
}

#[test]
fn every_file_in_every_state_under_every_key() {
    let mut sessions = 0;
    for state in STATES {
        let memory = memory_in(state);
        for df in CardKind::Student.tree().all() {
            let mut card = power_up(RamNvm::new(memory.clone()));
            select(&mut card, df);
            for file in df.files {
                check(&mut card, None, file, None, state);
            }
            for &key in df.keys {
                let mut card = power_up(RamNvm::new(memory.clone()));
                // K0 acts for the city only, and the sectors are the city's.
                let of = match key {
                    KeyNumber::MASTER | KeyNumber::APPLICATION => CITY,
                    _ => OWN_SCHOOL,
                };
                let mut session = authenticate(&mut card, df, key, sam(of));
                for file in df.files {
                    check(&mut card, Some(&mut session), file, Some(key), state);
                }
                sessions += 1;
            }
        }
    }
    assert_eq!(sessions, 10 * (7 + 8 * 2));
}

/// The rights once more, as the rules say them: one letter a state, in the order of the table.
#[test]
fn the_rights_are_those_of_the_rules() {
    let states = |allowed: &dyn Fn(LifeCycleState) -> bool| -> String {
        STATES.into_iter().map(|state| if allowed(state) { 'x' } else { '.' }).collect()
    };
    let keys = |right: Right| -> String {
        let number = |key: KeyNumber| char::from_digit(key.0.into(), 16).unwrap();
        match right {
            Right::Free => "free".into(),
            Right::Never => "never".into(),
            Right::Operator => "operator".into(),
            Right::Keys(keys, allowed) => {
                let known = (0..=7).map(KeyNumber).filter(|&key| keys.contains(key));
                known.map(number).collect::<String>()
                    + " "
                    + &states(&|state| allowed.contains(state))
            }
        }
    };
    let found = |df: &Df, sfi: u8| {
        let file = df.by_sfi(sfi).unwrap();
        (keys(file.read), keys(file.update))
    };
    //                                 BIPAOIFCRF
    for (sfi, read, update) in [
        (sfi::ISSUANCE, "free", "0 xx......x."),
        (sfi::STATUS, "0123456 xxxxxxxxxx", "never"),
        (sfi::IDENTITY, "123456 ..xxxxxx.x", "2 ..x......."),
        (sfi::ENROLMENT, "123456 ..xxxxxx.x", "2 ..x......."),
        (sfi::PERSONALISATION, "123456 ..xxxxxx.x", "never"),
        (sfi::REGISTRATION, "123456 ...xxxxx.x", "never"),
        (sfi::TRANSFER, "123456 ..xxxxxx.x", "never"),
        (sfi::DIRECTORY, "123456 .xxxxxxxxx", "never"),
        (sfi::LOG, "0123456 .xxxxxxxxx", "never"),
    ] {
        assert_eq!(found(education(), sfi), (read.into(), update.into()), "EF {sfi:02X}");
    }
    for sector in &CardKind::Student.tree().dfs[1..] {
        let (read, update) = ("7 ...xxx....", "7 ...x......");
        assert_eq!(found(sector, sfi::ONLY), (read.into(), update.into()));
    }
    let mf = &CardKind::Student.tree().mf;
    for (sfi, update) in
        [(sfi::PUBLIC, "operator"), (sfi::COUNTER, "operator"), (sfi::DIR, "never")]
    {
        assert_eq!(found(mf, sfi), ("free".into(), update.into()));
    }
    let wallet = CardKind::Student.tree().wallet.as_ref().unwrap();
    for (sfi, read, update) in [
        (wallet_sfi::PURSE, "never", "never"),
        (wallet_sfi::CONTROL, "free", "operator"),
        (wallet_sfi::ISSUER, "free", "operator"),
        (wallet_sfi::HOLDER, "operator", "operator"),
        (wallet_sfi::COMMON, "free", "operator"),
        (wallet_sfi::LOG, "free", "never"),
        (wallet_sfi::COMPOUND, "free", "never"),
    ] {
        assert_eq!(found(wallet, sfi), (read.into(), update.into()), "EF {sfi:02X}");
    }
}

#[test]
fn a_free_file_is_read_in_the_clear_and_in_a_session() {
    let mut card = active_card();
    select(&mut card, education());
    let plain = send(&mut card, &read(file(sfi::ISSUANCE)).to_vec().unwrap());
    let mut session = session(&mut card, KeyNumber::READ);
    let protected = session.send(&mut card, &read(file(sfi::ISSUANCE)));
    assert_eq!(plain, protected);
    assert_eq!((plain.sw, plain.data.len()), (0x9000, 48));
}

#[test]
fn a_protected_file_is_closed_in_the_clear_however_it_is_named() {
    for state in STATES {
        let mut card = card_in(state);
        select(&mut card, education());
        for sfi in [sfi::STATUS, sfi::IDENTITY, sfi::ENROLMENT] {
            let by_sfi = [0x00, 0xB0, 0x80 | sfi, 0x00, 0x00];
            assert_eq!(send(&mut card, &by_sfi), sw(0x6982));
            assert_eq!(send(&mut card, &[0x00, 0xA4, 0x00, 0x0C, 2, 0x00, sfi]), sw(0x9000));
            assert_eq!(send(&mut card, &bytes("00 B0 00 00 00")), sw(0x6982));
            assert_eq!(send(&mut card, &bytes("00 D6 00 00 01 00")), sw(0x6982));
        }
    }
}

/// A key counts in its own DF only: the manager's key K6 of one sector opens no other DF.
#[test]
fn a_session_ends_at_the_border_of_its_df() {
    let sectors = &CardKind::Student.tree().dfs[1..];
    let mut card = active_card();
    let mut own = authenticate(&mut card, &sectors[0], KeyNumber::APPLICATION, sam(OWN_SCHOOL));
    let sector = &sectors[0].files[0];
    assert_eq!(own.send(&mut card, &read(sector)).sw, 0x9000);
    // In the session SELECT is refused, and the session stays where it is.
    let name = sectors[1].name;
    let select_other = Command::new(Class::ISO, 0xA4, 0x04, 0x0C).with_data(name);
    assert_eq!(own.send(&mut card, &select_other), sw(0x6882));
    assert_eq!(own.send(&mut card, &read(sector)).sw, 0x9000);
    // In the clear it ends the session.
    select(&mut card, &sectors[1]);
    let apdu = own.wrap(&read(sector));
    assert_eq!(send(&mut card, &apdu), sw(0x6988));
}

#[test]
fn a_pupils_files_are_written_by_the_unit_that_began() {
    use support::model::{CITY, OTHER_SCHOOL, OWN_DISTRICT};
    for (of, right) in
        [(OWN_SCHOOL, 0x9000), (OTHER_SCHOOL, 0x6982), (OWN_DISTRICT, 0x6982), (CITY, 0x6982)]
    {
        for sfi in [sfi::IDENTITY, sfi::ENROLMENT] {
            let mut card = card_in(LifeCycleState::Personalising);
            let mut session = authenticate(&mut card, education(), KeyNumber::PERSONALISE, sam(of));
            let before = memory(&card);
            assert_eq!(session.send(&mut card, &update(file(sfi), &[0x01])), sw(right), "{of}");
            assert_eq!(memory(&card) == before, right != 0x9000);
        }
    }
}

#[test]
fn an_issuance_record_is_kept_whole_and_stays_that_of_the_card() {
    use support::model::issuance;
    use xuejika_card_model::record::{Issuance, Profile};
    let mut card = card_in(LifeCycleState::Initialised);
    let mut session = session(&mut card, KeyNumber::MASTER);
    let ours = issuance();
    let other_card = Issuance { card_serial: "1100070100000025".parse().unwrap(), ..ours };
    let other_profile = Issuance { profile: Profile::CpuSm4, ..ours };
    let before = memory(&card);
    for bad in [&other_card.emit()[..], &other_profile.emit(), &[0; 48], &[0xFF]] {
        assert_eq!(session.send(&mut card, &update(file(sfi::ISSUANCE), bad)), sw(0x6A80));
    }
    assert!(memory(&card) == before);
    let next = Issuance { generation: 1, ..ours }.emit();
    assert_eq!(session.send(&mut card, &update(file(sfi::ISSUANCE), &next)), sw(0x9000));
    assert_eq!(session.send(&mut card, &read(file(sfi::ISSUANCE))).data, next);
}

#[test]
fn a_management_card_opens_its_file_to_its_own_key_alone() {
    let df = &CardKind::Management.tree().dfs[0];
    let mut card = power_up(RamNvm::new(support::model::management_card()));
    let unit = sam(OWN_SCHOOL);
    let mut session = authenticate(&mut card, df, KeyNumber::MANAGEMENT, unit);
    let reply = session.send(&mut card, &read(&df.files[0]));
    assert_eq!((reply.sw, reply.data.len()), (0x9000, 48));
    assert_eq!(session.send(&mut card, &update(&df.files[0], &[0])), sw(0x6982));
    select(&mut card, df);
    assert_eq!(send(&mut card, &read(&df.files[0]).to_vec().unwrap()), sw(0x6982));
}
