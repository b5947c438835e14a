//! Why cards come into a stock or leave it, and who stands on the other side at each level.

use crate::code::codes;
use crate::desk::line::coded_cells;
use crate::ident::{Scope, UnitCode};

codes! {
    /// Why cards come into a stock or leave it (出入库事由), 操作规程 一/八(三); project-defined code.
    pub enum Movement {
        Received = 1, "1", "received", "领取入库";
        Returned = 2, "2", "returned", "交回入库";
        MovedIn = 3, "3", "moved in", "随转入学生入库";
        FaultIn = 4, "4", "fault in", "故障卡入库";
        RecalledIn = 5, "5", "recalled in", "回收入库";
        HandedOut = 6, "6", "handed out", "下发出库";
        Personalised = 7, "7", "personalised", "个人化出库";
        FaultUp = 8, "8", "fault up", "故障卡上交";
        RecalledUp = 9, "9", "recalled up", "回收上交";
    }
}

coded_cells!(Movement);

/// Which way cards go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Into the stock (入库).
    In,
    /// Out of the stock (出库).
    Out,
}

/// Who stands on the other side of a movement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counterpart {
    /// The unit one level up.
    Above,
    /// A unit one level down.
    Below,
    /// The school a pupil comes from.
    School,
    /// No unit: the supplier (供卡方), or the pupil.
    Nobody,
}

impl Movement {
    /// Returns which way the cards go.
    #[must_use]
    pub const fn direction(self) -> Direction {
        match self {
            Self::Received | Self::Returned | Self::MovedIn | Self::FaultIn | Self::RecalledIn => {
                Direction::In
            }
            Self::HandedOut | Self::Personalised | Self::FaultUp | Self::RecalledUp => {
                Direction::Out
            }
        }
    }

    /// Returns who stands on the other side when `unit` keeps the stock; `None` when its level knows
    /// no such movement: pupils deal with schools, schools have nobody below them, and nothing is
    /// recalled above the city.
    #[must_use]
    pub const fn counterpart(self, unit: UnitCode) -> Option<Counterpart> {
        match (self, unit.scope()) {
            (Self::Received | Self::FaultUp, Scope::City) => Some(Counterpart::Nobody),
            (Self::Received | Self::FaultUp, _) => Some(Counterpart::Above),
            (Self::RecalledUp, Scope::District(_) | Scope::School { .. }) => {
                Some(Counterpart::Above)
            }
            (
                Self::HandedOut | Self::FaultIn | Self::RecalledIn,
                Scope::City | Scope::District(_),
            ) => Some(Counterpart::Below),
            (Self::Personalised | Self::Returned, Scope::School { .. }) => {
                Some(Counterpart::Nobody)
            }
            (Self::MovedIn, Scope::School { .. }) => Some(Counterpart::School),
            _ => None,
        }
    }

    /// Returns what the movement is at the unit that takes the cards in; `None` when no unit does.
    #[must_use]
    pub const fn taken_in_as(self) -> Option<Self> {
        match self {
            Self::HandedOut => Some(Self::Received),
            Self::FaultUp => Some(Self::FaultIn),
            Self::RecalledUp => Some(Self::RecalledIn),
            _ => None,
        }
    }
}

impl Counterpart {
    /// Tells whether this is the one on the other side of the stock of `unit`.
    #[must_use]
    pub fn is(self, unit: UnitCode, other: Option<UnitCode>) -> bool {
        match (self, other) {
            (Self::Nobody, None) => true,
            (Self::Above, Some(other)) => unit.above() == Some(other),
            (Self::Below, Some(other)) => other.above() == Some(unit),
            (Self::School, Some(other)) => other.is_school(),
            _ => false,
        }
    }

    /// Returns what is expected in the field.
    #[must_use]
    pub const fn expected(self) -> &'static str {
        match self {
            Self::Above => "the unit one level up",
            Self::Below => "a unit one level down",
            Self::School => "the school the pupil comes from",
            Self::Nobody => "no unit",
        }
    }
}
