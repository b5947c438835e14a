//! Bytes as people type them, and status words as people expect them.

use core::fmt;
use core::str::FromStr;

use xuejika_apdu::StatusWord;

/// A text that is no hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HexError {
    /// A character that is no digit and no separator.
    #[error("{0:?} is no hexadecimal digit")]
    Digit(char),
    /// A group of digits that ends within a byte.
    #[error("{0:?} has an odd number of hexadecimal digits")]
    Odd(String),
    /// Less than a command.
    #[error("{0} byte is no command, expected 2 or more; put a command with spaces in quotes")]
    Short(usize),
}

/// Reads bytes: any letter case, groups apart by spaces, colons or commas, each with or without 0x.
pub(crate) fn parse(text: &str) -> Result<Vec<u8>, HexError> {
    let mut bytes = Vec::new();
    for group in text.split(|c: char| c.is_whitespace() || c == ':' || c == ',') {
        let digits = group.strip_prefix("0x").or_else(|| group.strip_prefix("0X")).unwrap_or(group);
        if let Some(wrong) = digits.chars().find(|c| !c.is_ascii_hexdigit()) {
            return Err(HexError::Digit(wrong));
        }
        bytes.extend(hex::decode(digits).map_err(|_| HexError::Odd(digits.to_owned()))?);
    }
    Ok(bytes)
}

/// Reads a command. One byte is refused: to a virtual card it would be a control.
pub(crate) fn parse_command(text: &str) -> Result<Vec<u8>, HexError> {
    match parse(text)? {
        bytes if bytes.len() < 2 => Err(HexError::Short(bytes.len())),
        bytes => Ok(bytes),
    }
}

/// Upper-case digits without separators.
pub(crate) fn emit(bytes: &[u8]) -> String {
    hex::encode_upper(bytes)
}

/// The status words somebody expects: `9000`, `9xxx`, `9000|61xx`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    text: String,
    /// Value and mask of each alternative.
    alternatives: Vec<(u16, u16)>,
}

impl Expected {
    /// Whether `status` is one of them.
    pub(crate) fn matches(&self, status: StatusWord) -> bool {
        self.alternatives.iter().any(|(value, mask)| status.0 & mask == *value)
    }
}

impl FromStr for Expected {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let alternatives: Option<Vec<_>> =
            text.split('|').map(|part| alternative(part.trim())).collect();
        match alternatives {
            Some(alternatives) => Ok(Self { text: text.to_owned(), alternatives }),
            None => {
                Err(format!("{text:?} is no status word, expected forms: 9000, 61xx, 9000|61xx"))
            }
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

fn alternative(text: &str) -> Option<(u16, u16)> {
    let digits: Vec<char> = text.chars().collect();
    let [_, _, _, _] = digits.as_slice() else { return None };
    digits.iter().try_fold((0, 0), |(value, mask), digit| match digit {
        'x' | 'X' => Some((value << 4, mask << 4)),
        digit => {
            let digit = u16::try_from(digit.to_digit(16)?).ok()?;
            Some((value << 4 | digit, mask << 4 | 0xF))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn parse_reverses_emit(bytes: Vec<u8>) {
            prop_assert_eq!(parse(&emit(&bytes)), Ok(bytes));
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = parse_command(&text);
            let _ = text.parse::<Expected>();
        }
    }

    #[test]
    fn all_spellings_are_one_command() {
        let expected = [0x00, 0xA4, 0x04, 0x00];
        for text in [
            "00A40400",
            "00 a4 04 00",
            "00:A4:04:00",
            "0x00,0xA4,0x04,0x00",
            "0x00A4 0400\t",
            " 00A4,:0400",
        ] {
            assert_eq!(parse(text).as_deref(), Ok(&expected[..]), "{text}");
        }
        assert_eq!(parse(""), Ok(vec![]));
    }

    #[test]
    fn what_is_no_hexadecimal_is_named() {
        assert_eq!(parse("00 A"), Err(HexError::Odd("A".into())));
        assert_eq!(parse("00AG"), Err(HexError::Digit('G')));
        assert_eq!(parse("00学A"), Err(HexError::Digit('学')));
        assert_eq!(parse("学"), Err(HexError::Digit('学')));
        assert_eq!(parse_command("00"), Err(HexError::Short(1)));
    }

    #[test]
    fn masks_and_alternatives() {
        let matches = |pattern: &str, status| {
            pattern.parse::<Expected>().unwrap().matches(StatusWord(status))
        };
        assert!(matches("9000", 0x9000) && !matches("9000", 0x9001));
        assert!(matches("9xxx", 0x9FFF) && !matches("9xxx", 0x6999));
        assert!(matches("61XX | 6a82", 0x6A82) && matches("61xx|6A82", 0x61FF));
        for text in ["", "900", "90000", "9000|", "90y0", "学学学学"] {
            assert!(text.parse::<Expected>().is_err(), "{text}");
        }
    }
}
