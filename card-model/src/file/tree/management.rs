//! The tree of the management card (管理卡).

use xuejika_keyscheme::KeyNumber;
use xuejika_keyscheme::slots::KeySlots;

use super::{HEADER_LEN, MF_FID, Tree, ef, end, place, sfi, transparent};
use crate::file::{Application, Df, Ef, KeySet, Right, StateSet};

/// DF name of the management card's application.
pub const MANAGEMENT_NAME: [u8; 7] = *b"\xF0BJEMG\x01";

const K80: KeySet = KeySet::of(&[KeyNumber::MANAGEMENT]);

const _: () = assert!(crate::management::Authorisation::LEN == 48);

static MANAGEMENT_KEYS: [KeyNumber; 1] = [KeyNumber::MANAGEMENT];

static MANAGEMENT_FILES: [Ef; 2] = place(
    [
        ef(
            sfi::ONLY,
            ("authorisation", "授权信息"),
            transparent(48),
            Right::Keys(K80, StateSet::ALL),
            Right::Never,
        ),
        ef(0x02, ("use counter", "使用次数"), transparent(4), Right::Free, Right::Never),
    ],
    HEADER_LEN + KeySlots::LEN,
);

/// How often a SAM has proved itself to the card.
pub(crate) static USES: Ef = MANAGEMENT_FILES[1];

static MANAGEMENT_DFS: [Df; 1] = [Df {
    fid: 0xDF80,
    name: &MANAGEMENT_NAME,
    alias: &[],
    title: "management card",
    chinese: "管理卡",
    keys: &MANAGEMENT_KEYS,
    keys_offset: HEADER_LEN,
    application: Application::Zone,
    files: &MANAGEMENT_FILES,
}];

pub(super) static TREE: Tree = {
    let journal = end(&MANAGEMENT_FILES);
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
        dfs: &MANAGEMENT_DFS,
        wallet: None,
        journal,
        size: journal + 128,
    }
};
