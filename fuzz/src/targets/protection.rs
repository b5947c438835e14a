//! Secure messaging, both ends: against the session of the reference card.

use super::reference::cipher::Cipher;
use super::reference::command::Command as Plain;
use super::reference::session::Session;
use xuejika_apdu::sm::{CardSm, ReaderSm, SmError};
use xuejika_apdu::{Class, Command, Response, StatusWord};
use xuejika_keyscheme::auth::SessionKeys;
use xuejika_keyscheme::{Algorithm, Key};

/// Both ends of a new session, and the reference's view of it.
fn session(sm4: bool) -> (CardSm, ReaderSm, Session) {
    let algorithm = if sm4 { Algorithm::Sm4 } else { Algorithm::Aes128 };
    let keys = SessionKeys { enc: Key::new(algorithm, [1; 16]), mac: Key::new(algorithm, [2; 16]) };
    let code = if sm4 { 2 } else { 1 };
    let reference = Session {
        enc: Cipher::new(code, [1; 16]),
        mac: Cipher::new(code, [2; 16]),
        counter: 0,
        commands: 0,
        key: 1,
        reader: [0; 8],
    };
    (CardSm::new(&keys), ReaderSm::new(&keys), reference)
}

/// A protected command: the bytes as they are, or with the right checksum behind whatever objects
/// they hold. The card takes what the reference takes, gives the same plain command, and says the
/// same of what it refuses.
pub fn sm_card(bytes: &[u8]) {
    let Some((&[mode, cla, ins, p1, p2], body)) = bytes.split_first_chunk::<5>() else { return };
    let (mut card, _, mut reference) = session(mode & 2 != 0);
    let cla = cla & 0x80 | 0x0C;
    let mut body = body[..body.len().min(60_000)].to_vec();
    if mode & 1 == 0 {
        body = reference.sealed([cla, ins, p1, p2], &body);
    }
    let extended = body.len() > 255 || mode & 4 != 0;
    let ne = match (mode & 8 != 0, extended) {
        (true, _) => u32::from(mode),
        (false, true) => 65_536,
        (false, false) => 256,
    };
    let command =
        Command { class: Class(cla), instruction: ins, p1, p2, data: &body, ne, extended };
    let plain = Plain { extended, ..Plain::new([cla, ins, p1, p2], &body, ne) };
    let mut buffer = Vec::new();
    let found = card.unwrap_command(&command, &mut buffer);
    let found = found.map(|it| (it.class.0, it.instruction, it.p1, it.p2, it.data.to_vec(), it.ne));
    let expected = reference.unwrap(&plain);
    let expected = expected.map(|it| (it.cla, it.ins, it.p1, it.p2, it.data, it.ne));
    let status = |error| if error == SmError::Missing { 0x6987 } else { 0x6988 };
    assert_eq!(found.map_err(status), expected);
}

/// A protected response: taken only with the right checksum, in the one order, with the status word
/// that stands outside; and what was taken is what the card would have sent.
pub fn sm_reader(bytes: &[u8]) {
    let Some((&[mode, sw1, sw2], body)) = bytes.split_first_chunk::<3>() else { return };
    let (_, mut reader, mut reference) = session(mode & 2 != 0);
    let read = Command::new(Class::ISO, 0xB0, 0x86, 0).with_ne(16);
    reader.wrap_command(&read, &mut Vec::new()).unwrap();
    reference.counter = 1;
    let body = &body[..body.len().min(60_000)];
    let outer = StatusWord(u16::from_be_bytes([sw1, sw2]));
    let (sent, honest) = match mode & 5 {
        0 => (reference.wrap(body, outer.0), true),
        4 => (reference.sealed_response(body), false),
        _ => (body.to_vec(), false),
    };
    let mut buffer = Vec::new();
    let response = Response { data: &sent, status: outer };
    match reader.unwrap_response(&response, &mut buffer) {
        Ok(status) => {
            assert_eq!(status, outer);
            assert!(!honest || buffer == body);
            // The last objects are the status word and the checksum, in this order.
            let tail = &sent[sent.len() - 14..];
            assert_eq!(tail[..6], [0x99, 2, sw1, sw2, 0x8E, 8]);
        }
        Err(_) => assert!(!honest),
    }
}
