//! Scenarios as files: the shipped ones, and reading one with complaints that name its line.

use std::path::Path;

use anyhow::{Context, anyhow, ensure};
use xuejika_card_model::pupil::PupilDraft;

use super::script::{Script, plain};
use crate::input::{self, MAX_TEXT};

/// A scenario and where it comes from.
#[derive(Debug)]
pub(super) struct Source {
    /// Short name: that of the file without its ending.
    pub(super) name: String,
    /// The file, for complaints.
    pub(super) file: String,
    text: String,
}

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        /// The scenarios that come with the program.
        const SHIPPED: &[(&str, &str)] =
            &[$(($name, include_str!(concat!("../../scenarios/", $name, ".toml")))),+];
    };
}

shipped!(
    "01-batch-check",
    "02-first-personalisation",
    "03-no-printed-card",
    "04-torn-personalisation",
    "05-locked-reader",
    "06-foreign-key-system",
    "07-registration",
    "08-other-school-registers",
    "09-loss-takes-effect",
    "10-replacement-period",
    "11-replaced-card",
    "12-temporary-card",
    "13-freeze",
    "14-transfer",
    "15-same-school-promotion",
    "16-wrong-school",
    "17-lost-in-transfer",
    "18-leaver",
    "19-extension-sectors",
    "20-recall",
    "21-cancelled",
    "22-wallet-independent",
    "23-rare-characters",
    "24-student-numbers",
    "25-colours",
    "26-lists",
    "27-sector-card",
    "28-transit-readers",
    "29-status-copies",
    "30-forged-card",
    "31-reports-hold",
    "32-next-pupil-not-listed",
    "33-broken-before-handout",
    "34-year-without-table",
    "46-library-and-canteen",
    "47-district-application",
    "career",
);

impl Source {
    /// The scenarios that come with the program.
    pub(super) fn shipped() -> Vec<Self> {
        let source = |(name, text): &(&str, &str)| Self {
            name: (*name).to_owned(),
            file: format!("{name}.toml"),
            text: (*text).to_owned(),
        };
        SHIPPED.iter().map(source).collect()
    }

    /// Reads a file.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let file = path.display().to_string();
        let text = input::text(path, MAX_TEXT)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, file, text })
    }

    /// What it says.
    pub(super) fn script(&self) -> anyhow::Result<Script> {
        let script: Script = toml::from_str(&self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            anyhow!("{}: {}", self.place(at), error.message())
        })?;
        ensure!(!script.articles.is_empty(), "{}: names no article", self.file);
        Ok(script)
    }

    /// File and line of a byte of it.
    pub(super) fn place(&self, at: usize) -> String {
        format!("{}:{}", self.file, self.line(at))
    }

    /// Line of a byte of it.
    pub(super) fn line(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count()
    }

    /// A pupil's data as given.
    pub(super) fn draft(&self, script: &Script, name: &str) -> anyhow::Result<PupilDraft> {
        let given =
            script.pupils.get(name).with_context(|| format!("there is no pupil {name:?}"))?;
        let place = || self.place(given.span().start);
        let mut table = given.get_ref().clone();
        if let Some(like) = table.remove("like") {
            let like = like.as_str().and_then(|like| script.pupils.get(like));
            let like =
                like.with_context(|| format!("{}: like: there is no such pupil", place()))?;
            for (field, value) in like.get_ref() {
                table.entry(field).or_insert_with(|| value.clone());
            }
            ensure!(!table.contains_key("like"), "{}: like: that pupil is like another", place());
        }
        for (field, value) in &mut table {
            let text = plain(value);
            *value = toml::Value::String(text.with_context(|| format!("{}: {field}", place()))?);
        }
        table
            .try_into()
            .map_err(|error: toml::de::Error| anyhow!("{}: {}", place(), error.message()))
    }
}
