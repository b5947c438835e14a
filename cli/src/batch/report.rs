//! What a check found: each finding as it comes, and at the end the verdict.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use xuejika_card_model::batch::manifest::Limits;
use xuejika_card_model::batch::plan::PlannedBox;
use xuejika_card_model::batch::{Check, Finding, Plan, Severity, Tally};
use xuejika_card_model::ident::CardSerial;

use super::noted::Noted;
use super::progress::{Effort, Progress};
use crate::exit::{Code, Outcome};
use crate::output::Output;
use crate::shown::{Lines, Show};

/// Takes findings, prints the first ones of each check, counts all.
pub(crate) struct Report<'a> {
    out: &'a Output,
    /// Findings of one check that are printed.
    limit: u64,
    files: Vec<String>,
    counts: BTreeMap<Check, u64>,
    /// First row of each file that was read.
    starts: Vec<u32>,
    /// What was printed.
    printed: Vec<Line>,
    boxes: Boxes,
    limits: Limits,
}

/// Findings by box.
#[derive(Debug, Default)]
struct Boxes {
    /// First and last serial of each box, ascending, and its name.
    ranges: Vec<(CardSerial, CardSerial, String)>,
    /// Findings of each of them.
    counts: Vec<u64>,
    /// Findings about no card of a box.
    elsewhere: u64,
}

impl Boxes {
    fn count(&mut self, serial: Option<CardSerial>, times: u64) {
        let place = serial.and_then(|serial| {
            let at = self.ranges.partition_point(|(first, ..)| *first <= serial).checked_sub(1)?;
            self.ranges.get(at).filter(|(_, last, _)| serial <= *last).map(|_| at)
        });
        match place.and_then(|at| self.counts.get_mut(at)) {
            Some(count) => *count += times,
            None => self.elsewhere += times,
        }
    }
}

impl<'a> Report<'a> {
    /// Nothing found in these files.
    pub(crate) fn new(out: &'a Output, limit: u64, files: Vec<String>) -> Self {
        let boxes = Boxes { ranges: Vec::new(), counts: Vec::new(), elsewhere: 0 };
        let (counts, starts, printed) = (BTreeMap::new(), Vec::new(), Vec::new());
        let limits = Limits::default();
        Self { out, limit, files, counts, starts, printed, boxes, limits }
    }

    /// Counts by the boxes of this plan and weighs by its limits from now on.
    pub(crate) fn follow(&mut self, plan: &Plan) {
        self.limits = plan.limits;
        let range = |planned: &PlannedBox| {
            (planned.serials.first, planned.serials.last, planned.name.clone())
        };
        self.boxes.ranges = plan.boxes.iter().map(range).collect();
        self.boxes.ranges.sort_unstable();
        self.boxes.counts = vec![0; self.boxes.ranges.len()];
    }

    /// Findings of each box that has one, and of no box.
    pub(crate) fn by_box(&self) -> (Vec<(&str, u64)>, u64) {
        let boxes = self.boxes.ranges.iter().zip(&self.boxes.counts);
        let found = boxes.filter(|(_, count)| **count > 0);
        (found.map(|((.., name), count)| (name.as_str(), *count)).collect(), self.boxes.elsewhere)
    }

    /// Number of findings of each check that found something.
    pub(crate) const fn counts(&self) -> &BTreeMap<Check, u64> {
        &self.counts
    }

    /// What was printed.
    pub(crate) fn printed(&self) -> &[Line] {
        &self.printed
    }

    /// The next file begins with this row.
    pub(crate) fn file_starts(&mut self, row: u32) {
        self.starts.push(row);
    }

    /// Findings of one check that are printed.
    pub(crate) const fn limit(&self) -> u64 {
        self.limit
    }

    /// Takes the findings of a piece of the batch.
    pub(crate) fn take_noted(&mut self, noted: Noted, progress: &Progress) -> Outcome<()> {
        self.take(noted.findings, Some(progress))?;
        for ((check, serial), times) in noted.more {
            *self.counts.entry(check).or_default() += times;
            self.boxes.count(serial, times);
        }
        Ok(())
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
            let printed = *count <= self.limit;
            self.boxes.count(finding.subject.as_deref().and_then(|text| text.parse().ok()), 1);
            if printed {
                let line = self.line(&finding);
                match progress {
                    Some(progress) => progress.paused(|| self.out.report(&line))?,
                    None => self.out.report(&line)?,
                }
                self.printed.push(line);
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
            severity: name(self.severity(check)),
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

    /// How much a finding of this check weighs in this batch.
    pub(crate) const fn severity(&self, check: Check) -> Severity {
        self.limits.severity(check)
    }

    /// Whether the batch is to be refused.
    pub(crate) fn is_refused(&self) -> bool {
        self.counts.keys().any(|check| self.severity(*check) == Severity::Error)
    }

    /// Number of findings.
    pub(crate) fn findings(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Prints the verdict.
    pub(crate) fn end(
        &self,
        batch: &str,
        keys: u64,
        tally: &Tally,
        effort: Effort,
    ) -> Outcome<Verdict> {
        let of = |severity| {
            let counts = self.counts.iter().filter(|(check, _)| self.severity(**check) == severity);
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
            limit: self.limit,
            seconds: (effort.seconds() * 1000.0).round() / 1000.0,
            rows_per_second: effort.rate(),
            peak_memory_mib: effort.peak_memory(),
            effort,
        };
        self.out.report(&verdict)?;
        Ok(verdict)
    }
}

/// How a severity is written.
pub(crate) const fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// A finding as it is printed.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    report: &'static str,
    /// Identifier of the check.
    pub(crate) id: &'static str,
    /// `error` or `warning`.
    pub(crate) severity: &'static str,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
    /// The row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) row: Option<u32>,
    /// Bytes before it in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) byte: Option<u64>,
    /// The card serial, box or file it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) subject: Option<String>,
    /// The field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<String>,
    /// What was found, without particulars.
    pub(crate) title: &'static str,
    /// What was expected.
    pub(crate) expected: String,
    /// What is there.
    pub(crate) found: String,
    /// What to do.
    pub(crate) remedy: &'static str,
}

impl Show for Line {
    fn show(&self, to: &mut Lines) {
        let mut place = self.file.clone().unwrap_or_default();
        let row = self.row.map(|row| format!(" row {row}"));
        let byte = self.byte.map(|byte| format!(" byte {byte}"));
        place.extend([row, byte].into_iter().flatten());
        let parts = [&self.subject, &self.field].into_iter().flatten();
        parts.for_each(|part| place.extend([" ", part]));
        let Self { id, severity, title, expected, found, remedy, .. } = self;
        to.line(format_args!(
            "{id} {severity:7} {place}: {title}: expected {expected}, found {found}"
        ));
        to.line(format_args!("    {remedy}"));
    }
}

/// The end of a check.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    report: &'static str,
    /// Batch number.
    pub(crate) batch: String,
    /// `accepted` or `refused`.
    pub(crate) verdict: &'static str,
    /// Rows.
    pub(crate) rows: u32,
    /// Good cards.
    pub(crate) good: u32,
    /// Scrap cards.
    pub(crate) scrap: u32,
    /// Key check values that were recomputed.
    pub(crate) key_values: u64,
    /// Findings that refuse the batch.
    pub(crate) errors: u64,
    /// Findings that do not.
    pub(crate) warnings: u64,
    counts: BTreeMap<&'static str, u64>,
    /// Findings of one check that were printed.
    #[serde(skip)]
    limit: u64,
    seconds: f64,
    rows_per_second: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_memory_mib: Option<u64>,
    #[serde(skip)]
    effort: Effort,
}

impl Verdict {
    /// The exit code that says it.
    pub(crate) fn code(&self) -> Code {
        Code::of(self.errors == 0)
    }
}

impl Show for Verdict {
    fn show(&self, to: &mut Lines) {
        for (id, count) in &self.counts {
            match count.saturating_sub(self.limit) {
                0 => to.line(format_args!("{id}  {count}")),
                more => {
                    to.line(format_args!("{id}  {count}: {} above and {more} more", self.limit));
                }
            }
        }
        to.line(format_args!("{} rows: {} good, {} scrap", self.rows, self.good, self.scrap));
        to.line(format_args!("{} key check values recomputed", self.key_values));
        to.line(self.effort);
        let Self { batch, verdict, errors, warnings, .. } = self;
        to.line(format_args!("batch {batch}: {verdict}, {errors} errors, {warnings} warnings"));
    }
}
