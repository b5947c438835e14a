//! The suite as it is compiled in, and the texts that describe it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken premise fails the test"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use xuejika_vectors::conformance::step::{ACTIONS, EXPECTATIONS};
use xuejika_vectors::conformance::{Class, FILES, Suite, suite};

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    fs::read_to_string(root.join(path)).expect(path)
}

#[test]
fn every_case_file_is_compiled_in() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/conformance");
    let on_disk: BTreeSet<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.ends_with(".ics.toml"))
        .collect();
    assert_eq!(on_disk, FILES.iter().map(|(name, _)| (*name).to_owned()).collect());
}

#[test]
fn the_suite_is_whole() {
    let suite = suite().unwrap();
    assert!(suite.variants().count() >= 400);
    let negative = suite.cases.iter().filter(|case| case.class == Class::Negative).count();
    assert!(negative * 3 > suite.cases.len(), "only {negative} cases show refusals");
    for case in &suite.cases {
        let chinese = case.title_zh.chars().any(|c| ('\u{4E00}'..='\u{9FFF}').contains(&c));
        assert!(chinese, "{} has no Chinese title", case.id);
        assert!(case.purpose.ends_with('.'), "{}", case.id);
    }
}

/// A clause that is no article and no standard is a section of the card profile.
#[test]
fn every_section_named_is_there() {
    let profile = read("docs/card-profile.md");
    let sections: BTreeSet<_> = profile
        .lines()
        .filter_map(|line| line.strip_prefix("## ").or_else(|| line.strip_prefix("### ")))
        .filter_map(|heading| heading.split([' ', ':']).next())
        .map(|number| number.trim_end_matches('.').to_owned())
        .collect();
    for case in &suite().unwrap().cases {
        let own: Vec<_> = case
            .clause
            .iter()
            .filter(|it| it.chars().all(|c| c.is_ascii_digit() || c == '.'))
            .collect();
        assert!(!own.is_empty(), "{} names no section of the card profile", case.id);
        for section in own {
            assert!(sections.contains(section), "{}: there is no section {section}", case.id);
        }
    }
}

#[test]
fn the_same_files_have_the_same_hash_and_others_another() {
    let hash = |files: &[(&str, &str)]| Suite::parse(files).unwrap().hash;
    assert_eq!(suite().unwrap().hash, hash(&FILES));
    let head = "schema = 1\ntitle = \"t\"\n";
    assert_ne!(hash(&[("a", head)]), hash(&[("b", head)]));
    let split = [("a", head), ("b", head)];
    assert_ne!(hash(&split), hash(&[("ab", head)]));
}

#[test]
fn the_schema_has_the_actions_of_the_reader() {
    let schema = read("docs/schema/conformance-case.v1.schema.json");
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let steps = schema["$defs"]["step"]["oneOf"].as_array().unwrap();
    assert_eq!(steps.len(), ACTIONS.len());
    for (step, action) in steps.iter().zip(ACTIONS) {
        assert_eq!(step["required"], serde_json::json!([action.name]));
        let keys: BTreeSet<_> =
            step["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let expectations: &[&str] = if action.answered { &EXPECTATIONS } else { &[] };
        let expected = [&[action.name, "note"], action.arguments, expectations].concat();
        assert_eq!(keys, expected.into_iter().collect(), "{}", action.name);
    }
}

#[test]
fn the_guide_names_every_action() {
    let guide = read("docs/conformance.md");
    for action in ACTIONS {
        assert!(guide.contains(&format!("`{}`", action.name)), "{}", action.name);
    }
}
