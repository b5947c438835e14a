//! The personal PIN (个人密码): as stored, verified, changed, reloaded and unblocked. Storage
//! project-defined; the commands are those of PBOC purses.
//!
//! A try is spent before the PIN is compared.

use core::fmt;

use subtle::ConstantTimeEq;
use xuejika_keyscheme::legacy::{PinMac, PinReloadKey};
use zeroize::Zeroizing;

use crate::card::{Card, CardError};
use crate::crc;
use crate::nvm::Nvm;

use super::store::{self, Tries};
use super::{Access, Operator, SecurityState, WalletError};

/// FMCOS key type of a PIN.
pub const KEY_TYPE: u8 = 0x3A;

/// Bytes a PIN takes, padded with FF.
pub const PIN_LEN: usize = 8;

/// What stands behind a PIN.
const FILL: u8 = 0xFF;

/// Bytes a PIN may have: BCD digits, the last nibble F when their number is odd.
pub const LENGTHS: core::ops::RangeInclusive<usize> = 2..=6;

/// PIN of a new card: the digits 123456 in BCD.
pub const DEFAULT: [u8; PIN_LEN] = [0x12, 0x34, 0x56, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];

/// A PIN with its conditions.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredPin {
    /// When it may be verified.
    pub access: Access,
    /// Security state after it was verified.
    pub next: u8,
    /// Tries left.
    pub tries: Tries,
    /// The digits, padded with FF.
    pub digits: Zeroizing<[u8; PIN_LEN]>,
}

impl StoredPin {
    /// Length of the encoding, in bytes.
    pub const LEN: usize = 5 + PIN_LEN + crc::CRC_LEN;

    /// This PIN with the conditions of a new card.
    #[must_use]
    pub fn new(digits: [u8; PIN_LEN]) -> Self {
        Self { access: Access::FREE, next: 1, tries: Tries::NEW, digits: Zeroizing::new(digits) }
    }

    /// Reads type, identifier, access, next state, tries (1 each), digits (8), CRC (2).
    ///
    /// # Errors
    /// Returns [`WalletError::Damaged`] for a wrong check value.
    pub fn parse(bytes: &[u8]) -> Result<Self, WalletError> {
        let (true, Some((&[KEY_TYPE, store::KID, access, next, tries], rest))) =
            (crc::is_sealed(bytes), bytes.split_first_chunk())
        else {
            return Err(WalletError::Damaged("PIN"));
        };
        let digits = rest.first_chunk().ok_or(WalletError::Damaged("PIN"))?;
        Ok(Self {
            access: Access(access),
            next,
            tries: Tries::from_code(tries),
            digits: Zeroizing::new(*digits),
        })
    }

    /// The stored bytes.
    #[must_use]
    pub fn emit(&self) -> Zeroizing<[u8; Self::LEN]> {
        let mut bytes = Zeroizing::new([0; Self::LEN]);
        let fields = [KEY_TYPE, store::KID, self.access.0, self.next, self.tries.code()]
            .into_iter()
            .chain(*self.digits);
        bytes.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        crc::seal(&mut *bytes);
        bytes
    }
}

impl StoredPin {
    /// Compares in constant time.
    fn is(&self, candidate: &[u8]) -> bool {
        filled(candidate).is_some_and(|candidate| self.digits.ct_eq(&*candidate).into())
    }
}

impl fmt::Debug for StoredPin {
    /// The digits are not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredPin({:?})", self.tries)
    }
}

impl<N: Nvm> Card<N> {
    /// The PIN.
    ///
    /// # Errors
    /// Returns [`WalletError::Absent`] or [`WalletError::Damaged`].
    pub fn wallet_pin(&self) -> Result<StoredPin, WalletError> {
        StoredPin::parse(self.store_bytes(store::PIN_OFFSET, StoredPin::LEN)?)
    }

    /// VERIFY (校验个人密码): gives the security state that follows. Trailing FF mean nothing.
    ///
    /// # Errors
    /// Returns [`WalletError::Wrong`] for another PIN, [`WalletError::KeyBlocked`],
    /// [`WalletError::Access`], or what a failed write gives.
    pub fn verify_pin(
        &mut self,
        candidate: &[u8],
        state: SecurityState,
    ) -> Result<SecurityState, CardError> {
        let pin = self.attempt_pin(candidate, state)?;
        self.write_pin(&StoredPin { tries: pin.tries.restored(), ..pin.clone() })?;
        Ok(state.authenticated(pin.next, false))
    }

    /// CHANGE PIN (修改个人密码), by its holder.
    ///
    /// # Errors
    /// Returns [`WalletError::PinForm`] for a new PIN that is none, and as [`Self::verify_pin`].
    pub fn change_pin(
        &mut self,
        old: &[u8],
        new: &[u8],
        state: SecurityState,
    ) -> Result<(), CardError> {
        let digits = digits(new)?;
        let pin = self.attempt_pin(old, state)?;
        self.write_pin(&StoredPin { tries: pin.tries.restored(), digits, ..pin })
    }

    /// RELOAD PIN (重装个人密码), by the issuer: a forgotten PIN is replaced.
    ///
    /// # Errors
    /// Returns [`WalletError::Code`] for a wrong MAC, [`WalletError::KeyBlocked`] when no try is left,
    /// [`WalletError::PinForm`], or what a failed write gives.
    pub fn reload_pin(&mut self, new: &[u8], mac: PinMac) -> Result<(), CardError> {
        self.attempt::<PinReloadKey, _>(WalletError::Code, |key| {
            key.verify_pin(new, mac).map(drop)
        })?;
        self.replace_pin(new)
    }

    /// PIN UNBLOCK (解锁个人密码), by the issuer: a blocked PIN is replaced. That it takes the PIN which
    /// comes with the command is project-defined; the sources do not say.
    ///
    /// # Errors
    /// Returns [`WalletError::NotBlocked`] while tries are left, [`WalletError::PinForm`], or what a
    /// failed write gives.
    pub fn unblock_pin(&mut self, new: &[u8], _: Operator) -> Result<(), CardError> {
        if !self.wallet_pin()?.tries.is_blocked() {
            return Err(WalletError::NotBlocked.into());
        }
        self.replace_pin(new)
    }

    /// Compares the PIN; the try that it costs is for the caller to give back.
    fn attempt_pin(
        &mut self,
        candidate: &[u8],
        state: SecurityState,
    ) -> Result<StoredPin, CardError> {
        let pin = self.wallet_pin()?;
        if !pin.access.allows(state) {
            return Err(WalletError::Access.into());
        }
        if pin.tries.is_blocked() {
            return Err(WalletError::KeyBlocked.into());
        }
        let spent = StoredPin { tries: pin.tries.failed(), ..pin.clone() };
        self.write_pin(&spent)?;
        if pin.is(candidate) { Ok(pin) } else { Err(WalletError::Wrong(spent.tries.left()).into()) }
    }

    fn replace_pin(&mut self, new: &[u8]) -> Result<(), CardError> {
        let digits = digits(new)?;
        let pin = self.wallet_pin()?;
        self.write_pin(&StoredPin { tries: pin.tries.restored(), digits, ..pin })
    }

    fn write_pin(&mut self, pin: &StoredPin) -> Result<(), CardError> {
        let offset = self.store_offset()? + store::PIN_OFFSET;
        let mut txn = self.begin();
        txn.write(offset, &*pin.emit());
        Ok(txn.commit()?)
    }
}

/// A new PIN as it is stored.
fn digits(new: &[u8]) -> Result<Zeroizing<[u8; PIN_LEN]>, WalletError> {
    let end = new.iter().rposition(|&byte| byte != FILL).map_or(0, |last| last + 1);
    let (true, Some((&last, rest))) =
        (LENGTHS.contains(&end), new.get(..end).and_then(<[u8]>::split_last))
    else {
        return Err(WalletError::PinForm);
    };
    let is_digit = |nibble: u8| nibble <= 9;
    let odd = last & 0x0F == 0x0F;
    let whole = rest.iter().all(|byte| is_digit(byte >> 4) && is_digit(byte & 0x0F));
    if !whole || !is_digit(last >> 4) || !(odd || is_digit(last & 0x0F)) {
        return Err(WalletError::PinForm);
    }
    filled(new).ok_or(WalletError::PinForm)
}

/// The bytes with FF behind them; `None` when they are too many.
fn filled(bytes: &[u8]) -> Option<Zeroizing<[u8; PIN_LEN]>> {
    let mut digits = Zeroizing::new([FILL; PIN_LEN]);
    digits.get_mut(..bytes.len())?.copy_from_slice(bytes);
    Some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Digits are a PIN, whatever fills the rest; with another nibble among them they are none.
        #[test]
        fn a_pin_is_made_of_digits(
            number in prop::collection::vec(0_u8..=9, 3..=12), fill in 0_usize..=2,
            at: prop::sample::Index, other in 0x0A_u8..=0x0F,
        ) {
            let bytes = |nibbles: &[u8]| {
                let pairs = nibbles.chunks(2).map(|pair| pair[0] << 4 | pair.get(1).unwrap_or(&0x0F));
                pairs.chain([FILL; 2].into_iter().take(fill)).collect::<alloc::vec::Vec<_>>()
            };
            let pin = bytes(&number);
            let stored = StoredPin::new(*digits(&pin).unwrap());
            prop_assert!(stored.is(&pin));
            prop_assert!(StoredPin::parse(&*stored.emit()).is_ok_and(|parsed| parsed == stored));
            let mut wrong = number.clone();
            wrong[at.index(number.len())] = other;
            let last = at.index(number.len()) == number.len() - 1;
            if !(last && other == 0x0F) {
                prop_assert_eq!(digits(&bytes(&wrong)), Err(WalletError::PinForm));
            }
            prop_assert!(bytes(&wrong) == pin || !stored.is(&bytes(&wrong)));
        }
    }

    #[test]
    fn its_digits_are_not_shown() {
        let pin = StoredPin::new(*digits(&[0x98, 0x76]).unwrap());
        assert_eq!(alloc::format!("{pin:?}"), "StoredPin(Tries { max: 3, left: 3 })");
    }

    #[test]
    fn a_pin_has_three_to_twelve_digits() {
        for bytes in [&[][..], &[0x12], &[0x1F], &[0xFF; 8], &[0x12; 7], &[0x12; 9]] {
            assert_eq!(digits(bytes), Err(WalletError::PinForm));
        }
        assert!(digits(&[0x12, 0x3F]).is_ok());
        assert!(digits(&[0x12; 6]).is_ok());
    }
}
