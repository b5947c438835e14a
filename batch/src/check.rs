//! The check of a batch: every row against its manifest and its keys, on all processors and in
//! bounded memory.

use xuejika_keyscheme::provider::ProviderError;

use crate::all_rows::{AllRows, SortedRows};
use crate::error::Error;
use crate::file::delivery::{Block, Job};
use crate::file::layout::Layout;
use crate::file::{Delivery, FileEnd, digest};
use crate::history::History;
use crate::keys::{self, KeySource, KnownValues, Roots};
use crate::noted::Noted;
use crate::pipeline;
use crate::report::{Line, Report, Verdict};
use crate::{Finding, Place, Plan, Row, Tally};

/// What may be chosen of a check.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Findings of one check that are kept; all are counted.
    pub limit: u64,
    /// Accepted batches to compare the rows with.
    pub history: Option<&'a History>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { limit: 100, history: None }
    }
}

/// What happens during a check.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Something was found.
    Finding(&'a Line),
    /// This many rows more were read.
    Rows(u32),
}

/// A batch that was checked.
#[derive(Debug)]
pub struct Checked {
    /// What was found.
    pub report: Report,
    /// All rows, unless none was read.
    pub rows: Option<SortedRows>,
    /// SHA-256 over the hashes of its files, in hexadecimal.
    pub sha256: String,
    /// Whether it can be accepted.
    pub verdict: Verdict,
}

/// Checks a batch. What happens goes to `sink`, in the order of the rows; an error of it ends the check.
///
/// # Errors
/// What `sink` returns, and an [`Error`] when the machine fails, a file cannot be used, or the place
/// of the roots fails.
pub fn check<E: From<Error>>(
    delivery: &Delivery,
    roots: Roots<'_>,
    options: &Options<'_>,
    mut sink: impl FnMut(Event<'_>) -> Result<(), E>,
) -> Result<Checked, E> {
    let manifest = &delivery.manifest;
    let files = manifest.files.iter().map(|file| file.name.clone()).collect();
    let mut to = Found { report: Report::new(options.limit, files), sink: &mut sink };
    let read = match delivery.plan() {
        Err(findings) => {
            to.take(findings)?;
            None
        }
        Ok(plan) => check_rows(delivery, &plan, roots, options, &mut to)?,
    };
    let Found { report, .. } = to;
    let verdict =
        |tally: &Tally, values| Verdict::new(&report, &manifest.batch.number, tally, values);
    Ok(match read {
        Some(AllRead { rows, tally, key_values, sha256 }) => {
            let verdict = verdict(&tally, key_values);
            Checked { verdict, report, rows: Some(rows), sha256 }
        }
        None => {
            let verdict = verdict(&Tally::new(0), 0);
            Checked { verdict, report, rows: None, sha256: String::new() }
        }
    })
}

/// Checks the rows against a plan; with other roots than the batch was made with, none is read.
fn check_rows<E: From<Error>, S: FnMut(Event<'_>) -> Result<(), E>>(
    delivery: &Delivery,
    plan: &Plan,
    roots: Roots<'_>,
    options: &Options<'_>,
    to: &mut Found<'_, S>,
) -> Result<Option<AllRead>, E> {
    to.report.follow(plan);
    let source = KeySource::new(roots, plan.key_version, plan.algorithm);
    to.take(keys::check_roots(&source, plan).map_err(Error::from)?)?;
    if to.report.is_refused() {
        return Ok(None);
    }
    let checker = Checker { delivery, plan, source, limit: options.limit };
    let read = checker.run(to)?;
    if let Some(history) = options.history {
        let number = &delivery.manifest.batch.number;
        to.take(history.find(number, &read.sha256, &read.rows)?)?;
    }
    Ok(Some(read))
}

/// Where findings go.
struct Found<'s, S> {
    report: Report,
    sink: &'s mut S,
}

impl<E, S: FnMut(Event<'_>) -> Result<(), E>> Found<'_, S> {
    fn take(&mut self, findings: impl IntoIterator<Item = Finding>) -> Result<(), E> {
        self.report.take(findings, |line| (self.sink)(Event::Finding(line)))
    }

    fn take_noted(&mut self, noted: Noted) -> Result<(), E> {
        self.report.take_noted(noted, &mut |line| (self.sink)(Event::Finding(line)))
    }
}

/// All rows of a batch after their checks.
struct AllRead {
    rows: SortedRows,
    tally: Tally,
    key_values: u64,
    /// SHA-256 over the hashes of the files, in hexadecimal.
    sha256: String,
}

/// What all workers share.
struct Checker<'a> {
    delivery: &'a Delivery,
    plan: &'a Plan,
    source: KeySource<'a>,
    /// Findings of one check that are kept.
    limit: u64,
}

/// What came out of a piece of work.
enum Done {
    Start(u32, Vec<Finding>),
    Rows { noted: Noted, rows: Vec<(Place, Row)>, tally: Tally, key_values: u64 },
    End(FileEnd),
    Unread(Vec<Finding>),
    Failed(Error),
}

impl Checker<'_> {
    fn run<E: From<Error>, S: FnMut(Event<'_>) -> Result<(), E>>(
        &self,
        to: &mut Found<'_, S>,
    ) -> Result<AllRead, E> {
        let mut tally = Tally::new(self.plan.boxes.len());
        let mut ends = Vec::new();
        let known = KnownValues::new(self.plan.algorithm);
        let mut all = AllRows::new(self.delivery.capacity());
        let (mut key_values, mut complete) = (0, true);
        pipeline::run(
            self.delivery.jobs(),
            |job| self.work(&known, job),
            |done| match done {
                Done::Start(row, findings) => {
                    to.report.file_starts(row);
                    to.take(findings)
                }
                Done::Rows { noted, rows, tally: counted, key_values: values } => {
                    (to.sink)(Event::Rows(counted.rows))?;
                    tally.merge(&counted);
                    key_values += values;
                    all.take(rows);
                    to.take_noted(noted)
                }
                Done::End(end) => {
                    let findings = self.delivery.end_findings(&end);
                    ends.push(end);
                    to.take(findings)
                }
                Done::Unread(findings) => {
                    complete = false;
                    to.take(findings)
                }
                Done::Failed(error) => Err(error.into()),
            },
        )?;
        let sorted = all.sorted();
        sorted.check_repeated(tally.rows, self.limit, |noted| to.take_noted(noted))?;
        // What is missing from files that were not read is no fault of the rows.
        if complete {
            to.take(sorted.missing(self.plan))?;
            let mut findings = Vec::new();
            tally.check(self.plan, &mut findings);
            to.take(findings)?;
        }
        Ok(AllRead { rows: sorted, tally, key_values, sha256: hex::encode(digest(&ends)) })
    }

    fn work(&self, known: &KnownValues, job: Job) -> Done {
        match job {
            Job::Start(row, findings) => Done::Start(row, findings),
            Job::Rows(block, layout) => self
                .check_rows(known, &block, &layout)
                .unwrap_or_else(|error| Done::Failed(error.into())),
            Job::End(end) => Done::End(end),
            Job::Unread(findings) => Done::Unread(findings),
            Job::Failed(error) => Done::Failed(error),
        }
    }

    fn check_rows(
        &self,
        known: &KnownValues,
        block: &Block,
        layout: &Layout,
    ) -> Result<Done, ProviderError> {
        let mut noted = Noted::new(self.limit);
        block.findings().iter().cloned().for_each(|finding| noted.add(finding, None));
        let mut tally = Tally::new(self.plan.boxes.len());
        let mut rows = Vec::with_capacity(block.len());
        let mut findings = Vec::new();
        for (place, raw) in block.rows() {
            let row = if raw.is_reported() {
                None
            } else {
                layout.read(place, raw, &mut findings, |cells, findings| {
                    Row::read(self.plan, cells, findings)
                })
            };
            tally.add(row.as_ref());
            let serial = row.as_ref().and_then(|row| row.serial);
            findings.drain(..).for_each(|finding| noted.add(finding, serial));
            rows.extend(row.map(|row| (place, row)));
        }
        let wrong = keys::check_block(&self.source, known, &rows)?;
        for finding in wrong.findings {
            let at = rows.binary_search_by_key(&finding.place, |(place, _)| *place).ok();
            let serial = at.and_then(|at| rows.get(at)?.1.serial);
            noted.add(finding, serial);
        }
        noted.findings.sort_by_key(|finding| finding.place);
        Ok(Done::Rows { noted, rows, tally, key_values: wrong.values })
    }
}
