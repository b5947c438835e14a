//! Key diversification of NXP AN10922, for every key type of the note.
//!
//! Each block of the new key is the CMAC under the old one of exactly two blocks:
//! `constant ‖ M ‖ 80 00 ..`. The padding belongs to that input even where `constant ‖ M` fits into
//! one block, so the second block is always masked like a padded one, unless `M` fills both.
//!
//! The card derives its own keys from 18 bytes under AES-128 or SM4 ([`diversify`](crate::diversify)),
//! where this and plain CMAC agree.

use cipher::array::ArraySize;
use cipher::consts::{U16, U24, U32};
use cipher::{Array, Block, BlockCipherEncrypt};

use crate::algorithm::{Aes128, Aes192, Aes256, CardCipher, TdesEde2, TdesEde3};
use crate::cbc::xor;
use crate::cmac::Cmac;
use crate::error::InvalidLength;
use crate::padding::MARKER;

/// A cipher whose keys can be diversified.
pub trait KeyType: BlockCipherEncrypt {
    /// Length of a key.
    type KeyLen: ArraySize;

    /// The byte in front of `M`, for each block of the new key (AN10922 §2.2 to §2.5).
    const CONSTANTS: &'static [u8];
}

macro_rules! key_types {
    ($($cipher:ty: $length:ty, $constants:expr;)*) => {$(
        impl KeyType for $cipher {
            type KeyLen = $length;
            const CONSTANTS: &'static [u8] = &$constants;
        }
    )*};
}

key_types! {
    Aes128: U16, [0x01];
    Aes192: U24, [0x11, 0x12];
    Aes256: U32, [0x41, 0x42];
    TdesEde2: U16, [0x21, 0x22];
    TdesEde3: U24, [0x31, 0x32, 0x33];
    // The note knows no SM4; that it is diversified like AES-128 is project-defined.
    CardCipher: U16, [0x01];
}

/// Diversifies the key inside `mac` with the input `m`. A new TDEA key has no parity.
///
/// # Errors
/// Returns [`InvalidLength`] unless `m` has at least one byte and fits into two blocks behind its
/// constant: 31 bytes for AES, 15 for TDEA.
pub fn diversify<C: KeyType>(
    mac: &Cmac<C>,
    m: &[u8],
) -> Result<Array<u8, C::KeyLen>, InvalidLength> {
    let most = 2 * C::block_size() - 1;
    if !(1..=most).contains(&m.len()) {
        return Err(InvalidLength {
            what: "diversification input",
            actual: m.len(),
            expected: most,
        });
    }
    let mut key = Array::<u8, C::KeyLen>::default();
    // Two blocks make the 24 bytes of an AES-192 key: they overlap by half and are added there.
    let rest = key.len().saturating_sub(C::block_size());
    let step = rest.checked_div(C::CONSTANTS.len() - 1).unwrap_or(0);
    for (index, constant) in C::CONSTANTS.iter().enumerate() {
        if let Some(part) = key.get_mut(index * step..) {
            xor(part, &tag(mac, *constant, m));
        }
    }
    Ok(key)
}

fn tag<C: BlockCipherEncrypt>(mac: &Cmac<C>, constant: u8, m: &[u8]) -> Block<C> {
    let mut message = mac.start().with(&[constant]).with(m);
    if 1 + m.len() > C::block_size() {
        // Two blocks already: CMAC itself pads and masks them so.
        return message.finish();
    }
    message.update(&[MARKER]);
    for _ in 1 + m.len() + 1..2 * C::block_size() {
        message.update(&[0]);
    }
    message.finish_padded()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diversify::{INPUT_LEN, Step};
    use crate::key::{Key, KeyId, KeyNumber, KeyVersion, Root, Zone};
    use crate::{Algorithm, auth::CardId};
    use alloc::vec::Vec;
    use cipher::KeyInit;
    use proptest::prelude::*;

    /// The input written out, padded and masked by hand.
    fn by_hand<C: BlockCipherEncrypt + Clone>(cipher: &C, constant: u8, m: &[u8]) -> Block<C> {
        let size = C::block_size();
        let mut input = [&[constant], m].concat();
        let padded = input.len() < 2 * size;
        if padded {
            input.push(0x80);
            input.resize(2 * size, 0);
        }
        let mut subkey = Block::<C>::default();
        cipher.encrypt_block(&mut subkey);
        for _ in 0..if padded { 2 } else { 1 } {
            let carry = subkey[0] >> 7;
            for at in 0..size {
                subkey[at] = subkey[at] << 1 | subkey.get(at + 1).map_or(0, |next| next >> 7);
            }
            subkey[size - 1] ^= carry * if size == 8 { 0x1B } else { 0x87 };
        }
        xor(&mut input[size..], &subkey);
        crate::cbc::encrypt(cipher, &Block::<C>::default(), &mut input).unwrap()
    }

    proptest! {
        #[test]
        fn inputs_of_every_length(key: [u8; 32], m in prop::collection::vec(any::<u8>(), 1..=31)) {
            let aes = Aes192::new_from_slice(&key[..24]).unwrap();
            let derived = diversify(&Cmac::new(aes.clone()), &m).unwrap();
            let (a, b) = (by_hand(&aes, 0x11, &m), by_hand(&aes, 0x12, &m));
            let middle: Vec<u8> = a[8..].iter().zip(&b[..8]).map(|(a, b)| a ^ b).collect();
            prop_assert_eq!(&derived[..], [&a[..8], &middle, &b[8..]].concat());

            let m = &m[..m.len().min(15)];
            let tdes = TdesEde3::new_from_slice(&key[..24]).unwrap();
            let derived = diversify(&Cmac::new(tdes.clone()), m).unwrap();
            let blocks = [0x31, 0x32, 0x33].map(|constant| by_hand(&tdes, constant, m));
            prop_assert_eq!(&derived[..], blocks.concat());
        }

        /// The card's own derivation is one step of the note.
        #[test]
        fn card_keys_are_diversified_so(key: [u8; 16], serial: [u8; 8], sm4: bool) {
            let algorithm = if sm4 { Algorithm::Sm4 } else { Algorithm::Aes128 };
            let id = KeyId {
                zone: Zone::EDUCATION,
                number: KeyNumber::READ,
                version: KeyVersion::FIRST,
                algorithm,
            };
            let root = Key::<Root>::new(algorithm, key);
            let message = Step::Card(CardId(serial)).message(&id);
            prop_assert_eq!(message.len(), 1 + INPUT_LEN);
            let derived = diversify(&root.mac(), &message[1..]).unwrap();
            prop_assert_eq!(derived, *root.card(&id, CardId(serial)).expose());
        }
    }

    #[test]
    fn lengths_beyond_the_note_are_refused() {
        let aes = Cmac::new(Aes128::new(&[0; 16].into()));
        let tdes = Cmac::new(TdesEde2::new(&[0; 16].into()));
        for (length, fits_aes, fits_tdes) in [
            (0, false, false),
            (1, true, true),
            (15, true, true),
            (16, true, false),
            (31, true, false),
            (32, false, false),
        ] {
            let m = alloc::vec![0xAA; length];
            assert_eq!(diversify(&aes, &m).is_ok(), fits_aes);
            assert_eq!(diversify(&tdes, &m).is_ok(), fits_tdes);
        }
    }
}
