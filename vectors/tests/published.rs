//! The verifier accepts all bundled data and notices every altered value.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use serde_json::{Value, json};
use xuejika_vectors::verify::{Outcome, Report};
use xuejika_vectors::{Origin, VectorFile, bundled, verify};

#[test]
fn no_bundled_entry_fails_and_none_is_left_out() {
    let report: Report = bundled().map(|file| verify(&file)).collect();
    assert!(report.is_clean(), "{report:?}");
    let counted = [Origin::Published, Origin::Project].map(|origin| report.counts(origin).total());
    let entries: usize = bundled().map(|file| file.vectors.len()).sum();
    assert_eq!(counted.iter().sum::<usize>(), entries, "{report:?}");
}

/// Topics whose code exists run, so that a broken dispatch cannot hide behind "not supported".
#[test]
fn supported_topics_run() {
    for (name, at_least) in [
        ("aes_ecb_cbc", 365),
        ("aes_cmac", 12),
        ("aes_cmac_wycheproof", 246),
        ("sm4_sm3", 7),
        ("sm4_mac", 25),
        ("kbkdf_ctr_cmac", 96),
        ("an10922_diversification", 6),
        ("scp03", 18),
        ("aes_sm_iso7816", 26),
        ("icao_bac_3des_sm", 16),
        ("kcv", 31),
        ("project_keyscheme_reference", 25),
        ("des_tdes_ecb_cbc", 564),
        ("iso9797_des_mac", 31),
        ("tdes_cmac", 13),
        ("pboc", 31),
        ("pboc_wallet_auth", 18),
        ("pboc_derived", 11),
        ("key_components", 15),
        ("tr31_keyblocks", 52),
    ] {
        let report = verify(&bundled_file(name));
        let run: usize = [Origin::Published, Origin::Project]
            .map(|origin| report.counts(origin))
            .iter()
            .map(|counts| counts.passed + counts.refused)
            .sum();
        assert!(run >= at_least, "{name}: {run} of {at_least} ran\n{report:?}");
    }
}

/// Fields that say something about an entry without being an input or an output of what is run.
const ASIDE: &[&str] = &[
    "aid",
    "cmac_k1",
    "cmac_k2",
    "key_dek",
    "shared_secret_k",
    "subkey_k1",
    "subkey_k2",
    "system_id",
    "uid",
];

/// In every entry that passes, every single value matters.
#[test]
fn any_altered_value_fails_its_entry() {
    let mut unnoticed = Vec::new();
    for file in bundled() {
        let entries = json_of(&file.name);
        let report = verify(&file);
        for (index, checked) in report.topics[0].checked.iter().enumerate() {
            if checked.outcome != Outcome::Passed {
                continue;
            }
            let entry = &entries["vectors"][index];
            for path in hex_paths(entry, "").into_iter().filter(|path| is_used(entry, path)) {
                let mut altered = json!({"topic": entries["topic"], "vectors": [entry]});
                flip(altered.pointer_mut(&format!("/vectors/0{path}")).unwrap());
                let altered = VectorFile::parse(&file.name, &altered.to_string()).unwrap();
                let report = verify(&altered);
                let outcome = &report.topics[0].checked[0].outcome;
                if !matches!(outcome, Outcome::Failed(_)) {
                    unnoticed.push(format!("{}: {}: {path}", file.name, checked.id));
                }
            }
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
}

/// A wrong digit anywhere in a whole file is reported as that entry and no other.
#[test]
fn one_altered_digit_is_reported_by_name() {
    for file in bundled() {
        let report = verify(&file);
        let passed = |outcome: &Outcome| *outcome == Outcome::Passed;
        let checked = &report.topics[0].checked;
        let Some(index) = checked.iter().rposition(|checked| passed(&checked.outcome)) else {
            continue;
        };
        let mut altered = json_of(&file.name);
        let path = hex_paths(&altered["vectors"][index], "").pop().unwrap();
        flip(altered.pointer_mut(&format!("/vectors/{index}{path}")).unwrap());
        let altered = VectorFile::parse("copy", &altered.to_string()).unwrap();
        let report = verify(&altered);
        let failures: Vec<_> = report.failures().map(|(file, id, _)| (file, id)).collect();
        assert_eq!(failures, [("copy", &*checked[index].id)]);
        assert!(
            report.lines().join("\n").contains(&format!("FAILED: copy: {}: ", checked[index].id))
        );
    }
}

/// What is marked invalid and yet accepted is a failure.
#[test]
fn a_valid_entry_marked_invalid_fails() {
    for file in bundled() {
        let mut marked = json_of(&file.name);
        let entries = marked["vectors"].as_array_mut().unwrap();
        entries.iter_mut().for_each(|entry| entry["valid"] = json!(false));
        let marked = VectorFile::parse(&file.name, &marked.to_string()).unwrap();
        let before = verify(&file);
        let after = verify(&marked);
        for (before, after) in before.topics[0].checked.iter().zip(&after.topics[0].checked) {
            if before.outcome == Outcome::Passed {
                assert!(matches!(after.outcome, Outcome::Failed(_)), "{}: {}", file.name, after.id);
            }
        }
    }
}

/// A missing field is a failure that names it, never a refusal.
#[test]
fn a_missing_field_fails_even_an_invalid_entry() {
    let text = r#"{"topic": "AES-CMAC", "vectors": [
        {"id": "a", "alg": "AES-128-CMAC", "msg": "", "tag": "00", "valid": false}]}"#;
    let report = verify(&VectorFile::parse("f", text).unwrap());
    let failures: Vec<_> = report.failures().collect();
    assert_eq!(failures, [("f", "a", "key: expected hex of even length")]);
}

/// Whatever stands in a field, the verifier says so and goes on.
#[test]
fn no_value_stops_the_verifier() {
    for file in bundled().filter(|file| file.vectors.len() < 60) {
        let entries = json_of(&file.name);
        for entry in entries["vectors"].as_array().unwrap() {
            for path in hex_paths(entry, "") {
                for value in [json!(""), json!("ff".repeat(70)), json!("f"), json!(0), json!([])] {
                    let mut altered = json!({"topic": entries["topic"], "vectors": [entry]});
                    *altered.pointer_mut(&format!("/vectors/0{path}")).unwrap() = value;
                    let altered = VectorFile::parse(&file.name, &altered.to_string()).unwrap();
                    assert_eq!(verify(&altered).topics[0].checked.len(), 1);
                }
            }
        }
    }
}

#[test]
fn unknown_topics_are_counted_not_dropped() {
    let text = r#"{"topic": "other", "vectors": [{"id": "a", "valid": true}]}"#;
    let report = verify(&VectorFile::parse("f", text).unwrap());
    assert_eq!(report.counts(Origin::Published).not_supported, 1);
    assert!(report.lines().join("\n").contains("not supported: f: topic unknown (1)"));
}

fn bundled_file(name: &str) -> VectorFile {
    bundled().find(|file| file.name == name).unwrap()
}

fn json_of(name: &str) -> Value {
    let path = format!("{}/data/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Pointers to every non-empty hex value below `value` that takes part in a check.
fn hex_paths(value: &Value, path: &str) -> Vec<String> {
    let is_text = ["id", "alg", "mode", "comment", "note", "src"].iter();
    let is_text = is_text.chain(ASIDE).any(|name| path.rsplit('/').next() == Some(name));
    match value {
        _ if is_text => Vec::new(),
        Value::Object(map) => map
            .iter()
            .flat_map(|(name, value)| hex_paths(value, &format!("{path}/{name}")))
            .collect(),
        Value::Array(list) => {
            let items = list.iter().enumerate();
            items.flat_map(|(at, value)| hex_paths(value, &format!("{path}/{at}"))).collect()
        }
        Value::String(text) if !text.is_empty() && hex::decode(text).is_ok() => vec![path.into()],
        _ => Vec::new(),
    }
}

/// Whether the outcome of the entry depends on the value.
fn is_used(entry: &Value, path: &str) -> bool {
    match path {
        // A message without data encrypts nothing.
        "/ks_enc" if entry["cmd"].is_object() => entry["cmd"]["cryptogram"].is_string(),
        "/ks_enc" if entry["rsp"].is_object() => entry["rsp"]["cryptogram"].is_string(),
        "/ks_enc" if entry["plain_response_data"] == "" => false,
        // A random challenge follows from no AID.
        "/pseudo_random_challenge_aid" => entry["pseudo_random_challenge_ok"] == true,
        // Without R-MAC a status word is covered by nothing.
        path if path.ends_with("/sw") && entry["protocol"] == "SCP03" => {
            entry["security_level"] != "03"
        }
        // What a card answers, and no code covers.
        "/key_version" | "/alg_id" if entry["kind"] == "ep-load" => false,
        "/old_balance" if entry["kind"] == "ep-purchase" => false,
        _ => true,
    }
}

/// Changes the digit in the middle.
fn flip(value: &mut Value) {
    let mut digits: Vec<char> = value.as_str().unwrap().chars().collect();
    let middle = digits.len() / 2;
    digits[middle] = if digits[middle] == '0' { '1' } else { '0' };
    *value = digits.into_iter().collect::<String>().into();
}
