//! The history of accepted batches (历史库): every serial, UID and set of key check values that was
//! accepted, and every act. One file, one writer, each act one replacement of the whole file; a byte
//! that is not as it was written is noticed whenever the file is opened.
//!
//! A [`History`] is looked into. What is done to it is a [`Change`], written to a new file, which takes
//! the place of the old one: how that is done so that no failure leaves half a file is the caller's.

mod store;

use core::fmt;
use std::fs::File;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::all_rows::SortedRows;
use crate::error::Error;
use crate::{Check, Finding, Place};
use store::{Hit, Hits, Store};

/// Most findings of one check that are named one by one; the last one counts the others.
const MAX_FINDINGS: usize = 100_000;

/// An accepted batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Batch number.
    pub batch: String,
    /// Vendor.
    pub vendor: String,
    /// SHA-256 over the hashes of its files.
    pub sha256: String,
    /// Rows.
    pub rows: u32,
    /// Good cards.
    pub good: u32,
    /// Scrap cards.
    pub scrap: u32,
    /// When it was accepted.
    pub time: String,
    /// Who accepted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// When.
    pub time: String,
    /// `accepted`, `refused` or `undone`.
    pub act: String,
    /// Batch number.
    pub batch: String,
    /// Rows.
    pub rows: u32,
    /// Errors and warnings of a refused batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<u64>,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { batch, vendor, rows, good, scrap, time, by, .. } = self;
        write!(f, "{batch}  vendor {vendor}  {rows} rows, {good} good, {scrap} scrap  {time}")?;
        by.iter().try_for_each(|by| write!(f, "  by {by}"))
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { time, act, batch, rows, findings, by, reason } = self;
        write!(f, "{time}  {act:8}  {batch}  {rows} rows")?;
        findings.iter().try_for_each(|findings| write!(f, ", {findings} findings"))?;
        by.iter().try_for_each(|by| write!(f, "  by {by}"))?;
        reason.iter().try_for_each(|reason| write!(f, ": {reason}"))
    }
}

/// An open history.
#[derive(Debug)]
pub struct History(Store);

impl History {
    /// A history without any act; `name` is what errors call it.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self(Store::new(name.into()))
    }

    /// Reads a history and checks every byte of it; `name` is what errors call it.
    ///
    /// # Errors
    /// Returns [`Error::Input`] when the file is damaged or none of this version.
    pub fn read(file: File, name: impl Into<String>) -> Result<Self, Error> {
        Store::read(file, name.into()).map(Self)
    }

    /// What the rows of a batch have in common with accepted batches.
    pub(crate) fn find(
        &self,
        batch: &str,
        sha256: &str,
        rows: &SortedRows,
    ) -> Result<Vec<Finding>, Error> {
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
    #[must_use]
    pub fn accept<'a>(&'a self, entry: &'a Entry, rows: &'a SortedRows) -> Change<'a> {
        let act = Act {
            time: entry.time.clone(),
            act: "accepted".to_owned(),
            batch: entry.batch.clone(),
            rows: entry.rows,
            findings: None,
            by: entry.by.clone(),
            reason: None,
        };
        Change { store: &self.0, act, without: None, with: Some((entry, rows)) }
    }

    /// Takes a batch out again; none if it was never accepted.
    #[must_use]
    pub fn undo(&self, act: Act) -> Option<Change<'_>> {
        let rows = self.entry(&act.batch)?.rows;
        let without = Some(act.batch.clone());
        Some(Change { store: &self.0, act: Act { rows, ..act }, without, with: None })
    }

    /// Notes an act that changes nothing else.
    #[must_use]
    pub fn note(&self, act: Act) -> Change<'_> {
        Change { store: &self.0, act, without: None, with: None }
    }

    /// The accepted batches, oldest first.
    pub fn batches(&self) -> impl Iterator<Item = &Entry> {
        self.0.entries()
    }

    /// What was done, oldest first.
    #[must_use]
    pub fn acts(&self) -> &[Act] {
        self.0.acts()
    }

    fn entry(&self, batch: &str) -> Option<&Entry> {
        self.0.entries().find(|entry| entry.batch == batch)
    }
}

/// Something that is done to a history.
#[derive(Debug)]
pub struct Change<'a> {
    store: &'a Store,
    act: Act,
    /// Batch that is taken out.
    without: Option<String>,
    /// Batch that is added.
    with: Option<(&'a Entry, &'a SortedRows)>,
}

impl Change<'_> {
    /// Writes the history as it is after the change.
    ///
    /// # Errors
    /// What `to` returns, and [`io::ErrorKind::InvalidData`] when the history is not as it was when it
    /// was opened.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let kept = |entry: &Entry| self.without.as_ref() != Some(&entry.batch);
        self.store.write(to, self.act.clone(), kept, self.with)
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
