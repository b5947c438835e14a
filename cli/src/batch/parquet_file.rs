//! Apache Parquet, read as vendors deliver it and written as the canonical copy of a batch.
//!
//! The canonical copy has one optional UTF-8 column per column of the schema, in its order; an empty
//! cell is null. The version of the schema stands in the key-value metadata.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, Type as Physical};
use parquet::column::reader::ColumnReader;
use parquet::data_type::{ByteArray, ByteArrayType, DataType};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnDescriptor, Type};
use xuejika_card_model::batch::{Check, Column, schema};
use xuejika_card_model::date::Date;

use super::parquet_guard;
use super::table::{MAX_COLUMNS, Sink, Stop};

/// Name of the version of the schema in the metadata.
const VERSION_KEY: &str = "xuejika.batch-row.schema";

/// Rows decoded at a time.
const AT_ONCE: usize = 256;

/// Rows of a group of the canonical copy.
const GROUP: usize = 16 * 1024;

/// Columns with few values, which a dictionary makes short.
const REPETITIVE: [Column; 8] = [
    Column::INIT_DATE,
    Column::SITE,
    Column::KEY_SET_VERSION,
    Column::WALLET_BALANCE,
    Column::WALLET_STATE,
    Column::BOX,
    Column::STATUS,
    Column::REPLACEMENT,
];

/// Day 0 of Parquet dates.
const EPOCH_DAYS_TO_2000: i32 = 10_957;

/// Reads all rows.
pub(crate) fn read(path: &Path, sink: &mut Sink) -> Result<(), Stop> {
    let damaged = |error: parquet::errors::ParquetError| Stop::damaged(&error);
    let reader = SerializedFileReader::new(File::open(path)?).map_err(damaged)?;
    let metadata = reader.metadata();
    parquet_guard::check(path, metadata)?;
    let columns = metadata.file_metadata().schema_descr().columns().to_vec();
    if columns.len() > MAX_COLUMNS {
        let found = format!("{} columns", columns.len());
        return Err(Stop::Damaged(Check::FileDamaged, found));
    }
    let kinds = columns.iter().map(|column| kind(column)).collect::<Result<Vec<_>, _>>()?;
    sink.heading(columns.iter().map(|column| column.path().string()).collect())?;
    for group in 0..metadata.num_row_groups() {
        let group = reader.get_row_group(group).map_err(damaged)?;
        let mut readers = (0..columns.len())
            .map(|column| group.get_column_reader(column).map_err(damaged))
            .collect::<Result<Vec<_>, _>>()?;
        loop {
            let mut cells = Vec::with_capacity(readers.len());
            for ((reader, column), kind) in readers.iter_mut().zip(&columns).zip(&kinds) {
                cells.push(texts(reader, column, *kind)?.into_iter());
            }
            let count = cells.first().map_or(0, ExactSizeIterator::len);
            if count == 0 {
                break;
            }
            if cells.iter().any(|column| column.len() != count) {
                let found = "columns of different lengths".to_owned();
                return Err(Stop::Damaged(Check::FileDamaged, found));
            }
            for _ in 0..count {
                row(sink, cells.iter_mut().map(|column| column.next().unwrap_or_else(empty)))?;
            }
        }
    }
    Ok(())
}

/// A cell as it came: text, or bytes that are none.
type Cell = Result<String, Vec<u8>>;

const fn empty() -> Cell {
    Ok(String::new())
}

fn row(sink: &mut Sink, cells: impl Iterator<Item = Cell>) -> Result<(), Stop> {
    match cells.collect::<Result<Vec<_>, _>>() {
        Ok(texts) => sink.row(texts),
        Err(bytes) => {
            let at = str::from_utf8(&bytes).map_or_else(|error| error.valid_up_to(), |_| 0);
            let byte = bytes.get(at).copied().unwrap_or_default();
            sink.reported(Check::FileEncoding, "UTF-8", &format!("byte {byte:02X}"))
        }
    }
}

/// How the values of a column become text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Hex,
    Number,
    Day,
}

fn kind(column: &ColumnDescriptor) -> Result<Kind, Stop> {
    let day = column.logical_type_ref() == Some(&LogicalType::Date)
        || column.converted_type() == ConvertedType::DATE;
    let nested = column.path().parts().len() != 1 || column.max_rep_level() > 0;
    match column.physical_type() {
        _ if nested => Err(()),
        Physical::BYTE_ARRAY => Ok(Kind::Text),
        Physical::FIXED_LEN_BYTE_ARRAY => Ok(Kind::Hex),
        Physical::INT32 if day => Ok(Kind::Day),
        Physical::INT32 | Physical::INT64 => Ok(Kind::Number),
        _ => Err(()),
    }
    .map_err(|()| {
        let found = format!("column {}, neither text nor whole numbers", column.name());
        Stop::Damaged(Check::FileDamaged, found)
    })
}

/// The next cells of a column.
fn texts(
    reader: &mut ColumnReader,
    column: &ColumnDescriptor,
    kind: Kind,
) -> Result<Vec<Cell>, Stop> {
    let text = |bytes: &[u8]| match kind {
        Kind::Hex => Ok(hex::encode_upper(bytes)),
        _ => str::from_utf8(bytes).map(str::to_owned).map_err(|_| bytes.to_vec()),
    };
    match reader {
        ColumnReader::ByteArrayColumnReader(reader) => {
            values(reader, column, |value| text(value.data()))
        }
        ColumnReader::FixedLenByteArrayColumnReader(reader) => {
            values(reader, column, |value| text(value.data()))
        }
        ColumnReader::Int32ColumnReader(reader) => values(reader, column, |value| {
            let day = || Date::new(2000, 1, 1).ok()?.add_days(value - EPOCH_DAYS_TO_2000);
            match (kind, day()) {
                (Kind::Day, Some(day)) => Ok(day.to_string()),
                _ => Ok(value.to_string()),
            }
        }),
        ColumnReader::Int64ColumnReader(reader) => {
            values(reader, column, |value| Ok(value.to_string()))
        }
        _ => Ok(Vec::new()),
    }
}

fn values<T: DataType>(
    reader: &mut parquet::column::reader::ColumnReaderImpl<T>,
    column: &ColumnDescriptor,
    text: impl Fn(&T::T) -> Cell,
) -> Result<Vec<Cell>, Stop> {
    let (mut present, mut values) = (Vec::new(), Vec::new());
    let optional = column.max_def_level() > 0;
    let (rows, ..) = reader
        .read_records(AT_ONCE, optional.then_some(&mut present), None, &mut values)
        .map_err(|error| Stop::damaged(&error))?;
    let mut values = values.iter();
    let mut next = || values.next().map_or(Ok(String::new()), &text);
    Ok((0..rows)
        .map(|row| match present.get(row) {
            Some(level) if *level < column.max_def_level() => Ok(String::new()),
            _ => next(),
        })
        .collect())
}

/// Writes the canonical copy.
pub(crate) struct Writer<W: Write + Send> {
    file: SerializedFileWriter<W>,
    /// Cells of each column of the group under construction; none is null.
    columns: Vec<Vec<Option<ByteArray>>>,
    rows: usize,
}

impl<W: Write + Send> Writer<W> {
    /// Begins a file.
    pub(crate) fn new(to: W) -> anyhow::Result<Self> {
        let field = |column: Column| {
            let column = Type::primitive_type_builder(column.name(), Physical::BYTE_ARRAY)
                .with_repetition(Repetition::OPTIONAL)
                .with_logical_type(Some(LogicalType::String))
                .build()?;
            Ok(Arc::new(column))
        };
        let fields = Column::all().map(field).collect::<anyhow::Result<Vec<_>>>()?;
        let schema = Type::group_type_builder("card").with_fields(fields).build()?;
        let version = KeyValue::new(VERSION_KEY.to_owned(), schema::VERSION.to_string());
        let properties = WriterProperties::builder()
            .set_created_by("xuejika".to_owned())
            .set_compression(Compression::SNAPPY)
            .set_statistics_enabled(EnabledStatistics::None)
            .set_dictionary_enabled(false)
            .set_key_value_metadata(Some(vec![version]));
        let properties = REPETITIVE.iter().fold(properties, |properties, column| {
            properties.set_column_dictionary_enabled(column.name().into(), true)
        });
        let properties = properties.build();
        Ok(Self {
            file: SerializedFileWriter::new(to, Arc::new(schema), Arc::new(properties))?,
            columns: vec![Vec::new(); Column::COUNT],
            rows: 0,
        })
    }

    /// Writes a row.
    pub(crate) fn row<'c>(&mut self, cells: impl Iterator<Item = &'c str>) -> anyhow::Result<()> {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.push((!cell.is_empty()).then(|| ByteArray::from(cell)));
        }
        self.rows += 1;
        if self.rows == GROUP { self.write_group() } else { Ok(()) }
    }

    /// Ends the file and gives back where it went.
    pub(crate) fn finish(mut self) -> anyhow::Result<W> {
        if self.rows > 0 {
            self.write_group()?;
        }
        Ok(self.file.into_inner()?)
    }

    fn write_group(&mut self) -> anyhow::Result<()> {
        let mut group = self.file.next_row_group()?;
        for cells in &mut self.columns {
            let Some(mut column) = group.next_column()? else { break };
            let levels: Vec<i16> = cells.iter().map(|cell| i16::from(cell.is_some())).collect();
            let values: Vec<ByteArray> = cells.drain(..).flatten().collect();
            column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None)?;
            column.close()?;
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }
}
