//! What the cipher of a session decides: counter width, IV and checksum.
//!
//! | | AES, SM4 | two-key TDES |
//! |---|---|---|
//! | counter | 16 bytes, from 0 | 8 bytes, from a random value |
//! | IV | the encrypted counter | zeros |
//! | checksum | CMAC, cut to 8 bytes | retail MAC (ISO/IEC 9797-1 algorithm 3) |
//! | source | ICAO 9303-11 §9.8, TR-03110-3 §F.2 | ICAO 9303-11 §9.8, Appendix D.4 |
//!
//! Sessions of the student-record card use the left column. The right one is that of travel
//! documents under Basic Access Control, whose published transcripts it is checked against.

use xuejika_keyscheme::CardCipher;
use xuejika_keyscheme::algorithm::cipher::consts::U16;
use xuejika_keyscheme::algorithm::cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt};
use xuejika_keyscheme::algorithm::{Aes128, Aes192, Aes256, Sm4, TdesEde2};
use xuejika_keyscheme::cmac::Cmac;
use xuejika_keyscheme::legacy::DesMac;
use xuejika_keyscheme::legacy::mac::{Padding, ZERO_IV};

use super::CHECKSUM_LEN;

/// A cipher that carries secure messaging. Its counter is one block wide.
pub trait Profile: BlockCipherEncrypt + BlockCipherDecrypt {
    /// Computes the checksums.
    type Mac: Checksum;

    /// The IV of the message with this counter.
    fn iv(&self, counter: Block<Self>) -> Block<Self>;
}

/// A MAC key as secure messaging uses it.
pub trait Checksum {
    /// The checksum over `parts`, one behind the other, together whole blocks.
    fn checksum(&self, parts: &[&[u8]]) -> [u8; CHECKSUM_LEN];
}

macro_rules! encrypted_counter {
    ($($cipher:ty),*) => {$(
        impl Profile for $cipher {
            type Mac = Cmac<Self>;

            fn iv(&self, mut counter: Block<Self>) -> Block<Self> {
                self.encrypt_block(&mut counter);
                counter
            }
        }
    )*};
}

encrypted_counter!(CardCipher, Aes128, Aes192, Aes256, Sm4);

impl Profile for TdesEde2 {
    type Mac = DesMac;

    fn iv(&self, _: Block<Self>) -> Block<Self> {
        ZERO_IV.into()
    }
}

impl<C: BlockCipherEncrypt<BlockSize = U16>> Checksum for Cmac<C> {
    fn checksum(&self, parts: &[&[u8]]) -> [u8; CHECKSUM_LEN] {
        let mut message = self.start();
        parts.iter().for_each(|part| message.update(part));
        let [a, b, c, d, e, f, g, h, ..]: [u8; 16] = message.finish().into();
        [a, b, c, d, e, f, g, h]
    }
}

impl Checksum for DesMac {
    fn checksum(&self, parts: &[&[u8]]) -> [u8; CHECKSUM_LEN] {
        self.tag(ZERO_IV, Padding::Zeros, &parts.concat())
    }
}
