//! Counts of rows, and what the manifest says of them (操作规程 一/八(三)).

use crate::catalogue::Check;
use crate::finding::Finding;
use crate::plan::Plan;
use crate::row::{Row, State};

/// What has been counted so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Rows, whether they could be read or not.
    pub rows: u32,
    /// Good cards.
    pub good: u32,
    /// Scrap cards.
    pub scrap: u32,
    /// Rows whose status or box is not known.
    pub unknown: u32,
    /// Cards of each box.
    pub boxes: Vec<u32>,
}

impl Tally {
    /// Nothing counted, for a batch with this many boxes.
    #[must_use]
    pub fn new(boxes: usize) -> Self {
        Self { rows: 0, good: 0, scrap: 0, unknown: 0, boxes: vec![0; boxes] }
    }

    /// Counts a row; none if it could not be read.
    pub fn add(&mut self, row: Option<&Row>) {
        self.rows += 1;
        let state = row.and_then(|row| row.state);
        let place = row.and_then(|row| row.box_number);
        self.good += u32::from(state == Some(State::Good));
        self.scrap += u32::from(state == Some(State::Scrap));
        self.unknown += u32::from(state.is_none() || place.is_none());
        if let Some(count) = place.and_then(|place| self.boxes.get_mut(place)) {
            *count += 1;
        }
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.good += other.good;
        self.scrap += other.scrap;
        self.unknown += other.unknown;
        self.boxes.iter_mut().zip(&other.boxes).for_each(|(count, more)| *count += more);
    }

    /// Compares the counts with the manifest. Rows that could not be read excuse that many missing
    /// cards: they were reported already.
    pub fn check(&self, plan: &Plan, findings: &mut Vec<Finding>) {
        let declared = plan.count;
        let exact = |check, field, expected: u64, found: u64| {
            (expected != found).then(|| Finding::new(check, expected, found).field(field))
        };
        let about = |check, field, expected: u32, found: u32| {
            let excused = (found..=found.saturating_add(self.unknown)).contains(&expected);
            (!excused).then(|| Finding::new(check, expected, found).field(field))
        };
        let boxed = plan.boxes.iter().map(|planned| u64::from(planned.count)).sum();
        let made = u64::from(declared.ordered) + u64::from(declared.spare);
        let accounted = u64::from(declared.good) + u64::from(declared.scrap);
        findings.extend(
            [
                exact(Check::CountRows, "count.rows", declared.rows.into(), self.rows.into()),
                exact(Check::CountBoxes, "box.count", declared.rows.into(), boxed),
                exact(Check::CountOrder, "count", made, accounted),
                about(Check::CountState, "count.good", declared.good, self.good),
                about(Check::CountState, "count.scrap", declared.scrap, self.scrap),
            ]
            .into_iter()
            .flatten(),
        );
        for (planned, found) in plan.boxes.iter().zip(&self.boxes) {
            let finding = about(Check::CountBox, "box.count", planned.count, *found);
            findings.extend(finding.map(|finding| finding.subject(&planned.name)));
        }
        self.check_shares(plan, findings);
    }

    fn check_shares(&self, plan: &Plan, findings: &mut Vec<Finding>) {
        let Plan { count, limits, .. } = plan;
        if count.good < count.ordered {
            let expected = format!("{} or more", count.ordered);
            findings.push(Finding::new(Check::CountGood, expected, count.good));
        }
        let shares = [
            (Check::CountScrap, self.scrap, self.rows, limits.scrap_percent),
            (Check::CountSpare, count.spare, count.ordered, limits.spare_percent),
        ];
        findings.extend(shares.into_iter().filter_map(|(check, part, whole, limit)| {
            let above = 100 * u64::from(part) > u64::from(limit) * u64::from(whole);
            above.then(|| Finding::new(check, format!("{limit} % at most"), share(part, whole)))
        }));
    }
}

fn share(part: u32, whole: u32) -> String {
    let tenths = (u64::from(part) * 1000).checked_div(whole.into()).unwrap_or(0);
    format!("{part} of {whole}, {}.{} %", tenths / 10, tenths % 10)
}
