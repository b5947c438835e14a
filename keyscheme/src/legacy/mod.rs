//! Legacy: two-key TDES for the transit wallet (电子钱包), and nothing else.
//!
//! **Legacy: two-key TDES; disallowed by NIST for new protection since 2017 (two keys) and 2024
//! (any); not cache-timing safe; no fall-back between algorithms exists.** Nothing here is used for
//! the education zone or the extension sectors, and no type here fits there.
//!
//! ```text
//! root ─ 8-byte factors ─► card key ─ random, sequence numbers ─► session key ─► MAC1 MAC2 MAC3
//!                          TAC key  ─ left half ⊕ right half ──────────────────► TAC
//!                          line key ─ challenge ───────────────────────────────► line MAC
//! ```
//!
//! Bytes are those of PBOC purses and FMCOS cards as public transcripts and card manuals show them;
//! the text of JR/T 0025 itself was not consulted. Published transcripts run against this module in
//! `xuejika-vectors`.
//!
//! A purchase, by card and terminal:
//!
//! ```
//! use xuejika_keyscheme::legacy::{
//!     Fen, Moment, Purchase, PurchaseKey, PurchaseKind, TacKey, TerminalId, test_keys,
//! };
//!
//! // On the card; the terminal's PSAM holds the root and derives the same key.
//! let number = *b"\x10\x00\x75\x10\x12\x34\x56\x78";
//! let key = test_keys::root::<PurchaseKey>().card_key(number);
//! let tac_key = test_keys::root::<TacKey>().card_key(number).folded();
//!
//! // INITIALIZE FOR PURCHASE: the card answers its random and its sequence number.
//! let purchase = Purchase {
//!     kind: PurchaseKind::Wallet,
//!     amount: Fen(200),
//!     terminal: TerminalId([0x12, 0x00, 0x80, 0x80, 0x00, 0x01]),
//! };
//! let (random, sequence, terminal_sequence) = ([0xA0; 4], 7, 1);
//! let at = Moment { date: [0x20, 0x07, 0x09, 0x01], time: [0x07, 0x30, 0x00] };
//!
//! // Terminal: MAC1.
//! let session = key.session(random, sequence, terminal_sequence);
//! let mac1 = session.code(&purchase.mac1(at));
//!
//! // Card, DEBIT: checks MAC1, and only then answers.
//! let proof = session.verify(&purchase.mac1(at), mac1)?;
//! let mac2 = session.code(&purchase.mac2());
//! let tac = tac_key.code(&purchase.tac(terminal_sequence, at));
//!
//! // Terminal: checks MAC2. Operator, later: checks the TAC.
//! let paid = session.verify(&purchase.mac2(), mac2)?;
//! let booked = tac_key.verify(&purchase.tac(terminal_sequence, at), tac)?;
//! # Ok::<(), xuejika_keyscheme::Mismatch>(())
//! ```
//!
//! A code can only be computed under the key that is meant for it:
//!
//! ```compile_fail
//! use xuejika_keyscheme::legacy::{Fen, Load, LoadKey, Purse, PurchaseKey, TerminalId, test_keys};
//! let load = Load { purse: Purse::Wallet, amount: Fen(1), terminal: TerminalId([0; 6]) };
//! let session = test_keys::root::<PurchaseKey>().card_key([0; 8]).session([0; 4], 0, 0);
//! let mac1 = session.code(&load.mac1(Fen(0)));
//! ```
//!
//! ```compile_fail
//! # use xuejika_keyscheme::legacy::{
//! #     Fen, Moment, Purchase, PurchaseKey, PurchaseKind, TerminalId, test_keys,
//! # };
//! # let (kind, amount, terminal) = (PurchaseKind::Wallet, Fen(1), TerminalId([0; 6]));
//! # let purchase = Purchase { kind, amount, terminal };
//! # let at = Moment { date: [0; 4], time: [0; 3] };
//! let session = test_keys::root::<PurchaseKey>().card_key([0; 8]).session([0; 4], 0, 0);
//! let tac = session.code(&purchase.tac(1, at));
//! ```

pub mod auth;
pub mod bulk;
pub mod check;
pub mod diversify;
pub mod ecb;
pub mod key;
pub mod line;
pub mod mac;
pub mod proof;
pub mod purse;
pub mod roots;
pub mod session;
pub mod test_keys;
#[cfg(test)]
mod tests;

pub use auth::Challenge;
pub use check::{Half, KeyFault, KeyReport, Parity, Weakness};
pub use key::{
    ExternalAuthKey, InternalDecryptKey, InternalEncryptKey, InternalMacKey, LimitKey, LineKey,
    LoadKey, PinReloadKey, PinUnblockKey, PurchaseKey, Purpose, Root, TacKey, TdesKey,
    TransportKey, UnloadKey, WalletPurpose,
};
pub use mac::DesMac;
pub use proof::{Code, InternalMac, LineMac, Mac1, Mac2, Mac3, PinMac, Tac, Verified};
pub use purse::{
    Fen, Input, LimitUpdate, Load, Moment, Purchase, PurchaseKind, Purse, TerminalId,
    TransactionType, Unload,
};
pub use roots::{InvalidWalletRoot, NoWalletRoot, WalletKeyType, WalletRoots};
pub use session::{DesKey, ExpandedKey};

use crate::key::Zone;

/// The DF of the wallet, 1001.
pub const ZONE: Zone = Zone(0x1001);

/// Algorithm identifier of two-key TDES (project-defined); no [`crate::Algorithm`], so that no key
/// of the education zone can name it.
pub const ALGORITHM_CODE: u8 = 0x81;
