//! `batch check`: every row of a batch against its manifest and its keys, on all processors and in
//! bounded memory.

use std::path::PathBuf;

use clap::Args;
use sha2::{Digest, Sha256};
use xuejika_card_model::batch::keys::{self, KnownValues};
use xuejika_card_model::batch::{Finding, KeySource, Place, Plan, Row, Tally};
use xuejika_emulator::files::{self, NewFile};
use xuejika_keyscheme::provider::ProviderError;

use super::all_rows::{AllRows, SortedRows};
use super::history::History;
use super::layout::Layout;
use super::noted::Noted;
use super::progress::{Effort, Progress};
use super::report::{Report, Verdict};
use super::report_files::ReportFiles;
use super::roots::{BatchRoots, RootArgs};
use super::walk::{self, Block, Delivery, FileEnd, Job};
use super::{measure, pipeline};
use crate::exit::{Code, Failure, Outcome};
use crate::output::Output;

/// `batch check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) subject: Subject,
    /// History of accepted batches to compare the rows with.
    #[arg(long, value_name = "FILE")]
    history: Option<PathBuf>,
    /// Afterwards, derive keys of the same cards in a plain loop, and tell the gain.
    #[arg(long)]
    measure: bool,
}

/// What is checked, and where its report goes.
#[derive(Debug, Args)]
pub(crate) struct Subject {
    /// Folder with the manifest batch.toml in it, or a manifest.
    #[arg(value_name = "DIR")]
    pub(crate) batch: PathBuf,
    #[command(flatten)]
    pub(crate) roots: RootArgs,
    /// Findings of one check that are printed; all are counted.
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u64,
    #[command(flatten)]
    files: ReportFiles,
}

/// Checks a batch.
pub(crate) fn run(args: &CheckArgs, out: &Output) -> Outcome<Code> {
    let history = args.history.as_deref().map(History::look).transpose()?;
    let checked = Checked::new(&args.subject, history.as_ref(), args.measure, out)?;
    let verdict = checked.end()?;
    files::commit_all(args.subject.write_files(&checked, &verdict, None)?)?;
    Ok(verdict.code())
}

impl Subject {
    /// Writes the files of the report, to be given their names together. `signed` says when and by
    /// whom the batch was accepted.
    pub(crate) fn write_files(
        &self,
        checked: &Checked<'_>,
        verdict: &Verdict,
        signed: Option<(&str, Option<&str>)>,
    ) -> Outcome<Vec<NewFile>> {
        self.files.write(&checked.report, &checked.delivery.manifest, verdict, signed)
    }
}

/// A batch that was checked.
pub(crate) struct Checked<'a> {
    /// The batch.
    pub(crate) delivery: Delivery,
    /// What was found.
    pub(crate) report: Report<'a>,
    /// All rows, unless none was read.
    pub(crate) rows: Option<SortedRows>,
    /// What was counted.
    pub(crate) tally: Tally,
    /// SHA-256 over the hashes of its files.
    pub(crate) sha256: String,
    key_values: u64,
    effort: Effort,
}

impl<'a> Checked<'a> {
    /// Checks a batch, with `history` against accepted batches too.
    pub(crate) fn new(
        subject: &Subject,
        history: Option<&History>,
        measure: bool,
        out: &'a Output,
    ) -> Outcome<Self> {
        let delivery = Delivery::open(&subject.batch).map_err(Failure::usage)?;
        subject.files.check_new()?;
        let manifest = &delivery.manifest;
        let files = manifest.files.iter().map(|file| file.name.clone()).collect();
        let mut report = Report::new(out, subject.limit, files);
        let progress = Progress::start("checking", manifest.count.rows.into());
        let mut all = None;
        match Plan::new(manifest) {
            Err(findings) => report.take(findings, None)?,
            Ok(plan) => {
                report.follow(&plan);
                let roots = BatchRoots::open(&subject.roots, &plan)?;
                let source = roots.source(plan.key_version, plan.algorithm);
                report.take(keys::check_roots(&source, &plan)?, None)?;
                // With other roots than the batch was made with, every key would be wrong.
                if !report.is_refused() {
                    let limit = report.limit();
                    let checker = Checker { delivery: &delivery, plan: &plan, source, limit };
                    let read = checker.run(&mut report, &progress)?;
                    let sha256 = hex::encode(walk::digest(&read.ends));
                    if let Some(history) = history {
                        let number = &manifest.batch.number;
                        report.take(history.find(number, &sha256, &read.rows)?, Some(&progress))?;
                    }
                    let effort = progress.end(read.tally.rows.into());
                    if measure {
                        let gains = measure::gains(&checker.source, &plan)?;
                        gains.iter().try_for_each(|gain| out.report(gain))?;
                    }
                    all = Some((read, sha256, effort));
                }
            }
        }
        Ok(match all {
            Some((AllRead { rows, tally, key_values, .. }, sha256, effort)) => {
                Self { delivery, report, rows: Some(rows), tally, sha256, key_values, effort }
            }
            None => Self {
                delivery,
                report,
                rows: None,
                tally: Tally::new(0),
                sha256: String::new(),
                key_values: 0,
                effort: progress.end(0),
            },
        })
    }

    /// Prints the verdict.
    pub(crate) fn end(&self) -> Outcome<Verdict> {
        let number = &self.delivery.manifest.batch.number;
        self.report.end(number, self.key_values, &self.tally, self.effort)
    }
}

/// All rows of a batch after their checks.
struct AllRead {
    rows: SortedRows,
    tally: Tally,
    key_values: u64,
    ends: Vec<FileEnd>,
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
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
    Failed(Failure),
}

impl Checker<'_> {
    fn run(&self, report: &mut Report<'_>, progress: &Progress) -> Outcome<AllRead> {
        let mut tally = Tally::new(self.plan.boxes.len());
        let mut ends = Vec::new();
        let known = KnownValues::new(self.plan.algorithm);
        let mut all = AllRows::new(self.delivery.capacity());
        let (mut key_values, mut complete) = (0, true);
        pipeline::run(
            self.delivery.jobs(),
            |job| self.work(&known, job),
            |done| {
                match done {
                    Done::Start(row, findings) => {
                        report.file_starts(row);
                        report.take(findings, Some(progress))?;
                    }
                    Done::Rows { noted, rows, tally: counted, key_values: values } => {
                        progress.advance(counted.rows.into());
                        tally.merge(&counted);
                        key_values += values;
                        all.take(rows);
                        report.take_noted(noted, progress)?;
                    }
                    Done::End(end) => {
                        report.take(self.delivery.end_findings(&end), Some(progress))?;
                        ends.push(end);
                    }
                    Done::Unread(findings) => {
                        complete = false;
                        report.take(findings, Some(progress))?;
                    }
                    Done::Failed(failure) => return Err(failure),
                }
                Ok(())
            },
        )?;
        let sorted = all.sorted();
        sorted
            .check_repeated(tally.rows, self.limit, |noted| report.take_noted(noted, progress))?;
        // What is missing from files that were not read is no fault of the rows.
        if complete {
            report.take(sorted.missing(self.plan), Some(progress))?;
            let mut findings = Vec::new();
            tally.check(self.plan, &mut findings);
            report.take(findings, Some(progress))?;
        }
        Ok(AllRead { rows: sorted, tally, key_values, ends })
    }

    fn work(&self, known: &KnownValues, job: Job) -> Done {
        match job {
            Job::Start(row, findings) => Done::Start(row, findings),
            Job::Rows(block, layout) => self
                .check_rows(known, &block, &layout)
                .unwrap_or_else(|error| Done::Failed(error.into())),
            Job::End(end) => Done::End(end),
            Job::Unread(findings) => Done::Unread(findings),
            Job::Failed(failure) => Done::Failed(failure),
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
                    Row::read(self.plan, sha256, cells, findings)
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
