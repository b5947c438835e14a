//! Names of root keys as text, for tokens, key blocks and command lines: `xjk-DF01-01-01-01` is
//! zone, number, version and algorithm identifier in hexadecimal (project-defined).

use alloc::format;
use alloc::string::String;

use xuejika_keyscheme::{Algorithm, KeyId, KeyNumber, KeyVersion, Zone};

/// What every label starts with.
pub const PREFIX: &str = "xjk-";

/// The label of a root.
#[must_use]
pub fn emit(id: &KeyId) -> String {
    let KeyId { zone, number, version, algorithm } = id;
    format!("{PREFIX}{zone}-{:02X}-{version}-{:02X}", number.0, algorithm.code())
}

/// The root with this label, exactly as [`emit`] writes it.
#[must_use]
pub fn parse(label: &str) -> Option<KeyId> {
    let mut fields = label.strip_prefix(PREFIX)?.split('-');
    let zone = u16::from_str_radix(fields.next()?, 16).ok()?;
    let mut byte = || u8::from_str_radix(fields.next()?, 16).ok();
    let id = KeyId {
        zone: Zone(zone),
        number: KeyNumber(byte()?),
        version: KeyVersion::new(byte()?)?,
        algorithm: Algorithm::from_code(byte()?)?,
    };
    (emit(&id) == label).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_reverses_emit() {
        for algorithm in [Algorithm::Aes128, Algorithm::Sm4] {
            for version in (1..=0xFE).filter_map(KeyVersion::new) {
                let number = KeyNumber(version.number().reverse_bits());
                let id = KeyId { zone: Zone::EDUCATION, number, version, algorithm };
                assert_eq!(parse(&emit(&id)), Some(id));
            }
        }
    }

    #[test]
    fn a_label_has_one_form() {
        let label = "xjk-DF01-01-01-01";
        assert_eq!(parse(label).map(|id| emit(&id)).as_deref(), Some(label));
        for other in [
            "",
            "DF01-01-01-01",
            "xjk-df01-01-01-01",
            "xjk-DF01-1-01-01",
            "xjk-DF01-01-01",
            "xjk-DF01-01-01-01-",
            "xjk-DF01-01-00-01",
            "xjk-DF01-01-FF-01",
            "xjk-DF01-01-01-03",
            "xjk-+F01-01-01-01",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
