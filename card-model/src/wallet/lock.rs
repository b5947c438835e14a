//! Blocking of the wallet and of the whole card. Storage project-defined.
//!
//! Blocking the wallet concerns nothing else on the card. Blocking the card is the act of its issuer
//! and takes the education zone with it, so it needs the issuer's authentication in the MF on top of
//! the MAC.

use xuejika_keyscheme::legacy::{LoadKey, UnloadKey};

use crate::card::{Card, CardError};
use crate::crc;
use crate::nvm::Nvm;

use super::store::{self, write_tries};
use super::{Access, Operator, SecurityState, WalletError};

/// What blocking the card asks for: the state after EXTERNAL AUTHENTICATE in the MF.
pub const CARD_BLOCK_ACCESS: Access = Access(0xF2);

/// Whether the wallet application is blocked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ApplicationLock {
    /// In use.
    #[default]
    None = 0x00,
    /// Blocked until the operator unblocks it (临时锁定).
    Temporary = 0x01,
    /// Blocked for good (永久锁定).
    Permanent = 0x02,
}

/// What is blocked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// The wallet.
    pub application: ApplicationLock,
    /// The card.
    pub card: bool,
}

impl Lock {
    /// Length of the encoding, in bytes.
    pub const LEN: usize = 4;

    /// Reads application (1), card (1), CRC (2).
    ///
    /// # Errors
    /// Returns [`WalletError::Damaged`] for a wrong check value or an undefined code.
    pub fn parse(bytes: &[u8]) -> Result<Self, WalletError> {
        let damaged = WalletError::Damaged("lock state");
        let (true, &[application, card @ (0 | 1), _, _]) = (crc::is_sealed(bytes), bytes) else {
            return Err(damaged);
        };
        let application = match application {
            0x00 => ApplicationLock::None,
            0x01 => ApplicationLock::Temporary,
            0x02 => ApplicationLock::Permanent,
            _ => return Err(damaged),
        };
        Ok(Self { application, card: card == 1 })
    }

    /// The stored bytes.
    #[must_use]
    pub fn emit(self) -> [u8; Self::LEN] {
        let mut bytes = [self.application as u8, self.card.into(), 0, 0];
        crc::seal(&mut bytes);
        bytes
    }
}

impl<N: Nvm> Card<N> {
    /// What is blocked.
    ///
    /// # Errors
    /// Returns [`WalletError::Absent`] or [`WalletError::Damaged`].
    pub fn wallet_lock(&self) -> Result<Lock, WalletError> {
        Lock::parse(self.store_bytes(store::LOCK_OFFSET, Lock::LEN)?)
    }

    /// APPLICATION BLOCK (应用锁定): until it is unblocked, or for good.
    ///
    /// # Errors
    /// Returns [`WalletError::Blocked`] when the wallet is blocked for good already, or what a failed
    /// write gives.
    pub fn block_application(&mut self, for_good: bool, _: Operator) -> Result<(), CardError> {
        let lock = self.wallet_lock()?;
        let application = match (lock.application, for_good) {
            (ApplicationLock::Permanent, _) => return Err(WalletError::Blocked.into()),
            (_, true) => ApplicationLock::Permanent,
            (_, false) => ApplicationLock::Temporary,
        };
        self.write_lock(Lock { application, ..lock })
    }

    /// APPLICATION UNBLOCK (应用解锁): of the wallet, or of load and unload key when wrong MACs have
    /// used their tries up.
    ///
    /// # Errors
    /// Returns [`WalletError::NotBlocked`], [`WalletError::Blocked`] when the wallet is blocked for
    /// good, or what a failed write gives.
    pub fn unblock_application(&mut self, _: Operator) -> Result<(), CardError> {
        let load = self.wallet_key::<LoadKey>(store::KID)?;
        let unload = self.wallet_key::<UnloadKey>(store::KID)?;
        let lock = self.wallet_lock()?;
        let locked = load.tries.is_blocked() || unload.tries.is_blocked();
        match lock.application {
            ApplicationLock::Permanent => return Err(WalletError::Blocked.into()),
            ApplicationLock::None if !locked => return Err(WalletError::NotBlocked.into()),
            ApplicationLock::None | ApplicationLock::Temporary => {}
        }
        let lock = Lock { application: ApplicationLock::None, ..lock };
        let base = self.store_offset()?;
        let mut txn = self.begin();
        write_tries(&mut txn, base, &load, load.tries.restored());
        write_tries(&mut txn, base, &unload, unload.tries.restored());
        txn.write(base + store::LOCK_OFFSET, &lock.emit());
        Ok(txn.commit()?)
    }

    /// CARD BLOCK (卡片锁定), for good.
    ///
    /// # Errors
    /// Returns [`WalletError::Access`] without the issuer's authentication, or what a failed write
    /// gives.
    pub fn block_card(&mut self, state: SecurityState, _: Operator) -> Result<(), CardError> {
        if !CARD_BLOCK_ACCESS.allows(state) {
            return Err(WalletError::Access.into());
        }
        self.write_lock(Lock { card: true, ..self.wallet_lock()? })
    }

    fn write_lock(&mut self, lock: Lock) -> Result<(), CardError> {
        if self.wallet_lock()? == lock {
            return Ok(());
        }
        let offset = self.store_offset()? + store::LOCK_OFFSET;
        let mut txn = self.begin();
        txn.write(offset, &lock.emit());
        Ok(txn.commit()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_are_stored() {
        use ApplicationLock::{None, Permanent, Temporary};
        for (application, card) in
            [None, Temporary, Permanent].into_iter().flat_map(|lock| [(lock, false), (lock, true)])
        {
            let lock = Lock { application, card };
            let bytes = lock.emit();
            assert_eq!(Lock::parse(&bytes), Ok(lock));
            for bit in 0..8 * Lock::LEN {
                let mut other = bytes;
                other[bit / 8] ^= 1 << (bit % 8);
                assert!(Lock::parse(&other).is_err(), "a damaged lock is no lock");
            }
        }
    }
}
