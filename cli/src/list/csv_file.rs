//! Reports as a CSV file. Every complaint names the file, the line and the field.

use core::fmt::Display;
use core::str::FromStr;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use serde::{Deserialize, Serialize};
use xuejika_card_model::calendar::Holidays;
use xuejika_card_model::date::Time;
use xuejika_card_model::ident::UnitCode;
use xuejika_card_model::list::{Entries, Entry, Kind, Moment};

use crate::calendar_args::warn_of_years;
use crate::exit::{Failure, Outcome};
use crate::input::{self, MAX_DATA};
use crate::spreadsheet::{self, Csv};

/// A line. The same names serve reading and writing.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Row {
    card_serial: String,
    kind: String,
    unit: String,
    reported_date: String,
    reported_time: String,
    effective: String,
    reason: String,
    withdrawn_date: String,
    withdrawn_time: String,
    generation: String,
}

/// Columns that a file must have.
const REQUIRED: [&str; 3] = ["card_serial", "kind", "reported_date"];

/// Reads the reports of a unit, `-` from stdin.
pub(super) fn read(path: &Path, scope: UnitCode, holidays: &Holidays) -> Outcome<Vec<Entry>> {
    let name = path.display().to_string();
    let read = || -> anyhow::Result<Vec<Entry>> {
        let bytes = input::named(path, MAX_DATA)?;
        parse(&name, &bytes, scope, holidays)
    };
    read().map_err(Failure::usage)
}

/// A table of entries.
pub(super) fn emit(entries: &Entries) -> Outcome<Csv> {
    Csv::of(entries.iter().map(Row::from)).map_err(Failure::device)
}

fn parse(
    name: &str,
    bytes: &[u8],
    scope: UnitCode,
    holidays: &Holidays,
) -> anyhow::Result<Vec<Entry>> {
    let sheet = spreadsheet::read(name, bytes)?;
    let is_there = |column: &&str| sheet.heading.iter().any(|heading| heading == *column);
    if let Some(missing) = REQUIRED.into_iter().find(|column| !is_there(column)) {
        let expected = REQUIRED.join(", ");
        bail!("{name}:1: no column {missing}, expected a heading with {expected} at least");
    }
    let mut entries = Vec::new();
    for (line, record) in &sheet.records {
        let row: Row = record
            .deserialize(Some(&sheet.heading))
            .map_err(|error| anyhow!("{name}:{line}: {}", cause(&error)))?;
        entries.push(row.entry(scope, holidays).with_context(|| format!("{name}:{line}"))?);
    }
    let losses = entries.iter().filter(|entry: &&Entry| entry.kind() == Kind::Loss);
    let years = |entry: &Entry| holidays.not_covered(entry.reported().date, entry.effective());
    warn_of_years(losses.flat_map(years));
    Ok(entries)
}

/// What is wrong with a record, without the position that stands in front already.
fn cause(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
        _ => error.to_string(),
    }
}

impl Row {
    fn entry(&self, scope: UnitCode, holidays: &Holidays) -> anyhow::Result<Entry> {
        let kind: Kind = required("kind", &self.kind)?;
        let reported =
            moment("reported_date", &self.reported_date, "reported_time", &self.reported_time)?
                .context("reported_date: is required")?;
        let unit = optional("unit", &self.unit)?.unwrap_or(scope);
        let wanted = optional("effective", &self.effective)?;
        let effective = kind.effective(reported.date, wanted, holidays).context("effective")?;
        let entry = Entry::new(
            required("card_serial", &self.card_serial)?,
            kind,
            unit,
            reported,
            effective,
            optional("reason", &self.reason)?,
        )
        .context("effective")?;
        let generation: Option<u8> = optional("generation", &self.generation)?;
        let entry = generation.map_or(entry, |generation| entry.of_generation(generation));
        match moment(
            "withdrawn_date",
            &self.withdrawn_date,
            "withdrawn_time",
            &self.withdrawn_time,
        )? {
            Some(at) => entry.withdraw(at).context("withdrawn_date"),
            None => Ok(entry),
        }
    }
}

fn moment(
    date_field: &str,
    date: &str,
    time_field: &str,
    time: &str,
) -> anyhow::Result<Option<Moment>> {
    let time: Option<Time> = optional(time_field, time)?;
    match (optional(date_field, date)?, time) {
        (Some(date), time) => Ok(Some(Moment { date, time: time.unwrap_or(Time::MIDNIGHT) })),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(anyhow!("{time_field}: is given without {date_field}")),
    }
}

fn required<T: FromStr<Err: Display>>(field: &str, text: &str) -> anyhow::Result<T> {
    optional(field, text)?.with_context(|| format!("{field}: is required"))
}

fn optional<T: FromStr<Err: Display>>(field: &str, text: &str) -> anyhow::Result<Option<T>> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| anyhow!("{field}: {error}"))
}

impl From<&Entry> for Row {
    fn from(entry: &Entry) -> Self {
        let withdrawn = entry.withdrawn();
        Self {
            card_serial: entry.serial().to_string(),
            kind: entry.kind().english().to_owned(),
            unit: entry.unit().to_string(),
            reported_date: entry.reported().date.to_string(),
            reported_time: entry.reported().time.to_string(),
            effective: entry.effective().to_string(),
            reason: entry.reason().map(|reason| reason.code_text().to_owned()).unwrap_or_default(),
            withdrawn_date: withdrawn.map(|at| at.date.to_string()).unwrap_or_default(),
            withdrawn_time: withdrawn.map(|at| at.time.to_string()).unwrap_or_default(),
            generation: entry.generation().map(|last| last.to_string()).unwrap_or_default(),
        }
    }
}
