//! Looks for keys in bytes, however they are written: raw, hexadecimal in either case and with any
//! separators, base64 at any offset, lists of numbers; forwards and backwards. Eight bytes in a row
//! are enough.

use std::collections::{BTreeSet, HashMap};

const WINDOW: usize = 8;

/// Keys to look for.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    names: HashMap<[u8; WINDOW], String>,
    count: usize,
}

impl Secrets {
    /// Adds a key: its halves, in both directions.
    pub(crate) fn add(&mut self, name: &str, key: &[u8; 16]) {
        let backwards: Vec<u8> = key.iter().rev().copied().collect();
        for bytes in [&key[..], &backwards] {
            for half in bytes.chunks_exact(WINDOW) {
                self.names.insert(half.try_into().unwrap(), name.to_owned());
            }
        }
        self.count += 1;
    }

    /// Number of keys.
    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    /// Names of the keys in `said`.
    pub(crate) fn find(&self, said: &[u8]) -> BTreeSet<&str> {
        readings(said)
            .iter()
            .flat_map(|bytes| bytes.windows(WINDOW))
            .filter_map(|window| self.names.get(window))
            .map(String::as_str)
            .collect()
    }
}

/// Every sequence of bytes that `said` can be read as.
fn readings(said: &[u8]) -> Vec<Vec<u8>> {
    let mut readings = vec![said.to_vec()];
    hexadecimal(said, &mut readings);
    base64(said, &mut readings);
    for radix in [10, 16] {
        lists(said, radix, &mut readings);
    }
    readings
}

/// Runs of hexadecimal digits, separators left out, from the first and from the second digit.
fn hexadecimal(said: &[u8], readings: &mut Vec<Vec<u8>>) {
    let text = String::from_utf8_lossy(said).replace("0x", "").replace("\\x", "");
    let digits: Vec<u8> = text.bytes().filter(|byte| !b" :,-_\n\r\t\"'".contains(byte)).collect();
    for run in digits.split(|byte| !byte.is_ascii_hexdigit()) {
        for start in [0, 1] {
            let pairs = run.get(start..).unwrap_or(&[]).chunks_exact(2);
            readings.push(pairs.map(|pair| hex::decode(pair).unwrap()[0]).collect());
        }
    }
}

/// Runs of base64 digits of either alphabet, from each of the first four.
fn base64(said: &[u8], readings: &mut Vec<Vec<u8>>) {
    for run in said.split(|byte| digit(*byte).is_none()) {
        for start in 0..4 {
            let groups = run.get(start..).unwrap_or(&[]).chunks(4);
            readings.push(groups.flat_map(decode).collect());
        }
    }
}

fn digit(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(value.into())
}

/// The whole bytes in up to four digits.
fn decode(group: &[u8]) -> Vec<u8> {
    let digits = group.iter().map(|byte| digit(*byte).unwrap()).chain([0; 3]);
    let bits = digits.take(4).fold(0, |bits, digit| bits << 6 | digit);
    bits.to_be_bytes()[1..][..group.len() * 3 / 4].to_vec()
}

/// Runs of numbers below 256 with separators between them, as `Debug` prints bytes.
fn lists(said: &[u8], radix: u32, readings: &mut Vec<Vec<u8>>) {
    let text = String::from_utf8_lossy(said).replace("0x", "");
    let mut run = Vec::new();
    for word in text.split(|c: char| c.is_whitespace() || ",;[]()".contains(c)) {
        match u8::from_str_radix(word, radix) {
            Ok(byte) => run.push(byte),
            Err(_) if word.is_empty() => {}
            Err(_) => readings.push(std::mem::take(&mut run)),
        }
    }
    readings.push(run);
}

/// The ways in which a key is looked for, for the positive control.
pub(crate) fn ways_to_write(key: &[u8; 16]) -> Vec<Vec<u8>> {
    let backwards: Vec<u8> = key.iter().rev().copied().collect();
    let text = |bytes: &[u8]| {
        let with = |separator: &str| {
            bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(separator)
        };
        let base64 = (0..3).map(|before| encode(&[&[0x5A; 2][..before], bytes].concat()));
        let written = [
            with(""),
            with(" "),
            with(":"),
            with(", 0x"),
            with("\n"),
            with("").to_lowercase(),
            format!("0{}", with("")),
            format!("{bytes:?}"),
            format!("{bytes:#?}"),
            format!("{bytes:02x?}"),
            format!("{bytes:x?}"),
            format!("{bytes:#04X?}"),
            with("\\x"),
        ];
        written.into_iter().chain(base64).map(String::into_bytes).collect::<Vec<_>>()
    };
    [
        vec![key.to_vec(), backwards.clone(), key[4..].iter().copied().chain([0; 4]).collect()],
        text(key),
        text(&backwards),
    ]
    .concat()
}

/// Base64 with padding.
fn encode(bytes: &[u8]) -> String {
    let alphabet: Vec<u8> =
        (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').chain(*b"+/").collect();
    let group = |group: &[u8]| -> String {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - group.len()));
        let digits = (0..=group.len()).map(|at| alphabet[(bits >> (18 - 6 * at)) as usize & 63]);
        let digits: String = digits.map(char::from).collect();
        format!("{digits:=<4}")
    };
    bytes.chunks(3).map(group).collect()
}
