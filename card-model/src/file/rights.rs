//! Access rights as sets: which key opens a file, in which states of the card's life.

use xuejika_keyscheme::KeyNumber;

use crate::event::Actor;
use crate::state::LifeCycleState;
use crate::wallet::Operator;

/// A set of the key numbers 00 to 07 and of the management key 80.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySet(u16);

impl KeySet {
    /// Bit of the management key, which has no number below 16.
    const MANAGEMENT: u16 = 1 << 15;

    /// The set of these keys.
    #[must_use]
    pub const fn of(keys: &[KeyNumber]) -> Self {
        let mut bits = 0;
        let mut rest = keys;
        while let [key, tail @ ..] = rest {
            bits |= Self::bit(*key);
            rest = tail;
        }
        Self(bits)
    }

    /// Whether the key is in the set.
    #[must_use]
    pub const fn contains(self, key: KeyNumber) -> bool {
        self.0 & Self::bit(key) != 0
    }

    /// The set with these bits: bit n for key n, bit 15 for the management key.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// The bits of the set.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.0
    }

    const fn bit(key: KeyNumber) -> u16 {
        match key.0 {
            number @ 0..=7 => 1 << number,
            0x80 => Self::MANAGEMENT,
            _ => 0,
        }
    }
}

/// A set of life-cycle states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateSet(u16);

impl StateSet {
    /// Every state.
    pub const ALL: Self = Self(u16::MAX);

    /// The set of these states.
    #[must_use]
    pub const fn of(states: &[LifeCycleState]) -> Self {
        let mut bits = 0;
        let mut rest = states;
        while let [state, tail @ ..] = rest {
            bits |= Self::bit(*state);
            rest = tail;
        }
        Self(bits)
    }

    /// Every state but these.
    #[must_use]
    pub const fn all_but(states: &[LifeCycleState]) -> Self {
        Self(!Self::of(states).0)
    }

    /// Whether the state is in the set.
    #[must_use]
    pub const fn contains(self, state: LifeCycleState) -> bool {
        self.0 & Self::bit(state) != 0
    }

    /// State codes are multiples of 8 below 80.
    const fn bit(state: LifeCycleState) -> u16 {
        1 << (state.code() / 8)
    }
}

/// Who may do something, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Anyone, always, without a session.
    Free,
    /// A session under one of these keys of the file's own DF, in one of these states.
    Keys(KeySet, StateSet),
    /// The transit operator, by a command under line protection.
    Operator,
    /// Nobody, by command.
    Never,
}

/// Who asks, as far as it has been proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Anyone.
    Unproven,
    /// The peer of a session under this key of the file's own DF.
    Key(KeyNumber),
    /// As [`Self::Key`], and this is who it is.
    Peer(Actor),
    /// The transit operator.
    Operator(Operator),
}

impl From<Option<KeyNumber>> for Caller {
    fn from(key: Option<KeyNumber>) -> Self {
        key.map_or(Self::Unproven, Self::Key)
    }
}

/// Why a right was not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The session is missing or under another key.
    Security,
    /// The key would do, the card's state does not.
    State,
}

impl Right {
    /// Checks the right for `caller` while the card is in `state()`.
    ///
    /// # Errors
    /// Returns why it is not granted.
    pub fn check<E: From<Denied>>(
        self,
        caller: Caller,
        state: impl FnOnce() -> Result<LifeCycleState, E>,
    ) -> Result<(), E> {
        match (self, caller) {
            (Self::Free, _) | (Self::Operator, Caller::Operator(_)) => Ok(()),
            (Self::Keys(keys, states), Caller::Key(key) | Caller::Peer(Actor { key, .. }))
                if keys.contains(key) =>
            {
                if states.contains(state()?) {
                    Ok(())
                } else {
                    Err(Denied::State.into())
                }
            }
            (Self::Never | Self::Operator | Self::Keys(..), _) => Err(Denied::Security.into()),
        }
    }
}
