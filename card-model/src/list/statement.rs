//! What a unit's file consists of, whatever it is about: statements about cards, each of one unit.

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt::Debug;

use super::entry::{EntryError, Moment};
use super::header::Content;
use crate::ident::{CardSerial, UnitCode};

/// One statement of a unit about a card, of one length in every file of its kind.
///
/// Statements of the same subject are settled into those that count, and merging is the join of a
/// semilattice: in any order, in any grouping and any number of times it gives the same set.
pub trait Statement: Copy + Eq + Debug + 'static {
    /// Length in bytes.
    const LEN: usize;

    /// What a file of such statements is.
    const CONTENT: Content;

    /// Reads a statement from [`Self::LEN`] bytes.
    ///
    /// # Errors
    /// The first field that breaks a rule.
    fn read(bytes: &[u8]) -> Result<Self, EntryError>;

    /// Appends its [`Self::LEN`] bytes.
    fn write(&self, to: &mut Vec<u8>);

    /// Checks that the values go together.
    ///
    /// # Errors
    /// The first field that breaks a rule.
    fn check(&self) -> Result<(), EntryError>;

    /// Returns the card.
    fn serial(&self) -> CardSerial;

    /// Returns the unit that states it; it lies inside the scope of the file.
    fn unit(&self) -> UnitCode;

    /// Returns when the statement last changed.
    fn changed(&self) -> Moment;

    /// Returns which of two comes first in a file: a total order that begins with card and subject.
    fn place(&self, other: &Self) -> Ordering;

    /// Tells whether both are about the same: then they are settled together.
    fn same_subject(&self, other: &Self) -> bool;

    /// Keeps of one subject's statements, given in order, those that count, in order.
    fn settle(several: &[Self], settled: &mut Vec<Self>);

    /// Tells whether a file can have `next`, which comes later in the order, right behind this one.
    fn precedes(&self, next: &Self) -> bool;

    /// Tells whether this statement adds nothing to one that stands.
    fn repeats(&self, standing: &Self) -> bool;
}
