//! `batch generate`: a correct batch under the published test roots, or one with planted defects
//! and the truth about them beside it.

use std::fs;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, ensure};
use clap::{Args, ValueEnum};
use serde::Serialize;
use sha2::{Digest, Sha256};
use xuejika_card_model::batch::manifest::Format;
use xuejika_card_model::batch::{Column, KeySlot, KeySource, Row, Tally};
use xuejika_emulator::files::{self, Access, Existing, FileError, NewFile, NewFolder};

use super::defect::{Defects, Kind, Plant, RowCells, Truth};
use super::design::{Design, Sketch, file_name, heading, row_file};
use super::pipeline;
use super::progress::{Effort, Progress};
use super::roots::BatchRoots;
use super::walk::MANIFEST;
use crate::args::CpuProfile;
use crate::exit::{Code, Failure, Outcome};
use crate::keys;
use crate::output::Output;
use crate::shown::{Lines, Show};

/// Name of the file with the planted defects.
const TRUTH: &str = "truth.jsonl";

/// Cards made at a time.
const BLOCK: u32 = 2048;

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
    let mut design =
        Design::new(args.count, args.seed, args.profile.into()).map_err(Failure::usage)?;
    let defects = args.defects.as_ref().map(|source| {
        ensure!(args.format == RowFormat::Csv, "defects are planted in CSV files");
        Defects::read(source, &mut design)
    });
    let defects = defects.transpose().map_err(Failure::usage)?;
    let claimed = claim(&args.out)?;
    keys::announce();
    let roots = BatchRoots::test(design.key_version, design.algorithm)?;
    let maker = Maker {
        source: roots.source(design.key_version, design.algorithm),
        defects: defects.unwrap_or_default(),
        format: args.format.into(),
        design,
    };
    let progress = Progress::start("writing", args.count.into());
    let (mut files, tally, truths) = maker.write(&args.out, &progress).map_err(Failure::writing)?;
    if args.defects.is_some() {
        let truth = write_truth(&args.out.join(TRUTH), &truths).map_err(Failure::writing)?;
        files.insert(0, truth);
    }
    files::commit_all(files)?;
    claimed.keep();
    let effort = progress.end(tally.rows.into());
    out.report(&Summary::new(&args.out, &tally, truths.len(), effort))?;
    Ok(Code::AsExpected)
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

/// What all workers share.
struct Maker<'a> {
    design: Design,
    defects: Defects,
    source: KeySource<'a>,
    format: Format,
}

/// Files that have no names yet, what is in them, and what was planted.
type Written = (Vec<NewFile>, Tally, Vec<Truth>);

/// Rows that were made.
struct Made {
    text: Vec<u8>,
    tally: Tally,
    /// Planted kinds, each with the number of its row in the block and the serial it was made with.
    planted: Vec<(&'static Kind, Option<u32>, String)>,
}

impl Maker<'_> {
    /// Writes the rows and the manifest, which get their names together, the manifest last.
    fn write(&self, folder: &Path, progress: &Progress) -> anyhow::Result<Written> {
        let mut file = Hashed::create(&folder.join(file_name(self.format)))?;
        file.write(&self.beginning())?;
        let mut tally = Tally::new(self.design.boxes() as usize);
        let mut truths = Vec::new();
        let starts = (0..self.design.cards).step_by(BLOCK as usize);
        pipeline::run(
            starts.map(|start| start..(start + BLOCK).min(self.design.cards)),
            |cards| self.make(cards),
            |made| {
                let made = made?;
                file.write(&made.text)?;
                truths.extend(made.planted.into_iter().map(|(kind, row, serial)| {
                    Truth::new(kind, row.map(|row| tally.rows + row), Some(serial))
                }));
                progress.advance(made.tally.rows.into());
                tally.merge(&made.tally);
                anyhow::Ok(())
            },
        )?;
        if self.cut() > 0 {
            file.file.set_len(file.bytes.saturating_sub(self.cut()))?;
        }
        let Hashed { file, hash, bytes } = file;
        let manifest = self.write_manifest(folder, &tally, bytes, hash.finalize().into())?;
        let last = self.design.serial(self.design.cards - 1)?.to_string();
        truths.extend(self.defects.batch.iter().map(|kind| match kind.plant {
            Plant::CutShort => Truth::new(kind, Some(tally.rows), Some(last.clone())),
            _ => Truth::new(kind, None, None),
        }));
        Ok((vec![file, manifest], tally, truths))
    }

    /// What stands in front of the rows.
    fn beginning(&self) -> Vec<u8> {
        let mut heading = if self.format == Format::Csv { heading() } else { String::new() };
        let mut bytes = Vec::new();
        for kind in &self.defects.batch {
            match kind.plant {
                Plant::Bom => bytes.extend(b"\xEF\xBB\xBF"),
                Plant::Heading(change) => change(&mut heading),
                _ => {}
            }
        }
        if !heading.is_empty() {
            bytes.extend(heading.bytes().chain([b'\n']));
        }
        bytes
    }

    /// Bytes to leave out at the end.
    fn cut(&self) -> u64 {
        let is_cut = |kind: &&Kind| matches!(kind.plant, Plant::CutShort);
        if self.defects.batch.iter().any(is_cut) { 20 } else { 0 }
    }

    fn write_manifest(
        &self,
        folder: &Path,
        tally: &Tally,
        bytes: u64,
        sha256: [u8; 32],
    ) -> anyhow::Result<NewFile> {
        let file = row_file(self.format, bytes, sha256);
        let mut manifest = self.design.manifest(&self.source, tally, file)?;
        for kind in &self.defects.batch {
            if let Plant::Manifest(change) = kind.plant {
                change(&mut manifest);
            }
        }
        let mut file = new_file(&folder.join(MANIFEST))?;
        file.write_all(toml::to_string(&manifest)?.as_bytes())?;
        Ok(file)
    }

    /// Makes the rows of some cards.
    fn make(&self, cards: Range<u32>) -> anyhow::Result<Made> {
        let sketches = cards.map(|index| self.sketch(index)).collect::<anyhow::Result<Vec<_>>>()?;
        let values = self.values(&sketches)?;
        let mut made = Made {
            text: Vec::with_capacity(sketches.len() * 512),
            tally: Tally::new(self.design.boxes() as usize),
            planted: Vec::new(),
        };
        for (sketch, values) in sketches.iter().zip(&values) {
            let kind = self.defects.cards.get(&sketch.index).copied();
            let times = self.add_row(&mut made.text, sketch, values, kind)?;
            let row = Row {
                state: Some(sketch.state),
                box_number: Some(sketch.place as usize),
                ..Row::default()
            };
            (0..times).for_each(|_| made.tally.add(Some(&row)));
            if let Some(kind) = kind {
                let serial = self.design.serial(sketch.index)?.to_string();
                made.planted.push((kind, (times > 0).then_some(made.tally.rows), serial));
            }
        }
        Ok(made)
    }

    fn sketch(&self, index: u32) -> anyhow::Result<Sketch> {
        let mut sketch = self.design.sketch(index)?;
        if let Some(Plant::Card(change) | Plant::Scrap(change)) =
            self.defects.cards.get(&index).map(|kind| &kind.plant)
        {
            change(&mut sketch, &self.design)?;
        }
        Ok(sketch)
    }

    fn values(&self, sketches: &[Sketch]) -> anyhow::Result<Vec<[[u8; 3]; KeySlot::COUNT]>> {
        let mut values = vec![[[0; 3]; KeySlot::COUNT]; sketches.len()];
        let (serials, wallets): (Vec<_>, Vec<_>) =
            sketches.iter().map(|sketch| sketch.keys).unzip();
        for slot in KeySlot::all() {
            let numbers = if slot.is_wallet() { &wallets } else { &serials };
            let column = self.source.check_values(slot, numbers)?.unwrap_or_default();
            for (row, value) in values.iter_mut().zip(column) {
                row.iter_mut().skip(slot.index()).take(1).for_each(|cell| *cell = value);
            }
        }
        Ok(values)
    }

    /// Adds the row of a card as often as it is to be there.
    fn add_row(
        &self,
        text: &mut Vec<u8>,
        sketch: &Sketch,
        values: &[[u8; 3]; KeySlot::COUNT],
        kind: Option<&Kind>,
    ) -> anyhow::Result<u32> {
        let start = text.len();
        match kind.map(|kind| &kind.plant) {
            Some(Plant::Cells(change)) => {
                let mut cells = Vec::with_capacity(Column::COUNT);
                sketch.cells(&self.design, values, |cell| cells.push(cell.to_owned()));
                let (design, source) = (&self.design, &self.source);
                let mut row = RowCells { cells, sketch, values, design, source };
                change(&mut row)?;
                text.extend(row.cells.join(",").bytes().chain([b'\n']));
            }
            Some(Plant::Times(times)) => {
                (0..*times).for_each(|_| self.write_row(text, sketch, values));
                return Ok(*times);
            }
            other => {
                self.write_row(text, sketch, values);
                if let Some(Plant::Line(change)) = other {
                    let mut line = text.split_off(start);
                    change(&mut line);
                    text.append(&mut line);
                }
            }
        }
        Ok(1)
    }

    fn write_row(&self, text: &mut Vec<u8>, sketch: &Sketch, values: &[[u8; 3]; KeySlot::COUNT]) {
        let json = self.format == Format::Jsonl;
        let mut columns = Column::all();
        let mut separator: &[u8] = if json { b"{" } else { b"" };
        sketch.cells(&self.design, values, |cell| {
            let name = columns.next().map_or("", Column::name);
            if json {
                if !cell.is_empty() {
                    for part in
                        [separator, b"\"", name.as_bytes(), b"\":\"", cell.as_bytes(), b"\""]
                    {
                        text.extend_from_slice(part);
                    }
                    separator = b",";
                }
            } else {
                text.extend_from_slice(separator);
                text.extend_from_slice(cell.as_bytes());
                separator = b",";
            }
        });
        text.extend_from_slice(if json { b"}\n" } else { b"\n" });
    }
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

/// A new file that is hashed as it is written.
struct Hashed {
    file: NewFile,
    hash: Sha256,
    bytes: u64,
}

impl Hashed {
    fn create(path: &Path) -> Result<Self, FileError> {
        Ok(Self { file: new_file(path)?, hash: Sha256::new(), bytes: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes)
    }
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
