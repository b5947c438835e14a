//! PKCS#11 URIs (RFC 7512): which token, which keys in it, and where its PIN is read from.
//!
//! Every attribute narrows the choice. An attribute that is not understood is refused rather than
//! skipped, since skipping it could name another token. A PIN never stands in a URI, because others
//! on the machine see the command line: `pin-value` is refused.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::str::FromStr;
use std::path::PathBuf;

use super::super::secret::SecretSource;

/// What every PKCS#11 URI starts with.
pub const SCHEME: &str = "pkcs11:";

/// A PKCS#11 URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenUri {
    /// Library of the token's maker (`module-path`), an absolute path.
    pub module: PathBuf,
    /// Label of the token (`token`).
    pub token: Option<String>,
    /// Serial number of the token (`serial`).
    pub serial: Option<String>,
    /// Label of the one key to use (`object`).
    pub object: Option<String>,
    /// Identifier of the one key to use (`id`).
    pub id: Option<Vec<u8>>,
    /// Where the PIN is read from (`pin-source`): `file:` and a path, a path, or `fd:N`.
    pub pin: Option<SecretSource>,
}

impl FromStr for TokenUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let rest = text.strip_prefix(SCHEME).ok_or(UriError::Scheme)?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut fields = Vec::new();
        for attribute in path.split(';').chain(query.split('&')).filter(|part| !part.is_empty()) {
            let (name, value) = attribute.split_once('=').ok_or(UriError::NoValue)?;
            let name = known(name)?;
            if fields.iter().any(|(other, _)| *other == name) {
                return Err(UriError::Twice(name));
            }
            fields.push((name, decode(value).ok_or(UriError::Escape(name))?));
        }
        let mut take = |name: &'static str| -> Option<Vec<u8>> {
            let at = fields.iter().position(|(other, _)| *other == name)?;
            Some(fields.swap_remove(at).1)
        };
        let id = take("id");
        let mut text = |name| match take(name).map(String::from_utf8) {
            Some(Ok(text)) => Ok(Some(text)),
            Some(Err(_)) => Err(UriError::Escape(name)),
            None => Ok(None),
        };
        if text("type")?.is_some_and(|kind| kind != "secret-key") {
            return Err(UriError::Type);
        }
        let module = PathBuf::from(text("module-path")?.ok_or(UriError::NoModule)?);
        if !module.is_absolute() {
            return Err(UriError::NoModule);
        }
        Ok(Self {
            module,
            token: text("token")?,
            serial: text("serial")?,
            object: text("object")?,
            id,
            pin: text("pin-source")?.as_deref().map(source),
        })
    }
}

/// Why a text is no usable PKCS#11 URI. The values are not repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// Something else.
    #[error(
        "expected a PKCS#11 URI, as pkcs11:token=LABEL?module-path=/FILE&pin-source=file:/FILE"
    )]
    Scheme,
    /// An attribute without `=`.
    #[error("PKCS#11 URI: an attribute has no value, expected NAME=VALUE")]
    NoValue,
    /// An attribute that is not understood.
    #[error("PKCS#11 URI: attribute {0} is not supported")]
    Unsupported(String),
    /// The PIN itself.
    #[error(
        "PKCS#11 URI: pin-value puts the PIN where others see it, expected pin-source=file:/FILE \
         or pin-source=fd:N"
    )]
    PinValue,
    /// An attribute that is there twice.
    #[error("PKCS#11 URI: attribute {0} is given twice")]
    Twice(&'static str),
    /// A broken percent escape, or one that gives no text.
    #[error("PKCS#11 URI: attribute {0}: expected UTF-8 text with %XX escapes")]
    Escape(&'static str),
    /// Another type of object.
    #[error("PKCS#11 URI: attribute type: expected secret-key")]
    Type,
    /// No library is named by an absolute path.
    #[error("PKCS#11 URI: attribute module-path: expected the absolute path of the module")]
    NoModule,
}

/// The attributes that are understood (RFC 7512 §2.3 and §2.4).
const KNOWN: [&str; 7] = ["token", "serial", "object", "id", "type", "module-path", "pin-source"];

fn known(name: &str) -> Result<&'static str, UriError> {
    if name == "pin-value" {
        return Err(UriError::PinValue);
    }
    let known = KNOWN.into_iter().find(|known| *known == name);
    known.ok_or_else(|| UriError::Unsupported(name.to_owned()))
}

/// Undoes percent escapes (RFC 3986 §2.1).
fn decode(value: &str) -> Option<Vec<u8>> {
    let mut bytes = value.bytes();
    let mut decoded = Vec::with_capacity(value.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? << 4 | digit()?).ok()?
            }
            plain => plain,
        });
    }
    Some(decoded)
}

/// A file URI names a file by its path; everything else is as on a command line.
fn source(text: &str) -> SecretSource {
    let path = text.strip_prefix("file:").map(|path| path.strip_prefix("//").unwrap_or(path));
    match (path, text.parse()) {
        (Some(path), _) => SecretSource::File(path.into()),
        (None, Ok(source)) => source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_attributes_are_read() {
        let text = "pkcs11:token=city%20HSM;serial=0815;object=xjk-DF01-01-01-01;id=%01%ff;\
                    type=secret-key?module-path=/usr/lib/p11.so&pin-source=file:/run/pin";
        let uri = TokenUri {
            module: "/usr/lib/p11.so".into(),
            token: Some("city HSM".into()),
            serial: Some("0815".into()),
            object: Some("xjk-DF01-01-01-01".into()),
            id: Some([0x01, 0xFF].into()),
            pin: Some(SecretSource::File("/run/pin".into())),
        };
        assert_eq!(text.parse(), Ok(uri));
    }

    #[test]
    fn the_pin_source_is_a_file_or_a_descriptor() {
        for (text, source) in [
            ("file:/run/pin", SecretSource::File("/run/pin".into())),
            ("file:///run/pin", SecretSource::File("/run/pin".into())),
            ("/run/pin", SecretSource::File("/run/pin".into())),
            ("fd:3", SecretSource::Descriptor(3)),
            ("-", SecretSource::Descriptor(0)),
        ] {
            let uri: TokenUri =
                alloc::format!("pkcs11:?module-path=/m&pin-source={text}").parse().unwrap();
            assert_eq!(uri.pin, Some(source), "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (text, error) in [
            ("/usr/lib/p11.so", UriError::Scheme),
            ("pkcs11:", UriError::NoModule),
            ("pkcs11:?module-path=p11.so", UriError::NoModule),
            ("pkcs11:token?module-path=/m", UriError::NoValue),
            ("pkcs11:token=a;token=b?module-path=/m", UriError::Twice("token")),
            ("pkcs11:token=%4?module-path=/m", UriError::Escape("token")),
            ("pkcs11:token=%FF?module-path=/m", UriError::Escape("token")),
            ("pkcs11:token=%+1?module-path=/m", UriError::Escape("token")),
            ("pkcs11:type=private?module-path=/m", UriError::Type),
            ("pkcs11:slot-id=1?module-path=/m", UriError::Unsupported("slot-id".into())),
            ("pkcs11:?module-name=m", UriError::Unsupported("module-name".into())),
        ] {
            assert_eq!(text.parse::<TokenUri>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_pin_in_the_uri_is_refused_and_not_repeated() {
        let error = "pkcs11:token=a?pin-value=4711&module-path=/m".parse::<TokenUri>().unwrap_err();
        assert_eq!(error, UriError::PinValue);
        assert!(!alloc::format!("{error} {error:?}").contains("4711"));
    }
}
