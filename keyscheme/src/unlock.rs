//! What a management card (管理卡) unlocks: the key that opens a SAM's key file.
//!
//! The key-encryption key depends on the whole record of the management card, on its serial and on
//! the SAM's: a record with any bit changed opens nothing. Layouts project-defined.

use alloc::vec::Vec;

use cipher::Block;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::algorithm::{BLOCK_LEN, CardCipher};
use crate::auth::{CardId, Constant, ReaderId, derive_key};
use crate::bytes::concat;
use crate::cbc;
use crate::error::Mismatch;
use crate::key::{Kek, Key, Sam, SessionEnc, SessionMac};
use crate::padding;

/// Length of a management card's record without its check value, in bytes.
pub const RECORD_LEN: usize = 46;

impl Key<Sam> {
    /// Derives the key that opens this SAM's key file when the management card with this serial holds
    /// this record.
    #[must_use]
    pub fn unlock(&self, record: &[u8; RECORD_LEN], sam: ReaderId, management: CardId) -> Key<Kek> {
        let context: Zeroizing<[u8; RECORD_LEN + 8 + 8]> =
            Zeroizing::new(concat(&[record, &sam.0, &management.0]));
        derive_key(self, Constant::UnlockKek, &*context)
    }
}

impl Key<Kek> {
    /// Seals `plain` together with the clear `header`: synthetic IV (CMAC over both), then CBC.
    ///
    /// The result is the 16-byte tag and the ciphertext.
    #[must_use]
    pub fn seal(&self, header: &[u8], plain: &[u8]) -> Vec<u8> {
        // A container that grows leaves what it held in the memory it gives back.
        let mut body = Zeroizing::new(Vec::with_capacity(plain.len() + BLOCK_LEN));
        body.extend_from_slice(plain);
        padding::pad(&mut body, BLOCK_LEN);
        let tag = self.envelope_tag(header, &body);
        let mut sealed = tag.to_vec();
        // A padded body is a whole number of blocks.
        let encrypted = cbc::encrypt(&self.envelope_cipher(), &tag, &mut body);
        debug_assert!(encrypted.is_ok());
        sealed.extend_from_slice(&body);
        sealed
    }

    /// Opens what [`Self::seal`] made.
    ///
    /// # Errors
    /// Returns [`Mismatch`] when the key, the header or any byte differs.
    pub fn open(&self, header: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Mismatch> {
        let (tag, body) = sealed.split_first_chunk::<BLOCK_LEN>().ok_or(Mismatch)?;
        let mut body = Zeroizing::new(body.to_vec());
        cbc::decrypt(&self.envelope_cipher(), tag.into(), &mut body).map_err(|_| Mismatch)?;
        if !bool::from(self.envelope_tag(header, &body).as_slice().ct_eq(tag)) {
            return Err(Mismatch);
        }
        let length = padding::unpad(&body)?.len();
        if let Some(rest) = body.get_mut(length..) {
            rest.zeroize();
        }
        body.truncate(length);
        Ok(body)
    }

    fn envelope_cipher(&self) -> CardCipher {
        derive_key::<_, SessionEnc>(self, Constant::EnvelopeEnc, &[]).cipher()
    }

    fn envelope_tag(&self, header: &[u8], body: &[u8]) -> Block<CardCipher> {
        let mac = derive_key::<_, SessionMac>(self, Constant::EnvelopeMac, &[]).mac();
        let length = (header.len() as u64).to_be_bytes();
        mac.start().with(&length).with(header).with(body).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::Algorithm;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn open_reverses_seal(key: [u8; 16], header: Vec<u8>, plain: Vec<u8>, sm4: bool) {
            let algorithm = if sm4 { Algorithm::Sm4 } else { Algorithm::Aes128 };
            let kek = Key::<Kek>::new(algorithm, key);
            let sealed = kek.seal(&header, &plain);
            let opened = kek.open(&header, &sealed).unwrap();
            prop_assert_eq!(&opened[..], &plain[..]);
        }
    }

    #[test]
    fn the_key_depends_on_every_bit_of_the_grant() {
        let sam = Key::<Sam>::new(Algorithm::Aes128, [9; 16]);
        let kek = |bytes: &[u8; RECORD_LEN + 16]| {
            let (record, serials) = bytes.split_first_chunk().unwrap();
            let (reader, card) = serials.split_first_chunk().unwrap();
            sam.unlock(record, ReaderId(*reader), CardId(card.try_into().unwrap()))
        };
        let genuine = core::array::from_fn(|at| u8::try_from(at).unwrap());
        for bit in 0..8 * genuine.len() {
            let mut changed = genuine;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(kek(&changed) != kek(&genuine), "bit {bit}");
        }
    }

    #[test]
    fn every_changed_bit_is_refused() {
        let kek = Key::<Kek>::new(Algorithm::Aes128, [9; 16]);
        let sealed = kek.seal(b"head", b"twenty-one bytes of key");
        for bit in 0..8 * sealed.len() {
            let mut bad = sealed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(kek.open(b"head", &bad).is_err());
        }
        assert!(kek.open(b"heae", &sealed).is_err());
        for length in 0..sealed.len() {
            assert!(kek.open(b"head", &sealed[..length]).is_err());
        }
        assert!(Key::<Kek>::new(Algorithm::Sm4, [9; 16]).open(b"head", &sealed).is_err());
    }
}
