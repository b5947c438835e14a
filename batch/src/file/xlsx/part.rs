//! Parts of a workbook (Open Packaging Conventions, ECMA-376 part 2): found by their relationships,
//! unpacked as they are read, and never more in memory than one tag or text.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use zip::ZipArchive;
use zip::read::ZipFile;

use crate::Check;
use crate::file::sink::Stop;

/// Most parts of a workbook.
const MAX_PARTS: usize = 1000;

/// Most bytes of a part, unpacked.
const MAX_PART: u64 = 4 << 30;

/// Most times that a part may grow, and what may grow further.
const MAX_RATIO: u64 = 100;
const SMALL: u64 = 1 << 20;

/// Most bytes of a tag or a text.
pub(super) const MAX_TEXT: usize = 256 << 10;

/// Most elements in one another.
const MAX_DEPTH: u32 = 64;

/// Bytes at the end of an archive in which its directory is announced.
const TAIL: u64 = 128 << 10;

/// A file that is refused because of its size.
pub(super) fn bomb(found: String) -> Stop {
    Stop::Damaged(Check::FileBomb, found)
}

/// A file that is whole but not read.
pub(super) fn unread(found: impl Into<String>) -> Stop {
    Stop::Damaged(Check::FileUnread, found.into())
}

/// An open archive.
pub(super) struct Package(ZipArchive<BufReader<File>>);

impl Package {
    pub(super) fn open(path: &Path) -> Result<Self, Stop> {
        let mut file = File::open(path)?;
        let mut start = Vec::new();
        file.by_ref().take(8).read_to_end(&mut start)?;
        if start.starts_with(b"\xD0\xCF\x11\xE0") {
            return Err(unread("a workbook with a password, or an .xls: save it as plain .xlsx"));
        }
        if parts(&mut file)? > MAX_PARTS as u64 {
            return Err(bomb(format!("more than {MAX_PARTS} parts")));
        }
        file.rewind()?;
        let archive = ZipArchive::new(BufReader::new(file)).map_err(|e| Stop::damaged(&e))?;
        Ok(Self(archive))
    }

    /// Whether there is a part with this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.index(name).is_some()
    }

    fn index(&self, name: &str) -> Option<usize> {
        let same = |known: Result<std::borrow::Cow<'_, str>, _>| {
            known.is_ok_and(|known: std::borrow::Cow<'_, str>| {
                known.replace('\\', "/").trim_start_matches('/').eq_ignore_ascii_case(name)
            })
        };
        self.0.file_names().position(same)
    }

    /// Opens a part; none if the archive has no such part.
    pub(super) fn part(&mut self, name: &str) -> Result<Option<Part<'_>>, Stop> {
        let Some(index) = self.index(name) else { return Ok(None) };
        let part = self.0.by_index(index).map_err(|error| match error {
            zip::result::ZipError::UnsupportedArchive(what) => unread(what),
            error => Stop::damaged(&error),
        })?;
        if part.encrypted() {
            return Err(unread("a workbook with a password: save it without one"));
        }
        let left = part.compressed_size().saturating_mul(MAX_RATIO).clamp(SMALL, MAX_PART);
        let source = Metered { source: BufReader::new(part), left, event: MAX_TEXT };
        let mut xml = Reader::from_reader(source);
        xml.config_mut().expand_empty_elements = true;
        Ok(Some(Part { xml, buffer: Vec::new(), depth: 0 }))
    }

    /// What the relationships of a part name: identifier, kind and name of each other part.
    pub(super) fn relationships(&mut self, of: &str) -> Result<Vec<[String; 3]>, Stop> {
        let (folder, file) = of.rsplit_once('/').unwrap_or(("", of));
        let name = format!("{folder}/_rels/{file}.rels");
        let mut found = Vec::new();
        let Some(mut part) = self.part(name.trim_start_matches('/'))? else { return Ok(found) };
        while let Some(event) = part.next()? {
            let Event::Start(tag) = event else { continue };
            if tag.local_name().as_ref() != "Relationship" {
                continue;
            }
            let value = |name| attribute(&tag, name).unwrap_or_default();
            let target = resolved(folder, &value("Target"));
            found.push([value("Id"), value("Type"), target]);
            if found.len() > MAX_PARTS {
                return Err(bomb(format!("more than {MAX_PARTS} relationships")));
            }
        }
        Ok(found)
    }
}

/// The name of a part that is given from the folder of another one.
fn resolved(folder: &str, target: &str) -> String {
    let target = target.replace('\\', "/");
    let whole = if target.starts_with('/') { target } else { format!("{folder}/{target}") };
    let mut names = Vec::new();
    for name in whole.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    names.join("/")
}

/// Most parts that the directory of an archive announces, in either of its forms (APPNOTE 4.3.14 to
/// 4.3.16). What is not announced at its end is not read.
fn parts(file: &mut File) -> Result<u64, Stop> {
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut tail = Vec::new();
    file.by_ref().take(TAIL).read_to_end(&mut tail)?;
    let at = |signature: [u8; 4]| {
        let ends = tail.windows(4).enumerate().filter(move |(_, four)| *four == signature);
        ends.map(|(at, _)| at)
    };
    let bytes = |at: usize| tail.get(at..);
    let long = |at: usize| {
        let bytes = bytes(at + 32).and_then(|bytes| bytes.first_chunk::<8>());
        bytes.map_or(u64::MAX, |bytes| u64::from_le_bytes(*bytes))
    };
    let longest = at(*b"PK\x06\x06").map(long).max();
    let short = |at: usize| match bytes(at + 10).and_then(|bytes| bytes.first_chunk::<2>()) {
        Some([0xFF, 0xFF]) => longest.unwrap_or(u64::MAX),
        Some(count) => u16::from_le_bytes(*count).into(),
        None => 0,
    };
    let most = at(*b"PK\x05\x06").map(short).max();
    most.max(longest).ok_or_else(|| Stop::damaged(&"no directory of a zip archive"))
}

/// The value of an attribute, by its name without a prefix.
pub(super) fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = tag.attributes();
    let mut all = attributes.with_checks(false).flatten();
    let found = all.find(|attribute| attribute.key.local_name().as_ref() == name)?;
    found.normalized_value(XmlVersion::Explicit1_0).ok().map(std::borrow::Cow::into_owned)
}

/// A part as it is read.
pub(super) struct Part<'p> {
    xml: Reader<Metered<BufReader<ZipFile<'p, BufReader<File>>>>>,
    buffer: Vec<u8>,
    depth: u32,
}

impl Part<'_> {
    /// The next tag or text; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Event<'_>>, Stop> {
        self.buffer.clear();
        self.xml.get_mut().event = MAX_TEXT;
        let event = self.xml.read_event_into(&mut self.buffer).map_err(|error| match error {
            quick_xml::Error::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                bomb(error.to_string())
            }
            error => Stop::damaged(&error),
        })?;
        match &event {
            Event::Start(_) if self.depth == MAX_DEPTH => {
                return Err(bomb(format!("more than {MAX_DEPTH} elements in one another")));
            }
            Event::Start(_) => self.depth += 1,
            Event::End(_) => self.depth = self.depth.saturating_sub(1),
            Event::Eof if self.depth > 0 => return Err(Stop::damaged(&"a part that is cut short")),
            Event::Eof => return Ok(None),
            _ => {}
        }
        Ok(Some(event))
    }
}

/// Adds what a text event says to a text.
pub(super) fn push_text(text: &mut String, event: &Event<'_>) -> Result<(), Stop> {
    match event {
        Event::Text(more) => text.push_str(&more.xml10_content()),
        Event::CData(more) => text.push_str(&more.xml10_content()),
        Event::GeneralRef(name) => match name.resolve_char_ref() {
            Ok(Some(char)) => text.push(char),
            _ => text.push_str(match name.xml10_content().as_ref() {
                "amp" => "&",
                "lt" => "<",
                "gt" => ">",
                "quot" => "\"",
                "apos" => "'",
                _ => return Err(Stop::damaged(&"an unknown entity")),
            }),
        },
        _ => {}
    }
    if text.len() > MAX_TEXT {
        return Err(bomb(format!("a text of more than {MAX_TEXT} bytes")));
    }
    Ok(())
}

/// A source that ends in an error when it is too long.
struct Metered<R> {
    source: R,
    /// Bytes that the part may still have.
    left: u64,
    /// Bytes that the tag or text may still have.
    event: usize,
}

impl<R: BufRead> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

impl<R: BufRead> BufRead for Metered<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let too_large = |what| Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
        if self.left == 0 {
            return too_large("a part that unpacks to more than a workbook has");
        }
        if self.event == 0 {
            return too_large("a tag or a text that is longer than a cell can be");
        }
        self.source.fill_buf()
    }

    fn consume(&mut self, length: usize) {
        self.left = self.left.saturating_sub(length as u64);
        self.event = self.event.saturating_sub(length);
        self.source.consume(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    fn archive(parts: &[(&str, &[u8])]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = ZipWriter::new(file.reopen().unwrap());
        for (name, bytes) in parts {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap();
        file
    }

    fn read(part: &[u8]) -> Result<usize, (Check, String)> {
        let file = archive(&[("a.xml", part)]);
        let told = |stop| match stop {
            Stop::Damaged(check, found) => (check, found),
            _ => panic!("another end"),
        };
        let mut package = Package::open(file.path()).map_err(told)?;
        let mut part = package.part("A.XML").map_err(told)?.unwrap();
        let mut count = 0;
        while part.next().map_err(told)?.is_some() {
            count += 1;
        }
        Ok(count)
    }

    #[test]
    fn what_unpacks_to_too_much_is_refused() {
        assert_eq!(read(b"<a><b/>text</a>"), Ok(5));
        let cells = [b"<a>", "<c/>".repeat(1 << 20).as_bytes()].concat();
        let text = format!("<a>{}</a>", "x".repeat(300 << 10));
        let comment = format!("<a><!--{}--></a>", "<x>".repeat(100 << 10));
        let deep = "<a>".repeat(100);
        for part in [&cells, text.as_bytes(), comment.as_bytes(), deep.as_bytes()] {
            let (check, told) = read(part).unwrap_err();
            assert_eq!(check, Check::FileBomb, "{told}");
        }
        assert_eq!(read(b"<a>").unwrap_err().0, Check::FileDamaged);
    }

    #[test]
    fn archives_of_many_parts_are_refused() {
        let names: Vec<String> = (0..=MAX_PARTS).map(|number| number.to_string()).collect();
        let parts: Vec<(&str, &[u8])> =
            names.iter().map(|name| (name.as_str(), &b""[..])).collect();
        let many = Package::open(archive(&parts).path());
        assert!(matches!(many, Err(Stop::Damaged(Check::FileBomb, _))));
        assert!(Package::open(archive(&parts[1..]).path()).is_ok());
    }

    #[test]
    fn what_is_no_archive_is_damaged() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, b"PK\x03\x04rest").unwrap();
        assert!(matches!(Package::open(file.path()), Err(Stop::Damaged(Check::FileDamaged, _))));
    }

    #[test]
    fn targets_are_relative_or_absolute() {
        assert_eq!(resolved("xl", "worksheets/sheet1.xml"), "xl/worksheets/sheet1.xml");
        assert_eq!(resolved("xl", "/xl/worksheets/sheet1.xml"), "xl/worksheets/sheet1.xml");
        assert_eq!(resolved("xl", "../a/./b.xml"), "a/b.xml");
        assert_eq!(resolved("", "xl\\workbook.xml"), "xl/workbook.xml");
    }
}
