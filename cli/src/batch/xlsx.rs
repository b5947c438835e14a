//! Workbooks as vendors send them (Office Open XML, ECMA-376): names of columns in the first row of
//! a sheet, one card in each row below.
//!
//! A number stands for its digits and a date for its day, because that is what the vendor's program
//! made of what was typed. Digits that it has lost show as wrong check digits.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use calamine::{DataRef, ExcelDateTime, Reader, Xlsx};
use xuejika_card_model::batch::Check;

use super::table::{MAX_COLUMNS, Sink, Stop};
use super::zip_guard;

/// Largest whole number that a cell holds exactly.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// Reads the rows of a sheet, by default of the first one.
pub(crate) fn read(path: &Path, sheet: Option<&str>, sink: &mut Sink) -> Result<(), Stop> {
    zip_guard::check(path)?;
    let file = BufReader::new(File::open(path)?);
    let mut workbook = Xlsx::new(file).map_err(|error| Stop::damaged(&error))?;
    let names = workbook.sheet_names();
    let chosen = match sheet {
        Some(name) => names.iter().find(|known| *known == name),
        None => names.first(),
    };
    let chosen = chosen.ok_or_else(|| {
        let found = format!("no sheet {}", sheet.unwrap_or_default());
        Stop::Damaged(Check::FileDamaged, found)
    })?;
    let mut cells =
        workbook.worksheet_cells_reader(chosen).map_err(|error| Stop::damaged(&error))?;
    let mut rows = Rows { sink, width: None, current: None, cells: Vec::new(), wide: false };
    while let Some(cell) = cells.next_cell_with_formula().map_err(|error| Stop::damaged(&error))? {
        let text = match cell.formula {
            // A formula is no value, whatever it came to when the file was saved.
            Some(formula) => format!("={formula}"),
            None => text_of(&cell.value),
        };
        rows.cell(cell.pos, &text)?;
    }
    rows.finish()
}

fn text_of(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Empty => String::new(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number_text(*number),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => {
            text.clone()
        }
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(value) => value.to_string(),
        DataRef::DateTime(date) => day_text(date),
        DataRef::Error(error) => format!("#{error:?}"),
    }
}

fn number_text(number: f64) -> String {
    // Digits beyond what a cell holds exactly would be invented.
    if number.abs() < MAX_EXACT { format!("{number}") } else { format!("{number:e}") }
}

fn day_text(date: &ExcelDateTime) -> String {
    let (year, month, day, hour, minute, second, _) = date.to_ymd_hms_milli();
    match (date.is_datetime(), hour, minute, second) {
        (true, 0, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
        _ => number_text(date.as_f64()),
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
    /// Whether the row has a value beyond the last name.
    wide: bool,
}

impl Rows<'_> {
    fn cell(&mut self, (row, column): (u32, u32), text: &str) -> Result<(), Stop> {
        if text.is_empty() {
            return Ok(());
        }
        match self.current {
            Some(current) if row < current => {
                let found = format!("row {} after row {}", row + 1, current + 1);
                return Err(Stop::Damaged(Check::FileDamaged, found));
            }
            Some(current) if row > current => {
                self.end_row()?;
                if row > current + 1 {
                    self.sink.note(Check::FileEmptyLine, "a row", "nothing");
                }
            }
            _ => {}
        }
        self.current = Some(row);
        let column = column as usize;
        if column >= self.width.unwrap_or(MAX_COLUMNS) {
            self.wide = true;
        } else {
            if self.cells.len() <= column {
                self.cells.resize(column + 1, String::new());
            }
            self.cells.iter_mut().skip(column).take(1).for_each(|cell| text.clone_into(cell));
        }
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), Stop> {
        let mut cells = core::mem::take(&mut self.cells);
        let Some(width) = self.width else {
            self.width = Some(cells.len());
            return self.sink.heading(cells);
        };
        cells.resize(width, String::new());
        if core::mem::take(&mut self.wide) {
            cells.push(String::new());
        }
        self.sink.row(cells)
    }

    fn finish(&mut self) -> Result<(), Stop> {
        if self.current.is_some() { self.end_row() } else { self.sink.heading(Vec::new()) }
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
}
