//! The trees of the card kinds, profile version 1. Names, identifiers and layout project-defined
//! but for the MF, whose files SFI 04 and 05 follow the Beijing transit card.

use xuejika_keyscheme::slots::KeySlots;
use xuejika_keyscheme::{Algorithm, KeyNumber, Zone};

use super::{Df, Ef, KeySet, Right, StateSet, Structure};
use crate::state::LifeCycleState::{
    Active, Blank, Initialised, Personalising, Recalled, TransferredIn, TransferredOut,
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
}

impl CardKind {
    /// The kind with this code.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0x01 => Some(Self::Student),
            0x02 => Some(Self::Management),
            _ => None,
        }
    }

    /// The code in the memory header.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The tree of this kind.
    #[must_use]
    pub const fn tree(self) -> &'static Tree {
        match self {
            Self::Student => &STUDENT,
            Self::Management => &MANAGEMENT,
        }
    }
}

/// A whole card: its MF and the DFs below it.
#[derive(Clone, Copy, Debug)]
pub struct Tree {
    /// The master file, selected after every reset.
    pub mf: Df,
    /// The DFs under the MF.
    pub dfs: &'static [Df],
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
        core::iter::once(&self.mf).chain(self.dfs)
    }
}

/// Bytes of the memory header in front of all files: kind, algorithm, profile version, RFU, UID (7),
/// RFU (5), card serial (8), RFU (8).
pub const HEADER_LEN: usize = 32;

/// Bytes of the journal: room for the largest transaction, the wiping of a pupil's data.
pub const JOURNAL_LEN: usize = 1536;

/// Identifier of the MF (ISO 7816-4:2020 §7.3).
pub const MF_FID: u16 = 0x3F00;

/// Name of the MF of a student-record card: that of the payment system environment, as transit
/// readers select it.
pub const MF_NAME: [u8; 14] = *b"1PAY.SYS.DDF01";

/// DF name of the education zone (教育区).
pub const EDUCATION_NAME: [u8; 7] = *b"\xF0BJEDU\x01";

/// DF name of the management card's application.
pub const MANAGEMENT_NAME: [u8; 7] = *b"\xF0BJEMG\x01";

/// Number of extension sectors (扩展扇区).
pub const SECTORS: u8 = 8;

/// Size of an extension sector, in bytes.
pub const SECTOR_LEN: u16 = 240;

/// DF name of extension sector `index`, 1 to 8.
#[must_use]
pub const fn sector_name(index: u8) -> [u8; 7] {
    let [a, b, c, d, e, f, _] = *b"\xF0BJEET\0";
    [a, b, c, d, e, f, index]
}

/// Algorithm profiles and their code in the issuance file.
#[must_use]
pub const fn profile_code(algorithm: Algorithm) -> u8 {
    match algorithm {
        Algorithm::Sm4 => 0x03,
        Algorithm::Aes128 => 0x04,
    }
}

const K1_TO_K6: KeySet = KeySet::of(&[
    KeyNumber::READ,
    KeyNumber::PERSONALISE,
    KeyNumber::REGISTER,
    KeyNumber::TRANSFER,
    KeyNumber::STATUS,
    KeyNumber::EXTENSION,
]);
const K0_TO_K6: KeySet = KeySet::of(&KeyNumber::EDUCATION);
const K0: KeySet = KeySet::of(&[KeyNumber::MASTER]);
const K2: KeySet = KeySet::of(&[KeyNumber::PERSONALISE]);
const KA: KeySet = KeySet::of(&[KeyNumber::APPLICATION]);
const K80: KeySet = KeySet::of(&[KeyNumber::MANAGEMENT]);

/// States in which the card may hold a pupil's data.
const WITH_PUPIL: StateSet = StateSet::all_but(&[Blank, Initialised, Recalled]);
const ISSUED: StateSet = StateSet::all_but(&[Blank, Initialised, Recalled, Personalising]);
const NOT_BLANK: StateSet = StateSet::all_but(&[Blank]);

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

// --- Student-record card ---------------------------------------------------------------------

/// Short file identifiers of the student-record card.
pub mod sfi {
    /// EF.DIR of the MF.
    pub const DIR: u8 = 0x1E;
    /// Public information of the transit card, under the MF.
    pub const PUBLIC: u8 = 0x04;
    /// Counter of the transit card, under the MF.
    pub const COUNTER: u8 = 0x05;
    /// EF 05 发行信息.
    pub const ISSUANCE: u8 = 0x05;
    /// EF 06 状态.
    pub const STATUS: u8 = 0x06;
    /// EF 07 身份.
    pub const IDENTITY: u8 = 0x07;
    /// EF 08 就读.
    pub const ENROLMENT: u8 = 0x08;
    /// EF 09 个人化记录.
    pub const PERSONALISATION: u8 = 0x09;
    /// EF 0A 学籍注册.
    pub const REGISTRATION: u8 = 0x0A;
    /// EF 0B 升转学.
    pub const TRANSFER: u8 = 0x0B;
    /// EF 0C 扩展目录.
    pub const DIRECTORY: u8 = 0x0C;
    /// EF 0D 操作日志.
    pub const LOG: u8 = 0x0D;
    /// The one file of an extension sector, and of a management card.
    pub const ONLY: u8 = 0x01;
}

static MF_FILES: [Ef; 3] = place(
    [
        ef(
            sfi::PUBLIC,
            ("public information", "公共信息"),
            transparent(32),
            Right::Free,
            Right::Never,
        ),
        ef(sfi::COUNTER, ("counter", "计数"), transparent(9), Right::Free, Right::Never),
        Ef {
            fid: 0x2F00,
            ..ef(sfi::DIR, ("EF.DIR", "应用目录"), transparent(160), Right::Free, Right::Never)
        },
    ],
    HEADER_LEN,
);

const EDUCATION_KEYS: usize = end(&MF_FILES);

static EDUCATION_FILES: [Ef; 9] = place(
    [
        ef(
            sfi::ISSUANCE,
            ("issuance", "发行信息"),
            transparent(48),
            Right::Free,
            Right::Keys(K0, StateSet::of(&[Blank, Initialised, Recalled])),
        ),
        ef(
            sfi::STATUS,
            ("status", "状态"),
            transparent(32),
            Right::Keys(K0_TO_K6, NOT_BLANK),
            Right::Never,
        ),
        ef(
            sfi::IDENTITY,
            ("identity", "身份"),
            transparent(128),
            Right::Keys(K1_TO_K6, WITH_PUPIL),
            Right::Keys(K2, StateSet::of(&[Personalising])),
        ),
        ef(
            sfi::ENROLMENT,
            ("enrolment", "就读"),
            transparent(96),
            Right::Keys(K1_TO_K6, WITH_PUPIL),
            Right::Keys(K2, StateSet::of(&[Personalising])),
        ),
        ef(
            sfi::PERSONALISATION,
            ("personalisation", "个人化记录"),
            transparent(16),
            Right::Keys(K1_TO_K6, WITH_PUPIL),
            Right::Never,
        ),
        ef(
            sfi::REGISTRATION,
            ("registration", "学籍注册"),
            Structure::Cyclic { length: 16, count: 24 },
            Right::Keys(K1_TO_K6, ISSUED),
            Right::Never,
        ),
        ef(
            sfi::TRANSFER,
            ("transfer", "升转学"),
            Structure::Cyclic { length: 48, count: 8 },
            Right::Keys(K1_TO_K6, WITH_PUPIL),
            Right::Never,
        ),
        ef(
            sfi::DIRECTORY,
            ("extension directory", "扩展目录"),
            Structure::Linear { length: 16, count: SECTORS },
            Right::Keys(K1_TO_K6, NOT_BLANK),
            Right::Never,
        ),
        ef(
            sfi::LOG,
            ("operation log", "操作日志"),
            Structure::Cyclic { length: 16, count: 15 },
            Right::Keys(K0_TO_K6, NOT_BLANK),
            Right::Never,
        ),
    ],
    EDUCATION_KEYS + KeyNumber::EDUCATION.len() * KeySlots::LEN,
);

/// Keys of an extension sector: the manager's while it is closed, its owner's while it is open.
static SECTOR_KEYS: [KeyNumber; 2] = [KeyNumber::EXTENSION, KeyNumber::APPLICATION];

const SECTOR_KEYS_LEN: usize = SECTOR_KEYS.len() * KeySlots::LEN;

const fn sector_keys(index: usize) -> usize {
    end(&EDUCATION_FILES) + index * (SECTOR_KEYS_LEN + SECTOR_LEN as usize)
}

const fn sector_files(index: usize) -> [Ef; 1] {
    let file = ef(
        sfi::ONLY,
        ("sector", "扩展扇区"),
        transparent(SECTOR_LEN),
        Right::Keys(KA, StateSet::of(&[Active, TransferredOut, TransferredIn])),
        Right::Keys(KA, StateSet::of(&[Active])),
    );
    place([file], sector_keys(index) + SECTOR_KEYS_LEN)
}

macro_rules! sectors {
    ($($index:literal),*) => {
        [
            Df {
                fid: 0xDF01,
                name: &EDUCATION_NAME,
                title: "education zone",
                chinese: "教育区",
                keys: &KeyNumber::EDUCATION,
                keys_offset: EDUCATION_KEYS,
                files: &EDUCATION_FILES,
            },
            $({
                static NAME: [u8; 7] = sector_name($index);
                static FILES: [Ef; 1] = sector_files($index - 1);
                Df {
                    fid: 0xDF10 + $index,
                    name: &NAME,
                    title: "extension sector",
                    chinese: "扩展扇区",
                    keys: &SECTOR_KEYS,
                    keys_offset: sector_keys($index - 1),
                    files: &FILES,
                }
            },)*
        ]
    };
}

static STUDENT_DFS: [Df; 1 + SECTORS as usize] = sectors!(1, 2, 3, 4, 5, 6, 7, 8);

static STUDENT: Tree = {
    let journal = sector_keys(SECTORS as usize);
    Tree {
        mf: Df {
            fid: MF_FID,
            name: &MF_NAME,
            title: "master file",
            chinese: "主文件",
            keys: &[],
            keys_offset: 0,
            files: &MF_FILES,
        },
        dfs: &STUDENT_DFS,
        journal,
        size: journal + JOURNAL_LEN,
    }
};

// --- Management card -------------------------------------------------------------------------

const _: () = assert!(crate::management::Authorisation::LEN == 48);

static MANAGEMENT_KEYS: [KeyNumber; 1] = [KeyNumber::MANAGEMENT];

static MANAGEMENT_FILES: [Ef; 1] = place(
    [ef(
        sfi::ONLY,
        ("authorisation", "授权信息"),
        transparent(48),
        Right::Keys(K80, StateSet::ALL),
        Right::Never,
    )],
    HEADER_LEN + KeySlots::LEN,
);

static MANAGEMENT_DFS: [Df; 1] = [Df {
    fid: 0xDF80,
    name: &MANAGEMENT_NAME,
    title: "management card",
    chinese: "管理卡",
    keys: &MANAGEMENT_KEYS,
    keys_offset: HEADER_LEN,
    files: &MANAGEMENT_FILES,
}];

static MANAGEMENT: Tree = {
    let journal = end(&MANAGEMENT_FILES);
    Tree {
        mf: Df {
            fid: MF_FID,
            name: &[],
            title: "master file",
            chinese: "主文件",
            keys: &[],
            keys_offset: 0,
            files: &[],
        },
        dfs: &MANAGEMENT_DFS,
        journal,
        size: journal + 128,
    }
};

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn spans(tree: &Tree) -> Vec<(usize, usize)> {
        let mut spans: Vec<_> = tree
            .all()
            .flat_map(|df| {
                let keys = (df.keys_offset, df.keys.len() * KeySlots::LEN);
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
        for kind in [CardKind::Student, CardKind::Management] {
            let tree = kind.tree();
            let mut next = 0;
            for (offset, length) in spans(tree) {
                assert_eq!(offset, next);
                next = offset + length;
            }
            assert_eq!(next, tree.size);
            assert_eq!(CardKind::from_code(kind.code()), Some(kind));
        }
        assert!(STUDENT.size < usize::from(u16::MAX));
    }

    #[test]
    fn the_education_zone_has_1456_bytes_of_files() {
        let education = &STUDENT.dfs[0];
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
        let names: Vec<_> = STUDENT.dfs.iter().map(|df| df.name).collect();
        for (index, name) in names.iter().enumerate() {
            assert!((5..=16).contains(&name.len()));
            assert!(!names[index + 1..].contains(name));
        }
        for df in STUDENT.all() {
            for file in df.files {
                assert_eq!(df.by_sfi(file.sfi), Some(file));
                assert_eq!(df.by_fid(file.fid), Some(file));
                assert!((1..=30).contains(&file.sfi));
            }
        }
    }
}
