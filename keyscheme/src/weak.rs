//! Weak keys: one definition for every place where keys come in.
//!
//! AES and SM4 have no weak keys, but people make some: a key whose bytes repeat (one constant byte,
//! a word typed twice) has at most half of its strength. Such keys are refused as weak DES keys are.
//! Bytes that only follow a rule, such as 00 11 22 .. FF, are taken: the published test keys are of
//! that sort, and no list of rules is complete (project-defined).

use crate::keyblock::KeyKind;

/// The key is weak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the key is weak: {}", reason(*.0))]
pub struct WeakKey(pub KeyKind);

/// Whether the key is a shorter text twice or three times over; one constant byte is.
///
/// Looks at every byte, whatever they are.
#[must_use]
pub fn repeats(key: &[u8]) -> bool {
    [2, 3].into_iter().any(|times| {
        let length = key.len() / times;
        let shifted = key.iter().skip(length);
        let differ = key.iter().zip(shifted).fold(0, |all, (one, next)| all | (one ^ next));
        key.len().is_multiple_of(times) && differ == 0
    })
}

const fn reason(kind: KeyKind) -> &'static str {
    if kind.has_parity() {
        "it holds a weak DES key, or one DES key twice"
    } else {
        "its bytes repeat"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_repeat_are_weak() {
        let counting: [u8; 32] = core::array::from_fn(|at| 0x11 * u8::try_from(at % 16).unwrap());
        for length in [16, 24, 32] {
            for constant in 0..=0xFF_u8 {
                let key = [constant; 32];
                assert!(repeats(&key[..length]));
                // One byte of another value anywhere.
                for at in 0..length {
                    let mut other = key;
                    other[at] ^= 0x10;
                    assert!(!repeats(&other[..length]), "{length} {at}");
                }
            }
        }
        assert!(!repeats(&counting[..16]) && !repeats(&counting[..24]));
        assert!(repeats(&counting));
        assert!(repeats(b"0123456701234567"));
        assert!(repeats(b"012345670123456701234567"));
    }
}
