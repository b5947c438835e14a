//! How case files write bytes: hexadecimal with captures, lengths and check values in it.
//!
//! | form | stands for |
//! |---|---|
//! | `00A4 04` | these bytes; spaces do not count |
//! | `{name}` | the bytes of a capture or of a value the runner knows |
//! | `{name[2..6]}` | a part of them; `[2..]` to the end |
//! | `{name^01}` | the same with the last byte changed: XOR of the bytes at the end |
//! | `{AA*300}` | one byte, repeated |
//! | `( ... )` | one byte of length, then the contents |
//! | `< ... >` | the contents, then their CRC-16/X-25 as in a record of the card |
//! | `??` | any byte; in expectations only |
//!
//! Case texts are parsed once, so that a slip is found with its line and not on some card.

use std::collections::BTreeMap;
use std::ops::Range;

use xuejika_card_model::crc::crc16;

/// Values by name.
pub(super) type Values = BTreeMap<String, Vec<u8>>;

/// A text that stands for bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Bytes(Vec<u8>),
    Any,
    Value { name: String, part: Range<usize>, change: Vec<u8> },
    Length(Template),
    Sealed(Template),
}

/// Why a text stands for no bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BytesError {
    /// The text is no template.
    #[error("{text:?}: expected {expected}")]
    Syntax {
        /// The text, or what is wrong in it.
        text: String,
        /// What should stand there.
        expected: &'static str,
    },
    /// No step before has set the value.
    #[error("{{{0}}} has no value here")]
    Unknown(String),
    /// The value is shorter than the part that is asked for.
    #[error("{{{name}}} has {length} bytes, too few for what is taken of it")]
    Range {
        /// The value.
        name: String,
        /// Its length.
        length: usize,
    },
    /// More than one byte of length can say.
    #[error("{0} bytes between ( and ), at most 255 fit")]
    TooLong(usize),
}

impl Template {
    /// Parses a text in which every byte is given.
    pub(super) fn parse(text: &str) -> Result<Self, BytesError> {
        let template = Self::parse_pattern(text)?;
        if template.has_wildcard() {
            return Err(syntax(text, "bytes; ?? stands in expectations only"));
        }
        Ok(template)
    }

    /// Parses a text that may hold `??`.
    pub(super) fn parse_pattern(text: &str) -> Result<Self, BytesError> {
        let mut rest = text.trim();
        let template = parse_until(&mut rest, None, text)?;
        if rest.is_empty() { Ok(template) } else { Err(syntax(rest, "no closing bracket here")) }
    }

    /// The bytes, with these values filled in.
    pub(super) fn bytes(&self, values: &Values) -> Result<Vec<u8>, BytesError> {
        Ok(self.expand(values)?.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// The bytes, `None` where any will do.
    pub(super) fn expand(&self, values: &Values) -> Result<Vec<Option<u8>>, BytesError> {
        let mut out = Vec::new();
        for part in &self.0 {
            match part {
                Part::Bytes(bytes) => out.extend(bytes.iter().copied().map(Some)),
                Part::Any => out.push(None),
                Part::Value { name, part, change } => {
                    out.extend(value(values, name, part, change)?.into_iter().map(Some));
                }
                Part::Length(inner) => {
                    let inner = inner.expand(values)?;
                    let length =
                        u8::try_from(inner.len()).map_err(|_| BytesError::TooLong(inner.len()))?;
                    out.push(Some(length));
                    out.extend(inner);
                }
                Part::Sealed(inner) => {
                    let inner = inner.bytes(values)?;
                    let check = crc16(&inner).to_be_bytes();
                    out.extend(inner.into_iter().chain(check).map(Some));
                }
            }
        }
        Ok(out)
    }

    fn has_wildcard(&self) -> bool {
        self.0.iter().any(|part| match part {
            Part::Any => true,
            Part::Length(inner) | Part::Sealed(inner) => inner.has_wildcard(),
            Part::Bytes(_) | Part::Value { .. } => false,
        })
    }
}

fn syntax(text: &str, expected: &'static str) -> BytesError {
    BytesError::Syntax { text: text.to_owned(), expected }
}

/// Parses up to `end`, which is taken too, or to the end of the text.
fn parse_until(rest: &mut &str, end: Option<char>, whole: &str) -> Result<Template, BytesError> {
    let mut parts = Vec::new();
    loop {
        *rest = rest.trim_start();
        let Some(first) = rest.chars().next() else {
            return match end {
                None => Ok(Template(parts)),
                Some(_) => Err(syntax(whole, "every bracket to be closed")),
            };
        };
        if Some(first) == end {
            *rest = after(rest, 1);
            return Ok(Template(parts));
        }
        parts.push(match first {
            '(' => {
                *rest = after(rest, 1);
                Part::Length(parse_until(rest, Some(')'), whole)?)
            }
            '<' => {
                *rest = after(rest, 1);
                let inner = parse_until(rest, Some('>'), whole)?;
                if inner.has_wildcard() {
                    return Err(syntax(whole, "every byte between < and > to be given"));
                }
                Part::Sealed(inner)
            }
            '{' => {
                let closing = rest.find('}').ok_or_else(|| syntax(rest, "a closing }"))?;
                let inner = rest.get(1..closing).unwrap_or_default();
                *rest = after(rest, closing + 1);
                parse_value(inner)?
            }
            '?' if rest.starts_with("??") => {
                *rest = after(rest, 2);
                Part::Any
            }
            _ => {
                let digits = rest.get(..2).ok_or_else(|| syntax(rest, "two hexadecimal digits"))?;
                let bytes = hex::decode(digits).map_err(|_| syntax(rest, "hexadecimal digits"))?;
                *rest = after(rest, 2);
                Part::Bytes(bytes)
            }
        });
    }
}

fn after(text: &str, length: usize) -> &str {
    text.get(length..).unwrap_or_default()
}

/// What stands between `{` and `}`.
fn parse_value(text: &str) -> Result<Part, BytesError> {
    if let Some((byte, count)) = text.split_once('*') {
        let byte = hex::decode(byte.trim()).map_err(|_| syntax(text, "a byte before *"))?;
        let count: usize = count.trim().parse().map_err(|_| syntax(text, "a number behind *"))?;
        return match byte.as_slice() {
            [byte] if count <= usize::from(u16::MAX) => Ok(Part::Bytes(vec![*byte; count])),
            _ => Err(syntax(text, "one byte before * and at most 65535 behind it")),
        };
    }
    let (text, change) = match text.split_once('^') {
        Some((text, change)) => {
            (text, hex::decode(change.trim()).map_err(|_| syntax(change, "bytes behind ^"))?)
        }
        None => (text, Vec::new()),
    };
    let (name, part) = split_range(text)?;
    if !is_name(name) {
        return Err(syntax(text, "a name of small letters, digits and hyphens"));
    }
    Ok(Part::Value { name: name.to_owned(), part, change })
}

/// `name[2..6]`, `name[2..]` or `name`.
pub(super) fn split_range(text: &str) -> Result<(&str, Range<usize>), BytesError> {
    let text = text.trim();
    let Some((name, range)) = text.split_once('[') else { return Ok((text, 0..usize::MAX)) };
    let wrong = || syntax(text, "a range such as [0..4] or [4..]");
    let (from, to) =
        range.strip_suffix(']').and_then(|range| range.split_once("..")).ok_or_else(wrong)?;
    let from = from.trim().parse().map_err(|_| wrong())?;
    let to = match to.trim() {
        "" => usize::MAX,
        to => to.parse().map_err(|_| wrong())?,
    };
    if from < to { Ok((name.trim(), from..to)) } else { Err(wrong()) }
}

pub(super) fn is_name(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(letter)
}

/// The named part of `bytes`, `None` when there are too few.
pub(super) fn cut<'b>(bytes: &'b [u8], part: &Range<usize>) -> Option<&'b [u8]> {
    let end = if part.end == usize::MAX { bytes.len() } else { part.end };
    bytes.get(part.start..end)
}

fn value(
    values: &Values,
    name: &str,
    part: &Range<usize>,
    change: &[u8],
) -> Result<Vec<u8>, BytesError> {
    let whole = values.get(name).ok_or_else(|| BytesError::Unknown(name.to_owned()))?;
    let short = || BytesError::Range { name: name.to_owned(), length: whole.len() };
    let mut bytes = cut(whole, part).ok_or_else(short)?.to_vec();
    let from = bytes.len().checked_sub(change.len()).ok_or_else(short)?;
    bytes.iter_mut().skip(from).zip(change).for_each(|(byte, change)| *byte ^= change);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values() -> Values {
        [("a".to_owned(), vec![1, 2, 3, 4]), ("b-1".to_owned(), vec![])].into()
    }

    fn bytes(text: &str) -> Result<Vec<u8>, BytesError> {
        Template::parse(text)?.bytes(&values())
    }

    #[test]
    fn every_form() {
        assert_eq!(bytes("00 a4:04".replace(':', " ").as_str()).unwrap(), [0, 0xA4, 4]);
        assert_eq!(bytes("{a}{b-1}FF").unwrap(), [1, 2, 3, 4, 0xFF]);
        assert_eq!(bytes("{a[1..3]} {a[3..]}").unwrap(), [2, 3, 4]);
        assert_eq!(bytes("{a^01}{a[0..2]^FF00}").unwrap(), [1, 2, 3, 5, 0xFE, 2]);
        assert_eq!(bytes("{AA*3}").unwrap(), [0xAA; 3]);
        assert_eq!(bytes("6F(84(0102)8A(05))").unwrap(), [0x6F, 7, 0x84, 2, 1, 2, 0x8A, 1, 5]);
        assert_eq!(bytes("<313233343536373839>").unwrap()[9..], [0x90, 0x6E]);
        let any = Template::parse_pattern("90??(??)").unwrap().expand(&values()).unwrap();
        assert_eq!(any, [Some(0x90), None, Some(1), None]);
    }

    #[test]
    fn slips_are_named() {
        for text in
            ["0", "0G", "(00", "00)", "{a", "{A}", "{a[3..1]}", "{a[x]}", "{AAAA*2}", "<??>", "学"]
        {
            assert!(Template::parse_pattern(text).is_err(), "{text}");
        }
        assert!(Template::parse("??").is_err());
        assert_eq!(bytes("{c}"), Err(BytesError::Unknown("c".into())));
        assert!(matches!(bytes("{a[2..5]}"), Err(BytesError::Range { length: 4, .. })));
        assert!(matches!(bytes("{b-1^01}"), Err(BytesError::Range { length: 0, .. })));
        assert_eq!(bytes("({00*256})"), Err(BytesError::TooLong(256)));
    }

    proptest! {
        #[test]
        fn hexadecimal_is_itself(data: Vec<u8>) {
            prop_assert_eq!(bytes(&hex::encode_upper(&data)), Ok(data));
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = Template::parse_pattern(&text).map(|template| template.expand(&values()));
        }
    }
}
