//! Zip archives before a library opens them: every part is unpacked once into nothing, so that what
//! comes out is counted, not believed.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use xuejika_card_model::batch::Check;
use zip::ZipArchive;

use super::table::Stop;

/// Most parts of a workbook.
const MAX_PARTS: usize = 1000;

/// Most bytes of all parts together, unpacked.
const MAX_TOTAL: u64 = 1 << 30;

/// Most bytes of a part that is no sheet, unpacked: readers keep such parts in memory.
const MAX_PART: u64 = 64 << 20;

/// Most times that a part may grow, and what may grow further.
const MAX_RATIO: u64 = 100;
const SMALL: u64 = 1 << 20;

/// Most bytes between two brackets of a part.
const MAX_TEXT: u64 = 256 << 10;

/// Where the parts lie that may be large.
const SHEETS: &str = "xl/worksheets/";

/// Refuses a workbook that unpacks to more than a batch can have.
pub(crate) fn check(path: &Path) -> Result<(), Stop> {
    let file = BufReader::new(File::open(path)?);
    let mut archive = ZipArchive::new(file).map_err(|error| Stop::damaged(&error))?;
    if archive.len() > MAX_PARTS {
        return Err(bomb(format!("{} parts", archive.len())));
    }
    let mut total = 0;
    for index in 0..archive.len() {
        let mut part = archive.by_index(index).map_err(|error| Stop::damaged(&error))?;
        if part.encrypted() {
            return Err(Stop::Damaged(Check::FileDamaged, "an encrypted part".to_owned()));
        }
        let large = part.name().is_ok_and(|name| name.starts_with(SHEETS));
        let most = (MAX_TOTAL - total).min(if large { MAX_TOTAL } else { MAX_PART });
        let most = most.min((part.compressed_size() * MAX_RATIO).max(SMALL));
        total += unpack(&mut part, most)?;
    }
    Ok(())
}

fn bomb(found: String) -> Stop {
    Stop::Damaged(Check::FileBomb, found)
}

/// Unpacks a part into nothing and tells its length.
fn unpack(part: &mut impl Read, most: u64) -> Result<u64, Stop> {
    let mut buffer = vec![0; 64 * 1024];
    let (mut length, mut text) = (0, 0);
    loop {
        let count = part.read(&mut buffer).map_err(|error| Stop::damaged(&error))?;
        if count == 0 {
            return Ok(length);
        }
        length += count as u64;
        if length > most {
            return Err(bomb(format!("more than {most} bytes in one part")));
        }
        for piece in buffer.get(..count).unwrap_or_default().split_inclusive(|b| *b == b'<') {
            text += piece.len() as u64;
            if text > MAX_TEXT {
                return Err(bomb(format!("a text of more than {MAX_TEXT} bytes")));
            }
            if piece.ends_with(b"<") {
                text = 0;
            }
        }
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

    fn found(parts: &[(&str, &[u8])]) -> Option<(Check, String)> {
        match check(archive(parts).path()) {
            Ok(()) => None,
            Err(Stop::Damaged(check, found)) => Some((check, found)),
            Err(_) => panic!("another end"),
        }
    }

    #[test]
    fn what_unpacks_to_too_much_is_refused() {
        let cells = b"<c/>".repeat(1 << 20);
        assert_eq!(found(&[("xl/worksheets/sheet1.xml", b"<c>1</c>")]), None);
        let (check, told) = found(&[("xl/worksheets/sheet1.xml", &cells)]).unwrap();
        assert_eq!(check, Check::FileBomb, "{told}");
        let text = vec![b'x'; 300 << 10];
        let (check, told) = found(&[("xl/sharedStrings.xml", &text)]).unwrap();
        assert_eq!(check, Check::FileBomb);
        assert!(told.starts_with("a text"), "{told}");
    }

    #[test]
    fn what_is_no_archive_is_damaged() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, b"PK\x03\x04rest").unwrap();
        assert!(matches!(check(file.path()), Err(Stop::Damaged(Check::FileDamaged, _))));
    }
}
