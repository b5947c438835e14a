//! Bytes on the wire.

use super::reference::command::Command as Reference;
use xuejika_apdu::chain::Splitter;
use xuejika_apdu::fci::{Fci, PurseFci};
use xuejika_apdu::frame::{self, Control, Message};
use xuejika_apdu::tlv::{TlvReader, Writer};
use xuejika_apdu::{Command, Response};
use xuejika_batch::chip::{Pattern, decode_hex};
use xuejika_card_model::atr::{atr_fault, ats_fault};
use xuejika_emulator::transport::Slot;
use xuejika_emulator::{Env, VirtualCard, test_card};

/// A command parses exactly when the reference's does, into the same parts, and is written back as
/// it came.
pub fn command(bytes: &[u8]) {
    let (parsed, reference) = (Command::parse(bytes), Reference::parse(bytes));
    assert_eq!(parsed.is_ok(), reference.is_some());
    if let (Ok(command), Some(reference)) = (parsed, reference) {
        assert_eq!(command.to_vec().as_deref(), Ok(bytes));
        assert_eq!(reference.bytes(), bytes);
        assert_eq!((command.data, command.ne), (reference.data.as_slice(), reference.ne));
        let _ = command.class.fields();
    }
}

/// A response is written back as it came; split in any pieces and joined again it is the same.
pub fn response(bytes: &[u8]) {
    let Some(response) = Response::parse(bytes) else {
        assert!(bytes.len() < 2);
        return;
    };
    let mut out = Vec::new();
    response.emit(&mut out);
    assert_eq!(out, bytes);
    let piece = usize::from(bytes[0]).max(1);
    let (mut splitter, mut joined) = (Splitter::new(), response.data.to_vec());
    let mut left = splitter.cut(&mut joined, 0, piece);
    while left > 0 {
        let before = joined.len();
        left = splitter.next(piece, &mut joined);
        assert!(joined.len() - before <= piece && left == splitter.remaining());
    }
    assert_eq!(joined, response.data);
    let _ = response.status.to_string();
}

/// Data objects that parse are written back as they came, and what does not parse is left where it
/// is.
pub fn tlv(bytes: &[u8]) {
    let (mut reader, mut out) = (TlvReader::new(bytes), Vec::new());
    while let Ok(Some(object)) = reader.read() {
        assert!(object.value.len() <= bytes.len());
        Writer::new(&mut out).object(object.tag, object.value);
    }
    out.extend_from_slice(reader.rest());
    assert_eq!(out, bytes);
}

/// An answer to reset is taken when its parts are as long as they say; so is an answer to select,
/// and a pattern that was made from one matches it.
pub fn atr(bytes: &[u8]) {
    if atr_fault(bytes).is_none() {
        assert!(matches!(bytes[0], 0x3B | 0x3F));
        assert!(bytes.len() >= 2 + usize::from(bytes[1] & 0x0F));
        let longer = [bytes, &[0]].concat();
        assert!(atr_fault(&longer).is_some() && atr_fault(&bytes[..bytes.len() - 1]).is_some());
    }
    if ats_fault(bytes).is_none() {
        assert_eq!(usize::from(bytes[0]), bytes.len());
    }
    let hex: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    let mut buffer = vec![0; bytes.len()];
    assert_eq!(decode_hex(&hex, &mut buffer), Some(bytes));
    if let Ok(pattern) = hex.parse::<Pattern>() {
        assert!(pattern.matches(bytes, None));
    }
    if let Ok(text) = core::str::from_utf8(bytes)
        && let Ok(pattern) = text.parse::<Pattern>()
    {
        let _ = pattern.matches(bytes, None);
    }
}

/// File control information that parses is written back as it came.
pub fn fci(bytes: &[u8]) {
    let mut out = Vec::new();
    if let Ok(fci) = Fci::parse(bytes) {
        fci.emit(&mut out);
        assert_eq!(out, bytes);
    }
    out.clear();
    if let Ok(fci) = PurseFci::parse(bytes) {
        fci.emit(&mut out);
        assert_eq!(out, bytes);
    }
}

/// Frames of a host, one behind the other, on a card in its slot: each control and each command is
/// taken for what it is, and every command of a card with power is answered.
pub fn vpcd(bytes: &[u8]) {
    let memory = test_card::student("1100070100000017").unwrap();
    let mut card = VirtualCard::new(memory, Env::from_seed(1)).unwrap();
    let (mut rest, mut response) = (bytes, Vec::new());
    while let Some((length, tail)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let Some((body, tail)) = tail.split_at_checked(length) else { break };
        assert_eq!(frame::header(length), Some([rest[0], rest[1]]));
        rest = tail;
        let message = Message::parse(body);
        assert_eq!(matches!(message, Message::Command(_)), body.len() > 1);
        match message {
            Message::Undefined => {}
            Message::Control(control) => {
                assert_eq!(Control::from_code(control.code()), Some(control));
                assert_eq!(body, [control.code()]);
                match control {
                    Control::PowerOff => Slot::power_off(&mut card),
                    Control::PowerOn => Slot::power_on(&mut card),
                    Control::Reset => Slot::reset(&mut card),
                    Control::GetAtr => assert!(atr_fault(Slot::atr(&card)).is_none()),
                }
            }
            Message::Command(command) => {
                let answered = Slot::transmit(&mut card, command, &mut response).is_ok();
                assert_eq!(answered, card.is_powered());
                assert!(!answered || response.len() >= 2);
            }
        }
    }
}
