//! Mapping files: how a vendor's own layout becomes the columns of the schema (TOML, layout
//! project-defined, described in `docs/batch.md`).

use std::borrow::Cow;
use std::collections::BTreeMap;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use xuejika_card_model::batch::{Column, schema};

/// A mapping file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Mapping {
    schema: u32,
    /// What separates the fields of a CSV file.
    #[serde(default)]
    pub(crate) delimiter: Option<char>,
    /// The sheet of a workbook that holds the rows; by default the first one.
    #[serde(default)]
    pub(crate) sheet: Option<String>,
    /// How dates are written.
    #[serde(default)]
    pub(crate) dates: Dates,
    /// The vendor's name or place of each column.
    #[serde(default)]
    columns: BTreeMap<String, At>,
    /// Columns that the vendor leaves out because all rows have the same value.
    #[serde(default)]
    constants: BTreeMap<String, String>,
    /// What the vendor writes, and the value it stands for.
    #[serde(default)]
    values: BTreeMap<String, BTreeMap<String, String>>,
}

/// How dates are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) enum Dates {
    /// 2026-07-01.
    #[default]
    #[serde(rename = "YYYY-MM-DD")]
    Dashes,
    /// 20260701.
    #[serde(rename = "YYYYMMDD")]
    Digits,
}

/// Where a column is.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum At {
    /// Under another name.
    Name(String),
    /// At a fixed place, in bytes.
    Place(Place),
}

/// A field of fixed width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Place {
    /// First byte, counted from 1.
    pub(crate) start: usize,
    /// Number of bytes.
    pub(crate) width: usize,
}

impl Mapping {
    /// Reads a mapping file.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let mapping: Self = toml::from_str(text)?;
        ensure!(mapping.schema == schema::VERSION, "schema {} is not supported", mapping.schema);
        let names = mapping.columns.keys().chain(mapping.constants.keys());
        for name in names.chain(mapping.values.keys()) {
            column(name)?;
        }
        let delimiter = mapping.delimiter.unwrap_or(',');
        ensure!(
            delimiter.is_ascii() && delimiter != '"',
            "delimiter: expected one ASCII character"
        );
        Ok(mapping)
    }

    /// The vendor's name of a column.
    pub(crate) fn name(&self, column: Column) -> &str {
        match self.columns.get(column.name()) {
            Some(At::Name(name)) => name,
            _ => column.name(),
        }
    }

    /// The fields of fixed width.
    pub(crate) fn places(&self) -> anyhow::Result<Vec<(Column, Place)>> {
        let place = |(name, at): (&String, &At)| match at {
            At::Place(place) if place.start > 0 && place.width > 0 => Ok((column(name)?, *place)),
            _ => bail!("columns.{name}: expected start and width, both from 1"),
        };
        self.columns.iter().map(place).collect()
    }

    /// The value that all rows have in a column, if it is no column of the file.
    pub(crate) fn constant(&self, column: Column) -> Option<&str> {
        self.constants.get(column.name()).map(String::as_str)
    }

    /// The value that a cell stands for, if the vendor writes it in another way.
    pub(crate) fn value(&self, column: Column, text: &str) -> Option<&str> {
        self.values.get(column.name())?.get(text).map(String::as_str)
    }

    /// A date as the schema writes it, when the vendor writes another form.
    pub(crate) fn date<'t>(&self, text: Cow<'t, str>) -> Cow<'t, str> {
        match (self.dates, text.as_bytes()) {
            (Dates::Digits, digits @ [_, _, _, _, _, _, _, _])
                if digits.iter().all(u8::is_ascii_digit) =>
            {
                let (year, day) = text.split_at(4);
                let (month, day) = day.split_at(2);
                Cow::Owned(format!("{year}-{month}-{day}"))
            }
            _ => text,
        }
    }
}

fn column(name: &str) -> anyhow::Result<Column> {
    Column::from_name(name).with_context(|| format!("{name} is no column of the schema"))
}
