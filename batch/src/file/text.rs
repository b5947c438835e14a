//! Text of a line: its encoding, its control characters, its fields.

use std::borrow::Cow;

use encoding_rs::{DecoderResult, GB18030};

use crate::manifest::Encoding;
use crate::{Check, Finding, Place};

/// Largest whole number that a cell holds exactly.
#[cfg(any(feature = "parquet", feature = "xlsx"))]
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// Characters that stand for a lost one, or for none.
const STRAY: [char; 2] = ['\u{FEFF}', '\u{FFFD}'];

/// Refuses control characters; trail bytes of GB 18030 never look like one. `allowed` is a tab or
/// what separates fields.
pub(super) fn check_control(
    line: &[u8],
    allowed: &[char],
    offset: u64,
) -> Result<(), Box<Finding>> {
    let allowed = |byte: u8| allowed.contains(&char::from(byte));
    match line.iter().position(|byte| byte.is_ascii_control() && !allowed(*byte)) {
        None => Ok(()),
        Some(at) => {
            let byte = line.get(at).copied().unwrap_or_default();
            let found = format!("byte {byte:02X}{}", control_name(byte));
            let finding = Finding::new(Check::FileControl, "text", found);
            Err(finding.at(byte_at(offset, at)).into())
        }
    }
}

/// What a control character is, when programs are known to leave it.
pub(super) const fn control_name(byte: u8) -> &'static str {
    match byte {
        0x00 => ", a NUL: padding, or UTF-16 in the place of UTF-8",
        b'\t' => ", a tab",
        b'\r' => ", a CR alone: lines end in LF or in CR LF",
        0x1A => ", a Ctrl-Z, with which DOS programs end a file",
        0x1B => ", an escape character",
        _ => "",
    }
}

fn byte_at(offset: u64, at: usize) -> Place {
    Place { byte: Some(offset + at as u64), ..Place::default() }
}

/// Refuses what replaced a character that was lost.
pub(super) fn check_stray(text: &str) -> Result<(), Box<Finding>> {
    match text.find(STRAY) {
        None => Ok(()),
        Some(_) => Err(Finding::new(Check::FileEncoding, "text", "U+FEFF or U+FFFD").into()),
    }
}

/// Decodes text and replaces nothing.
pub(super) fn decode(
    encoding: Encoding,
    bytes: &[u8],
    offset: u64,
) -> Result<Cow<'_, str>, Box<Finding>> {
    let (name, text) = match encoding {
        Encoding::Utf8 => {
            ("UTF-8", str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| error.valid_up_to()))
        }
        Encoding::Gb18030 => ("GB 18030", gb18030(bytes)),
    };
    let stray = |text: &str| text.find(STRAY);
    let at = match &text {
        Ok(text) if text.is_ascii() => None,
        Ok(text) => stray(text),
        Err(at) => Some(*at),
    };
    match (text, at) {
        (Ok(text), None) => Ok(text),
        (_, at) => {
            let at = at.unwrap_or(0);
            let byte = bytes.get(at).copied().unwrap_or_default();
            let gbk = encoding == Encoding::Utf8 && gb18030(bytes).is_ok();
            let hint = if gbk { ": write encoding = \"gb18030\" into batch.toml" } else { "" };
            let found = format!("byte {byte:02X}{hint}");
            Err(Finding::new(Check::FileEncoding, name, found).at(byte_at(offset, at)).into())
        }
    }
}

fn gb18030(bytes: &[u8]) -> Result<Cow<'_, str>, usize> {
    if let Some(text) = GB18030.decode_without_bom_handling_and_without_replacement(bytes) {
        return Ok(text);
    }
    let mut decoder = GB18030.new_decoder_without_bom_handling();
    let mut text = String::with_capacity(bytes.len() * 3);
    match decoder.decode_to_string_without_replacement(bytes, &mut text, true) {
        (DecoderResult::Malformed(bad, after), read) => {
            Err(read.saturating_sub(usize::from(bad) + usize::from(after)))
        }
        (_, read) => Err(read),
    }
}

/// Splits a line as RFC 4180 says; quotes are at the ends of a field or doubled inside it.
pub(super) fn split(line: &str, delimiter: char) -> Result<Vec<Cow<'_, str>>, Box<Finding>> {
    if !line.contains('"') {
        return Ok(line.split(delimiter).map(Cow::Borrowed).collect());
    }
    let bad =
        |found| Box::new(Finding::new(Check::FileQuotes, "quotes around whole fields", found));
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            None => {
                let end = rest.find(delimiter).unwrap_or(rest.len());
                let (field, after) = rest.split_at(end);
                (Cow::Borrowed(field), after)
            }
            Some(quoted) => {
                let end = closing_quote(quoted)
                    .ok_or_else(|| bad("a quote that is not closed in its line"))?;
                let (field, after) = quoted.split_at(end);
                (Cow::Owned(field.replace("\"\"", "\"")), after.get(1..).unwrap_or_default())
            }
        };
        if matches!(&field, Cow::Borrowed(plain) if plain.contains('"')) {
            return Err(bad("a quote inside a field without quotes around it"));
        }
        fields.push(field);
        match after.strip_prefix(delimiter) {
            Some(next) => rest = next,
            None if after.is_empty() => return Ok(fields),
            None => return Err(bad("text behind the closing quote of a field")),
        }
    }
}

/// Where the quote is that is not doubled.
fn closing_quote(text: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let at = from + text.get(from..)?.find('"')?;
        if !text.get(at + 1..)?.starts_with('"') {
            return Some(at);
        }
        from = at + 2;
    }
}

/// The digits of a number as a cell holds it.
#[cfg(any(feature = "parquet", feature = "xlsx"))]
pub(super) fn number_text(number: f64) -> String {
    // Digits beyond what a cell holds exactly would be invented.
    if number.abs() < MAX_EXACT { format!("{number}") } else { format!("{number:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(line: &str) -> Option<Vec<String>> {
        let owned =
            |fields: Vec<Cow<'_, str>>| fields.iter().map(|field| (**field).into()).collect();
        split(line, ',').ok().map(owned)
    }

    #[test]
    fn quotes_are_at_the_ends_of_a_field_or_doubled() {
        let split = |line| fields(line).unwrap();
        assert_eq!(split(r#"a,"b,c","d""e""#), ["a", "b,c", "d\"e"]);
        assert_eq!(split(r#""","#), ["", ""]);
        for line in [r#"a"b"#, r#""a"#, r#""a"b"#, r#"a,""#, r#"""""#] {
            assert_eq!(fields(line), None, "{line}");
        }
    }

    #[test]
    fn bad_bytes_are_named_by_their_place() {
        let at = |encoding, bytes: &[u8]| decode(encoding, bytes, 100).unwrap_err().place.byte;
        assert_eq!(at(Encoding::Utf8, b"abc\xFFd"), Some(103));
        assert_eq!(at(Encoding::Utf8, "ab\u{FFFD}".as_bytes()), Some(102));
        assert_eq!(at(Encoding::Gb18030, b"ab\xD5\xC5\xFFd"), Some(104));
        assert_eq!(at(Encoding::Gb18030, b"ab\xD5"), Some(102));
        assert_eq!(decode(Encoding::Gb18030, b"\xD5\xC5|", 0).unwrap(), "张|");
    }

    proptest! {
        #[test]
        fn what_csv_writers_write_is_read(cells in proptest::collection::vec("[a-c\",张 ]{0,6}", 1..6)) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(&cells).unwrap();
            let line = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            prop_assert_eq!(fields(line.trim_end_matches('\n')), Some(cells));
        }
    }
}
