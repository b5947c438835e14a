//! What can be wrong with a token. Messages say what to look at, in the words of PKCS#11.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use std::path::PathBuf;

use cryptoki::error::{Error, RvError};
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
    /// The module is another one.
    #[error("the module is {0}, the URI names another one")]
    OtherModule(String),
    /// More than one token fits.
    #[error("several tokens fit the URI, expected one; there {}", Labels(_0))]
    SeveralTokens(Vec<String>),
    /// The PIN is wrong.
    #[error("wrong PIN ({code}){}", if *last_try { "; the next wrong one locks the token" } else { "" })]
    WrongPin {
        /// What the token returned, by its name in PKCS#11.
        code: String,
        /// Whether one try is left.
        last_try: bool,
    },
    /// Too many wrong PINs.
    #[error("the PIN is locked (CKR_PIN_LOCKED); the token's security officer can set a new one")]
    PinLocked,
    /// The token has no user yet.
    #[error(
        "the token has no user PIN (CKR_USER_PIN_NOT_INITIALIZED); its security officer has to set one"
    )]
    NoPin,
    /// The token cannot compute AES-CMAC.
    #[error("token {0:?} has no CKM_AES_CMAC, which derives card keys")]
    NoMechanism(String),
    /// The token's AES-CMAC is none.
    #[error("the token's AES-CMAC does not give the published answers of RFC 4493")]
    WrongAnswer,
    /// A root's answer does not depend on the message.
    #[error("root {0} gives one AES-CMAC for two messages")]
    OneAnswer(String),
    /// A root is one constant byte.
    #[error("root {0} is weak: its bytes are equal")]
    Weak(String),
    /// A root was put in, and another one came of it.
    #[error("root {0} was put in, but the token has another one; it was removed again")]
    OtherRoot(String),
    /// A root can be read out, or used without the PIN.
    #[error(
        "root {label} is not safe in the token: {attributes} differs, expected CKA_SENSITIVE and \
         CKA_PRIVATE, and no CKA_EXTRACTABLE"
    )]
    Readable {
        /// Its label.
        label: String,
        /// The attributes that differ.
        attributes: String,
    },
    /// A root is another kind of key.
    #[error("root {0} is unfit, expected an AES key of 16 bytes with CKA_SIGN")]
    Unfit(String),
    /// Several objects of one label.
    #[error("root {0} is in the token {1} times, expected once; keys token remove takes one away")]
    Twice(String, usize),
    /// The name is taken.
    #[error("root {0} is in the token already; no root is ever replaced")]
    Exists(String),
    /// Another process makes the same root, or did not come to an end.
    #[error(
        "root {0} is being made by another process, or was left unfinished by one; keys token list \
         shows it and keys token remove takes it away"
    )]
    Unfinished(String),
    /// There is no such object.
    #[error("there is no root {0} of this check value in the token")]
    NoObject(String),
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
                Error::Pkcs11(code, _) => name_of(code),
                other => other.to_string(),
            };
            Self::Function { function, reason }
        }
    }

    /// Whether an object is no longer there.
    pub(super) fn is_gone(&self) -> bool {
        let gone = name_of(RvError::ObjectHandleInvalid);
        matches!(self, Self::Function { reason, .. } if *reason == gone)
    }

    /// Whether the token could be used, but is refused because a root would not be safe.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Readable { .. }
                | Self::Weak(_)
                | Self::Exists(_)
                | Self::Unfinished(_)
                | Self::WrongAnswer
                | Self::OneAnswer(_)
                | Self::OtherRoot(_)
        )
    }

    /// Whether a root is there and is not what it should be.
    #[must_use]
    pub const fn is_unfit(&self) -> bool {
        matches!(self, Self::Algorithm(_) | Self::Unfit(_) | Self::Twice(..) | Self::NoObject(_))
    }
}

/// What a function returned, by its name in PKCS#11: the names of the variants are those of the
/// standard in another spelling.
pub(super) fn name_of(code: RvError) -> String {
    let text = format!("{code:?}");
    let (variant, number) = text.split_once('(').unwrap_or((&text, ""));
    let mut name = String::from("CKR");
    for letter in variant.chars() {
        if letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    match number.trim_end_matches(')').parse::<u64>() {
        Ok(number) => format!("{name} {number:#010X}"),
        Err(_) => name,
    }
}

impl From<TokenError> for ProviderError {
    fn from(error: TokenError) -> Self {
        let text = error.to_string();
        match error {
            _ if error.is_refusal() => Self::Refused(text),
            _ if error.is_unfit() => Self::Unfit(text),
            _ => Self::Token(text),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_names_in_the_standard() {
        for (code, name) in [
            (RvError::PinIncorrect, "CKR_PIN_INCORRECT"),
            (RvError::ObjectHandleInvalid, "CKR_OBJECT_HANDLE_INVALID"),
            (RvError::CantLock, "CKR_CANT_LOCK"),
            (RvError::KeyFunctionNotPermitted, "CKR_KEY_FUNCTION_NOT_PERMITTED"),
            (RvError::VendorDefined(0x8000_0001), "CKR_VENDOR_DEFINED 0x80000001"),
        ] {
            assert_eq!(name_of(code), name);
        }
        let failed = TokenError::of("C_Login")(Error::Pkcs11(
            RvError::FunctionFailed,
            cryptoki::context::Function::Login,
        ));
        assert_eq!(failed.to_string(), "C_Login: CKR_FUNCTION_FAILED");
    }
}
