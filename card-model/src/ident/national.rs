//! National identifiers: the resident identity number of GB 11643 (公民身份号码) and the national
//! pupil number (全国学籍号) built on it.
//!
//! The pupil number is a letter and 18 characters: `G` and the identity number; `J`, area 6, birth 8,
//! sequence 3, check 1; or `L`, area 6, birth 8, random 4. `G` and `J` share the check character.

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

use super::DocumentNumber;
use crate::bcd;
use crate::code::{Sex, codes};
use crate::date::{Date, is_day};

const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const CHECK_CHARACTERS: [u8; 11] = *b"10X98765432";

/// Why a text is not a resident identity number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NationalIdError {
    /// Not 17 digits and a digit or capital X.
    #[error("{0:?} is not 17 digits followed by a digit or X")]
    Form(String),
    /// Characters 7 to 14 are no day.
    #[error("{0} is not a date of birth")]
    BirthDate(String),
    /// The last character is not the check character.
    #[error("the last character is {found}, expected {expected}")]
    CheckCharacter {
        /// The last character.
        found: char,
        /// The check character of the others.
        expected: char,
    },
}

/// A resident identity number with a real date of birth and a correct check character.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NationalId(DocumentNumber);

impl NationalId {
    /// Returns the date of birth, or `None` before 1900, which no [`Date`] can tell.
    #[must_use]
    pub fn birth_date(&self) -> Option<Date> {
        birth_date(self.0.as_str()).and_then(|(year, month, day)| Date::new(year, month, day).ok())
    }

    /// Returns the sex: character 17 is odd for male, even for female.
    #[must_use]
    pub fn sex(&self) -> Sex {
        match self.0.as_str().as_bytes().get(16) {
            Some(b'1' | b'3' | b'5' | b'7' | b'9') => Sex::Male,
            _ => Sex::Female,
        }
    }

    /// Returns the number as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for NationalId {
    type Err = NationalIdError;

    fn from_str(text: &str) -> Result<Self, NationalIdError> {
        let form = || NationalIdError::Form(text.into());
        let number = DocumentNumber::new(text).map_err(|_| form())?;
        let (first, last) = text.as_bytes().split_at_checked(17).ok_or_else(form)?;
        let &[found @ (b'0'..=b'9' | b'X')] = last else {
            return Err(form());
        };
        let expected = check_character(first).ok_or_else(form)?;
        check_birth_date(text)?;
        if found != expected {
            return Err(NationalIdError::CheckCharacter {
                found: found.into(),
                expected: expected.into(),
            });
        }
        Ok(Self(number))
    }
}

impl fmt::Display for NationalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for NationalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NationalId({self})")
    }
}

codes! {
    /// First letter of the national pupil number (全国学籍号); one ASCII byte.
    pub enum NationalPrefix {
        Formal = b'G', "G", "formal, by identity number", "正式学籍(身份证号)";
        FormalNoId = b'J', "J", "formal, without identity number", "正式学籍(无身份证号)";
        Temporary = b'L', "L", "temporary", "临时学籍";
    }
}

/// Why a text is not a national pupil number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NationalPupilNumberError {
    /// The first letter is none of G, J and L.
    #[error("{0:?} does not begin with G, J or L")]
    Prefix(String),
    /// The body of a G or J number breaks the rules of an identity number.
    #[error(transparent)]
    Body(#[from] NationalIdError),
    /// The body of an L number is not 18 digits.
    #[error("{0:?} is not 18 digits")]
    TemporaryForm(String),
}

/// A national pupil number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NationalPupilNumber {
    prefix: NationalPrefix,
    body: DocumentNumber,
}

impl NationalPupilNumber {
    /// Joins the letter and the 18 characters after it.
    ///
    /// # Errors
    /// [`NationalPupilNumberError::Body`] or [`NationalPupilNumberError::TemporaryForm`].
    pub fn new(
        prefix: NationalPrefix,
        body: DocumentNumber,
    ) -> Result<Self, NationalPupilNumberError> {
        let text = body.as_str();
        match prefix {
            NationalPrefix::Formal | NationalPrefix::FormalNoId => {
                text.parse::<NationalId>()?;
            }
            NationalPrefix::Temporary => {
                bcd::parse_decimal(text, 18)
                    .map_err(|_| NationalPupilNumberError::TemporaryForm(text.into()))?;
                check_birth_date(text)?;
            }
        }
        Ok(Self { prefix, body })
    }

    /// Returns the first letter.
    #[must_use]
    pub const fn prefix(&self) -> NationalPrefix {
        self.prefix
    }

    /// Returns the 18 characters after the letter.
    #[must_use]
    pub const fn body(&self) -> DocumentNumber {
        self.body
    }

    /// Returns the identity number in a G number.
    #[must_use]
    pub fn national_id(&self) -> Option<NationalId> {
        (self.prefix == NationalPrefix::Formal).then_some(NationalId(self.body))
    }

    /// Returns the date of birth, or `None` before 1900, which no [`Date`] can tell.
    #[must_use]
    pub fn birth_date(&self) -> Option<Date> {
        NationalId(self.body).birth_date()
    }
}

impl FromStr for NationalPupilNumber {
    type Err = NationalPupilNumberError;

    fn from_str(text: &str) -> Result<Self, NationalPupilNumberError> {
        let no_prefix = || NationalPupilNumberError::Prefix(text.into());
        let (prefix, body) = text.split_at_checked(1).ok_or_else(no_prefix)?;
        let letter = prefix.bytes().next().and_then(NationalPrefix::from_code);
        let form = |_| NationalPupilNumberError::Body(NationalIdError::Form(body.into()));
        Self::new(letter.ok_or_else(no_prefix)?, body.parse().map_err(form)?)
    }
}

impl fmt::Display for NationalPupilNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.prefix.code_text(), self.body)
    }
}

impl fmt::Debug for NationalPupilNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NationalPupilNumber({self})")
    }
}

/// The check character of 17 digits (ISO 7064 MOD 11-2), or `None` when one is no digit.
fn check_character(digits: &[u8]) -> Option<u8> {
    let mut sum: u32 = 0;
    for (digit, weight) in digits.iter().zip(WEIGHTS) {
        sum += char::from(*digit).to_digit(10)? * weight;
    }
    CHECK_CHARACTERS.into_iter().nth((sum % 11) as usize)
}

/// Year, month and day in characters 7 to 14.
fn birth_date(number: &str) -> Option<(u16, u8, u8)> {
    let digits = bcd::parse_decimal(number.get(6..14)?, 8).ok()?;
    Some(((digits / 10_000 % 10_000) as u16, (digits / 100 % 100) as u8, (digits % 100) as u8))
}

fn check_birth_date(number: &str) -> Result<(), NationalIdError> {
    match birth_date(number) {
        Some((year @ 1800..=2099, month, day)) if is_day(year, month, day) => Ok(()),
        _ => Err(NationalIdError::BirthDate(number.get(6..14).unwrap_or_default().into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    fn id(text: &str) -> Result<NationalId, NationalIdError> {
        text.parse()
    }

    /// The two examples of GB 11643-1999.
    #[test]
    fn published_numbers() {
        let first = id("11010519491231002X").unwrap();
        assert_eq!(first.sex(), Sex::Female);
        assert_eq!(first.birth_date(), Date::new(1949, 12, 31).ok());
        assert_eq!(first.to_string(), "11010519491231002X");

        let second = id("440524188001010014").unwrap();
        assert_eq!(second.sex(), Sex::Male);
        assert_eq!(second.birth_date(), None);
    }

    #[test]
    fn one_check_character_in_eleven() {
        for last in "0123456789X".chars() {
            let text = format!("11010519491231002{last}");
            assert_eq!(id(&text).is_ok(), last == 'X', "{text}");
        }
    }

    #[test]
    fn refusals() {
        use NationalIdError as E;
        for text in [
            "11010519491231002x",
            "11010519491231002",
            "11010519491231002XX",
            "1101051949123100 X",
            "１１0105194912",
            "",
        ] {
            assert_eq!(id(text), Err(E::Form(text.into())));
        }
        assert!(matches!(id("110105194902300028"), Err(E::BirthDate(_))));
        assert!(matches!(id("110105210012310029"), Err(E::BirthDate(_))));
    }

    #[test]
    fn pupil_numbers() {
        use NationalPupilNumberError as E;
        let parse = |text: &str| text.parse::<NationalPupilNumber>();

        let formal = parse("G11010519491231002X").unwrap();
        assert_eq!(formal.national_id(), id("11010519491231002X").ok());
        assert_eq!(formal.to_string(), "G11010519491231002X");
        let no_id = parse("J11010519491231002X").unwrap();
        assert_eq!((no_id.national_id(), no_id.body()), (None, formal.body()));
        let temporary = parse("L110105200712310001").unwrap();
        assert_eq!(temporary.birth_date(), Date::new(2007, 12, 31).ok());

        assert!(matches!(parse("X110105200712310001"), Err(E::Prefix(_))));
        assert!(matches!(parse(""), Err(E::Prefix(_))));
        assert!(matches!(parse("学110105200712310001"), Err(E::Prefix(_))));
        assert!(matches!(parse("J110105194912310021"), Err(E::Body(_))));
        assert!(matches!(parse("G"), Err(E::Body(_))));
        assert!(matches!(parse("L11010520071231000X"), Err(E::TemporaryForm(_))));
        assert!(matches!(parse("L110105200713310001"), Err(E::Body(_))));
    }
}
