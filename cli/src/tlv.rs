//! BER-TLV data objects as a tree, with the names this card's objects have.

use serde::Serialize;
use xuejika_apdu::tlv::{Tag, TlvError, TlvReader};
use xuejika_keyscheme::{Algorithm, KeyNumber, KeyVersion};

use crate::hex;
use crate::shown::{Lines, Show};

/// A data object and those inside it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Object {
    tag: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// The value in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    meaning: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    objects: Vec<Self>,
}

/// Reads all of `bytes` as data objects.
pub(crate) fn tree(bytes: &[u8]) -> Result<Vec<Object>, TlvError> {
    objects(bytes, None)
}

fn objects(bytes: &[u8], parent: Option<Tag>) -> Result<Vec<Object>, TlvError> {
    let mut reader = TlvReader::new(bytes);
    let mut objects = Vec::new();
    while let Some(object) = reader.read()? {
        let name = name(parent, object.tag);
        objects.push(Object {
            tag: object.tag.to_string(),
            name,
            value: (!object.tag.is_constructed()).then(|| hex::emit(object.value)),
            meaning: name.and_then(|name| meaning(name, object.value)),
            objects: if object.tag.is_constructed() {
                self::objects(object.value, Some(object.tag))?
            } else {
                Vec::new()
            },
        });
    }
    Ok(objects)
}

const ALGORITHM: &str = "algorithm";
const KEYS: &str = "key versions";

/// The name of a tag below `parent`: ISO 7816-4:2020 tables 10 and 101, and the contents of A5,
/// which are project-defined.
fn name(parent: Option<Tag>, tag: Tag) -> Option<&'static str> {
    match (parent.map(Tag::number), tag.number()) {
        (None, 0x6F) => Some("file control information"),
        (Some(0x6F), 0x84) | (Some(0x61), 0x4F) => Some("DF name"),
        (Some(0x6F), 0x8A) => Some("life-cycle status"),
        (Some(0x6F), 0xA5) => Some("proprietary information"),
        (Some(0xA5), 0x80) => Some(ALGORITHM),
        (Some(0xA5), 0x81) => Some("card serial"),
        (Some(0xA5), 0x82) => Some(KEYS),
        (Some(0xA5), 0x83) => Some("profile version"),
        (None, 0x61) => Some("application"),
        _ => None,
    }
}

fn meaning(name: &'static str, value: &[u8]) -> Option<String> {
    match (name, value) {
        (ALGORITHM, [code]) => Algorithm::from_code(*code).map(|algorithm| algorithm.to_string()),
        (KEYS, rows) => {
            let (rows, []) = rows.as_chunks() else { return None };
            Some(rows.iter().map(key_row).collect::<Vec<_>>().join(", "))
        }
        _ => None,
    }
}

/// Number, active version, other version (FF for none).
fn key_row(&[number, active, other]: &[u8; 3]) -> String {
    let other = KeyVersion::new(other).map(|version| format!(" and v{version}"));
    format!("{} v{active:02X}{}", KeyNumber(number), other.unwrap_or_default())
}

/// The object and those inside it, each on a line of its own.
impl Show for Object {
    fn show(&self, to: &mut Lines) {
        let part = |front: &str, part: Option<&str>, back: &str| {
            part.map(|part| format!("{front}{part}{back}")).unwrap_or_default()
        };
        let name = part(" ", self.name, "");
        let value = part(": ", self.value.as_deref(), "");
        let meaning = part(" (", self.meaning.as_deref(), ")");
        to.line(format_args!("{}{name}{value}{meaning}", self.tag));
        to.indented(2, |to| self.objects.iter().for_each(|object| object.show(to)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = tree(&bytes);
        }
    }

    #[test]
    fn an_fci_is_shown_with_names_and_meanings() {
        let fci = hex::parse("6F13 8401AA 8A0105 A50B 800102 82060001FF 010203").unwrap();
        let objects = tree(&fci).unwrap();
        assert_eq!(
            Lines::of(&objects[0]).as_str(),
            "6F file control information\n  84 DF name: AA\n  8A life-cycle status: 05\n  \
             A5 proprietary information\n    80 algorithm: 02 (sm4)\n    \
             82 key versions: 0001FF010203 (K0 v01, K1 v02 and v03)\n"
        );
        assert!(tree(&[0x6F, 0x02, 0x00]).is_err());
    }
}
