//! An application with keys, and a session with it under one of them.

use alloc::vec::Vec;

use xuejika_apdu::{CardChannel, Class, Command, Response, StatusWord};
use xuejika_card_model::event::{Outcome, Request};
use xuejika_card_model::file::tree::PROFILE_VERSION;
use xuejika_keyscheme::auth::CardId;
use xuejika_keyscheme::provider::Path;
use xuejika_keyscheme::slots::EMPTY;
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone};

use crate::error::Error;
use crate::link;
use crate::sam::{CHANGE_LIFE_CYCLE, PUT_KEY, Sam};

/// Most bytes one UPDATE BINARY carries, so that it stays a short command under protection.
const UPDATE_PIECE: usize = 192;

/// A selected application that has keys.
#[derive(Clone, Debug)]
pub(crate) struct Application {
    pub(crate) zone: Zone,
    pub(crate) serial: CardId,
    pub(crate) algorithm: Algorithm,
    keys: Vec<(KeyNumber, Vec<KeyVersion>)>,
}

impl Application {
    /// Selects the application and reads what it says of its keys.
    pub(crate) fn select<C: CardChannel + ?Sized>(
        channel: &mut C,
        title: &'static str,
        name: &[u8],
        zone: Zone,
    ) -> Result<Self, Error> {
        let fci = link::select(channel, title, name)?;
        let security = fci.security.ok_or(Error::Malformed("SELECT"))?;
        if security.profile != PROFILE_VERSION {
            return Err(Error::Unsupported { what: "profile version", code: security.profile });
        }
        let algorithm = Algorithm::from_code(security.algorithm)
            .ok_or(Error::Unsupported { what: "algorithm", code: security.algorithm })?;
        let keys = security
            .keys
            .iter()
            .map(|key| {
                let versions = [key.active, key.other].into_iter().filter_map(KeyVersion::new);
                (KeyNumber(key.number), versions.collect())
            })
            .collect();
        Ok(Self { zone, serial: CardId(security.serial), algorithm, keys })
    }

    /// The versions of a key it offers, the active one first.
    pub(crate) fn versions(&self, number: KeyNumber) -> &[KeyVersion] {
        self.keys.iter().find(|(key, _)| *key == number).map_or(&[], |(_, versions)| versions)
    }

    /// Card and SAM prove themselves to each other under a key; a session opens.
    pub(crate) fn authenticate<'a, S: Sam, C: CardChannel + ?Sized>(
        &self,
        sam: &'a mut S,
        channel: &'a mut C,
        number: KeyNumber,
        path: Path,
    ) -> Result<Session<'a, S, C>, Error> {
        let offered = self.versions(number);
        if offered.is_empty() {
            return Err(Error::NoKey(number));
        }
        let (zone, algorithm) = (self.zone, self.algorithm);
        let version = sam.version(zone, number, algorithm, offered)?;
        let id = KeyId { zone, number, version, algorithm };
        let reference = [0x80, 0x01, algorithm.code(), 0x83, 0x02, number.0, version.number()];
        let set = Command::new(Class::ISO, 0x22, 0xC1, 0xA4).with_data(&reference);
        link::command(channel, "MANAGE SECURITY ENVIRONMENT", &set)?;
        let get = Command::new(Class::ISO, 0x84, 0, 0).with_ne(16);
        let challenge = link::command(channel, "GET CHALLENGE", &get)?;
        let challenge =
            challenge.as_slice().try_into().map_err(|_| Error::Malformed("GET CHALLENGE"))?;
        let proof = sam.respond(id, path, self.serial, challenge)?.emit();
        let prove = Command::new(Class::ISO, 0x82, 0, 0).with_data(&proof).with_ne(16);
        let token = match link::command(channel, "MUTUAL AUTHENTICATE", &prove) {
            Err(Error::Status { status: StatusWord::AUTHENTICATION_FAILED, .. }) => {
                return Err(Error::NotAccepted);
            }
            other => other?,
        };
        sam.open(&token)?;
        Ok(Session { sam, channel })
    }
}

/// A session between a card and a SAM. Dropping it ends it on the SAM's side; the card ends it with
/// the next plain command.
#[derive(Debug)]
pub(crate) struct Session<'a, S: Sam, C: CardChannel + ?Sized> {
    sam: &'a mut S,
    channel: &'a mut C,
}

impl<S: Sam, C: CardChannel + ?Sized> Drop for Session<'_, S, C> {
    fn drop(&mut self) {
        self.sam.close();
    }
}

impl<S: Sam, C: CardChannel + ?Sized> Session<'_, S, C> {
    /// The SAM at this end.
    pub(crate) const fn sam(&mut self) -> &mut S {
        self.sam
    }

    /// Sends a command under protection and leaves its answer, still protected, in `data`.
    pub(crate) fn send(
        &mut self,
        command: &Command<'_>,
        data: &mut Vec<u8>,
    ) -> Result<StatusWord, Error> {
        let mut wire = Vec::new();
        self.sam.wrap(command, &mut wire)?;
        link::exchange(self.channel, &wire, data)
    }

    /// Sends a command that has to succeed and returns its response data.
    pub(crate) fn command(
        &mut self,
        name: &'static str,
        command: &Command<'_>,
    ) -> Result<Vec<u8>, Error> {
        let mut protected = Vec::new();
        let status = self.send(command, &mut protected)?;
        self.open(name, &protected, status)
    }

    /// Verifies and decrypts the answer to a command that has to succeed.
    fn open(
        &mut self,
        name: &'static str,
        protected: &[u8],
        status: StatusWord,
    ) -> Result<Vec<u8>, Error> {
        let mut data = Vec::new();
        match self.sam.unwrap(&Response { data: protected, status }, &mut data)? {
            StatusWord::SUCCESS => Ok(data),
            status => Err(Error::Status { command: name, status }),
        }
    }

    /// Reads a transparent file to its end.
    pub(crate) fn read_file(&mut self, sfi: u8) -> Result<Vec<u8>, Error> {
        self.command("READ BINARY", &read_binary(sfi))
    }

    /// Overwrites a transparent file from an offset on.
    pub(crate) fn update_file(
        &mut self,
        sfi: u8,
        offset: usize,
        bytes: &[u8],
    ) -> Result<(), Error> {
        for (index, piece) in bytes.chunks(UPDATE_PIECE).enumerate() {
            let offset = u8::try_from(offset + index * UPDATE_PIECE)
                .map_err(|_| Error::Malformed("UPDATE BINARY"))?;
            let update = Command::new(Class::ISO, 0xD6, 0x80 | sfi, offset).with_data(piece);
            self.command("UPDATE BINARY", &update)?;
        }
        Ok(())
    }

    /// Reads all records of a file, newest first where it is cyclic.
    pub(crate) fn read_records(&mut self, sfi: u8) -> Result<Vec<Vec<u8>>, Error> {
        let mut records = Vec::new();
        for number in 1..=u8::MAX {
            match self.read_record(sfi, number)? {
                Some(record) => records.push(record),
                None => break,
            }
        }
        Ok(records)
    }

    /// Reads one record, 1 being the newest of a cyclic file; `None` when there are not so many.
    pub(crate) fn read_record(&mut self, sfi: u8, number: u8) -> Result<Option<Vec<u8>>, Error> {
        let read = Command::new(Class::ISO, 0xB2, number, sfi << 3 | 0x04).with_ne(256);
        match self.command("READ RECORD", &read) {
            Ok(record) => Ok(Some(record)),
            Err(Error::Status { status: StatusWord::RECORD_NOT_FOUND, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Loads a newer version of a key into the card.
    pub(crate) fn put_key(&mut self, id: KeyId) -> Result<(), Error> {
        let mut wire = Vec::new();
        let kcv = self.sam.wrap_key(id, &mut wire)?;
        let mut protected = Vec::new();
        let status = link::exchange(self.channel, &wire, &mut protected)?;
        let answer = self.open("PUT KEY", &protected, status)?;
        if answer == kcv { Ok(()) } else { Err(Error::Malformed("PUT KEY")) }
    }

    /// Retires the fall-back version of a key.
    pub(crate) fn retire_key(&mut self, number: KeyNumber) -> Result<(), Error> {
        let retire = Command::new(Class::OWN, PUT_KEY, number.0, EMPTY);
        self.command("PUT KEY", &retire).map(drop)
    }

    /// Asks for a life-cycle event.
    pub(crate) fn event(&mut self, request: &Request) -> Result<Outcome, Error> {
        let data = request.emit();
        let change = Command::new(Class::OWN, CHANGE_LIFE_CYCLE, request.event.code(), 0x00)
            .with_data(&data)
            .with_ne(256);
        outcome(&self.command("CHANGE LIFE CYCLE", &change)?)
    }

    /// Asks for the opening of a sector; the SAM adds its owner's key in this version.
    pub(crate) fn open_sector(
        &mut self,
        request: &Request,
        version: KeyVersion,
    ) -> Result<Outcome, Error> {
        let mut wire = Vec::new();
        self.sam.wrap_open(request, version, &mut wire)?;
        let mut protected = Vec::new();
        let status = link::exchange(self.channel, &wire, &mut protected)?;
        outcome(&self.open("CHANGE LIFE CYCLE", &protected, status)?)
    }
}

fn outcome(data: &[u8]) -> Result<Outcome, Error> {
    Outcome::parse(data).ok_or(Error::Malformed("CHANGE LIFE CYCLE"))
}

/// READ BINARY of a whole file by its short identifier.
pub(crate) const fn read_binary(sfi: u8) -> Command<'static> {
    Command::new(Class::ISO, 0xB0, 0x80 | sfi, 0x00).with_ne(256)
}
