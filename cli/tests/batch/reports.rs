//! Reports of a check as files.

use std::fs;

use serde_json::Value;

use super::support::{Batch, Run};

fn checked(batch: &Batch) -> Run {
    let path = |name: &str| batch.path(name).display().to_string();
    let [html, junit, csv, note] = ["r.html", "r.xml", "r.csv", "n.json"].map(path);
    batch.check_with(&[
        "--keys", "test", "--html", &html, "--junit", &junit, "--csv", &csv, "--note", &note,
    ])
}

#[test]
fn a_refused_batch_is_refused_in_every_report() {
    let batch = Batch::new(&["--count", "1500", "--defects", "all"]);
    let run = checked(&batch).expect(1);
    let verdict = run.verdict();
    let page = batch.text("r.html");
    for (id, name) in [("rows", "rows"), ("errors", "errors"), ("warnings", "warnings")] {
        let value = verdict[name].as_u64().unwrap();
        assert!(page.contains(&format!("<dd id=\"{id}\">{value}</dd>")), "{id}");
    }
    assert!(page.contains("class=\"refused\">refused<"));
    for (id, count) in verdict["counts"].as_object().unwrap() {
        let bar = format!("data-label=\"{id}\" data-count=\"{count}\"");
        let others = page.contains("data-label=\"all others\"");
        assert!(page.contains(&bar) || others, "{id}");
    }
    // It loads nothing and runs nothing.
    for word in ["<script", "http:", "https:", "src=", "@import", "url("] {
        assert!(!page.contains(word), "{word}");
    }
    let report = quick_junit::Report::deserialize_from_str(&batch.text("r.xml")).unwrap();
    let errors = run.objects();
    let errors: std::collections::BTreeSet<&str> = errors
        .iter()
        .filter(|finding| finding["severity"] == "error")
        .map(|finding| finding["id"].as_str().unwrap())
        .collect();
    assert_eq!(report.failures, errors.len());
    let lines = csv::Reader::from_reader(batch.text("r.csv").as_bytes())
        .records()
        .collect::<Result<Vec<_>, _>>()
        .unwrap();
    assert_eq!(lines.len(), run.objects().iter().filter(|o| o["report"] == "finding").count());
    let note: Value = serde_json::from_str(&batch.text("n.json")).unwrap();
    assert_eq!((&note["verdict"], &note["rows"]), (&"refused".into(), &verdict["rows"]));
    assert!(note["accepted"].is_null());
}

#[test]
fn a_clean_batch_has_a_clean_report() {
    let batch = Batch::new(&["--count", "20"]);
    checked(&batch).expect(0);
    let page = batch.text("r.html");
    assert!(page.contains("class=\"accepted\">accepted<") && page.contains("<p>None.</p>"));
    let report = quick_junit::Report::deserialize_from_str(&batch.text("r.xml")).unwrap();
    assert_eq!((report.failures, report.errors), (0, 0));
}

#[test]
fn no_report_is_overwritten() {
    let batch = Batch::new(&["--count", "5"]);
    fs::write(batch.path("r.xml"), "mine").unwrap();
    assert!(checked(&batch).expect(4).err.contains("r.xml"));
    assert_eq!(batch.text("r.xml"), "mine");
    assert!(!batch.path("r.html").exists());
}

#[test]
fn names_of_files_are_neither_formulas_nor_markup() {
    let batch = Batch::new(&["--count", "5"]);
    for name in ["=cmd.csv", "<b>.csv"] {
        batch.replace_rows(name, batch.read("cards.csv"));
        batch.edit_manifest(|manifest| {
            let file = manifest["file"][0].as_table_mut().unwrap();
            file.insert("bytes".to_owned(), 1.into());
        });
        checked(&batch).expect(1);
        assert!(!batch.text("r.csv").contains(",=cmd"), "{name}");
        assert!(!batch.text("r.html").contains("<b>"), "{name}");
        for file in ["r.html", "r.xml", "r.csv", "n.json"] {
            fs::remove_file(batch.path(file)).unwrap();
        }
    }
}

#[test]
fn neither_names_nor_keys_get_into_a_report() {
    let batch = Batch::with_defect("kcv-form", &["--count", "300"]);
    let mut lines = batch.lines();
    lines[2] = lines[2].replacen("B00001", "张三丰", 1);
    batch.set_lines(&lines);
    checked(&batch).expect(1);
    for file in ["r.html", "r.xml", "r.csv", "n.json"] {
        let text = batch.text(file);
        assert!(!text.contains("张三丰") && !text.contains("AABBCCDD"), "{file}");
    }
}
