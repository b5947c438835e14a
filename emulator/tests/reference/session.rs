//! Secure messaging from both ends: section 11 of the card profile.

use super::cipher::{Block, Cipher, padded};
use super::command::Command;

/// A session, as the card keeps it. The peer of the tests reads it there.
#[derive(Clone)]
pub(crate) struct Session {
    pub(crate) enc: Cipher,
    pub(crate) mac: Cipher,
    pub(crate) counter: u128,
    pub(crate) commands: u32,
    pub(crate) key: u8,
    pub(crate) reader: [u8; 8],
}

/// What a reader does wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Twist {
    None,
    /// Another padding indicator.
    Indicator,
    /// Whole blocks without padding.
    NoPadding,
    /// An Le outside that is not 00.
    OuterLe,
    /// The end of the checksum.
    LastByte,
    /// The beginning of the checksum.
    FirstByte,
    /// No checksum.
    NoChecksum,
    /// The send sequence counter of the command before.
    Stale,
    /// Data objects the other way round.
    Order,
}

/// All of them.
pub(crate) const TWISTS: [Twist; 8] = [
    Twist::Indicator,
    Twist::NoPadding,
    Twist::OuterLe,
    Twist::LastByte,
    Twist::FirstByte,
    Twist::NoChecksum,
    Twist::Stale,
    Twist::Order,
];

fn object(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = value.len();
    let mut out = vec![tag];
    match length {
        0..=0x7F => {}
        0x80..=0xFF => out.push(0x81),
        _ => out.extend([0x82, u8::try_from(length >> 8).unwrap()]),
    }
    out.push(u8::try_from(length & 0xFF).unwrap());
    [out, value.to_vec()].concat()
}

/// The first object, if it can be read: tag, value, rest.
fn read(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    // A tag number of 31 has further bytes, and none of ours has.
    if tag & 0x1F == 0x1F {
        return None;
    }
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7F => (usize::from(first), rest),
        0x81 => {
            let (&l, rest) = rest.split_first()?;
            (usize::from(l), rest)
        }
        0x82 => {
            let ([h, l], rest) = rest.split_first_chunk::<2>()?;
            (usize::from(*h) << 8 | usize::from(*l), rest)
        }
        _ => return None,
    };
    let shortest = match first {
        0x81 => length > 0x7F,
        0x82 => length > 0xFF,
        _ => true,
    };
    let (value, rest) = rest.split_at_checked(length)?;
    shortest.then_some((tag, value, rest))
}

impl Session {
    fn iv(&self) -> Block {
        self.enc.encrypt(self.counter.to_be_bytes())
    }

    fn checksum(&self, parts: &[&[u8]]) -> [u8; 8] {
        let input = [&self.counter.to_be_bytes()[..], &parts.concat()].concat();
        self.mac.cmac(&input)[..8].try_into().unwrap()
    }

    /// The card opens a command.
    pub(crate) fn unwrap(&mut self, command: &Command) -> Result<Command, u16> {
        if self.commands >= 65_535 {
            return Err(0x6988);
        }
        self.commands += 1;
        self.counter += 1;
        let mut rest = command.data.as_slice();
        let (mut cryptogram, mut le) = (None, None);
        for (tag, to) in [(0x87, &mut cryptogram), (0x97, &mut le)] {
            if rest.first() == Some(&tag) {
                let (_, value, tail) = read(rest).ok_or(0x6988_u16)?;
                (*to, rest) = (Some(value), tail);
            }
        }
        let protected = &command.data[..command.data.len() - rest.len()];
        if rest.is_empty() {
            return Err(0x6987);
        }
        let sent = match read(rest) {
            Some((0x8E, value, [])) if value.len() == 8 => value,
            _ => return Err(0x6988),
        };
        if command.ne != if command.extended { 65_536 } else { 256 } {
            return Err(0x6988);
        }
        let header = padded(&[command.cla, command.ins, command.p1, command.p2]);
        let body = if protected.is_empty() { Vec::new() } else { padded(protected) };
        if self.checksum(&[&header, &body]) != sent {
            return Err(0x6988);
        }
        let ne = match le {
            None => 0,
            Some([0]) => 256,
            Some([le]) => u32::from(*le),
            Some([0, 0]) => 65_536,
            Some([h, l]) => u32::from(*h) << 8 | u32::from(*l),
            Some(_) => return Err(0x6988),
        };
        let data = match cryptogram {
            None => Vec::new(),
            Some([0x01, blocks @ ..]) if !blocks.is_empty() && blocks.len() % 16 == 0 => {
                let mut plain = self.enc.cbc_decrypt(self.iv(), blocks);
                while plain.last() == Some(&0) {
                    plain.pop();
                }
                if plain.pop() != Some(0x80) {
                    return Err(0x6988);
                }
                plain
            }
            Some(_) => return Err(0x6988),
        };
        let header = [command.cla & !0x0C, command.ins, command.p1, command.p2];
        Ok(Command { extended: command.extended, ..Command::new(header, &data, ne) })
    }

    /// The card closes an answer; the status word follows outside.
    pub(crate) fn wrap(&mut self, data: &[u8], sw: u16) -> Vec<u8> {
        self.counter += 1;
        let mut body = Vec::new();
        if !data.is_empty() {
            let cipher = self.enc.cbc_encrypt(self.iv(), &padded(data));
            body = object(0x87, &[&[0x01][..], &cipher].concat());
        }
        body.extend(object(0x99, &sw.to_be_bytes()));
        let checksum = self.checksum(&[&padded(&body)]);
        body.extend(object(0x8E, &checksum));
        body
    }

    /// These objects, with the right checksum behind them.
    pub(crate) fn sealed(&self, header: [u8; 4], objects: &[u8]) -> Vec<u8> {
        let mut peer = self.clone();
        peer.counter += 1;
        let protected = if objects.is_empty() { Vec::new() } else { padded(objects) };
        let checksum = peer.checksum(&[&padded(&header), &protected]);
        [objects.to_vec(), object(0x8E, &checksum)].concat()
    }

    /// As [`Self::sealed`], of a response.
    pub(crate) fn sealed_response(&self, objects: &[u8]) -> Vec<u8> {
        let mut peer = self.clone();
        peer.counter += 1;
        let checksum = peer.checksum(&[&padded(objects)]);
        [objects.to_vec(), object(0x8E, &checksum)].concat()
    }

    /// What a reader in step with this session sends.
    pub(crate) fn command(&self, plain: &Command, twist: Twist) -> Command {
        let mut peer = self.clone();
        peer.counter += 1;
        if twist == Twist::Stale {
            peer.counter = peer.counter.saturating_sub(2);
        }
        let cla = plain.cla | 0x0C;
        let mut objects = Vec::new();
        if !plain.data.is_empty() {
            let whole = twist == Twist::NoPadding;
            let mut data = if whole { plain.data.clone() } else { padded(&plain.data) };
            if whole {
                data.resize(data.len().next_multiple_of(16), 0x11);
            }
            let indicator = if twist == Twist::Indicator { 2 } else { 1 };
            let cipher = peer.enc.cbc_encrypt(peer.iv(), &data);
            objects.push(object(0x87, &[&[indicator][..], &cipher].concat()));
        }
        let le = plain.ne.to_be_bytes();
        match plain.ne {
            0 => {}
            ne if ne > 256 || plain.extended => objects.push(object(0x97, &le[2..])),
            _ => objects.push(object(0x97, &le[3..])),
        }
        if twist == Twist::Order {
            objects.reverse();
        }
        let mut body = objects.concat();
        let header = padded(&[cla, plain.ins, plain.p1, plain.p2]);
        let protected = if body.is_empty() { Vec::new() } else { padded(&body) };
        let mut checksum = peer.checksum(&[&header, &protected]);
        match twist {
            Twist::LastByte => checksum[7] ^= 1,
            Twist::FirstByte => checksum[0] ^= 1,
            _ => {}
        }
        if twist != Twist::NoChecksum {
            body.extend(object(0x8E, &checksum));
        }
        let extended = plain.extended || body.len() > 255;
        let ne = match (twist == Twist::OuterLe, extended) {
            (true, _) => 0x20,
            (false, true) => 65_536,
            (false, false) => 256,
        };
        let header = [cla, plain.ins, plain.p1, plain.p2];
        Command { extended, ..Command::new(header, &body, ne) }
    }
}
