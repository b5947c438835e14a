//! What a workbook says beside its rows: its sheets, its texts, and which numbers are days.

use quick_xml::events::Event;

use super::part::{Package, attribute, bomb, push_text, unread};
use crate::file::sink::Stop;

/// Most texts that cells share, and most bytes of them.
const MAX_STRINGS: usize = 8 << 20;
const MAX_STRING_BYTES: usize = 128 << 20;

/// Most formats of cells: Excel has 65,490.
const MAX_FORMATS: usize = 1 << 16;

/// Days from the first day of a workbook of either calendar to 1900-01-00.
const DAYS_OF_1904: i32 = 1462;

/// A workbook.
#[derive(Debug)]
pub(super) struct Book {
    /// Names of its sheets that are shown, and the parts with their rows.
    pub(super) sheets: Vec<(String, String)>,
    /// Texts that cells share.
    pub(super) strings: Strings,
    /// Whether a number in a cell with this format is a day.
    pub(super) days: Vec<bool>,
    /// Days to add to a number to count from 1899-12-30.
    pub(super) first_day: i32,
}

impl Book {
    /// Reads everything but the rows.
    pub(super) fn open(package: &mut Package) -> Result<Self, Stop> {
        let root = package.relationships("")?;
        let of_kind = |all: &[[String; 3]], kind: &str| {
            let mut found = all.iter().filter(|[_, other, _]| other.ends_with(kind));
            found.next().map(|[.., target]| target.clone())
        };
        let name = of_kind(&root, "/officeDocument").unwrap_or_else(|| "xl/workbook.xml".into());
        if !package.has(&name) || !name.ends_with(".xml") {
            let what = match () {
                () if package.has("content.xml") => "an OpenDocument spreadsheet",
                () if name.ends_with(".bin") => "an .xlsb workbook",
                () => "a zip archive without a workbook",
            };
            return Err(unread(format!("{what}: save it as .xlsx")));
        }
        let parts = package.relationships(&name)?;
        let mut book = Self {
            sheets: Vec::new(),
            strings: Strings::default(),
            days: Vec::new(),
            first_day: 0,
        };
        let mut hidden = Vec::new();
        book.read_sheets(package, &name, &parts, &mut hidden)?;
        if book.sheets.is_empty() {
            book.sheets = hidden.clone();
        }
        book.sheets.extend(hidden);
        if let Some(part) = of_kind(&parts, "/styles") {
            book.days = days(package, &part)?;
        }
        if let Some(part) = of_kind(&parts, "/sharedStrings") {
            book.strings = Strings::read(package, &part)?;
        }
        Ok(book)
    }

    fn read_sheets(
        &mut self,
        package: &mut Package,
        name: &str,
        parts: &[[String; 3]],
        hidden: &mut Vec<(String, String)>,
    ) -> Result<(), Stop> {
        let Some(mut part) = package.part(name)? else { return Ok(()) };
        while let Some(event) = part.next()? {
            let Event::Start(tag) = event else { continue };
            match tag.local_name().as_ref() {
                "workbookPr" => {
                    let of_1904 = attribute(&tag, "date1904");
                    let of_1904 = of_1904.is_some_and(|value| matches!(&*value, "1" | "true"));
                    self.first_day = if of_1904 { DAYS_OF_1904 } else { 0 };
                }
                "sheet" => {
                    let id = attribute(&tag, "id").unwrap_or_default();
                    let found = parts
                        .iter()
                        .find(|[known, kind, _]| *known == id && kind.ends_with("/worksheet"));
                    let Some([.., target]) = found else { continue };
                    let name = attribute(&tag, "name").unwrap_or_default();
                    let shown = attribute(&tag, "state").is_none_or(|state| state == "visible");
                    let sheets = if shown { &mut self.sheets } else { &mut *hidden };
                    sheets.push((name, target.clone()));
                }
                _ => {}
            }
            if self.sheets.len() + hidden.len() > MAX_FORMATS {
                return Err(bomb("too many sheets".into()));
            }
        }
        Ok(())
    }
}

/// Which formats of cells are those of days.
fn days(package: &mut Package, name: &str) -> Result<Vec<bool>, Stop> {
    let mut own = std::collections::BTreeMap::new();
    let mut days = Vec::new();
    let Some(mut part) = package.part(name)? else { return Ok(days) };
    let mut cells = false;
    while let Some(event) = part.next()? {
        match event {
            Event::Start(tag) => match tag.local_name().as_ref() {
                "numFmt" => {
                    let code = attribute(&tag, "formatCode").unwrap_or_default();
                    let id = attribute(&tag, "numFmtId").unwrap_or_default();
                    own.insert(id, is_day_code(&code));
                }
                "cellXfs" => cells = true,
                "xf" if cells => {
                    let id = attribute(&tag, "numFmtId").unwrap_or_default();
                    days.push(own.get(&id).copied().unwrap_or_else(|| is_day_id(&id)));
                }
                _ => {}
            },
            Event::End(tag) if tag.local_name().as_ref() == "cellXfs" => cells = false,
            _ => {}
        }
        if days.len().max(own.len()) > MAX_FORMATS {
            return Err(bomb(format!("more than {MAX_FORMATS} formats")));
        }
    }
    Ok(days)
}

/// Whether a format that every program knows is one of days (ECMA-376 part 1, 18.8.30, with those of
/// Chinese editions).
fn is_day_id(id: &str) -> bool {
    matches!(id.parse(), Ok(14..=17 | 22 | 27..=31 | 36 | 50..=54 | 57 | 58_u32))
}

/// Whether a format of the workbook shows a day: outside quotes and brackets, it has a year or a day.
fn is_day_code(code: &str) -> bool {
    let mut chars = code.chars();
    let mut end = None;
    while let Some(char) = chars.next() {
        match (end, char) {
            (Some(mark), char) if mark == char => end = None,
            (None, '"') => end = Some('"'),
            (None, '[') => end = Some(']'),
            (None, '\\' | '_' | '*') => drop(chars.next()),
            (None, ';') => return false,
            (None, 'y' | 'Y' | 'd' | 'D') => return true,
            _ => {}
        }
    }
    false
}

/// Texts that cells share, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Strings {
    text: String,
    ends: Vec<u32>,
}

impl Strings {
    fn read(package: &mut Package, name: &str) -> Result<Self, Stop> {
        let mut strings = Self::default();
        let Some(mut part) = package.part(name)? else { return Ok(strings) };
        let mut text = String::new();
        let mut taken = Taken::default();
        while let Some(event) = part.next()? {
            match &event {
                Event::End(tag) if tag.local_name().as_ref() == "si" => {
                    strings.push(&text)?;
                    text.clear();
                }
                event => taken.take(event, &mut text)?,
            }
        }
        Ok(strings)
    }

    fn push(&mut self, text: &str) -> Result<(), Stop> {
        if self.ends.len() == MAX_STRINGS || self.text.len() + text.len() > MAX_STRING_BYTES {
            return Err(bomb("more shared texts than a batch has; write rows as CSV".into()));
        }
        self.text.push_str(text);
        self.ends.push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
        Ok(())
    }

    /// The text with this number.
    pub(super) fn get(&self, number: usize) -> Option<&str> {
        let end = *self.ends.get(number)?;
        let start = number.checked_sub(1).and_then(|before| self.ends.get(before)).unwrap_or(&0);
        self.text.get(*start as usize..end as usize)
    }
}

/// Text inside a shared or inline string: that of its runs, without how it is pronounced.
#[derive(Debug, Default)]
pub(super) struct Taken {
    inside: bool,
    phonetic: bool,
}

impl Taken {
    /// Takes what is next in a string.
    pub(super) fn take(&mut self, event: &Event<'_>, text: &mut String) -> Result<(), Stop> {
        match event {
            Event::Start(tag) => match tag.local_name().as_ref() {
                "t" => self.inside = !self.phonetic,
                "rPh" => self.phonetic = true,
                _ => {}
            },
            Event::End(tag) => match tag.local_name().as_ref() {
                "t" => self.inside = false,
                "rPh" => self.phonetic = false,
                _ => {}
            },
            event if self.inside => push_text(text, event)?,
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_of_days_are_known() {
        for code in ["yyyy-mm-dd", "yyyy\\-mm\\-dd;@", "[$-804]yyyy\"年\"m\"月\"d\"日\"", "D.M.YY"]
        {
            assert!(is_day_code(code), "{code}");
        }
        for code in ["General", "0.00E+00", "[Red]0", "\"day\"0", "hh:mm:ss", "0;\\d", "@"] {
            assert!(!is_day_code(code), "{code}");
        }
        assert!(is_day_id("14") && is_day_id("58") && !is_day_id("0") && !is_day_id("20"));
    }

    #[test]
    fn shared_texts_are_found_by_number() {
        let mut strings = Strings::default();
        for text in ["a", "", "张三"] {
            assert!(strings.push(text).is_ok());
        }
        assert_eq!([0, 1, 2, 3].map(|n| strings.get(n)), [Some("a"), Some(""), Some("张三"), None]);
    }
}
