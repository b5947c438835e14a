//! The frozen list of cases: which run, which do not apply and why.

use serde::{Deserialize, Serialize};

use super::case::{Case, Kind, Suite};
use super::glob::glob;
use super::hash::Hash;
use super::ics::Ics;

/// The only version of the format.
const SCHEMA: u32 = 1;

/// A plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Version of the format.
    pub schema: u32,
    /// Version of the program that made it.
    pub version: String,
    /// Statement of the card it was made for.
    pub ics: Hash,
    /// Case files it was made from.
    pub suite: Hash,
    /// Program that made it.
    pub program: Option<Hash>,
    /// The cases, in the order of the suite.
    pub cases: Vec<Planned>,
}

/// A case of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// Its id, with the labels of its parameters.
    pub id: String,
    /// What becomes of it.
    #[serde(flatten)]
    pub decision: Decision,
}

/// What becomes of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "kebab-case")]
pub enum Decision {
    /// It runs.
    Run,
    /// It is not for this card or this run.
    NotApplicable {
        /// Why.
        reason: String,
    },
}

/// What a plan is made for.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// What the road to the card can do.
    pub abilities: &'a [&'a str],
    /// Kinds of cards at its end.
    pub kinds: &'a [Kind],
    /// Whether each case gets a card that no case before has changed.
    pub renews: bool,
    /// Whether cards may be spoilt for good.
    pub destructive: bool,
    /// Only cases whose id fits this pattern.
    pub filter: Option<&'a str>,
}

/// Why a plan cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Another version of the format.
    #[error("plan of schema {0}, expected {SCHEMA}")]
    Schema(u32),
    /// It was made for another card.
    #[error("the plan was made for the statement with SHA-256 {planned}, this one has {given}")]
    Ics {
        /// In the plan.
        planned: Hash,
        /// Of the statement given.
        given: Hash,
    },
    /// It was made from other cases.
    #[error("the plan was made from the suite with SHA-256 {planned}, this one has {given}")]
    Suite {
        /// In the plan.
        planned: Hash,
        /// Of the suite at hand.
        given: Hash,
    },
}

impl Plan {
    /// Decides about every case of the suite that the filter lets through.
    #[must_use]
    pub fn new(
        suite: &Suite,
        ics: &Ics,
        scope: &Scope<'_>,
        version: &str,
        program: Option<Hash>,
    ) -> Self {
        let cases = suite
            .variants()
            .filter(|(_, variant)| scope.filter.is_none_or(|filter| glob(filter, &variant.id)))
            .map(|(case, variant)| Planned {
                id: variant.id.clone(),
                decision: match obstacle(case, ics, scope) {
                    None => Decision::Run,
                    Some(reason) => Decision::NotApplicable { reason },
                },
            })
            .collect();
        let version = version.to_owned();
        Self { schema: SCHEMA, version, ics: ics.hash, suite: suite.hash, program, cases }
    }

    /// Checks that the plan was made for this statement and this suite.
    ///
    /// # Errors
    /// Returns a [`PlanError`] naming what differs.
    pub fn check(&self, suite: &Suite, ics: &Ics) -> Result<(), PlanError> {
        if self.schema != SCHEMA {
            return Err(PlanError::Schema(self.schema));
        }
        if self.ics != ics.hash {
            return Err(PlanError::Ics { planned: self.ics, given: ics.hash });
        }
        if self.suite != suite.hash {
            return Err(PlanError::Suite { planned: self.suite, given: suite.hash });
        }
        Ok(())
    }
}

/// Why a case does not run, `None` when it does.
fn obstacle(case: &Case, ics: &Ics, scope: &Scope<'_>) -> Option<String> {
    if !ics.kinds.contains(&case.card) {
        return Some(format!("the statement names no {} card", case.card.name()));
    }
    if !scope.kinds.contains(&case.card) {
        return Some(format!("the target has no {} card", case.card.name()));
    }
    if let Some(reason) =
        case.requires.iter().find_map(|condition| ics.lacks(condition, scope.abilities))
    {
        return Some(reason);
    }
    if case.destructive && !scope.destructive {
        return Some("the card is spoilt for good; runs with --allow-destructive".to_owned());
    }
    if case.changes && !scope.renews && !scope.destructive {
        return Some("the card is changed, and the target has one card for all cases".to_owned());
    }
    None
}
