//! Personalisation records as a CSV file. Every complaint names the file, the line and the field.

use std::path::Path;

use anyhow::{Context, anyhow, ensure};
use serde::Deserialize;
use xuejika_card_model::calendar::{Deadline, Holidays};
use xuejika_card_model::date::Date;
use xuejika_card_model::desk::PersonalisationUpload;
use xuejika_card_model::ident::{Stage, StudentNumber, UnitCode};
use xuejika_card_model::list::{Edition, Statement};

use crate::exit::{Failure, Outcome};
use crate::input::{self, MAX_DATA};
use crate::spreadsheet::{self, number, optional, required};

/// A line, under the names of the record's fields.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Row {
    card_serial: String,
    generation: String,
    student_number: String,
    record_type: String,
    name: String,
    rare_character: String,
    sex: String,
    birth_date: String,
    education_id: String,
    school_name: String,
    unit: String,
    stage: String,
    grade: String,
    valid_until: String,
    temporary: String,
    lost_card: String,
    personalised_on: String,
    personalised_by: String,
    terminal: String,
    count: String,
    issued: String,
    upload_by: String,
    ended_on: String,
    #[serde(rename = "uploaded_at")]
    _uploaded_at: String,
    #[serde(rename = "stated_at")]
    _stated_at: String,
}

/// Columns that a file must have.
const REQUIRED: [&str; 12] = [
    "card_serial",
    "student_number",
    "record_type",
    "name",
    "sex",
    "birth_date",
    "school_name",
    "grade",
    "valid_until",
    "personalised_on",
    "terminal",
    "count",
];

/// Reads the records that are stated in an edition, `-` from stdin.
pub(super) fn read(path: &Path, edition: &Edition) -> Outcome<Vec<PersonalisationUpload>> {
    let name = path.display().to_string();
    let read = || -> anyhow::Result<Vec<_>> {
        let rows: Vec<(u64, Row)> =
            spreadsheet::rows(&name, &input::named(path, MAX_DATA)?, &REQUIRED)?;
        let record = |(line, row): &(u64, Row)| {
            row.record(edition).with_context(|| format!("{name}:{line}"))
        };
        let records = rows.iter().map(record).collect::<anyhow::Result<Vec<_>>>()?;
        let lines = rows.iter().map(|(line, _)| *line);
        agree(&name, lines.zip(&records).collect())?;
        Ok(records)
    };
    read().map_err(Failure::usage)
}

/// Refuses lines that say two things of one personalisation: only one of them could count.
fn agree(name: &str, mut lines: Vec<(u64, &PersonalisationUpload)>) -> anyhow::Result<()> {
    lines.sort_by(|(_, one), (_, other)| one.place(other));
    for pair in lines.windows(2) {
        if let [(one, first), (other, second)] = pair
            && first.same_subject(second)
        {
            let (earlier, later) = (one.min(other), one.max(other));
            ensure!(
                first == second,
                "{name}:{later}: says otherwise than line {earlier} of the same personalisation, \
                 expected one of them"
            );
        }
    }
    Ok(())
}

impl Row {
    fn record(&self, edition: &Edition) -> anyhow::Result<PersonalisationUpload> {
        let student_number: StudentNumber = required("student_number", &self.student_number)?;
        let personalised_on: Date = required("personalised_on", &self.personalised_on)?;
        let unit: Option<UnitCode> = optional("unit", &self.unit)?;
        let stage: Option<Stage> = optional("stage", &self.stage)?;
        // A month needs no holidays.
        let upload_by =
            Deadline::PersonalisationUpload.last_day(personalised_on, &Holidays::default());
        let record = PersonalisationUpload {
            card_serial: required("card_serial", &self.card_serial)?,
            generation: number("generation", &self.generation, u8::MAX)?.unwrap_or(0),
            student_number,
            record_type: required("record_type", &self.record_type)?,
            name: required("name", &self.name)?,
            rare_character: flag("rare_character", &self.rare_character)?,
            sex: required("sex", &self.sex)?,
            birth_date: required("birth_date", &self.birth_date)?,
            education_id: optional("education_id", &self.education_id)?,
            school_name: required("school_name", &self.school_name)?,
            unit: unit.unwrap_or_else(|| student_number.unit()),
            stage: stage.unwrap_or_else(|| student_number.stage()),
            grade: required("grade", &self.grade)?,
            valid_until: required("valid_until", &self.valid_until)?,
            temporary: flag("temporary", &self.temporary)?,
            lost_card: optional("lost_card", &self.lost_card)?,
            personalised_on,
            personalised_by: optional("personalised_by", &self.personalised_by)?
                .unwrap_or(edition.scope),
            terminal: required("terminal", &self.terminal)?,
            count: number("count", &self.count, u16::MAX)?.context("count: is required")?,
            issued: flag("issued", &self.issued)?,
            upload_by: upload_by.context("personalised_on")?,
            ended_on: optional("ended_on", &self.ended_on)?,
            uploaded_at: edition.issued,
            stated_at: edition.issued,
        };
        if let Some(stated) = optional::<Date>("upload_by", &self.upload_by)? {
            let expected = record.upload_by;
            ensure!(stated == expected, "upload_by: is {stated}, expected {expected}");
        }
        record.check()?;
        let (by, scope) = (record.personalised_by, edition.scope);
        ensure!(scope.covers(by), "personalised_by: is {by}, outside the unit {scope} of the file");
        Ok(record)
    }
}

fn flag(field: &str, text: &str) -> anyhow::Result<bool> {
    match text {
        "" | "false" | "0" => Ok(false),
        "true" | "1" => Ok(true),
        _ => Err(anyhow!("{field}: is {text:?}, expected true or false")),
    }
}
