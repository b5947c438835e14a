//! Legacy: EXTERNAL and INTERNAL AUTHENTICATE of PBOC / FMCOS cards.
//!
//! Legacy: two-key TDES; disallowed by NIST for new protection since 2017 (two keys) and 2024
//! (any); not cache-timing safe; no fall-back between algorithms exists.
//!
//! Two proofs, one per direction. Nothing ties them to each other or to what follows, and no
//! session key comes out of them: this is not mutual authentication, for which see [`crate::auth`].

use subtle::ConstantTimeEq;

use super::ecb;
use super::key::{
    ExternalAuthKey, InternalDecryptKey, InternalEncryptKey, InternalMacKey, TdesKey,
};
use super::mac::{BLOCK_LEN, DesMac, Padding, ZERO_IV};
use super::proof::{self, InternalMac, Verified};
use crate::error::{InvalidLength, Mismatch};

/// Legacy: what GET CHALLENGE answered, four random bytes and zeros, or eight. Four bytes repeat
/// after about 2^16 draws.
///
/// Neither `Copy` nor `Clone`: a card that checks an answer gives its challenge away.
#[derive(Debug, PartialEq, Eq)]
pub struct Challenge([u8; BLOCK_LEN]);

impl Challenge {
    /// The whole block: the initial value of a line MAC, the plaintext of an authentication.
    #[must_use]
    pub const fn block(&self) -> [u8; BLOCK_LEN] {
        self.0
    }

    fn into_block(self) -> [u8; BLOCK_LEN] {
        self.0
    }
}

impl From<[u8; 4]> for Challenge {
    fn from([a, b, c, d]: [u8; 4]) -> Self {
        Self([a, b, c, d, 0, 0, 0, 0])
    }
}

impl From<[u8; BLOCK_LEN]> for Challenge {
    fn from(bytes: [u8; BLOCK_LEN]) -> Self {
        Self(bytes)
    }
}

impl TdesKey<ExternalAuthKey> {
    /// The terminal's answer: the challenge encrypted.
    #[must_use]
    pub fn answer(&self, challenge: &Challenge) -> [u8; BLOCK_LEN] {
        self.encrypted(challenge.block())
    }

    /// Card: checks the terminal's answer in constant time. The challenge is used up.
    ///
    /// # Errors
    /// Returns [`Mismatch`] when it is not the answer of this key.
    pub fn verify(&self, challenge: Challenge, answer: &[u8]) -> Result<(), Mismatch> {
        let expected = self.encrypted(challenge.into_block());
        if bool::from(expected.as_slice().ct_eq(answer)) { Ok(()) } else { Err(Mismatch) }
    }

    fn encrypted(&self, mut block: [u8; BLOCK_LEN]) -> [u8; BLOCK_LEN] {
        ecb::encrypt_block(&self.cipher(), &mut block);
        block
    }
}

impl TdesKey<InternalEncryptKey> {
    /// The card's answer with P1 = 00: the data encrypted, in place.
    ///
    /// # Errors
    /// Returns [`InvalidLength`] when the data is not a whole number of blocks.
    pub fn encrypt(&self, data: &mut [u8]) -> Result<(), InvalidLength> {
        ecb::encrypt(&self.cipher(), data)
    }
}

impl TdesKey<InternalDecryptKey> {
    /// The card's answer with P1 = 01: the data decrypted, in place.
    ///
    /// # Errors
    /// Returns [`InvalidLength`] when the data is not a whole number of blocks.
    pub fn decrypt(&self, data: &mut [u8]) -> Result<(), InvalidLength> {
        ecb::decrypt(&self.cipher(), data)
    }
}

impl TdesKey<InternalMacKey> {
    /// The card's answer with P1 = 02: retail MAC over the data, zero IV, always padded. That a
    /// 16-byte key takes the retail MAC is project-defined; public examples have 8-byte keys.
    #[must_use]
    pub fn mac(&self, data: &[u8]) -> InternalMac {
        proof::cut(DesMac::retail(self.expose()).tag(ZERO_IV, Padding::Marker, data))
    }

    /// Checks the card's answer in constant time.
    ///
    /// # Errors
    /// Returns [`Mismatch`] when it is not the answer of this key.
    pub fn verify(
        &self,
        data: &[u8],
        received: InternalMac,
    ) -> Result<Verified<InternalMac>, Mismatch> {
        proof::verify(self.mac(data), received)
    }
}
