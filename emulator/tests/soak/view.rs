//! A card's persistent memory, decoded into the parts that invariants speak of.

use std::collections::BTreeMap;

use xuejika_card_model::crc;
use xuejika_card_model::file::tree::{CardKind, Tree, WALLET_FID, wallet_sfi};
use xuejika_card_model::file::{Application, Structure};
use xuejika_card_model::wallet::lock::Lock;
use xuejika_card_model::wallet::pin::StoredPin;
use xuejika_card_model::wallet::{EnableFlag, LogRecord, PurseRecord, Tries, store};
use xuejika_keyscheme::slots::KeySlots;

/// A part of a card that changes as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Part {
    /// What the card is.
    Header,
    /// A file, by its DF and short identifier.
    File(u16, u8),
    /// Both versions of a key with its failures, by DF and number.
    Slots(u16, u8),
    /// A key of the wallet, by its type.
    WalletKey(u8),
    Pin,
    Lock,
    /// Wrong MAC2 in a row.
    Mac2Failures,
    /// The keys of a PSAM.
    PsamKeys,
}

pub(crate) const PURSE: Part = Part::File(WALLET_FID, wallet_sfi::PURSE);
pub(crate) const LOG: Part = Part::File(WALLET_FID, wallet_sfi::LOG);
pub(crate) const FLAG: Part = Part::File(WALLET_FID, wallet_sfi::CONTROL);
pub(crate) const COMPOUND: Part = Part::File(WALLET_FID, wallet_sfi::COMPOUND);
/// The number that a PSAM's next purchase gets.
pub(crate) const NUMBER: Part = Part::File(xuejika_card_model::file::tree::PSAM_FID, 0x18);

/// How often a management card was used.
pub(crate) const USES: Part = Part::File(0xDF80, 0x02);
/// The latest day on which a SAM worked.
pub(crate) const LAST_DAY: Part = Part::File(0xDF81, 0x03);

/// What counts wrong tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counter {
    WalletKey(u8),
    Pin,
    Slots(u16, u8),
    Mac2,
}

impl Counter {
    pub(crate) const fn part(self) -> Part {
        match self {
            Self::WalletKey(key_type) => Part::WalletKey(key_type),
            Self::Pin => Part::Pin,
            Self::Slots(df, number) => Part::Slots(df, number),
            Self::Mac2 => Part::Mac2Failures,
        }
    }

    /// Where the byte of a wallet counter stands in its part.
    const fn tries_at(self) -> Option<usize> {
        match self {
            Self::WalletKey(_) => Some(6),
            Self::Pin => Some(4),
            Self::Slots(..) | Self::Mac2 => None,
        }
    }
}

/// Length of a wallet key in its store.
const WALLET_KEY_LEN: usize = (store::LEN - StoredPin::LEN - Lock::LEN) / store::LAYOUT.len();

/// A decoded memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    parts: BTreeMap<Part, Vec<u8>>,
    kind: CardKind,
}

impl View {
    /// Decodes a memory; its journal is no part of it.
    pub(crate) fn of(memory: &[u8]) -> Self {
        let kind = kind(memory);
        let tree = kind.tree();
        let mut parts = BTreeMap::from([(Part::Header, memory[..32].to_vec())]);
        for df in tree.all() {
            let keys = &memory[df.keys_offset..df.keys_offset + df.keys_len()];
            if df.application == Application::Wallet {
                split_store(keys, &mut parts);
            } else {
                for (number, slots) in df.keys.iter().zip(keys.chunks(KeySlots::LEN)) {
                    parts.insert(Part::Slots(df.fid, number.0), slots.to_vec());
                }
            }
            for file in df.files {
                let bytes = &memory[file.offset..file.offset + file.structure.storage()];
                if kind == CardKind::Psam && file.sfi == 0x01 {
                    parts.insert(Part::Mac2Failures, bytes[..1].to_vec());
                    parts.insert(Part::PsamKeys, bytes[1..].to_vec());
                } else {
                    parts.insert(Part::File(df.fid, file.sfi), bytes.to_vec());
                }
            }
        }
        let covered: usize = parts.values().map(Vec::len).sum();
        assert_eq!(covered, tree.journal, "every byte belongs to a part");
        Self { parts, kind }
    }

    pub(crate) fn tree(&self) -> &'static Tree {
        self.kind.tree()
    }

    pub(crate) fn part(&self, part: Part) -> &[u8] {
        &self.parts[&part]
    }

    /// The parts in which two cards differ.
    pub(crate) fn difference(&self, other: &Self) -> Vec<Part> {
        let differs = |part: &&Part| self.parts[part] != other.parts[part];
        self.parts.keys().filter(differs).copied().collect()
    }

    /// Parts that cannot be read.
    pub(crate) fn damaged(&self) -> Vec<Part> {
        let is_damaged = |(part, bytes): &(&Part, &Vec<u8>)| match part {
            Part::WalletKey(_) | Part::Pin | Part::Lock => !crc::is_sealed(bytes),
            Part::Slots(..) => {
                let slots = bytes.as_slice().try_into().unwrap();
                bytes.iter().any(|byte| *byte != 0) && KeySlots::parse(slots).is_err()
            }
            part if **part == PURSE => PurseRecord::parse(bytes).is_err(),
            _ => false,
        };
        self.parts.iter().filter(is_damaged).map(|(part, _)| *part).collect()
    }

    pub(crate) fn purse(&self) -> Option<PurseRecord> {
        PurseRecord::parse(self.parts.get(&PURSE)?).ok()
    }

    pub(crate) fn flag(&self) -> Option<EnableFlag> {
        EnableFlag::from_code(*self.parts.get(&FLAG)?.first()?)
    }

    pub(crate) fn lock(&self) -> Option<Lock> {
        Lock::parse(self.parts.get(&Part::Lock)?).ok()
    }

    /// The newest record of the wallet's log.
    pub(crate) fn newest_log(&self) -> Option<LogRecord> {
        LogRecord::parse(self.log_structure()?.record(self.parts.get(&LOG)?, 1)?)
    }

    fn log_structure(&self) -> Option<Structure> {
        let wallet = self.tree().wallet.as_ref()?;
        Some(wallet.by_sfi(wallet_sfi::LOG)?.structure)
    }

    /// The number that a PSAM's next purchase gets.
    pub(crate) fn number(&self) -> Option<u32> {
        Some(u32::from_be_bytes(self.parts.get(&NUMBER)?.as_slice().try_into().ok()?))
    }

    /// How often it was tried in vain.
    pub(crate) fn used(&self, counter: Counter) -> u16 {
        let bytes = &self.parts[&counter.part()];
        match counter.tries_at() {
            Some(at) => u16::from((bytes[at] >> 4).saturating_sub(bytes[at] & 0x0F)),
            None if counter == Counter::Mac2 => bytes[0].into(),
            None => u16::from_be_bytes([bytes[0], bytes[1]]),
        }
    }

    /// The same card with one try less.
    pub(crate) fn spent(&self, counter: Counter) -> Self {
        self.with_tries(counter, Tries::failed)
    }

    /// The same card with all tries.
    pub(crate) fn restored(&self, counter: Counter) -> Self {
        self.with_tries(counter, Tries::restored)
    }

    fn with_tries(&self, counter: Counter, change: impl Fn(Tries) -> Tries) -> Self {
        let mut view = self.clone();
        let bytes = view.parts.get_mut(&counter.part()).unwrap();
        let at = counter.tries_at().expect("a counter of the wallet");
        bytes[at] = change(Tries::from_code(bytes[at])).code();
        crc::seal(bytes);
        view
    }

    /// The same card with another enable flag, and so on: for what a test expects.
    pub(crate) fn without(&self, parts: &[Part]) -> BTreeMap<Part, Vec<u8>> {
        let mut rest = self.parts.clone();
        rest.retain(|part, _| !parts.contains(part));
        rest
    }
}

/// What kind of card a memory is.
pub(crate) fn kind(memory: &[u8]) -> CardKind {
    CardKind::from_code(memory[0]).expect("a card")
}

fn split_store(bytes: &[u8], parts: &mut BTreeMap<Part, Vec<u8>>) {
    let (keys, rest) = bytes.split_at(WALLET_KEY_LEN * store::LAYOUT.len());
    for (layout, entry) in store::LAYOUT.iter().zip(keys.chunks(WALLET_KEY_LEN)) {
        parts.insert(Part::WalletKey(layout.key_type), entry.to_vec());
    }
    let (pin, lock) = rest.split_at(StoredPin::LEN);
    parts.insert(Part::Pin, pin.to_vec());
    parts.insert(Part::Lock, lock.to_vec());
}
