//! From the bytes of a line to the cells of a row: decoding, splitting, and the vendor's own names.

use core::fmt;
use std::borrow::Cow;
use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use encoding_rs::{DecoderResult, GB18030};
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use xuejika_card_model::batch::finding::shown;
use xuejika_card_model::batch::manifest::{Encoding, Format};
use xuejika_card_model::batch::{Cells, Check, Column, Finding, Place};

use super::mapping::{self, Mapping};

/// What spreadsheets take for the beginning of a formula (CWE-1236).
const FORMULA: [char; 4] = ['=', '+', '-', '@'];

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

/// Characters that stand for a lost one, or for none.
const STRAY: [char; 2] = ['\u{FEFF}', '\u{FFFD}'];

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
    pub(crate) fn new(
        format: Format,
        encoding: Encoding,
        mapping: Mapping,
    ) -> anyhow::Result<Self> {
        let shape = match format {
            Format::Csv => {
                Shape::Csv { delimiter: mapping.delimiter.unwrap_or(','), columns: Vec::new() }
            }
            Format::Xlsx | Format::Parquet => {
                ensure!(
                    encoding == Encoding::Utf8,
                    "a workbook or Parquet file has no encoding of its own; declare utf-8"
                );
                Shape::Table { columns: Vec::new() }
            }
            Format::Jsonl => {
                let name = |column| (mapping.name(column).to_owned(), column);
                Shape::Json { names: Column::all().map(name).collect() }
            }
            Format::Fixed => {
                let places = mapping.places().context("a file of fixed width needs a mapping")?;
                let end = |(_, place): &(_, mapping::Place)| place.start + place.width - 1;
                let width = places.iter().map(end).max().unwrap_or(0);
                ensure!(width > 0, "a file of fixed width needs a mapping file with columns");
                Shape::Fixed { places, width }
            }
        };
        Ok(Self { encoding, mapping, shape })
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
        let (names, columns) = match (&mut self.shape, heading) {
            (Shape::Csv { delimiter, columns }, Heading::Line(line)) => {
                text = decode(self.encoding, line.as_deref().unwrap_or_default(), 0)?;
                (split(&text, *delimiter)?, columns)
            }
            (Shape::Table { columns }, Heading::Names(names)) => {
                (names.iter().map(|name| Cow::Borrowed(name.as_str())).collect(), columns)
            }
            _ => return Ok(()),
        };
        let known = |name: &str| Column::all().find(|column| self.mapping.name(*column) == name);
        *columns = names.iter().map(|name| known(name)).collect();
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
                check_control(line, None, offset)?;
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
                check_control(line, Some(*delimiter), offset)?;
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
                check_control(line, None, offset)?;
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
            check_control(text.as_bytes(), None, 0)
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
                let finding = Finding::new(Check::FileSpaces, "the value alone", "spaces");
                findings.push(finding.field(name()));
            }
            if value.starts_with(FORMULA) {
                let finding = Finding::new(Check::FileFormula, "a value", shown(value));
                findings.push(finding.field(name()));
            }
            let Some(column) = *column else { continue };
            let good = !value.starts_with(FORMULA);
            cells.set(column, good.then(|| self.mapping.value(column, value).unwrap_or(value)));
        }
        cells
    }
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

/// Refuses control characters; trail bytes of GB 18030 never look like one.
fn check_control(line: &[u8], delimiter: Option<char>, offset: u64) -> Result<(), Box<Finding>> {
    let allowed = |byte: u8| delimiter == Some(char::from(byte));
    match line.iter().position(|byte| byte.is_ascii_control() && !allowed(*byte)) {
        None => Ok(()),
        Some(at) => {
            let byte = line.get(at).copied().unwrap_or_default();
            let finding = Finding::new(Check::FileControl, "text", format!("byte {byte:02X}"));
            Err(finding.at(byte_at(offset, at)).into())
        }
    }
}

fn byte_at(offset: u64, at: usize) -> Place {
    Place { byte: Some(offset + at as u64), ..Place::default() }
}

/// Refuses what replaced a character that was lost.
fn check_stray(text: &str) -> Result<(), Box<Finding>> {
    match text.find(STRAY) {
        None => Ok(()),
        Some(_) => Err(Finding::new(Check::FileEncoding, "text", "U+FEFF or U+FFFD").into()),
    }
}

/// Decodes text and replaces nothing.
fn decode(encoding: Encoding, bytes: &[u8], offset: u64) -> Result<Cow<'_, str>, Box<Finding>> {
    let (name, text) = match encoding {
        Encoding::Utf8 => {
            ("UTF-8", str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| error.valid_up_to()))
        }
        Encoding::Gb18030 => ("GB 18030", gb18030(bytes)),
    };
    let stray = |text: &str| text.find(STRAY);
    let at = match &text {
        Ok(text) if text.is_ascii() => None,
        Ok(text) => stray(text),
        Err(at) => Some(*at),
    };
    match (text, at) {
        (Ok(text), None) => Ok(text),
        (_, at) => {
            let at = at.unwrap_or(0);
            let byte = bytes.get(at).copied().unwrap_or_default();
            let finding = Finding::new(Check::FileEncoding, name, format!("byte {byte:02X}"));
            Err(finding.at(byte_at(offset, at)).into())
        }
    }
}

fn gb18030(bytes: &[u8]) -> Result<Cow<'_, str>, usize> {
    if let Some(text) = GB18030.decode_without_bom_handling_and_without_replacement(bytes) {
        return Ok(text);
    }
    let mut decoder = GB18030.new_decoder_without_bom_handling();
    let mut text = String::with_capacity(bytes.len() * 3);
    match decoder.decode_to_string_without_replacement(bytes, &mut text, true) {
        (DecoderResult::Malformed(bad, after), read) => {
            Err(read.saturating_sub(usize::from(bad) + usize::from(after)))
        }
        (_, read) => Err(read),
    }
}

/// Splits a line as RFC 4180 says; quotes are at the ends of a field or doubled inside it.
fn split(line: &str, delimiter: char) -> Result<Vec<Cow<'_, str>>, Box<Finding>> {
    if !line.contains('"') {
        return Ok(line.split(delimiter).map(Cow::Borrowed).collect());
    }
    let bad = || Box::new(Finding::new(Check::FileQuotes, "quotes around whole fields", "others"));
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            None => {
                let end = rest.find(delimiter).unwrap_or(rest.len());
                let (field, after) = rest.split_at(end);
                (Cow::Borrowed(field), after)
            }
            Some(quoted) => {
                let end = closing_quote(quoted).ok_or_else(bad)?;
                let (field, after) = quoted.split_at(end);
                (Cow::Owned(field.replace("\"\"", "\"")), after.get(1..).unwrap_or_default())
            }
        };
        if matches!(&field, Cow::Borrowed(plain) if plain.contains('"')) {
            return Err(bad());
        }
        fields.push(field);
        match after.strip_prefix(delimiter) {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err(bad()),
        }
    }
}

/// Where the quote is that is not doubled.
fn closing_quote(text: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.find('"')?;
        if !text.get(at + 1..)?.starts_with('"') {
            return Some(at);
        }
        from = at + 2;
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(line: &str) -> Option<Vec<String>> {
        let owned =
            |fields: Vec<Cow<'_, str>>| fields.iter().map(|field| (**field).into()).collect();
        split(line, ',').ok().map(owned)
    }

    #[test]
    fn quotes_are_at_the_ends_of_a_field_or_doubled() {
        let split = |line| fields(line).unwrap();
        assert_eq!(split(r#"a,"b,c","d""e""#), ["a", "b,c", "d\"e"]);
        assert_eq!(split(r#""","#), ["", ""]);
        for line in [r#"a"b"#, r#""a"#, r#""a"b"#, r#"a,""#, r#"""""#] {
            assert_eq!(fields(line), None, "{line}");
        }
    }

    #[test]
    fn bad_bytes_are_named_by_their_place() {
        let at = |encoding, bytes: &[u8]| decode(encoding, bytes, 100).unwrap_err().place.byte;
        assert_eq!(at(Encoding::Utf8, b"abc\xFFd"), Some(103));
        assert_eq!(at(Encoding::Utf8, "ab\u{FFFD}".as_bytes()), Some(102));
        assert_eq!(at(Encoding::Gb18030, b"ab\xD5\xC5\xFFd"), Some(104));
        assert_eq!(at(Encoding::Gb18030, b"ab\xD5"), Some(102));
        assert_eq!(decode(Encoding::Gb18030, b"\xD5\xC5|", 0).unwrap(), "张|");
    }

    proptest! {
        #[test]
        fn what_csv_writers_write_is_read(cells in proptest::collection::vec("[a-c\",张 ]{0,6}", 1..6)) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(&cells).unwrap();
            let line = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            prop_assert_eq!(fields(line.trim_end_matches('\n')), Some(cells));
        }
    }
}
