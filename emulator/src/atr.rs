//! Answer to reset and answer to select of a card, made from what it is.
//!
//! The ATR is the one a PC/SC reader makes for a contactless card (PC/SC part 3 §3.1.3.2.3.1). The
//! historical bytes (ISO 7816-4:2020 §12.1.1) end in the last ten digits of the serial, so that no
//! two cards look alike to middleware that caches by ATR; a card with a plain ATR leaves them out, so
//! that all look alike.

use xuejika_card_model::card::Header;
use xuejika_card_model::file::tree::CardKind;

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

#[cfg(test)]
mod tests {
    use super::*;
    use xuejika_card_model::card::Privacy;
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
}
