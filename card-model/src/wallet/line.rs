//! Line protection (线路保护): commands of the operator, each under a MAC chained from a challenge.
//!
//! A wrong MAC costs a try of the key; after the last one the key is locked until the issuer has
//! proved itself with another one (EXTERNAL AUTHENTICATE). Which bytes the MAC
//! covers is the caller's business: here they are a message. What only the operator may read is
//! enciphered as well, both ways (project-defined; FMCOS has a bit in the type of the file for it).

use alloc::vec::Vec;

use xuejika_keyscheme::legacy::line::Protects;
use xuejika_keyscheme::legacy::{Challenge, LineKey, LineMac, WalletPurpose};
use zeroize::Zeroizing;

use crate::card::{Card, CardError};
use crate::file::{Ef, Right};
use crate::nvm::Nvm;

use super::{Operator, WalletError, store};

/// Whether the contents of this file are enciphered under line protection.
#[must_use]
pub fn is_enciphered(file: &Ef) -> bool {
    file.read == Right::Operator
}

impl<N: Nvm> Card<N> {
    /// Verifies the MAC of a command under the key of purpose `P`.
    ///
    /// # Errors
    /// Returns [`WalletError::LineMac`] when it is wrong, [`WalletError::KeyBlocked`] when no try is
    /// left, or what a failed write gives.
    pub fn verify_line<P: WalletPurpose + Protects>(
        &mut self,
        challenge: &Challenge,
        message: &[u8],
        mac: LineMac,
    ) -> Result<Operator, CardError> {
        self.attempt::<P, _>(WalletError::LineMac, |key| {
            key.verify_line(challenge, message, mac).map(|verified| Operator::from(&verified))
        })
    }

    /// The data of an enciphered command whose MAC was verified.
    ///
    /// # Errors
    /// Returns [`WalletError::Cryptogram`] when it holds no data.
    pub fn decipher_line<P: WalletPurpose + Protects>(
        &self,
        cryptogram: &[u8],
        _: Operator,
    ) -> Result<Zeroizing<Vec<u8>>, WalletError> {
        let key = self.wallet_key::<P>(store::KID)?.key;
        key.decrypt_data(cryptogram).map_err(|_| WalletError::Cryptogram)
    }

    /// Protects the data of an answer: enciphered if it has to be, then its MAC.
    ///
    /// # Errors
    /// Returns [`WalletError::Cryptogram`] for more than 255 bytes to encipher.
    pub fn seal_line(
        &self,
        challenge: &Challenge,
        mut data: Vec<u8>,
        enciphered: bool,
        _: Operator,
    ) -> Result<Vec<u8>, WalletError> {
        let key = self.wallet_key::<LineKey>(store::KID)?.key;
        if enciphered {
            data = key.encrypt_data(&data).map_err(|_| WalletError::Cryptogram)?;
        }
        let mac: [u8; 4] = key.line_mac(challenge, &data).into();
        data.extend_from_slice(&mac);
        Ok(data)
    }
}
