//! The blocks of a pcapng file that a trace is made of (draft-ietf-opsawg-pcapng §3, §4).
//!
//! One definition serves both directions: what [`Block::emit`] writes, least significant byte first,
//! [`Block::parse`] reads, in either byte order and with the packets of other programs: simple and
//! obsolete ones, and those of which only the beginning was kept. Other blocks and options are
//! skipped.

use alloc::string::String;
use alloc::vec::Vec;

/// Block type of a section header.
const SECTION: u32 = 0x0A0D_0D0A;
/// Block type of an interface description.
const INTERFACE: u32 = 1;
/// Block type of a packet as old programs wrote it (§ Packet Block, obsolete).
const OLD_PACKET: u32 = 2;
/// Block type of a simple packet.
const SIMPLE_PACKET: u32 = 3;
/// Block type of an enhanced packet.
const PACKET: u32 = 6;
/// Magic number of a section whose bytes are in this order.
const BYTE_ORDER: u32 = 0x1A2B_3C4D;
/// Version 1.0, major number first.
const VERSION: [u16; 2] = [1, 0];
/// Minor numbers of the same format.
const MINOR: [u16; 2] = [0, 2];
/// Link type of exported PDUs (LINKTYPE_WIRESHARK_UPPER_PDU).
const LINK: u16 = 252;
/// Timestamps in nanoseconds: ten to the minus ninth (`if_tsresol`).
pub(super) const NANOSECONDS: u8 = 9;
/// Resolution of timestamps where nothing is said of it.
const MICROSECONDS: u8 = 6;
/// Type and length of a block, and its length once more.
pub(super) const FRAME_LEN: usize = 12;

/// Codes of options.
mod option {
    pub(super) const END: u16 = 0;
    pub(super) const COMMENT: u16 = 1;
    pub(super) const INTERFACE_NAME: u16 = 2;
    pub(super) const INTERFACE_DESCRIPTION: u16 = 3;
    pub(super) const PROGRAM: u16 = 4;
    pub(super) const RESOLUTION: u16 = 9;
    pub(super) const OFFSET: u16 = 14;
}

/// A block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// The beginning of the file.
    Section {
        /// Name and version of the program that wrote it.
        program: String,
    },
    /// A road to a card.
    Interface {
        /// The target, as on the command line.
        name: String,
        /// What is there.
        description: String,
        /// Unit of its timestamps: ten to the minus this, or two if its first bit is set.
        resolution: u8,
        /// Seconds to be added to its timestamps.
        offset: i64,
        /// Most bytes kept of a packet; 0 for no limit.
        limit: u32,
    },
    /// A packet.
    Packet {
        /// Its interface, counted from 0.
        interface: u32,
        /// Time since the Unix epoch, in units of the interface; a simple packet has none.
        at: Option<u64>,
        /// The exported PDU, or its beginning. Of a simple packet it may be filled up.
        data: Vec<u8>,
        /// Its length before anything was cut off.
        length: u32,
        comments: Vec<String>,
    },
    /// Something else.
    Other,
}

/// Bytes that are no block of a trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// The file ends before the block does.
    #[error("the file ends within a block")]
    Short,
    /// The file is no pcapng of this version.
    #[error("no pcapng file, expected one of version 1.0")]
    Foreign,
    /// The two lengths of a block contradict each other, or make no block.
    #[error("a block of {0} bytes, expected a multiple of 4 that stands at both ends")]
    Length(u32),
    /// Packets of another kind.
    #[error("link type {0}, expected 252 (exported PDU)")]
    Link(u16),
    /// A block or an option is shorter than its contents.
    #[error("a block is shorter than its fields")]
    Fields,
    /// The file cannot be read.
    #[error("{0}")]
    Io(String),
}

/// Which byte of a number comes first in a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// The least significant one.
    Little,
    /// The most significant one.
    Big,
}

impl Order {
    /// The order in which these bytes are the magic number of a section.
    pub(super) fn of(magic: [u8; 4]) -> Result<Self, BlockError> {
        let orders = [Self::Little, Self::Big].into_iter();
        orders.into_iter().find(|it| it.u32(magic) == BYTE_ORDER).ok_or(BlockError::Foreign)
    }

    pub(super) const fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    const fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }
}

impl Block {
    /// The bytes of the block.
    pub(super) fn emit(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let kind = match self {
            Self::Section { program } => {
                body.extend(BYTE_ORDER.to_le_bytes());
                VERSION.iter().for_each(|number| body.extend(number.to_le_bytes()));
                // The length of the section is not known.
                body.extend(u64::MAX.to_le_bytes());
                emit_options(&mut body, &[(option::PROGRAM, program.as_bytes())]);
                SECTION
            }
            Self::Interface { name, description, resolution, offset, limit } => {
                body.extend(LINK.to_le_bytes());
                body.extend([0; 2]);
                body.extend(limit.to_le_bytes());
                let seconds = offset.to_le_bytes();
                let options: [(u16, &[u8]); 4] = [
                    (option::INTERFACE_NAME, name.as_bytes()),
                    (option::INTERFACE_DESCRIPTION, description.as_bytes()),
                    (option::RESOLUTION, core::slice::from_ref(resolution)),
                    (option::OFFSET, &seconds),
                ];
                let said = if *offset == 0 { 3 } else { 4 };
                emit_options(&mut body, options.get(..said).unwrap_or(&options));
                INTERFACE
            }
            Self::Packet { at: None, data, length, .. } => {
                body.extend(length.to_le_bytes());
                body.extend(data);
                pad(&mut body);
                SIMPLE_PACKET
            }
            Self::Packet { interface, at: Some(at), data, length, comments } => {
                body.extend(interface.to_le_bytes());
                let kept = u64::try_from(data.len()).unwrap_or(u64::MAX);
                for number in [at >> 32, *at, kept, u64::from(*length)] {
                    body.extend(number.to_le_bytes().iter().take(4));
                }
                body.extend(data);
                pad(&mut body);
                let options: Vec<_> =
                    comments.iter().map(|text| (option::COMMENT, text.as_bytes())).collect();
                emit_options(&mut body, &options);
                PACKET
            }
            Self::Other => return Vec::new(),
        };
        let length = u32::try_from(body.len() + FRAME_LEN).unwrap_or(u32::MAX).to_le_bytes();
        [&kind.to_le_bytes()[..], &length, &body, &length].concat()
    }

    /// Reads a block of this type from what it holds.
    pub(super) fn parse(kind: u32, body: &[u8], order: Order) -> Result<Self, BlockError> {
        let mut fields = Fields { rest: body, order };
        match kind {
            SECTION => section(&mut fields),
            INTERFACE => interface(&mut fields),
            PACKET => {
                let interface = fields.u32()?;
                packet(&mut fields, interface)
            }
            OLD_PACKET => {
                let interface = fields.u16()?;
                // The number of packets lost before this one.
                fields.u16()?;
                packet(&mut fields, interface.into())
            }
            SIMPLE_PACKET => {
                let length = fields.u32()?;
                let data = fields.rest.to_vec();
                Ok(Self::Packet { interface: 0, at: None, data, length, comments: Vec::new() })
            }
            _ => Ok(Self::Other),
        }
    }

    /// Whether blocks of this type are read, and not skipped.
    pub(super) const fn is_read(kind: u32) -> bool {
        matches!(kind, SECTION | INTERFACE | PACKET | OLD_PACKET | SIMPLE_PACKET)
    }

    /// Whether a section begins with this type; it reads the same in both byte orders.
    pub(super) const fn is_section(kind: u32) -> bool {
        kind == SECTION
    }
}

fn section(fields: &mut Fields<'_>) -> Result<Block, BlockError> {
    fields.u32()?;
    let [major, minor] = [fields.u16()?, fields.u16()?];
    if major != VERSION[0] || !MINOR.contains(&minor) {
        return Err(BlockError::Foreign);
    }
    fields.take(8)?;
    let program = fields.text(option::PROGRAM)?;
    Ok(Block::Section { program })
}

fn interface(fields: &mut Fields<'_>) -> Result<Block, BlockError> {
    match fields.u16()? {
        LINK => fields.take(2)?,
        other => return Err(BlockError::Link(other)),
    };
    let limit = fields.u32()?;
    let name = fields.text(option::INTERFACE_NAME)?;
    let description = fields.text(option::INTERFACE_DESCRIPTION)?;
    let resolution = fields.options(option::RESOLUTION)?.first().and_then(|it| it.first().copied());
    let offset = fields.options(option::OFFSET)?.first().and_then(|it| (*it).try_into().ok());
    let offset = offset.map_or(0, |bytes| match fields.order {
        Order::Little => i64::from_le_bytes(bytes),
        Order::Big => i64::from_be_bytes(bytes),
    });
    let resolution = resolution.unwrap_or(MICROSECONDS);
    Ok(Block::Interface { name, description, resolution, offset, limit })
}

/// What follows the number of the interface.
fn packet(fields: &mut Fields<'_>, interface: u32) -> Result<Block, BlockError> {
    let [high, low] = [fields.u32()?, fields.u32()?].map(u64::from);
    let kept = fields.u32()? as usize;
    let length = fields.u32()?;
    let data = fields.padded(kept)?.to_vec();
    let texts = fields.options(option::COMMENT)?;
    let comments = texts.into_iter().map(lossy).collect();
    Ok(Block::Packet { interface, at: Some(high << 32 | low), data, length, comments })
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

fn emit_options(body: &mut Vec<u8>, options: &[(u16, &[u8])]) {
    for (code, value) in options {
        let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
        body.extend(code.to_le_bytes());
        body.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
        body.extend_from_slice(value);
        pad(body);
    }
    if !options.is_empty() {
        body.extend(option::END.to_le_bytes());
        body.extend([0; 2]);
    }
}

/// Fills up to a multiple of four.
pub(super) fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// What is left of a block.
struct Fields<'a> {
    rest: &'a [u8],
    order: Order,
}

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], BlockError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(BlockError::Fields)?;
        self.rest = rest;
        Ok(taken)
    }

    fn padded(&mut self, length: usize) -> Result<&'a [u8], BlockError> {
        let taken = self.take(length)?;
        self.take(length.next_multiple_of(4) - length)?;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, BlockError> {
        let bytes = self.take(2)?.try_into().map_err(|_| BlockError::Fields)?;
        Ok(self.order.u16(bytes))
    }

    fn u32(&mut self) -> Result<u32, BlockError> {
        let bytes = self.take(4)?.try_into().map_err(|_| BlockError::Fields)?;
        Ok(self.order.u32(bytes))
    }

    /// The values of an option, which may stand several times; nothing is consumed.
    fn options(&self, wanted: u16) -> Result<Vec<&'a [u8]>, BlockError> {
        let mut options = Self { ..*self };
        let mut values = Vec::new();
        while !options.rest.is_empty() {
            let code = options.u16()?;
            let length = usize::from(options.u16()?);
            if code == option::END {
                break;
            }
            let value = options.padded(length)?;
            if code == wanted {
                values.push(value);
            }
        }
        Ok(values)
    }

    /// The first value of an option as text.
    fn text(&self, wanted: u16) -> Result<String, BlockError> {
        Ok(self.options(wanted)?.first().map(|text| lossy(text)).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_links_are_refused() {
        let mut body = [1, 0, 0, 0, 0, 0, 0, 0];
        let ethernet = Block::parse(INTERFACE, &body, Order::Little);
        assert_eq!(ethernet, Err(BlockError::Link(1)));
        body[..2].copy_from_slice(&LINK.to_be_bytes());
        assert!(Block::parse(INTERFACE, &body, Order::Big).is_ok());
    }

    #[test]
    fn versions_of_one_format_are_read() {
        for (version, fits) in [([1, 0], true), ([1, 2], true), ([1, 1], false), ([2, 0], false)] {
            let mut body = BYTE_ORDER.to_be_bytes().to_vec();
            version.iter().for_each(|number: &u16| body.extend(number.to_be_bytes()));
            body.extend([0xFF; 8]);
            assert_eq!(Block::parse(SECTION, &body, Order::Big).is_ok(), fits, "{version:?}");
        }
    }
}
