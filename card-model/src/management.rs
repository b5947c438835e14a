//! What a management card (管理卡) grants, and how a SAM is numbered. Layouts project-defined.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use xuejika_keyscheme::KeyNumber;
use xuejika_keyscheme::auth::{CardId, ReaderId};
use xuejika_keyscheme::key::{Kek, Key, Sam as SamPurpose};
use xuejika_keyscheme::provider::Path;
use xuejika_keyscheme::unlock::RECORD_LEN;
use zeroize::Zeroizing;

use crate::bcd::Digits;
use crate::card::Card;
use crate::crc::{CRC_LEN, is_sealed, seal};
use crate::date::Date;
use crate::file::KeySet;
use crate::file::tree::{self, CardKind};
use crate::ident::{District, Scope, UnitCode};
use crate::nvm::Nvm;
use crate::record::ExtensionSet;

/// On whose behalf a reader works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Role {
    /// City card authority (市级).
    City = 0x01,
    /// District card authority (区县级).
    District = 0x02,
    /// School card office (校级).
    School = 0x03,
    /// Application unit (应用单位).
    Application = 0x04,
}

impl Role {
    /// The role with this code.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0x01 => Some(Self::City),
            0x02 => Some(Self::District),
            0x03 => Some(Self::School),
            0x04 => Some(Self::Application),
            _ => None,
        }
    }

    /// The code on the card.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// The way from a root to the key of an extension sector: along the owner's units.
#[must_use]
pub fn key_path(owner: UnitCode) -> Path {
    // The first four digits of a student number: 01 for Beijing, then the district.
    let level = |district: District| [0x01, district.code()];
    match owner.scope() {
        Scope::City => Path::City,
        Scope::District(district) => Path::District(level(district)),
        Scope::School { district, .. } => {
            Path::School { district: level(district), unit: owner.bytes() }
        }
    }
}

/// Lowest acceptable version of the keys K0 to K6 and KA.
pub type VersionFloor = [u8; 8];

/// The contents of a management card's one file.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorisation {
    /// Role of the reader it unlocks.
    pub role: Role,
    /// Unit of the reader it unlocks.
    pub unit: UnitCode,
    /// Number of the key set the SAM must hold.
    pub key_set: u8,
    /// Last day on which it unlocks.
    pub valid_until: Date,
    /// Keys the SAM may use.
    pub permitted: KeySet,
    /// Lowest acceptable version of each key.
    pub floor: VersionFloor,
    /// Secret from which the SAM's unlock key is derived.
    pub secret: Zeroizing<[u8; 16]>,
}

impl Authorisation {
    /// Length in bytes: role, unit (3), key set, valid until (4), permitted keys (2), floor (8),
    /// secret (16), RFU (11), CRC (2).
    pub const LEN: usize = 48;

    const RFU_LEN: usize = 11;

    /// Reads the file.
    ///
    /// # Errors
    /// Returns an [`AuthorisationError`] naming the first field that breaks a rule.
    pub fn parse(bytes: &[u8; Self::LEN]) -> Result<Self, AuthorisationError> {
        use AuthorisationError as E;
        if !is_sealed(bytes) {
            return Err(E::Checksum);
        }
        let [role, u1, u2, u3, key_set, d1, d2, d3, d4, k1, k2, rest @ ..] = *bytes;
        let (floor, rest) = rest.split_first_chunk().ok_or(E::Reserved)?;
        let (secret, rest) = rest.split_first_chunk().ok_or(E::Reserved)?;
        if rest.iter().take(Self::RFU_LEN).any(|&byte| byte != 0) {
            return Err(E::Reserved);
        }
        Ok(Self {
            role: Role::from_code(role).ok_or(E::Role(role))?,
            unit: UnitCode::from_bytes([u1, u2, u3]).map_err(|_| E::Unit)?,
            key_set,
            valid_until: Date::from_bytes([d1, d2, d3, d4]).map_err(|_| E::Date)?,
            permitted: KeySet::from_bits(u16::from_be_bytes([k1, k2])),
            floor: *floor,
            secret: Zeroizing::new(*secret),
        })
    }

    /// The key that opens the key file of the SAM with this secret and number when the management
    /// card with this serial holds these contents.
    #[must_use]
    pub fn unlock(&self, secret: &Key<SamPurpose>, sam: ReaderId, management: CardId) -> Key<Kek> {
        secret.unlock(&self.record(), sam, management)
    }

    /// Writes the file.
    #[must_use]
    pub fn emit(&self) -> Zeroizing<[u8; Self::LEN]> {
        let mut bytes = Zeroizing::new([0; Self::LEN]);
        bytes.iter_mut().zip(*self.record()).for_each(|(to, from)| *to = from);
        seal(&mut *bytes);
        bytes
    }

    /// The file without its CRC.
    fn record(&self) -> Zeroizing<[u8; RECORD_LEN]> {
        let mut bytes = Zeroizing::new([0; RECORD_LEN]);
        let fields = core::iter::once(self.role.code())
            .chain(self.unit.bytes())
            .chain([self.key_set])
            .chain(self.valid_until.bytes())
            .chain(self.permitted.bits().to_be_bytes())
            .chain(self.floor)
            .chain(*self.secret);
        bytes.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        bytes
    }
}

const _: () = assert!(Authorisation::LEN == RECORD_LEN + CRC_LEN);

impl fmt::Debug for Authorisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { role, unit, valid_until, .. } = self;
        write!(f, "Authorisation({role:?}, {unit}, until {valid_until})")
    }
}

impl<N: Nvm> Card<N> {
    /// How often a SAM has proved itself to this management card; `None` for another kind of card.
    #[must_use]
    pub fn uses(&self) -> Option<u32> {
        let uses = self.contents(&tree::management::USES).first_chunk();
        uses.filter(|_| self.header().kind == CardKind::Management)
            .map(|uses| u32::from_be_bytes(*uses))
    }

    /// Where the count of a management card's uses lies, and what comes next there.
    pub(crate) fn next_use(&self) -> Option<(usize, [u8; 4])> {
        let next = self.uses()?.saturating_add(1);
        Some((tree::management::USES.offset, next.to_be_bytes()))
    }
}

/// The published test management card of a unit: its serial and its contents. It unlocks test SAMs
/// only and protects nothing.
#[must_use]
pub fn test_card(unit: UnitCode, valid_until: Date) -> (CardId, Authorisation) {
    test_card_for(unit, None, valid_until)
}

/// As [`test_card`]; with `lent`, that of an application unit (应用单位) which has the use of these
/// extension sectors for `unit`. Each application unit has a card of its own.
#[must_use]
pub fn test_card_for(
    unit: UnitCode,
    lent: Option<ExtensionSet>,
    valid_until: Date,
) -> (CardId, Authorisation) {
    let role = match unit.scope() {
        _ if lent.is_some() => Role::Application,
        Scope::City => Role::City,
        Scope::District(_) => Role::District,
        Scope::School { .. } => Role::School,
    };
    let [u1, u2, u3] = unit.bytes();
    let authorisation = Authorisation {
        role,
        unit,
        key_set: 1,
        valid_until,
        permitted: test_keys_of(role),
        floor: [1; 8],
        secret: Zeroizing::new(TEST_SECRET),
    };
    (CardId([0x90, 0x00, u1, u2, u3, 0, lent.map_or(0, ExtensionSet::bits), 1]), authorisation)
}

/// What a test reader of this role may use. The city holds every key of the education zone, for it
/// loads them (操作规程 二/六); K0 is nobody else's. A school works with the others, a district leads. An
/// application unit reads the pupil and uses its sectors.
const fn test_keys_of(role: Role) -> KeySet {
    use KeyNumber as K;
    match role {
        Role::City => KeySet::of(&[
            K::MASTER,
            K::READ,
            K::PERSONALISE,
            K::REGISTER,
            K::TRANSFER,
            K::STATUS,
            K::EXTENSION,
            K::APPLICATION,
        ]),
        Role::District => KeySet::of(&[K::READ, K::STATUS, K::APPLICATION]),
        Role::School => KeySet::of(&[
            K::READ,
            K::PERSONALISE,
            K::REGISTER,
            K::TRANSFER,
            K::STATUS,
            K::EXTENSION,
            K::APPLICATION,
        ]),
        Role::Application => KeySet::of(&[K::READ, K::APPLICATION]),
    }
}

/// The unlock secret of every test management card, 60 to 6F.
const TEST_SECRET: [u8; 16] = [
    0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F,
];

/// Why a management card's file is not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorisationError {
    /// The CRC does not match.
    #[error("the checksum does not match")]
    Checksum,
    /// The role code is not defined.
    #[error("role {0:02X} is not defined")]
    Role(u8),
    /// The unit is no unit code.
    #[error("the unit is no unit code")]
    Unit,
    /// The end of validity is no date.
    #[error("the end of validity is no date")]
    Date,
    /// Reserved bytes are set.
    #[error("reserved bytes are not 00")]
    Reserved,
}

/// The number of a SAM: 0000 ‖ unit (3) ‖ running number (3), all BCD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SamSerial {
    /// Unit it was handed to.
    pub unit: UnitCode,
    /// Running number inside the unit.
    pub number: Digits<3>,
}

impl SamSerial {
    /// Reads the number from the identifier used in an authentication; `None` when it is no SAM's.
    #[must_use]
    pub fn from_reader(reader: ReaderId) -> Option<Self> {
        let [0, 0, u1, u2, u3, n1, n2, n3] = reader.0 else {
            return None;
        };
        Some(Self {
            unit: UnitCode::from_bytes([u1, u2, u3]).ok()?,
            number: Digits::from_bytes([n1, n2, n3]).ok()?,
        })
    }

    /// The identifier used in an authentication (ID.IFD).
    #[must_use]
    pub const fn reader(&self) -> ReaderId {
        let [u1, u2, u3] = self.unit.bytes();
        let [n1, n2, n3] = self.number.bytes();
        ReaderId([0, 0, u1, u2, u3, n1, n2, n3])
    }
}

/// Why a text is no number of a SAM.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no SAM serial, expected 16 digits: 0000, a unit, a running number")]
pub struct SamSerialError(String);

impl FromStr for SamSerial {
    type Err = SamSerialError;

    /// Reads the 16 digits of the identifier used in an authentication.
    fn from_str(text: &str) -> Result<Self, SamSerialError> {
        let digits = text.parse::<Digits<8>>().ok();
        let serial = digits.and_then(|digits| Self::from_reader(ReaderId(digits.bytes())));
        serial.ok_or_else(|| SamSerialError(text.into()))
    }
}

impl fmt::Display for SamSerial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0000{}{}", self.unit, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorisation() -> Authorisation {
        Authorisation {
            role: Role::School,
            unit: UnitCode::from_bytes([0x08, 0x40, 0x12]).unwrap(),
            key_set: 1,
            valid_until: Date::new(2027, 8, 31).unwrap(),
            permitted: KeySet::of(&[KeyNumber::READ, KeyNumber::PERSONALISE]),
            floor: [1; 8],
            secret: Zeroizing::new([7; 16]),
        }
    }

    #[test]
    fn parse_reverses_emit_and_every_flipped_bit_is_refused() {
        let bytes = authorisation().emit();
        assert_eq!(Authorisation::parse(&bytes), Ok(authorisation()));
        for bit in 0..8 * Authorisation::LEN {
            let mut bad = *bytes;
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(Authorisation::parse(&bad).is_err());
        }
    }

    #[test]
    fn each_field_is_checked() {
        let with = |at: usize, value: u8| {
            let mut bytes = *authorisation().emit();
            bytes[at] = value;
            seal(&mut bytes);
            Authorisation::parse(&bytes).unwrap_err()
        };
        assert_eq!(with(0, 9), AuthorisationError::Role(9));
        assert_eq!(with(1, 0xAA), AuthorisationError::Unit);
        assert_eq!(with(7, 0x13), AuthorisationError::Date);
        assert_eq!(with(40, 1), AuthorisationError::Reserved);
    }

    #[test]
    fn sam_numbers_go_both_ways() {
        let reader = ReaderId([0, 0, 0x08, 0x40, 0x12, 0, 0, 0x42]);
        let serial = SamSerial::from_reader(reader).unwrap();
        assert_eq!(serial.unit.bytes(), [0x08, 0x40, 0x12]);
        assert_eq!(serial.reader(), reader);
        assert_eq!(alloc::string::ToString::to_string(&serial), "0000084012000042");
        assert_eq!("0000084012000042".parse(), Ok(serial));
        for text in ["084012000042", "0100084012000042", "000008401200004A", "0000999999000042"] {
            assert!(text.parse::<SamSerial>().is_err(), "{text}");
        }
        assert_eq!(SamSerial::from_reader(ReaderId([1, 0, 8, 0x40, 0x12, 0, 0, 1])), None);
        assert_eq!(SamSerial::from_reader(ReaderId([0, 0, 8, 0x40, 0x12, 0, 0, 0xA])), None);
    }
}
