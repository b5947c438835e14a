//! A card that does nothing, behind a PC/SC driver: how to serve a [`Slot`] of your own, and what
//! the transport alone is worth.
//!
//! `null_card served HOST:PORT` uses the transport of this crate. `null_card bare HOST:PORT`
//! speaks the protocol with plain reads and writes, as the simplest possible card would.

use core::error::Error;
use core::sync::atomic::AtomicBool;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use xuejika_emulator::transport::{CardDied, Client, Event, Peers, Service, Slot};

/// Direct convention, T=1, no historical bytes.
const ATR: [u8; 4] = [0x3B, 0x80, 0x01, 0x81];
const OK: [u8; 2] = [0x90, 0x00];
/// SELECT by name: an FCI that says nothing.
const SELECT: [u8; 2] = [0x00, 0xA4];
const FCI: [u8; 6] = [0x6F, 0x02, 0x84, 0x00, 0x90, 0x00];

struct NullCard;

impl Slot for NullCard {
    fn atr(&self) -> &[u8] {
        &ATR
    }

    fn power_on(&mut self) {}

    fn power_off(&mut self) {}

    fn reset(&mut self) {}

    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), CardDied> {
        response.clear();
        response.extend_from_slice(answer(command));
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("served"), Some(address)) => served(&address),
        (Some("bare"), Some(address)) => bare(&address),
        _ => Err("usage: null_card served|bare HOST:PORT".into()),
    }
}

fn served(address: &str) -> Result<(), Box<dyn Error>> {
    let stop = AtomicBool::new(false);
    let log = |event: &Event| eprintln!("{event}");
    Client::new(address, Peers::Loopback)?.run(&mut NullCard, &Service::new(&stop, &log));
    Ok(())
}

fn bare(address: &str) -> Result<(), Box<dyn Error>> {
    let mut stream = TcpStream::connect(address)?;
    let mut header = [0; 2];
    let mut body = Vec::new();
    loop {
        match stream.read_exact(&mut header) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            outcome => outcome?,
        }
        body.resize(u16::from_be_bytes(header).into(), 0);
        stream.read_exact(&mut body)?;
        let reply: &[u8] = match body.as_slice() {
            [0x04] => &ATR,
            [] | [_] => continue,
            command => answer(command),
        };
        let length = u16::try_from(reply.len())?.to_be_bytes();
        stream.write_all(&[&length, reply].concat())?;
    }
}

fn answer(command: &[u8]) -> &'static [u8] {
    if command.starts_with(&SELECT) { &FCI } else { &OK }
}
