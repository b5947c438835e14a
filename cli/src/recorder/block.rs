//! The blocks of a pcapng file that a trace is made of, least significant byte first
//! (draft-ietf-opsawg-pcapng §3, §4).
//!
//! One definition serves both directions: what [`Block::emit`] writes, [`Block::parse`] reads. Other
//! blocks and options, such as other programs add, are skipped.

/// Block type of a section header.
const SECTION: u32 = 0x0A0D_0D0A;
/// Block type of an interface description.
const INTERFACE: u32 = 1;
/// Block type of an enhanced packet.
const PACKET: u32 = 6;
/// Magic number of a section whose bytes are in this order.
const BYTE_ORDER: u32 = 0x1A2B_3C4D;
/// Version 1.0, major number first.
const VERSION: [u16; 2] = [1, 0];
/// Link type of exported PDUs (LINKTYPE_WIRESHARK_UPPER_PDU).
const LINK: u16 = 252;
/// Timestamps in nanoseconds: ten to the minus ninth (`if_tsresol`).
const NANOSECONDS: u8 = 9;
/// Type and length of a block, and its length once more.
const FRAME_LEN: usize = 12;
/// Longest block taken for one: commands and responses are far shorter.
const MAX_LEN: usize = 1 << 20;

/// Codes of options.
mod option {
    pub(super) const END: u16 = 0;
    pub(super) const COMMENT: u16 = 1;
    pub(super) const INTERFACE_NAME: u16 = 2;
    pub(super) const INTERFACE_DESCRIPTION: u16 = 3;
    pub(super) const PROGRAM: u16 = 4;
    pub(super) const RESOLUTION: u16 = 9;
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
    },
    /// A packet.
    Packet {
        /// Its interface, counted from 0.
        interface: u32,
        /// Nanoseconds since the Unix epoch.
        at: u64,
        /// The exported PDU.
        data: Vec<u8>,
        comments: Vec<String>,
    },
    /// Something else.
    Other,
}

/// Bytes that are no block of a trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BlockError {
    /// The file ends before the block does.
    #[error("the file ends within a block")]
    Short,
    /// The file is no pcapng of this byte order and version.
    #[error("no pcapng file, expected one of version 1.0, least significant byte first")]
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
            Self::Interface { name, description } => {
                body.extend(LINK.to_le_bytes());
                // Reserved, and no limit to the length of packets.
                body.extend([0; 6]);
                let options: [(u16, &[u8]); 3] = [
                    (option::INTERFACE_NAME, name.as_bytes()),
                    (option::INTERFACE_DESCRIPTION, description.as_bytes()),
                    (option::RESOLUTION, &[NANOSECONDS]),
                ];
                emit_options(&mut body, &options);
                INTERFACE
            }
            Self::Packet { interface, at, data, comments } => {
                body.extend(interface.to_le_bytes());
                let [high, low] = [at >> 32, at & u64::from(u32::MAX)];
                let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
                for number in [high, low, length, length] {
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

    /// Reads the first block of `bytes`, and says how long it is.
    pub(super) fn parse(bytes: &[u8]) -> Result<(Self, usize), BlockError> {
        let mut fields = Fields(bytes);
        let kind = fields.u32().map_err(|_| BlockError::Short)?;
        let stated = fields.u32().map_err(|_| BlockError::Short)?;
        if kind == SECTION && bytes.get(8..12).is_some_and(|it| it != BYTE_ORDER.to_le_bytes()) {
            return Err(BlockError::Foreign);
        }
        let length = stated as usize;
        if !(FRAME_LEN..=MAX_LEN).contains(&length) || !length.is_multiple_of(4) {
            return Err(BlockError::Length(stated));
        }
        let body = bytes.get(8..length - 4).ok_or(BlockError::Short)?;
        let end = bytes.get(length - 4..length).ok_or(BlockError::Short)?;
        if end != stated.to_le_bytes() {
            return Err(BlockError::Length(stated));
        }
        let mut fields = Fields(body);
        let block = match kind {
            SECTION => section(&mut fields)?,
            INTERFACE => interface(&mut fields)?,
            PACKET => packet(&mut fields)?,
            _ => Self::Other,
        };
        Ok((block, length))
    }
}

fn section(fields: &mut Fields<'_>) -> Result<Block, BlockError> {
    fields.u32()?;
    if [fields.u16()?, fields.u16()?] != VERSION {
        return Err(BlockError::Foreign);
    }
    fields.take(8)?;
    let program = fields.texts(option::PROGRAM)?;
    Ok(Block::Section { program: program.into_iter().next().unwrap_or_default() })
}

fn interface(fields: &mut Fields<'_>) -> Result<Block, BlockError> {
    match fields.u16()? {
        LINK => fields.take(6)?,
        other => return Err(BlockError::Link(other)),
    };
    let name = fields.texts(option::INTERFACE_NAME)?;
    let description = fields.texts(option::INTERFACE_DESCRIPTION)?;
    let first = |texts: Vec<String>| texts.into_iter().next().unwrap_or_default();
    Ok(Block::Interface { name: first(name), description: first(description) })
}

fn packet(fields: &mut Fields<'_>) -> Result<Block, BlockError> {
    let interface = fields.u32()?;
    let [high, low] = [fields.u32()?, fields.u32()?].map(u64::from);
    let length = fields.u32()? as usize;
    fields.u32()?;
    let data = fields.padded(length)?.to_vec();
    let comments = fields.texts(option::COMMENT)?;
    Ok(Block::Packet { interface, at: high << 32 | low, data, comments })
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
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], BlockError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(BlockError::Fields)?;
        self.0 = rest;
        Ok(taken)
    }

    fn padded(&mut self, length: usize) -> Result<&'a [u8], BlockError> {
        let taken = self.take(length)?;
        self.take(length.next_multiple_of(4) - length)?;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, BlockError> {
        let bytes = self.take(2)?.try_into().map_err(|_| BlockError::Fields)?;
        Ok(u16::from_le_bytes(bytes))
    }

    fn u32(&mut self) -> Result<u32, BlockError> {
        let bytes = self.take(4)?.try_into().map_err(|_| BlockError::Fields)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// The values of an option, which may stand several times; nothing is consumed.
    fn texts(&self, wanted: u16) -> Result<Vec<String>, BlockError> {
        let mut options = Self(self.0);
        let mut texts = Vec::new();
        while !options.0.is_empty() {
            let code = options.u16()?;
            let length = usize::from(options.u16()?);
            if code == option::END {
                break;
            }
            let value = options.padded(length)?;
            if code == wanted {
                texts.push(String::from_utf8_lossy(value).into_owned());
            }
        }
        Ok(texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_block() -> impl Strategy<Value = Block> {
        let packet = (any::<u32>(), any::<u64>(), any::<Vec<u8>>(), any::<Vec<String>>());
        prop_oneof![
            any::<String>().prop_map(|program| Block::Section { program }),
            any::<[String; 2]>()
                .prop_map(|[name, description]| Block::Interface { name, description }),
            packet.prop_map(|(interface, at, data, comments)| Block::Packet {
                interface,
                at,
                data,
                comments
            }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(block in any_block(), behind: Vec<u8>) {
            let bytes = block.emit();
            let length = bytes.len();
            let parsed = Block::parse(&[bytes, behind].concat());
            prop_assert_eq!(parsed, Ok((block, length)));
        }

        #[test]
        fn every_beginning_of_a_block_is_short(block in any_block(), cut in 0..64_usize) {
            let bytes = block.emit();
            let end = cut.min(bytes.len() - 1);
            prop_assert_eq!(Block::parse(&bytes[..end]), Err(BlockError::Short));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Block::parse(&bytes);
        }
    }

    #[test]
    fn other_files_are_refused() {
        let big_endian =
            [&[0x0A, 0x0D, 0x0D, 0x0A, 0, 0, 0, 28, 0x1A, 0x2B, 0x3C, 0x4D], &[0; 16][..]];
        assert_eq!(Block::parse(&big_endian.concat()), Err(BlockError::Foreign));
        let mut ethernet =
            Block::Interface { name: String::new(), description: String::new() }.emit();
        ethernet[8] = 1;
        assert_eq!(Block::parse(&ethernet), Err(BlockError::Link(1)));
        let pcap = [0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0];
        assert!(matches!(Block::parse(&pcap), Err(BlockError::Length(_))));
    }
}
