//! What can be wrong with a token. Messages say what to look at, in the words of PKCS#11.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use std::path::PathBuf;

use cryptoki::error::Error;
use xuejika_keyscheme::KeyId;
use xuejika_keyscheme::provider::ProviderError;

/// Why a token cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The module is not there or is no PKCS#11 module.
    #[error("the PKCS#11 module {} cannot be loaded: {reason}", module.display())]
    Module {
        /// The module.
        module: PathBuf,
        /// What the loader says.
        reason: String,
    },
    /// No token is the one named.
    #[error("no token fits the URI; there {}", Labels(_0))]
    NoToken(Vec<String>),
    /// More than one token fits.
    #[error("several tokens fit the URI, expected one; there {}", Labels(_0))]
    SeveralTokens(Vec<String>),
    /// The PIN is wrong.
    #[error("wrong PIN{}", if *last_try { "; the next wrong one locks the token" } else { "" })]
    WrongPin {
        /// Whether one try is left.
        last_try: bool,
    },
    /// Too many wrong PINs.
    #[error("the PIN is locked; the token's security officer can set a new one")]
    PinLocked,
    /// The token has no user yet.
    #[error("the token has no user PIN; its security officer has to set one")]
    NoPin,
    /// The token cannot compute AES-CMAC.
    #[error("token {0:?} has no CKM_AES_CMAC, which derives card keys")]
    NoMechanism(String),
    /// A root can be read out.
    #[error("root {0} can be read out of the token, expected CKA_SENSITIVE and no CKA_EXTRACTABLE")]
    Readable(String),
    /// A root is another kind of key.
    #[error("root {0} is unfit, expected an AES key of 16 bytes with CKA_SIGN")]
    Unfit(String),
    /// Two objects of one label.
    #[error("root {0} is there twice, expected one object of this label")]
    Twice(String),
    /// No token serves the algorithm.
    #[error("key {0}: PKCS#11 has no mechanism for this algorithm, only for aes")]
    Algorithm(KeyId),
    /// The token computes something else than CMAC.
    #[error("the token's AES-CMAC has {0} bytes, expected 16")]
    TagLength(usize),
    /// A function of the module failed.
    #[error("{function}: {reason}")]
    Function {
        /// Its name.
        function: &'static str,
        /// What it returned.
        reason: String,
    },
}

impl TokenError {
    /// Turns what a function of the module returned into an error that names the function.
    pub(super) fn of(function: &'static str) -> impl Fn(Error) -> Self {
        move |error| {
            let reason = match error {
                Error::Pkcs11(code, _) => code.to_string(),
                other => other.to_string(),
            };
            Self::Function { function, reason }
        }
    }

    /// Whether the token could be used, but is refused because a root would not be safe.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Readable(_))
    }
}

impl From<TokenError> for ProviderError {
    fn from(error: TokenError) -> Self {
        Self::Token(error.to_string())
    }
}

struct Labels<'a>(&'a [String]);

impl fmt::Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("is none"),
            labels => write!(f, "are {labels:?}"),
        }
    }
}
