//! Workbooks as vendors send them (Office Open XML, ECMA-376 and its strict form, ISO/IEC 29500):
//! names of columns in one row of a sheet, one card in each row below.
//!
//! A number stands for its digits and a date for its day, because that is what the vendor's program
//! made of what was typed. Digits that it has lost show as wrong check digits. What a sheet says of
//! its own size is not looked at, nor are places of cells believed beyond those that a sheet has.

mod book;
mod part;

use std::path::Path;

use quick_xml::events::{BytesStart, Event};
use xuejika_card_model::date::Date;

use super::sink::{MAX_COLUMNS, Sink, Stop};
use super::text::number_text;
use crate::Check;
use book::{Book, Taken};
use part::{Package, Part, attribute, push_text, unread};

/// Rows and columns of a sheet.
const SHEET: (u32, u32) = (1 << 20, 1 << 14);

/// The number of 2000-01-01.
const DAY_OF_2000: i32 = 36_526;

/// Reads the rows of a sheet, by default of the first one that is shown. The heading is in row
/// `heading`, by default in the first one with a value.
pub(crate) fn read(
    path: &Path,
    sheet: Option<&str>,
    heading: Option<u32>,
    sink: &mut Sink,
) -> Result<(), Stop> {
    let mut package = Package::open(path)?;
    let book = Book::open(&mut package)?;
    let chosen = match sheet {
        Some(name) => book.sheets.iter().find(|(known, _)| known == name),
        None => book.sheets.first(),
    };
    let others = || -> Vec<_> {
        let others = book.sheets.iter().map(|(name, _)| name.as_str());
        others.filter(|name| Some(*name) != chosen.map(|(name, _)| &**name)).collect()
    };
    let Some((_, name)) = chosen else {
        let found = format!("no sheet {:?}; sheets are {:?}", sheet.unwrap_or_default(), others());
        return Err(unread(found));
    };
    if sheet.is_none() {
        sink.set_other(others().first().map(|name| (*name).to_owned()));
    }
    let mut part = package.part(name)?.ok_or_else(|| Stop::damaged(&"a sheet without rows"))?;
    let rows = Rows { sink, width: None, current: None, cells: Vec::new(), wide: false, heading };
    Sheet { book: &book, rows, row: 0, column: 0, before: (0, 0) }.read(&mut part)
}

/// A sheet as it is read.
struct Sheet<'b, 's> {
    book: &'b Book,
    rows: Rows<'s>,
    /// Row and column of the next cell that does not say where it is, from 1.
    row: u32,
    column: u32,
    /// Row and column of the cell before: two readers of one workbook must not see two batches, as
    /// they would if a cell could be there twice.
    before: (u32, u32),
}

impl Sheet<'_, '_> {
    fn read(mut self, part: &mut Part<'_>) -> Result<(), Stop> {
        let mut ended = false;
        while let Some(event) = part.next()? {
            match event {
                Event::Start(tag) if ended && tag.local_name().as_ref() == "sheetData" => {
                    return Err(Stop::damaged(&"a second table of cells"));
                }
                _ if ended => {}
                Event::Start(tag) if tag.local_name().as_ref() == "row" => {
                    let given = attribute(&tag, "r").map(|text| text.trim().parse());
                    self.row = match given {
                        None => self.row.saturating_add(1),
                        Some(Ok(row)) => row,
                        Some(Err(_)) => return Err(Stop::damaged(&"a row without a number")),
                    };
                    self.column = 1;
                }
                Event::Start(tag) if tag.local_name().as_ref() == "c" => {
                    let cell = Cell::new(&tag)?;
                    if let Some((row, column)) = cell.place {
                        (self.row, self.column) = (row, column);
                    }
                    let text = cell.read(part, self.book)?;
                    let place = (self.row, self.column);
                    let twice = place <= self.before;
                    if twice || self.row == 0 || self.row > SHEET.0 || self.column > SHEET.1 {
                        let found = format!("row {}, column {}", self.row, self.column);
                        return Err(Stop::Damaged(Check::FileDamaged, found));
                    }
                    self.before = place;
                    self.rows.cell((self.row, self.column - 1), &text)?;
                    self.column += 1;
                }
                Event::End(tag) if tag.local_name().as_ref() == "sheetData" => ended = true,
                _ => {}
            }
        }
        self.rows.finish()
    }
}

/// What the tag of a cell says.
struct Cell {
    /// Row and column, from 1.
    place: Option<(u32, u32)>,
    kind: Kind,
    format: usize,
}

/// What the value of a cell is (ST_CellType).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Number,
    Shared,
    Text,
    Bool,
    Day,
}

impl Cell {
    fn new(tag: &BytesStart<'_>) -> Result<Self, Stop> {
        let kind = match attribute(tag, "t").as_deref() {
            None | Some("n") => Kind::Number,
            Some("s") => Kind::Shared,
            Some("b") => Kind::Bool,
            Some("d") => Kind::Day,
            // Results of formulas, inline strings and errors.
            Some(_) => Kind::Text,
        };
        let bad = || Stop::damaged(&"a cell without a place in the sheet");
        let place = attribute(tag, "r").map(|text| place(text.trim()).ok_or_else(bad));
        let format = attribute(tag, "s").and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Self { place: place.transpose()?, kind, format })
    }

    /// Reads its text, up to the end of the cell.
    fn read(&self, part: &mut Part<'_>, book: &Book) -> Result<String, Stop> {
        let (mut value, mut formula) = (String::new(), None::<String>);
        let (mut in_value, mut in_formula, mut inline) = (false, false, Taken::default());
        while let Some(event) = part.next()? {
            match &event {
                Event::Start(tag) => match tag.local_name().as_ref() {
                    "v" => in_value = true,
                    "f" => {
                        in_formula = true;
                        formula = Some(String::new());
                    }
                    _ => inline.take(&event, &mut value)?,
                },
                Event::End(tag) => match tag.local_name().as_ref() {
                    "c" => break,
                    "v" => in_value = false,
                    "f" => in_formula = false,
                    _ => inline.take(&event, &mut value)?,
                },
                event if in_value => push_text(&mut value, event)?,
                event if in_formula => push_text(formula.get_or_insert_default(), event)?,
                event => inline.take(event, &mut value)?,
            }
        }
        match formula {
            // A formula is no value, whatever it came to when the file was saved.
            Some(formula) => Ok(format!("={formula}")),
            None => self.text(value, book),
        }
    }

    fn text(&self, value: String, book: &Book) -> Result<String, Stop> {
        let lost = || Stop::damaged(&"a cell whose shared text is missing");
        Ok(match self.kind {
            Kind::Text => value,
            Kind::Shared => {
                let number = value.trim().parse().ok();
                number.and_then(|number| book.strings.get(number)).ok_or_else(lost)?.to_owned()
            }
            Kind::Bool => match value.trim() {
                "1" => "true".to_owned(),
                "0" => "false".to_owned(),
                _ => value,
            },
            Kind::Day => match value.split_once('T') {
                Some((day, time))
                    if time.bytes().all(|b| matches!(b, b'0' | b':' | b'.' | b'Z')) =>
                {
                    day.to_owned()
                }
                _ => value,
            },
            Kind::Number => match value.trim().parse::<f64>() {
                Ok(number) if book.days.get(self.format).is_some_and(|day| *day) => {
                    day_text(number, book.first_day)
                }
                Ok(number) => number_text(number),
                Err(_) => value,
            },
        })
    }
}

/// Row and column of a cell, from 1, out of `AB12`.
fn place(text: &str) -> Option<(u32, u32)> {
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (letters, digits) = text.split_at_checked(letters)?;
    let mut column = 0_u32;
    for letter in letters.bytes() {
        let digit = u32::from(letter.to_ascii_uppercase() - b'A') + 1;
        column = column.checked_mul(26)?.checked_add(digit)?;
    }
    Some((digits.parse().ok()?, column)).filter(|(_, column)| *column > 0)
}

/// A number that is shown as a date. Excel takes 1900 for a leap year: no card is as old.
fn day_text(number: f64, first_day: i32) -> String {
    #[allow(clippy::cast_possible_truncation, reason = "out of range it is no day of a card")]
    let whole = number as i32;
    let day = || {
        let days = whole.checked_add(first_day)?.checked_sub(DAY_OF_2000)?;
        Date::new(2000, 1, 1).ok()?.add_days(days)
    };
    match day() {
        Some(day) if f64::from(whole) == number => day.to_string(),
        _ => number_text(number),
    }
}

/// Rows out of cells.
struct Rows<'s> {
    sink: &'s mut Sink,
    /// Number of columns, once the names are known.
    width: Option<usize>,
    /// The row under construction, as the sheet counts.
    current: Option<u32>,
    cells: Vec<String>,
    /// Whether the row has a value beyond the last column that is looked at.
    wide: bool,
    /// The row with the names.
    heading: Option<u32>,
}

impl Rows<'_> {
    fn cell(&mut self, (row, column): (u32, u32), text: &str) -> Result<(), Stop> {
        if text.is_empty() || self.heading.is_some_and(|heading| row < heading) {
            return Ok(());
        }
        match self.current {
            Some(current) if row < current => {
                let found = format!("row {row} after row {current}");
                return Err(Stop::Damaged(Check::FileDamaged, found));
            }
            Some(current) if row > current => {
                self.end_row(current)?;
                if row > current + 1 {
                    self.sink.note(Check::FileEmptyLine, "a row", "nothing");
                }
            }
            _ => {}
        }
        self.current = Some(row);
        let column = column as usize;
        if column >= MAX_COLUMNS {
            self.wide = true;
        } else {
            if self.cells.len() <= column {
                self.cells.resize(column + 1, String::new());
            }
            self.cells.iter_mut().skip(column).take(1).for_each(|cell| text.clone_into(cell));
        }
        Ok(())
    }

    fn end_row(&mut self, number: u32) -> Result<(), Stop> {
        let mut cells = core::mem::take(&mut self.cells);
        let wide = core::mem::take(&mut self.wide);
        let Some(width) = self.width else {
            if wide {
                return Err(part::bomb(format!("more than {MAX_COLUMNS} columns")));
            }
            self.width = Some(cells.len());
            return self.sink.heading(cells);
        };
        cells.resize(cells.len().max(width), String::new());
        if wide {
            cells.push(String::new());
        }
        self.sink.numbered(number, cells)
    }

    fn finish(&mut self) -> Result<(), Stop> {
        match self.current {
            Some(row) => self.end_row(row),
            None => self.sink.heading(Vec::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_their_digits() {
        assert_eq!(number_text(0.0), "0");
        assert_eq!(number_text(1_100_260_200_000_013.0), "1100260200000013");
        assert_eq!(number_text(1.5), "1.5");
        assert_eq!(number_text(1e16), "1e16");
    }

    #[test]
    fn days_are_counted_in_two_calendars() {
        assert_eq!(day_text(46_204.0, 0), "2026-07-01");
        assert_eq!(day_text(44_742.0, 1462), "2026-07-01");
        assert_eq!(day_text(46_204.5, 0), "46204.5");
        assert_eq!(day_text(1e300, 0), "1e300");
        assert_eq!(day_text(-1e300, 1462), "-1e300");
    }

    #[test]
    fn places_of_cells_are_read() {
        assert_eq!(place("A1"), Some((1, 1)));
        assert_eq!(place("xfd1048576"), Some((1 << 20, 1 << 14)));
        for text in ["", "A", "1", "1A", "A-1", "AAAAAAAAAA1", "A99999999999"] {
            assert_eq!(place(text), None, "{text}");
        }
    }
}
