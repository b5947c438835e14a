//! `batch`: initialisation batches (初始化批次), made for tests and checked row by row.

mod accept;
mod check;
mod convert;
mod generate;
mod history_file;
mod measure;
mod progress;
mod readback;
mod report;
mod report_files;
mod roots;
mod sample;
pub(crate) mod serve;

use core::fmt;

use clap::Subcommand;
use serde::Serialize;
use xuejika_batch::{Check, Error, generate as make};

use crate::exit::{Code, Failure, Outcome};
use crate::output::Output;
use crate::shown::{Lines, Show};
use accept::{AcceptArgs, HistoryCommand};
use check::CheckArgs;
use convert::ConvertArgs;
use generate::GenerateArgs;
use readback::ReadbackArgs;
use sample::SampleArgs;

/// `batch`.
#[derive(Debug, Subcommand)]
pub(crate) enum BatchCommand {
    /// Write a correct batch under the published test keys, or one with planted defects.
    Generate(GenerateArgs),
    /// Check every row of a batch. With --keys none, key check values are not recomputed.
    Check(CheckArgs),
    /// Write all rows as one file in the layout of the schema: Parquet, CSV or JSON lines.
    Convert(ConvertArgs),
    /// Check a batch and add it to the history of accepted batches.
    Accept(AcceptArgs),
    /// Look into the history of accepted batches, or take one back.
    #[command(subcommand)]
    History(HistoryCommand),
    /// Draw the cards that are read back, from a published seed.
    Sample(SampleArgs),
    /// Compare the cards of a sample, presented one after the other, with their rows.
    Readback(ReadbackArgs),
    /// List the kinds of defects that can be planted, and what each must cause.
    Defects,
    /// List the catalogue of checks.
    Checks,
}

/// Runs one of the commands.
pub(crate) fn run(command: &BatchCommand, out: &Output) -> Outcome<Code> {
    match command {
        BatchCommand::Generate(args) => generate::run(args, out),
        BatchCommand::Check(args) => check::run(args, out),
        BatchCommand::Convert(args) => convert::run(args, out),
        BatchCommand::Accept(args) => accept::accept(args, out),
        BatchCommand::History(command) => accept::history(command, out),
        BatchCommand::Sample(args) => sample::run(args, out),
        BatchCommand::Readback(args) => readback::run(args, out),
        BatchCommand::Defects => {
            make::kinds().try_for_each(|kind| out.report(&KindLine::new(kind)))?;
            Ok(Code::AsExpected)
        }
        BatchCommand::Checks => {
            Check::ALL.iter().try_for_each(|check| out.report(&CheckLine::new(*check)))?;
            Ok(Code::AsExpected)
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Roots(error) => error.into(),
            Error::Writing(cause) => Self::device(anyhow::Error::from_boxed(cause)),
            Error::Reading { .. } | Error::NoThread(_) => Self::device(error),
            error => Self::usage(error),
        }
    }
}

/// A kind of defect.
#[derive(Serialize)]
struct KindLine {
    kind: &'static str,
    what: &'static str,
    expects: Vec<&'static str>,
    combines: bool,
}

impl KindLine {
    fn new(kind: &make::Kind) -> Self {
        Self {
            kind: kind.name,
            what: kind.what,
            expects: kind.expects.iter().map(|(check, _)| check.id()).collect(),
            combines: kind.combines,
        }
    }
}

impl fmt::Display for KindLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.combines { "" } else { " (alone)" };
        write!(f, "{:22} {}{mark}: {}", self.kind, self.expects.join(" "), self.what)
    }
}

/// A check of the catalogue.
#[derive(Serialize)]
struct CheckLine {
    id: &'static str,
    severity: &'static str,
    title: &'static str,
    remedy: &'static str,
}

impl CheckLine {
    fn new(check: Check) -> Self {
        Self {
            id: check.id(),
            severity: check.severity().name(),
            title: check.title(),
            remedy: check.remedy(),
        }
    }
}

impl Show for CheckLine {
    fn show(&self, to: &mut Lines) {
        to.line(format_args!("{} {:7} {}", self.id, self.severity, self.title));
        to.line(format_args!("    {}", self.remedy));
    }
}
