//! What the attacker does: the steps of honest readers and cards, in any order, and anything else.

use super::crypto::kdf;
use super::keys::{
    DISTRICT, EDUCATION, K80, KEYS, KINDS, MANAGEMENT, Name, Place, Record, SECTORS, STUDENT, UNIT,
    WALLET, Way,
};
use super::rng::Rng;
use super::world::{SERIALS, To, World};

const SELECT_SAM: &[u8] = b"\x00\xA4\x04\x0C\x07\xF0BJESM\x01";
const SELECT_PSAM: &[u8] = &[0x00, 0xA4, 0x00, 0x0C, 0x02, 0x3F, 0x01];
const READ_ALL: &[u8] = &[0x00, 0xB0, 0x81, 0x00, 0x00];
const TODAY: [u8; 4] = [0x20, 0x26, 0x09, 0x10];

/// The attacker's own notes.
pub(crate) struct Attacker<'a> {
    pub(crate) world: World,
    pub(crate) rng: &'a mut Rng,
    /// The last protected command, and whom the session it is for is with.
    wrapped: Vec<u8>,
    peer: To,
    /// The last answer of a genuine card, with its status word.
    answered: Vec<u8>,
    /// What the last protected reading gives, as he guesses or knows.
    guess: Vec<u8>,
    /// Random, sequence number and terminal sequence number of the last purchase.
    purchase: [u8; 8],
}

impl<'a> Attacker<'a> {
    pub(crate) fn new(seed: u64, rng: &'a mut Rng) -> Self {
        let mut world = World::new(seed, rng);
        world.send(To::Sam, SELECT_SAM);
        world.send(To::Psam, SELECT_PSAM);
        let (wrapped, answered, guess) = (Vec::new(), Vec::new(), Vec::new());
        Self { world, rng, wrapped, peer: To::Management, answered, guess, purchase: [0; 8] }
    }

    /// One step.
    pub(crate) fn step(&mut self) {
        match self.rng.below(40) {
            0..=2 => self.unlock(),
            3..=5 => self.relay(To::Management, Name::card(K80, 0x80, 1, MANAGEMENT)),
            6..=8 => self.relay_student(),
            9..=14 => self.play(),
            15..=19 => self.wrap(),
            20..=22 => self.wrap_key(),
            23 => self.wrap_opening(),
            24..=26 => self.deliver(),
            27..=28 => self.unwrap(),
            29..=30 => self.forge_unlock(),
            31 => self.small(),
            32..=33 => self.replay(),
            34 => self.guess(),
            _ => self.psam(),
        }
    }

    /// Has something read that he can guess, and has the guess enciphered, too.
    fn guess(&mut self) {
        let (guess, read) = match self.peer {
            To::Student => (STUDENT.to_vec(), vec![0x00, 0xB0, 0x85, 0x00, 0x08]),
            _ => (self.world.grant.0.to_vec(), READ_ALL.to_vec()),
        };
        let Some(wrapped) = self.ask(0x36, 0, &read, Some(0)) else { return };
        self.wrapped = wrapped;
        self.deliver();
        let update = command([0x00, 0xD6, 0x87, 0x00], &guess, None);
        let _ = self.ask(0x36, 0, &update, Some(0));
        self.guess = guess;
    }

    /// Sends, now and then with something changed.
    fn send(&mut self, to: To, command: &[u8]) -> Option<Vec<u8>> {
        let mut command = command.to_vec();
        if self.rng.one_in(40) {
            let at = self.rng.below(command.len());
            match self.rng.below(3) {
                0 => command[at] ^= 1 << self.rng.below(8),
                1 => command.truncate(at.max(1)),
                _ => command[at] = self.rng.bytes::<1>()[0],
            }
            // What comes in pieces is for another test; the notes here are of whole commands.
            command[0] &= !0x10;
        }
        let (data, status) = self.world.send(to, &command);
        (status == 0x9000).then_some(data)
    }

    /// To the SAM: instruction, data, Le.
    fn ask(&mut self, ins: u8, p1: u8, data: &[u8], le: Option<u8>) -> Option<Vec<u8>> {
        let command = command([0x80, ins, p1, 0], data, le);
        self.send(To::Sam, &command)
    }

    /// A session between the SAM and a genuine card, the attacker between them.
    fn relay(&mut self, to: To, key: Name) {
        self.peer = to;
        self.guess.clear();
        let _ = self.try_relay(to, key);
    }

    fn try_relay(&mut self, to: To, key: Name) -> Option<()> {
        let fid = key.zone.to_be_bytes();
        self.send(to, &command([0x00, 0xA4, 0x00, 0x0C], &fid, None))?;
        let choice = [0x80, 1, 1, 0x83, 2, key.number, key.version];
        self.send(to, &command([0x00, 0x22, 0xC1, 0xA4], &choice, None))?;
        let challenge = self.send(to, &[0x00, 0x84, 0x00, 0x00, 0x10])?;
        let proof = self.respond(key, &challenge)?;
        let token = self.send(to, &command([0x00, 0x82, 0x00, 0x00], &proof, Some(0x10)))?;
        self.ask(0x34, 0, &token, None).map(drop)
    }

    fn relay_student(&mut self) {
        let number = u8::try_from(self.rng.below(7)).unwrap();
        self.relay(To::Student, Name::card(EDUCATION, number, 1, STUDENT));
    }

    fn respond(&mut self, key: Name, challenge: &[u8]) -> Option<Vec<u8>> {
        let Place::Card(way, serial) = key.place else { return None };
        let data = [&key.id()[..], &serial, challenge, &way.bytes()].concat();
        self.ask(0x32, 0, &data, Some(0x28))
    }

    /// A card that is none: under a key that he has, or under another one in vain.
    fn play(&mut self) {
        let own = self.world.knowledge.cards();
        let any = self.any_card_key();
        let key = if own.is_empty() || self.rng.one_in(8) { any } else { self.rng.pick(&own) };
        let challenge: [u8; 16] = self.rng.bytes();
        let _ = self.respond(key, &challenge);
        let token = match self.world.sessions.last() {
            // What he has the key for, he computes.
            Some(session) if session.known => session.token.to_vec(),
            _ => self.any_answer(),
        };
        let _ = self.ask(0x34, 0, &token, None);
    }

    fn any_card_key(&mut self) -> Name {
        let way = self.rng.pick(&Way::ALL);
        let place = Place::Card(way, self.rng.pick(&SERIALS));
        let (zone, number) = match self.rng.below(4) {
            0 => (K80, 0x80),
            1 => (self.rng.pick(&SECTORS), self.rng.pick(&[6, 7])),
            _ => (EDUCATION, u8::try_from(self.rng.below(8)).unwrap()),
        };
        Name { zone, number, version: self.rng.pick(&[1, 1, 2, 3]), place }
    }

    fn any_answer(&mut self) -> Vec<u8> {
        match self.world.answers.len() {
            0 => self.rng.bytes::<16>().to_vec(),
            count => self.world.answers[self.rng.below(count)].1.clone(),
        }
    }

    /// WRAP COMMAND: readings, writings of what he guesses to be read, and keys.
    fn wrap(&mut self) {
        let record = self.world.grant.0;
        let plain = match self.rng.below(9) {
            0..=2 => {
                self.guess = record.to_vec();
                READ_ALL.to_vec()
            }
            3..=5 => {
                let offset = self.rng.below(46);
                let length = 1 + self.rng.below(46 - offset);
                self.guess = record[offset..offset + length].to_vec();
                [0x00, 0xB0, 0x81, offset, length].map(|it| u8::try_from(it).unwrap()).to_vec()
            }
            6 => {
                let file = 0x85 + u8::try_from(self.rng.below(5)).unwrap();
                self.guess = STUDENT.to_vec();
                vec![0x00, 0xB0, file, 0x00, 0x08]
            }
            7 => {
                let data = if self.guess.is_empty() { vec![0x80] } else { self.guess.clone() };
                command([0x00, 0xD6, self.rng.pick(&[0x81, 0x87]), 0], &data, None)
            }
            _ => {
                let key = [&[1, 1][..], &self.rng.bytes::<19>()].concat();
                command(
                    [0x80, self.rng.pick(&[0xD8, 0xF0]), self.rng.pick(&[0, 1, 10]), 2],
                    &key,
                    Some(0),
                )
            }
        };
        if let Some(wrapped) = self.ask(0x36, 0, &plain, Some(0)) {
            self.wrapped = wrapped;
        }
    }

    fn wrap_key(&mut self) {
        let key = self.any_card_key();
        if let Some(wrapped) = self.ask(0x3A, 0, &key.id(), Some(0)) {
            self.wrapped = wrapped.get(3..).unwrap_or(&[]).to_vec();
        }
    }

    fn wrap_opening(&mut self) {
        let owner = self.rng.pick(&[[0; 3], [0x08, 0, 0], UNIT]);
        let sector = self.rng.pick(&[1, 2]);
        let stamp = [&TODAY[..], &[8, 0, 0, 0, 0, 0, 1, 0, sector, 0, 1], &owner, &[0, 0, 0, 1]];
        let version = self.rng.pick(&[1, 2]);
        if let Some(wrapped) = self.ask(0x3C, version, &stamp.concat(), Some(0)) {
            self.wrapped = wrapped;
        }
    }

    /// The last protected command goes to a genuine card.
    fn deliver(&mut self) {
        let wrapped = self.wrapped.clone();
        if wrapped.is_empty() {
            return;
        }
        let to = if self.rng.one_in(8) { self.rng.pick(&To::ALL) } else { self.peer };
        let (data, status) = self.world.send(to, &wrapped);
        self.answered = [&data[..], &status.to_be_bytes()].concat();
    }

    /// UNWRAP RESPONSE of the last answer, or of something else.
    fn unwrap(&mut self) {
        let answer = self.some_contents();
        let _ = self.ask(0x38, 0, &answer, Some(0));
    }

    fn some_contents(&mut self) -> Vec<u8> {
        if self.answered.is_empty() || self.rng.one_in(4) {
            let mut any = self.any_answer();
            any.truncate(200);
            any.extend([0x90, 0x00]);
            return any;
        }
        self.answered.clone()
    }

    /// The daily start of a reader.
    fn unlock(&mut self) {
        self.relay(To::Management, Name::card(K80, 0x80, 1, MANAGEMENT));
        let Some(wrapped) = self.ask(0x36, 0, READ_ALL, Some(0)) else { return };
        self.wrapped = wrapped;
        self.deliver();
        let data = [&TODAY[..], &self.answered].concat();
        let _ = self.ask(0x40, 0, &data, Some(0x12));
    }

    /// A management card that grants something else: played, as far as he has its key.
    fn forge_unlock(&mut self) {
        let mut answer = self.some_contents();
        let key = Name::card(K80, 0x80, 1, MANAGEMENT);
        if self.world.knowledge.has(key) {
            let challenge: [u8; 16] = self.rng.bytes();
            if self.respond(key, &challenge).is_none() {
                return;
            }
            let session = self.world.sessions.len() - 1;
            // On its way the command may have become one for another card.
            if !self.world.sessions[session].known {
                return;
            }
            let token = self.world.sessions[session].token;
            let _ = self.ask(0x34, 0, &token, None);
            let _ = self.ask(0x36, 0, READ_ALL, Some(0));
            let record = self.some_record();
            answer = self.world.contents_of(session, &record);
        }
        let data = [&TODAY[..], &answer].concat();
        let _ = self.ask(0x40, 0, &data, Some(0x12));
    }

    /// The record of the management card, or that with a field changed.
    fn some_record(&mut self) -> [u8; 46] {
        let mut record = self.world.grant.0;
        match self.rng.below(6) {
            0 => record[Record::PERMITTED + 1] = 0xFF,
            1 => record[Record::FLOOR..Record::SECRET].fill(self.rng.pick(&[0, 1])),
            2 => record[Record::ROLE] = self.rng.pick(&[1, 2, 3, 4]),
            3 => record[5..9].copy_from_slice(&[0x20, 0x99, 0x12, self.rng.pick(&[0x30, 0x31])]),
            4 => record[self.rng.below(46)] ^= 1 << self.rng.below(8),
            _ => {}
        }
        record
    }

    /// State, versions, end of the session, lock, date, selection, reset.
    fn small(&mut self) {
        let key = self.any_card_key();
        let [z1, z2, number, ..] = key.id();
        let _ = match self.rng.below(9) {
            0 => self.ask(0xCA, 0, &[], Some(0)),
            1..=3 => self.ask(0x30, 0, &[z1, z2, number, 1, 1, 2], Some(1)),
            4 => self.ask(0x3E, 0, &[], None),
            5 => self.ask(0x42, 0, &TODAY, None),
            6 => {
                let file = self.rng.pick(&[0x81, 0x82, 0x83]);
                self.send(To::Sam, &[0x00, 0xB0, file, 0, 0])
            }
            7 => self.ask(0x44, 0, &[], None),
            _ => {
                let to = self.rng.pick(&To::ALL);
                self.world.reset(to);
                self.world.send(To::Sam, SELECT_SAM);
                self.world.send(To::Psam, SELECT_PSAM);
                None
            }
        };
    }

    /// A command of before, to any card.
    fn replay(&mut self) {
        let at = self.rng.below(self.world.sent.len());
        let (to, command) = self.world.sent[at].clone();
        let to = if self.rng.one_in(4) { self.rng.pick(&To::ALL) } else { to };
        let _ = self.send(to, &command);
    }

    /// Purchases, working keys, and encryption of what keys are made from.
    fn psam(&mut self) {
        let factor = if self.rng.one_in(4) { self.rng.pick(&SERIALS) } else { WALLET };
        let (kind, _) = self.rng.pick(&KINDS);
        match self.rng.below(7) {
            0..=1 => {
                let random: [u8; 6] = self.rng.bytes();
                let rest = [0, 0, 0, 100, 0x06, 0x20, 0x26, 0x09, 0x10, 8, 0, 0, 1, 0];
                let data = [&random[..], &rest, &factor].concat();
                let command = command([0x80, 0x70, 0, 0], &data, Some(8));
                if let Some([_, _, high, low, ..]) = self.send(To::Psam, &command).as_deref() {
                    self.purchase[..6].copy_from_slice(&random);
                    self.purchase[6..].copy_from_slice(&[*high, *low]);
                }
            }
            2..=3 => {
                let levels = self.rng.pick(&[0x20, 0x20, 0x20, 0x00, 0x40]);
                let factors = [&factor[..], &WALLET][..usize::from(levels >> 5)].concat();
                let command = command([0x80, 0x1A, levels | kind, 1], &factors, None);
                let _ = self.send(To::Psam, &command);
            }
            4 => {
                let mac: [u8; 4] = self.rng.bytes();
                let _ = self.send(To::Psam, &command([0x80, 0x72, 0, 0], &mac, None));
            }
            _ => {
                let both = [factor, factor.map(|byte| !byte)].concat();
                let data = if self.rng.one_in(2) { both } else { self.purchase.to_vec() };
                let p1 = self.rng.pick(&[0, 0, 0, 2, 5, 7, 3, 1]);
                let _ = self.send(To::Psam, &command([0x80, 0xFA, p1, 0], &data, Some(0)));
            }
        }
    }
}

/// A command with short lengths.
fn command(header: [u8; 4], data: &[u8], le: Option<u8>) -> Vec<u8> {
    let mut command = header.to_vec();
    if !data.is_empty() {
        command.push(u8::try_from(data.len()).unwrap());
        command.extend(data);
    }
    command.extend(le);
    command
}

/// The key of the SAM's answers is what this module says it is: one exchange, step by step.
pub(crate) fn self_test() {
    let key = Name::card(EDUCATION, 1, 1, STUDENT);
    assert_eq!(KEYS[&key], key.value());
    assert_ne!(kdf(&key.value(), 1, &DISTRICT), kdf(&key.value(), 2, &DISTRICT));
}
