//! Trying a secret of the wallet: a key, or the PIN.
//!
//! A try is spent before anything is compared and given back after a success. Power that goes in
//! between costs a try; there is no moment at which cutting it would refund one.

use xuejika_keyscheme::Mismatch;
use xuejika_keyscheme::legacy::{TdesKey, WalletPurpose};

use crate::card::{Card, CardError};
use crate::fault::{Fault, seeded};
use crate::nvm::Nvm;

use super::WalletError;
use super::lock::ApplicationLock;
use super::store::{self, StoredKey, Tries, write_tries};

impl<N: Nvm> Card<N> {
    /// Asks `check` about the key. Gives what it gave, or how many tries are left.
    ///
    /// # Errors
    /// Returns [`WalletError::KeyBlocked`], or what a failed write gives; nothing was compared then.
    pub(super) fn attempt<P: WalletPurpose, T>(
        &mut self,
        key: &StoredKey<P>,
        check: impl FnOnce(&TdesKey<P>) -> Result<T, Mismatch>,
    ) -> Result<Result<T, Tries>, CardError> {
        if key.tries.is_blocked() {
            return Err(WalletError::KeyBlocked.into());
        }
        let spent = key.tries.failed();
        if seeded(Fault::TryRefundedByCut) {
            let verdict = check(&key.key);
            self.write_wallet_tries::<P>(if verdict.is_ok() { key.tries } else { spent })?;
            return Ok(verdict.map_err(|_| spent));
        }
        self.write_wallet_tries::<P>(spent)?;
        match check(&key.key) {
            Err(Mismatch) => Ok(Err(spent)),
            Ok(value) => {
                self.write_wallet_tries::<P>(key.tries.restored())?;
                Ok(Ok(value))
            }
        }
    }

    /// As [`Self::attempt`], with a key whose last try blocks the wallet for good.
    ///
    /// # Errors
    /// Returns `wrong`, or [`WalletError::Blocked`] when no try is left, or what a failed write gives.
    pub(super) fn attempt_or_block<P: WalletPurpose, T>(
        &mut self,
        kid: u8,
        wrong: WalletError,
        check: impl FnOnce(&TdesKey<P>) -> Result<T, Mismatch>,
    ) -> Result<T, CardError> {
        let key = self.wallet_key::<P>(kid)?;
        let left = if key.tries.is_blocked() {
            key.tries
        } else {
            match self.attempt(&key, check)? {
                Ok(value) => return Ok(value),
                Err(left) => left,
            }
        };
        if !left.is_blocked() {
            return Err(wrong.into());
        }
        // Power may have gone between the last try and this, so it is done whenever none is left.
        self.write_application_lock(ApplicationLock::Permanent)?;
        Err(WalletError::Blocked.into())
    }

    fn write_wallet_tries<P: WalletPurpose>(&mut self, tries: Tries) -> Result<(), CardError> {
        let key = self.wallet_key::<P>(store::KID)?;
        let base = self.store_offset()?;
        let mut txn = self.begin();
        write_tries(&mut txn, base, &key, tries);
        Ok(txn.commit()?)
    }
}
