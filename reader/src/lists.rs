//! The loss and freeze lists (挂失、冻结名单) that a reader holds.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use xuejika_card_model::calendar::{Holidays, temporary_card_until};
use xuejika_card_model::date::Date;
use xuejika_card_model::ident::{CardSerial, UnitCode};
use xuejika_card_model::list::{Bearer, ListError, Listing, Lookup};

use crate::error::Error;
use crate::student::CardContents;

/// The lists of a reader: of each unit's list, and of each part, the newest version it was given.
/// Lists are shared, not copied: a clone points to the same ones.
#[derive(Clone, Debug, Default)]
pub struct Lists(Vec<Arc<Lookup>>);

impl Lists {
    /// Takes a list into use, in the place of an earlier version of it.
    ///
    /// # Errors
    /// As [`Lookup::replaces`] for a list that may not take the place of the one held; that one stays.
    pub fn take(&mut self, list: impl Into<Arc<Lookup>>) -> Result<(), ListError> {
        let list = list.into();
        match self.0.iter_mut().find(|held| list.is_edition_of(held)) {
            Some(held) => {
                list.replaces(held)?;
                *held = list;
            }
            None => self.0.push(list),
        }
        Ok(())
    }

    /// Returns the lists, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = &Lookup> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Whether the reader holds none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns what each list says about a card with this bearer.
    #[must_use]
    pub fn listings(&self, card: CardSerial, bearer: &Bearer<'_>) -> Vec<Listing> {
        self.iter().map(|list| list.listing(card, bearer)).collect()
    }

    /// Returns what each list says about a card that was read: the `lists` of
    /// [`Circumstances`](xuejika_card_model::verdict::Circumstances).
    #[must_use]
    pub fn about(&self, contents: &CardContents) -> Vec<Listing> {
        let (issuance, units) = (&contents.issuance, contents.units());
        let bearer = Bearer { generation: issuance.generation, units: &units };
        self.listings(issuance.card_serial, &bearer)
    }

    /// Checks that a temporary card (临时卡) for a pupil of `unit` who has lost the card `lost` may be
    /// issued `today` and be valid to `until`: only while the loss stands, and no longer than a
    /// replacement may take (暂行办法 六(二), 操作规程 四/六).
    ///
    /// # Errors
    /// [`Error::NoLoss`], [`Error::TooLong`], or [`Error::Calendar`] beyond the calendar.
    pub fn admit_temporary(
        &self,
        lost: CardSerial,
        unit: UnitCode,
        until: Date,
        today: Date,
        holidays: &Holidays,
    ) -> Result<(), Error> {
        let refused = |why| Error::NoLoss { lost, why };
        let reported = self.loss_reported(lost, unit).map_err(refused)?;
        let last = temporary_card_until(reported, holidays)?;
        if today > last {
            return Err(refused(NoLoss::Over { reported, last }));
        }
        if until > last {
            return Err(Error::TooLong { until, last, reported });
        }
        Ok(())
    }

    /// The first report of a loss that stands, as any list has it.
    fn loss_reported(&self, lost: CardSerial, unit: UnitCode) -> Result<Date, NoLoss> {
        // The card is not there to tell its generation: a report about any of them counts.
        let bearer = Bearer { generation: 0, units: &[unit] };
        let replaced = |listing: &Listing| listing.standing.replaced.is_some();
        if self.listings(lost, &bearer).iter().any(replaced) {
            return Err(NoLoss::Replaced);
        }
        let newest = self.iter().map(|list| list.edition().issued.date).max();
        let newest = newest.ok_or(NoLoss::NoList)?;
        let reported = self.iter().filter_map(|list| list.loss_reported(lost, &bearer));
        reported.min().ok_or(NoLoss::NotListed { newest })
    }
}

/// Why there is no loss for which a temporary card could be issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoLoss {
    /// The reader holds no list.
    NoList,
    /// No list has a report of the loss that stands.
    NotListed {
        /// Day on which the newest list was issued.
        newest: Date,
    },
    /// The lost card is replaced: its pupil has a new one.
    Replaced,
    /// The card named as lost is the one that is to become the temporary card.
    SameCard,
    /// The loss is so old that its temporary card has ended.
    Over {
        /// Day of the report. Of an old one the lists tell no earlier day than
        /// [`TEMPORARY_CARD_DAYS`](xuejika_card_model::calendar::TEMPORARY_CARD_DAYS) before their
        /// issue.
        reported: Date,
        /// Last day of the temporary card.
        last: Date,
    },
}

impl fmt::Display for NoLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoList => f.write_str("expected its loss on a list, but the reader holds none"),
            Self::NotListed { newest } => write!(
                f,
                "expected a report of its loss that stands, but the reader's lists, the newest of \
                 {newest}, have none of this school or above it"
            ),
            Self::Replaced => {
                f.write_str("expected a card that is lost, but it is replaced already")
            }
            Self::SameCard => f.write_str("expected another card than the one in the reader"),
            Self::Over { reported, last } => write!(
                f,
                "its loss was reported by {reported}, and a temporary card for it ended on {last} \
                 at the latest"
            ),
        }
    }
}
