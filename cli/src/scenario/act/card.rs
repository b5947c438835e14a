//! A card in the field of a reader: the operations of school and district.

use core::num::NonZeroU16;

use anyhow::{Context, bail};
use xuejika_card_model::code::Reason;
use xuejika_card_model::date::Date;
use xuejika_card_model::event::Opening;
use xuejika_card_model::ident::UnitCode;
use xuejika_card_model::record::{ExtensionIndex, FilingNumber, Term};
use xuejika_emulator::{Env, test_card};
use xuejika_reader::sam::SoftSam;
use xuejika_reader::{Change, Error, Stamp, StudentCard};

use super::super::found::Found;
use super::super::script::{Act, Plain, WithPupil};
use super::super::world::{Field, Office, SCENARIO, World, powered};
use crate::clock;
use crate::hex;

impl World {
    /// Presents a management card to a reader.
    pub(super) fn unlock(
        &mut self,
        name: &str,
        of: Option<&str>,
        (unit, until): (Option<UnitCode>, Option<Date>),
    ) -> anyhow::Result<Found> {
        let (date, language) = (self.date, self.language);
        let holder = self.reader(of.unwrap_or(name))?;
        let (unit, until) = (unit.unwrap_or(holder.unit), until.unwrap_or(holder.until));
        let memory = test_card::management_for(holder.algorithm, unit, holder.lent, until);
        let env = Env::with_rng(clock::fork(&mut self.env));
        let tap = self.trace.tap(SCENARIO, "management card");
        let station = self.reader(name)?;
        let mut card = powered(memory.into_bytes(), env, tap, language)?;
        let locked = match core::mem::replace(&mut station.office, Office::Lost) {
            Office::Locked(locked) => locked,
            Office::Unlocked(reader) => reader.lock(),
            Office::Lost => bail!("the reader {name:?} is out of order"),
        };
        let found = match locked.unlock(&mut card, date) {
            Ok(reader) => {
                let grant = *reader.grant();
                station.office = Office::Unlocked(reader);
                Found::done(format!("unit {}, until {}", grant.unit, grant.valid_until))
            }
            Err(still) => {
                station.office = Office::Locked(still.reader);
                still.error.into()
            }
        };
        self.exchanges.append(&mut card.take());
        Ok(found)
    }

    /// Switches a reader off and on; the lists stay where they are stored.
    pub(super) fn restart(&mut self, name: &str) -> anyhow::Result<Found> {
        let station = self.reader(name)?;
        station.office = match core::mem::replace(&mut station.office, Office::Lost) {
            Office::Unlocked(reader) => Office::Locked(reader.lock()),
            other => other,
        };
        Ok(Found::done("the reader is locked"))
    }

    pub(super) fn write_pupil(&mut self, act: &Act, with: &WithPupil) -> anyhow::Result<Found> {
        let pupil = match self.pupil(&with.pupil)?.build() {
            Ok(pupil) => pupil,
            Err(errors) => return Ok((&errors).into()),
        };
        let stamp = self.stamp();
        let done = self.present(&with.reader, &with.card)?.and_then(|mut card| match act {
            Act::TemporaryIssue(_) => card.temporary_issue(&pupil, stamp, with.issued),
            Act::Correct(_) => card.correct(&pupil, stamp),
            _ => card.personalise(&pupil, stamp, with.issued),
        });
        Ok(match done {
            Ok(done) => Found::done(format!("{}: {}", pupil.identity.name, done.outcome.state))
                .with("state", done.outcome.state)
                .with("resumed", done.resumed),
            Err(error) => error.into(),
        })
    }

    pub(super) fn register(
        &mut self,
        reader: &str,
        card: &str,
        school_year: Option<u16>,
        term: Option<Term>,
    ) -> anyhow::Result<Found> {
        let (stamp, date) = (self.stamp(), self.date);
        let Ok((year, term)) = clock::period(date, school_year, term) else {
            bail!("there is no such school year");
        };
        let done =
            self.present(reader, card)?.and_then(|mut card| card.register(year, term, stamp));
        Ok(changed(done).with("term", format!("{year} {term}")))
    }

    pub(super) fn event(&mut self, act: &Act, plain: &Plain) -> anyhow::Result<Found> {
        let (stamp, reason) = (self.stamp(), plain.reason);
        let done = self
            .present(&plain.reader, &plain.card)?
            .and_then(|mut card| happen(&mut card, act, reason, stamp));
        Ok(changed(done))
    }

    pub(super) fn transfer_out(
        &mut self,
        reader: &str,
        card: &str,
        promotion: bool,
        to: Option<UnitCode>,
    ) -> anyhow::Result<Found> {
        let stamp = self.stamp();
        let done = self
            .present(reader, card)?
            .and_then(|mut card| card.transfer_out(promotion, to, None, stamp));
        Ok(changed(done))
    }

    pub(super) fn transfer_in(
        &mut self,
        reader: &str,
        card: &str,
        number: &str,
    ) -> anyhow::Result<Found> {
        let (stamp, number) = (self.stamp(), number.parse()?);
        let done =
            self.present(reader, card)?.and_then(|mut card| card.transfer_in(number, None, stamp));
        Ok(changed(done))
    }

    pub(super) fn open_sector(
        &mut self,
        reader: &str,
        card: &str,
        (sector, application, owner): (u8, NonZeroU16, UnitCode),
        filing: Option<&str>,
    ) -> anyhow::Result<Found> {
        // Without a filing number there is nothing that could be asked of a card.
        let filing: FilingNumber = match filing.map(str::parse) {
            Some(Ok(filing)) => filing,
            Some(Err(error)) => {
                return Ok(Found::ended("no-filing-number", error.to_string()));
            }
            None => return Ok(Found::ended("no-filing-number", "the filing number is required")),
        };
        let (stamp, index) = (self.stamp(), index(sector)?);
        let opening = Opening { index, application, owner, filing };
        let done =
            self.present(reader, card)?.and_then(|mut card| card.open_sector(opening, stamp));
        Ok(changed(done))
    }

    pub(super) fn reclaim_sector(
        &mut self,
        reader: &str,
        card: &str,
        sector: u8,
    ) -> anyhow::Result<Found> {
        let (stamp, index) = (self.stamp(), index(sector)?);
        let done =
            self.present(reader, card)?.and_then(|mut card| card.reclaim_sector(index, stamp));
        Ok(changed(done))
    }

    pub(super) fn read_sector(
        &mut self,
        reader: &str,
        card: &str,
        sector: u8,
    ) -> anyhow::Result<Found> {
        let index = index(sector)?;
        let read = self.present(reader, card)?.and_then(|mut card| card.read_sector(index));
        Ok(match read {
            Ok(bytes) => {
                let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                let data = hex::emit(bytes.get(..used).unwrap_or_default());
                Found::done(format!("{} bytes", bytes.len())).with("data", data)
            }
            Err(error) => error.into(),
        })
    }

    pub(super) fn write_sector(
        &mut self,
        reader: &str,
        card: &str,
        sector: u8,
        data: &str,
    ) -> anyhow::Result<Found> {
        let (index, data) = (index(sector)?, hex::parse(data)?);
        let written =
            self.present(reader, card)?.and_then(|mut card| card.write_sector(index, 0, &data));
        Ok(match written {
            Ok(()) => Found::done(format!("{} bytes", data.len())),
            Err(error) => error.into(),
        })
    }
}

/// An event that carries a reason at most.
fn happen(
    card: &mut StudentCard<'_, SoftSam, &mut Field>,
    act: &Act,
    reason: Option<Reason>,
    stamp: Stamp,
) -> Result<Change, Error> {
    match act {
        Act::Initialise(_) => card.initialise(reason, stamp),
        Act::Freeze(_) => card.freeze(reason, stamp),
        Act::Unfreeze(_) => card.unfreeze(reason, stamp),
        Act::Replace(_) => card.replace(reason, stamp),
        Act::Fault(_) => card.fault(reason, stamp),
        Act::Withdraw(_) => card.withdraw(reason, stamp),
        Act::Recall(_) => card.recall(reason, stamp),
        Act::Restock(_) => card.restock(reason, stamp),
        Act::TemporaryReturn(_) => card.temporary_return(reason, stamp),
        _ => card.cancel(reason, stamp),
    }
}

fn changed(done: Result<Change, Error>) -> Found {
    match done {
        Ok(Change { outcome, before, .. }) => {
            Found::done(format!("{} to {}", before.state, outcome.state))
                .with("state", outcome.state)
                .with("repeated", outcome.repeated)
        }
        Err(error) => error.into(),
    }
}

fn index(sector: u8) -> anyhow::Result<ExtensionIndex> {
    ExtensionIndex::new(sector).context("sector: expected 1 to 8")
}
