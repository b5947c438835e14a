//! The loss and freeze lists of a reader.

use std::path::Path;

use xuejika_card_model::list::{Header, ListError, ListMac, Lookup, key_path};
use xuejika_keyscheme::provider::{KeyProvider, TestRoots};

use crate::exit::{Code, Failure, Outcome};
use crate::input::{self, MAX_DATA};

/// Reads a list for a reader whose SAM holds the test keys.
pub(super) fn read(path: &Path) -> Outcome<Lookup> {
    let file = input::bytes(path, MAX_DATA);
    let file = file.map_err(Failure::usage)?;
    let header = Header::parse(&file).map_err(|error| refused(path, error.into()))?;
    let id = header.key_id();
    let key = TestRoots.list_key(&id, key_path(header.scope)).map_err(Failure::usage)?;
    Lookup::parse(&file, &ListMac::new(&key, id)).map_err(|error| refused(path, error))
}

/// A list that is not authentic is refused for safety; any other damage makes it unusable.
pub(crate) fn refused(path: &Path, error: ListError) -> Failure {
    let code = match error {
        ListError::Mac(_) => Code::Unsafe,
        _ => Code::Usage,
    };
    Failure::Because(code, anyhow::Error::from(error).context(path.display().to_string()))
}
