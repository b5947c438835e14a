//! Root keys in key blocks of ANSI X9.143 ([`keyblock`]): how they travel from the city's hardware
//! security module to the places that use them.
//!
//! A root is a derivation key (usage B3, mode X) for AES-CMAC keys that are not passed on. Its name
//! stands in the optional block LB as [`label`] writes it, under the block's MAC
//! (project-defined), so that no block can be taken for the root of another key. SM4 has no letter
//! in the standard: [`seal`](super::key_file::seal) takes such roots.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;

use rand_core::CryptoRng;
use xuejika_keyscheme::KeyId;
use xuejika_keyscheme::key::{Key, Root};
use xuejika_keyscheme::keyblock::{
    self, Derivation, Exportability, Header, KeyAlgorithm, KeyKind, KeyMaterial, ModeOfUse,
    OptionalBlock, ProtectionKey, ReadError, Reader, Unexpected, Usage, WriteError,
};

use super::label;

/// Optional block for a label.
const LB: &str = "LB";

/// The header of the block of a root.
#[must_use]
pub fn header(id: &KeyId) -> Header {
    let mut header = Header::new(Usage::Derivation, KeyAlgorithm::Aes, ModeOfUse::Derive);
    header.derivations.push(Derivation {
        usage: Usage::Cmac,
        algorithm: KeyAlgorithm::Aes,
        mode: ModeOfUse::Mac,
        exportability: Exportability::NonExportable,
    });
    header.optional.push(OptionalBlock { id: LB.to_owned(), data: label::emit(id) });
    header
}

/// Writes a root and its name into a key block.
///
/// # Errors
/// Returns [`WriteError`] for an SM4 root or a protection key weaker than the root.
pub fn write<R: CryptoRng + ?Sized>(
    id: &KeyId,
    root: &Key<Root>,
    protection: &ProtectionKey,
    rng: &mut R,
) -> Result<String, WriteError> {
    keyblock::write(&header(id), &KeyMaterial::from(root), protection, rng)
}

/// Reads the root of a key block, and its name.
///
/// # Errors
/// Returns [`BlockError`] when the block is not authentic, holds something else than a root, or
/// names no root.
pub fn read(text: &str, protection: &ProtectionKey) -> Result<(KeyId, Box<Key<Root>>), BlockError> {
    let key = Reader::new().read(text, protection)?.into_key(
        Usage::Derivation,
        ModeOfUse::Derive,
        KeyKind::Aes128,
    )?;
    let id = name(key.header()).ok_or(BlockError::NoName)?;
    let root = key.material().to_key::<Root>().map(Box::new);
    match root {
        Some(root) if root.algorithm() == id.algorithm => Ok((id, root)),
        _ => Err(BlockError::Algorithm(id)),
    }
}

/// The root that a header names, if it names one.
#[must_use]
pub fn name(header: &Header) -> Option<KeyId> {
    let block = header.optional.iter().find(|block| block.id == LB)?;
    label::parse(&block.data)
}

/// Why a key block gives no root.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// The block itself is not accepted.
    #[error(transparent)]
    Block(#[from] ReadError),
    /// The key in it is no root.
    #[error(transparent)]
    Unexpected(#[from] Unexpected),
    /// The block does not say which root it is.
    #[error("optional block LB names no root, expected one as xjk-DF01-01-01-01")]
    NoName,
    /// The name is one of another algorithm.
    #[error("optional block LB names key {0}, but the block holds an aes key")]
    Algorithm(KeyId),
}
