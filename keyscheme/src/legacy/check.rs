//! Legacy: parity and weakness of DES keys, as they are checked when a key is imported.
//!
//! Legacy: two-key TDES; disallowed by NIST for new protection since 2017 (two keys) and 2024
//! (any); not cache-timing safe; no fall-back between algorithms exists.
//!
//! The lowest bit of every byte of a DES key is a parity bit and takes no part in the cipher, so
//! weakness is judged without it: 00..00 is as weak as 01..01. Sources: FIPS 46-3 (odd parity) and
//! SP 800-67 (the 4 weak, 12 semi-weak and 48 possibly weak keys).

use core::fmt;

/// Length of a DES key, in bytes.
pub const DES_KEY_LEN: usize = 8;

/// Length of a two-key TDES key, in bytes.
pub const KEY_LEN: usize = 2 * DES_KEY_LEN;

/// Legacy: parity of the bytes of a key. Diversified card keys have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    /// Every byte has an odd number of ones, as FIPS 46-3 asks for.
    Odd,
    /// Every byte has an even number of ones.
    Even,
    /// Bytes of both kinds.
    Mixed,
}

impl Parity {
    /// The parity of `key`.
    #[must_use]
    pub fn of(key: &[u8]) -> Self {
        match key.iter().filter(|byte| is_odd(**byte)).count() {
            odd if odd == key.len() => Self::Odd,
            0 => Self::Even,
            _ => Self::Mixed,
        }
    }
}

/// Sets the parity bit of every byte so that its number of ones is odd; the cipher stays the same.
pub fn set_odd_parity(key: &mut [u8]) {
    for byte in key {
        *byte ^= u8::from(!is_odd(*byte));
    }
}

/// Legacy: why one DES key is weak: its sixteen round keys repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// One round key; encryption undoes itself. 4 keys.
    Weak,
    /// Two round keys; another such key undoes the encryption. 12 keys.
    SemiWeak,
    /// Four round keys. 48 keys.
    PossiblyWeak,
}

impl Weakness {
    /// The weakness of a DES key, whatever its parity bits are.
    #[must_use]
    pub fn of(key: &[u8; DES_KEY_LEN]) -> Option<Self> {
        // Round keys repeat when both registers of the key schedule have a period of at most four
        // bits. In the key that is one two-bit code per byte, the same four codes in both halves,
        // and no bit set in their sum. The bits of a code lie at different places in the halves.
        let [a, b, c, d, e, f, g, h] = *key;
        let codes = [a, b, c, d].map(|byte| code(byte, 0xE0, 0x1E));
        if codes != [e, f, g, h].map(|byte| code(byte, 0xF0, 0x0E)) {
            return None;
        }
        let [Some(a), Some(b), Some(c), Some(d)] = codes else { return None };
        match a ^ b ^ c ^ d {
            0 if a == b && b == c => Some(Self::Weak),
            0 if a == c => Some(Self::SemiWeak),
            0 => Some(Self::PossiblyWeak),
            _ => None,
        }
    }
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Weak => "weak",
            Self::SemiWeak => "semi-weak",
            Self::PossiblyWeak => "possibly weak",
        })
    }
}

/// Legacy: one of the two DES keys inside a two-key TDES key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// Bytes 0 to 7, K1.
    Left,
    /// Bytes 8 to 15, K2.
    Right,
}

impl fmt::Display for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Left => "left",
            Self::Right => "right",
        })
    }
}

/// Legacy: what is wrong with a two-key TDES key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// One half is on the list of weak DES keys.
    #[error("{half} half of the key is a {weakness} DES key, expected none of the 64")]
    Weak {
        /// Which half.
        half: Half,
        /// How weak.
        weakness: Weakness,
    },
    /// The halves differ in parity bits at most: TDES is then single DES.
    #[error("both halves of the key are one DES key, expected two different ones")]
    SingleDes,
}

/// Legacy: what an import found out about a two-key TDES key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyReport {
    /// Parity of the sixteen bytes. No fault: card keys have none, and the cipher ignores it.
    pub parity: Parity,
    /// Weakness of the left half.
    pub left: Option<Weakness>,
    /// Weakness of the right half.
    pub right: Option<Weakness>,
    /// Whether the halves are equal up to parity.
    pub single_des: bool,
}

impl KeyReport {
    /// Looks at `key`.
    #[must_use]
    pub fn of(key: &[u8; KEY_LEN]) -> Self {
        let (left, right) = halves(key);
        Self {
            parity: Parity::of(key),
            left: Weakness::of(&left),
            right: Weakness::of(&right),
            single_des: left.iter().zip(right).all(|(left, right)| (left ^ right) & !1 == 0),
        }
    }

    /// The faults, for a refusal or a warning.
    pub fn faults(self) -> impl Iterator<Item = KeyFault> {
        let weak =
            |half, weakness: Option<_>| weakness.map(|weakness| KeyFault::Weak { half, weakness });
        weak(Half::Left, self.left)
            .into_iter()
            .chain(weak(Half::Right, self.right))
            .chain(self.single_des.then_some(KeyFault::SingleDes))
    }
}

/// K1 and K2.
pub(super) fn halves(key: &[u8; KEY_LEN]) -> ([u8; DES_KEY_LEN], [u8; DES_KEY_LEN]) {
    let [a, b, c, d, e, f, g, h, right @ ..] = *key;
    ([a, b, c, d, e, f, g, h], right)
}

const fn is_odd(byte: u8) -> bool {
    byte.count_ones() % 2 == 1
}

/// The code of one byte, if it is made of these two groups of bits and a parity bit only.
fn code(byte: u8, high: u8, low: u8) -> Option<u8> {
    match byte & !1 {
        0 => Some(0),
        byte if byte == low => Some(1),
        byte if byte == high => Some(2),
        byte if byte == high | low => Some(3),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// SP 800-67.
    const WEAK: [u64; 4] =
        [0x0101010101010101, 0xFEFEFEFEFEFEFEFE, 0xE0E0E0E0F1F1F1F1, 0x1F1F1F1F0E0E0E0E];

    /// SP 800-67, in pairs that undo each other.
    const SEMI_WEAK: [u64; 12] = [
        0x011F011F010E010E,
        0x1F011F010E010E01,
        0x01E001E001F101F1,
        0xE001E001F101F101,
        0x01FE01FE01FE01FE,
        0xFE01FE01FE01FE01,
        0x1FE01FE00EF10EF1,
        0xE01FE01FF10EF10E,
        0x1FFE1FFE0EFE0EFE,
        0xFE1FFE1FFE0EFE0E,
        0xE0FEE0FEF1FEF1FE,
        0xFEE0FEE0FEF1FEF1,
    ];

    /// Every key whose bytes are among those of weak keys; the published list of the `des` crate
    /// says which of them are weak.
    fn candidates() -> impl Iterator<Item = ([u8; 8], bool)> {
        (0_u32..1 << 16).map(|number| {
            let mut key = [0; 8];
            for (index, byte) in key.iter_mut().enumerate() {
                let column =
                    if index < 4 { [0x01, 0x1F, 0xE0, 0xFE] } else { [0x01, 0x0E, 0xF1, 0xFE] };
                *byte = column[(number >> (2 * index)) as usize % 4];
            }
            (key, des::weak_key_test(&key).is_err())
        })
    }

    #[test]
    fn published_lists_are_classified() {
        for key in WEAK {
            assert_eq!(Weakness::of(&key.to_be_bytes()), Some(Weakness::Weak), "{key:016X}");
        }
        for key in SEMI_WEAK {
            assert_eq!(Weakness::of(&key.to_be_bytes()), Some(Weakness::SemiWeak), "{key:016X}");
        }
        let mut counts = [0; 3];
        for (key, listed) in candidates() {
            let weakness = Weakness::of(&key);
            assert_eq!(weakness.is_some(), listed, "{key:02X?}");
            if let Some(weakness) = weakness {
                counts[weakness as usize] += 1;
            }
        }
        assert_eq!(counts, [4, 12, 48]);
    }

    #[test]
    fn all_weak_keys_are_flagged_under_all_parities() {
        let listed: Vec<[u8; 8]> =
            candidates().filter_map(|(key, listed)| listed.then_some(key)).collect();
        assert_eq!(listed.len(), 64);
        let strong = *b"\x01\x23\x45\x67\x89\xAB\xCD\xEF";
        for key in listed {
            let weakness = Weakness::of(&key).unwrap();
            for pattern in 0..=0xFF_u8 {
                let mut half = key;
                for (bit, byte) in half.iter_mut().enumerate() {
                    *byte ^= (pattern >> bit) & 1;
                }
                for (left, right, at) in [(half, strong, Half::Left), (strong, half, Half::Right)] {
                    let key = [left, right].concat().try_into().unwrap();
                    let faults: Vec<_> = KeyReport::of(&key).faults().collect();
                    assert_eq!(faults, [KeyFault::Weak { half: at, weakness }], "{key:02X?}");
                }
            }
        }
    }

    #[test]
    fn messages_name_the_half() {
        let text: Vec<_> =
            KeyReport::of(&[0xFF; 16]).faults().map(|fault| format!("{fault}")).collect();
        assert_eq!(
            text,
            [
                "left half of the key is a weak DES key, expected none of the 64",
                "right half of the key is a weak DES key, expected none of the 64",
                "both halves of the key are one DES key, expected two different ones",
            ]
        );
    }

    proptest! {
        #[test]
        fn equal_halves_are_flagged_under_all_parities(half: [u8; 8], parity: [bool; 8]) {
            let mut key: [u8; 16] = [half, half].concat().try_into().unwrap();
            for (byte, flip) in key.iter_mut().zip(parity) {
                *byte ^= u8::from(flip);
            }
            prop_assert!(KeyReport::of(&key).faults().any(|fault| fault == KeyFault::SingleDes));
            key[3] ^= 0x10;
            prop_assert!(!KeyReport::of(&key).single_des);
        }

        /// The oracle knows keys of odd parity only.
        #[test]
        fn agrees_with_the_oracle_on_odd_parity(key: [u8; 8]) {
            let mut odd = key;
            set_odd_parity(&mut odd);
            prop_assert_eq!(Parity::of(&odd), Parity::Odd);
            prop_assert!(odd.iter().zip(key).all(|(odd, key)| odd | 1 == key | 1));
            prop_assert_eq!(Weakness::of(&key).is_some(), des::weak_key_test(&odd).is_err());
        }
    }

    #[test]
    fn parity_of_both_kinds_is_mixed() {
        assert_eq!(Parity::of(&[0x01, 0x02]), Parity::Odd);
        assert_eq!(Parity::of(&[0x00, 0x03]), Parity::Even);
        assert_eq!(Parity::of(&[0x00, 0x01]), Parity::Mixed);
    }
}
