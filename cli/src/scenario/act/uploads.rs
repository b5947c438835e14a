//! The uploads of all schools as the city has them: what every desk asks before it personalises.

use anyhow::Context;
use xuejika_card_model::desk::{Candidate, PersonalisationUpload};
use xuejika_card_model::ident::CardSerial;
use xuejika_card_model::lifecycle::Event;
use xuejika_card_model::list::{Edition, Kind, List};
use xuejika_card_model::pupil::Pupil;
use xuejika_card_model::record::{Personalisation, Status};

use super::super::found::Found;
use super::super::world::{Office, TERMINAL, World};

impl World {
    /// Asks whether a card may be personalised for a pupil. What reader and card refuse by themselves is
    /// left to them: a locked reader, another school's pupil, a card in no state for it.
    pub(super) fn refused_by_uploads(
        &mut self,
        reader: &str,
        card: &str,
        pupil: &Pupil,
        lost: Option<CardSerial>,
    ) -> anyhow::Result<Option<Found>> {
        let station = self.reader(reader)?;
        if !matches!(station.office, Office::Unlocked(_)) || station.unit != pupil.enrolment.unit {
            return Ok(None);
        }
        let on = self.date;
        let model = self.card(card)?.channel().model();
        let (Ok(issuance), Ok(status)) = (model.issuance(), model.status()) else {
            return Ok(None);
        };
        let Status { state, previous, .. } = status.current;
        if Event::PersonaliseBegin.next(state, previous).is_none() {
            return Ok(None);
        }
        let candidate = Candidate { pupil, card: &issuance, lost, on };
        let refused = self.uploads.admits(&candidate, &self.newest_lists()).err();
        Ok(refused.map(Found::from))
    }

    /// Takes up that a card was personalised.
    pub(super) fn upload_personalised(
        &mut self,
        card: &str,
        pupil: &Pupil,
        issued: bool,
        lost: Option<CardSerial>,
    ) -> anyhow::Result<()> {
        let at = self.now();
        let model = self.card(card)?.channel().model();
        let (issuance, status) = (model.issuance()?, model.status()?.current);
        let before = self.uploads.current(issuance.card_serial);
        let before = before
            .filter(|before| before.generation == issuance.generation && before.ended_on.is_none());
        let record = Personalisation {
            count: before.map_or(0, |before| before.count).saturating_add(1),
            date: at.date,
            unit: pupil.enrolment.unit,
            terminal: TERMINAL,
            issued,
        };
        let record = PersonalisationUpload::new(&issuance, &status, pupil, &record, at)?;
        self.state(lost.map_or(Ok(record), |lost| record.for_lost(lost))?)
    }

    /// Checks everything that was uploaded.
    pub(super) fn check_uploads(&self) -> Found {
        let findings = self.uploads.findings(&self.newest_lists(), self.date);
        let names: Vec<_> = findings.iter().map(|(_, finding)| finding.name()).collect();
        let text = findings.iter().map(|(card, finding)| format!("card {card}: {finding}"));
        let text: Vec<_> = text.collect();
        let text = text.join("; ");
        let found =
            if findings.is_empty() { Found::done(text) } else { Found::refused("findings", text) };
        found.with("findings", names.join(", "))
    }

    /// Takes up a statement; one of a temporary card names the lost card of its pupil.
    pub(super) fn state(&mut self, record: PersonalisationUpload) -> anyhow::Result<()> {
        let unnamed = record.temporary && record.lost_card.is_none();
        let record = match self.stood_in_for(&record).filter(|_| unnamed) {
            Some(lost) => record.for_lost(lost)?,
            None => record,
        };
        let before = *self.uploads.edition();
        let issued = record.stated_at.max(before.issued);
        let version =
            before.version.checked_add(1).context("the uploads have no further version")?;
        self.uploads = self.uploads.next(Edition { version, issued, ..before }, [record])?;
        Ok(())
    }

    /// Takes up that a card ceased to be its pupil's.
    pub(super) fn upload_ended(&mut self, card: &str) -> anyhow::Result<()> {
        let (serial, at) = (self.serial(card)?, self.now());
        let held = self.uploads.current(serial).filter(|held| held.ended_on.is_none()).copied();
        // Clocks of scenarios may go back; the day is then left as it was.
        match held.and_then(|held| held.ended(at.date, at).ok()) {
            Some(ended) => self.state(ended),
            None => Ok(()),
        }
    }

    /// The lost card of the pupil whom a record is about.
    fn stood_in_for(&self, record: &PersonalisationUpload) -> Option<CardSerial> {
        let lists = self.newest_lists();
        let lost =
            |card| lists.iter().any(|list| list.entries().open(card, Kind::Loss).next().is_some());
        let own = self.uploads.entries().iter().filter(|held| {
            held.student_number == record.student_number && held.card_serial != record.card_serial
        });
        own.map(|held| held.card_serial).find(|card| lost(*card))
    }

    fn newest_lists(&self) -> Vec<&List> {
        self.lists.values().filter_map(|book| book.versions.last()).collect()
    }
}
