//! What a list says about one card.

use core::cmp::Reverse;

use super::entry::{Entry, Kind};
use crate::calendar::LIST_DAYS;
use crate::date::Date;
use crate::ident::UnitCode;

/// Whose card is presented: what decides which entries concern it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Bearer<'a> {
    /// How often the card was recalled and restocked (EF 05): an entry about an earlier holder does
    /// not concern this one.
    pub generation: u8,
    /// The pupil's school, and those the pupil came from with this card. A report counts when its unit
    /// is one of them or stands above one (操作规程 四/六: a school lists its own pupils' cards). Empty
    /// when nobody knows: every report counts.
    pub units: &'a [UnitCode],
}

/// What a list says about one card: for each kind the earliest effect of any unit's entry. The
/// default is that of a card that is not listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Standing {
    /// Reported lost (挂失).
    pub loss: Option<Effect>,
    /// Frozen (冻结).
    pub freeze: Option<Effect>,
    /// Replaced by another card (已补卡).
    pub replaced: Option<Effect>,
}

/// What one entry that was not withdrawn says of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark {
    pub(super) kind: Kind,
    pub(super) unit: UnitCode,
    pub(super) effect: Effect,
    /// Last generation that it concerns; `None` for all.
    pub(super) generation: Option<u8>,
    /// Day of the report of a loss for which a temporary card may still be in use.
    pub(super) reported: Option<Date>,
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

impl Mark {
    /// The mark of an entry in a list issued on a day; none of a withdrawn one. Of a report of or before
    /// `oldest` the day is not kept.
    pub(super) fn of(entry: &Entry, issued: Date, oldest: Date) -> Option<Self> {
        let effective = entry.effective();
        let effect = if effective <= issued { Effect::InForce } else { Effect::From(effective) };
        let (kind, unit, generation) = (entry.kind(), entry.unit(), entry.generation());
        let reported = Some(entry.reported().date);
        let reported = reported.filter(|day| kind == Kind::Loss && *day > oldest);
        let mark = Self { kind, unit, effect, generation, reported };
        entry.withdrawn().is_none().then_some(mark)
    }

    /// The day of the first report of a loss of the last holder of a card, as far as the marks concern
    /// `bearer`: the loss period counts from there.
    pub(super) fn loss_reported(
        marks: impl Iterator<Item = Self>,
        bearer: &Bearer<'_>,
        oldest: Date,
    ) -> Option<Date> {
        let losses = marks.filter(|mark| mark.kind == Kind::Loss);
        let concern = losses.filter(|mark| bearer.concerned(mark.unit, mark.generation));
        let reports = concern.map(|mark| (mark.generation, mark.reported.unwrap_or(oldest)));
        // The latest generation, none being all of them, and of its reports the earliest.
        reports
            .max_by_key(|(generation, day)| (generation.unwrap_or(u8::MAX), Reverse(*day)))
            .map(|(_, day)| day)
    }
}

impl Bearer<'_> {
    /// Whether an entry of this unit about this generation and those before concerns the bearer.
    fn concerned(&self, unit: UnitCode, last: Option<u8>) -> bool {
        let of_unit = self.units.is_empty() || self.units.iter().any(|own| unit.covers(*own));
        of_unit && last.is_none_or(|last| self.generation <= last)
    }
}

impl Standing {
    /// Joins what marks say of a card with this bearer; the earliest effect of a kind counts.
    pub(super) fn of(marks: impl Iterator<Item = Mark>, bearer: &Bearer<'_>) -> Self {
        let mut standing = Self::default();
        for mark in marks.filter(|mark| bearer.concerned(mark.unit, mark.generation)) {
            let place = match mark.kind {
                Kind::Loss => &mut standing.loss,
                Kind::Freeze => &mut standing.freeze,
                Kind::Replaced => &mut standing.replaced,
            };
            *place = Some(place.map_or(mark.effect, |before| before.min(mark.effect)));
        }
        standing
    }
}

impl Effect {
    /// Tells whether the entry holds on a day.
    #[must_use]
    pub fn holds(self, today: Date) -> bool {
        match self {
            Self::InForce => true,
            Self::From(day) => day <= today,
        }
    }
}
