//! The block cipher an entry asks for.

use xuejika_keyscheme::algorithm::cipher::KeyInit;
use xuejika_keyscheme::algorithm::{Aes128, Aes192, Aes256, Des, Sm4, TdesEde2, TdesEde3};

use super::outcome::Problem;

/// A keyed cipher of `keyscheme`.
#[allow(clippy::large_enum_variant, reason = "one at a time, on the stack")]
pub(super) enum AnyCipher {
    Aes128(Aes128),
    Aes192(Aes192),
    Aes256(Aes256),
    Sm4(Sm4),
    Des(Des),
    TdesEde2(TdesEde2),
    TdesEde3(TdesEde3),
}

impl AnyCipher {
    /// Expands `key` for the algorithm that `name` speaks of; the length of the key settles which
    /// AES, and whether it is DES or TDES with two or three keys.
    pub(super) fn new(name: &str, key: &[u8]) -> Result<Self, Problem> {
        let cipher = match (Family::of(name)?, key.len()) {
            (Family::Aes, 24) => Aes192::new_from_slice(key).map(Self::Aes192),
            (Family::Aes, 32) => Aes256::new_from_slice(key).map(Self::Aes256),
            (Family::Aes, _) => Aes128::new_from_slice(key).map(Self::Aes128),
            (Family::Sm4, _) => Sm4::new_from_slice(key).map(Self::Sm4),
            (Family::Des, 16) => TdesEde2::new_from_slice(key).map(Self::TdesEde2),
            (Family::Des, 24) => TdesEde3::new_from_slice(key).map(Self::TdesEde3),
            (Family::Des, _) => Des::new_from_slice(key).map(Self::Des),
        };
        cipher.map_err(|_| Problem::Refused(format!("no key of {name} has {} bytes", key.len())))
    }
}

/// Evaluates an expression with the cipher inside an [`AnyCipher`].
macro_rules! with_cipher {
    ($any:expr, $cipher:ident => $body:expr) => {
        match $any {
            $crate::verify::cipher::AnyCipher::Aes128($cipher) => $body,
            $crate::verify::cipher::AnyCipher::Aes192($cipher) => $body,
            $crate::verify::cipher::AnyCipher::Aes256($cipher) => $body,
            $crate::verify::cipher::AnyCipher::Sm4($cipher) => $body,
            $crate::verify::cipher::AnyCipher::Des($cipher) => $body,
            $crate::verify::cipher::AnyCipher::TdesEde2($cipher) => $body,
            $crate::verify::cipher::AnyCipher::TdesEde3($cipher) => $body,
        }
    };
}

enum Family {
    Aes,
    Sm4,
    Des,
}

impl Family {
    fn of(name: &str) -> Result<Self, Problem> {
        match name {
            name if name.contains("AES") => Ok(Self::Aes),
            name if name.contains("SM4") => Ok(Self::Sm4),
            name if name.contains("DE") => Ok(Self::Des),
            _ => Err(Problem::NotSupported("algorithm unknown")),
        }
    }
}
