//! Legacy: from an operator's root to the keys of one card, as PBOC cards do it.
//!
//! Legacy: two-key TDES; disallowed by NIST for new protection since 2017 (two keys) and 2024
//! (any); not cache-timing safe; no fall-back between algorithms exists.
//!
//! One level is `E(K, D) ‖ E(K, ~D)`, two blocks of TDES in ECB mode over an 8-byte factor D; an
//! HSM that encrypts data into a key does it in one call. The last factor is the wallet's card
//! number; levels before it (issuer, city) are the operator's choice. The result has no parity.

use super::check::KEY_LEN;
use super::ecb;
use super::key::{Purpose, Root, TdesKey, WalletPurpose};

/// Length of a factor, in bytes.
pub const FACTOR_LEN: usize = 8;

impl<P: WalletPurpose> TdesKey<Root<P>> {
    /// Derives the root of the next level.
    #[must_use]
    pub fn level(&self, factor: [u8; FACTOR_LEN]) -> Self {
        diversify(self, factor)
    }

    /// Derives the key of the card with this number.
    #[must_use]
    pub fn card_key(&self, number: [u8; FACTOR_LEN]) -> TdesKey<P> {
        diversify(self, number)
    }
}

/// One level below `key`.
pub(super) fn diversify<P: Purpose, Q: Purpose>(
    key: &TdesKey<P>,
    factor: [u8; FACTOR_LEN],
) -> TdesKey<Q> {
    let cipher = key.cipher();
    let mut halves = [factor, factor.map(|byte| !byte)];
    for half in &mut halves {
        ecb::encrypt_block(&cipher, half);
    }
    let mut bytes = [0; KEY_LEN];
    bytes.iter_mut().zip(halves.as_flattened()).for_each(|(to, from)| *to = *from);
    TdesKey::derived(bytes)
}
