//! Extension sectors (扩展扇区): to whom they are open, and what opening and reclaiming change.
//!
//! Directory entry, owner's key and status flag change in the one transaction of the event. Cards
//! without a journal pass through [`Sector::Reclaiming`]; a sector found so is no longer its
//! application's, and the next reclaim completes it.

use xuejika_keyscheme::KeyNumber;
use xuejika_keyscheme::slots::KeySlots;

use super::execute::{Occasion, Plan};
use super::{Condition, Opening, OwnerKey};
use crate::card::{Card, CardError, Denied};
use crate::date::ShortDate;
use crate::file::tree::sfi;
use crate::file::{Caller, Df, Ef};
use crate::ident::UnitCode;
use crate::nvm::Nvm;
use crate::record::{ExtensionEntry, ExtensionIndex, Grant, Sector};

impl<N: Nvm> Card<N> {
    /// Whether a sector is in use by an owner like this. An entry that cannot be read counts.
    pub(super) fn has_sector(&self, like: impl Fn(&Grant) -> bool) -> bool {
        ExtensionIndex::all().any(|index| match self.entry(index) {
            Ok(entry) => entry.sector.grant().is_some_and(&like),
            Err(_) => true,
        })
    }

    pub(super) fn open_sector(
        &self,
        occasion: &Occasion<'_>,
        opening: Opening,
    ) -> Result<Plan, CardError> {
        let OwnerKey { version, data } = occasion.key.ok_or(CardError::EventData)?;
        // A school opens sectors for itself, its district or the city.
        if !opening.owner.covers(occasion.acting) {
            return Err(CardError::ForeignUnit);
        }
        if self.entry(opening.index)?.sector != Sector::Closed {
            return Err(Condition::SectorInUse.into());
        }
        if data.key.algorithm() != self.header().algorithm {
            return Err(CardError::EventData);
        }
        if data.key.kcv().bytes() != data.kcv {
            return Err(CardError::KeyCheck);
        }
        let opened =
            ShortDate::try_from(occasion.request.date).map_err(|_| CardError::EventData)?;
        let Opening { index, application, owner, filing } = opening;
        let sector = Sector::Open(Grant { application, owner, filing, opened });
        let place = self.key_place(index)?;
        let mut plan = occasion.plan();
        plan.flags.extension_open = true;
        self.write_entry(&mut plan, ExtensionEntry { index, sector })?;
        plan.write(place, &KeySlots::new(*version, data.key.clone()).emit());
        Ok(plan)
    }

    /// Also completes a reclaim that was begun and not ended.
    pub(super) fn reclaim_sector(
        &self,
        occasion: &Occasion<'_>,
        index: ExtensionIndex,
    ) -> Result<Plan, CardError> {
        if self.entry(index)?.sector == Sector::Closed {
            return Err(Condition::SectorClosed.into());
        }
        let mut plan = occasion.plan();
        self.close_sectors(&mut plan, |other, _| other == index)?;
        Ok(plan)
    }

    /// Plans to close those sectors in use that `closes` names, by their number and their owner if
    /// the entry can be read.
    pub(super) fn close_sectors(
        &self,
        plan: &mut Plan,
        closes: impl Fn(ExtensionIndex, Option<UnitCode>) -> bool,
    ) -> Result<(), CardError> {
        let mut open = false;
        for index in ExtensionIndex::all() {
            let sector = self.entry(index).map(|entry| entry.sector);
            let owner = sector.as_ref().ok().and_then(Sector::grant).map(|grant| grant.owner);
            match sector {
                Ok(Sector::Closed) => {}
                _ if closes(index, owner) => self.close_sector(plan, index)?,
                _ => open = true,
            }
        }
        plan.flags.extension_open = open;
        Ok(())
    }

    /// Wipes the sector, destroys its owner's key and closes its entry.
    fn close_sector(&self, plan: &mut Plan, index: ExtensionIndex) -> Result<(), CardError> {
        let key = self.key_place(index)?;
        plan.zero(key..key + KeySlots::LEN);
        for file in self.sector(index)?.files {
            plan.zero_file(file);
        }
        plan.scrub = true;
        self.write_entry(plan, ExtensionEntry { index, sector: Sector::Closed })
    }

    /// An application reads a sector while it is open, for a unit that the owner covers.
    pub(crate) fn check_reading(&self, file: &Ef, caller: Caller) -> Result<(), CardError> {
        self.check_application(file, caller, |owner, acting| owner.covers(acting))
    }

    /// An application writes a sector while it is open, for its owner alone: a school does not write
    /// into the application of its district (操作规程 一/七).
    pub(crate) fn check_writing(&self, file: &Ef, caller: Caller) -> Result<(), CardError> {
        self.check_application(file, caller, |owner, acting| owner == acting)
    }

    fn check_application(
        &self,
        file: &Ef,
        caller: Caller,
        is_user: impl Fn(UnitCode, UnitCode) -> bool,
    ) -> Result<(), CardError> {
        // No two files begin at one place.
        let of_file = |df: &&Df| df.files.iter().any(|own| own.offset == file.offset);
        let zone = self.tree().dfs.iter().find(of_file).map(Df::zone);
        let sector = ExtensionIndex::all().find(|index| zone == Some(index.zone()));
        let Some(index) = sector else { return Ok(()) };
        let Caller::Peer(actor) = caller else { return Err(Denied::Security.into()) };
        let acting = actor.unit()?;
        match self.entry(index)?.sector {
            Sector::Open(grant) if is_user(grant.owner, acting) => Ok(()),
            Sector::Open(_) => Err(CardError::ForeignUnit),
            Sector::Closed | Sector::Reclaiming(_) => Err(Denied::State.into()),
        }
    }

    fn entry(&self, index: ExtensionIndex) -> Result<ExtensionEntry, CardError> {
        let file = self.education_file(sfi::DIRECTORY)?;
        let bytes = self.stored_record(file, index.value()).ok_or(CardError::Corrupt)?;
        Ok(ExtensionEntry::parse(bytes)?)
    }

    fn write_entry(&self, plan: &mut Plan, entry: ExtensionEntry) -> Result<(), CardError> {
        let file = self.education_file(sfi::DIRECTORY)?;
        let place = usize::from(entry.index.value() - 1) * ExtensionEntry::LEN;
        plan.write(file.offset + place, &entry.emit());
        Ok(())
    }

    fn sector(&self, index: ExtensionIndex) -> Result<&'static Df, CardError> {
        let mut dfs = self.tree().dfs.iter();
        dfs.find(|df| df.zone() == index.zone()).ok_or(CardError::Corrupt)
    }

    fn key_place(&self, index: ExtensionIndex) -> Result<usize, CardError> {
        self.sector(index)?.key_offset(KeyNumber::APPLICATION).ok_or(CardError::KeyNotFound)
    }
}
