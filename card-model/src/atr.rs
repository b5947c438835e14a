//! Answer to reset and answer to select of a card: made from what it is, and checked in form.
//!
//! The ATR is the one a PC/SC reader makes for a contactless card (PC/SC part 3 §3.1.3.2.3.1). The
//! historical bytes (ISO 7816-4:2020 §12.1.1) end in the last ten digits of the serial, so that no
//! two cards look alike to middleware that caches by ATR; a card with a plain ATR leaves them out, so
//! that all look alike.

use alloc::vec;
use alloc::vec::Vec;

use crate::card::Header;
use crate::file::tree::CardKind;

/// Longest ATR, in bytes (ISO 7816-3:2006 §8.2).
pub const MAX_ATR: usize = 33;

/// Longest ATS, in bytes (ISO/IEC 14443-4 §5.2, length in one byte below 255).
pub const MAX_ATS: usize = 254;

/// Category indicator: status is not at the end, COMPACT-TLV follows.
const CATEGORY: u8 = 0x80;

/// Card service data, tag.
const SERVICES: u8 = 0x31;

/// Card service data: selection by full DF name, files read by READ BINARY, with MF; a student card
/// has an EF.DIR.
const fn services(kind: CardKind) -> u8 {
    match kind {
        CardKind::Student => 0xA8,
        CardKind::Management | CardKind::Psam | CardKind::Sam => 0x88,
    }
}

/// Card capabilities: selection by name, identifier and short identifier, record number; byte-wise
/// data units; command chaining and extended lengths.
const CAPABILITIES: [u8; 4] = [0x73, 0x9E, 0x01, 0xC0];

/// Pre-issuing data, five bytes.
const PRE_ISSUING: u8 = 0x65;

/// The answer to reset.
#[must_use]
pub fn atr(header: &Header) -> Vec<u8> {
    let historical = historical(header);
    // TS, T0 with the number of historical bytes, TD1 and TD2 for T=0 and T=1 as PC/SC wants them.
    let mut atr = vec![0x3B, 0x80 | length(&historical), 0x80, 0x01];
    atr.extend(historical);
    // TCK makes the XOR of everything after TS zero (ISO 7816-3:2006 §8.2.5).
    atr.push(atr.iter().skip(1).fold(0, |check, byte| check ^ byte));
    atr
}

/// The answer to select of ISO/IEC 14443-4, without CRC: frames of 256 bytes, 106 kbit/s, CID.
#[must_use]
pub fn ats(header: &Header) -> Vec<u8> {
    let historical = historical(header);
    let mut ats = vec![5 + length(&historical), 0x78, 0x80, 0x70, 0x02];
    ats.extend(historical);
    ats
}

fn historical(header: &Header) -> Vec<u8> {
    let mut bytes = vec![CATEGORY, SERVICES, services(header.kind)];
    bytes.extend(CAPABILITIES);
    if !header.privacy.plain_atr {
        let [_, _, _, tail @ ..] = header.serial.0;
        bytes.push(PRE_ISSUING);
        bytes.extend(tail);
    }
    bytes
}

/// The length of the historical bytes; there are 13 at most.
fn length(historical: &[u8]) -> u8 {
    u8::try_from(historical.len()).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::Privacy;
    use xuejika_keyscheme::Algorithm;
    use xuejika_keyscheme::auth::CardId;

    fn header(privacy: Privacy) -> Header {
        Header {
            kind: CardKind::Student,
            algorithm: Algorithm::Aes128,
            privacy,
            uid: [0; 7],
            serial: CardId([0x11, 0, 7, 1, 0, 0, 0, 0x17]),
        }
    }

    #[test]
    fn atr_is_well_formed_and_ends_in_the_serial() {
        let header = header(Privacy::default());
        let atr = atr(&header);
        assert_eq!(atr[1] & 0x0F, 13);
        assert_eq!(atr.len(), 4 + 13 + 1);
        assert_eq!(atr[1..].iter().fold(0, |check, byte| check ^ byte), 0);
        assert_eq!(&atr[12..17], [1, 0, 0, 0, 0x17]);
        let ats = ats(&header);
        assert_eq!(usize::from(ats[0]), ats.len());
    }

    #[test]
    fn a_plain_atr_has_nothing_of_the_serial() {
        let header = header(Privacy { plain_atr: true, ..Privacy::default() });
        let historical = [0x80, 0x31, 0xA8, 0x73, 0x9E, 0x01, 0xC0];
        assert_eq!(atr(&header), [&[0x3B, 0x87, 0x80, 0x01][..], &historical, &[0x33]].concat());
        assert_eq!(ats(&header), [&[0x0C, 0x78, 0x80, 0x70, 0x02][..], &historical].concat());
    }

    #[test]
    fn a_damaged_atr_is_found() {
        let atr = atr(&header(Privacy::default()));
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
        assert!(ats_fault(&[0x12, 0x78, 0x80, 0x70, 0x02]).is_some());
        assert_eq!(ats_fault(&[5, 0x78, 0x80, 0x70, 0x02]), None);
        assert_eq!(ats_fault(&[1]), None);
        assert!(ats_fault(&[]).is_some());
        assert!(ats_fault(&[4, 0x78, 0x80, 0x70]).is_some());
    }
}
