//! Mapping files: how a vendor's own layout becomes the columns of the schema (TOML, layout
//! project-defined, described in `docs/batch.md`).

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::Cause;
use crate::{Column, schema};

/// A mapping file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Mapping {
    schema: u32,
    /// What separates the fields of a CSV file.
    #[serde(default)]
    pub delimiter: Option<char>,
    /// The sheet of a workbook that holds the rows; by default the first one.
    #[serde(default)]
    pub sheet: Option<String>,
    /// Row of a CSV file or a sheet that has the names of the columns, from 1; by default the first
    /// one, in a sheet the first one with a value.
    #[serde(default)]
    pub heading_row: Option<u32>,
    /// How dates are written.
    #[serde(default)]
    dates: Option<DateForm>,
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

/// Last row in which a heading can be.
const MAX_HEADING_ROW: u32 = 1000;

/// How dates are written, as `YYYY/M/D`: `YYYY` is the year, `MM` and `DD` are two digits, `M` and
/// `D` one or two; everything else stands for itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct DateForm(Vec<Part>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Digits of the year (0), month (1) or day (2): fewest and most.
    Number(usize, usize, usize),
    /// A character.
    Is(char),
}

impl TryFrom<String> for DateForm {
    type Error = String;

    fn try_from(form: String) -> Result<Self, String> {
        let wrong = || format!("dates: {form:?} is no form as YYYY-MM-DD, YYYY/M/D or DD.MM.YYYY");
        let mut parts = Vec::new();
        let mut rest = form.as_str();
        while let Some(first) = rest.chars().next() {
            let width = rest.len() - rest.trim_start_matches(first).len();
            let (part, width) = match (first, width) {
                ('Y', 4) => (Part::Number(0, 4, 4), 4),
                ('M', 1 | 2) => (Part::Number(1, width, 2), width),
                ('D', 1 | 2) => (Part::Number(2, width, 2), width),
                (mark, _) if !mark.is_ascii_alphanumeric() => (Part::Is(mark), mark.len_utf8()),
                _ => return Err(wrong()),
            };
            parts.push(part);
            rest = rest.get(width..).unwrap_or_default();
        }
        let once =
            |at| parts.iter().filter(|p| matches!(p, Part::Number(n, ..) if *n == at)).count() == 1;
        // One digit or two: what follows has to show how many.
        let open = |pair: &[Part]| matches!(pair, [Part::Number(_, 1, _), Part::Number(..)]);
        if (0..3).all(once) && !parts.windows(2).any(open) { Ok(Self(parts)) } else { Err(wrong()) }
    }
}

impl DateForm {
    /// The date as the schema writes it; none if it has another form.
    fn read(&self, text: &str) -> Option<String> {
        let mut numbers = [0_u32; 3];
        let mut rest = text;
        for part in &self.0 {
            match *part {
                Part::Is(mark) => rest = rest.strip_prefix(mark)?,
                Part::Number(at, least, most) => {
                    let digits = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
                    let (number, after) = rest.split_at_checked(digits)?;
                    if digits < least {
                        return None;
                    }
                    *numbers.get_mut(at)? = number.parse().ok()?;
                    rest = after;
                }
            }
        }
        let [year, month, day] = numbers;
        rest.is_empty().then(|| format!("{year:04}-{month:02}-{day:02}"))
    }
}

/// Where a column is.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum At {
    /// Under another name.
    Name(String),
    /// At a fixed place, in bytes.
    Place(Place),
}

/// A field of fixed width.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// First byte, counted from 1.
    pub start: usize,
    /// Number of bytes.
    pub width: usize,
}

/// Last byte of a line of fixed width that a mapping may name.
const MAX_WIDTH: usize = 65_536;

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Cause> {
        let mapping: Self = toml::from_str(text)?;
        if mapping.schema != schema::VERSION {
            return Err(format!("schema {} is not supported", mapping.schema).into());
        }
        let names = mapping.columns.keys().chain(mapping.constants.keys());
        for name in names.chain(mapping.values.keys()) {
            column(name)?;
        }
        if mapping.heading_row.is_some_and(|row| !(1..=MAX_HEADING_ROW).contains(&row)) {
            return Err(format!("heading-row: expected a row from 1 to {MAX_HEADING_ROW}").into());
        }
        let delimiter = mapping.delimiter.unwrap_or(',');
        if !delimiter.is_ascii() || delimiter == '"' {
            return Err("delimiter: expected one ASCII character".into());
        }
        Ok(mapping)
    }

    /// The vendor's name of a column.
    pub fn name(&self, column: Column) -> &str {
        match self.columns.get(column.name()) {
            Some(At::Name(name)) => name,
            _ => column.name(),
        }
    }

    /// The fields of fixed width.
    ///
    /// # Errors
    /// Which column has no place, or none that a line can have.
    pub fn places(&self) -> Result<Vec<(Column, Place)>, Cause> {
        let wrong = |name: &str, what: &str| {
            Err(format!("columns.{name}: expected start and width{what}").into())
        };
        let place = |(name, at): (&String, &At)| match at {
            At::Place(place) if place.start == 0 || place.width == 0 => {
                wrong(name, ", both from 1")
            }
            At::Place(place) if place.start.max(place.width) > MAX_WIDTH => {
                wrong(name, &format!(" of at most {MAX_WIDTH}"))
            }
            At::Place(place) => Ok((column(name)?, *place)),
            _ => wrong(name, ""),
        };
        self.columns.iter().map(place).collect()
    }

    /// The value that all rows have in a column, if it is no column of the file.
    pub fn constant(&self, column: Column) -> Option<&str> {
        self.constants.get(column.name()).map(String::as_str)
    }

    /// The value that a cell stands for, if the vendor writes it in another way.
    pub fn value(&self, column: Column, text: &str) -> Option<&str> {
        self.values.get(column.name())?.get(text).map(String::as_str)
    }

    /// A date as the schema writes it, when the vendor writes another form.
    pub fn date<'t>(&self, text: Cow<'t, str>) -> Cow<'t, str> {
        let read = self.dates.as_ref().and_then(|form| form.read(text.trim()));
        read.map_or(text, Cow::Owned)
    }
}

fn column(name: &str) -> Result<Column, Cause> {
    Column::from_name(name).ok_or_else(|| format!("{name} is no column of the schema").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_the_form_of_the_vendor() {
        let read = |form: &str, text: &str| {
            DateForm::try_from(form.to_owned()).map(|form| form.read(text))
        };
        for (form, text) in [
            ("YYYYMMDD", "20260701"),
            ("YYYY/M/D", "2026/7/1"),
            ("YYYY/M/D", "2026/07/01"),
            ("DD.MM.YYYY", "01.07.2026"),
            ("DDMMYYYY", "01072026"),
            ("YYYY年M月D日", "2026年7月1日"),
        ] {
            assert_eq!(read(form, text), Ok(Some("2026-07-01".to_owned())), "{form} {text}");
        }
        for (form, text) in [
            ("YYYYMMDD", "2026-07-01"),
            ("YYYYMMDD", "202607011"),
            ("DD.MM.YYYY", "1.7.2026"),
            ("YYYY/M/D", "2026/7/123"),
            ("YYYY/M/D", "2026/7"),
        ] {
            assert_eq!(read(form, text), Ok(None), "{form} {text}");
        }
        for form in ["", "YYYY-MM", "YY-MM-DD", "YYYYMD", "YYYY-MM-DD-DD", "YYYY-MMM-DD", "ymd"] {
            assert!(read(form, "").is_err(), "{form}");
        }
    }
}
