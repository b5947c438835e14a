//! Waste cards (废卡) that wrong data have caused, by batch and level (操作规程 一/九(四)).

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::line::{LineError, Numbered, lines, repeated};
use super::share::{Percent, Share};
use crate::ident::UnitCode;

/// Share of a batch above which whoever is responsible for the data is liable, 操作规程 一/九(四).
pub const WASTE_LIMIT: Percent = Percent(3);

lines! {
    /// What came back of the cards that were made from the data of a unit.
    pub struct ReturnedCards {
        /// Unit whose data they were made from.
        unit: UnitCode, "单位码";
        /// Batch they were made in.
        batch: String, "批次";
        /// Cards made.
        cards: u32, "制卡数";
        /// Those of them that are waste because the data were wrong.
        wasted: u32, "数据出错废卡数";
    }
}

/// Why a line cannot be tallied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WasteError {
    /// The unit has a line of that batch already.
    #[error("the unit stands in line {0} with this batch already, expected one line each")]
    Twice(u64),
    /// No card was made.
    #[error("no card was made, expected 1 at least")]
    NoCards,
    /// More waste than cards.
    #[error("more waste than cards, expected at most {0}")]
    MoreThanCards(u32),
}

/// The waste of a batch at one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Waste {
    /// Batch.
    pub batch: String,
    /// School, district or city: with everything below it.
    pub unit: UnitCode,
    /// Cards made.
    pub cards: u64,
    /// Those of them that are waste through wrong data.
    pub wasted: u64,
    /// Their share in percent.
    pub percent: Share,
    /// Whether the share is above the limit, so that the unit is liable (承担经济责任).
    pub liable: bool,
}

/// Tallies the waste of each batch for every unit of the lines, and for every level above them; the
/// units of a batch from the city down.
///
/// # Errors
/// Every line that breaks a rule.
pub fn tally(lines: &[Numbered<ReturnedCards>]) -> Result<Vec<Waste>, Vec<LineError<WasteError>>> {
    let twice = repeated(lines, |returned| (&returned.batch, returned.unit));
    let twice = twice.map(|(at, earlier)| LineError::new(at, "batch", WasteError::Twice(earlier)));
    let mut errors: Vec<_> = twice.collect();
    for at in lines {
        let ReturnedCards { cards, wasted, .. } = at.value;
        if cards == 0 {
            errors.push(LineError::new(at, "cards", WasteError::NoCards));
        } else if wasted > cards {
            errors.push(LineError::new(at, "wasted", WasteError::MoreThanCards(cards)));
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let mut counts = BTreeMap::<_, (u64, u64)>::new();
    for ReturnedCards { unit, batch, cards, wasted } in lines.iter().map(|at| &at.value) {
        let mut level = Some(*unit);
        while let Some(unit) = level {
            let count = counts.entry((batch, unit)).or_default();
            *count = (count.0 + u64::from(*cards), count.1 + u64::from(*wasted));
            level = unit.above();
        }
    }
    let waste = |((batch, unit), (cards, wasted)): ((&String, UnitCode), (u64, u64))| {
        let percent = Share { part: wasted, whole: cards };
        let liable = percent.is_above(WASTE_LIMIT);
        Waste { batch: batch.clone(), unit, cards, wasted, percent, liable }
    };
    Ok(counts.into_iter().map(waste).collect())
}
