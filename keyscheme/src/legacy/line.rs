//! Legacy: line protection (线路保护), the secure messaging of PBOC / FMCOS cards.
//!
//! Legacy: two-key TDES; disallowed by NIST for new protection since 2017 (two keys) and 2024
//! (any); not cache-timing safe; no fall-back between algorithms exists.
//!
//! A MAC of four bytes, chained from the card's challenge, over a command as it is sent: class with
//! bit 04, Lc that counts the MAC, data enciphered where it is. The MAC of an answer covers its
//! data and is chained from the same challenge. Each command is bound to one challenge and to
//! nothing else, so whole commands can be dropped or held back.

use alloc::vec::Vec;

use zeroize::Zeroizing;

use super::auth::Challenge;
use super::ecb;
use super::key::{LineKey, PinUnblockKey, Purpose, TdesKey, TransportKey};
use super::mac::{BLOCK_LEN, DesMac, Padding};
use super::proof::{self, LineMac, Verified};
use crate::error::{InvalidLength, Mismatch};
use crate::padding;

/// Legacy: purposes whose keys protect commands.
pub trait Protects: Purpose {}

impl Protects for LineKey {}
impl Protects for PinUnblockKey {}
impl Protects for TransportKey {}

impl<P: Protects> TdesKey<P> {
    /// The retail MAC of `message` under this challenge.
    #[must_use]
    pub fn line_mac(&self, challenge: &Challenge, message: &[u8]) -> LineMac {
        let mac = DesMac::retail(self.expose());
        proof::cut(mac.tag(challenge.block(), Padding::Marker, message))
    }

    /// Checks a received MAC in constant time.
    ///
    /// # Errors
    /// Returns [`Mismatch`] when it is not the MAC of this key, challenge and message.
    pub fn verify_line(
        &self,
        challenge: &Challenge,
        message: &[u8],
        received: LineMac,
    ) -> Result<Verified<LineMac>, Mismatch> {
        proof::verify(self.line_mac(challenge, message), received)
    }

    /// Encrypts the data of a command: length (1) ‖ data, padded with 80 00.. when it does not end
    /// with a block.
    ///
    /// # Errors
    /// Returns [`InvalidLength`] when `data` has more than 255 bytes.
    pub fn encrypt_data(&self, data: &[u8]) -> Result<Vec<u8>, InvalidLength> {
        let length = u8::try_from(data.len()).map_err(|_| InvalidLength {
            what: "data under line protection",
            actual: data.len(),
            expected: usize::from(u8::MAX),
        })?;
        let mut block = Vec::with_capacity(data.len() + 1 + BLOCK_LEN);
        block.push(length);
        block.extend_from_slice(data);
        if !block.len().is_multiple_of(BLOCK_LEN) {
            padding::pad(&mut block, BLOCK_LEN);
        }
        ecb::encrypt(&self.cipher(), &mut block)?;
        Ok(block)
    }

    /// Decrypts the data of a command: as many bytes as its length byte says, whatever stands
    /// behind them, since card systems disagree about the padding. To be called after
    /// [`Self::verify_line`].
    ///
    /// # Errors
    /// Returns [`Mismatch`] when `cryptogram` is not a whole number of blocks or the length byte
    /// exceeds it.
    pub fn decrypt_data(&self, cryptogram: &[u8]) -> Result<Zeroizing<Vec<u8>>, Mismatch> {
        let mut plain = Zeroizing::new(cryptogram.to_vec());
        ecb::decrypt(&self.cipher(), &mut plain).map_err(|_| Mismatch)?;
        let (length, rest) = plain.split_first().ok_or(Mismatch)?;
        let data = rest.get(..usize::from(*length)).ok_or(Mismatch)?;
        Ok(Zeroizing::new(data.to_vec()))
    }
}
