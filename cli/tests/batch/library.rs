//! The library finds what the program finds: the example of the crate, on every kind of defect.

use serde_json::Value;

use super::support::{Batch, run};

#[path = "../../../batch/examples/check.rs"]
#[allow(dead_code, reason = "its main is the example's")]
mod example;

#[test]
fn the_example_finds_what_the_program_finds() {
    for kind in run(&["batch", "defects", "--json"]).expect(0).objects() {
        let kind = kind["kind"].as_str().unwrap();
        let batch = Batch::with_defect(kind, &["--count", "300"]);
        let mut found: Vec<Value> = Vec::new();
        let line = |line: &xuejika_batch::Line| found.push(serde_json::to_value(line).unwrap());
        let verdict = example::run(&batch.path(""), line).unwrap();
        let checked = batch.check();
        let mut objects = checked.objects();
        let last = objects.pop().unwrap();
        assert_eq!(found, objects, "{kind}");
        for name in
            ["verdict", "rows", "good", "scrap", "key_values", "errors", "warnings", "counts"]
        {
            assert_eq!(serde_json::to_value(&verdict).unwrap()[name], last[name], "{kind} {name}");
        }
    }
}
