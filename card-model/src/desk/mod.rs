//! Data for the desks (业务单据): what school, district and city pass to each other about a card, as
//! flat records that management software can take up.
//!
//! | record | 中文 | article |
//! |---|---|---|
//! | [`PersonalisationUpload`], [`Uploads`] | 个人化信息 | 操作规程 一/八(三)1, 四/五 |
//! | [`FaultSheet`] | 故障卡说明单 | 操作规程 一/八(三)2 |
//! | [`RecallLine`] | 回收单 | 操作规程 三/五, 四/七 |
//! | [`ReplacementForm`] | 补办申请单 | 操作规程 四/六 |
//! | [`RareCharacterSheet`] | 生僻字描述文件 | 操作规程 四/三(一) |
//!
//! and the books that each level keeps, from files of one shape ([`Line`], [`Heading`]):
//!
//! | book | 中文 | article |
//! |---|---|---|
//! | [`AllocationPlan`] | 学籍卡发放与回收 | 操作规程 二/四, 三/五 |
//! | [`tally`] of waste | 废卡统计 | 操作规程 一/九(四) |
//! | [`stock::Ledger`], [`stock::Slip`] | 入库、出库、交接单 | 操作规程 一/八(三)1, 一/九(四), 一/九(五) |
//! | [`Sams`], [`Applications`] | 读写机具注册、应用备案 | 操作规程 二/五, 三/七, 四/八 |
//!
//! With the feature `serde` each can be written, field by field under its name here: values have the
//! text form the library reads, dates as `2026-09-01`, coded fields by their codes.

mod allocation;
mod fault;
mod line;
mod rare;
mod recall;
mod register;
mod replacement;
mod share;
pub mod stock;
#[cfg(feature = "serde")]
mod text;
mod upload;
mod uploads;
mod waste;

pub use allocation::{Allocation, AllocationError, AllocationPlan, SPARE, SchoolHolding};
pub use fault::{FaultCause, FaultOccasion, FaultSheet, Inspection, SheetError};
pub use line::{Cell, CellError, Cells, Column, Heading, HeadingError, Line, LineError, Numbered};
pub use rare::{CodePoint, CodePointError, RareCharacterError, RareCharacterSheet};
pub use recall::{RecallError, RecallLine};
pub use register::{
    ApplicationCode, ApplicationCodeError, Applications, FiledApplication, NotFiled, NotRegistered,
    RegisterError, RegisteredSam, Sams,
};
pub use replacement::{ReplacementCause, ReplacementError, ReplacementForm};
pub use share::{Percent, Share};
pub use upload::PersonalisationUpload;
pub use uploads::{Candidate, Conflict, Earlier, Finding, LossEnd, Uploads};
pub use waste::{ReturnedCards, WASTE_LIMIT, Waste, WasteError, tally};
