//! A card: memory, the tree laid over it, and the operations that keep its rules.
//!
//! The card never sees a command. Whoever calls says under which key the caller has proved itself
//! in the file's own DF, and gets data or a [`CardError`] naming the broken rule.

mod header;

use xuejika_keyscheme::slots::{InvalidSlots, KeySlots, SlotsHeader};
use xuejika_keyscheme::{KeyNumber, KeyVersion};

use crate::event::{Actor, Condition, Untimely};
use crate::file::tree::{CardKind, PROFILE_VERSION, Tree, sfi, wallet_sfi};
use crate::file::{CYCLIC_HEADER_LEN, Caller, Df, Ef, Structure};
use crate::nvm::{Nvm, NvmError};
use crate::psam::{InvalidPsamKey, PsamView};
use crate::record::{FieldErrors, Identity, Issuance, Status, StatusPair};
use crate::sam::{InvalidSam, SamStore};
use crate::state::LifeCycleState;
use crate::txn::{Store, Transaction};
use crate::wallet::{Operator, WalletError};

pub use crate::file::Denied;
pub use header::{Header, Privacy, UID_LEN};

/// A card over some memory.
#[derive(Clone, Debug)]
pub struct Card<N: Nvm> {
    store: Store<N>,
    header: Header,
}

impl<N: Nvm> Card<N> {
    /// Opens a memory: completes an interrupted commit and checks that everything can be read.
    ///
    /// # Errors
    /// Returns an [`OpenError`] naming what is damaged.
    pub fn open(nvm: N) -> Result<Self, OpenError> {
        let header = Header::parse(nvm.bytes())?;
        let tree = header.kind.tree();
        if nvm.bytes().len() != tree.size {
            return Err(OpenError::Size { found: nvm.bytes().len(), expected: tree.size });
        }
        let mut card = Self { store: Store::open(nvm, tree.journal..tree.size)?, header };
        card.check()?;
        card.heal()?;
        Ok(card)
    }

    /// Brings power up, completes a commit that a power cut interrupted, and writes a damaged copy of
    /// the status record again.
    ///
    /// # Errors
    /// Returns an [`NvmError`] when power goes again or the memory cannot be had.
    pub fn power_on(&mut self) -> Result<(), NvmError> {
        self.store.nvm_mut().power_on()?;
        self.store.recover()?;
        self.heal()
    }

    /// Of two status copies one may be damaged; the good one takes its place.
    fn heal(&mut self) -> Result<(), NvmError> {
        let (Some(file), Ok(pair)) = (self.education(sfi::STATUS), self.status()) else {
            return Ok(());
        };
        if !pair.other_damaged {
            return Ok(());
        }
        let start = file.offset + pair.slot.offset();
        let mut txn = self.store.begin();
        let good = txn.read(start..start + Status::LEN);
        txn.write(file.offset + pair.slot.other().offset(), &good);
        txn.commit()
    }

    fn check(&self) -> Result<(), OpenError> {
        for df in self.tree().all() {
            for &number in df.keys {
                self.key_slots(df, number).map_err(|error| OpenError::Key {
                    df: df.fid,
                    number,
                    error,
                })?;
            }
        }
        if self.header.kind == CardKind::Student {
            let issuance = Issuance::parse(self.file(sfi::ISSUANCE)).map_err(OpenError::Record)?;
            if issuance.card_serial.bytes() != self.header.serial.0 {
                return Err(OpenError::Serial);
            }
            StatusPair::parse(self.file(sfi::STATUS)).map_err(OpenError::Record)?;
        }
        if let Some(psam) = PsamView::of(self) {
            psam.check()?;
        }
        SamStore::of(self)?;
        Ok(self.check_wallet()?)
    }

    /// What the card is.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Its tree of files.
    #[must_use]
    pub const fn tree(&self) -> &'static Tree {
        self.header.kind.tree()
    }

    /// Its memory.
    #[must_use]
    pub const fn nvm(&self) -> &N {
        self.store.nvm()
    }

    /// Its memory, to plan a power cut.
    pub const fn nvm_mut(&mut self) -> &mut N {
        self.store.nvm_mut()
    }

    /// State of its life. Only a student card has a life of its own; the others count as active.
    ///
    /// # Errors
    /// Returns [`CardError::Corrupt`] when neither status copy can be read.
    pub fn state(&self) -> Result<LifeCycleState, CardError> {
        match self.header.kind {
            CardKind::Student => Ok(self.status()?.current.state),
            CardKind::Management | CardKind::Psam | CardKind::Sam => Ok(LifeCycleState::Active),
        }
    }

    /// The current status record and its copy.
    ///
    /// # Errors
    /// Returns [`CardError::Corrupt`] when neither copy can be read.
    pub fn status(&self) -> Result<StatusPair, CardError> {
        StatusPair::parse(self.file(sfi::STATUS)).map_err(|_| CardError::Corrupt)
    }

    /// The slots of a key; `None` when the card has no such key loaded.
    ///
    /// # Errors
    /// Returns [`InvalidSlots`] when the stored key cannot be read.
    pub fn key_slots(&self, df: &Df, number: KeyNumber) -> Result<Option<KeySlots>, InvalidSlots> {
        self.stored_slots(df, number).map(KeySlots::parse).transpose()
    }

    /// What the slots of a key say without its secrets; `None` when the card has no such key loaded.
    ///
    /// # Errors
    /// As [`Self::key_slots`].
    pub fn key_header(
        &self,
        df: &Df,
        number: KeyNumber,
    ) -> Result<Option<SlotsHeader>, InvalidSlots> {
        let header =
            |bytes: &[u8; KeySlots::LEN]| bytes.first_chunk().copied().map(SlotsHeader::parse);
        self.stored_slots(df, number).and_then(header).transpose()
    }

    /// The bytes of a key that is loaded.
    fn stored_slots(&self, df: &Df, number: KeyNumber) -> Option<&[u8; KeySlots::LEN]> {
        let bytes = self.store.bytes().get(df.key_offset(number)?..)?.first_chunk()?;
        if bytes.iter().all(|&byte| byte == 0) { None } else { Some(bytes) }
    }

    /// Writes a failed authentication into the key's count, if that changes anything.
    ///
    /// # Errors
    /// Returns a [`CardError`] when there is no such key or the write fails; the verdict must not be
    /// told then.
    pub fn count_failure(&mut self, df: &Df, number: KeyNumber) -> Result<(), CardError> {
        let mut slots = self.key_slots(df, number)?.ok_or(CardError::KeyNotFound)?;
        if slots.count_failure() { self.write_slots(df, number, &slots) } else { Ok(()) }
    }

    /// Writes a successful authentication with `version`, if it changes anything; a management card
    /// counts it with that.
    ///
    /// # Errors
    /// As [`Self::count_failure`].
    pub fn count_success(
        &mut self,
        df: &Df,
        number: KeyNumber,
        version: KeyVersion,
    ) -> Result<(), CardError> {
        let mut slots = self.key_slots(df, number)?.ok_or(CardError::KeyNotFound)?;
        let uses = self.next_use();
        if slots.count_success(version) || uses.is_some() {
            self.write_slots_and(df, number, &slots, uses)
        } else {
            Ok(())
        }
    }

    pub(crate) fn write_slots(
        &mut self,
        df: &Df,
        number: KeyNumber,
        slots: &KeySlots,
    ) -> Result<(), CardError> {
        self.write_slots_and(df, number, slots, None)
    }

    fn write_slots_and(
        &mut self,
        df: &Df,
        number: KeyNumber,
        slots: &KeySlots,
        uses: Option<(usize, [u8; 4])>,
    ) -> Result<(), CardError> {
        let offset = df.key_offset(number).ok_or(CardError::KeyNotFound)?;
        let slots = slots.emit();
        let mut txn = self.store.begin();
        txn.write(offset, &slots);
        if let Some((offset, uses)) = uses {
            txn.write(offset, &uses);
        }
        Ok(txn.commit()?)
    }

    /// Bytes of a transparent file.
    ///
    /// # Errors
    /// Returns [`CardError::Denied`] or [`CardError::Structure`].
    pub fn read(&self, file: &Ef, caller: impl Into<Caller>) -> Result<&[u8], CardError> {
        let Structure::Transparent { .. } = file.structure else {
            return Err(CardError::Structure);
        };
        let caller = caller.into();
        file.read.check(caller, || self.state())?;
        self.check_reading(file, caller)?;
        Ok(self.contents(file))
    }

    /// Bytes of a record, numbered from 1; in a cyclic file 1 is the newest.
    ///
    /// # Errors
    /// Returns [`CardError::Denied`], [`CardError::Structure`] or [`CardError::RecordNotFound`].
    pub fn record(
        &self,
        file: &Ef,
        number: u8,
        caller: impl Into<Caller>,
    ) -> Result<&[u8], CardError> {
        if let Structure::Transparent { .. } | Structure::Purse { .. } = file.structure {
            return Err(CardError::Structure);
        }
        file.read.check(caller.into(), || self.state())?;
        self.stored_record(file, number).ok_or(CardError::RecordNotFound)
    }

    /// Overwrites bytes of a transparent file.
    ///
    /// # Errors
    /// Returns [`CardError::Denied`], [`CardError::Structure`], [`CardError::Outside`], or what a
    /// failed write gives; nothing has changed then.
    pub fn update(
        &mut self,
        file: &Ef,
        offset: usize,
        bytes: &[u8],
        actor: Option<Actor>,
    ) -> Result<(), CardError> {
        let size = self.check_update(file, actor.map_or(Caller::Unproven, Caller::Peer))?;
        self.check_writer(file, actor)?;
        check_range(size, offset, bytes)?;
        self.check_pupil(file, offset, bytes)?;
        let before = match self.education(sfi::ISSUANCE) {
            Some(issuance) if issuance == file => Some(Issuance::parse(self.contents(file))?),
            _ => None,
        };
        let mut txn = self.store.begin();
        txn.write(file.offset + offset, bytes);
        // The issuance file is never left unreadable, nor made that of another card.
        if let Some(before) = before {
            let after = Issuance::parse(&txn.read(file.offset..file.offset + Issuance::LEN))?;
            let same = (after.card_serial, after.profile) == (before.card_serial, before.profile);
            if !same {
                return Err(CardError::ForeignSerial);
            }
        }
        Ok(txn.commit()?)
    }

    /// As [`Self::update`], for the transit operator. The enable flag changes as the guardian may
    /// ask for, and in no other way.
    ///
    /// # Errors
    /// As [`Self::update`], and a [`WalletError`] for an enable flag that is not allowed.
    pub fn update_as_operator(
        &mut self,
        file: &Ef,
        offset: usize,
        bytes: &[u8],
        operator: Operator,
    ) -> Result<(), CardError> {
        let size = self.check_update(file, Caller::Operator(operator))?;
        check_range(size, offset, bytes)?;
        if offset == 0 && self.wallet_file(wallet_sfi::CONTROL) == Some(file) {
            self.check_flag(bytes)?;
        }
        let mut txn = self.store.begin();
        txn.write(file.offset + offset, bytes);
        Ok(txn.commit()?)
    }

    /// The size of a transparent file that `caller` may update.
    fn check_update(&self, file: &Ef, caller: Caller) -> Result<usize, CardError> {
        let Structure::Transparent { size } = file.structure else {
            return Err(CardError::Structure);
        };
        file.update.check(caller, || self.state())?;
        self.check_writing(file, caller)?;
        Ok(size.into())
    }

    /// The issuance record is written by the city, a pupil's files by the unit that began to
    /// personalise the card.
    fn check_writer(&self, file: &Ef, actor: Option<Actor>) -> Result<(), CardError> {
        if self.education(sfi::ISSUANCE) == Some(file) {
            return actor.ok_or(Denied::Security)?.check_city();
        }
        let of_pupil = [sfi::IDENTITY, sfi::ENROLMENT].map(|sfi| self.education(sfi));
        if !of_pupil.contains(&Some(file)) {
            return Ok(());
        }
        let acting = actor.ok_or(Denied::Security)?.unit()?;
        let owner = self.owner(&self.status()?.current);
        if owner == Some(acting) { Ok(()) } else { Err(CardError::ForeignUnit) }
    }

    /// Whoever corrects the data of a card in use keeps its student number: what else is on the card
    /// belongs to that pupil.
    fn check_pupil(&self, file: &Ef, offset: usize, bytes: &[u8]) -> Result<(), CardError> {
        let number = Identity::STUDENT_NUMBER;
        let corrects = || -> Result<bool, CardError> {
            Ok(self.status()?.current.previous == LifeCycleState::Active)
        };
        if self.education(sfi::IDENTITY) != Some(file) || offset >= number.end || !corrects()? {
            return Ok(());
        }
        let kept = self.contents(file).get(offset..number.end).unwrap_or(&[]);
        let same = kept.iter().zip(bytes).all(|(old, new)| old == new);
        if same { Ok(()) } else { Err(Condition::OtherPupil.into()) }
    }

    /// All bytes of a file as stored, without asking who may.
    pub(crate) fn contents(&self, file: &Ef) -> &[u8] {
        self.store.bytes().get(file.offset..file.offset + file.structure.storage()).unwrap_or(&[])
    }

    /// A record as stored, without asking who may.
    pub(crate) fn stored_record(&self, file: &Ef, number: u8) -> Option<&[u8]> {
        file.structure.record(self.contents(file), number)
    }

    /// As [`Self::contents`], of a file of the education zone.
    pub(crate) fn file(&self, sfi: u8) -> &[u8] {
        self.education(sfi).map_or(&[], |file| self.contents(file))
    }

    /// A file of the education zone.
    pub(crate) fn education(&self, sfi: u8) -> Option<&'static Ef> {
        self.tree().education().and_then(|df| df.by_sfi(sfi))
    }

    /// A file of the transit wallet.
    pub(crate) fn wallet_file(&self, sfi: u8) -> Option<&'static Ef> {
        self.tree().wallet.as_ref().and_then(|df| df.by_sfi(sfi))
    }

    /// The committed bytes of the whole memory.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.store.bytes()
    }

    pub(crate) fn begin(&mut self) -> Transaction<'_, N> {
        self.store.begin()
    }
}

/// Whether `bytes` fit at `offset` into a file of this size.
fn check_range(size: usize, offset: usize, bytes: &[u8]) -> Result<(), CardError> {
    if offset >= size {
        return Err(CardError::Offset);
    }
    if bytes.len() <= size - offset { Ok(()) } else { Err(CardError::Outside) }
}

/// Plans to append a record to a cyclic file with these contents: the oldest gives way.
pub(crate) fn append<N: Nvm>(txn: &mut Transaction<'_, N>, file: &Ef, bytes: &[u8]) {
    let Structure::Cyclic { length, count } = file.structure else {
        return;
    };
    let header = txn.read(file.offset..file.offset + CYCLIC_HEADER_LEN);
    let &[newest, used] = header.as_slice() else {
        return;
    };
    let slot = if used == 0 { 0 } else { (newest + 1) % count };
    let place = CYCLIC_HEADER_LEN + usize::from(slot) * usize::from(length);
    txn.write(file.offset + place, bytes);
    txn.write(file.offset, &[slot, used.saturating_add(1).min(count)]);
}

/// Why an operation was refused. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CardError {
    /// The session or the state does not allow it.
    #[error("access denied: {0:?}")]
    Denied(Denied),
    /// The operation does not fit the file's structure.
    #[error("the file has another structure")]
    Structure,
    /// There is no record with this number.
    #[error("no such record")]
    RecordNotFound,
    /// The offset lies behind the file.
    #[error("the offset lies outside the file")]
    Offset,
    /// The data reaches beyond the file.
    #[error("the data reaches beyond the end of the file")]
    Outside,
    /// The key is not loaded.
    #[error("no such key")]
    KeyNotFound,
    /// The event is not allowed in the card's state.
    #[error("{0} is not allowed in this state")]
    Event(&'static str),
    /// A condition of the event is not met.
    #[error(transparent)]
    Condition(#[from] Condition),
    /// The date of the event cannot be true.
    #[error(transparent)]
    Untimely(#[from] Untimely),
    /// The acting unit is not the one the card belongs to.
    #[error("the card belongs to another unit")]
    ForeignUnit,
    /// The issuance record names another card or profile.
    #[error("the issuance record names another card or profile")]
    ForeignSerial,
    /// Command data is malformed.
    #[error("malformed event data")]
    EventData,
    /// A key does not match the check value that came with it.
    #[error("the key does not match its check value")]
    KeyCheck,
    /// Records on the card or in the command break their rules.
    #[error(transparent)]
    Records(#[from] FieldErrors),
    /// The status record cannot be read.
    #[error("the status record is unreadable")]
    Corrupt,
    /// A stored key cannot be read.
    #[error(transparent)]
    Key(#[from] InvalidSlots),
    /// The transit wallet refused.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// The memory failed or power was lost.
    #[error(transparent)]
    Nvm(#[from] NvmError),
}

impl From<Denied> for CardError {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

/// Why a memory is no card.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The memory has the wrong size.
    #[error(
        "the memory has {found} bytes, expected {expected}: another version of this program made \
         the card"
    )]
    Size {
        /// Bytes found.
        found: usize,
        /// Bytes expected.
        expected: usize,
    },
    /// The kind of card is not defined.
    #[error("card kind {0:02X} is not defined")]
    Kind(u8),
    /// The algorithm is not defined.
    #[error("algorithm {0:02X} is not defined")]
    Algorithm(u8),
    /// An option that is not defined.
    #[error("options {0:02X} have a bit that is not defined")]
    Privacy(u8),
    /// The card follows another profile version.
    #[error(
        "card profile version {0} is not supported, expected {PROFILE_VERSION}: another version of \
         this program made the card"
    )]
    Profile(u8),
    /// The memory was laid out by another version of this program.
    #[error(
        "memory layout {found} of this kind of card, expected {expected}: \
         another version of this program made it; make the card anew"
    )]
    Layout {
        /// Layout found.
        found: u8,
        /// Layout expected.
        expected: u8,
    },
    /// A key cannot be read.
    #[error("key {number} of {df:04X}: {error}")]
    Key {
        /// The DF.
        df: u16,
        /// The key.
        number: KeyNumber,
        /// What is wrong.
        error: InvalidSlots,
    },
    /// A record cannot be read.
    #[error(transparent)]
    Record(FieldErrors),
    /// The issuance record names another serial than the memory header.
    #[error("the issuance record and the memory header name different serials")]
    Serial,
    /// The transit wallet cannot be read.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// A key of a PSAM cannot be read.
    #[error(transparent)]
    Psam(#[from] InvalidPsamKey),
    /// A SAM cannot be read.
    #[error(transparent)]
    Sam(#[from] InvalidSam),
    /// Completing an interrupted commit failed.
    #[error(transparent)]
    Nvm(#[from] NvmError),
}
