//! The loss and freeze lists of a reader.

use std::path::{Path, PathBuf};

use xuejika_card_model::desk::Uploads;
use xuejika_card_model::list::{Header, List, ListError, ListMac, Lookup, key_path};
use xuejika_keyscheme::provider::{KeyProvider, TestRoots};
use xuejika_reader::Lists;

use crate::exit::{Code, Failure, Outcome};
use crate::input;

/// Reads the lists of a reader. Of two of one unit, which have to go together, the later one counts.
pub(super) fn read_all(paths: &[PathBuf]) -> Outcome<Lists> {
    let mut read: Vec<(&PathBuf, Lookup)> = Vec::new();
    for path in paths {
        let list = self::read(path)?;
        let together = read.iter().try_for_each(|(_, other)| list.stands_beside(other));
        together.map_err(|error| refused(path, error))?;
        read.push((path, list));
    }
    read.sort_by_key(|(_, list)| list.edition().version);
    let mut lists = Lists::default();
    for (path, list) in read {
        lists.take(list).map_err(|error| refused(path, error))?;
    }
    Ok(lists)
}

/// Reads a list for a reader whose SAM holds the test keys.
fn read(path: &Path) -> Outcome<Lookup> {
    parse(path, &read_file(path)?, Lookup::parse)
}

/// Reads a list with its withdrawals, as a desk needs it.
pub(super) fn read_whole(path: &Path) -> Outcome<List> {
    parse(path, &read_file(path)?, List::parse)
}

/// Reads a file of uploads.
pub(super) fn read_uploads(path: &Path) -> Outcome<Uploads> {
    let file = input::bytes(path, input::MAX_UPLOADS).map_err(Failure::usage)?;
    parse(path, &file, Uploads::parse)
}

/// Reads a file with the test key of the unit that its header names.
fn parse<T>(
    path: &Path,
    file: &[u8],
    parse: impl FnOnce(&[u8], &ListMac) -> Result<T, ListError>,
) -> Outcome<T> {
    let header = Header::parse(file).map_err(|error| refused(path, error.into()))?;
    let id = header.key_id();
    let key = TestRoots.list_key(&id, key_path(header.scope)).map_err(Failure::usage)?;
    parse(file, &ListMac::new(&key, id)).map_err(|error| refused(path, error))
}

/// Reads the bytes of a list file.
pub(crate) fn read_file(path: &Path) -> Outcome<Vec<u8>> {
    input::bytes(path, input::MAX_DATA).map_err(Failure::usage)
}

/// A list that is not authentic is refused for safety; any other damage makes it unusable.
pub(crate) fn refused(path: &Path, error: ListError) -> Failure {
    let code = match error {
        ListError::Mac(_) => Code::Unsafe,
        _ => Code::Usage,
    };
    Failure::Because(code, anyhow::Error::from(error).context(path.display().to_string()))
}
