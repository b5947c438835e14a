//! The ledger's side of PIN, line protection, locks and authentication (card profile 20).

use std::sync::Arc;

use super::codes;
use super::ledger::{Df, Kept, Ledger, Lock, Outcome, Secret, TRIES};
use super::tdes::Tdes;

impl Ledger {
    /// A secret is tried: spent before the comparison, given back after a right one.
    pub(super) fn attempt(&mut self, secret: Secret, is_right: bool) -> Option<Vec<Kept>> {
        if self.kept.tries(secret) == 0 {
            return None;
        }
        self.kept.spend(secret);
        let mut halfway = vec![self.kept.clone()];
        if is_right {
            self.kept.set_tries(secret, TRIES);
            halfway.push(self.kept.clone());
        }
        Some(halfway)
    }

    pub(super) fn verify(&mut self, pin: &[u8]) -> Outcome {
        if !(2..=8).contains(&pin.len()) {
            return Outcome::refused();
        }
        let is_right = stripped(pin) == self.kept.pin;
        match self.attempt(Secret::Pin, is_right) {
            None => Outcome::refused(),
            Some(halfway) => {
                self.proved[0] = u8::from(is_right);
                Outcome { done: is_right, data: Some(Vec::new()), halfway }
            }
        }
    }

    pub(super) fn change_pin(&mut self, data: &[u8]) -> Outcome {
        let Some(at) = data.iter().position(|byte| *byte == 0xFF) else {
            return Outcome::refused();
        };
        let (old, new) = (&data[..at], stripped(&data[at + 1..]));
        if !is_pin(new) {
            return Outcome::refused();
        }
        let is_right = old == self.kept.pin;
        let Some(halfway) = self.attempt(Secret::Pin, is_right) else { return Outcome::refused() };
        if is_right {
            self.kept.pin = new.to_vec();
        }
        Outcome { done: is_right, data: Some(Vec::new()), halfway }
    }

    pub(super) fn reload_pin(&mut self, data: &[u8]) -> Outcome {
        let (pin, mac) = data.split_at(data.len() - 4);
        let is_right = self.keys.reload.mac(pin) == mac;
        let Some(halfway) = self.attempt(Secret::Reload, is_right) else {
            return Outcome::refused();
        };
        let done = is_right && is_pin(stripped(pin));
        if done {
            self.kept.pin = stripped(pin).to_vec();
            self.kept.set_tries(Secret::Pin, TRIES);
        }
        Outcome { done, data: Some(Vec::new()), halfway }
    }

    pub(super) fn protected(
        &mut self,
        apdu: &[u8],
        challenge: Option<[u8; 8]>,
        command: impl FnOnce(&mut Self, &[u8]) -> bool,
    ) -> Outcome {
        let is_block = matches!(apdu[1], 0x1E | 0x18);
        if is_block && self.kept.lock == Lock::ForGood {
            return Outcome::refused();
        }
        let keys = Arc::clone(&self.keys);
        self.under(Secret::Line, &keys.line, apdu, challenge, command)
    }

    pub(super) fn under(
        &mut self,
        secret: Secret,
        key: &Tdes,
        apdu: &[u8],
        challenge: Option<[u8; 8]>,
        command: impl FnOnce(&mut Self, &[u8]) -> bool,
    ) -> Outcome {
        let (Some(challenge), true) = (challenge, apdu.len() >= 9) else {
            return Outcome::refused();
        };
        let (message, mac) = apdu.split_at(apdu.len() - 4);
        let is_right = codes::line_mac(key, challenge, message) == mac;
        let Some(halfway) = self.attempt(secret, is_right) else { return Outcome::refused() };
        let done = is_right && command(self, &message[5..]);
        Outcome { done, data: None, halfway }
    }

    pub(super) fn set_flag(&mut self, data: &[u8]) -> bool {
        let [to] = data else { return false };
        let is_settled = self.kept.balance == 0;
        let may = match (self.kept.flag, *to) {
            (from, to) if from == to => to <= 3,
            (0, 1) | (1, 2) | (2, 1) | (3, 1) => true,
            (2, 3) => is_settled,
            _ => false,
        };
        if may {
            self.kept.flag = *to;
        }
        may
    }

    pub(super) fn block(&mut self, p2: u8) -> bool {
        match p2 {
            0 => self.kept.lock = Lock::UntilUnblocked,
            1 => self.kept.lock = Lock::ForGood,
            _ => return false,
        }
        true
    }

    pub(super) fn unblock(&mut self) -> bool {
        let kept = &mut self.kept;
        let keys = [Secret::Load, Secret::Unload];
        let may = kept.lock == Lock::UntilUnblocked || keys.iter().any(|key| kept.tries(*key) == 0);
        if may {
            kept.lock = Lock::None;
            keys.into_iter().for_each(|key| kept.set_tries(key, TRIES));
        }
        may
    }

    pub(super) fn block_card(&mut self, _: &[u8]) -> bool {
        let may = self.proved[1] >= 2;
        self.kept.card_blocked |= may;
        may
    }

    pub(super) fn unblock_pin(&mut self, apdu: &[u8], challenge: Option<[u8; 8]>) -> Outcome {
        let keys = Arc::clone(&self.keys);
        let no_try = self.kept.tries(Secret::Pin) == 0;
        let key = &keys.unblock;
        self.under(Secret::Unblock, key, apdu, challenge, |ledger, data| {
            let plain = key.ecb(data, false);
            let length = usize::from(plain.first().copied().unwrap_or(0));
            let Some(pin) = plain.get(1..=length) else { return false };
            let may = no_try && is_pin(stripped(pin));
            if may {
                ledger.kept.pin = stripped(pin).to_vec();
                ledger.kept.set_tries(Secret::Pin, TRIES);
            }
            may
        })
    }

    pub(super) fn authenticate(&mut self, answer: &[u8], challenge: Option<[u8; 8]>) -> Outcome {
        let (Some(challenge), 8) = (challenge, answer.len()) else { return Outcome::refused() };
        let is_right = self.keys.external.encrypt(challenge) == answer;
        if is_right {
            for key in [Secret::Line, Secret::Unblock, Secret::Reload] {
                self.kept.set_tries(key, TRIES);
            }
        }
        let proved = if is_right { 2 } else { 0 };
        self.proved[0] = proved;
        if self.df == Df::Mf {
            self.proved[1] = proved;
        }
        Outcome { done: is_right, data: Some(Vec::new()), halfway: Vec::new() }
    }
}

/// A PIN without the FF that fill it up.
pub(crate) fn stripped(pin: &[u8]) -> &[u8] {
    let end = pin.iter().rposition(|byte| *byte != 0xFF).map_or(0, |at| at + 1);
    &pin[..end]
}

/// 2 to 6 bytes of decimal digits, the last one F when their number is odd.
fn is_pin(pin: &[u8]) -> bool {
    let digits: Vec<u8> = pin.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]).collect();
    let last = digits.len().wrapping_sub(1);
    (2..=6).contains(&pin.len())
        && digits.iter().enumerate().all(|(at, digit)| *digit < 10 || at == last && *digit == 0x0F)
}
