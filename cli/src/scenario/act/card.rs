//! A card in the field of a reader: the operations of school and district.

use core::num::NonZeroU16;

use anyhow::{Context, bail};
use xuejika_card_model::code::Reason;
use xuejika_card_model::date::Date;
use xuejika_card_model::event::Opening;
use xuejika_card_model::ident::UnitCode;
use xuejika_card_model::pupil::Pupil;
use xuejika_card_model::record::{ExtensionIndex, FilingNumber, Term};
use xuejika_card_model::state::LifeCycleState::Initialised;
use xuejika_emulator::{Env, test_card};
use xuejika_keyscheme::{KeyNumber, KeyVersion};
use xuejika_reader::sam::SoftSam;
use xuejika_reader::{Change, Error, Personalised, Stamp, StudentCard};

use super::super::found::Found;
use super::super::script::{Act, Plain, Temporary, WithPupil};
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
        let pupil = match self.pupil(&with.pupil)? {
            Ok(pupil) => pupil,
            Err(errors) => return Ok((&errors).into()),
        };
        if with.online && !matches!(act, Act::Correct(_)) {
            let asked = self.refused_by_uploads(&with.reader, &with.card, &pupil, None)?;
            if let Some(refused) = asked {
                return Ok(refused);
            }
        }
        let stamp = self.stamp();
        let done = self.present(&with.reader, &with.card)?.and_then(|mut card| match act {
            Act::Correct(_) => card.correct(&pupil, stamp),
            _ => card.personalise(&pupil, stamp, with.issued),
        });
        if with.online && done.is_ok() {
            let issued = self.handed_out(&with.card)?;
            self.upload_personalised(&with.card, &pupil, issued, None)?;
        }
        Ok(written(&pupil, done))
    }

    /// Issues a temporary card for the card that is lost. The desk that does has the list of its own
    /// unit at hand, delivered to the reader or not.
    pub(super) fn temporary_issue(&mut self, temporary: &Temporary) -> anyhow::Result<Found> {
        let held = self.reader(&temporary.reader)?.office.lists()?.clone();
        self.take_own_list(&temporary.reader)?;
        let found = self.temporary_issue_by_lists(temporary);
        self.reader(&temporary.reader)?.office.set_lists(held);
        found
    }

    fn temporary_issue_by_lists(&mut self, temporary: &Temporary) -> anyhow::Result<Found> {
        let Temporary { card, reader, pupil, issued, lost, online } = temporary;
        let pupil = match self.pupil(pupil)? {
            Ok(pupil) => pupil,
            Err(errors) => return Ok((&errors).into()),
        };
        let lost = match lost {
            Some(lost) => self.serial(lost)?,
            None => self.lost_card(reader, card, &pupil)?,
        };
        let asked = self.refused_by_uploads(reader, card, &pupil, Some(lost));
        if *online && let Some(refused) = asked? {
            return Ok(refused);
        }
        let (stamp, holidays) = (self.stamp(), self.holidays.clone());
        let done = self
            .present(reader, card)?
            .and_then(|mut card| card.temporary_issue(&pupil, lost, &holidays, stamp, *issued));
        if *online && done.is_ok() {
            self.upload_personalised(card, &pupil, *issued, Some(lost))?;
        }
        Ok(written(&pupil, done))
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
        let ends = matches!(
            act,
            Act::Cancel(_)
                | Act::Replace(_)
                | Act::Recall(_)
                | Act::Fault(_)
                | Act::TemporaryReturn(_)
        );
        let state = done.as_ref().ok().map(|change| change.outcome.state);
        if ends && done.is_ok() {
            self.upload_ended(&plain.card)?;
        }
        // Found in order, a card sent up as faulty is its pupil's again.
        if matches!(act, Act::Restock(_)) && state.is_some_and(|state| state != Initialised) {
            // Clocks of scenarios may go back; the day is then left as it was.
            let _ = self.upload(&plain.reader, &plain.card);
        }
        Ok(changed(done))
    }

    pub(super) fn transfer_out(
        &mut self,
        reader: &str,
        card: &str,
        (promotion, to): (bool, Option<UnitCode>),
        reason: Option<Reason>,
    ) -> anyhow::Result<Found> {
        let stamp = self.stamp();
        let done = self
            .present(reader, card)?
            .and_then(|mut card| card.transfer_out(promotion, to, reason, stamp));
        Ok(changed(done))
    }

    pub(super) fn transfer_in(
        &mut self,
        reader: &str,
        card: &str,
        number: &str,
        reason: Option<Reason>,
    ) -> anyhow::Result<Found> {
        let (stamp, number) = (self.stamp(), number.parse()?);
        let done = self
            .present(reader, card)?
            .and_then(|mut card| card.transfer_in(number, reason, stamp));
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
                return Ok(Found::refused("no-filing-number", error.to_string()));
            }
            None => return Ok(Found::refused("no-filing-number", "the filing number is required")),
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

    /// Loads this version of a key, or retires its old one.
    pub(super) fn key(
        &mut self,
        reader: &str,
        card: &str,
        number: u8,
        version: Option<u8>,
    ) -> anyhow::Result<Found> {
        let version = version.map(|version| KeyVersion::new(version).context("version"));
        let (version, number) = (version.transpose()?, KeyNumber(number));
        let done = self.present(reader, card)?.and_then(|mut card| {
            match version {
                Some(version) => card.load_key(number, version)?,
                None => card.retire_key(number)?,
            }
            let versions = card.key_versions(number).iter();
            Ok(versions.map(|v| v.number().to_string()).collect::<Vec<_>>().join(", "))
        });
        Ok(match done {
            Ok(versions) => Found::done(format!("versions {versions}")).with("versions", versions),
            Err(error) => error.into(),
        })
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
        (sector, offset): (u8, u8),
        data: &str,
    ) -> anyhow::Result<Found> {
        let (index, data) = (index(sector)?, hex::parse(data)?);
        let written = self
            .present(reader, card)?
            .and_then(|mut card| card.write_sector(index, offset, &data));
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

fn written(pupil: &Pupil, done: Result<Personalised, Error>) -> Found {
    match done {
        Ok(Personalised { outcome, resumed, notes, .. }) => {
            Found::done(format!("{}: {}", pupil.identity.name, outcome.state))
                .with("state", outcome.state)
                .with("resumed", resumed)
                .noting(&notes)
        }
        Err(error) => error.into(),
    }
}

fn changed(done: Result<Change, Error>) -> Found {
    match done {
        Ok(Change { outcome, before, notes, .. }) => {
            Found::done(format!("{} to {}", before.state, outcome.state))
                .with("state", outcome.state)
                .with("repeated", outcome.repeated)
                .noting(&notes)
        }
        Err(error) => error.into(),
    }
}

fn index(sector: u8) -> anyhow::Result<ExtensionIndex> {
    ExtensionIndex::new(sector).context("sector: expected 1 to 8")
}
