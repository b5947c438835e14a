//! Keys and PINs on their way in: from files, descriptors and prompts. And keys as text, in files of
//! secrets:
//!
//! ```text
//! # secret: for one custodian
//! aes-128 00112233445566778899AABBCCDDEEFF
//! kcv cmac-aes:xxxxxx
//! component 1 of 3
//! key cmac-aes:yyyyyy
//! ```
//!
//! The kind may be left out, and so may the check value; where it stands it is compared. The last two
//! lines belong to components: their place, and the check value of the whole key.

use core::fmt::{self, Write};
use core::str::{self, FromStr};

use anyhow::anyhow;
use clap::ValueEnum;
use xuejika_keyscheme::ceremony::Place;
use xuejika_keyscheme::kcv::{Kcv, KcvMethod};
use xuejika_keyscheme::keyblock::{KeyKind, KeyMaterial};
use xuejika_keyscheme::weak::WeakKey;
use xuejika_reader::channel::secret::{SecretError, SecretSource};
use zeroize::Zeroizing;

use crate::exit::{Code, Failure, Outcome};
use crate::hex;
use crate::shown::Shown;

/// Most digits that an argument may have and still be taken for the name of a file.
const NAME_DIGITS: usize = 16;

/// What a prompt says where nothing need be typed.
const NONE: &str = " (empty for none)";

/// Where a secret comes from: `prompt`, `fd:N`, `-` or a file.
#[derive(Clone, Debug)]
pub(crate) enum SecretArg {
    /// The terminal, without echo.
    Prompt,
    /// A file or a descriptor.
    Source(SecretSource),
    /// A key on the command line. Not kept, so that no message can show it.
    Refused,
}

impl FromStr for SecretArg {
    type Err = core::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_key = text.len() >= NAME_DIGITS && text.chars().all(|c| c.is_ascii_hexdigit());
        Ok(match text {
            "prompt" => Self::Prompt,
            _ if is_key => Self::Refused,
            _ => text.parse().map(Self::Source)?,
        })
    }
}

impl SecretArg {
    /// Reads the secret as text. `what` is said at a prompt.
    pub(crate) fn text(&self, what: &str) -> Outcome<Zeroizing<String>> {
        match self {
            Self::Prompt => prompt(what),
            Self::Source(source) => text_from(source),
            Self::Refused => Err(Failure::Because(
                Code::Unsafe,
                anyhow!("a key on the command line is seen by others; give a file, fd:N or prompt"),
            )),
        }
    }

    /// Reads a whole key, which must not be weak.
    pub(crate) fn key(&self, what: &str, kind: Option<Kind>) -> Outcome<KeyMaterial> {
        let KeyText { key, place, .. } = self.key_text(what, kind, false)?;
        let refuse = |code, error| Failure::Because(code, anyhow!("{self}: {error}"));
        if let Some(place) = place {
            let (number, count) = (place.number(), place.count());
            let error = format!("component {number} of {count} of a key, expected a whole key");
            return Err(refuse(Code::Usage, error));
        }
        key.check_strength().map_err(|weak| refuse(Code::Unsafe, weak.to_string()))?;
        Ok(key)
    }

    /// Reads a component, or a key of which nothing else is asked. At a prompt its place is asked for
    /// where that is wanted.
    pub(crate) fn key_text(
        &self,
        what: &str,
        kind: Option<Kind>,
        with_place: bool,
    ) -> Outcome<KeyText> {
        let mut text = self.text(what)?;
        if matches!(self, Self::Prompt) {
            append(&mut text, "kcv", &prompt(&format!("check value of the {what}{NONE}"))?);
            if with_place {
                append(&mut text, "component", &prompt("which component, as 1 of 3")?);
                append(&mut text, "key", &prompt("check value of the whole key")?);
            }
        }
        KeyText::parse(&text, kind).map_err(|error| {
            let code = match error {
                KeyTextError::CheckValue => Code::Findings,
                _ => Code::Usage,
            };
            Failure::Because(code, anyhow!(error).context(self.to_string()))
        })
    }
}

impl fmt::Display for SecretArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prompt => f.write_str("prompt"),
            Self::Source(source) => source.fmt(f),
            Self::Refused => f.write_str("a key"),
        }
    }
}

/// Adds a line to a key as text, in one buffer: growing would leave a copy behind.
fn append(text: &mut Zeroizing<String>, word: &str, value: &str) {
    if !value.trim().is_empty() {
        let mut whole = Zeroizing::new(String::with_capacity(text.len() + value.len() + 16));
        // Writing to a string does not fail, and this one is large enough.
        let _ = write!(whole, "{}\n{word} {value}", **text);
        *text = whole;
    }
}

/// Reads a secret without echo.
pub(crate) fn prompt(what: &str) -> Outcome<Zeroizing<String>> {
    let typed = rpassword::prompt_password(format!("{}: ", Shown(what)));
    let failed = |error| {
        Failure::usage(anyhow::Error::from(error).context("there is no terminal to ask at"))
    };
    Ok(Zeroizing::new(typed.map_err(failed)?))
}

/// Reads a secret that has to be text.
pub(crate) fn text_from(source: &SecretSource) -> Outcome<Zeroizing<String>> {
    let bytes = source.read()?;
    let text =
        str::from_utf8(&bytes).map_err(|_| Failure::usage(anyhow!("{source}: not UTF-8")))?;
    Ok(Zeroizing::new(text.to_owned()))
}

impl From<SecretError> for Failure {
    fn from(error: SecretError) -> Self {
        let code = match error {
            SecretError::Refused { .. } => Code::Unsafe,
            _ => Code::Usage,
        };
        Self::Because(code, error.into())
    }
}

impl From<WeakKey> for Failure {
    fn from(error: WeakKey) -> Self {
        Self::Because(Code::Unsafe, error.into())
    }
}

/// Kinds of keys, as they are written on command lines and in files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// AES with a 128-bit key.
    #[value(name = "aes-128")]
    Aes128,
    /// AES with a 192-bit key.
    #[value(name = "aes-192")]
    Aes192,
    /// AES with a 256-bit key.
    #[value(name = "aes-256")]
    Aes256,
    /// SM4.
    #[value(name = "sm4")]
    Sm4,
    /// TDES with two keys, legacy: for the wallet.
    #[value(name = "tdes-2")]
    Tdes2,
    /// TDES with three keys, legacy.
    #[value(name = "tdes-3")]
    Tdes3,
}

impl Kind {
    /// The kind of a key, if it has a name here.
    fn of(kind: KeyKind) -> Option<Self> {
        Self::value_variants().iter().copied().find(|known| known.key_kind() == kind)
    }

    /// The kind in the library.
    pub(crate) const fn key_kind(self) -> KeyKind {
        match self {
            Self::Aes128 => KeyKind::Aes128,
            Self::Aes192 => KeyKind::Aes192,
            Self::Aes256 => KeyKind::Aes256,
            Self::Sm4 => KeyKind::Sm4,
            Self::Tdes2 => KeyKind::Tdes2,
            Self::Tdes3 => KeyKind::Tdes3,
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// A key in clear and the check value printed beside it.
#[derive(Debug)]
pub(crate) struct KeyText {
    pub(crate) key: KeyMaterial,
    /// The check value that was printed; it is the key's.
    pub(crate) printed: Option<Kcv>,
    /// Which component of which key it is, if it says so.
    pub(crate) place: Option<Place>,
}

/// Why a text is no key. Nothing of the text is repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyTextError {
    #[error("there is no key")]
    Empty,
    #[error("expected a key in hexadecimal, after its kind if it is not aes")]
    NoKey,
    #[error("the key has {0} bytes, expected {1}")]
    Length(usize, &'static str),
    #[error("the text says {0}, the command line another kind")]
    Kind(String),
    #[error(
        "expected no other lines than kcv cmac-aes:xxxxxx and, of a component, component 1 of 3 \
         and key cmac-aes:xxxxxx, each once"
    )]
    MoreLines,
    #[error("expected both of the lines component 1 of 3 and key cmac-aes:xxxxxx, or neither")]
    Place,
    #[error("line component: {0}")]
    Component(String),
    #[error("line key: expected a check value, as cmac-aes:xxxxxx")]
    WholeKey,
    #[error("the key does not have the check value printed beside it")]
    CheckValue,
}

impl KeyText {
    /// Reads a key. A kind that is neither in the text nor given is AES by the length.
    pub(crate) fn parse(text: &str, given: Option<Kind>) -> Result<Self, KeyTextError> {
        let mut lines = text.lines().map(str::trim);
        let mut line = || lines.find(|line| !line.is_empty() && !line.starts_with('#'));
        let first = line().ok_or(KeyTextError::Empty)?;
        let (word, rest) = first.split_once(char::is_whitespace).unwrap_or((first, ""));
        let (named, digits) = match Kind::from_str(word, true) {
            Ok(kind) => (Some(kind), rest),
            Err(_) => (None, first),
        };
        if let (Some(named), Some(given)) = (named, given)
            && named != given
        {
            return Err(KeyTextError::Kind(named.name()));
        }
        let key = key(digits, named.or(given))?;
        let [mut kcv, mut component, mut whole] = [None; 3];
        while let Some(line) = line() {
            let (word, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let field = match word {
                "kcv" => &mut kcv,
                "component" => &mut component,
                "key" => &mut whole,
                _ => return Err(KeyTextError::MoreLines),
            };
            if field.replace(value.trim()).is_some() {
                return Err(KeyTextError::MoreLines);
            }
        }
        if kcv.is_some_and(|kcv| !is_kcv(&key, kcv)) {
            return Err(KeyTextError::CheckValue);
        }
        let place = match (component, whole) {
            (None, None) => None,
            (Some(component), Some(whole)) => Some(place(component, whole, key.kcv().method())?),
            _ => return Err(KeyTextError::Place),
        };
        Ok(Self { printed: kcv.map(|_| key.kcv()), key, place })
    }

    /// Writes a key, a remark above it, and below it its check value and its place.
    pub(crate) fn emit(
        key: &KeyMaterial,
        place: Option<&Place>,
        remark: &str,
    ) -> Zeroizing<String> {
        let kind = Kind::of(key.kind()).map(Kind::name).unwrap_or_default();
        let length = remark.len() + kind.len() + 2 * key.expose().len() + 128;
        let mut text = Zeroizing::new(String::with_capacity(length));
        // Writing to a string does not fail, and this one is large enough.
        let _ = write!(text, "# {remark}\n{kind} ");
        for byte in key.expose() {
            let _ = write!(text, "{byte:02X}");
        }
        let _ = writeln!(text, "\nkcv {}", key.kcv());
        if let Some(place) = place {
            let (number, count) = (place.number(), place.count());
            let _ = writeln!(text, "component {number} of {count}\nkey {}", place.key());
        }
        text
    }
}

fn key(digits: &str, kind: Option<Kind>) -> Result<KeyMaterial, KeyTextError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(digits.len()));
    let mut high = None;
    for digit in digits.chars().filter(|c| !c.is_whitespace() && *c != ':') {
        let digit = digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let digit = digit.ok_or(KeyTextError::NoKey)?;
        match high.take() {
            None => high = Some(digit << 4),
            Some(high) => bytes.push(high | digit),
        }
    }
    if high.is_some() || bytes.is_empty() {
        return Err(KeyTextError::NoKey);
    }
    let kind = match (kind, bytes.len()) {
        (Some(kind), _) => kind.key_kind(),
        (None, 16) => KeyKind::Aes128,
        (None, 24) => KeyKind::Aes192,
        (None, 32) => KeyKind::Aes256,
        (None, other) => return Err(KeyTextError::Length(other, "16, 24 or 32")),
    };
    let wrong = |_| KeyTextError::Length(bytes.len(), "as many as the kind has");
    KeyMaterial::new(kind, &bytes).map_err(wrong)
}

/// The place in `component N of M` and `key KCV`; the check value is by the method of the kind.
fn place(component: &str, whole: &str, method: KcvMethod) -> Result<Place, KeyTextError> {
    let form = || KeyTextError::Component("expected numbers, as 1 of 3".to_owned());
    let (number, count) = component.split_once(" of ").ok_or_else(form)?;
    let [number, count] = [number, count].map(|text| text.trim().parse());
    let (Ok(number), Ok(count)) = (number, count) else { return Err(form()) };
    let key = parse_kcv(whole, method).ok_or(KeyTextError::WholeKey)?;
    Place::new(number, count, key).map_err(|error| KeyTextError::Component(error.to_string()))
}

/// A check value by this method, as `METHOD:XXXXXX` or `XXXXXX`.
pub(crate) fn parse_kcv(text: &str, method: KcvMethod) -> Option<Kcv> {
    let digits = match text.split_once(':') {
        Some((name, digits)) => name.eq_ignore_ascii_case(&method.to_string()).then_some(digits)?,
        None => text,
    };
    Some(Kcv::new(method, hex::parse(digits).ok()?.try_into().ok()?))
}

/// Whether a check value, with or without its method, is the key's.
pub(crate) fn is_kcv(key: &KeyMaterial, value: &str) -> bool {
    let kcv = key.kcv();
    parse_kcv(value, kcv.method()) == Some(kcv)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &str = "00112233445566778899AABBCCDDEEFF";

    fn parse(text: &str) -> Result<KeyText, KeyTextError> {
        KeyText::parse(text, None)
    }

    #[test]
    fn parse_reverses_emit() {
        for kind in Kind::value_variants() {
            let bytes: Vec<u8> = (1..).take(kind.key_kind().len()).collect();
            let key = KeyMaterial::new(kind.key_kind(), &bytes).unwrap();
            let place = Place::new(2, 16, Kcv::new(key.kcv().method(), [1, 2, 0xFF])).unwrap();
            for place in [None, Some(place)] {
                let read = parse(&KeyText::emit(&key, place.as_ref(), "a remark")).unwrap();
                assert!(read.key == key);
                assert_eq!((read.printed, read.place), (Some(key.kcv()), place));
            }
        }
    }

    #[test]
    fn keys_are_read_as_people_write_them() {
        let key = parse(DIGITS).unwrap().key;
        for text in [
            "00112233 44556677 8899aabb ccddeeff\n",
            "\n# mine\nAES-128 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\n\n",
            &format!("{DIGITS}\nkcv {}", key.kcv()),
            &format!("{DIGITS}\r\nkcv {}\r\n", key.kcv().to_string().to_uppercase()),
        ] {
            assert!(parse(text).unwrap().key == key, "{text}");
        }
        assert_eq!(parse(&DIGITS.repeat(2)).unwrap().key.kind(), KeyKind::Aes256);
        let sm4 = KeyText::parse(DIGITS, Some(Kind::Sm4)).unwrap();
        assert_eq!(sm4.key.kind(), KeyKind::Sm4);
    }

    #[test]
    fn what_is_no_key_is_named_and_not_repeated() {
        for (text, error) in [
            ("", KeyTextError::Empty),
            ("# nothing", KeyTextError::Empty),
            ("aes-128", KeyTextError::NoKey),
            ("des 00", KeyTextError::NoKey),
            ("001", KeyTextError::NoKey),
            ("0011", KeyTextError::Length(2, "16, 24 or 32")),
            ("sm4 0011", KeyTextError::Length(2, "as many as the kind has")),
        ] {
            assert_eq!(parse(text).unwrap_err(), error, "{text}");
        }
        for (line, error) in [
            ("kcv 000000", KeyTextError::CheckValue),
            ("kcv cmac-sm4:000000", KeyTextError::CheckValue),
            ("kcv", KeyTextError::CheckValue),
            (DIGITS, KeyTextError::MoreLines),
            ("component 1 of 3", KeyTextError::Place),
            ("key cmac-aes:000000", KeyTextError::Place),
            ("component 1 of 3\ncomponent 1 of 3", KeyTextError::MoreLines),
            ("component 1 of 3\nkey cmac-sm4:000000", KeyTextError::WholeKey),
            ("component 1 of 3\nkey 0000", KeyTextError::WholeKey),
        ] {
            assert_eq!(parse(&format!("{DIGITS}\n{line}")).unwrap_err(), error, "{line}");
        }
        for component in ["1", "of 3", "1 of", "0 of 3", "4 of 3", "1 of 17", "-1 of 3"] {
            let error = parse(&format!("{DIGITS}\ncomponent {component}\nkey 000000"));
            assert!(matches!(error, Err(KeyTextError::Component(_))), "{component}");
        }
        let error = KeyText::parse(&format!("sm4 {DIGITS}"), Some(Kind::Aes128)).unwrap_err();
        assert_eq!(error, KeyTextError::Kind("sm4".into()));
    }

    #[test]
    fn a_key_is_no_argument() {
        let argument = |text: &str| text.parse::<SecretArg>().unwrap();
        assert!(matches!(argument(DIGITS), SecretArg::Refused));
        assert!(!format!("{:?}", argument(DIGITS)).contains("0011"));
        assert!(matches!(argument("prompt"), SecretArg::Prompt));
        assert!(matches!(argument("cafe"), SecretArg::Source(SecretSource::File(_))));
        assert!(matches!(argument("fd:3"), SecretArg::Source(SecretSource::Descriptor(3))));
    }
}
