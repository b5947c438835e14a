//! Files of root keys, in TOML (layout project-defined):
//!
//! ```toml
//! [[root]]
//! zone = 0xDF01          # DF of the key
//! number = 0x01
//! version = 0x01
//! algorithm = "aes"      # or "sm4"
//! envelope = "6A0F..."   # and exactly one of envelope, key-block, clear
//!
//! [[wallet-root]]        # the transit operator's, two-key TDES
//! type = 0x3E            # FMCOS key type
//! envelope = "91C4..."   # and exactly one of envelope, clear
//! ```
//!
//! - `envelope`: the root sealed by [`seal`] or [`seal_wallet`] under a key-encryption key.
//! - `key-block`: an ANSI X9.143 key block ([`super::key_block`]) under a protection key; for AES.
//! - `clear`: the root itself, for the published test roots and for nothing else.
//!
//! A file holds tables of either kind or of both. A file that holds one key block and nothing else
//! is a key file too. Each is read as [`super::secret`] prescribes. Errors name the file, the line
//! and the field and never what stands in it.

mod name;
mod problem;
mod table;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::str;
use std::path::{Path, PathBuf};

use xuejika_keyscheme::KeyId;
use xuejika_keyscheme::key::{Kek, Key, Root};
use xuejika_keyscheme::keyblock::ProtectionKey;
use xuejika_keyscheme::legacy::{WalletKeyType, WalletRoots};
use xuejika_keyscheme::provider::Roots;
use zeroize::Zeroizing;

use super::secret::{SecretError, SecretSource};

pub use name::RootName;
pub use problem::{Fields, Problem};

/// Length of a root, in bytes.
const ROOT_LEN: usize = 16;

/// Length of a sealed root, in bytes: tag, padded root.
pub const ENVELOPE_LEN: usize = 48;

const ENVELOPE: &str = "envelope";
const KEY_BLOCK: &str = "key-block";
const CLEAR: &str = "clear";

/// The keys that open the entries of a key file.
#[derive(Debug, Default)]
pub struct Protection {
    /// Opens key blocks (KBPK).
    pub kbpk: Option<ProtectionKey>,
    /// Opens envelopes (KEK).
    pub kek: Option<Key<Kek>>,
}

/// The roots of a key file.
#[derive(Debug, Default)]
pub struct KeyFile {
    /// Of the education zone, of extension sectors and of management cards.
    pub roots: Roots,
    /// Of the wallet.
    pub wallet: WalletRoots,
}

/// Reads the roots of a key file.
///
/// # Errors
/// Returns a [`KeyFileError`] when the file breaks the rules for secrets or any entry cannot be
/// used: nothing is skipped.
pub fn open(path: &Path, protection: &Protection) -> Result<KeyFile, KeyFileError> {
    let bytes = SecretSource::File(path.to_owned()).read()?;
    let bad = |(line, problem)| KeyFileError::Content { file: path.to_owned(), line, problem };
    let text = str::from_utf8(&bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        bad((table::line_after(before), Problem::NotUtf8))
    })?;
    table::parse(text, protection).map_err(bad)
}

/// What a table of a key file says of its root, which only the right key can confirm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Whose root it is.
    pub name: RootName,
    /// The field that holds it: `envelope`, `key-block` or `clear`.
    pub form: &'static str,
}

/// Reads which roots stand in the text of a key file of tables, without opening any.
///
/// # Errors
/// Returns [`KeyFileError::Content`] when a table is wrong; what holds the root is not looked at.
/// `file` is for the message.
pub fn inspect(file: &Path, text: &str) -> Result<Vec<Claim>, KeyFileError> {
    let bad = |(line, problem)| KeyFileError::Content { file: file.to_owned(), line, problem };
    table::claims(text).map_err(bad)
}

/// One `[[root]]` table of a key file.
#[must_use]
pub fn emit(id: &KeyId, form: &Form<'_>) -> String {
    let (field, value) = match form {
        Form::Envelope(sealed) => (ENVELOPE, hex::encode_upper(sealed)),
        Form::KeyBlock(text) => (KEY_BLOCK, (*text).to_owned()),
    };
    format!("{}{field} = \"{value}\"\n", RootName::Key(*id).emit())
}

/// One `[[wallet-root]]` table of a key file, with what [`seal_wallet`] gave.
#[must_use]
pub fn emit_wallet(key_type: WalletKeyType, sealed: &[u8]) -> String {
    let value = hex::encode_upper(sealed);
    format!("{}{ENVELOPE} = \"{value}\"\n", RootName::Wallet(key_type).emit())
}

/// How a root that protects something stands in a key file.
#[derive(Clone, Copy, Debug)]
pub enum Form<'a> {
    /// What [`seal`] gave.
    Envelope(&'a [u8]),
    /// What [`key_block::write`](super::key_block::write) gave.
    KeyBlock(&'a str),
}

/// Seals a root under a key-encryption key. The header is `XJKROOT1` and the key identifier
/// (project-defined), so the envelope opens for no other key name.
#[must_use]
pub fn seal(kek: &Key<Kek>, id: &KeyId, root: &Key<Root>) -> Vec<u8> {
    kek.seal(&RootName::Key(*id).envelope_header(), root.expose())
}

/// Seals a root of wallet keys under a key-encryption key. The header is `XJKWROOT` and the FMCOS
/// type (project-defined), so the envelope opens for no other type.
#[must_use]
pub fn seal_wallet(kek: &Key<Kek>, key_type: WalletKeyType, root: &[u8; ROOT_LEN]) -> Vec<u8> {
    kek.seal(&RootName::Wallet(key_type).envelope_header(), root)
}

/// Opens what [`seal`] and [`seal_wallet`] made; none if anything differs.
fn unseal(kek: &Key<Kek>, name: RootName, sealed: &[u8]) -> Option<Zeroizing<[u8; ROOT_LEN]>> {
    let plain = kek.open(&name.envelope_header(), sealed).ok()?;
    plain.as_slice().try_into().ok().map(Zeroizing::new)
}

/// Why a key file is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file cannot be read, or is not kept safe.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// What stands in the file is wrong.
    #[error("{}:{line}: {problem}", file.display())]
    Content {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there.
        problem: Problem,
    },
}

impl KeyFileError {
    /// Whether the file could be used, but is refused because a secret would not be safe.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        match self {
            Self::Secret(error) => matches!(error, SecretError::Refused { .. }),
            Self::Content { problem, .. } => problem.is_refusal(),
        }
    }
}

/// What is wrong, and at which byte of the text.
type Found = (usize, Problem);

const fn wrong(field: &'static str, expected: &'static str) -> Problem {
    Problem::Field { field, expected }
}
