//! Key blocks of ANSI X9.143 (TR-31): keys on their way between systems.
//!
//! The layout is that of published blocks and of public implementations; the text of the standard
//! itself was not consulted.
//!
//! A block is a text: a readable header, the encrypted key and a MAC. The MAC covers the header, so
//! usage, mode and exportability travel with the key and cannot be changed.
//!
//! | Version | Protected by | Read | Written |
//! |---|---|---|---|
//! | B | TDES, derived keys | yes | yes |
//! | D | AES, derived keys | yes | yes |
//! | A, C | TDES, key variants | with [`Reader::allow_variant_versions`] | no |
//!
//! Written blocks always carry the check values KC and KP; read blocks have them checked wherever
//! they stand. A key leaves its block only through [`KeyBlock::into_key`], which takes usage, mode
//! and kind that are wanted. SM4 has no letter in the standard: such keys go into the envelope of
//! [`unlock`](crate::unlock) instead.
//!
//! ```
//! use xuejika_keyscheme::key::Root;
//! use xuejika_keyscheme::keyblock::{
//!     self, Derivation, Exportability, Header, KeyAlgorithm, KeyKind, KeyMaterial, ModeOfUse,
//!     ProtectionKey, Reader, Usage,
//! };
//! # use xuejika_keyscheme::keyblock::rand_core::{Infallible, TryCryptoRng, TryRng};
//! # struct Rng;
//! # impl TryRng for Rng {
//! #     type Error = Infallible;
//! #     fn try_next_u32(&mut self) -> Result<u32, Infallible> { Ok(0) }
//! #     fn try_next_u64(&mut self) -> Result<u64, Infallible> { Ok(0) }
//! #     fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> { to.fill(7); Ok(()) }
//! # }
//! # impl TryCryptoRng for Rng {}
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let mut rng = Rng;
//! let protection = b"thirty-two bytes of a protection";
//! let protection = ProtectionKey::new(KeyMaterial::new(KeyKind::Aes256, protection)?)?;
//! let root = KeyMaterial::new(KeyKind::Aes128, b"16 bytes of root")?;
//! let mut header = Header::new(Usage::Derivation, KeyAlgorithm::Aes, ModeOfUse::Derive);
//! header.derivations.push(Derivation {
//!     usage: Usage::Cmac,
//!     algorithm: KeyAlgorithm::Aes,
//!     mode: ModeOfUse::Mac,
//!     exportability: Exportability::NonExportable,
//! });
//! let text = keyblock::write(&header, &root, &protection, &mut rng)?;
//! assert!(text.starts_with("D0192B3AX00N0400KC1001"));
//!
//! let block = Reader::new().read(&text, &protection)?;
//! let key = block.into_key(Usage::Derivation, ModeOfUse::Derive, KeyKind::Aes128)?;
//! assert!(key.material().to_key::<Root>().is_some());
//! # Ok(())
//! # }
//! ```

#[macro_use]
mod material;
mod binding;
mod error;
mod field;
mod header;
mod inspect;
mod optional;
mod reader;
mod text;
mod writer;

pub use binding::ProtectionKey;
pub use error::{Field, FormatError, NotAProtectionKey, ReadError, Unexpected, WriteError};
pub use field::{
    BlockVersion, Exportability, KeyAlgorithm, KeyContext, ModeOfUse, Usage, VersionNumber,
};
pub use header::Header;
pub use inspect::{Claims, inspect};
pub use material::{KeyKind, KeyMaterial};
pub use optional::{Derivation, OptionalBlock};
pub use rand_core;
pub use reader::{ImportedKey, KeyBlock, Reader};
pub use writer::write;
