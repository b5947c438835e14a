//! Extension sectors (扩展扇区): the school opens and reclaims them, their owners use them.

use alloc::vec::Vec;

use xuejika_apdu::CardChannel;
use xuejika_card_model::event::{Body, Opening};
use xuejika_card_model::file::tree::{sector_name, sfi};
use xuejika_card_model::ident::UnitCode;
use xuejika_card_model::lifecycle::Event;
use xuejika_card_model::management::key_path;
use xuejika_card_model::record::{ExtensionEntry, ExtensionIndex};
use xuejika_keyscheme::{KeyNumber, KeyVersion};

use super::application::owner;
use super::life::explained;
use super::{Change, Stamp, StudentCard, records, status};
use crate::error::Error;
use crate::sam::{Sam, SamError};
use crate::session::{Application, Session};

impl<S: Sam, C: CardChannel> StudentCard<'_, S, C> {
    /// Opens a sector to an application (开放扩展扇区). The SAM adds the owner's key, in the version of
    /// the card's key set.
    ///
    /// # Errors
    /// Returns an [`Error`] naming the refusal; nothing has changed then.
    pub fn open_sector(&mut self, opening: Opening, stamp: Stamp) -> Result<Change, Error> {
        let event = Event::ExtensionOpen;
        let version = KeyVersion::new(self.issuance.key_set_version.get());
        let offered = [version.unwrap_or(KeyVersion::FIRST)];
        let (zone, algorithm) = (opening.index.zone(), self.application.algorithm);
        let version = self.sam.version(zone, KeyNumber::APPLICATION, algorithm, &offered)?;
        let (desk, issuance) = (self.desk, self.issuance);
        let mut session = self.session(event.rule().key)?;
        let before = status(&mut session)?;
        let notes = desk.ask(&mut session, (&issuance, &before), event, stamp.date)?;
        let request = stamp.event(event, Body::Open(opening));
        let outcome = session
            .open_sector(&request, version)
            .map_err(|error| explained(&mut session, &before, event, error))?;
        Ok(Change { event, before, outcome, notes })
    }

    /// Reclaims a sector (回收扩展扇区): its contents and its owner's key are gone.
    ///
    /// # Errors
    /// Returns an [`Error`] naming the refusal; nothing has changed then.
    pub fn reclaim_sector(&mut self, index: ExtensionIndex, stamp: Stamp) -> Result<Change, Error> {
        self.change(Event::ExtensionReclaim, Body::Reclaim(index), None, stamp)
    }

    /// Reads a sector, all 240 bytes, under its owner's key.
    ///
    /// # Errors
    /// Returns an [`Error`]; [`Error::SectorNotOpen`] for a sector that no application may use.
    pub fn read_sector(&mut self, index: ExtensionIndex) -> Result<Vec<u8>, Error> {
        let owner = self.sector_owner(index)?;
        self.in_sector(index, owner, |session| session.read_file(sfi::ONLY))
    }

    /// Writes into a sector from `offset` on, under its owner's key.
    ///
    /// # Errors
    /// As [`Self::read_sector`]; [`Error::Status`] for what lies outside the sector. Each command is
    /// whole or not at all; longer data takes two.
    pub fn write_sector(
        &mut self,
        index: ExtensionIndex,
        offset: u8,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let owner = self.sector_owner(index)?;
        self.in_sector(index, owner, |session| session.update_file(sfi::ONLY, offset.into(), bytes))
    }

    /// Works in a session with a sector under its owner's key, and comes back to the education zone.
    pub(super) fn in_sector<T>(
        &mut self,
        index: ExtensionIndex,
        owner: UnitCode,
        work: impl FnOnce(&mut Session<'_, S, C>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let result = self.sector_session(index, owner).and_then(|mut session| work(&mut session));
        let back = self.select_again();
        let value = result?;
        back.map(|()| value)
    }

    fn sector_owner(&mut self, index: ExtensionIndex) -> Result<UnitCode, Error> {
        let mut session = self.session(KeyNumber::READ)?;
        let entries = records(&mut session, sfi::DIRECTORY, ExtensionEntry::parse)?;
        owner(&entries, index, None)
    }

    fn sector_session(
        &mut self,
        index: ExtensionIndex,
        owner: UnitCode,
    ) -> Result<Session<'_, S, C>, Error> {
        let name = sector_name(index.value());
        let zone = index.zone();
        let sector = Application::select(&mut self.channel, "extension sector", &name, zone)?;
        if sector.serial != self.application.serial {
            return Err(Error::Malformed("SELECT"));
        }
        let (key, path) = (KeyNumber::APPLICATION, key_path(owner));
        let session = sector.authenticate(self.sam, &mut self.channel, key, path);
        session.map_err(|error| match error {
            Error::Sam(SamError::NoVersion(KeyNumber::APPLICATION)) => {
                Error::NoSectorKey { sector: index.value(), owner }
            }
            error => error,
        })
    }
}
