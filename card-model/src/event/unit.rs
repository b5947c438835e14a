//! Whose card it is, and which unit may do what to it.

use xuejika_keyscheme::KeyNumber;

use crate::card::{Card, CardError};
use crate::file::tree::sfi;
use crate::ident::{StudentNumber, UnitCode};
use crate::lifecycle::Event;
use crate::nvm::Nvm;
use crate::record::{Enrolment, Identity, Status, Transfer, TransferOperation};
use crate::state::LifeCycleState::{Active, Blank, Frozen, Initialised, Personalising, Recalled};

/// The unit a card belongs to; a card of the stock belongs to none, a blank one to the city.
///
/// It is the unit that is personalising the card, or that recalled it; of a pupil who was taken in and
/// is not yet personalised there, the receiving school of the transfer record; otherwise the pupil's
/// school. `pupil` gives student number and school as far as they can be read, `newest` the newest
/// transfer record.
#[must_use]
pub fn owner(
    status: &Status,
    pupil: (Option<StudentNumber>, Option<UnitCode>),
    newest: Option<&Transfer>,
) -> Option<UnitCode> {
    let (number, school) = pupil;
    match status.state {
        Blank => Some(UnitCode::CITY),
        Initialised => None,
        Personalising | Recalled => Some(status.unit),
        Active => Some(school.unwrap_or(status.unit)),
        _ => {
            let taken_in = newest
                .filter(|transfer| transfer.operation == TransferOperation::In)
                .filter(|transfer| transfer.new_number != number)
                .and_then(|transfer| transfer.to);
            Some(taken_in.or(school).unwrap_or(status.unit))
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
            // The district inspects what its schools, or it, recalled (操作规程 三/五).
            (Event::Restock, ..) => !acting.is_school() && acting.covers(status.unit),
            // Which school takes the pupil in is for the transfer record to say.
            (Event::TransferIn, ..) => acting.is_school(),
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

    fn owner(&self, status: &Status) -> Option<UnitCode> {
        let number = Identity::parse(self.file(sfi::IDENTITY)).ok().map(|id| id.student_number);
        let school = Enrolment::parse(self.file(sfi::ENROLMENT)).ok().map(|e| e.unit);
        owner(status, (number, school), self.newest_transfer().as_ref())
    }
}
