//! The tree of the student-record card (学籍卡).

use xuejika_keyscheme::KeyNumber;
use xuejika_keyscheme::slots::KeySlots;

use super::{HEADER_LEN, JOURNAL_LEN, MF_FID, Tree, ef, end, place, transparent};
use crate::file::{Application, Df, Ef, KeySet, Right, StateSet, Structure};
use crate::state::LifeCycleState::{
    Active, Blank, Initialised, Personalising, Recalled, TransferredIn, TransferredOut,
};
use crate::wallet::record::{LogRecord, PurseRecord};
use crate::wallet::store;

/// Name of the MF of a student-record card: that of the payment system environment, as transit
/// readers select it.
pub const MF_NAME: [u8; 14] = *b"1PAY.SYS.DDF01";

/// DF name of the education zone (教育区).
pub const EDUCATION_NAME: [u8; 7] = *b"\xF0BJEDU\x01";

/// Identifier of the transit wallet (电子钱包).
pub const WALLET_FID: u16 = 0x1001;

/// Name of the transit wallet, by which some readers of Beijing cards select it.
pub const WALLET_NAME: [u8; 4] = *b"PBOC";

/// Other name of the transit wallet, by which other readers do.
pub const WALLET_ALIAS: [u8; 2] = *b"OC";

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

/// States in which the card may hold a pupil's data.
const WITH_PUPIL: StateSet = StateSet::all_but(&[Blank, Initialised, Recalled]);
const ISSUED: StateSet = StateSet::all_but(&[Blank, Initialised, Recalled, Personalising]);
const NOT_BLANK: StateSet = StateSet::all_but(&[Blank]);

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

/// Short file identifiers of the transit wallet.
pub mod wallet_sfi {
    /// EF 02 钱包文件: the purse itself.
    pub const PURSE: u8 = 0x02;
    /// EF 05 应用控制信息.
    pub const CONTROL: u8 = 0x05;
    /// EF 15 发卡方公共信息.
    pub const ISSUER: u8 = 0x15;
    /// EF 16 持卡人信息.
    pub const HOLDER: u8 = 0x16;
    /// EF 17 互通信息.
    pub const COMMON: u8 = 0x17;
    /// EF 18 交易明细.
    pub const LOG: u8 = 0x18;
    /// EF 19 复合消费记录.
    pub const COMPOUND: u8 = 0x19;
}

static MF_FILES: [Ef; 3] = place(
    [
        ef(
            sfi::PUBLIC,
            ("public information", "公共信息"),
            transparent(32),
            Right::Free,
            Right::Operator,
        ),
        ef(sfi::COUNTER, ("counter", "计数"), transparent(9), Right::Free, Right::Operator),
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
            Right::Keys(K0_TO_K6, StateSet::ALL),
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
                alias: &[],
                title: "education zone",
                chinese: "教育区",
                keys: &KeyNumber::EDUCATION,
                keys_offset: EDUCATION_KEYS,
                application: Application::Zone,
                files: &EDUCATION_FILES,
            },
            $({
                static NAME: [u8; 7] = sector_name($index);
                static FILES: [Ef; 1] = sector_files($index - 1);
                Df {
                    fid: 0xDF10 + $index,
                    name: &NAME,
                    alias: &[],
                    title: "extension sector",
                    chinese: "扩展扇区",
                    keys: &SECTOR_KEYS,
                    keys_offset: sector_keys($index - 1),
                    application: Application::Zone,
                    files: &FILES,
                }
            },)*
        ]
    };
}

static STUDENT_DFS: [Df; 1 + SECTORS as usize] = sectors!(1, 2, 3, 4, 5, 6, 7, 8);

const WALLET_STORE: usize = sector_keys(SECTORS as usize);

const _: () = assert!(PurseRecord::LEN == 21 && LogRecord::LEN == 23);

static WALLET_FILES: [Ef; 7] = place(
    [
        ef(
            wallet_sfi::PURSE,
            ("purse", "钱包文件"),
            Structure::Purse { size: 21 },
            Right::Never,
            Right::Never,
        ),
        ef(
            wallet_sfi::CONTROL,
            ("application control", "应用控制信息"),
            transparent(64),
            Right::Free,
            Right::Operator,
        ),
        ef(
            wallet_sfi::ISSUER,
            ("issuer information", "发卡方公共信息"),
            transparent(30),
            Right::Free,
            Right::Operator,
        ),
        ef(
            wallet_sfi::HOLDER,
            ("holder information", "持卡人信息"),
            transparent(55),
            Right::Operator,
            Right::Operator,
        ),
        ef(
            wallet_sfi::COMMON,
            ("interoperation", "互通信息"),
            transparent(60),
            Right::Free,
            Right::Operator,
        ),
        ef(
            wallet_sfi::LOG,
            ("transaction log", "交易明细"),
            Structure::Cyclic { length: 23, count: 10 },
            Right::Free,
            Right::Never,
        ),
        ef(
            wallet_sfi::COMPOUND,
            ("compound records", "复合消费记录"),
            Structure::Linear { length: 48, count: 4 },
            Right::Free,
            Right::Never,
        ),
    ],
    WALLET_STORE + store::LEN,
);

pub(super) static TREE: Tree = {
    let journal = end(&WALLET_FILES);
    Tree {
        mf: Df {
            fid: MF_FID,
            name: &MF_NAME,
            alias: &[],
            title: "master file",
            chinese: "主文件",
            keys: &[],
            keys_offset: 0,
            application: Application::Master,
            files: &MF_FILES,
        },
        dfs: &STUDENT_DFS,
        wallet: Some(Df {
            fid: WALLET_FID,
            name: &WALLET_NAME,
            alias: &WALLET_ALIAS,
            title: "transit wallet",
            chinese: "电子钱包",
            keys: &[],
            keys_offset: WALLET_STORE,
            application: Application::Wallet,
            files: &WALLET_FILES,
        }),
        journal,
        size: journal + JOURNAL_LEN,
    }
};
