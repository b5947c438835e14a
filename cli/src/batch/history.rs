//! The history of accepted batches (历史库): every serial, UID and set of key check values that was
//! accepted, and every act. An embedded database: one file, one writer, each act one transaction.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, anyhow};
use redb::{
    Database, DatabaseError, ReadOnlyDatabase, ReadTransaction, ReadableDatabase, ReadableTable,
    ReadableTableMetadata, StorageError, TableDefinition, WriteTransaction,
};
use serde::{Deserialize, Serialize};
use xuejika_card_model::batch::index::Sorted;
use xuejika_card_model::batch::{Check, Finding, Place};
use xuejika_card_model::card::UID_LEN;

use super::all_rows::{FINGERPRINT, SortedRows};
use crate::exit::{Failure, Outcome};

/// Version of the tables.
const VERSION: u64 = 1;

/// Memory for pages, in bytes.
const CACHE: usize = 96 << 20;

/// Most findings of one check; more are counted by the last one.
const MAX_FINDINGS: usize = 100_000;

/// What the file is, and its version.
const ABOUT: TableDefinition<'_, &str, u64> = TableDefinition::new("xuejika-batch-history");
/// Accepted batches by their number in the store, as JSON.
const BATCHES: TableDefinition<'_, u32, &str> = TableDefinition::new("batches");
/// Batch numbers (批次号) and their numbers in the store.
const NUMBERS: TableDefinition<'_, &str, u32> = TableDefinition::new("numbers");
/// Everything that was done, as JSON.
const LOG: TableDefinition<'_, u64, &str> = TableDefinition::new("log");

/// A table of values of `N` bytes: batch in the upper half of the number, row in the lower.
type Values<const N: usize> = TableDefinition<'static, &'static [u8; N], u64>;
const SERIALS: Values<8> = TableDefinition::new("serials");
const UIDS: Values<UID_LEN> = TableDefinition::new("uids");
const KEYS: Values<FINGERPRINT> = TableDefinition::new("keys");

/// Name of the version in [`ABOUT`].
const SCHEMA: &str = "schema";

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
pub(crate) struct History {
    store: Store,
    path: String,
}

enum Store {
    Read(ReadOnlyDatabase),
    Write(Database),
}

impl History {
    /// Opens a history to look into it; others may look at the same time.
    pub(crate) fn look(path: &Path) -> Outcome<Self> {
        let name = path.display().to_string();
        let store = match ReadOnlyDatabase::open(path) {
            Ok(database) => Store::Read(database),
            // A writer was killed: whoever comes next repairs what it left.
            Err(DatabaseError::RepairAborted) => {
                Store::Write(builder().open(path).map_err(|error| open_failed(error, &name))?)
            }
            Err(error) => return Err(open_failed(error, &name)),
        };
        let history = Self { store, path: name };
        history.check_version()?;
        Ok(history)
    }

    /// Opens a history to add to it, and makes it if it is not there. Nobody else can open it.
    pub(crate) fn write(path: &Path) -> Outcome<Self> {
        let name = path.display().to_string();
        let database = builder().create(path).map_err(|error| open_failed(error, &name))?;
        let history = Self { store: Store::Write(database), path: name };
        history.prepare()?;
        history.check_version()?;
        Ok(history)
    }

    /// What the rows of a batch have in common with accepted batches.
    pub(crate) fn find(
        &self,
        batch: &str,
        sha256: &str,
        rows: &SortedRows,
    ) -> Outcome<Vec<Finding>> {
        self.checked(|| {
            let read = self.read()?;
            let mut findings = Vec::new();
            let own = read.open_table(NUMBERS)?.get(batch)?.map(|id| id.value());
            if let Some(id) = own {
                let entry = entry(&read, id)?;
                let found = format!("accepted {}", entry.time);
                let finding = Finding::new(Check::HistoryBatch, "a new batch", found);
                findings.push(finding.field("batch.number"));
                // All its rows are there, which is one fault.
                if entry.sha256 == sha256 {
                    return Ok(findings);
                }
            }
            let before = findings.len();
            let mut look = Look { read: &read, own, findings: &mut findings };
            look.table(SERIALS, &rows.serials, (Check::HistorySerial, "serial"))?;
            look.table(UIDS, &rows.uids, (Check::HistoryUid, "uid"))?;
            look.table(KEYS, &rows.fingerprints, (Check::HistoryKeys, "kcv_k0 kcv_k1 kcv_k2"))?;
            leave_out_same_cards(&mut findings);
            rows.name_cards(findings.get_mut(before..).unwrap_or_default());
            findings.sort_by_key(|finding| finding.place);
            Ok(findings)
        })
    }

    /// Adds a batch, in one transaction.
    pub(crate) fn accept(&self, entry: &Entry, rows: &SortedRows) -> Outcome<()> {
        let act = Act {
            time: entry.time.clone(),
            act: "accepted".to_owned(),
            batch: entry.batch.clone(),
            rows: entry.rows,
            findings: None,
            by: entry.by.clone(),
            reason: None,
        };
        self.transaction(|write| {
            let id = {
                let mut batches = write.open_table(BATCHES)?;
                let id = batches.last()?.map_or(1, |(id, _)| id.value() + 1);
                batches.insert(id, serde_json::to_string(entry)?.as_str())?;
                write.open_table(NUMBERS)?.insert(entry.batch.as_str(), id)?;
                id
            };
            insert(write, SERIALS, id, &rows.serials)?;
            insert(write, UIDS, id, &rows.uids)?;
            insert(write, KEYS, id, &rows.fingerprints)?;
            log(write, &act)
        })
    }

    /// Takes a batch out again, in one transaction. False if it was never accepted.
    pub(crate) fn undo(&self, act: &Act) -> Outcome<bool> {
        let mut known = false;
        self.transaction(|write| {
            let id = {
                let mut numbers = write.open_table(NUMBERS)?;
                numbers.remove(act.batch.as_str())?.map(|id| id.value())
            };
            let Some(id) = id else { return Ok(()) };
            known = true;
            let rows = {
                let mut batches = write.open_table(BATCHES)?;
                batches.remove(id)?.map(|entry| rows_of(entry.value()))
            };
            remove(write, SERIALS, id)?;
            remove(write, UIDS, id)?;
            remove(write, KEYS, id)?;
            log(write, &Act { rows: rows.unwrap_or_default(), ..act.clone() })
        })?;
        Ok(known)
    }

    /// Notes an act that changes nothing else.
    pub(crate) fn note(&self, act: &Act) -> Outcome<()> {
        self.transaction(|write| log(write, act))
    }

    /// The accepted batches, oldest first.
    pub(crate) fn batches(&self) -> Outcome<Vec<Entry>> {
        self.checked(|| {
            let table = self.read()?.open_table(BATCHES)?;
            table.iter()?.map(|entry| Ok(serde_json::from_str(entry?.1.value())?)).collect()
        })
    }

    /// What was done, oldest first.
    pub(crate) fn acts(&self) -> Outcome<Vec<Act>> {
        self.checked(|| {
            let table = self.read()?.open_table(LOG)?;
            table.iter()?.map(|act| Ok(serde_json::from_str(act?.1.value())?)).collect()
        })
    }

    fn read(&self) -> anyhow::Result<ReadTransaction> {
        Ok(match &self.store {
            Store::Read(database) => database.begin_read()?,
            Store::Write(database) => database.begin_read()?,
        })
    }

    /// Makes the tables of a new file.
    fn prepare(&self) -> Outcome<()> {
        let is_new = self.checked(|| Ok(self.read()?.list_tables()?.next().is_none()))?;
        if !is_new {
            return Ok(());
        }
        self.transaction(|write| {
            write.open_table(ABOUT)?.insert(SCHEMA, VERSION)?;
            write.open_table(BATCHES)?;
            write.open_table(NUMBERS)?;
            write.open_table(LOG)?;
            write.open_table(SERIALS)?;
            write.open_table(UIDS)?;
            write.open_table(KEYS)?;
            Ok(())
        })
    }

    fn check_version(&self) -> Outcome<()> {
        let version = || -> anyhow::Result<Option<u64>> {
            let table = self.read()?.open_table(ABOUT)?;
            Ok(table.get(SCHEMA)?.map(|version| version.value()))
        };
        match version() {
            Ok(Some(VERSION)) => Ok(()),
            Ok(Some(version)) => {
                let error = anyhow!("schema {version} is not supported, expected {VERSION}");
                Err(Failure::usage(error.context(self.path.clone())))
            }
            _ => Err(Failure::usage(anyhow!("{}: is no history of batches", self.path))),
        }
    }

    /// Does something in one transaction: all of it or nothing.
    fn transaction(
        &self,
        act: impl FnOnce(&WriteTransaction) -> anyhow::Result<()>,
    ) -> Outcome<()> {
        let Store::Write(database) = &self.store else {
            return Err(Failure::device(anyhow!("{}: is open to be read", self.path)));
        };
        self.checked(|| {
            let write = database.begin_write()?;
            act(&write)?;
            Ok(write.commit()?)
        })
    }

    fn checked<T>(&self, work: impl FnOnce() -> anyhow::Result<T>) -> Outcome<T> {
        let failed = || format!("{}: the history is as it was before", self.path);
        work().with_context(failed).map_err(Failure::device)
    }
}

fn builder() -> redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE);
    builder
}

fn open_failed(error: DatabaseError, path: &str) -> Failure {
    let about = |error: anyhow::Error| error.context(path.to_owned());
    match error {
        DatabaseError::DatabaseAlreadyOpen => {
            Failure::device(anyhow!("{path}: another process has the history open"))
        }
        DatabaseError::Storage(StorageError::Io(error)) => match error.kind() {
            std::io::ErrorKind::NotFound
            | std::io::ErrorKind::PermissionDenied
            | std::io::ErrorKind::IsADirectory
            | std::io::ErrorKind::InvalidData => Failure::usage(about(error.into())),
            _ => Failure::device(about(error.into())),
        },
        error => Failure::usage(about(anyhow::Error::from(error))),
    }
}

fn entry(read: &ReadTransaction, id: u32) -> anyhow::Result<Entry> {
    let table = read.open_table(BATCHES)?;
    let text = table.get(id)?.context("a batch without an entry")?;
    Ok(serde_json::from_str(text.value())?)
}

fn rows_of(entry: &str) -> u32 {
    serde_json::from_str::<Entry>(entry).map_or(0, |entry| entry.rows)
}

fn log(write: &WriteTransaction, act: &Act) -> anyhow::Result<()> {
    let mut table = write.open_table(LOG)?;
    let next = table.last()?.map_or(1, |(number, _)| number.value() + 1);
    table.insert(next, serde_json::to_string(act)?.as_str())?;
    Ok(())
}

/// A serial that was accepted before is one fault; its keys follow from it.
fn leave_out_same_cards(findings: &mut Vec<Finding>) {
    let of_serial = |finding: &&Finding| finding.check == Check::HistorySerial;
    let rows: BTreeSet<Option<u32>> =
        findings.iter().filter(of_serial).map(|finding| finding.place.row).collect();
    findings.retain(|finding| {
        finding.check != Check::HistoryKeys || !rows.contains(&finding.place.row)
    });
}

const fn place(id: u32, row: u32) -> u64 {
    (id as u64) << 32 | row as u64
}

#[allow(clippy::cast_possible_truncation, reason = "the two halves of the number")]
const fn halves(place: u64) -> (u32, u32) {
    ((place >> 32) as u32, place as u32)
}

/// Adds values in their order, which is the fastest one.
fn insert<const N: usize>(
    write: &WriteTransaction,
    table: Values<N>,
    id: u32,
    values: &Sorted<N>,
) -> anyhow::Result<()> {
    let mut table = write.open_table(table)?;
    for (value, row) in values.entries() {
        table.insert(value, place(id, *row))?;
    }
    Ok(())
}

fn remove<const N: usize>(
    write: &WriteTransaction,
    table: Values<N>,
    id: u32,
) -> anyhow::Result<()> {
    let mut table = write.open_table(table)?;
    let mut values: Vec<[u8; N]> = Vec::new();
    for entry in table.iter()? {
        let (value, place) = entry?;
        if halves(place.value()).0 == id {
            values.push(*value.value());
        }
    }
    // One by one: pages that fall free are used again.
    for value in &values {
        table.remove(value)?;
    }
    Ok(())
}

/// Looks values up.
struct Look<'a> {
    read: &'a ReadTransaction,
    /// The batch itself, which was accepted before with other rows.
    own: Option<u32>,
    findings: &'a mut Vec<Finding>,
}

impl Look<'_> {
    fn table<const N: usize>(
        &mut self,
        table: Values<N>,
        values: &Sorted<N>,
        (check, field): (Check, &'static str),
    ) -> anyhow::Result<()> {
        let table = self.read.open_table(table)?;
        if table.is_empty()? {
            return Ok(());
        }
        let before = self.findings.len();
        for (value, row) in values.entries() {
            let Some(place) = table.get(value)? else { continue };
            let (id, other) = halves(place.value());
            if self.own == Some(id) {
                continue;
            }
            if self.findings.len() - before == MAX_FINDINGS {
                break;
            }
            let found = format!("batch {} row {other}", entry(self.read, id)?.batch);
            let finding = Finding::new(check, "no accepted batch has it", found);
            self.findings.push(finding.field(field).at(Place::row(*row)));
        }
        Ok(())
    }
}
