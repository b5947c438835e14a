//! AES-128: 64 cards at a time, because the widest instructions take their blocks in such groups.

use ::aes::Aes128Enc;
use cipher::{Block, BlockCipherEncrypt, KeyInit};
use zeroize::Zeroize;

use super::Inputs;
use crate::algorithm::Algorithm;
use crate::auth::CardId;
use crate::cbc::xor;
use crate::cmac::{Cmac, double};
use crate::kcv::{Kcv, KcvMethod};
use crate::key::{Key, KeyId, Purpose};

/// Cards per group. A shorter last group is filled up: 63 blocks take longer than 64.
const GROUP: usize = 64;

pub(super) fn fill<P: Purpose>(key: &Key<P>, id: &KeyId, cards: &[CardId], out: &mut [Kcv]) {
    let mac = Cmac::new(Aes128Enc::new(key.expose().into()));
    let inputs = Inputs::new(&mac, id);
    let mut blocks = [Block::<Aes128Enc>::default(); GROUP];
    for (cards, out) in cards.chunks(GROUP).zip(out.chunks_mut(GROUP)) {
        for (block, card) in blocks.iter_mut().zip(cards) {
            *block = inputs.first(*card).into();
        }
        mac.cipher().encrypt_blocks(&mut blocks);
        for block in &mut blocks {
            xor(block, &inputs.last);
        }
        mac.cipher().encrypt_blocks(&mut blocks);
        for (key, out) in blocks.iter().zip(out) {
            *out = check_value(key);
        }
    }
    blocks.zeroize();
}

/// CMAC of the zero block without the subkey that it does not use: E(K1), K1 = 2 E(0).
fn check_value(key: &Block<Aes128Enc>) -> Kcv {
    let cipher = Aes128Enc::new(key);
    let mut block = Block::<Aes128Enc>::default();
    cipher.encrypt_block(&mut block);
    block = double(&block);
    cipher.encrypt_block(&mut block);
    let [a, b, c, ..]: [u8; 16] = block.into();
    Kcv::new(KcvMethod::Cmac(Algorithm::Aes128), [a, b, c])
}
