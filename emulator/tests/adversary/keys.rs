//! The keys of the world, which of them the attacker has, and which he may therefore come to have.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::crypto::{Aes, Block, diversify, kdf, wallet_key};
use super::rng::Rng;

/// A card's serial.
pub(crate) type Serial = [u8; 8];

/// The student card that the attacker holds.
pub(crate) const STUDENT: Serial = [0x11, 0, 0x07, 0x01, 0, 0, 0, 0x17];
/// A card that he has never seen.
pub(crate) const VICTIM: Serial = [0x11, 0, 0x26, 0x01, 0, 0, 0, 0x14];
/// The management card that unlocks the SAM.
pub(crate) const MANAGEMENT: Serial = [0x90, 0, 0x08, 0x40, 0x12, 0, 0, 1];
/// The SAM.
pub(crate) const SAM: Serial = [0, 0, 0x08, 0x40, 0x12, 0, 0, 0x42];
/// Factor of the wallet keys of the student card.
pub(crate) const WALLET: Serial = [0x10, 0, 0x07, 0x01, 0, 0, 0, 0x17];

pub(crate) const DISTRICT: [u8; 2] = [0x01, 0x08];
pub(crate) const UNIT: [u8; 3] = [0x08, 0x40, 0x12];

pub(crate) const EDUCATION: u16 = 0xDF01;
pub(crate) const SECTORS: [u16; 2] = [0xDF11, 0xDF12];
pub(crate) const K80: u16 = 0xDF80;

/// K.SAM of a test SAM (16).
pub(crate) const K_SAM: Block = 0x4041_4243_4445_4647_4849_4A4B_4C4D_4E4F_u128.to_be_bytes();

/// Where a key is on its way from the root to a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Root,
    District,
    School,
    Card(Way, Serial),
}

/// By which way it comes to a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    City,
    District,
    School,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::City, Self::District, Self::School];

    /// Its bytes in RESPOND TO CHALLENGE.
    pub(crate) fn bytes(self) -> Vec<u8> {
        match self {
            Self::City => Vec::new(),
            Self::District => DISTRICT.to_vec(),
            Self::School => [&DISTRICT[..], &UNIT].concat(),
        }
    }
}

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(crate) zone: u16,
    pub(crate) number: u8,
    pub(crate) version: u8,
    pub(crate) place: Place,
}

impl Name {
    pub(crate) const fn card(zone: u16, number: u8, version: u8, serial: Serial) -> Self {
        Self { zone, number, version, place: Place::Card(Way::City, serial) }
    }

    /// Zone, number, version, algorithm.
    pub(crate) const fn id(&self) -> [u8; 5] {
        let [high, low] = self.zone.to_be_bytes();
        [high, low, self.number, self.version, 1]
    }

    const fn at(self, place: Place) -> Self {
        Self { place, ..self }
    }

    /// The key it is derived from.
    const fn parent(self) -> Option<Self> {
        match self.place {
            Place::Root => None,
            Place::District | Place::Card(Way::City, _) => Some(self.at(Place::Root)),
            Place::School | Place::Card(Way::District, _) => Some(self.at(Place::District)),
            Place::Card(Way::School, _) => Some(self.at(Place::School)),
        }
    }

    /// Its value, from the published test roots (16).
    pub(crate) fn value(&self) -> Block {
        let Some(parent) = self.parent() else {
            let master = 0x0011_2233_4455_6677_8899_AABB_CCDD_EEFF_u128.to_be_bytes();
            return Aes::new(&master).cmac(&[&b"XUEJIKA TEST ROOT"[..], &self.id()].concat());
        };
        let (level, identifier) = match &self.place {
            Place::Card(_, serial) => (3, &serial[..]),
            Place::School => (2, &UNIT[..]),
            Place::District | Place::Root => (1, &DISTRICT[..]),
        };
        diversify(&parent.value(), self.id(), level, identifier)
    }
}

/// Every key of the SAM and of the cards it could meet.
pub(crate) static KEYS: LazyLock<HashMap<Name, Block>> = LazyLock::new(|| {
    let mut names = Vec::new();
    let mut add = |zone, number, version, places: &[Place]| {
        names.extend(places.iter().map(|&place| Name { zone, number, version, place }));
    };
    let cards = |way| [STUDENT, VICTIM].map(|serial| Place::Card(way, serial));
    for version in [1, 2] {
        for number in 0..=6 {
            add(EDUCATION, number, version, &[Place::Root]);
            add(EDUCATION, number, version, &cards(Way::City));
        }
        for zone in SECTORS {
            add(zone, 7, version, &[Place::Root, Place::District, Place::School]);
            Way::ALL.into_iter().for_each(|way| add(zone, 7, version, &cards(way)));
        }
    }
    let serials = [STUDENT, VICTIM, MANAGEMENT].map(|serial| Place::Card(Way::City, serial));
    add(K80, 0x80, 1, &[Place::Root]);
    add(K80, 0x80, 1, &serials);
    names.into_iter().map(|name| (name, name.value())).collect()
});

/// The kinds of key of the PSAM (18.2), and the type of the root of each.
pub(crate) const KINDS: [(u8, u8); 5] =
    [(0x02, 0x3E), (0x05, 0x36), (0x06, 0x32), (0x07, 0x30), (0x0E, 0x39)];

/// A root of the PSAM, odd parity set (16).
pub(crate) fn wallet_root(key_type: u8) -> Block {
    let name = Name { zone: 0x1001, number: key_type, version: 1, place: Place::Root };
    let master = 0x0011_2233_4455_6677_8899_AABB_CCDD_EEFF_u128.to_be_bytes();
    let [z1, z2, number, version, _] = name.id();
    let text = [&b"XUEJIKA TEST ROOT"[..], &[z1, z2, number, version, 0x81]].concat();
    Aes::new(&master)
        .cmac(&text)
        .map(|byte| byte & 0xFE | u8::from((byte >> 1).count_ones() % 2 == 0))
}

/// What the management card of this world holds, without its CRC.
#[derive(Clone, Copy)]
pub(crate) struct Record(pub(crate) [u8; 46]);

impl Record {
    pub(crate) const ROLE: usize = 0;
    pub(crate) const PERMITTED: usize = 9;
    pub(crate) const FLOOR: usize = 11;
    pub(crate) const SECRET: usize = 19;

    /// Whether the SAM may use this key.
    fn grants(&self, number: u8, version: u8) -> bool {
        let permitted = u16::from_be_bytes([self.0[Self::PERMITTED], self.0[Self::PERMITTED + 1]]);
        permitted >> number & 1 == 1 && version >= self.0[Self::FLOOR + usize::from(number)]
    }

    pub(crate) fn secret(&self) -> Block {
        self.0[Self::SECRET..Self::SECRET + 16].try_into().unwrap()
    }
}

/// What the attacker has from the start.
pub(crate) struct Knowledge {
    names: HashSet<Name>,
    pub(crate) k_sam: bool,
    secret: bool,
    /// Roots of the PSAM, by kind.
    pub(crate) wallet: Vec<u8>,
}

impl Knowledge {
    /// A subset of all keys and secrets, small or large; never all.
    pub(crate) fn some(rng: &mut Rng) -> Self {
        // Sorted, so that a seed gives the same subset every time.
        let mut all: Vec<_> = KEYS.keys().copied().collect();
        all.sort_by_key(|name| (name.id(), format!("{:?}", name.place)));
        let share = rng.pick(&[0, 2, 5, 10, 20, 50]);
        let mut chosen = |share| rng.below(100) < share;
        let names = all.into_iter().filter(|name| {
            // Roots give everything below them away; they are rarer.
            chosen(if name.place == Place::Root { share / 3 } else { share })
        });
        let names = names.collect();
        let wallet = KINDS.map(|(kind, _)| kind).into_iter().filter(|_| chosen(share)).collect();
        Self { names, k_sam: chosen(share), secret: chosen(share), wallet }
    }

    /// Whether he can compute this key.
    pub(crate) fn has(&self, name: Name) -> bool {
        self.names.contains(&name) || name.parent().is_some_and(|parent| self.has(parent))
    }

    /// Whether he has, or may read from the management card, its secret.
    pub(crate) fn has_secret(&self) -> bool {
        self.secret || self.has(Name::card(K80, 0x80, 1, MANAGEMENT))
    }

    /// Keys of cards that he has, by name: those he can play a card with.
    pub(crate) fn cards(&self) -> Vec<Name> {
        let mut cards: Vec<_> = KEYS.keys().copied().filter(|name| self.has(*name)).collect();
        cards.retain(|name| matches!(name.place, Place::Card(..)));
        cards.sort_by_key(|name| (name.id(), format!("{:?}", name.place)));
        cards
    }

    /// Whether he has a key, or an unlocked SAM may give it to him: all keys of a card to one who has
    /// K0 of it, keys of its sectors to one who has K6 of it. That is what K0 and K6 are for. An
    /// application unit's SAM has neither.
    fn may_have(&self, name: Name, grant: &Record, application: bool) -> bool {
        let Place::Card(_, serial) = name.place else { return self.has(name) };
        if application {
            return self.has(name);
        }
        let under = |number: u8, loads: &dyn Fn(Name) -> bool| {
            grant.grants(name.number, name.version)
                && [1, 2].into_iter().any(|version| {
                    let key = Name::card(EDUCATION, number, version, serial);
                    grant.grants(number, version) && loads(key)
                })
        };
        self.has(name)
            || name.zone == EDUCATION && under(0, &|key| self.has(key))
            || SECTORS.contains(&name.zone)
                && under(6, &|key| self.may_have(key, grant, application))
    }

    /// Every secret that nothing he gets may contain.
    pub(crate) fn forbidden(&self, grant: &Record, application: bool) -> Vec<(String, Block)> {
        let mut secrets: Vec<(String, Block)> = KEYS
            .iter()
            .filter(|(name, _)| !self.may_have(**name, grant, application))
            .map(|(name, value)| (format!("{name:?}"), *value))
            .collect();
        let mut add = |known: bool, what: &str, value| {
            if !known {
                secrets.push((what.to_owned(), value));
            }
        };
        let context = [&grant.0[..], &SAM, &MANAGEMENT].concat();
        let kek = kdf(&K_SAM, 0x13, &context);
        let opens = self.k_sam && self.has_secret();
        add(self.k_sam, "K.SAM", K_SAM);
        add(self.has_secret(), "the secret of the management card", grant.secret());
        add(opens, "the key of the key file", kek);
        add(opens, "a key of the envelope", kdf(&kek, 0x11, &[]));
        add(opens, "a key of the envelope", kdf(&kek, 0x12, &[]));
        for (kind, key_type) in KINDS {
            let root = wallet_root(key_type);
            let known = self.wallet.contains(&kind);
            add(known, &format!("root {kind:02X} of the PSAM"), root);
            add(known, &format!("card key {kind:02X}"), wallet_key(&root, WALLET));
        }
        secrets
    }
}
