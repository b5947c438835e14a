//! AES-128 from FIPS 197 with a computed S-box, CMAC from SP 800-38B, CBC from SP 800-38A. SM4 is
//! the crate's: its tables say nothing about the card.

use std::sync::LazyLock;

use cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};

/// A block of 16 bytes.
pub(crate) type Block = [u8; 16];

/// Product in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 (FIPS 197 §4.2).
fn times(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 == 1 {
            product ^= a;
        }
        a = double(a);
        b >>= 1;
    }
    product
}

fn double(a: u8) -> u8 {
    a << 1 ^ if a & 0x80 == 0 { 0 } else { 0x1B }
}

/// The S-box and its inverse (FIPS 197 §5.1.1).
static SBOX: LazyLock<([u8; 256], [u8; 256])> = LazyLock::new(|| {
    let (mut forward, mut back) = ([0; 256], [0; 256]);
    for byte in 0..=255_u8 {
        let inverse = (1..=255).find(|&x| times(byte, x) == 1).unwrap_or(0);
        let turned = |by| inverse.rotate_left(by);
        let out = inverse ^ turned(1) ^ turned(2) ^ turned(3) ^ turned(4) ^ 0x63;
        forward[usize::from(byte)] = out;
        back[usize::from(out)] = byte;
    }
    (forward, back)
});

/// A key of AES-128, expanded.
#[derive(Clone)]
pub(crate) struct Aes([Block; 11]);

impl Aes {
    fn new(key: Block) -> Self {
        let sbox = &SBOX.0;
        let mut keys = [key; 11];
        let mut constant = 1;
        for round in 1..11 {
            let before = keys[round - 1];
            let mut word: [u8; 4] =
                core::array::from_fn(|i| sbox[usize::from(before[12 + (i + 1) % 4])]);
            word[0] ^= constant;
            constant = double(constant);
            for place in 0..16 {
                word[place % 4] ^= before[place];
                keys[round][place] = word[place % 4];
            }
        }
        Self(keys)
    }

    fn encrypt(&self, block: Block) -> Block {
        let sbox = &SBOX.0;
        let mut state = xor(block, self.0[0]);
        for round in 1..11 {
            // SubBytes and ShiftRows: row r of column c comes from column c + r.
            let moved: Block =
                core::array::from_fn(|i| sbox[usize::from(state[(i + 4 * (i % 4)) % 16])]);
            state = moved;
            if round < 10 {
                for column in state.chunks_mut(4) {
                    let all = column[0] ^ column[1] ^ column[2] ^ column[3];
                    let first = column[0];
                    for i in 0..4 {
                        let next = if i == 3 { first } else { column[i + 1] };
                        column[i] ^= all ^ double(column[i] ^ next);
                    }
                }
            }
            state = xor(state, self.0[round]);
        }
        state
    }

    fn decrypt(&self, block: Block) -> Block {
        let back = &SBOX.1;
        let mut state = block;
        for round in (1..11).rev() {
            state = xor(state, self.0[round]);
            if round < 10 {
                for column in state.chunks_mut(4) {
                    let of: [u8; 4] = (&*column).try_into().unwrap();
                    for (i, byte) in column.iter_mut().enumerate() {
                        *byte = times(of[i], 14)
                            ^ times(of[(i + 1) % 4], 11)
                            ^ times(of[(i + 2) % 4], 13)
                            ^ times(of[(i + 3) % 4], 9);
                    }
                }
            }
            let moved: Block =
                core::array::from_fn(|i| back[usize::from(state[(i + 12 * (i % 4)) % 16])]);
            state = moved;
        }
        xor(state, self.0[0])
    }
}

/// A key of a card's cipher.
#[derive(Clone)]
pub(crate) enum Cipher {
    Aes(Aes),
    Sm4(Box<sm4::Sm4>),
}

impl Cipher {
    /// The key of the algorithm with this AlgId.
    pub(crate) fn new(algorithm: u8, key: Block) -> Self {
        match algorithm {
            1 => Self::Aes(Aes::new(key)),
            _ => Self::Sm4(Box::new(sm4::Sm4::new(&key.into()))),
        }
    }

    pub(crate) fn encrypt(&self, block: Block) -> Block {
        match self {
            Self::Aes(aes) => aes.encrypt(block),
            Self::Sm4(sm4) => {
                let mut block = block.into();
                sm4.encrypt_block(&mut block);
                block.into()
            }
        }
    }

    fn decrypt(&self, block: Block) -> Block {
        match self {
            Self::Aes(aes) => aes.decrypt(block),
            Self::Sm4(sm4) => {
                let mut block = block.into();
                sm4.decrypt_block(&mut block);
                block.into()
            }
        }
    }

    /// CMAC (SP 800-38B §6.2).
    pub(crate) fn cmac(&self, data: &[u8]) -> Block {
        let subkey = |of: Block| {
            let shifted = u128::from_be_bytes(of) << 1;
            (shifted ^ if of[0] & 0x80 == 0 { 0 } else { 0x87 }).to_be_bytes()
        };
        let k1 = subkey(self.encrypt([0; 16]));
        let whole = !data.is_empty() && data.len().is_multiple_of(16);
        let (mut data, key) = if whole { (data.to_vec(), k1) } else { (padded(data), subkey(k1)) };
        let last = data.len() - 16;
        for (byte, key) in data[last..].iter_mut().zip(key) {
            *byte ^= key;
        }
        data.chunks(16)
            .fold([0; 16], |state, block| self.encrypt(xor(state, block.try_into().unwrap())))
    }

    /// CBC over whole blocks.
    pub(crate) fn cbc_encrypt(&self, iv: Block, data: &[u8]) -> Vec<u8> {
        let mut state = iv;
        data.chunks(16)
            .flat_map(|block| {
                state = self.encrypt(xor(state, block.try_into().unwrap()));
                state
            })
            .collect()
    }

    /// The inverse of [`Self::cbc_encrypt`].
    pub(crate) fn cbc_decrypt(&self, iv: Block, data: &[u8]) -> Vec<u8> {
        let mut state = iv;
        data.chunks(16)
            .flat_map(|block| {
                let block = block.try_into().unwrap();
                let plain = xor(state, self.decrypt(block));
                state = block;
                plain
            })
            .collect()
    }
}

fn xor(a: Block, b: Block) -> Block {
    core::array::from_fn(|i| a[i] ^ b[i])
}

/// Data with 80 00.. behind it, always.
pub(crate) fn padded(data: &[u8]) -> Vec<u8> {
    let mut data = [data, &[0x80]].concat();
    data.resize(data.len().next_multiple_of(16), 0);
    data
}

/// Known answers of FIPS 197 appendix B and SP 800-38B example 1.
pub(crate) fn self_test() {
    let block = |text: &str| -> Block { hex::decode(text).unwrap().try_into().unwrap() };
    let aes = Cipher::new(1, block("2b7e151628aed2a6abf7158809cf4f3c"));
    let (plain, cipher) =
        (block("3243f6a8885a308d313198a2e0370734"), block("3925841d02dc09fbdc118597196a0b32"));
    assert_eq!(aes.encrypt(plain), cipher);
    assert_eq!(aes.decrypt(cipher), plain);
    assert_eq!(aes.cmac(&[]), block("bb1d6929e95937287fa37d129b756746"));
}
