//! Reads traces of this program back.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context;

use super::block::{Block, BlockError};
use super::packet::Packet;
use super::{MASKED, REASON};
use crate::exit::{Failure, Outcome};

/// First bytes of every pcapng file.
const MAGIC: [u8; 4] = [0x0A, 0x0D, 0x0D, 0x0A];

/// What a trace holds.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    pub(crate) entries: Vec<Entry>,
    /// Whether the file ends where a packet does.
    pub(crate) whole: bool,
}

/// A packet with all that stands beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The target, as on the command line.
    pub(crate) target: String,
    /// What was there.
    pub(crate) card: String,
    /// Nanoseconds since the Unix epoch.
    pub(crate) at: u64,
    pub(crate) packet: Packet,
    pub(crate) comments: Vec<String>,
}

impl Entry {
    /// Whether bytes of the command were made unreadable.
    pub(crate) fn is_masked(&self) -> bool {
        self.comments.iter().any(|comment| comment.starts_with(MASKED))
    }

    /// Why the card refused.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.comments.iter().find_map(|comment| comment.strip_prefix(REASON))
    }
}

impl Recording {
    /// Reads a file. One that was cut off is read up to there.
    pub(crate) fn open(path: &Path) -> Outcome<Self> {
        let read = || -> anyhow::Result<Self> { parse(&fs::read(path)?) };
        read().with_context(|| path.display().to_string()).map_err(Failure::usage)
    }
}

/// Whether a file begins as a trace does.
pub(crate) fn is_trace(path: &Path) -> io::Result<bool> {
    let mut beginning = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut beginning)?;
    Ok(beginning == MAGIC)
}

fn parse(mut bytes: &[u8]) -> anyhow::Result<Recording> {
    let mut interfaces = Vec::new();
    let mut recording = Recording { entries: Vec::new(), whole: true };
    let mut begun = false;
    while !bytes.is_empty() {
        let (block, length) = match Block::parse(bytes) {
            Err(BlockError::Short) if begun => {
                recording.whole = false;
                break;
            }
            other => other?,
        };
        bytes = bytes.get(length..).unwrap_or_default();
        match block {
            Block::Section { .. } => {
                begun = true;
                interfaces.clear();
            }
            _ if !begun => return Err(BlockError::Foreign.into()),
            Block::Interface { name, description } => interfaces.push((name, description)),
            Block::Packet { interface, at, data, comments } => {
                let number = recording.entries.len() + 1;
                let place = || format!("packet {number}");
                let interface = interfaces.get(interface as usize).cloned();
                let (target, card) = interface.context("no interface").with_context(place)?;
                let packet = Packet::parse(&data).with_context(place)?;
                recording.entries.push(Entry { target, card, at, packet, comments });
            }
            Block::Other => {}
        }
    }
    if begun { Ok(recording) } else { Err(BlockError::Foreign.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorder::Event;
    use proptest::prelude::*;

    fn sample() -> (Vec<u8>, Vec<usize>) {
        let interface = Block::Interface { name: "emu:cpu-aes".into(), description: "card".into() };
        let packet = |packet: Packet, comments: &[&str]| Block::Packet {
            interface: 0,
            at: 1,
            data: packet.emit(),
            comments: comments.iter().map(|text| (*text).to_owned()).collect(),
        };
        let blocks = [
            Block::Section { program: "xuejika".into() },
            interface,
            packet(Packet::Command(vec![0, 0x20, 0, 1, 1, b'*']), &["masked: 1 bytes"]),
            packet(Packet::Response(vec![0x69, 0x85]), &["case A", "the card's reason: none"]),
            packet(Packet::Event(Event::Off), &[]),
        ];
        let blocks = blocks.map(|block| block.emit());
        let ends = blocks.iter().scan(0, |end, block| {
            *end += block.len();
            Some(*end)
        });
        let ends = ends.collect();
        (blocks.concat(), ends)
    }

    #[test]
    fn comments_mean_something() {
        let recording = parse(&sample().0).unwrap();
        assert!(recording.whole);
        let [command, response, _] = &recording.entries[..] else { panic!("{recording:?}") };
        assert!(command.is_masked() && !response.is_masked());
        assert_eq!(response.reason(), Some("none"));
        assert_eq!((&*command.target, &*command.card), ("emu:cpu-aes", "card"));
    }

    #[test]
    fn a_trace_that_was_cut_off_is_read_up_to_there() {
        let (bytes, ends) = sample();
        for end in ends[0]..bytes.len() {
            let recording = parse(&bytes[..end]).unwrap();
            assert_eq!(recording.whole, ends.contains(&end), "{end}");
            let blocks = ends.iter().filter(|whole| **whole <= end).count();
            assert_eq!(recording.entries.len(), blocks.saturating_sub(2), "{end}");
        }
        for end in 0..ends[0] {
            assert!(parse(&bytes[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn a_packet_without_interface_is_named() {
        let (bytes, ends) = sample();
        let bytes = [&bytes[..ends[0]], &bytes[ends[1]..]].concat();
        assert_eq!(format!("{:#}", parse(&bytes).unwrap_err()), "packet 1: no interface");
    }

    proptest! {
        #[test]
        fn a_damaged_trace_is_read_or_refused(at in 0..400_usize, bit in 0..8_u8) {
            let (mut bytes, _) = sample();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let _ = parse(&bytes);
        }
    }
}
