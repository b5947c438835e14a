//! Files of root keys, in TOML (layout project-defined):
//!
//! ```toml
//! [[root]]
//! zone = 0xDF01          # DF of the key
//! number = 0x01
//! version = 0x01
//! algorithm = "aes"      # or "sm4"
//! envelope = "6A0F..."   # and exactly one of envelope, key-block, clear
//! ```
//!
//! - `envelope`: the root sealed by [`seal`] under a key-encryption key; for both algorithms.
//! - `key-block`: an ANSI X9.143 key block ([`super::key_block`]) under a protection key; for AES.
//! - `clear`: the root itself, for the published test roots and for nothing else.
//!
//! A file that holds one key block and nothing else is a key file too. Each is read as
//! [`super::secret`] prescribes. Errors name the file, the line and the field and never what stands
//! in it.

use alloc::borrow::{Cow, ToOwned};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use core::str;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use xuejika_keyscheme::key::{Kek, Key, Root};
use xuejika_keyscheme::keyblock::ProtectionKey;
use xuejika_keyscheme::provider::{InvalidRoot, Roots};
use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone, test_keys};
use zeroize::Zeroizing;

use super::key_block::{self, BlockError};
use super::secret::{SecretError, SecretSource};

/// Length of a root, in bytes.
const ROOT_LEN: usize = 16;

/// Length of a sealed root, in bytes: tag, padded root.
pub const ENVELOPE_LEN: usize = 48;

/// First bytes of the header of an envelope.
const ENVELOPE_MAGIC: [u8; 8] = *b"XJKROOT1";

/// The keys that open the entries of a key file.
#[derive(Debug, Default)]
pub struct Protection {
    /// Opens key blocks (KBPK).
    pub kbpk: Option<ProtectionKey>,
    /// Opens envelopes (KEK).
    pub kek: Option<Key<Kek>>,
}

/// Reads the roots of a key file.
///
/// # Errors
/// Returns a [`KeyFileError`] when the file breaks the rules for secrets or any entry cannot be
/// used: nothing is skipped.
pub fn open(path: &Path, protection: &Protection) -> Result<Roots, KeyFileError> {
    let bytes = SecretSource::File(path.to_owned()).read()?;
    let bad = |(line, problem)| KeyFileError::Content { file: path.to_owned(), line, problem };
    let text = str::from_utf8(&bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        bad((line_after(before), Problem::NotUtf8))
    })?;
    parse(text, protection).map_err(bad)
}

/// One entry of a key file.
#[must_use]
pub fn emit(id: &KeyId, form: &Form<'_>) -> String {
    let (name, value) = match form {
        Form::Envelope(sealed) => (ENVELOPE, hex::encode_upper(sealed)),
        Form::KeyBlock(text) => (KEY_BLOCK, (*text).to_owned()),
    };
    format!(
        "[[root]]\n{ZONE} = 0x{}\n{NUMBER} = 0x{:02X}\n{VERSION} = 0x{}\n{ALGORITHM} = \"{}\"\n\
         {name} = \"{value}\"\n",
        id.zone, id.number.0, id.version, id.algorithm,
    )
}

/// How a root that protects something stands in a key file.
#[derive(Clone, Copy, Debug)]
pub enum Form<'a> {
    /// What [`seal`] gave.
    Envelope(&'a [u8]),
    /// What [`key_block::write`] gave.
    KeyBlock(&'a str),
}

/// Seals a root under a key-encryption key. The header is `XJKROOT1` and the key identifier, so the
/// envelope opens for no other key name.
#[must_use]
pub fn seal(kek: &Key<Kek>, id: &KeyId, root: &Key<Root>) -> Vec<u8> {
    kek.seal(&envelope_header(id), root.expose())
}

/// Opens what [`seal`] made; none if anything differs.
fn unseal(kek: &Key<Kek>, id: &KeyId, sealed: &[u8]) -> Option<Box<Key<Root>>> {
    let plain = kek.open(&envelope_header(id), sealed).ok()?;
    Some(root(id, plain.as_slice().try_into().ok()?))
}

fn envelope_header(id: &KeyId) -> [u8; ENVELOPE_MAGIC.len() + KeyId::LEN] {
    let mut header = [0; ENVELOPE_MAGIC.len() + KeyId::LEN];
    let fields = ENVELOPE_MAGIC.into_iter().chain(id.emit());
    header.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
    header
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
        matches!(
            self,
            Self::Secret(SecretError::Refused { .. })
                | Self::Content { problem: Problem::ClearRoot(_), .. }
        )
    }
}

/// What is wrong in a key file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It is not text.
    #[error("not UTF-8")]
    NotUtf8,
    /// It is not TOML.
    #[error("not TOML: {0}")]
    NotToml(String),
    /// Something else than a list of roots.
    #[error("expected [[root]] tables and nothing else")]
    NoRoots,
    /// A field that a root does not have; its name is not repeated, it may be a misplaced key.
    #[error("unknown field, expected one of {}", Fields(&FIELDS))]
    UnknownField,
    /// A field is not there.
    #[error("field {0} is missing")]
    Missing(&'static str),
    /// A field holds something else.
    #[error("field {field}: expected {expected}")]
    Field {
        /// The field.
        field: &'static str,
        /// What it may hold.
        expected: &'static str,
    },
    /// None or several of the forms of a root.
    #[error("expected exactly one of {}", Fields(&FORMS))]
    Forms,
    /// The key that opens the field is not there.
    #[error("field {field} needs {needed}, which is not given")]
    NoKey {
        /// The field.
        field: &'static str,
        /// The key.
        needed: &'static str,
    },
    /// The key-encryption key or anything in the entry differs.
    #[error("field envelope does not open: another key-encryption key or another key name")]
    Envelope,
    /// The key block is not accepted.
    #[error("field key-block: {0}")]
    Block(#[from] BlockError),
    /// The key block is the root of another key.
    #[error("field key-block: it names key {0}, expected the one of this entry")]
    OtherName(KeyId),
    /// A root in clear that protects something.
    #[error(
        "the root of key {0} is in clear and is no published test root; expected an envelope or \
         a key block"
    )]
    ClearRoot(KeyId),
    /// The root does not go with the others.
    #[error(transparent)]
    Root(#[from] InvalidRoot),
}

const ZONE: &str = "zone";
const NUMBER: &str = "number";
const VERSION: &str = "version";
const ALGORITHM: &str = "algorithm";
const ENVELOPE: &str = "envelope";
const KEY_BLOCK: &str = "key-block";
const CLEAR: &str = "clear";

/// The forms of a root.
const FORMS: [&str; 3] = [ENVELOPE, KEY_BLOCK, CLEAR];

/// The fields of an entry.
const FIELDS: [&str; 7] = [ZONE, NUMBER, VERSION, ALGORITHM, ENVELOPE, KEY_BLOCK, CLEAR];

struct Fields(&'static [&'static str]);

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        self.0.iter().try_for_each(|field| {
            write!(f, "{separator}{field}")?;
            separator = ", ";
            Ok(())
        })
    }
}

/// What is wrong, and at which byte of the text.
type Found = (usize, Problem);

/// Reads the text of a key file; the error holds the line.
fn parse(text: &str, protection: &Protection) -> Result<Roots, (usize, Problem)> {
    let roots = match text.trim_end() {
        alone if is_block(alone) => parse_block(alone, protection),
        _ => parse_tables(text, protection),
    };
    roots.map_err(|(at, problem)| {
        let before = text.as_bytes().get(..at).unwrap_or_default();
        (line_after(before), problem)
    })
}

fn parse_block(text: &str, protection: &Protection) -> Result<Roots, Found> {
    let mut roots = Roots::new();
    let (id, root) = block(text, protection).map_err(|problem| (0, problem))?;
    roots.add(id, root).map_err(|error| (0, error.into()))?;
    Ok(roots)
}

fn parse_tables(text: &str, protection: &Protection) -> Result<Roots, Found> {
    let document = DeTable::parse(text).map_err(|error| {
        let at = error.span().unwrap_or_default().start;
        (at, Problem::NotToml(error.message().to_owned()))
    })?;
    let mut roots = Roots::new();
    for entry in entries(&document)? {
        let (id, root) = entry.read(protection)?;
        roots.add(id, root).map_err(|error| (entry.at, error.into()))?;
    }
    Ok(roots)
}

fn line_after(before: &[u8]) -> usize {
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

fn entries<'t>(document: &'t Spanned<DeTable<'t>>) -> Result<Vec<Entry<'t>>, Found> {
    let mut entries = Vec::new();
    for (name, value) in document.get_ref() {
        let wrong = |span: Range<usize>| (span.start, Problem::NoRoots);
        let DeValue::Array(tables) = value.get_ref() else { return Err(wrong(name.span())) };
        if name.get_ref() != "root" {
            return Err(wrong(name.span()));
        }
        for table in tables {
            let at = table.span().start;
            let DeValue::Table(fields) = table.get_ref() else { return Err(wrong(table.span())) };
            entries.push(Entry { at, fields });
        }
    }
    if entries.is_empty() { Err((0, Problem::NoRoots)) } else { Ok(entries) }
}

/// One `[[root]]` table and where it begins.
struct Entry<'t> {
    at: usize,
    fields: &'t DeTable<'t>,
}

impl<'t> Entry<'t> {
    fn read(&self, protection: &Protection) -> Result<(KeyId, Box<Key<Root>>), Found> {
        let unknown = |name: &str| !FIELDS.contains(&name);
        if let Some(name) = self.fields.keys().find(|name| unknown(name.get_ref())) {
            return Err((name.span().start, Problem::UnknownField));
        }
        let id = self.id()?;
        let mut forms = FORMS.iter().copied().filter(|form| self.fields.contains_key(*form));
        let (Some(form), None) = (forms.next(), forms.next()) else {
            return Err((self.at, Problem::Forms));
        };
        let root = match form {
            ENVELOPE => self.sealed(&id, protection)?,
            KEY_BLOCK => self.block(&id, protection)?,
            _ => self.clear(&id)?,
        };
        Ok((id, root))
    }

    fn id(&self) -> Result<KeyId, Found> {
        let zone = self.integer(ZONE, "a file identifier, 0x0000 to 0xFFFF", Some)?;
        let number = self.integer(NUMBER, "a key number, 0x00 to 0xFF", Some)?;
        let version = self.integer(VERSION, "a key version, 0x01 to 0xFE", KeyVersion::new)?;
        let (at, name) = self.string(ALGORITHM)?;
        let algorithm = [Algorithm::Aes128, Algorithm::Sm4]
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
            .ok_or((at, wrong(ALGORITHM, "\"aes\" or \"sm4\"")))?;
        Ok(KeyId { zone: Zone(zone), number: KeyNumber(number), version, algorithm })
    }

    fn sealed(&self, id: &KeyId, protection: &Protection) -> Result<Box<Key<Root>>, Found> {
        let (at, text) = self.string(ENVELOPE)?;
        let sealed =
            bytes::<ENVELOPE_LEN>(text).ok_or((at, wrong(ENVELOPE, "96 hexadecimal digits")))?;
        let needed = "a key-encryption key";
        let kek =
            protection.kek.as_ref().ok_or((at, Problem::NoKey { field: ENVELOPE, needed }))?;
        unseal(kek, id, &*sealed).ok_or((at, Problem::Envelope))
    }

    fn block(&self, id: &KeyId, protection: &Protection) -> Result<Box<Key<Root>>, Found> {
        let (at, text) = self.string(KEY_BLOCK)?;
        let (name, root) = block(text, protection).map_err(|problem| (at, problem))?;
        if name == *id { Ok(root) } else { Err((at, Problem::OtherName(name))) }
    }

    fn clear(&self, id: &KeyId) -> Result<Box<Key<Root>>, Found> {
        let (at, text) = self.string(CLEAR)?;
        let bytes = bytes::<ROOT_LEN>(text).ok_or((at, wrong(CLEAR, "32 hexadecimal digits")))?;
        let root = root(id, &bytes);
        if *root == test_keys::root(id) { Ok(root) } else { Err((at, Problem::ClearRoot(*id))) }
    }

    fn integer<N: TryFrom<u64>, T>(
        &self,
        field: &'static str,
        expected: &'static str,
        make: impl FnOnce(N) -> Option<T>,
    ) -> Result<T, Found> {
        let value = self.value(field)?;
        let number = match value.get_ref() {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        let number = number.and_then(|number| N::try_from(number).ok()).and_then(make);
        number.ok_or((value.span().start, wrong(field, expected)))
    }

    /// The text of a field and where it stands. It lies in the file's text: nothing is copied.
    fn string(&self, field: &'static str) -> Result<(usize, &'t str), Found> {
        let value = self.value(field)?;
        match value.get_ref() {
            DeValue::String(Cow::Borrowed(text)) => Ok((value.span().start, text)),
            _ => Err((value.span().start, wrong(field, "a string without escapes"))),
        }
    }

    fn value(&self, field: &'static str) -> Result<&'t Spanned<DeValue<'t>>, Found> {
        self.fields.get(field).ok_or((self.at, Problem::Missing(field)))
    }
}

/// Whether the text states its length as a key block does. Errors about anything else could repeat
/// a part of it, which might be a key in the wrong place.
fn is_block(text: &str) -> bool {
    text.get(1..5).and_then(|length| length.parse().ok()) == Some(text.len())
}

fn block(text: &str, protection: &Protection) -> Result<(KeyId, Box<Key<Root>>), Problem> {
    if !is_block(text) {
        return Err(wrong(KEY_BLOCK, "a key block of ANSI X9.143"));
    }
    let missing = || no_key(KEY_BLOCK, "a key block protection key");
    Ok(key_block::read(text, protection.kbpk.as_ref().ok_or_else(missing)?)?)
}

const fn no_key(field: &'static str, needed: &'static str) -> Problem {
    Problem::NoKey { field, needed }
}

const fn wrong(field: &'static str, expected: &'static str) -> Problem {
    Problem::Field { field, expected }
}

fn bytes<const N: usize>(digits: &str) -> Option<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    hex::decode_to_slice(digits, &mut *bytes).ok()?;
    Some(bytes)
}

fn root(id: &KeyId, bytes: &[u8; ROOT_LEN]) -> Box<Key<Root>> {
    Box::new(Key::new(id.algorithm, *bytes))
}
