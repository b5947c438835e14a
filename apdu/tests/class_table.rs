//! All 256 class bytes against a table written from ISO 7816-4:2020 tables 2 and 3.

use xuejika_apdu::class::{Class, ClassFields, Family, Security};

/// First value, last value, family, chaining, security, first channel; `None` = not decoded.
type Row = (u8, u8, Option<(Family, bool, Security, u8)>);

const TABLE: &[Row] = {
    use Family::{Interindustry as Iso, Proprietary as Own};
    use Security::{Body, Header, None as Plain, Proprietary as Line};
    &[
        (0x00, 0x03, Some((Iso, false, Plain, 0))),
        (0x04, 0x07, Some((Iso, false, Line, 0))),
        (0x08, 0x0B, Some((Iso, false, Body, 0))),
        (0x0C, 0x0F, Some((Iso, false, Header, 0))),
        (0x10, 0x13, Some((Iso, true, Plain, 0))),
        (0x14, 0x17, Some((Iso, true, Line, 0))),
        (0x18, 0x1B, Some((Iso, true, Body, 0))),
        (0x1C, 0x1F, Some((Iso, true, Header, 0))),
        (0x20, 0x3F, None),
        (0x40, 0x4F, Some((Iso, false, Plain, 4))),
        (0x50, 0x5F, Some((Iso, true, Plain, 4))),
        (0x60, 0x6F, Some((Iso, false, Body, 4))),
        (0x70, 0x7F, Some((Iso, true, Body, 4))),
        (0x80, 0x83, Some((Own, false, Plain, 0))),
        (0x84, 0x87, Some((Own, false, Line, 0))),
        (0x88, 0x8B, Some((Own, false, Body, 0))),
        (0x8C, 0x8F, Some((Own, false, Header, 0))),
        (0x90, 0x93, Some((Own, true, Plain, 0))),
        (0x94, 0x97, Some((Own, true, Line, 0))),
        (0x98, 0x9B, Some((Own, true, Body, 0))),
        (0x9C, 0x9F, Some((Own, true, Header, 0))),
        (0xA0, 0xFF, None),
    ]
};

#[test]
fn every_class_byte_has_its_row_and_goes_both_ways() {
    let mut next = 0_u16;
    for &(first, last, fields) in TABLE {
        assert_eq!(u16::from(first), next, "the table has a gap");
        next = u16::from(last) + 1;
        for byte in first..=last {
            let expected = fields.map(|(family, chaining, security, channel)| ClassFields {
                family,
                chaining,
                security,
                channel: channel + (byte - first),
            });
            assert_eq!(Class(byte).fields(), expected, "{byte:02X}");
            if let Some(fields) = expected {
                assert_eq!(fields.class(), Some(Class(byte)), "{byte:02X}");
            }
        }
    }
    assert_eq!(next, 256);
}

#[test]
fn what_no_byte_can_say_is_refused() {
    let fields =
        |family, security, channel| ClassFields { family, chaining: false, security, channel };
    for bad in [
        fields(Family::Interindustry, Security::Header, 4),
        fields(Family::Interindustry, Security::Proprietary, 19),
        fields(Family::Interindustry, Security::None, 20),
        fields(Family::Proprietary, Security::None, 4),
    ] {
        assert_eq!(bad.class(), None);
    }
}

#[test]
fn bits_are_set_and_cleared() {
    assert_eq!(Class::ISO.with_secure_messaging(), Class(0x0C));
    assert_eq!(Class::OWN.with_secure_messaging(), Class(0x8C));
    assert_eq!(Class(0x84).with_secure_messaging(), Class(0x8C));
    assert_eq!(Class(0x8C).without_secure_messaging(), Class::OWN);
    assert_eq!(Class(0x9C).without_chaining(), Class(0x8C));
}
