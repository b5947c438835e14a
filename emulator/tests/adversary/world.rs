//! The cards the attacker has before him, everything that came out of them, and what must not.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use xuejika_card_model::factory;
use xuejika_card_model::management::{self, Authorisation, SamSerial};
use xuejika_card_model::nvm::RamNvm;
use xuejika_card_model::record::{ExtensionIndex, ExtensionSet};
use xuejika_card_model::sam::SamStore;
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::auth::CardId;
use xuejika_keyscheme::legacy::TerminalId;
use xuejika_keyscheme::{Algorithm, KeyId, test_keys};

use super::crypto::{Aes, Block, crc, diversify, kdf, tdes, wallet_key};
use super::keys::{
    EDUCATION, K80, Knowledge, MANAGEMENT, Name, Place, Record, SAM, Serial, WALLET, Way,
    wallet_root,
};
use super::rng::Rng;

/// Data of an answer, and its status word.
pub(crate) type Answer = (Vec<u8>, u16);

/// Which card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    Sam,
    Management,
    Student,
    Psam,
}

impl To {
    pub(crate) const ALL: [Self; 4] = [Self::Sam, Self::Management, Self::Student, Self::Psam];
}

/// A session that the SAM has answered a challenge for.
pub(crate) struct Session {
    /// Zone and key number.
    pub(crate) key: (u16, u8),
    pub(crate) enc: Block,
    pub(crate) mac: Block,
    /// T.ICC.
    pub(crate) token: Block,
    /// Whether the attacker has its key.
    pub(crate) known: bool,
}

/// Memories of cards that are the same in every world.
static STUDENT_CARD: LazyLock<RamNvm> =
    LazyLock::new(|| test_card::student("1100070100000017").unwrap());
static PSAM_CARD: LazyLock<RamNvm> =
    LazyLock::new(|| test_card::psam(TerminalId([0, 0, 0, 0, 0, 1])).unwrap());

/// Cards, knowledge, and what has happened.
pub(crate) struct World {
    cards: [VirtualCard; 4],
    pub(crate) grant: Record,
    /// The sectors that the SAM has keys of, if it is an application unit's.
    lent: Option<ExtensionSet>,
    pub(crate) knowledge: Knowledge,
    /// Every command so far, to be replayed.
    pub(crate) sent: Vec<(To, Vec<u8>)>,
    /// Every answer with data.
    pub(crate) answers: Vec<(To, Vec<u8>)>,
    pub(crate) sessions: Vec<Session>,
    /// The session that the SAM has open, by number; and the one whose proof it waits for.
    pub(crate) open: Option<usize>,
    awaiting: Option<usize>,
    /// Proofs that genuine cards gave.
    proofs: HashSet<Vec<u8>>,
    /// Blocks of cryptograms: of which end of which session.
    blocks: HashMap<Vec<u8>, bool>,
    /// Answers of the management card, and those that were made with its very record.
    pub(crate) contents: HashSet<Vec<u8>>,
    /// Session keys of purchases that the attacker could not compute (8).
    purchases: Vec<Vec<u8>>,
    pub(crate) breach: Option<String>,
    pub(crate) unlocks: u64,
    pub(crate) successes: u64,
}

impl World {
    pub(crate) fn new(seed: u64, rng: &mut Rng) -> Self {
        let lent = ExtensionSet::of(ExtensionIndex::new(1)).filter(|_| rng.one_in(3));
        let (_, mut authorisation) = management::test_card_for(
            "084012".parse().unwrap(),
            lent,
            "2099-12-31".parse().unwrap(),
        );
        let serial = CardId(MANAGEMENT);
        restrict(&mut authorisation, rng);
        let number = SamSerial { unit: authorisation.unit, number: "000042".parse().unwrap() };
        let algorithm = Algorithm::Aes128;
        let store = SamStore::test_for(algorithm, number, lent, serial, &authorisation);
        let key = |id: &KeyId| test_keys::root(id).card(id, serial);
        let [_, uid @ ..] = serial.0;
        let written = factory::management(algorithm, serial, uid, &authorisation, key);
        let memories = [
            RamNvm::new(factory::sam(&store)),
            RamNvm::new(written),
            STUDENT_CARD.clone(),
            PSAM_CARD.clone(),
        ];
        let mut seed = seed.wrapping_mul(4);
        let cards = memories.map(|nvm| {
            seed = seed.wrapping_add(1);
            let mut card = VirtualCard::new(nvm, Env::from_seed(seed)).unwrap();
            card.power_on().unwrap();
            card
        });
        Self {
            cards,
            grant: Record(*authorisation.emit().first_chunk().unwrap()),
            lent,
            knowledge: Knowledge::some(rng),
            sent: Vec::new(),
            answers: Vec::new(),
            sessions: Vec::new(),
            open: None,
            awaiting: None,
            proofs: HashSet::new(),
            blocks: HashMap::new(),
            contents: HashSet::new(),
            purchases: Vec::new(),
            breach: None,
            unlocks: 0,
            successes: 0,
        }
    }

    pub(crate) fn reset(&mut self, to: To) {
        self.cards[to as usize].reset().unwrap();
        if to == To::Sam {
            (self.open, self.awaiting) = (None, None);
        }
    }

    /// Sends a command, and notes what came of it.
    pub(crate) fn send(&mut self, to: To, command: &[u8]) -> Answer {
        let mut answer = Vec::new();
        self.cards[to as usize].transmit(command, &mut answer).unwrap();
        let low = answer.pop().unwrap();
        let status = u16::from_be_bytes([answer.pop().unwrap(), low]);
        self.sent.push((to, command.to_vec()));
        if status == 0x9000 {
            self.successes += 1;
            self.note(to, command, &answer);
        }
        // What he guessed, and sent himself, is no news when it comes back.
        let secret = self.grant.secret();
        let guessed = command.windows(secret.len()).any(|part| part == secret);
        if !answer.is_empty() && !guessed {
            self.answers.push((to, answer.clone()));
        }
        (answer, status)
    }

    fn breached(&mut self, what: String) {
        self.breach.get_or_insert(what);
    }

    fn note(&mut self, to: To, command: &[u8], answer: &[u8]) {
        let [_, ins, ..] = *command else { return };
        let data = command.get(5..).unwrap_or(&[]);
        match (to, ins) {
            (To::Sam, 0x32) => self.note_response(data, answer),
            (To::Sam, 0x34) => self.note_open(),
            (To::Sam, 0x36 | 0x3A | 0x3C) => self.note_cryptogram(true, answer),
            (To::Sam, 0x3E | 0x44 | 0xA4) => (self.open, self.awaiting) = (None, None),
            (To::Sam, 0x40) => self.note_unlock(data),
            (To::Psam, 0x70) => self.note_purchase(data, answer),
            (To::Management | To::Student, 0x82) => drop(self.proofs.insert(answer.to_vec())),
            (To::Management | To::Student, _) => {
                self.note_cryptogram(false, answer);
                if to == To::Management {
                    self.contents.insert([answer, &[0x90, 0x00]].concat());
                }
            }
            _ => {}
        }
    }

    /// The keys of the session that an answered challenge would give.
    fn note_response(&mut self, data: &[u8], answer: &[u8]) {
        let id: [u8; 5] = data[..5].try_into().unwrap();
        let [z1, z2, number, version, _] = id;
        let zone = u16::from_be_bytes([z1, z2]);
        let serial: Serial = data[5..13].try_into().unwrap();
        let way = &data[29..data.len() - 1];
        let name = Name { zone, number, version, place: Place::Root };
        let steps = [(1, way.get(..2)), (2, way.get(2..5)), (3, Some(&serial[..]))];
        let steps = steps.into_iter().filter_map(|(level, step)| Some((level, step?)));
        let key = steps.fold(name.value(), |key, (level, step)| diversify(&key, id, level, step));
        let context = [&id[..], &serial, &answer[16..24], &data[13..29], &answer[..16]].concat();
        let [token, enc, mac] = [1, 4, 6].map(|constant| kdf(&key, constant, &context));
        // He has it if it is one of the keys he has, or lies below one.
        let known = self.knowledge.cards().into_iter().any(|name| name.value() == key)
            || self.knowledge.has(name);
        if !self.holds(zone, number, way) {
            self.breached(format!("an application unit's SAM has K{number} of {zone:04X}"));
        }
        self.sessions.push(Session { key: (zone, number), enc, mac, token, known });
        (self.awaiting, self.open) = (Some(self.sessions.len() - 1), None);
    }

    /// Whether the SAM has this key at all: that of an application unit has K1 and the keys of its own
    /// sectors, by the way of its own unit.
    fn holds(&self, zone: u16, number: u8, way: &[u8]) -> bool {
        let Some(lent) = self.lent else { return true };
        let mut sectors = lent.iter().map(|sector| sector.zone().0);
        match number {
            0x80 => zone == K80,
            1 => zone == EDUCATION,
            7 => sectors.any(|sector| sector == zone) && way == Way::School.bytes(),
            _ => false,
        }
    }

    fn note_open(&mut self) {
        self.open = self.awaiting.take();
        let session = &self.sessions[self.open.unwrap()];
        if !session.known && !self.proofs.contains(&session.token[..]) {
            self.breached("the SAM opened a session without a proof".to_owned());
        }
    }

    /// No block of one end is ever made by the other: that would tell what is in it. And of what the
    /// host chooses, nothing is enciphered under keys that protect a management card's secret.
    fn note_cryptogram(&mut self, of_sam: bool, message: &[u8]) {
        let management = self.open.is_some_and(|open| self.sessions[open].key.1 == 0x80);
        for blocks in cryptograms(message) {
            if of_sam && management {
                self.breached("the SAM enciphered something for a management card".to_owned());
            }
            for block in blocks.chunks(16) {
                if *self.blocks.entry(block.to_vec()).or_insert(of_sam) != of_sam {
                    self.breached("SAM and card have made the same block of cryptogram".to_owned());
                }
            }
        }
    }

    fn note_unlock(&mut self, data: &[u8]) {
        (self.open, self.awaiting) = (None, None);
        self.unlocks += 1;
        if !self.contents.contains(&data[4..data.len() - 1]) {
            self.breached("the SAM is unlocked by what is not on its management card".to_owned());
        }
    }

    fn note_purchase(&mut self, data: &[u8], answer: &[u8]) {
        let root = wallet_root(0x3E);
        let factors = data[20..].as_chunks().0;
        let key = factors.iter().fold(root, |key, factor| wallet_key(&key, *factor));
        let session = tdes(&key, &[&data[..6], &answer[2..4]].concat());
        if !self.knowledge.wallet.contains(&0x02) {
            self.purchases.push(session);
        }
    }

    /// The answer that holds this record, as the management card of this session would give it.
    pub(crate) fn contents_of(&mut self, session: usize, record: &[u8]) -> Vec<u8> {
        let Session { enc, mac, .. } = &self.sessions[session];
        let plain = [record, &crc(record)].concat();
        let cryptogram = Aes::new(enc).encipher(2, &super::crypto::pad(&plain));
        let length = u8::try_from(1 + cryptogram.len()).unwrap();
        let objects = [&[0x87, length, 1][..], &cryptogram, &[0x99, 2, 0x90, 0]].concat();
        let counted = [&2_u128.to_be_bytes()[..], &super::crypto::pad(&objects)].concat();
        let checksum = Aes::new(mac).cmac(&counted);
        let answer = [&objects[..], &[0x8E, 8], &checksum[..8], &[0x90, 0]].concat();
        if record == self.grant.0 {
            self.contents.insert(answer.clone());
        }
        answer
    }

    /// Looks for every secret in everything that came out, in the clear and under every session that
    /// the attacker can open.
    pub(crate) fn search(&mut self) {
        let mut secrets = self.knowledge.forbidden(&self.grant, self.lent.is_some());
        for session in self.sessions.iter().filter(|session| !session.known) {
            secrets.push((format!("a session key under {:02X?}", session.key), session.enc));
            secrets.push((format!("a MAC key under {:02X?}", session.key), session.mac));
        }
        let whole = secrets.iter().map(|(what, value)| (&value[..], what.as_str()));
        let purchase = "the session key of a purchase";
        let wanted: HashMap<&[u8], &str> =
            whole.chain(self.purchases.iter().map(|key| (&key[..], purchase))).collect();
        let mut first = [false; 256];
        wanted.keys().for_each(|secret| first[usize::from(secret[0])] = true);
        let find = |text: &[u8]| {
            let starts = (0..text.len()).filter(|&at| first[usize::from(text[at])]);
            let parts = starts.flat_map(|at| [8, 16].map(|length| text.get(at..at + length)));
            parts.flatten().find_map(|part| wanted.get(part).map(|what| (*what).to_owned()))
        };
        let known: Vec<_> = self.sessions.iter().filter(|session| session.known).collect();
        let known: Vec<_> = known.into_iter().map(|session| Aes::new(&session.enc)).collect();
        let found = self.answers.iter().find_map(|(_, answer)| {
            find(answer).or_else(|| {
                cryptograms(answer).into_iter().find_map(|blocks| {
                    let under = |key: &Aes| {
                        (1..=COUNTERS).find_map(|counter| find(&key.decipher(counter, blocks)))
                    };
                    known.iter().find_map(under)
                })
            })
        });
        if let Some(what) = found {
            self.breached(format!("told: {what}"));
        }
    }
}

/// Counters of a session under which the attacker tries what he got.
const COUNTERS: u128 = 8;

/// The management card of a world grants all, or less.
fn restrict(authorisation: &mut Authorisation, rng: &mut Rng) {
    if rng.one_in(2) {
        let bits = u16::from_be_bytes([0, rng.bytes::<1>()[0] | 0x41]);
        authorisation.permitted = xuejika_card_model::file::KeySet::from_bits(bits);
        authorisation.floor = rng.bytes::<8>().map(|byte| 1 + byte % 2);
    }
}

/// The enciphered blocks of every DO 87 in a message, wherever it stands.
fn cryptograms(message: &[u8]) -> Vec<&[u8]> {
    let value = |at: usize| {
        let rest = message.get(at..)?;
        let (length, rest) = match rest {
            [0x87, 0x81, length, rest @ ..] | [0x87, length, rest @ ..] => (*length, rest),
            _ => return None,
        };
        match rest.get(..usize::from(length))? {
            [1, blocks @ ..] if !blocks.is_empty() && blocks.len() % 16 == 0 => Some(blocks),
            _ => None,
        }
    };
    (0..message.len()).filter_map(value).collect()
}

/// Serials that a played card may have, and that of the SAM.
pub(crate) const SERIALS: [Serial; 5] =
    [super::keys::STUDENT, super::keys::VICTIM, MANAGEMENT, SAM, WALLET];
