//! What a chip says of itself before anybody asks: UID, ATR, ATS; and hexadecimal text.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::bcd::nibbles;
use crate::ident::CardSerial;

/// Longest ATR, in bytes (ISO 7816-3:2006 §8.2).
pub const MAX_ATR: usize = 33;

/// Longest ATS, in bytes (ISO/IEC 14443-4 §5.2, length in one byte below 255).
pub const MAX_ATS: usize = 254;

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

/// Why bytes are no ATR, if they are none (ISO 7816-3:2006 §8.2).
#[must_use]
pub fn atr_fault(atr: &[u8]) -> Option<&'static str> {
    let Some(&[ts, t0, ref rest @ ..]) = atr.first_chunk::<2>().map(|_| atr) else {
        return Some("two bytes at least");
    };
    if !matches!(ts, 0x3B | 0x3F) {
        return Some("3B or 3F in front");
    }
    let (mut interface, mut at, mut checked) = (t0 >> 4, 0, false);
    while interface != 0 {
        at += (interface & 0b0111).count_ones() as usize;
        if interface & 0b1000 == 0 {
            break;
        }
        let Some(td) = rest.get(at) else { return Some("the interface bytes it announces") };
        checked |= td & 0x0F != 0;
        at += 1;
        interface = td >> 4;
    }
    if rest.len() != at + usize::from(t0 & 0x0F) + usize::from(checked) {
        return Some("the length it announces");
    }
    let check = atr.iter().skip(1).fold(0, |check, byte| check ^ byte);
    (checked && check != 0).then_some("a check byte that makes the XOR zero")
}

/// Why bytes are no ATS, if they are none (ISO/IEC 14443-4 §5.2).
#[must_use]
pub fn ats_fault(ats: &[u8]) -> Option<&'static str> {
    let interface = ats.get(1).map_or(0, |format| (format >> 4 & 0b0111).count_ones() as usize);
    match ats.first() {
        None => Some("one byte at least"),
        Some(length) if usize::from(*length) != ats.len() => Some("the length it announces"),
        Some(_) if ats.len() > 1 && ats.len() < 2 + interface => {
            Some("the interface bytes it announces")
        }
        Some(_) => None,
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
    use alloc::string::ToString;

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
    fn a_damaged_atr_is_found() {
        let good = bytes(ATR);
        let check = good.iter().skip(1).fold(0, |check, byte| check ^ byte);
        let mut atr = good.clone();
        *atr.last_mut().unwrap() ^= check;
        assert_eq!(atr_fault(&atr), None);
        // T=0 alone has no check byte.
        assert_eq!(atr_fault(&[0x3B, 0x00]), None);
        assert_eq!(atr_fault(&[0x3B, 0x65, 0, 0, 1, 2, 3, 4, 5]), None);
        for at in 0..atr.len() {
            let mut bad = atr.clone();
            bad[at] ^= 0x40;
            assert!(atr_fault(&bad).is_some(), "byte {at}");
            assert!(atr_fault(&atr[..at]).is_some(), "length {at}");
        }
    }

    #[test]
    fn a_damaged_ats_is_found() {
        let ats = bytes("1278807002");
        assert!(ats_fault(&ats).is_some());
        assert_eq!(ats_fault(&[5, 0x78, 0x80, 0x70, 0x02]), None);
        assert_eq!(ats_fault(&[1]), None);
        assert!(ats_fault(&[]).is_some());
        assert!(ats_fault(&[4, 0x78, 0x80, 0x70]).is_some());
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
