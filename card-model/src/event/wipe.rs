//! Leaving a pupil: recall (回收), inspection (检验入库) and return of a temporary card (临时卡交回).
//!
//! The card wipes itself in the one transaction of the event. What it held is not left in the
//! journal either.

use super::Condition;
use super::execute::{Occasion, Plan};
use crate::card::{Card, CardError};
use crate::file::tree::sfi;
use crate::nvm::Nvm;
use crate::record::{Issuance, StatusFlags};
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
        self.close_sectors(&mut plan)?;
        Ok(plan)
    }

    pub(super) fn restock(&self, occasion: &Occasion<'_>) -> Result<Plan, CardError> {
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
