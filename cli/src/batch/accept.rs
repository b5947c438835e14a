//! `batch accept` and `batch history`: what was accepted, what was taken back, and by whom.

use core::fmt;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde::Serialize;
use xuejika_batch::SortedRows;
use xuejika_batch::history::{Act, Entry};
use xuejika_emulator::files;

use super::check::{Checked, Subject};
use super::history_file::{self, HistoryFile};
use crate::clock;
use crate::exit::{Code, Failure, Outcome, say};
use crate::output::Output;

/// `batch accept`.
#[derive(Debug, Args)]
pub(crate) struct AcceptArgs {
    #[command(flatten)]
    subject: Subject,
    /// History of accepted batches; made if it is not there.
    #[arg(long, value_name = "FILE")]
    history: PathBuf,
    /// Accept a batch with warnings. Errors are never accepted.
    #[arg(long)]
    despite_warnings: bool,
    /// Who accepts, as the log shall say.
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

/// Checks a batch and adds it to the history.
pub(crate) fn accept(args: &AcceptArgs, out: &Output) -> Outcome<Code> {
    let time = now()?;
    let mut file = HistoryFile::open(&args.history)?;
    let checked = Checked::new(&args.subject, Some(&file.history), false, out)?;
    checked.end(out)?;
    let verdict = &checked.verdict;
    let findings = verdict.errors + if args.despite_warnings { 0 } else { verdict.warnings };
    let accepted = checked.rows.as_ref().filter(|_| findings == 0);
    if accepted.is_none() && verdict.errors == 0 {
        say("xuejika: a batch with warnings is accepted with --despite-warnings only");
    }
    let signed = accepted.map(|_| (time.as_str(), args.by.as_deref()));
    // A report that cannot be written leaves the history as it is.
    let files = args.subject.write_files(&checked, signed)?;
    let act = note(&mut file, args, &checked, &time, accepted)?;
    files::commit_all(files)?;
    let rows = verdict.rows;
    out.report(&Done { act, batch: &verdict.batch, rows, history: &args.history })?;
    Ok(Code::of(act == "accepted"))
}

/// Adds the batch to the history, or the refusal to its log.
fn note(
    file: &mut HistoryFile,
    args: &AcceptArgs,
    checked: &Checked,
    time: &str,
    accepted: Option<&SortedRows>,
) -> Outcome<&'static str> {
    let verdict = &checked.verdict;
    let (batch, rows, by) = (verdict.batch.clone(), verdict.rows, args.by.clone());
    let time = time.to_owned();
    let Some(all) = accepted else {
        let findings = Some(verdict.errors + verdict.warnings);
        let act = "refused".to_owned();
        let act = Act { time, act, batch, rows, findings, by, reason: None };
        file.place.replace(&file.history.note(act))?;
        return Ok("refused");
    };
    let entry = Entry {
        batch,
        vendor: checked.delivery.manifest.batch.vendor.clone(),
        sha256: checked.sha256.clone(),
        rows,
        good: verdict.good,
        scrap: verdict.scrap,
        time,
        by,
    };
    file.place.replace(&file.history.accept(&entry, all))?;
    Ok("accepted")
}

/// `batch history`.
#[derive(Debug, Subcommand)]
pub(crate) enum HistoryCommand {
    /// List the accepted batches.
    List(HistoryArgs),
    /// List everything that was done.
    Log(HistoryArgs),
    /// Take an accepted batch back; the log keeps both acts.
    Undo {
        #[command(flatten)]
        store: HistoryArgs,
        /// Batch number.
        #[arg(long, value_name = "NUMBER")]
        batch: String,
        /// Why, as the log shall say.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who takes it back, as the log shall say.
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
}

/// Which history.
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// History of accepted batches.
    #[arg(long, value_name = "FILE")]
    history: PathBuf,
}

/// Runs one of the commands.
pub(crate) fn history(command: &HistoryCommand, out: &Output) -> Outcome<Code> {
    match command {
        HistoryCommand::List(args) => {
            let history = history_file::look(&args.history)?;
            history.batches().try_for_each(|entry| out.report(entry))?;
        }
        HistoryCommand::Log(args) => {
            let history = history_file::look(&args.history)?;
            history.acts().iter().try_for_each(|act| out.report(act))?;
        }
        HistoryCommand::Undo { store, batch, reason, by } => {
            if !store.history.exists() {
                let error = anyhow!("{}: there is no history", store.history.display());
                return Err(Failure::usage(error));
            }
            let act = Act {
                time: now()?,
                act: "undone".to_owned(),
                batch: batch.clone(),
                rows: 0,
                findings: None,
                by: by.clone(),
                reason: Some(reason.clone()),
            };
            let mut file = HistoryFile::open(&store.history)?;
            let Some(change) = file.history.undo(act) else {
                let error = anyhow!("batch {batch} was never accepted, or was taken back already");
                return Err(Failure::usage(error));
            };
            file.place.replace(&change)?;
            let (batch, history) = (batch.as_str(), &store.history);
            out.report(&Done { act: "undone", batch, rows: 0, history })?;
        }
    }
    Ok(Code::AsExpected)
}

/// Date and time in Beijing.
pub(crate) fn now() -> Outcome<String> {
    let (date, time) = clock::stamp(&clock::env(None)?, None, None)?;
    Ok(format!("{date}T{time}+08:00"))
}

/// What was done.
#[derive(Serialize)]
struct Done<'a> {
    act: &'static str,
    batch: &'a str,
    #[serde(skip_serializing_if = "is_none")]
    rows: u32,
    history: &'a PathBuf,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
const fn is_none(rows: &u32) -> bool {
    *rows == 0
}

impl fmt::Display for Done<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "batch {}: {} in {}", self.batch, self.act, self.history.display())
    }
}
