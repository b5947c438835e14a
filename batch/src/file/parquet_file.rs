//! Apache Parquet, read as vendors deliver it: the flat columns of the schema, whatever type they
//! have. Columns that are in no schema are not unpacked.

mod copy;
mod footer;
mod pages;
mod thrift;
mod value;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::column::reader::{ColumnReader, get_column_reader};
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use parquet::schema::types::ColumnDescPtr;

use super::sink::{MAX_COLUMNS, Sink, Stop};
use crate::Check;
pub(crate) use copy::Writer;
use pages::{Budget, Pages};
use value::Kind;

/// Rows decoded at a time.
const AT_ONCE: usize = 256;

fn damaged(found: &str) -> Stop {
    Stop::damaged(&found)
}

fn bomb(found: String) -> Stop {
    Stop::Damaged(Check::FileBomb, found)
}

fn unread(found: impl Into<String>) -> Stop {
    Stop::Damaged(Check::FileUnread, found.into())
}

/// Reads all rows of the columns that the vendor calls by these names.
pub(crate) fn read(path: &Path, wanted: &[String], sink: &mut Sink) -> Result<(), Stop> {
    let file = Arc::new(File::open(path)?);
    footer::check(&file)?;
    let mut metadata = ParquetMetaDataReader::new();
    metadata.try_parse(&*file).map_err(|error| pages::stop(&error))?;
    let metadata = metadata.finish().map_err(|error| pages::stop(&error))?;
    let columns = metadata.file_metadata().schema_descr().columns().to_vec();
    if columns.len() > MAX_COLUMNS {
        return Err(bomb(format!("{} columns, more than {MAX_COLUMNS}", columns.len())));
    }
    let mut read = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        let parts = column.path().parts();
        if parts.first().is_some_and(|name| wanted.contains(name)) {
            if parts.len() > 1 || column.max_rep_level() > 0 {
                let name = parts.first().cloned().unwrap_or_default();
                return Err(unread(format!("column {name:?} in lists or groups: write it flat")));
            }
            read.push((at, Arc::clone(column), Kind::of(column)));
        }
    }
    sink.heading(columns.iter().map(|column| column.path().string()).collect())?;
    let table = Table { file, budget: Arc::default(), columns: read, width: columns.len() };
    table.rows(&metadata, sink)
}

/// The columns that are read.
struct Table {
    file: Arc<File>,
    budget: Arc<Budget>,
    /// Place in the file, description and kind of each.
    columns: Vec<(usize, ColumnDescPtr, Kind)>,
    /// Number of all columns.
    width: usize,
}

impl Table {
    fn rows(&self, metadata: &ParquetMetaData, sink: &mut Sink) -> Result<(), Stop> {
        for group in metadata.row_groups() {
            let mut left = usize::try_from(group.num_rows())
                .map_err(|_| damaged("a group with a negative number of rows"))?;
            let mut readers = self.readers(group)?;
            while left > 0 {
                let count = left.min(AT_ONCE);
                self.block(&mut readers, count, sink)?;
                left -= count;
            }
        }
        Ok(())
    }

    fn readers(&self, group: &RowGroupMetaData) -> Result<Vec<ColumnReader>, Stop> {
        let rows = u64::try_from(group.num_rows()).unwrap_or(0);
        let reader = |(at, column, _): &(usize, ColumnDescPtr, _)| {
            let chunk =
                group.columns().get(*at).ok_or_else(|| damaged("a group without column"))?;
            let (file, budget) = (Arc::clone(&self.file), Arc::clone(&self.budget));
            let pages = Pages::new(file, budget, chunk, rows)?;
            Ok(get_column_reader(Arc::clone(column), Box::new(pages)))
        };
        self.columns.iter().map(reader).collect()
    }

    fn block(
        &self,
        readers: &mut [ColumnReader],
        count: usize,
        sink: &mut Sink,
    ) -> Result<(), Stop> {
        let mut cells = Vec::with_capacity(readers.len());
        for (reader, (_, column, kind)) in readers.iter_mut().zip(&self.columns) {
            let texts = value::texts(reader, column, *kind, count)?;
            if texts.len() != count {
                return Err(damaged("columns of different lengths"));
            }
            cells.push(texts.into_iter());
        }
        for _ in 0..count {
            let mut row = vec![String::new(); self.width];
            let mut bad = None;
            for (cell, (at, ..)) in cells.iter_mut().zip(&self.columns) {
                match cell.next() {
                    Some(Ok(text)) => {
                        if let Some(to) = row.get_mut(*at) {
                            *to = text;
                        }
                    }
                    Some(Err(bytes)) => bad = bad.or(Some(bytes)),
                    None => {}
                }
            }
            match bad {
                None => sink.row(row)?,
                Some(bytes) => not_text(&bytes, sink)?,
            }
        }
        Ok(())
    }
}

fn not_text(bytes: &[u8], sink: &mut Sink) -> Result<(), Stop> {
    let at = str::from_utf8(bytes).map_or_else(|error| error.valid_up_to(), |_| 0);
    let byte = bytes.get(at).copied().unwrap_or_default();
    sink.reported(Check::FileEncoding, "UTF-8", &format!("byte {byte:02X}"))
}
