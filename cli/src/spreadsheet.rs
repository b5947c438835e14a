//! CSV that a spreadsheet opens without running anything: no cell is a formula (CWE-1236), and none
//! holds characters that hide or move others. And CSV that is read, line by line.

use core::fmt::Display;
use core::str::FromStr;

use anyhow::{Context, anyhow, bail};
use csv::StringRecord;
use serde::Serialize;
use serde::de::DeserializeOwned;
use xuejika_card_model::bcd::parse_number;

use crate::shown::Shown;

/// What spreadsheets take for the beginning of a formula, also in full width.
const FORMULA: [char; 12] =
    ['=', '+', '-', '@', '\t', '\r', '\n', '\0', '\u{FF1D}', '\u{FF0B}', '\u{FF0D}', '\u{FF20}'];

/// A CSV file under construction, in UTF-8.
#[derive(Debug)]
pub(crate) struct Csv(csv::Writer<Vec<u8>>);

impl Csv {
    /// A table with this heading.
    pub(crate) fn new<const N: usize>(heading: [&str; N]) -> anyhow::Result<Self> {
        let mut table = Self(csv::Writer::from_writer(Vec::new()));
        table.row(heading)?;
        Ok(table)
    }

    /// A table of records, with their field names as the heading.
    pub(crate) fn of<T: Serialize>(records: impl IntoIterator<Item = T>) -> anyhow::Result<Self> {
        let mut raw = csv::Writer::from_writer(Vec::new());
        records.into_iter().try_for_each(|record| raw.serialize(record))?;
        let raw = raw.into_inner().map_err(csv::IntoInnerError::into_error)?;
        let mut table = Self(csv::Writer::from_writer(Vec::new()));
        let mut rows = csv::ReaderBuilder::new().has_headers(false).from_reader(&*raw);
        for row in rows.records() {
            table.row(&row?)?;
        }
        Ok(table)
    }

    /// Adds a row.
    pub(crate) fn row(
        &mut self,
        cells: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> anyhow::Result<()> {
        Ok(self.0.write_record(cells.into_iter().map(|cell| harmless(cell.as_ref())))?)
    }

    /// The bytes of the file.
    pub(crate) fn finish(self) -> anyhow::Result<Vec<u8>> {
        Ok(self.0.into_inner().map_err(csv::IntoInnerError::into_error)?)
    }
}

/// A CSV file that was read.
#[derive(Debug)]
pub(crate) struct Sheet {
    /// Names of the columns.
    pub(crate) heading: StringRecord,
    /// The records, with the lines they begin in.
    pub(crate) records: Vec<(u64, StringRecord)>,
}

/// Reads a CSV file whose lines have as many cells as the heading; complaints name file and line.
pub(crate) fn read(name: &str, bytes: &[u8]) -> anyhow::Result<Sheet> {
    let bytes = bytes.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(bytes);
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let line = |position: Option<&csv::Position>| position.map_or(1, csv::Position::line);
    let wrong = |error: csv::Error| anyhow!("{name}:{}: {}", line(error.position()), cause(&error));
    let heading = reader.headers().map_err(wrong)?.clone();
    let record = |record: csv::Result<StringRecord>| {
        let record = record.map_err(wrong)?;
        Ok((line(record.position()), record))
    };
    let records = reader.records().map(record).collect::<anyhow::Result<_>>()?;
    Ok(Sheet { heading, records })
}

/// Reads the rows of a CSV file with their lines. The heading names columns of `R`, all of them texts,
/// those in `required` at least; every complaint names file and line.
pub(crate) fn rows<R: DeserializeOwned>(
    name: &str,
    bytes: &[u8],
    required: &[&str],
) -> anyhow::Result<Vec<(u64, R)>> {
    let Sheet { heading, records } = read(name, bytes)?;
    if let Some(missing) = required.iter().find(|name| !heading.iter().any(|h| h == **name)) {
        let expected = required.join(", ");
        bail!("{name}:1: no column {missing}, expected a heading with {expected} at least");
    }
    let row = |line: u64, record: &StringRecord| {
        let row = record.deserialize(Some(&heading));
        row.map_err(|error| anyhow!("{name}:{line}: {}", cause(&error)))
    };
    // Empty texts are read always: what is wrong with a line of them is wrong with the heading.
    row(1, &heading.iter().map(|_| "").collect()).map(|_: R| ())?;
    records.iter().map(|(line, record)| Ok((*line, row(*line, record)?))).collect()
}

/// What is wrong with a record, without the position that stands in front already.
fn cause(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => err.kind().to_string(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has {len} cells, expected {expected_len} as in the heading")
        }
        csv::ErrorKind::Utf8 { .. } => {
            "is not UTF-8; convert the file first, for example from GB 18030".to_owned()
        }
        _ => error.to_string(),
    }
}

/// The value of a cell that must not be empty.
pub(crate) fn required<T: FromStr<Err: Display>>(field: &str, text: &str) -> anyhow::Result<T> {
    optional(field, text)?.with_context(|| format!("{field}: is required"))
}

/// The value of a cell, unless it is empty.
pub(crate) fn optional<T: FromStr<Err: Display>>(
    field: &str,
    text: &str,
) -> anyhow::Result<Option<T>> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| anyhow!("{field}: {error}"))
}

/// The number in a cell, of at most `most`, unless the cell is empty.
pub(crate) fn number<T: FromStr + Display + Copy>(
    field: &str,
    text: &str,
    most: T,
) -> anyhow::Result<Option<T>> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || format!("{field}: {text:?} is no whole number of at most {most}");
    parse_number(text).with_context(wrong).map(Some)
}

/// A cell that no spreadsheet runs.
fn harmless(cell: &str) -> String {
    let apostrophe = if cell.starts_with(FORMULA) { "'" } else { "" };
    format!("{apostrophe}{}", Shown(cell))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for cell in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\0=1", "\n=1", "＝1"] {
            assert_eq!(harmless(cell), format!("'{}", Shown(cell)), "{cell:?}");
        }
        for cell in ["", "1100260200000013", "a=b", "'", "王小明"] {
            assert_eq!(harmless(cell), cell);
        }
        assert_eq!(harmless("a\n=1"), r"a\n=1");
    }

    #[test]
    fn records_are_tables_with_their_names_on_top() {
        #[derive(Serialize)]
        struct Record {
            name: &'static str,
            number: u8,
            none: Option<u8>,
        }
        let record = Record { name: "=1+1,\"x\"", number: 7, none: None };
        let bytes = Csv::of([record]).unwrap().finish().unwrap();
        let expected = "name,number,none\n\"'=1+1,\"\"x\"\"\",7,\n";
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
}
