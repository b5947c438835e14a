//! Life-cycle events as they reach the card: what they carry, and what they do.
//!
//! Every event changes state, records, keys and operation log in one transaction. The acting unit is
//! not taken from the data: it is the unit inside the SAM's number, which the authentication has
//! proved. An event is refused, and writes nothing, unless its key, the table
//! ([`crate::lifecycle`]), the unit ([`owner`]), its date ([`Untimely`]) and its own condition
//! ([`Condition`]) allow it, in this order. Layouts project-defined.

mod condition;
mod date;
mod execute;
mod request;
mod sector;
mod transfer;
mod unit;
mod wipe;

use xuejika_keyscheme::KeyNumber;
use xuejika_keyscheme::auth::ReaderId;

use crate::card::CardError;
use crate::ident::UnitCode;
use crate::management::SamSerial;
use crate::state::LifeCycleState;

pub use condition::Condition;
pub use date::Untimely;
pub use request::{Body, Opening, OwnerKey, Request};
pub use unit::owner;

/// Who asks for an event: the key and the SAM of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Key of the education zone the session is under.
    pub key: KeyNumber,
    /// The SAM, as proved by the authentication.
    pub reader: ReaderId,
}

impl Actor {
    /// The unit that acts: the one inside the SAM's number.
    ///
    /// # Errors
    /// Returns [`CardError::ForeignUnit`] when the number is no SAM's.
    pub fn unit(&self) -> Result<UnitCode, CardError> {
        Ok(SamSerial::from_reader(self.reader).ok_or(CardError::ForeignUnit)?.unit)
    }

    /// Checks that the city acts: keys and issuance data are its own (操作规程 二/六).
    ///
    /// # Errors
    /// Returns [`CardError::ForeignUnit`] for any other unit.
    pub(crate) fn check_city(&self) -> Result<(), CardError> {
        if self.unit()? == UnitCode::CITY { Ok(()) } else { Err(CardError::ForeignUnit) }
    }
}

/// What an event did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// State afterwards.
    pub state: LifeCycleState,
    /// Counter of the status record afterwards.
    pub counter: u16,
    /// Whether the event had happened before and nothing was written.
    pub repeated: bool,
}

impl Outcome {
    /// Length of the encoding, in bytes.
    pub const LEN: usize = 4;

    /// Reads state, counter (2), repeated.
    #[must_use]
    pub fn parse(data: &[u8]) -> Option<Self> {
        match data {
            [state, c1, c2, repeated @ (0 | 1)] => Some(Self {
                state: LifeCycleState::from(*state),
                counter: u16::from_be_bytes([*c1, *c2]),
                repeated: *repeated == 1,
            }),
            _ => None,
        }
    }

    /// State, counter (2), repeated.
    #[must_use]
    pub const fn emit(&self) -> [u8; Self::LEN] {
        let [c1, c2] = self.counter.to_be_bytes();
        [self.state.code(), c1, c2, self.repeated as u8]
    }
}
