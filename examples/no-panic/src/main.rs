//! Every function here is marked `no_panic`: it refers to a symbol that does not exist on the way a
//! panic would take. If the optimiser cannot show that there is no such way, the program does not
//! link.
//!
//! `.ci/no-panic` links it, and links it once more with the feature `control`, which has to fail.

use no_panic::no_panic;
use xuejika_apdu::frame::{self, Message};
use xuejika_apdu::tlv::TlvReader;
use xuejika_apdu::{Class, Command, Response};
use xuejika_card_model::atr::{atr_fault, ats_fault};

/// A command APDU.
#[no_panic]
fn command(bytes: &[u8]) -> usize {
    match Command::parse(bytes) {
        Ok(command) => command.data.len() + command.ne as usize,
        Err(_) => 0,
    }
}

/// A class byte.
#[no_panic]
fn class(byte: u8) -> usize {
    Class(byte).fields().map_or(0, |fields| usize::from(fields.channel))
}

/// A response APDU.
#[no_panic]
fn response(bytes: &[u8]) -> usize {
    Response::parse(bytes).map_or(0, |response| response.data.len())
}

/// A data object, and the rest behind it.
#[no_panic]
fn object(bytes: &[u8]) -> usize {
    let mut reader = TlvReader::new(bytes);
    match reader.read() {
        Ok(Some(object)) => object.value.len() + reader.rest().len(),
        _ => 0,
    }
}

/// All data objects of a string.
#[no_panic]
fn objects(bytes: &[u8]) -> usize {
    let (mut reader, mut sum) = (TlvReader::new(bytes), 0_usize);
    while let Ok(Some(object)) = reader.read() {
        sum = sum.wrapping_add(object.value.len());
    }
    sum
}

/// An answer to reset.
#[no_panic]
fn reset(bytes: &[u8]) -> usize {
    atr_fault(bytes).map_or(0, str::len)
}

/// An answer to select.
#[no_panic]
fn select(bytes: &[u8]) -> usize {
    ats_fault(bytes).map_or(0, str::len)
}

/// The body of a frame of a virtual reader.
#[no_panic]
fn message(bytes: &[u8]) -> usize {
    match Message::parse(bytes) {
        Message::Command(command) => command.len(),
        Message::Control(control) => usize::from(control.code()),
        Message::Undefined => 0,
    }
}

/// The length in front of it.
#[no_panic]
fn header(length: usize) -> usize {
    frame::header(length).map_or(0, |[high, low]| usize::from(high) + usize::from(low))
}

/// A parser with a mistake in it.
#[cfg(feature = "control")]
#[no_panic]
fn mistaken(bytes: &[u8]) -> usize {
    usize::from(bytes[usize::from(bytes[0])])
}

#[cfg(not(feature = "control"))]
fn mistaken(_: &[u8]) -> usize {
    0
}

fn main() {
    // Bytes that the optimiser does not know.
    let bytes: Vec<u8> = std::env::args().skip(1).flat_map(String::into_bytes).collect();
    let parsers = [command, response, object, objects, reset, select, message, mistaken];
    let sum: usize = parsers.iter().map(|parser| parser(&bytes)).sum();
    let sum = sum + class(bytes.len() as u8) + header(bytes.len());
    // `mistaken` is none of them; `class` and `header` are.
    println!("{} parsers, {sum}", parsers.len() + 1);
}
