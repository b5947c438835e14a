//! What somebody sends next: the host, the terminal, the operator, the holder, or an attacker without
//! keys, who changes and repeats what they send.

use super::codes::{self, Keys};
use super::ledger::{Df, Kept, Kind, Ledger, Lock, Pending, key_of};
use super::support::rng::Rng;
use super::walk::TERMINALS;

pub(crate) struct Hand<'a> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) seen: &'a [Vec<u8>],
    pub(crate) rng: &'a mut Rng,
}

impl Hand<'_> {
    pub(crate) fn next(&mut self) -> Vec<u8> {
        match self.rng.below(16) {
            0 if !self.seen.is_empty() => {
                let at = self.rng.below(self.seen.len());
                self.seen[at].clone()
            }
            1 | 2 => {
                let mut apdu = self.honest();
                if apdu[1] == 0xA4 {
                    return apdu;
                }
                let from = apdu.len().saturating_sub(4).max(5);
                if apdu.len() > from {
                    forge(&mut apdu[from..], self.rng);
                }
                apdu
            }
            3 => self.out_of_place(),
            4 => self.forged_line(),
            _ => self.honest(),
        }
    }

    fn kept(&self) -> &Kept {
        &self.ledger.kept
    }

    fn keys(&self) -> &Keys {
        &self.ledger.keys
    }

    /// What fits the state of the card.
    fn honest(&mut self) -> Vec<u8> {
        if self.ledger.df == Df::Mf && !self.rng.one_in(6) {
            return apdu([0x00, 0xA4, 0x00, 0x00], &[0x10, 0x01]);
        }
        if let Some(challenge) = self.ledger.challenge {
            return self.answer(challenge);
        }
        if let Some(pending) = self.ledger.pending.clone()
            && !self.rng.one_in(6)
        {
            return self.finish(&pending);
        }
        if self.kept().lock != Lock::None && self.rng.one_in(2) {
            return vec![0x00, 0x84, 0x00, 0x00, self.rng.pick(&[4, 8])];
        }
        self.anything()
    }

    fn anything(&mut self) -> Vec<u8> {
        match self.rng.below(24) {
            0..=3 => self.verify(),
            4..=11 => {
                let kind = self.rng.pick(&Kind::ALL);
                let needs_pin = !kind.is_off_line() && self.ledger.proved[0] == 0;
                if needs_pin && !self.rng.one_in(4) { self.verify() } else { self.initialise(kind) }
            }
            12 => vec![0x80, 0x5C, 0x00, 0x02],
            13 | 14 => self.prove(),
            15 => vec![0x00, 0xB2, self.rng.pick(&[1, 2, 10, 11]), 0xC4, 0x17],
            16 => vec![0x00, 0xB0, 0x85, 0x00, 0x01],
            17..=20 => vec![0x00, 0x84, 0x00, 0x00, self.rng.pick(&[4, 8])],
            21 => self.change_pin(),
            22 => self.internal(),
            _ => {
                let df = self.rng.pick(&[[0x3F, 0x00], [0x10, 0x01]]);
                apdu([0x00, 0xA4, 0x00, 0x00], &df)
            }
        }
    }

    fn initialise(&mut self, kind: Kind) -> Vec<u8> {
        let balance = self.kept().balance;
        let room = super::ledger::CEILING - balance;
        let amount = match kind {
            Kind::Load => self.rng.pick(&[0, 1, 1_000, 20_000, room, room + 1]),
            Kind::Unload => self.rng.pick(&[0, 1, balance, balance, balance + 1]),
            _ => self.rng.pick(&[0, 1, 200, 200, balance, balance + 1, u32::MAX]),
        };
        let mut apdu = Self::begin(kind, amount);
        apdu[10..].copy_from_slice(&self.rng.pick(&TERMINALS));
        apdu
    }

    /// The end of a transaction, with the right code.
    pub(crate) fn finish(&mut self, pending: &Pending) -> Vec<u8> {
        if pending.kind == Kind::Compound && (pending.cached.is_empty() || self.rng.one_in(3)) {
            return self.cache();
        }
        let at: [u8; 7] = self.rng.bytes();
        let (amount, kind) = (pending.amount.to_be_bytes(), [pending.kind.code()]);
        let fields: [&[u8]; 4] = [&amount, &kind, &pending.terminal, &at];
        let key = key_of(self.keys(), pending.kind);
        if pending.kind.is_off_line() {
            let sequence: [u8; 4] = [0x01, 0x02, 0x03, at[0]];
            let number = u32::from_be_bytes(sequence);
            let session = codes::offline(key, pending.random, self.kept().offline, number);
            let mac1 = codes::code(&session, &fields);
            return apdu([0x80, 0x54, 0x01, 0x00], &[&sequence[..], &at, &mac1].concat());
        }
        let session = codes::online(key, pending.random, self.kept().online);
        let data = [&at[..], &codes::code(&session, &fields)].concat();
        let header = if pending.kind == Kind::Load {
            [0x80, 0x52, 0x00, 0x00]
        } else {
            [0x80, 0x54, 0x03, 0x00]
        };
        apdu(header, &data)
    }

    fn cache(&mut self) -> Vec<u8> {
        let tag = self.rng.pick(&[1, 2, 3, 4, 4, 5]);
        let length = self.rng.pick(&[0_u8, 1, 30, 46, 47]);
        let mut data = vec![self.rng.next().to_le_bytes()[0]; usize::from(length) + 2];
        data[..2].copy_from_slice(&[tag, length]);
        apdu([0x80, 0xDC, tag, 0xC8], &data)
    }

    fn verify(&mut self) -> Vec<u8> {
        let pin = match self.rng.below(5) {
            0 => vec![0x99, 0x99],
            1 => [&self.kept().pin[..], &[0xFF]].concat(),
            _ => self.kept().pin.clone(),
        };
        apdu([0x00, 0x20, 0x00, 0x01], &pin)
    }

    fn new_pin(&mut self) -> Vec<u8> {
        self.rng.pick(&[&[0x12, 0x34, 0x56][..], &[0x11, 0x1F], &[0x12; 6], &[0x1A, 0x22]]).to_vec()
    }

    fn change_pin(&mut self) -> Vec<u8> {
        let new = self.new_pin();
        if self.rng.one_in(2) {
            return Self::reload_pin(self.ledger, &new);
        }
        let old = if self.rng.one_in(4) { vec![0x99, 0x99] } else { self.kept().pin.clone() };
        apdu([0x80, 0x5E, 0x01, 0x01], &[&old[..], &[0xFF], &new].concat())
    }

    fn prove(&mut self) -> Vec<u8> {
        let (proof, online) = (self.kept().proof, self.kept().online);
        let (kind, counter) = match proof {
            Some(proof) if !self.rng.one_in(3) => (proof.kind, proof.counter),
            _ => (self.rng.pick(&[2, 3, 6, 9]), online),
        };
        apdu([0x80, 0x5A, 0x00, kind], &counter.to_be_bytes())
    }

    /// Uses the card's own keys for what they are there for.
    fn internal(&mut self) -> Vec<u8> {
        let data: [u8; 16] = self.rng.bytes();
        let p1 = self.rng.pick(&[0, 2]);
        apdu([0x00, 0x88, p1, 0x01], &data)
    }

    /// A command that needs a challenge.
    fn answer(&mut self, challenge: [u8; 8]) -> Vec<u8> {
        if self.ledger.df == Df::Mf {
            if self.rng.one_in(4) {
                return Self::line(self.ledger, [0x84, 0x16, 0x00, 0x00], &[], challenge);
            }
            return Self::authenticate(self.ledger, challenge);
        }
        let blocked = self.kept().lock == Lock::UntilUnblocked;
        match self.rng.below(12) {
            0..=3 if blocked => Self::line(self.ledger, [0x84, 0x18, 0x00, 0x00], &[], challenge),
            0..=5 => {
                let flag = self.rng.pick(&[0, 1, 1, 2, 3, 7]);
                Self::line(self.ledger, [0x04, 0xD6, 0x85, 0x00], &[flag], challenge)
            }
            6 => Self::line(self.ledger, [0x84, 0x1E, 0x00, 0x00], &[], challenge),
            7 if self.rng.one_in(6) => {
                Self::line(self.ledger, [0x84, 0x1E, 0x00, 0x01], &[], challenge)
            }
            8 => Self::line(self.ledger, [0x84, 0x18, 0x00, 0x00], &[], challenge),
            9 | 10 => self.unblock_pin(challenge),
            _ => Self::authenticate(self.ledger, challenge),
        }
    }

    fn unblock_pin(&mut self, challenge: [u8; 8]) -> Vec<u8> {
        let pin = self.new_pin();
        let keys = self.keys();
        let data = codes::enciphered(&keys.unblock, &pin);
        protected(&keys.unblock, [0x84, 0x24, 0x00, 0x01], &data, challenge)
    }

    /// What belongs to another moment or another kind of transaction.
    fn out_of_place(&mut self) -> Vec<u8> {
        let (seven, mac): ([u8; 7], [u8; 4]) = (self.rng.bytes(), self.rng.bytes());
        match self.rng.below(4) {
            0 => apdu([0x80, 0x52, 0x00, 0x00], &[&seven[..], &mac].concat()),
            1 => apdu([0x80, 0x54, 0x03, 0x00], &[&seven[..], &mac].concat()),
            2 => apdu([0x80, 0x54, 0x01, 0x00], &[&[0; 4][..], &seven, &mac].concat()),
            _ => match self.ledger.pending.clone() {
                // The right code of another kind.
                Some(mut pending) => {
                    pending.kind = self.rng.pick(&Kind::ALL);
                    self.finish(&pending)
                }
                None => self.cache(),
            },
        }
    }

    /// An operator's command by somebody who has no key.
    fn forged_line(&mut self) -> Vec<u8> {
        if self.ledger.challenge.is_none() && !self.rng.one_in(4) {
            return vec![0x00, 0x84, 0x00, 0x00, 0x04];
        }
        let mut challenge = self.ledger.challenge.unwrap_or([0; 8]);
        challenge[0] ^= u8::from(!self.rng.one_in(8));
        self.answer(challenge)
    }
}

/// Commands that depend on nothing but the ledger.
impl Hand<'_> {
    /// INITIALIZE at the first terminal.
    pub(crate) fn begin(kind: Kind, amount: u32) -> Vec<u8> {
        let data = [&[1][..], &amount.to_be_bytes(), &TERMINALS[0]].concat();
        apdu([0x80, 0x50, kind.p1(), 0x02], &data)
    }

    pub(crate) fn authenticate(ledger: &Ledger, challenge: [u8; 8]) -> Vec<u8> {
        apdu([0x00, 0x82, 0x00, 0x01], &ledger.keys.external.encrypt(challenge))
    }

    pub(crate) fn reload_pin(ledger: &Ledger, new: &[u8]) -> Vec<u8> {
        let mac = ledger.keys.reload.mac(new);
        apdu([0x80, 0x5E, 0x00, 0x01], &[new, &mac].concat())
    }

    /// A command of the operator's.
    pub(crate) fn line(
        ledger: &Ledger,
        header: [u8; 4],
        data: &[u8],
        challenge: [u8; 8],
    ) -> Vec<u8> {
        protected(&ledger.keys.line, header, data, challenge)
    }
}

fn protected(key: &super::tdes::Tdes, header: [u8; 4], data: &[u8], challenge: [u8; 8]) -> Vec<u8> {
    let length = u8::try_from(data.len() + 4).unwrap();
    let message = [&header[..], &[length], data].concat();
    let mac = codes::line_mac(key, challenge, &message);
    [&message[..], &mac].concat()
}

/// A code that is not the right one: one bit off, half right, all zero, or anything.
pub(crate) fn forge(code: &mut [u8], rng: &mut Rng) {
    let at = rng.below(code.len());
    match rng.below(4) {
        0 => code[at] ^= 1 << rng.below(8),
        1 => code.iter_mut().skip(2).for_each(|byte| *byte = !*byte),
        2 => code.fill(0),
        _ => code.fill_with(|| rng.next().to_le_bytes()[0]),
    }
}

/// A command with data and without Le.
pub(crate) fn apdu(header: [u8; 4], data: &[u8]) -> Vec<u8> {
    [&header[..], &[u8::try_from(data.len()).unwrap()], data].concat()
}
