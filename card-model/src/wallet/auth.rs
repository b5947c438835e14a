//! EXTERNAL AUTHENTICATE (外部认证) and INTERNAL AUTHENTICATE (内部认证) of FMCOS cards.

use alloc::vec::Vec;

use xuejika_keyscheme::Mismatch;
use xuejika_keyscheme::legacy::{
    Challenge, ExternalAuthKey, InternalDecryptKey, InternalEncryptKey, InternalMacKey, LineKey,
    PinReloadKey, PinUnblockKey, WalletPurpose,
};

use crate::card::{Card, CardError};
use crate::nvm::Nvm;

use super::store::{self, StoredKey, write_tries};
use super::{SecurityState, WalletError};

/// Length of the terminal's answer to a challenge, in bytes.
pub const ANSWER_LEN: usize = 8;

/// What INTERNAL AUTHENTICATE computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum InternalUse {
    /// Encryption of whole blocks, key type 30.
    Encrypt = 0x00,
    /// Decryption of whole blocks, key type 31.
    Decrypt = 0x01,
    /// A MAC of four bytes over anything, key type 32.
    Mac = 0x02,
}

impl InternalUse {
    /// The use with this code, P1 of the command.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0x00 => Some(Self::Encrypt),
            0x01 => Some(Self::Decrypt),
            0x02 => Some(Self::Mac),
            _ => None,
        }
    }
}

impl<N: Nvm> Card<N> {
    /// Checks the issuer's answer to the challenge, which is used up. It has 64 bits: a wrong one costs
    /// nothing, a right one gives the keys of the operator's commands their tries back. Gives the
    /// security state that follows, of the MF's register (`in_master`) or the wallet's.
    ///
    /// # Errors
    /// Returns [`WalletError::Answer`] for a wrong answer, [`WalletError::KeyNotFound`],
    /// [`WalletError::Access`], or what a failed write gives.
    pub fn external_authenticate(
        &mut self,
        kid: u8,
        challenge: Challenge,
        answer: &[u8; ANSWER_LEN],
        state: SecurityState,
        in_master: bool,
    ) -> Result<SecurityState, CardError> {
        let key = self.usable_key::<ExternalAuthKey>(kid, state)?;
        key.key.verify(challenge, answer).map_err(|Mismatch| WalletError::Answer)?;
        self.free_operator_keys()?;
        Ok(state.authenticated(key.next, in_master))
    }

    /// Gives line, PIN unblock and PIN reload key their tries back.
    fn free_operator_keys(&mut self) -> Result<(), CardError> {
        let line = self.wallet_key::<LineKey>(store::KID)?;
        let unblock = self.wallet_key::<PinUnblockKey>(store::KID)?;
        let reload = self.wallet_key::<PinReloadKey>(store::KID)?;
        let base = self.store_offset()?;
        let mut txn = self.begin();
        write_tries(&mut txn, base, &line, line.tries.restored());
        write_tries(&mut txn, base, &unblock, unblock.tries.restored());
        write_tries(&mut txn, base, &reload, reload.tries.restored());
        Ok(txn.commit()?)
    }

    /// What the card answers to `data`. Encryption and decryption take whole blocks.
    ///
    /// # Errors
    /// Returns [`WalletError::DataLength`] for other data, [`WalletError::KeyNotFound`] or
    /// [`WalletError::Access`].
    pub fn internal_authenticate(
        &self,
        purpose: InternalUse,
        kid: u8,
        data: &[u8],
        state: SecurityState,
    ) -> Result<Vec<u8>, WalletError> {
        let mut answer = data.to_vec();
        let done = match purpose {
            InternalUse::Encrypt => {
                self.usable_key::<InternalEncryptKey>(kid, state)?.key.encrypt(&mut answer)
            }
            InternalUse::Decrypt => {
                self.usable_key::<InternalDecryptKey>(kid, state)?.key.decrypt(&mut answer)
            }
            InternalUse::Mac => {
                let mac = self.usable_key::<InternalMacKey>(kid, state)?.key.mac(data);
                answer = <[u8; 4]>::from(mac).to_vec();
                Ok(())
            }
        };
        if data.is_empty() || done.is_err() {
            return Err(WalletError::DataLength);
        }
        Ok(answer)
    }

    /// The key, if the security state lets it be used.
    fn usable_key<P: WalletPurpose>(
        &self,
        kid: u8,
        state: SecurityState,
    ) -> Result<StoredKey<P>, WalletError> {
        let key = self.wallet_key::<P>(kid)?;
        if key.access.allows(state) { Ok(key) } else { Err(WalletError::Access) }
    }
}
