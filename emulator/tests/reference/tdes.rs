//! DES and two-key TDES, bit by bit from the tables of FIPS 46-3, and the codes a purse makes of
//! them.

/// Initial permutation; bits are numbered from 1, the most significant first.
const IP: [u8; 64] = [
    58, 50, 42, 34, 26, 18, 10, 2, 60, 52, 44, 36, 28, 20, 12, 4, 62, 54, 46, 38, 30, 22, 14, 6,
    64, 56, 48, 40, 32, 24, 16, 8, 57, 49, 41, 33, 25, 17, 9, 1, 59, 51, 43, 35, 27, 19, 11, 3, 61,
    53, 45, 37, 29, 21, 13, 5, 63, 55, 47, 39, 31, 23, 15, 7,
];
/// Permutation behind the selection functions.
const P: [u8; 32] = [
    16, 7, 20, 21, 29, 12, 28, 17, 1, 15, 23, 26, 5, 18, 31, 10, 2, 8, 24, 14, 32, 27, 3, 9, 19,
    13, 30, 6, 22, 11, 4, 25,
];
/// Permuted choice 1.
const PC1: [u8; 56] = [
    57, 49, 41, 33, 25, 17, 9, 1, 58, 50, 42, 34, 26, 18, 10, 2, 59, 51, 43, 35, 27, 19, 11, 3, 60,
    52, 44, 36, 63, 55, 47, 39, 31, 23, 15, 7, 62, 54, 46, 38, 30, 22, 14, 6, 61, 53, 45, 37, 29,
    21, 13, 5, 28, 20, 12, 4,
];
/// Permuted choice 2.
const PC2: [u8; 48] = [
    14, 17, 11, 24, 1, 5, 3, 28, 15, 6, 21, 10, 23, 19, 12, 4, 26, 8, 16, 7, 27, 20, 13, 2, 41, 52,
    31, 37, 47, 55, 30, 40, 51, 45, 33, 48, 44, 49, 39, 56, 34, 53, 46, 42, 50, 36, 29, 32,
];
/// Left shifts of the key schedule.
const SHIFTS: [u32; 16] = [1, 1, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1];
/// Selection functions, four rows each, sixteen digits a row.
const S: [[u64; 4]; 8] = [
    [0xE4D1_2FB8_3A6C_5907, 0x0F74_E2D1_A6CB_9538, 0x41E8_D62B_FC97_3A50, 0xFC82_4917_5B3E_A06D],
    [0xF18E_6B34_972D_C05A, 0x3D47_F28E_C01A_69B5, 0x0E7B_A4D1_58C6_932F, 0xD8A1_3F42_B67C_05E9],
    [0xA09E_63F5_1DC7_B428, 0xD709_346A_285E_CBF1, 0xD649_8F30_B12C_5AE7, 0x1AD0_6987_4FE3_B52C],
    [0x7DE3_069A_1285_BC4F, 0xD8B5_6F03_472C_1AE9, 0xA690_CB7D_F13E_5284, 0x3F06_A1D8_945B_C72E],
    [0x2C41_7AB6_853F_D0E9, 0xEB2C_47D1_50FA_3986, 0x421B_AD78_F9C5_630E, 0xB8C7_1E2D_6F09_A453],
    [0xC1AF_9268_0D34_E75B, 0xAF42_7C95_61DE_0B38, 0x9EF5_28C3_704A_1DB6, 0x432C_95FA_BE17_608D],
    [0x4B2E_F08D_3C97_5A61, 0xD0B7_491A_E35C_2F86, 0x14BD_C37E_AF68_0592, 0x6BD8_14A7_950F_E23C],
    [0xD284_6FB1_A93E_50C7, 0x1FD8_A374_C56B_0E92, 0x7B41_9CE2_06AD_F358, 0x21E7_4A8D_FC90_356B],
];

/// The bits of a `width`-bit number that a table names.
fn permute(bits: u64, width: u32, table: &[u8]) -> u64 {
    table.iter().fold(0, |to, &from| to << 1 | (bits >> (width - u32::from(from))) & 1)
}

fn rotate28(half: u64, by: u32) -> u64 {
    (half << by | half >> (28 - by)) & 0x0FFF_FFFF
}

fn round_keys(key: u64) -> [u64; 16] {
    let chosen = permute(key, 64, &PC1);
    let (mut c, mut d) = (chosen >> 28, chosen & 0x0FFF_FFFF);
    SHIFTS.map(|by| {
        (c, d) = (rotate28(c, by), rotate28(d, by));
        permute(c << 28 | d, 56, &PC2)
    })
}

fn f(half: u64, key: u64) -> u64 {
    let mut out = 0;
    for (box_, rows) in S.iter().enumerate() {
        let mut six = 0;
        for bit in 0..6 {
            // Bit 32 stands before bit 1.
            let place = (4 * box_ + bit + 31) % 32;
            six = six << 1 | (half >> (31 - place)) & 1;
        }
        six ^= (key >> (42 - 6 * box_)) & 0x3F;
        let column = six >> 1 & 0xF;
        // The outer bits choose the row.
        let row = match (six >> 5, six & 1) {
            (0, 0) => rows[0],
            (0, _) => rows[1],
            (_, 0) => rows[2],
            _ => rows[3],
        };
        out = out << 4 | (row >> (60 - 4 * column)) & 0xF;
    }
    permute(out, 32, &P)
}

fn rounds(block: u64, keys: impl Iterator<Item = u64>) -> u64 {
    let start = permute(block, 64, &IP);
    let (mut l, mut r) = (start >> 32, start & 0xFFFF_FFFF);
    for key in keys {
        (l, r) = (r, l ^ f(r, key));
    }
    let end = r << 32 | l;
    // The inverse of the initial permutation.
    IP.iter()
        .enumerate()
        .fold(0, |out, (to, &from)| out | ((end >> (63 - to)) & 1) << (64 - u32::from(from)))
}

/// A single DES key.
#[derive(Clone)]
pub(crate) struct Des([u64; 16]);

impl Des {
    pub(crate) fn new(key: [u8; 8]) -> Self {
        Self(round_keys(u64::from_be_bytes(key)))
    }

    pub(crate) fn encrypt(&self, block: [u8; 8]) -> [u8; 8] {
        rounds(u64::from_be_bytes(block), self.0.into_iter()).to_be_bytes()
    }

    pub(crate) fn decrypt(&self, block: [u8; 8]) -> [u8; 8] {
        rounds(u64::from_be_bytes(block), self.0.into_iter().rev()).to_be_bytes()
    }

    /// CBC over padded data from this start; the last block.
    fn chain(&self, start: [u8; 8], data: &[u8]) -> [u8; 8] {
        padded(data).chunks(8).fold(start, |state, block| self.encrypt(xor(&state, block)))
    }

    /// CBC-MAC, left four bytes.
    pub(crate) fn mac(&self, data: &[u8]) -> [u8; 4] {
        left(self.chain([0; 8], data))
    }
}

/// A two-key TDES key.
#[derive(Clone)]
pub(crate) struct Tdes {
    pub(crate) left: Des,
    pub(crate) right: Des,
}

impl Tdes {
    pub(crate) fn new(key: [u8; 16]) -> Self {
        let (left, right) = halves(key);
        Self { left: Des::new(left), right: Des::new(right) }
    }

    pub(crate) fn encrypt(&self, block: [u8; 8]) -> [u8; 8] {
        self.left.encrypt(self.right.decrypt(self.left.encrypt(block)))
    }

    pub(crate) fn decrypt(&self, block: [u8; 8]) -> [u8; 8] {
        self.left.decrypt(self.right.encrypt(self.left.decrypt(block)))
    }

    /// Retail MAC from this start, left four bytes.
    pub(crate) fn retail(&self, start: [u8; 8], data: &[u8]) -> [u8; 4] {
        left(self.left.encrypt(self.right.decrypt(self.left.chain(start, data))))
    }

    /// ECB over whole blocks.
    pub(crate) fn ecb(&self, data: &[u8], encrypt: bool) -> Vec<u8> {
        data.chunks(8)
            .flat_map(|block| {
                let block = block.try_into().unwrap();
                if encrypt { self.encrypt(block) } else { self.decrypt(block) }
            })
            .collect()
    }
}

/// The halves of a key.
pub(crate) fn halves(key: [u8; 16]) -> ([u8; 8], [u8; 8]) {
    (key[..8].try_into().unwrap(), key[8..].try_into().unwrap())
}

/// The halves of a key, added: for codes of single DES.
pub(crate) fn folded(key: [u8; 16]) -> Des {
    let (l, r) = halves(key);
    Des::new(xor(&l, &r))
}

fn xor(a: &[u8; 8], b: &[u8]) -> [u8; 8] {
    core::array::from_fn(|i| a[i] ^ b[i])
}

fn left(block: [u8; 8]) -> [u8; 4] {
    block[..4].try_into().unwrap()
}

/// Data with 80 00.. behind it, always.
pub(crate) fn padded(data: &[u8]) -> Vec<u8> {
    let mut data = [data, &[0x80]].concat();
    data.resize(data.len().next_multiple_of(8), 0);
    data
}

/// Known answers: a well-known worked example, and the two key halves alike.
pub(crate) fn self_test() {
    let block = |hex: u64| hex.to_be_bytes();
    let key = block(0x1334_5779_9BBC_DFF1);
    let cipher = block(0x85E8_1354_0F0A_B405);
    assert_eq!(Des::new(key).encrypt(block(0x0123_4567_89AB_CDEF)), cipher);
    assert_eq!(Des::new(key).decrypt(cipher), block(0x0123_4567_89AB_CDEF));
    let twice = [key, key].concat().try_into().unwrap();
    assert_eq!(Tdes::new(twice).encrypt(block(0x0123_4567_89AB_CDEF)), cipher);
}
