//! `batch generate`: a correct batch under the published test roots, or one with planted defects
//! and the truth about them beside it.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::{Args, ValueEnum};
use serde::Serialize;
use xuejika_batch::Tally;
use xuejika_batch::file::MANIFEST;
use xuejika_batch::generate::{Defects, Design, Generator, Truth};
use xuejika_batch::manifest::Format;
use xuejika_emulator::files::{self, Access, Existing, FileError, NewFile, NewFolder};

use super::progress::{Effort, Progress};
use crate::args::CpuProfile;
use crate::exit::{Code, Failure, Outcome};
use crate::input::{self, MAX_TEXT};
use crate::keys;
use crate::output::Output;
use crate::shown::{Lines, Show};

/// Plants every kind of defect that others do not hide.
const ALL: &str = "all";

/// Name of the file with the planted defects.
const TRUTH: &str = "truth.jsonl";

/// `batch generate`.
#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    /// Number of cards.
    #[arg(long, value_name = "N")]
    count: u32,
    /// Seed; the same seed gives the same bytes.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Card profile.
    #[arg(long, value_enum, default_value = "cpu-aes")]
    profile: CpuProfile,
    /// How rows are written.
    #[arg(long, value_enum, default_value = "csv")]
    format: RowFormat,
    /// Defects to plant: a TOML file of `[[defect]]` tables with `kind` and, if it matters, `card`;
    /// or `all`.
    #[arg(long, value_name = "FILE")]
    defects: Option<String>,
    /// New folder for the batch.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum RowFormat {
    /// Comma-separated values with a heading.
    Csv,
    /// One JSON object per line.
    Jsonl,
}

impl From<RowFormat> for Format {
    fn from(format: RowFormat) -> Self {
        match format {
            RowFormat::Csv => Self::Csv,
            RowFormat::Jsonl => Self::Jsonl,
        }
    }
}

/// Makes a batch.
pub(crate) fn run(args: &GenerateArgs, out: &Output) -> Outcome<Code> {
    let generator = generator(args).map_err(Failure::usage)?;
    let claimed = claim(&args.out)?;
    keys::announce();
    let progress = Progress::start("writing", args.count.into());
    let (files, tally, defects) = write(args, &generator, &progress).map_err(Failure::writing)?;
    files::commit_all(files)?;
    claimed.keep();
    let effort = progress.end(tally.rows.into());
    out.report(&Summary::new(&args.out, &tally, defects, effort))?;
    Ok(Code::AsExpected)
}

fn generator(args: &GenerateArgs) -> anyhow::Result<Generator> {
    let design = Design::new(args.count, args.seed, args.profile.into());
    let mut design = design.context("--count")?;
    let defects = match args.defects.as_deref() {
        None => None,
        Some(ALL) => Some(Defects::all(&mut design)?),
        Some(path) => {
            let text = input::text(Path::new(path), MAX_TEXT)?;
            Some(Defects::parse(&text, &mut design).with_context(|| path.to_owned())?)
        }
    };
    Ok(Generator::new(design, defects, args.format.into())?)
}

/// Writes all files, which get their names together, the manifest last; gives the number of planted
/// defects too.
fn write(
    args: &GenerateArgs,
    generator: &Generator,
    progress: &Progress,
) -> anyhow::Result<(Vec<NewFile>, Tally, usize)> {
    let mut rows = new_file(&args.out.join(generator.file_name()))?;
    let written = generator.write_rows(&mut rows, |rows| progress.advance(rows.into()))?;
    let mut manifest = new_file(&args.out.join(MANIFEST))?;
    manifest.write_all(toml::to_string(&generator.manifest(&written)?)?.as_bytes())?;
    let mut files = vec![rows, manifest];
    if args.defects.is_some() {
        files.insert(0, write_truth(&args.out.join(TRUTH), &written.truths)?);
    }
    Ok((files, written.tally, written.truths.len()))
}

/// Makes the folder, which must be new or empty. It goes again when no batch is written.
fn claim(folder: &Path) -> Outcome<NewFolder> {
    let claimed = NewFolder::create(folder)?;
    let entries = fs::read_dir(folder).map_err(|error| FileError::of(folder, error))?;
    if entries.count() > 0 {
        let error = anyhow!("{}: is not empty; no file is ever overwritten", folder.display());
        return Err(Failure::Because(Code::Unsafe, error));
    }
    Ok(claimed)
}

fn new_file(path: &Path) -> Result<NewFile, FileError> {
    NewFile::create(path, Existing::Refuse, Access::Umask)
}

fn write_truth(path: &Path, truths: &[Truth]) -> anyhow::Result<NewFile> {
    let mut file = BufWriter::new(new_file(path)?);
    for truth in truths {
        serde_json::to_writer(&mut file, truth)?;
        file.write_all(b"\n")?;
    }
    Ok(file.into_inner()?)
}

/// What was made.
#[derive(Serialize)]
struct Summary {
    folder: String,
    rows: u32,
    good: u32,
    scrap: u32,
    defects: usize,
    seconds: f64,
    rows_per_second: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_memory_mib: Option<u64>,
    #[serde(skip)]
    effort: Effort,
}

impl Summary {
    fn new(folder: &Path, tally: &Tally, defects: usize, effort: Effort) -> Self {
        Self {
            folder: folder.display().to_string(),
            rows: tally.rows,
            good: tally.good,
            scrap: tally.scrap,
            defects,
            seconds: (effort.seconds() * 1000.0).round() / 1000.0,
            rows_per_second: effort.rate(),
            peak_memory_mib: effort.peak_memory(),
            effort,
        }
    }
}

impl Show for Summary {
    fn show(&self, to: &mut Lines) {
        let Self { folder, rows, good, scrap, defects, effort, .. } = self;
        to.line(format_args!(
            "{folder}: {rows} rows, {good} good, {scrap} scrap, {defects} defects"
        ));
        to.line(effort);
    }
}
