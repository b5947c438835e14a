//! The blocks of a file one after the other, in bounded memory.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::mem;
use std::io::{self, Read};

use super::block::{Block, BlockError, FRAME_LEN, Order};

/// Longest block that is read: commands and responses are far shorter. Blocks that are skipped may
/// have any length.
const MAX_LEN: usize = 1 << 20;

/// The blocks of a pcapng file.
#[derive(Debug)]
pub(super) struct Blocks<R> {
    source: R,
    /// Byte order of the section; none before the first.
    order: Option<Order>,
    /// Where the last whole block ends, in bytes.
    end: u64,
}

impl<R: Read> Blocks<R> {
    pub(super) const fn new(source: R) -> Self {
        Self { source, order: None, end: 0 }
    }

    /// Where the last whole block ends, in bytes.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// Whether a section has begun.
    pub(super) const fn has_begun(&self) -> bool {
        self.order.is_some()
    }

    /// Reads the next block; none at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<Block>, BlockError> {
        let mut kind = [0; 4];
        match self.fill(&mut kind)? {
            0 => return Ok(None),
            4 => {}
            _ => return Err(BlockError::Short),
        }
        let stated = self.four()?;
        let mut body = Vec::new();
        // The first field of a section says in which order its other numbers are.
        if Block::is_section(u32::from_le_bytes(kind)) {
            let magic = self.four()?;
            self.order = Some(Order::of(magic)?);
            body.extend(magic);
        }
        let order = self.order.ok_or(BlockError::Foreign)?;
        let [kind, length] = [kind, stated].map(|bytes| order.u32(bytes));
        let is_read = Block::is_read(kind);
        let fits = FRAME_LEN + body.len()..=if is_read { MAX_LEN } else { u32::MAX as usize };
        if !fits.contains(&(length as usize)) || !length.is_multiple_of(4) {
            return Err(BlockError::Length(length));
        }
        let rest = length as usize - FRAME_LEN - body.len();
        if is_read {
            self.take(rest, &mut body)?;
        } else {
            self.skip(rest)?;
        }
        if self.four()? != stated {
            return Err(BlockError::Length(length));
        }
        let block = Block::parse(kind, &body, order)?;
        self.end += u64::from(length);
        Ok(Some(block))
    }

    fn four(&mut self) -> Result<[u8; 4], BlockError> {
        let mut bytes = [0; 4];
        if self.fill(&mut bytes)? < bytes.len() {
            return Err(BlockError::Short);
        }
        Ok(bytes)
    }

    fn take(&mut self, length: usize, body: &mut Vec<u8>) -> Result<(), BlockError> {
        let taken = self.source.by_ref().take(length as u64).read_to_end(body);
        if taken.map_err(|error| unreadable(&error))? < length {
            Err(BlockError::Short)
        } else {
            Ok(())
        }
    }

    fn skip(&mut self, length: usize) -> Result<(), BlockError> {
        let mut skipped = self.source.by_ref().take(length as u64);
        let skipped =
            io::copy(&mut skipped, &mut io::sink()).map_err(|error| unreadable(&error))?;
        if skipped < length as u64 { Err(BlockError::Short) } else { Ok(()) }
    }

    /// Reads as many bytes as there are, up to the length of `buffer`.
    fn fill(&mut self, mut buffer: &mut [u8]) -> Result<usize, BlockError> {
        let wanted = buffer.len();
        while !buffer.is_empty() {
            match self.source.read(buffer) {
                Ok(0) => break,
                Ok(read) => {
                    buffer = mem::take(&mut buffer).get_mut(read..).unwrap_or_default();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(&error)),
            }
        }
        Ok(wanted - buffer.len())
    }
}

fn unreadable(error: &io::Error) -> BlockError {
    BlockError::Io(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec;
    use proptest::prelude::*;

    const SECTION: u32 = 0x0A0D_0D0A;

    fn all(bytes: &[u8]) -> Result<Vec<Block>, BlockError> {
        let mut blocks = Blocks::new(bytes);
        let mut read = Vec::new();
        while let Some(block) = blocks.next()? {
            read.push(block);
        }
        assert_eq!(blocks.end(), bytes.len() as u64);
        Ok(read)
    }

    fn section() -> Block {
        Block::Section { program: "test".into() }
    }

    fn any_block() -> impl Strategy<Value = Block> {
        let interface = (any::<[String; 2]>(), any::<u8>(), any::<i64>(), any::<u32>());
        let packet =
            (any::<u32>(), any::<u64>(), any::<Vec<u8>>(), any::<u32>(), any::<Vec<String>>());
        prop_oneof![
            any::<String>().prop_map(|program| Block::Section { program }),
            interface.prop_map(|([name, description], resolution, offset, limit)| {
                Block::Interface { name, description, resolution, offset, limit }
            }),
            packet.prop_map(|(interface, at, data, length, comments)| Block::Packet {
                interface,
                at: Some(at),
                data,
                length,
                comments
            }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(block in any_block()) {
            let bytes = [section().emit(), block.emit(), section().emit()].concat();
            prop_assert_eq!(all(&bytes), Ok(vec![section(), block, section()]));
        }

        #[test]
        fn every_beginning_of_a_block_is_short(block in any_block(), cut in 1..64_usize) {
            let (before, bytes) = (section().emit(), block.emit());
            let cut = cut.min(bytes.len() - 1);
            prop_assert_eq!(all(&[&before, &bytes[..cut]].concat()), Err(BlockError::Short));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = all(&bytes);
            let _ = all(&[section().emit(), bytes].concat());
        }
    }

    /// A block as a program on a machine of the other byte order writes it.
    fn big(kind: u32, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(FRAME_LEN + body.len()).unwrap().to_be_bytes();
        [&kind.to_be_bytes()[..], &length, body, &length].concat()
    }

    #[test]
    fn sections_of_either_byte_order_are_read() {
        let text = |code: u16, text: &str| {
            assert!(text.len().is_multiple_of(4));
            let length = u16::try_from(text.len()).unwrap();
            [&code.to_be_bytes()[..], &length.to_be_bytes(), text.as_bytes()].concat()
        };
        let head = [&0x1A2B_3C4D_u32.to_be_bytes()[..], &[0, 1, 0, 0], &[0xFF; 8]].concat();
        let packet = [0_u32, 1, 2, 2, 5].iter().flat_map(|it| it.to_be_bytes());
        let packet: Vec<u8> = packet.chain([0xAA, 0xBB, 0, 0]).chain(text(1, "note")).collect();
        let old = [&[0, 7, 0, 3][..], &packet[4..]].concat();
        let bytes = [
            big(SECTION, &head),
            big(1, &[&[0, 252, 0, 0, 0, 0, 0, 64][..], &text(2, "name")].concat()),
            big(6, &packet),
            big(2, &old),
            big(3, &[0, 0, 0, 2, 0xCC, 0xDD, 0, 0]),
            big(0xBAD, b"four"),
            section().emit(),
        ];
        let packet = |interface| Block::Packet {
            interface,
            at: Some(1 << 32 | 2),
            data: vec![0xAA, 0xBB],
            length: 5,
            comments: vec!["note".into()],
        };
        let (name, description) = ("name".into(), String::new());
        let simple = Block::Packet {
            interface: 0,
            at: None,
            data: vec![0xCC, 0xDD, 0, 0],
            length: 2,
            comments: Vec::new(),
        };
        let expected = vec![
            Block::Section { program: String::new() },
            Block::Interface { name, description, resolution: 6, offset: 0, limit: 64 },
            packet(0),
            packet(7),
            simple.clone(),
            Block::Other,
            section(),
        ];
        assert_eq!(all(&bytes.concat()), Ok(expected));
        let again = [section(), simple];
        assert_eq!(all(&again.each_ref().map(Block::emit).concat()), Ok(again.to_vec()));
    }

    #[test]
    fn other_files_are_refused() {
        assert_eq!(all(b"text, and more of it"), Err(BlockError::Foreign));
        assert_eq!(all(&[0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0]), Err(BlockError::Foreign));
        assert_eq!(all(&[0; 64]), Err(BlockError::Foreign));
        let mut bytes = section().emit();
        bytes[8] ^= 1;
        assert_eq!(all(&bytes), Err(BlockError::Foreign));
    }

    #[test]
    fn a_length_is_believed_of_skipped_blocks_only() {
        let packet = |kind: u32, length: u32| {
            [section().emit(), kind.to_le_bytes().into(), length.to_le_bytes().into()].concat()
        };
        assert_eq!(all(&packet(6, 0xFFFF_FFF0)), Err(BlockError::Length(0xFFFF_FFF0)));
        assert_eq!(all(&packet(0xBAD, 0xFFFF_FFF0)), Err(BlockError::Short));
        assert_eq!(all(&packet(0xBAD, 13)), Err(BlockError::Length(13)));
        assert_eq!(all(&packet(0xBAD, 8)), Err(BlockError::Length(8)));
    }
}
