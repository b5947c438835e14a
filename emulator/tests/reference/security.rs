//! Security commands of the wallet and line protection: section 20 of the card profile.

use super::card::{Answer, Challenge, Lock, RefCard, Road};
use super::command::{Command, Name};
use super::files;
use super::tdes::{Tdes, folded, padded};

/// Types of keys.
pub(crate) const LINE: u8 = 0x36;
pub(crate) const PIN_UNBLOCK: u8 = 0x37;
pub(crate) const PIN_RELOAD: u8 = 0x38;
pub(crate) const EXTERNAL: u8 = 0x39;
const UNLOAD: u8 = 0x3D;
const LOAD: u8 = 0x3F;

/// Digits filled up with FF.
fn filled(pin: &[u8]) -> [u8; 8] {
    core::array::from_fn(|i| pin.get(i).copied().unwrap_or(0xFF))
}

/// The digits of a new PIN; `None` unless it is one.
fn new_pin(pin: &[u8]) -> Option<[u8; 8]> {
    let end = pin.iter().rposition(|byte| *byte != 0xFF)? + 1;
    let (pin, digit) = (&pin[..end], |nibble: u8| nibble < 10);
    let (last, first) = pin.split_last()?;
    let whole = first.iter().all(|byte| digit(byte >> 4) && digit(byte & 0xF));
    let ends = digit(last >> 4) && (digit(last & 0xF) || last & 0xF == 0xF);
    ((2..=6).contains(&end) && whole && ends).then(|| filled(pin))
}

impl RefCard {
    /// The card between the two halves of an attempt (20.2), of each thing that has tries: one
    /// spent, or all given back and nothing else done yet.
    pub(crate) fn with_spent_tries(&self) -> Vec<Self> {
        let mut spent = Vec::new();
        if self.pin_tries > 0 {
            let mut card = self.clone();
            card.pin_tries -= 1;
            spent.push(card);
        }
        for kind in [LINE, PIN_UNBLOCK, PIN_RELOAD, LOAD, UNLOAD] {
            let mut card = self.clone();
            let key = card.wallet_keys.get_mut(&kind).unwrap();
            let left = key.tries;
            key.tries = 3;
            // A load or an unload gives its tries back together with all else.
            if !matches!(kind, LOAD | UNLOAD) {
                spent.push(card.clone());
            }
            if left > 0 {
                card.wallet_keys.get_mut(&kind).unwrap().tries = left - 1;
                spent.push(card);
            }
        }
        spent
    }

    /// Spends a try of a key, and gives all back if `right`. A key without one is locked (20.2).
    fn attempt(&mut self, kind: u8, right: bool, wrong: u16) -> Result<(), u16> {
        let key = self.wallet_keys.get_mut(&kind).unwrap();
        let left = key.tries.checked_sub(1).ok_or(0x6983_u16)?;
        key.tries = if right { 3 } else { left };
        if right { Ok(()) } else { Err(wrong) }
    }

    /// A command under line protection.
    pub(crate) fn line(
        &mut self,
        name: Name,
        command: &Command,
        challenge: Option<&Challenge>,
    ) -> Answer {
        let message_end = command.data.len().checked_sub(4);
        if command.data.len() > 255 {
            return Err(0x6700);
        }
        let (data, sent) = command.data.split_at(message_end.ok_or(0x6987_u16)?);
        let Some(&Challenge::Transit(start)) = challenge else { return Err(0x6984) };
        let kind = if name == Name::PinUnblock { PIN_UNBLOCK } else { LINE };
        let key = Tdes::new(self.wallet_keys[&kind].key);
        let length = u8::try_from(command.data.len()).unwrap();
        let head = [command.cla, command.ins, command.p1, command.p2, length];
        let right = key.retail(start, &[&head, data].concat()) == sent;
        self.attempt(kind, right, 0x6988)?;
        let reads = matches!(name, Name::ReadBinary | Name::ReadRecord);
        let secret = match name {
            Name::PinUnblock => true,
            Name::ReadBinary | Name::UpdateBinary => self.is_enciphered(command),
            _ => false,
        };
        let mut data = data.to_vec();
        if secret && !reads {
            data = opened(&key, &data).ok_or(0x6A80_u16)?;
        }
        let ne = match (reads, command.ne) {
            (false, _) => 0,
            (true, 0) => 65_536,
            (true, ne) => ne,
        };
        let header = [command.cla, command.ins, command.p1, command.p2];
        let inner = Command::new(header, &data, ne);
        let mut answer = self.perform(name, &inner, Road::Line, None, None)?;
        if !answer.is_empty() {
            if secret {
                answer = closed(&key, &answer);
            }
            let mac = key.retail(start, &answer);
            answer.extend(mac);
        }
        Ok(answer)
    }

    pub(crate) fn security_command(
        &mut self,
        name: Name,
        command: &Command,
        challenge: Option<&Challenge>,
    ) -> Answer {
        match name {
            Name::TransitChallenge => self.transit_challenge(command),
            Name::Verify => self.verify(command),
            Name::External => self.external(command, challenge),
            Name::Internal => self.internal(command),
            Name::ChangePin => self.change_pin(command),
            Name::PinUnblock => self.unblock_pin(command),
            _ => self.lock_command(name, command),
        }
    }

    fn transit_challenge(&mut self, command: &Command) -> Answer {
        command.parameters(0, 0)?;
        command.no_data()?;
        let (block, length) = match command.ne {
            0 => return Err(0x6700),
            4 => {
                let [a, b, c, d] = self.random::<4>();
                ([a, b, c, d, 0, 0, 0, 0], 4)
            }
            8 | 256.. => (self.random::<8>(), 8),
            _ => return Err(0x6C08),
        };
        self.v.challenge = Some(Challenge::Transit(block));
        Ok(block[..length].to_vec())
    }

    fn check_pin(&mut self, pin: &[u8]) -> Result<(), u16> {
        if self.pin_tries == 0 {
            return Err(0x6983);
        }
        if filled(pin) == self.pin {
            self.pin_tries = 3;
            return Ok(());
        }
        self.pin_tries -= 1;
        Err(0x63C0 | u16::from(self.pin_tries))
    }

    fn verify(&mut self, command: &Command) -> Answer {
        if command.p1 != 0 {
            return Err(0x6A86);
        }
        if command.p2 > 1 {
            return Err(0x6A88);
        }
        if !(2..=8).contains(&command.data.len()) {
            return Err(0x6700);
        }
        let verdict = self.check_pin(&command.data);
        match verdict {
            Ok(()) => self.v.df_register = 1,
            Err(0x6983) => {}
            Err(_) => self.v.df_register = 0,
        }
        verdict.map(|()| Vec::new())
    }

    fn external(&mut self, command: &Command, challenge: Option<&Challenge>) -> Answer {
        if command.p1 != 0 {
            return Err(0x6A86);
        }
        command.length(8)?;
        let Some(&Challenge::Transit(block)) = challenge else { return Err(0x6984) };
        if command.p2 != 1 {
            return Err(0x6A88);
        }
        let right = Tdes::new(self.wallet_keys[&EXTERNAL].key).encrypt(block)[..] == command.data;
        let register = if right { 2 } else { 0 };
        self.v.df_register = register;
        if self.v.df == files::MF {
            self.v.mf_register = register;
        }
        if !right {
            return Err(0x6300);
        }
        for kind in [LINE, PIN_UNBLOCK, PIN_RELOAD] {
            self.wallet_keys.get_mut(&kind).unwrap().tries = 3;
        }
        Ok(Vec::new())
    }

    fn internal(&mut self, command: &Command) -> Answer {
        let (p1, data) = (command.p1, &command.data);
        if p1 > 2 {
            return Err(0x6A86);
        }
        if command.p2 != 1 {
            return Err(0x6A88);
        }
        if data.is_empty() || (p1 < 2 && data.len() % 8 != 0) {
            return Err(0x6700);
        }
        let key = Tdes::new(self.wallet_keys[&(0x30 + p1)].key);
        command.exact_le_if_any(if p1 == 2 { 4 } else { data.len() })?;
        Ok(match p1 {
            0 => key.ecb(data, true),
            1 => key.ecb(data, false),
            _ => key.retail([0; 8], data).to_vec(),
        })
    }

    fn change_pin(&mut self, command: &Command) -> Answer {
        let data = &command.data;
        if command.p1 > 1 {
            return Err(0x6A86);
        }
        if command.p2 > 1 {
            return Err(0x6A88);
        }
        let lengths = if command.p1 == 0 { 6..=10 } else { 5..=13 };
        if !lengths.contains(&data.len()) {
            return Err(0x6700);
        }
        let new = if command.p1 == 0 {
            let (pin, sent) = data.split_at(data.len() - 4);
            let right = folded(self.wallet_keys[&PIN_RELOAD].key).mac(pin) == sent;
            self.attempt(PIN_RELOAD, right, 0x9302)?;
            new_pin(pin).ok_or(0x6A80_u16)?
        } else {
            let end = data.iter().position(|byte| *byte == 0xFF).ok_or(0x6A80_u16)?;
            let new = new_pin(&data[end + 1..]).ok_or(0x6A80_u16)?;
            self.check_pin(&data[..end])?;
            new
        };
        (self.pin, self.pin_tries) = (new, 3);
        Ok(Vec::new())
    }

    fn unblock_pin(&mut self, command: &Command) -> Answer {
        if !matches!((command.p1, command.p2), (0, 1) | (1, 0) | (0, 0)) {
            return Err(0x6A86);
        }
        if self.pin_tries > 0 {
            return Err(0x6985);
        }
        self.pin = new_pin(&command.data).ok_or(0x6A80_u16)?;
        self.pin_tries = 3;
        Ok(Vec::new())
    }

    fn lock_command(&mut self, name: Name, command: &Command) -> Answer {
        let good = name == Name::ApplicationBlock && (command.p1, command.p2) == (0, 1);
        if !good {
            command.parameters(0, 0)?;
        }
        command.no_data()?;
        match name {
            Name::ApplicationBlock => {
                self.lock = if good { Lock::ForGood } else { Lock::Blocked };
            }
            Name::ApplicationUnblock => {
                let locked = [LOAD, UNLOAD].iter().any(|kind| self.wallet_keys[kind].tries == 0);
                if self.lock == Lock::Open && !locked {
                    return Err(0x6985);
                }
                self.lock = Lock::Open;
                for kind in [LOAD, UNLOAD] {
                    self.wallet_keys.get_mut(&kind).unwrap().tries = 3;
                }
            }
            _ => {
                if self.v.mf_register < 2 {
                    return Err(0x6982);
                }
                self.card_blocked = true;
            }
        }
        Ok(Vec::new())
    }
}

/// The data in enciphered data.
fn opened(key: &Tdes, data: &[u8]) -> Option<Vec<u8>> {
    if !data.len().is_multiple_of(8) {
        return None;
    }
    let plain = key.ecb(data, false);
    let (length, rest) = plain.split_first()?;
    rest.get(..usize::from(*length)).map(<[u8]>::to_vec)
}

/// Data enciphered.
pub(crate) fn closed(key: &Tdes, data: &[u8]) -> Vec<u8> {
    let mut plain = [&[u8::try_from(data.len()).unwrap()], data].concat();
    if plain.len() % 8 != 0 {
        plain = padded(&plain);
    }
    key.ecb(&plain, true)
}
