//! How a key block is bound to its protection key (ANSI TR-31:2018 §5.3.2, ISO 20038:2017 §6.3).
//!
//! | Version | Keys | MAC | CBC start |
//! |---|---|---|---|
//! | A, C | protection key with 45.. and 4D.. added | CBC-MAC over header and ciphertext, 4 bytes | first 8 characters of the header |
//! | B | TDES-CMAC of counter, purpose, algorithm, length | TDES-CMAC over header and clear field, 8 bytes | the MAC |
//! | D | AES-CMAC of the same | AES-CMAC over header and clear field, 16 bytes | the MAC |

use alloc::vec::Vec;
use core::fmt;

use cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::error::NotAProtectionKey;
use super::field::BlockVersion;
use super::material::{KeyKind, KeyMaterial};
use crate::cbc;
use crate::cmac::Cmac;
use crate::error::Mismatch;

/// A key that protects key blocks (KBPK). Wiped on drop, never shown.
#[derive(Clone)]
pub struct ProtectionKey {
    material: KeyMaterial,
    /// How the derivation names the algorithm.
    code: u8,
}

impl ProtectionKey {
    /// Takes an AES or TDES key as a protection key.
    ///
    /// # Errors
    /// Returns [`NotAProtectionKey`] for single DES and SM4.
    pub fn new(material: KeyMaterial) -> Result<Self, NotAProtectionKey> {
        let code = match material.kind() {
            KeyKind::Tdes2 => 0,
            KeyKind::Tdes3 => 1,
            KeyKind::Aes128 => 2,
            KeyKind::Aes192 => 3,
            KeyKind::Aes256 => 4,
            other @ (KeyKind::Des | KeyKind::Sm4) => return Err(NotAProtectionKey(other)),
        };
        Ok(Self { material, code })
    }

    /// The key itself.
    #[must_use]
    pub const fn material(&self) -> &KeyMaterial {
        &self.material
    }

    /// The version this key writes: B for TDES, D for AES.
    #[must_use]
    pub const fn version(&self) -> BlockVersion {
        if self.material.kind().has_parity() { BlockVersion::B } else { BlockVersion::D }
    }

    /// Derives the key of one purpose for versions B and D (ANSI TR-31:2018 §5.3.2.1, §5.3.2.3).
    fn derive(&self, purpose: Purpose) -> KeyMaterial {
        with_cipher!(self.material, cipher => self.derive_with(cipher, purpose))
    }

    fn derive_with<C: BlockCipherEncrypt>(&self, cipher: C, purpose: Purpose) -> KeyMaterial {
        let mac = Cmac::new(cipher);
        let [high, low] = self.material.kind().bits().to_be_bytes();
        let mut counter = 0;
        self.material.replaced(|bytes| {
            for part in bytes.chunks_mut(C::block_size()) {
                counter += 1;
                let input = [counter, 0, purpose as u8, 0, 0, self.code, high, low];
                let mut tag = mac.tag(&input);
                part.iter_mut().zip(&tag).for_each(|(to, from)| *to = *from);
                tag.zeroize();
            }
        })
    }

    /// The key of one purpose for versions A and C.
    fn variant(&self, purpose: Purpose) -> KeyMaterial {
        let mask = match purpose {
            Purpose::Encryption => 0x45,
            Purpose::Authentication => 0x4D,
        };
        self.material.replaced(|bytes| bytes.iter_mut().for_each(|byte| *byte ^= mask))
    }
}

impl fmt::Debug for ProtectionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProtectionKey({})", self.material.kind())
    }
}

/// What a key inside a block is used for; the number goes into its derivation.
#[derive(Clone, Copy)]
enum Purpose {
    Encryption = 0,
    Authentication = 1,
}

/// The encrypted part of a block.
pub(super) struct Sealed {
    pub(super) ciphertext: Vec<u8>,
    pub(super) mac: Vec<u8>,
}

/// Protects the clear field by version B or D, whichever is the key's.
pub(super) fn seal(key: &ProtectionKey, header: &[u8], mut field: Zeroizing<Vec<u8>>) -> Sealed {
    let authentication = key.derive(Purpose::Authentication);
    let mac = with_cipher!(authentication, cipher => cmac(cipher, header, &field));
    let encryption = key.derive(Purpose::Encryption);
    // The field is a whole number of blocks, the MAC exactly one.
    let encrypted = with_cipher!(encryption, cipher => cbc_encrypt(&cipher, &mac, &mut field));
    debug_assert!(encrypted.is_ok());
    Sealed { ciphertext: core::mem::take(&mut *field), mac }
}

/// Recovers the clear field. Nothing but the MAC decides, and it is compared in constant time.
pub(super) fn open(
    version: BlockVersion,
    key: &ProtectionKey,
    header: &[u8],
    sealed: Sealed,
) -> Result<Zeroizing<Vec<u8>>, Mismatch> {
    let Sealed { ciphertext, mac } = sealed;
    let mut field = Zeroizing::new(ciphertext);
    let expected = match version {
        BlockVersion::A | BlockVersion::C => {
            let encryption = key.variant(Purpose::Encryption);
            let authentication = key.variant(Purpose::Authentication);
            let tag = with_cipher!(authentication, cipher => cbc_mac(&cipher, header, &field))?;
            let start = header.get(..version.block_len()).unwrap_or_default();
            with_cipher!(encryption, cipher => cbc_decrypt(&cipher, start, &mut field))?;
            tag
        }
        BlockVersion::B | BlockVersion::D => {
            let encryption = key.derive(Purpose::Encryption);
            let authentication = key.derive(Purpose::Authentication);
            with_cipher!(encryption, cipher => cbc_decrypt(&cipher, &mac, &mut field))?;
            with_cipher!(authentication, cipher => cmac(cipher, header, &field))
        }
    };
    let expected = expected.get(..version.mac_len()).unwrap_or_default();
    if bool::from(expected.ct_eq(&mac)) { Ok(field) } else { Err(Mismatch) }
}

fn cmac<C: BlockCipherEncrypt>(cipher: C, header: &[u8], field: &[u8]) -> Vec<u8> {
    Cmac::new(cipher).start().with(header).with(field).finish().to_vec()
}

fn cbc_mac<C: BlockCipherEncrypt>(
    cipher: &C,
    header: &[u8],
    field: &[u8],
) -> Result<Vec<u8>, Mismatch> {
    let mut message = [header, field].concat();
    let last = cbc::encrypt(cipher, &Block::<C>::default(), &mut message);
    Ok(last.map_err(|_| Mismatch)?.to_vec())
}

fn cbc_encrypt<C: BlockCipherEncrypt>(
    cipher: &C,
    start: &[u8],
    field: &mut [u8],
) -> Result<(), Mismatch> {
    let start = Block::<C>::try_from(start).map_err(|_| Mismatch)?;
    cbc::encrypt(cipher, &start, field).map(|_| ()).map_err(|_| Mismatch)
}

fn cbc_decrypt<C: BlockCipherDecrypt>(
    cipher: &C,
    start: &[u8],
    field: &mut [u8],
) -> Result<(), Mismatch> {
    let start = Block::<C>::try_from(start).map_err(|_| Mismatch)?;
    cbc::decrypt(cipher, &start, field).map_err(|_| Mismatch)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::Aes192;
    use crate::keyblock::text::{from_hex, push_hex};
    use alloc::string::String;
    use cmac::{KeyInit, Mac};

    /// Header, clear field and block of ANSI TR-31:2018 A.7.2.2 and A.7.4, ANSI X9.143:2021 §8.1 and
    /// of a three-key TDES example of psec 1.3.0.
    const PUBLISHED: [(&str, &str, &str, &str); 4] = [
        (
            "DD7515F2BFC17F85CE48F3CA25CB21F6",
            "B0080P0TE00E0000",
            "00803F419E1CB7079442AA37474C2EFBF8B81C2965473CE2",
            "94B420079CC80BA3461F86FE26EFC4A3B8E4FA4C5F5341176EED7B727B8A248E",
        ),
        (
            "AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBCCCCCCCCCCCCCCCC",
            "B0096M3TC00E0000",
            "0080CCCCCCCCCCCCCCCCDDDDDDDDDDDDDDDD67721C547A42EDD81F0B95E5BD7E",
            "C7C6FE86A5DE769C20DCA238C52341378B484D544A9764D43963C3B2824AE56C2D07A565DD3AB342",
        ),
        (
            "88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6",
            "D0112P0AE00E0000",
            "00803F419E1CB7079442AA37474C2EFBF8B81C2965473CE206BB855B01533782",
            "B82679114F470F540165EDFBF7E250FCEA43F810D215F8D207E2E417C07156A27E8E31DA05F7425509593D03\
             A457DC34",
        ),
        (
            "88E1AB2A2E3DD38C1FA039A536500CC8A87AB9D62DC92C01058FA79F44657DE6",
            "D0144P0AE00E0000",
            "00803F419E1CB7079442AA37474C2EFBF8B81A87BBFA2CFE78D383E5F4C6AA83473C1C2965473CE206BB855B\
             01533782",
            "2C77FA3F4A553BED6E88AE5C172A4166E3D4ACA8E2AC71C158A476FAC12C13C3829DE55D3AB54C48F4C4FEF7\
             AC75E90FC47F1B77E7B19A73ED46E64410082557",
        ),
    ];

    #[test]
    fn published_blocks_are_sealed_byte_for_byte() {
        for (key, header, field, expected) in PUBLISHED {
            let key = from_hex(key).unwrap();
            let kind = match (header.as_bytes()[0], key.len()) {
                (b'B', 16) => KeyKind::Tdes2,
                (b'B', _) => KeyKind::Tdes3,
                _ => KeyKind::Aes256,
            };
            let key = ProtectionKey::new(KeyMaterial::new(kind, &key).unwrap()).unwrap();
            let field = Zeroizing::new(from_hex(field).unwrap());
            let sealed = seal(&key, header.as_bytes(), field.clone());
            let mut text = String::new();
            push_hex(&mut text, &sealed.ciphertext);
            push_hex(&mut text, &sealed.mac);
            assert_eq!(text, expected);
            let opened = open(key.version(), &key, header.as_bytes(), sealed);
            assert_eq!(opened, Ok(field));
        }
    }

    /// The last block of a 192-bit key is cut; no published example has such a protection key.
    #[test]
    fn a_key_of_192_bits_takes_half_of_the_second_block() {
        let bytes = [0x5C; 24];
        let tag = |input: [u8; 8]| {
            let mut mac = <cmac::Cmac<Aes192> as KeyInit>::new_from_slice(&bytes).unwrap();
            mac.update(&input);
            mac.finalize().into_bytes()
        };
        let key = ProtectionKey::new(KeyMaterial::new(KeyKind::Aes192, &bytes).unwrap()).unwrap();
        for (purpose, code) in [(Purpose::Encryption, 0), (Purpose::Authentication, 1)] {
            let first = tag([1, 0, code, 0, 0, 3, 0, 0xC0]);
            let second = tag([2, 0, code, 0, 0, 3, 0, 0xC0]);
            assert_eq!(key.derive(purpose).expose(), [&first[..], &second[..8]].concat());
        }
    }
}
