//! What a terminal sets out to do with the wallet.

use super::card::RefCard;
use super::command::Command;
use super::files::{MF, WALLET};
use super::plans::{Plan, select, send};
use super::security::PIN_RELOAD;
use super::tdes::folded;
use super::terminal::{Proof, Step, Terminal};

/// Money in the wallet.
pub(crate) fn charge(amount: u32) -> Plan {
    let request = [&[1][..], &amount.to_be_bytes(), &[1, 2, 3, 4, 5, 6]].concat();
    vec![
        select(WALLET),
        send([0x00, 0x20, 0x00, 0x01], &[0x12, 0x34, 0x56], 0),
        send([0x80, 0x50, 0x00, 0x02], &request, 16),
        Step::Finish(Proof::Right),
    ]
}

impl Terminal {
    /// The wallet.
    pub(super) fn wallet(&mut self, card: &RefCard) -> Plan {
        let mut plan = Vec::new();
        if card.v.df != WALLET || self.rng.one_in(8) {
            plan.push(select(WALLET));
        }
        match self.rng.below(14) {
            0..=6 => plan.extend(self.purse(card)),
            7 => plan.extend(self.pin(card)),
            8 | 9 => plan.extend(self.operator(card)),
            10 => plan.extend(self.external()),
            11 => {
                let p1 = self.rng.pick(&[0, 1, 2, 3]);
                let data = self.rng.bytes::<16>();
                let length = self.rng.pick(&[8, 16, 5, 0]);
                plan.push(send([0x00, 0x88, p1, 1], &data[..length], self.rng.pick(&[0, 4, 256])));
            }
            12 => plan.extend(self.lock()),
            _ => plan.extend(self.prove(card)),
        }
        plan
    }

    /// A whole transaction.
    fn purse(&mut self, card: &RefCard) -> Plan {
        let mut plan = Vec::new();
        let balance = card.purse.balance;
        let p1 = self.rng.pick(&[0, 0, 1, 1, 1, 3, 3, 5, 2]);
        if matches!(p1, 0 | 5) && !self.rng.one_in(6) {
            plan.push(self.verify(card));
        }
        let amount = match self.rng.below(8) {
            0 => balance,
            1 => balance.saturating_add(1),
            2 => 100_000_u32.saturating_sub(balance),
            3 => 100_001_u32.saturating_sub(balance),
            4 => self.rng.pick(&[0, u32::MAX, u32::MAX - 10]),
            _ => u32::try_from(self.rng.below(3_000)).unwrap_or_default(),
        };
        let id = if self.rng.one_in(30) { 2 } else { 1 };
        let request = [&[id][..], &amount.to_be_bytes(), &self.rng.bytes::<6>()].concat();
        let ne = self.rng.pick(&[0, 256, if matches!(p1, 0 | 5) { 16 } else { 15 }]);
        plan.push(send([0x80, 0x50, p1, 2], &request, ne));
        if p1 == 3 {
            for _ in 0..self.rng.pick(&[0, 1, 1, 1, 2]) {
                plan.push(self.record());
            }
        }
        if self.rng.one_in(6) {
            plan.push(self.interruption());
        }
        let proof = self.proof();
        plan.push(Step::Finish(proof));
        if self.rng.one_in(4) {
            plan.push(Step::Again);
        }
        if self.rng.one_in(3) {
            plan.push(send([0x80, 0x50, p1, 2], &request, 0));
            let proof = self.proof();
            plan.push(Step::Finish(proof));
        }
        plan.extend(self.prove(card));
        plan
    }

    /// A command in the middle of a transaction.
    fn interruption(&mut self) -> Step {
        match self.rng.below(7) {
            0 => send([0x80, 0x5C, 0, 2], &[], 4),
            1 => send([0x80, 0x5A, 0, 6], &[0, 1], 8),
            2 => send([0x00, 0x88, 0, 1], &[0; 8], 0),
            3 => send([0x00, 0xB0, 0x95, 0], &[], 256),
            4 => send([0x80, 0x50, 3, 2], &[1, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6], 0),
            5 => Step::Reset,
            _ => send([0x00, 0xB0, 0x95, 0], &[], 0),
        }
    }

    fn record(&mut self) -> Step {
        let (tag, length) =
            (self.rng.pick(&[1, 1, 2, 4, 5]), self.rng.pick(&[3, 3, 10, 0x2E, 0x2F]));
        let mut data = vec![tag, u8::try_from(length).unwrap_or_default()];
        data.extend((0..length).map(|_| self.rng.next().to_le_bytes()[0]));
        if self.rng.one_in(12) {
            data[1] ^= 1;
        }
        let (sfi, mode) =
            (self.rng.pick(&[0x19, 0x19, 0x19, 0x19, 0x18, 3]), self.rng.pick(&[0, 4]));
        send([0x80, 0xDC, tag, sfi << 3 | mode], &data, 0)
    }

    fn prove(&mut self, card: &RefCard) -> Plan {
        let last = &card.purse.proof;
        let kind = self.rng.pick(&[last.kind, last.kind, 2, 3, 6, 9]);
        let counter = if matches!(kind, 2 | 3) { card.purse.online } else { card.purse.offline };
        let sequence = counter.wrapping_add(self.rng.pick(&[0, 0, 1, 1, 0xFFFF]));
        let ask = send([0x80, 0x5A, 0, kind], &sequence.to_be_bytes(), self.rng.pick(&[0, 8]));
        let record = send([0x00, 0xB2, self.rng.pick(&[1, 1, 2]), 0xC4], &[], 23);
        vec![ask, record, send([0x80, 0x5C, 0, 2], &[], self.rng.pick(&[0, 4]))]
    }

    fn verify(&mut self, card: &RefCard) -> Step {
        let end = card.pin.iter().position(|byte| *byte == 0xFF).unwrap_or(8);
        let mut pin = card.pin[..end].to_vec();
        if self.rng.one_in(9) {
            pin[0] ^= 1;
        }
        if self.rng.one_in(6) {
            pin.push(0xFF);
        }
        send([0x00, 0x20, 0x00, self.rng.pick(&[1, 1, 1, 0])], &pin, 0)
    }

    fn pin(&mut self, card: &RefCard) -> Plan {
        let new: &[u8] = self.rng.pick(&[
            &[0x12, 0x34, 0x56][..],
            &[0x12, 0x34],
            &[0x98, 0x76, 0x54, 0x32, 0x10, 0x99],
            &[0x12, 0x3F],
            &[0x12, 0x34, 0xA6],
            &[0x12, 0x34, 0x5F],
        ]);
        let end = card.pin.iter().position(|byte| *byte == 0xFF).unwrap_or(8);
        let old = &card.pin[..end];
        match self.rng.below(4) {
            0 => {
                let mut data = [old, &[0xFF], new].concat();
                data[0] ^= u8::from(self.rng.one_in(4));
                vec![send([0x80, 0x5E, 1, 1], &data, 0), self.verify(card)]
            }
            1 => {
                let key = folded(card.wallet_keys[&PIN_RELOAD].key);
                let mut data = [new, &key.mac(new)].concat();
                data[0] ^= u8::from(self.rng.one_in(8));
                vec![send([0x80, 0x5E, 0, 1], &data, 0), self.verify(card)]
            }
            2 => {
                let (command, proof) = (Command::new([0x84, 0x24, 0, 1], new, 0), self.proof());
                let wrong = send([0x00, 0x20, 0, 1], &[0, 0], 0);
                let mut plan = vec![wrong; self.rng.pick(&[0, 1, 3])];
                plan.push(self.challenge());
                plan.push(Step::Line(command, true, proof));
                plan
            }
            _ => vec![self.verify(card)],
        }
    }

    fn challenge(&mut self) -> Step {
        send([0x00, 0x84, 0, 0], &[], self.rng.pick(&[4, 4, 8, 256]))
    }

    /// A command of the operator.
    fn operator(&mut self, card: &RefCard) -> Plan {
        let mut plan = Vec::new();
        if self.rng.one_in(4) {
            plan.push(select(MF));
        }
        let (sfi, fid) = self.rng.pick(&[(4, 4), (5, 5), (5, 5), (0x15, 0x15), (0x16, 0x16)]);
        let data = match self.rng.below(3) {
            0 => vec![self.rng.pick(&[0, 1, 2, 3, 9])],
            _ => self.rng.bytes::<11>()[..self.rng.below(12)].to_vec(),
        };
        let secret = fid == 0x16;
        let offset = self.rng.pick(&[0, 0, 0, 1, 20, 50, 64]);
        let ne = self.rng.pick(&[0, 0, 256, 5]);
        let command = match self.rng.below(3) {
            0 => Command::new([0x04, 0xB0, 0x80 | sfi, offset], &[], ne),
            _ => Command::new([0x04, 0xD6, 0x80 | sfi, offset], &data, 0),
        };
        let proof = self.proof();
        plan.push(self.challenge());
        if proof == Proof::Stale {
            plan.push(self.challenge());
        }
        plan.push(Step::Line(command, secret && !self.rng.one_in(10), proof));
        if self.rng.one_in(4) {
            plan.push(Step::Again);
        }
        let _ = card;
        plan
    }

    fn external(&mut self) -> Plan {
        let mut plan = Vec::new();
        if self.rng.one_in(2) {
            plan.push(select(MF));
        }
        plan.push(self.challenge());
        let proof = self.proof();
        plan.push(Step::External(proof));
        match self.rng.below(4) {
            0 => plan.push(Step::Again),
            1 => plan.push(Step::External(Proof::Stale)),
            _ => {}
        }
        if self.rng.one_in(4) {
            plan.push(select(self.rng.pick(&[MF, WALLET])));
        }
        if self.rng.one_in(12) {
            let command = Command::new([0x84, 0x16, 0, 0], &[], 0);
            plan.extend([self.challenge(), Step::Line(command, false, Proof::Right)]);
        }
        plan
    }

    /// Blocks and unblocks.
    fn lock(&mut self) -> Plan {
        let (ins, p2) = match self.rng.below(12) {
            0..=3 => (0x1E, 0),
            4 if self.rng.one_in(3) => (0x1E, 1),
            5 => (0x16, 0),
            _ => (0x18, 0),
        };
        let command = Command::new([0x84, ins, 0, p2], &[], 0);
        let proof = self.proof();
        let mut plan = vec![self.challenge(), Step::Line(command, false, proof)];
        if ins == 0x1E {
            plan.extend([Step::Reset, select(WALLET), send([0x80, 0x5C, 0, 2], &[], 4)]);
            let unblock = Command::new([0x84, 0x18, 0, 0], &[], 0);
            plan.extend([self.challenge(), Step::Line(unblock, false, Proof::Right)]);
        }
        plan
    }
}
