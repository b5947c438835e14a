//! Mapping files of vendors.

use xuejika_batch::Column;
use xuejika_batch::file::mapping::Mapping;

/// A mapping file is refused, or every column has a name, a place and a value, whatever is in the
/// cell.
#[allow(clippy::missing_panics_doc, reason = "a panic is a finding")]
pub fn mapping(bytes: &[u8]) {
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    let Ok(mapping) = Mapping::parse(text) else { return };
    let _ = mapping.places();
    for column in Column::all() {
        assert!(Column::from_name(column.name()).is_some());
        let name = mapping.name(column);
        let _ = (mapping.constant(column), mapping.value(column, name));
        let date = mapping.date(name.into());
        assert!(date.len() >= name.len());
    }
}
