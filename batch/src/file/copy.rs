//! The rows of a batch as one file in the layout of the schema, whatever the vendor delivered.

use std::io::{self, BufWriter, Write};

use serde::Serialize;

use super::Delivery;
#[cfg(feature = "parquet")]
use super::parquet_file;
use crate::error::{Cause, Error};
use crate::hashed::Hashed;
use crate::{Cells, Column, Finding, Severity};

/// Most findings that are kept.
const MAX_FINDINGS: usize = 10_000;

/// What can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The canonical copy.
    #[cfg(feature = "parquet")]
    Parquet,
    /// Comma-separated values with a heading.
    Csv,
    /// One JSON object per line.
    Jsonl,
}

impl Form {
    /// Its name in a manifest.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "parquet")]
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }
}

/// What was written, as a manifest names it, but for the name.
#[derive(Clone, Debug, Serialize)]
pub struct Copied {
    /// How the rows are written.
    pub format: &'static str,
    /// How the text is written.
    pub encoding: &'static str,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256, in hexadecimal.
    pub sha256: String,
    /// Number of rows.
    pub rows: u32,
}

/// Writes the rows anew, to a writer that is given back. A row that cannot be read ends it: a copy has
/// every row or is none, and the findings tell why.
///
/// # Errors
/// Returns an [`Error`] when a file cannot be read, or the copy cannot be written.
pub fn copy<W: Write + Send>(
    delivery: &Delivery,
    form: Form,
    to: W,
) -> Result<Result<(W, Copied), Vec<Finding>>, Error> {
    let mut wrong: Vec<Finding> = Vec::new();
    let mut writer = Writer::new(form, Hashed::new(to)).map_err(Error::writing)?;
    let mut rows = 0_u32;
    delivery.each_row(
        |finding| {
            if finding.check.severity() == Severity::Error && wrong.len() < MAX_FINDINGS {
                wrong.push(finding);
            }
        },
        |_, cells| {
            rows += 1;
            writer.row(cells).map_err(Error::writing)
        },
    )?;
    if !wrong.is_empty() {
        return Ok(Err(wrong));
    }
    let (to, bytes, sha256) = writer.finish().map_err(Error::writing)?.finish();
    let (format, encoding, sha256) = (form.name(), "utf-8", hex::encode(sha256));
    Ok(Ok((to, Copied { format, encoding, bytes, sha256, rows })))
}

/// A copy under construction.
enum Writer<W: Write + Send> {
    #[cfg(feature = "parquet")]
    Parquet(Box<parquet_file::Writer<BufWriter<Hashed<W>>>>),
    Csv(BufWriter<Hashed<W>>),
    Jsonl(BufWriter<Hashed<W>>),
}

impl<W: Write + Send> Writer<W> {
    fn new(form: Form, to: Hashed<W>) -> Result<Self, Cause> {
        Ok(match form {
            #[cfg(feature = "parquet")]
            Form::Parquet => {
                Self::Parquet(Box::new(parquet_file::Writer::new(BufWriter::new(to))?))
            }
            Form::Csv => {
                let mut writer = BufWriter::new(to);
                write_record(&mut writer, Column::all().map(Column::name))?;
                Self::Csv(writer)
            }
            Form::Jsonl => Self::Jsonl(BufWriter::new(to)),
        })
    }

    fn row(&mut self, cells: &Cells<'_>) -> Result<(), Cause> {
        let texts = Column::all().map(|column| cells.get(column).unwrap_or_default());
        match self {
            #[cfg(feature = "parquet")]
            Self::Parquet(writer) => writer.row(texts),
            Self::Csv(writer) => Ok(write_record(writer, texts)?),
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
    fn finish(self) -> Result<Hashed<W>, Cause> {
        Ok(match self {
            #[cfg(feature = "parquet")]
            Self::Parquet(writer) => {
                writer.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?
            }
            Self::Csv(writer) | Self::Jsonl(writer) => {
                writer.into_inner().map_err(io::IntoInnerError::into_error)?
            }
        })
    }
}

/// Writes a record as RFC 4180 says; what needs no quotes has none.
fn write_record<'c>(to: &mut impl Write, cells: impl Iterator<Item = &'c str>) -> io::Result<()> {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            to.write_all(b",")?;
        }
        if cell.contains(['"', ',', '\r', '\n']) {
            write!(to, "\"{}\"", cell.replace('"', "\"\""))?;
        } else {
            to.write_all(cell.as_bytes())?;
        }
    }
    to.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_quotes_has_them() {
        let mut text = Vec::new();
        write_record(&mut text, ["a b", "", "c,d", "say \"e\""].into_iter()).unwrap();
        assert_eq!(text, b"a b,,\"c,d\",\"say \"\"e\"\"\"\n");
    }
}
