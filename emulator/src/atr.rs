//! Answer to reset and answer to select of a card, made from what it is.
//!
//! The ATR is the one a PC/SC reader makes for a contactless card (PC/SC part 3 §3.1.3.2.3.1). The
//! historical bytes (ISO 7816-4:2020 §12.1.1) end in the last ten digits of the serial, so that no
//! two cards look alike to middleware that caches by ATR.

use xuejika_card_model::card::Header;
use xuejika_card_model::file::tree::CardKind;

/// Length of the historical bytes.
const HISTORICAL_LEN: u8 = 13;

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
    let mut atr = vec![0x3B, 0x80 | HISTORICAL_LEN, 0x80, 0x01];
    atr.extend(historical);
    // TCK makes the XOR of everything behind TS zero (ISO 7816-3:2006 §8.2.5).
    atr.push(atr.iter().skip(1).fold(0, |check, byte| check ^ byte));
    atr
}

/// The answer to select of ISO/IEC 14443-4, without CRC: frames of 256 bytes, 106 kbit/s, CID.
#[must_use]
pub fn ats(header: &Header) -> Vec<u8> {
    let mut ats = vec![5 + HISTORICAL_LEN, 0x78, 0x80, 0x70, 0x02];
    ats.extend(historical(header));
    ats
}

fn historical(header: &Header) -> [u8; HISTORICAL_LEN as usize] {
    let mut bytes = [0; HISTORICAL_LEN as usize];
    let [_, _, _, tail @ ..] = header.serial.0;
    let fields = [CATEGORY, SERVICES, services(header.kind)]
        .into_iter()
        .chain(CAPABILITIES)
        .chain([PRE_ISSUING])
        .chain(tail);
    bytes.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use xuejika_keyscheme::Algorithm;
    use xuejika_keyscheme::auth::CardId;

    #[test]
    fn atr_is_well_formed_and_ends_in_the_serial() {
        let header = Header {
            kind: CardKind::Student,
            algorithm: Algorithm::Aes128,
            uid: [0; 7],
            serial: CardId([0x11, 0, 7, 1, 0, 0, 0, 0x17]),
        };
        let atr = atr(&header);
        assert_eq!(atr[1] & 0x0F, HISTORICAL_LEN);
        assert_eq!(atr.len(), usize::from(4 + HISTORICAL_LEN + 1));
        assert_eq!(atr[1..].iter().fold(0, |check, byte| check ^ byte), 0);
        assert_eq!(&atr[12..17], [1, 0, 0, 0, 0x17]);
        let ats = ats(&header);
        assert_eq!(usize::from(ats[0]), ats.len());
    }
}
