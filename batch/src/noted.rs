//! Findings on their way to the report: the first ones of each check, and how many more there are.

use std::collections::BTreeMap;

use xuejika_card_model::ident::CardSerial;

use crate::{Check, Finding};

/// Findings of a piece of a batch, in bounded memory. Every finding is counted.
#[derive(Debug)]
pub(crate) struct Noted {
    /// Findings of one check that are kept.
    limit: u64,
    kept: BTreeMap<Check, u64>,
    /// The findings that are kept.
    pub(crate) findings: Vec<Finding>,
    /// How many are not, by check and card.
    pub(crate) more: BTreeMap<(Check, Option<CardSerial>), u64>,
}

impl Noted {
    /// Nothing yet. `limit` is the number of findings of one check that a report prints.
    pub(crate) const fn new(limit: u64) -> Self {
        Self { limit, kept: BTreeMap::new(), findings: Vec::new(), more: BTreeMap::new() }
    }

    /// Adds a finding about a card, if it is about one.
    pub(crate) fn add(&mut self, finding: Finding, serial: Option<CardSerial>) {
        let kept = self.kept.entry(finding.check).or_default();
        if *kept < self.limit {
            *kept += 1;
            let subject = serial.map(|serial| serial.to_string()).or(finding.subject);
            self.findings.push(Finding { subject, ..finding });
        } else {
            *self.more.entry((finding.check, serial)).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_finding_is_counted_and_few_are_kept() {
        let mut noted = Noted::new(2);
        let serial = CardSerial::new(26, 2, 1).ok();
        for found in 0..5 {
            noted.add(Finding::new(Check::RowForm, "a form", found), serial);
        }
        noted.add(Finding::new(Check::RowEmpty, "a value", "nothing"), None);
        assert_eq!(noted.findings.len(), 3);
        assert_eq!(noted.findings[1].found, "1");
        assert_eq!(noted.more, [((Check::RowForm, serial), 3)].into());
    }
}
