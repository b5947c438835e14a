//! From the bytes of a line to the cells of a row: decoding, splitting, and the vendor's own names.

use core::fmt;
use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::{Deserializer, Error as _, MapAccess, Visitor};

use super::mapping::{self, Mapping};
use super::sink::MAX_COLUMNS;
use super::text::{check_control, check_stray, control_name, decode, split};
use crate::error::Cause;
use crate::finding::shown;
use crate::manifest::{Encoding, Format};
use crate::{Cells, Check, Column, Finding, Place};

/// What spreadsheets take for the beginning of a formula (CWE-1236).
const FORMULA: [char; 4] = ['=', '+', '-', '@'];

/// What else separates fields of CSV files.
const DELIMITERS: [char; 5] = [',', ';', '\t', '|', '，'];

/// What a file names its columns in.
#[derive(Clone, Debug)]
pub(crate) enum Heading {
    /// A line of text; none where there is no whole line.
    Line(Option<Vec<u8>>),
    /// Names of a table.
    Names(Vec<String>),
}

/// A row as its file has it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RawRow<'l> {
    /// A line of text without its end.
    Line(&'l [u8]),
    /// Cells of a table.
    Cells(&'l [String]),
}

impl RawRow<'_> {
    /// Whether there is nothing to read: it was reported already.
    pub(crate) const fn is_reported(&self) -> bool {
        match self {
            Self::Line(line) => line.is_empty(),
            Self::Cells(cells) => cells.is_empty(),
        }
    }
}

/// How the rows of a file are laid out.
#[derive(Debug)]
pub(crate) struct Layout {
    encoding: Encoding,
    mapping: Mapping,
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    /// Fields in the order of the heading; some are in no schema.
    Csv { delimiter: char, columns: Vec<Option<Column>> },
    /// Cells in the order of the names in front; some are in no schema.
    Table { columns: Vec<Option<Column>> },
    /// Fields by name.
    Json { names: BTreeMap<String, Column> },
    /// Fields by place, and the width of a row.
    Fixed { places: Vec<(Column, mapping::Place)>, width: usize },
}

impl Layout {
    /// The layout of a file without a heading.
    pub(crate) fn new(format: Format, encoding: Encoding, mapping: Mapping) -> Result<Self, Cause> {
        let shape = match format {
            Format::Csv => {
                Shape::Csv { delimiter: mapping.delimiter.unwrap_or(','), columns: Vec::new() }
            }
            Format::Xlsx | Format::Parquet => {
                if encoding != Encoding::Utf8 {
                    let error =
                        "a workbook or Parquet file has no encoding of its own; declare utf-8";
                    return Err(error.into());
                }
                Shape::Table { columns: Vec::new() }
            }
            Format::Jsonl => {
                let name = |column| (mapping.name(column).to_owned(), column);
                Shape::Json { names: Column::all().map(name).collect() }
            }
            Format::Fixed => {
                let places = mapping
                    .places()
                    .map_err(|cause| format!("a file of fixed width needs a mapping: {cause}"))?;
                let end = |(_, place): &(_, mapping::Place)| place.start + place.width - 1;
                let width = places.iter().map(end).max().unwrap_or(0);
                if width == 0 {
                    return Err("a file of fixed width needs a mapping file with columns".into());
                }
                Shape::Fixed { places, width }
            }
        };
        Ok(Self { encoding, mapping, shape })
    }

    /// The names by which the vendor calls the columns.
    pub(crate) fn names(&self) -> Vec<String> {
        Column::all().map(|column| self.mapping.name(column).to_owned()).collect()
    }

    /// The row with the names of the columns, from 1, if the vendor says which.
    pub(crate) const fn heading_row(&self) -> Option<u32> {
        self.mapping.heading_row
    }

    /// The sheet of a workbook, if the vendor says which.
    #[cfg(feature = "xlsx")]
    pub(crate) fn sheet(&self) -> Option<&str> {
        self.mapping.sheet.as_deref()
    }

    /// Whether the first line is a heading.
    pub(crate) const fn has_heading(&self) -> bool {
        matches!(self.shape, Shape::Csv { .. } | Shape::Table { .. })
    }

    /// Reads the heading. Whatever is wrong with it is noted; without all columns no row is read.
    pub(crate) fn read_heading(&mut self, heading: &Heading, findings: &mut Vec<Finding>) -> bool {
        let before = findings.len();
        if let Err(finding) = self.take_heading(heading, findings) {
            findings.push(*finding);
        }
        let is_fatal = |finding: &Finding| finding.check != Check::FileColumnUnknown;
        !findings.iter().skip(before).any(is_fatal)
    }

    fn take_heading(
        &mut self,
        heading: &Heading,
        findings: &mut Vec<Finding>,
    ) -> Result<(), Box<Finding>> {
        let text;
        let (names, columns, delimiter) = match (&mut self.shape, heading) {
            (Shape::Csv { delimiter, columns }, Heading::Line(line)) => {
                let line = line.as_deref().unwrap_or_default();
                check_control(line, &[*delimiter, '\t'], 0)?;
                text = decode(self.encoding, line, 0)?;
                (split(&text, *delimiter)?, columns, Some(*delimiter))
            }
            (Shape::Table { columns }, Heading::Names(names)) => {
                let names: Vec<_> = names.iter().map(|name| Cow::Borrowed(name.as_str())).collect();
                (names, columns, None)
            }
            _ => return Ok(()),
        };
        if names.len() > MAX_COLUMNS {
            let found = format!("{} columns", names.len());
            return Err(
                Finding::new(Check::FileBomb, format!("{MAX_COLUMNS} at most"), found).into()
            );
        }
        *columns = names.iter().map(|name| known(&self.mapping, name)).collect();
        if columns.iter().all(Option::is_none)
            && let Some(finding) = no_names(&names, delimiter)
        {
            return Err(finding);
        }
        for (name, column) in names.iter().zip(columns.iter()) {
            if column.is_none() {
                let finding =
                    Finding::new(Check::FileColumnUnknown, "a column of the schema", shown(name));
                findings.push(finding.field(shown(name)));
            }
        }
        for column in Column::all() {
            let times = columns.iter().filter(|known| **known == Some(column)).count();
            let given = times + usize::from(self.mapping.constant(column).is_some());
            let check = match given {
                0 => Check::FileColumnMissing,
                1 => continue,
                _ => Check::FileColumnTwice,
            };
            findings
                .push(Finding::new(check, "once", format!("{given} times")).field(column.name()));
        }
        Ok(())
    }

    /// Whether a row has names of columns in it, most of them.
    pub(crate) fn is_heading(&self, row: RawRow<'_>) -> bool {
        let text;
        let names: Vec<Cow<'_, str>> = match (&self.shape, row) {
            (Shape::Csv { delimiter, .. }, RawRow::Line(line)) => {
                let Ok(decoded) = decode(self.encoding, line, 0) else { return false };
                text = decoded;
                split(&text, *delimiter).unwrap_or_default()
            }
            (Shape::Table { .. }, RawRow::Cells(cells)) => {
                cells.iter().map(|cell| Cow::Borrowed(cell.as_str())).collect()
            }
            _ => return false,
        };
        let found = names.iter().filter(|name| known(&self.mapping, name.trim()).is_some());
        found.count() * 2 > Column::COUNT
    }

    /// Reads a row and hands its cells on; a row that cannot be read is noted.
    pub(crate) fn read<T>(
        &self,
        place: Place,
        row: RawRow<'_>,
        findings: &mut Vec<Finding>,
        then: impl FnOnce(&Cells<'_>, &mut Vec<Finding>) -> T,
    ) -> Option<T> {
        let fields = match row {
            RawRow::Line(line) => self.fields(line, place.byte.unwrap_or(0)),
            RawRow::Cells(cells) => self.table_fields(cells),
        };
        let at = |finding: Finding| {
            let byte = finding.place.byte.or(place.byte);
            finding.at(Place { byte, ..place })
        };
        match fields {
            Ok(fields) => {
                let before = findings.len();
                let cells = self.cells(&fields, findings);
                let result = then(&cells, findings);
                for finding in findings.iter_mut().skip(before) {
                    finding.place = place;
                }
                Some(result)
            }
            Err(finding) => {
                findings.push(at(*finding));
                None
            }
        }
    }

    /// Takes a line apart.
    fn fields<'l>(&self, line: &'l [u8], offset: u64) -> Result<Vec<Field<'l>>, Box<Finding>> {
        let fields: Vec<Field<'l>> = match &self.shape {
            // A table has no lines.
            Shape::Table { .. } => Vec::new(),
            Shape::Fixed { places, width } => {
                check_control(line, &[], offset)?;
                if line.len() != *width {
                    let found = format!("{} bytes", line.len());
                    return Err(
                        Finding::new(Check::FileWidth, format!("{width} bytes"), found).into()
                    );
                }
                let field = |(column, place): &(Column, mapping::Place)| {
                    let start = place.start - 1;
                    let bytes = line.get(start..start + place.width).unwrap_or_default();
                    let text = decode(self.encoding, bytes, offset + start as u64)?;
                    Ok::<_, Box<Finding>>(Field { column: Some(*column), text: trimmed(text) })
                };
                places.iter().map(field).collect::<Result<_, _>>()?
            }
            Shape::Csv { delimiter, columns } => {
                check_control(line, &[*delimiter, '\t'], offset)?;
                let texts = match decode(self.encoding, line, offset)? {
                    Cow::Borrowed(text) => split(text, *delimiter)?,
                    Cow::Owned(text) => split(&text, *delimiter)?
                        .into_iter()
                        .map(|field| Cow::Owned(field.into_owned()))
                        .collect(),
                };
                if texts.len() != columns.len() {
                    let expected = format!("{} fields", columns.len());
                    return Err(Finding::new(Check::FileFieldCount, expected, texts.len()).into());
                }
                let field = |(text, column): (_, &_)| Field { column: *column, text };
                texts.into_iter().zip(columns).map(field).collect()
            }
            Shape::Json { names } => {
                check_control(line, &[], offset)?;
                object(&decode(self.encoding, line, offset)?, names)?
            }
        };
        Ok(self.with_dates(fields))
    }

    /// The cells of a table with their columns.
    fn table_fields<'l>(&self, cells: &'l [String]) -> Result<Vec<Field<'l>>, Box<Finding>> {
        let Shape::Table { columns } = &self.shape else { return Ok(Vec::new()) };
        if cells.len() != columns.len() {
            let expected = format!("{} cells", columns.len());
            let found = format!("{} or more", cells.len());
            return Err(Finding::new(Check::FileFieldCount, expected, found).into());
        }
        for text in cells {
            check_control(text.as_bytes(), &['\t'], 0)
                .and_then(|()| check_stray(text))
                .map_err(|finding| Box::new(finding.at(Place::default())))?;
        }
        let field = |(text, column): (&'l String, &_)| {
            let text = Cow::Borrowed(text.as_str());
            Field { column: *column, text }
        };
        Ok(self.with_dates(cells.iter().zip(columns).map(field).collect()))
    }

    fn with_dates<'l>(&self, mut fields: Vec<Field<'l>>) -> Vec<Field<'l>> {
        for field in &mut fields {
            if field.column == Some(Column::INIT_DATE) {
                field.text = self.mapping.date(core::mem::take(&mut field.text));
            }
        }
        fields
    }

    /// The cells of the schema.
    fn cells<'f>(&'f self, fields: &'f [Field<'_>], findings: &mut Vec<Finding>) -> Cells<'f> {
        let mut cells = Cells::empty();
        for column in Column::all() {
            if let Some(value) = self.mapping.constant(column) {
                cells.set(column, Some(value));
            }
        }
        for (at, Field { column, text }) in fields.iter().enumerate() {
            let name = || column.map_or_else(|| format!("field {}", at + 1), |c| c.name().into());
            let value = text.trim();
            if value.len() != text.len() {
                let found = if text.contains('\t') { "a tab" } else { "spaces" };
                let finding = Finding::new(Check::FileSpaces, "the value alone", found);
                findings.push(finding.field(name()));
            }
            let tab = value.contains('\t');
            if tab {
                let found = format!("byte 09{}", control_name(b'\t'));
                findings.push(Finding::new(Check::FileControl, "text", found).field(name()));
            }
            if value.starts_with(FORMULA) {
                let finding = Finding::new(Check::FileFormula, "a value", shown(value));
                findings.push(finding.field(name()));
            }
            let Some(column) = *column else { continue };
            let good = !value.starts_with(FORMULA) && !tab;
            cells.set(column, good.then(|| self.mapping.value(column, value).unwrap_or(value)));
        }
        cells
    }
}

/// The column that a vendor calls so.
fn known(mapping: &Mapping, name: &str) -> Option<Column> {
    Column::all().find(|column| mapping.name(*column) == name)
}

/// Why no name of the heading of a CSV file is known, if it can be told.
fn no_names(names: &[Cow<'_, str>], delimiter: Option<char>) -> Option<Box<Finding>> {
    let ([line], Some(delimiter)) = (names, delimiter) else { return None };
    let other = DELIMITERS.into_iter().find(|other| line.matches(*other).count() > 1)?;
    let expected = format!("names separated by {delimiter:?}");
    let found =
        format!("{other:?}: write delimiter = {:?} into the mapping file", other.to_string());
    Some(Finding::new(Check::FileColumnMissing, expected, found).into())
}

/// A field of a row.
#[derive(Debug)]
struct Field<'l> {
    column: Option<Column>,
    text: Cow<'l, str>,
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => Cow::Owned(text.trim().to_owned()),
    }
}

/// Reads an object of strings and whole numbers.
fn object(
    text: &str,
    names: &BTreeMap<String, Column>,
) -> Result<Vec<Field<'static>>, Box<Finding>> {
    let wrong = |error: serde_json::Error| {
        let found = format!("column {}: {:?}", error.column(), error.classify());
        let expected = "an object with each column of the schema once";
        Box::new(Finding::new(Check::FileJson, expected, found))
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let fields = deserializer.deserialize_map(ObjectVisitor(names)).map_err(wrong)?;
    deserializer.end().map_err(wrong)?;
    Ok(fields)
}

struct ObjectVisitor<'n>(&'n BTreeMap<String, Column>);

impl<'de> Visitor<'de> for ObjectVisitor<'_> {
    type Value = Vec<Field<'static>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields: Vec<Field<'static>> = Vec::with_capacity(Column::COUNT);
        while let Some(name) = map.next_key::<String>()? {
            let column = self.0.get(&name).copied();
            if column.is_none() || fields.iter().any(|field| field.column == column) {
                return Err(A::Error::custom("a name that is unknown or occurs twice"));
            }
            let text = match map.next_value::<serde_json::Value>()? {
                serde_json::Value::String(text) => text,
                serde_json::Value::Number(number) if number.is_u64() => number.to_string(),
                serde_json::Value::Null => String::new(),
                _ => return Err(A::Error::custom("a value that is no string")),
            };
            fields.push(Field { column, text: Cow::Owned(text) });
        }
        Ok(fields)
    }
}
