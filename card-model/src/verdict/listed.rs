//! What the lists of a reader say about a card today: asked by the verdict, and by the operations of
//! a reader before they write.

use alloc::vec::Vec;

use super::reason::{Reason, Warning};
use crate::date::Date;
use crate::list::{Effect, Listing, Standing};

/// What lists say about a card on a day.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Listed {
    /// What is in force: of [`Reason::Replaced`], [`Reason::Lost`] and [`Reason::Frozen`] those that
    /// any list holds, in this order.
    pub reasons: Vec<Reason>,
    /// What takes effect later, and lists that are old or dated ahead.
    pub warnings: Vec<Warning>,
}

/// A kind of entry: where it stands, why it refuses a card, and what it says before its day.
type Row = (fn(&Standing) -> Option<Effect>, Reason, fn(Date) -> Warning);

/// In the order of the reasons (暂行办法 六(二), 操作规程 四/六).
const REASONS: [Row; 3] = [
    (|standing| standing.replaced, Reason::Replaced, Warning::ReplacementReported),
    (|standing| standing.loss, Reason::Lost, Warning::LossReported),
    (|standing| standing.freeze, Reason::Frozen, Warning::FreezeReported),
];

impl Listed {
    /// Joins what lists say, one listing for each: one that holds an entry is enough.
    #[must_use]
    pub fn new(lists: &[Listing], today: Date) -> Self {
        let holds = |effect: fn(&Standing) -> Option<Effect>| {
            let effects = lists.iter().filter_map(|listing| effect(&listing.standing));
            effects.into_iter().any(|effect| effect.holds(today))
        };
        let reasons = REASONS.iter().filter(|(effect, ..)| holds(*effect));
        let reasons = reasons.map(|(_, reason, _)| *reason).collect();
        let warnings = lists.iter().flat_map(|listing| warnings(listing, today)).collect();
        Self { reasons, warnings }
    }

    /// Returns why a card is refused: the first reason in force.
    #[must_use]
    pub fn refusal(&self) -> Option<Reason> {
        self.reasons.first().copied()
    }

    /// Returns everything as warnings, for whoever goes on all the same.
    #[must_use]
    pub fn notes(self) -> Vec<Warning> {
        let in_force = self.reasons.into_iter().map(Warning::Listed);
        in_force.chain(self.warnings).collect()
    }
}

/// What one list says that is not in force yet, and whether the list is of today.
fn warnings(listing: &Listing, today: Date) -> impl Iterator<Item = Warning> + '_ {
    let later =
        REASONS.iter().filter_map(move |(effect, _, warning)| match effect(&listing.standing) {
            Some(Effect::From(day)) if day > today => Some(warning(day)),
            _ => None,
        });
    let stale = listing.is_stale(today).then_some(Warning::StaleList(listing.issued));
    let ahead = (listing.age(today) < 0).then_some(Warning::ListAhead(listing.issued));
    later.chain(stale).chain(ahead)
}
