//! What a terminal sets out to do: short plans that make sense on the card as it is, and some that
//! do not.

use super::card::RefCard;
use super::command::Command;
use super::files::{self, ACT, BLANK, FLT, FRZ, IN, INIT, OUT, PZG, RCL, SECTOR, ZONE};
use super::keys;
use super::record::{Unit, seal};
use super::session::{TWISTS, Twist};
use super::terminal::{Proof, Step, Terminal};

/// Steps in their order.
pub(crate) type Plan = Vec<Step>;

/// The school of the pupil, another one, and offices.
const OWN: Unit = [0x08, 0x40, 0x12];
const OTHER: Unit = [0x08, 0x40, 0x13];
const DISTRICT: Unit = [0x08, 0x00, 0x00];
const CITY: Unit = [0; 3];

/// When things happen: in the first term of a test card.
const DAY: [u8; 4] = [0x20, 0x26, 0x09, 0x04];
/// The term after, the ends of a test card's life, and the days beyond them.
const DAYS: [[u8; 4]; 5] = [
    [0x20, 0x27, 0x02, 0x20],
    [0x20, 0x26, 0x07, 0x01],
    [0x20, 0x26, 0x06, 0x30],
    [0x20, 0x38, 0x08, 0x31],
    [0x20, 0x38, 0x09, 0x01],
];

const UNITS: [Unit; 6] = [OWN, OWN, OTHER, DISTRICT, CITY, [0x05, 0x00, 0x00]];

fn sam(unit: Unit) -> [u8; 8] {
    [0, 0, unit[0], unit[1], unit[2], 0x00, 0x00, 0x42]
}

pub(super) fn send(header: [u8; 4], data: &[u8], ne: u32) -> Step {
    Step::Send(Command::new(header, data, ne))
}

fn secure(header: [u8; 4], data: &[u8], ne: u32) -> Step {
    Step::Secure(Command::new(header, data, ne), Twist::None)
}

pub(super) fn select(df: u16) -> Step {
    send([0x00, 0xA4, 0x00, 0x00], &df.to_be_bytes(), 256)
}

/// A pupil's number at this school.
fn number(unit: Unit) -> [u8; 8] {
    [0x01, unit[0], unit[1], unit[2], 0x20, 0x90, 0x31, 0x75]
}

/// Identity and enrolment of a pupil at this school.
fn pupil(unit: Unit, document: bool) -> [Vec<u8>; 2] {
    let padded = |text: &[u8], length| {
        let mut text = text.to_vec();
        text.resize(length, 0);
        text
    };
    let head = [&number(unit)[..], &[0, 2, 0x19, 0x90, 0x12, 0x31]].concat();
    let name = padded(b"\xCD\xF5\xD0\xA1\xC3\xF7", 30);
    let id = match document {
        true => [&b"G11010519901231002X1"[..], &[0; 10]].concat(),
        false => vec![0; 30],
    };
    let identity = [seal(&head), seal(&name), seal(&[0; 46]), seal(&id)].concat();
    let school = padded(b"\xB1\xB1\xBE\xA9\xCA\xD0\xB5\xDA\xD2\xBB\xD6\xD0\xD1\xA7", 62);
    let place = [&[0; 5][..], &unit, &[3, 2, 10, 0x03, 0x09, 0x03]].concat();
    let dates = [0x20, 0x06, 0x09, 0x01, 0x20, 0x09, 0x08, 0x31, 1, 0x21, 0, 0, 0, 0];
    [identity, [seal(&school), seal(&place), seal(&dates)].concat()]
}

/// Gives a pupil this number, and all that follows from it.
fn adopt([identity, enrolment]: &mut [Vec<u8>; 2], number: &[u8]) {
    identity[..8].copy_from_slice(number);
    let group = seal(&identity[..14]);
    identity[..16].copy_from_slice(&group);
    let stage = super::record::number_stage(number);
    let grade = [6, 9, 10][usize::from(stage) - 1];
    enrolment[72..75].copy_from_slice(&[stage, number[4] >> 4, grade]);
    let group = seal(&enrolment[64..78]);
    enrolment[64..80].copy_from_slice(&group);
}

/// Select, choose, challenge, prove.
fn authenticate(card: &RefCard, df: u16, key: u8, unit: Unit, proof: Proof) -> Plan {
    let version = card.slots.get(&(df, key)).map_or(1, |slots| slots.active.0);
    let challenge = send([0x00, 0x84, 0x00, 0x00], &[], 16);
    vec![select(df), Step::Choose(key, version), challenge, Step::Authenticate(sam(unit), proof)]
}

/// A whole event, from SELECT on.
fn event(card: &RefCard, code: u8, key: u8, unit: Unit, body: &[u8]) -> Plan {
    let data = [&DAY[..], &[0x09, 0x30, 0x00, 0, 0, 0, 9, 0], body].concat();
    let mut plan = authenticate(card, ZONE, key, unit, Proof::Right);
    plan.push(secure([0x80, 0xF0, code, 0], &data, 4));
    plan
}

/// From stock into the hands of a pupil.
pub(crate) fn personalise(card: &RefCard, begin: u8) -> Plan {
    let mut plan = event(card, begin, 2, OWN, &[]);
    plan.extend(write_pupil(OWN, false));
    plan.push(secure([0x80, 0xF0, 3, 0], &[0x20, 0x26, 9, 4, 9, 0x30, 0, 0, 0, 0, 9, 0, 1], 4));
    plan
}

fn write_pupil(unit: Unit, document: bool) -> Plan {
    let [identity, enrolment] = pupil(unit, document);
    vec![secure([0x00, 0xD6, 0x87, 0], &identity, 0), secure([0x00, 0xD6, 0x88, 0], &enrolment, 0)]
}

/// Opens the first sector to its own school.
pub(crate) fn open_sector(card: &RefCard) -> Plan {
    event(card, 0x0A, 6, OWN, &opening(card.algorithm, 1, OWN))
}

fn opening(algorithm: u8, n: u8, owner: Unit) -> Vec<u8> {
    let key = [0x5A ^ n; 16];
    let head = [&[n, 0x12, 0x34][..], &owner, &[0x20, 0x07, 0x00, 0x01, 1, algorithm, 1]].concat();
    [&head[..], &key, &keys::kcv(algorithm, key)].concat()
}

impl Terminal {
    /// What is done next.
    pub(crate) fn plan(&mut self, card: &RefCard) -> Plan {
        match self.rng.below(20) {
            0..=8 if !card.card_blocked => self.wallet(card),
            9..=16 => self.zone(card),
            _ => self.files(card),
        }
    }

    fn unit(&mut self) -> Unit {
        self.rng.pick(&UNITS)
    }

    /// Files in the clear, chains, names.
    fn files(&mut self, card: &RefCard) -> Plan {
        let df = self.rng.pick(&files::DFS);
        let mut plan = Vec::new();
        match self.rng.below(5) {
            0 => {
                let mut name = self.rng.pick(&[0, 1, 2, 10]);
                name = name.min(files::DFS.len() - 1);
                let names = files::names(files::DFS[name]);
                let mut name = names[self.rng.below(names.len())].clone();
                if self.rng.one_in(3) {
                    name.truncate(1 + self.rng.below(name.len()));
                }
                let (p2, ne) = (self.rng.pick(&[0, 0, 0x0C, 4]), self.rng.pick(&[0, 256, 10]));
                plan.push(send([0x00, 0xA4, 0x04, p2], &name, ne));
                plan.push(send([0x00, 0xC0, 0, self.rng.pick(&[0, 0, 0, 1])], &[], 16));
                plan.push(send([0x00, 0xC0, 0, 0], &[], 256));
            }
            1 => {
                // A chain that selects.
                let (a, b) = df.to_be_bytes().into();
                plan.push(send([0x10, 0xA4, 0, 0], &[a], 0));
                plan.push(send([0x00, 0xA4, self.rng.pick(&[0, 0, 0, 4]), 0], &[b], 256));
            }
            2 => {
                let long = vec![7; 900];
                plan.push(send([0x10, 0xD6, 0x87, 0], &long, 0));
                let rest = self.rng.pick(&[100, 124, 125, 300]);
                plan.push(send([0x00, 0xD6, 0x87, 0], &long[..rest], 0));
            }
            _ => plan.push(select(df)),
        }
        for _ in 0..4 {
            let command = self.access(card, df);
            plan.push(Step::Send(command));
        }
        plan
    }

    /// A command that reads or writes some file of a DF.
    fn access(&mut self, _: &RefCard, df: u16) -> Command {
        let known = files::files(df);
        let file = known[self.rng.below(known.len())];
        let offset = self.rng.pick(&[0, 0, 0, 0, 1, 16, 31, 47, 48, 54, 127, 240, 255]);
        let ne = self.rng.pick(&[0, 256, 256, 256, 1, 16, 23, 32, 48, 128, 65_536]);
        let by = self.rng.below(12);
        match by {
            0 => Command::new([0x00, 0xA4, 0, 0], &file.fid.to_be_bytes(), ne),
            1 => Command::new([0x00, 0xB0, self.rng.pick(&[0, 0, 1]), offset], &[], ne),
            2 => Command::new([0x00, 0xB2, 1, 4], &[], ne),
            3 => {
                let data = self.rng.bytes::<9>();
                let end = self.rng.below(10);
                Command::new([0x00, 0xD6, 0x80 | file.sfi, offset], &data[..end], 0)
            }
            4 => Command::new([0x00, 0xB0, 0x80 | self.rng.pick(&[0, 3, 0x1F, 0x45]), 0], &[], ne),
            5..=7 => {
                let number = self.rng.pick(&[0, 1, 1, 2, 3, 8, 9, 15, 24, 25]);
                Command::new([0x00, 0xB2, number, file.sfi << 3 | 4], &[], ne)
            }
            _ => Command::new([0x00, 0xB0, 0x80 | file.sfi, offset], &[], ne),
        }
    }

    /// The education zone and the sectors.
    fn zone(&mut self, card: &RefCard) -> Plan {
        match self.rng.below(12) {
            0..=5 => self.life(card),
            6 | 7 => self.sector(card),
            8 => self.put_key(card),
            9 => self.issuance(card),
            10 => self.wrong_choice(card),
            _ => self.session(card, ZONE),
        }
    }

    /// A session in which files are read, rightly and wrongly.
    fn session(&mut self, card: &RefCard, df: u16) -> Plan {
        let numbers = files::keys(df);
        let key = if numbers.is_empty() { 1 } else { self.rng.pick(numbers) };
        let (unit, proof) = (self.unit(), self.proof());
        let mut plan = authenticate(card, df, key, unit, proof);
        if proof != Proof::Right {
            // A second try with the same choice, and the same challenge.
            plan.push(send([0x00, 0x84, 0x00, 0x00], &[], 16));
        }
        for _ in 0..self.rng.below(6) {
            let command = self.access(card, df);
            let twisted = self.rng.one_in(4);
            let twist = if twisted { self.rng.pick(&TWISTS) } else { Twist::None };
            plan.push(Step::Secure(command, twist));
            if self.rng.one_in(12) {
                plan.push(Step::Again);
            }
        }
        plan
    }

    /// Keys that are not there, in versions that are not there.
    fn wrong_choice(&mut self, card: &RefCard) -> Plan {
        let (key, version) = (self.rng.pick(&[0, 1, 5, 6, 7, 9]), self.rng.pick(&[0, 1, 2, 0xFF]));
        let data = [0x80, 1, 3 - card.algorithm, 0x83, 2, 1, 1];
        vec![
            select(ZONE),
            Step::Choose(1, 1),
            match self.rng.below(3) {
                0 => select(self.rng.pick(&[SECTOR + 1, ZONE])),
                1 => Step::Choose(key, version),
                _ => send([0x00, 0x22, 0xC1, 0xA4], &data, 0),
            },
            send([0x00, 0x84, 0x00, 0x00], &[], 16),
            Step::Authenticate(sam(OWN), Proof::Right),
        ]
    }

    /// An event that may happen, or any.
    fn life(&mut self, card: &RefCard) -> Plan {
        let state = card.status().map_or(BLANK, |status| status.state);
        let likely: &[u8] = match state {
            BLANK => &[1],
            INIT => &[2, 2, 4, 0x0F],
            PZG => &[3, 3, 3, 3, 2, 0x12, 0x0F, 0x11],
            ACT => &[5, 6, 7, 0x0A, 0x0B, 0x0C, 2, 0x0F, 5, 0x12],
            OUT => &[0x0D, 0x0E, 6, 0x0B, 0x0F],
            IN => &[2, 6, 0x0F],
            FRZ => &[7, 7, 6, 0x0F, 0x12, 0x0B, 0x11],
            RCL => &[0x10, 0x10, 0x0F],
            FLT => &[0x10, 0x10, 0x10, 8, 9, 0x11],
            _ => &[8, 9, 0x11, 0x0F],
        };
        let code = match self.rng.below(8) {
            0 => 1 + u8::try_from(self.rng.below(18)).unwrap_or_default(),
            _ => self.rng.pick(likely),
        };
        let right = [0, 2, 2, 2, 3, 5, 5, 5, 5, 6, 6, 4, 4, 4, 5, 5, 5, 5][usize::from(code) - 1];
        let key = if self.rng.one_in(10) { self.rng.pick(&[0, 1, 2, 5]) } else { right };
        let unit = match (self.rng.below(6), code) {
            (0, _) => self.unit(),
            (_, 0x01) => CITY,
            (_, 0x10) => self.rng.pick(&[DISTRICT, CITY]),
            (_, 0x0D) => OTHER,
            _ => card.at_home().unwrap_or(OWN),
        };
        let body = self.body(card, code);
        let mut plan = event(card, code, key, unit, &body);
        if self.rng.one_in(8)
            && let Some(Step::Secure(command, _)) = plan.last_mut()
        {
            command.data[..4].copy_from_slice(&self.rng.pick(&DAYS));
        }
        if code == 3 || (code == 2 && self.rng.one_in(2)) {
            let last = plan.pop();
            let mut write = self.writing(card, unit);
            if code == 2 {
                write.push(secure([0x00, 0xB0, 0x87, 0], &[], 256));
            }
            if code == 3 {
                plan.extend(write);
                plan.extend(last);
            } else {
                plan.extend(last);
                plan.extend(write);
            }
        }
        plan
    }

    /// Writes a pupil's data, with a mistake now and then.
    fn writing(&mut self, card: &RefCard, unit: Unit) -> Plan {
        let school = if super::record::is_school(unit) { unit } else { OWN };
        let mut pupil = pupil(school, self.rng.one_in(3));
        let newest = card.records(ZONE, 0x0B).first().filter(|record| record[0] == 3);
        match newest {
            Some(taken_in) => adopt(&mut pupil, &taken_in[16..24]),
            None if self.rng.one_in(3) => {
                let mut junior = number(school);
                junior[4] = 0x10;
                adopt(&mut pupil, &junior);
            }
            None => {}
        }
        let [mut identity, mut enrolment] = pupil;
        if self.rng.one_in(12) {
            // Not born yet on most days.
            identity[10..14].copy_from_slice(&DAYS[0]);
            let group = seal(&identity[..14]);
            identity[..16].copy_from_slice(&group);
            enrolment[80..88].copy_from_slice(&[DAYS[0], DAYS[3]].concat());
            let group = seal(&enrolment[80..94]);
            enrolment[80..96].copy_from_slice(&group);
        }
        if self.rng.one_in(6) {
            let at = self.rng.pick(&[0, 4, 5, 7, 8, 9, 11]);
            identity[at] ^= 1 << self.rng.below(8);
            let sealed = seal(&identity[..14]);
            identity[..16].copy_from_slice(&sealed);
        }
        if self.rng.one_in(6) {
            identity[16..20].copy_from_slice(&self.code());
            let sealed = seal(&identity[16..46]);
            identity[16..48].copy_from_slice(&sealed);
        }
        if self.rng.one_in(6) {
            let (start, end) = self.rng.pick(&[(64, 78), (80, 94)]);
            let at = start + self.rng.below(end - start);
            enrolment[at] ^= 1 << self.rng.below(8);
            let sealed = seal(&enrolment[start..end]);
            enrolment[start..end + 2].copy_from_slice(&sealed);
        }
        if self.rng.one_in(12) {
            identity[self.rng.below(128)] ^= 1;
        }
        vec![
            secure([0x00, 0xD6, 0x87, 0], &identity, 0),
            secure([0x00, 0xD6, 0x88, 0], &enrolment, 0),
        ]
    }

    /// A code of GB 18030, or two: from the two-byte area, the basic plane or those above.
    fn code(&mut self) -> [u8; 4] {
        let mut at = |first: u8, count| first + u8::try_from(self.rng.below(count)).unwrap();
        match at(0, 4) {
            0 => [at(0x81, 126), at(0x40, 191), 0xCD, 0xF5],
            1 => [at(0xA6, 4), at(0xA1, 94), 0xFE, at(0x50, 81)],
            2 => [at(0x81, 4), at(0x30, 10), at(0x81, 126), at(0x30, 10)],
            _ => [at(0x90, 84), at(0x30, 10), at(0x81, 126), at(0x30, 10)],
        }
    }

    fn body(&mut self, card: &RefCard, code: u8) -> Vec<u8> {
        let mut body = match code {
            3 => vec![self.rng.pick(&[0, 1])],
            5 => vec![0x20, self.rng.pick(&[0x25, 0x26, 0x26]), self.rng.pick(&[1, 2])],
            0x0A => {
                let n = self.rng.pick(&[1, 1, 2, 8]);
                let owner = self.rng.pick(&[OWN, DISTRICT, CITY, OTHER]);
                let mut body = opening(card.algorithm, n, owner);
                if self.rng.one_in(8) {
                    body[31] ^= 1;
                }
                body
            }
            0x0B => vec![self.rng.pick(&[1, 1, 2, 8])],
            0x0C => {
                let to = self.rng.pick(&[OTHER, OTHER, CITY, DISTRICT]);
                [&[self.rng.pick(&[1, 2])][..], &to].concat()
            }
            0x0D => {
                let mut number = number(self.rng.pick(&[OTHER, OTHER, OTHER, OWN]));
                // Type 4 schools have two stages; the cards' pupils are in the second.
                number[4] = self.rng.pick(&[0x20, 0x20, 0x60, 0x10, 0x80]);
                number.to_vec()
            }
            _ => Vec::new(),
        };
        if self.rng.one_in(30) {
            body.push(0);
        }
        body
    }

    /// An extension sector and its application.
    fn sector(&mut self, card: &RefCard) -> Plan {
        let df = SECTOR + self.rng.pick(&[1, 1, 2, 8]);
        let key = self.rng.pick(&[7, 7, 7, 6]);
        let unit = self.unit();
        let mut plan = authenticate(card, df, key, unit, Proof::Right);
        let data = self.rng.bytes::<20>();
        plan.push(secure([0x00, 0xD6, 0x81, self.rng.pick(&[0, 16, 220, 221])], &data, 0));
        plan.push(secure([0x00, 0xB0, 0x81, 0], &[], self.rng.pick(&[256, 16])));
        plan
    }

    fn put_key(&mut self, card: &RefCard) -> Plan {
        let by = self.rng.pick(&[0, 0, 0, 0, 1, 5]);
        let unit = self.rng.pick(&[CITY, CITY, CITY, CITY, DISTRICT, OWN]);
        let mut plan = authenticate(card, ZONE, by, unit, Proof::Right);
        let number = self.rng.pick(&[0, 1, 2, 5, 6, 9]);
        let slots = card.slots.get(&(ZONE, number));
        let newest = slots.map_or(1, |it| it.active.0);
        let version = newest.saturating_add(self.rng.pick(&[1, 1, 1, 2, 0]));
        let (algorithm, key) = (card.algorithm, self.rng.bytes());
        let mut data = [&[algorithm, 1][..], &key, &keys::kcv(algorithm, key)].concat();
        if self.rng.one_in(6) {
            data[20] ^= 1;
        }
        plan.push(secure([0x80, 0xD8, number, version], &data, self.rng.pick(&[3, 256])));
        let retire = secure([0x80, 0xD8, number, 0xFF], &[], 0);
        let challenge = || send([0x00, 0x84, 0x00, 0x00], &[], 16);
        match self.rng.below(3) {
            0 => plan.push(retire),
            _ => {
                for version in [version, newest] {
                    plan.extend([Step::Choose(number, version), challenge()]);
                    plan.push(Step::Authenticate(sam(CITY), Proof::Right));
                    if number == 0 {
                        plan.push(retire.clone());
                    }
                }
            }
        }
        plan
    }

    /// The issuance record, of this card or another.
    fn issuance(&mut self, card: &RefCard) -> Plan {
        let mut record = files::issuance(card.serial, card.algorithm);
        match self.rng.below(4) {
            0 => record[..8].copy_from_slice(&[0x11, 0x00, 0x07, 0x01, 0, 0, 0, 0x25]),
            1 => record[10] = 7 - record[10],
            2 => record[24] ^= 0x10,
            _ => record[28] = self.rng.pick(&[254, 255]),
        }
        let groups = [seal(&record[..14]), seal(&record[16..30]), record[32..].to_vec()].concat();
        let unit = self.rng.pick(&[CITY, CITY, CITY, CITY, DISTRICT]);
        let mut plan = authenticate(card, ZONE, 0, unit, Proof::Right);
        plan.push(secure([0x00, 0xD6, 0x85, 0], &groups, 0));
        plan
    }
}

impl RefCard {
    /// The school that has the pupil.
    fn at_home(&self) -> Option<Unit> {
        self.owner(&self.status()?)
    }
}
