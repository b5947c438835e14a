//! A set of statements, and how two sets become one. A list has a set of entries.
//!
//! What one unit says about a card and kind (its *subject*) is the set of its reports and the latest of
//! its withdrawals. A withdrawal ends the reports before it, and a report that lists the card no
//! earlier than a later one adds nothing; what is left is kept. No unit's statement touches another
//! unit's. That makes merging the join of a semilattice: in any order, in any grouping and any number
//! of times it gives the same set, and no statement makes a card better that another unit lists.

use alloc::vec::{self, Vec};

use super::entry::{Entry, Kind, Moment};
use super::standing::{Bearer, Mark, Standing};
use super::statement::Statement;
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

/// Units that do not agree about a card: one still lists it, another has withdrawn its report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// An entry that holds.
    pub listed: Entry,
    /// The withdrawn entry of another unit.
    pub withdrawn: Entry,
}

/// Statements in their order, of each subject those that count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statements<S>(Vec<S>);

/// Entries in ascending order of card, kind, unit and report.
pub type Entries = Statements<Entry>;

impl<S> Default for Statements<S> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<S: Statement> Statements<S> {
    /// Takes statements that are in order already.
    pub(crate) const fn from_ordered(statements: Vec<S>) -> Self {
        Self(statements)
    }

    /// Returns the statements in order.
    pub fn iter(&self) -> core::slice::Iter<'_, S> {
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

    /// Returns the statements about one card, withdrawn ones included.
    #[must_use]
    pub fn of(&self, serial: CardSerial) -> &[S] {
        let start = self.0.partition_point(|entry| entry.serial() < serial);
        let rest = self.0.get(start..).unwrap_or_default();
        let len = rest.iter().take_while(|entry| entry.serial() == serial).count();
        rest.get(..len).unwrap_or_default()
    }

    /// Returns the set in which every statement of both is taken up.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        let mut joined = Vec::with_capacity(self.len() + other.len());
        let (mut ours, mut theirs) = (self.iter().peekable(), other.iter().peekable());
        while let (Some(a), Some(b)) = (ours.peek(), theirs.peek()) {
            let next = if a.place(b).is_le() { ours.next() } else { theirs.next() };
            joined.extend(next);
        }
        joined.extend(ours.chain(theirs));
        Self::settle(joined)
    }

    /// Takes statements in order and keeps of each subject what counts.
    fn settle(mut ordered: Vec<S>) -> Self {
        ordered.dedup();
        if ordered.is_sorted_by(|a, b| !a.same_subject(b)) {
            return Self(ordered);
        }
        let mut settled = Vec::with_capacity(ordered.len());
        for subject in ordered.chunk_by(S::same_subject) {
            match subject {
                [statement] => settled.push(*statement),
                several => S::settle(several, &mut settled),
            }
        }
        Self(settled)
    }

    /// Appends all statements as written.
    pub(crate) fn write(&self, to: &mut Vec<u8>) {
        self.iter().for_each(|statement| statement.write(to));
    }

    /// CRC-32 of all statements as written.
    pub(crate) fn digest(&self) -> u32 {
        let (mut crc, mut bytes) = (Crc32::new(), Vec::with_capacity(S::LEN));
        for statement in self {
            bytes.clear();
            statement.write(&mut bytes);
            crc.update(&bytes);
        }
        crc.finish()
    }
}

impl Entries {
    /// Returns the entries of one kind about a card that were not withdrawn.
    pub fn open(&self, serial: CardSerial, kind: Kind) -> impl Iterator<Item = &Entry> {
        let open = move |entry: &&Entry| entry.kind() == kind && entry.withdrawn().is_none();
        self.of(serial).iter().filter(open)
    }

    /// Returns when the standing report of one kind was made first, by any unit; `None` when none
    /// stands. The loss period (挂失期) counts from there: reporting again does not begin it anew.
    #[must_use]
    pub fn reported(&self, serial: CardSerial, kind: Kind) -> Option<Moment> {
        self.open(serial, kind).map(Entry::reported).min()
    }

    /// Returns the cards about which units disagree, one pair for each card, kind and withdrawal.
    pub fn disagreements(&self) -> impl Iterator<Item = Disagreement> + '_ {
        let about = |entry: &Entry| (entry.serial(), entry.kind());
        self.0.chunk_by(move |a, b| about(a) == about(b)).filter(|group| group.len() > 1).flat_map(
            |group| {
                let listed = group.iter().find(|entry| entry.withdrawn().is_none());
                let withdrawn = group.iter().filter(|entry| entry.withdrawn().is_some());
                listed.into_iter().flat_map(move |listed| {
                    let other = withdrawn.clone().filter(|entry| entry.unit() != listed.unit());
                    other.map(|&withdrawn| Disagreement { listed: *listed, withdrawn })
                })
            },
        )
    }

    /// Returns what changed since `base`, so that joining it to `base` gives this set.
    ///
    /// # Errors
    /// [`NotDescended`] when this set lacks, or has older, what `base` says about a card.
    pub fn since(&self, base: &Self) -> Result<Self, NotDescended> {
        let joined = base.join(self);
        let lost = joined.iter().zip(self).find(|(kept, ours)| kept != ours).map(|(kept, _)| kept);
        if let Some(old) = lost.or_else(|| joined.0.get(self.len())) {
            return Err(NotDescended { serial: old.serial(), kind: old.kind() });
        }
        let mut before = base.iter().peekable();
        let changes = self.iter().filter(|entry| {
            while before.next_if(|old| old.order() < entry.order()).is_some() {}
            before.next_if_eq(entry).is_none()
        });
        Ok(Self(changes.copied().collect()))
    }

    /// What a list of these entries, issued on a day, says about a card.
    pub(crate) fn standing(
        &self,
        serial: CardSerial,
        bearer: &Bearer<'_>,
        issued: Date,
    ) -> Standing {
        let marks = self.of(serial).iter().filter_map(|entry| Mark::of(entry, issued, issued));
        Standing::of(marks, bearer)
    }
}

impl<S: Statement> FromIterator<S> for Statements<S> {
    /// Takes up every statement, in any order.
    fn from_iter<I: IntoIterator<Item = S>>(statements: I) -> Self {
        let mut statements: Vec<S> = statements.into_iter().collect();
        statements.sort_unstable_by(S::place);
        Self::settle(statements)
    }
}

impl<'a, S: Statement> IntoIterator for &'a Statements<S> {
    type Item = &'a S;
    type IntoIter = core::slice::Iter<'a, S>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<S> IntoIterator for Statements<S> {
    type Item = S;
    type IntoIter = vec::IntoIter<S>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// Keeps of one subject's statements the latest withdrawal and the reports after it that count. A
/// report at the very time of the withdrawal stands: in doubt the card stays listed.
pub(super) fn settle_subject(statements: &[Entry], settled: &mut Vec<Entry>) {
    let withdrawals = statements.iter().filter(|entry| entry.withdrawn().is_some());
    let last = withdrawals.max_by_key(|entry| (entry.withdrawn(), entry.order()));
    settled.extend(last);
    let ended = last.and_then(Entry::withdrawn);
    let open = |entry: &&Entry| {
        entry.withdrawn().is_none() && ended.is_none_or(|ended| entry.reported() >= ended)
    };
    for (at, entry) in statements.iter().enumerate().filter(|(_, entry)| open(entry)) {
        let other =
            statements.iter().enumerate().filter(|(other, entry)| *other != at && open(entry));
        // Of two that outweigh each other the one that comes later in the order is kept.
        let outweighed = |(other, rival): (usize, &Entry)| {
            rival.outweighs(entry) && (other > at || !entry.outweighs(rival))
        };
        if !other.into_iter().any(outweighed) {
            settled.push(*entry);
        }
    }
}
