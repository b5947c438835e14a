//! The Thrift compact protocol as far as Parquet uses it: structures are walked, and whoever asks is
//! told every number and every list before anything is reserved for it.

use std::io::Read;

use super::damaged;
use crate::file::sink::Stop;

/// Most structures in one another.
const MAX_DEPTH: usize = 24;

/// Types of the protocol.
pub(super) mod kind {
    pub(super) const STOP: u8 = 0;
    pub(super) const TRUE: u8 = 1;
    pub(super) const FALSE: u8 = 2;
    pub(super) const BYTE: u8 = 3;
    pub(super) const I16: u8 = 4;
    pub(super) const I32: u8 = 5;
    pub(super) const I64: u8 = 6;
    pub(super) const DOUBLE: u8 = 7;
    pub(super) const BINARY: u8 = 8;
    pub(super) const LIST: u8 = 9;
    pub(super) const SET: u8 = 10;
    pub(super) const STRUCT: u8 = 12;
}

/// Who is told what a structure says. A path is the numbers of the fields from the outermost
/// structure on; elements of a list have that of the list.
pub(super) trait Visitor {
    /// A number or truth value.
    fn number(&mut self, path: &[i64], value: i64) -> Result<(), Stop>;

    /// A structure begins.
    fn structure(&mut self, _path: &[i64]) -> Result<(), Stop> {
        Ok(())
    }

    /// A list of so many elements begins.
    fn list(&mut self, _path: &[i64], _count: u64) -> Result<(), Stop> {
        Ok(())
    }
}

/// Walks one structure.
pub(super) fn walk(source: impl Read, visitor: &mut impl Visitor) -> Result<(), Stop> {
    Walk { source, visitor, path: Vec::new() }.structure()
}

struct Walk<'v, R, V> {
    source: R,
    visitor: &'v mut V,
    path: Vec<i64>,
}

fn malformed() -> Stop {
    damaged("a malformed header")
}

impl<R: Read, V: Visitor> Walk<'_, R, V> {
    fn byte(&mut self) -> Result<u8, Stop> {
        let mut byte = [0];
        self.source.read_exact(&mut byte).map_err(|_| malformed())?;
        let [byte] = byte;
        Ok(byte)
    }

    fn varint(&mut self) -> Result<u64, Stop> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(malformed())
    }

    fn zigzag(&mut self) -> Result<i64, Stop> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    fn skip(&mut self, length: u64) -> Result<(), Stop> {
        let skipped = std::io::copy(&mut self.source.by_ref().take(length), &mut std::io::sink())?;
        if skipped == length { Ok(()) } else { Err(malformed()) }
    }

    fn structure(&mut self) -> Result<(), Stop> {
        if self.path.len() > MAX_DEPTH {
            return Err(malformed());
        }
        self.visitor.structure(&self.path)?;
        let mut field = 0_i64;
        loop {
            let head = self.byte()?;
            let (delta, kind) = (head >> 4, head & 0x0F);
            if kind == kind::STOP {
                return Ok(());
            }
            field = match delta {
                0 => self.zigzag()?,
                delta => field.checked_add(delta.into()).ok_or_else(malformed)?,
            };
            self.path.push(field);
            match kind {
                kind::TRUE | kind::FALSE => {
                    self.visitor.number(&self.path, (kind == kind::TRUE).into())?;
                }
                kind => self.value(kind)?,
            }
            self.path.pop();
        }
    }

    fn value(&mut self, kind: u8) -> Result<(), Stop> {
        match kind {
            // In a list, truth values are bytes.
            kind::BYTE | kind::TRUE | kind::FALSE => self.skip(1),
            kind::I16 | kind::I32 | kind::I64 => {
                let value = self.zigzag()?;
                self.visitor.number(&self.path, value)
            }
            kind::DOUBLE => self.skip(8),
            kind::BINARY => {
                let length = self.varint()?;
                self.skip(length)
            }
            kind::LIST | kind::SET => {
                let head = self.byte()?;
                let count = match head >> 4 {
                    15 => self.varint()?,
                    count => count.into(),
                };
                self.visitor.list(&self.path, count)?;
                // An element is a level of its own: lists may be in one another too.
                if self.path.len() > MAX_DEPTH {
                    return Err(malformed());
                }
                self.nested(head & 0x0F, count)
            }
            kind::STRUCT => self.structure(),
            _ => Err(malformed()),
        }
    }

    fn nested(&mut self, kind: u8, count: u64) -> Result<(), Stop> {
        if matches!(kind, kind::LIST | kind::SET) {
            // No list of Parquet has lists in it.
            return Err(malformed());
        }
        (0..count).try_for_each(|_| self.value(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Told(Vec<(Vec<i64>, i64)>);

    impl Visitor for Told {
        fn number(&mut self, path: &[i64], value: i64) -> Result<(), Stop> {
            self.0.push((path.to_vec(), value));
            Ok(())
        }
    }

    #[test]
    fn numbers_are_told_by_their_path() {
        // {2: 300, 5: {1: 7, 4: true}, 6: [{1: -1}]}
        let bytes = [0x25, 0xD8, 0x04, 0x3C, 0x15, 0x0E, 0x31, 0x00, 0x19, 0x1C, 0x15, 0x01, 0, 0];
        let mut told = Told::default();
        assert!(walk(&bytes[..], &mut told).is_ok());
        let expected = [(vec![2], 300), (vec![5, 1], 7), (vec![5, 4], 1), (vec![6, 1], -1)];
        assert_eq!(told.0, expected);
        for length in 0..bytes.len() {
            assert!(walk(&bytes[..length], &mut Told::default()).is_err(), "{length}");
        }
        // Structures in structures, all of them closed.
        let nested = |depth| [vec![0x1C; depth], vec![0; depth + 1]].concat();
        assert!(walk(&nested(MAX_DEPTH)[..], &mut Told::default()).is_ok());
        let deep = walk(&nested(MAX_DEPTH + 1)[..], &mut Told::default());
        assert!(matches!(deep, Err(Stop::Damaged(..))));
        for endless in [[0x1C; 64], [0x19; 64], [0xFF; 64]] {
            assert!(walk(&endless[..], &mut Told::default()).is_err());
        }
    }
}
