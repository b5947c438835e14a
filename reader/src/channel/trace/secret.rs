//! Which bytes of a command are secret: PINs, and keys that come without secure messaging.
//!
//! Responses hold no secrets: no command of the card profile answers with a key or a PIN.

use core::ops::Range;

use xuejika_apdu::Class;
use xuejika_apdu::class::{Family, Security};

/// What stands in the place of a secret byte.
pub const MASK: u8 = b'*';

/// INS of VERIFY, CHANGE REFERENCE DATA and RESET RETRY COUNTER, each with and without BER-TLV
/// (ISO 7816-4:2020 §11.6).
const PIN: [u8; 6] = [0x20, 0x21, 0x24, 0x25, 0x2C, 0x2D];
/// INS of RELOAD PIN and CHANGE PIN (card profile, 20.6).
const CHANGE_PIN: u8 = 0x5E;
/// INS of PIN UNBLOCK (20.7), whose PIN is enciphered when it comes as it must.
const PIN_UNBLOCK: u8 = 0x24;
/// INS of WRITE KEY of FMCOS cards, PUT KEY (9.15) and CHANGE LIFE CYCLE (9.14), which may carry the
/// key of a sector: enciphered when they come as they must.
const KEY: [u8; 3] = [0xD4, 0xD8, 0xF0];
/// INS of WRAP COMMAND of a SAM (19.6): its data is a command.
const WRAP: u8 = 0x36;

/// Length of CLA INS P1 P2 and a short Lc.
const HEADER: usize = 5;
/// The same with an extended Lc.
const EXTENDED: usize = 7;

/// The secret bytes of a command: its data when that holds a secret.
#[must_use]
pub fn secret(command: &[u8]) -> Option<Range<usize>> {
    let &[class, instruction, _, _, ..] = command else { return None };
    let data = data(command)?;
    let fields = Class(class).fields();
    let family = fields.map_or(Family::Interindustry, |fields| fields.family);
    let security = fields.map_or(Security::None, |fields| fields.security);
    let is_secret = match (family, instruction) {
        (Family::Interindustry, ins) => PIN.contains(&ins),
        (Family::Proprietary, CHANGE_PIN) => true,
        (Family::Proprietary, PIN_UNBLOCK) => {
            !matches!(security, Security::Proprietary | Security::Header)
        }
        (Family::Proprietary, WRAP) => {
            let inner = secret(command.get(data.clone())?)?;
            return Some(data.start + inner.start..data.start + inner.end);
        }
        (Family::Proprietary, ins) => KEY.contains(&ins) && security != Security::Header,
    };
    is_secret.then_some(data)
}

/// Where the data is. In bytes that are no command it is all that follows Lc.
fn data(command: &[u8]) -> Option<Range<usize>> {
    let (start, length) = match command {
        [_, _, _, _, 0, high, low, _, ..] => (EXTENDED, u16::from_be_bytes([*high, *low]).into()),
        [_, _, _, _, length, _, ..] => (HEADER, usize::from(*length)),
        _ => return None,
    };
    let end = Some(start + length).filter(|end| *end <= command.len() && *end > start);
    Some(start..end.unwrap_or(command.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;
    use alloc::string::String;

    fn masked(command: &str) -> Option<String> {
        let bytes = hex::decode(command).unwrap();
        let range = secret(&bytes)?;
        let mut text = command.to_owned();
        text.replace_range(2 * range.start..2 * range.end, &"*".repeat(2 * range.len()));
        Some(text)
    }

    #[test]
    fn pins_and_keys_are_secret() {
        for (command, expected) in [
            ("0020000103123456", "0020000103******"),
            ("002000010312345600", "0020000103******00"),
            ("0020000100000003123456", "00200001000000********"),
            ("00200001000003123456", "00200001000003******"),
            // One byte too many or too few.
            ("0020000104123456", "0020000104******"),
            ("002000010212345600", "0020000102****5600"),
            ("1020000103123456", "1020000103******"),
            ("0420000103123456", "0420000103******"),
            ("4024000103123456", "4024000103******"),
            ("A020000103123456", "A020000103******"),
            ("805E010007123456FF654321", "805E010007**************"),
            ("805E000107123456AABBCCDD", "805E000107**************"),
            ("802400010401020304", "8024000104********"),
            ("80D800000401020304", "80D8000004********"),
            ("80D401390401020304", "80D4013904********"),
            ("84D801390401020304", "84D8013904********"),
            ("80F00A000401020304", "80F00A0004********"),
            ("80360000090020000103123456", "80360000090020000103******"),
        ] {
            assert_eq!(masked(command).as_deref(), Some(expected), "{command}");
        }
    }

    #[test]
    fn the_rest_is_not() {
        for command in [
            "00A4040007F0424A4544550100",
            "0020000100",
            "00200001",
            "00",
            "842400010C0102030405060708090A0B0C",
            "8CD800000401020304",
            "8CF000000401020304",
            "805C000204",
            "803600000500B0850008",
        ] {
            assert_eq!(masked(command), None, "{command}");
        }
    }

    #[test]
    fn masking_does_not_change_what_is_secret() {
        let mut command = hex::decode("80360000090020000103123456").unwrap();
        let range = secret(&command).unwrap();
        command[range.clone()].fill(MASK);
        assert_eq!(secret(&command), Some(range));
    }
}
