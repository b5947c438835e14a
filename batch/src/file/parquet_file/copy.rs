//! The canonical copy of a batch: one optional UTF-8 column per column of the schema, in its order; an
//! empty cell is null. The version of the schema is in the key-value metadata.

use std::io::Write;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use crate::error::Cause;
use crate::{Column, schema};

/// Name of the version of the schema in the metadata.
const VERSION_KEY: &str = "xuejika.batch-row.schema";

/// Rows of a group.
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

/// Writes the canonical copy.
pub(crate) struct Writer<W: Write + Send> {
    file: SerializedFileWriter<W>,
    /// Cells of each column of the group under construction; none is null.
    columns: Vec<Vec<Option<ByteArray>>>,
    rows: usize,
}

impl<W: Write + Send> Writer<W> {
    /// Begins a file.
    pub(crate) fn new(to: W) -> Result<Self, Cause> {
        let field = |column: Column| {
            let column = Type::primitive_type_builder(column.name(), Physical::BYTE_ARRAY)
                .with_repetition(Repetition::OPTIONAL)
                .with_logical_type(Some(LogicalType::String))
                .build()?;
            Ok(Arc::new(column))
        };
        let fields = Column::all().map(field).collect::<Result<Vec<_>, Cause>>()?;
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
    pub(crate) fn row<'c>(&mut self, cells: impl Iterator<Item = &'c str>) -> Result<(), Cause> {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.push((!cell.is_empty()).then(|| ByteArray::from(cell)));
        }
        self.rows += 1;
        if self.rows == GROUP { self.write_group() } else { Ok(()) }
    }

    /// Ends the file and gives back where it went.
    pub(crate) fn finish(mut self) -> Result<W, Cause> {
        if self.rows > 0 {
            self.write_group()?;
        }
        Ok(self.file.into_inner()?)
    }

    fn write_group(&mut self) -> Result<(), Cause> {
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
