//! What the commands about uploads print.

use core::fmt;
use std::collections::BTreeSet;
use std::path::Path;

use serde::{Serialize, Serializer};
use xuejika_card_model::desk::{Finding, PersonalisationUpload, Uploads};
use xuejika_card_model::ident::CardSerial;

/// What a file is.
#[derive(Debug, Serialize)]
pub(super) struct FileReport {
    operation: &'static str,
    file: String,
    scope: String,
    version: u32,
    issued: String,
    records: usize,
    cards: usize,
}

impl FileReport {
    pub(super) fn new(operation: &'static str, file: &Path, uploads: &Uploads) -> Self {
        let (edition, records) = (uploads.edition(), uploads.entries());
        let cards: BTreeSet<_> = records.iter().map(|record| record.card_serial).collect();
        Self {
            operation,
            file: file.display().to_string(),
            scope: edition.scope.to_string(),
            version: edition.version,
            issued: edition.issued.to_string(),
            records: records.len(),
            cards: cards.len(),
        }
    }
}

impl fmt::Display for FileReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, scope, version, issued, records, cards, .. } = self;
        write!(
            f,
            "{file}: uploads of unit {scope}, version {version}, issued {issued}: \
             {records} personalisations 个人化 of {cards} cards"
        )
    }
}

/// One record.
#[derive(Debug)]
pub(super) struct RecordReport<'a>(pub(super) &'a PersonalisationUpload);

impl Serialize for RecordReport<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl fmt::Display for RecordReport<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PersonalisationUpload { card_serial, generation, student_number, name, .. } = self.0;
        let PersonalisationUpload { personalised_on, personalised_by, count, .. } = self.0;
        write!(
            f,
            "{card_serial} generation {generation}: {student_number} {name}, personalised \
             {personalised_on} by {personalised_by}, time {count}"
        )?;
        if self.0.temporary {
            write!(f, ", temporary 临时卡")?;
        }
        if let Some(lost) = self.0.lost_card {
            write!(f, " for {lost}")?;
        }
        self.0.ended_on.map_or(Ok(()), |on| write!(f, ", ended 停用 {on}"))
    }
}

/// Something about a file that somebody should look into.
#[derive(Debug, Serialize)]
pub(super) struct FindingReport {
    file: String,
    finding: &'static str,
    article: Option<&'static str>,
    card: Option<String>,
    detail: String,
}

impl FindingReport {
    pub(super) fn new(file: &Path, card: CardSerial, finding: &Finding) -> Self {
        Self {
            article: Some(finding.article()),
            card: Some(card.to_string()),
            ..Self::of_file(file, finding.name(), finding.to_string())
        }
    }

    /// A finding about no card.
    pub(super) fn of_file(file: &Path, finding: &'static str, detail: String) -> Self {
        Self { file: file.display().to_string(), finding, article: None, card: None, detail }
    }
}

impl fmt::Display for FindingReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, finding, detail, .. } = self;
        write!(f, "{file}: {finding}: ")?;
        if let Some(card) = &self.card {
            write!(f, "card {card}: ")?;
        }
        write!(f, "{detail}")?;
        self.article.map_or(Ok(()), |article| write!(f, " ({article})"))
    }
}
