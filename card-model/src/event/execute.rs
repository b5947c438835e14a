//! One event from request to commit.

use alloc::vec::Vec;
use core::ops::Range;

use zeroize::Zeroizing;

use super::{Actor, Body, Condition, Outcome, OwnerKey, Request, Untimely};
use crate::card::{Card, CardError, Denied, append};
use crate::file::Ef;
use crate::file::tree::sfi;
use crate::ident::UnitCode;
use crate::lifecycle::Event;
use crate::nvm::Nvm;
use crate::pupil::Pupil;
use crate::record::{
    Issuance, LogEntry, Personalisation, Registration, SchoolYear, Status, StatusFlags, StatusPair,
    Term,
};
use crate::state::LifeCycleState;

/// Result code of a successful operation in the log.
const LOG_SUCCESS: u8 = 0x00;

/// An event that table and unit allow.
pub(super) struct Occasion<'a> {
    pub(super) request: &'a Request,
    /// The key that came with it.
    pub(super) key: Option<&'a OwnerKey>,
    pub(super) acting: UnitCode,
    /// Status before.
    pub(super) before: Status,
    /// State afterwards.
    pub(super) next: LifeCycleState,
}

impl Occasion<'_> {
    /// Status and log only.
    pub(super) const fn plan(&self) -> Plan {
        let Status { flags, state, .. } = self.before;
        Plan { flags, previous: state, steps: Vec::new(), scrub: false }
    }
}

/// What an event writes besides status and log.
pub(super) struct Plan {
    /// Flags afterwards.
    pub(super) flags: StatusFlags,
    /// The state before, where the state changes.
    pub(super) previous: LifeCycleState,
    steps: Vec<Step>,
    /// Whether earlier contents of the journal go as well.
    pub(super) scrub: bool,
}

enum Step {
    Write(usize, Zeroizing<Vec<u8>>),
    Append(&'static Ef, Vec<u8>),
    Zero(Range<usize>),
}

impl Plan {
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.steps.push(Step::Write(offset, Zeroizing::new(bytes.to_vec())));
    }

    pub(super) fn append(&mut self, file: &'static Ef, bytes: &[u8]) {
        self.steps.push(Step::Append(file, bytes.to_vec()));
    }

    pub(super) fn zero(&mut self, range: Range<usize>) {
        self.steps.push(Step::Zero(range));
    }

    pub(super) fn zero_file(&mut self, file: &Ef) {
        self.zero(file.offset..file.offset + file.structure.storage());
    }
}

impl<N: Nvm> Card<N> {
    /// Executes an event, if the table, the key, the unit and its condition allow it.
    ///
    /// # Errors
    /// Returns a [`CardError`] naming the broken rule; nothing has changed then.
    pub fn execute(&mut self, request: &Request, actor: Actor) -> Result<Outcome, CardError> {
        self.execute_with_key(request, None, actor)
    }

    /// As [`Self::execute`], with the key that [`Event::ExtensionOpen`] brings.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub fn execute_with_key(
        &mut self,
        request: &Request,
        key: Option<&OwnerKey>,
        actor: Actor,
    ) -> Result<Outcome, CardError> {
        let rule = request.event.rule();
        if actor.key != rule.key {
            return Err(Denied::Security.into());
        }
        let acting = actor.unit()?;
        let pair = self.status()?;
        let before = pair.current;
        let next = request.event.next(before.state, self.under(&before));
        let next = next.ok_or(CardError::Event(rule.name))?;
        self.check_unit(request.event, &before, acting)?;
        self.check_date(request)?;
        let occasion = Occasion { request, key, acting, before, next };
        let Some(plan) = self.plan(&occasion)? else {
            return Ok(Outcome { state: before.state, counter: before.counter, repeated: true });
        };
        let counter = before.counter.wrapping_add(1);
        let stands = Status { flags: plan.flags, counter, ..before };
        // Date, unit and reason say who brought the card into its state: they stay while it does.
        let after = if next == before.state {
            stands
        } else {
            let Request { date, reason, .. } = *request;
            Status { state: next, previous: plan.previous, date, unit: acting, reason, ..stands }
        };
        self.write_event(&occasion, &pair, &after, plan)?;
        Ok(Outcome { state: next, counter: after.counter, repeated: false })
    }

    /// What the event writes; `None` when it has happened before.
    fn plan(&self, occasion: &Occasion<'_>) -> Result<Option<Plan>, CardError> {
        use Event as E;
        let plan = match (occasion.request.event, occasion.request.body) {
            (
                E::Initialise
                | E::PersonaliseBegin
                | E::Freeze
                | E::Unfreeze
                | E::Cancel
                | E::Replace
                | E::Fault,
                Body::None,
            ) => occasion.plan(),
            (E::TemporaryIssue, Body::None) => {
                let mut plan = occasion.plan();
                plan.flags.temporary = true;
                plan
            }
            (E::PersonaliseCommit, Body::Commit { issued }) => self.commit(occasion, issued)?,
            (E::Register, Body::Register { school_year, term }) => {
                return self.register(occasion, school_year, term);
            }
            (E::ExtensionOpen, Body::Open(opening)) => self.open_sector(occasion, opening)?,
            (E::ExtensionReclaim, Body::Reclaim(index)) => self.reclaim_sector(occasion, index)?,
            (E::TransferOut, Body::TransferOut { promotion, to }) => {
                self.transfer_out(occasion, promotion, to)?
            }
            (E::TransferIn, Body::TransferIn { new_number }) => {
                self.transfer_in(occasion, new_number)?
            }
            (E::TransferWithdraw, Body::None) => self.withdraw(occasion)?,
            (E::Recall, Body::None) => self.recall(occasion)?,
            (E::Restock, Body::None) => self.restock(occasion)?,
            (E::TemporaryReturn, Body::None) => self.temporary_return(occasion)?,
            _ => return Err(CardError::EventData),
        };
        Ok(Some(plan))
    }

    /// A pupil who was taken in gets the number of the transfer record and no other.
    fn commit(&self, occasion: &Occasion<'_>, issued: bool) -> Result<Plan, CardError> {
        let pupil = self.pupil()?;
        let date = occasion.request.date;
        if date < pupil.identity.birth_date {
            return Err(Untimely::BeforeBirth(date).into());
        }
        if pupil.enrolment.unit != occasion.acting {
            return Err(CardError::ForeignUnit);
        }
        if occasion.before.previous == LifeCycleState::TransferredIn {
            let expected = self.newest_transfer().and_then(|record| record.new_number);
            if expected != Some(pupil.identity.student_number) {
                return Err(Condition::OtherPupil.into());
            }
        }
        let file = self.education_file(sfi::PERSONALISATION)?;
        let earlier = self.personalisation();
        let record = Personalisation {
            count: earlier.map_or(0, |record| record.count).saturating_add(1),
            date,
            unit: occasion.acting,
            terminal: occasion.request.terminal,
            issued: issued || earlier.is_some_and(|record| record.issued),
        };
        let mut plan = occasion.plan();
        plan.flags.issued |= issued;
        plan.flags.rare_name = pupil.identity.rare_character;
        plan.write(file.offset, &record.emit());
        Ok(plan)
    }

    fn register(
        &self,
        occasion: &Occasion<'_>,
        school_year: SchoolYear,
        term: Term,
    ) -> Result<Option<Plan>, CardError> {
        let done = self.registrations().any(|record| record.period() == (school_year, term));
        if done {
            return Ok(None);
        }
        let Request { date, terminal, .. } = *occasion.request;
        let record = Registration { school_year, term, date, unit: occasion.acting, terminal };
        let mut plan = occasion.plan();
        plan.append(self.education_file(sfi::REGISTRATION)?, &record.emit());
        Ok(Some(plan))
    }

    /// Status, records and log in one commit.
    fn write_event(
        &mut self,
        occasion: &Occasion<'_>,
        pair: &StatusPair,
        after: &Status,
        plan: Plan,
    ) -> Result<(), CardError> {
        let Occasion { request, acting, .. } = *occasion;
        let entry = LogEntry {
            operation: request.event.code(),
            result: LOG_SUCCESS,
            date: request.date,
            time: request.time,
            unit: acting,
            counter: after.counter,
        };
        let (status, log) = (self.education_file(sfi::STATUS)?, self.education_file(sfi::LOG)?);
        let mut txn = self.begin();
        txn.write(status.offset + pair.slot.other().offset(), &after.emit());
        for step in plan.steps {
            match step {
                Step::Write(offset, bytes) => txn.write(offset, &bytes),
                Step::Append(file, bytes) => append(&mut txn, file, &bytes),
                Step::Zero(range) => txn.zero(range),
            }
        }
        append(&mut txn, log, &entry.emit());
        if plan.scrub {
            txn.scrub();
        }
        Ok(txn.commit()?)
    }

    /// A file of the education zone.
    pub(super) fn education_file(&self, sfi: u8) -> Result<&'static Ef, CardError> {
        self.education(sfi).ok_or(CardError::Corrupt)
    }

    /// The pupil on the card, checked as a whole.
    ///
    /// # Errors
    /// Returns every field that breaks a rule.
    pub fn pupil(&self) -> Result<Pupil, CardError> {
        Ok(Pupil::parse(self.file(sfi::IDENTITY), self.file(sfi::ENROLMENT))?)
    }

    /// The record of the last personalisation that was committed; `None` when there was none, or it
    /// cannot be read.
    pub(super) fn personalisation(&self) -> Option<Personalisation> {
        Personalisation::parse(self.file(sfi::PERSONALISATION)).ok()
    }

    /// What was written about the card itself when it was initialised.
    ///
    /// # Errors
    /// Returns every field that breaks a rule.
    pub fn issuance(&self) -> Result<Issuance, CardError> {
        Ok(Issuance::parse(self.contents(self.education_file(sfi::ISSUANCE)?))?)
    }

    /// The readable registrations on the card, newest first.
    pub fn registrations(&self) -> impl Iterator<Item = Registration> {
        let file = self.education(sfi::REGISTRATION);
        (1..=u8::MAX)
            .map_while(move |number| self.stored_record(file?, number))
            .filter_map(|bytes| Registration::parse(bytes).ok())
    }
}
