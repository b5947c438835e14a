//! The records a compound purchase (复合消费) writes beside the balance: cached until the debit, then
//! changed in its transaction. Rules of a vendor's card (`docs/adr/0009-transit-wallet.md`).

use alloc::vec::Vec;

use crate::card::{Card, CardError};
use crate::file::Structure;
use crate::nvm::Nvm;

use super::WalletError;

/// How UPDATE CAPP DATA CACHE names a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordName {
    /// The record that begins with this byte.
    Tag(u8),
    /// The record with this number, from 1.
    Number(u8),
}

/// A record to be written with the debit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CachedRecord {
    pub(super) offset: usize,
    pub(super) bytes: Vec<u8>,
}

impl<N: Nvm> Card<N> {
    /// The whole record as it will be.
    pub(super) fn cached_record(
        &self,
        sfi: u8,
        name: RecordName,
        data: &[u8],
    ) -> Result<CachedRecord, CardError> {
        let file = self.wallet_file(sfi).ok_or(WalletError::FileNotFound)?;
        let Structure::Linear { length, count } = file.structure else {
            return Err(CardError::Structure);
        };
        let is_meant = |number: &u8| match name {
            RecordName::Number(wanted) => *number == wanted,
            RecordName::Tag(tag) => {
                self.stored_record(file, *number).and_then(<[u8]>::first) == Some(&tag)
            }
        };
        let number = (1..=count).find(is_meant).ok_or(CardError::RecordNotFound)?;
        let stored = self.stored_record(file, number).ok_or(CardError::RecordNotFound)?;
        if data.len() > stored.len() {
            return Err(WalletError::RecordLength.into());
        }
        let (&[tag, rest], _) = data.split_first_chunk().ok_or(WalletError::RecordData)?;
        if stored.first() != Some(&tag) || usize::from(rest) + 2 != data.len() {
            return Err(WalletError::RecordData.into());
        }
        let mut bytes = data.to_vec();
        bytes.resize(length.into(), 0);
        let offset = file.offset + usize::from(number - 1) * usize::from(length);
        Ok(CachedRecord { offset, bytes })
    }
}
