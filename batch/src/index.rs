//! All values of one column, sorted: what occurs twice, and what is not there. Twelve bytes for a
//! serial or a UID.

use xuejika_card_model::ident::{CardSerial, SerialRange};

/// Values of `N` bytes with the rows they stand in.
#[derive(Clone, Debug, Default)]
pub struct Index<const N: usize> {
    entries: Vec<([u8; N], u32)>,
}

impl<const N: usize> Index<N> {
    /// An index with room for this many values.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { entries: Vec::with_capacity(capacity) }
    }

    /// Adds a value and its row.
    pub fn push(&mut self, value: [u8; N], row: u32) {
        self.entries.push((value, row));
    }

    /// Sorts the values, so that they can be asked for.
    #[must_use]
    pub fn sorted(mut self) -> Sorted<N> {
        self.entries.sort_unstable();
        Sorted { entries: self.entries }
    }
}

/// A sorted index.
#[derive(Clone, Debug)]
pub struct Sorted<const N: usize> {
    entries: Vec<([u8; N], u32)>,
}

/// A value that stood in an earlier row already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeated<const N: usize> {
    /// The value.
    pub value: [u8; N],
    /// The first row with it.
    pub first: u32,
    /// The row that repeats it.
    pub row: u32,
}

impl<const N: usize> Sorted<N> {
    /// Values and rows, by value.
    #[must_use]
    pub fn entries(&self) -> &[([u8; N], u32)] {
        &self.entries
    }

    /// Whether some row has this value.
    #[must_use]
    pub fn contains(&self, value: &[u8; N]) -> bool {
        self.entries.binary_search_by_key(value, |(value, _)| *value).is_ok()
    }

    /// Every row whose value an earlier row has.
    pub fn repeated(&self) -> impl Iterator<Item = Repeated<N>> {
        self.entries.chunk_by(|(a, _), (b, _)| a == b).flat_map(|group| {
            let first = group.first().map_or(0, |(_, row)| *row);
            group.iter().skip(1).map(move |&(value, row)| Repeated { value, first, row })
        })
    }
}

impl Sorted<8> {
    /// The runs of serials of `range` that no row has: first, last and number.
    pub fn missing(&self, range: SerialRange) -> impl Iterator<Item = (CardSerial, u32)> {
        let start = self.entries.partition_point(|(value, _)| *value < range.first.bytes());
        let after = range.last.sequence() + 1;
        let present = self
            .entries
            .iter()
            .skip(start)
            .map_while(move |(value, _)| CardSerial::from_bytes(*value).ok())
            .take_while(move |serial| *serial <= range.last)
            .map(|serial| serial.sequence())
            .chain([after]);
        let mut next = range.first.sequence();
        present.filter_map(move |sequence| {
            let missing = sequence.saturating_sub(next);
            let first = range.serial(next);
            next = next.max(sequence + 1);
            (missing > 0).then_some((first?, missing))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn index(sequences: &[u32]) -> Sorted<8> {
        let mut index = Index::with_capacity(sequences.len());
        for (row, &sequence) in (1..).zip(sequences) {
            index.push(CardSerial::new(26, 1, sequence).unwrap().bytes(), row);
        }
        index.sorted()
    }

    #[test]
    fn the_later_row_repeats_the_earlier() {
        let repeated: Vec<_> =
            index(&[5, 3, 5, 4, 5]).repeated().map(|r| (r.first, r.row)).collect();
        assert_eq!(repeated, [(1, 3), (1, 5)]);
    }

    proptest! {
        #[test]
        fn what_is_missing_is_what_is_not_there(
            sequences in proptest::collection::vec(0..60_u32, 0..80), first in 5..20_u32,
        ) {
            let sorted = index(&sequences);
            let serial = |sequence| CardSerial::new(26, 1, sequence).unwrap();
            let range = SerialRange { first: serial(first), last: serial(40) };
            let missing: Vec<_> = sorted
                .missing(range)
                .flat_map(|(first, count)| first.sequence()..first.sequence() + count)
                .collect();
            let expected: Vec<_> = (first..=40).filter(|n| !sequences.contains(n)).collect();
            prop_assert_eq!(missing, expected);
        }

        #[test]
        fn what_is_repeated_is_what_is_there_more_than_once(
            values: Vec<[u8; 1]>,
        ) {
            let mut index = Index::<1>::with_capacity(0);
            let mut seen = BTreeMap::new();
            let mut expected = Vec::new();
            for (row, value) in (1..).zip(&values) {
                index.push(*value, row);
                match seen.get(value) {
                    Some(&first) => expected.push((*value, first, row)),
                    None => drop(seen.insert(*value, row)),
                }
            }
            expected.sort_unstable();
            let sorted = index.sorted();
            let found: Vec<_> =
                sorted.repeated().map(|r| (r.value, r.first, r.row)).collect();
            prop_assert_eq!(found, expected);
            prop_assert!(values.iter().all(|value| sorted.contains(value)));
        }
    }
}
