//! Loading and retiring card keys: the data of PUT KEY and what it does. Layout project-defined.
//!
//! A new version goes beside the active one and takes over at its first use. Key, version and
//! cleared failure counter change in one transaction, or nothing does.

use xuejika_keyscheme::key::{Card as CardKey, Key};
use xuejika_keyscheme::{Algorithm, KeyNumber, KeyVersion, Zone};
use zeroize::Zeroizing;

use crate::card::{Card, CardError, Denied};
use crate::event::Actor;
use crate::file::{Df, StateSet};
use crate::nvm::Nvm;
use crate::state::LifeCycleState;

/// Usage code of a key that authenticates and derives session keys: the only one in this version.
pub const USAGE_AUTHENTICATION: u8 = 0x01;

/// States in which a card still takes keys.
const TAKES_KEYS: StateSet =
    StateSet::all_but(&[LifeCycleState::Blank, LifeCycleState::Cancelled, LifeCycleState::Fault]);

/// A key on its way to a card.
#[derive(Debug)]
pub struct KeyData {
    /// The key.
    pub key: Key<CardKey>,
    /// Check value that came with it.
    pub kcv: [u8; 3],
}

impl KeyData {
    /// Length of the encoding, in bytes.
    pub const LEN: usize = 2 + 16 + 3;

    /// Reads algorithm, usage, key (16), KCV (3: CMAC of the zero block).
    ///
    /// # Errors
    /// Returns [`CardError::EventData`] for a wrong length or an undefined code.
    pub fn parse(data: &[u8]) -> Result<Self, CardError> {
        let wrong = CardError::EventData;
        let (&[algorithm, usage], rest) = data.split_first_chunk().ok_or(wrong.clone())?;
        let (key, rest) = rest.split_first_chunk::<16>().ok_or(wrong.clone())?;
        let kcv = rest.try_into().map_err(|_| wrong.clone())?;
        let algorithm = Algorithm::from_code(algorithm).ok_or(wrong.clone())?;
        if usage != USAGE_AUTHENTICATION {
            return Err(wrong);
        }
        Ok(Self { key: Key::new(algorithm, *key), kcv })
    }

    /// The data with the right check value for this key.
    #[must_use]
    pub fn emit(key: &Key<CardKey>) -> Zeroizing<[u8; Self::LEN]> {
        let mut data = Zeroizing::new([0; Self::LEN]);
        let fields = [key.algorithm().code(), USAGE_AUTHENTICATION]
            .into_iter()
            .chain(*key.expose())
            .chain(key.kcv().bytes());
        data.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        data
    }
}

impl<N: Nvm> Card<N> {
    /// Loads a newer version of a key of the education zone: the city does, under K0. Returns its check
    /// value.
    ///
    /// # Errors
    /// Returns a [`CardError`] naming the broken rule; nothing has changed then.
    pub fn load_key(
        &mut self,
        df: &Df,
        number: KeyNumber,
        version: KeyVersion,
        data: KeyData,
        actor: Option<Actor>,
    ) -> Result<[u8; 3], CardError> {
        self.check_takes_keys(df, actor)?;
        let mut slots = self.key_slots(df, number)?.ok_or(CardError::KeyNotFound)?;
        let kcv = data.key.kcv().bytes();
        if kcv != data.kcv {
            return Err(CardError::KeyCheck);
        }
        slots.load(version, data.key).map_err(|_| CardError::EventData)?;
        self.write_slots(df, number, &slots)?;
        Ok(kcv)
    }

    /// Forgets the fall-back version of a key of the education zone: the city does, under K0.
    ///
    /// # Errors
    /// As [`Self::load_key`].
    pub fn retire_key(
        &mut self,
        df: &Df,
        number: KeyNumber,
        actor: Option<Actor>,
    ) -> Result<(), CardError> {
        self.check_takes_keys(df, actor)?;
        let mut slots = self.key_slots(df, number)?.ok_or(CardError::KeyNotFound)?;
        slots.retire();
        self.write_slots(df, number, &slots)
    }

    fn check_takes_keys(&self, df: &Df, actor: Option<Actor>) -> Result<(), CardError> {
        let actor = actor.filter(|_| df.zone() == Zone::EDUCATION).ok_or(Denied::Security)?;
        if actor.key != KeyNumber::MASTER {
            return Err(Denied::Security.into());
        }
        actor.check_city()?;
        if TAKES_KEYS.contains(self.state()?) { Ok(()) } else { Err(Denied::State.into()) }
    }
}
