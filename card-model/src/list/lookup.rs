//! What a reader keeps of a list: every listed card in a few bits, found in a few steps, exactly.
//!
//! A serial is a number of 37 bits (year, vendor, sequence; its other digits follow from these). The
//! numbers stand in ascending order in blocks of [`BLOCK`]. A block has its first number in full and
//! of each number its distance from there, in as many bits as the largest distance needs, followed by
//! two bits that say how the card is listed. A look-up is one binary search among the blocks and one
//! inside a block, whatever serials are listed.

use alloc::vec::Vec;

use super::decoder::read;
use super::entry::Entry;
use super::error::ListError;
use super::header::{Form, Header, ListMac};
use super::whole::Edition;
use super::{Effect, Listing, Standing};
use crate::date::Date;
use crate::ident::CardSerial;

/// Cards in a block; every whole block ends on a whole word.
const BLOCK: usize = 128;

/// Bits that say how a card is listed.
const CODE_BITS: u32 = 2;

/// The listed cards of one version of a list; withdrawn entries are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    edition: Edition,
    count: usize,
    /// The first number of each block: all that the search among the blocks touches.
    firsts: Vec<u64>,
    blocks: Vec<Block>,
    /// Distances and codes, and one word more, so that any two neighbours can be read.
    words: Vec<u64>,
    /// Cards listed in more than one way, or only from a later day.
    special: Vec<(u64, Standing)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    /// Where its words begin.
    start: usize,
    /// Bits of a distance and its code.
    width: u8,
    /// Cards in it.
    len: u8,
}

impl Lookup {
    /// Reads the file of a whole list.
    ///
    /// # Errors
    /// As [`List::parse`](super::List::parse).
    pub fn parse(file: &[u8], key: &ListMac) -> Result<Self, ListError> {
        let (header, builder) =
            read(file, key, Form::Full, |header| LookupBuilder::new(header.issued.date))?;
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
        self.edition.stands_beside(&other.edition, self == other)
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
            + self.special.capacity() * size_of::<(u64, Standing)>()
    }

    /// Returns what the list says about a card.
    #[must_use]
    pub fn listing(&self, serial: CardSerial) -> Listing {
        let standing = self.find(number(serial)).unwrap_or_default();
        Listing { issued: self.edition.issued.date, standing }
    }

    fn find(&self, number: u64) -> Option<Standing> {
        let at = self.firsts.partition_point(|first| *first <= number).checked_sub(1)?;
        let (first, block) = (self.firsts.get(at)?, self.blocks.get(at)?);
        let distance = number - first;
        // The last card not beyond the one wanted, in as many steps for any card of the block.
        let (mut index, mut left) = (0, usize::from(block.len));
        while left > 1 {
            let half = left / 2;
            let beyond = self.value(block, index + half)? >> CODE_BITS > distance;
            index += if beyond { 0 } else { half };
            left -= half;
        }
        let value = self.value(block, index)?;
        if value >> CODE_BITS == distance { self.standing(number, value) } else { None }
    }

    /// Distance and code of a card in a block.
    #[inline]
    fn value(&self, block: &Block, index: usize) -> Option<u64> {
        let bit = index * usize::from(block.width);
        let (at, shift) = (block.start + bit / 64, bit % 64);
        let (low, high) = (self.words.get(at)?, self.words.get(at + 1)?);
        Some(((low >> shift) | (high << 1 << (63 - shift))) & mask(block.width.into()))
    }

    fn standing(&self, number: u64, value: u64) -> Option<Standing> {
        let code = usize::try_from(value & mask(CODE_BITS)).ok()?;
        if let Some(standing) = ALONE.get(code) {
            return Some(*standing);
        }
        let at = self.special.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        self.special.get(at).map(|(_, standing)| *standing)
    }
}

/// A lookup under way, from entries in order.
#[derive(Clone, Debug)]
pub struct LookupBuilder {
    issued: Date,
    /// The card whose entries are coming in.
    current: Option<(u64, Standing)>,
    /// Numbers and codes of the block under way.
    block: Vec<(u64, u64)>,
    count: usize,
    firsts: Vec<u64>,
    blocks: Vec<Block>,
    words: Vec<u64>,
    special: Vec<(u64, Standing)>,
}

impl LookupBuilder {
    /// Starts the lookup of a list issued on a day.
    #[must_use]
    pub fn new(issued: Date) -> Self {
        Self {
            issued,
            current: None,
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
        let Header { scope, version, issued, .. } = *header;
        let edition = Edition { scope, version, issued };
        let Self { count, firsts, blocks, words, special, .. } = self;
        Lookup { edition, count, firsts, blocks, words, special }
    }

    fn push(&mut self, entry: &Entry) {
        let number = number(entry.serial());
        if self.current.is_none_or(|(current, _)| current != number) {
            self.end_card();
            self.current = Some((number, Standing::default()));
        }
        if let Some((_, standing)) = &mut self.current {
            standing.add(entry, self.issued);
        }
    }

    fn end_card(&mut self) {
        let Some((number, standing)) = self.current.take() else { return };
        if standing == NOTHING {
            return;
        }
        let code = ALONE.iter().position(|alone| *alone == standing);
        if code.is_none() {
            self.special.push((number, standing));
        }
        self.block.push((number, code.unwrap_or(ALONE.len()) as u64));
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
        // At most 37 bits and the code, so both fit a byte.
        let bits = u64::BITS - (last - first).leading_zeros() + CODE_BITS;
        let [width, len] = [bits as usize, self.block.len()].map(|n| u8::try_from(n).unwrap_or(0));
        self.firsts.push(first);
        self.blocks.push(Block { start: self.words.len(), width, len });
        let (mut word, mut filled) = (0, 0);
        for (number, code) in self.block.drain(..) {
            let value = ((number - first) << CODE_BITS) | code;
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

/// Cards listed in one way, in force on the day of issue, by their code; the last code stands for
/// all others.
const ALONE: [Standing; 3] = [
    Standing { loss: Some(Effect::InForce), ..NOTHING },
    Standing { freeze: Some(Effect::InForce), ..NOTHING },
    Standing { replaced: Some(Effect::InForce), ..NOTHING },
];

const NOTHING: Standing = Standing { loss: None, freeze: None, replaced: None };

/// Year, vendor and sequence as one number, in the order of the serials.
fn number(serial: CardSerial) -> u64 {
    let [_, _, digits @ ..] = serial.bytes();
    let digit = |number, byte: &u8| number * 100 + u64::from(byte >> 4) * 10 + u64::from(byte & 15);
    digits.iter().fold(0, digit) / 10
}

const fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}
