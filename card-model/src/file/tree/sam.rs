//! The tree of the reader's SAM (SAM卡).

use super::{HEADER_LEN, MF_FID, Tree, ef, end, place, transparent};
use crate::file::{Application, Df, Ef, Right};
use crate::sam::{KEY_FILE_LEN, KEYS_LEN};

/// DF name of the SAM's application.
pub const SAM_NAME: [u8; 7] = *b"\xF0BJESM\x01";

const _: () = assert!(KEYS_LEN == 34 && KEY_FILE_LEN == 1042);

const FILES: [Ef; 3] = place(
    [
        ef(0x01, ("secrets", "SAM密钥"), transparent(34), Right::Never, Right::Never),
        ef(0x02, ("key file", "密钥文件"), transparent(1042), Right::Never, Right::Never),
        ef(0x03, ("last day", "最后日期"), transparent(4), Right::Never, Right::Never),
    ],
    HEADER_LEN,
);

/// Secret of the SAM and the root shared with management cards.
pub(crate) static KEYS: Ef = FILES[0];
/// The sealed roots of card keys.
pub(crate) static KEY_FILE: Ef = FILES[1];
/// The latest day on which the SAM worked, or 00.
pub(crate) static LAST_SEEN: Ef = FILES[2];

static DFS: [Df; 1] = [Df {
    fid: 0xDF81,
    name: &SAM_NAME,
    alias: &[],
    title: "SAM application",
    chinese: "SAM卡应用",
    keys: &[],
    keys_offset: 0,
    application: Application::Sam,
    files: &FILES,
}];

pub(super) static TREE: Tree = {
    let journal = end(&FILES);
    Tree {
        mf: Df {
            fid: MF_FID,
            name: &[],
            alias: &[],
            title: "master file",
            chinese: "主文件",
            keys: &[],
            keys_offset: 0,
            application: Application::Zone,
            files: &[],
        },
        dfs: &DFS,
        wallet: None,
        journal,
        size: journal + 128,
    }
};
