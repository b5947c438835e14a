//! What a check found: each finding as it comes, and at the end the verdict.

use core::fmt;
use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use xuejika_card_model::batch::{Check, Finding, Severity, Tally};

use super::progress::{Effort, Progress};
use crate::exit::{Code, Outcome};
use crate::output::Output;

/// Takes findings, prints the first ones of each check, counts all.
pub(crate) struct Report<'a> {
    out: &'a Output,
    /// Findings of one check that are printed.
    limit: u64,
    files: Vec<String>,
    counts: BTreeMap<Check, u64>,
    /// First row of each file that was read.
    starts: Vec<u32>,
}

impl<'a> Report<'a> {
    /// Nothing found in these files.
    pub(crate) const fn new(out: &'a Output, limit: u64, files: Vec<String>) -> Self {
        Self { out, limit, files, counts: BTreeMap::new(), starts: Vec::new() }
    }

    /// The next file begins with this row.
    pub(crate) fn file_starts(&mut self, row: u32) {
        self.starts.push(row);
    }

    /// Takes findings.
    pub(crate) fn take(
        &mut self,
        findings: impl IntoIterator<Item = Finding>,
        progress: Option<&Progress>,
    ) -> Outcome<()> {
        for finding in findings {
            let count = self.counts.entry(finding.check).or_default();
            *count += 1;
            if *count <= self.limit {
                let line = self.line(&finding);
                match progress {
                    Some(progress) => progress.paused(|| self.out.report(&line))?,
                    None => self.out.report(&line)?,
                }
            }
        }
        Ok(())
    }

    fn line(&self, finding: &Finding) -> Line {
        let Finding { check, place, subject, field, expected, found } = finding.clone();
        let of_row = |row: u32| self.starts.partition_point(|start| *start <= row).checked_sub(1);
        let file = place.file.or_else(|| place.row.and_then(of_row));
        Line {
            report: "finding",
            id: check.id(),
            severity: name(check.severity()),
            file: file.and_then(|file| self.files.get(file).cloned()),
            row: place.row,
            byte: place.byte,
            subject,
            field: field.map(Cow::into_owned),
            title: check.title(),
            expected,
            found,
            remedy: check.remedy(),
        }
    }

    /// Whether the batch is to be refused.
    pub(crate) fn is_refused(&self) -> bool {
        self.counts.keys().any(|check| check.severity() == Severity::Error)
    }

    /// Prints the verdict.
    pub(crate) fn end(
        &self,
        batch: &str,
        keys: u64,
        tally: &Tally,
        effort: Effort,
    ) -> Outcome<Code> {
        let of = |severity| {
            let counts = self.counts.iter().filter(|(check, _)| check.severity() == severity);
            counts.map(|(_, count)| count).sum()
        };
        let verdict = Verdict {
            report: "verdict",
            batch: batch.to_owned(),
            verdict: if self.is_refused() { "refused" } else { "accepted" },
            rows: tally.rows,
            good: tally.good,
            scrap: tally.scrap,
            key_values: keys,
            errors: of(Severity::Error),
            warnings: of(Severity::Warning),
            counts: self.counts.iter().map(|(check, count)| (check.id(), *count)).collect(),
            seconds: (effort.seconds() * 1000.0).round() / 1000.0,
            rows_per_second: effort.rate(),
            peak_memory_mib: effort.peak_memory(),
            effort,
        };
        self.out.report(&verdict)?;
        Ok(Code::of(!self.is_refused()))
    }
}

const fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// A finding as it is printed.
#[derive(Serialize)]
struct Line {
    report: &'static str,
    id: &'static str,
    severity: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    byte: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    title: &'static str,
    expected: String,
    found: String,
    remedy: &'static str,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:7} ", self.id, self.severity)?;
        if let Some(file) = &self.file {
            write!(f, "{file}")?;
        }
        if let Some(row) = self.row {
            write!(f, " row {row}")?;
        }
        if let Some(byte) = self.byte {
            write!(f, " byte {byte}")?;
        }
        for part in [&self.subject, &self.field].into_iter().flatten() {
            write!(f, " {part}")?;
        }
        writeln!(f, ": {}: expected {}, found {}", self.title, self.expected, self.found)?;
        write!(f, "    {}", self.remedy)
    }
}

/// The end of a check.
#[derive(Serialize)]
struct Verdict {
    report: &'static str,
    batch: String,
    verdict: &'static str,
    rows: u32,
    good: u32,
    scrap: u32,
    key_values: u64,
    errors: u64,
    warnings: u64,
    counts: BTreeMap<&'static str, u64>,
    seconds: f64,
    rows_per_second: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_memory_mib: Option<u64>,
    #[serde(skip)]
    effort: Effort,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (id, count) in &self.counts {
            writeln!(f, "{id}  {count}")?;
        }
        writeln!(f, "{} rows: {} good, {} scrap", self.rows, self.good, self.scrap)?;
        writeln!(f, "{} key check values recomputed", self.key_values)?;
        writeln!(f, "{}", self.effort)?;
        write!(
            f,
            "batch {}: {}, {} errors, {} warnings",
            self.batch, self.verdict, self.errors, self.warnings
        )
    }
}
