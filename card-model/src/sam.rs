//! The secure access module (SAM卡) of a reader: the only place on that side that holds card keys.
//!
//! What it keeps without power is a [`SamStore`]: its secret, the root shared with management cards
//! (管理卡), and the roots of card keys, sealed. A management card completes the key that opens them,
//! so a locked SAM does not have them at all. What it has in RAM is a [`SamSession`]: locked after
//! every reset; unlocked, it uses the keys it was granted, for the unit and until the day it was
//! granted. The virtual card and the SAM in software both run this, with their own end of secure
//! messaging in it. Bytes project-defined.

mod session;
mod store;
mod wire;

pub use session::{Carried, SamSession};
pub use store::{InvalidSam, MAX_KEYS, SamStore};
pub(crate) use store::{KEY_FILE_LEN, KEYS_LEN};
pub use wire::{Respond, SamState, VersionChoice, key_id};

use xuejika_keyscheme::KeyNumber;

use crate::card::CardError;
use crate::date::Date;
use crate::file::KeySet;
use crate::ident::UnitCode;
use crate::management::{AuthorisationError, Role, VersionFloor};

/// What a management card granted, without its secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Role of the reader.
    pub role: Role,
    /// Unit of the reader.
    pub unit: UnitCode,
    /// Last day on which the reader works.
    pub valid_until: Date,
    /// Keys the SAM may use.
    pub permitted: KeySet,
    /// Lowest acceptable version of each key.
    pub floor: VersionFloor,
}

/// Why a SAM refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SamError {
    /// It is locked; a management card has to be presented.
    #[error("the SAM is locked; present a management card")]
    Locked,
    /// The management card does not grant this key.
    #[error("the management card does not grant key {0}")]
    NotPermitted(KeyNumber),
    /// No version of the key is known and recent enough.
    #[error("no acceptable version of key {0}")]
    NoVersion(KeyNumber),
    /// The card has not proved that it belongs to the key system.
    #[error("the card is not genuine: its proof is wrong")]
    NotGenuine,
    /// A key was to go with an event that opens no extension sector.
    #[error("the event opens no extension sector")]
    NoSector,
    /// No session is open, or none that this needs.
    #[error("no session is open, or none that allows this")]
    NoSession,
    /// What a management card holds is told to nobody outside the SAM.
    #[error("what a management card holds is for the SAM alone")]
    Confidential,
    /// The management card answered something else than its contents.
    #[error("the management card refused to be read")]
    Unreadable,
    /// The contents of the management card are not understood.
    #[error("the management card's contents: {0}")]
    Authorisation(#[from] AuthorisationError),
    /// The management card is made for another unit than the SAM.
    #[error("the management card does not open this SAM: it is for another unit")]
    OtherUnit,
    /// The management card's validity is over.
    #[error("the management card was valid until {0}")]
    Expired(Date),
    /// The management card is genuine but made for another SAM, role or validity.
    #[error("the management card does not open this SAM")]
    ForeignGrant,
    /// The date lies before one the SAM has seen already, which could revive an ended grant.
    #[error("the date lies before one the SAM has seen already")]
    ClockWentBack,
    /// The memory is damaged, failed or lost power.
    #[error(transparent)]
    Card(#[from] CardError),
}
