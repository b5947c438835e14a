//! Every command with everything that can be wrong about it, and all the commands there are not.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken premise fails the test"
)]

mod support;

use proptest::prelude::*;
use support::model::{OWN_SCHOOL, education, file};
use support::{
    Reply, active_card, ask, authenticate, bytes, card_in, change, memory, read, sam, select, send,
    session, sw,
};
use xuejika_apdu::fci::{ACTIVATED, Fci, KeyInfo};
use xuejika_apdu::{Class, Command};
use xuejika_card_model::event::Outcome;
use xuejika_card_model::file::Application;
use xuejika_card_model::file::tree::{CardKind, MF_NAME, sfi};
use xuejika_card_model::lifecycle::Event;
use xuejika_card_model::state::LifeCycleState;
use xuejika_emulator::VirtualCard;
use xuejika_emulator::dispatch::COMMANDS;
use xuejika_keyscheme::KeyNumber;

/// Every status word the card profile lists for a card that works.
fn is_documented(sw: u16) -> bool {
    matches!(
        sw,
        0x6100..=0x61FF
            | 0x6300
            | 0x6700
            | 0x6881..=0x6884
            | 0x6981..=0x6988
            | 0x6A80..=0x6A83
            | 0x6A86
            | 0x6A88
            | 0x6B00
            | 0x6C00..=0x6CFF
            | 0x6D00
            | 0x6E00
            | 0x9000
    )
}

/// A card with the education zone selected.
fn in_education() -> VirtualCard {
    let mut card = active_card();
    select(&mut card, education());
    card
}

#[test]
fn select_by_name_answers_what_a_reader_needs() {
    for df in CardKind::Student.tree().dfs {
        let mut card = active_card();
        let with_le = select(&mut card, df);
        let fci = Fci::parse(&with_le.data).unwrap();
        assert_eq!((&fci.df_name[..], fci.life_cycle), (df.name, ACTIVATED));
        let security = fci.security.unwrap();
        assert_eq!((security.algorithm, security.profile), (1, 1));
        assert_eq!(security.serial, card.header().serial.0);
        let keys: Vec<_> =
            df.keys.iter().map(|key| KeyInfo { number: key.0, active: 1, other: 0xFF }).collect();
        assert_eq!(security.keys, keys);
        // Le absent asks for all there is, P2 = 0C for nothing.
        let name = Command::new(Class::ISO, 0xA4, 0x04, 0x00).with_data(df.name);
        assert_eq!(send(&mut card, &name.to_vec().unwrap()), with_le);
        let silent = Command { p2: 0x0C, ..name };
        assert_eq!(send(&mut card, &silent.to_vec().unwrap()), sw(0x9000));
        // By identifier it is the same.
        let [high, low] = df.fid.to_be_bytes();
        assert_eq!(send(&mut card, &[0x00, 0xA4, 0x00, 0x00, 2, high, low, 0]), with_le);
        // A short Le gets a part.
        let part = send(&mut card, &name.with_ne(10).to_vec().unwrap());
        let left = u16::try_from(with_le.data.len() - 10).unwrap();
        assert_eq!(part, Reply { data: with_le.data[..10].to_vec(), sw: 0x6100 | left });
        let rest = ask(&mut card, "00 C0 00 00 00");
        assert_eq!(rest, Reply { data: with_le.data[10..].to_vec(), sw: 0x9000 });
        assert_eq!(ask(&mut card, "00 C0 00 00 00"), sw(0x6985));
    }
}

#[test]
fn select_finds_the_mf_and_its_files() {
    let mut card = in_education();
    let mf = ask(&mut card, "00 A4 00 00 00");
    assert_eq!(Fci::parse(&mf.data).unwrap().df_name, MF_NAME);
    assert_eq!(Fci::parse(&mf.data).unwrap().security, None);
    assert_eq!(ask(&mut card, "00 A4 00 00 02 3F 00 00"), mf);
    let name = Command::new(Class::ISO, 0xA4, 0x04, 0x00).with_data(&MF_NAME).with_ne(256);
    assert_eq!(send(&mut card, &name.to_vec().unwrap()), mf);
    // EF.DIR names every application.
    assert_eq!(ask(&mut card, "00 A4 00 00 02 2F 00"), sw(0x9000));
    let dir = ask(&mut card, "00 B0 00 00 00").data;
    for df in CardKind::Student.tree().dfs {
        assert!(dir.windows(df.name.len()).any(|window| window == df.name));
    }
    // 0005 is another file in the education zone.
    assert_eq!(ask(&mut card, "00 A4 00 0C 02 00 05"), sw(0x9000));
    assert_eq!(ask(&mut card, "00 B0 00 00 00").data.len(), 9);
    select(&mut card, education());
    assert_eq!(ask(&mut card, "00 A4 00 0C 02 00 05"), sw(0x9000));
    assert_eq!(ask(&mut card, "00 B0 00 00 00").data.len(), 48);
}

#[test]
fn select_refuses_what_is_not_there_and_stays() {
    let mut card = in_education();
    for (command, expected) in [
        ("00 A4 04 00 07 F0 42 4A 45 44 55 02", 0x6A82),
        ("00 A4 04 00 06 F0 42 4A 45 44 55", 0x6A82), // part of a name
        ("00 A4 04 00 08 F0 42 4A 45 44 55 01 00", 0x6A82),
        ("00 A4 00 00 02 DF 19", 0x6A82),
        ("00 A4 00 00 02 00 04", 0x6A82), // a file of the MF
        ("00 A4 00 00 01 3F", 0x6700),
        ("00 A4 00 00 03 3F 00 00", 0x6700),
        ("00 A4 04 00", 0x6700),
        ("00 A4 04 00 11 00 11 22 33 44 55 66 77 88 99 AA BB CC DD EE FF 00", 0x6700),
        ("00 A4 01 00 02 DF 01", 0x6A86),
        ("00 A4 02 00 02 00 05", 0x6A86),
        ("00 A4 03 00", 0x6A86),
        ("00 A4 08 00 02 DF 01", 0x6A86),
        ("00 A4 04 02 07 F0 42 4A 45 44 55 01", 0x6A86), // next occurrence
        ("00 A4 04 04 07 F0 42 4A 45 44 55 01", 0x6A86), // FCP
    ] {
        assert_eq!(ask(&mut card, command), sw(expected), "{command}");
        assert_eq!(ask(&mut card, "00 B0 85 00 00").data.len(), 48, "{command}: the DF stays");
    }
}

#[test]
fn read_binary_minds_offset_and_le() {
    let mut card = in_education();
    let whole = ask(&mut card, "00 B0 85 00 00").data;
    assert_eq!(whole.len(), 48);
    for offset in 0..=0xFF_u8 {
        for le in [0, 1, 2, 16, 47, 48, 49, 255] {
            let reply = send(&mut card, &[0x00, 0xB0, 0x85, offset, le]);
            let left = whole.len().saturating_sub(offset.into());
            let expected = match (left, usize::from(le)) {
                (0, _) => sw(0x6B00),
                (left, 0) => Reply { data: whole[48 - left..].to_vec(), sw: 0x9000 },
                (left, ne) if ne <= left => {
                    Reply { data: whole[48 - left..][..ne].to_vec(), sw: 0x9000 }
                }
                (left, _) => sw(0x6C00 | u16::try_from(left).unwrap()),
            };
            assert_eq!(reply, expected, "offset {offset} Le {le}");
        }
    }
    for (command, expected) in [
        ("00 B0 85 00", 0x6700),
        ("00 B0 85 00 01 00", 0x6700),
        ("00 B0 85 00 01 00 00", 0x6700),
        ("00 B0 A5 00 00", 0x6A86),
        ("00 B0 C5 00 00", 0x6A86),
        ("00 B0 80 00 00", 0x6A82),
        ("00 B0 9F 00 00", 0x6A82),
        ("00 B0 84 00 00", 0x6A82), // a file of the MF
        ("00 B0 8A 00 00", 0x6981),
        ("00 B0 8C 00 00", 0x6981),
        ("00 B0 7F FF 00", 0x6B00),
    ] {
        assert_eq!(ask(&mut card, "00 A4 00 0C 02 00 05"), sw(0x9000));
        assert_eq!(ask(&mut card, command), sw(expected), "{command}");
    }
    select(&mut card, education());
    assert_eq!(ask(&mut card, "00 B0 00 00 00"), sw(0x6986));
    // Extended lengths ask for no more than there is.
    let extended = ask(&mut card, "00 B0 85 00 00 00 00");
    assert_eq!(extended, Reply { data: whole.clone(), sw: 0x9000 });
    assert_eq!(ask(&mut card, "00 B0 85 00 00 01 2C"), extended);
    assert_eq!(ask(&mut card, "00 B0 85 00 00 00 31"), sw(0x6C30));
    // The file named is the current one from here on.
    assert_eq!(ask(&mut card, "00 B0 00 2F 01").data, whole[47..]);
}

#[test]
fn read_record_minds_number_and_le() {
    let mut card = active_card();
    let mut session = session(&mut card, KeyNumber::READ);
    for (command, expected) in [
        ("00 B2 01 64 00", 0x9000),
        ("00 B2 08 64 10", 0x9000),
        ("00 B2 09 64 00", 0x6A83),
        ("00 B2 00 64 00", 0x6A83),
        ("00 B2 FF 64 00", 0x6A83),
        ("00 B2 01 6C 00", 0x9000),
        ("00 B2 02 6C 00", 0x6A83), // one record so far
        ("00 B2 01 54 00", 0x6A83), // none
        ("00 B2 01 64 0F", 0x6C10),
        ("00 B2 01 64 11", 0x6C10),
        ("00 B2 01 64", 0x6700),
        ("00 B2 01 64 01 00 00", 0x6700),
        ("00 B2 01 65 00", 0x6A86),
        ("00 B2 01 60 00", 0x6A86),
        ("00 B2 01 34 00", 0x6981),
        ("00 B2 01 24 00", 0x6A82),
        ("00 B2 01 FC 00", 0x6A82),
        ("00 B2 01 04 00", 0x6981), // the current file is the status
    ] {
        assert_eq!(session.ask(&mut card, "00 B0 86 00 01").sw, 0x9000);
        assert_eq!(session.ask(&mut card, command).sw, expected, "{command}");
    }
    // The record read last makes its file the current one.
    assert_eq!(session.ask(&mut card, "00 B2 03 64 00").sw, 0x9000);
    let third = session.ask(&mut card, "00 B2 03 04 00");
    assert_eq!((third.sw, third.data[0]), (0x9000, 3));
    select(&mut card, education());
    assert_eq!(ask(&mut card, "00 B2 01 04 00"), sw(0x6986));
    assert_eq!(ask(&mut card, "00 B2 01 64 00"), sw(0x6982));
}

#[test]
fn update_binary_minds_offset_and_length() {
    let mut card = card_in(LifeCycleState::Personalising);
    let mut session = session(&mut card, KeyNumber::PERSONALISE);
    let identity = file(sfi::IDENTITY);
    let before = memory(&card);
    for (command, expected) in [
        ("00 D6 87 80 01 00", 0x6B00),
        ("00 D6 87 7F 02 00 00", 0x6700),
        ("00 D6 87 00", 0x6700),
        ("00 D6 87 00 01 00 00", 0x6700),
        ("00 D6 9E 00 01 00", 0x6A82),
        ("00 D6 8A 00 01 00", 0x6981),
        ("00 D6 86 00 01 00", 0x6982),
        ("00 D6 00 00 01 00", 0x6982), // the status is the current file
    ] {
        assert_eq!(session.ask(&mut card, command), sw(expected), "{command}");
    }
    assert!(memory(&card) == before);
    let mut image = before[identity.offset..identity.offset + 128].to_vec();
    for (offset, length) in [(0, 128), (127, 1), (1, 16), (40, 60)] {
        let data: Vec<u8> = (0..length).map(|at| at ^ offset).collect();
        let update = Command::new(Class::ISO, 0xD6, 0x87, offset).with_data(&data);
        assert_eq!(session.send(&mut card, &update), sw(0x9000));
        image[usize::from(offset)..][..data.len()].copy_from_slice(&data);
        assert_eq!(session.send(&mut card, &read(identity)).data, image);
    }
}

#[test]
fn change_life_cycle_answers_the_outcome() {
    let mut card = active_card();
    let data = support::model::request(Event::Register).emit();
    for repeated in [false, true] {
        let mut session = session(&mut card, KeyNumber::REGISTER);
        let reply = session.send(&mut card, &change(Event::Register, &data));
        let expected = Outcome { state: LifeCycleState::Active, counter: 0xFFFF, repeated };
        assert_eq!(reply, Reply { data: expected.emit().to_vec(), sw: 0x9000 });
        let exact = change(Event::Register, &data).with_ne(4);
        assert_eq!(session.send(&mut card, &exact).sw, 0x9000);
    }
    for spoilt in [&data[..14], &[&data[..], &[0]].concat(), &[0xFF; 15]] {
        let mut session = session(&mut card, KeyNumber::REGISTER);
        assert_eq!(session.send(&mut card, &change(Event::Register, spoilt)), sw(0x6A80));
    }
    assert_eq!(ask(&mut card, "80 F0 05 00 00"), sw(0x6982));
    assert_eq!(ask(&mut card, "00 F0 05 00 00"), sw(0x6D00));
}

#[test]
fn a_chain_is_one_command() {
    let mut card = active_card();
    let whole = ask(&mut card, "00 A4 04 00 07 F0 42 4A 45 44 55 01 00");
    for pieces in [vec![1; 7], vec![3, 4], vec![6, 1]] {
        let mut rest = education().name;
        for (index, length) in pieces.iter().enumerate() {
            let (piece, tail) = rest.split_at(*length);
            rest = tail;
            let last = index + 1 == pieces.len();
            let class = Class(if last { 0x00 } else { 0x10 });
            let command = Command::new(class, 0xA4, 0x04, 0x00).with_data(piece);
            let expected = if last { whole.clone() } else { sw(0x9000) };
            let command = if last { command.with_ne(256) } else { command };
            assert_eq!(send(&mut card, &command.to_vec().unwrap()), expected);
        }
    }
}

#[test]
fn a_broken_chain_is_refused_and_forgotten() {
    for (between, expected) in [
        ("00 B0 84 00 00", 0x6883),             // another command
        ("00 A4 04 0C 04 45 44 55 01", 0x6883), // other parameters
        ("10 A4 00 00 02 DF 01", 0x6883),
        ("00 C0 00 00 00", 0x6883),
        ("00", 0x6700), // no command at all
        ("01 A4 04 00 04 45 44 55 01", 0x6881),
        ("04 A4 04 00 04 45 44 55 01", 0x6882),
        ("0C A4 04 00 04 45 44 55 01", 0x6988),
        ("1C A4 04 00 04 45 44 55 01", 0x6884),
        ("FF A4 04 00 04 45 44 55 01", 0x6E00),
    ] {
        let mut card = active_card();
        assert_eq!(ask(&mut card, "10 A4 04 00 03 F0 42 4A"), sw(0x9000));
        assert_eq!(ask(&mut card, between), sw(expected), "{between}");
        // What follows stands alone.
        assert_eq!(ask(&mut card, "00 A4 04 00 04 45 44 55 01"), sw(0x6A82), "{between}");
        assert_eq!(ask(&mut card, "00 A4 04 0C 07 F0 42 4A 45 44 55 01"), sw(0x9000));
    }
}

#[test]
fn a_chain_carries_1024_bytes() {
    let piece = |class: u8, length: usize| {
        let data = vec![0; length];
        Command::new(Class(class), 0xA4, 0x04, 0x00).with_data(&data).to_vec().unwrap()
    };
    let mut card = active_card();
    for _ in 0..4 {
        assert_eq!(send(&mut card, &piece(0x10, 255)), sw(0x9000));
    }
    assert_eq!(send(&mut card, &piece(0x10, 4)), sw(0x9000));
    assert_eq!(send(&mut card, &piece(0x00, 1)), sw(0x6700), "1025 bytes");
    // The same length is refused for the name it is, too, so look at the reason.
    assert!(card.last_refusal().unwrap().to_string().contains("1024"));
    for _ in 0..3 {
        assert_eq!(send(&mut card, &piece(0x10, 255)), sw(0x9000));
    }
    assert_eq!(send(&mut card, &piece(0x00, 259)), sw(0x6700));
    assert!(!card.last_refusal().unwrap().to_string().contains("1024"));
}

#[test]
fn every_class_has_its_answer() {
    for class in 0..=0xFF_u8 {
        let mut card = in_education();
        let reply = send(&mut card, &[class, 0xB0, 0x85, 0x00, 0x00]);
        let expected = match class {
            // 10 and 90 start a chain.
            0x00 | 0x10 | 0x90 => 0x9000,
            0x80 => 0x6D00,
            0x0C | 0x8C => 0x6988,
            0x1C | 0x9C => 0x6884,
            0x04 | 0x08 | 0x14 | 0x18 | 0x84 | 0x88 | 0x94 | 0x98 => 0x6882,
            0x20..=0x3F | 0xA0..=0xFF => 0x6E00,
            _ => 0x6881,
        };
        assert_eq!(reply.sw, expected, "class {class:02X}");
    }
}

#[test]
fn a_card_without_power_says_nothing() {
    let mut card = active_card();
    card.power_off();
    let mut response = vec![1];
    assert!(card.transmit(&bytes("00 A4 00 00 00"), &mut response).is_err());
    assert!(response.is_empty());
}

/// Every header there is, with bodies of every case, on a fresh card.
#[test]
fn all_65536_headers_are_answered_and_change_nothing() {
    let bodies: [&[u8]; 7] = [
        &[],
        &[0x00],
        &[0x01, 0xAA],
        &[0x02, 0xDF, 0x01, 0x00],
        &[0x05, 0x01], // a lie about the length
        &[0x00, 0x00, 0x00],
        &[0x07, 0xF0, 0x42, 0x4A, 0x45, 0x44, 0x55, 0x01, 0x00],
    ];
    let mut card = in_education();
    let before = memory(&card);
    let mut accepted = Vec::new();
    for class in 0..=0xFF_u8 {
        for instruction in 0..=0xFF_u8 {
            for body in bodies {
                card.reset().unwrap();
                let apdu = [&[class, instruction, 0x00, 0x00], body].concat();
                let reply = send(&mut card, &apdu);
                let what = format!("{apdu:02X?} was answered {:04X}", reply.sw);
                assert!(is_documented(reply.sw), "{what}");
                assert!(reply.sw == 0x9000 || reply.data.is_empty(), "{what}");
                if reply.sw == 0x9000 && class & 0x10 == 0 {
                    accepted.push((class, instruction));
                }
            }
        }
    }
    assert!(memory(&card) == before, "no command in the clear writes anything");
    accepted.dedup();
    let expected = [(0x00, 0x84), (0x00, 0xA4)];
    assert_eq!(accepted, expected, "on a fresh card GET CHALLENGE and SELECT take P1 P2 00 00");
}

#[test]
fn an_instruction_outside_the_table_is_unknown() {
    let mut card = in_education();
    for class in [0x00, 0x80] {
        for instruction in 0..=0xFF_u8 {
            let known = COMMANDS.iter().any(|spec| {
                let family = Class(class).fields().unwrap().family;
                let here = spec.applications.contains(&Application::Zone);
                here && spec.family == family && spec.instruction == instruction
            });
            select(&mut card, education());
            let reply = send(&mut card, &[class, instruction, 0x00, 0x00]);
            assert_eq!(reply.sw != 0x6D00, known, "{class:02X} {instruction:02X}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A mixed conversation of made-up and half-right commands.
    #[test]
    fn no_conversation_in_the_clear_breaks_the_card(
        commands in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..300),
                (
                    proptest::sample::select(&[0x00_u8, 0x10, 0x0C, 0x80, 0x8C][..]),
                    proptest::sample::select(&COMMANDS[..]),
                    any::<[u8; 2]>(),
                    proptest::collection::vec(any::<u8>(), 0..60),
                )
                    .prop_map(|(class, spec, [p1, p2], body)| {
                        [&[class, spec.instruction, p1, p2], &body[..]].concat()
                    }),
            ],
            1..60,
        ),
        opened: bool,
    ) {
        let mut card = active_card();
        if opened {
            authenticate(&mut card, education(), KeyNumber::STATUS, sam(OWN_SCHOOL));
        }
        let before = memory(&card);
        for command in &commands {
            let reply = send(&mut card, command);
            prop_assert!(is_documented(reply.sw), "{:02X?}: {:04X}", command, reply.sw);
        }
        prop_assert!(memory(&card) == before);
    }
}
