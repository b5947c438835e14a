//! A set of entries, one for each card and kind, and how two sets become one.
//!
//! Of two statements about one subject the later holds. That makes merging the join of a
//! semilattice: merging in any order, in any grouping and any number of times gives the same set.

use alloc::vec::{self, Vec};
use core::cmp::Ordering;

use super::Standing;
use super::entry::{Entry, Kind};
use crate::crc::Crc32;
use crate::date::Date;
use crate::ident::CardSerial;

/// A list that does not contain, or has older, what an earlier one says about a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the later list lacks or has an older entry of card {serial} ({})", kind.english())]
pub struct NotDescended {
    /// The card.
    pub serial: CardSerial,
    /// The kind of entry.
    pub kind: Kind,
}

/// Entries in ascending order of card and kind, one for each.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Entries(Vec<Entry>);

impl Entries {
    /// Takes entries that are in order already.
    pub(crate) const fn from_ordered(entries: Vec<Entry>) -> Self {
        Self(entries)
    }

    /// Returns the entries in order.
    pub fn iter(&self) -> core::slice::Iter<'_, Entry> {
        self.0.iter()
    }

    /// Returns how many there are, withdrawn ones included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the entries of one card, withdrawn ones included.
    #[must_use]
    pub fn of(&self, serial: CardSerial) -> &[Entry] {
        let start = self.0.partition_point(|entry| entry.serial() < serial);
        let rest = self.0.get(start..).unwrap_or_default();
        let len = rest.iter().take_while(|entry| entry.serial() == serial).count();
        rest.get(..len).unwrap_or_default()
    }

    /// Returns the entry of one kind, if there is one.
    #[must_use]
    pub fn find(&self, serial: CardSerial, kind: Kind) -> Option<&Entry> {
        self.of(serial).iter().find(|entry| entry.kind() == kind)
    }

    /// Returns the set in which every statement of both is taken up.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        let mut joined = Vec::with_capacity(self.len().max(other.len()));
        let (mut ours, mut theirs) = (self.iter().peekable(), other.iter().peekable());
        while let (Some(a), Some(b)) = (ours.peek(), theirs.peek()) {
            let (a, b) = (**a, **b);
            let order = a.subject().cmp(&b.subject());
            if order != Ordering::Greater {
                ours.next();
            }
            if order != Ordering::Less {
                theirs.next();
            }
            joined.push(match order {
                Ordering::Less => a,
                Ordering::Greater => b,
                Ordering::Equal => later(a, b),
            });
        }
        joined.extend(ours.chain(theirs));
        Self(joined)
    }

    /// Returns what changed since `base`, so that joining it to `base` gives this set.
    ///
    /// # Errors
    /// [`NotDescended`] when this set lacks, or has older, what `base` says about a card.
    pub fn since(&self, base: &Self) -> Result<Self, NotDescended> {
        let mut changes = Vec::new();
        let mut before = base.iter().peekable();
        for entry in self {
            let same = before.next_if(|old| old.subject() <= entry.subject());
            match same {
                Some(old) if old.subject() == entry.subject() && later(*old, *entry) == *entry => {
                    changes.extend((old != entry).then_some(*entry));
                }
                Some(old) => return Err(not_descended(old)),
                None => changes.push(*entry),
            }
        }
        before.next().map_or(Ok(Self(changes)), |old| Err(not_descended(old)))
    }

    pub(crate) fn standing(&self, serial: CardSerial, issued: Date) -> Standing {
        let mut standing = Standing::default();
        self.of(serial).iter().for_each(|entry| standing.add(entry, issued));
        standing
    }

    /// CRC-32 of all entries as written.
    pub(crate) fn digest(&self) -> u32 {
        let mut crc = Crc32::new();
        self.iter().for_each(|entry| crc.update(&entry.emit()));
        crc.finish()
    }
}

impl FromIterator<Entry> for Entries {
    /// Takes up every statement, in any order.
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut entries: Vec<Entry> = entries.into_iter().collect();
        entries.sort_by_key(Entry::subject);
        entries.dedup_by(|next, kept| {
            let same = next.subject() == kept.subject();
            if same {
                *kept = later(*kept, *next);
            }
            same
        });
        Self(entries)
    }
}

impl<'a> IntoIterator for &'a Entries {
    type Item = &'a Entry;
    type IntoIter = core::slice::Iter<'a, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Entries {
    type Item = Entry;
    type IntoIter = vec::IntoIter<Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

fn later(a: Entry, b: Entry) -> Entry {
    if a.rank() >= b.rank() { a } else { b }
}

fn not_descended(old: &Entry) -> NotDescended {
    NotDescended { serial: old.serial(), kind: old.kind() }
}
