//! What a reader keeps of a list: every listed card in a few bits, found in a few steps, exactly.
//!
//! A serial is a number of 37 bits (year, vendor, sequence; its other digits follow from these). The
//! numbers stand in ascending order in blocks of [`BLOCK`]. A block has its first number in full and
//! of each number its distance from there, in as many bits as the largest distance needs, followed by
//! two bits that say how the card is listed. A look-up is one binary search among the blocks and one
//! inside a block, whatever serials are listed.

use alloc::vec::Vec;

use super::decoder::read;
use super::entry::{Entry, Kind};
use super::error::ListError;
use super::header::{Form, Header, ListMac};
use super::standing::{Effect, Listing, Standing};
use super::whole::Edition;
use crate::date::Date;
use crate::ident::CardSerial;

/// Cards in a block; every whole block ends on a whole word.
const BLOCK: usize = 128;

/// Bits that say how a card is listed.
const CODE_BITS: u32 = 3;

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
    /// Cards listed in more than one way, only from a later day, or in a later generation, in order.
    special: Vec<(u64, Mark)>,
}

/// One way in which a card is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    kind: Kind,
    effect: Effect,
    /// Last generation that it concerns; `None` for all.
    generation: Option<u8>,
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
    /// Reads the file of a whole list or a part.
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
            + self.special.capacity() * size_of::<(u64, Mark)>()
    }

    /// Returns what the list says about a card of a generation (EF 05).
    #[must_use]
    pub fn listing(&self, serial: CardSerial, generation: u8) -> Listing {
        let standing = self.find(number(serial), generation).unwrap_or_default();
        Listing { issued: self.edition.issued.date, standing }
    }

    fn find(&self, number: u64, generation: u8) -> Option<Standing> {
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
        if value >> CODE_BITS != distance {
            return None;
        }
        Some(standing(self.marks(number, value), generation))
    }

    /// Distance and code of a card in a block.
    #[inline]
    fn value(&self, block: &Block, index: usize) -> Option<u64> {
        let bit = index * usize::from(block.width);
        let (at, shift) = (block.start + bit / 64, bit % 64);
        let (low, high) = (self.words.get(at)?, self.words.get(at + 1)?);
        Some(((low >> shift) | (high << 1 << (63 - shift))) & mask(block.width.into()))
    }

    fn marks(&self, number: u64, value: u64) -> impl Iterator<Item = Mark> + '_ {
        let alone = usize::try_from(value & mask(CODE_BITS)).ok().and_then(|code| ALONE.get(code));
        let special = if alone.is_none() { self.special.as_slice() } else { &[] };
        let at = special.partition_point(|(other, _)| *other < number);
        let several = special.iter().skip(at).take_while(move |(other, _)| *other == number);
        alone.copied().into_iter().chain(several.map(|(_, mark)| *mark))
    }
}

/// A lookup under way, from entries in order.
#[derive(Clone, Debug)]
pub struct LookupBuilder {
    issued: Date,
    /// The card whose entries are coming in.
    current: Option<u64>,
    marks: Vec<Mark>,
    /// Numbers and codes of the block under way.
    block: Vec<(u64, u64)>,
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
            marks: Vec::new(),
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
        if entry.withdrawn().is_some() {
            return;
        }
        let number = number(entry.serial());
        if self.current != Some(number) {
            self.end_card();
            self.current = Some(number);
        }
        let effect = Effect::of(entry, self.issued);
        let mark = Mark { kind: entry.kind(), effect, generation: entry.generation() };
        if !self.marks.contains(&mark) {
            self.marks.push(mark);
        }
    }

    fn end_card(&mut self) {
        let Some(number) = self.current.take() else { return };
        let code = match self.marks.as_slice() {
            [mark] => ALONE.iter().position(|alone| alone == mark),
            _ => None,
        };
        if code.is_none() {
            self.special.extend(self.marks.iter().map(|mark| (number, *mark)));
        }
        self.marks.clear();
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

/// Cards listed in one way, in force on the day of issue, for all generations or the first one, by
/// their code; the code after these is for all others.
const ALONE: [Mark; 6] = [
    in_force(Kind::Loss, None),
    in_force(Kind::Freeze, None),
    in_force(Kind::Replaced, None),
    in_force(Kind::Loss, Some(0)),
    in_force(Kind::Freeze, Some(0)),
    in_force(Kind::Replaced, Some(0)),
];

const fn in_force(kind: Kind, generation: Option<u8>) -> Mark {
    Mark { kind, effect: Effect::InForce, generation }
}

/// What marks say of a card of a generation.
fn standing(marks: impl Iterator<Item = Mark>, generation: u8) -> Standing {
    let about = marks.filter(|mark| mark.generation.is_none_or(|last| generation <= last));
    about.fold(Standing::default(), |standing, mark| standing.with(mark.kind, mark.effect))
}

/// Year, vendor and sequence as one number, in the order of the serials.
fn number(serial: CardSerial) -> u64 {
    let [_, _, digits @ ..] = serial.bytes();
    let digit = |number, byte: &u8| number * 100 + u64::from(byte >> 4) * 10 + u64::from(byte & 15);
    digits.iter().fold(0, digit) / 10
}

const fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}
