//! Block ciphers in ECB and CBC mode, both directions, and the hash SM3 that stands beside SM4.

use sm3::{Digest, Sm3};
use xuejika_keyscheme::algorithm::cipher::{
    Block, BlockCipherDecrypt, BlockCipherEncrypt, BlockSizeUser,
};
use xuejika_keyscheme::cbc;

use super::cipher::AnyCipher;
use super::outcome::{Check, Problem, expect};
use crate::vector::Fields;

pub(super) fn check(entry: &Fields<'_>) -> Check {
    let algorithm = entry.text("alg")?;
    if algorithm == "SM3" {
        // No crate of the project hashes: this one compares the `sm3` crate with the data.
        return expect(entry, "digest", &Sm3::digest(entry.hex("msg")?));
    }
    let cipher = AnyCipher::new(algorithm, &entry.hex("key")?)?;
    let (plain, ciphertext) = (entry.hex("plaintext")?, entry.hex("ciphertext")?);
    let mode = Mode::of(entry)?;
    let encrypted = with_cipher!(&cipher, cipher => mode.encrypt(cipher, plain))?;
    expect(entry, "ciphertext", &encrypted)?;
    if matches!(mode, Mode::Ecb { iterations: 2.. }) {
        // The standard iterates encryption only.
        return Ok(());
    }
    let decrypted = with_cipher!(&cipher, cipher => mode.decrypt(cipher, ciphertext))?;
    expect(entry, "plaintext", &decrypted)
}

enum Mode {
    /// Every block for itself, as often as given.
    Ecb { iterations: usize },
    /// Blocks chained from an initial vector.
    Cbc { iv: Vec<u8> },
}

impl Mode {
    fn of(entry: &Fields<'_>) -> Result<Self, Problem> {
        match entry.text("mode")? {
            "CBC" => Ok(Self::Cbc { iv: entry.hex("iv")? }),
            "ECB" => Ok(Self::Ecb { iterations: 1 }),
            mode if mode.starts_with("ECB iterated") => {
                Ok(Self::Ecb { iterations: entry.count("iterations")? })
            }
            _ => Err(Problem::NotSupported("modes other than ECB and CBC")),
        }
    }

    fn encrypt<C: BlockCipherEncrypt>(
        &self,
        cipher: &C,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, Problem> {
        match self {
            Self::Ecb { iterations } => {
                each_block::<C>(data, *iterations, |block| cipher.encrypt_block(block))
            }
            Self::Cbc { iv } => {
                let mut data = data;
                cbc::encrypt(cipher, &block::<C>(iv)?, &mut data)?;
                Ok(data)
            }
        }
    }

    fn decrypt<C: BlockCipherDecrypt>(
        &self,
        cipher: &C,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, Problem> {
        match self {
            Self::Ecb { iterations } => {
                each_block::<C>(data, *iterations, |block| cipher.decrypt_block(block))
            }
            Self::Cbc { iv } => {
                let mut data = data;
                cbc::decrypt(cipher, &block::<C>(iv)?, &mut data)?;
                Ok(data)
            }
        }
    }
}

fn each_block<C: BlockSizeUser>(
    mut data: Vec<u8>,
    iterations: usize,
    mut work: impl FnMut(&mut Block<C>),
) -> Result<Vec<u8>, Problem> {
    if !data.len().is_multiple_of(C::block_size()) {
        return Err(Problem::Refused(format!("{} bytes are not whole blocks", data.len())));
    }
    for chunk in data.chunks_mut(C::block_size()) {
        let mut block = block::<C>(chunk)?;
        (0..iterations).for_each(|_| work(&mut block));
        chunk.copy_from_slice(&block);
    }
    Ok(data)
}

fn block<C: BlockSizeUser>(bytes: &[u8]) -> Result<Block<C>, Problem> {
    Block::<C>::try_from(bytes)
        .map_err(|_| Problem::Refused(format!("{} bytes are not one block", bytes.len())))
}
