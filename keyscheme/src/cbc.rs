//! Cipher block chaining over whole blocks, in place (SP 800-38A §6.2).

use cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, BlockSizeUser};

use crate::error::InvalidLength;

/// Encrypts `data` in place and returns the last ciphertext block (the IV when `data` is empty).
///
/// # Errors
/// Returns [`InvalidLength`] when `data` is not a whole number of blocks.
pub fn encrypt<C: BlockCipherEncrypt>(
    cipher: &C,
    iv: &Block<C>,
    data: &mut [u8],
) -> Result<Block<C>, InvalidLength> {
    check_length::<C>(data)?;
    let mut chain = iv.clone();
    for block in data.chunks_exact_mut(C::block_size()) {
        xor(&mut chain, block);
        cipher.encrypt_block(&mut chain);
        block.copy_from_slice(&chain);
    }
    Ok(chain)
}

/// Decrypts `data` in place.
///
/// # Errors
/// Returns [`InvalidLength`] when `data` is not a whole number of blocks.
pub fn decrypt<C: BlockCipherDecrypt>(
    cipher: &C,
    iv: &Block<C>,
    data: &mut [u8],
) -> Result<(), InvalidLength> {
    check_length::<C>(data)?;
    let mut chain = iv.clone();
    for block in data.chunks_exact_mut(C::block_size()) {
        let mut plain = Block::<C>::default();
        plain.copy_from_slice(block);
        let ciphertext = plain.clone();
        cipher.decrypt_block(&mut plain);
        xor(&mut plain, &chain);
        block.copy_from_slice(&plain);
        chain = ciphertext;
    }
    Ok(())
}

/// Adds `other` to `block`, bit by bit.
pub(crate) fn xor(block: &mut [u8], other: &[u8]) {
    for (byte, other) in block.iter_mut().zip(other) {
        *byte ^= other;
    }
}

fn check_length<C: BlockSizeUser>(data: &[u8]) -> Result<(), InvalidLength> {
    if data.len().is_multiple_of(C::block_size()) {
        return Ok(());
    }
    Err(InvalidLength {
        what: "CBC data",
        actual: data.len(),
        expected: data.len().next_multiple_of(C::block_size()),
    })
}
