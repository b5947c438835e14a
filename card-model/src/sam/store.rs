//! What a SAM keeps without power, and the files of the card it lies in.

use alloc::boxed::Box;
use alloc::vec::Vec;

use xuejika_keyscheme::auth::{CardId, ReaderId};
use xuejika_keyscheme::key::{Key, Root, Sam as SamPurpose};
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone, test_keys};
use zeroize::Zeroizing;

use super::{SamError, key_id};
use crate::card::{Card, CardError};
use crate::crc::{CRC_LEN, is_sealed, seal};
use crate::date::Date;
use crate::file::tree::{CardKind, sam};
use crate::management::{self, Authorisation, SamSerial};
use crate::nvm::Nvm;
use crate::record::{ExtensionIndex, ExtensionSet};

/// Most roots of card keys that a SAM holds.
pub const MAX_KEYS: usize = 48;

/// Versions of the keys a test SAM holds: the one new cards have, and one to roll over to.
const TEST_VERSIONS: [u8; 2] = [1, 2];

/// First bytes of a key file's authenticated header; the SAM's serial follows.
const KEY_FILE_MAGIC: [u8; 8] = *b"XJKKEYS2";

/// Bytes of one entry of a key file: key identifier, root.
const ENTRY_LEN: usize = KeyId::LEN + 16;

/// Bytes of the file of secrets: K.SAM (16), root of K80 (16), CRC (2).
pub(crate) const KEYS_LEN: usize = 16 + 16 + CRC_LEN;

/// Bytes of the key file: length (2), tag (16), entries padded to whole blocks.
pub(crate) const KEY_FILE_LEN: usize = 2 + 16 + (MAX_KEYS * ENTRY_LEN / 16 + 1) * 16;

/// A root of card keys, and its name.
pub(super) type NamedRoot = (KeyId, Key<Root>);

/// What a SAM keeps without power. Of card keys it has nothing that it could use by itself.
pub struct SamStore {
    serial: SamSerial,
    secret: Key<SamPurpose>,
    /// Root of the key shared with management cards.
    management: Key<Root>,
    /// The roots of card keys, sealed under a key that a management card completes.
    key_file: Vec<u8>,
    last_seen: Option<Date>,
}

impl SamStore {
    /// The published test SAM with this number. Its key file opens to the test management card of
    /// its unit that is good until `valid_until`. With `lent` it is the SAM of an application unit
    /// (应用单位): of the card keys it has the roots of K1, and of KA of these sectors, and no other.
    #[must_use]
    pub fn test(
        algorithm: Algorithm,
        serial: SamSerial,
        lent: Option<ExtensionSet>,
        valid_until: Date,
    ) -> Self {
        let (card, authorisation) = management::test_card_for(serial.unit, lent, valid_until);
        Self::test_for(algorithm, serial, lent, card, &authorisation)
    }

    /// As [`Self::test`], opening to the management card with this serial and these contents.
    #[must_use]
    pub fn test_for(
        algorithm: Algorithm,
        serial: SamSerial,
        lent: Option<ExtensionSet>,
        card: CardId,
        authorisation: &Authorisation,
    ) -> Self {
        let secret = test_keys::sam(algorithm);
        let kek = authorisation.unlock(&secret, serial.reader(), card);
        let entries = test_entries(algorithm, lent);
        let key_file = kek.seal(&key_file_header(serial.reader()), &entries);
        let management = test_keys::root(&management_key(algorithm));
        Self { serial, secret, management, key_file, last_seen: None }
    }

    /// The store of the SAM this card is; `None` for another kind of card.
    ///
    /// # Errors
    /// Returns [`InvalidSam`] naming what cannot be read.
    pub fn of<N: Nvm>(card: &Card<N>) -> Result<Option<Self>, InvalidSam> {
        if card.header().kind != CardKind::Sam {
            return Ok(None);
        }
        let algorithm = card.header().algorithm;
        let reader = ReaderId(card.header().serial.0);
        let serial = SamSerial::from_reader(reader).ok_or(InvalidSam::Serial)?;
        let keys = card.contents(&sam::KEYS);
        if !is_sealed(keys) {
            return Err(InvalidSam::Keys);
        }
        let (secret, rest) = keys.split_first_chunk().ok_or(InvalidSam::Keys)?;
        let (management, _) = rest.split_first_chunk().ok_or(InvalidSam::Keys)?;
        let key_file = card.contents(&sam::KEY_FILE);
        let (length, sealed) = key_file.split_first_chunk().ok_or(InvalidSam::KeyFile)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let last_seen = match card.contents(&sam::LAST_SEEN).first_chunk() {
            None | Some([0, 0, 0, 0]) => None,
            Some(date) => Some(Date::from_bytes(*date).map_err(|_| InvalidSam::Date)?),
        };
        Ok(Some(Self {
            serial,
            secret: Key::new(algorithm, *secret),
            management: Key::new(algorithm, *management),
            key_file: sealed.get(..length).ok_or(InvalidSam::KeyFile)?.to_vec(),
            last_seen,
        }))
    }

    /// The contents of the card's files of secrets and keys.
    pub(crate) fn files(&self) -> (Zeroizing<[u8; KEYS_LEN]>, Vec<u8>) {
        let mut keys = Zeroizing::new([0; KEYS_LEN]);
        let fields = self.secret.expose().iter().chain(self.management.expose());
        keys.iter_mut().zip(fields).for_each(|(to, from)| *to = *from);
        seal(&mut *keys);
        let length = u16::try_from(self.key_file.len()).unwrap_or(0);
        let key_file = length.to_be_bytes().into_iter().chain(self.key_file.iter().copied());
        (keys, key_file.collect())
    }

    /// Its number.
    #[must_use]
    pub const fn serial(&self) -> SamSerial {
        self.serial
    }

    /// Its number, as cards see it (ID.IFD).
    #[must_use]
    pub const fn id(&self) -> ReaderId {
        self.serial.reader()
    }

    /// Algorithm of all its keys.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.secret.algorithm()
    }

    /// Whether its secrets are the published test keys.
    #[must_use]
    pub fn is_test(&self) -> bool {
        self.management == test_keys::root(&management_key(self.algorithm()))
    }

    /// The latest day on which it worked.
    #[must_use]
    pub const fn last_seen(&self) -> Option<Date> {
        self.last_seen
    }

    /// Notes that it worked on this day.
    pub fn saw(&mut self, today: Date) {
        self.last_seen = self.last_seen.max(Some(today));
    }

    /// Notes on a card that it worked on this day, in one transaction, if that is news.
    ///
    /// # Errors
    /// Returns a [`CardError`] when the write fails.
    pub fn note<N: Nvm>(&self, card: &mut Card<N>, today: Date) -> Result<(), CardError> {
        if self.last_seen.max(Some(today)) == self.last_seen {
            return Ok(());
        }
        let mut txn = card.begin();
        txn.write(sam::LAST_SEEN.offset, &today.bytes());
        Ok(txn.commit()?)
    }

    pub(super) fn check_date(&self, today: Date) -> Result<(), SamError> {
        if self.last_seen.is_some_and(|seen| today < seen) {
            return Err(SamError::ClockWentBack);
        }
        Ok(())
    }

    /// The root of the key shared with management cards, if that is the key.
    pub(super) fn management_root(&self, id: &KeyId) -> Option<&Key<Root>> {
        (*id == management_key(self.algorithm())).then_some(&self.management)
    }

    /// The roots of card keys, which only what was sealed in can open.
    pub(super) fn open_key_file(
        &self,
        authorisation: &Authorisation,
        management: CardId,
    ) -> Result<Box<[NamedRoot]>, SamError> {
        let kek = authorisation.unlock(&self.secret, self.id(), management);
        let entries = kek
            .open(&key_file_header(self.id()), &self.key_file)
            .map_err(|_| SamError::ForeignGrant)?;
        parse_entries(&entries).ok_or(SamError::ForeignGrant)
    }
}

impl core::fmt::Debug for SamStore {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("SamStore").field("serial", &self.serial).finish_non_exhaustive()
    }
}

/// Why the memory of a SAM cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSam {
    /// The card serial is no SAM's.
    #[error("the card serial is no SAM serial")]
    Serial,
    /// The secrets do not match their CRC.
    #[error("the SAM's secrets are damaged")]
    Keys,
    /// The key file is longer than its room.
    #[error("the SAM's key file is damaged")]
    KeyFile,
    /// The last day seen is no date.
    #[error("the last day the SAM has seen is no date")]
    Date,
}

const fn management_key(algorithm: Algorithm) -> KeyId {
    let (zone, number) = (Zone::MANAGEMENT, KeyNumber::MANAGEMENT);
    KeyId { zone, number, version: KeyVersion::FIRST, algorithm }
}

fn key_file_header(id: ReaderId) -> [u8; 16] {
    let mut header = [0; 16];
    let fields = KEY_FILE_MAGIC.into_iter().chain(id.0);
    header.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
    header
}

/// The entries of a test SAM, in each of [`TEST_VERSIONS`]: every key, or those of an application
/// unit with these sectors.
fn test_entries(algorithm: Algorithm, lent: Option<ExtensionSet>) -> Zeroizing<Vec<u8>> {
    let keys = || {
        let education = KeyNumber::EDUCATION.into_iter();
        let education = education.filter(|&number| lent.is_none() || number == KeyNumber::READ);
        let sectors = ExtensionIndex::all();
        let sectors = sectors.filter(|&index| lent.is_none_or(|lent| lent.contains(index)));
        education
            .map(|number| (Zone::EDUCATION, number))
            .chain(sectors.map(|index| (index.zone(), KeyNumber::APPLICATION)))
    };
    // It must not grow: that would leave roots in the memory it gives back.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_KEYS * ENTRY_LEN));
    for version in TEST_VERSIONS.into_iter().filter_map(KeyVersion::new) {
        for (zone, number) in keys() {
            let id = KeyId { zone, number, version, algorithm };
            bytes.extend_from_slice(&id.emit());
            bytes.extend_from_slice(test_keys::root(&id).expose());
        }
    }
    debug_assert!(bytes.len() <= MAX_KEYS * ENTRY_LEN);
    bytes
}

fn parse_entries(bytes: &[u8]) -> Option<Box<[NamedRoot]>> {
    let (entries, []) = bytes.as_chunks::<ENTRY_LEN>() else { return None };
    // All its room at once, for the same reason; a slice of just this length does not move.
    let mut roots = Vec::with_capacity(entries.len());
    for &[z1, z2, number, version, algorithm, ref root @ ..] in entries {
        let id = key_id([z1, z2, number, version, algorithm])?;
        roots.push((id, Key::new(id.algorithm, *root)));
    }
    Some(roots.into_boxed_slice())
}
