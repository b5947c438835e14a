//! Recall slip (回收单): the district inspects each recalled card and signs for it.

use alloc::string::String;

use crate::date::Date;
use crate::ident::{CardSerial, Scope, UnitCode};
use crate::record::{Issuance, Status};
use crate::state::LifeCycleState;

/// Why a card cannot stand on a recall slip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecallError {
    /// The card was not recalled at the school (操作规程 四/七).
    #[error("card {serial} is {}, expected recalled or unused stock", state.english())]
    NotRecalled {
        /// The card.
        serial: CardSerial,
        /// Its state.
        state: LifeCycleState,
    },
    /// The card comes back from no school.
    #[error("unit {0} is no school")]
    NotASchool(UnitCode),
}

/// One card on a recall slip; a slip is the lines of one school and day.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RecallLine {
    /// School that hands the cards in (上交学校).
    pub unit: UnitCode,
    /// District that takes them (区级).
    pub district: UnitCode,
    /// Day of the slip (签署日期).
    pub signed_on: Date,
    /// Card (卡序号).
    pub card_serial: CardSerial,
    /// How often the card came back before (代次).
    pub generation: u8,
    /// Day of the recall at the school; `None` for surplus stock never used (回收日期).
    pub recalled_on: Option<Date>,
    /// Whether the card passed the inspection and goes into stock (检验通过).
    pub passed: bool,
    /// Remark, for example why it did not pass (备注).
    pub remark: String,
}

impl RecallLine {
    /// Makes the line of an inspected card that `unit` handed in.
    ///
    /// # Errors
    /// [`RecallError::NotRecalled`] for a card in use, [`RecallError::NotASchool`].
    pub fn new(
        issuance: &Issuance,
        status: &Status,
        unit: UnitCode,
        signed_on: Date,
        passed: bool,
        remark: String,
    ) -> Result<Self, RecallError> {
        let (serial, state) = (issuance.card_serial, status.state);
        let recalled_on = match state {
            LifeCycleState::Recalled => Some(status.date),
            LifeCycleState::Initialised => None,
            _ => return Err(RecallError::NotRecalled { serial, state }),
        };
        let Scope::School { district, .. } = unit.scope() else {
            return Err(RecallError::NotASchool(unit));
        };
        Ok(Self {
            unit,
            district: UnitCode::district(district),
            signed_on,
            card_serial: serial,
            generation: issuance.generation,
            recalled_on,
            passed,
            remark,
        })
    }
}
