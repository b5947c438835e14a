//! Key check values.

use xuejika_keyscheme::Algorithm;
use xuejika_keyscheme::algorithm::cipher::{Block, BlockCipherEncrypt};
use xuejika_keyscheme::cmac::Cmac;
use xuejika_keyscheme::kcv::Kcv;

use super::cipher::AnyCipher;
use super::outcome::{Check, Problem, expect_prefix};
use crate::vector::Fields;

pub(super) fn check(entry: &Fields<'_>) -> Check {
    let method = Method::of(entry)?;
    let cipher = AnyCipher::new(entry.text("alg")?, &entry.hex("key")?)?;
    let (whole, kcv) = with_cipher!(cipher, cipher => method.compute(cipher));
    if let Some(kcv) = kcv.filter(|kcv| !whole.starts_with(&kcv.bytes())) {
        return Err(Problem::Wrong(format!("{kcv} is not the start of {}", hex::encode(whole))));
    }
    expect_prefix(entry, "kcv", &whole)
}

#[derive(Clone, Copy)]
enum Method {
    Zeros,
    Ones,
    CmacOfZeros,
    /// CMAC of the empty message: a vendor's own, for which there is no [`Kcv`].
    CmacOfNothing,
}

impl Method {
    fn of(entry: &Fields<'_>) -> Result<Self, Problem> {
        match entry.text("method")? {
            "encrypt-zero-block" => Ok(Self::Zeros),
            "encrypt-01-block" => Ok(Self::Ones),
            "cmac-zero-block" => Ok(Self::CmacOfZeros),
            "cmac-empty" => Ok(Self::CmacOfNothing),
            _ => Err(Problem::NotSupported("check value method unknown")),
        }
    }

    /// The whole block and the check value, which is its start. Published values are of any length.
    fn compute<C: BlockCipherEncrypt>(self, cipher: C) -> (Vec<u8>, Option<Kcv>) {
        let mut block = Block::<C>::default();
        match self {
            Self::Zeros | Self::Ones => {
                let (fill, kcv) = match self {
                    Self::Ones => (1, Kcv::ones_block(&cipher)),
                    _ => (0, Kcv::zero_block(&cipher)),
                };
                block.fill(fill);
                cipher.encrypt_block(&mut block);
                (block.to_vec(), Some(kcv))
            }
            Self::CmacOfZeros => {
                let mac = Cmac::new(cipher);
                (mac.tag(&block).to_vec(), Some(Kcv::cmac(Algorithm::Aes128, &mac)))
            }
            Self::CmacOfNothing => (Cmac::new(cipher).tag(&[]).to_vec(), None),
        }
    }
}
