//! Where everything lies (project-defined), and the trailers that keep it.
//!
//! Sectors 0 to 31 have 4 blocks, 32 to 39 have 16; the last block of each is its trailer: key A (6),
//! access bits (3), a free byte, key B (6) (NXP MF1S70yyX/V1 data sheet, memory organisation and
//! access conditions).

use core::ops::Range;

use crate::crc::{is_sealed, seal};

/// Bytes of an image.
pub const LEN: usize = 4096;

/// Bytes of a block.
pub const BLOCK_LEN: usize = 16;

/// Registrations there is room for.
pub const REGISTRATIONS: usize = 15;

/// Transfer records there is room for.
pub const TRANSFERS: usize = 5;

/// Log records there is room for.
pub const LOGS: usize = 15;

/// Extension sectors there are.
pub const SECTORS: usize = 4;

/// Access bits and free byte of every sector of the education and extension zones: data blocks are
/// read with either key and written with key B; key B alone changes keys and access bits.
pub const ACCESS: [u8; 4] = access(0b001, 0b110);

/// Access bits and free byte of an empty sector: the transport configuration.
pub(super) const TRANSPORT: [u8; 4] = access(0b000, 0b100);

/// First sector of the education zone; the last sector of the card is the last of the extensions.
pub(super) const FIRST_SECTOR: u8 = 28;

/// Number of sectors.
pub(super) const SECTOR_COUNT: u8 = 40;

/// First of the larger sectors.
const LARGE: u8 = 32;

/// A key as an image holds it: what a dump shows of a key that cannot be read, and the transport key.
pub(super) const NO_KEYS: [[u8; 6]; 2] = [[0x00; 6], [0xFF; 6]];

/// A block of a sector card.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// The sector, from 0.
    pub sector: u8,
    /// The block in it, from 0.
    pub block: u8,
}

pub(super) const ISSUANCE: Place = Place::new(28, 0);
pub(super) const STATUS: Place = Place::new(29, 0);
pub(super) const RINGS: Place = Place::new(29, 2);
pub(super) const IDENTITY: Place = Place::new(32, 0);
pub(super) const ENROLMENT: Place = Place::new(32, 8);
pub(super) const PERSONALISATION: Place = Place::new(32, 14);
pub(super) const REGISTRATION: Place = Place::new(33, 0);
pub(super) const TRANSFER: Place = Place::new(34, 0);
pub(super) const LOG: Place = Place::new(35, 0);

/// Entries of the extension directory.
pub(super) const DIRECTORY: [Place; SECTORS] =
    [Place::new(30, 0), Place::new(30, 1), Place::new(30, 2), Place::new(31, 0)];

/// Extension sectors.
pub(super) const EXTENSIONS: [Place; SECTORS] =
    [Place::new(36, 0), Place::new(37, 0), Place::new(38, 0), Place::new(39, 0)];

/// Blocks of the education zone that stay 00.
pub(super) const RESERVED: [Place; 2] = [Place::new(31, 1), Place::new(31, 2)];

impl Place {
    const fn new(sector: u8, block: u8) -> Self {
        Self { sector, block }
    }

    /// The trailer of a sector.
    pub(super) const fn trailer(sector: u8) -> Self {
        Self::new(sector, if sector < LARGE { 3 } else { 15 })
    }

    /// Returns the offset of the block in an image.
    #[must_use]
    pub const fn offset(self) -> usize {
        let before = if self.sector < LARGE {
            4 * self.sector as usize
        } else {
            4 * LARGE as usize + 16 * (self.sector - LARGE) as usize
        };
        (before + self.block as usize) * BLOCK_LEN
    }

    /// Offsets of `len` bytes from the block on.
    pub(super) const fn range(self, len: usize) -> Range<usize> {
        self.offset()..self.offset() + len
    }

    /// The block `at` bytes behind the start of this one.
    pub(super) fn behind(self, at: usize) -> Self {
        let blocks = u8::try_from(at / BLOCK_LEN).unwrap_or(u8::MAX);
        Self { block: self.block.saturating_add(blocks), ..self }
    }
}

/// Where the newest record of a ring lies, and how many there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ring {
    pub(super) newest: u8,
    pub(super) used: u8,
}

impl Ring {
    /// A ring filled from its first slot on.
    pub(super) fn of(records: usize) -> Self {
        let used = u8::try_from(records).unwrap_or(u8::MAX);
        Self { newest: used.saturating_sub(1), used }
    }

    /// Whether a ring with this room can stand so.
    pub(super) fn is_possible(self, room: usize) -> bool {
        let (newest, used) = (usize::from(self.newest), usize::from(self.used));
        match used {
            0 => newest == 0,
            used if used == room => newest < room,
            used => used < room && newest == used - 1,
        }
    }
}

/// The rings of registrations, transfers and log, one block: version, three times newest and used,
/// RFU (7), CRC (2).
pub(super) struct Rings(pub(super) [Ring; 3]);

impl Rings {
    const VERSION: u8 = 0x01;

    pub(super) fn parse(block: &[u8]) -> Option<Self> {
        let &[Self::VERSION, a, b, c, d, e, f, 0, 0, 0, 0, 0, 0, 0, _, _] = block else {
            return None;
        };
        let rings = [(a, b), (c, d), (e, f)].map(|(newest, used)| Ring { newest, used });
        let rooms = [REGISTRATIONS, TRANSFERS, LOGS];
        let possible = rings.iter().zip(rooms).all(|(ring, room)| ring.is_possible(room));
        (is_sealed(block) && possible).then_some(Self(rings))
    }

    pub(super) fn emit(&self) -> [u8; BLOCK_LEN] {
        let [a, b, c] = self.0;
        let mut block = [0; BLOCK_LEN];
        let bytes = [Self::VERSION, a.newest, a.used, b.newest, b.used, c.newest, c.used];
        block.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        seal(&mut block);
        block
    }
}

/// Access bits of a sector whose data blocks all have the condition `data`, and its trailer
/// `trailer`, each as the bits C3 C2 C1; every bit is stored twice, once inverted. The free byte is
/// the 69 of the transport configuration.
const fn access(data: u8, trailer: u8) -> [u8; 4] {
    /// Bit `n` of the conditions of trailer and data blocks 2 to 0, as one nibble.
    const fn nibble(data: u8, trailer: u8, n: u8) -> u8 {
        (((trailer >> n) & 1) << 3) | (((data >> n) & 1) * 0b111)
    }
    let (c1, c2, c3) =
        (nibble(data, trailer, 0), nibble(data, trailer, 1), nibble(data, trailer, 2));
    [((!c2 & 0xF) << 4) | (!c1 & 0xF), (c1 << 4) | (!c3 & 0xF), (c3 << 4) | c2, 0x69]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The transport configuration of every new MIFARE Classic chip.
    #[test]
    fn access_bits_of_the_transport_configuration() {
        assert_eq!(TRANSPORT, [0xFF, 0x07, 0x80, 0x69]);
        assert_eq!(ACCESS, [0x78, 0x77, 0x88, 0x69]);
    }

    #[test]
    fn every_block_has_one_place() {
        let mut offset = 0;
        for sector in 0..SECTOR_COUNT {
            for block in 0..=Place::trailer(sector).block {
                assert_eq!(Place::new(sector, block).offset(), offset);
                offset += BLOCK_LEN;
            }
        }
        assert_eq!(offset, LEN);
    }

    #[test]
    fn rings_fill_up_and_turn() {
        for used in 0..=5_u8 {
            for newest in 0..6_u8 {
                let expected = match used {
                    0 => newest == 0,
                    5 => newest < 5,
                    used => newest == used - 1,
                };
                assert_eq!(Ring { newest, used }.is_possible(5), expected, "{newest} of {used}");
            }
        }
        assert!(!Ring { newest: 5, used: 6 }.is_possible(5));
    }
}
