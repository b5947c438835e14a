//! How findings and the verdict of a check are printed.

use serde::Serialize;
use xuejika_batch::{Line, Verdict};

use super::progress::Effort;
use crate::shown::{Lines, Show};

/// A finding.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct FindingLine<'a>(pub(crate) &'a Line);

impl Show for FindingLine<'_> {
    fn show(&self, to: &mut Lines) {
        let mut place = self.0.file.clone().unwrap_or_default();
        let row = self.0.row.map(|row| format!(" row {row}"));
        let byte = self.0.byte.map(|byte| format!(" byte {byte}"));
        place.extend([row, byte].into_iter().flatten());
        let parts = [&self.0.subject, &self.0.field].into_iter().flatten();
        parts.for_each(|part| place.extend([" ", part]));
        let Line { id, severity, title, expected, found, remedy, .. } = self.0;
        to.line(format_args!(
            "{id} {severity:7} {place}: {title}: expected {expected}, found {found}"
        ));
        to.line(format_args!("    {remedy}"));
    }
}

/// The verdict and what it took.
#[derive(Serialize)]
pub(crate) struct VerdictLine<'a> {
    #[serde(flatten)]
    verdict: &'a Verdict,
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

impl<'a> VerdictLine<'a> {
    /// `limit` is the number of findings of one check that were printed.
    pub(crate) fn new(verdict: &'a Verdict, limit: u64, effort: Effort) -> Self {
        Self {
            verdict,
            limit,
            seconds: (effort.seconds() * 1000.0).round() / 1000.0,
            rows_per_second: effort.rate(),
            peak_memory_mib: effort.peak_memory(),
            effort,
        }
    }
}

impl Show for VerdictLine<'_> {
    fn show(&self, to: &mut Lines) {
        let Verdict { batch, verdict, rows, good, scrap, key_values, counts, .. } = self.verdict;
        for (id, count) in counts {
            match count.saturating_sub(self.limit) {
                0 => to.line(format_args!("{id}  {count}")),
                more => {
                    to.line(format_args!("{id}  {count}: {} above and {more} more", self.limit));
                }
            }
        }
        to.line(format_args!("{rows} rows: {good} good, {scrap} scrap"));
        to.line(format_args!("{key_values} key check values recomputed"));
        to.line(self.effort);
        let Verdict { errors, warnings, .. } = self.verdict;
        to.line(format_args!("batch {batch}: {verdict}, {errors} errors, {warnings} warnings"));
    }
}
