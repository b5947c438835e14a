//! Reports as a CSV file. Every complaint names the file, the line and the field.

use std::path::Path;

use anyhow::{Context, anyhow, ensure};
use serde::{Deserialize, Serialize};
use xuejika_card_model::calendar::Holidays;
use xuejika_card_model::date::Time;
use xuejika_card_model::list::{Edition, Entries, Entry, Kind, Moment};

use crate::calendar_args::warn_of_years;
use crate::exit::{Failure, Outcome};
use crate::input::{self, MAX_DATA};
use crate::spreadsheet::{self, Csv, number, optional, required};

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
pub(super) fn read(path: &Path, edition: &Edition, holidays: &Holidays) -> Outcome<Vec<Entry>> {
    let name = path.display().to_string();
    let read = || -> anyhow::Result<Vec<Entry>> {
        let bytes = input::named(path, MAX_DATA)?;
        parse(&name, &bytes, edition, holidays)
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
    edition: &Edition,
    holidays: &Holidays,
) -> anyhow::Result<Vec<Entry>> {
    let rows: Vec<(u64, Row)> = spreadsheet::rows(name, bytes, &REQUIRED)?;
    let mut entries = Vec::with_capacity(rows.len());
    for (line, row) in rows {
        entries.push(row.entry(edition, holidays).with_context(|| format!("{name}:{line}"))?);
    }
    let losses = entries.iter().filter(|entry: &&Entry| entry.kind() == Kind::Loss);
    let years = |entry: &Entry| holidays.not_covered(entry.reported().date, entry.effective());
    warn_of_years(losses.flat_map(years));
    Ok(entries)
}

impl Row {
    fn entry(&self, edition: &Edition, holidays: &Holidays) -> anyhow::Result<Entry> {
        let kind: Kind = required("kind", &self.kind)?;
        let reported =
            moment("reported_date", &self.reported_date, "reported_time", &self.reported_time)?
                .context("reported_date: is required")?;
        in_time("reported_date", reported, edition)?;
        let scope = edition.scope;
        let unit = optional("unit", &self.unit)?.unwrap_or(scope);
        ensure!(scope.covers(unit), "unit: is {unit}, outside the unit {scope} of the list");
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
        let generation = number("generation", &self.generation, u8::MAX)?;
        let entry = generation.map_or(entry, |generation| entry.of_generation(generation));
        match moment(
            "withdrawn_date",
            &self.withdrawn_date,
            "withdrawn_time",
            &self.withdrawn_time,
        )? {
            Some(at) => {
                in_time("withdrawn_date", at, edition)?;
                entry.withdraw(at).context("withdrawn_date")
            }
            None => Ok(entry),
        }
    }
}

fn in_time(field: &str, at: Moment, edition: &Edition) -> anyhow::Result<()> {
    let issued = edition.issued;
    ensure!(at <= issued, "{field}: is {at}, after the list is issued at {issued}");
    Ok(())
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
