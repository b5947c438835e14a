//! Small files that would take all memory: in 600 MB of address space, each is a finding or a clear
//! error, and never the end of the program by a signal.

use std::io::{Cursor, Write};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use zip::write::SimpleFileOptions;

use super::support::{Batch, Run, declare, run_limited};

fn small() -> Batch {
    Batch::new(&["--count", "20"])
}

fn check(batch: &Batch) -> Run {
    let folder = batch.path("").display().to_string();
    run_limited(&["batch", "check", "--json", &folder, "--keys", "test"])
}

/// Checks a batch whose rows are these bytes, and wants this finding.
fn bomb(name: &str, format: &str, contents: &[u8], id: &str) {
    let batch = small();
    declare(&batch, name, format, contents, None);
    let checked = check(&batch).expect(1);
    assert!(checked.findings().iter().any(|found| found.id == id), "{id}: {}", checked.out);
}

#[test]
fn an_honest_batch_fits() {
    let batch = Batch::new(&["--count", "30000"]);
    assert_eq!(check(&batch).expect(0).verdict()["rows"], 30000);
}

#[test]
fn texts_without_end() {
    let heading = small().lines()[0].clone();
    let columns = heading.split(',').count();
    let rows = |row: &str, count: usize| format!("{heading}\n{}", format!("{row}\n").repeat(count));
    // Rows that nobody announced: short ones, empty ones, full of formulas.
    bomb("cards.csv", "csv", rows("x", 3_000_000).as_bytes(), "B-CNT-001");
    bomb("cards.csv", "csv", rows("", 3_000_000).as_bytes(), "B-FILE-017");
    let formulas = vec!["="; columns].join(",");
    bomb("cards.csv", "csv", rows(&formulas, 100_000).as_bytes(), "B-CNT-001");
    bomb("cards.csv", "csv", rows(&"\"".repeat(60_001), 500).as_bytes(), "B-FILE-014");
    bomb("cards.csv", "csv", format!("{}\n", ",x".repeat(30_000)).as_bytes(), "B-FILE-021");
    bomb("cards.csv", "csv", &vec![b'x'; 100 << 20], "B-FILE-010");
    bomb("cards.jsonl", "jsonl", "{}\n".repeat(3_000_000).as_bytes(), "B-CNT-001");
    bomb("cards.jsonl", "jsonl", format!("{}\n", "[".repeat(60_000)).as_bytes(), "B-FILE-016");
    let numbers = format!("{{\"serial\":[{}0]}}\n", "0,".repeat(30_000)).repeat(1000);
    bomb("cards.jsonl", "jsonl", numbers.as_bytes(), "B-FILE-016");
}

#[test]
fn rows_of_fixed_width_without_end() {
    let batch = small();
    batch.write("vendor.toml", "schema = 1\n[columns]\nserial = { start = 1, width = 1 }\n");
    declare(&batch, "cards.txt", "fixed", "x\n".repeat(3_000_000).as_bytes(), None);
    batch.edit_manifest(|manifest| {
        let file = manifest["file"][0].as_table_mut().unwrap();
        file.insert("mapping".to_owned(), "vendor.toml".into());
    });
    assert!(check(&batch).expect(1).findings().iter().any(|found| found.id == "B-CNT-001"));
}

/// A workbook of one sheet with this text of XML, and these shared texts.
fn workbook(sheet: &[&str], strings: &[&str]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let relation = |id: &str, kind: &str, target: &str| {
        format!("<Relationship Id=\"{id}\" Type=\"http://x/{kind}\" Target=\"{target}\"/>")
    };
    let root = relation("r1", "officeDocument", "/xl/workbook.xml");
    let parts = relation("r1", "worksheet", "worksheets/sheet1.xml")
        + &relation("r2", "sharedStrings", "sharedStrings.xml");
    let book =
        "<workbook><sheets><sheet name=\"a\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>";
    let mut add = |name: &str, pieces: &[&str]| {
        writer.start_file(name, SimpleFileOptions::default()).unwrap();
        pieces.iter().for_each(|piece| writer.write_all(piece.as_bytes()).unwrap());
    };
    add("_rels/.rels", &["<Relationships>", &root, "</Relationships>"]);
    add("xl/_rels/workbook.xml.rels", &["<Relationships>", &parts, "</Relationships>"]);
    add("xl/workbook.xml", &[book]);
    add("xl/sharedStrings.xml", strings);
    add("xl/worksheets/sheet1.xml", sheet);
    writer.finish().unwrap().into_inner()
}

#[test]
fn workbooks_that_unpack_to_much() {
    let sheet = |rows: &str| format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
    let book = |sheet: &str, strings: &str| workbook(&[sheet], &[strings]);
    let is_bomb = |contents: &[u8], id| bomb("cards.xlsx", "xlsx", contents, id);
    let (cells, text) = (format!("<row>{}</row>", "<c></c>".repeat(1 << 13)), "x".repeat(1 << 20));
    let many = vec![cells.as_str(); 64];
    is_bomb(&workbook(&[&["<worksheet><sheetData>"], &many[..]].concat(), &[]), "B-FILE-021");
    let entities = sheet(&format!("<row><c><v>{}</v></c></row>", "&amp;".repeat(1 << 18)));
    is_bomb(&book(&entities, "<sst/>"), "B-FILE-021");
    is_bomb(&book(&sheet(&format!("<row><c><v>{text}</v></c></row>")), "<sst/>"), "B-FILE-021");
    is_bomb(&book(&format!("<a {text}=\"\">"), "<sst/>"), "B-FILE-021");
    is_bomb(&book(&"<a>".repeat(1 << 20), "<sst/>"), "B-FILE-021");
    is_bomb(&book(&sheet(""), &format!("<sst>{}</sst>", "<si/>".repeat(9 << 20))), "B-FILE-021");
    let wide: String = (0..300).map(|_| "<c><v>1</v></c>").collect();
    is_bomb(&book(&sheet(&format!("<row>{wide}</row>")), "<sst/>"), "B-FILE-021");
    for place in ["A4294967295", "ZZZZ1", "A0", "A1048577"] {
        let cell = sheet(&format!("<row><c r=\"{place}\"><v>1</v></c></row>"));
        is_bomb(&book(&cell, "<sst/>"), "B-FILE-020");
    }
    let lost = sheet("<row><c t=\"s\"><v>7</v></c></row>");
    is_bomb(&book(&lost, "<sst><si><t>a</t></si></sst>"), "B-FILE-020");
}

/// The columns of the schema with so many rows that have no value, or all this one.
fn columns(rows: usize, value: Option<&str>, properties: WriterProperties) -> Vec<u8> {
    let heading = small().lines()[0].clone();
    let field = |name: &str| {
        let builder = Type::primitive_type_builder(name, Physical::BYTE_ARRAY);
        let builder = builder.with_repetition(Repetition::OPTIONAL);
        Arc::new(builder.with_logical_type(Some(LogicalType::String)).build().unwrap())
    };
    let fields = heading.split(',').map(field).collect();
    let schema = Arc::new(Type::group_type_builder("row").with_fields(fields).build().unwrap());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let values: Vec<ByteArray> = value.map(|text| vec![text.into(); rows]).unwrap_or_default();
    let levels = vec![i16::from(value.is_some()); rows];
    while let Some(mut column) = group.next_column().unwrap() {
        column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn parquet_rows_that_nobody_announced() {
    let contents = columns(3_000_000, None, WriterProperties::builder().build());
    assert!(contents.len() < 1 << 20, "{}", contents.len());
    bomb("cards.parquet", "parquet", &contents, "B-CNT-001");
}

#[test]
fn parquet_pages_that_are_too_large() {
    let large = |compression| {
        WriterProperties::builder()
            .set_compression(compression)
            .set_dictionary_enabled(false)
            .set_data_page_size_limit(1 << 30)
            .set_data_page_row_count_limit(1 << 30)
            .set_write_batch_size(1 << 30)
            .build()
    };
    let text = "x".repeat(4000);
    let snappy = columns(2000, Some(&text), large(Compression::SNAPPY));
    bomb("cards.parquet", "parquet", &snappy, "B-FILE-021");
    let text = "x".repeat(60_000);
    bomb(
        "cards.parquet",
        "parquet",
        &columns(400, Some(&text), large(Compression::SNAPPY)),
        "B-FILE-021",
    );
}

#[test]
fn parquet_footers_that_announce_too_much() {
    let footer = |bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        [b"PAR1", bytes, &length, b"PAR1"].concat()
    };
    // Version 1, and a schema of 2^31 elements; then one whose root has 2^30 children.
    let many = [0x15, 0x02, 0x19, 0xFC, 0x80, 0x80, 0x80, 0x80, 0x08];
    bomb("cards.parquet", "parquet", &footer(&many), "B-FILE-021");
    let root = [0x15, 0x02, 0x19, 0x1C, 0x48, 0x01, b'r', 0x15, 0x80, 0x80, 0x80, 0x80, 0x08, 0, 0];
    bomb("cards.parquet", "parquet", &footer(&root), "B-FILE-020");
    // Columns in one another without end.
    let column = [0x48, 0x01, b'r', 0x15, 0x02, 0x00];
    let deep = [&[0x15, 0x02, 0x19, 0xFC, 0xA0, 0x1F][..], &column.repeat(4000), &[0]].concat();
    bomb("cards.parquet", "parquet", &footer(&deep), "B-FILE-021");
}

/// Places of a line that no line has.
#[test]
fn places_of_fixed_width_are_bounded() {
    for place in
        ["start = 17, width = 18446744073709551615", "start = 18446744073709551615, width = 8"]
    {
        let batch = small();
        batch.write("vendor.toml", format!("schema = 1\n[columns]\nuid = {{ {place} }}\n"));
        batch.edit_manifest(|manifest| {
            let file = manifest["file"][0].as_table_mut().unwrap();
            file.insert("mapping".to_owned(), "vendor.toml".into());
            file.insert("format".to_owned(), "fixed".into());
        });
        let error = check(&batch).expect(2).err;
        assert!(error.contains("at most 65536"), "{error}");
    }
}

#[test]
fn manifests_and_mappings_without_end() {
    let error = |batch: &Batch| check(batch).expect(2).err;
    for text in [
        "[[box]]\n".repeat(1 << 19),
        format!("a = {}", "[".repeat(4 << 20)),
        format!("a = [{}]", "[],".repeat(1 << 20)),
        format!("{} = 1", vec!["a"; 1 << 20].join(".")),
        "#".repeat((4 << 20) + 1),
    ] {
        let batch = small();
        batch.write("batch.toml", &text[..text.len().min((4 << 20) + 1)]);
        assert!(error(&batch).contains("batch.toml"));
    }
    let batch = small();
    std::os::unix::fs::symlink("/dev/zero", batch.path("vendor.toml")).unwrap();
    batch.edit_manifest(|manifest| {
        let file = manifest["file"][0].as_table_mut().unwrap();
        file.insert("mapping".to_owned(), "vendor.toml".into());
    });
    assert!(error(&batch).contains("is a device"));
    let batch = small();
    std::fs::remove_file(batch.path("cards.csv")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", batch.path("cards.csv")).unwrap();
    assert!(error(&batch).contains("is a device"));
}
