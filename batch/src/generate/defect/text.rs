//! Defects of files and of the text of rows.

use super::At::{Batch, Gap, Row};
use super::{Kind, Plant};
use crate::{Check, Column};

/// Bytes that make a line longer than any row.
const MUCH: usize = 200_000;

const LOST: (Check, super::At) = (Check::SerialGap, Gap);

pub(super) const KINDS: &[Kind] = &[
    Kind::row(
        "byte-order-mark",
        "the file begins with a byte-order mark",
        &[(Check::FileBom, Batch)],
        Plant::Bom,
    ),
    Kind::row(
        "bad-encoding",
        "a byte that is no UTF-8",
        &[(Check::FileEncoding, Row), LOST],
        Plant::Line(|line| insert(line, 20, &[0xFF])),
    ),
    Kind::row(
        "nul-byte",
        "a NUL inside a row",
        &[(Check::FileControl, Row), LOST],
        Plant::Line(|line| insert(line, 20, &[0])),
    ),
    Kind::row(
        "crlf-line",
        "one row ends in CR LF, all others in LF",
        &[(Check::FileLineEnds, Row)],
        Plant::Line(|line| insert(line, line.len() - 1, b"\r")),
    ),
    Kind::row(
        "long-line",
        "a row of 200 kB",
        &[(Check::FileLongLine, Row), LOST],
        Plant::Line(|line| insert(line, line.len() - 1, &[b'A'; MUCH])),
    ),
    Kind::row(
        "missing-field",
        "a row without its last field",
        &[(Check::FileFieldCount, Row), LOST],
        Plant::Line(|line| {
            line.truncate(line.iter().rposition(|byte| *byte == b',').unwrap_or(0));
            line.push(b'\n');
        }),
    ),
    Kind::row(
        "extra-field",
        "a row with one field too many",
        &[(Check::FileFieldCount, Row), LOST],
        Plant::Line(|line| insert(line, line.len() - 1, b",0")),
    ),
    Kind::row(
        "open-quote",
        "a quote that is never closed",
        &[(Check::FileQuotes, Row), LOST],
        Plant::Line(|line| insert(line, 0, b"\"")),
    ),
    Kind::row(
        "formula-cell",
        "a cell that a spreadsheet would run",
        &[(Check::FileFormula, Row)],
        Plant::Cells(|row| row.set(Column::WALLET_BALANCE, "=1+1")),
    ),
    Kind::row(
        "empty-line",
        "an empty line in front of a row",
        &[(Check::FileEmptyLine, Row)],
        Plant::Line(|line| insert(line, 0, b"\n")),
    ),
    Kind::row(
        "spaces",
        "a cell with a space behind its value",
        &[(Check::FileSpaces, Row)],
        Plant::Cells(|row| {
            row.cell(Column::SITE)?.push(' ');
            Ok(())
        }),
    ),
    Kind::row(
        "wrong-hash",
        "the manifest has another SHA-256",
        &[(Check::FileHash, Batch)],
        Plant::Manifest(|manifest| {
            manifest.files.iter_mut().for_each(|file| file.sha256 = "00".repeat(32));
        }),
    ),
    Kind::row(
        "wrong-size",
        "the manifest has another file length",
        &[(Check::FileSize, Batch)],
        Plant::Manifest(|manifest| manifest.files.iter_mut().for_each(|file| file.bytes += 1)),
    ),
    Kind::alone(
        "cut-short",
        "the file ends inside its last row",
        &[(Check::FileHash, Batch), (Check::FileSize, Batch), (Check::FileCutShort, Row), LOST],
        Plant::CutShort,
    ),
    Kind::alone(
        "missing-file",
        "the manifest names a file that is not there",
        &[(Check::FileMissing, Batch)],
        Plant::Manifest(|manifest| {
            let mut more = manifest.files.clone();
            more.iter_mut().for_each(|file| file.name.insert_str(0, "more-"));
            manifest.files.append(&mut more);
        }),
    ),
    Kind::alone(
        "missing-column",
        "the heading lacks a column and has an unknown one",
        &[(Check::FileColumnMissing, Batch), (Check::FileColumnUnknown, Batch)],
        Plant::Heading(|heading| *heading = heading.replace("replacement", "replaced_by")),
    ),
    Kind::alone(
        "column-twice",
        "the heading has a column twice",
        &[(Check::FileColumnTwice, Batch)],
        Plant::Heading(|heading| heading.push_str(",serial")),
    ),
];

/// Inserts bytes.
fn insert(line: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    line.splice(at..at, bytes.iter().copied());
}
