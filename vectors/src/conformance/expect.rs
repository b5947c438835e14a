//! What a step expects of an answer: status word, data, and what is kept of it.

use std::fmt;
use std::ops::Range;

use xuejika_apdu::StatusWord;
use xuejika_apdu::status::Outcome;

use super::bytes::{BytesError, Template, Values, cut, is_name, split_range};

/// Expected status words: `9000`, `61xx|9000`, `6xxx`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    text: String,
    /// Value and mask of each alternative.
    alternatives: Vec<(u16, u16)>,
}

impl Status {
    /// Reads a pattern; `None` unless each alternative has four digits, `x` for any.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let alternatives = text.split('|').map(|part| mask(part.trim())).collect::<Option<_>>()?;
        Some(Self { text: text.to_owned(), alternatives })
    }

    /// Whether `status` is one of them.
    #[must_use]
    pub fn matches(&self, status: StatusWord) -> bool {
        self.alternatives.iter().any(|(value, mask)| status.0 & mask == *value)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn mask(text: &str) -> Option<(u16, u16)> {
    let digits: Vec<char> = text.chars().collect();
    let [_, _, _, _] = digits.as_slice() else { return None };
    digits.iter().try_fold((0, 0), |(value, mask), digit| match digit {
        'x' | 'X' => Some((value << 4, mask << 4)),
        digit => {
            let digit = u16::try_from(digit.to_digit(16)?).ok()?;
            Some((value << 4 | digit, mask << 4 | 0xF))
        }
    })
}

/// Expected data: alternatives of bytes with `??`; one that ends in `*` leaves the rest open.
#[derive(Clone, Debug)]
pub(super) struct Data(Vec<(Template, bool)>);

impl Data {
    pub(super) fn parse(text: &str) -> Result<Self, BytesError> {
        let alternative = |text: &str| {
            let text = text.trim();
            match text.strip_suffix('*') {
                Some(head) => Ok((Template::parse_pattern(head)?, true)),
                None => Ok((Template::parse_pattern(text)?, false)),
            }
        };
        text.split('|').map(alternative).collect::<Result<_, _>>().map(Self)
    }

    /// What differs, `None` when nothing does.
    pub(super) fn difference(
        &self,
        data: &[u8],
        values: &Values,
    ) -> Result<Option<String>, BytesError> {
        let mut expected = Vec::new();
        for (template, open) in &self.0 {
            let pattern = template.expand(values)?;
            if fits(&pattern, *open, data) {
                return Ok(None);
            }
            expected.push(show(&pattern, *open));
        }
        let found = hex::encode_upper(data);
        Ok(Some(format!("data {found:?}, expected {:?}", expected.join("|"))))
    }
}

fn fits(pattern: &[Option<u8>], open: bool, data: &[u8]) -> bool {
    let long_enough = if open { data.len() >= pattern.len() } else { data.len() == pattern.len() };
    long_enough
        && pattern.iter().zip(data).all(|(expected, byte)| expected.is_none_or(|it| it == *byte))
}

fn show(pattern: &[Option<u8>], open: bool) -> String {
    let byte = |byte: &Option<u8>| byte.map_or("??".to_owned(), |byte| format!("{byte:02X}"));
    let end = if open { "*" } else { "" };
    pattern.iter().map(byte).collect::<String>() + end
}

/// A part of the answer that gets a name: `name[0..4]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Capture {
    name: String,
    part: Range<usize>,
}

impl Capture {
    /// Reads names with ranges, apart by spaces.
    pub(super) fn parse_all(text: &str) -> Result<Vec<Self>, BytesError> {
        let capture = |text: &str| {
            let (name, part) = split_range(text)?;
            if is_name(name) {
                return Ok(Self { name: name.to_owned(), part });
            }
            Err(BytesError::Syntax { text: text.to_owned(), expected: "name or name[a..b]" })
        };
        text.split_whitespace().map(capture).collect()
    }

    /// Keeps its part of `data`; false when there is too little.
    pub(super) fn keep(&self, data: &[u8], values: &mut Values) -> bool {
        let part = cut(data, &self.part);
        if let Some(part) = part {
            values.insert(self.name.clone(), part.to_vec());
        }
        part.is_some()
    }
}

/// Whether there is to be an answer at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reply {
    /// There is.
    #[default]
    Given,
    /// Power goes before the card can answer.
    Lost,
    /// Either.
    Either,
}

/// Everything a step expects.
#[derive(Clone, Debug)]
pub(super) struct Expect {
    pub(super) status: Status,
    pub(super) data: Option<Data>,
    pub(super) captures: Vec<Capture>,
    pub(super) reply: Reply,
}

impl Expect {
    /// Compares an answer and keeps what is to be kept; says what differs, if anything does.
    ///
    /// An answer that is no success carries no data unless the step says so.
    pub(super) fn check(
        &self,
        status: StatusWord,
        data: &[u8],
        values: &mut Values,
    ) -> Result<Option<String>, BytesError> {
        if !self.status.matches(status) {
            return Ok(Some(format!("status word {status}, expected {}", self.status)));
        }
        let difference = match &self.data {
            Some(expected) => expected.difference(data, values)?,
            None if status.outcome() != Outcome::Normal && !data.is_empty() => {
                Some(format!("data {:?} with {status}, expected none", hex::encode_upper(data)))
            }
            None => None,
        };
        if difference.is_some() {
            return Ok(difference);
        }
        let missing = self.captures.iter().find(|capture| !capture.keep(data, values));
        Ok(missing
            .map(|capture| format!("{} bytes of data, too few for {:?}", data.len(), capture.name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_and_alternatives() {
        let matches = |pattern, status| Status::parse(pattern).unwrap().matches(StatusWord(status));
        assert!(matches("9000", 0x9000) && !matches("9000", 0x9001));
        assert!(matches("61xx | 9000", 0x6110) && matches("6xxx", 0x6FFF));
        for text in ["", "900", "90000", "9000|", "90y0"] {
            assert_eq!(Status::parse(text), None, "{text}");
        }
    }

    #[test]
    fn data_with_wildcards_alternatives_and_an_open_end() {
        let differs = |pattern: &str, data: &[u8]| {
            Data::parse(pattern).unwrap().difference(data, &Values::new()).unwrap().is_some()
        };
        assert!(!differs("01??03", &[1, 2, 3]) && differs("01??03", &[1, 2, 4]));
        assert!(differs("01", &[1, 2]) && !differs("01*", &[1, 2]) && differs("01*", &[]));
        assert!(!differs("01|02", &[2]) && !differs("", &[]) && differs("", &[0]));
        assert!(Data::parse("0?").is_err());
    }

    #[test]
    fn a_refusal_has_no_data_and_captures_need_enough() {
        let expect = |sw, capture| Expect {
            status: Status::parse(sw).unwrap(),
            data: None,
            captures: Capture::parse_all(capture).unwrap(),
            reply: Reply::Given,
        };
        let mut values = Values::new();
        let mut check = |expect: &Expect, sw, data: &[u8]| {
            expect.check(StatusWord(sw), data, &mut values).unwrap()
        };
        assert!(check(&expect("6A82", ""), 0x6A82, &[1]).is_some());
        assert_eq!(check(&expect("9000", "a[1..3] b"), 0x9000, &[1, 2, 3]), None);
        assert!(check(&expect("9000", "a[1..4]"), 0x9000, &[1, 2, 3]).is_some());
        assert_eq!((&values["a"][..], &values["b"][..]), (&[2, 3][..], &[1, 2, 3][..]));
        assert!(Capture::parse_all("A").is_err());
    }
}
