//! How many cards a school gets, and how many it gives back (操作规程 二/四, 三/五).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::line::{LineError, Numbered, lines, repeated};
use super::share::Percent;
use crate::ident::UnitCode;

/// Temporary and spare cards (临时卡、备用卡) on top of one card a pupil, 操作规程 三/五.
pub const SPARE: Percent = Percent(8);

lines! {
    /// A school and the cards it holds.
    pub struct SchoolHolding {
        /// School.
        unit: UnitCode, "学校单位码";
        /// Pupils: the printed-card data that were taken in.
        pupils: u32, "证件卡入库数";
        /// Cards that it was handed out and has not given back, those of its pupils included.
        held: u32, "已发学籍卡数";
        /// Cards that the city orders back from it.
        ordered_back: Option<u32>, "市级要求回收数";
    }
}

/// Why cards cannot be allocated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AllocationError {
    /// The line is about no school of the desk.
    #[error("unit {unit} is no school of {desk}, expected one of its schools")]
    NotOurs {
        /// The unit given.
        unit: UnitCode,
        /// The district or the city that allocates.
        desk: UnitCode,
    },
    /// The school has a line already.
    #[error("the school stands in line {0} already, expected one line each")]
    Twice(u64),
    /// More cards are ordered back than the school holds.
    #[error("more than the school holds, expected at most {0}")]
    NotHeld(u32),
}

/// What a school, or all schools of a unit together, get and give back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Allocation {
    /// A school; in a total the district or the city.
    pub unit: UnitCode,
    /// Pupils, for each of whom there is a card.
    pub pupils: u64,
    /// Temporary and spare cards on top.
    pub spare: u64,
    /// Cards held.
    pub held: u64,
    /// Cards to hand out (应发).
    pub hand_out: u64,
    /// Cards to recall (应回收).
    pub recall: u64,
}

impl Allocation {
    /// Allocates to a school: what it lacks of one card a pupil and the spare ones is handed out; what
    /// it holds beyond, and at least what the city orders back, is recalled.
    #[must_use]
    pub fn new(school: &SchoolHolding) -> Self {
        let (pupils, held) = (u64::from(school.pupils), u64::from(school.held));
        let spare = SPARE.of(pupils);
        let due = pupils + spare;
        let ordered_back = school.ordered_back.unwrap_or(0).into();
        let recall = held.saturating_sub(due).max(ordered_back);
        let hand_out = if recall == 0 { due.saturating_sub(held) } else { 0 };
        Self { unit: school.unit, pupils, spare, held, hand_out, recall }
    }

    fn add(&mut self, other: &Self) {
        self.pupils += other.pupils;
        self.spare += other.spare;
        self.held += other.held;
        self.hand_out += other.hand_out;
        self.recall += other.recall;
    }
}

/// The allocations of a desk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllocationPlan {
    /// One for each school, in the order of the lines.
    pub schools: Vec<Allocation>,
    /// All schools of a district together, for each; and of the desk, if it is the city.
    pub totals: Vec<Allocation>,
}

impl AllocationPlan {
    /// Allocates to the schools of a district, or of the whole city.
    ///
    /// # Errors
    /// Every line that breaks a rule.
    pub fn new(
        desk: UnitCode,
        lines: &[Numbered<SchoolHolding>],
    ) -> Result<Self, Vec<LineError<AllocationError>>> {
        let twice = repeated(lines, |school| school.unit)
            .map(|(at, earlier)| LineError::new(at, "unit", AllocationError::Twice(earlier)));
        let mut errors: Vec<_> = twice.collect();
        for at in lines {
            let SchoolHolding { unit, held, ordered_back, .. } = at.value;
            if !(unit.is_school() && desk.covers(unit)) {
                errors.push(LineError::new(at, "unit", AllocationError::NotOurs { unit, desk }));
            }
            if ordered_back.is_some_and(|ordered| ordered > held) {
                errors.push(LineError::new(at, "ordered_back", AllocationError::NotHeld(held)));
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let schools: Vec<_> = lines.iter().map(|at| Allocation::new(&at.value)).collect();
        let mut totals = BTreeMap::new();
        for school in &schools {
            let mut above = school.unit.above().filter(|unit| desk.covers(*unit));
            while let Some(unit) = above.filter(|unit| desk.covers(*unit)) {
                let empty =
                    Allocation { unit, pupils: 0, spare: 0, held: 0, hand_out: 0, recall: 0 };
                totals.entry(unit).or_insert(empty).add(school);
                above = unit.above();
            }
        }
        Ok(Self { schools, totals: totals.into_values().collect() })
    }
}
