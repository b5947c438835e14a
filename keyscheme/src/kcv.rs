//! Key check values. Several conventions are in use and give different bytes for one key, so a
//! value always carries the name of its method.

use core::fmt;

use cipher::{Block, BlockCipherEncrypt};
use subtle::ConstantTimeEq;

use crate::algorithm::Algorithm;
use crate::cmac::Cmac;

/// How a check value is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KcvMethod {
    /// CMAC of one zero block (ANSI X9.24-1:2017, X9.143): the only method for card keys.
    Cmac(Algorithm),
    /// Encryption of one block of 01 bytes (GlobalPlatform Amendment D); foreign keys only.
    OnesBlock,
    /// Encryption of one zero block; foreign keys only, since it gives away bits of a MAC subkey.
    ZeroBlock,
}

impl fmt::Display for KcvMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cmac(algorithm) => write!(f, "cmac-{algorithm}"),
            Self::OnesBlock => f.write_str("ones-block"),
            Self::ZeroBlock => f.write_str("zero-block"),
        }
    }
}

/// A key check value of three bytes with its method.
#[derive(Clone, Copy, Debug)]
pub struct Kcv {
    method: KcvMethod,
    bytes: [u8; 3],
}

impl Kcv {
    /// A value that was computed elsewhere, inside a token or by another program.
    #[must_use]
    pub const fn new(method: KcvMethod, bytes: [u8; 3]) -> Self {
        Self { method, bytes }
    }

    /// CMAC of one zero block under a card algorithm.
    pub fn cmac<C: BlockCipherEncrypt>(algorithm: Algorithm, mac: &Cmac<C>) -> Self {
        Self { method: KcvMethod::Cmac(algorithm), bytes: left(&mac.tag(&Block::<C>::default())) }
    }

    /// Encryption of one block of 01 bytes.
    pub fn ones_block<C: BlockCipherEncrypt>(cipher: &C) -> Self {
        Self { method: KcvMethod::OnesBlock, bytes: encrypt_filled(cipher, 1) }
    }

    /// Encryption of one zero block.
    pub fn zero_block<C: BlockCipherEncrypt>(cipher: &C) -> Self {
        Self { method: KcvMethod::ZeroBlock, bytes: encrypt_filled(cipher, 0) }
    }

    /// How it was computed.
    #[must_use]
    pub const fn method(&self) -> KcvMethod {
        self.method
    }

    /// The three bytes.
    #[must_use]
    pub const fn bytes(&self) -> [u8; 3] {
        self.bytes
    }
}

impl PartialEq for Kcv {
    fn eq(&self, other: &Self) -> bool {
        self.method == other.method && bool::from(self.bytes.ct_eq(&other.bytes))
    }
}

impl Eq for Kcv {}

impl fmt::Display for Kcv {
    /// Prints `method:xxxxxx`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c] = self.bytes;
        write!(f, "{}:{a:02x}{b:02x}{c:02x}", self.method)
    }
}

fn encrypt_filled<C: BlockCipherEncrypt>(cipher: &C, value: u8) -> [u8; 3] {
    let mut block = Block::<C>::default();
    block.fill(value);
    cipher.encrypt_block(&mut block);
    left(&block)
}

fn left(block: &[u8]) -> [u8; 3] {
    let mut bytes = [0; 3];
    bytes.iter_mut().zip(block).for_each(|(to, from)| *to = *from);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn values_are_equal_by_method_and_bytes() {
        let value = |method, last| Kcv { method, bytes: [1, 2, last] };
        let one = value(KcvMethod::OnesBlock, 3);
        assert_eq!(one, value(KcvMethod::OnesBlock, 3));
        assert_ne!(one, value(KcvMethod::OnesBlock, 4));
        assert_ne!(one, value(KcvMethod::ZeroBlock, 3));
        assert_eq!(format!("{one}"), "ones-block:010203");
    }
}
