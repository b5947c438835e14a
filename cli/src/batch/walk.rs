//! All rows of a batch, file by file in the order of the manifest, whatever their files are.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use sha2::{Digest, Sha256};
use xuejika_card_model::batch::manifest::{Format, RowFile};
use xuejika_card_model::batch::{Cells, Check, Finding, Manifest, Place, schema};

use super::layout::{Heading, Layout, RawRow};
use super::lines::{self, Lines};
use super::mapping::Mapping;
use super::table::{self, Table, TableBlock};
use super::{parquet_file, xlsx};
use crate::exit::{Failure, Outcome};
use crate::input;

/// Name of the manifest in the folder of a batch.
pub(crate) const MANIFEST: &str = "batch.toml";

/// Largest manifest or mapping file, in bytes: a batch of a million cards in boxes of a hundred has
/// one of a megabyte.
const MAX_MANIFEST: usize = 4 << 20;

/// Rows beyond those of the manifest that are read, so that the report can name them.
const MAX_SURPLUS: u32 = 4096;

/// Rows below a heading without names in which the names are looked for.
const NEAR: usize = 20;

/// Fewest bytes that a row can have, to bound what a manifest can make us reserve.
const MIN_ROW: u64 = 100;

/// A batch on disk.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// Its folder.
    folder: PathBuf,
    /// Its manifest.
    pub(crate) manifest: Manifest,
}

/// What is known of a file once it was read.
#[derive(Debug)]
pub(crate) struct FileEnd {
    /// The file.
    pub(crate) file: usize,
    /// Its length in bytes.
    pub(crate) bytes: u64,
    /// Its SHA-256.
    pub(crate) sha256: [u8; 32],
    /// The row after its last one.
    pub(crate) next_row: u32,
}

/// SHA-256 over the hashes of files, in order.
pub(crate) fn digest(files: &[FileEnd]) -> [u8; 32] {
    let mut hash = Sha256::new();
    files.iter().for_each(|file| hash.update(file.sha256));
    hash.finalize().into()
}

/// A piece of a batch.
pub(crate) enum Job {
    /// A file begins at this row.
    Start(u32, Vec<Finding>),
    /// Rows and how they are laid out.
    Rows(Box<Block>, Arc<Layout>),
    /// A file was read.
    End(FileEnd),
    /// A file cannot be read further: rows are missing for that reason.
    Unread(Vec<Finding>),
    /// The machine failed, or the input cannot be used.
    Failed(Failure),
}

/// A block of rows.
pub(crate) enum Block {
    /// Of a text file.
    Lines(lines::Block),
    /// Of a workbook or a Parquet file.
    Table(TableBlock),
}

impl Block {
    /// What was wrong before any row was read.
    pub(crate) fn findings(&self) -> &[Finding] {
        match self {
            Self::Lines(block) => &block.findings,
            Self::Table(block) => &block.findings,
        }
    }

    /// Number of rows.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Lines(block) => block.len(),
            Self::Table(block) => block.rows.len(),
        }
    }

    /// Number of each row in its file or sheet, from 1.
    fn numbers(&self) -> &[u32] {
        match self {
            Self::Lines(block) => &block.numbers,
            Self::Table(block) => &block.numbers,
        }
    }

    /// Each row and where it is.
    pub(crate) fn rows(&self) -> Box<dyn Iterator<Item = (Place, RawRow<'_>)> + '_> {
        match self {
            Self::Lines(block) => {
                Box::new(block.rows().map(|(place, line)| (place, RawRow::Line(line))))
            }
            Self::Table(block) => {
                Box::new(block.rows().map(|(place, cells)| (place, RawRow::Cells(cells))))
            }
        }
    }
}

/// An open file of rows.
enum Source {
    Lines(Box<Lines>),
    Table(Table),
}

/// What a file has next.
pub(crate) enum Next {
    /// Rows.
    Block(Block),
    /// Nothing any more.
    End(FileEnd),
    /// Nothing that could be read.
    Damaged(Vec<Finding>),
}

impl Source {
    fn next(mut self) -> io::Result<(Next, Option<Self>)> {
        match &mut self {
            Self::Lines(lines) => match lines.block()? {
                Some(block) => Ok((Next::Block(Block::Lines(block)), Some(self))),
                None => match self {
                    Self::Lines(lines) => Ok((Next::End(lines.end()?), None)),
                    Self::Table(table) => Ok((Next::End(table.end()), None)),
                },
            },
            Self::Table(table) => {
                let next = table.next()?;
                let over = matches!(next, Next::End(_));
                Ok((next, (!over).then_some(self)))
            }
        }
    }
}

impl Delivery {
    /// Opens the folder of a batch, or its manifest.
    pub(crate) fn open(batch: &Path) -> anyhow::Result<Self> {
        let path = if batch.is_dir() { batch.join(MANIFEST) } else { batch.to_owned() };
        let manifest: Manifest = toml::from_str(&input::text(&path, MAX_MANIFEST)?)
            .with_context(|| path.display().to_string())?;
        ensure!(
            manifest.schema == schema::VERSION,
            "{}: schema {} is not supported, expected {}",
            path.display(),
            manifest.schema,
            schema::VERSION
        );
        Ok(Self { folder: path.parent().unwrap_or(Path::new("")).to_owned(), manifest })
    }

    /// Rows to make room for; a manifest alone cannot claim more than its files can hold.
    pub(crate) fn capacity(&self) -> usize {
        let bytes: u64 = self
            .manifest
            .files
            .iter()
            .filter_map(|file| fs::metadata(self.folder.join(&file.name)).ok())
            .map(|about| about.len())
            .sum();
        let most = usize::try_from(bytes / MIN_ROW).unwrap_or(0);
        most.min(self.manifest.count.rows as usize)
    }

    /// The pieces of the batch, in order.
    pub(crate) fn jobs(&self) -> impl Iterator<Item = Job> + Send {
        let mut next_row = 1;
        let mut files = self.manifest.files.iter().enumerate();
        let mut current: Option<(Source, Arc<Layout>)> = None;
        let most = self.manifest.count.rows.saturating_add(MAX_SURPLUS);
        let mut rows = 0_u32;
        core::iter::from_fn(move || {
            if let Some((source, layout)) = current.take() {
                let (next, rest) = match source.next() {
                    Ok(next) => next,
                    Err(error) => return Some(Job::Failed(Failure::device(error))),
                };
                current = rest.map(|source| (source, Arc::clone(&layout)));
                return Some(match next {
                    Next::Block(block) => {
                        rows = rows.saturating_add(u32::try_from(block.len()).unwrap_or(u32::MAX));
                        if rows <= most {
                            return Some(Job::Rows(Box::new(block), layout));
                        }
                        current = None;
                        files.by_ref().for_each(drop);
                        Job::Unread(vec![self.too_many_rows(&block)])
                    }
                    Next::Damaged(findings) => Job::Unread(findings),
                    Next::End(end) => {
                        next_row = end.next_row;
                        Job::End(end)
                    }
                });
            }
            let (number, file) = files.next()?;
            Some(match self.start(number, file, next_row) {
                Ok((source, layout, findings)) => {
                    current = Some((source, Arc::new(layout)));
                    Job::Start(next_row, findings)
                }
                Err(job) => job,
            })
        })
    }

    /// Hands every row that can be read to `take`, in order, on this thread. What is wrong with a
    /// file or with the form of a row goes to `wrong`.
    pub(crate) fn each_row(
        &self,
        mut wrong: impl FnMut(Finding),
        mut take: impl FnMut(Place, &Cells<'_>) -> Outcome<()>,
    ) -> Outcome<Vec<FileEnd>> {
        let mut ends = Vec::new();
        for job in self.jobs() {
            match job {
                Job::Start(_, findings) | Job::Unread(findings) => {
                    findings.into_iter().for_each(&mut wrong);
                }
                Job::Failed(failure) => return Err(failure),
                Job::End(end) => {
                    self.end_findings(&end).into_iter().for_each(&mut wrong);
                    ends.push(end);
                }
                Job::Rows(block, layout) => {
                    block.findings().iter().cloned().for_each(&mut wrong);
                    for (place, row) in block.rows().filter(|(_, row)| !row.is_reported()) {
                        let mut findings = Vec::new();
                        let taken =
                            layout.read(place, row, &mut findings, |cells, _| take(place, cells));
                        findings.into_iter().for_each(&mut wrong);
                        taken.unwrap_or(Ok(()))?;
                    }
                }
            }
        }
        Ok(ends)
    }

    /// Whether a file is the one of the manifest.
    pub(crate) fn end_findings(&self, end: &FileEnd) -> Vec<Finding> {
        let place = Place { file: Some(end.file), row: None, byte: None };
        let Some(file) = self.manifest.files.get(end.file) else { return Vec::new() };
        let mut findings = Vec::new();
        if end.bytes != file.bytes {
            let (expected, found) =
                (format!("{} bytes", file.bytes), format!("{} bytes", end.bytes));
            findings.push(Finding::new(Check::FileSize, expected, found).at(place));
        }
        if xuejika_card_model::batch::chip::hex_bytes(&file.sha256) != Some(end.sha256) {
            let finding = Finding::new(Check::FileHash, &file.sha256, hex::encode(end.sha256));
            findings.push(finding.at(place));
        }
        findings
    }

    /// There are more rows than the manifest announces, and `next` is not read.
    fn too_many_rows(&self, next: &Block) -> Finding {
        let place = next.rows().next().map(|(place, _)| place).unwrap_or_default();
        let announced = self.manifest.count.rows;
        let most = announced.saturating_add(MAX_SURPLUS);
        let found = format!("more than {most} rows; the rest was not read");
        let finding = Finding::new(Check::CountRows, format!("{announced} rows"), found);
        finding.field("count.rows").at(Place { row: None, ..place })
    }

    /// Opens a file and reads its heading.
    fn start(
        &self,
        number: usize,
        file: &RowFile,
        next_row: u32,
    ) -> Result<(Source, Layout, Vec<Finding>), Job> {
        let usage =
            |error: anyhow::Error| Job::Failed(Failure::usage(error.context(file.name.clone())));
        let path = self.path(&file.name).map_err(usage)?;
        let mapping = self.mapping(file.mapping.as_deref()).map_err(usage)?;
        let (sheet, row) = (mapping.sheet.clone(), mapping.heading_row);
        let mut layout = Layout::new(file.format, file.encoding, mapping).map_err(usage)?;
        let place = Place { file: Some(number), row: None, byte: None };
        let failed = |error: io::Error| open_failed(error, file, &path, place);
        let mut findings = Vec::new();
        input::regular(&path).map_err(failed)?;
        let mut source = match file.format {
            Format::Csv | Format::Jsonl | Format::Fixed => {
                let lines = Lines::open(&path, number, next_row, &mut findings).map_err(failed)?;
                Source::Lines(Box::new(lines))
            }
            Format::Xlsx => {
                let about = table::about(&path, number, next_row).map_err(failed)?;
                let read = move |path: &Path, sink: &mut table::Sink| {
                    xlsx::read(path, sheet.as_deref(), row, sink)
                };
                Source::Table(Table::start(about, read).map_err(failed)?)
            }
            Format::Parquet => {
                let about = table::about(&path, number, next_row).map_err(failed)?;
                let wanted = layout.names();
                let read = move |path: &Path, sink: &mut table::Sink| {
                    parquet_file::read(path, &wanted, sink)
                };
                Source::Table(Table::start(about, read).map_err(failed)?)
            }
        };
        if layout.has_heading() {
            let heading = match &mut source {
                Source::Lines(lines) => {
                    lines.heading(row.unwrap_or(1)).map(|line| Ok(Heading::Line(line)))
                }
                Source::Table(table) => table.heading(),
            };
            let heading = heading.map_err(|error| Job::Failed(Failure::device(error)))?;
            let heading = heading.map_err(Job::Unread)?;
            let mut wrong = Vec::new();
            if !layout.read_heading(&heading, &mut wrong) {
                wrong = below(source, &layout).map_or(wrong, |hint| vec![hint]);
                findings.extend(wrong.into_iter().map(|finding| in_file(finding, place)));
                return Err(Job::Unread(findings));
            }
            findings.extend(wrong.into_iter().map(|finding| in_file(finding, place)));
        }
        Ok((source, layout, findings))
    }

    fn mapping(&self, name: Option<&str>) -> anyhow::Result<Mapping> {
        let Some(name) = name else { return Ok(Mapping::default()) };
        Mapping::parse(&input::text(&self.path(name)?, MAX_MANIFEST)?)
            .with_context(|| name.to_owned())
    }

    /// A file of the batch, which lies in its folder and nowhere else.
    fn path(&self, name: &str) -> anyhow::Result<PathBuf> {
        let plain = Path::new(name).file_name().is_some_and(|plain| plain == name);
        ensure!(plain, "{name:?} is no name of a file in the folder of the manifest");
        Ok(self.folder.join(name))
    }
}

/// A finding about a file; where in it is known already.
fn in_file(finding: Finding, place: Place) -> Finding {
    let byte = finding.place.byte;
    finding.at(Place { byte, ..place })
}

/// Finds the names of columns below a heading without them.
fn below(source: Source, layout: &Layout) -> Option<Finding> {
    let other = match &source {
        Source::Table(table) => table.other.clone(),
        Source::Lines(_) => None,
    };
    let expected = "names of columns in the first row";
    let hint = |found| Some(Finding::new(Check::FileColumnMissing, expected, found));
    if let Ok((Next::Block(block), _)) = source.next() {
        let names = |(_, row): &(Place, RawRow<'_>)| layout.is_heading(*row);
        let at = block.rows().take(NEAR).position(|row| names(&row));
        if let Some(row) = at.and_then(|at| block.numbers().get(at)) {
            let mapping = format!("write heading-row = {row} into the mapping file");
            return hint(format!("them in row {row}: {mapping}"));
        }
    }
    let sheet = other?;
    hint(format!("none; for another sheet, write sheet = {sheet:?} into the mapping file"))
}

fn open_failed(error: io::Error, file: &RowFile, path: &Path, place: Place) -> Job {
    match error.kind() {
        io::ErrorKind::NotFound => {
            let finding = Finding::new(Check::FileMissing, "a file", "none");
            Job::Unread(vec![finding.at(place)])
        }
        io::ErrorKind::InvalidData
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::PermissionDenied => {
            Job::Failed(Failure::usage(anyhow::Error::from(error).context(file.name.clone())))
        }
        _ => Job::Failed(Failure::device(
            anyhow::Error::from(error).context(path.display().to_string()),
        )),
    }
}
