//! The desks: forms and time limits.

use anyhow::{Context, bail};
use xuejika_card_model::calendar::{Deadline, temporary_card_until};
use xuejika_card_model::date::Date;
use xuejika_card_model::desk::{
    FaultCause, FaultSheet, Inspection, PersonalisationUpload, RecallLine, ReplacementCause,
    ReplacementForm,
};
use xuejika_card_model::ident::UnitCode;
use xuejika_card_model::list::Kind;

use super::super::found::Found;
use super::super::script::Sheet;
use super::super::world::World;

impl World {
    pub(super) fn check_pupil(&mut self, name: &str) -> anyhow::Result<Found> {
        Ok(match self.pupil(name)? {
            Ok(pupil) => Found::done(pupil.identity.name.to_string())
                .with("stage", pupil.enrolment.stage)
                .with("unit", pupil.enrolment.unit)
                .with("colour", pupil.enrolment.stage.colour()),
            Err(errors) => (&errors).into(),
        })
    }

    pub(super) fn apply_replacement(
        &mut self,
        list: Option<&str>,
        card: &str,
        pupil: &str,
        (cause, since): (ReplacementCause, Option<Date>),
    ) -> anyhow::Result<Found> {
        let (serial, today) = (self.serial(card)?, self.date);
        let Ok(pupil) = self.pupil(pupil)? else { bail!("the pupil's data is not valid") };
        if let Some(of) = self.uploads.of_another(serial, &pupil) {
            let text = format!("the card was personalised for another pupil, {}", of.number);
            return Ok(Found::refused("other-pupil", text));
        }
        let since = match (cause, list, since) {
            (ReplacementCause::Lost, Some(list), _) => {
                let lists = self.list(list)?.versions.last();
                match lists.and_then(|list| list.entries().reported(serial, Kind::Loss)) {
                    Some(reported) => reported.date,
                    None => {
                        return Ok(Found::refused("not-listed", "the card is not reported lost"));
                    }
                }
            }
            (_, _, since) => since.context("since: when was it damaged?")?,
        };
        let form = ReplacementForm::new(&pupil, serial, cause, since, today, &self.holidays);
        let given = list.map(|name| self.list(name)).transpose()?;
        let newest: Vec<_> = given.and_then(|given| given.versions.last()).into_iter().collect();
        let form = form.and_then(|form| form.unless_replaced(&newest));
        let handed_out = self.handed_out(card)?;
        let form = form.map(|form| if handed_out { form } else { form.never_handed_out() });
        Ok(match form {
            Ok(form) => {
                self.counted(since, form.hand_out_by);
                // A broken card is handed in with the form; a lost one makes room by its loss.
                if cause != ReplacementCause::Lost {
                    self.upload_ended(card)?;
                }
                Found::done(format!("since {since}"))
                    .with("fee", form.fee_yuan)
                    .with("fee_code", form.fee_code)
                    .with("apply_by", form.apply_by)
                    .with("late", form.late)
                    .with("hand_out_by", form.hand_out_by)
            }
            Err(error) => error.into(),
        })
    }

    /// Writes a fault sheet; the inspections are of today unless they say otherwise.
    pub(super) fn fault_sheet(&mut self, given: &Sheet) -> anyhow::Result<Found> {
        let (serial, today) = (self.serial(&given.card)?, self.date);
        let seen = "no answer".to_owned();
        let sheet = FaultSheet::new(serial, given.unit, given.occasion, seen, today);
        let inspection = |found, on: Option<Date>| Inspection { on: on.unwrap_or(today), found };
        let sheet = match given.district {
            Some(found) => sheet.checked_by_district(inspection(found, given.district_on)),
            None => Ok(sheet),
        };
        let sheet = sheet.and_then(|sheet| match given.city {
            Some(found) => sheet.tested_by_city(inspection(found, given.city_on)),
            None => Ok(sheet),
        });
        Ok(match sheet {
            Ok(sheet) => {
                let cause = sheet.cause().map_or("unknown", FaultCause::english);
                Found::done(cause).with("cause", cause)
            }
            Err(error) => error.into(),
        })
    }

    pub(super) fn upload(&mut self, reader: &str, card: &str) -> anyhow::Result<Found> {
        let contents = match self.contents(reader, card)? {
            Ok(contents) => contents,
            Err(error) => return Ok(error.into()),
        };
        let (Some(pupil), Some(record)) = (&contents.pupil, &contents.personalisation) else {
            return Ok(Found::refused("not-personalised", "the card holds no pupil"));
        };
        let (issuance, status, at) = (&contents.issuance, &contents.status, self.now());
        let upload = PersonalisationUpload::new(issuance, status, pupil, record, at)?;
        self.state(upload)?;
        Ok(Found::done(upload.name.text())
            .with("name", upload.name)
            .with("student_number", upload.student_number)
            .with("unit", upload.unit)
            .with("count", upload.count)
            .with("upload_by", upload.upload_by))
    }

    pub(super) fn recall_slip(
        &mut self,
        reader: &str,
        card: &str,
        unit: Option<UnitCode>,
        passed: bool,
    ) -> anyhow::Result<Found> {
        let (signed_on, contents) = (self.date, self.contents(reader, card)?);
        let contents = match contents {
            Ok(contents) => contents,
            Err(error) => return Ok(error.into()),
        };
        let unit = unit.unwrap_or(contents.status.unit);
        let (issuance, status) = (&contents.issuance, &contents.status);
        let line = RecallLine::new(issuance, status, unit, signed_on, passed, String::new());
        Ok(match line {
            Ok(line) => Found::done(format!("unit {unit}"))
                .with("unit", line.unit)
                .with("district", line.district)
                .with("passed", line.passed)
                .with("generation", line.generation),
            Err(error) => error.into(),
        })
    }

    pub(super) fn deadline(&mut self, limit: &str, from: Date) -> anyhow::Result<Found> {
        let deadline = match limit {
            "loss-effective" => Deadline::LossEffective,
            "replacement-application" => Deadline::ReplacementApplication,
            "record-card-replaced" => Deadline::RecordCardReplaced,
            "student-card-replaced" => Deadline::StudentCardReplaced,
            "district-share" => Deadline::DistrictShare,
            "city-share" => Deadline::CityShare,
            "cards-passed-on" => Deadline::CardsPassedOn,
            "personalisation-upload" => Deadline::PersonalisationUpload,
            "temporary-card" => {
                let last = temporary_card_until(from, &self.holidays)?;
                self.counted(from, last);
                return Ok(Found::done("a temporary card ends").with("last_day", last));
            }
            other => bail!("limit: there is no {other:?}"),
        };
        let last = deadline.last_day(from, &self.holidays)?;
        self.counted(from, last);
        Ok(Found::done(deadline.rule().english).with("last_day", last))
    }
}
