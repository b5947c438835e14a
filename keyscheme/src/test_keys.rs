//! The published test roots. They protect nothing: anyone can compute every key below them.
//!
//! The root of a key is the AES-CMAC, under `00112233445566778899AABBCCDDEEFF`, of the ASCII text
//! `XUEJIKA TEST ROOT` and the key's identifier (project-defined).

use cipher::KeyInit;

use crate::algorithm::{Aes128, Algorithm};
use crate::cmac::Cmac;
use crate::key::{Key, KeyId, Root, Sam};

/// The master all test roots come from.
pub const MASTER: [u8; 16] = [
    0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xAA, 0xBB, 0xCC, 0xDD, 0xEE, 0xFF,
];

/// Text in front of the key identifier.
pub const LABEL: [u8; 17] = *b"XUEJIKA TEST ROOT";

/// What every program that uses these keys must say.
pub const WARNING: &str = "published TEST keys in use: they protect nothing";

/// The test root of the named key.
#[must_use]
pub fn root(id: &KeyId) -> Key<Root> {
    let mac = Cmac::new(Aes128::new(&MASTER.into()));
    let tag = mac.start().with(&LABEL).with(&id.emit()).finish();
    Key::new(id.algorithm, tag.into())
}

/// The secret of every test SAM, 40 to 4F.
#[must_use]
pub fn sam(algorithm: Algorithm) -> Key<Sam> {
    Key::new(
        algorithm,
        [
            0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4A, 0x4B, 0x4C, 0x4D,
            0x4E, 0x4F,
        ],
    )
}
