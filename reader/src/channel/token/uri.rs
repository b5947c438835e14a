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
    /// Library of the token's maker: an absolute path (`module-path`), or found in the usual folders
    /// by its name without `lib` and `.so` (`module-name`).
    pub module: PathBuf,
    /// Maker of the library (`library-manufacturer`).
    pub library_manufacturer: Option<String>,
    /// What the library says it is (`library-description`).
    pub library_description: Option<String>,
    /// Version of the library, as 2.6 (`library-version`).
    pub library_version: Option<String>,
    /// Number of the slot (`slot-id`).
    pub slot_id: Option<u64>,
    /// What the slot says it is (`slot-description`).
    pub slot_description: Option<String>,
    /// Maker of the slot (`slot-manufacturer`).
    pub slot_manufacturer: Option<String>,
    /// Label of the token (`token`).
    pub token: Option<String>,
    /// Maker of the token (`manufacturer`).
    pub manufacturer: Option<String>,
    /// Serial number of the token (`serial`).
    pub serial: Option<String>,
    /// Model of the token (`model`).
    pub model: Option<String>,
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
        let slot_id = text("slot-id")?.map(|id| id.parse().map_err(|_| UriError::SlotId));
        Ok(Self {
            module: module(text("module-path")?, text("module-name")?)?,
            library_manufacturer: text("library-manufacturer")?,
            library_description: text("library-description")?,
            library_version: text("library-version")?,
            slot_id: slot_id.transpose()?,
            slot_description: text("slot-description")?,
            slot_manufacturer: text("slot-manufacturer")?,
            token: text("token")?,
            manufacturer: text("manufacturer")?,
            serial: text("serial")?,
            model: text("model")?,
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
    /// A slot without number.
    #[error("PKCS#11 URI: attribute slot-id: expected a decimal number")]
    SlotId,
    /// No library is named.
    #[error(
        "PKCS#11 URI: expected module-path, the absolute path of the module, or module-name, its \
         name without lib and .so"
    )]
    NoModule,
    /// There is no library of this name.
    #[error("PKCS#11 URI: there is no module {0:?} in the usual folders; name it by module-path")]
    ModuleName(String),
    /// The path leads to a library of another name.
    #[error("PKCS#11 URI: module-path and module-name name different modules")]
    TwoModules,
}

/// The attributes that are understood: those of RFC 7512 §2.3 and §2.4 without `pin-value`.
const KNOWN: [&str; 16] = [
    "token",
    "manufacturer",
    "serial",
    "model",
    "library-manufacturer",
    "library-description",
    "library-version",
    "slot-id",
    "slot-description",
    "slot-manufacturer",
    "object",
    "id",
    "type",
    "module-path",
    "module-name",
    "pin-source",
];

/// Folders where modules are installed, and `*` for one of each architecture.
const FOLDERS: [&str; 10] = [
    "/usr/lib/pkcs11",
    "/usr/lib64/pkcs11",
    "/usr/lib/*/pkcs11",
    "/usr/local/lib/pkcs11",
    "/usr/lib/softhsm",
    "/usr/lib64/softhsm",
    "/usr/lib/*/softhsm",
    "/usr/lib64",
    "/usr/lib/*",
    "/usr/local/lib",
];

/// The module by its path, by its name, or by both if they agree.
fn module(path: Option<String>, name: Option<String>) -> Result<PathBuf, UriError> {
    match (path.map(PathBuf::from), name) {
        (Some(path), _) if !path.is_absolute() => Err(UriError::NoModule),
        (Some(path), None) => Ok(path),
        (Some(path), Some(name)) => {
            let file = path.file_name().and_then(|file| file.to_str()).unwrap_or_default();
            let stem = file.split_once(".so").map_or(file, |(stem, _)| stem);
            let same = stem == name || stem.strip_prefix("lib") == Some(&name);
            if same { Ok(path) } else { Err(UriError::TwoModules) }
        }
        (None, Some(name)) => installed(&name).ok_or(UriError::ModuleName(name)),
        (None, None) => Err(UriError::NoModule),
    }
}

/// The first library of this name in [`FOLDERS`].
fn installed(name: &str) -> Option<PathBuf> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '.');
    if !name.chars().all(plain) {
        return None;
    }
    let triplet = alloc::format!("{}-linux-gnu", std::env::consts::ARCH);
    let folders = FOLDERS.map(|folder| PathBuf::from(folder.replace('*', &triplet)));
    let files = folders.iter().flat_map(|folder| {
        ["lib", ""].map(|prefix| folder.join(alloc::format!("{prefix}{name}.so")))
    });
    files.into_iter().find(|file| file.is_file())
}

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
                    type=secret-key;manufacturer=Maker;model=M%202;slot-id=7;\
                    slot-description=first;slot-manufacturer=Other;library-version=2.6;\
                    library-manufacturer=Third;library-description=a%20library\
                    ?module-path=/usr/lib/libp11.so&pin-source=file:/run/pin&module-name=p11";
        let uri = TokenUri {
            module: "/usr/lib/libp11.so".into(),
            library_manufacturer: Some("Third".into()),
            library_description: Some("a library".into()),
            library_version: Some("2.6".into()),
            slot_id: Some(7),
            slot_description: Some("first".into()),
            slot_manufacturer: Some("Other".into()),
            token: Some("city HSM".into()),
            manufacturer: Some("Maker".into()),
            model: Some("M 2".into()),
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
            ("pkcs11:slot-id=x?module-path=/m", UriError::SlotId),
            ("pkcs11:pin=1?module-path=/m", UriError::Unsupported("pin".into())),
            ("pkcs11:?module-name=none-at-all", UriError::ModuleName("none-at-all".into())),
            ("pkcs11:?module-name=../m", UriError::ModuleName("../m".into())),
            ("pkcs11:?module-path=/usr/lib/p11.so&module-name=m", UriError::TwoModules),
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
