//! Legacy: the published test roots of the wallet. They protect nothing: anyone can compute every
//! key below them.
//!
//! Legacy: two-key TDES; disallowed by NIST for new protection since 2017 (two keys) and 2024
//! (any); not cache-timing safe; no fall-back between algorithms exists.
//!
//! Made as [`crate::test_keys`] makes its own, from the wallet's zone, the FMCOS key type, version
//! 01 and algorithm 81, with odd parity set (project-defined). Say [`crate::test_keys::WARNING`]
//! when using them.

use cipher::KeyInit;

use super::check::{KEY_LEN, set_odd_parity};
use super::key::{Purpose, Root, TdesKey, WalletPurpose};
use super::roots::WalletKeyType;
use super::{ALGORITHM_CODE, ZONE};
use crate::algorithm::Aes128;
use crate::cmac::Cmac;
use crate::key::KeyVersion;
use crate::test_keys::{LABEL, MASTER};

/// The test root of purpose `P`.
#[must_use]
pub fn root<P: WalletPurpose>() -> TdesKey<Root<P>> {
    of_type(WalletKeyType::of::<P>())
}

/// The test root of a type.
pub(super) fn of_type<P: Purpose>(key_type: WalletKeyType) -> TdesKey<P> {
    let mac = Cmac::new(Aes128::new(&MASTER.into()));
    let tag = mac
        .start()
        .with(&LABEL)
        .with(&ZONE.0.to_be_bytes())
        .with(&[key_type.code(), KeyVersion::FIRST.number(), ALGORITHM_CODE])
        .finish();
    let mut bytes: [u8; KEY_LEN] = tag.into();
    set_odd_parity(&mut bytes);
    TdesKey::derived(bytes)
}
