//! The events of a card's life (`docs/life-cycle.md`) as operations of a reader.

use alloc::vec::Vec;

use xuejika_apdu::{CardChannel, StatusWord};
use xuejika_card_model::code::Reason;
use xuejika_card_model::event::{Body, Condition, Outcome, Request};
use xuejika_card_model::file::tree::sfi;
use xuejika_card_model::ident::{StudentNumber, UnitCode};
use xuejika_card_model::lifecycle::Event;
use xuejika_card_model::management::SamSerial;
use xuejika_card_model::record::{
    ExtensionEntry, RecordKind, Sector, Status, Transfer, TransferOperation,
};
use xuejika_card_model::state::LifeCycleState;
use xuejika_card_model::verdict::Warning;

use super::{Stamp, StudentCard, records, status};
use crate::error::Error;
use crate::sam::Sam;
use crate::session::Session;

/// What an event changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The event.
    pub event: Event,
    /// Status before.
    pub before: Status,
    /// State and counter afterwards.
    pub outcome: Outcome,
    /// What the reader's lists say of the card, in force or not, and whether its records lie ahead.
    pub notes: Vec<Warning>,
}

impl Change {
    /// The records the card has written, status first, log last.
    #[must_use]
    pub fn written(&self) -> Vec<RecordKind> {
        use RecordKind as R;
        let Self { event, before, outcome, .. } = self;
        let own: &[R] = match event {
            // A card of the stock has nothing for a recall to wipe.
            Event::Recall if before.state == outcome.state => &[],
            Event::Restock if before.state == LifeCycleState::Recalled => &[R::Issuance],
            // Only what was half-written goes, when there was no fault.
            Event::Restock if outcome.state == LifeCycleState::Initialised => {
                &[R::Identity, R::Enrolment]
            }
            Event::Restock => &[],
            // No sector was open that could be closed.
            Event::TransferIn if !before.flags.extension_open => &[R::Transfer],
            event => event.records(),
        };
        let all = [R::Status].into_iter().chain(own.iter().copied());
        if self.outcome.repeated { Vec::new() } else { all.chain([RecordKind::Log]).collect() }
    }
}

macro_rules! plain_events {
    ($($(#[$doc:meta])* $name:ident = $event:ident;)*) => {
        impl<S: Sam, C: CardChannel> StudentCard<'_, S, C> {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// Returns an [`Error`] naming the refusal; nothing has changed then.
                pub fn $name(
                    &mut self,
                    reason: Option<Reason>,
                    stamp: Stamp,
                ) -> Result<Change, Error> {
                    self.change(Event::$event, Body::None, reason, stamp)
                }
            )*
        }
    };
}

plain_events! {
    /// Initialises a blank card (初始化) under K0; for the city.
    initialise = Initialise;
    /// Marks the card as frozen (冻结). The list of frozen cards holds beside it.
    freeze = Freeze;
    /// Takes the mark back (解冻): the state before returns.
    unfreeze = Unfreeze;
    /// Cancels the card (注销), for good.
    cancel = Cancel;
    /// Cancels a card that has been replaced (补卡), for good.
    replace = Replace;
    /// Notes that the card is faulty and goes up (故障登记).
    fault = Fault;
    /// Takes a transfer out back (撤销转出); for the former school.
    withdraw = TransferWithdraw;
    /// Recalls the card (回收): it wipes the pupil's data. The wallet must be closed and empty, all
    /// sectors reclaimed.
    recall = Recall;
    /// Puts an inspected card back into stock (检验入库); for the district, not for a school.
    restock = Restock;
    /// Takes a temporary card back (临时卡交回): it wipes itself and is stock again.
    temporary_return = TemporaryReturn;
}

impl<S: Sam, C: CardChannel> StudentCard<'_, S, C> {
    /// Lets the pupil go (转出) to another school, or with `promotion` to the next stage. `to` is the
    /// new school, where it is known.
    ///
    /// # Errors
    /// Returns an [`Error`] naming the refusal; nothing has changed then.
    pub fn transfer_out(
        &mut self,
        promotion: bool,
        to: Option<UnitCode>,
        reason: Option<Reason>,
        stamp: Stamp,
    ) -> Result<Change, Error> {
        self.change(Event::TransferOut, Body::TransferOut { promotion, to }, reason, stamp)
    }

    /// Takes the pupil in (转入); before the card is personalised here (操作规程 四/八).
    ///
    /// # Errors
    /// Returns an [`Error`] naming the refusal; nothing has changed then.
    pub fn transfer_in(
        &mut self,
        new_number: StudentNumber,
        reason: Option<Reason>,
        stamp: Stamp,
    ) -> Result<Change, Error> {
        self.change(Event::TransferIn, Body::TransferIn { new_number }, reason, stamp)
    }

    /// Asks for an event in a session under its key.
    pub(super) fn change(
        &mut self,
        event: Event,
        body: Body,
        reason: Option<Reason>,
        stamp: Stamp,
    ) -> Result<Change, Error> {
        let (desk, issuance) = (self.desk, self.issuance);
        let mut session = self.session(event.rule().key)?;
        let before = status(&mut session)?;
        let notes = desk.ask(&mut session, (&issuance, &before), event, stamp.date)?;
        let request = Request { reason, ..stamp.event(event, body) };
        let outcome = ask(&mut session, &before, &request)?;
        Ok(Change { event, before, outcome, notes })
    }
}

/// Asks for an event; when the card refuses, says why as far as it can be seen.
pub(super) fn ask<S: Sam, C: CardChannel>(
    session: &mut Session<'_, S, C>,
    before: &Status,
    request: &Request,
) -> Result<Outcome, Error> {
    session.event(request).map_err(|error| explained(session, before, request.event, error))
}

/// The reason behind a status word: the key is right in every session for an event, so what is left
/// is the unit, the state, or a condition of the event.
pub(super) fn explained<S: Sam, C: CardChannel>(
    session: &mut Session<'_, S, C>,
    before: &Status,
    event: Event,
    error: Error,
) -> Error {
    let Error::Status { status, .. } = error else { return error };
    let operation = event.rule().name;
    match status {
        StatusWord::SECURITY_STATUS => match SamSerial::from_reader(session.sam().id()) {
            Some(SamSerial { unit, .. }) => Error::OtherUnit { operation, unit },
            None => error,
        },
        StatusWord::CONDITIONS_OF_USE if event.next(before.state, before.previous).is_none() => {
            Error::State { operation, state: before.state }
        }
        StatusWord::CONDITIONS_OF_USE => match unmet(session, before, event) {
            Ok(Some(condition)) => Error::Condition { operation, condition },
            // The card has said it; what it holds does not show it any more.
            Ok(None) => Error::State { operation, state: before.state },
            Err(other) => other,
        },
        _ => error,
    }
}

/// The condition of an event that is not met: one that can be seen, or else the one that cannot.
fn unmet<S: Sam, C: CardChannel>(
    session: &mut Session<'_, S, C>,
    before: &Status,
    event: Event,
) -> Result<Option<Condition>, Error> {
    let mut unseen = None;
    for &condition in Condition::of(event) {
        let seen = match condition {
            Condition::Temporary => before.flags.temporary,
            Condition::NotTemporary => !before.flags.temporary,
            Condition::SectorsOpen => {
                let entries = records(session, sfi::DIRECTORY, ExtensionEntry::parse)?;
                let blocks = |sector: &Sector| match sector.grant() {
                    Some(grant) => event == Event::Recall || grant.owner.is_school(),
                    None => false,
                };
                entries.iter().any(|entry| blocks(&entry.sector))
            }
            Condition::NoOpenTransfer => {
                use TransferOperation::{OutPromotion, OutTransfer};
                let newest = records(session, sfi::TRANSFER, Transfer::parse)?.into_iter().next();
                let open =
                    |record: Transfer| matches!(record.operation, OutTransfer | OutPromotion);
                !newest.is_some_and(open)
            }
            Condition::NoWayBack => before.state == LifeCycleState::Fault,
            Condition::WalletInUse
            | Condition::WalletOpened
            | Condition::OtherPupil
            | Condition::SectorInUse
            | Condition::SectorClosed
            | Condition::WornOut => {
                unseen.get_or_insert(condition);
                false
            }
        };
        if seen {
            return Ok(Some(condition));
        }
    }
    Ok(unseen)
}
