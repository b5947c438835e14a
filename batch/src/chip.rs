//! What the ATR and ATS of a batch look like; and hexadecimal text.

use core::fmt;
use core::str::FromStr;

use xuejika_card_model::bcd::nibbles;
use xuejika_card_model::ident::CardSerial;

/// Reads hexadecimal digits of either case into exactly `N` bytes.
#[must_use]
pub fn hex_bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    (decode_hex(text, &mut bytes)?.len() == N).then_some(bytes)
}

/// Reads pairs of hexadecimal digits into the front of `buffer`; nothing if they are none or too
/// many.
pub fn decode_hex<'b>(text: &str, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let bytes = buffer.get_mut(..pairs.len())?;
    if !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = (digit(*high)? << 4) | digit(*low)?;
    }
    Some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

/// What the ATR or ATS of a batch looks like, digit by digit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern(Vec<Mark>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mark {
    /// This digit.
    Is(u8),
    /// The next one of the last digits of the card serial.
    Serial,
    /// Any digit.
    Any,
}

impl Pattern {
    /// What a pattern is, for messages.
    pub const EXPECTED: &'static str = "pairs of hexadecimal digits, s (serial) or x (any)";

    /// Whether the bytes follow the pattern for the card with this serial; without a serial, its
    /// digits may be any.
    #[must_use]
    pub fn matches(&self, bytes: &[u8], serial: Option<CardSerial>) -> bool {
        let serials = self.0.iter().filter(|mark| **mark == Mark::Serial).count();
        let digits = serial.map(|serial| serial.bytes());
        let mut tail = digits
            .iter()
            .flat_map(|bytes| nibbles(bytes))
            .skip(2 * size_of::<CardSerial>() - serials.min(16));
        self.0.len() == 2 * bytes.len()
            && self.0.iter().zip(nibbles(bytes)).all(|(mark, found)| match mark {
                Mark::Is(digit) => *digit == found,
                Mark::Serial => tail.next().is_none_or(|digit| digit == found),
                Mark::Any => true,
            })
    }
}

impl FromStr for Pattern {
    type Err = NoPattern;

    fn from_str(text: &str) -> Result<Self, NoPattern> {
        let mark = |byte: u8| match byte {
            b's' => Some(Mark::Serial),
            b'x' => Some(Mark::Any),
            _ => digit(byte).map(Mark::Is),
        };
        let marks: Option<Vec<_>> = text.bytes().map(mark).collect();
        marks.filter(|marks| marks.len() % 2 == 0).map(Self).ok_or(NoPattern)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = self
            .0
            .iter()
            .map(|mark| match mark {
                Mark::Is(digit) => {
                    char::from_digit(u32::from(*digit), 16).unwrap_or_default().to_ascii_uppercase()
                }
                Mark::Serial => 's',
                Mark::Any => 'x',
            })
            .collect();
        f.write_str(&text)
    }
}

/// A text that is no [`Pattern`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {}", Pattern::EXPECTED)]
pub struct NoPattern;

#[cfg(test)]
mod tests {
    use super::*;

    const ATR: &str = "3B8D80018031A8739E01C065010000001735";

    fn bytes(text: &str) -> Vec<u8> {
        let mut buffer = [0; 64];
        decode_hex(text, &mut buffer).unwrap().to_vec()
    }

    #[test]
    fn hexadecimal_is_strict() {
        assert_eq!(hex_bytes("0aFf"), Some([0x0A, 0xFF]));
        for text in ["", "0", "0aF", "0aFf0", "0aFfff", "0aG0", "0a f", "é0"] {
            assert_eq!(hex_bytes::<2>(text), None, "{text}");
        }
    }

    #[test]
    fn a_pattern_has_the_serial_in_it() {
        let pattern: Pattern = "3B8D80018031A8739E01C065ssssssssssxx".parse().unwrap();
        let serial = |text: &str| Some(text.parse().unwrap());
        let atr = bytes(ATR);
        assert!(pattern.matches(&atr, serial("1100070100000017")));
        assert!(pattern.matches(&atr, None));
        assert!(!pattern.matches(&atr, serial("1100070100000025")));
        assert!(!pattern.matches(&atr[1..], None));
        assert_eq!(pattern.to_string().parse(), Ok(pattern));
        assert!("3".parse::<Pattern>().is_err() && "3y".parse::<Pattern>().is_err());
    }
}
