//! Text from files, cards and the network, as it may be shown: no character of it moves the cursor,
//! ends a line, turns the direction of writing or hides.

use core::fmt::{self, Display, Write};

use serde::Serialize;

/// Shows text with its control and invisible characters made visible: `\n`, `\r`, `\t`, or `\u{1B}`
/// and the like for any other. Everything else stays as it is, the backslash too, so that what is
/// shown twice looks the same.
pub(crate) struct Shown<T>(pub(crate) T);

impl<T: Display> Display for Shown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaper(f), "{}", self.0)
    }
}

/// Writes on what it gets, escaped.
struct Escaper<'a, W>(&'a mut W);

impl<W: Write> Write for Escaper<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(is_deceptive) {
            let (clear, tail) = rest.split_at(at);
            self.0.write_str(clear)?;
            let mut tail = tail.chars();
            tail.next().map_or(Ok(()), |c| escape(c, self.0))?;
            rest = tail.as_str();
        }
        self.0.write_str(rest)
    }
}

fn escape(c: char, to: &mut impl Write) -> fmt::Result {
    match c {
        '\n' => to.write_str(r"\n"),
        '\r' => to.write_str(r"\r"),
        '\t' => to.write_str(r"\t"),
        c => write!(to, "\\u{{{:02X}}}", u32::from(c)),
    }
}

/// Whether a character does something else than to be seen: controls (Unicode general category Cc),
/// line and paragraph separators, direction marks, embeddings, overrides and isolates, whatever is
/// invisible by default (`Default_Ignorable_Code_Point`), interlinear annotation, noncharacters.
pub(crate) fn is_deceptive(c: char) -> bool {
    let invisible = matches!(
        c,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
        | '\u{FFF0}'..='\u{FFFB}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
        | '\u{E0000}'..='\u{E0FFF}'
    );
    let noncharacter = matches!(c, '\u{FDD0}'..='\u{FDEF}') || c as u32 & 0xFFFE == 0xFFFE;
    c.is_control() || invisible || noncharacter
}

/// A value as JSON in one line, shown like text.
///
/// # Errors
/// As [`serde_json::to_string`].
pub(crate) fn to_json(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(json(&serde_json::to_string(value)?))
}

/// As [`to_json`], in lines.
pub(crate) fn to_json_pretty(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(json(&serde_json::to_string_pretty(value)?))
}

/// JSON with the same characters made visible: they stand in strings only, where `\uXXXX` means the
/// same.
fn json(text: &str) -> String {
    escape_in_layout(text, |c, to| {
        let mut units = [0; 2];
        c.encode_utf16(&mut units).iter().try_for_each(|unit| write!(to, "\\u{unit:04x}"))
    })
}

/// HTML with the same characters made visible. The line ends are its layout: to a reader they are
/// spaces.
pub(crate) fn html(text: &str) -> String {
    escape_in_layout(text, escape)
}

/// Escapes all but line ends.
fn escape_in_layout(text: &str, escape: impl Fn(char, &mut String) -> fmt::Result) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c != '\n' && is_deceptive(c) {
            // Writing to a string does not fail.
            true => escape(c, &mut escaped).unwrap_or_default(),
            false => escaped.push(c),
        }
    }
    escaped
}

/// Text for people, as lines. Whatever a line is made of, it is one line: so that no field can look
/// like a line that the program has written.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    text: String,
    indent: usize,
}

impl Lines {
    /// What `report` is for people.
    pub(crate) fn of(report: &(impl Show + ?Sized)) -> Self {
        let mut lines = Self::default();
        report.show(&mut lines);
        lines
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, line: impl Display) {
        let line = Shown(line).to_string();
        let indent = if line.is_empty() { 0 } else { self.indent };
        self.text.extend(core::iter::repeat_n(' ', indent));
        self.text.push_str(&line);
        self.text.push('\n');
    }

    /// Adds lines that begin `columns` further to the right.
    pub(crate) fn indented(&mut self, columns: usize, add: impl FnOnce(&mut Self)) {
        self.indent += columns;
        add(self);
        self.indent -= columns;
    }

    /// The lines, each with its end.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }
}

/// What people are shown as lines. One line is whatever implements [`Display`].
pub(crate) trait Show {
    /// Adds the lines of this value.
    fn show(&self, to: &mut Lines);
}

impl<T: Display> Show for T {
    fn show(&self, to: &mut Lines) {
        to.line(self);
    }
}

/// A text the program or its user wrote, line by line.
pub(crate) struct Document<'a>(pub(crate) &'a str);

impl Show for Document<'_> {
    fn show(&self, to: &mut Lines) {
        self.0.lines().for_each(|line| to.line(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Characters to be escaped, by kind: C0, DEL and C1, direction (two lines), separators, what is
    /// invisible (two lines), noncharacters. Written down here, not taken from the code.
    const KINDS: [&str; 8] = [
        "\0\u{1}\u{7}\u{8}\t\n\u{B}\u{C}\r\u{E}\u{1B}\u{1F}",
        "\u{7F}\u{80}\u{84}\u{85}\u{8D}\u{90}\u{9B}\u{9C}\u{9D}\u{9F}",
        "\u{61C}\u{200E}\u{200F}\u{202A}\u{202B}\u{202C}\u{202D}\u{202E}",
        "\u{2066}\u{2067}\u{2068}\u{2069}",
        "\u{2028}\u{2029}",
        "\u{AD}\u{200B}\u{200C}\u{200D}\u{2060}\u{2064}\u{FEFF}\u{180E}\u{3164}",
        "\u{FE00}\u{FE0F}\u{E0001}\u{E0020}\u{E007F}\u{E0100}\u{E01EF}\u{FFF9}\u{FFFB}",
        "\u{FDD0}\u{FDEF}\u{FFFE}\u{FFFF}\u{1FFFE}\u{10FFFF}",
    ];

    fn hostile() -> impl Strategy<Value = String> {
        let kinds: Vec<char> = KINDS.iter().flat_map(|kind| kind.chars()).collect();
        let one = prop_oneof![
            proptest::sample::select(kinds),
            any::<char>(),
            proptest::char::range(' ', '~')
        ];
        proptest::collection::vec(one, 0..40).prop_map(|all| all.into_iter().collect())
    }

    proptest! {
        #[test]
        fn whatever_is_shown_is_visible_and_one_line(text in hostile()) {
            let shown = Shown(&text).to_string();
            prop_assert!(!shown.contains(|c: char| is_deceptive(c) || c.is_control()));
            prop_assert_eq!(shown.lines().count(), usize::from(!text.is_empty()));
            prop_assert_eq!(Shown(&shown).to_string(), shown, "shown twice");
        }

        #[test]
        fn a_line_is_a_line(texts in proptest::collection::vec(hostile(), 0..5)) {
            let mut lines = Lines::default();
            lines.indented(2, |lines| texts.iter().for_each(|text| lines.line(text)));
            prop_assert_eq!(lines.as_str().matches('\n').count(), texts.len());
            prop_assert!(lines.as_str().lines().all(|line| line.is_empty() || line.starts_with("  ")));
        }

        #[test]
        fn json_stays_the_same_value(text in hostile()) {
            let pretty = serde_json::to_string_pretty(&[&text]).unwrap();
            let shown = json(&pretty);
            prop_assert!(!shown.contains(|c: char| c != '\n' && is_deceptive(c)));
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&shown).unwrap(), [text]);
        }
    }

    #[test]
    fn pages_keep_their_lines() {
        assert_eq!(html("<p>a\u{202E}\n<p>b\t\u{1}"), "<p>a\\u{202E}\n<p>b\\t\\u{01}");
    }

    #[test]
    fn every_kind_is_escaped() {
        for c in KINDS.iter().flat_map(|kind| kind.chars()) {
            let shown = Shown(c).to_string();
            assert!(shown.starts_with('\\') && shown.is_ascii(), "{:X}: {shown}", u32::from(c));
        }
        assert_eq!(Shown("a\nb\u{202E}c\u{1B}[2K").to_string(), r"a\nb\u{202E}c\u{1B}[2K");
    }

    #[test]
    fn text_stays_readable() {
        let texts = [
            "王小明, 北京市第八中学 → 3 cards (良品) – “x” \\ ' \"",
            // A rare character beyond the first plane, one of the private use area, an ideographic space.
            "𠮷野 \u{E863} 张\u{3000}三 · é",
        ];
        for text in texts {
            assert_eq!(Shown(text).to_string(), text);
        }
    }

    #[test]
    fn empty_lines_are_not_indented() {
        let mut lines = Lines::default();
        lines.indented(4, |lines| lines.line(""));
        lines.line(Shown("a"));
        assert_eq!(lines.as_str(), "\na\n");
    }
}
