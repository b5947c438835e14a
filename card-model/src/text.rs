//! Fixed-width text fields: GB 18030 for Chinese, ASCII for the rest; left-aligned, padded with 00.
//!
//! A value of these types is always valid content: decodable, not blank, made of characters that
//! can be seen, and never cut inside one. Text that does not fit is an error which says how many bytes
//! it needs; nothing is shortened or replaced.

mod visible;

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use encoding_rs::{DecoderResult, GB18030};

/// Why bytes or a text are not the content of a text field. Offsets are bytes from its start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// No character, or nothing but spaces.
    #[error("text is blank")]
    Blank,
    /// The text is longer than its field.
    #[error("text needs {needed} bytes, the field has {room}")]
    TooLong {
        /// Bytes the encoded text takes.
        needed: usize,
        /// Bytes the field has.
        room: usize,
    },
    /// The content ends inside a multi-byte character.
    #[error("the character at byte {0} is cut off")]
    Cut(usize),
    /// Bytes that are no character of the encoding.
    #[error("the bytes at {0} are not a GB 18030 character")]
    NotGb18030(usize),
    /// The first character of the text that the encoding cannot hold.
    #[error("{0:?} cannot be written in GB 18030")]
    NotEncodable(char),
    /// A control or replacement character.
    #[error("control or replacement character {0:?} is not allowed")]
    Control(char),
    /// A character for private use, which each system shows as it likes.
    #[error("U+{:04X} is a private-use character without a meaning in GB 18030", u32::from(*.0))]
    PrivateUse(char),
    /// No character yet, none at all, or one that leaves no mark or turns the direction.
    #[error("U+{:04X} is invisible or not a character of Unicode 18.0", u32::from(*.0))]
    NotVisible(char),
    /// A character outside the repertoire of the field.
    #[error("{found:?} is not allowed, expected {expected}")]
    NotInRepertoire {
        /// The offending character.
        found: char,
        /// What the field may hold.
        expected: &'static str,
    },
    /// A byte other than 00 after the end of the text.
    #[error("padding byte {0} is not 00")]
    Padding(usize),
}

/// Chinese text in a field of `N` bytes.
///
/// Keeps the bytes as they are on the card, so that a character with two GB 18030 encodings (some
/// were moved in the 2005 and 2022 editions) survives a read and write unchanged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GbText<const N: usize>([u8; N]);

impl<const N: usize> GbText<N> {
    /// Encodes a text.
    ///
    /// # Errors
    /// Any [`TextError`] that a text can have.
    pub fn new(text: &str) -> Result<Self, TextError> {
        let encoded = encode(text)?;
        check_characters(text)?;
        pad(&encoded).map(Self)
    }

    /// Takes the bytes of a field.
    ///
    /// # Errors
    /// Any [`TextError`] that bytes can have.
    pub fn from_bytes(bytes: [u8; N]) -> Result<Self, TextError> {
        check_characters(&decode(content(&bytes)?)?)?;
        Ok(Self(bytes))
    }

    /// Returns the bytes of the field.
    #[must_use]
    pub const fn bytes(&self) -> [u8; N] {
        self.0
    }

    /// Returns the text.
    #[must_use]
    pub fn text(&self) -> String {
        content(&self.0).and_then(decode).unwrap_or_default()
    }
}

impl<const N: usize> FromStr for GbText<N> {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        Self::new(text)
    }
}

impl<const N: usize> fmt::Display for GbText<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text())
    }
}

impl<const N: usize> fmt::Debug for GbText<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text())
    }
}

/// A set of ASCII characters a field may hold.
pub trait Repertoire {
    /// What the set is, for messages.
    const EXPECTED: &'static str;

    /// Tells whether the set has this byte.
    fn allows(byte: u8) -> bool;
}

/// Printable ASCII without the space.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Graphic;

impl Repertoire for Graphic {
    const EXPECTED: &'static str = "printable ASCII without spaces";

    fn allows(byte: u8) -> bool {
        byte.is_ascii_graphic()
    }
}

/// Latin letters, space, apostrophe and hyphen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Latin;

impl Repertoire for Latin {
    const EXPECTED: &'static str = "A-Z, a-z, space, ' or -";

    fn allows(byte: u8) -> bool {
        byte.is_ascii_alphabetic() || matches!(byte, b' ' | b'\'' | b'-')
    }
}

/// ASCII text of the repertoire `R` in a field of `N` bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AsciiText<const N: usize, R = Graphic>([u8; N], core::marker::PhantomData<R>);

impl<const N: usize, R: Repertoire> AsciiText<N, R> {
    /// Takes a text.
    ///
    /// # Errors
    /// [`TextError::NotInRepertoire`], [`TextError::TooLong`] or [`TextError::Blank`].
    pub fn new(text: &str) -> Result<Self, TextError> {
        let allowed = |c: &char| u8::try_from(*c).is_ok_and(R::allows);
        if let Some(found) = text.chars().find(|c| !allowed(c)) {
            let expected = R::EXPECTED;
            return Err(TextError::NotInRepertoire { found, expected });
        }
        if text.trim().is_empty() {
            return Err(TextError::Blank);
        }
        pad(text.as_bytes()).map(|bytes| Self(bytes, core::marker::PhantomData))
    }

    /// Takes the bytes of a field.
    ///
    /// # Errors
    /// As [`AsciiText::new`], and [`TextError::Padding`].
    pub fn from_bytes(bytes: [u8; N]) -> Result<Self, TextError> {
        let text: String = content(&bytes)?.iter().copied().map(char::from).collect();
        Self::new(&text)
    }

    /// Returns the bytes of the field.
    #[must_use]
    pub const fn bytes(&self) -> [u8; N] {
        self.0
    }

    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let text = content(&self.0).unwrap_or_default();
        core::str::from_utf8(text).unwrap_or_default()
    }
}

impl<const N: usize, R: Repertoire> FromStr for AsciiText<N, R> {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        Self::new(text)
    }
}

impl<const N: usize, R: Repertoire> fmt::Display for AsciiText<N, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<const N: usize, R: Repertoire> fmt::Debug for AsciiText<N, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// The part of a field before its 00 padding.
fn content(field: &[u8]) -> Result<&[u8], TextError> {
    let end = field.iter().position(|byte| *byte == 0);
    let (text, padding) = field.split_at(end.unwrap_or(field.len()));
    match padding.iter().position(|byte| *byte != 0) {
        Some(offset) => Err(TextError::Padding(text.len() + offset)),
        None => Ok(text),
    }
}

fn pad<const N: usize>(text: &[u8]) -> Result<[u8; N], TextError> {
    let mut field = [0; N];
    let (needed, room) = (text.len(), N);
    let head = field.get_mut(..needed);
    head.ok_or(TextError::TooLong { needed, room })?.copy_from_slice(text);
    Ok(field)
}

/// Private-use characters that GB 18030 gave a meaning before Unicode had the character.
///
/// Of the 25 of GB 18030-2000 these seven are still what a code decodes to: U+E7C7 is U+1E3F of the
/// edition of 2000, the others are the ideographs U+20087, U+20089, U+200CC, U+215D7, U+2298F and
/// U+241FE, whose two-byte codes the edition of 2022 left alone (UTC document L2/23-003R, followed by
/// the Encoding Standard). The codes of the other eighteen decode to the Unicode character.
const OLD_EDITIONS: [char; 7] =
    ['\u{E7C7}', '\u{E816}', '\u{E817}', '\u{E818}', '\u{E831}', '\u{E83B}', '\u{E855}'];

fn check_characters(text: &str) -> Result<(), TextError> {
    text.chars().try_for_each(check_character)?;
    if text.trim().is_empty() { Err(TextError::Blank) } else { Ok(()) }
}

fn check_character(c: char) -> Result<(), TextError> {
    match c {
        _ if visible::is_visible(c) || OLD_EDITIONS.contains(&c) => Ok(()),
        _ if c.is_control() || c == char::REPLACEMENT_CHARACTER => Err(TextError::Control(c)),
        '\u{E000}'..='\u{F8FF}' | '\u{F0000}'..='\u{FFFFD}' | '\u{100000}'..='\u{10FFFD}' => {
            Err(TextError::PrivateUse(c))
        }
        _ => Err(TextError::NotVisible(c)),
    }
}

fn encode(text: &str) -> Result<Cow<'_, [u8]>, TextError> {
    encode_exactly(text).ok_or_else(|| {
        let mut utf8 = [0; 4];
        let unencodable = |c: &char| encode_exactly(c.encode_utf8(&mut utf8)).is_none();
        let culprit = text.chars().find(unencodable);
        TextError::NotEncodable(culprit.unwrap_or(char::REPLACEMENT_CHARACTER))
    })
}

/// The bytes that [`decode`] turns back into `text`, if there are such.
fn encode_exactly(text: &str) -> Option<Cow<'_, [u8]>> {
    let (bytes, _, lossy) = GB18030.encode(text);
    (!lossy && decode(&bytes).is_ok_and(|back| back == text)).then_some(bytes)
}

fn decode(bytes: &[u8]) -> Result<String, TextError> {
    check_structure(bytes)?;
    let mut decoder = GB18030.new_decoder_without_bom_handling();
    let room = decoder.max_utf8_buffer_length_without_replacement(bytes.len());
    let mut text = String::with_capacity(room.unwrap_or(0));
    match decoder.decode_to_string_without_replacement(bytes, &mut text, true) {
        (DecoderResult::InputEmpty, _) => Ok(text),
        (DecoderResult::Malformed(length, behind), read) => {
            let start = read.saturating_sub(usize::from(length) + usize::from(behind));
            Err(TextError::NotGb18030(start))
        }
        (DecoderResult::OutputFull, read) => Err(TextError::NotGb18030(read)),
    }
}

/// Walks the one-, two- and four-byte forms of GB 18030, to tell a cut character from a wrong one
/// and to refuse the byte 80, which the Web decoder reads as an extension of its own.
fn check_structure(bytes: &[u8]) -> Result<(), TextError> {
    let mut offset = 0;
    while let Some(rest) = bytes.get(offset..).filter(|rest| !rest.is_empty()) {
        offset += match *rest {
            [0x00..=0x7F, ..] => 1,
            [0x81..=0xFE, 0x40..=0x7E | 0x80..=0xFE, ..] => 2,
            [0x81..=0xFE, 0x30..=0x39, 0x81..=0xFE, 0x30..=0x39, ..] => 4,
            [0x81..=0xFE]
            | [0x81..=0xFE, 0x30..=0x39]
            | [0x81..=0xFE, 0x30..=0x39, 0x81..=0xFE] => return Err(TextError::Cut(offset)),
            _ => return Err(TextError::NotGb18030(offset)),
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn field<const N: usize>(content: &[u8]) -> [u8; N] {
        pad(content).unwrap()
    }

    #[test]
    fn four_byte_characters() {
        let name = GbText::<30>::new("王\u{20BB7}").unwrap();
        assert_eq!(&name.bytes()[..7], b"\xCD\xF5\x95\x34\xB2\x35\x00");
        assert_eq!(GbText::from_bytes(name.bytes()), Ok(name));
        assert_eq!(name.text(), "王\u{20BB7}");
    }

    #[test]
    fn not_cut_at_the_end_of_the_field() {
        let fourteen = "京".repeat(14);
        assert!(GbText::<30>::new(&(fourteen.clone() + "京")).is_ok());
        let long = fourteen.clone() + "\u{20BB7}";
        let (needed, room) = (32, 30);
        assert_eq!(GbText::<30>::new(&long), Err(TextError::TooLong { needed, room }));

        let whole = GbText::<32>::new(&long).unwrap().bytes();
        let cut: [u8; 30] = whole[..30].try_into().unwrap();
        assert_eq!(GbText::from_bytes(cut), Err(TextError::Cut(28)));
    }

    #[test]
    fn cut_at_every_byte() {
        let whole = GbText::<8>::new("京\u{20BB7}A").unwrap().bytes();
        for (end, expected) in [(1, Some(0)), (2, None), (3, Some(2)), (4, Some(2))]
            .into_iter()
            .chain([(5, Some(2)), (6, None), (7, None)])
        {
            let result = GbText::<8>::from_bytes(field(&whole[..end]));
            assert_eq!(result.err(), expected.map(TextError::Cut), "{end}");
        }
    }

    #[test]
    fn strict_decoding() {
        for (bytes, error) in [
            (&b"A\x80"[..], TextError::NotGb18030(1)),
            (b"A\xFF", TextError::NotGb18030(1)),
            (b"AB\x81\x20", TextError::NotGb18030(2)),
            (b"AB\x81\x30\x41\x30", TextError::NotGb18030(2)),
            (b"\xE3\x32\x9A\x36", TextError::NotGb18030(0)),
            (b"A\x00B", TextError::Padding(2)),
            (b"A\x0AB", TextError::Control('\n')),
            (b"A\x7F", TextError::Control('\u{7F}')),
            (b"\x84\x31\xA4\x37", TextError::Control('\u{FFFD}')),
            (b"", TextError::Blank),
            (b"  ", TextError::Blank),
            (b"\xA1\xA1", TextError::Blank),
        ] {
            assert_eq!(GbText::<8>::from_bytes(field(bytes)), Err(error), "{bytes:02X?}");
        }
    }

    #[test]
    fn text_that_gb18030_cannot_hold() {
        // U+E5E5 has no code; U+E81E shares the code of U+9FB4.
        for c in ['\u{E5E5}', '\u{E81E}'] {
            let text: String = ['王', c].into_iter().collect();
            assert_eq!(GbText::<8>::new(&text), Err(TextError::NotEncodable(c)));
        }
    }

    #[test]
    fn characters_that_nobody_sees_are_refused() {
        for c in "\u{378}\u{9E4}\u{FDD0}\u{FFFE}\u{1FFFF}\u{2FA1E}\u{10FFFF}\u{AD}\u{34F}\u{600}\
                  \u{180E}\u{200B}\u{200D}\u{200E}\u{202E}\u{2028}\u{2029}\u{2060}\u{2066}\u{3164}\
                  \u{FE0F}\u{FEFF}\u{FFF9}\u{FFFC}\u{1D173}\u{E0041}\u{E0100}\u{A0}\u{2003}\u{2800}"
            .chars()
        {
            let text: String = ['王', c].into_iter().collect();
            assert_eq!(GbText::<8>::new(&text), Err(TextError::NotVisible(c)), "{c:?}");
            let bytes = encode_exactly(&text).unwrap();
            assert_eq!(GbText::<8>::from_bytes(field(&bytes)), Err(TextError::NotVisible(c)));
        }
        let [private, last] = ['\u{E000}', '\u{10FFFD}'];
        assert_eq!(GbText::<4>::new("\u{E000}"), Err(TextError::PrivateUse(private)));
        assert_eq!(GbText::<4>::new("\u{10FFFD}"), Err(TextError::PrivateUse(last)));
        assert_eq!(GbText::<4>::from_bytes(*b"\xAA\xA1\0\0"), Err(TextError::PrivateUse(private)));
    }

    #[test]
    fn rare_characters_and_other_scripts_are_taken() {
        for text in [
            "王\u{20BB7}",
            "\u{3400}\u{4DBF}",
            "\u{2A6DF}",
            "\u{2B81D}",
            "\u{2CEAD}",
            "\u{2EBE0}",
            "\u{2EE5D}",
            "\u{3134A}",
            "\u{323AF}",
            "\u{33479}",
            "买买提·阿不都",
            "\u{3007}",
            "Łucja Ö",
            "བསྟན་འཛིན",
            "ᠮᠣᠩᠭᠣᠯ",
            "ꆈꌠ",
            "Ⅷ（一）",
        ] {
            let name = GbText::<62>::new(text).unwrap();
            assert_eq!(name.text(), text);
            assert_eq!(GbText::from_bytes(name.bytes()), Ok(name));
        }
    }

    /// The codes of the 25 private-use characters of GB 18030-2000, and U+E7C7 as it is coded since.
    #[test]
    fn codes_of_old_editions_are_kept() {
        let moved = [
            (&b"\xA8\xBC"[..], '\u{1E3F}'),
            (b"\xA6\xD9", '\u{FE10}'),
            (b"\xA6\xDA", '\u{FE12}'),
            (b"\xA6\xDB", '\u{FE11}'),
            (b"\xA6\xDC", '\u{FE13}'),
            (b"\xA6\xDD", '\u{FE14}'),
            (b"\xA6\xDE", '\u{FE15}'),
            (b"\xA6\xDF", '\u{FE16}'),
            (b"\xA6\xEC", '\u{FE17}'),
            (b"\xA6\xED", '\u{FE18}'),
            (b"\xA6\xF3", '\u{FE19}'),
            (b"\xFE\x59", '\u{9FB4}'),
            (b"\xFE\x61", '\u{9FB5}'),
            (b"\xFE\x66", '\u{9FB6}'),
            (b"\xFE\x67", '\u{9FB7}'),
            (b"\xFE\x6D", '\u{9FB8}'),
            (b"\xFE\x7E", '\u{9FB9}'),
            (b"\xFE\x90", '\u{9FBA}'),
            (b"\xFE\xA0", '\u{9FBB}'),
        ];
        let private = [
            (&b"\x81\x35\xF4\x37"[..], '\u{E7C7}'),
            (b"\xFE\x51", '\u{E816}'),
            (b"\xFE\x52", '\u{E817}'),
            (b"\xFE\x53", '\u{E818}'),
            (b"\xFE\x6C", '\u{E831}'),
            (b"\xFE\x76", '\u{E83B}'),
            (b"\xFE\x91", '\u{E855}'),
        ];
        for (code, c) in moved.into_iter().chain(private) {
            let text = GbText::<4>::from_bytes(field(code)).unwrap();
            assert_eq!(
                (text.text().chars().collect::<Vec<_>>(), text.bytes()),
                ([c].into(), field(code))
            );
            assert_eq!(GbText::<4>::new(&text.text()).unwrap().bytes(), field(code));
        }
    }

    #[test]
    fn both_codes_of_a_moved_character_are_kept() {
        for bytes in [field::<4>(b"\xFE\x59"), field(b"\x82\x35\x90\x37")] {
            let text = GbText::from_bytes(bytes).unwrap();
            assert_eq!((text.text().as_str(), text.bytes()), ("\u{9FB4}", bytes));
        }
    }

    #[test]
    fn ascii_repertoires() {
        let pinyin = AsciiText::<10, Latin>::new("Wang Xi'an").unwrap();
        assert_eq!(AsciiText::from_bytes(pinyin.bytes()), Ok(pinyin));
        assert_eq!(pinyin.to_string(), "Wang Xi'an");
        for text in ["Lü", "A1", "A_B", "A\u{0}"] {
            assert!(
                matches!(AsciiText::<10, Latin>::new(text), Err(TextError::NotInRepertoire { .. })),
                "{text}"
            );
        }
        assert_eq!(AsciiText::<10, Latin>::new(" "), Err(TextError::Blank));
        assert_eq!(AsciiText::<10>::new(""), Err(TextError::Blank));
        assert!(AsciiText::<10>::new("A B").is_err());
        assert!(AsciiText::<2>::new("ABC").is_err());
        assert_eq!(AsciiText::<3>::from_bytes(*b"A\0B"), Err(TextError::Padding(2)));
    }

    proptest! {
        #[test]
        fn arbitrary_text_round_trips_or_is_refused(text in "\\PC{1,24}") {
            if let Ok(field) = GbText::<62>::new(&text) {
                prop_assert_eq!(field.text(), text);
                prop_assert_eq!(GbText::from_bytes(field.bytes()), Ok(field));
            }
        }

        #[test]
        fn arbitrary_bytes_are_kept_or_refused(bytes in any::<[u8; 12]>()) {
            if let Ok(field) = GbText::from_bytes(bytes) {
                prop_assert_eq!(field.bytes(), bytes);
                prop_assert!(!field.text().contains(char::is_control));
            }
        }

        #[test]
        fn common_hanzi_are_two_bytes(text in "[\u{4E00}-\u{9FA5}]{1,15}") {
            let field = GbText::<30>::new(&text).unwrap();
            let used: Vec<u8> = field.bytes().into_iter().filter(|b| *b != 0).collect();
            prop_assert_eq!(used.len(), 2 * text.chars().count());
        }
    }
}
