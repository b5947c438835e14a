//! Both sides of the counter: what is sent, right, wrong, stale and replayed. Knows what the
//! reference card knows, so that it can be right when it wants to.

use std::collections::VecDeque;

use super::card::{Challenge, RefCard};
use super::command::Command;
use super::files::{self, WALLET, ZONE};
use super::keys::{self, Context};
use super::plans::Plan;
use super::purse::{LOAD, UNLOAD};
use super::rng::Rng;
use super::security::{EXTERNAL, LINE, PIN_UNBLOCK, closed};
use super::session::Twist;
use super::tdes::Tdes;

/// How right a proof is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    Right,
    /// Its first bit is wrong.
    First,
    /// Its last bit is wrong.
    Last,
    /// Made from the challenge before.
    Stale,
    /// What the card would say.
    Reflected,
}

/// Something to send; made into bytes when its turn comes.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Reset,
    Send(Command),
    Bytes(Vec<u8>),
    /// MANAGE SECURITY ENVIRONMENT.
    Choose(u8, u8),
    /// MUTUAL AUTHENTICATE of this SAM.
    Authenticate([u8; 8], Proof),
    /// In the session.
    Secure(Command, Twist),
    /// Under line protection; enciphered or not.
    Line(Command, bool, Proof),
    /// EXTERNAL AUTHENTICATE.
    External(Proof),
    /// The command that ends the purse transaction.
    Finish(Proof),
    /// What was sent just before.
    Again,
    /// What was sent some time before.
    Replay,
}

/// How commands are spoilt.
const SPOILS: usize = 24;

/// Whoever talks to the card.
pub(crate) struct Terminal {
    pub(crate) rng: Rng,
    queue: VecDeque<Step>,
    sent: Vec<Vec<u8>>,
    /// The last challenge that died.
    stale: Option<Challenge>,
    /// So many steps that are not spoilt.
    calm: usize,
}

impl Terminal {
    pub(crate) fn new(rng: Rng) -> Self {
        Self { rng, queue: VecDeque::new(), sent: Vec::new(), stale: None, calm: 0 }
    }

    /// Sends these first, as they are.
    pub(crate) fn begin(&mut self, steps: Plan) {
        self.calm = steps.len();
        self.queue.extend(steps);
    }

    /// The next command; `None` for a reset.
    pub(crate) fn next(&mut self, card: &RefCard) -> Option<Vec<u8>> {
        if self.queue.is_empty() {
            let plan = self.plan(card);
            self.queue.extend(plan);
        }
        let calm = self.calm > 0;
        self.calm = self.calm.saturating_sub(1);
        if !calm && self.rng.one_in(40) {
            let other = self.disturbance(card);
            self.queue.push_front(other);
        }
        let step = self.queue.pop_front().unwrap_or(Step::Reset);
        let mut bytes = self.bytes(card, step)?;
        if !calm && self.rng.one_in(SPOILS) {
            self.spoil(&mut bytes);
        }
        if let Some(challenge) = &card.v.challenge {
            self.stale = Some(challenge.clone());
        }
        self.sent.push(bytes.clone());
        Some(bytes)
    }

    /// How right the next proof is.
    pub(crate) fn proof(&mut self) -> Proof {
        match self.rng.below(14) {
            0 => Proof::First,
            1 => Proof::Last,
            2 => Proof::Stale,
            3 => Proof::Reflected,
            _ => Proof::Right,
        }
    }

    fn spoil(&mut self, bytes: &mut Vec<u8>) {
        let at = self.rng.below(bytes.len());
        match self.rng.below(7) {
            0 => bytes.truncate(at),
            1 => bytes.push(self.rng.next().to_le_bytes()[0]),
            2 => {
                let [byte] = self.rng.bytes();
                if let Some(first) = bytes.first_mut() {
                    *first = byte;
                }
            }
            3 if bytes.len() > 3 => bytes[2 + self.rng.below(2)] ^= 1 << self.rng.below(8),
            4 if !bytes.is_empty() => bytes[0] ^= 0x10,
            _ if !bytes.is_empty() => bytes[at] ^= 1 << self.rng.below(8),
            _ => {}
        }
    }

    /// `None` for a reset.
    fn bytes(&mut self, card: &RefCard, step: Step) -> Option<Vec<u8>> {
        Some(match step {
            Step::Reset => return None,
            Step::Send(command) => command.bytes(),
            Step::Bytes(bytes) => bytes,
            Step::Choose(number, version) => {
                let data = [0x80, 1, card.algorithm, 0x83, 2, number, version];
                Command::new([0x00, 0x22, 0xC1, 0xA4], &data, 0).bytes()
            }
            Step::Authenticate(reader, proof) => self.authenticate(card, reader, proof),
            Step::Secure(command, twist) => match &card.v.session {
                Some(session) => session.command(&command, twist).bytes(),
                None => Command { cla: command.cla | 0x0C, ..command }.bytes(),
            },
            Step::Line(command, secret, proof) => self.line(card, &command, secret, proof),
            Step::External(proof) => {
                let block = self.transit(card, proof);
                let key = Tdes::new(card.wallet_keys[&EXTERNAL].key);
                let mut answer = key.encrypt(block);
                wrong(&mut answer, proof);
                Command::new([0x00, 0x82, 0x00, 0x01], &answer, 0).bytes()
            }
            Step::Finish(proof) => self.finish(card, proof),
            Step::Again => self.sent.last().cloned().unwrap_or_default(),
            Step::Replay => {
                let at = self.rng.below(self.sent.len());
                self.sent.get(at).cloned().unwrap_or_default()
            }
        })
    }

    fn authenticate(&mut self, card: &RefCard, reader: [u8; 8], proof: Proof) -> Vec<u8> {
        let fresh = card.v.challenge.as_ref().filter(|_| proof != Proof::Stale);
        let of_card = match fresh.or(self.stale.as_ref()) {
            Some(Challenge::Zone(challenge)) => *challenge,
            _ => [0; 16],
        };
        let of_reader = self.rng.bytes();
        let (zone, (number, version)) = (card.v.df, card.v.chosen.unwrap_or_default());
        let slots = card.slots.get(&(zone, number));
        let key = slots.and_then(|slots| slots.key(version)).unwrap_or_default();
        let (algorithm, serial) = (card.algorithm, card.serial);
        let context =
            Context { zone, number, version, algorithm, serial, reader, of_card, of_reader };
        let constant = match proof {
            Proof::Reflected => keys::TOKEN_CARD,
            _ => keys::TOKEN_READER,
        };
        let mut token = keys::derive(key, constant, &context);
        wrong(&mut token, proof);
        let data = [&of_reader[..], &reader, &token].concat();
        Command::new([0x00, 0x82, 0x00, 0x00], &data, 16).bytes()
    }

    /// The challenge of the wallet that a proof is made from.
    fn transit(&self, card: &RefCard, proof: Proof) -> [u8; 8] {
        let fresh = card.v.challenge.as_ref().filter(|_| proof != Proof::Stale);
        match fresh.or(self.stale.as_ref()) {
            Some(Challenge::Transit(challenge)) => *challenge,
            _ => [0; 8],
        }
    }

    fn line(&self, card: &RefCard, command: &Command, secret: bool, proof: Proof) -> Vec<u8> {
        let kind = if command.ins == 0x24 { PIN_UNBLOCK } else { LINE };
        let key = Tdes::new(card.wallet_keys[&kind].key);
        let mut data = command.data.clone();
        if secret && !data.is_empty() {
            data = closed(&key, &data);
        }
        let length = u8::try_from(data.len() + 4).unwrap_or(0xFF);
        let mut message = vec![command.cla, command.ins, command.p1, command.p2, length];
        message.extend(&data);
        // A MAC over the header alone is wrong wherever there is data.
        let covered = if proof == Proof::Reflected { &message[..5] } else { &message[..] };
        let mut mac = key.retail(self.transit(card, proof), covered);
        wrong(&mut mac, proof);
        Command { data: [data, mac.to_vec()].concat(), ..command.clone() }.bytes()
    }

    fn finish(&mut self, card: &RefCard, proof: Proof) -> Vec<u8> {
        let when = [0x20, 0x26, 0x09, 0x01, 0x08, 0x30, self.rng.next().to_le_bytes()[0]];
        let Some(it) = &card.v.transaction else {
            let p1 = self.rng.pick(&[1, 3]);
            return Command::new([0x80, 0x54, p1, 0], &[0; 15], 0).bytes();
        };
        let online = matches!(it.kind, LOAD | UNLOAD);
        let mut mac = card.consent(it, &when);
        let mut data = when.to_vec();
        let header = match it.kind {
            LOAD => [0x80, 0x52, 0x00, 0x00],
            UNLOAD => [0x80, 0x54, 0x03, 0x00],
            _ => [0x80, 0x54, 0x01, 0x00],
        };
        if !online {
            let sequence: [u8; 4] = self.rng.bytes();
            let parts = [&it.amount.to_be_bytes()[..], &[it.kind], &it.terminal, &when].concat();
            mac = card.session_key(it, [sequence[2], sequence[3]]).mac(&parts);
            data = [&sequence[..], &when].concat();
        }
        if proof == Proof::Stale {
            mac = self.rng.bytes();
        }
        wrong(&mut mac, proof);
        data.extend(mac);
        let ne = self.rng.pick(&[0, 256, if online { 4 } else { 8 }]);
        Command::new(header, &data, ne).bytes()
    }

    /// Something that does not belong here.
    fn disturbance(&mut self, card: &RefCard) -> Step {
        match self.rng.below(9) {
            0 => Step::Reset,
            1 | 2 => Step::Again,
            3 => Step::Replay,
            4 => Step::Send(Command::new([0, 0xC0, 0, 0], &[], 256)),
            5 => Step::Send(Command::new([0, 0x84, 0, 0], &[], self.rng.pick(&[4, 8, 16, 256]))),
            6 => {
                let df = self.rng.pick(&[files::MF, ZONE, WALLET, card.v.df]).to_be_bytes();
                Step::Send(Command::new([0, 0xA4, 0, 0], &df, 256))
            }
            7 => {
                let mut bytes = self.rng.bytes::<12>().to_vec();
                bytes.truncate(self.rng.below(13));
                Step::Bytes(bytes)
            }
            _ => Step::Send(Command::new([0, 0xB0, 0x84, 0], &[], 256)),
        }
    }
}

/// Spoils a proof in the way it is to be wrong.
fn wrong(token: &mut [u8], proof: Proof) {
    match proof {
        Proof::First => token[0] ^= 0x80,
        Proof::Last => token[token.len() - 1] ^= 1,
        _ => {}
    }
}
