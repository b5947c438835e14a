//! The tree of the purchase SAM (PSAM, 终端安全模块). Files 0015, 0016 and 0017 as terminals read
//! them; the rest project-defined.

use super::{HEADER_LEN, MF_FID, Tree, ef, end, place, transparent};
use crate::file::{Application, Df, Ef, Right};
use crate::psam::{ApplicationInfo, FAILURES_LEN, PsamKey, PublicInfo};

/// DF name of the PSAM's application.
pub const PSAM_NAME: [u8; 7] = *b"\xF0BJEPS\x01";

/// Identifier of the PSAM's application. DF01, which other PSAMs have, is the education zone here.
pub const PSAM_FID: u16 = 0x3F01;

/// Short identifier of the file with the terminal number.
pub const TERMINAL_SFI: u8 = 0x16;

/// Number of key slots.
pub(crate) const SLOTS: usize = 8;

const _: () = assert!(PublicInfo::LEN == 14 && ApplicationInfo::LEN == 25);
const _: () = assert!(slot(SLOTS) == 161);

const MF_FILES: [Ef; 3] = place(
    [
        ef(0x01, ("key file", "密钥文件"), transparent(161), Right::Never, Right::Never),
        ef(0x15, ("PSAM information", "卡片公共信息"), transparent(14), Right::Free, Right::Never),
        ef(
            TERMINAL_SFI,
            ("terminal number", "终端机编号"),
            transparent(6),
            Right::Free,
            Right::Never,
        ),
    ],
    HEADER_LEN,
);

const APPLICATION_FILES: [Ef; 2] = place(
    [
        ef(
            0x17,
            ("application information", "应用公共信息"),
            transparent(25),
            Right::Free,
            Right::Never,
        ),
        ef(
            0x18,
            ("terminal sequence number", "终端交易序号"),
            transparent(4),
            Right::Free,
            Right::Never,
        ),
    ],
    end(&MF_FILES),
);

/// Failure counter and keys: an internal file that no command reads or writes.
pub(crate) static KEYS: Ef = MF_FILES[0];
/// File 0015 under the MF.
pub(crate) static PUBLIC: Ef = MF_FILES[1];
/// File 0016 under the MF.
pub(crate) static TERMINAL: Ef = MF_FILES[2];
/// File 0017 of the application.
pub(crate) static APPLICATION: Ef = APPLICATION_FILES[0];
/// File 0018 of the application: the number that the next purchase gets.
pub(crate) static SEQUENCE: Ef = APPLICATION_FILES[1];

/// Where a key slot lies in the key file.
pub(crate) const fn slot(index: usize) -> usize {
    FAILURES_LEN + index * PsamKey::LEN
}

static DFS: [Df; 1] = [Df {
    fid: PSAM_FID,
    name: &PSAM_NAME,
    alias: &[],
    title: "PSAM application",
    chinese: "终端安全模块应用",
    keys: &[],
    keys_offset: 0,
    application: Application::Psam,
    files: &APPLICATION_FILES,
}];

pub(super) static TREE: Tree = {
    let journal = end(&APPLICATION_FILES);
    Tree {
        mf: Df {
            fid: MF_FID,
            name: &[],
            alias: &[],
            title: "master file",
            chinese: "主文件",
            keys: &[],
            keys_offset: 0,
            application: Application::Psam,
            files: &MF_FILES,
        },
        dfs: &DFS,
        wallet: None,
        journal,
        size: journal + 128,
    }
};
