//! All rows of a batch, file by file in the order of the manifest, whatever their files are.

use std::fs;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::layout::{Heading, Layout, RawRow};
use super::lines::{self, Lines};
use super::mapping::Mapping;
#[cfg(feature = "parquet")]
use super::parquet_file;
use super::piece::FileEnd;
use super::regular;
use super::sink::{Sink, TableBlock};
use super::table::{self, Table};
#[cfg(feature = "xlsx")]
use super::xlsx;
use crate::error::{Cause, Error};
use crate::manifest::{Format, RowFile};
use crate::{Cells, Check, Finding, Manifest, Place, Plan, schema};

/// Name of the manifest in the folder of a batch.
pub const MANIFEST: &str = "batch.toml";

/// Largest manifest or mapping file, in bytes: a batch of a million cards in boxes of a hundred has
/// one of a megabyte.
const MAX_MANIFEST: usize = 4 << 20;

/// Rows beyond those of the manifest that are read, so that the report can name them.
const MAX_SURPLUS: u32 = 4096;

/// Rows below a heading without names in which the names are looked for.
const NEAR: usize = 20;

/// Fewest bytes that a row can have, to bound what a manifest can make us reserve.
const MIN_ROW: u64 = 100;

/// A batch as it was delivered.
#[derive(Debug)]
pub struct Delivery {
    place: Home,
    /// Its manifest.
    pub manifest: Manifest,
}

/// Where the files of a batch are.
#[derive(Debug)]
enum Home {
    Folder(PathBuf),
    /// The rows of its one text file.
    Memory(Arc<[u8]>),
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
    Failed(Error),
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
            Self::Table(table) => Ok(match table.next()? {
                Ok(Some(block)) => (Next::Block(Block::Table(block)), Some(self)),
                Ok(None) => (Next::End(table.end()), None),
                Err(findings) => (Next::Damaged(findings), Some(self)),
            }),
        }
    }
}

impl Delivery {
    /// Opens the folder of a batch, or its manifest.
    ///
    /// # Errors
    /// Returns [`Error::Input`] when the manifest is none.
    pub fn open(batch: &Path) -> Result<Self, Error> {
        let path = if batch.is_dir() { batch.join(MANIFEST) } else { batch.to_owned() };
        let read = || -> Result<Manifest, Cause> {
            let manifest: Manifest = toml::from_str(&regular::text(&path, MAX_MANIFEST)?)?;
            if manifest.schema == schema::VERSION {
                return Ok(manifest);
            }
            let (found, expected) = (manifest.schema, schema::VERSION);
            Err(format!("schema {found} is not supported, expected {expected}").into())
        };
        let manifest = read().map_err(|cause| Error::input(&path.display(), cause))?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Self { place: Home::Folder(folder), manifest })
    }

    /// A batch whose one file of rows, a text file without a mapping, is in memory.
    #[must_use]
    pub fn in_memory(manifest: Manifest, rows: Vec<u8>) -> Self {
        Self { place: Home::Memory(rows.into()), manifest }
    }

    /// The manifest as a plan.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn plan(&self) -> Result<Plan, Vec<Finding>> {
        Plan::new(&self.manifest)
    }

    /// Rows to make room for; a manifest alone cannot claim more than its files can hold.
    pub(crate) fn capacity(&self) -> usize {
        let bytes: u64 = match &self.place {
            Home::Memory(rows) => rows.len() as u64,
            Home::Folder(folder) => {
                let files = self.manifest.files.iter();
                let about = files.filter_map(|file| fs::metadata(folder.join(&file.name)).ok());
                about.map(|about| about.len()).sum()
            }
        };
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
        let mut name = String::new();
        core::iter::from_fn(move || {
            if let Some((source, layout)) = current.take() {
                let (next, rest) = match source.next() {
                    Ok(next) => next,
                    Err(error) => return Some(Job::Failed(Error::reading(&name, error))),
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
            name.clone_from(&file.name);
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
    ///
    /// # Errors
    /// What `take` returns, and an [`Error`] when the machine fails or a file cannot be used.
    pub fn each_row<E: From<Error>>(
        &self,
        mut wrong: impl FnMut(Finding),
        mut take: impl FnMut(Place, &Cells<'_>) -> Result<(), E>,
    ) -> Result<Vec<FileEnd>, E> {
        let mut ends = Vec::new();
        for job in self.jobs() {
            match job {
                Job::Start(_, findings) | Job::Unread(findings) => {
                    findings.into_iter().for_each(&mut wrong);
                }
                Job::Failed(error) => return Err(error.into()),
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
        if crate::chip::hex_bytes(&file.sha256) != Some(end.sha256) {
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
        let unusable = |cause: Cause| Job::Failed(Error::input(&file.name, cause));
        let mapping = self.mapping(file.mapping.as_deref()).map_err(unusable)?;
        let mut layout = Layout::new(file.format, file.encoding, mapping).map_err(unusable)?;
        let place = Place { file: Some(number), row: None, byte: None };
        let mut findings = Vec::new();
        let source = self.source(file, (number, next_row), &layout, &mut findings);
        let mut source = source.map_err(|error| open_failed(error, file, place))?;
        if layout.has_heading() {
            let heading = match &mut source {
                Source::Lines(lines) => lines
                    .heading(layout.heading_row().unwrap_or(1))
                    .map(|line| Ok(Heading::Line(line))),
                Source::Table(table) => table.heading(),
            };
            let heading =
                heading.map_err(|error| Job::Failed(Error::reading(&file.name, error)))?;
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

    /// Opens a file whose first row has this number.
    fn source(
        &self,
        file: &RowFile,
        (number, next_row): (usize, u32),
        layout: &Layout,
        findings: &mut Vec<Finding>,
    ) -> io::Result<Source> {
        match file.format {
            Format::Csv | Format::Jsonl | Format::Fixed => {
                let bytes = self.bytes(&file.name)?;
                Ok(Source::Lines(Box::new(Lines::new(bytes, number, next_row, findings)?)))
            }
            #[cfg(feature = "xlsx")]
            Format::Xlsx => {
                let about = table::about(&self.path(&file.name)?, number, next_row)?;
                let (sheet, row) = (layout.sheet().map(str::to_owned), layout.heading_row());
                let read = move |path: &Path, sink: &mut Sink| {
                    xlsx::read(path, sheet.as_deref(), row, sink)
                };
                Ok(Source::Table(Table::start(about, read)?))
            }
            #[cfg(feature = "parquet")]
            Format::Parquet => {
                let about = table::about(&self.path(&file.name)?, number, next_row)?;
                let wanted = layout.names();
                let read =
                    move |path: &Path, sink: &mut Sink| parquet_file::read(path, &wanted, sink);
                Ok(Source::Table(Table::start(about, read)?))
            }
            #[cfg(not(all(feature = "parquet", feature = "xlsx")))]
            _ => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn mapping(&self, name: Option<&str>) -> Result<Mapping, Cause> {
        let Some(name) = name else { return Ok(Mapping::default()) };
        let read = || Mapping::parse(&regular::text(&self.path(name)?, MAX_MANIFEST)?);
        read().map_err(|cause| Error::input(name, cause).into())
    }

    /// The bytes of a text file.
    fn bytes(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        Ok(match &self.place {
            Home::Folder(_) => Box::new(regular::open(&self.path(name)?)?),
            Home::Memory(rows) => Box::new(Cursor::new(Arc::clone(rows))),
        })
    }

    /// A file of the batch, which lies in its folder and nowhere else.
    fn path(&self, name: &str) -> io::Result<PathBuf> {
        let plain = Path::new(name).file_name().is_some_and(|plain| plain == name);
        let error = match &self.place {
            Home::Folder(folder) if plain => return Ok(folder.join(name)),
            Home::Folder(_) => {
                format!("{name:?} is no name of a file in the folder of the manifest")
            }
            Home::Memory(_) => "a batch in memory has one text file".to_owned(),
        };
        Err(io::Error::new(io::ErrorKind::InvalidInput, error))
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

fn open_failed(error: io::Error, file: &RowFile, place: Place) -> Job {
    match error.kind() {
        io::ErrorKind::NotFound => {
            let finding = Finding::new(Check::FileMissing, "a file", "none");
            Job::Unread(vec![finding.at(place)])
        }
        #[cfg(not(all(feature = "parquet", feature = "xlsx")))]
        io::ErrorKind::Unsupported => {
            let found = "a form that was left out when the program was built";
            let finding = Finding::new(Check::FileUnread, "a form that is read", found);
            Job::Unread(vec![finding.at(place)])
        }
        io::ErrorKind::InvalidData
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::PermissionDenied => Job::Failed(Error::input(&file.name, error)),
        _ => Job::Failed(Error::reading(&file.name, error)),
    }
}
