//! What the list commands print.

use core::fmt;
use std::path::Path;

use serde::Serialize;
use xuejika_card_model::code::Reason;
use xuejika_card_model::list::{Disagreement, Entry, Kind};

use super::files::AnyList;
use crate::shown::{Lines, Show};

/// What a file is.
#[derive(Debug, Serialize)]
pub(super) struct FileReport {
    operation: &'static str,
    file: String,
    form: &'static str,
    scope: String,
    version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<u32>,
    issued: String,
    entries: usize,
    loss: usize,
    freeze: usize,
    replaced: usize,
    withdrawn: usize,
}

impl FileReport {
    pub(super) fn new(operation: &'static str, file: &Path, list: &AnyList) -> Self {
        let (edition, entries) = (list.edition(), list.entries());
        let listed = |kind: Kind| {
            let listed = |entry: &&Entry| entry.kind() == kind && entry.withdrawn().is_none();
            entries.iter().filter(listed).count()
        };
        Self {
            operation,
            file: file.display().to_string(),
            form: list.form().english(),
            of: list.of().map(|of| of.to_string()),
            scope: edition.scope.to_string(),
            version: edition.version,
            base: list.base(),
            issued: edition.issued.to_string(),
            entries: entries.len(),
            loss: listed(Kind::Loss),
            freeze: listed(Kind::Freeze),
            replaced: listed(Kind::Replaced),
            withdrawn: entries.iter().filter(|entry| entry.withdrawn().is_some()).count(),
        }
    }
}

impl Show for FileReport {
    fn show(&self, to: &mut Lines) {
        let Self { file, form, scope, version, issued, .. } = self;
        let base = self.base.map(|base| format!(" from {base}")).unwrap_or_default();
        let of = self.of.as_ref().map(|of| format!(", taken from the list of {of}"));
        let of = of.unwrap_or_default();
        to.line(format_args!(
            "{file}: {form} list of unit {scope}, version {version}{base}{of}, issued {issued}"
        ));
        let Self { entries, loss, freeze, replaced, withdrawn, .. } = self;
        to.line(format_args!(
            "  {entries} entries: loss 挂失 {loss}, freeze 冻结 {freeze}, \
             replaced 补卡 {replaced}, withdrawn 解挂解冻 {withdrawn}"
        ));
    }
}

/// One entry.
#[derive(Debug, Serialize)]
pub(super) struct EntryReport {
    card: String,
    kind: &'static str,
    #[serde(skip)]
    chinese: &'static str,
    unit: String,
    reported: String,
    effective: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<u8>,
}

impl From<&Entry> for EntryReport {
    fn from(entry: &Entry) -> Self {
        Self {
            card: entry.serial().to_string(),
            kind: entry.kind().english(),
            chinese: entry.kind().chinese(),
            unit: entry.unit().to_string(),
            reported: entry.reported().to_string(),
            effective: entry.effective().to_string(),
            reason: entry.reason().map(Reason::english),
            withdrawn: entry.withdrawn().map(|at| at.to_string()),
            generation: entry.generation(),
        }
    }
}

impl fmt::Display for EntryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { card, kind, chinese, unit, reported, effective, reason, .. } = self;
        write!(
            f,
            "{card} {kind} {chinese}, unit {unit}, reported {reported}, effective {effective}"
        )?;
        if let Some(reason) = reason {
            write!(f, ", {reason}")?;
        }
        if let Some(generation) = self.generation {
            write!(f, ", generation {generation}")?;
        }
        self.withdrawn.as_ref().map_or(Ok(()), |at| write!(f, ", withdrawn {at}"))
    }
}

/// Something about a list that somebody should look into.
#[derive(Debug, Serialize)]
pub(super) struct FindingReport {
    pub(super) file: String,
    pub(super) finding: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) card: Option<String>,
    pub(super) detail: String,
}

impl FindingReport {
    /// Units that do not agree about a card.
    pub(super) fn new(file: &Path, Disagreement { listed, withdrawn }: &Disagreement) -> Self {
        let (card, kind) = (listed.serial(), listed.kind().english());
        let at = withdrawn.withdrawn().map(|at| at.to_string()).unwrap_or_default();
        let detail = format!(
            "card {card}: {kind} reported by unit {} stands; unit {} withdrew its own at {at}",
            listed.unit(),
            withdrawn.unit(),
        );
        let (file, card) = (file.display().to_string(), Some(card.to_string()));
        Self { file, finding: "units-disagree", card, detail }
    }
}

impl fmt::Display for FindingReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.file, self.finding, self.detail)
    }
}
