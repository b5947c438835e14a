//! The header of a unit's file, and the key that authenticates it.

use core::fmt;

use xuejika_keyscheme::cmac::{Cmac, Message};
use xuejika_keyscheme::key::{Key, List};
use xuejika_keyscheme::provider::Path;
use xuejika_keyscheme::{Algorithm, CardCipher, KeyId, KeyNumber, KeyVersion, Zone};

use super::entry::{Moment, field, moment, put, put_moment};
use crate::code::codes;
use crate::ident::{District, Scope, UnitCode};

codes! {
    /// Whether a file is a whole list, a change to one, or what a unit's readers need of a wider list;
    /// one binary byte (project-defined).
    pub enum Form {
        Full = 1, "1", "full", "全量";
        Delta = 2, "2", "delta", "增量";
        Part = 3, "3", "part", "下发";
    }
}

/// What the statements of a file are about; the first four bytes say it (project-defined).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Losses, freezes and replacements (挂失、冻结名单), `docs/lists.md`.
    List,
    /// Personalisations (个人化信息), `docs/uploads.md`.
    Uploads,
}

impl Content {
    const ALL: [Self; 2] = [Self::List, Self::Uploads];

    const fn magic(self) -> [u8; 4] {
        match self {
            Self::List => *b"XJKL",
            Self::Uploads => *b"XJKU",
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::List => "loss and freeze list",
            Self::Uploads => "file of personalisation uploads",
        })
    }
}

/// What stands in front of the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the entries are about.
    pub content: Content,
    /// Whole list, change or part.
    pub form: Form,
    /// Unit whose list it is, or whose readers a part is for; its key authenticates the file.
    pub scope: UnitCode,
    /// Unit out of whose list a part was taken; it covers `scope`. `None` in a list and a delta.
    pub of: Option<UnitCode>,
    /// Version of the list, from 1.
    pub version: u32,
    /// Version a delta starts from; `None` in a whole list.
    pub base: Option<u32>,
    /// When this version was issued.
    pub issued: Moment,
    /// Number of entries in the file.
    pub count: u32,
    /// CRC-32 of all entries of the whole list at this version, also in a delta.
    pub digest: u32,
    /// Version of the list key.
    pub key_version: KeyVersion,
    /// Algorithm of the list key.
    pub algorithm: Algorithm,
}

/// What is wrong with a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The file is shorter than a header.
    #[error("{0} bytes are no header")]
    Short(usize),
    /// The file does not begin as a list does.
    #[error("this is no list file")]
    Magic,
    /// The file is about something else.
    #[error("this is a {found}, expected a {expected}")]
    Content {
        /// What it is about.
        found: Content,
        /// What is needed.
        expected: Content,
    },
    /// Another version of the format.
    #[error("format version {0:02X}, expected 01")]
    Format(u8),
    /// A field is no value of its kind.
    #[error("{0} is malformed")]
    Field(&'static str),
}

impl Header {
    /// Length in bytes.
    pub const LEN: usize = 48;

    /// Version of the format.
    pub const FORMAT: u8 = 0x01;

    /// Reads the header at the start of a file.
    ///
    /// # Errors
    /// The first field that breaks a rule.
    pub fn parse(file: &[u8]) -> Result<Self, HeaderError> {
        use HeaderError::Field;
        let bytes = file.first_chunk::<{ Self::LEN }>().ok_or(HeaderError::Short(file.len()))?;
        let magic = field(bytes, MAGIC);
        let content = Content::ALL.into_iter().find(|content| content.magic() == magic);
        let content = content.ok_or(HeaderError::Magic)?;
        let [format, form, key_version, algorithm] = field(bytes, KINDS);
        if format != Self::FORMAT {
            return Err(HeaderError::Format(format));
        }
        let reserved = [
            field::<1>(bytes, RFU_1).as_slice(),
            &field::<1>(bytes, RFU_2),
            &field::<9>(bytes, RFU_3),
        ]
        .concat();
        if reserved.iter().any(|byte| *byte != 0) {
            return Err(Field("reserved bytes"));
        }
        let number = |at| u32::from_be_bytes(field(bytes, at));
        let form = Form::from_code(form).ok_or(Field("form"))?;
        let (version, base) = (number(VERSION), number(BASE));
        let base = match (form, base) {
            // Uploads go up alone, and whole.
            (Form::Delta | Form::Part, _) if content == Content::Uploads => {
                return Err(Field("form"));
            }
            (Form::Full | Form::Part, 0) => None,
            (Form::Delta, 1..) if base < version => Some(base),
            _ => return Err(Field("base version")),
        };
        if version == 0 {
            return Err(Field("version"));
        }
        let unit = |at, name| UnitCode::from_bytes(field(bytes, at)).map_err(|_| Field(name));
        let scope = unit(SCOPE, "scope")?;
        let of = unit(OF, "unit of the whole list")?;
        let of = match form {
            Form::Part if of.covers(scope) => Some(of),
            Form::Full | Form::Delta if of == UnitCode::CITY => None,
            _ => return Err(Field("unit of the whole list")),
        };
        Ok(Self {
            content,
            form,
            scope,
            of,
            version,
            base,
            issued: moment(bytes, ISSUED).ok_or(Field("time of issue"))?,
            count: number(COUNT),
            digest: number(DIGEST),
            key_version: KeyVersion::new(key_version).ok_or(Field("key version"))?,
            algorithm: Algorithm::from_code(algorithm).ok_or(Field("algorithm"))?,
        })
    }

    /// Writes the header.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        put(&mut bytes, MAGIC, &self.content.magic());
        let kinds =
            [Self::FORMAT, self.form.code(), self.key_version.number(), self.algorithm.code()];
        put(&mut bytes, KINDS, &kinds);
        put(&mut bytes, SCOPE, &self.scope.bytes());
        put(&mut bytes, VERSION, &self.version.to_be_bytes());
        put(&mut bytes, BASE, &self.base.unwrap_or(0).to_be_bytes());
        put_moment(&mut bytes, ISSUED, &self.issued);
        put(&mut bytes, COUNT, &self.count.to_be_bytes());
        put(&mut bytes, DIGEST, &self.digest.to_be_bytes());
        put(&mut bytes, OF, &self.of.unwrap_or(UnitCode::CITY).bytes());
        bytes
    }

    /// Returns the name of the root of the list key; [`key_path`] of the scope leads from there.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        key_id(self.key_version, self.algorithm)
    }
}

/// Returns the name of a root of list keys.
#[must_use]
pub const fn key_id(version: KeyVersion, algorithm: Algorithm) -> KeyId {
    KeyId { zone: Zone::MANAGEMENT, number: KeyNumber::LIST, version, algorithm }
}

/// Returns the way from the root to the list key of a unit: a district can compute the keys of its
/// schools, the city those of all.
#[must_use]
pub const fn key_path(unit: UnitCode) -> Path {
    const fn name(district: District) -> [u8; 2] {
        [0x01, district.code()]
    }
    match unit.scope() {
        Scope::City => Path::City,
        Scope::District(district) => Path::District(name(district)),
        Scope::School { district, .. } => {
            Path::School { district: name(district), unit: unit.bytes() }
        }
    }
}

/// A list key, ready to authenticate.
pub struct ListMac {
    mac: Cmac<CardCipher>,
    id: KeyId,
}

impl ListMac {
    /// Prepares the key of one unit's lists, derived from the root `id`.
    #[must_use]
    pub fn new(key: &Key<List>, id: KeyId) -> Self {
        Self { mac: key.mac(), id }
    }

    pub(super) const fn version(&self) -> KeyVersion {
        self.id.version
    }

    pub(super) const fn algorithm(&self) -> Algorithm {
        self.id.algorithm
    }

    pub(super) fn start(&self) -> Message<'_, CardCipher> {
        self.mac.start()
    }
}

impl fmt::Debug for ListMac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ListMac({})", self.id)
    }
}

// Offsets of the 48 bytes (project-defined).
const MAGIC: usize = 0;
/// Format version, form, key version, algorithm.
const KINDS: usize = 4;
const SCOPE: usize = 8;
const RFU_1: usize = 11;
const VERSION: usize = 12;
const BASE: usize = 16;
const ISSUED: usize = 20;
const RFU_2: usize = 27;
const COUNT: usize = 28;
const DIGEST: usize = 32;
const OF: usize = 36;
const RFU_3: usize = 39;
