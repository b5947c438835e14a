//! Fixed-width text fields: GB 18030 for Chinese, ASCII for the rest; left-aligned, padded with 00.
//!
//! A value of these types is always valid content: decodable, not blank, free of control
//! characters, and never cut inside a character. Text that does not fit is an error which says how
//! many bytes it needs; nothing is shortened or replaced.

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
    /// [`TextError::NotEncodable`], [`TextError::TooLong`], [`TextError::Control`] or
    /// [`TextError::Blank`].
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

fn check_characters(text: &str) -> Result<(), TextError> {
    let forbidden = |c: &char| c.is_control() || *c == char::REPLACEMENT_CHARACTER;
    match text.chars().find(forbidden) {
        Some(c) => Err(TextError::Control(c)),
        None if text.trim().is_empty() => Err(TextError::Blank),
        None => Ok(()),
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
