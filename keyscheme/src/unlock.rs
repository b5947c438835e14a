//! What a management card (管理卡) unlocks: the key that opens a SAM's key file.
//!
//! The key-encryption key depends on everything the management card grants, so a changed role,
//! unit or end of validity opens nothing. Layouts project-defined.

use alloc::vec::Vec;

use cipher::Block;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::algorithm::{BLOCK_LEN, CardCipher};
use crate::auth::{CardId, Constant, ReaderId, derive_key};
use crate::cbc;
use crate::error::Mismatch;
use crate::key::{Kek, Key, Sam, SessionEnc, SessionMac};
use crate::padding;

/// Everything the unlock key is bound to.
#[derive(Clone, Debug)]
pub struct UnlockContext {
    /// Role code of the management card.
    pub role: u8,
    /// Unit code, BCD.
    pub unit: [u8; 3],
    /// Number of the key set.
    pub key_set: u8,
    /// Last day of validity, BCD YYYYMMDD.
    pub valid_to: [u8; 4],
    /// The SAM.
    pub sam: ReaderId,
    /// The management card.
    pub management: CardId,
    /// The unlock secret on the management card.
    pub secret: Zeroizing<[u8; 16]>,
}

impl UnlockContext {
    const LEN: usize = 1 + 3 + 1 + 4 + 8 + 8 + 16;

    fn emit(&self) -> Zeroizing<[u8; Self::LEN]> {
        let mut context = Zeroizing::new([0; Self::LEN]);
        let bytes = core::iter::once(self.role)
            .chain(self.unit)
            .chain([self.key_set])
            .chain(self.valid_to)
            .chain(self.sam.0)
            .chain(self.management.0)
            .chain(*self.secret);
        context.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        context
    }
}

impl Key<Sam> {
    /// Derives the key that opens this SAM's key file under the given grant.
    #[must_use]
    pub fn unlock(&self, context: &UnlockContext) -> Key<Kek> {
        derive_key(self, Constant::UnlockKek, &*context.emit())
    }
}

impl Key<Kek> {
    /// Seals `plain` together with the clear `header`: synthetic IV (CMAC over both), then CBC.
    ///
    /// The result is the 16-byte tag and the ciphertext.
    #[must_use]
    pub fn seal(&self, header: &[u8], plain: &[u8]) -> Vec<u8> {
        let mut body = Zeroizing::new(plain.to_vec());
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
    fn the_context_has_every_field_at_its_place() {
        let context = UnlockContext {
            role: 1,
            unit: [2, 3, 4],
            key_set: 5,
            valid_to: [6, 7, 8, 9],
            sam: ReaderId([10, 11, 12, 13, 14, 15, 16, 17]),
            management: CardId([18, 19, 20, 21, 22, 23, 24, 25]),
            secret: Zeroizing::new([
                26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41,
            ]),
        };
        assert!(context.emit().iter().copied().eq(1..=41));
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
