//! A set of cards, and what two of them do not have in common: what should be there, and what was
//! counted.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::desk::line::{LineError, Numbered, joined, lines};
use crate::ident::{CardSerial, SerialRange};

lines! {
    /// Cards that somebody counted (点验).
    pub struct CountedCards {
        /// Serials of the cards, as `S` or `S..S`.
        cards: SerialRange, "卡序号";
    }
}

/// Most cards that one file may be about: each is looked at by itself.
pub const MAX_CARDS: u32 = 1 << 22;

/// Cards, each once, in the order of their serials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cards(Vec<CardSerial>);

/// Why cards in a file are no set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CardsError {
    /// A card stands there twice.
    #[error("card {0} stands there twice, expected each once")]
    Twice(CardSerial),
    /// There are more cards than can be looked at.
    #[error("more than {MAX_CARDS} cards, the most a file may be about")]
    TooMany,
}

impl Cards {
    /// Takes the cards in lines.
    ///
    /// # Errors
    /// [`CardsError::Twice`] for every line with a card that was there already;
    /// [`CardsError::TooMany`].
    pub fn in_lines<T>(
        lines: &[Numbered<T>],
        range: impl Fn(&T) -> SerialRange,
    ) -> Result<Self, Vec<LineError<CardsError>>> {
        check_count(lines, &range, CardsError::TooMany).map_err(|error| [error])?;
        let mut cards: Vec<_> = (0..lines.len())
            .zip(lines)
            .flat_map(|(index, at)| range(&at.value).serials().map(move |card| (card, index)))
            .collect();
        cards.sort_unstable();
        let pairs = cards.iter().zip(cards.iter().skip(1));
        let mut twice: Vec<_> = pairs
            .filter(|((first, _), (second, _))| first == second)
            .map(|(_, (card, index))| (*index, *card))
            .collect();
        twice.sort_unstable();
        twice.dedup_by_key(|(index, _)| *index);
        let errors: Vec<_> = twice
            .into_iter()
            .filter_map(|(index, card)| Some((lines.get(index)?, card)))
            .map(|(at, card)| LineError::new(at, "cards", CardsError::Twice(card)))
            .collect();
        match errors.is_empty() {
            true => Ok(Self(cards.into_iter().map(|(card, _)| card).collect())),
            false => Err(errors),
        }
    }

    /// Returns how many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Tells whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns them in order.
    pub fn iter(&self) -> impl Iterator<Item = CardSerial> + '_ {
        self.0.iter().copied()
    }

    /// Returns those that are not among `others`.
    #[must_use]
    pub fn without(&self, others: &Self) -> Self {
        Self(self.iter().filter(|card| others.0.binary_search(card).is_err()).collect())
    }

    /// Returns them as ranges, as few as there can be.
    #[must_use]
    pub fn ranges(&self) -> Vec<SerialRange> {
        let mut ranges: Vec<SerialRange> = Vec::new();
        for card in self.iter() {
            match ranges.last_mut().and_then(|last| Some((last.followed_by(card)?, last))) {
                Some((longer, last)) => *last = longer,
                None => ranges.push(card.into()),
            }
        }
        ranges
    }

    /// Compares with what was counted.
    ///
    /// # Errors
    /// [`Difference`] when it is not the same.
    pub fn expect(&self, counted: &Self) -> Result<(), Difference> {
        let (missing, unexpected) = (self.without(counted), counted.without(self));
        match missing.is_empty() && unexpected.is_empty() {
            true => Ok(()),
            false => Err(Difference { expected: self.count(), missing, unexpected }),
        }
    }
}

impl FromIterator<CardSerial> for Cards {
    fn from_iter<I: IntoIterator<Item = CardSerial>>(cards: I) -> Self {
        let mut cards: Vec<_> = cards.into_iter().collect();
        cards.sort_unstable();
        cards.dedup();
        Self(cards)
    }
}

impl fmt::Display for Cards {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&joined(self.ranges()))
    }
}

/// What was counted is not what should be there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{} cards counted, expected {expected}{}{}",
    expected - missing.count() + unexpected.count(),
    named("missing", missing),
    named("unexpected", unexpected)
)]
pub struct Difference {
    /// How many cards should be there.
    pub expected: usize,
    /// Cards that should be there and are not.
    pub missing: Cards,
    /// Cards that are there and should not be.
    pub unexpected: Cards,
}

/// Cards in words, with what they are; nothing when there are none.
fn named(what: &str, cards: &Cards) -> String {
    if cards.is_empty() {
        return String::new();
    }
    format!("; {what} {}: {cards}", cards.count())
}

/// Refuses lines about more cards than can be looked at, before any of them is.
pub(super) fn check_count<T, P: fmt::Display>(
    lines: &[Numbered<T>],
    range: impl Fn(&T) -> SerialRange,
    problem: P,
) -> Result<(), LineError<P>> {
    let mut left = MAX_CARDS;
    for at in lines {
        match left.checked_sub(range(&at.value).count()) {
            Some(rest) => left = rest,
            None => return Err(LineError::new(at, "cards", problem)),
        }
    }
    Ok(())
}
