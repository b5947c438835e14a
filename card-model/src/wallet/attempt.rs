//! Trying a secret of the wallet: a key, or the PIN.
//!
//! A try is spent before anything is compared and given back after a success. Power that goes in
//! between costs a try; there is no moment at which cutting it would refund one. A key without a try
//! left is locked, and it alone: the wallet and its money go on. What frees it, and which keys need no
//! tries, is in `docs/adr/0016-what-a-failure-costs.md`.

use xuejika_keyscheme::Mismatch;
use xuejika_keyscheme::legacy::{TdesKey, WalletPurpose};

use crate::card::{Card, CardError};
use crate::nvm::Nvm;

use super::WalletError;
use super::store::{self, StoredKey, Tries, write_tries};

/// Checks that a try is left.
pub(super) fn check_left(tries: Tries) -> Result<(), WalletError> {
    if tries.is_blocked() { Err(WalletError::KeyBlocked) } else { Ok(()) }
}

impl<N: Nvm> Card<N> {
    /// Spends a try of the key and asks `check` about it. Gives what it gave, and the key as it is
    /// stored now: whoever goes on gives the tries back.
    ///
    /// # Errors
    /// Returns `wrong` when the check fails, [`WalletError::KeyBlocked`], or what a failed write gives;
    /// nothing was compared then.
    pub(super) fn spend<P: WalletPurpose, T>(
        &mut self,
        key: StoredKey<P>,
        wrong: WalletError,
        check: impl FnOnce(&TdesKey<P>) -> Result<T, Mismatch>,
    ) -> Result<(T, StoredKey<P>), CardError> {
        check_left(key.tries)?;
        let spent = key.tries.failed();
        self.write_wallet_tries::<P>(spent)?;
        let value = check(&key.key).map_err(|Mismatch| wrong)?;
        Ok((value, StoredKey { tries: spent, ..key }))
    }

    /// As [`Self::spend`], and the tries are given back at once.
    ///
    /// # Errors
    /// As [`Self::spend`].
    pub(super) fn attempt<P: WalletPurpose, T>(
        &mut self,
        wrong: WalletError,
        check: impl FnOnce(&TdesKey<P>) -> Result<T, Mismatch>,
    ) -> Result<T, CardError> {
        let key = self.wallet_key::<P>(store::KID)?;
        let (value, key) = self.spend(key, wrong, check)?;
        self.write_wallet_tries::<P>(key.tries.restored())?;
        Ok(value)
    }

    fn write_wallet_tries<P: WalletPurpose>(&mut self, tries: Tries) -> Result<(), CardError> {
        let key = self.wallet_key::<P>(store::KID)?;
        let base = self.store_offset()?;
        let mut txn = self.begin();
        write_tries(&mut txn, base, &key, tries);
        Ok(txn.commit()?)
    }
}
