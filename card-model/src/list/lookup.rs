//! What a reader keeps of a list: every listed card in a few bits, found in a few steps, exactly.
//!
//! A serial is a number of 37 bits (year, vendor, sequence; its other digits follow from these). The
//! numbers stand in ascending order in blocks of [`BLOCK`]. A block has its first number in full and of
//! each number its distance from there, in as many bits as the largest distance needs, followed by a
//! code: the place in the table of marks of the one mark that the card has, or all ones for a card
//! with several. A look-up is one binary search among the blocks and one inside a block, whatever
//! serials are listed.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::decoder::read;
use super::entry::Entry;
use super::error::ListError;
use super::header::{Form, Header, ListMac};
use super::standing::{Bearer, Effect, Listing, Mark, Standing};
use super::whole::Edition;
use crate::calendar::TEMPORARY_CARD_DAYS;
use crate::date::Date;
use crate::ident::{CardSerial, UnitCode};

/// Cards in a block; every whole block ends on a whole word.
const BLOCK: usize = 128;

/// The listed cards of one version of a list; withdrawn entries are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    edition: Edition,
    /// For a part: the unit out of whose list it was taken.
    of: Option<UnitCode>,
    count: usize,
    /// The first number of each block: all that the search among the blocks touches.
    firsts: Vec<u64>,
    blocks: Vec<Block>,
    /// Distances and codes, and one word more, so that any two neighbours can be read.
    words: Vec<u64>,
    /// Every mark that a card has, once; a few for each unit that reports.
    marks: Vec<Mark>,
    /// Cards with several marks, in order.
    special: Vec<(u64, Mark)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    /// Where its words begin.
    start: usize,
    /// Bits of a distance and its code.
    width: u8,
    /// Bits of the code.
    code: u8,
    /// Cards in it.
    len: u8,
}

impl Lookup {
    /// Reads the file of a whole list or a part.
    ///
    /// # Errors
    /// As [`List::parse`](super::List::parse).
    pub fn parse(file: &[u8], key: &ListMac) -> Result<Self, ListError> {
        let (header, builder) = read::<Entry, _>(file, key, Form::Full, |header| {
            LookupBuilder::new(header.issued.date)
        })?;
        Ok(builder.build(&header))
    }

    /// Returns which version of which list this is.
    #[must_use]
    pub const fn edition(&self) -> &Edition {
        &self.edition
    }

    /// Whether two lists can both be authentic, see [`Edition::stands_beside`].
    ///
    /// # Errors
    /// [`ListError::Issue`] or [`ListError::Twice`].
    pub fn stands_beside(&self, other: &Self) -> Result<(), ListError> {
        if self.of != other.of {
            return Ok(());
        }
        self.edition.stands_beside(&other.edition, self == other)
    }

    /// Whether this list may take the place of one that a reader holds: it is a later version of the
    /// same list or of the same part, or this very version again.
    ///
    /// # Errors
    /// [`ListError::Unit`], [`ListError::Version`], [`ListError::Issue`] or [`ListError::Twice`].
    pub fn replaces(&self, held: &Self) -> Result<(), ListError> {
        if self.edition.version == held.edition.version && self.is_edition_of(held) {
            return self.stands_beside(held);
        }
        self.edition.follows(&held.edition)
    }

    /// Whether this is a version of the same list, or of the same part of one.
    #[must_use]
    pub fn is_edition_of(&self, other: &Self) -> bool {
        (self.edition.scope, self.of) == (other.edition.scope, other.of)
    }

    /// Returns how many cards are listed.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Returns the bytes it takes in memory.
    #[must_use]
    pub const fn memory(&self) -> usize {
        size_of::<Self>()
            + self.firsts.capacity() * size_of::<u64>()
            + self.blocks.capacity() * size_of::<Block>()
            + self.words.capacity() * size_of::<u64>()
            + self.marks.capacity() * size_of::<Mark>()
            + self.special.capacity() * size_of::<(u64, Mark)>()
    }

    /// Returns what the list says about a card.
    #[must_use]
    pub fn listing(&self, serial: CardSerial, bearer: &Bearer<'_>) -> Listing {
        let standing = Standing::of(self.marks(number(serial)), bearer);
        Listing { issued: self.edition.issued.date, standing }
    }

    /// Returns the day of the report from which the loss period of a card counts (挂失期, 操作规程
    /// 四/六); `None` when no report of its loss stands that concerns this bearer. Of a loss that is
    /// older than any temporary card only that is known: it counts as reported
    /// [`TEMPORARY_CARD_DAYS`] before the list was issued.
    #[must_use]
    pub fn loss_reported(&self, serial: CardSerial, bearer: &Bearer<'_>) -> Option<Date> {
        let oldest = oldest(self.edition.issued.date);
        Mark::loss_reported(self.marks(number(serial)), bearer, oldest)
    }

    /// Where a card stands: its block and its code.
    fn find(&self, number: u64) -> Option<(&Block, u64)> {
        let at = self.firsts.partition_point(|first| *first <= number).checked_sub(1)?;
        let (first, block) = (self.firsts.get(at)?, self.blocks.get(at)?);
        let distance = number - first;
        // The last card not beyond the one wanted, in as many steps for any card of the block.
        let (mut index, mut left) = (0, usize::from(block.len));
        while left > 1 {
            let half = left / 2;
            let beyond = self.value(block, index + half)? >> block.code > distance;
            index += if beyond { 0 } else { half };
            left -= half;
        }
        let value = self.value(block, index)?;
        (value >> block.code == distance).then_some((block, value & mask(block.code.into())))
    }

    /// Distance and code of a card in a block.
    #[inline]
    fn value(&self, block: &Block, index: usize) -> Option<u64> {
        let bit = index * usize::from(block.width);
        let (at, shift) = (block.start + bit / 64, bit % 64);
        let (low, high) = (self.words.get(at)?, self.words.get(at + 1)?);
        Some(((low >> shift) | (high << 1 << (63 - shift))) & mask(block.width.into()))
    }

    /// What the list says of a card.
    fn marks(&self, number: u64) -> impl Iterator<Item = Mark> + '_ {
        let found = self.find(number);
        let several = found.is_some_and(|(block, code)| code == mask(block.code.into()));
        let alone = found.filter(|_| !several).and_then(|(_, code)| usize::try_from(code).ok());
        let special = if several { self.special.as_slice() } else { &[] };
        let at = special.partition_point(|(other, _)| *other < number);
        let special = special.iter().skip(at).take_while(move |(other, _)| *other == number);
        let alone = alone.and_then(|code| self.marks.get(code));
        alone.copied().into_iter().chain(special.map(|(_, mark)| *mark))
    }
}

/// A lookup under way, from entries in order.
#[derive(Clone, Debug)]
pub struct LookupBuilder {
    issued: Date,
    /// The card whose entries are coming in.
    current: Option<u64>,
    /// Its marks.
    pending: Vec<Mark>,
    /// Numbers of the block under way, with the code of the one mark.
    block: Vec<(u64, Option<u32>)>,
    /// Codes given so far.
    codes: BTreeMap<Mark, u32>,
    count: usize,
    firsts: Vec<u64>,
    blocks: Vec<Block>,
    words: Vec<u64>,
    special: Vec<(u64, Mark)>,
}

impl LookupBuilder {
    /// Starts the lookup of a list issued on a day.
    #[must_use]
    pub fn new(issued: Date) -> Self {
        Self {
            issued,
            current: None,
            pending: Vec::new(),
            codes: BTreeMap::new(),
            block: Vec::with_capacity(BLOCK),
            count: 0,
            firsts: Vec::new(),
            blocks: Vec::new(),
            words: Vec::new(),
            special: Vec::new(),
        }
    }

    /// Ends the lookup of the list with this header.
    #[must_use]
    pub fn build(mut self, header: &Header) -> Lookup {
        self.end_card();
        self.end_block();
        self.words.push(0);
        self.firsts.shrink_to_fit();
        self.blocks.shrink_to_fit();
        self.words.shrink_to_fit();
        self.special.shrink_to_fit();
        let Header { scope, of, version, issued, .. } = *header;
        let edition = Edition { scope, version, issued };
        let Self { count, codes, firsts, blocks, words, special, .. } = self;
        let mut marks: Vec<(u32, Mark)> =
            codes.into_iter().map(|(mark, code)| (code, mark)).collect();
        marks.sort_unstable_by_key(|(code, _)| *code);
        let marks = marks.into_iter().map(|(_, mark)| mark).collect();
        Lookup { edition, of, count, firsts, blocks, words, marks, special }
    }

    fn push(&mut self, entry: &Entry) {
        let oldest = oldest(self.issued);
        let Some(mark) = Mark::of(entry, self.issued, oldest) else { return };
        let number = number(entry.serial());
        if self.current != Some(number) {
            self.end_card();
            self.current = Some(number);
        }
        if !self.pending.contains(&mark) {
            self.pending.push(mark);
        }
    }

    fn end_card(&mut self) {
        let Some(number) = self.current.take() else { return };
        // A mark that takes effect later is of its day alone; it would only swell the table.
        let code = match self.pending.as_slice() {
            [mark] if mark.effect == Effect::InForce => {
                let next = u32::try_from(self.codes.len()).unwrap_or(u32::MAX);
                Some(*self.codes.entry(*mark).or_insert(next))
            }
            _ => None,
        };
        if code.is_none() {
            self.special.extend(self.pending.iter().map(|mark| (number, *mark)));
        }
        self.pending.clear();
        self.block.push((number, code));
        self.count += 1;
        if self.block.len() == BLOCK {
            self.end_block();
        }
    }

    fn end_block(&mut self) {
        let (Some((first, _)), Some((last, _))) =
            (self.block.first().copied(), self.block.last().copied())
        else {
            return;
        };
        // Room for every code given so far and for all ones. Units are fewer than 2^20, so that 37 bits
        // and the code fit a word, and each number a byte.
        let code_bits = (usize::BITS - self.codes.len().leading_zeros()).max(1);
        let bits = u64::BITS - (last - first).leading_zeros() + code_bits;
        let [width, code, len] = [bits as usize, code_bits as usize, self.block.len()]
            .map(|n| u8::try_from(n).unwrap_or(0));
        self.firsts.push(first);
        self.blocks.push(Block { start: self.words.len(), width, code, len });
        let (mut word, mut filled) = (0, 0);
        for (number, code) in self.block.drain(..) {
            let code = code.map_or(mask(code_bits), u64::from);
            let value = ((number - first) << code_bits) | code;
            word |= value << filled;
            filled += bits;
            if filled >= 64 {
                self.words.push(word);
                filled -= 64;
                // What of the value did not fit; nothing when it ended with the word.
                word = value >> (bits - filled);
            }
        }
        if filled > 0 {
            self.words.push(word);
        }
    }
}

impl Extend<Entry> for LookupBuilder {
    fn extend<I: IntoIterator<Item = Entry>>(&mut self, entries: I) {
        entries.into_iter().for_each(|entry| self.push(&entry));
    }
}

/// Year, vendor and sequence as one number, in the order of the serials.
fn number(serial: CardSerial) -> u64 {
    let [_, _, digits @ ..] = serial.bytes();
    let digit = |number, byte: &u8| number * 100 + u64::from(byte >> 4) * 10 + u64::from(byte & 15);
    digits.iter().fold(0, digit) / 10
}

/// The day as which the report of a loss counts that is older in a list issued on a day.
fn oldest(issued: Date) -> Date {
    issued.add_days(-TEMPORARY_CARD_DAYS).unwrap_or(issued)
}

const fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}
