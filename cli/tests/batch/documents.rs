//! What the documents say of batches is what the program does.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::support::{Batch, run};

fn document(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs");
    fs::read_to_string(folder.join(name)).unwrap()
}

fn schema(name: &str) -> Value {
    serde_json::from_str(&document(name)).unwrap()
}

fn names(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Rows of a table whose first cell is one of these.
fn rows_of<'d>(document: &'d str, first: impl Fn(&str) -> bool) -> Vec<Vec<&'d str>> {
    let cells = |line: &'d str| -> Vec<&'d str> {
        line.trim_matches('|').split('|').map(str::trim).collect()
    };
    document.lines().map(cells).filter(|row| first(row[0])).collect()
}

#[test]
fn the_catalogue_is_documented() {
    let text = document("batch.md");
    let documented = rows_of(&text, |first| first.starts_with("B-"));
    let checks = run(&["batch", "checks", "--json"]).expect(0).objects();
    let field = |check: &Value, name: &str| check[name].as_str().unwrap().to_owned();
    let known: Vec<Vec<String>> = checks
        .iter()
        .map(|check| ["id", "severity", "title", "remedy"].map(|name| field(check, name)).into())
        .collect();
    assert_eq!(documented, known);
}

#[test]
fn the_kinds_of_defects_are_documented() {
    let text = document("batch.md");
    let kinds = run(&["batch", "defects", "--json"]).expect(0).objects();
    for kind in &kinds {
        let name = kind["kind"].as_str().unwrap();
        let rows = rows_of(&text, |first| first == name);
        assert_eq!(rows.len(), 1, "{name}");
        assert_eq!(rows[0][2], kind["what"].as_str().unwrap());
        let expects = kind["expects"].as_array().unwrap();
        assert!(expects.iter().all(|id| rows[0][1].contains(id.as_str().unwrap())), "{name}");
    }
    let table = text.split("## Planted defects").nth(1).unwrap();
    // Two lines are the heading.
    let rows = table.lines().filter(|line| line.starts_with('|')).count() - 2;
    assert_eq!(rows, kinds.len());
}

#[test]
fn every_kind_of_finding_in_rows_can_be_planted() {
    let kinds = run(&["batch", "defects", "--json"]).expect(0).objects();
    let planted: BTreeSet<&str> = kinds
        .iter()
        .flat_map(|kind| kind["expects"].as_array().unwrap())
        .map(|id| id.as_str().unwrap())
        .collect();
    let checks = run(&["batch", "checks", "--json"]).expect(0).objects();
    let left_out: Vec<&str> = checks
        .iter()
        .map(|check| check["id"].as_str().unwrap())
        .filter(|id| !planted.contains(id))
        .collect();
    // JSON, fixed width, workbooks and Parquet are other files; foreign roots are no test roots; one
    // batch has no history.
    let other_files = ["B-FILE-016", "B-FILE-018", "B-FILE-020", "B-FILE-021", "B-FILE-022"];
    let others = ["B-KEY-007", "B-KEY-013", "B-HIS-001", "B-HIS-002", "B-HIS-003", "B-HIS-004"];
    assert_eq!(left_out, [&other_files[..], &others].concat());
}

#[test]
fn the_row_schema_has_the_columns() {
    let schema = schema("schema/batch-row.v1.schema.json");
    let batch = Batch::new(&["--count", "200", "--format", "jsonl"]);
    let columns = Batch::new(&["--count", "1"]).lines()[0].clone();
    assert_eq!(names(&schema["properties"]), columns.split(',').collect());
    let required = |list: &Value| -> BTreeSet<String> {
        list.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    for line in batch.text("cards.jsonl").lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let given: BTreeSet<String> = names(&row).into_iter().map(str::to_owned).collect();
        assert!(required(&schema["required"]).is_subset(&given), "{line}");
        if row["status"] == "good" {
            assert_eq!(required(&schema["then"]["required"]), given);
        }
    }
}

#[test]
fn the_manifest_schema_has_the_fields() {
    let schema = schema("schema/batch-manifest.v1.schema.json");
    let batch = Batch::new(&["--count", "300"]);
    let manifest: toml::Table = batch.text("batch.toml").parse().unwrap();
    compare(&schema, &serde_json::to_value(manifest).unwrap(), "");
}

/// Compares the names at every level.
fn compare(schema: &Value, value: &Value, path: &str) {
    match value {
        Value::Object(fields) => {
            let known = names(&schema["properties"]);
            let required = schema["required"].as_array().unwrap();
            assert!(names(value).is_subset(&known), "{path}");
            for name in required {
                assert!(fields.contains_key(name.as_str().unwrap()), "{path} {name}");
            }
            for (name, value) in fields {
                compare(&schema["properties"][name], value, &format!("{path}/{name}"));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| compare(&schema["items"], item, path)),
        _ => assert!(schema.is_object(), "{path}"),
    }
}
