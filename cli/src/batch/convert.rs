//! `batch convert`: the rows of a batch as one file in the layout of the schema, whatever the vendor
//! delivered. A row that cannot be read ends it: a copy has every row or is none.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use sha2::{Digest, Sha256};
use xuejika_card_model::batch::{Cells, Column, Finding, Severity};
use xuejika_emulator::files::{Access, Existing, NewFile};

use super::parquet_file;
use super::report::Report;
use super::walk::Delivery;
use crate::exit::{Code, Failure, Outcome, say};
use crate::output::Output;
use crate::shown::{Lines, Show};

/// Findings of one check that are printed.
const LIMIT: u64 = 100;

/// Most findings that are kept.
const MAX_FINDINGS: usize = 10_000;

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

impl Target {
    const fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }
}

/// Writes the rows of a batch anew.
pub(crate) fn run(args: &ConvertArgs, out: &Output) -> Outcome<Code> {
    let delivery = Delivery::open(&args.batch).map_err(Failure::usage)?;
    // A part of a copy would look like a copy: it has no name before it is whole.
    let file = NewFile::create(&args.out, Existing::Refuse, Access::Umask)?;
    match write(args, file, &delivery, out)? {
        Some(copy) => {
            out.report(&copy)?;
            Ok(Code::AsExpected)
        }
        None => {
            say("xuejika: no copy was made: some rows cannot be read");
            Ok(Code::Findings)
        }
    }
}

/// Writes the copy; none if some row cannot be read, which is reported.
fn write(
    args: &ConvertArgs,
    file: NewFile,
    delivery: &Delivery,
    out: &Output,
) -> Outcome<Option<Copy>> {
    let failed = |error: anyhow::Error| Failure::device(error);
    let mut wrong: Vec<Finding> = Vec::new();
    let hashed = Hashed { file, hash: Sha256::new(), bytes: 0 };
    let mut writer = Writer::new(args.to, hashed).map_err(failed)?;
    let mut rows = 0_u32;
    delivery.each_row(
        |finding| {
            if finding.check.severity() == Severity::Error && wrong.len() < MAX_FINDINGS {
                wrong.push(finding);
            }
        },
        |_, cells| {
            rows += 1;
            writer.row(cells).map_err(failed)
        },
    )?;
    if !wrong.is_empty() {
        let names = delivery.manifest.files.iter().map(|file| file.name.clone()).collect();
        Report::new(out, LIMIT, names).take(wrong, None)?;
        return Ok(None);
    }
    let Hashed { file, hash, bytes } = writer.finish().map_err(failed)?;
    file.commit()?;
    Ok(Some(Copy {
        name: args.out.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        format: args.to.name(),
        encoding: "utf-8",
        bytes,
        sha256: hex::encode(hash.finalize()),
        rows,
    }))
}

/// A copy under construction.
enum Writer {
    Parquet(Box<parquet_file::Writer<BufWriter<Hashed>>>),
    Csv(Box<csv::Writer<Hashed>>),
    Jsonl(BufWriter<Hashed>),
}

impl Writer {
    fn new(target: Target, to: Hashed) -> anyhow::Result<Self> {
        Ok(match target {
            Target::Parquet => {
                Self::Parquet(Box::new(parquet_file::Writer::new(BufWriter::new(to))?))
            }
            Target::Csv => {
                let mut writer = csv::Writer::from_writer(to);
                writer.write_record(Column::all().map(Column::name))?;
                Self::Csv(Box::new(writer))
            }
            Target::Jsonl => Self::Jsonl(BufWriter::new(to)),
        })
    }

    fn row(&mut self, cells: &Cells<'_>) -> anyhow::Result<()> {
        let texts = Column::all().map(|column| cells.get(column).unwrap_or_default());
        match self {
            Self::Parquet(writer) => writer.row(texts),
            Self::Csv(writer) => Ok(writer.write_record(texts)?),
            Self::Jsonl(writer) => {
                let given = Column::all().map(Column::name).zip(texts);
                let object: serde_json::Map<_, _> = given
                    .filter(|(_, text)| !text.is_empty())
                    .map(|(name, text)| (name.to_owned(), text.into()))
                    .collect();
                serde_json::to_writer(&mut *writer, &object)?;
                Ok(writer.write_all(b"\n")?)
            }
        }
    }

    /// The file with all that was written.
    fn finish(self) -> anyhow::Result<Hashed> {
        Ok(match self {
            Self::Parquet(writer) => {
                writer.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?
            }
            Self::Csv(writer) => {
                writer.into_inner().map_err(|error| anyhow::anyhow!("{}", error.error()))?
            }
            Self::Jsonl(writer) => writer.into_inner().map_err(io::IntoInnerError::into_error)?,
        })
    }
}

/// A file that is hashed as it is written.
struct Hashed {
    file: NewFile,
    hash: Sha256,
    bytes: u64,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.file.write(bytes)?;
        self.hash.update(bytes.get(..length).unwrap_or_default());
        self.bytes += length as u64;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// What was written, as a manifest names it.
#[derive(Serialize)]
struct Copy {
    name: String,
    format: &'static str,
    encoding: &'static str,
    bytes: u64,
    sha256: String,
    rows: u32,
}

impl Show for Copy {
    fn show(&self, to: &mut Lines) {
        let Self { name, format, encoding, bytes, sha256, rows } = self;
        to.line(format_args!("# {rows} rows"));
        to.line("[[file]]");
        to.line(format_args!("name = {}", toml::Value::from(&**name)));
        to.line(format_args!("format = {format:?}"));
        to.line(format_args!("encoding = {encoding:?}"));
        to.line(format_args!("bytes = {bytes}"));
        to.line(format_args!("sha256 = {sha256:?}"));
    }
}
