//! The history of accepted batches (历史库): every serial, UID and set of key check values that was
//! accepted, and every act. One file, one writer, each act one replacement of the whole file; a byte
//! that is not as it was written is noticed whenever the file is opened.

mod store;

use std::path::Path;

use serde::{Deserialize, Serialize};
use xuejika_card_model::batch::{Check, Finding, Place};

use super::all_rows::SortedRows;
use crate::exit::Outcome;
use store::{Hit, Hits, Store};

/// Most findings of one check that are named one by one; the last one counts the others.
const MAX_FINDINGS: usize = 100_000;

/// An accepted batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Batch number.
    pub(crate) batch: String,
    /// Vendor.
    pub(crate) vendor: String,
    /// SHA-256 over the hashes of its files.
    pub(crate) sha256: String,
    /// Rows.
    pub(crate) rows: u32,
    /// Good cards.
    pub(crate) good: u32,
    /// Scrap cards.
    pub(crate) scrap: u32,
    /// When it was accepted.
    pub(crate) time: String,
    /// Who accepted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<String>,
}

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Act {
    /// When.
    pub(crate) time: String,
    /// `accepted`, `refused` or `undone`.
    pub(crate) act: String,
    /// Batch number.
    pub(crate) batch: String,
    /// Rows.
    pub(crate) rows: u32,
    /// Errors and warnings of a refused batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) findings: Option<u64>,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// An open history.
pub(crate) struct History(Store);

impl History {
    /// Opens a history to look into it; others may look, and one may add to it, at the same time.
    pub(crate) fn look(path: &Path) -> Outcome<Self> {
        Store::look(path).map(Self)
    }

    /// Opens a history to add to it, and makes it if it is not there. No other process can add to it.
    pub(crate) fn write(path: &Path) -> Outcome<Self> {
        Store::write(path).map(Self)
    }

    /// What the rows of a batch have in common with accepted batches.
    pub(crate) fn find(
        &self,
        batch: &str,
        sha256: &str,
        rows: &SortedRows,
    ) -> Outcome<Vec<Finding>> {
        let mut findings = Vec::new();
        if let Some(own) = self.entry(batch) {
            let found = format!("accepted {}", own.time);
            let finding = Finding::new(Check::HistoryBatch, "a new batch", found);
            findings.push(finding.field("batch.number"));
            // All its rows are there, which is one fault.
            if own.sha256 == sha256 {
                return Ok(findings);
            }
        }
        let mut hits = self.0.find(rows, |entry| entry.batch == batch)?;
        leave_out_same_cards(&mut hits);
        let before = findings.len();
        let Hits { serials, uids, keys } = hits;
        let mut more = Vec::new();
        for (check, field, hits) in [
            (Check::HistorySerial, "serial", serials),
            (Check::HistoryUid, "uid", uids),
            (Check::HistoryKeys, "kcv_k0 kcv_k1 kcv_k2", keys),
        ] {
            let expected = "no accepted batch has it";
            let found = |found| Finding::new(check, expected, found).field(field);
            findings.extend(hits.iter().take(MAX_FINDINGS).map(|hit| {
                let batch = self.0.entries().nth(hit.batch).map_or("", |entry| &entry.batch);
                found(format!("batch {batch} row {}", hit.other)).at(Place::row(hit.row))
            }));
            if hits.len() > MAX_FINDINGS {
                more.push(found(format!("{} more rows", hits.len() - MAX_FINDINGS)));
            }
        }
        let new = findings.get_mut(before..).unwrap_or_default();
        rows.name_cards(new);
        new.sort_by_key(|finding| finding.place);
        findings.append(&mut more);
        Ok(findings)
    }

    /// Adds a batch: it is there with all its rows, or not at all.
    pub(crate) fn accept(&mut self, entry: &Entry, rows: &SortedRows) -> Outcome<()> {
        let act = Act {
            time: entry.time.clone(),
            act: "accepted".to_owned(),
            batch: entry.batch.clone(),
            rows: entry.rows,
            findings: None,
            by: entry.by.clone(),
            reason: None,
        };
        self.0.replace(act, |_| true, Some((entry, rows)))
    }

    /// Takes a batch out again. False if it was never accepted.
    pub(crate) fn undo(&mut self, act: &Act) -> Outcome<bool> {
        let Some(rows) = self.entry(&act.batch).map(|entry| entry.rows) else { return Ok(false) };
        let act = Act { rows, ..act.clone() };
        let batch = act.batch.clone();
        self.0.replace(act, |entry| entry.batch != batch, None)?;
        Ok(true)
    }

    /// Notes an act that changes nothing else.
    pub(crate) fn note(&mut self, act: Act) -> Outcome<()> {
        self.0.replace(act, |_| true, None)
    }

    /// The accepted batches, oldest first.
    pub(crate) fn batches(&self) -> impl Iterator<Item = &Entry> {
        self.0.entries()
    }

    /// What was done, oldest first.
    pub(crate) fn acts(&self) -> &[Act] {
        self.0.acts()
    }

    fn entry(&self, batch: &str) -> Option<&Entry> {
        self.0.entries().find(|entry| entry.batch == batch)
    }
}

/// A serial that was accepted before is one fault; its keys follow from it.
fn leave_out_same_cards(hits: &mut Hits) {
    for hits in [&mut hits.serials, &mut hits.uids, &mut hits.keys] {
        hits.sort_unstable_by_key(|hit| hit.row);
    }
    let Hits { serials, keys, .. } = hits;
    let by_serial = |hit: &Hit| serials.binary_search_by_key(&hit.row, |hit| hit.row).is_ok();
    keys.retain(|hit| !by_serial(hit));
}
