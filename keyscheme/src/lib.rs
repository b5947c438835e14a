//! Keys of the Beijing student-record card (学籍卡): diversification, MACs, mutual authentication.
//!
//! ```text
//! root (city, one per zone, number, version)
//!  ├─ card key                       city scope: K0..K6
//!  └─ district key ─ card key        district scope
//!      └─ school key ─ card key      school scope
//!                       └─ session keys, one pair per mutual authentication
//! ```
//!
//! This crate knows no command and no file. It does no I/O, has no random source and no clock:
//! nonces come in as arguments. [`auth`] opens with a complete handshake.
//!
//! ```
//! use xuejika_keyscheme::auth::CardId;
//! use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone, test_keys};
//!
//! let id = KeyId {
//!     zone: Zone::EDUCATION,
//!     number: KeyNumber::READ,
//!     version: KeyVersion::FIRST,
//!     algorithm: Algorithm::Aes128,
//! };
//! let card_key = test_keys::root(&id).card(&id, CardId(*b"\x11\x00\x07\x01\x00\x00\x00\x17"));
//! assert!(card_key.kcv().to_string().starts_with("cmac-aes:"));
//! ```
//!
//! Not protected: AES is constant-time on every target, SM4 uses lookup tables and is not.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod algorithm;
pub mod an10922;
pub mod auth;
pub mod bulk;
pub mod bytes;
pub mod cbc;
pub mod ceremony;
pub mod cmac;
pub mod diversify;
mod error;
pub mod iso9797;
pub mod kcv;
pub mod kdf;
pub mod key;
pub mod keyblock;
pub mod legacy;
pub mod padding;
pub mod provider;
pub mod slots;
pub mod test_keys;
pub mod unlock;
pub mod weak;

pub use algorithm::{Algorithm, CardCipher};
pub use error::{InvalidLength, Mismatch};
pub use key::{Key, KeyId, KeyNumber, KeyVersion, Zone};
