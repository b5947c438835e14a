//! Scenarios as files: the shipped ones, and reading one with complaints that name its line.

use std::path::Path;

use anyhow::{Context, anyhow, ensure};
use xuejika_card_model::ident::Districts;
use xuejika_card_model::pupil::PupilDraft;

use super::expectation::plain;
use super::script::Script;
use crate::districts;
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
    "35-listed-cards-refused",
    "36-temporary-card-limits",
    "37-clock-behind-the-card",
    "38-stock-that-is-listed",
    "39-last-good-day",
    "40-one-card",
    "41-uploads",
    "42-class-and-grade",
    "43-number-and-district",
    "44-allocation",
    "45-stock",
    "46-library-and-canteen",
    "47-district-application",
    "48-initialised-by-the-city",
    "49-cut-wallet",
    "50-reports-of-others",
    "51-fault-sheet",
    "52-passed-on-in-time",
    "53-uploaded-within-a-month",
    "54-own-holidays",
    "55-keys-are-the-citys",
    "56-seen-in-another-district",
    "57-found-again",
    "58-leavers",
    "59-what-a-replacement-costs",
    "60-suspended-and-away",
    "61-guest-pupils",
    "62-spring-term",
    "63-wallet-in-every-state",
    "64-to-the-next-stage",
    "65-broken-on-the-way",
    "66-the-citys-application",
    "67-cut-in-every-event",
    "68-sm4-cards",
    "69-inspected-one-by-one",
    "70-lost-and-frozen",
    "71-validity-ends",
    "72-corrected-at-the-source",
    "73-no-term-ahead",
    "74-listed-at-the-school",
    "75-temporary-needs-a-loss",
    "76-new-stage-new-number",
    "77-no-fault-found",
    "78-numbers-agree",
    "79-one-card-a-pupil",
    "80-written-by-its-owner",
    "81-sectors-of-the-old-district",
    "82-dates-that-cannot-be",
    "83-clock-behind-the-card",
    "84-campus-applications",
    "85-two-lists-at-a-reader",
    "86-corrected-is-not-registered",
    "87-broken-cards-make-room",
    "88-temporary-for-its-own-pupil",
    "89-found-in-order-in-every-state",
    "90-without-the-card-to-senior-school",
    "91-there-and-back-again",
    "92-personalised-before-it-is-valid",
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

    /// The table of districts, with those of the file.
    pub(super) fn districts(&self, script: &Script) -> anyhow::Result<Districts> {
        districts::table(&script.districts, |at| self.place(at))
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
