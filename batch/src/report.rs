//! What a check found, as reports show it: the first findings of each check, the counts of all, and
//! the verdict.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use xuejika_card_model::ident::CardSerial;

use crate::manifest::Limits;
use crate::noted::Noted;
use crate::plan::PlannedBox;
use crate::{Check, Finding, Plan, Severity, Tally};

/// Keeps the first findings of each check and counts all.
#[derive(Debug)]
pub struct Report {
    /// Findings of one check that are kept.
    limit: u64,
    files: Vec<String>,
    counts: BTreeMap<Check, u64>,
    /// First row of each file that was read.
    starts: Vec<u32>,
    /// What was kept.
    lines: Vec<Line>,
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

impl Report {
    /// Nothing found in these files.
    ///
    /// `limit` is the number of findings of one check that are kept.
    #[must_use]
    pub fn new(limit: u64, files: Vec<String>) -> Self {
        let boxes = Boxes { ranges: Vec::new(), counts: Vec::new(), elsewhere: 0 };
        let (counts, starts, lines) = (BTreeMap::new(), Vec::new(), Vec::new());
        let limits = Limits::default();
        Self { limit, files, counts, starts, lines, boxes, limits }
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
    #[must_use]
    pub fn by_box(&self) -> (Vec<(&str, u64)>, u64) {
        let boxes = self.boxes.ranges.iter().zip(&self.boxes.counts);
        let found = boxes.filter(|(_, count)| **count > 0);
        (found.map(|((.., name), count)| (name.as_str(), *count)).collect(), self.boxes.elsewhere)
    }

    /// Number of findings of each check that found something.
    #[must_use]
    pub const fn counts(&self) -> &BTreeMap<Check, u64> {
        &self.counts
    }

    /// The findings that were kept.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The next file begins with this row.
    pub(crate) fn file_starts(&mut self, row: u32) {
        self.starts.push(row);
    }

    /// Findings of one check that are kept.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// Takes the findings of a piece of the batch, and hands on those that are kept.
    pub(crate) fn take_noted<E>(
        &mut self,
        noted: Noted,
        kept: &mut impl FnMut(&Line) -> Result<(), E>,
    ) -> Result<(), E> {
        self.take(noted.findings, kept)?;
        for ((check, serial), times) in noted.more {
            *self.counts.entry(check).or_default() += times;
            self.boxes.count(serial, times);
        }
        Ok(())
    }

    /// Takes findings, and hands on those that are kept.
    ///
    /// # Errors
    /// What `kept` returns.
    pub fn take<E>(
        &mut self,
        findings: impl IntoIterator<Item = Finding>,
        mut kept: impl FnMut(&Line) -> Result<(), E>,
    ) -> Result<(), E> {
        for finding in findings {
            let count = self.counts.entry(finding.check).or_default();
            *count += 1;
            let keep = *count <= self.limit;
            self.boxes.count(finding.subject.as_deref().and_then(|text| text.parse().ok()), 1);
            if keep {
                let line = self.line(&finding);
                kept(&line)?;
                self.lines.push(line);
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
            severity: self.severity(check).name(),
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
    #[must_use]
    pub const fn severity(&self, check: Check) -> Severity {
        self.limits.severity(check)
    }

    /// Whether the batch is to be refused.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.counts.keys().any(|check| self.severity(*check) == Severity::Error)
    }

    /// Number of findings.
    #[must_use]
    pub fn findings(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Number of findings that weigh this much.
    #[must_use]
    pub fn of_severity(&self, severity: Severity) -> u64 {
        let counts = self.counts.iter().filter(|(check, _)| self.severity(**check) == severity);
        counts.map(|(_, count)| count).sum()
    }
}

/// A finding as reports show it.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    report: &'static str,
    /// Identifier of the check.
    pub id: &'static str,
    /// `error` or `warning`.
    pub severity: &'static str,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u32>,
    /// Bytes before it in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub byte: Option<u64>,
    /// The card serial, box or file it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What was found, without particulars.
    pub title: &'static str,
    /// What was expected.
    pub expected: String,
    /// What is there.
    pub found: String,
    /// What to do.
    pub remedy: &'static str,
}

/// The end of a check.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    report: &'static str,
    /// Batch number.
    pub batch: String,
    /// `accepted` or `refused`.
    pub verdict: &'static str,
    /// Rows.
    pub rows: u32,
    /// Good cards.
    pub good: u32,
    /// Scrap cards.
    pub scrap: u32,
    /// Key check values that were recomputed.
    pub key_values: u64,
    /// Findings that refuse the batch.
    pub errors: u64,
    /// Findings that do not.
    pub warnings: u64,
    /// Findings of each check that found something.
    pub counts: BTreeMap<&'static str, u64>,
}

impl Verdict {
    /// The verdict of a report.
    pub(crate) fn new(report: &Report, batch: &str, tally: &Tally, key_values: u64) -> Self {
        Self {
            report: "verdict",
            batch: batch.to_owned(),
            verdict: if report.is_refused() { "refused" } else { "accepted" },
            rows: tally.rows,
            good: tally.good,
            scrap: tally.scrap,
            key_values,
            errors: report.of_severity(Severity::Error),
            warnings: report.of_severity(Severity::Warning),
            counts: report.counts.iter().map(|(check, count)| (check.id(), *count)).collect(),
        }
    }
}
