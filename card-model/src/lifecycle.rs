//! The life of a card: one table of states × events. No other place decides a transition.
//!
//! Events arrive by one command under the event's key. Sources: 暂行办法 六, 操作规程 一/八(三) and
//! 四/五 to 四/八; event codes and the intermediate states are project-defined.

use xuejika_keyscheme::KeyNumber;

use crate::record::RecordKind;
use crate::state::LifeCycleState::{
    self, Active, Blank, Cancelled, Fault, Frozen, Initialised, Personalising, Recalled,
    TransferredIn, TransferredOut,
};

/// What can happen to a card. The code is P1 of CHANGE LIFE CYCLE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Event {
    /// 初始化.
    Initialise = 0x01,
    /// 个人化, first step: opens the pupil's files for writing.
    PersonaliseBegin = 0x02,
    /// 个人化, last step: checks the files and puts the card to use.
    PersonaliseCommit = 0x03,
    /// 临时卡办理: as [`Self::PersonaliseBegin`], for a temporary card.
    TemporaryIssue = 0x04,
    /// 学籍注册.
    Register = 0x05,
    /// 冻结.
    Freeze = 0x06,
    /// 解冻.
    Unfreeze = 0x07,
    /// 注销.
    Cancel = 0x08,
    /// 补卡, of the old card.
    Replace = 0x09,
    /// 开放扩展扇区.
    ExtensionOpen = 0x0A,
    /// 回收扩展扇区.
    ExtensionReclaim = 0x0B,
    /// 转出.
    TransferOut = 0x0C,
    /// 转入.
    TransferIn = 0x0D,
    /// 撤销转出.
    TransferWithdraw = 0x0E,
    /// 回收.
    Recall = 0x0F,
    /// 检验入库.
    Restock = 0x10,
    /// 故障登记.
    Fault = 0x11,
    /// 临时卡交回.
    TemporaryReturn = 0x12,
}

/// What an event does in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// Refused, nothing written.
    Refused,
    /// Allowed, the state stays.
    Stay,
    /// Allowed, the state becomes this one.
    To(LifeCycleState),
    /// Allowed, the state before the mark comes back.
    Previous,
}

/// Between which dates of EF 05 an event may be dated. The card has no clock, but no terminal's clock
/// can be right before the card was made, and none may use a card that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dated {
    /// On any day: the event makes the card.
    Any,
    /// From the initialisation date on: the event takes the card out of use, or marks it.
    SinceInitialisation,
    /// From the initialisation date to the end of the card's validity: the event puts the card to
    /// use, or keeps it there.
    WhileValid,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The event.
    pub event: Event,
    /// English name.
    pub name: &'static str,
    /// Chinese name.
    pub chinese: &'static str,
    /// Article of the seed regulation it comes from.
    pub article: &'static str,
    /// Key of the education zone under which it must come.
    pub key: KeyNumber,
    /// What it does, by state in the order of [`STATES`].
    pub transitions: [Transition; STATES.len()],
}

/// The columns of the table.
pub const STATES: [LifeCycleState; 10] = [
    Blank,
    Initialised,
    Personalising,
    Active,
    TransferredOut,
    TransferredIn,
    Frozen,
    Cancelled,
    Recalled,
    Fault,
];

const X: Transition = Transition::Refused;
const S: Transition = Transition::Stay;
const BACK: Transition = Transition::Previous;
const INIT: Transition = Transition::To(Initialised);
const PZG: Transition = Transition::To(Personalising);
const ACT: Transition = Transition::To(Active);
const OUT: Transition = Transition::To(TransferredOut);
const IN: Transition = Transition::To(TransferredIn);
const FRZ: Transition = Transition::To(Frozen);
const CAN: Transition = Transition::To(Cancelled);
const RCL: Transition = Transition::To(Recalled);
const FLT: Transition = Transition::To(Fault);

const fn rule(
    event: Event,
    (name, chinese): (&'static str, &'static str),
    article: &'static str,
    key: KeyNumber,
    transitions: [Transition; STATES.len()],
) -> Rule {
    Rule { event, name, chinese, article, key, transitions }
}

/// The table: what each event does in each state.
#[rustfmt::skip]
pub const TABLE: [Rule; 18] = {
    use Event as E;
    use KeyNumber as K;
    [
        //                                                                                                            Blank Init Pers Act  Out  In   Frz  Can Rcl  Flt
        rule(E::Initialise,        ("initialise", "初始化"),              "操作规程 二/六",       K::MASTER,      [INIT, X,   X,   X,   X,   X,   X,   X,  X,   X]),
        rule(E::PersonaliseBegin,  ("personalise begin", "个人化开始"),   "操作规程 四/五",       K::PERSONALISE, [X,    PZG, S,   PZG, X,   PZG, X,   X,  X,   X]),
        rule(E::PersonaliseCommit, ("personalise commit", "个人化完成"),  "操作规程 四/五",       K::PERSONALISE, [X,    X,   ACT, X,   X,   X,   X,   X,  X,   X]),
        rule(E::TemporaryIssue,    ("temporary issue", "临时卡办理"),     "暂行办法 六(二)",      K::PERSONALISE, [X,    PZG, X,   X,   X,   X,   X,   X,  X,   X]),
        rule(E::Register,          ("register", "学籍注册"),              "暂行办法 六(五)",      K::REGISTER,    [X,    X,   X,   S,   X,   X,   X,   X,  X,   X]),
        rule(E::Freeze,            ("freeze", "冻结"),                    "操作规程 四/六",       K::STATUS,      [X,    X,   X,   FRZ, FRZ, FRZ, S,   X,  X,   X]),
        rule(E::Unfreeze,          ("unfreeze", "解冻"),                  "操作规程 一/八(三)3",  K::STATUS,      [X,    X,   X,   S,   S,   S,   BACK, X, X,   X]),
        rule(E::Cancel,            ("cancel", "注销"),                    "操作规程 一/八(三)3",  K::STATUS,      [X,    CAN, CAN, CAN, CAN, CAN, CAN, S,  CAN, CAN]),
        rule(E::Replace,           ("replace", "补卡"),                   "暂行办法 六(三)",      K::STATUS,      [X,    X,   X,   CAN, CAN, CAN, CAN, S,  X,   CAN]),
        rule(E::ExtensionOpen,     ("extension open", "开放扩展扇区"),    "操作规程 一/八(三)3",  K::EXTENSION,   [X,    X,   X,   S,   X,   X,   X,   X,  X,   X]),
        rule(E::ExtensionReclaim,  ("extension reclaim", "回收扩展扇区"), "操作规程 一/八(三)3",  K::EXTENSION,   [X,    X,   X,   S,   S,   X,   S,   X,  X,   X]),
        rule(E::TransferOut,       ("transfer out", "转出"),              "暂行办法 六(四)",      K::TRANSFER,    [X,    X,   X,   OUT, X,   X,   X,   X,  X,   X]),
        rule(E::TransferIn,        ("transfer in", "转入"),               "操作规程 四/八",       K::TRANSFER,    [X,    X,   X,   X,   IN,  X,   X,   X,  X,   X]),
        rule(E::TransferWithdraw,  ("transfer withdraw", "撤销转出"),     "project-defined",      K::TRANSFER,    [X,    X,   X,   X,   ACT, X,   X,   X,  X,   X]),
        rule(E::Recall,            ("recall", "回收"),                    "操作规程 四/七",       K::STATUS,      [X,    S,   RCL, RCL, RCL, RCL, RCL, X,  S,   X]),
        rule(E::Restock,           ("restock", "检验入库"),               "操作规程 三/五",       K::STATUS,      [X,    X,   X,   X,   X,   X,   X,   X,  INIT, BACK]),
        rule(E::Fault,             ("fault", "故障登记"),                 "操作规程 一/八(三)2",  K::STATUS,      [FLT,  FLT, FLT, FLT, FLT, FLT, FLT, S,  FLT, S]),
        rule(E::TemporaryReturn,   ("temporary return", "临时卡交回"),    "操作规程 四/六",       K::STATUS,      [X,    X,   INIT, INIT, X, X,   INIT, X, X,   X]),
    ]
};

impl Event {
    /// The event with this code.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        TABLE.iter().map(|rule| rule.event).find(|event| event.code() == code)
    }

    /// The code on the wire and in the operation log.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Its row of the table.
    #[must_use]
    #[allow(clippy::indexing_slicing, reason = "codes are 1 to 18, in the order of the table")]
    pub const fn rule(self) -> &'static Rule {
        const ROWS: &[Rule; 18] = &TABLE;
        &ROWS[self as usize - 1]
    }

    /// Between which dates of the card it may be dated.
    #[must_use]
    pub const fn dated(self) -> Dated {
        match self {
            Self::Initialise => Dated::Any,
            Self::PersonaliseBegin
            | Self::PersonaliseCommit
            | Self::TemporaryIssue
            | Self::Register
            | Self::ExtensionOpen
            | Self::TransferOut
            | Self::TransferIn
            | Self::TransferWithdraw => Dated::WhileValid,
            Self::Freeze
            | Self::Unfreeze
            | Self::Cancel
            | Self::Replace
            | Self::ExtensionReclaim
            | Self::Recall
            | Self::Restock
            | Self::Fault
            | Self::TemporaryReturn => Dated::SinceInitialisation,
        }
    }

    /// Whether it puts a card to use, or keeps it there: refused for a card that has ended, and by a
    /// reader for one that its lists refuse. The others take a card out of use, or mark it
    /// (操作规程 四/六).
    #[must_use]
    pub const fn keeps_in_use(self) -> bool {
        matches!(self.dated(), Dated::WhileValid)
    }

    /// Records it may write beside status and log. A recall that leaves the state as it is writes
    /// none, a restock those of what it finds; [`Self::ExtensionOpen`], [`Self::ExtensionReclaim`],
    /// [`Self::TransferIn`] and [`Self::TemporaryReturn`] change sectors and their keys too.
    #[must_use]
    pub const fn records(self) -> &'static [RecordKind] {
        use RecordKind as R;
        const PUPIL: [R; 6] = [
            R::Identity,
            R::Enrolment,
            R::Personalisation,
            R::Registration,
            R::Transfer,
            R::Extension,
        ];
        match self {
            Self::PersonaliseCommit => &[R::Personalisation],
            Self::Register => &[R::Registration],
            Self::ExtensionOpen | Self::ExtensionReclaim => &[R::Extension],
            Self::TransferOut | Self::TransferWithdraw => &[R::Transfer],
            Self::TransferIn => &[R::Transfer, R::Extension],
            Self::Recall => PUPIL.split_at(5).0,
            Self::Restock => &[R::Issuance, R::Identity, R::Enrolment],
            Self::TemporaryReturn => &PUPIL,
            Self::Initialise
            | Self::PersonaliseBegin
            | Self::TemporaryIssue
            | Self::Freeze
            | Self::Unfreeze
            | Self::Cancel
            | Self::Replace
            | Self::Fault => &[],
        }
    }

    /// What it does to a card in `state` under which `previous` stands: the state before a mark.
    #[must_use]
    pub fn next(self, state: LifeCycleState, previous: LifeCycleState) -> Option<LifeCycleState> {
        let column = STATES.iter().position(|&column| column == state)?;
        match *self.rule().transitions.get(column)? {
            Transition::Refused => None,
            Transition::Stay => Some(state),
            Transition::To(next) => Some(next),
            Transition::Previous => Some(previous),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_their_codes() {
        for (code, rule) in (1_u8..).zip(&TABLE) {
            assert_eq!(rule.event.code(), code);
            assert_eq!(rule.event.rule().event, rule.event);
            assert_eq!(Event::from_code(code), Some(rule.event));
        }
        assert_eq!(Event::from_code(0), None);
        assert_eq!(Event::from_code(19), None);
    }

    #[test]
    fn columns_are_all_states_once() {
        for state in LifeCycleState::ALL {
            assert_eq!(STATES.iter().filter(|column| *column == state).count(), 1);
        }
    }

    /// Cancelling is final: no event leads out of it (操作规程 一/八(三)3, 四/六).
    #[test]
    fn cancelled_is_final() {
        for rule in &TABLE {
            let next = rule.event.next(Cancelled, Active);
            assert!(matches!(next, None | Some(Cancelled)), "{}", rule.name);
        }
    }

    /// A card that left a school must be taken in before it is personalised (操作规程 四/八).
    #[test]
    fn transfer_in_comes_before_personalisation() {
        assert_eq!(Event::PersonaliseBegin.next(TransferredOut, Active), None);
        assert_eq!(Event::TransferIn.next(TransferredOut, Active), Some(TransferredIn));
        assert_eq!(Event::PersonaliseBegin.next(TransferredIn, Active), Some(Personalising));
    }

    /// What is out of stock only comes back by way of it (操作规程 三/五), or as it was.
    #[test]
    fn a_restock_ends_a_fault_or_a_recall() {
        for before in [Blank, Initialised, Active, TransferredOut, TransferredIn, Recalled] {
            assert_eq!(Event::Fault.next(before, Initialised), Some(Fault));
            assert_eq!(Event::Restock.next(Fault, before), Some(before));
        }
        assert_eq!(Event::Restock.next(Recalled, Active), Some(Initialised));
    }

    #[test]
    fn unfreezing_restores_the_state_before() {
        for before in [Active, TransferredOut, TransferredIn] {
            assert_eq!(Event::Freeze.next(before, Initialised), Some(Frozen));
            assert_eq!(Event::Unfreeze.next(Frozen, before), Some(before));
        }
    }
}
