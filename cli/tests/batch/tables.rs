//! Workbooks and Parquet: as vendors deliver them, as the canonical copy, and as nobody should.

use std::collections::BTreeSet;
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};

use super::support::{Batch, Found, declare, run};

/// Columns that the vendor calls by other names.
const NAMES: [(&str, &str); 3] = [("serial", "卡序号"), ("status", "状态"), ("box", "箱号")];

const KINDS: [&str; 5] =
    ["kcv-wrong", "image-of-other-card", "no-replacement", "row-missing", "uid-twice"];

fn mapping() -> String {
    let names = NAMES.map(|(name, vendor)| format!("{name} = \"{vendor}\""));
    let values = "[values.status]\n\"良品\" = \"good\"\n\"废卡\" = \"scrap\"\n";
    format!("schema = 1\n[columns]\n{}\n{values}", names.join("\n"))
}

/// The rows as the vendor writes them, names in front.
fn vendor_rows(batch: &Batch) -> Vec<Vec<String>> {
    let mut rows: Vec<Vec<String>> = batch
        .lines()
        .iter()
        .map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>())
        .collect();
    for name in &mut rows[0] {
        if let Some((_, vendor)) = NAMES.iter().find(|(known, _)| known == name) {
            *name = (*vendor).to_owned();
        }
    }
    for cell in rows.iter_mut().skip(1).flatten() {
        match cell.as_str() {
            "good" => *cell = "良品".to_owned(),
            "scrap" => *cell = "废卡".to_owned(),
            _ => {}
        }
    }
    rows
}

fn workbook(batch: &Batch) -> Vec<u8> {
    let mut workbook = Workbook::new();
    workbook.add_worksheet().set_name("note").unwrap().write(0, 0, "not this one").unwrap();
    let sheet = workbook.add_worksheet().set_name("数据").unwrap();
    let day = Format::new().set_num_format("yyyy-mm-dd");
    for (row, cells) in (0..).zip(vendor_rows(batch)) {
        for (column, cell) in (0..).zip(cells) {
            // Programs turn days into numbers with a format, and a 0 into a number.
            match ExcelDateTime::parse_from_str(&cell) {
                Ok(date) if cell.len() == 10 && row > 0 => {
                    sheet.write_with_format(row, column, &date, &day).unwrap()
                }
                _ if cell == "0" => sheet.write(row, column, 0).unwrap(),
                _ => sheet.write(row, column, cell).unwrap(),
            };
        }
    }
    workbook.save_to_buffer().unwrap()
}

fn as_workbook(batch: &Batch) {
    let mapping = mapping().replacen("schema = 1\n", "schema = 1\nsheet = \"数据\"\n", 1);
    declare(batch, "cards.xlsx", "xlsx", &workbook(batch), Some(&mapping));
}

/// Rows as a program with types writes them: serials are numbers, days are days.
fn vendor_parquet(batch: &Batch) -> Vec<u8> {
    let rows = vendor_rows(batch);
    let typed = |name: &str| match name {
        "卡序号" => (Physical::INT64, None),
        "init_date" => (Physical::INT32, Some(LogicalType::Date)),
        _ => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
    };
    let field = |name: &String| {
        let (physical, logical) = typed(name);
        let builder = Type::primitive_type_builder(name, physical);
        let field =
            builder.with_repetition(Repetition::OPTIONAL).with_logical_type(logical).build();
        Arc::new(field.unwrap())
    };
    let fields = rows[0].iter().map(field).collect();
    let schema = Arc::new(Type::group_type_builder("row").with_fields(fields).build().unwrap());
    let properties = Arc::new(WriterProperties::builder().build());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties).unwrap();
    for part in rows[1..].chunks(100) {
        let mut group = writer.next_row_group().unwrap();
        for (at, name) in rows[0].iter().enumerate() {
            let cells: Vec<&String> = part.iter().map(|row| &row[at]).collect();
            let levels: Vec<i16> = cells.iter().map(|cell| i16::from(!cell.is_empty())).collect();
            let given = cells.iter().filter(|cell| !cell.is_empty());
            let mut column = group.next_column().unwrap().unwrap();
            match typed(name).0 {
                Physical::INT64 => {
                    let values: Vec<i64> = given.map(|cell| cell.parse().unwrap()).collect();
                    column.typed::<Int64Type>().write_batch(&values, Some(&levels), None).unwrap()
                }
                Physical::INT32 => {
                    let values: Vec<i32> = given.map(|cell| days(cell)).collect();
                    column.typed::<Int32Type>().write_batch(&values, Some(&levels), None).unwrap()
                }
                _ => {
                    let values: Vec<ByteArray> =
                        given.map(|cell| ByteArray::from(cell.as_str())).collect();
                    let column = column.typed::<ByteArrayType>();
                    column.write_batch(&values, Some(&levels), None).unwrap()
                }
            };
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
    bytes
}

/// Days from 1970-01-01 to a day of July 2026.
fn days(text: &str) -> i32 {
    let day: i32 = text.strip_prefix("2026-07-").expect(text).parse().unwrap();
    20_635 - 1 + day
}

fn as_parquet(batch: &Batch) {
    declare(batch, "cards.parquet", "parquet", &vendor_parquet(batch), Some(&mapping()));
}

#[test]
fn workbooks_and_parquet_give_the_same_verdict() {
    for convert in [as_workbook, as_parquet] {
        let batch = Batch::new(&["--count", "300"]);
        convert(&batch);
        let checked = batch.check().expect(0);
        assert_eq!(checked.findings(), BTreeSet::new());
        assert_eq!(checked.verdict()["rows"], 300);
        for kind in KINDS {
            let batch = Batch::with_defect(kind, &["--count", "300"]);
            convert(&batch);
            assert_eq!(batch.check().expect(1).findings(), batch.truth(), "{kind}");
        }
    }
}

fn convert(batch: &Batch, to: &str, out: &str) -> super::support::Run {
    let (folder, out) = (batch.path("").display().to_string(), batch.path(out));
    run(&["batch", "convert", &folder, "--to", to, "--out", &out.display().to_string(), "--json"])
}

#[test]
fn the_canonical_copy_has_every_cell() {
    for source in [as_workbook, as_parquet] {
        let batch = Batch::new(&["--count", "260"]);
        let rows = batch.read("cards.csv");
        source(&batch);
        let copy = convert(&batch, "parquet", "copy.parquet").expect(0).objects().remove(0);
        assert_eq!((&copy["rows"], &copy["format"]), (&260.into(), &"parquet".into()));
        let contents = batch.read("copy.parquet");
        assert_eq!(copy["bytes"], contents.len());
        batch.edit_manifest(|manifest| {
            drop(manifest["file"][0].as_table_mut().unwrap().remove("mapping"));
        });
        declare(&batch, "copy.parquet", "parquet", &contents, None);
        assert_eq!(batch.check().expect(0).findings(), BTreeSet::new());
        convert(&batch, "csv", "copy.csv").expect(0);
        assert_eq!(batch.read("copy.csv"), rows);
        convert(&batch, "jsonl", "copy.jsonl").expect(0);
        declare(&batch, "copy.jsonl", "jsonl", &batch.read("copy.jsonl"), None);
        assert_eq!(batch.check().expect(0).findings(), BTreeSet::new());
    }
}

#[test]
fn a_copy_has_all_rows_or_is_none() {
    let batch = Batch::with_defect("nul-byte", &["--count", "50"]);
    assert_eq!(convert(&batch, "parquet", "copy").expect(1).objects()[0]["id"], "B-FILE-006");
    assert!(!batch.path("copy").exists());
    let batch = Batch::new(&["--count", "5"]);
    batch.write("there", "mine");
    convert(&batch, "csv", "there").expect(4);
    assert_eq!(batch.text("there"), "mine");
}

fn small() -> Batch {
    Batch::new(&["--count", "30"])
}

#[test]
fn odd_cells_of_a_workbook_are_found() {
    let batch = small();
    let rows = batch.lines();
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    for (row, line) in (0_u32..).zip(&rows) {
        // A row is left out below the tenth card.
        let row = if row > 10 { row + 1 } else { row };
        for (column, cell) in (0..).zip(line.split(',')) {
            match (row, column) {
                (5, 1) => sheet.write_formula(row, column, "=1+1").unwrap(),
                (7, 0) => sheet.write(row, column, 1.5).unwrap(),
                _ => sheet.write(row, column, cell).unwrap(),
            };
        }
    }
    sheet.write(8, 60, "beyond the names").unwrap();
    declare(&batch, "cards.xlsx", "xlsx", &workbook.save_to_buffer().unwrap(), None);
    let found: BTreeSet<Found> =
        batch.check().expect(1).findings().into_iter().filter(|f| f.gap.is_none()).collect();
    let expected = [
        Found::on("B-FILE-015", 5),
        Found::on("B-SER-001", 7),
        Found::on("B-FILE-013", 8),
        Found::on("B-FILE-017", 11),
    ];
    assert_eq!(found, expected.into());
}

#[test]
fn damaged_files_are_findings() {
    let whole = small();
    for (name, format, contents) in [
        ("cards.xlsx", "xlsx", workbook(&whole)),
        ("cards.parquet", "parquet", vendor_parquet(&whole)),
    ] {
        let batch = small();
        for length in [0, 3, 100, contents.len() / 2, contents.len() - 1] {
            declare(&batch, name, format, &contents[..length], Some(&mapping()));
            let checked = batch.check().expect(1);
            assert!(
                checked.findings().contains(&Found::of_batch("B-FILE-020")),
                "{name} {length}: {checked:?}"
            );
            assert!(!checked.err.contains("panicked"), "{}", checked.err);
        }
        // Any byte changed: told, or without effect; never the end of the program.
        for at in (0..contents.len()).step_by(contents.len() / 40) {
            let mut bad = contents.clone();
            bad[at] ^= 0x55;
            declare(&batch, name, format, &bad, Some(&mapping()));
            let checked = batch.check();
            assert!(checked.code <= 1 && !checked.err.contains("panicked"), "{at} {checked:?}");
        }
    }
    let batch = small();
    declare(&batch, "cards.xlsx", "parquet", b"serial,uid\n", None);
    assert!(batch.check().expect(1).findings().contains(&Found::of_batch("B-FILE-020")));
}
