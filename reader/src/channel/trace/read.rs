//! Reads traces back, packet by packet: what is held does not grow with the file.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::block::{Block, BlockError};
use super::blocks::Blocks;
use super::packet::{Event, Packet, PacketError};
use super::{MASKED, REASON};

/// First bytes of every pcapng file.
const MAGIC: [u8; 4] = [0x0A, 0x0D, 0x0D, 0x0A];
/// Most bytes of the names of a section's interfaces, and of what is held for each beside them.
const MAX_NAMES: usize = 1 << 20;

/// Why a trace cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The file is no trace, or is damaged.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// So much text that it is no trace.
    #[error("the names of its interfaces are too long")]
    Names,
    /// A packet names no interface of its section.
    #[error("packet {0}: no interface")]
    Interface(u64),
    /// A packet cannot be read.
    #[error("packet {number}: {error}")]
    Packet {
        /// Its number, counted from 1.
        number: u64,
        /// Why.
        error: PacketError,
    },
}

/// A trace that is read.
#[derive(Debug)]
pub struct Recording<R> {
    blocks: Blocks<R>,
    interfaces: Vec<Interface>,
    /// Length of all names of `interfaces`, in bytes.
    names: usize,
    /// Packets so far.
    packets: u64,
    whole: bool,
}

/// Where packets come from.
#[derive(Debug)]
struct Interface {
    target: Rc<str>,
    card: Rc<str>,
    resolution: u8,
    offset: i64,
    limit: u32,
}

/// A packet with all that stands beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number, counted from 1.
    pub number: u64,
    /// The target, as on the command line.
    pub target: Rc<str>,
    /// What was there.
    pub card: Rc<str>,
    /// Nanoseconds since the Unix epoch, if they are known.
    pub at: Option<u64>,
    /// The packet.
    pub packet: Packet,
    /// Its comments.
    pub comments: Vec<String>,
}

impl Entry {
    /// Whether bytes of the command were made unreadable.
    #[must_use]
    pub fn is_masked(&self) -> bool {
        self.comments.iter().any(|comment| comment.starts_with(MASKED))
    }

    /// Why the card refused, where that is known.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.comments.iter().find_map(|comment| comment.strip_prefix(REASON))
    }
}

impl<R: Read> Recording<R> {
    /// Reads a trace from its beginning. A file is best buffered.
    pub const fn new(source: R) -> Self {
        let blocks = Blocks::new(source);
        Self { blocks, interfaces: Vec::new(), names: 0, packets: 0, whole: true }
    }

    /// Whether the file ends where a packet does, as far as it was read.
    pub const fn is_whole(&self) -> bool {
        self.whole
    }

    /// Reads the next packet; none at the end. A file that was cut off is read up to there.
    ///
    /// # Errors
    /// Returns a [`RecordingError`] for another file, or a damaged one.
    pub fn next_entry(&mut self) -> Result<Option<Entry>, RecordingError> {
        loop {
            let block = match self.blocks.next() {
                Err(BlockError::Short) if self.blocks.end() > 0 => {
                    self.whole = false;
                    return Ok(None);
                }
                Ok(None) if self.blocks.has_begun() => return Ok(None),
                Ok(None) => return Err(BlockError::Foreign.into()),
                Ok(Some(block)) => block,
                Err(error) => return Err(error.into()),
            };
            match block {
                Block::Section { .. } => {
                    self.interfaces.clear();
                    self.names = 0;
                }
                Block::Interface { name, description, resolution, offset, limit } => {
                    self.names += name.len() + description.len() + size_of::<Interface>();
                    if self.names > MAX_NAMES {
                        return Err(RecordingError::Names);
                    }
                    let (target, card) = (name.into(), description.into());
                    self.interfaces.push(Interface { target, card, resolution, offset, limit });
                }
                Block::Packet { interface, at, data, length, comments } => {
                    self.packets += 1;
                    return self.entry(interface, at, &data, length, comments).map(Some);
                }
                Block::Other => {}
            }
        }
    }

    fn entry(
        &self,
        interface: u32,
        at: Option<u64>,
        data: &[u8],
        length: u32,
        comments: Vec<String>,
    ) -> Result<Entry, RecordingError> {
        let number = self.packets;
        let interface = self.interfaces.get(interface as usize);
        let interface = interface.ok_or(RecordingError::Interface(number))?;
        let kept = match at {
            Some(_) => data.len(),
            // A simple packet does not say how many of its bytes fill it up.
            None => interface.kept(length).min(data.len()),
        };
        let data = data.get(..kept).unwrap_or(data);
        let packet = if kept < length as usize {
            Packet::Event(Event::Truncated { kept, of: length })
        } else {
            Packet::parse(data).map_err(|error| RecordingError::Packet { number, error })?
        };
        Ok(Entry {
            number,
            target: interface.target.clone(),
            card: interface.card.clone(),
            at: at.map(|at| interface.nanoseconds(at)),
            packet,
            comments,
        })
    }
}

impl Interface {
    /// How many bytes of a packet of this length are kept.
    fn kept(&self, length: u32) -> usize {
        let kept = if self.limit == 0 { length } else { length.min(self.limit) };
        kept as usize
    }

    /// A timestamp in nanoseconds (`if_tsresol`, `if_tsoffset`).
    fn nanoseconds(&self, at: u64) -> u64 {
        const SECOND: i128 = 1_000_000_000;
        let exponent = u32::from(self.resolution & 0x7F);
        let base: i128 = if self.resolution & 0x80 == 0 { 10 } else { 2 };
        // A unit so small that it has no number makes every time the beginning.
        let unit = base.checked_pow(exponent).unwrap_or(i128::MAX);
        let offset = i128::from(self.offset) * SECOND;
        let time = i128::from(at) * SECOND / unit + offset;
        u64::try_from(time.max(0)).unwrap_or(u64::MAX)
    }
}

/// Whether a file begins as a trace does.
///
/// # Errors
/// Returns the system's error when the file cannot be read.
pub fn is_trace(path: &Path) -> io::Result<bool> {
    let mut beginning = Vec::new();
    File::open(path)?.take(4).read_to_end(&mut beginning)?;
    Ok(beginning == MAGIC)
}

#[cfg(test)]
mod tests {
    use super::super::block::NANOSECONDS;
    use super::*;
    use alloc::borrow::ToOwned;
    use alloc::string::ToString;
    use alloc::vec;
    use proptest::prelude::*;

    fn interface(resolution: u8, offset: i64, limit: u32) -> Block {
        let (name, description) = ("emu:cpu-aes".into(), "card".into());
        Block::Interface { name, description, resolution, offset, limit }
    }

    fn packet(packet: &Packet, comments: &[&str]) -> Block {
        let data = packet.emit();
        let length = u32::try_from(data.len()).unwrap();
        let comments = comments.iter().map(|text| (*text).to_owned()).collect();
        Block::Packet { interface: 0, at: Some(1), data, length, comments }
    }

    fn section() -> Block {
        Block::Section { program: "xuejika".into() }
    }

    fn bytes(blocks: &[Block]) -> Vec<u8> {
        blocks.iter().flat_map(Block::emit).collect()
    }

    /// All packets, and whether the file ends where one does.
    fn parse(bytes: &[u8]) -> Result<(Vec<Entry>, bool), String> {
        let mut recording = Recording::new(bytes);
        let mut entries = Vec::new();
        while let Some(entry) = recording.next_entry().map_err(|error| error.to_string())? {
            entries.push(entry);
        }
        Ok((entries, recording.is_whole()))
    }

    fn sample() -> (Vec<u8>, Vec<usize>) {
        let command = Packet::Command(vec![0, 0x20, 0, 1, 1, b'*']);
        let response = Packet::Response(vec![0x69, 0x85]);
        let blocks = [
            section(),
            interface(NANOSECONDS, 0, 0),
            packet(&command, &["masked: 1 bytes"]),
            packet(&response, &["case A", "the card's reason: none"]),
            packet(&Packet::Event(Event::Off), &[]),
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
        let (entries, whole) = parse(&sample().0).unwrap();
        assert!(whole);
        let [command, response, _] = &entries[..] else { panic!("{entries:?}") };
        assert!(command.is_masked() && !response.is_masked());
        assert_eq!(response.reason(), Some("none"));
        assert_eq!((&*command.target, &*command.card), ("emu:cpu-aes", "card"));
        assert_eq!((command.number, response.number), (1, 2));
    }

    #[test]
    fn a_trace_that_was_cut_off_is_read_up_to_there() {
        let (bytes, ends) = sample();
        for end in ends[0]..bytes.len() {
            let (entries, whole) = parse(&bytes[..end]).unwrap();
            assert_eq!(whole, ends.contains(&end), "{end}");
            let blocks = ends.iter().filter(|whole| **whole <= end).count();
            assert_eq!(entries.len(), blocks.saturating_sub(2), "{end}");
        }
        for end in 0..ends[0] {
            assert!(parse(&bytes[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn a_packet_without_interface_is_named() {
        let (bytes, ends) = sample();
        let bytes = [&bytes[..ends[0]], &bytes[ends[1]..]].concat();
        assert_eq!(parse(&bytes).unwrap_err(), "packet 1: no interface");
        // The interfaces of one section are none of the next.
        let again = [sample().0, section().emit(), bytes[ends[0]..].to_vec()].concat();
        assert_eq!(parse(&again).unwrap_err(), "packet 4: no interface");
    }

    #[test]
    fn times_are_in_the_unit_of_the_interface() {
        for (resolution, offset, at, expected) in [
            (9, 0, 1, 1),
            (6, 0, 1, 1_000),
            (0, 0, 3, 3_000_000_000),
            (12, 0, 5_000, 5),
            (0x80 | 10, 0, 1024, 1_000_000_000),
            (9, 2, 1, 2_000_000_001),
            (9, -2, 1, 0),
            (0x7F, 0, u64::MAX, 0),
            (0, i64::MAX, 1, u64::MAX),
        ] {
            let Block::Packet { interface: number, data, length, comments, .. } =
                packet(&Packet::Event(Event::Off), &[])
            else {
                panic!()
            };
            let timed = Block::Packet { interface: number, at: Some(at), data, length, comments };
            let blocks = [section(), interface(resolution, offset, 0), timed];
            let (entries, _) = parse(&bytes(&blocks)).unwrap();
            assert_eq!(entries[0].at, Some(expected), "{resolution} {offset} {at}");
        }
    }

    #[test]
    fn simple_and_cut_packets_are_read_or_named() {
        let whole = Packet::Response(vec![0x90, 0x00, 0x01]);
        let data = whole.emit();
        let length = u32::try_from(data.len()).unwrap();
        assert!(!length.is_multiple_of(4), "the packet has to be filled up");
        let simple = |data: &[u8]| Block::Packet {
            interface: 0,
            at: None,
            data: data.to_vec(),
            length,
            comments: Vec::new(),
        };
        let kept = data.len() - 5;
        let cut = Block::Packet {
            interface: 0,
            at: Some(1),
            data: data[..kept].to_vec(),
            length,
            comments: Vec::new(),
        };
        for (limit, block, expected) in [
            (0, simple(&data), whole.clone()),
            (length, simple(&data), whole.clone()),
            (20, simple(&data[..20]), Packet::Event(Event::Truncated { kept: 20, of: length })),
            (0, cut, Packet::Event(Event::Truncated { kept, of: length })),
        ] {
            let at = matches!(block, Block::Packet { at: Some(_), .. });
            let blocks = [section(), interface(NANOSECONDS, 0, limit), block];
            let (entries, _) = parse(&bytes(&blocks)).unwrap();
            assert_eq!((&entries[0].packet, entries[0].at.is_some()), (&expected, at));
        }
    }

    #[test]
    fn names_without_end_are_refused() {
        let many = [vec![section()], vec![interface(9, 0, 0); 20_000]].concat();
        let error = parse(&bytes(&many)).unwrap_err();
        assert_eq!(error, "the names of its interfaces are too long");
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
