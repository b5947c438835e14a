//! The reference card: what it holds, and the order in which a command is processed. Sections 4, 8,
//! 9 and 14 of the card profile.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cipher::Block;
use super::command::{self, Command};
use super::files::{self, Body, Files, Purse};
use super::keys;
use super::purse::Transaction;
use super::session::Session;

/// What a step answers: data, or a status word.
pub(crate) type Answer = Result<Vec<u8>, u16>;

/// Both versions of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slots {
    pub(crate) active: (u8, Block),
    pub(crate) other: Option<(u8, Block)>,
    pub(crate) failures: u16,
}

impl Slots {
    pub(crate) fn key(&self, version: u8) -> Option<Block> {
        let other = self.other.filter(|slot| slot.0 == version);
        Some(self.active).filter(|slot| slot.0 == version).or(other).map(|slot| slot.1)
    }
}

/// A key of the wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WalletKey {
    pub(crate) key: Block,
    pub(crate) tries: u8,
}

/// How far the wallet is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    Open,
    Blocked,
    ForGood,
}

/// What GET CHALLENGE gave.
#[derive(Clone, Debug)]
pub(crate) enum Challenge {
    Zone(Block),
    Transit([u8; 8]),
}

/// What dies with power.
#[derive(Clone)]
pub(crate) struct Volatile {
    pub(crate) df: u16,
    pub(crate) ef: Option<u16>,
    pub(crate) chosen: Option<(u8, u8)>,
    pub(crate) challenge: Option<Challenge>,
    pub(crate) session: Option<Session>,
    pub(crate) mf_register: u8,
    pub(crate) df_register: u8,
    pub(crate) transaction: Option<Transaction>,
    /// The first command of a chain, with all data so far.
    chain: Option<Command>,
    /// Data to fetch, and the status word behind it.
    pending: (Vec<u8>, u16),
}

impl Volatile {
    fn new() -> Self {
        Self {
            df: files::MF,
            ef: None,
            chosen: None,
            challenge: None,
            session: None,
            mf_register: 0,
            df_register: 0,
            transaction: None,
            chain: None,
            pending: (Vec::new(), 0),
        }
    }
}

/// A student card.
#[derive(Clone)]
pub(crate) struct RefCard {
    pub(crate) algorithm: u8,
    pub(crate) serial: [u8; 8],
    pub(crate) files: Files,
    pub(crate) slots: BTreeMap<(u16, u8), Slots>,
    pub(crate) purse: Purse,
    pub(crate) wallet_keys: BTreeMap<u8, WalletKey>,
    /// Digits, filled up with FF.
    pub(crate) pin: [u8; 8],
    pub(crate) pin_tries: u8,
    pub(crate) lock: Lock,
    pub(crate) card_blocked: bool,
    pub(crate) v: Volatile,
    random: Random,
}

/// Fills bytes with random ones.
pub(crate) type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// How a command came.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Road {
    Plain,
    Session,
    Line,
}

impl RefCard {
    /// A test card at delivery.
    pub(crate) fn new(
        serial: [u8; 8],
        algorithm: u8,
        blank: bool,
        random: impl Fn(&mut [u8]) + Send + Sync + 'static,
    ) -> Self {
        let mut slots = BTreeMap::new();
        for df in files::DFS {
            for &number in files::keys(df).iter().filter(|number| **number != 7) {
                let key = keys::card_key(df, number, 1, algorithm, serial);
                slots.insert((df, number), Slots { active: (1, key), other: None, failures: 0 });
            }
        }
        let number = files::transit_number(serial);
        let wallet_keys = keys::WALLET_KEYS
            .map(|(kind, ..)| (kind, WalletKey { key: keys::wallet_key(kind, number), tries: 3 }));
        Self {
            algorithm,
            serial,
            files: files::at_delivery(serial, algorithm, blank),
            slots,
            purse: Purse::default(),
            wallet_keys: wallet_keys.into(),
            pin: [0x12, 0x34, 0x56, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
            pin_tries: 3,
            lock: Lock::Open,
            card_blocked: false,
            v: Volatile::new(),
            random: Arc::new(random),
        }
    }

    /// Power, or a reset.
    pub(crate) fn reset(&mut self) {
        self.heal();
        self.v = Volatile::new();
    }

    pub(crate) fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.random)(&mut bytes);
        bytes
    }

    pub(crate) fn bytes(&self, df: u16, fid: u16) -> &Vec<u8> {
        match &self.files[&(df, fid)] {
            Body::Bytes(bytes) => bytes,
            Body::Records(_) => panic!("a file of bytes"),
        }
    }

    pub(crate) fn bytes_mut(&mut self, df: u16, fid: u16) -> &mut Vec<u8> {
        match self.files.get_mut(&(df, fid)) {
            Some(Body::Bytes(bytes)) => bytes,
            _ => panic!("a file of bytes"),
        }
    }

    pub(crate) fn records(&self, df: u16, fid: u16) -> &Vec<Vec<u8>> {
        match &self.files[&(df, fid)] {
            Body::Records(records) => records,
            Body::Bytes(_) => panic!("a file of records"),
        }
    }

    pub(crate) fn records_mut(&mut self, df: u16, fid: u16) -> &mut Vec<Vec<u8>> {
        match self.files.get_mut(&(df, fid)) {
            Some(Body::Records(records)) => records,
            _ => panic!("a file of records"),
        }
    }

    /// A new record in front; the oldest gives way.
    pub(crate) fn append(&mut self, df: u16, fid: u16, most: usize, record: Vec<u8>) {
        let records = self.records_mut(df, fid);
        records.insert(0, record);
        records.truncate(most);
    }

    /// Executes one command.
    pub(crate) fn transmit(&mut self, apdu: &[u8]) -> Vec<u8> {
        let challenge = self.v.challenge.take();
        let transaction = self.v.transaction.take();
        match self.link(apdu, challenge, transaction) {
            Ok(response) => response,
            Err(sw) => {
                self.v.session = None;
                self.v.chain = None;
                self.v.pending.0.clear();
                sw.to_be_bytes().to_vec()
            }
        }
    }

    /// Steps 2 to 10 and 16; an error is a link failure.
    fn link(
        &mut self,
        apdu: &[u8],
        challenge: Option<Challenge>,
        transaction: Option<Transaction>,
    ) -> Answer {
        let command = Command::parse(apdu).ok_or(0x6700_u16)?;
        if self.card_blocked {
            return Err(0x6A81);
        }
        if (command.cla, command.ins) == (0x00, 0xC0) && !self.v.pending.0.is_empty() {
            return self.fetch(&command);
        }
        self.v.pending.0.clear();
        let (security, chaining) = class(command.cla)?;
        let line = matches!(self.v.df, files::MF | files::WALLET);
        let road = match security {
            0 => Road::Plain,
            3 => Road::Session,
            1 if line => Road::Line,
            _ => return Err(0x6882),
        };
        if road != Road::Plain && chaining {
            return Err(0x6884);
        }
        let mut outer_ne = command.ne;
        let command = match road {
            Road::Plain => {
                self.v.session = None;
                match self.join(command, chaining)? {
                    None => return Ok(vec![0x90, 0x00]),
                    Some(command) => command,
                }
            }
            Road::Session => {
                self.v.chain = None;
                let session = self.v.session.as_mut().ok_or(0x6988_u16)?;
                session.unwrap(&command)?
            }
            Road::Line => {
                self.v.chain = None;
                outer_ne = 0;
                command
            }
        };
        let (mut data, sw) = self.application(&command, road, challenge, transaction);
        if road == Road::Session {
            data = self.v.session.as_mut().expect("it came in one").wrap(&data, sw);
        }
        Ok(self.cut(data, sw, outer_ne))
    }

    /// The next piece of an answer.
    fn fetch(&mut self, command: &Command) -> Answer {
        if (command.p1, command.p2) != (0, 0) {
            return Err(0x6A86);
        }
        if command.ne == 0 || !command.data.is_empty() {
            return Err(0x6700);
        }
        let (data, sw) = core::mem::take(&mut self.v.pending);
        Ok(self.cut(data, sw, command.ne))
    }

    /// As much as Ne allows; the rest waits.
    fn cut(&mut self, mut data: Vec<u8>, sw: u16, ne: u32) -> Vec<u8> {
        let ne = if ne == 0 { data.len() } else { ne as usize };
        let rest = data.split_off(ne.min(data.len()));
        let left = u16::try_from(rest.len()).unwrap();
        let told = if left == 0 { sw } else { 0x6100 | if left < 256 { left } else { 0 } };
        self.v.pending = (rest, sw);
        [data, told.to_be_bytes().to_vec()].concat()
    }

    /// A command that may be part of a chain; `None` until the last one.
    fn join(&mut self, mut command: Command, more: bool) -> Result<Option<Command>, u16> {
        command.cla &= !0x10;
        if let Some(mut begun) = self.v.chain.take() {
            let same = |of: &Command| (of.cla, of.ins, of.p1, of.p2);
            if same(&begun) != same(&command) {
                return Err(0x6883);
            }
            begun.data.append(&mut command.data);
            if begun.data.len() > 1024 {
                return Err(0x6700);
            }
            command.data = begun.data;
        }
        if !more {
            return Ok(Some(command));
        }
        if command.data.len() > 1024 {
            return Err(0x6700);
        }
        self.v.chain = Some(command);
        Ok(None)
    }

    /// Steps 11 to 15.
    fn application(
        &mut self,
        command: &Command,
        road: Road,
        challenge: Option<Challenge>,
        transaction: Option<Transaction>,
    ) -> (Vec<u8>, u16) {
        let Some(found) = command::find(command, self.v.df) else {
            return (Vec::new(), 0x6D00);
        };
        let kept = transaction.clone();
        let result = self.allowed(found, road).and_then(|()| match road {
            Road::Line => self.line(found, command, challenge.as_ref()),
            _ => self.perform(found, command, road, challenge, transaction),
        });
        let keeps = [command::Name::Balance, command::Name::Prove, command::Name::Internal];
        if result.is_ok() && keeps.contains(&found) {
            self.v.transaction = kept;
        }
        match result {
            Err(sw) => (Vec::new(), sw),
            Ok(data) => match self.selected(found) {
                None => (data, 0x9000),
                // The one error with data beside it.
                Some(0x6A81) => (data, 0x6A81),
                Some(sw) => (Vec::new(), sw),
            },
        }
    }

    /// Steps 11a to 13.
    fn allowed(&self, found: command::Name, road: Road) -> Result<(), u16> {
        use command::Name as N;
        if self.v.df == files::WALLET {
            let always = matches!(found, N::Select | N::TransitChallenge | N::CardBlock);
            let lock = matches!(found, N::ApplicationBlock | N::ApplicationUnblock);
            match self.lock {
                Lock::Blocked if !always && !lock => return Err(0x6985),
                Lock::ForGood if !always => return Err(0x9303),
                _ => {}
            }
        }
        match (command::protection(found), road) {
            (command::Protection::Plain, Road::Session | Road::Line) => Err(0x6882),
            (command::Protection::Protected, Road::Plain) => Err(0x6982),
            _ => Ok(()),
        }
    }

    /// What SELECT says when it ends in a locked wallet.
    fn selected(&self, found: command::Name) -> Option<u16> {
        let here = found == command::Name::Select && self.v.df == files::WALLET;
        match self.lock {
            Lock::Blocked if here => Some(0x6A81),
            Lock::ForGood if here => Some(0x9303),
            _ => None,
        }
    }
}

/// Secure-messaging bits and the chaining bit of a class byte.
fn class(cla: u8) -> Result<(u8, bool), u16> {
    match cla {
        0x40..=0x7F => Err(0x6881),
        0x20..=0x3F | 0xA0..=0xFF => Err(0x6E00),
        _ if cla & 3 != 0 => Err(0x6881),
        _ => Ok((cla >> 2 & 3, cla & 0x10 != 0)),
    }
}
