//! What passes between a SAM that is a card and its host.

use alloc::vec::Vec;

use xuejika_keyscheme::auth::{CardId, ReaderId, TOKEN_LEN};
use xuejika_keyscheme::provider::Path;
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone};

use super::Grant;
use crate::date::Date;
use crate::file::KeySet;
use crate::ident::UnitCode;
use crate::management::Role;

/// Reads zone (2), number, version, algorithm: the reverse of [`KeyId::emit`]. `None` for an
/// undefined version or algorithm.
#[must_use]
pub fn key_id([z1, z2, number, version, algorithm]: [u8; KeyId::LEN]) -> Option<KeyId> {
    Some(KeyId {
        zone: Zone(u16::from_be_bytes([z1, z2])),
        number: KeyNumber(number),
        version: KeyVersion::new(version)?,
        algorithm: Algorithm::from_code(algorithm)?,
    })
}

/// What a SAM says of itself, locked or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SamState {
    /// Its number, as cards see it (ID.IFD).
    pub id: ReaderId,
    /// Algorithm of its keys.
    pub algorithm: Algorithm,
    /// Whether a management card has unlocked it.
    pub unlocked: bool,
}

impl SamState {
    /// Length of the encoding, in bytes.
    pub const LEN: usize = 10;

    /// Reads ID.IFD (8), algorithm (1), 00 locked or 01 unlocked; `None` for anything else.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (id, rest) = bytes.split_first_chunk()?;
        let &[algorithm, unlocked @ 0..=1] = rest else { return None };
        let algorithm = Algorithm::from_code(algorithm)?;
        Some(Self { id: ReaderId(*id), algorithm, unlocked: unlocked == 1 })
    }

    /// Writes the encoding.
    #[must_use]
    pub const fn emit(&self) -> [u8; Self::LEN] {
        let [i1, i2, i3, i4, i5, i6, i7, i8] = self.id.0;
        [i1, i2, i3, i4, i5, i6, i7, i8, self.algorithm.code(), self.unlocked as u8]
    }
}

/// Which key is wanted, and the versions of it that a card offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionChoice {
    /// Zone of the key.
    pub zone: Zone,
    /// Number of the key.
    pub number: KeyNumber,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// Versions that can be had, at least one.
    pub offered: Vec<KeyVersion>,
}

impl VersionChoice {
    /// Reads zone (2), number, algorithm, versions (1 each); `None` for an undefined value or no
    /// version.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (&[z1, z2, number, algorithm], versions) = bytes.split_first_chunk()?;
        if versions.is_empty() {
            return None;
        }
        Some(Self {
            zone: Zone(u16::from_be_bytes([z1, z2])),
            number: KeyNumber(number),
            algorithm: Algorithm::from_code(algorithm)?,
            offered: versions
                .iter()
                .map(|&number| KeyVersion::new(number))
                .collect::<Option<_>>()?,
        })
    }

    /// Writes the encoding.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        let [z1, z2] = self.zone.0.to_be_bytes();
        [z1, z2, self.number.0, self.algorithm.code()]
            .into_iter()
            .chain(self.offered.iter().map(|version| version.number()))
            .collect()
    }
}

/// A card's challenge, and the key under which to answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Respond {
    /// The key.
    pub id: KeyId,
    /// The way from its root to the card.
    pub path: Path,
    /// The card.
    pub card: CardId,
    /// Its challenge.
    pub challenge: [u8; TOKEN_LEN],
}

impl Respond {
    /// Reads key (5), card serial (8), challenge (16), then the way from the root: nothing, district
    /// (2), or district and school (2 + 3). `None` for an undefined value or another length.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (id, rest) = bytes.split_first_chunk()?;
        let (card, rest) = rest.split_first_chunk()?;
        let (challenge, path) = rest.split_first_chunk()?;
        let path = match *path {
            [] => Path::City,
            [d1, d2] => Path::District([d1, d2]),
            [d1, d2, u1, u2, u3] => Path::School { district: [d1, d2], unit: [u1, u2, u3] },
            _ => return None,
        };
        Some(Self { id: key_id(*id)?, path, card: CardId(*card), challenge: *challenge })
    }

    /// Writes the encoding.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        let mut bytes = [&self.id.emit()[..], &self.card.0, &self.challenge].concat();
        match self.path {
            Path::City => {}
            Path::District(district) => bytes.extend(district),
            Path::School { district, unit } => bytes.extend(district.into_iter().chain(unit)),
        }
        bytes
    }
}

impl Grant {
    /// Length of the encoding, in bytes.
    pub const LEN: usize = 1 + 3 + 4 + 2 + 8;

    /// Reads role (1), unit (3), valid until (4), permitted keys (2), floor (8); `None` for anything
    /// else.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (&[role, u1, u2, u3, d1, d2, d3, d4, k1, k2], floor) = bytes.split_first_chunk()?;
        Some(Self {
            role: Role::from_code(role)?,
            unit: UnitCode::from_bytes([u1, u2, u3]).ok()?,
            valid_until: Date::from_bytes([d1, d2, d3, d4]).ok()?,
            permitted: KeySet::from_bits(u16::from_be_bytes([k1, k2])),
            floor: floor.try_into().ok()?,
        })
    }

    /// Writes the encoding.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let fields = core::iter::once(self.role.code())
            .chain(self.unit.bytes())
            .chain(self.valid_until.bytes())
            .chain(self.permitted.bits().to_be_bytes())
            .chain(self.floor);
        bytes.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_is_read_is_written_the_same(
            mut bytes in prop::collection::vec(any::<u8>(), 0..=36), algorithm in 1_u8..=2,
        ) {
            // Most bytes would fail at the algorithm otherwise.
            for at in [3, 4, 8] {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = algorithm;
                }
            }
            if let Some(state) = SamState::parse(&bytes) {
                prop_assert_eq!(&state.emit()[..], &bytes);
            }
            if let Some(choice) = VersionChoice::parse(&bytes) {
                prop_assert_eq!(choice.emit(), bytes.clone());
            }
            if let Some(respond) = Respond::parse(&bytes) {
                prop_assert_eq!(respond.emit(), bytes.clone());
            } else {
                prop_assert!(![29, 31, 34].contains(&bytes.len()) || [0, 0xFF].contains(&bytes[3]));
            }
        }

        #[test]
        fn grants_round_trip(role in 1_u8..=4, keys: u16, floor: [u8; 8]) {
            let grant = Grant {
                role: Role::from_code(role).unwrap(),
                unit: "084012".parse().unwrap(),
                valid_until: "2027-08-31".parse().unwrap(),
                permitted: KeySet::from_bits(keys),
                floor,
            };
            prop_assert_eq!(Grant::parse(&grant.emit()), Some(grant));
            prop_assert_eq!(Grant::parse(&grant.emit()[1..]), None);
        }
    }
}
