//! EF 0C entry of the extension directory (扩展目录): who may use an extension sector.
//!
//! An application is filed with the city before it gets a sector, 操作规程 三/七 and 四/八.

use alloc::vec::Vec;
use core::fmt;
use core::num::{NonZeroU8, NonZeroU16};
use core::str::FromStr;

use xuejika_keyscheme::Zone;

use super::error::{FieldErrors, Problem};
use super::field::{Field, Layout, RecordKind};
use super::wire::{Reader, Writer};
use crate::bcd::{Digits, parse_number};
use crate::date::ShortDate;
use crate::ident::UnitCode;

/// Number of an extension sector, 1..=8.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ExtensionIndex(u8);

impl ExtensionIndex {
    /// Number of the last sector.
    pub const MAX: u8 = 8;

    /// Takes a number, or `None` outside 1..=8.
    #[must_use]
    pub const fn new(index: u8) -> Option<Self> {
        match index {
            1..=Self::MAX => Some(Self(index)),
            _ => None,
        }
    }

    /// Every number, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..=Self::MAX).map(Self)
    }

    /// Returns the number.
    #[must_use]
    pub const fn value(self) -> u8 {
        self.0
    }

    /// Returns the zone of the sector's keys, which is the identifier of its DF.
    #[must_use]
    pub const fn zone(self) -> Zone {
        Zone(0xDF10 + self.0 as u16)
    }
}

/// Some of the extension sectors, at least one: those lent to one application unit (应用单位).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ExtensionSet(NonZeroU8);

impl ExtensionSet {
    /// The set of these sectors; `None` when there are none.
    #[must_use]
    pub fn of(sectors: impl IntoIterator<Item = ExtensionIndex>) -> Option<Self> {
        let bits = sectors.into_iter().fold(0, |bits, sector| bits | Self::bit(sector));
        NonZeroU8::new(bits).map(Self)
    }

    /// Returns its sectors, in order.
    pub fn iter(self) -> impl Iterator<Item = ExtensionIndex> {
        ExtensionIndex::all().filter(move |&sector| self.contains(sector))
    }

    /// Whether this sector is one of them.
    #[must_use]
    pub const fn contains(self, sector: ExtensionIndex) -> bool {
        self.bits() & Self::bit(sector) != 0
    }

    /// Returns one bit for each sector, the least significant for sector 1.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0.get()
    }

    const fn bit(sector: ExtensionIndex) -> u8 {
        1 << (sector.value() - 1)
    }
}

impl FromStr for ExtensionSet {
    type Err = ExtensionSetError;

    fn from_str(text: &str) -> Result<Self, ExtensionSetError> {
        let sector = |number: &str| parse_number(number.trim()).and_then(ExtensionIndex::new);
        let sectors: Option<Vec<_>> = text.split(',').map(sector).collect();
        sectors.and_then(Self::of).ok_or(ExtensionSetError)
    }
}

impl fmt::Display for ExtensionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().enumerate().try_for_each(|(at, sector)| {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{}", sector.value())
        })
    }
}

/// A text names no extension sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected sectors from 1 to 8 with commas between them, such as 2,3")]
pub struct ExtensionSetError;

/// Number under which an application is filed with the city (备案号): 8 digits, not all 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FilingNumber(Digits<4>);

impl FilingNumber {
    /// Takes the 4 BCD bytes.
    ///
    /// # Errors
    /// [`Problem::Bcd`], or [`Problem::Zero`] when all digits are 0.
    pub fn from_bytes(bytes: [u8; 4]) -> Result<Self, Problem> {
        match bytes {
            [0, 0, 0, 0] => Err(Problem::Zero),
            _ => Ok(Self(Digits::from_bytes(bytes)?)),
        }
    }

    /// Returns the 4 BCD bytes.
    #[must_use]
    pub const fn bytes(&self) -> [u8; 4] {
        self.0.bytes()
    }
}

impl FromStr for FilingNumber {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        Self::from_bytes(text.parse::<Digits<4>>()?.bytes())
    }
}

impl fmt::Display for FilingNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// To whom a sector was opened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Grant {
    /// Application code (应用代码).
    pub application: NonZeroU16,
    /// Owner: a school, a district or the city (应用单位).
    pub owner: UnitCode,
    /// Filing number with the city (备案号).
    pub filing: FilingNumber,
    /// Date of opening.
    pub opened: ShortDate,
}

/// What an extension sector is used for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Sector {
    /// State 00: nobody uses it.
    Closed,
    /// State 01: an application uses it.
    Open(Grant),
    /// State 02: it is being wiped.
    Reclaiming(Grant),
}

impl Sector {
    const CLOSED: u8 = 0x00;
    const OPEN: u8 = 0x01;
    const RECLAIMING: u8 = 0x02;

    /// Returns the byte of the state.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Closed => Self::CLOSED,
            Self::Open(_) => Self::OPEN,
            Self::Reclaiming(_) => Self::RECLAIMING,
        }
    }

    /// Returns to whom the sector was opened.
    #[must_use]
    pub const fn grant(&self) -> Option<&Grant> {
        match self {
            Self::Closed => None,
            Self::Open(grant) | Self::Reclaiming(grant) => Some(grant),
        }
    }
}

/// An entry of the extension directory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ExtensionEntry {
    /// Number of the sector.
    pub index: ExtensionIndex,
    /// What the sector is used for.
    pub sector: Sector,
}

impl ExtensionEntry {
    /// Length in bytes.
    pub const LEN: usize = 16;

    /// Where its fields are.
    pub const LAYOUT: Layout =
        Layout { record: RecordKind::Extension, len: Self::LEN, fields: field::ALL };

    /// Reads an entry.
    ///
    /// # Errors
    /// Every field that breaks a rule; in a closed entry, every field that is not 00.
    pub fn parse(bytes: &[u8]) -> Result<Self, FieldErrors> {
        let mut r = Reader::open(&Self::LAYOUT, bytes)?;
        let index = r.read(field::INDEX);
        let sector = match r.read::<u8>(field::STATE) {
            Some(Sector::CLOSED) => {
                expect_empty(&mut r);
                Some(Sector::Closed)
            }
            Some(Sector::OPEN) => read_grant(&mut r).map(Sector::Open),
            Some(Sector::RECLAIMING) => read_grant(&mut r).map(Sector::Reclaiming),
            Some(code) => {
                r.errors.push(field::STATE, Problem::UnknownCode(code));
                None
            }
            None => None,
        };
        r.finish(|| Some(Self { index: index?, sector: sector? }))
    }

    /// Writes the entry.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let grant = self.sector.grant();
        Writer::new()
            .write(field::INDEX, &self.index)
            .write(field::STATE, &self.sector.code())
            .write(field::APPLICATION, &grant.map(|grant| grant.application))
            .write(field::OWNER, &grant.map(|grant| grant.owner))
            .write(field::FILING, &grant.map(|grant| grant.filing))
            .write(field::OPENED, &grant.map(|grant| grant.opened))
            .seal(&Self::LAYOUT)
    }
}

fn read_grant(r: &mut Reader<'_>) -> Option<Grant> {
    let application = r.read(field::APPLICATION);
    let owner = r.read(field::OWNER);
    let filing = r.read(field::FILING);
    let opened = r.read(field::OPENED);
    Some(Grant { application: application?, owner: owner?, filing: filing?, opened: opened? })
}

fn expect_empty(r: &mut Reader<'_>) {
    expect_zero::<2>(r, field::APPLICATION);
    expect_zero::<3>(r, field::OWNER);
    expect_zero::<4>(r, field::FILING);
    expect_zero::<3>(r, field::OPENED);
}

fn expect_zero<const N: usize>(r: &mut Reader<'_>, field: Field) {
    if r.read::<[u8; N]>(field).is_some_and(|bytes| bytes != [0; N]) {
        let problem = Problem::Unexpected("in a closed entry");
        r.errors.push(field, problem);
    }
}

mod field {
    use super::{Field, RecordKind};

    const R: RecordKind = RecordKind::Extension;

    pub(super) const INDEX: Field = Field::value(R, 0, 1, "index", "扇区序号");
    pub(super) const STATE: Field = Field::value(R, 1, 1, "state", "状态");
    pub(super) const APPLICATION: Field = Field::value(R, 2, 2, "application", "应用代码");
    pub(super) const OWNER: Field = Field::value(R, 4, 3, "owner", "应用单位");
    pub(super) const FILING: Field = Field::value(R, 7, 4, "filing", "备案号");
    pub(super) const OPENED: Field = Field::value(R, 11, 3, "opened", "开放日期");
    const CRC: Field = Field::crc(R, 14, "crc");

    pub(super) const ALL: &[Field] = &[INDEX, STATE, APPLICATION, OWNER, FILING, OPENED, CRC];
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn sets_of_sectors_go_both_ways() {
        let set = |text: &str| text.parse::<ExtensionSet>();
        for (text, bits) in [("1", 0x01), ("2,3", 0x06), ("8", 0x80), ("1,2,3,4,5,6,7,8", 0xFF)] {
            let parsed = set(text).unwrap();
            assert_eq!((parsed.bits(), parsed.to_string().as_str()), (bits, text));
            assert_eq!(ExtensionSet::of(parsed.iter()), Some(parsed));
            assert!(parsed.iter().all(|sector| parsed.contains(sector)));
        }
        assert_eq!(set(" 3, 2,3").unwrap().to_string(), "2,3");
        for text in ["", ",", "0", "9", "2,", "2 3", "-1", "x"] {
            assert_eq!(set(text), Err(ExtensionSetError), "{text}");
        }
        assert_eq!(ExtensionSet::of([]), None);
    }
}
