//! Whose card it is, and which unit may do what to it.

use xuejika_keyscheme::KeyNumber;

use crate::card::{Card, CardError};
use crate::ident::UnitCode;
use crate::lifecycle::Event;
use crate::nvm::Nvm;
use crate::record::{Personalisation, Status, Transfer, TransferOperation};
use crate::state::LifeCycleState::{Blank, Frozen, Initialised};

/// The unit a card belongs to; a card of the stock belongs to none, a blank one to the city.
///
/// Only what was committed names it: the receiving school of a transfer in (`newest` is the newest
/// transfer record), or else the school that personalised the card (`personalised`). On a card with
/// neither it is the unit that brought it into its state: the one that is personalising it, or
/// recalled it. What stands in EF 07 and EF 08 may be half written and names nobody.
#[must_use]
pub fn owner(
    status: &Status,
    personalised: Option<&Personalisation>,
    newest: Option<&Transfer>,
) -> Option<UnitCode> {
    match status.state {
        Blank => Some(UnitCode::CITY),
        Initialised => None,
        _ => {
            let taken_in = newest
                .filter(|transfer| transfer.operation == TransferOperation::In)
                .and_then(|transfer| transfer.to);
            let school = taken_in.or(personalised.map(|record| record.unit));
            Some(school.unwrap_or(status.unit))
        }
    }
}

impl<N: Nvm> Card<N> {
    /// Whose card it is decides who may act on it: its own school; for status events also the
    /// district and the city above it. A card of the stock is any school's to personalise.
    pub(super) fn check_unit(
        &self,
        event: Event,
        status: &Status,
        acting: UnitCode,
    ) -> Result<(), CardError> {
        let allowed = match (event, event.rule().key, self.owner(status)) {
            (_, KeyNumber::MASTER, _) => acting == UnitCode::CITY,
            // The district inspects what its schools, or it, recalled or found faulty (操作规程 三/五).
            (Event::Restock, ..) => !acting.is_school() && acting.covers(status.unit),
            // Which school takes the pupil in is for the transfer record to say.
            (Event::TransferIn, ..) => {
                let to = self.open_transfer().ok().and_then(|out| out.to);
                acting.is_school() && to.is_none_or(|to| to == acting)
            }
            // District and city keep the books of the stock (操作规程 三/五).
            (Event::Cancel, _, None) => !acting.is_school(),
            (_, KeyNumber::STATUS, None) => true,
            (_, KeyNumber::STATUS, Some(owner)) => acting.covers(owner),
            (_, _, None) => acting.is_school(),
            (_, _, Some(owner)) => acting == owner,
        };
        // What brings a frozen card back into use is not for a unit below the one that froze it.
        let frees = matches!(event, Event::Unfreeze | Event::Recall | Event::TemporaryReturn);
        let marked = status.state == Frozen && frees;
        let allowed = allowed && (!marked || acting.covers(status.unit));
        if allowed { Ok(()) } else { Err(CardError::ForeignUnit) }
    }

    pub(crate) fn owner(&self, status: &Status) -> Option<UnitCode> {
        owner(status, self.personalisation().as_ref(), self.newest_transfer().as_ref())
    }
}
