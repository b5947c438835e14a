//! The bundled data keeps to its schema: nothing without a source, no two entries of one name, hex
//! where hex belongs, and the project's own values told apart from published ones.

#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use serde_json::Value;
use xuejika_vectors::{Origin, Vector, VectorFile, bundled};

const SCHEMA: &str = include_str!("../schema/vectors.schema.json");

fn data_files() -> impl Iterator<Item = (String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/data");
    std::fs::read_dir(folder).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read_to_string(path).unwrap())
    })
}

#[test]
fn data_files_keep_to_the_schema() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    for (name, text) in data_files() {
        let data: Value = serde_json::from_str(&text).unwrap();
        let problems = Schema(&schema).problems(&schema, &data, &name);
        assert!(problems.is_empty(), "{problems:#?}");
    }
}

#[test]
fn data_files_load() {
    for (name, text) in data_files() {
        let file = VectorFile::parse(&name, &text).unwrap();
        assert!(!file.vectors.is_empty(), "{name}");
    }
}

#[test]
fn every_entry_has_a_source() {
    for file in bundled() {
        let of_file = !file.source.starts_with("see src");
        let own = |vector: &&Vector| of_file || vector.origin == Origin::Project;
        let without =
            file.vectors.iter().find(|vector| !own(vector) && !vector.fields().has("src"));
        assert!(without.is_none(), "{}: {without:?}", file.name);
    }
}

#[test]
fn nothing_of_the_project_is_called_published() {
    let says_derived = |vector: &Vector| {
        let fields = vector.fields();
        ["src", "note"]
            .iter()
            .any(|field| fields.text_or_empty(field).is_ok_and(|text| text.starts_with("derived")))
    };
    for file in bundled() {
        let whole_file = file.source.starts_with("PROJECT-DEFINED");
        for vector in &file.vectors {
            let altered = vector.id.starts_with("derived-") || says_derived(vector);
            let stated = vector.fields().text_or_empty("origin").unwrap();
            let expected = match stated {
                "published" => Origin::Published,
                "project" => Origin::Project,
                _ if altered || whole_file => Origin::Project,
                _ => Origin::Published,
            };
            assert_eq!(vector.origin, expected, "{}: {}", file.name, vector.id);
            assert!(!altered || vector.origin == Origin::Project, "{}: {}", file.name, vector.id);
        }
    }
}

#[test]
fn the_schema_is_enforced() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let head = r#""topic": "t", "source": "s", "license_note": "l""#;
    let problems = |head: &str, entry: &str| {
        let text = format!(r#"{{{head}, "vectors": [{{{entry}}}]}}"#);
        let data: Value = serde_json::from_str(&text).unwrap();
        Schema(&schema).problems(&schema, &data, "f").len()
    };
    assert_eq!(problems(head, r#""id": "a", "valid": true, "key": "00FF""#), 0);
    for entry in [
        r#""valid": true"#,
        r#""id": "a""#,
        r#""id": "", "valid": true"#,
        r#""id": "a", "valid": "yes""#,
        r#""id": "a", "valid": true, "key": "0""#,
        r#""id": "a", "valid": true, "key": "0x""#,
        r#""id": "a", "valid": true, "components": ["0"]"#,
        r#""id": "a", "valid": true, "cmd": {"cc": "0"}"#,
        r#""id": "a", "valid": true, "steps": [{"m": 1}]"#,
        r#""id": "a", "valid": true, "padding": []"#,
        r#""id": "a", "valid": true, "level": -1"#,
        r#""id": "a", "valid": true, "origin": "nobody""#,
        r#""id": "a", "valid": true, "no_such_field": "00""#,
    ] {
        assert_eq!(problems(head, entry), 1, "{entry}");
    }
    assert_eq!(problems(r#""topic": "t", "license_note": "l""#, r#""id": "a", "valid": true"#), 1);
}

/// The part of JSON Schema that the schema uses; any other keyword is a panic.
struct Schema<'a>(&'a Value);

impl Schema<'_> {
    fn problems(&self, schema: &Value, data: &Value, path: &str) -> Vec<String> {
        let keywords = schema.as_object().unwrap().iter();
        keywords
            .flat_map(|(keyword, rule)| self.keyword(schema, keyword, rule, data, path))
            .collect()
    }

    fn keyword(
        &self,
        schema: &Value,
        keyword: &str,
        rule: &Value,
        data: &Value,
        path: &str,
    ) -> Vec<String> {
        let holds = |holds: bool| {
            if holds { Vec::new() } else { vec![format!("{path}: {keyword} {rule}")] }
        };
        match keyword {
            "$schema" | "$id" | "$defs" | "title" | "description" => Vec::new(),
            "$ref" => {
                let target = rule.as_str().unwrap().strip_prefix('#').unwrap();
                self.problems(self.0.pointer(target).unwrap(), data, path)
            }
            "type" => holds(is_type(data, rule.as_str().unwrap())),
            "enum" => holds(rule.as_array().unwrap().contains(data)),
            "anyOf" => holds(
                rule.as_array()
                    .unwrap()
                    .iter()
                    .any(|rule| self.problems(rule, data, path).is_empty()),
            ),
            "required" => holds(
                rule.as_array()
                    .unwrap()
                    .iter()
                    .all(|name| data.get(name.as_str().unwrap()).is_some()),
            ),
            "minItems" => holds(data.as_array().is_none_or(|list| !list.is_empty())),
            "minLength" => holds(data.as_str().is_none_or(|text| !text.is_empty())),
            "minimum" => holds(data.as_i64().is_none_or(|number| number >= 0)),
            "pattern" => {
                holds(data.as_str().is_none_or(|text| matches(text, rule.as_str().unwrap())))
            }
            "items" => each(data.as_array().into_iter().flatten().enumerate(), |(index, item)| {
                self.problems(rule, item, &format!("{path}[{index}]"))
            }),
            "properties" => each(data.as_object().into_iter().flatten(), |(name, value)| {
                let path = format!("{path}.{name}");
                rule.get(name).map_or_else(Vec::new, |rule| self.problems(rule, value, &path))
            }),
            "additionalProperties" => {
                let known = schema.get("properties").unwrap();
                let mut names = data.as_object().into_iter().flatten().map(|(name, _)| name);
                holds(*rule == true || names.all(|name| known.get(name).is_some()))
            }
            _ => panic!("{keyword} is not implemented"),
        }
    }
}

fn each<T>(items: impl Iterator<Item = T>, problems: impl Fn(T) -> Vec<String>) -> Vec<String> {
    items.flat_map(problems).collect()
}

fn is_type(data: &Value, name: &str) -> bool {
    match name {
        "object" => data.is_object(),
        "array" => data.is_array(),
        "string" => data.is_string(),
        "integer" => data.is_i64(),
        "boolean" => data.is_boolean(),
        _ => panic!("{name} is not implemented"),
    }
}

/// The two patterns of the schema.
fn matches(text: &str, pattern: &str) -> bool {
    match pattern {
        "^([0-9A-Fa-f]{2})*$" => hex::decode(text).is_ok(),
        "^([0-9A-Fa-f]{2}|kk)*$" => hex::decode(text.replace("kk", "00")).is_ok(),
        _ => panic!("{pattern} is not implemented"),
    }
}
