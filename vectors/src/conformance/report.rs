//! What became of each case, and with which files and program.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::case::{Class, Kind};
use super::hash::Hash;

/// The result of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The card does what the case asks.
    Pass,
    /// It does not.
    Fail,
    /// The card did not answer, or not with a response: nothing can be said.
    Inconclusive,
    /// The case is not for this card.
    NotApplicable,
    /// It fails, and that is known and tolerated for a time.
    Waived,
    /// What the case begins with could not be done.
    Blocked,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 6] = [
        Self::Pass,
        Self::Fail,
        Self::Inconclusive,
        Self::NotApplicable,
        Self::Waived,
        Self::Blocked,
    ];

    /// The verdict in words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Inconclusive => "inconclusive",
            Self::NotApplicable => "not applicable",
            Self::Waived => "waived",
            Self::Blocked => "blocked",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

/// What came of one case.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CaseReport {
    /// Its id, with the labels of its parameters.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its title in Chinese.
    pub title_zh: String,
    /// What is to be shown.
    pub purpose: String,
    /// Where the rule stands.
    pub clause: Vec<String>,
    /// What it shows.
    pub class: Class,
    /// The kind of card.
    pub card: Kind,
    /// What came of it.
    pub verdict: Verdict,
    /// Why, where it is no pass.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Line of the case file where it stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What went over the channel, in order.
    pub exchanges: Vec<Exchange>,
    /// Time it took, in microseconds.
    #[serde(default)]
    pub micros: u64,
}

/// A command, a reset or a change of power, and the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// What the step is for; empty when the case does not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// DF that was current before, as the runner knows it.
    pub df: String,
    /// What was done: `transmit`, `reset`, `power` or `cut`.
    pub kind: ExchangeKind,
    /// Bytes sent, hexadecimal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
    /// Bytes received, hexadecimal: response or ATR.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub response: String,
    /// Why there is no response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Lost>,
    /// Command and answer inside secure messaging, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain: Option<Plain>,
    /// Why the card refused, where it can be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What is inside secure messaging.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plain {
    /// The command.
    pub command: String,
    /// The answer, status word included; empty when it did not verify.
    pub response: String,
}

/// What an exchange did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExchangeKind {
    /// Sent a command.
    Transmit,
    /// Warm reset.
    Reset,
    /// Power off and on.
    Power,
    /// Had power go after some writes.
    Cut,
}

/// How an answer was lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Whether the card is gone, rather than talking nonsense or slow.
    pub removed: bool,
    /// In words.
    pub text: String,
}

/// The report of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// What it was made with.
    pub made_with: MadeWith,
    /// Serial of the student card.
    pub serial: String,
    /// The cases, in the order of the plan.
    pub cases: Vec<CaseReport>,
}

/// What a run was made with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeWith {
    /// The card, as it was named.
    pub target: String,
    /// Version of the program.
    pub version: String,
    /// Statement of the card.
    pub ics: Hash,
    /// Case files.
    pub suite: Hash,
    /// The plan.
    pub plan: Hash,
    /// The program's own file.
    pub program: Option<Hash>,
}

impl Report {
    /// How many cases have this verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.cases.iter().filter(|case| case.verdict == verdict).count()
    }
}
