//! Legacy: the four-byte codes of a PBOC card, and the proof that one was checked.
//!
//! Legacy: two-key TDES; disallowed by NIST for new protection since 2017 (two keys) and 2024
//! (any); not cache-timing safe; no fall-back between algorithms exists.
//!
//! A forger is right once in 2^32 tries, so whoever checks a code must also count failures.

use subtle::ConstantTimeEq;

use crate::error::Mismatch;

/// Length of a code, in bytes.
pub const CODE_LEN: usize = 4;

/// Legacy: a four-byte code.
pub trait Code: sealed::Sealed + Copy + From<[u8; CODE_LEN]> + Into<[u8; CODE_LEN]> {}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        mod sealed {
            pub trait Sealed {}
            $(impl Sealed for super::$name {})*
        }
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub struct $name([u8; CODE_LEN]);

            impl Code for $name {}

            impl From<[u8; CODE_LEN]> for $name {
                /// Takes the bytes as they were received.
                fn from(bytes: [u8; CODE_LEN]) -> Self {
                    Self(bytes)
                }
            }

            impl From<$name> for [u8; CODE_LEN] {
                fn from(code: $name) -> Self {
                    code.0
                }
            }

            impl PartialEq for $name {
                /// Compares in constant time.
                fn eq(&self, other: &Self) -> bool {
                    bool::from(self.0.ct_eq(&other.0))
                }
            }

            impl Eq for $name {}
        )*
    };
}

codes! {
    /// Legacy: MAC1. Load, unload and limit: the card's; purchase: the terminal's.
    Mac1,
    /// Legacy: MAC2. Load, unload and limit: the host's; purchase: the card's.
    Mac2,
    /// Legacy: MAC3, by which a card confirms an unload.
    Mac3,
    /// Legacy: transaction authorisation code (交易验证码), the operator's evidence of a transaction.
    Tac,
    /// Legacy: MAC of a protected command or of its answer (线路保护).
    LineMac,
    /// Legacy: MAC over the new PIN in RELOAD PIN (重装个人密码).
    PinMac,
    /// Legacy: answer of INTERNAL AUTHENTICATE when a MAC is asked for.
    InternalMac,
}

/// Legacy: proof that a code of kind `M` was received and checked. Only verification creates one,
/// and it cannot be copied: whatever asks for a `Verified<Mac2>` cannot run before, nor twice.
///
/// ```compile_fail
/// use xuejika_keyscheme::legacy::{Mac2, Verified};
/// let forged = Verified(Mac2::from([0; 4]));
/// ```
#[derive(Debug)]
pub struct Verified<M: Code>(M);

impl<M: Code> Verified<M> {
    /// The code that was checked.
    pub const fn code(&self) -> M {
        self.0
    }
}

/// The left four bytes of a tag.
pub(super) fn cut<M: Code>([a, b, c, d, ..]: [u8; 8]) -> M {
    M::from([a, b, c, d])
}

/// Compares in constant time.
pub(super) fn verify<M: Code>(expected: M, received: M) -> Result<Verified<M>, Mismatch> {
    let (expected, bytes): ([u8; CODE_LEN], _) = (expected.into(), received.into());
    if bool::from(expected.ct_eq(&bytes)) { Ok(Verified(received)) } else { Err(Mismatch) }
}
