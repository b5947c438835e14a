//! Batches made for tests: a correct one under the published test roots, or one with planted defects
//! and the truth about them. The same seed gives the same bytes.

mod defect;
mod design;

use std::io::Write;
use std::ops::Range;

use xuejika_keyscheme::legacy::WalletRoots;
use xuejika_keyscheme::provider;
use xuejika_keyscheme::{Algorithm, KeyVersion, test_keys};

pub use defect::{At, Defects, Kind, Truth, kinds};
pub use design::Design;

use crate::error::{Cause, Error};
use crate::hashed::Hashed;
use crate::keys::Roots;
use crate::manifest::Format;
use crate::pipeline;
use crate::{Column, KeySlot, KeySource, Manifest, Row, Tally};
use defect::{Plant, RowCells};
use design::{Sketch, file_name, heading, row_file};

/// Cards made at a time.
const BLOCK: u32 = 2048;

/// The published test roots of a batch, with those of the versions beside, which a wrong card may have.
#[derive(Debug)]
pub struct TestKeys {
    city: provider::Roots,
    wallet: WalletRoots,
}

impl TestKeys {
    /// The roots of this version.
    ///
    /// # Errors
    /// None of the published roots is refused.
    pub fn new(version: KeyVersion, algorithm: Algorithm) -> Result<Self, provider::InvalidRoot> {
        let number = version.number();
        let versions = [number - 1, number, number.saturating_add(1)].map(KeyVersion::new);
        let mut city = provider::Roots::new();
        for version in versions.into_iter().flatten() {
            for id in KeySlot::all().filter_map(|slot| slot.id(version, algorithm)) {
                city.add(id, Box::new(test_keys::root(&id)))?;
            }
        }
        Ok(Self { city, wallet: WalletRoots::test() })
    }

    /// As the check takes them.
    #[must_use]
    pub fn roots(&self) -> Roots<'_> {
        Roots { city: Some(&self.city), wallet: Some(&self.wallet) }
    }
}

/// Makes a batch.
#[derive(Debug)]
pub struct Generator {
    design: Design,
    defects: Defects,
    roots: TestKeys,
    format: Format,
}

/// Rows that were written.
#[derive(Debug)]
pub struct Written {
    /// What was counted.
    pub tally: Tally,
    /// Planted defects and what must be found because of them.
    pub truths: Vec<Truth>,
    /// Length of the file in bytes, as the manifest declares it.
    bytes: u64,
    sha256: [u8; 32],
}

/// Rows that were made.
struct Made {
    text: Vec<u8>,
    tally: Tally,
    /// Planted kinds, each with the number of its row in the block and the serial it was made with.
    planted: Vec<(&'static Kind, Option<u32>, String)>,
}

impl Generator {
    /// A generator of CSV files or of JSON lines.
    ///
    /// # Errors
    /// Returns [`Error::Design`] for another form, and for defects in anything but a CSV file.
    pub fn new(design: Design, defects: Option<Defects>, format: Format) -> Result<Self, Error> {
        if !matches!(format, Format::Csv | Format::Jsonl) {
            return Err(Error::Design("rows are made as CSV or JSON lines".into()));
        }
        if defects.is_some() && format != Format::Csv {
            return Err(Error::Design("defects are planted in CSV files".into()));
        }
        let roots = TestKeys::new(design.key_version, design.algorithm)
            .map_err(|error| Error::Design(error.into()))?;
        Ok(Self { design, defects: defects.unwrap_or_default(), roots, format })
    }

    /// The roots of its cards.
    #[must_use]
    pub const fn roots(&self) -> &TestKeys {
        &self.roots
    }

    /// The name of the file of rows in the manifest.
    #[must_use]
    pub const fn file_name(&self) -> &'static str {
        file_name(self.format)
    }

    /// Writes the rows, and calls `advance` with the number of rows more that are written.
    ///
    /// # Errors
    /// Returns [`Error::Writing`] with what `to` returns.
    pub fn write_rows(
        &self,
        to: impl Write,
        mut advance: impl FnMut(u32),
    ) -> Result<Written, Error> {
        let mut to = Hashed::new(Cut::new(to, self.cut()));
        to.write_all(&self.beginning()).map_err(Error::writing)?;
        let mut tally = Tally::new(self.design.boxes() as usize);
        let mut truths = Vec::new();
        let source = self.source();
        let starts = (0..self.design.cards).step_by(BLOCK as usize);
        pipeline::run(
            starts.map(|start| start..(start + BLOCK).min(self.design.cards)),
            |cards| self.make(&source, cards),
            |made| {
                let made = made.map_err(Error::Design)?;
                to.write_all(&made.text).map_err(Error::writing)?;
                truths.extend(made.planted.into_iter().map(|(kind, row, serial)| {
                    Truth::new(kind, row.map(|row| tally.rows + row), Some(serial))
                }));
                advance(made.tally.rows);
                tally.merge(&made.tally);
                Ok::<_, Error>(())
            },
        )?;
        to.flush().map_err(Error::writing)?;
        let (_, bytes, sha256) = to.finish();
        let last = self.design.serial(self.design.cards - 1).map_err(Error::Design)?.to_string();
        truths.extend(self.defects.batch.iter().map(|kind| match kind.plant {
            Plant::CutShort => Truth::new(kind, Some(tally.rows), Some(last.clone())),
            _ => Truth::new(kind, None, None),
        }));
        Ok(Written { tally, truths, bytes, sha256 })
    }

    /// The manifest of rows that were written.
    ///
    /// # Errors
    /// None in a batch that has rows.
    pub fn manifest(&self, written: &Written) -> Result<Manifest, Error> {
        let file = row_file(self.format, written.bytes, written.sha256);
        let manifest = self.design.manifest(&self.source(), &written.tally, file);
        let mut manifest = manifest.map_err(Error::Design)?;
        for kind in &self.defects.batch {
            if let Plant::Manifest(change) = kind.plant {
                change(&mut manifest);
            }
        }
        Ok(manifest)
    }

    fn source(&self) -> KeySource<'_> {
        KeySource::new(self.roots.roots(), self.design.key_version, self.design.algorithm)
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
    fn cut(&self) -> usize {
        let is_cut = |kind: &&Kind| matches!(kind.plant, Plant::CutShort);
        if self.defects.batch.iter().any(is_cut) { 20 } else { 0 }
    }

    /// Makes the rows of some cards.
    fn make(&self, source: &KeySource<'_>, cards: Range<u32>) -> Result<Made, Cause> {
        let sketches = cards.map(|index| self.sketch(index)).collect::<Result<Vec<_>, Cause>>()?;
        let values = Self::values(source, &sketches)?;
        let mut made = Made {
            text: Vec::with_capacity(sketches.len() * 512),
            tally: Tally::new(self.design.boxes() as usize),
            planted: Vec::new(),
        };
        for (sketch, values) in sketches.iter().zip(&values) {
            let kind = self.defects.cards.get(&sketch.index).copied();
            let row = (sketch, values);
            let times = self.add_row(&mut made.text, source, row, kind)?;
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

    fn sketch(&self, index: u32) -> Result<Sketch, Cause> {
        let mut sketch = self.design.sketch(index)?;
        if let Some(Plant::Card(change) | Plant::Scrap(change)) =
            self.defects.cards.get(&index).map(|kind| &kind.plant)
        {
            change(&mut sketch, &self.design)?;
        }
        Ok(sketch)
    }

    fn values(
        source: &KeySource<'_>,
        sketches: &[Sketch],
    ) -> Result<Vec<[[u8; 3]; KeySlot::COUNT]>, Cause> {
        let mut values = vec![[[0; 3]; KeySlot::COUNT]; sketches.len()];
        let (serials, wallets): (Vec<_>, Vec<_>) =
            sketches.iter().map(|sketch| sketch.keys).unzip();
        for slot in KeySlot::all() {
            let numbers = if slot.is_wallet() { &wallets } else { &serials };
            let column = source.check_values(slot, numbers)?.unwrap_or_default();
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
        source: &KeySource<'_>,
        (sketch, values): (&Sketch, &[[u8; 3]; KeySlot::COUNT]),
        kind: Option<&Kind>,
    ) -> Result<u32, Cause> {
        let start = text.len();
        match kind.map(|kind| &kind.plant) {
            Some(Plant::Cells(change)) => {
                let mut cells = Vec::with_capacity(Column::COUNT);
                sketch.cells(&self.design, values, |cell| cells.push(cell.to_owned()));
                let design = &self.design;
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

/// A writer that leaves out the last bytes.
struct Cut<W> {
    to: W,
    /// How many are left out.
    end: usize,
    held: Vec<u8>,
}

impl<W> Cut<W> {
    const fn new(to: W, end: usize) -> Self {
        Self { to, end, held: Vec::new() }
    }
}

impl<W: Write> Write for Cut<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.end == 0 {
            return self.to.write(bytes);
        }
        self.held.extend(bytes);
        let safe = self.held.len().saturating_sub(self.end);
        self.to.write_all(self.held.get(..safe).unwrap_or_default())?;
        self.held.drain(..safe);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}
