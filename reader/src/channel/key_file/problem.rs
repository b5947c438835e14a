//! What can be wrong in a key file. No message repeats what stands in it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use xuejika_keyscheme::KeyId;
use xuejika_keyscheme::legacy::InvalidWalletRoot;
use xuejika_keyscheme::provider::InvalidRoot;
use xuejika_keyscheme::weak::WeakKey;

use super::name::RootName;
use crate::channel::key_block::BlockError;

/// What is wrong in a key file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It is not text.
    #[error("not UTF-8")]
    NotUtf8,
    /// It is not TOML.
    #[error("not TOML: {0}")]
    NotToml(String),
    /// Something else than lists of roots.
    #[error("expected [[root]] or [[wallet-root]] tables and nothing else")]
    NoRoots,
    /// A field that a root does not have; its name is not repeated, it may be a misplaced key.
    #[error("unknown field, expected one of {0}")]
    UnknownField(Fields),
    /// A field is not there.
    #[error("field {0} is missing")]
    Missing(&'static str),
    /// A field holds something else.
    #[error("field {field}: expected {expected}")]
    Field {
        /// The field.
        field: &'static str,
        /// What it may hold.
        expected: &'static str,
    },
    /// None or several of the forms of a root.
    #[error("expected exactly one of {0}")]
    Forms(Fields),
    /// The key that opens the field is not there.
    #[error("field {field} needs {needed}, which is not given")]
    NoKey {
        /// The field.
        field: &'static str,
        /// The key.
        needed: &'static str,
    },
    /// The key-encryption key or anything in the entry differs.
    #[error("field envelope does not open: another key-encryption key or another key name")]
    Envelope,
    /// The key block is not accepted.
    #[error("field key-block: {0}")]
    Block(#[from] BlockError),
    /// The key block is the root of another key.
    #[error("field key-block: it names key {0}, expected the one of this entry")]
    OtherName(KeyId),
    /// A root in clear that protects something.
    #[error(
        "the root of {0} is in clear and is no published test root; expected it sealed under \
         another key"
    )]
    ClearRoot(RootName),
    /// The key that opens the field is weak.
    #[error("field {field}, the key that opens it: {fault}")]
    WeakKey {
        /// The field.
        field: &'static str,
        /// What is wrong with the key.
        fault: WeakKey,
    },
    /// The root is weak, or does not go with the others.
    #[error(transparent)]
    Root(#[from] InvalidRoot),
    /// The root is weak, or its type has one already.
    #[error(transparent)]
    WalletRoot(#[from] InvalidWalletRoot),
}

impl Problem {
    /// Whether a secret is refused because it would not be safe.
    pub(super) const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::ClearRoot(_)
                | Self::WeakKey { .. }
                | Self::Root(InvalidRoot::Weak(_))
                | Self::WalletRoot(InvalidWalletRoot::Weak { .. })
        )
    }
}

/// Names of fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields(pub(super) Vec<&'static str>);

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}
