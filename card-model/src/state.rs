//! Life-cycle states of the education zone, as the status record stores them (project-defined
//! codes).

use crate::code::codes;

codes! {
    /// Where a card stands in its life; one binary byte.
    pub enum LifeCycleState {
        Blank = 0x00, "00", "blank", "空白";
        Initialised = 0x10, "10", "initialised", "已初始化";
        Personalising = 0x18, "18", "personalising", "个人化中";
        Active = 0x20, "20", "active", "在用";
        TransferredOut = 0x30, "30", "transferred out", "已转出";
        TransferredIn = 0x38, "38", "transferred in", "已转入待个人化";
        Frozen = 0x40, "40", "frozen", "冻结";
        Cancelled = 0x50, "50", "cancelled", "已注销";
        Recalled = 0x60, "60", "recalled", "已回收";
        Fault = 0x70, "70", "fault", "故障";
    }
}

impl From<u8> for LifeCycleState {
    /// Reads the byte of a status record; an unknown byte means a faulty card.
    fn from(code: u8) -> Self {
        Self::from_code(code).unwrap_or(Self::Fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_a_state() {
        for byte in 0..=u8::MAX {
            let state = LifeCycleState::from(byte);
            assert!(state.code() == byte || state == LifeCycleState::Fault);
        }
        assert_eq!(LifeCycleState::ALL.len(), 10);
        assert_eq!(LifeCycleState::from(0x21), LifeCycleState::Fault);
    }
}
