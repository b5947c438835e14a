//! Secure messaging: both ends meet, and every deviation ends the session.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test helpers")]
#![allow(clippy::cast_possible_truncation, reason = "test helpers")]

use proptest::prelude::*;
use xuejika_apdu::chain::MAX_ANSWER;
use xuejika_apdu::command::MAX_NE;
use xuejika_apdu::sm::{CardSm, MAX_COMMANDS, Profile, ReaderSm, SmError};
use xuejika_apdu::{Class, Command, Response, StatusWord};
use xuejika_keyscheme::algorithm::TdesEde2;
use xuejika_keyscheme::algorithm::cipher::{BlockCipherEncrypt, KeyInit};
use xuejika_keyscheme::auth::SessionKeys;
use xuejika_keyscheme::legacy::DesMac;
use xuejika_keyscheme::{Algorithm, Key, cbc, padding};

fn keys(algorithm: Algorithm) -> SessionKeys {
    SessionKeys { enc: Key::new(algorithm, [0xE0; 16]), mac: Key::new(algorithm, [0x0D; 16]) }
}

fn ends() -> (ReaderSm, CardSm) {
    let keys = keys(Algorithm::Aes128);
    (ReaderSm::new(&keys), CardSm::new(&keys))
}

/// One command with both kinds of data, protected.
fn protected() -> Vec<u8> {
    let mut wire = Vec::new();
    let command =
        Command::new(Class::ISO, 0xD6, 0x87, 0).with_data(b"seventeen bytes!!").with_ne(16);
    ends().0.wrap_command(&command, &mut wire).unwrap();
    wire
}

fn unwrap(wire: &[u8]) -> Result<(), SmError> {
    let command = Command::parse(wire).unwrap();
    ends().1.unwrap_command(&command, &mut Vec::new()).map(drop)
}

/// Rebuilds the protected command around other objects; the checksum is not recomputed.
fn with_objects(objects: &[u8]) -> Result<(), SmError> {
    let command = Command::new(Class(0x0C), 0xD6, 0x87, 0).with_data(objects).with_ne(256);
    ends().1.unwrap_command(&command, &mut Vec::new()).map(drop)
}

/// Data and Ne of a command, data and status of its response.
type Turn = (Vec<u8>, u32, Vec<u8>, u16);

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let data = || proptest::collection::vec(any::<u8>(), 0..300);
    proptest::collection::vec((data(), 0..=400_u32, data(), any::<u16>()), 1..6)
}

/// Every turn comes out at the other end as it went in.
fn converse<C: Profile>(mut reader: ReaderSm<C>, mut card: CardSm<C>, turns: &[Turn]) {
    for (data, ne, answer, status) in turns {
        let mut command = Command::new(Class::OWN, 0xF0, 1, 2).with_data(data).with_ne(*ne);
        command.extended = *ne > 256 || *ne % 2 == 1;
        let mut wire = Vec::new();
        reader.wrap_command(&command, &mut wire).unwrap();
        let mut buffer = Vec::new();
        let seen = card.unwrap_command(&Command::parse(&wire).unwrap(), &mut buffer).unwrap();
        assert_eq!((seen.header(), seen.data, seen.ne), (command.header(), &data[..], *ne));
        assert_eq!(seen.extended, command.extended);
        let response = Response { data: answer, status: StatusWord(*status) };
        let mut wire = Vec::new();
        card.wrap_response(&response, &mut wire);
        let mut buffer = Vec::new();
        let status = reader.unwrap_response(&Response::parse(&wire).unwrap(), &mut buffer);
        assert_eq!(status, Ok(response.status));
        assert_eq!(&buffer, answer);
    }
}

proptest! {
    #[test]
    fn a_conversation_arrives(sm4: bool, turns in turns()) {
        let keys = keys(if sm4 { Algorithm::Sm4 } else { Algorithm::Aes128 });
        converse(ReaderSm::new(&keys), CardSm::new(&keys), &turns);
    }

    /// With blocks of eight bytes, from any counter, over its end too.
    #[test]
    fn a_conversation_arrives_under_tdes(
        enc: [u8; 16],
        mac: [u8; 16],
        ssc in prop_oneof![any::<u64>(), u64::MAX - 3..],
        turns in turns(),
    ) {
        let (enc, mac, ssc) = (TdesEde2::new(&enc.into()), DesMac::retail(&mac), ssc.into());
        let reader = ReaderSm::with_keys(enc.clone(), mac.clone(), ssc);
        converse(reader, CardSm::with_keys(enc, mac, ssc), &turns);
    }

    #[test]
    fn any_bytes_are_refused(data in proptest::collection::vec(any::<u8>(), 0..80)) {
        prop_assert!(with_objects(&data).is_err());
        let response = Response { data: &data, status: StatusWord::SUCCESS };
        prop_assert!(ends().0.unwrap_response(&response, &mut Vec::new()).is_err());
    }
}

#[test]
fn every_flipped_bit_of_a_command_is_refused() {
    let wire = protected();
    assert_eq!(unwrap(&wire), Ok(()));
    for bit in 0..8 * wire.len() {
        let mut bad = wire.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let refused = match Command::parse(&bad) {
            Err(_) => true,
            Ok(command) => ends().1.unwrap_command(&command, &mut Vec::new()).is_err(),
        };
        assert!(refused, "bit {bit}");
    }
}

#[test]
fn every_flipped_bit_and_truncation_of_a_response_is_refused() {
    let mut wire = Vec::new();
    let (_, mut card) = ends();
    let mut buffer = Vec::new();
    card.unwrap_command(&Command::parse(&protected()).unwrap(), &mut buffer).unwrap();
    card.wrap_response(&Response { data: b"answer", status: StatusWord::SUCCESS }, &mut wire);
    let accepted = |wire: &[u8]| {
        let (mut reader, _) = ends();
        let command = Command::new(Class::ISO, 0xB0, 0, 0);
        reader.wrap_command(&command, &mut Vec::new()).unwrap();
        Response::parse(wire)
            .is_some_and(|response| reader.unwrap_response(&response, &mut Vec::new()).is_ok())
    };
    assert!(accepted(&wire));
    for bit in 0..8 * wire.len() {
        let mut bad = wire.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(!accepted(&bad), "bit {bit}");
    }
    for length in 0..wire.len() {
        assert!(!accepted(&wire[..length]), "length {length}");
    }
    assert!(!accepted(&[&wire[..], &[0]].concat()));
}

#[test]
fn the_decoder_takes_one_encoding_only() {
    let wire = protected();
    let objects = Command::parse(&wire).unwrap().data.to_vec();
    let (cryptogram, rest) = objects.split_at(2 + 33);
    let (le, checksum) = rest.split_at(3);
    assert_eq!(with_objects(&objects), Ok(()));
    assert_eq!(with_objects(&[]), Err(SmError::Missing));
    assert_eq!(with_objects(&[cryptogram, le].concat()), Err(SmError::Missing));
    for bad in [
        [le, cryptogram, checksum].concat(),
        [cryptogram, cryptogram, le, checksum].concat(),
        [cryptogram, le, le, checksum].concat(),
        [cryptogram, le, checksum, checksum].concat(),
        [cryptogram, le, checksum, &[0]].concat(),
        [&[0x85, 0], cryptogram, le, checksum].concat(),
        [&[0x81], &cryptogram[1..], le, checksum].concat(),
        [cryptogram, le, &checksum[..9]].concat(),
        [&[0x87, 0x81], &cryptogram[1..], le, checksum].concat(),
    ] {
        assert_eq!(with_objects(&bad), Err(SmError::Incorrect), "{bad:02X?}");
    }
}

/// Under a right checksum: only who holds the keys can send this, and it is wrong all the same.
#[test]
fn indicator_and_padding_are_checked_behind_the_checksum() {
    let keys = keys(Algorithm::Aes128);
    let mut counter = [0; 16];
    counter[15] = 1;
    let send = |value: &[u8]| {
        let mut objects = [&[0x87, value.len() as u8][..], value].concat();
        let mut padded = objects.clone();
        padding::pad(&mut padded, 16);
        let mut header = vec![0x0C, 0xD6, 0x87, 0x00];
        padding::pad(&mut header, 16);
        let tag = keys.mac.mac().tag(&[&counter[..], &header, &padded].concat());
        objects.extend_from_slice(&[0x8E, 8]);
        objects.extend_from_slice(&tag[..8]);
        with_objects(&objects)
    };
    let encrypted = |mut plain: Vec<u8>| {
        let cipher = keys.enc.cipher();
        let mut iv = counter.into();
        cipher.encrypt_block(&mut iv);
        cbc::encrypt(&cipher, &iv, &mut plain).unwrap();
        plain
    };
    let marked = encrypted([&b"fifteen bytes!!"[..], &[0x80]].concat());
    let unmarked = encrypted(b"sixteen bytes!!!".to_vec());
    assert_eq!(send(&[&[1], &marked[..]].concat()), Ok(()));
    for wrong in [
        [&[0], &marked[..]].concat(),
        [&[2], &marked[..]].concat(),
        [&[1], &unmarked[..]].concat(),
        [&[1], &marked[..15]].concat(),
        vec![1],
        vec![],
    ] {
        assert_eq!(send(&wrong), Err(SmError::Incorrect), "{wrong:02X?}");
    }
}

#[test]
fn the_outer_le_is_fixed() {
    let wire = protected();
    let command = Command::parse(&wire).unwrap();
    for ne in [0, 1, 255] {
        let mut card = ends().1;
        let changed = command.with_ne(ne);
        assert_eq!(card.unwrap_command(&changed, &mut Vec::new()).err(), Some(SmError::Incorrect));
    }
}

#[test]
fn replay_and_reordering_are_refused() {
    let (mut reader, mut card) = ends();
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let command = Command::new(Class::ISO, 0xB0, 0x86, 0).with_ne(16);
    reader.wrap_command(&command, &mut first).unwrap();
    card.unwrap_command(&Command::parse(&first).unwrap(), &mut Vec::new()).unwrap();
    let mut answer = Vec::new();
    card.wrap_response(&Response { data: b"1", status: StatusWord::SUCCESS }, &mut answer);
    reader.unwrap_response(&Response::parse(&answer).unwrap(), &mut Vec::new()).unwrap();
    let again = card.unwrap_command(&Command::parse(&first).unwrap(), &mut Vec::new()).err();
    assert_eq!(again, Some(SmError::Incorrect));
    reader.wrap_command(&command, &mut second).unwrap();
    let old = reader.unwrap_response(&Response::parse(&answer).unwrap(), &mut Vec::new());
    assert_eq!(old, Err(SmError::Incorrect));
}

#[test]
fn a_bare_status_word_is_a_downgrade() {
    for status in [StatusWord::SUCCESS, StatusWord::SECURITY_STATUS] {
        let (mut reader, _) = ends();
        reader.wrap_command(&Command::new(Class::ISO, 0xB0, 0, 0), &mut Vec::new()).unwrap();
        let bare = Response { data: &[], status };
        let refused = reader.unwrap_response(&bare, &mut Vec::new());
        assert_eq!(refused, Err(SmError::Unprotected(status)));
    }
}

/// A second command would be enciphered under the IV of the card's answer.
#[test]
fn a_reader_s_commands_and_answers_alternate() {
    let read = Command::new(Class::ISO, 0xB0, 0x86, 0).with_ne(16);
    let exchange = |reader: &mut ReaderSm, card: &mut CardSm| {
        let (mut wire, mut answer) = (Vec::new(), Vec::new());
        reader.wrap_command(&read, &mut wire)?;
        card.unwrap_command(&Command::parse(&wire).unwrap(), &mut Vec::new()).unwrap();
        card.wrap_response(&Response { data: b"1", status: StatusWord::SUCCESS }, &mut answer);
        reader.unwrap_response(&Response::parse(&answer).unwrap(), &mut Vec::new())?;
        Ok::<_, SmError>(answer)
    };
    // Out of turn, nothing is made, and nothing more can be done: not even what was due.
    for answered_first in [false, true] {
        let (mut reader, mut card) = ends();
        let answer = exchange(&mut reader, &mut card).unwrap();
        let answer = Response::parse(&answer).unwrap();
        let mut wire = Vec::new();
        let out_of_turn = if answered_first {
            reader.unwrap_response(&answer, &mut Vec::new()).map(drop)
        } else {
            reader.wrap_command(&read, &mut Vec::new()).unwrap();
            reader.wrap_command(&read, &mut wire)
        };
        assert_eq!(out_of_turn, Err(SmError::OutOfTurn));
        assert!(wire.is_empty());
        assert_eq!(reader.wrap_command(&read, &mut wire), Err(SmError::OutOfTurn));
        let refused = reader.unwrap_response(&answer, &mut Vec::new());
        assert_eq!(refused, Err(SmError::OutOfTurn));
    }
    // Nor can anything be done once an answer was wrong.
    let (mut reader, mut card) = ends();
    reader.wrap_command(&read, &mut Vec::new()).unwrap();
    let wrong = Response { data: b"wrong", status: StatusWord::SUCCESS };
    assert!(reader.unwrap_response(&wrong, &mut Vec::new()).is_err());
    assert_eq!(exchange(&mut reader, &mut card).err(), Some(SmError::OutOfTurn));
    // The first answer of a session comes after a command.
    let refused = ends().0.unwrap_response(&wrong, &mut Vec::new());
    assert_eq!(refused, Err(SmError::OutOfTurn));
}

#[test]
fn what_cannot_be_carried_is_said_before_the_counter_moves() {
    let (mut reader, mut card) = ends();
    // The most data whose objects fit, and one more.
    let long = [0; 65_504];
    let update = Command::new(Class::ISO, 0xD6, 0, 0);
    assert!(ends().0.wrap_command(&update.with_data(&long[1..]), &mut Vec::new()).is_ok());
    for command in [
        update.with_data(&long),
        Command::new(Class::ISO, 0xB1, 0, 0),
        Command::new(Class(0x0C), 0xB0, 0, 0),
        Command::new(Class(0x40), 0xB0, 0, 0),
        Command::new(Class(0xFF), 0xB0, 0, 0),
    ] {
        assert_eq!(reader.wrap_command(&command, &mut Vec::new()), Err(SmError::NotCarried));
    }
    let mut wire = Vec::new();
    reader.wrap_command(&Command::new(Class::ISO, 0xB0, 0, 0), &mut wire).unwrap();
    assert!(card.unwrap_command(&Command::parse(&wire).unwrap(), &mut Vec::new()).is_ok());
}

#[test]
fn lengths_are_extended_when_they_have_to_be_or_are_asked_to() {
    let data = [0x5A; 300];
    for nc in 0..=data.len() {
        for (ne, asked) in
            [(0, false), (1, false), (1, true), (256, false), (256, true), (257, true)]
        {
            let mut command =
                Command::new(Class::ISO, 0xD6, 0, 0).with_data(&data[..nc]).with_ne(ne);
            command.extended = asked;
            let (mut reader, mut card) = ends();
            let mut wire = Vec::new();
            reader.wrap_command(&command, &mut wire).unwrap();
            let sent = Command::parse(&wire).unwrap();
            assert_eq!(sent.extended, asked || sent.data.len() > 255, "Nc {nc}, Ne {ne}");
            assert_eq!(sent.ne, if sent.extended { MAX_NE } else { 256 });
            let mut buffer = Vec::new();
            let seen = card.unwrap_command(&sent, &mut buffer).unwrap();
            assert_eq!((seen.ne, seen.extended), (ne, asked), "Nc {nc}");
        }
    }
}

/// The longest answer is that to the longest data a short Le can ask for, and readers take no more.
#[test]
fn the_longest_answer_is_as_long_as_readers_take() {
    let (mut reader, mut card) = ends();
    let command = Command::new(Class::ISO, 0xB0, 0x86, 0).with_ne(256);
    let (mut wire, mut answer) = (Vec::new(), Vec::new());
    reader.wrap_command(&command, &mut wire).unwrap();
    card.unwrap_command(&Command::parse(&wire).unwrap(), &mut Vec::new()).unwrap();
    card.wrap_response(&Response { data: &[0; 256], status: StatusWord::SUCCESS }, &mut answer);
    assert_eq!(Response::parse(&answer).unwrap().data.len(), MAX_ANSWER);
}

#[test]
fn a_session_ends_after_its_last_command() {
    let (mut reader, mut card) = ends();
    let command = Command::new(Class::ISO, 0xB0, 0x86, 0).with_ne(16);
    let (mut wire, mut answer, mut buffer) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..MAX_COMMANDS {
        wire.clear();
        reader.wrap_command(&command, &mut wire).unwrap();
        card.unwrap_command(&Command::parse(&wire).unwrap(), &mut buffer).unwrap();
        answer.clear();
        card.wrap_response(&Response { data: &[], status: StatusWord::SUCCESS }, &mut answer);
        reader.unwrap_response(&Response::parse(&answer).unwrap(), &mut buffer).unwrap();
    }
    assert_eq!(reader.wrap_command(&command, &mut wire), Err(SmError::Exhausted));
    let plain = Command::new(Class(0x0C), 0xB0, 0x86, 0).with_ne(256);
    assert_eq!(card.unwrap_command(&plain, &mut Vec::new()).err(), Some(SmError::Exhausted));
}
