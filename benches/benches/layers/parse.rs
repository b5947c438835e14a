//! Commands and data objects from their bytes.

use std::hint::black_box;

use xuejika_apdu::Command;
use xuejika_apdu::tlv::TlvReader;
use xuejika_benches::Bench;

use crate::cards::SELECT_EDUCATION;

/// What SELECT answers for the education zone: six objects in two templates.
const FCI: &[u8] = b"\x6F\x2F\x84\x07\xF0BJEDU\x01\x8A\x01\x05\xA5\x21\
    \x80\x01\x01\x81\x08\x11\x00\x07\x01\x00\x00\x00\x17\
    \x82\x0F\x00\x01\xFF\x01\x01\xFF\x02\x01\xFF\x03\x01\xFF\x04\x01\xFF\x83\x01\x01";

pub(crate) fn run(bench: &mut Bench) {
    bench
        .row("parse a command (case 4)")
        .ours(|| {
            Command::parse(black_box(SELECT_EDUCATION))
                .map(|command| (command.instruction, command.data, command.ne))
        })
        .floor(|| by_hand(black_box(SELECT_EDUCATION)))
        .against("nom", || with_nom(black_box(SELECT_EDUCATION)))
        .done();
    assert_eq!(walk(FCI), 8);
    assert_eq!(walk_by_hand(FCI), 8);
    bench
        .row("walk an FCI (8 objects)")
        .ours(|| walk(black_box(FCI)))
        .floor(|| walk_by_hand(black_box(FCI)))
        .against("iso7816-tlv", || iso7816_tlv::ber::Tlv::parse(black_box(FCI)))
        .done();
}

/// What a card looks at first: instruction, data and Le.
type Case4<'a> = (u8, &'a [u8], u32);

/// The bounds checks, and nothing else.
fn by_hand(apdu: &[u8]) -> Option<Case4<'_>> {
    let (header, body) = apdu.split_at_checked(4)?;
    let (&lc, rest) = body.split_first()?;
    match rest.split_at_checked(lc.into())? {
        (data, &[le]) => Some((*header.get(1)?, data, le.into())),
        _ => None,
    }
}

/// A short case 4 command as one would write it with a parser library.
fn with_nom(input: &[u8]) -> nom::IResult<&[u8], Case4<'_>> {
    use nom::Parser;
    use nom::bytes::complete::take;
    use nom::multi::length_data;
    use nom::number::complete::u8;
    (take(4_usize), length_data(u8), u8)
        .map(|(header, data, le): (&[u8], _, _)| (header[1], data, le.into()))
        .parse(input)
}

/// Number of objects, those inside templates included.
fn walk(bytes: &[u8]) -> usize {
    let mut reader = TlvReader::new(bytes);
    let mut count = 0;
    while let Ok(Some(object)) = reader.read() {
        count += 1 + if object.tag.is_constructed() { walk(object.value) } else { 0 };
    }
    count
}

/// The same for tags and lengths of one byte.
fn walk_by_hand(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let [tag, length, rest @ ..] = bytes {
        let Some((value, next)) = rest.split_at_checked((*length).into()) else { break };
        count += 1 + if tag & 0x20 != 0 { walk_by_hand(value) } else { 0 };
        bytes = next;
    }
    count
}
