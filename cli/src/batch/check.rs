//! `batch check`: every row of a batch against its manifest and its keys.

use std::path::PathBuf;

use clap::Args;
use xuejika_batch::{Delivery, Event, History, KeySource, Options, Report, SortedRows, Verdict};
use xuejika_emulator::files::{self, NewFile};

use super::progress::{Effort, Progress};
use super::report::{FindingLine, VerdictLine};
use super::report_files::ReportFiles;
use super::roots::{BatchRoots, RootArgs};
use super::{history_file, measure};
use crate::exit::{Code, Outcome};
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
    let history = args.history.as_deref().map(history_file::look).transpose()?;
    let checked = Checked::new(&args.subject, history.as_ref(), args.measure, out)?;
    checked.end(out)?;
    files::commit_all(args.subject.write_files(&checked, None)?)?;
    Ok(Code::of(checked.verdict.errors == 0))
}

impl Subject {
    /// Writes the files of the report, to be given their names together. `signed` says when and by
    /// whom the batch was accepted.
    pub(crate) fn write_files(
        &self,
        checked: &Checked,
        signed: Option<(&str, Option<&str>)>,
    ) -> Outcome<Vec<NewFile>> {
        let Checked { report, delivery, verdict, .. } = checked;
        self.files.write(report, &delivery.manifest, verdict, signed)
    }
}

/// A batch that was checked.
pub(crate) struct Checked {
    /// The batch.
    pub(crate) delivery: Delivery,
    /// What was found.
    pub(crate) report: Report,
    /// All rows, unless none was read.
    pub(crate) rows: Option<SortedRows>,
    /// SHA-256 over the hashes of its files.
    pub(crate) sha256: String,
    /// Whether it can be accepted.
    pub(crate) verdict: Verdict,
    effort: Effort,
}

impl Checked {
    /// Checks a batch, with `history` against accepted batches too.
    pub(crate) fn new(
        subject: &Subject,
        history: Option<&History>,
        measure: bool,
        out: &Output,
    ) -> Outcome<Self> {
        let delivery = Delivery::open(&subject.batch)?;
        subject.files.check_new()?;
        let plan = delivery.plan().ok();
        let roots = match &plan {
            Some(plan) => BatchRoots::open(&subject.roots, plan)?,
            None => BatchRoots::None,
        };
        let progress = Progress::start("checking", delivery.manifest.count.rows.into());
        let options = Options { limit: subject.limit, history };
        let checked =
            xuejika_batch::check(&delivery, roots.roots(), &options, |event| match event {
                Event::Finding(line) => progress.paused(|| out.report(&FindingLine(line))),
                Event::Rows(rows) => {
                    progress.advance(rows.into());
                    Ok(())
                }
            })?;
        let effort = progress.end(checked.verdict.rows.into());
        if let Some(plan) = plan.filter(|_| measure && checked.rows.is_some()) {
            let source = KeySource::new(roots.roots(), plan.key_version, plan.algorithm);
            let gains = measure::gains(&source, &plan)?;
            gains.iter().try_for_each(|gain| out.report(gain))?;
        }
        let xuejika_batch::Checked { report, rows, sha256, verdict } = checked;
        Ok(Self { delivery, report, rows, sha256, verdict, effort })
    }

    /// Prints the verdict.
    pub(crate) fn end(&self, out: &Output) -> Outcome<()> {
        out.report(&VerdictLine::new(&self.verdict, self.report.limit(), self.effort))
    }
}
