//! One shape for all files of the desks: a heading, and below it lines that are read column by column.
//!
//! A kind of line is a struct made by `lines!`: its fields are the columns, both ways. What is wrong
//! with a file is told by line and field, all of it at once.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use crate::bcd::parse_number;
use crate::date::Date;
use crate::ident::{CardSerial, SerialRange, UnitCode};
use crate::management::SamSerial;
use crate::record::FilingNumber;

/// A column of a desk file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// Name in the heading.
    pub name: &'static str,
    /// Name in Chinese, which may stand in the heading as well.
    pub chinese: &'static str,
    /// Whether a file has to have it, with something in it.
    pub required: bool,
}

/// A kind of line. The columns are its fields.
pub trait Line: Sized {
    /// Its columns.
    const COLUMNS: &'static [Column];

    /// Takes the cells in the order of the columns; `None` when one of them is wrong.
    fn read(cells: &mut Cells<'_>) -> Option<Self>;
}

/// A line and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered<T> {
    /// Line of the file, the heading being 1.
    pub line: u64,
    /// What it says.
    pub value: T,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {field}: {problem}")]
pub struct LineError<P: fmt::Display> {
    /// Line of the file, the heading being 1.
    pub line: u64,
    /// Field it is about.
    pub field: &'static str,
    /// What is wrong.
    pub problem: P,
}

impl<P: fmt::Display> LineError<P> {
    /// Something about a field of a line.
    pub(super) const fn new<T>(at: &Numbered<T>, field: &'static str, problem: P) -> Self {
        Self { line: at.line, field, problem }
    }
}

/// What is wrong with a cell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CellError {
    /// It is empty.
    #[error("is required")]
    Required,
    /// It is not what the column holds.
    #[error("{0}")]
    Value(String),
    /// It names no row of a code table.
    #[error("{text:?} is unknown, expected one of {expected}")]
    Code {
        /// The text given.
        text: String,
        /// The rows there are.
        expected: String,
    },
}

/// What is wrong with a heading.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadingError {
    /// A column is missing.
    #[error("no column {missing}, expected a heading with {expected}")]
    Missing {
        /// The column.
        missing: &'static str,
        /// The columns there are.
        expected: String,
    },
    /// A column that such a file does not have.
    #[error("no column is called {name:?}, expected a heading with {expected}")]
    Unknown {
        /// The name given.
        name: String,
        /// The columns there are.
        expected: String,
    },
    /// A column that is there twice.
    #[error("column {0} is there twice")]
    Twice(&'static str),
}

/// The heading of a file with lines of this kind.
#[derive(Clone, Debug)]
pub struct Heading<T> {
    /// Where each column stands.
    places: Vec<Option<usize>>,
    line: PhantomData<T>,
}

impl<T: Line> Heading<T> {
    /// Reads the names of the columns, in any order.
    ///
    /// # Errors
    /// Any [`HeadingError`].
    pub fn read<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, HeadingError> {
        let mut places = vec![None; T::COLUMNS.len()];
        for (place, name) in names.into_iter().enumerate() {
            let mut columns = T::COLUMNS.iter().zip(&mut places);
            let column = columns.find(|(column, _)| name == column.name || name == column.chinese);
            let Some((column, slot)) = column else {
                return Err(HeadingError::Unknown { name: name.into(), expected: expected::<T>() });
            };
            if slot.replace(place).is_some() {
                return Err(HeadingError::Twice(column.name));
            }
        }
        let mut columns = T::COLUMNS.iter().zip(&places);
        match columns.find(|(column, place)| column.required && place.is_none()) {
            None => Ok(Self { places, line: PhantomData }),
            Some((column, _)) => {
                Err(HeadingError::Missing { missing: column.name, expected: expected::<T>() })
            }
        }
    }

    /// Reads a line below it.
    ///
    /// # Errors
    /// Every cell that is wrong.
    pub fn line(
        &self,
        line: u64,
        texts: &[&str],
    ) -> Result<Numbered<T>, Vec<LineError<CellError>>> {
        let mut cells = Cells { line, texts, places: self.places.iter(), errors: Vec::new() };
        match (T::read(&mut cells), cells.errors) {
            (Some(value), errors) if errors.is_empty() => Ok(Numbered { line, value }),
            (_, errors) => Err(errors),
        }
    }
}

/// The columns in words.
fn expected<T: Line>() -> String {
    let names = |required| {
        let columns = T::COLUMNS.iter().filter(|column| column.required == required);
        columns.map(|column| column.name).collect::<Vec<_>>().join(", ")
    };
    match names(false) {
        free if free.is_empty() => names(true),
        free => format!("{} (and, where needed, {free})", names(true)),
    }
}

/// The cells of a line, taken column by column.
#[derive(Debug)]
pub struct Cells<'a> {
    line: u64,
    texts: &'a [&'a str],
    places: core::slice::Iter<'a, Option<usize>>,
    errors: Vec<LineError<CellError>>,
}

impl Cells<'_> {
    /// Takes the cell of the next column.
    pub fn take<T: Cell>(&mut self, field: &'static str) -> Option<T> {
        let place = self.places.next().copied().flatten();
        let text = place.and_then(|place| self.texts.get(place)).map_or("", |text| text.trim());
        let found =
            if T::REQUIRED && text.is_empty() { Err(CellError::Required) } else { T::read(text) };
        found
            .map_err(|problem| self.errors.push(LineError { line: self.line, field, problem }))
            .ok()
    }
}

/// What a cell holds.
pub trait Cell: Sized {
    /// Whether it must not be empty.
    const REQUIRED: bool = true;

    /// Reads it.
    ///
    /// # Errors
    /// [`CellError::Value`] or [`CellError::Code`].
    fn read(text: &str) -> Result<Self, CellError>;
}

impl<T: Cell> Cell for Option<T> {
    const REQUIRED: bool = false;

    fn read(text: &str) -> Result<Self, CellError> {
        if text.is_empty() { Ok(None) } else { T::read(text).map(Some) }
    }
}

impl Cell for u32 {
    fn read(text: &str) -> Result<Self, CellError> {
        let wrong =
            || CellError::Value(format!("{text:?} is no whole number of at most {}", Self::MAX));
        parse_number(text).ok_or_else(wrong)
    }
}

impl Cell for String {
    fn read(text: &str) -> Result<Self, CellError> {
        match text.chars().find(|c| c.is_control()) {
            None => Ok(text.into()),
            Some(c) => Err(CellError::Value(format!("control character {c:?} is not allowed"))),
        }
    }
}

/// Cells in the text form of their type.
macro_rules! cells {
    ($($type:ty),+ $(,)?) => {$(
        impl $crate::desk::Cell for $type {
            fn read(text: &str) -> Result<Self, $crate::desk::CellError> {
                text.parse().map_err(|error| {
                    $crate::desk::CellError::Value(alloc::string::ToString::to_string(&error))
                })
            }
        }
    )+};
}
pub(super) use cells;

cells!(CardSerial, Date, FilingNumber, SamSerial, SerialRange, UnitCode);

/// Cells that hold a row of a code table.
macro_rules! coded_cells {
    ($($type:ty),+ $(,)?) => {$(
        impl $crate::desk::Cell for $type {
            fn read(text: &str) -> Result<Self, $crate::desk::CellError> {
                text.parse().map_err(|_| {
                    let rows = Self::ALL.iter().map(|row| {
                        alloc::format!("{} ({}, {})", row.code_text(), row.english(), row.chinese())
                    });
                    $crate::desk::CellError::Code {
                        text: text.into(),
                        expected: rows.collect::<alloc::vec::Vec<_>>().join(", "),
                    }
                })
            }
        }
    )+};
}
pub(super) use coded_cells;

/// Writes a kind of line: its struct, its columns, and how it is read.
macro_rules! lines {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$doc:meta])* $field:ident: $type:ty, $chinese:literal;)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
        #[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
        pub struct $name {
            $($(#[$doc])* #[doc = concat!("(", $chinese, ")")] pub $field: $type,)+
        }

        impl $crate::desk::Line for $name {
            const COLUMNS: &'static [$crate::desk::Column] = &[$($crate::desk::Column {
                name: stringify!($field),
                chinese: $chinese,
                required: <$type as $crate::desk::Cell>::REQUIRED,
            }),+];

            fn read(cells: &mut $crate::desk::Cells<'_>) -> Option<Self> {
                $(let $field = cells.take(stringify!($field));)+
                Some(Self { $($field: $field?),+ })
            }
        }
    };
}
pub(super) use lines;

/// The lines whose key an earlier line has already, with the number of that line.
pub(super) fn repeated<'a, T, K: Ord>(
    lines: &'a [Numbered<T>],
    key: impl Fn(&'a T) -> K,
) -> impl Iterator<Item = (&'a Numbered<T>, u64)> {
    let mut first = BTreeMap::new();
    lines.iter().filter_map(move |at| {
        let earlier = *first.entry(key(&at.value)).or_insert(at.line);
        (earlier != at.line).then_some((at, earlier))
    })
}

/// Serials in words, shortened: the ranges come from files.
pub(super) fn joined(values: impl IntoIterator<Item: fmt::Display>) -> String {
    const MOST: usize = 8;
    let mut values = values.into_iter();
    let shown: Vec<_> = values.by_ref().take(MOST).map(|value| value.to_string()).collect();
    match values.count() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
