//! Authentication and keys: sections 8.4, 9.11 to 9.13 and 9.15 of the card profile.

use super::card::{Answer, Challenge, RefCard, Slots};
use super::cipher::Cipher;
use super::command::Command;
use super::files;
use super::keys::{self, Context};
use super::record::{self, Unit};
use super::session::Session;

/// Where the count of failures stops.
const CAP: u16 = 1000;

impl RefCard {
    pub(crate) fn choose(&mut self, command: &Command) -> Answer {
        command.parameters(0xC1, 0xA4)?;
        command.no_le()?;
        self.v.chosen = None;
        let [0x80, 1, algorithm, 0x83, 2, number, version] = command.data[..] else {
            return Err(0x6A80);
        };
        if !(1..=0xFE).contains(&version) || !(1..=2).contains(&algorithm) {
            return Err(0x6A88);
        }
        let slots = self.slots.get(&(self.v.df, number)).ok_or(0x6A88_u16)?;
        if slots.key(version).is_none() || algorithm != self.algorithm {
            return Err(0x6A88);
        }
        self.v.chosen = Some((number, version));
        Ok(Vec::new())
    }

    pub(crate) fn zone_challenge(&mut self, command: &Command) -> Answer {
        command.parameters(0, 0)?;
        command.no_data()?;
        command.exact_le(16)?;
        if self.v.chosen.is_none() {
            return Err(0x6985);
        }
        let random = self.random::<16>();
        self.v.challenge = Some(Challenge::Zone(random));
        Ok(random.to_vec())
    }

    pub(crate) fn authenticate(
        &mut self,
        command: &Command,
        challenge: Option<Challenge>,
    ) -> Answer {
        command.parameters(0, 0)?;
        command.length(40)?;
        command.exact_le(16)?;
        let (Some(Challenge::Zone(of_card)), Some((number, version))) = (challenge, self.v.chosen)
        else {
            return Err(0x6985);
        };
        let (zone, algorithm, serial) = (self.v.df, self.algorithm, self.serial);
        let slots = self.slots.get_mut(&(zone, number)).ok_or(0x6A88_u16)?;
        let key = slots.key(version).ok_or(0x6A88_u16)?;
        let of_reader = command.data[..16].try_into().unwrap();
        let reader = command.data[16..24].try_into().unwrap();
        let context =
            Context { zone, number, version, algorithm, serial, reader, of_card, of_reader };
        if command.data[24..] != keys::derive(key, keys::TOKEN_READER, &context) {
            slots.failures = (slots.failures + 1).min(CAP);
            self.v.chosen = None;
            return Err(0x6300);
        }
        slots.succeeded(version);
        let cipher = |constant| Cipher::new(algorithm, keys::derive(key, constant, &context));
        self.v.session = Some(Session {
            enc: cipher(keys::ENCRYPTION),
            mac: cipher(keys::CHECKSUM),
            counter: 0,
            commands: 0,
            key: number,
            reader,
        });
        Ok(keys::derive(key, keys::TOKEN_CARD, &context).to_vec())
    }

    pub(crate) fn put_key(&mut self, command: &Command) -> Answer {
        let (version, data) = (command.p2, &command.data);
        let retire = version == 0xFF;
        if version == 0 {
            return Err(0x6A86);
        }
        if retire {
            command.no_data()?;
            command.no_le()?;
        } else {
            if data.len() != 21 || !matches!(data[..2], [1 | 2, 1]) {
                return Err(0x6A80);
            }
            command.exact_le(3)?;
        }
        let key = self.v.session.as_ref().map(|session| session.key);
        if self.v.df != files::ZONE || key != Some(0) || self.acting() != Some(record::CITY) {
            return Err(0x6982);
        }
        let state = self.status().ok_or(0x6400_u16)?.state;
        if matches!(state, files::BLANK | files::CAN | files::FLT) {
            return Err(0x6985);
        }
        let algorithm = self.algorithm;
        let slots = self.slots.get_mut(&(files::ZONE, command.p1)).ok_or(0x6A88_u16)?;
        if retire {
            slots.other = slots.other.filter(|other| other.0 > slots.active.0);
            return Ok(Vec::new());
        }
        let key = data[2..18].try_into().unwrap();
        if data[18..] != keys::kcv(data[0], key) {
            return Err(0x6A80);
        }
        if data[0] != algorithm || version <= slots.active.0 {
            return Err(0x6A80);
        }
        slots.other = Some((version, key));
        slots.failures = 0;
        Ok(data[18..].to_vec())
    }

    /// The unit whose SAM has proved itself.
    pub(crate) fn acting(&self) -> Option<Unit> {
        let [0, 0, unit @ .., _, _, _] = &self.v.session.as_ref()?.reader else { return None };
        let number = &self.v.session.as_ref()?.reader[5..];
        let unit = *unit;
        (record::is_unit(unit) && record::bcd(number).is_some()).then_some(unit)
    }
}

impl Slots {
    /// A success with this version.
    fn succeeded(&mut self, version: u8) {
        self.failures = self.failures.saturating_sub(10);
        if let Some(other) = self.other
            && other.0 == version
            && version > self.active.0
        {
            self.other = Some(self.active);
            self.active = other;
        }
    }
}
