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
        _ => "TS: undefined convention, expected 3B or 3F",
    };
    let length = usize::from(t0 & 0x0F);
    let mut parts = vec![
        part(&[*ts], convention),
        part(&[*t0], format!("T0: {length} historical bytes follow the interface bytes")),
    ];
    let Some((rest, checked)) = interface(*t0, rest, &mut parts) else { return parts };
    let Some((historical_bytes, rest)) = rest.split_at_checked(length) else {
        let meaning = format!("historical bytes, cut short: {} of {length}", rest.len());
        parts.push(part(rest, meaning));
        return parts;
    };
    historical(historical_bytes, &mut parts);
    check(atr, rest, checked, &mut parts);
    parts
}

/// The interface bytes; returns the rest and whether another protocol than T=0 is offered, or nothing
/// when they are cut short.
fn interface<'a>(t0: u8, mut rest: &'a [u8], parts: &mut Vec<Part>) -> Option<(&'a [u8], bool)> {
    let (mut round, mut checked, mut protocol) = (1, false, None);
    let mut indicator = t0 >> 4;
    loop {
        let mut next = None;
        for (bit, name) in [(1, 'A'), (2, 'B'), (4, 'C'), (8, 'D')] {
            if indicator & bit == 0 {
                continue;
            }
            let [byte, tail @ ..] = rest else {
                parts.push(part(&[], format!("cut short, expected T{name}{round}")));
                return None;
            };
            let meaning = interface_byte(name, round, protocol, *byte);
            parts.push(part(&[*byte], format!("T{name}{round}{meaning}")));
            (rest, next) = (tail, (name == 'D').then_some(*byte));
        }
        let Some(td) = next else { return Some((rest, checked)) };
        (indicator, protocol) = (td >> 4, Some(td & 0x0F));
        (round, checked) = (round + 1, checked || td & 0x0F != 0);
    }
}

/// What an interface byte says (ISO 7816-3:2006 §8.3, §10.2, §11.4). From the third round on it belongs
/// to the protocol that the TD before it names.
fn interface_byte(name: char, round: u32, protocol: Option<u8>, byte: u8) -> String {
    let (high, low) = (byte >> 4, byte & 0x0F);
    match (name, round, protocol) {
        ('D', 1, _) if low == 15 => ": T=15, which TD1 cannot name".to_owned(),
        ('D', _, _) if low == 15 => ": T=15, global interface bytes follow".to_owned(),
        ('D', _, _) => format!(": protocol T={low}"),
        ('A', 1, _) => speed(high, low),
        ('B', 1 | 2, _) => ": programming voltage, no longer used".to_owned(),
        ('C', 1, _) if byte == 0xFF => ": the least guard time of the protocol".to_owned(),
        ('C', 1, _) => format!(": {byte} etu of extra guard time"),
        ('A', 2, _) => format!(": only protocol T={low}"),
        ('C', 2, _) => format!(": T=0, waiting time integer {byte}"),
        ('A', _, Some(1)) => format!(": T=1, blocks of up to {byte} bytes to the card"),
        ('B', _, Some(1)) => format!(": T=1, waiting time integers: block {high}, character {low}"),
        ('C', _, Some(1)) => {
            format!(": T=1, check by {}", if byte & 1 == 0 { "LRC" } else { "CRC" })
        }
        ('A', _, Some(15)) => format!(": clock stop {}, classes {:02X}", byte >> 6, byte & 0x3F),
        ('B', _, Some(15)) => format!(": use of contact C6, {byte:02X}"),
        (_, _, Some(other)) => format!(": of T={other}"),
        (_, _, None) => String::new(),
    }
}

/// The speed that TA1 offers: clock cycles of an etu.
fn speed(high: u8, low: u8) -> String {
    const F: [u32; 16] =
        [372, 372, 558, 744, 1116, 1488, 1860, 0, 0, 512, 768, 1024, 1536, 2048, 0, 0];
    const D: [u32; 16] = [0, 1, 2, 4, 8, 16, 32, 64, 12, 20, 0, 0, 0, 0, 0, 0];
    let value = |table: &[u32; 16], index: u8| table.get(usize::from(index)).copied().unwrap_or(0);
    match (value(&F, high), value(&D, low)) {
        (0, _) | (_, 0) => ": a speed that is not defined".to_owned(),
        (f, d) => format!(": up to F={f}, D={d}"),
    }
}

/// Whether historical bytes are those of a card of this profile that shows its serial (section 3.4).
fn is_own(bytes: &[u8]) -> bool {
    let [0x80, 0x31, 0xA8 | 0x88, 0x73, 0x9E, 0x01, 0xC0, 0x65, serial @ ..] = bytes else {
        return false;
    };
    serial.len() == 5 && serial.iter().all(|byte| byte >> 4 <= 9 && byte & 0x0F <= 9)
}

/// The historical bytes, by their category indicator.
fn historical(bytes: &[u8], parts: &mut Vec<Part>) {
    let [category, rest @ ..] = bytes else { return };
    match *category {
        0x00 => {
            parts.push(part(&[0x00], "historical bytes in COMPACT-TLV, then three status bytes"));
            let (objects, status) =
                rest.split_last_chunk::<3>().map_or((rest, None), |(a, b)| (a, Some(b)));
            compact_tlv(objects, false, parts);
            match status {
                Some([life, sw @ ..]) => {
                    parts.push(part(&[*life], life_cycle(*life)));
                    parts.push(part(sw, "status word"));
                }
                None => parts.push(part(&[], "cut short, expected three status bytes")),
            }
        }
        0x10 => {
            parts.push(part(&[0x10], "historical bytes that refer to EF.DIR"));
            if !rest.is_empty() {
                parts.push(part(rest, "DIR data reference"));
            }
        }
        0x80 => {
            parts.push(part(&[0x80], "historical bytes in COMPACT-TLV"));
            compact_tlv(rest, is_own(bytes), parts);
        }
        0x81..=0x8F => parts.push(part(bytes, "historical bytes of a category reserved by ISO")),
        _ => parts.push(part(bytes, "historical bytes, proprietary")),
    }
}

/// Data objects of ISO 7816-4:2020 §12.1.1. `own` says that the card is one of this profile.
fn compact_tlv(mut rest: &[u8], own: bool, parts: &mut Vec<Part>) {
    while let [head, tail @ ..] = rest {
        let (tag, length) = (head >> 4, usize::from(head & 0x0F));
        let name = match tag {
            0x1 => "country code",
            0x2 => "issuer identification number",
            0x3 => "card service data",
            0x4 => "initial access data",
            0x5 => "card issuer's data",
            0x6 if own => "pre-issuing data: the last digits of the serial",
            0x6 => "pre-issuing data",
            0x7 => "card capabilities",
            0x8 => "status",
            0xF => "application identifier",
            _ => "other data",
        };
        let Some((value, tail)) = tail.split_at_checked(length) else {
            parts.push(part(rest, format!("{name}, cut short")));
            return;
        };
        let name = match (tag, value) {
            (0x8, [life]) => format!("{name}: {}", life_cycle(*life)),
            (0x8, [_, _]) => format!("{name}: status word"),
            (0x8, [life, _, _]) => format!("{name}: {}, status word", life_cycle(*life)),
            (0x8, _) => format!("{name}, expected 1 to 3 bytes"),
            _ => name.to_owned(),
        };
        parts.push(part(rest.get(..=length).unwrap_or(rest), name));
        rest = tail;
    }
}

/// A life cycle status byte (ISO 7816-4:2020 §7.4.10).
fn life_cycle(byte: u8) -> &'static str {
    match byte {
        0x00 => "life cycle: no information",
        0x01 => "life cycle: creation",
        0x03 => "life cycle: initialisation",
        0x05 | 0x07 => "life cycle: operational, activated",
        0x04 | 0x06 => "life cycle: operational, deactivated",
        0x0C..=0x0F => "life cycle: termination",
        0x10..=0xFF => "life cycle: proprietary",
        _ => "life cycle: reserved by ISO",
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

    /// An ATR of the vsmartcard issue 253: category 00, and no word of a serial.
    #[test]
    fn status_bytes_follow_the_objects_of_category_00() {
        let parts = explained("3B 8A 80 01 00 31 C1 73 C8 40 00 00 90 00 90");
        let expected = [
            ("00", "historical bytes in COMPACT-TLV, then three status bytes"),
            ("31C1", "card service data"),
            ("73C84000", "card capabilities"),
            ("00", "life cycle: no information"),
            ("9000", "status word"),
            ("90", "TCK: correct"),
        ];
        let expected = expected.map(|(bytes, meaning)| format!("{bytes:<12} {meaning}"));
        assert_eq!(parts[4..], expected);
        assert!(explained("3B 02 00 31").last().unwrap().contains("cut short"));
        assert!(explained("3B 03 00 90 00").iter().any(|part| part.contains("three status bytes")));
    }

    #[test]
    fn only_a_card_of_the_profile_has_a_serial() {
        let serial = |text: &str| explained(text).iter().any(|part| part.contains("the serial"));
        assert!(serial("3B 8D 80 01 80 31 A8 73 9E 01 C0 65 01 00 00 00 17 4A"));
        assert!(serial("3B 8D 80 01 80 31 88 73 9E 01 C0 65 01 05 00 00 01 79"));
        for foreign in [
            "3B 07 80 65 11 22 33 44 55",
            "3B 8D 80 01 80 31 A8 73 9E 01 C0 65 0A 00 00 00 17 41",
            "3B 8D 80 01 80 31 A9 73 9E 01 C0 65 01 00 00 00 17 4B",
        ] {
            assert!(!serial(foreign), "{foreign}");
        }
    }

    #[test]
    fn categories_and_interface_bytes() {
        for (atr, at, meaning) in [
            ("3B 02 10 05", 3, "DIR data reference"),
            ("3B 02 01 05", 2, "proprietary"),
            ("3B 02 81 05", 2, "reserved by ISO"),
            ("3B 05 80 83 05 90 00", 3, "status: life cycle: operational, activated, status word"),
            ("3B 03 80 81 0F", 3, "status: life cycle: termination"),
            ("3F 10 96", 0, "inverse convention"),
            ("3B 10 96", 2, "TA1: up to F=512, D=32"),
            ("3B 10 79", 2, "not defined"),
            ("3B 40 FF", 2, "the least guard time"),
            ("3B 80 10 01", 3, "TA2: only protocol T=1"),
            ("3B 80 81 31 FE 45 0B", 4, "TA3: T=1, blocks of up to 254 bytes"),
            ("3B 80 81 31 FE 45 0B", 5, "TB3: T=1, waiting time integers: block 4, character 5"),
            ("3B 80 80 1F C7 D8", 3, "TD2: T=15, global"),
            ("3B 80 80 1F C7 D8", 4, "TA3: clock stop 3, classes 07"),
            ("3B 80 80 1F C7 D8", 5, "TCK: correct"),
            ("3B 80 0F 8F", 2, "T=15, which TD1 cannot name"),
            ("3B 10", 2, "cut short, expected TA1"),
            ("3B 80", 2, "cut short, expected TD1"),
            ("3B 90 96", 3, "cut short, expected TD1"),
            ("3B F0 96 00 00 80", 6, "cut short, expected TD2"),
        ] {
            let parts = explained(atr);
            assert!(parts[at].contains(meaning), "{atr}: {parts:#?}");
        }
    }

    #[test]
    fn damage_is_said() {
        assert!(explained("3B")[0].ends_with("expected TS and T0"));
        assert!(explained("3B 02 80")[2].ends_with("cut short: 1 of 2"));
        assert!(explained("3B 81 80 01 AA AB")[5].ends_with("TCK: wrong, expected AA"));
        assert!(explained("3B 80 80 01")[4].ends_with("TCK is missing"));
        assert!(explained("3B 00 77")[2].ends_with("left over"));
        assert!(explained("3B 02 80 31")[3].ends_with("cut short"));
    }
}
