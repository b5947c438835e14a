//! Why a card is refused, or accepted with a warning: each with an identifier for programs and a
//! text in both languages.

use core::fmt;
use core::num::NonZeroU16;

use crate::date::Date;
use crate::ident::UnitCode;
use crate::record::ExtensionIndex;
use crate::state::LifeCycleState;

/// Why a card is refused, in the order in which the reasons are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The reader was not unlocked by a management card.
    ReaderLocked,
    /// Card and reader do not belong to the same key system.
    NotGenuine,
    /// No copy of the status record is valid.
    StatusDamaged,
    /// The card is in another state than "active".
    State(LifeCycleState),
    /// The card is active but a pupil's records are missing.
    Incomplete,
    /// The card was replaced by another.
    Replaced,
    /// The card was reported lost, and the report is in force.
    Lost,
    /// The card is on the freeze list.
    Frozen,
    /// Before the first day of the education application.
    NotYetValid(Date),
    /// After the last day of the education application.
    Expired(Date),
    /// After the pupil's valid-until date.
    EnrolmentEnded(Date),
    /// Not registered in time: lapsed after this day.
    NotRegistered(Date),
    /// After the last day of a temporary card.
    TemporaryEnded(Date),
    /// The application's extension sector is not open.
    SectorClosed(ExtensionIndex),
    /// The application's extension sector is being reclaimed.
    SectorReclaiming(ExtensionIndex),
    /// The sector is open for another application, this one.
    OtherApplication(NonZeroU16),
    /// The sector is lent to another unit, this one.
    OtherOwner(UnitCode),
    /// The card did not prove itself under the application's key.
    ApplicationKey(ExtensionIndex),
}

impl Reason {
    /// Returns the stable identifier, for programs.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::ReaderLocked => "reader-locked",
            Self::NotGenuine => "not-genuine",
            Self::StatusDamaged => "status-damaged",
            Self::State(_) => "state",
            Self::Incomplete => "incomplete",
            Self::Replaced => "replaced",
            Self::Lost => "lost",
            Self::Frozen => "frozen",
            Self::NotYetValid(_) => "not-yet-valid",
            Self::Expired(_) => "expired",
            Self::EnrolmentEnded(_) => "enrolment-ended",
            Self::NotRegistered(_) => "not-registered",
            Self::TemporaryEnded(_) => "temporary-ended",
            Self::SectorClosed(_) => "sector-closed",
            Self::SectorReclaiming(_) => "sector-reclaiming",
            Self::OtherApplication(_) => "other-application",
            Self::OtherOwner(_) => "other-owner",
            Self::ApplicationKey(_) => "application-key",
        }
    }

    /// Returns the reason in Chinese.
    #[must_use]
    pub const fn chinese(&self) -> &'static str {
        match self {
            Self::ReaderLocked => "读写器未用管理卡启用",
            Self::NotGenuine => "不是本密钥体系的卡，可能是伪造卡",
            Self::StatusDamaged => "卡状态记录损坏",
            Self::State(state) => state.chinese(),
            Self::Incomplete => "学生信息不完整",
            Self::Replaced => "已补卡，原卡作废",
            Self::Lost => "已挂失",
            Self::Frozen => "已列入冻结名单",
            Self::NotYetValid(_) => "尚未启用",
            Self::Expired(_) => "学籍卡已过有效期",
            Self::EnrolmentEnded(_) => "就读有效期已过",
            Self::NotRegistered(_) => "本学期未注册，已失效",
            Self::TemporaryEnded(_) => "临时卡已到期",
            Self::SectorClosed(_) => "扩展扇区未开放",
            Self::SectorReclaiming(_) => "扩展扇区正在回收",
            Self::OtherApplication(_) => "扩展扇区已开放给其他应用",
            Self::OtherOwner(_) => "扩展扇区属于其他单位",
            Self::ApplicationKey(_) => "应用密钥认证失败",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReaderLocked => f.write_str("the reader is not unlocked by a management card"),
            Self::NotGenuine => f.write_str("the card is foreign or forged"),
            Self::StatusDamaged => f.write_str("the status record of the card is damaged"),
            Self::State(state) => write!(f, "the card is {}", state.english()),
            Self::Incomplete => f.write_str("the pupil's records are incomplete"),
            Self::Replaced => f.write_str("the card was replaced by another"),
            Self::Lost => f.write_str("the card is reported lost"),
            Self::Frozen => f.write_str("the card is on the freeze list"),
            Self::NotYetValid(from) => write!(f, "not valid before {from}"),
            Self::Expired(until) => write!(f, "the card expired after {until}"),
            Self::EnrolmentEnded(until) => write!(f, "the enrolment ended after {until}"),
            Self::NotRegistered(until) => write!(f, "not registered, lapsed after {until}"),
            Self::TemporaryEnded(until) => write!(f, "the temporary card ended after {until}"),
            Self::SectorClosed(index) => {
                write!(f, "extension sector {} is not open", index.value())
            }
            Self::SectorReclaiming(index) => {
                write!(f, "extension sector {} is being reclaimed", index.value())
            }
            Self::OtherApplication(code) => {
                write!(f, "the extension sector is open for application {code:04X}")
            }
            Self::OtherOwner(unit) => write!(f, "the extension sector is lent to unit {unit}"),
            Self::ApplicationKey(index) => {
                write!(f, "the application key of extension sector {} failed", index.value())
            }
        }
    }
}

/// What somebody should look into although the card is accepted, or an operation is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// Reported lost, in force from this day; misuse until then is the holder's risk.
    LossReported(Date),
    /// To be frozen, in force from this day.
    FreezeReported(Date),
    /// Replaced, in force from this day.
    ReplacementReported(Date),
    /// The list was issued on this day; a newer one should be there.
    StaleList(Date),
    /// The list was issued on this day, which lies ahead: the reader's date is wrong.
    ListAhead(Date),
    /// The newest record of the card has this date, which lies ahead: the date of this reader is
    /// wrong, or that of the one that wrote it.
    RecordsAhead(Date),
    /// The card is listed, and the list is in force: for an operation that goes on all the same. A
    /// verdict refuses.
    Listed(Reason),
}

impl Warning {
    /// Returns the stable identifier, for programs.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::LossReported(_) => "loss-reported",
            Self::FreezeReported(_) => "freeze-reported",
            Self::ReplacementReported(_) => "replacement-reported",
            Self::StaleList(_) => "stale-list",
            Self::ListAhead(_) => "list-ahead",
            Self::RecordsAhead(_) => "records-ahead",
            Self::Listed(reason) => reason.id(),
        }
    }

    /// Returns the warning in Chinese.
    #[must_use]
    pub const fn chinese(&self) -> &'static str {
        match self {
            Self::LossReported(_) => "已报失，挂失尚未生效",
            Self::FreezeReported(_) => "冻结尚未生效",
            Self::ReplacementReported(_) => "补卡登记尚未生效",
            Self::StaleList(_) => "名单已过期，请更新",
            Self::ListAhead(_) => "名单日期晚于读写器日期",
            Self::RecordsAhead(_) => "卡内记录日期晚于读写器日期",
            Self::Listed(reason) => reason.chinese(),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LossReported(day) => write!(f, "reported lost, in force from {day}"),
            Self::FreezeReported(day) => write!(f, "to be frozen, in force from {day}"),
            Self::ReplacementReported(day) => write!(f, "replaced, in force from {day}"),
            Self::StaleList(issued) => write!(f, "the list of {issued} is stale; get a newer one"),
            Self::ListAhead(issued) => {
                write!(f, "the list of {issued} lies ahead of the reader's date")
            }
            Self::RecordsAhead(newest) => {
                write!(f, "the card's record of {newest} lies ahead of the reader's date")
            }
            Self::Listed(reason) => reason.fmt(f),
        }
    }
}
