//! New cards: the memory a vendor loads before a card leaves the factory.

use alloc::vec::Vec;

use xuejika_keyscheme::auth::CardId;
use xuejika_keyscheme::key::{Card as CardKey, Key};
use xuejika_keyscheme::slots::KeySlots;
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion};

use crate::card::{Header, OpenError, Privacy, UID_LEN};
use crate::date::Time;
use crate::file::tree::{CardKind, Tree, sfi, wallet_sfi};
use crate::file::tree::{psam as tree_psam, sam as tree_sam};
use crate::file::{CYCLIC_HEADER_LEN, Df, Ef, Structure};
use crate::ident::UnitCode;
use crate::lifecycle::Event;
use crate::management::Authorisation;
use crate::nvm::Nvm;
use crate::psam::{PsamIssue, PsamKey};
use crate::record::{
    ExtensionEntry, ExtensionIndex, Issuance, LogEntry, Profile, Sector, Status, StatusFlags,
};
use crate::sam::SamStore;
use crate::state::LifeCycleState;
use crate::wallet::{PurseRecord, WalletSetup};

/// Memory of a new student-record card in state "initialised".
///
/// `key` gives each card key by its name; the caller derives them, and those of the wallet from
/// [`transit_number`]. The algorithm follows from the issuance record's profile; `None` for `s70`,
/// which is no processor card.
#[must_use]
pub fn student(
    issuance: &Issuance,
    uid: [u8; UID_LEN],
    key: impl FnMut(&KeyId) -> Key<CardKey>,
    wallet: &WalletSetup,
) -> Option<Vec<u8>> {
    let mut memory = Memory::student(issuance, uid, key, wallet)?;
    memory.initialise(issuance);
    Some(memory.bytes)
}

/// As [`student`], in state "blank": keys and issuance record are loaded, and the city has still to
/// initialise the card (初始化).
#[must_use]
pub fn blank_student(
    issuance: &Issuance,
    uid: [u8; UID_LEN],
    key: impl FnMut(&KeyId) -> Key<CardKey>,
    wallet: &WalletSetup,
) -> Option<Vec<u8>> {
    Memory::student(issuance, uid, key, wallet).map(|memory| memory.bytes)
}

/// Memory of a new management card.
#[must_use]
pub fn management(
    algorithm: Algorithm,
    serial: CardId,
    uid: [u8; UID_LEN],
    authorisation: &Authorisation,
    key: impl FnMut(&KeyId) -> Key<CardKey>,
) -> Vec<u8> {
    let mut memory = Memory::new(Header {
        kind: CardKind::Management,
        algorithm,
        privacy: Privacy::default(),
        uid,
        serial,
    });
    memory.load_keys(KeyVersion::FIRST, key);
    let file = memory.tree.dfs.first().and_then(|df| df.by_sfi(sfi::ONLY));
    memory.fill(file, 0, &*authorisation.emit());
    memory.bytes
}

/// Memory of a new PSAM: its sequence number is 0, no MAC2 has failed. It has eight key slots.
#[must_use]
pub fn psam<const K: usize>(issue: &PsamIssue, keys: &[PsamKey; K]) -> Vec<u8> {
    const { assert!(K <= tree_psam::SLOTS) };
    // All its keys are two-key TDES; the algorithm in the header concerns none of them.
    let (kind, algorithm) = (CardKind::Psam, Algorithm::Aes128);
    let [_, uid @ ..] = issue.serial.0;
    let mut memory = Memory::new(Header {
        kind,
        algorithm,
        privacy: Privacy::default(),
        uid,
        serial: issue.serial,
    });
    for (index, key) in keys.iter().enumerate() {
        memory.fill(Some(&tree_psam::KEYS), tree_psam::slot(index), &*key.emit());
    }
    memory.fill(Some(&tree_psam::PUBLIC), 0, &issue.public().emit());
    memory.fill(Some(&tree_psam::TERMINAL), 0, &issue.terminal.0);
    memory.fill(Some(&tree_psam::APPLICATION), 0, &issue.application.emit());
    memory.fill(Some(&tree_psam::SEQUENCE), 0, &issue.sequence.to_be_bytes());
    memory.bytes
}

/// Memory of a new SAM.
#[must_use]
pub fn sam(store: &SamStore) -> Vec<u8> {
    let (algorithm, serial) = (store.algorithm(), CardId(store.id().0));
    let [_, uid @ ..] = serial.0;
    let mut memory = Memory::new(Header {
        kind: CardKind::Sam,
        algorithm,
        privacy: Privacy::default(),
        uid,
        serial,
    });
    let (keys, key_file) = store.files();
    memory.fill(Some(&tree_sam::KEYS), 0, &*keys);
    memory.fill(Some(&tree_sam::KEY_FILE), 0, &key_file);
    memory.bytes
}

/// Makes a new card keep this much to itself.
///
/// # Errors
/// Returns an [`OpenError`] when this is not the memory of a card, or it takes no change.
pub fn keep_private(memory: &mut impl Nvm, privacy: Privacy) -> Result<(), OpenError> {
    let header = Header::parse(memory.bytes())?;
    let uid = if privacy.random_uid { [0; UID_LEN] } else { header.uid };
    Ok(memory.write(0, &Header { privacy, uid, ..header }.emit())?)
}

/// A memory under construction.
struct Memory {
    bytes: Vec<u8>,
    tree: &'static Tree,
    header: Header,
}

impl Memory {
    fn new(header: Header) -> Self {
        let tree = header.kind.tree();
        let mut memory = Self { bytes: alloc::vec![0; tree.size], tree, header };
        memory.write(0, &header.emit());
        memory
    }

    fn student(
        issuance: &Issuance,
        uid: [u8; UID_LEN],
        key: impl FnMut(&KeyId) -> Key<CardKey>,
        wallet: &WalletSetup,
    ) -> Option<Self> {
        let algorithm = match issuance.profile {
            Profile::CpuAes => Algorithm::Aes128,
            Profile::CpuSm4 => Algorithm::Sm4,
            Profile::S70 => return None,
        };
        let serial = CardId(issuance.card_serial.bytes());
        let mut memory = Self::new(Header {
            kind: CardKind::Student,
            algorithm,
            privacy: Privacy::default(),
            uid,
            serial,
        });
        let version = KeyVersion::new(issuance.key_set_version.get()).unwrap_or(KeyVersion::FIRST);
        memory.load_keys(version, key);
        memory.fill_mf(issuance);
        if let Some(education) = memory.tree.education() {
            memory.fill_education(education, issuance);
        }
        if let Some(df) = &memory.tree.wallet {
            memory.fill_wallet(df, issuance, wallet);
        }
        Some(memory)
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.bytes.iter_mut().skip(offset).zip(bytes).for_each(|(to, from)| *to = *from);
    }

    fn fill(&mut self, file: Option<&Ef>, offset: usize, bytes: &[u8]) {
        if let Some(file) = file {
            self.write(file.offset + offset, bytes);
        }
    }

    /// Loads every key but the owner's keys of the extension sectors, which come when one is opened.
    fn load_keys(&mut self, version: KeyVersion, mut key: impl FnMut(&KeyId) -> Key<CardKey>) {
        for df in self.tree.dfs {
            for &number in df.keys.iter().filter(|&&number| number != KeyNumber::APPLICATION) {
                let id =
                    KeyId { zone: df.zone(), number, version, algorithm: self.header.algorithm };
                if let Some(offset) = df.key_offset(number) {
                    self.write(offset, &KeySlots::new(version, key(&id)).emit());
                }
            }
        }
    }

    /// Public information and counter in the layout of the Beijing transit card, and EF.DIR.
    fn fill_mf(&mut self, issuance: &Issuance) {
        let mf = &self.tree.mf;
        let number = transit_number(issuance);
        self.fill(mf.by_sfi(sfi::PUBLIC), 0, &number);
        // Card type 01, in use 02, version 0030: the values validators have been seen to accept.
        self.fill(mf.by_sfi(sfi::PUBLIC), 8, &[0x01, 0x02, 0x00, 0x30]);
        self.fill(mf.by_sfi(sfi::PUBLIC), 24, &issuance.valid_from.bytes());
        self.fill(mf.by_sfi(sfi::PUBLIC), 28, &issuance.valid_until.bytes());
        // Flag 00 normal, transactions 0, no overdraft.
        let counter = [0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF];
        self.fill(mf.by_sfi(sfi::COUNTER), 0, &counter);
        let mut directory = Vec::new();
        for df in self.tree.dfs.iter().chain(&self.tree.wallet) {
            // 61 { 4F name }: application template (ISO 7816-4:2020 §12.2.2).
            let length = |value: usize| u8::try_from(value).unwrap_or(0);
            directory.extend([0x61, length(2 + df.name.len()), 0x4F, length(df.name.len())]);
            directory.extend(df.name);
        }
        self.fill(mf.by_sfi(sfi::DIR), 0, &directory);
    }

    /// A wallet for a student, in the layout of PBOC purses.
    fn fill_wallet(&mut self, df: &'static Df, issuance: &Issuance, wallet: &WalletSetup) {
        self.write(df.keys_offset, &*wallet.store());
        let &WalletSetup { offline, online, balance, flag, .. } = wallet;
        let purse = PurseRecord { offline, online, balance, proof: None };
        self.fill(df.by_sfi(wallet_sfi::PURSE), 0, &purse.emit());
        self.fill(df.by_sfi(wallet_sfi::CONTROL), 0, &[flag.code(), STUDENT_CARD]);
        let issuer = ISSUER
            .into_iter()
            .chain([STUDENT_CARD, APPLICATION_VERSION, 0, 0])
            .chain(transit_number(issuance))
            .chain(issuance.valid_from.bytes())
            .chain(issuance.valid_until.bytes());
        self.fill(df.by_sfi(wallet_sfi::ISSUER), 0, &issuer.collect::<Vec<u8>>());
        // Record n has identifier n and says how many bytes follow.
        if let Some((file, (length, count))) = df.by_sfi(wallet_sfi::COMPOUND).and_then(linear) {
            for number in 1..=count {
                let offset = usize::from(number - 1) * usize::from(length);
                let [_, rest] = (length - 2).to_be_bytes();
                self.fill(Some(file), offset, &[number, rest]);
            }
        }
    }

    fn fill_education(&mut self, education: &'static Df, issuance: &Issuance) {
        self.fill(education.by_sfi(sfi::ISSUANCE), 0, &issuance.emit());
        let blank = status(issuance, LifeCycleState::Blank, 0).emit();
        self.fill(education.by_sfi(sfi::STATUS), 0, &blank);
        self.fill(education.by_sfi(sfi::STATUS), Status::LEN, &blank);
        for index in (1..=ExtensionIndex::MAX).filter_map(ExtensionIndex::new) {
            let entry = ExtensionEntry { index, sector: Sector::Closed };
            let offset = usize::from(index.value() - 1) * ExtensionEntry::LEN;
            self.fill(education.by_sfi(sfi::DIRECTORY), offset, &entry.emit());
        }
    }

    /// What the event "initialise" leaves on a blank card.
    fn initialise(&mut self, issuance: &Issuance) {
        let Some(education) = self.tree.education() else { return };
        let initialised = status(issuance, LifeCycleState::Initialised, 1);
        self.fill(education.by_sfi(sfi::STATUS), Status::LEN, &initialised.emit());
        let entry = LogEntry {
            operation: Event::Initialise.code(),
            result: 0,
            date: issuance.init_date,
            time: Time::MIDNIGHT,
            unit: UnitCode::CITY,
            counter: initialised.counter,
        };
        let log = education.by_sfi(sfi::LOG);
        debug_assert!(log.is_some_and(|log| matches!(log.structure, Structure::Cyclic { .. })));
        self.fill(log, 0, &[0, 1]);
        self.fill(log, CYCLIC_HEADER_LEN, &entry.emit());
    }
}

/// The status (状态) of a card that was blank before.
fn status(issuance: &Issuance, state: LifeCycleState, counter: u16) -> Status {
    Status {
        state,
        previous: LifeCycleState::Blank,
        flags: StatusFlags::default(),
        counter,
        date: issuance.init_date,
        unit: UnitCode::CITY,
        reason: None,
    }
}

/// Card type "student" of the wallet (project-defined).
const STUDENT_CARD: u8 = 0x02;

/// Version of the wallet application.
const APPLICATION_VERSION: u8 = 0x01;

/// Issuer identifier of the wallet: city 1000, Beijing, where clients look for it; the rest is the
/// operator's to assign.
const ISSUER: [u8; 8] = [0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0x00];

/// Record length and number of records of a linear file.
const fn linear(file: &'static Ef) -> Option<(&'static Ef, (u16, u8))> {
    match file.structure {
        Structure::Linear { length, count } => Some((file, (length, count))),
        _ => None,
    }
}

/// Number of the transit card: 1000 for Beijing, then the last twelve digits of the card serial
/// (project-defined; the operator assigns the real one).
#[must_use]
pub fn transit_number(issuance: &Issuance) -> [u8; 8] {
    let [_, _, rest @ ..] = issuance.card_serial.bytes();
    let mut number = [0x10, 0x00, 0, 0, 0, 0, 0, 0];
    number.iter_mut().skip(2).zip(rest).for_each(|(to, from)| *to = from);
    number
}
