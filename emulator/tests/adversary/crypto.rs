//! What the attacker computes with: the derivations of the card profile (8.2, 10.2, 11.1, 18.2) over
//! bare block ciphers, written from it and not from the code they attack.

use cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use xuejika_keyscheme::algorithm::{Aes128, TdesEde2};

/// A block, and a key.
pub(crate) type Block = [u8; 16];

/// AES-128 under one key.
pub(crate) struct Aes(Aes128);

impl Aes {
    pub(crate) fn new(key: &Block) -> Self {
        Self(Aes128::new(key.into()))
    }

    fn encrypt(&self, block: Block) -> Block {
        let mut block = block.into();
        self.0.encrypt_block(&mut block);
        block.into()
    }

    /// SP 800-38B §6.2.
    pub(crate) fn cmac(&self, data: &[u8]) -> Block {
        let double = |of: Block| {
            let reduction = if of[0] & 0x80 == 0 { 0 } else { 0x87 };
            (u128::from_be_bytes(of) << 1 ^ reduction).to_be_bytes()
        };
        let first = double(self.encrypt([0; 16]));
        let whole = !data.is_empty() && data.len().is_multiple_of(16);
        let (mut data, mask) =
            if whole { (data.to_vec(), first) } else { (pad(data), double(first)) };
        let last = data.len() - 16;
        data[last..].iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
        let chain = |state: Block, block: &[u8]| self.encrypt(xor(state, block));
        data.chunks(16).fold([0; 16], chain)
    }

    /// CBC over whole blocks, under the IV of a counter (11.1).
    pub(crate) fn encipher(&self, counter: u128, data: &[u8]) -> Vec<u8> {
        let mut state = self.encrypt(counter.to_be_bytes());
        let next = |block: &[u8]| {
            state = self.encrypt(xor(state, block));
            state
        };
        data.chunks(16).flat_map(next).collect()
    }

    /// The inverse of [`Self::encipher`].
    pub(crate) fn decipher(&self, counter: u128, data: &[u8]) -> Vec<u8> {
        let mut state = self.encrypt(counter.to_be_bytes());
        let next = |block: &[u8]| {
            let mut plain = cipher::Block::<Aes128>::try_from(block).unwrap();
            self.0.decrypt_block(&mut plain);
            let plain = xor(state, &plain);
            state = block.try_into().unwrap();
            plain
        };
        data.chunks_exact(16).flat_map(next).collect()
    }
}

fn xor(a: Block, b: &[u8]) -> Block {
    core::array::from_fn(|at| a[at] ^ b[at])
}

/// 80 00.. to whole blocks.
pub(crate) fn pad(data: &[u8]) -> Vec<u8> {
    let mut data = [data, &[0x80]].concat();
    data.resize(data.len().next_multiple_of(16), 0);
    data
}

/// 10.2; the unlock key of section 7 likewise.
pub(crate) fn kdf(key: &Block, constant: u8, context: &[u8]) -> Block {
    let head = [&b"XUEJIKA1\0\0\0"[..], &[constant, 0, 0, 0x80, 1]].concat();
    Aes::new(key).cmac(&[&head, context].concat())
}

/// 8.2: one level down.
pub(crate) fn diversify(key: &Block, name: [u8; 5], level: u8, identifier: &[u8]) -> Block {
    let mut padded = [0; 8];
    padded[8 - identifier.len()..].copy_from_slice(identifier);
    Aes::new(key).cmac(&[&[1], &padded[..], &name, &[level], b"XJK1"].concat())
}

/// TDES in ECB over whole blocks of 8.
pub(crate) fn tdes(key: &Block, data: &[u8]) -> Vec<u8> {
    let cipher = TdesEde2::new(key.into());
    let mut data = data.to_vec();
    for block in data.as_chunks_mut::<8>().0 {
        cipher.encrypt_block(block.into());
    }
    data
}

/// 18.2: `E(K, D) ‖ E(K, NOT D)`.
pub(crate) fn wallet_key(root: &Block, factor: [u8; 8]) -> Block {
    let both = [factor, factor.map(|byte| !byte)].concat();
    tdes(root, &both).try_into().unwrap()
}

/// The CRC of records (1).
pub(crate) fn crc(data: &[u8]) -> [u8; 2] {
    let step = |crc: u16, _| if crc & 1 == 0 { crc >> 1 } else { crc >> 1 ^ 0x8408 };
    let crc = data.iter().fold(0xFFFF, |crc, byte| (0..8).fold(crc ^ u16::from(*byte), step));
    (!crc).to_be_bytes()
}

/// The published examples of SP 800-38B and of the CRC.
pub(crate) fn self_test() {
    let key = 0x2B7E_1516_28AE_D2A6_ABF7_1588_09CF_4F3C_u128.to_be_bytes();
    let empty = 0xBB1D_6929_E959_3728_7FA3_7D12_9B75_6746_u128.to_be_bytes();
    assert_eq!(Aes::new(&key).cmac(&[]), empty);
    assert_eq!(crc(b"123456789"), [0x90, 0x6E]);
}
