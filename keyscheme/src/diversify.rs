//! From a root to the key of one card, or of one unit's lists.
//!
//! Each step is `CMAC(key, 01 ‖ M)` with an 18-byte `M`, which is NXP AN10922 for AES-128
//! ([`an10922`](crate::an10922)) and SP 800-108 counter mode at the same time, because
//! 16 ≤ |M| ≤ 31. The contents of `M` are project-defined:
//! identifier (8) ‖ zone (2) ‖ key number ‖ version ‖ algorithm ‖ level ‖ `XJK1`.
//!
//! The path follows who owns the key: city keys go root → card, district keys root → district →
//! card, school keys root → district → school → card. The key of a unit's loss and freeze lists takes
//! the place of the card's: the city's is root → list, a school's root → district → school → list.

use crate::auth::CardId;
use crate::key::{Card, District, Key, KeyId, List, Purpose, Root, School};

/// The one counter value of a derivation of one block.
const COUNTER: u8 = 1;

/// Identifiers are left-padded with zeros to this many bytes.
const IDENT_LEN: usize = 8;

/// System identifier at the end of every derivation input (project-defined).
pub const SYSTEM_ID: [u8; 4] = *b"XJK1";

/// Length of the derivation input `M`, in bytes.
pub const INPUT_LEN: usize = 18;

/// Length of [`Step::message`], in bytes.
pub const MESSAGE_LEN: usize = 1 + INPUT_LEN;

/// One step down the hierarchy, named by whose key comes out of it. The levels are project-defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Level 01: the first four digits of its pupils' 学籍号 as BCD (city 01, then the district).
    District([u8; 2]),
    /// Level 02: the unit code as BCD.
    School([u8; 3]),
    /// Level 03: the serial of the card.
    Card(CardId),
    /// Level 04: the lists of the unit whose key stands above; no identifier.
    List,
}

impl Step {
    /// `01 ‖ M`: its CMAC under the key above is the key below.
    #[must_use]
    pub fn message(&self, id: &KeyId) -> [u8; MESSAGE_LEN] {
        let (level, ident): (u8, &[u8]) = match self {
            Self::District(code) => (0x01, code),
            Self::School(unit) => (0x02, unit),
            Self::Card(card) => (0x03, &card.0),
            Self::List => (0x04, &[]),
        };
        let padding = core::iter::repeat_n(0, IDENT_LEN.saturating_sub(ident.len()));
        let m = padding.chain(ident.iter().copied()).chain(id.emit()).chain([level]);
        let mut message = [0; MESSAGE_LEN];
        let bytes = [COUNTER].into_iter().chain(m).chain(SYSTEM_ID);
        message.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        message
    }
}

impl Key<Root> {
    /// Derives the key of a district, named by the first four digits of its pupils' 学籍号 as BCD
    /// (city 01, then the district).
    #[must_use]
    pub fn district(&self, id: &KeyId, district: [u8; 2]) -> Key<District> {
        self.below(id, Step::District(district))
    }

    /// Derives a city-scope key of the card with this serial.
    #[must_use]
    pub fn card(&self, id: &KeyId, card: CardId) -> Key<Card> {
        self.below(id, Step::Card(card))
    }

    /// Derives the key of the city's own lists.
    #[must_use]
    pub fn list(&self, id: &KeyId) -> Key<List> {
        self.below(id, Step::List)
    }
}

impl Key<District> {
    /// Derives the key of a school, named by its unit code as BCD.
    #[must_use]
    pub fn school(&self, id: &KeyId, unit: [u8; 3]) -> Key<School> {
        self.below(id, Step::School(unit))
    }

    /// Derives a district-scope key of the card with this serial.
    #[must_use]
    pub fn card(&self, id: &KeyId, card: CardId) -> Key<Card> {
        self.below(id, Step::Card(card))
    }

    /// Derives the key of the district's own lists.
    #[must_use]
    pub fn list(&self, id: &KeyId) -> Key<List> {
        self.below(id, Step::List)
    }
}

impl Key<School> {
    /// Derives a school-scope key of the card with this serial.
    #[must_use]
    pub fn card(&self, id: &KeyId, card: CardId) -> Key<Card> {
        self.below(id, Step::Card(card))
    }

    /// Derives the key of the school's own lists.
    #[must_use]
    pub fn list(&self, id: &KeyId) -> Key<List> {
        self.below(id, Step::List)
    }
}

impl<P: Purpose> Key<P> {
    fn below<Q: Purpose>(&self, id: &KeyId, step: Step) -> Key<Q> {
        Key::new(self.algorithm(), self.mac().tag(&step.message(id)).into())
    }
}
