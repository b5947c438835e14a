//! What single events need besides key, state and unit.

use crate::lifecycle::Event;

/// A condition of one event that is not met. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Condition {
    /// 回收 needs a wallet that was never opened, or is closed, and is empty (操作规程 四/七).
    #[error("the wallet must be closed and empty first")]
    WalletInUse,
    /// 临时卡交回 needs a wallet that was never opened.
    #[error("the wallet of a temporary card must never have been opened")]
    WalletOpened,
    /// 回收 needs every extension sector reclaimed, 转出 those of the school.
    #[error("extension sectors must be reclaimed first")]
    SectorsOpen,
    /// 转出 is not for a temporary card.
    #[error("a temporary card is not transferred")]
    Temporary,
    /// 临时卡交回 is for a temporary card.
    #[error("the card is no temporary card")]
    NotTemporary,
    /// 转入 and 撤销转出 need an open transfer out on the card (操作规程 四/八).
    #[error("the card holds no open transfer out")]
    NoOpenTransfer,
    /// The student number (学籍号) is not the one the card must have: a correction keeps it; a
    /// transfer in gives one of the receiving school, of the next stage after a promotion (新学段新号),
    /// of the same stage after a transfer; and that one is then personalised (暂行办法 四(一)).
    #[error("the student number is not the one this card must have")]
    OtherPupil,
    /// 开放扩展扇区 needs a closed sector.
    #[error("the extension sector is in use")]
    SectorInUse,
    /// 回收扩展扇区 needs a sector in use.
    #[error("the extension sector is closed")]
    SectorClosed,
    /// 检验入库 of a faulty card brings back what it was before, but lifts no freeze that the fault
    /// covered: such a card is replaced or cancelled (操作规程 一/八(三)2).
    #[error("what the card was before the fault does not come back: replace or cancel it")]
    NoWayBack,
    /// 检验入库 counts generations; the counter is at its end.
    #[error("the card was recalled too often to go back to stock")]
    WornOut,
}

impl Condition {
    /// What may be missing for an event although key, state and unit are right.
    #[must_use]
    pub const fn of(event: Event) -> &'static [Self] {
        match event {
            Event::PersonaliseCommit => &[Self::OtherPupil],
            Event::ExtensionOpen => &[Self::SectorInUse],
            Event::ExtensionReclaim => &[Self::SectorClosed],
            Event::TransferOut => &[Self::Temporary, Self::SectorsOpen],
            Event::TransferIn => &[Self::NoOpenTransfer, Self::OtherPupil],
            Event::TransferWithdraw => &[Self::NoOpenTransfer],
            Event::Recall => &[Self::WalletInUse, Self::SectorsOpen],
            Event::Restock => &[Self::NoWayBack, Self::WornOut],
            Event::TemporaryReturn => &[Self::NotTemporary, Self::WalletOpened],
            Event::Initialise
            | Event::PersonaliseBegin
            | Event::TemporaryIssue
            | Event::Register
            | Event::Freeze
            | Event::Unfreeze
            | Event::Cancel
            | Event::Replace
            | Event::Fault => &[],
        }
    }
}
