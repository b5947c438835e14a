//! Legacy: the 8-byte keys under which a wallet computes its codes.
//!
//! Legacy: two-key TDES; disallowed by NIST for new protection since 2017 (two keys) and 2024
//! (any); not cache-timing safe; no fall-back between algorithms exists.
//!
//! A session key (过程密钥) lives for one transaction and belongs to it by the card's random number
//! and a sequence number. The TAC key is the DTK with its halves added and stays the same for the
//! life of the card. Either keeps the purpose of the key it came from.

use core::fmt;
use core::marker::PhantomData;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::check::{DES_KEY_LEN, halves};
use super::ecb;
use super::key::{
    LimitKey, LoadKey, PinReloadKey, PurchaseKey, Purpose, TacKey, TdesKey, UnloadKey,
};
use super::mac::{DesMac, Padding, ZERO_IV};
use super::proof::{self, Code, PinMac, Verified};
use super::purse::Input;
use crate::cbc::xor;
use crate::error::Mismatch;

/// Legacy: a single-DES key of purpose `P`, 8 bytes. Wiped on drop, never shown.
pub struct DesKey<P: Purpose> {
    bytes: Zeroizing<[u8; DES_KEY_LEN]>,
    purpose: PhantomData<P>,
}

/// Legacy: a [`DesKey`] with its key schedule, for more than one code. Wiped on drop, never shown.
pub struct ExpandedKey<P: Purpose> {
    mac: DesMac,
    purpose: PhantomData<P>,
}

impl<P: Purpose> DesKey<P> {
    /// Takes the bytes as a key of purpose `P`.
    #[must_use]
    pub fn new(bytes: [u8; DES_KEY_LEN]) -> Self {
        Self { bytes: Zeroizing::new(bytes), purpose: PhantomData }
    }

    /// The secret bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8; DES_KEY_LEN] {
        &self.bytes
    }

    /// Expands the key schedule.
    #[must_use]
    pub fn expand(&self) -> ExpandedKey<P> {
        ExpandedKey { mac: DesMac::cbc(&self.bytes), purpose: PhantomData }
    }

    /// The code over `input`, which must be made for a key of this purpose.
    #[must_use]
    pub fn code<M: Code>(&self, input: &Input<P, M>) -> M {
        self.expand().code(input)
    }

    /// Checks a received code over `input` in constant time.
    ///
    /// # Errors
    /// Returns [`Mismatch`] when it is not the code of this key.
    pub fn verify<M: Code>(
        &self,
        input: &Input<P, M>,
        received: M,
    ) -> Result<Verified<M>, Mismatch> {
        self.expand().verify(input, received)
    }
}

impl<P: Purpose> ExpandedKey<P> {
    /// As [`DesKey::code`].
    #[must_use]
    pub fn code<M: Code>(&self, input: &Input<P, M>) -> M {
        plain(&self.mac, input.bytes())
    }

    /// As [`DesKey::verify`].
    ///
    /// # Errors
    /// Returns [`Mismatch`] when it is not the code of this key.
    pub fn verify<M: Code>(
        &self,
        input: &Input<P, M>,
        received: M,
    ) -> Result<Verified<M>, Mismatch> {
        proof::verify(self.code(input), received)
    }
}

impl<P: Purpose> fmt::Debug for ExpandedKey<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExpandedKey({})", P::NAME)
    }
}

impl<P: Purpose> Clone for DesKey<P> {
    fn clone(&self) -> Self {
        Self::new(*self.bytes)
    }
}

impl<P: Purpose> PartialEq for DesKey<P> {
    /// Compares in constant time.
    fn eq(&self, other: &Self) -> bool {
        bool::from(self.bytes.ct_eq(&*other.bytes))
    }
}

impl<P: Purpose> Eq for DesKey<P> {}

impl<P: Purpose> fmt::Debug for DesKey<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DesKey({})", P::NAME)
    }
}

/// Legacy: purposes whose session keys depend on the card's on-line sequence number.
pub trait Online: Purpose {}

impl Online for LoadKey {}
impl Online for UnloadKey {}
impl Online for LimitKey {}

impl<P: Online> TdesKey<P> {
    /// The session key of a load, unload or limit update with this random number and on-line
    /// sequence number of the card.
    #[must_use]
    pub fn session(&self, random: [u8; 4], sequence: u16) -> DesKey<P> {
        session(self, online_block(random, sequence))
    }
}

impl TdesKey<PurchaseKey> {
    /// The session key of a purchase with this random number and off-line sequence number of the
    /// card, and this sequence number of the terminal.
    #[must_use]
    pub fn session(
        &self,
        random: [u8; 4],
        sequence: u16,
        terminal_sequence: u32,
    ) -> DesKey<PurchaseKey> {
        session(self, offline_block(random, sequence, terminal_sequence))
    }
}

impl TdesKey<TacKey> {
    /// The key under which TACs are computed: left half ⊕ right half.
    #[must_use]
    pub fn folded(&self) -> DesKey<TacKey> {
        DesKey::new(fold(self))
    }
}

impl TdesKey<PinReloadKey> {
    /// The MAC over the new PIN in RELOAD PIN, under left half ⊕ right half.
    #[must_use]
    pub fn pin_mac(&self, pin: &[u8]) -> PinMac {
        plain(&DesMac::cbc(&fold(self)), pin)
    }

    /// Checks the MAC over the new PIN in constant time.
    ///
    /// # Errors
    /// Returns [`Mismatch`] when it is not the MAC of this key and PIN.
    pub fn verify_pin(&self, pin: &[u8], received: PinMac) -> Result<Verified<PinMac>, Mismatch> {
        proof::verify(self.pin_mac(pin), received)
    }
}

/// What is encrypted to an on-line session key: random (4) ‖ on-line sequence (2) ‖ 8000.
#[must_use]
pub const fn online_block([a, b, c, d]: [u8; 4], sequence: u16) -> [u8; DES_KEY_LEN] {
    let [e, f] = sequence.to_be_bytes();
    [a, b, c, d, e, f, 0x80, 0x00]
}

/// What is encrypted to an off-line session key: random (4) ‖ off-line sequence (2) ‖ the low two
/// bytes of the terminal's sequence number.
#[must_use]
pub const fn offline_block(
    [a, b, c, d]: [u8; 4],
    sequence: u16,
    terminal_sequence: u32,
) -> [u8; DES_KEY_LEN] {
    let [e, f] = sequence.to_be_bytes();
    let [_, _, g, h] = terminal_sequence.to_be_bytes();
    [a, b, c, d, e, f, g, h]
}

fn session<P: Purpose>(key: &TdesKey<P>, block: [u8; DES_KEY_LEN]) -> DesKey<P> {
    let mut session = DesKey::new(block);
    ecb::encrypt_block(&key.cipher(), &mut session.bytes);
    session
}

fn fold<P: Purpose>(key: &TdesKey<P>) -> [u8; DES_KEY_LEN] {
    let (mut left, right) = halves(key.expose());
    xor(&mut left, &right);
    left
}

/// CBC-MAC, zero IV, padding method 2, left four bytes.
fn plain<M: Code>(key: &DesMac, message: &[u8]) -> M {
    proof::cut(key.tag(ZERO_IV, Padding::Marker, message))
}
