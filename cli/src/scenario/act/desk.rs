//! The desks: forms and time limits.

use anyhow::{Context, bail};
use xuejika_card_model::calendar::{Deadline, temporary_card_until};
use xuejika_card_model::date::Date;
use xuejika_card_model::desk::{
    FaultCause, FaultOccasion, FaultSheet, Inspection, PersonalisationUpload, RecallLine,
    ReplacementCause, ReplacementForm,
};
use xuejika_card_model::ident::UnitCode;
use xuejika_card_model::list::Kind;

use super::super::found::Found;
use super::super::world::World;

impl World {
    pub(super) fn check_pupil(&mut self, name: &str) -> anyhow::Result<Found> {
        Ok(match self.pupil(name)?.build() {
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
        let Ok(pupil) = self.pupil(pupil)?.build() else { bail!("the pupil's data is not valid") };
        let since = match (cause, list, since) {
            (ReplacementCause::Lost, Some(list), _) => {
                let lists = self.list(list)?.versions.last();
                match lists.and_then(|list| list.entries().reported(serial, Kind::Loss)) {
                    Some(reported) => reported.date,
                    None => return Ok(Found::ended("not-listed", "the card is not reported lost")),
                }
            }
            (_, _, since) => since.context("since: when was it damaged?")?,
        };
        let form = ReplacementForm::new(&pupil, serial, cause, since, today, &self.holidays);
        let handed_out = self.handed_out(card)?;
        let form = form.map(|form| if handed_out { form } else { form.never_handed_out() });
        Ok(match form {
            Ok(form) => Found::done(format!("since {since}"))
                .with("fee", form.fee_yuan)
                .with("fee_code", form.fee_code)
                .with("apply_by", form.apply_by)
                .with("late", form.late)
                .with("hand_out_by", form.hand_out_by),
            Err(error) => error.into(),
        })
    }

    pub(super) fn fault_sheet(
        &mut self,
        card: &str,
        unit: UnitCode,
        district: Option<FaultCause>,
        city: Option<FaultCause>,
    ) -> anyhow::Result<Found> {
        let (serial, on) = (self.serial(card)?, self.date);
        let occasion = FaultOccasion::Use;
        let mut sheet = FaultSheet::new(serial, unit, occasion, "no answer".to_owned(), on);
        if let Some(found) = district {
            sheet = sheet.checked_by_district(Inspection { on, found })?;
        }
        if let Some(found) = city {
            sheet = match sheet.tested_by_city(Inspection { on, found }) {
                Ok(sheet) => sheet,
                Err(error) => return Ok(Found::ended("not-confirmed", error.to_string())),
            };
        }
        let cause = sheet.cause().map_or("unknown", FaultCause::english);
        Ok(Found::done(cause).with("cause", cause))
    }

    pub(super) fn upload(&mut self, reader: &str, card: &str) -> anyhow::Result<Found> {
        let contents = match self.contents(reader, card)? {
            Ok(contents) => contents,
            Err(error) => return Ok(error.into()),
        };
        let (Some(pupil), Some(record)) = (&contents.pupil, &contents.personalisation) else {
            return Ok(Found::ended("not-personalised", "the card holds no pupil"));
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

    pub(super) fn recall_slip(&mut self, reader: &str, card: &str) -> anyhow::Result<Found> {
        let (signed_on, contents) = (self.date, self.contents(reader, card)?);
        let contents = match contents {
            Ok(contents) => contents,
            Err(error) => return Ok(error.into()),
        };
        let unit = contents.status.unit;
        let (issuance, status) = (&contents.issuance, &contents.status);
        let line = RecallLine::new(issuance, status, unit, signed_on, true, String::new());
        Ok(match line {
            Ok(line) => Found::done(format!("unit {unit}"))
                .with("unit", line.unit)
                .with("district", line.district)
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
                return Ok(Found::done("a temporary card ends").with("last_day", last));
            }
            other => bail!("limit: there is no {other:?}"),
        };
        let last = deadline.last_day(from, &self.holidays)?;
        Ok(Found::done(deadline.rule().english).with("last_day", last))
    }
}
