//! Fault sheet (故障卡说明单): goes up with the faulty card, from the school to the district to the
//! city, and tells who found what.

use alloc::string::String;

use crate::code::codes;
use crate::date::Date;
use crate::ident::{CardSerial, StudentNumber, UnitCode};

codes! {
    /// When a fault showed (故障环节), 操作规程 一/八(三)2; project-defined code.
    pub enum FaultOccasion {
        Personalisation = 1, "1", "personalisation failed", "个人化失败";
        Use = 2, "2", "card unusable", "不能正常使用";
    }
}

codes! {
    /// What an inspection found (检验结果), 暂行办法 六(三), 操作规程 四/六; project-defined code.
    pub enum FaultCause {
        Quality = 1, "1", "fault of the card", "卡片质量问题";
        Damage = 2, "2", "damaged by the holder", "人为损坏";
        None = 3, "3", "no fault found", "未发现故障";
    }
}

/// Who inspected the card when, and what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// Day of the inspection.
    pub on: Date,
    /// What was found.
    pub found: FaultCause,
}

/// Why a district or city does not write on a sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SheetError {
    /// The level below has not confirmed a fault.
    #[error("the sheet of card {0} was not confirmed by the level below")]
    NotConfirmed(CardSerial),
    /// Dated before what the sheet says already: it goes up from one level to the next.
    #[error("the sheet of card {card}: {on} lies before {before}, the day of the level below")]
    Backdated {
        /// The card.
        card: CardSerial,
        /// Day of the inspection.
        on: Date,
        /// Day of the sheet or of the inspection before.
        before: Date,
    },
}

/// One faulty card.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct FaultSheet {
    /// Card (卡序号), from the printed number where the chip does not answer.
    pub card_serial: CardSerial,
    /// School that hands the card in (上交学校).
    pub unit: UnitCode,
    /// Pupil, if there is one (学籍号).
    pub student_number: Option<StudentNumber>,
    /// When the fault showed (故障环节).
    pub occasion: FaultOccasion,
    /// What was seen (故障现象).
    pub description: String,
    /// Day of the sheet; the card leaves the school's stock (登记出库日期).
    pub found_on: Date,
    /// Day the card was handed out, after which a damage is the holder's (发放日期).
    pub issued_on: Option<Date>,
    /// Day of the district's check (区级验证日期).
    pub district_checked_on: Option<Date>,
    /// The district's finding (区级验证结果).
    pub district_found: Option<FaultCause>,
    /// Day of the city's test (市级检验日期).
    pub city_tested_on: Option<Date>,
    /// The city's finding (市级检验结果).
    pub city_found: Option<FaultCause>,
}

impl FaultSheet {
    /// Starts the sheet at the school.
    #[must_use]
    pub const fn new(
        card_serial: CardSerial,
        unit: UnitCode,
        occasion: FaultOccasion,
        description: String,
        found_on: Date,
    ) -> Self {
        Self {
            card_serial,
            unit,
            student_number: None,
            occasion,
            description,
            found_on,
            issued_on: None,
            district_checked_on: None,
            district_found: None,
            city_tested_on: None,
            city_found: None,
        }
    }

    /// Adds the district's check.
    ///
    /// # Errors
    /// [`SheetError::Backdated`] when it is dated before the sheet.
    pub fn checked_by_district(
        self,
        Inspection { on, found }: Inspection,
    ) -> Result<Self, SheetError> {
        self.check_day(on, self.found_on)?;
        Ok(Self { district_checked_on: Some(on), district_found: Some(found), ..self })
    }

    /// Adds the city's test; only cards whose fault the district confirmed go up to the city
    /// (操作规程 一/八(三)2), or cards whose damage is disputed (操作规程 四/六).
    ///
    /// # Errors
    /// [`SheetError::NotConfirmed`] without a finding of the district, or when it found no fault;
    /// [`SheetError::Backdated`] when it is dated before the district's check.
    pub fn tested_by_city(self, Inspection { on, found }: Inspection) -> Result<Self, SheetError> {
        let confirmed = self.district_found.filter(|found| *found != FaultCause::None);
        let (Some(_), Some(before)) = (confirmed, self.district_checked_on) else {
            return Err(SheetError::NotConfirmed(self.card_serial));
        };
        self.check_day(on, before)?;
        Ok(Self { city_tested_on: Some(on), city_found: Some(found), ..self })
    }

    fn check_day(&self, on: Date, before: Date) -> Result<(), SheetError> {
        let card = self.card_serial;
        if on < before { Err(SheetError::Backdated { card, on, before }) } else { Ok(()) }
    }

    /// Returns what was found by the highest level that looked.
    #[must_use]
    pub fn cause(&self) -> Option<FaultCause> {
        self.city_found.or(self.district_found)
    }
}
