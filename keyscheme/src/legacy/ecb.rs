//! Legacy: electronic codebook over whole blocks, in place (SP 800-38A §6.1). Equal blocks stay
//! equal; PBOC uses it all the same. For chaining see [`crate::cbc`].
//!
//! Legacy: two-key TDES; disallowed by NIST for new protection since 2017 (two keys) and 2024
//! (any); not cache-timing safe; no fall-back between algorithms exists.

use cipher::{Array, Block, BlockCipherDecrypt, BlockCipherEncrypt, BlockSizeUser};

use crate::algorithm::TdesEde2;
use crate::error::InvalidLength;

/// Encrypts `data` in place.
///
/// # Errors
/// Returns [`InvalidLength`] when `data` is not a whole number of blocks.
pub fn encrypt<C: BlockCipherEncrypt>(cipher: &C, data: &mut [u8]) -> Result<(), InvalidLength> {
    cipher.encrypt_blocks(blocks::<C>(data)?);
    Ok(())
}

/// Decrypts `data` in place.
///
/// # Errors
/// Returns [`InvalidLength`] when `data` is not a whole number of blocks.
pub fn decrypt<C: BlockCipherDecrypt>(cipher: &C, data: &mut [u8]) -> Result<(), InvalidLength> {
    cipher.decrypt_blocks(blocks::<C>(data)?);
    Ok(())
}

/// Encrypts one block in place.
pub(super) fn encrypt_block(cipher: &TdesEde2, block: &mut [u8; 8]) {
    cipher.encrypt_block(block.into());
}

fn blocks<C: BlockSizeUser>(data: &mut [u8]) -> Result<&mut [Block<C>], InvalidLength> {
    let actual = data.len();
    match Array::slice_as_chunks_mut(data) {
        (blocks, []) => Ok(blocks),
        _ => Err(InvalidLength {
            what: "ECB data",
            actual,
            expected: actual.next_multiple_of(C::block_size()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::{Des, TdesEde2};
    use crate::cbc;
    use alloc::vec::Vec;
    use cipher::KeyInit;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn decrypt_reverses_encrypt(key: [u8; 16], iv: [u8; 8], plain: Vec<u8>) {
            let whole = plain.len().is_multiple_of(8);
            let (des, tdes) = (Des::new(&[7; 8].into()), TdesEde2::new(&key.into()));
            let mut data = plain.clone();
            prop_assert_eq!(encrypt(&tdes, &mut data).is_ok(), whole);
            prop_assert_eq!(encrypt(&des, &mut data).is_ok(), whole);
            prop_assert_eq!(cbc::encrypt(&tdes, &iv.into(), &mut data).is_ok(), whole);
            prop_assert_eq!(cbc::decrypt(&tdes, &iv.into(), &mut data).is_ok(), whole);
            prop_assert_eq!(decrypt(&des, &mut data).is_ok(), whole);
            prop_assert_eq!(decrypt(&tdes, &mut data).is_ok(), whole);
            prop_assert_eq!(data, plain);
        }
    }
}
