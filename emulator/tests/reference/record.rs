//! Records of the education zone and the codings in them: section 6 and appendix A of the card
//! profile. The tables of GB 18030 and Unicode are not written twice: the one is that of the card, the
//! other that of a crate.

use encoding_rs::GB18030;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// CRC-16/X-25, big-endian.
pub(crate) fn crc(bytes: &[u8]) -> [u8; 2] {
    let mut crc = 0xFFFF_u16;
    for byte in bytes {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0x8408 } else { 0 };
        }
    }
    (!crc).to_be_bytes()
}

/// A group with its CRC.
pub(crate) fn seal(group: &[u8]) -> Vec<u8> {
    [group, &crc(group)].concat()
}

/// Whether a group ends in its CRC.
pub(crate) fn sealed(group: &[u8]) -> bool {
    let (bytes, check) = group.split_at(group.len() - 2);
    crc(bytes) == check
}

/// The value of packed decimal digits.
pub(crate) fn bcd(bytes: &[u8]) -> Option<u64> {
    bytes.iter().try_fold(0, |sum, byte| {
        let (high, low) = (byte >> 4, byte & 0xF);
        (high < 10 && low < 10).then(|| sum * 100 + u64::from(high) * 10 + u64::from(low))
    })
}

/// Whether this is a set date.
pub(crate) fn is_date(bytes: &[u8]) -> bool {
    let (Some(year), Some(month), Some(day)) =
        (bcd(&bytes[..2]), bcd(&bytes[2..3]), bcd(&bytes[3..4]))
    else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    (1900..=2099).contains(&year) && (1..=12).contains(&month) && (1..=days).contains(&day)
}

/// Whether this is a time.
pub(crate) fn is_time(bytes: &[u8]) -> bool {
    let part = |i: usize, end| bcd(&bytes[i..=i]).is_some_and(|value| value < end);
    part(0, 24) && part(1, 60) && part(2, 60)
}

const REASONS: &[u8] = &[
    0x11, 0x12, 0x13, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x31, 0x32, 0x33, 0x51, 0x52,
    0x53, 0x54, 0x55, 0x56, 0x57,
];

/// Whether this is the code of a reason, or none.
pub(crate) fn is_reason(code: u8) -> bool {
    code == 0 || REASONS.contains(&code)
}

/// A unit code.
pub(crate) type Unit = [u8; 3];

/// The city.
pub(crate) const CITY: Unit = [0; 3];

/// Whether this is a unit code.
pub(crate) fn is_unit(unit: Unit) -> bool {
    unit == CITY || (is_district(unit[0]) && (unit[1..] == [0, 0] || is_school(unit)))
}

fn is_district(code: u8) -> bool {
    code != 0 && bcd(&[code]).is_some()
}

/// Whether this is the unit code of a school.
pub(crate) fn is_school(unit: Unit) -> bool {
    let number = bcd(&unit[1..]).is_some_and(|digits| digits % 1000 != 0 && digits / 1000 <= 7);
    is_district(unit[0]) && number
}

/// Whether unit `a` covers unit `b`.
pub(crate) fn covers(a: Unit, b: Unit) -> bool {
    a == CITY || a == b || (a[1..] == [0, 0] && a[0] == b[0])
}

/// Unit of a student number; `None` unless it is one.
pub(crate) fn number_unit(number: &[u8]) -> Option<Unit> {
    bcd(number)?;
    let unit = number[1..4].try_into().unwrap();
    let taught: &[u8] = match number[2] >> 4 {
        0 => &[0, 4, 7],
        1 => &[1, 5, 8],
        2 => &[0, 1, 4, 5, 7, 8],
        3 => &[0, 1, 2, 4, 5, 6, 7, 8, 9],
        4 => &[1, 2, 5, 6, 8, 9],
        _ => &[2, 6, 9],
    };
    let category = number[4] >> 4;
    (number[0] == 1 && is_school(unit) && taught.contains(&category)).then_some(unit)
}

/// Stage of a student number, from its category.
pub(crate) fn number_stage(number: &[u8]) -> u8 {
    match number[4] >> 4 {
        0 | 4 | 7 => 1,
        1 | 5 | 8 => 2,
        _ => 3,
    }
}

/// Padded text: a byte other than 00 behind the first 00 is an error. The rest.
fn text(field: &[u8]) -> Option<&[u8]> {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    field[end..].iter().all(|byte| *byte == 0).then_some(&field[..end])
}

/// Chinese text: codes of GB 18030 that are characters one can see, not only spaces.
fn is_chinese(field: &[u8]) -> bool {
    let Some(mut rest) = text(field) else { return false };
    let mut is_blank = true;
    while !rest.is_empty() {
        let length = match rest {
            [0x00..=0x7F, ..] => 1,
            [0x81..=0xFE, 0x40..=0x7E | 0x80..=0xFE, ..] => 2,
            [0x81..=0xFE, 0x30..=0x39, 0x81..=0xFE, 0x30..=0x39, ..] => 4,
            _ => return false,
        };
        let (code, tail) = rest.split_at(length);
        let Some(c) = character(code).filter(|c| is_in_repertoire(*c)) else { return false };
        is_blank &= is_space(c);
        rest = tail;
    }
    !is_blank
}

/// The character of a code.
fn character(code: &[u8]) -> Option<char> {
    let text = GB18030.decode_without_bom_handling_and_without_replacement(code)?;
    let mut characters = text.chars();
    let first = characters.next();
    if characters.next().is_some() { None } else { first }
}

fn is_space(c: char) -> bool {
    matches!(u32::from(c), 0x20 | 0x3000)
}

/// The repertoire of Chinese text.
fn is_in_repertoire(c: char) -> bool {
    use GeneralCategoryGroup::{Letter, Mark, Number, Punctuation, Symbol};
    match u32::from(c) {
        0xE7C7 | 0xE816..=0xE818 | 0xE831 | 0xE83B | 0xE855 => true,
        0x034F
        | 0x115F..=0x1160
        | 0x17B4..=0x17B5
        | 0x180B..=0x180D
        | 0x180F
        | 0x2800
        | 0x3164
        | 0xFE00..=0xFE0F
        | 0xFFA0
        | 0xFFFC..=0xFFFD
        | 0xE0100..=0xE01EF => false,
        _ => {
            let group = c.general_category_group();
            is_space(c) || matches!(group, Letter | Mark | Number | Punctuation | Symbol)
        }
    }
}

fn is_issuance(record: &[u8]) -> bool {
    [&record[..16], &record[16..32], &record[32..48]].into_iter().all(sealed)
        && is_serial(&record[..8])
        && [0x01, 0x7F].contains(&record[8])
        && record[9] == 1
        && [1, 3, 4].contains(&record[10])
        && bcd(&record[11..13]).is_some()
        && record[12] == record[3]
        && record[13] != 0
        && is_date(&record[16..20])
        && bcd(&record[20..26]).is_some()
        && record[29] == 0
        && is_date(&record[32..36])
        && is_date(&record[36..40])
        && record[32..36] <= record[36..40]
        && record[40..46] == [0; 6]
}

/// 1100, digits, and the Luhn digit.
fn is_serial(serial: &[u8]) -> bool {
    let digits: Vec<u8> = serial.iter().flat_map(|byte| [byte >> 4, byte & 0xF]).collect();
    let sum: u32 = digits
        .iter()
        .enumerate()
        .map(|(place, digit)| {
            let value = u32::from(*digit) * if place % 2 == 0 { 2 } else { 1 };
            value / 10 + value % 10
        })
        .sum();
    bcd(serial).is_some() && serial[..2] == [0x11, 0x00] && sum.is_multiple_of(10)
}

/// Whether an issuance record is valid and names this card and profile.
pub(crate) fn issuance_of(record: &[u8], before: &[u8]) -> bool {
    is_issuance(record) && record[..8] == before[..8] && record[10] == before[10]
}

/// Whether an identity record is valid.
pub(crate) fn is_identity(record: &[u8]) -> bool {
    let groups = [&record[..16], &record[16..48], &record[48..96], &record[96..128]];
    let kind = record[8];
    let (rare, pinyin) = (kind & 0x80 != 0, text(&record[48..94]));
    groups.into_iter().all(sealed)
        && number_unit(&record[..8]).is_some()
        && kind & 0x7F < 2
        && [0, 1, 2, 9].contains(&record[9])
        && is_date(&record[10..14])
        && is_chinese(&record[16..46])
        && pinyin.is_some_and(|latin| {
            let set = latin.iter().any(|byte| *byte != b' ');
            let letters =
                latin.iter().all(|byte| byte.is_ascii_alphabetic() || b" '-".contains(byte));
            letters && (set || (latin.is_empty() && !rare))
        })
        && is_document(record)
}

/// Prefix, type and number of a document, and what follows from them.
fn is_document(record: &[u8]) -> bool {
    let (prefix, kind) = (record[96], record[115]);
    let (Some(number), Some(education)) = (text(&record[97..115]), text(&record[116..126])) else {
        return false;
    };
    let printable = |text: &[u8]| text.iter().all(|byte| (0x21..=0x7E).contains(byte));
    let day = |number: &[u8]| number.len() == 18 && digits_day(&number[6..14]).is_some();
    let resident = prefix == b'G' || (prefix == 0 && kind == b'1');
    let form = match prefix {
        b'G' | b'J' => is_gb11643(number) && day(number),
        b'L' => number.len() == 18 && number.iter().all(u8::is_ascii_digit) && day(number),
        _ if kind == b'1' => is_gb11643(number) && day(number),
        _ => true,
    };
    let dated = prefix != 0 || kind == b'1';
    (prefix == 0 || b"GJL".contains(&prefix))
        && (kind == 0 || b"16789AZ".contains(&kind))
        && printable(number)
        && printable(education)
        && (prefix == 0 || kind == 0 || (prefix == b'G') == (kind == b'1'))
        && (number.is_empty() || prefix != 0 || kind != 0)
        && (!number.is_empty() || (prefix == 0 && [0, b'Z'].contains(&kind)))
        && form
        && (!dated || digits_day(&number[6..14]).as_deref() == Some(&record[10..14]))
        && (!resident || record[9] == if number[16] % 2 == 1 { 1 } else { 2 })
}

/// Eight digits that are a day, packed.
fn digits_day(digits: &[u8]) -> Option<Vec<u8>> {
    let packed: Vec<u8> = digits.chunks(2).map(|two| (two[0] & 0xF) << 4 | two[1] & 0xF).collect();
    (digits.iter().all(u8::is_ascii_digit) && is_date(&packed)).then_some(packed)
}

fn is_gb11643(number: &[u8]) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    if number.len() != 18 || !number[..17].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let sum: u32 = WEIGHTS.iter().zip(number).map(|(by, digit)| by * u32::from(digit & 0xF)).sum();
    number[17] == b"10X98765432"[(sum % 11) as usize]
}

/// Whether an enrolment record is valid.
pub(crate) fn is_enrolment(record: &[u8]) -> bool {
    let groups = [&record[..64], &record[64..80], &record[80..96]];
    let (stage, category) = (record[72], record[73]);
    let of_category = match category {
        0 | 4 | 7 => 1,
        1 | 5 | 8 => 2,
        2 | 6 | 9 => 3,
        _ => return false,
    };
    let years = match bcd(&record[77..78]) {
        Some(years @ 1..=12) => years,
        _ => return false,
    };
    let grades = match (stage, years) {
        (1, 5) => 1..=5,
        (1, _) => 1..=6,
        (2, 4 | 9..) => 6..=9,
        (2, _) => 7..=9,
        _ => 10..=12,
    };
    groups.into_iter().all(sealed)
        && is_chinese(&record[..62])
        && (record[64..69] == [0; 5] || (bcd(&record[64..69]).is_some() && record[65] == 0x11))
        && is_school(record[69..72].try_into().unwrap())
        && stage == of_category
        && grades.contains(&record[74])
        && bcd(&record[75..77]).is_some()
        && is_date(&record[80..84])
        && is_date(&record[84..88])
        && record[80..84] <= record[84..88]
        && [1, 2].contains(&record[88])
        && [0x11, 0x12, 0x21, 0x22, 0x23, 0x99].contains(&record[89])
        && record[90] < 3
        && record[91..94] == [0; 3]
        && ends_with_graduation(record)
}

/// The year in which the school year of a date begins.
fn school_year(date: &[u8]) -> u64 {
    let year = bcd(&date[..2]).unwrap();
    if date[2] < 0x08 { year - 1 } else { year }
}

/// Year of graduation of a cohort: the first one with these digits after the entry.
fn graduation(cohort: u8, entry: &[u8]) -> u64 {
    let digits = bcd(&[cohort]).unwrap();
    (school_year(entry) + 1..).find(|year| year % 100 == digits).unwrap()
}

/// Whether the validity ends by the graduation, and the grade is one that a pupil of this entry was
/// not in before.
fn ends_with_graduation(record: &[u8]) -> bool {
    let (stage, grade, entry) = (record[72], record[74], &record[80..84]);
    let graduation = graduation(record[76], entry);
    let last_grade = match (stage, bcd(&record[77..78]).unwrap()) {
        (1, 5 | 9..) => 5,
        (1, _) => 6,
        (2, _) => 9,
        _ => 12,
    };
    let year_of_grade = graduation - 1 - u64::from(last_grade.max(grade) - grade);
    let until = bcd(&record[84..88]).unwrap();
    until <= graduation * 10_000 + 831 && year_of_grade >= school_year(entry)
}

/// Whether identity and enrolment are those of one pupil.
pub(crate) fn agree(identity: &[u8], enrolment: &[u8]) -> bool {
    let number = &identity[..8];
    // Digits 10 and 11 stand across bytes.
    let cohort = (number[4] & 0xF) << 4 | number[5] >> 4;
    let (entry, years) = (&enrolment[80..84], bcd(&enrolment[77..78]).unwrap());
    let [first, now] = [cohort, enrolment[76]].map(|digits| bcd(&[digits]).unwrap());
    enrolment[69..72] == number[1..4]
        && enrolment[73] == number[4] >> 4
        && (first..=first + 3).any(|year| year % 100 == now)
        && graduation(cohort, entry) <= school_year(entry) + years
        && identity[10..14] <= enrolment[80..84]
}
