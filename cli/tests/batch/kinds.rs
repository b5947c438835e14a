//! Values and files that are wrong or only written in another way: each is read, or named for what
//! it is, with what to write into the mapping file.

use std::io::{Cursor, Write};
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use zip::write::SimpleFileOptions;

use super::support::{Batch, declare};

fn small() -> Batch {
    Batch::new(&["--count", "12"])
}

/// Writes this into a column of the first row, and wants this finding with this text in it.
fn cell(column: &str, text: &str, id: &str, told: &str) {
    let batch = small();
    let mut lines = batch.lines();
    let at = lines[0].split(',').position(|name| name == column).unwrap();
    let mut cells: Vec<&str> = lines[1].split(',').collect();
    cells[at] = text;
    lines[1] = cells.join(",");
    batch.set_lines(&lines);
    let checked = batch.check();
    let found = checked.objects().into_iter().find(|o| o["id"] == id && o["field"] == column);
    assert!(found.is_some(), "{column} {text:?}: no {id} in {}", checked.out);
    let found = found.unwrap();
    assert!(format!("{} {}", found["expected"], found["found"]).contains(told), "{found}");
}

#[test]
fn forms_come_before_values() {
    for (column, text, id, told) in [
        ("wallet_state", "0", "B-ROW-006", "2 hexadecimal digits"),
        ("wallet_state", "000", "B-ROW-006", "2 hexadecimal digits"),
        ("wallet_state", "01", "B-WAL-004", "open"),
        ("wallet_state", "02", "B-WAL-004", "suspended"),
        ("wallet_state", "03", "B-WAL-004", "closed"),
        ("wallet_balance", "0.00", "B-ROW-006", "whole number of fen"),
        ("wallet_balance", "00", "B-ROW-006", "whole number of fen"),
        ("wallet_balance", "7", "B-WAL-003", "7"),
        ("key_set_version", "1", "B-ROW-006", "2 hexadecimal digits"),
        ("key_set_version", "02", "B-KEY-011", "02"),
        ("site", "1", "B-ROW-006", "4 hexadecimal digits"),
        ("site", "0009", "B-ROW-004", "a site of the manifest"),
        ("serial", "11002602000000131", "B-SER-001", "16 digits"),
        ("wallet_number", "1000", "B-WAL-001", "16 digits"),
        ("uid", "F0", "B-CHIP-001", "14 hexadecimal digits"),
        ("kcv_k0", "12345", "B-KEY-001", "6 hexadecimal digits"),
        ("init_date", "2026/7/1", "B-ROW-002", "dates = \\\"YYYY/M/D\\\""),
        ("init_date", "20260701", "B-ROW-002", "dates = \\\"YYYYMMDD\\\""),
        ("init_date", "2026-13-01", "B-ROW-002", "a day as 2026-07-01"),
        ("uid", "F00000000000\t01", "B-FILE-006", "a tab"),
    ] {
        cell(column, text, id, told);
    }
}

/// Replaces the rows as bytes and wants all of this in what is printed.
fn text(change: impl Fn(String) -> Vec<u8>, mapping: Option<&str>, code: i32, told: &[&str]) {
    let batch = small();
    let contents = change(batch.text("cards.csv"));
    declare(&batch, "cards.csv", "csv", &contents, mapping);
    let checked = batch.check().expect(code);
    let all = format!("{}{}", checked.out, checked.err);
    assert!(told.iter().all(|told| all.contains(told)), "{told:?} in {all}");
    assert!(checked.findings().len() < 4, "{all}");
}

#[test]
fn texts_from_other_programs_get_the_right_hint() {
    let ends = |end: &'static [u8]| move |text: String| [text.as_bytes(), end].concat();
    text(ends(b"\x1A"), None, 1, &["B-FILE-006", "Ctrl-Z"]);
    text(ends(b"\0\0\0\0"), None, 1, &["B-FILE-006", "NULs"]);
    text(|text| text.replace('\n', "\r").into(), None, 1, &["B-FILE-006", "a CR alone"]);
    let semicolons = |text: String| text.replace(',', ";").into_bytes();
    text(semicolons, None, 1, &["B-FILE-010", "delimiter = \\\";\\\""]);
    text(semicolons, Some("schema = 1\ndelimiter = \";\"\n"), 0, &[]);
    text(|text| text.replace(',', "\t").into(), Some("schema = 1\ndelimiter = \"\\t\"\n"), 0, &[]);
    let title = |text: String| format!("批次,交货单\n\n{text}").into_bytes();
    text(title, None, 1, &["B-FILE-010", "heading-row = 3"]);
    text(title, Some("schema = 1\nheading-row = 3\n"), 0, &[]);
    let utf16 = |text: String| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    text(utf16, None, 2, &["UTF-16"]);
    text(|text| [&b"\xEF\xBB\xBF"[..], text.as_bytes()].concat(), None, 0, &["B-FILE-004"]);
    text(
        |text| [&b"\xD0\xF2,"[..], text.as_bytes()].concat(),
        None,
        1,
        &["encoding = ", "gb18030"],
    );
    let quote = |text: String| text.replacen("good", "\"good", 1).into_bytes();
    text(quote, None, 1, &["B-FILE-014", "not closed"]);
    let slashes = |text: String| text.replace("2026-07-0", "2026/7/").into_bytes();
    text(slashes, Some("schema = 1\ndates = \"YYYY/M/D\"\n"), 0, &[]);
    let tabs = |text: String| text.replacen(",good", "\t,good", 1).into();
    text(tabs, None, 0, &["B-FILE-019", "a tab"]);
}

/// A workbook that other programs than Excel write, part by part, with texts in its cells.
fn parts(batch: &Batch, namespace: &str, extra: &str, cell: fn(usize, &str) -> String) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let mut add = |name: &str, text: &str| {
        let options = SimpleFileOptions::default().large_file(true);
        writer.start_file(name, options).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    };
    let relation = |id: &str, kind: &str, target: &str| {
        format!("<Relationship Id=\"{id}\" Type=\"{namespace}/{kind}\" Target=\"{target}\"/>")
    };
    let relations = |all: String| format!("<Relationships>{all}</Relationships>");
    add("_rels/.rels", &relations(relation("r1", "officeDocument", "/xl/book.xml")));
    let sheets = relation("h", "worksheet", "/xl/worksheets/hidden.xml")
        + &relation("s", "worksheet", "worksheets/rows.xml")
        + &relation("t", "styles", "styles.xml");
    add("xl/_rels/book.xml.rels", &relations(sheets));
    let book = "<sheet name=\"old\" sheetId=\"1\" state=\"hidden\" r:id=\"h\"/>\
                <sheet name=\"数据\" sheetId=\"2\" r:id=\"s\"/>";
    add("xl/book.xml", &format!("<workbook>{extra}<sheets>{book}</sheets></workbook>"));
    add("xl/worksheets/hidden.xml", "<worksheet><sheetData/></worksheet>");
    let styles = "<numFmts><numFmt numFmtId=\"170\" formatCode=\"yyyy&quot;年&quot;m\"/></numFmts>\
                  <cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"170\"/></cellXfs>";
    add("xl/styles.xml", &format!("<styleSheet>{styles}</styleSheet>"));
    let row = |line: &String| {
        let cells: String = line.split(',').enumerate().map(|(at, text)| cell(at, text)).collect();
        format!("<row>{cells}</row>")
    };
    let rows: String = batch.lines().iter().map(row).collect();
    let sheet = format!("<dimension ref=\"A0\"/><sheetData>{rows}</sheetData>");
    add("xl/worksheets/rows.xml", &format!("<worksheet>{sheet}</worksheet>"));
    writer.finish().unwrap().into_inner()
}

fn inline(_: usize, text: &str) -> String {
    let (first, rest) = text.split_at(text.len().min(2));
    format!(
        "<c t=\"inlineStr\"><is><r><t>{first}</t></r><r><t>{rest}</t></r><rPh><t>x</t></rPh></is></c>"
    )
}

/// Days as numbers from 1904 on.
fn numbers(at: usize, text: &str) -> String {
    match text.strip_prefix("2026-07-") {
        Some(day) => {
            format!("<c s=\"1\"><v>{}</v></c>", 44_741 + day.parse::<u32>().unwrap())
        }
        None => inline(at, text),
    }
}

#[test]
fn workbooks_that_excel_opens_are_opened() {
    let transitional = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let strict = "http://purl.oclc.org/ooxml/officeDocument/relationships";
    let calendar = "<workbookPr date1904=\"true\"/>";
    for (namespace, extra, cell) in
        [(transitional, "", inline as fn(usize, &str) -> String), (strict, calendar, numbers)]
    {
        let batch = small();
        declare(&batch, "cards.xlsx", "xlsx", &parts(&batch, namespace, extra, cell), None);
        let checked = batch.check().expect(0);
        assert_eq!(checked.verdict()["rows"], 12, "{}", checked.out);
        assert_eq!(checked.findings(), [].into());
    }
}

/// Two readers of a workbook that has a cell twice would see two batches.
#[test]
fn a_cell_that_is_there_twice_is_refused() {
    let transitional = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let again = |at: usize, text: &str| {
        let place = if at == 0 { "A1" } else { "B1" };
        format!("<c r=\"{place}\" t=\"inlineStr\"><is><t>{text}</t></is></c>")
    };
    let batch = small();
    declare(&batch, "cards.xlsx", "xlsx", &parts(&batch, transitional, "", again), None);
    let checked = batch.check().expect(1);
    assert!(checked.out.contains("B-FILE-020"), "{}", checked.out);
}

/// A workbook with a title above the heading, its rows in the second sheet if that is asked for.
fn titled(batch: &Batch, title: bool, second: bool) -> Vec<u8> {
    let mut workbook = Workbook::new();
    if second {
        workbook.add_worksheet().set_name("封面").unwrap().write(0, 0, "交货单").unwrap();
    }
    let sheet = workbook.add_worksheet().set_name("数据").unwrap();
    let day = Format::new().set_num_format("yyyy/m/d");
    let first = if title { 3 } else { 0 };
    if title {
        sheet.write(0, 0, "初始化批次").unwrap();
    }
    for (row, line) in (first..).zip(batch.lines()) {
        for (column, cell) in (0..).zip(line.split(',')) {
            match ExcelDateTime::parse_from_str(cell) {
                Ok(date) if cell.len() == 10 && row > first => {
                    sheet.write_with_format(row, column, &date, &day).unwrap()
                }
                _ => sheet.write(row, column, cell).unwrap(),
            };
        }
    }
    workbook.save_to_buffer().unwrap()
}

#[test]
fn headings_elsewhere_are_found_and_named() {
    for (title, second, told, mapping) in [
        (true, false, "heading-row = 4", "schema = 1\nheading-row = 4\n"),
        (false, true, "sheet = \\\"数据\\\"", "schema = 1\nsheet = \"数据\"\n"),
    ] {
        let batch = small();
        let contents = titled(&batch, title, second);
        declare(&batch, "cards.xlsx", "xlsx", &contents, None);
        let checked = batch.check().expect(1);
        assert_eq!(checked.findings().len(), 1, "{}", checked.out);
        assert!(checked.out.contains(told), "{}", checked.out);
        declare(&batch, "cards.xlsx", "xlsx", &contents, Some(mapping));
        assert_eq!(batch.check().expect(0).findings(), [].into());
    }
    let batch = small();
    declare(&batch, "cards.xlsx", "xlsx", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1", None);
    let checked = batch.check().expect(1);
    assert!(checked.out.contains("B-FILE-022") && checked.out.contains("password"));
}

/// Columns of other types than text.
fn typed(name: &str) -> (Physical, Option<LogicalType>) {
    match name {
        "serial" | "wallet_balance" => (Physical::INT64, Some(LogicalType::decimal(0, 18))),
        "init_date" => (Physical::INT64, Some(LogicalType::timestamp(false, TimeUnit::MICROS))),
        "replacement" | "note" => (Physical::DOUBLE, None),
        _ => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
    }
}

fn column<T: DataType>(group: &mut SerializedRowGroupWriter<'_, &mut Vec<u8>>, v: &[Option<T::T>]) {
    let mut column = group.next_column().unwrap().unwrap();
    let levels: Vec<i16> = v.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<T::T> = v.iter().flatten().cloned().collect();
    column.typed::<T>().write_batch(&values, Some(&levels), None).unwrap();
    column.close().unwrap();
}

#[test]
fn parquet_columns_of_any_type_are_read() {
    let batch = small();
    let lines: Vec<Vec<String>> = batch
        .lines()
        .iter()
        .enumerate()
        .map(|(at, line)| {
            let note = if at == 0 { "note" } else { "1.5" };
            format!("{line},{note}").split(',').map(str::to_owned).collect()
        })
        .collect();
    let field = |name: &String| {
        let (physical, logical) = typed(name);
        let precision = if logical == Some(LogicalType::decimal(0, 18)) { 18 } else { -1 };
        let builder = Type::primitive_type_builder(name, physical).with_precision(precision);
        let builder = builder.with_scale(if precision > 0 { 0 } else { -1 });
        let builder = builder.with_repetition(Repetition::OPTIONAL).with_logical_type(logical);
        Arc::new(builder.build().unwrap())
    };
    let fields = lines[0].iter().map(field).collect();
    let schema = Arc::new(Type::group_type_builder("row").with_fields(fields).build().unwrap());
    let mut bytes = Vec::new();
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for (at, name) in lines[0].iter().enumerate() {
        let cells: Vec<Option<&str>> =
            lines[1..].iter().map(|row| Some(&*row[at]).filter(|cell| !cell.is_empty())).collect();
        let micros = |cell: &str| match cell.strip_prefix("2026-07-") {
            Some(day) => (20_634 + day.parse::<i64>().unwrap()) * 86_400_000_000,
            None => cell.parse().unwrap(),
        };
        match typed(name).0 {
            Physical::INT64 => column::<Int64Type>(
                &mut group,
                &cells.iter().map(|cell| cell.map(micros)).collect::<Vec<_>>(),
            ),
            Physical::DOUBLE => column::<DoubleType>(
                &mut group,
                &cells.iter().map(|c| c.map(|c| c.parse().unwrap())).collect::<Vec<_>>(),
            ),
            _ => column::<ByteArrayType>(
                &mut group,
                &cells.iter().map(|cell| cell.map(ByteArray::from)).collect::<Vec<_>>(),
            ),
        }
    }
    group.close().unwrap();
    writer.close().unwrap();
    declare(&batch, "cards.parquet", "parquet", &bytes, None);
    let checked = batch.check().expect(0);
    let ids: Vec<String> = checked.findings().into_iter().map(|found| found.id).collect();
    assert_eq!(ids, ["B-FILE-012"], "{}", checked.out);
}
