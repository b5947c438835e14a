//! The secure access module (SAM卡): the only place on the reader's side that holds card keys.
//!
//! Host code asks a SAM for proofs and protected commands and never sees a key. Locked, a SAM talks
//! to management cards only; unlocked, it uses the keys it was granted until the grant ends.

mod card;
mod soft;

pub use card::CardSam;
pub use soft::SoftSam;
pub use xuejika_card_model::sam::Grant;

use alloc::boxed::Box;
use alloc::vec::Vec;

use xuejika_apdu::sm::SmError;
use xuejika_apdu::status::Language;
use xuejika_apdu::{ChannelError, Command, Response, StatusWord};
use xuejika_card_model::date::Date;
use xuejika_card_model::event;
use xuejika_card_model::management::AuthorisationError;
use xuejika_card_model::sam;
use xuejika_keyscheme::auth::{CardId, ReaderId, Request, TOKEN_LEN};
use xuejika_keyscheme::provider::Path;
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone};

/// INS of PUT KEY (project-defined after GlobalPlatform).
pub(crate) const PUT_KEY: u8 = 0xD8;

/// INS of CHANGE LIFE CYCLE (project-defined).
pub(crate) const CHANGE_LIFE_CYCLE: u8 = 0xF0;

/// A secure access module.
///
/// One card at a time: [`Self::respond`], [`Self::open`], then any number of [`Self::wrap`] and
/// [`Self::unwrap`], then [`Self::close`].
pub trait Sam {
    /// Its number, as cards see it (ID.IFD).
    fn id(&self) -> ReaderId;

    /// The newest of the offered versions of a key that it holds and may use.
    ///
    /// # Errors
    /// Returns [`SamError::Locked`], [`SamError::NotPermitted`] or [`SamError::NoVersion`].
    fn version(
        &mut self,
        zone: Zone,
        number: KeyNumber,
        algorithm: Algorithm,
        offered: &[KeyVersion],
    ) -> Result<KeyVersion, SamError>;

    /// Answers a card's challenge under the named key of that card, dropping any session before.
    /// `path` leads from the root to the key: [`Path::City`] but for an application's key.
    ///
    /// # Errors
    /// Returns a [`SamError`] when the key may not be used.
    fn respond(
        &mut self,
        id: KeyId,
        path: Path,
        card: CardId,
        challenge: [u8; TOKEN_LEN],
    ) -> Result<Request, SamError>;

    /// Checks the card's proof and opens the session.
    ///
    /// # Errors
    /// Returns [`SamError::NotGenuine`] for a card that does not prove itself.
    fn open(&mut self, card_token: &[u8]) -> Result<(), SamError>;

    /// Protects a command for the open session and appends it to `out`. Commands and answers
    /// alternate. Of a management card it is [`Command::reads_all`] of its contents alone, and no
    /// command carries a key: see [`Self::wrap_key`] and [`Self::wrap_open`].
    ///
    /// # Errors
    /// Returns [`SamError::NoSession`], without one, out of turn, or for such a command; or what
    /// secure messaging refuses: the session is over then.
    fn wrap(&mut self, command: &Command<'_>, out: &mut Vec<u8>) -> Result<(), SamError>;

    /// Verifies and decrypts a response of the open session into `out`, replacing what it held.
    ///
    /// # Errors
    /// As [`Self::wrap`].
    fn unwrap(
        &mut self,
        response: &Response<'_>,
        out: &mut Vec<u8>,
    ) -> Result<StatusWord, SamError>;

    /// Protects PUT KEY with the named key of the session's card and appends it to `out`, in a session
    /// under K0. The key itself never leaves the SAM; its check value comes back for comparison.
    ///
    /// # Errors
    /// Returns a [`SamError`] when the key is not held or may not be used, or as [`Self::wrap`].
    fn wrap_key(&mut self, id: KeyId, out: &mut Vec<u8>) -> Result<[u8; 3], SamError>;

    /// Protects CHANGE LIFE CYCLE that opens an extension sector, with its owner's key for the
    /// session's card in this version, and appends it to `out`, in a session under K6. The key itself
    /// never leaves the SAM.
    ///
    /// # Errors
    /// As [`Self::wrap_key`]; [`SamError::NoSector`] when `request` opens no sector.
    fn wrap_open(
        &mut self,
        request: &event::Request,
        version: KeyVersion,
        out: &mut Vec<u8>,
    ) -> Result<(), SamError>;

    /// Ends the session, if one is open.
    fn close(&mut self);

    /// Takes the protected contents of a management card, read in the open session, and unlocks.
    /// The unlock secret in them never leaves the SAM.
    ///
    /// # Errors
    /// Returns a [`SamError`] naming why the card does not unlock this SAM; it stays locked.
    fn unlock(&mut self, contents: &Response<'_>, today: Date) -> Result<Grant, SamError>;

    /// Takes the date of a day on which the reader works. After the last day of the grant it locks.
    ///
    /// # Errors
    /// Returns [`SamError::Locked`], [`SamError::Expired`], or [`SamError::ClockWentBack`] for a day
    /// before one it has seen.
    fn set_date(&mut self, today: Date) -> Result<(), SamError>;

    /// Locks: every key is forgotten.
    fn lock(&mut self);
}

impl<S: Sam + ?Sized> Sam for Box<S> {
    fn id(&self) -> ReaderId {
        (**self).id()
    }

    fn version(
        &mut self,
        zone: Zone,
        number: KeyNumber,
        algorithm: Algorithm,
        offered: &[KeyVersion],
    ) -> Result<KeyVersion, SamError> {
        (**self).version(zone, number, algorithm, offered)
    }

    fn respond(
        &mut self,
        id: KeyId,
        path: Path,
        card: CardId,
        challenge: [u8; TOKEN_LEN],
    ) -> Result<Request, SamError> {
        (**self).respond(id, path, card, challenge)
    }

    fn open(&mut self, card_token: &[u8]) -> Result<(), SamError> {
        (**self).open(card_token)
    }

    fn wrap(&mut self, command: &Command<'_>, out: &mut Vec<u8>) -> Result<(), SamError> {
        (**self).wrap(command, out)
    }

    fn unwrap(
        &mut self,
        response: &Response<'_>,
        out: &mut Vec<u8>,
    ) -> Result<StatusWord, SamError> {
        (**self).unwrap(response, out)
    }

    fn wrap_key(&mut self, id: KeyId, out: &mut Vec<u8>) -> Result<[u8; 3], SamError> {
        (**self).wrap_key(id, out)
    }

    fn wrap_open(
        &mut self,
        request: &event::Request,
        version: KeyVersion,
        out: &mut Vec<u8>,
    ) -> Result<(), SamError> {
        (**self).wrap_open(request, version, out)
    }

    fn close(&mut self) {
        (**self).close();
    }

    fn unlock(&mut self, contents: &Response<'_>, today: Date) -> Result<Grant, SamError> {
        (**self).unlock(contents, today)
    }

    fn set_date(&mut self, today: Date) -> Result<(), SamError> {
        (**self).set_date(today)
    }

    fn lock(&mut self) {
        (**self).lock();
    }
}

/// Why a SAM did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SamError {
    /// It is locked; a management card has to be presented.
    #[error("the SAM is locked; present a management card")]
    Locked,
    /// The management card does not grant this key.
    #[error("the management card does not grant key {0}")]
    NotPermitted(KeyNumber),
    /// The card offers no version of the key that is known and recent enough.
    #[error("the card offers no acceptable version of key {0}")]
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
    /// Secure messaging refused.
    #[error(transparent)]
    Sm(#[from] SmError),
    /// The card answered something else than its contents.
    #[error("the management card refused to be read")]
    Unreadable,
    /// The contents of the management card are not understood; a SAM that is a card does not say
    /// more.
    #[error("the management card's contents are not understood")]
    Authorisation(Option<AuthorisationError>),
    /// The management card is made for another unit.
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
    /// The card behind the channel is no SAM.
    #[error("the card at the SAM's place is no SAM")]
    NoSam,
    /// The SAM is a card and answered something else.
    #[error("{command}: the SAM answered {status} ({})", status.text(Language::English))]
    Status {
        /// What was asked.
        command: &'static str,
        /// What it answered.
        status: StatusWord,
    },
    /// The SAM is a card and its answer has the wrong form.
    #[error("the SAM's answer to {0} is malformed")]
    Malformed(&'static str),
    /// The memory of the SAM failed.
    #[error("the memory of the SAM failed")]
    Memory,
    /// The channel to the SAM failed. It counts as locked.
    #[error("the SAM: {0}")]
    Channel(#[from] ChannelError),
}

impl SamError {
    /// Tells whether the SAM refused, by a rule. Otherwise something failed: the connection, the SAM
    /// itself, or the secure messaging with the card.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        !matches!(
            self,
            Self::Channel(_)
                | Self::Malformed(_)
                | Self::Memory
                | Self::NoSam
                | Self::NoSector
                | Self::NoSession
                | Self::Sm(_)
                | Self::Status { .. }
        )
    }
}

impl From<sam::SamError> for SamError {
    fn from(error: sam::SamError) -> Self {
        use sam::SamError as E;
        match error {
            E::Locked => Self::Locked,
            E::NotPermitted(number) => Self::NotPermitted(number),
            E::NoVersion(number) => Self::NoVersion(number),
            E::NotGenuine => Self::NotGenuine,
            E::NoSector => Self::NoSector,
            E::NoSession => Self::NoSession,
            E::Confidential => Self::Confidential,
            E::Unreadable => Self::Unreadable,
            E::Authorisation(error) => Self::Authorisation(Some(error)),
            E::OtherUnit => Self::OtherUnit,
            E::Expired(date) => Self::Expired(date),
            E::ForeignGrant => Self::ForeignGrant,
            E::ClockWentBack => Self::ClockWentBack,
            _ => Self::Memory,
        }
    }
}
