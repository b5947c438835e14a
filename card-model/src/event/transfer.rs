//! A pupil leaves one school and enters another (升转学): EF 0B.
//!
//! The newest record tells where a transfer stands: out is open, in and withdrawn are done.

use super::Condition;
use super::execute::{Occasion, Plan};
use super::request::out_operation;
use crate::card::{Card, CardError};
use crate::code::Reason;
use crate::file::tree::sfi;
use crate::ident::{StudentNumber, UnitCode};
use crate::nvm::Nvm;
use crate::record::{Transfer, TransferOperation};

impl<N: Nvm> Card<N> {
    /// The newest transfer record, if it can be read.
    pub(super) fn newest_transfer(&self) -> Option<Transfer> {
        let bytes = self.stored_record(self.education(sfi::TRANSFER)?, 1)?;
        Transfer::parse(bytes).ok()
    }

    /// The transfer out that nobody has completed or withdrawn.
    pub(super) fn open_transfer(&self) -> Result<Transfer, CardError> {
        use TransferOperation::{OutPromotion, OutTransfer};
        self.newest_transfer()
            .filter(|record| matches!(record.operation, OutTransfer | OutPromotion))
            .ok_or(CardError::Condition(Condition::NoOpenTransfer))
    }

    /// Sectors of the school go with the school, those of district and city stay on the card.
    pub(super) fn transfer_out(
        &self,
        occasion: &Occasion<'_>,
        promotion: bool,
        to: Option<UnitCode>,
    ) -> Result<Plan, CardError> {
        if occasion.before.flags.temporary {
            return Err(Condition::Temporary.into());
        }
        if self.has_sector(|grant| grant.owner.is_school()) {
            return Err(Condition::SectorsOpen.into());
        }
        let usual = if promotion { Reason::Promoted } else { Reason::TransferredOut };
        let record = Transfer {
            operation: out_operation(promotion),
            reason: occasion.request.reason.unwrap_or(usual),
            from: occasion.acting,
            to,
            old_number: self.pupil()?.identity.student_number,
            new_number: None,
            out_date: occasion.request.date,
            in_date: None,
            out_terminal: occasion.request.terminal,
            sequence: self.newest_transfer().map_or(0, |record| record.sequence).wrapping_add(1),
        };
        self.with_transfer(occasion, &record)
    }

    /// The pupil's number is that of the new school. After a promotion it is one of the next stage
    /// (新学段新号), else of the same: a pupil who comes back has the old one again. Sectors of units
    /// that the new school does not belong to are wiped, as nobody reclaims them here.
    pub(super) fn transfer_in(
        &self,
        occasion: &Occasion<'_>,
        new_number: StudentNumber,
    ) -> Result<Plan, CardError> {
        let out = self.open_transfer()?;
        let stage = match out.operation {
            TransferOperation::OutPromotion => out.old_number.stage().next(),
            _ => Some(out.old_number.stage()),
        };
        if new_number.unit() != occasion.acting || Some(new_number.stage()) != stage {
            return Err(Condition::OtherPupil.into());
        }
        let record = Transfer {
            operation: TransferOperation::In,
            to: Some(occasion.acting),
            new_number: Some(new_number),
            in_date: Some(occasion.request.date),
            ..out
        };
        let mut plan = self.with_transfer(occasion, &record)?;
        self.close_sectors(&mut plan, |_, owner| {
            owner.is_none_or(|owner| !owner.covers(occasion.acting))
        })?;
        Ok(plan)
    }

    pub(super) fn withdraw(&self, occasion: &Occasion<'_>) -> Result<Plan, CardError> {
        let out = self.open_transfer()?;
        let operation = TransferOperation::Withdrawn;
        let reason = occasion.request.reason.unwrap_or(out.reason);
        self.with_transfer(occasion, &Transfer { operation, reason, ..out })
    }

    fn with_transfer(&self, occasion: &Occasion<'_>, record: &Transfer) -> Result<Plan, CardError> {
        record.check()?;
        let mut plan = occasion.plan();
        plan.append(self.education_file(sfi::TRANSFER)?, &record.emit());
        Ok(plan)
    }
}
