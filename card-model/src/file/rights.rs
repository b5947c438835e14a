//! Access rights as sets: which key opens a file, in which states of the card's life.

use xuejika_keyscheme::KeyNumber;

use crate::state::LifeCycleState;

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
    /// Nobody, by command.
    Never,
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
    /// Checks the right for a session under `key` (if any) while the card is in `state()`.
    ///
    /// # Errors
    /// Returns why it is not granted.
    pub fn check<E: From<Denied>>(
        self,
        key: Option<KeyNumber>,
        state: impl FnOnce() -> Result<LifeCycleState, E>,
    ) -> Result<(), E> {
        match self {
            Self::Free => Ok(()),
            Self::Never => Err(Denied::Security.into()),
            Self::Keys(keys, states) => {
                if !key.is_some_and(|key| keys.contains(key)) {
                    return Err(Denied::Security.into());
                }
                if states.contains(state()?) { Ok(()) } else { Err(Denied::State.into()) }
            }
        }
    }
}
