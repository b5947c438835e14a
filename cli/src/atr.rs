//! An answer to reset, explained part by part (ISO 7816-3:2006 §8.2, ISO 7816-4:2020 §12.1.1).

use core::fmt;

use serde::Serialize;

use crate::hex;

/// A part of an answer to reset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Part {
    bytes: String,
    meaning: String,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<12} {}", self.bytes, self.meaning)
    }
}

fn part(bytes: &[u8], meaning: impl Into<String>) -> Part {
    Part { bytes: hex::emit(bytes), meaning: meaning.into() }
}

/// The parts of `atr`, in order; what is missing or left over is said.
pub(crate) fn explain(atr: &[u8]) -> Vec<Part> {
    let [ts, t0, rest @ ..] = atr else {
        return vec![part(atr, "cut short, expected TS and T0")];
    };
    let convention = match ts {
        0x3B => "TS: direct convention",
        0x3F => "TS: inverse convention",
        _ => "TS: undefined convention",
    };
    let length = usize::from(t0 & 0x0F);
    let mut parts = vec![
        part(&[*ts], convention),
        part(&[*t0], format!("T0: {length} historical bytes follow the interface bytes")),
    ];
    let (rest, protocols) = interface(*t0, rest, &mut parts);
    let Some((historical_bytes, rest)) = rest.split_at_checked(length) else {
        parts.push(part(rest, "historical bytes, cut short"));
        return parts;
    };
    historical(historical_bytes, &mut parts);
    check(atr, rest, protocols, &mut parts);
    parts
}

/// The interface bytes; returns the rest and whether another protocol than T=0 is offered.
fn interface<'a>(t0: u8, mut rest: &'a [u8], parts: &mut Vec<Part>) -> (&'a [u8], bool) {
    let (mut indicator, mut round, mut checked) = (t0, 1, false);
    loop {
        for (bit, name) in [(0x10, "TA"), (0x20, "TB"), (0x40, "TC")] {
            if indicator & bit != 0
                && let [byte, tail @ ..] = rest
            {
                parts.push(part(&[*byte], format!("{name}{round}")));
                rest = tail;
            }
        }
        let [td, tail @ ..] = rest else { return (rest, checked) };
        if indicator & 0x80 == 0 {
            return (rest, checked);
        }
        let protocol = td & 0x0F;
        parts.push(part(&[*td], format!("TD{round}: protocol T={protocol}")));
        (indicator, rest) = (*td, tail);
        (round, checked) = (round + 1, checked || protocol != 0);
    }
}

/// The historical bytes: a category indicator and COMPACT-TLV objects, or anything.
fn historical(bytes: &[u8], parts: &mut Vec<Part>) {
    let [category @ 0x80, objects @ ..] = bytes else {
        if !bytes.is_empty() {
            parts.push(part(bytes, "historical bytes, not in COMPACT-TLV"));
        }
        return;
    };
    parts.push(part(&[*category], "historical bytes in COMPACT-TLV"));
    let mut rest = objects;
    while let [head, tail @ ..] = rest {
        let (tag, length) = (head >> 4, usize::from(head & 0x0F));
        let name = match tag {
            0x3 => "card service data",
            0x4 => "initial access data",
            0x5 => "card issuer's data",
            0x6 => "pre-issuing data",
            0x7 => "card capabilities",
            0x8 => "status",
            _ => "other data",
        };
        let Some((_, tail)) = tail.split_at_checked(length) else {
            parts.push(part(rest, format!("{name}, cut short")));
            return;
        };
        let object = rest.get(..=length).unwrap_or(rest);
        let note = if tag == 0x6 { ": the last digits of the serial" } else { "" };
        parts.push(part(object, format!("{name}{note}")));
        rest = tail;
    }
}

/// The check byte, which is there when another protocol than T=0 is offered.
fn check(atr: &[u8], rest: &[u8], expected: bool, parts: &mut Vec<Part>) {
    let sum = atr.iter().skip(1).fold(0, |sum, byte| sum ^ byte);
    match (expected, rest) {
        (false, []) => {}
        (true, []) => parts.push(part(&[], "TCK is missing")),
        (true, [tck]) if sum == 0 => parts.push(part(&[*tck], "TCK: correct")),
        (true, [tck]) => {
            let right = tck ^ sum;
            parts.push(part(&[*tck], format!("TCK: wrong, expected {right:02X}")));
        }
        _ => parts.push(part(rest, "left over")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_explained_and_none_is_dropped(atr: Vec<u8>) {
            let joined: String = explain(&atr).into_iter().map(|part| part.bytes).collect();
            prop_assert_eq!(joined, hex::emit(&atr));
        }
    }

    fn explained(text: &str) -> Vec<String> {
        explain(&hex::parse(text).unwrap()).iter().map(ToString::to_string).collect()
    }

    /// A contactless storage card as a PC/SC reader shows it (PC/SC part 3 §3.1.3.2.3.2).
    #[test]
    fn every_byte_is_in_one_part() {
        let atr = "3B8F8001804F0CA000000306030001000000006A";
        let parts = explain(&hex::parse(atr).unwrap());
        let joined: String = parts.iter().map(|part| &*part.bytes).collect();
        assert_eq!(joined, atr);
        assert_eq!(parts.last().unwrap().meaning, "TCK: correct");
        assert_eq!(parts[3], part(&[0x01], "TD2: protocol T=1"));
    }

    #[test]
    fn damage_is_said() {
        assert!(explained("3B")[0].ends_with("expected TS and T0"));
        assert!(explained("3B 02 80")[2].ends_with("cut short"));
        assert!(explained("3B 81 80 01 AA AB")[5].ends_with("TCK: wrong, expected AA"));
        assert!(explained("3B 80 80 01")[4].ends_with("TCK is missing"));
        assert!(explained("3B 00 77")[2].ends_with("left over"));
        assert!(explained("3B 02 80 31")[3].ends_with("cut short"));
    }
}
