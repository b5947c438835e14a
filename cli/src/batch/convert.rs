//! `batch convert`: the rows of a batch as one file in the layout of the schema, whatever the vendor
//! delivered. A row that cannot be read ends it: a copy has every row or is none.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use xuejika_batch::file::copy::{Copied, Form, copy};
use xuejika_batch::{Delivery, Report};
use xuejika_emulator::files::{Access, Existing, NewFile};

use super::report::FindingLine;
use crate::exit::{Code, Outcome, say};
use crate::output::Output;
use crate::shown::{Lines, Show};

/// Findings of one check that are printed.
const LIMIT: u64 = 100;

/// `batch convert`.
#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// Folder with the manifest batch.toml in it, or a manifest.
    #[arg(value_name = "DIR")]
    batch: PathBuf,
    /// What to write.
    #[arg(long, value_enum)]
    to: Target,
    /// The file; an existing one is never overwritten.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// What can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Target {
    /// The canonical copy.
    Parquet,
    /// Comma-separated values with a heading.
    Csv,
    /// One JSON object per line.
    Jsonl,
}

impl From<Target> for Form {
    fn from(target: Target) -> Self {
        match target {
            Target::Parquet => Self::Parquet,
            Target::Csv => Self::Csv,
            Target::Jsonl => Self::Jsonl,
        }
    }
}

/// Writes the rows of a batch anew.
pub(crate) fn run(args: &ConvertArgs, out: &Output) -> Outcome<Code> {
    let delivery = Delivery::open(&args.batch)?;
    // A part of a copy would look like a copy: it has no name before it is whole.
    let file = NewFile::create(&args.out, Existing::Refuse, Access::Umask)?;
    match copy(&delivery, args.to.into(), file)? {
        Ok((file, copied)) => {
            file.commit()?;
            let name = args.out.file_name().unwrap_or_default().to_string_lossy().into_owned();
            out.report(&Copy { name, copied })?;
            Ok(Code::AsExpected)
        }
        Err(wrong) => {
            let names = delivery.manifest.files.iter().map(|file| file.name.clone()).collect();
            Report::new(LIMIT, names).take(wrong, |line| out.report(&FindingLine(line)))?;
            say("xuejika: no copy was made: some rows cannot be read");
            Ok(Code::Findings)
        }
    }
}

/// What was written, as a manifest names it.
#[derive(Serialize)]
struct Copy {
    name: String,
    #[serde(flatten)]
    copied: Copied,
}

impl Show for Copy {
    fn show(&self, to: &mut Lines) {
        let Copied { format, encoding, bytes, sha256, rows } = &self.copied;
        to.line(format_args!("# {rows} rows"));
        to.line("[[file]]");
        to.line(format_args!("name = {}", toml::Value::from(&*self.name)));
        to.line(format_args!("format = {format:?}"));
        to.line(format_args!("encoding = {encoding:?}"));
        to.line(format_args!("bytes = {bytes}"));
        to.line(format_args!("sha256 = {sha256:?}"));
    }
}
