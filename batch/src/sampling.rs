//! Sampling of a batch: how many cards, which ones, and what a sample proves.
//!
//! Plans are those of single sampling, normal inspection, of GB/T 2828.1-2012 (ISO 2859-1:1999), whose
//! tables are those of MIL-STD-105E (1989), which is in the public domain: code letters by lot size and
//! level (table I), sample sizes and acceptance numbers (table II-A). Other quality classes would need
//! other arithmetic; what a plan proves is computed from the hypergeometric distribution and believes
//! no table.

use std::collections::{BTreeMap, BTreeSet};

/// Confidence of every statement.
pub const CONFIDENCE: f64 = 0.95;

/// Largest lots of each row of the table of code letters; the last row has no end.
const LOTS: [u32; 15] =
    [8, 15, 25, 50, 90, 150, 280, 500, 1200, 3200, 10_000, 35_000, 150_000, 500_000, u32::MAX];

/// Sample sizes of the code letters A to R (no I, no O).
const SIZES: [(char, u32); 16] = [
    ('A', 2),
    ('B', 3),
    ('C', 5),
    ('D', 8),
    ('E', 13),
    ('F', 20),
    ('G', 32),
    ('H', 50),
    ('J', 80),
    ('K', 125),
    ('L', 200),
    ('M', 315),
    ('N', 500),
    ('P', 800),
    ('Q', 1250),
    ('R', 2000),
];

/// Acceptable quality limits in percent, thousandths, up to 6.5: in each the plan that accepts no
/// failure stands one letter before that of the next smaller one; for 6.5 it is letter A.
const LIMITS: [u32; 15] =
    [6500, 4000, 2500, 1500, 1000, 650, 400, 250, 150, 100, 65, 40, 25, 15, 10];

/// Acceptance numbers along a column of the table, from the plan that accepts no failure on; two
/// letters behind that plan have none of their own.
const ACCEPTANCE: [Option<u32>; 11] = [
    Some(0),
    None,
    None,
    Some(1),
    Some(2),
    Some(3),
    Some(5),
    Some(7),
    Some(10),
    Some(14),
    Some(21),
];

/// Inspection level (检验水平).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Special level S-1.
    S1,
    /// Special level S-2.
    S2,
    /// Special level S-3.
    S3,
    /// Special level S-4.
    S4,
    /// General level I.
    I,
    /// General level II, the usual one.
    II,
    /// General level III.
    III,
}

impl Level {
    /// All levels with their names.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::S1, "S-1"),
        (Self::S2, "S-2"),
        (Self::S3, "S-3"),
        (Self::S4, "S-4"),
        (Self::I, "I"),
        (Self::II, "II"),
        (Self::III, "III"),
    ];

    /// Code letters by lot size.
    const fn letters(self) -> &'static [u8; LOTS.len()] {
        match self {
            Self::S1 => b"AAAABBBBCCCCDDD",
            Self::S2 => b"AAABBBCCCDDDEEE",
            Self::S3 => b"AABBCCDDEEFFGGH",
            Self::S4 => b"AABCCDEEFGGHJJK",
            Self::I => b"AABCCDEFGHJKLMN",
            Self::II => b"ABCDEFGHJKLMNPQ",
            Self::III => b"BCDEFGHJKLMNPQR",
        }
    }

    /// The code letter of a lot of this size.
    #[must_use]
    pub fn letter(self, lot: u32) -> char {
        let row = LOTS.partition_point(|largest| *largest < lot);
        self.letters().get(row).map_or('A', |letter| char::from(*letter))
    }
}

/// How many cards to take, and how many of them may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SamplePlan {
    /// Cards in the lot.
    pub lot: u32,
    /// Cards to take; the whole lot if that is smaller.
    pub size: u32,
    /// Failures with which the lot is still accepted (Ac).
    pub accept: u32,
    /// Code letter of the plan; none for a zero-failure plan.
    pub letter: Option<char>,
}

/// Why there is no plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// No card.
    #[error("a lot has one card at least")]
    EmptyLot,
    /// Not one of the limits of the table.
    #[error(
        "an AQL is one of 0.010 0.015 0.025 0.040 0.065 0.10 0.15 0.25 0.40 0.65 1.0 1.5 2.5 4.0 6.5"
    )]
    Limit,
    /// Not a share.
    #[error("a share of failing cards lies between 0 and 100 %")]
    Share,
}

impl SamplePlan {
    /// Single sampling, normal inspection. `limit` is the acceptable quality limit (AQL, 接收质量限) in
    /// thousandths of a percent.
    ///
    /// # Errors
    /// Returns a [`PlanError`] for an empty lot or a limit outside the table.
    pub fn single(level: Level, limit: u32, lot: u32) -> Result<Self, PlanError> {
        if lot == 0 {
            return Err(PlanError::EmptyLot);
        }
        let zero = LIMITS.iter().position(|known| *known == limit).ok_or(PlanError::Limit)?;
        let letter = level.letter(lot);
        let start = SIZES.iter().position(|(known, _)| *known == letter).unwrap_or(0);
        let (at, accept) = plan_at(start, zero);
        let (letter, size) = SIZES.get(at).copied().unwrap_or(('R', 2000));
        Ok(Self { lot, size: size.min(lot), accept, letter: Some(letter) })
    }

    /// The smallest sample that, without any failure, proves with [`CONFIDENCE`] that not more than
    /// `share` of the lot fails (0 to 1).
    ///
    /// # Errors
    /// Returns a [`PlanError`] for an empty lot or a share that is none.
    pub fn zero_failure(share: f64, lot: u32) -> Result<Self, PlanError> {
        if lot == 0 {
            return Err(PlanError::EmptyLot);
        }
        if !(share > 0.0 && share < 1.0) {
            return Err(PlanError::Share);
        }
        // The first number of failing cards that is too much.
        let too_many = smallest(1, lot, |failing| f64::from(failing) > share * f64::from(lot));
        let size = smallest(1, lot, |size| acceptance(lot, too_many, size, 0) <= 1.0 - CONFIDENCE);
        Ok(Self { lot, size, accept: 0, letter: None })
    }

    /// The largest number of failing cards in the lot that is not ruled out, with [`CONFIDENCE`], by a
    /// sample with this many failures.
    #[must_use]
    pub fn proves(&self, failures: u32) -> u32 {
        let ruled_out =
            |failing| acceptance(self.lot, failing, self.size, failures) <= 1.0 - CONFIDENCE;
        let first = smallest(failures.saturating_add(1), self.lot, ruled_out);
        if ruled_out(first) { first - 1 } else { self.lot }
    }

    /// The probability that the lot is accepted when this many of its cards fail.
    #[must_use]
    pub fn acceptance(&self, failing: u32) -> f64 {
        acceptance(self.lot, failing, self.size, self.accept)
    }
}

/// The plan that counts for a letter in a column whose zero plan is `zero`: arrows of the table lead
/// to the next plan below or above.
fn plan_at(start: usize, zero: usize) -> (usize, u32) {
    let own = |at: usize| {
        let index = at.checked_sub(zero)?;
        ACCEPTANCE.get(index).copied().flatten().filter(|_| at < SIZES.len())
    };
    let down = (start..SIZES.len()).find_map(|at| Some((at, own(at)?)));
    let up = (0..=start).rev().find_map(|at| Some((at, own(at)?)));
    let plan = match start.checked_sub(zero) {
        // The letter behind the zero plan points up, the one behind that points down.
        Some(1) => up.or(down),
        _ => down.or(up),
    };
    plan.unwrap_or((zero, 0))
}

/// The smallest number from `low` to `high` for which `is` holds, which holds for all above it too;
/// `high` if it holds for none.
fn smallest(mut low: u32, mut high: u32, is: impl Fn(u32) -> bool) -> u32 {
    while low < high {
        let middle = low + (high - low) / 2;
        if is(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

/// The probability of at most `accept` failing cards in a sample of `size` out of `lot` cards of
/// which `failing` fail (hypergeometric distribution).
fn acceptance(lot: u32, failing: u32, size: u32, accept: u32) -> f64 {
    let (failing, size) = (failing.min(lot), size.min(lot));
    // The distribution is the same with the two exchanged; the product is shorter.
    let (few, many) = (f64::from(failing.min(size)), f64::from(failing.max(size)));
    let lot = f64::from(lot);
    // The fewest failing cards that the sample can have.
    let least = (few + many - lot).max(0.0);
    if least > f64::from(accept) {
        return 0.0;
    }
    let mut term = first_term(lot, few, many, least);
    let (mut sum, mut failures) = (0.0, least);
    while failures <= f64::from(accept).min(few) {
        sum += term;
        term *= (few - failures) * (many - failures)
            / ((failures + 1.0) * (lot - few - many + failures + 1.0));
        failures += 1.0;
    }
    sum.min(1.0)
}

/// The probability of the fewest failures.
fn first_term(lot: f64, few: f64, many: f64, least: f64) -> f64 {
    let mut term = 1.0;
    let mut index = 0.0;
    if least > 0.0 {
        // C(many, least) / C(lot, few): all good cards are in the sample.
        let good = lot - many;
        while index < good {
            term *= (few - index) / (lot - index);
            index += 1.0;
        }
    } else {
        while index < few {
            term *= (lot - many - index) / (lot - index);
            index += 1.0;
        }
    }
    term
}

/// Draws cards by box: each box gives its share of the sample, the largest remainders one more; within
/// a box every choice is as likely as any other.
///
/// `boxes` has the number of cards of each box, `random` gives numbers of 64 random bits. The result
/// has the places of the cards in each box, ascending. Same numbers, same cards.
pub fn draw(boxes: &[u32], size: u32, mut random: impl FnMut() -> u64) -> Vec<BTreeSet<u32>> {
    shares(boxes, size)
        .into_iter()
        .zip(boxes)
        .map(|(share, cards)| choose(*cards, share, &mut random))
        .collect()
}

/// How many cards each box gives (largest remainders; of equal ones the earlier box).
fn shares(boxes: &[u32], size: u32) -> Vec<u32> {
    let all: u64 = boxes.iter().map(|cards| u64::from(*cards)).sum();
    let size = u64::from(size).min(all);
    let exact = |cards: &u32| (u64::from(*cards) * size).checked_div(all).unwrap_or(0);
    let rest = |cards: &u32| (u64::from(*cards) * size).checked_rem(all).unwrap_or(0);
    let mut shares: Vec<u64> = boxes.iter().map(exact).collect();
    let mut order: BTreeMap<(core::cmp::Reverse<u64>, usize), usize> = BTreeMap::new();
    for (at, cards) in boxes.iter().enumerate() {
        order.insert((core::cmp::Reverse(rest(cards)), at), at);
    }
    let missing = size - shares.iter().sum::<u64>();
    let extra = order.values().take(usize::try_from(missing).unwrap_or(usize::MAX));
    for at in extra {
        shares.iter_mut().skip(*at).take(1).for_each(|share| *share += 1);
    }
    // A share is no larger than its box.
    shares.into_iter().map(|share| u32::try_from(share).unwrap_or(u32::MAX)).collect()
}

/// Chooses `size` of `cards` places (Floyd's algorithm).
fn choose(cards: u32, size: u32, random: &mut impl FnMut() -> u64) -> BTreeSet<u32> {
    let mut chosen = BTreeSet::new();
    for last in cards.saturating_sub(size)..cards {
        let place = below(u64::from(last) + 1, random);
        let place = u32::try_from(place).unwrap_or(last);
        if !chosen.insert(place) {
            chosen.insert(last);
        }
    }
    chosen
}

/// A number below `end`, each as likely as any other: what would favour the small ones is thrown away.
fn below(end: u64, random: &mut impl FnMut() -> u64) -> u64 {
    let usable = u64::MAX - u64::MAX % end;
    loop {
        let number = random();
        if number < usable {
            return number % end;
        }
    }
}
