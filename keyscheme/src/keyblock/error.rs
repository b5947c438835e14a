//! Errors of key blocks. They name the field and never hold key material.

use alloc::string::String;
use core::fmt;

use super::field::{BlockVersion, KeyAlgorithm, ModeOfUse, Usage};
use super::material::KeyKind;
use crate::weak::WeakKey;

/// A part of a key block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Field {
    /// Version of the block.
    Version,
    /// Length of the block.
    Length,
    /// Usage of the key.
    Usage,
    /// Algorithm of the key.
    Algorithm,
    /// Mode of use.
    Mode,
    /// Version of the key.
    VersionNumber,
    /// Exportability.
    Exportability,
    /// Number of optional blocks.
    OptionalCount,
    /// Key context.
    Context,
    /// Reserved character.
    Reserved,
    /// The optional blocks.
    Optional,
    /// The encrypted key.
    EncryptedKey,
    /// The MAC.
    Authenticator,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => "key block version",
            Self::Length => "key block length",
            Self::Usage => "key usage",
            Self::Algorithm => "key algorithm",
            Self::Mode => "mode of use",
            Self::VersionNumber => "key version",
            Self::Exportability => "exportability",
            Self::OptionalCount => "number of optional blocks",
            Self::Context => "key context",
            Self::Reserved => "reserved character",
            Self::Optional => "optional blocks",
            Self::EncryptedKey => "encrypted key",
            Self::Authenticator => "authenticator",
        })
    }
}

/// The text is not a key block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// A character outside printable ASCII.
    #[error("character {position} is not printable ASCII")]
    NotPrintable {
        /// Its place, counted from 0.
        position: usize,
    },
    /// The text ends before the field does.
    #[error("{field} is cut off")]
    Truncated {
        /// The field.
        field: Field,
    },
    /// The field holds a value that is not known here.
    #[error("{field} {value:?} is not supported")]
    Unknown {
        /// The field.
        field: Field,
        /// What it holds.
        value: String,
    },
    /// The length field differs from the length of the text.
    #[error("key block length is stated as {stated}, but {actual} characters are there")]
    Length {
        /// Value of the field.
        stated: usize,
        /// Number of characters.
        actual: usize,
    },
    /// The field does not fill whole cipher blocks.
    #[error("{field} has {actual} characters, expected a multiple of {multiple_of}")]
    Unaligned {
        /// The field.
        field: Field,
        /// Number of characters.
        actual: usize,
        /// The divisor.
        multiple_of: usize,
    },
    /// The field is not upper-case hex.
    #[error("{field} is not upper-case hex")]
    Hex {
        /// The field.
        field: Field,
    },
    /// An optional block breaks its rule.
    #[error("optional block {id:?}: expected {expected}")]
    Optional {
        /// Identifier of the optional block.
        id: String,
        /// What is expected of it.
        expected: &'static str,
    },
}

/// A key block is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The text is not a key block.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A version with variant binding, while only versions B and D are allowed.
    #[error("key block version {0} is deprecated and has to be allowed explicitly")]
    VariantVersion(BlockVersion),
    /// The protection key belongs to another version.
    #[error("key block version {version} is not protected by a key of {protection}")]
    ProtectionKey {
        /// Version of the block.
        version: BlockVersion,
        /// Kind of the protection key.
        protection: KeyKind,
    },
    /// The MAC differs: the header, the encrypted key or the protection key is another one.
    #[error("authenticator does not match")]
    Authenticator,
    /// The length inside the encrypted key is not one of the algorithm, or does not fit.
    #[error("key length of {bits} bits is not possible for algorithm {algorithm}")]
    KeyLength {
        /// The length, in bits.
        bits: u16,
        /// The algorithm.
        algorithm: KeyAlgorithm,
    },
    /// A single DES key, while only TDES is allowed.
    #[error("a single DES key has to be allowed explicitly")]
    SingleDes,
    /// The protection key is weaker than the key it protects.
    #[error("key of {key} is stronger than its protection key of {protection}")]
    Strength {
        /// Kind of the key.
        key: KeyKind,
        /// Kind of the protection key.
        protection: KeyKind,
    },
    /// Optional block KC or KP disagrees with the key.
    #[error("check value in optional block {0} does not match")]
    CheckValue(&'static str),
}

/// A key cannot be put into a key block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// SM4 has no algorithm letter in ANSI X9.143.
    #[error("SM4 has no key algorithm letter in key blocks: seal the key with keyscheme::unlock")]
    Sm4,
    /// A single DES key; such keys are only read.
    #[error("single DES keys are not written")]
    SingleDes,
    /// The header names another algorithm than the key's.
    #[error("key algorithm in the header is {header}, but the key is of {key}")]
    Algorithm {
        /// Algorithm in the header.
        header: KeyAlgorithm,
        /// Kind of the key.
        key: KeyKind,
    },
    /// The protection key is weaker than the key.
    #[error("key of {key} is stronger than its protection key of {protection}")]
    Strength {
        /// Kind of the key.
        key: KeyKind,
        /// Kind of the protection key.
        protection: KeyKind,
    },
    /// The protection key is weak.
    #[error("protection key: {0}")]
    WeakProtectionKey(#[from] WeakKey),
    /// An optional block cannot be written as it is.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The block would not fit its length field.
    #[error("key block length would be {0}, expected at most 9999 characters")]
    TooLong(usize),
}

/// A key is of a kind that protects no key block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key of {0} protects no key block, expected AES or TDES")]
pub struct NotAProtectionKey(pub KeyKind);

/// The key in a block is not the one that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unexpected {
    /// It is for another purpose.
    #[error("key usage is {actual}, expected {expected}")]
    Usage {
        /// Usage in the header.
        actual: Usage,
        /// Usage that is wanted.
        expected: Usage,
    },
    /// It is for other operations.
    #[error("mode of use is {actual}, expected {expected}")]
    Mode {
        /// Mode in the header.
        actual: ModeOfUse,
        /// Mode that is wanted.
        expected: ModeOfUse,
    },
    /// It is of another kind.
    #[error("key is of {actual}, expected {expected}")]
    Kind {
        /// Kind of the key.
        actual: KeyKind,
        /// Kind that is wanted.
        expected: KeyKind,
    },
    /// It is a component of a key.
    #[error("key version says component {0} of a key, expected a whole key")]
    Component(char),
}
