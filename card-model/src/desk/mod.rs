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
//! With the feature `serde` each can be written, field by field under its name here: values have the
//! text form the library reads, dates as `2026-09-01`, coded fields by their codes.

mod fault;
mod rare;
mod recall;
mod replacement;
#[cfg(feature = "serde")]
mod text;
mod upload;
mod uploads;

pub use fault::{FaultCause, FaultOccasion, FaultSheet, Inspection, SheetError};
pub use rare::{CodePoint, CodePointError, RareCharacterError, RareCharacterSheet};
pub use recall::{RecallError, RecallLine};
pub use replacement::{ReplacementCause, ReplacementError, ReplacementForm};
pub use upload::PersonalisationUpload;
pub use uploads::{Candidate, Conflict, Earlier, Finding, LossEnd, Uploads};
