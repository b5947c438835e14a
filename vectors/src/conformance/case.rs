//! Case files: TOML to cases, with each slip named by file and line.
//!
//! `docs/schema/conformance-case.v1.schema.json` describes the format, `docs/conformance.md` explains
//! it. Files of one suite share their fixtures and values. A case with variants is one case for each
//! combination of its parameters, which replace `{parameter}` wherever it stands.

mod raw;
mod suite;

pub use suite::Suite;

use super::ics::Condition;
use super::step::Step;

/// A rule of the card profile, and how to see whether a card keeps it.
#[derive(Clone, Debug)]
pub struct Case {
    /// `<AREA>-<UNIT>-<NNN>`, never used again for another case.
    pub id: String,
    /// Title in English.
    pub title: String,
    /// Title in Chinese (中文).
    pub title_zh: String,
    /// What is to be shown.
    pub purpose: String,
    /// Sections of `docs/card-profile.md`, and the standard or article they rest on.
    pub clause: Vec<String>,
    /// What the card has to claim for the case to apply.
    pub requires: Vec<Condition>,
    /// The kind of card.
    pub card: Kind,
    /// Whether it shows what the card does or what it refuses.
    pub class: Class,
    /// Whether the card is another one afterwards.
    pub changes: bool,
    /// Whether the card cannot be brought back.
    pub destructive: bool,
    /// One for each combination of the parameters.
    pub variants: Vec<Variant>,
}

/// A case with its parameters filled in.
#[derive(Clone, Debug)]
pub struct Variant {
    /// The case's id, and the labels of its parameters in brackets.
    pub id: String,
    /// Preconditions: if they fail, the case says nothing.
    pub(super) given: Vec<Step>,
    /// The case itself.
    pub(super) steps: Vec<Step>,
    /// Postconditions.
    pub(super) after: Vec<Step>,
}

/// Kinds of cards.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize, serde::Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Student-record card (学籍卡).
    Student,
    /// Management card (管理卡).
    Management,
    /// Purchase SAM of a terminal (终端安全模块).
    Psam,
    /// SAM of a reader (SAM卡).
    Sam,
    /// SAM whose management card grants K1 alone, from version 02 on.
    Limited,
    /// Student-record card near its end: the counters of its wallet stand at FFFE, and one copy of
    /// its status record cannot be read.
    Worn,
    /// Student-record card that is broken: neither copy of its status record, nor K3 of the education
    /// zone, nor the balance can be read, and its memory takes no change.
    Damaged,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Student,
        Self::Management,
        Self::Psam,
        Self::Sam,
        Self::Limited,
        Self::Worn,
        Self::Damaged,
    ];

    /// The word in case files and statements.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Student => "student",
            Self::Management => "management",
            Self::Psam => "psam",
            Self::Sam => "sam",
            Self::Limited => "limited",
            Self::Worn => "worn",
            Self::Damaged => "damaged",
        }
    }
}

/// What a case shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// That the card does what it must.
    Positive,
    /// That the card refuses what it must.
    Negative,
}
