//! Files: what they are called, how they are structured, where they lie, who may use them.
//!
//! A card's tree is one constant ([`tree`]); the card model interprets it. Structures follow
//! ISO 7816-4:2020 §7.2.

mod rights;
pub mod tree;

use xuejika_keyscheme::slots::KeySlots;
use xuejika_keyscheme::{KeyNumber, Zone};

use crate::wallet::store;

pub use rights::{Caller, Denied, KeySet, Right, StateSet};

/// Bytes in front of the records of a cyclic file: index of the newest, number in use.
pub const CYCLIC_HEADER_LEN: usize = 2;

/// Structure of an elementary file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structure {
    /// A string of `size` bytes.
    Transparent {
        /// Size in bytes.
        size: u16,
    },
    /// `count` records of `length` bytes, numbered from 1.
    Linear {
        /// Record length in bytes.
        length: u16,
        /// Number of records.
        count: u8,
    },
    /// A ring of `count` records of `length` bytes; record 1 is the newest.
    Cyclic {
        /// Record length in bytes.
        length: u16,
        /// Number of records.
        count: u8,
    },
    /// The balance of a wallet and what belongs to it, `size` bytes: for purse commands only.
    Purse {
        /// Size in bytes.
        size: u16,
    },
}

impl Structure {
    /// Bytes the file takes in memory.
    #[must_use]
    pub const fn storage(self) -> usize {
        match self {
            Self::Transparent { size } | Self::Purse { size } => size as usize,
            Self::Linear { length, count } => length as usize * count as usize,
            Self::Cyclic { length, count } => CYCLIC_HEADER_LEN + length as usize * count as usize,
        }
    }

    /// Record `number`, from 1, of a file with these contents as stored; in a cyclic file 1 is the
    /// newest. `None` beyond the last record, and for a file without records.
    #[must_use]
    pub fn record(self, contents: &[u8], number: u8) -> Option<&[u8]> {
        let index = number.checked_sub(1)?;
        match self {
            Self::Transparent { .. } | Self::Purse { .. } => None,
            Self::Linear { length, count } => {
                if index >= count {
                    return None;
                }
                contents.chunks_exact(length.into()).nth(index.into())
            }
            Self::Cyclic { length, count } => {
                let (&[newest, used], ring) = contents.split_first_chunk::<CYCLIC_HEADER_LEN>()?;
                if index >= used.min(count) {
                    return None;
                }
                let slot =
                    (u16::from(newest) + u16::from(count) - u16::from(index)) % u16::from(count);
                ring.chunks_exact(length.into()).nth(slot.into())
            }
        }
    }

    /// Plain word for the structure.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Transparent { .. } => "transparent",
            Self::Linear { .. } => "linear",
            Self::Cyclic { .. } => "cyclic",
            Self::Purse { .. } => "purse",
        }
    }
}

/// An elementary file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ef {
    /// File identifier.
    pub fid: u16,
    /// Short file identifier, 1 to 30.
    pub sfi: u8,
    /// English name.
    pub name: &'static str,
    /// Chinese name.
    pub chinese: &'static str,
    /// Structure and size.
    pub structure: Structure,
    /// Who may read it, in which states.
    pub read: Right,
    /// Who may update it by command, in which states. Files that only events change have
    /// [`Right::Never`].
    pub update: Right,
    /// Where it lies in memory.
    pub offset: usize,
}

/// Whose rules hold in a DF: what commands it knows and how they are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Application {
    /// The project's own: mutual authentication, then secure messaging. Also the MF of a card that
    /// has no wallet.
    Zone,
    /// The MF of a card with a wallet: files under the operator's line protection.
    Master,
    /// The transit wallet: PBOC purse commands and line protection.
    Wallet,
    /// A PSAM, its MF and its application: purchases by its own roots, all in the clear.
    Psam,
    /// A reader's SAM: proofs and protected commands for its host, in the clear.
    Sam,
}

/// A dedicated file.
#[derive(Clone, Copy, Debug)]
pub struct Df {
    /// File identifier; also the zone of its keys.
    pub fid: u16,
    /// DF name (AID); empty for the MF, which is selected by identifier only.
    pub name: &'static [u8],
    /// Another name that selects it; empty for none.
    pub alias: &'static [u8],
    /// English title.
    pub title: &'static str,
    /// Chinese title.
    pub chinese: &'static str,
    /// Numbers of its keys, in storage order.
    pub keys: &'static [KeyNumber],
    /// Where its keys lie in memory.
    pub keys_offset: usize,
    /// Whose rules hold in it.
    pub application: Application,
    /// Its files, in order of short identifier.
    pub files: &'static [Ef],
}

impl Df {
    /// The zone of its keys.
    #[must_use]
    pub const fn zone(&self) -> Zone {
        Zone(self.fid)
    }

    /// Bytes its keys take in memory.
    #[must_use]
    pub const fn keys_len(&self) -> usize {
        match self.application {
            Application::Wallet => store::LEN,
            Application::Zone | Application::Master | Application::Psam | Application::Sam => {
                self.keys.len() * KeySlots::LEN
            }
        }
    }

    /// Whether `name` selects it.
    #[must_use]
    pub fn is_called(&self, name: &[u8]) -> bool {
        !name.is_empty() && (self.name == name || self.alias == name)
    }

    /// The file with this short identifier.
    #[must_use]
    pub fn by_sfi(&self, sfi: u8) -> Option<&'static Ef> {
        self.files.iter().find(|file| file.sfi == sfi)
    }

    /// The file with this identifier.
    #[must_use]
    pub fn by_fid(&self, fid: u16) -> Option<&'static Ef> {
        self.files.iter().find(|file| file.fid == fid)
    }

    /// Where the slots of a key lie in memory.
    #[must_use]
    pub fn key_offset(&self, number: KeyNumber) -> Option<usize> {
        let index = self.keys.iter().position(|&key| key == number)?;
        Some(self.keys_offset + index * KeySlots::LEN)
    }
}
