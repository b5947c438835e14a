//! What a list says about one card.

use super::entry::{Entry, Kind};
use crate::calendar::LIST_DAYS;
use crate::date::Date;

/// What a list says about one card: for each kind the earliest effect of any unit's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Standing {
    /// Reported lost (挂失).
    pub loss: Option<Effect>,
    /// Frozen (冻结).
    pub freeze: Option<Effect>,
    /// Replaced by another card (已补卡).
    pub replaced: Option<Effect>,
}

/// Since when an entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// On the day the list was issued, and from then on.
    InForce,
    /// From this day, after the list was issued.
    From(Date),
}

/// What a list says about one card, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Day the list was issued.
    pub issued: Date,
    /// What it says.
    pub standing: Standing,
}

impl Listing {
    /// Returns how many days old the list is; negative for a list issued after `today`.
    #[must_use]
    pub fn age(&self, today: Date) -> i32 {
        self.issued.days_until(today)
    }

    /// Tells whether a newer list should be there: lists are sent every day (操作规程 二/六).
    #[must_use]
    pub fn is_stale(&self, today: Date) -> bool {
        self.age(today) > LIST_DAYS
    }
}

impl Standing {
    /// Takes up one more effect; the earliest of a kind counts.
    pub(super) fn with(mut self, kind: Kind, effect: Effect) -> Self {
        let place = match kind {
            Kind::Loss => &mut self.loss,
            Kind::Freeze => &mut self.freeze,
            Kind::Replaced => &mut self.replaced,
        };
        *place = Some(place.map_or(effect, |before| before.min(effect)));
        self
    }
}

impl Effect {
    /// Since when an entry holds, seen from the day its list was issued.
    pub(super) fn of(entry: &Entry, issued: Date) -> Self {
        if entry.effective() <= issued { Self::InForce } else { Self::From(entry.effective()) }
    }

    /// Tells whether the entry holds on a day.
    #[must_use]
    pub fn holds(self, today: Date) -> bool {
        match self {
            Self::InForce => true,
            Self::From(day) => day <= today,
        }
    }
}
