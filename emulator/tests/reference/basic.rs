//! What every DF has: SELECT, READ BINARY, READ RECORD, UPDATE BINARY. Sections 4.3 and 9.7 to 9.10
//! of the card profile.

use super::card::{Answer, Challenge, RefCard, Road};
use super::command::{Command, Name};
use super::files::{self, File, Right, Structure};
use super::purse::Transaction;
use super::record;

impl RefCard {
    /// Step 14.
    pub(crate) fn perform(
        &mut self,
        name: Name,
        command: &Command,
        road: Road,
        challenge: Option<Challenge>,
        transaction: Option<Transaction>,
    ) -> Answer {
        match name {
            Name::Select => self.select(command),
            Name::ReadBinary => self.read_binary(command, road),
            Name::ReadRecord => self.read_record(command, road),
            Name::UpdateBinary => self.update_binary(command, road),
            Name::GetResponse => Err(0x6985),
            Name::Choose => self.choose(command),
            Name::Challenge => self.zone_challenge(command),
            Name::Authenticate => self.authenticate(command, challenge),
            Name::LifeCycle => self.change_life_cycle(command),
            Name::PutKey => self.put_key(command),
            Name::Balance
            | Name::Initialise
            | Name::Credit
            | Name::Debit
            | Name::Cache
            | Name::Prove => self.purse_command(name, command, transaction),
            _ => self.security_command(name, command, challenge.as_ref()),
        }
    }

    fn select(&mut self, command: &Command) -> Answer {
        if !matches!(command.p2, 0x00 | 0x0C) {
            return Err(0x6A86);
        }
        let df = match (command.p1, command.data.as_slice()) {
            (0x00, []) => Some(files::MF),
            (0x00, [high, low]) => {
                let fid = u16::from_be_bytes([*high, *low]);
                if files::files(self.v.df).iter().any(|file| file.fid == fid) {
                    self.v.ef = Some(fid);
                    return Ok(Vec::new());
                }
                files::DFS.into_iter().find(|df| *df == fid)
            }
            (0x04, name) if (1..=16).contains(&name.len()) => {
                files::DFS.into_iter().find(|df| files::names(*df).iter().any(|its| its == name))
            }
            (0x00 | 0x04, _) => return Err(0x6700),
            _ => return Err(0x6A86),
        };
        let df = df.ok_or(0x6A82_u16)?;
        self.v.df = df;
        self.v.ef = None;
        self.v.chosen = None;
        self.v.df_register = if df == files::MF { self.v.mf_register } else { 0 };
        Ok(if command.p2 == 0 { self.fci(df) } else { Vec::new() })
    }

    fn fci(&self, df: u16) -> Vec<u8> {
        let object =
            |tag: &[u8], value: &[u8]| [tag, &[u8::try_from(value.len()).unwrap()], value].concat();
        let name = object(&[0x84], &files::names(df)[0]);
        let mut inside = Vec::new();
        if df == files::WALLET {
            inside.extend(object(&[0x9F, 0x08], &[2]));
            inside.extend(object(&[0x9F, 0x0C], self.bytes(files::WALLET, 0x15)));
            return object(&[0x6F], &[name, object(&[0xA5], &inside)].concat());
        }
        let mut template = [name, object(&[0x8A], &[5])].concat();
        if !files::keys(df).is_empty() {
            let mut rows = Vec::new();
            for number in files::keys(df) {
                if let Some(slots) = self.slots.get(&(df, *number)) {
                    rows.extend([*number, slots.active.0, slots.other.map_or(0xFF, |it| it.0)]);
                }
            }
            inside.extend(object(&[0x80], &[self.algorithm]));
            inside.extend(object(&[0x81], &self.serial));
            inside.extend(object(&[0x82], &rows));
            inside.extend(object(&[0x83], &[1]));
            template.extend(object(&[0xA5], &inside));
        }
        object(&[0x6F], &template)
    }

    fn by_sfi(&self, sfi: u8) -> Result<File, u16> {
        files::files(self.v.df).iter().find(|file| file.sfi == sfi).copied().ok_or(0x6A82)
    }

    fn current(&self) -> Result<File, u16> {
        let fid = self.v.ef.ok_or(0x6986_u16)?;
        Ok(*files::files(self.v.df).iter().find(|file| file.fid == fid).expect("selected here"))
    }

    /// The file and the offset that P1 P2 name.
    fn place(&mut self, command: &Command) -> Result<(File, usize), u16> {
        if command.p1 & 0x80 == 0 {
            let offset = usize::from(command.p1) << 8 | usize::from(command.p2);
            return Ok((self.current()?, offset));
        }
        if command.p1 & 0x60 != 0 {
            return Err(0x6A86);
        }
        let file = self.by_sfi(command.p1 & 0x1F)?;
        self.v.ef = Some(file.fid);
        Ok((file, command.p2.into()))
    }

    /// Whether the operator's data of the file that P1 P2 name are enciphered.
    pub(crate) fn is_enciphered(&self, command: &Command) -> bool {
        let file = match command.p1 & 0x80 {
            0 => self.current(),
            _ => self.by_sfi(command.p1 & 0x7F),
        };
        file.is_ok_and(|file| matches!(file.read, Right::Operator))
    }

    fn check(&self, right: Right, road: Road, writes: bool) -> Result<(), u16> {
        let session = self.v.session.as_ref().filter(|_| road == Road::Session);
        match right {
            Right::Free => Ok(()),
            Right::Operator if road == Road::Line => Ok(()),
            Right::Keys(keys, states) => {
                if !session.is_some_and(|session| keys.contains(&session.key)) {
                    return Err(0x6982);
                }
                let state = self.status().ok_or(0x6400_u16)?.state;
                if !states.contains(&state) {
                    return Err(0x6985);
                }
                self.check_sector(writes)
            }
            Right::Never | Right::Operator => Err(0x6982),
        }
    }

    /// An application reads an open sector for a unit that the owner covers, and writes for the owner.
    fn check_sector(&self, writes: bool) -> Result<(), u16> {
        let Some(number) = files::sector(self.v.df) else { return Ok(()) };
        let entry = &self.records(files::ZONE, 0x0C)[usize::from(number) - 1];
        if entry[1] != 1 {
            return Err(0x6985);
        }
        let unit = self.acting().ok_or(0x6982_u16)?;
        let owner = entry[4..7].try_into().unwrap();
        let allowed = if writes { owner == unit } else { record::covers(owner, unit) };
        if allowed { Ok(()) } else { Err(0x6982) }
    }

    fn read_binary(&mut self, command: &Command, road: Road) -> Answer {
        command.no_data()?;
        let (file, offset) = self.place(command)?;
        if file.structure != Structure::Transparent {
            return Err(0x6981);
        }
        self.check(file.read, road, false)?;
        let bytes = self.bytes(self.v.df, file.fid);
        if offset >= bytes.len() {
            return Err(0x6B00);
        }
        let rest = &bytes[offset..];
        match command.ne {
            0 => Err(0x6700),
            ne if ne >= 256 => Ok(rest[..rest.len().min(ne as usize)].to_vec()),
            ne if ne as usize > rest.len() => Err(0x6C00 | u16::try_from(rest.len()).unwrap()),
            ne => Ok(rest[..ne as usize].to_vec()),
        }
    }

    fn read_record(&mut self, command: &Command, road: Road) -> Answer {
        command.no_data()?;
        if command.p2 & 7 != 4 {
            return Err(0x6A86);
        }
        let file = match command.p2 >> 3 {
            0 => self.current()?,
            sfi => self.by_sfi(sfi)?,
        };
        self.v.ef = Some(file.fid);
        if matches!(file.structure, Structure::Transparent | Structure::Purse) {
            return Err(0x6981);
        }
        self.check(file.read, road, false)?;
        let records = self.records(self.v.df, file.fid);
        let index = usize::from(command.p1).checked_sub(1).ok_or(0x6A83_u16)?;
        let record = records.get(index).ok_or(0x6A83_u16)?;
        command.exact_le(record.len())?;
        Ok(record.clone())
    }

    fn update_binary(&mut self, command: &Command, road: Road) -> Answer {
        if road != Road::Line {
            command.no_le()?;
        }
        if command.data.is_empty() {
            return Err(0x6700);
        }
        let (file, offset) = self.place(command)?;
        if file.structure != Structure::Transparent {
            return Err(0x6981);
        }
        self.check(file.update, road, true)?;
        let df = self.v.df;
        let pupil = df == files::ZONE && matches!(file.fid, 7 | 8);
        if pupil && self.acting() != self.status().and_then(|status| self.owner(&status)) {
            return Err(0x6982);
        }
        if (df, file.fid) == (files::ZONE, 5) && self.acting() != Some(record::CITY) {
            return Err(0x6982);
        }
        let mut after = self.bytes(df, file.fid).clone();
        if offset >= after.len() {
            return Err(0x6B00);
        }
        if offset + command.data.len() > after.len() {
            return Err(0x6700);
        }
        after[offset..offset + command.data.len()].copy_from_slice(&command.data);
        let before = self.bytes(df, file.fid);
        match (df, file.fid) {
            (files::ZONE, 7) => {
                let correction = self.status().is_some_and(|it| it.previous == files::ACT);
                if correction && after[..8] != before[..8] {
                    return Err(0x6985);
                }
            }
            (files::ZONE, 5) if !record::issuance_of(&after, before) => return Err(0x6A80),
            (files::WALLET, 5) if offset == 0 => self.check_flag(before[0], after[0])?,
            _ => {}
        }
        *self.bytes_mut(df, file.fid) = after;
        Ok(Vec::new())
    }

    /// The enable flag as the operator may change it: 17.2.
    fn check_flag(&self, from: u8, to: u8) -> Result<(), u16> {
        let allowed = match (from, to) {
            (_, 4..) => return Err(0x6A80),
            (0, 1) | (1, 2) | (2, 1 | 3) | (3, 1) => true,
            _ => from == to,
        };
        if allowed && (to != 3 || self.purse.balance == 0) { Ok(()) } else { Err(0x6985) }
    }
}
