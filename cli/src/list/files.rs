//! List files and the keys that make them authentic.

use std::path::{Path, PathBuf};

use xuejika_card_model::desk::Uploads;
use xuejika_card_model::ident::UnitCode;
use xuejika_card_model::list::{
    Delta, Edition, Entries, Form, Header, List, ListError, ListMac, key_id, key_path,
};
use xuejika_emulator::files::{self, Access, Existing};
use xuejika_keyscheme::KeyId;

use crate::exit::{Failure, Outcome};
use crate::input;
use crate::key_verbs::source::{Source, SourceArgs, key_id as parse_key_id};
use crate::reader::lists::{read_file, refused};

/// A whole list or a delta.
pub(super) enum AnyList {
    /// A whole list or a part.
    Full(List),
    /// A delta.
    Delta(Delta),
}

impl AnyList {
    pub(super) const fn edition(&self) -> &Edition {
        match self {
            Self::Full(list) => list.edition(),
            Self::Delta(delta) => delta.edition(),
        }
    }

    /// Whether both can be authentic. A delta does not tell the whole contents of its version.
    pub(super) fn stands_beside(&self, other: &Self) -> Result<(), ListError> {
        match (self, other) {
            (Self::Full(list), Self::Full(other)) => list.stands_beside(other),
            (Self::Delta(delta), Self::Delta(other)) if delta.base() == other.base() => {
                delta.edition().stands_beside(other.edition(), delta == other)
            }
            _ => self.edition().stands_beside(other.edition(), true),
        }
    }

    pub(super) const fn form(&self) -> Form {
        match self {
            Self::Full(list) if list.of().is_some() => Form::Part,
            Self::Full(_) => Form::Full,
            Self::Delta(_) => Form::Delta,
        }
    }

    /// The unit out of whose list a part was taken.
    pub(super) const fn of(&self) -> Option<UnitCode> {
        match self {
            Self::Full(list) => list.of(),
            Self::Delta(_) => None,
        }
    }

    /// The version a delta starts from.
    pub(super) const fn base(&self) -> Option<u32> {
        match self {
            Self::Full(_) => None,
            Self::Delta(delta) => Some(delta.base()),
        }
    }

    pub(super) const fn entries(&self) -> &Entries {
        match self {
            Self::Full(list) => list.entries(),
            Self::Delta(delta) => delta.changes(),
        }
    }

    pub(super) fn emit(&self, key: &ListMac) -> Vec<u8> {
        match self {
            Self::Full(list) => list.emit(key),
            Self::Delta(delta) => delta.emit(key),
        }
    }
}

impl From<List> for AnyList {
    fn from(list: List) -> Self {
        Self::Full(list)
    }
}

impl From<Delta> for AnyList {
    fn from(delta: Delta) -> Self {
        Self::Delta(delta)
    }
}

/// Where the list keys come from; they authenticate uploads too.
pub(crate) struct Keys(Source);

impl From<Source> for Keys {
    fn from(source: Source) -> Self {
        Self(source)
    }
}

impl Keys {
    pub(crate) fn open(args: &SourceArgs) -> Outcome<Self> {
        Source::open(args).map(Self)
    }

    /// Reads a file of uploads.
    pub(crate) fn uploads(&self, path: &Path) -> Outcome<Uploads> {
        let file = input::bytes(path, input::MAX_UPLOADS).map_err(Failure::usage)?;
        let header = header(path, &file)?;
        let mac = self.mac(&header.key_id(), header.scope)?;
        Uploads::parse(&file, &mac).map_err(|error| refused(path, error))
    }

    /// Reads a file of either form.
    pub(super) fn any(&self, path: &Path) -> Outcome<AnyList> {
        let file = read_file(path)?;
        let header = header(path, &file)?;
        let mac = self.mac(&header.key_id(), header.scope)?;
        match header.form {
            Form::Full | Form::Part => List::parse(&file, &mac).map(AnyList::Full),
            Form::Delta => Delta::parse(&file, &mac).map(AnyList::Delta),
        }
        .map_err(|error| refused(path, error))
    }

    /// Reads a whole list.
    pub(crate) fn list(&self, path: &Path) -> Outcome<List> {
        match self.any(path)? {
            AnyList::Full(list) => Ok(list),
            AnyList::Delta(_) => Err(wrong_form(path, Form::Delta, Form::Full)),
        }
    }

    /// Reads a delta.
    pub(super) fn delta(&self, path: &Path) -> Outcome<Delta> {
        match self.any(path)? {
            AnyList::Delta(delta) => Ok(delta),
            AnyList::Full(_) => Err(wrong_form(path, Form::Full, Form::Delta)),
        }
    }

    /// Writes a new file of a unit, which `emit` makes with the unit's key.
    pub(crate) fn write(
        &self,
        path: &Path,
        id: &KeyId,
        scope: UnitCode,
        emit: impl FnOnce(&ListMac) -> Vec<u8>,
    ) -> Outcome<()> {
        let bytes = emit(&self.mac(id, scope)?);
        Ok(files::write(path, &bytes, Existing::Refuse, Access::Umask)?)
    }

    fn mac(&self, id: &KeyId, scope: UnitCode) -> Outcome<ListMac> {
        self.0.announce(id)?;
        let key = self.0.provider().list_key(id, key_path(scope))?;
        Ok(ListMac::new(&key, *id))
    }
}

/// The name of a root of list keys: `DF80-81-01-01`.
pub(super) fn list_key_id(text: &str) -> Result<KeyId, String> {
    let id = parse_key_id(text)?;
    if id == key_id(id.version, id.algorithm) {
        Ok(id)
    } else {
        Err("a list key is of zone DF80 and number 81, as DF80-81-01-01".to_owned())
    }
}

/// What cannot be made of these files.
pub(crate) fn of_files<'a>(
    paths: impl IntoIterator<Item = &'a PathBuf>,
) -> impl FnOnce(ListError) -> Failure {
    let names: Vec<_> = paths.into_iter().map(|path| path.display().to_string()).collect();
    move |error| Failure::usage(anyhow::Error::from(error).context(names.join(", ")))
}

fn header(path: &Path, file: &[u8]) -> Outcome<Header> {
    Header::parse(file).map_err(|error| refused(path, error.into()))
}

fn wrong_form(path: &Path, found: Form, expected: Form) -> Failure {
    refused(path, ListError::Form { found, expected })
}
