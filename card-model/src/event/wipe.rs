//! Leaving a pupil: recall (回收), inspection (检验入库) and return of a temporary card (临时卡交回).
//!
//! A card that leaves a pupil wipes itself in the one transaction of the event. What it held is not
//! left in the journal either.

use super::Condition;
use super::execute::{Occasion, Plan};
use crate::card::{Card, CardError};
use crate::file::tree::sfi;
use crate::nvm::Nvm;
use crate::record::{Identity, Issuance, Status, StatusFlags};
use crate::state::LifeCycleState as State;
use crate::wallet::EnableFlag;

/// Files that hold a pupil's data.
const OF_PUPIL: [u8; 5] =
    [sfi::IDENTITY, sfi::ENROLMENT, sfi::PERSONALISATION, sfi::REGISTRATION, sfi::TRANSFER];

impl<N: Nvm> Card<N> {
    /// A card of the stock has nothing to wipe.
    pub(super) fn recall(&self, occasion: &Occasion<'_>) -> Result<Plan, CardError> {
        if !self.wallet_is_settled()? {
            return Err(Condition::WalletInUse.into());
        }
        if self.has_sector(|_| true) {
            return Err(Condition::SectorsOpen.into());
        }
        let mut plan = occasion.plan();
        if occasion.next != occasion.before.state {
            self.wipe(&mut plan)?;
        }
        Ok(plan)
    }

    pub(super) fn temporary_return(&self, occasion: &Occasion<'_>) -> Result<Plan, CardError> {
        if !occasion.before.flags.temporary {
            return Err(Condition::NotTemporary.into());
        }
        if self.enable_flag()? != EnableFlag::NotOpened {
            return Err(Condition::WalletOpened.into());
        }
        let mut plan = occasion.plan();
        self.wipe(&mut plan)?;
        self.close_sectors(&mut plan, |_, _| true)?;
        Ok(plan)
    }

    /// A recalled card goes back to stock, and its generation is counted. A faulty one that has no
    /// fault is what it was before: but a freeze that the fault covered is not lifted by it.
    pub(super) fn restock(&self, occasion: &Occasion<'_>) -> Result<Plan, CardError> {
        match occasion.before.state {
            State::Fault => self.no_fault_found(occasion),
            _ => self.next_generation(occasion),
        }
    }

    /// A personalising goes on at the card's school, unless the card was of the stock: it goes back
    /// there without what was half written.
    fn no_fault_found(&self, occasion: &Occasion<'_>) -> Result<Plan, CardError> {
        let mut plan = occasion.plan();
        match (occasion.before.previous, occasion.next) {
            (State::Frozen | State::Cancelled | State::Fault, _) => {
                return Err(Condition::NoWayBack.into());
            }
            (State::Personalising, State::Initialised) => self.wipe(&mut plan)?,
            (State::Personalising, _) => plan.previous = self.begun_from(),
            _ => {}
        }
        Ok(plan)
    }

    /// What an event that ends a mark brings back.
    pub(super) fn under(&self, status: &Status) -> State {
        match (status.state, status.previous) {
            (State::Fault, State::Personalising) if self.begun_from() == State::Initialised => {
                State::Initialised
            }
            (_, previous) => previous,
        }
    }

    /// The state in which the personalising under way began: what was committed before it tells.
    fn begun_from(&self) -> State {
        if self.personalisation().is_none() {
            return State::Initialised;
        }
        let number = self.file(sfi::IDENTITY).get(Identity::STUDENT_NUMBER);
        let new = self.newest_transfer().and_then(|record| record.new_number);
        match new {
            Some(new) if number != Some(&new.bytes()[..]) => State::TransferredIn,
            _ => State::Active,
        }
    }

    fn next_generation(&self, occasion: &Occasion<'_>) -> Result<Plan, CardError> {
        let file = self.education_file(sfi::ISSUANCE)?;
        let issuance = self.issuance()?;
        let generation = issuance.generation.checked_add(1).ok_or(Condition::WornOut)?;
        let mut plan = occasion.plan();
        plan.write(file.offset, &Issuance { generation, ..issuance }.emit());
        Ok(plan)
    }

    fn wipe(&self, plan: &mut Plan) -> Result<(), CardError> {
        for sfi in OF_PUPIL {
            plan.zero_file(self.education_file(sfi)?);
        }
        plan.flags = StatusFlags::default();
        plan.scrub = true;
        Ok(())
    }
}
