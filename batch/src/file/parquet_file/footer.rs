//! The footer of a Parquet file before a library reads it: what it announces is bounded, because a
//! library reserves memory for it (Parquet format 2.11, `FileMetaData`).

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::thrift::{self, Visitor};
use super::{bomb, damaged, unread};
use crate::file::sink::Stop;

/// Most bytes of a footer, most structures in it, and most elements of its lists.
const MAX_FOOTER: u64 = 16 << 20;
const MAX_STRUCTURES: u64 = 1 << 18;
const MAX_ELEMENTS: u64 = 1 << 20;

/// Most columns with those in one another, and most levels of them.
const MAX_COLUMNS: usize = 4096;
const MAX_LEVELS: usize = 32;

/// Fields of the format.
const SCHEMA: i64 = 2;
const CHILDREN: i64 = 5;

/// Refuses a file whose footer is larger than that of a batch.
pub(super) fn check(file: &File) -> Result<(), Stop> {
    let length = file.metadata()?.len();
    let mut end = [0; 8];
    let at = length.checked_sub(8).ok_or_else(|| damaged("no Parquet file"))?;
    file.read_exact_at(&mut end, at)?;
    let ([a, b, c, d, magic @ ..], bytes) = (end, length);
    match &magic {
        b"PAR1" => {}
        b"PARE" => return Err(unread("an encrypted Parquet file: write it without encryption")),
        _ => return Err(damaged("no Parquet file")),
    }
    let footer = u64::from(u32::from_le_bytes([a, b, c, d]));
    let start = at.checked_sub(footer).ok_or_else(|| damaged("a footer longer than the file"))?;
    if footer > MAX_FOOTER {
        return Err(bomb(format!("a footer of {footer} bytes in {bytes}")));
    }
    let mut bytes = vec![0; usize::try_from(footer).unwrap_or(0)];
    file.read_exact_at(&mut bytes, start)?;
    let mut footer = Footer::default();
    thrift::walk(bytes.as_slice(), &mut footer)?;
    footer.check_schema()
}

/// What a footer announces.
#[derive(Debug, Default)]
struct Footer {
    structures: u64,
    elements: u64,
    /// Number of children of each column, in order; 0 for one with values.
    columns: Vec<i64>,
}

impl Visitor for Footer {
    fn number(&mut self, path: &[i64], value: i64) -> Result<(), Stop> {
        if path == [SCHEMA, CHILDREN]
            && let Some(children) = self.columns.last_mut()
        {
            *children = value;
        }
        Ok(())
    }

    fn structure(&mut self, path: &[i64]) -> Result<(), Stop> {
        self.structures += 1;
        if self.structures > MAX_STRUCTURES {
            return Err(bomb(format!("a footer of more than {MAX_STRUCTURES} structures")));
        }
        if path == [SCHEMA] {
            self.columns.push(0);
        }
        Ok(())
    }

    fn list(&mut self, path: &[i64], count: u64) -> Result<(), Stop> {
        self.elements = self.elements.saturating_add(count);
        let most = if path == [SCHEMA] { MAX_COLUMNS as u64 } else { MAX_ELEMENTS };
        if count > most || self.elements > MAX_ELEMENTS {
            return Err(bomb(format!("a footer with a list of {count} elements")));
        }
        Ok(())
    }
}

impl Footer {
    /// Whether columns are in one another as deep as they say, and not too deep.
    fn check_schema(&self) -> Result<(), Stop> {
        // Children that are still to come, of each column around.
        let mut around: Vec<usize> = vec![1];
        for children in &self.columns {
            while around.last() == Some(&0) {
                around.pop();
            }
            let left = around.last_mut().ok_or_else(|| damaged("more columns than announced"))?;
            *left -= 1;
            let children = usize::try_from(*children).unwrap_or(usize::MAX);
            if children > self.columns.len() {
                return Err(damaged("fewer columns than announced"));
            }
            if children > 0 {
                around.push(children);
            }
            if around.len() > MAX_LEVELS {
                return Err(bomb(format!("more than {MAX_LEVELS} columns in one another")));
            }
        }
        if around.iter().all(|left| *left == 0) {
            Ok(())
        } else {
            Err(damaged("fewer columns than announced"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Check;

    #[test]
    fn columns_are_as_many_and_as_deep_as_announced() {
        let check = |columns: &[i64]| {
            Footer { columns: columns.to_vec(), ..Footer::default() }.check_schema().is_ok()
        };
        assert!(check(&[2, 0, 0]) && check(&[1, 2, 0, 0]) && check(&[2, 1, 0, 0]));
        for bad in [&[2, 0][..], &[1, 0, 0], &[i64::MAX], &[-1], &[1; 5]] {
            assert!(!check(bad), "{bad:?}");
        }
        let deep: Vec<i64> = [vec![1; 40], vec![0]].concat();
        assert!(!check(&deep));
    }

    #[test]
    fn a_footer_announces_no_more_than_fits() {
        let is_bomb = |done| matches!(done, Err(Stop::Damaged(Check::FileBomb, _)));
        let list = |path: &[i64], count| Footer::default().list(path, count);
        assert!(list(&[SCHEMA], MAX_COLUMNS as u64).is_ok());
        assert!(is_bomb(list(&[SCHEMA], MAX_COLUMNS as u64 + 1)));
        assert!(list(&[4], MAX_ELEMENTS).is_ok());
        assert!(is_bomb(list(&[4], MAX_ELEMENTS + 1)));
        // All lists together, too.
        let mut footer = Footer::default();
        assert!(footer.list(&[4], MAX_ELEMENTS).is_ok());
        assert!(is_bomb(footer.list(&[4], 1)));
        let mut footer = Footer { structures: MAX_STRUCTURES - 1, ..Footer::default() };
        assert!(footer.structure(&[4]).is_ok());
        assert!(is_bomb(footer.structure(&[4])));
    }
}
