//! From a root to the key of one card.
//!
//! Each step is `CMAC(key, 01 ‖ M)` with an 18-byte `M`, which is NXP AN10922 for AES-128 and
//! SP 800-108 counter mode at the same time, because 16 ≤ |M| ≤ 31. The contents of `M` are
//! project-defined: identifier (8) ‖ zone (2) ‖ key number ‖ version ‖ algorithm ‖ level ‖ `XJK1`.
//!
//! The path follows who owns the key: city keys go root → card, district keys root → district →
//! card, school keys root → district → school → card.

use cipher::BlockCipherEncrypt;

use crate::algorithm::BLOCK_LEN;
use crate::auth::CardId;
use crate::cmac::Cmac;
use crate::error::InvalidLength;
use crate::kdf;
use crate::key::{Card, District, Key, KeyId, Purpose, Root, School};

/// System identifier at the end of every derivation input (project-defined).
pub const SYSTEM_ID: [u8; 4] = *b"XJK1";

/// Length of the derivation input `M`, in bytes.
pub const INPUT_LEN: usize = 18;

/// Derivation levels (project-defined).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Level {
    District = 0x01,
    School = 0x02,
    Card = 0x03,
}

impl Key<Root> {
    /// Derives the key of a district, named by the first four digits of its pupils' 学籍号 as BCD
    /// (city 01, then the district).
    #[must_use]
    pub fn district(&self, id: &KeyId, district: [u8; 2]) -> Key<District> {
        self.derive(&district, id, Level::District)
    }

    /// Derives a city-scope key of the card with this serial.
    #[must_use]
    pub fn card(&self, id: &KeyId, card: CardId) -> Key<Card> {
        self.derive(&card.0, id, Level::Card)
    }
}

impl Key<District> {
    /// Derives the key of a school, named by its unit code as BCD.
    #[must_use]
    pub fn school(&self, id: &KeyId, unit: [u8; 3]) -> Key<School> {
        self.derive(&unit, id, Level::School)
    }

    /// Derives a district-scope key of the card with this serial.
    #[must_use]
    pub fn card(&self, id: &KeyId, card: CardId) -> Key<Card> {
        self.derive(&card.0, id, Level::Card)
    }
}

impl Key<School> {
    /// Derives a school-scope key of the card with this serial.
    #[must_use]
    pub fn card(&self, id: &KeyId, card: CardId) -> Key<Card> {
        self.derive(&card.0, id, Level::Card)
    }
}

impl<P: Purpose> Key<P> {
    fn derive<Q: Purpose>(&self, ident: &[u8], id: &KeyId, level: Level) -> Key<Q> {
        Key::new(self.algorithm(), step(&self.mac(), &input(ident, id, level)))
    }
}

/// Diversifies a 128-bit key by AN10922 §2.2: `CMAC(key, 01 ‖ m)`.
///
/// # Errors
/// Returns [`InvalidLength`] unless `m` has 16 to 31 bytes. Shorter inputs need a padding that CMAC
/// alone does not give; the card's own inputs always have 18 bytes.
pub fn an10922<C: BlockCipherEncrypt>(
    mac: &Cmac<C>,
    m: &[u8],
) -> Result<[u8; BLOCK_LEN], InvalidLength> {
    match m.len() {
        16..=31 => Ok(step(mac, m)),
        actual => Err(InvalidLength { what: "diversification input", actual, expected: 16 }),
    }
}

fn step<C: BlockCipherEncrypt>(mac: &Cmac<C>, m: &[u8]) -> [u8; BLOCK_LEN] {
    let mut out = [0; BLOCK_LEN];
    kdf::counter_mode(mac, &[], 1, m, &mut out);
    out
}

/// `M`: the identifier is left-padded with zeros to eight bytes.
fn input(ident: &[u8], id: &KeyId, level: Level) -> [u8; INPUT_LEN] {
    let mut m = [0; INPUT_LEN];
    let padding = core::iter::repeat_n(0, 8_usize.saturating_sub(ident.len()));
    let bytes =
        padding.chain(ident.iter().copied()).chain(id.emit()).chain([level as u8]).chain(SYSTEM_ID);
    m.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    m
}
