//! The road from a case to a card.

use xuejika_apdu::{CardChannel, ChannelError};

use super::case::Kind;

/// A place where cards can be tested: in process, behind a port or a reader, as a recording.
pub trait Bench: CardChannel {
    /// Puts a card of this kind, in its initial state and powered on, in place for a case.
    ///
    /// # Errors
    /// Returns a [`BenchError`] when there is none.
    fn begin(&mut self, case: &str, kind: Kind) -> Result<(), BenchError>;

    /// Takes power away and gives it back; returns the answer to reset.
    ///
    /// # Errors
    /// Returns a [`ChannelError`] when the card does not come back.
    fn power_cycle(&mut self) -> Result<Vec<u8>, ChannelError>;

    /// Has power go after so many more writes of the card.
    ///
    /// # Errors
    /// Returns a [`BenchError`] where that cannot be done.
    fn cut_after(&mut self, _writes: u64) -> Result<(), BenchError> {
        Err(BenchError::Unable("cut power in the middle of a command"))
    }

    /// What it can do of [`super::ics::ABILITIES`].
    fn abilities(&self) -> &[&str] {
        &[]
    }

    /// The kinds of cards it may have.
    fn kinds(&self) -> &[Kind] {
        &Kind::ALL
    }

    /// Whether [`Self::begin`] gives a card that no case before has changed.
    fn renews(&self) -> bool;

    /// Why the card refused the last command, where it can be asked.
    fn reason(&self) -> Option<String> {
        None
    }
}

/// Why a case cannot begin, or a step cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// There is no such card here.
    #[error("the target has no {} card", .0.name())]
    Absent(Kind),
    /// The target cannot do this.
    #[error("the target cannot {0}")]
    Unable(&'static str),
    /// The card does not answer.
    #[error(transparent)]
    Channel(#[from] ChannelError),
}
