//! The trees of the card kinds, profile version 1: one file each.
//!
//! Names, identifiers and layout project-defined but for the wallet and the files SFI 04 and 05 of
//! the MF, which follow the Beijing transit card.

pub(crate) mod management;
pub(crate) mod psam;
pub(crate) mod sam;
mod student;

use xuejika_keyscheme::{Algorithm, Zone};

use super::{Df, Ef, Right, Structure};

pub use management::MANAGEMENT_NAME;
pub use psam::{PSAM_FID, PSAM_NAME, TERMINAL_SFI};
pub use sam::SAM_NAME;
pub use student::{
    EDUCATION_NAME, MF_NAME, SECTOR_LEN, SECTORS, WALLET_ALIAS, WALLET_FID, WALLET_NAME,
    sector_name, sfi, wallet_sfi,
};

/// Version of the card profile these trees implement.
pub const PROFILE_VERSION: u8 = 0x01;

/// What a card is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CardKind {
    /// Student-record card (学籍卡).
    Student = 0x01,
    /// Management card (管理卡).
    Management = 0x02,
    /// Purchase SAM of a terminal (PSAM, 终端安全模块).
    Psam = 0x03,
    /// SAM of a reader (SAM卡).
    Sam = 0x04,
}

impl CardKind {
    /// The kind with this code.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0x01 => Some(Self::Student),
            0x02 => Some(Self::Management),
            0x03 => Some(Self::Psam),
            0x04 => Some(Self::Sam),
            _ => None,
        }
    }

    /// The code in the memory header.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Version of what the memory of this kind holds, in the memory header. A memory of another version
    /// is not read. Raise it when you move a file, change a size or what the bytes mean.
    #[must_use]
    pub const fn layout(self) -> u8 {
        match self {
            Self::Student | Self::Management | Self::Psam => 0,
            // 0: the key that opens the key file did not depend on the whole grant.
            Self::Sam => 1,
        }
    }

    /// The tree of this kind.
    #[must_use]
    pub const fn tree(self) -> &'static Tree {
        match self {
            Self::Student => &student::TREE,
            Self::Management => &management::TREE,
            Self::Psam => &psam::TREE,
            Self::Sam => &sam::TREE,
        }
    }
}

/// A whole card: its MF and the DFs below it.
#[derive(Clone, Copy, Debug)]
pub struct Tree {
    /// The master file, selected after every reset.
    pub mf: Df,
    /// The DFs under the MF that have keys of the project's own scheme.
    pub dfs: &'static [Df],
    /// The transit wallet (电子钱包), if this kind of card has one.
    pub wallet: Option<Df>,
    /// Where the journal begins.
    pub journal: usize,
    /// Size of the whole memory.
    pub size: usize,
}

impl Tree {
    /// The education zone, if this kind of card has one.
    #[must_use]
    pub fn education(&self) -> Option<&'static Df> {
        self.dfs.iter().find(|df| df.zone() == Zone::EDUCATION)
    }

    /// The MF and all DFs.
    pub fn all(&self) -> impl Iterator<Item = &Df> {
        core::iter::once(&self.mf).chain(self.dfs).chain(&self.wallet)
    }
}

/// Bytes of the memory header in front of all files: kind, algorithm, profile version, memory layout,
/// UID (7), options, RFU (4), card serial (8), RFU (8).
pub const HEADER_LEN: usize = 32;

/// Bytes of the journal: room for the largest transaction, the wiping of a pupil's data.
pub const JOURNAL_LEN: usize = 1536;

/// Identifier of the MF (ISO 7816-4:2020 §7.3).
pub const MF_FID: u16 = 0x3F00;

/// Algorithm profiles and their code in the issuance file.
#[must_use]
pub const fn profile_code(algorithm: Algorithm) -> u8 {
    match algorithm {
        Algorithm::Sm4 => 0x03,
        Algorithm::Aes128 => 0x04,
    }
}

/// A file before it has a place.
const fn ef(
    id: u8,
    (name, chinese): (&'static str, &'static str),
    structure: Structure,
    read: Right,
    update: Right,
) -> Ef {
    Ef { fid: id as u16, sfi: id, name, chinese, structure, read, update, offset: 0 }
}

const fn transparent(size: u16) -> Structure {
    Structure::Transparent { size }
}

/// Gives each file its place, one behind the other.
#[allow(clippy::indexing_slicing, reason = "evaluated for constants only")]
const fn place<const N: usize>(mut files: [Ef; N], start: usize) -> [Ef; N] {
    let mut at = start;
    let mut index = 0;
    while index < N {
        files[index].offset = at;
        at += files[index].structure.storage();
        index += 1;
    }
    files
}

/// Where the bytes behind `files` begin.
const fn end(files: &[Ef]) -> usize {
    match files.last() {
        Some(last) => last.offset + last.structure.storage(),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crc::crc32;
    use alloc::vec::Vec;

    fn spans(tree: &Tree) -> Vec<(usize, usize)> {
        let mut spans: Vec<_> = tree
            .all()
            .flat_map(|df| {
                let keys = (df.keys_offset, df.keys_len());
                let files = df.files.iter().map(|file| (file.offset, file.structure.storage()));
                core::iter::once(keys).chain(files)
            })
            .chain([(0, HEADER_LEN), (tree.journal, tree.size - tree.journal)])
            .filter(|&(_, length)| length > 0)
            .collect();
        spans.sort_unstable();
        spans
    }

    #[test]
    fn everything_has_its_own_place_and_no_byte_is_wasted() {
        for kind in [CardKind::Student, CardKind::Management, CardKind::Psam, CardKind::Sam] {
            let tree = kind.tree();
            let mut next = 0;
            for (offset, length) in spans(tree) {
                assert_eq!(offset, next);
                next = offset + length;
            }
            assert_eq!(next, tree.size);
            assert_eq!(CardKind::from_code(kind.code()), Some(kind));
        }
        assert!(CardKind::Student.tree().size < usize::from(u16::MAX));
    }

    /// Raise [`CardKind::layout`] when you move something, then put the digest here.
    #[test]
    fn another_layout_has_another_number() {
        let kinds = [CardKind::Student, CardKind::Management, CardKind::Psam, CardKind::Sam];
        let places = kinds.map(|kind| alloc::format!("{:?}", spans(kind.tree()))).concat();
        let layouts = kinds.map(CardKind::layout);
        assert_eq!((layouts, crc32(&[places.as_bytes()])), ([0, 0, 0, 1], 0xB872_B2E6));
    }

    #[test]
    fn the_education_zone_has_1456_bytes_of_files() {
        let education = &CardKind::Student.tree().dfs[0];
        let bytes: usize = education
            .files
            .iter()
            .map(|file| match file.structure {
                Structure::Cyclic { length, count } => usize::from(length) * usize::from(count),
                other => other.storage(),
            })
            .sum();
        assert_eq!(bytes, 1456);
    }

    #[test]
    fn names_and_identifiers_are_distinct() {
        let names: Vec<_> = CardKind::Student.tree().dfs.iter().map(|df| df.name).collect();
        for (index, name) in names.iter().enumerate() {
            assert!((5..=16).contains(&name.len()));
            assert!(!names[index + 1..].contains(name));
        }
        for df in CardKind::Student.tree().all() {
            for file in df.files {
                assert_eq!(df.by_sfi(file.sfi), Some(file));
                assert_eq!(df.by_fid(file.fid), Some(file));
                assert!((1..=30).contains(&file.sfi));
            }
        }
    }
}
