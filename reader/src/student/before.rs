//! What an operation asks before it writes: the card's last event, and the lists.

use alloc::vec::Vec;

use xuejika_apdu::CardChannel;
use xuejika_card_model::date::Date;
use xuejika_card_model::file::tree::sfi;
use xuejika_card_model::ident::UnitCode;
use xuejika_card_model::lifecycle::Event;
use xuejika_card_model::list::{Bearer, Listing, Standing};
use xuejika_card_model::record::{Enrolment, Issuance, LogEntry, Status, Transfer};
use xuejika_card_model::state::LifeCycleState::{Active, Blank, Personalising, TransferredIn};
use xuejika_card_model::verdict::{Listed, Warning};

use super::{has_pupil, records, units_of};
use crate::error::Error;
use crate::lists::Lists;
use crate::sam::Sam;
use crate::session::Session;

/// Who does an operation, and what is known there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Desk<'r> {
    /// Unit of the reader.
    pub(crate) unit: UnitCode,
    /// Its date.
    pub(crate) today: Date,
    /// Its lists.
    pub(crate) lists: &'r Lists,
}

impl Desk<'_> {
    /// Asks before anything is written; what is to be noted, when nothing speaks against the event.
    pub(super) fn ask<S: Sam, C: CardChannel>(
        &self,
        session: &mut Session<'_, S, C>,
        (issuance, before): (&Issuance, &Status),
        event: Event,
        date: Date,
    ) -> Result<Vec<Warning>, Error> {
        // No other event is for a blank card, which has no log and is nobody's.
        if before.state == Blank {
            return Ok(Vec::new());
        }
        let ahead = match self.last_event(session, date) {
            // A card with a damaged log can still be taken out of use.
            Err(Error::Records(_)) if !event.keeps_in_use() => None,
            ahead => ahead?,
        };
        let mut notes: Vec<_> = ahead.into_iter().collect();
        // The card refuses by its state, which comes before the lists.
        if event.next(before.state, before.previous).is_none() {
            return Ok(notes);
        }
        let listings = self.listings(session, issuance, before)?;
        let listed = Listed::new(&listings, self.today);
        match listed.refusal() {
            Some(reason) if event.keeps_in_use() => {
                Err(Error::Listed { operation: event.rule().name, reason })
            }
            _ => {
                notes.extend(listed.notes());
                Ok(notes)
            }
        }
    }

    /// Time does not go back for a card. A school stops; above it the operation goes on, because a card
    /// that one fast clock has dated into the future goes up.
    fn last_event<S: Sam, C: CardChannel>(
        &self,
        session: &mut Session<'_, S, C>,
        today: Date,
    ) -> Result<Option<Warning>, Error> {
        let newest = session.read_record(sfi::LOG, 1)?;
        let newest = newest.map(|bytes| LogEntry::parse(&bytes)).transpose()?;
        match newest.map(|entry| entry.date).filter(|last| *last > today) {
            Some(last) if self.unit.is_school() => Err(Error::BeforeLastEvent { today, last }),
            last => Ok(last.map(Warning::RecordsAhead)),
        }
    }

    /// What the lists say. Whose card it is costs reading, and matters only when a list names the card.
    fn listings<S: Sam, C: CardChannel>(
        &self,
        session: &mut Session<'_, S, C>,
        issuance: &Issuance,
        before: &Status,
    ) -> Result<Vec<Listing>, Error> {
        let card = issuance.card_serial;
        let anyone = Bearer { generation: issuance.generation, units: &[] };
        let listings = self.lists.listings(card, &anyone);
        if listings.iter().all(|listing| listing.standing == Standing::default()) {
            return Ok(listings);
        }
        let units = units(session, before)?;
        Ok(self.lists.listings(card, &Bearer { units: &units, ..anyone }))
    }
}

/// The units whose reports concern the card, see
/// [`CardContents::units`](super::CardContents::units); of a record that is damaged nobody knows.
fn units<S: Sam, C: CardChannel>(
    session: &mut Session<'_, S, C>,
    before: &Status,
) -> Result<Vec<UnitCode>, Error> {
    let school = match (before.state, before.previous) {
        // The pupil's files are half-written; the unit that began is the pupil's.
        (Personalising, Active | TransferredIn) => Some(before.unit),
        (state, _) if has_pupil(state) => {
            Enrolment::parse(&session.read_file(sfi::ENROLMENT)?).ok().map(|record| record.unit)
        }
        _ => return Ok(Vec::new()),
    };
    let transfers = match records(session, sfi::TRANSFER, Transfer::parse) {
        Err(Error::Records(_)) => Vec::new(),
        read => read?,
    };
    Ok(units_of(school, &transfers))
}
