//! The data of the hand-over note (交接单): what both sides sign for. Layout project-defined.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::Manifest;
use crate::report::Verdict;

/// Version of the layout.
const VERSION: u32 = 1;

/// The note.
#[derive(Clone, Debug, Serialize)]
pub struct Note {
    schema: u32,
    /// Batch number.
    pub batch: String,
    /// Vendor.
    pub vendor: String,
    /// Card profile.
    pub profile: String,
    /// `accepted` or `refused`.
    pub verdict: &'static str,
    /// Findings that refuse the batch.
    pub errors: u64,
    /// Findings that do not.
    pub warnings: u64,
    /// Rows, good and scrap cards as counted.
    pub rows: u32,
    /// Good cards.
    pub good: u32,
    /// Scrap cards.
    pub scrap: u32,
    /// Number of boxes.
    pub boxes: usize,
    /// First and last serial of each range.
    pub serials: Vec<(String, String)>,
    /// The files.
    pub files: Vec<NoteFile>,
    /// Key-set version.
    pub key_version: u32,
    /// Check value of each root.
    pub root_kcv: BTreeMap<String, String>,
    /// When the batch was accepted, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<String>,
    /// Who accepted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What made the note.
    pub program: &'static str,
}

/// A file of the batch.
#[derive(Clone, Debug, Serialize)]
pub struct NoteFile {
    /// Name.
    pub name: String,
    /// Length in bytes.
    pub bytes: u64,
    /// SHA-256.
    pub sha256: String,
}

impl Note {
    /// The note of a checked batch.
    #[must_use]
    pub fn new(
        manifest: &Manifest,
        verdict: &Verdict,
        signed: Option<(&str, Option<&str>)>,
    ) -> Self {
        let range = |range: &crate::manifest::Range| (range.first.clone(), range.last.clone());
        let files = manifest.files.iter().map(|file| NoteFile {
            name: file.name.clone(),
            bytes: file.bytes,
            sha256: file.sha256.clone(),
        });
        Self {
            schema: VERSION,
            batch: manifest.batch.number.clone(),
            vendor: manifest.batch.vendor.clone(),
            profile: manifest.batch.profile.clone(),
            verdict: verdict.verdict,
            errors: verdict.errors,
            warnings: verdict.warnings,
            rows: verdict.rows,
            good: verdict.good,
            scrap: verdict.scrap,
            boxes: manifest.boxes.len(),
            serials: manifest.serials.iter().map(range).collect(),
            files: files.collect(),
            key_version: manifest.keys.version,
            root_kcv: manifest.keys.root_kcv.clone(),
            accepted: signed.map(|(time, _)| time.to_owned()),
            by: signed.and_then(|(_, by)| by).map(str::to_owned),
            program: concat!("xuejika ", env!("CARGO_PKG_VERSION")),
        }
    }
}
