//! `vectors verify`.

use super::support::{Desk, run};

#[test]
fn the_bundled_vectors_hold() {
    let text = run(&["vectors", "verify"]).expect(0).out;
    assert!(text.starts_with("file ") && text.contains("\ntotal"), "{text}");
    let objects = run(&["vectors", "verify", "--json"]).expect(0).objects();
    assert!(objects.iter().any(|row| row["file"] == "aes_cmac" && row["passed"] != 0));
    assert!(objects.iter().all(|row| row["failed"] == 0));
}

#[test]
fn a_wrong_value_is_a_finding_by_name() {
    let desk = Desk::new("cpu-aes");
    let file = |tag: &str| {
        let text = format!(
            r#"{{"topic": "AES-CMAC", "vectors": [{{"id": "rfc4493-1", "alg": "AES-128-CMAC",
                "key": "2b7e151628aed2a6abf7158809cf4f3c", "msg": "", "tag": "{tag}"}}]}}"#
        );
        desk.file("own.json", &text)
    };
    run(&["vectors", "verify", &file("bb1d6929e95937287fa37d129b756746")]).expect(0);
    let path = file("bb1d6929e95937287fa37d129b756747");
    let wrong = run(&["vectors", "verify", &path]).expect(1);
    assert!(wrong.out.contains("FAILED: own: rfc4493-1: tag"), "{}", wrong.out);
    let objects = run(&["vectors", "verify", &path, "--json"]).expect(1).objects();
    assert_eq!(objects.last().unwrap()["vector"], "rfc4493-1");
}

#[test]
fn an_unreadable_file_is_named() {
    let desk = Desk::new("cpu-aes");
    let missing = desk.path("missing.json").display().to_string();
    assert!(run(&["vectors", "verify", &missing]).expect(2).err.contains(&missing));
    let path = desk.file("wrong.json", "{");
    assert!(run(&["vectors", "verify", &path]).expect(2).err.contains("wrong: EOF"));
}
