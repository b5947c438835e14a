//! `docs/life-cycle.md` says what the table says.
#![allow(clippy::unwrap_used, reason = "a broken premise fails the test")]

#[path = "../examples/life_cycle.rs"]
mod generator;

#[test]
fn the_document_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/life-cycle.md");
    let stored = std::fs::read_to_string(path).unwrap();
    assert!(
        stored == generator::document(),
        "docs/life-cycle.md is stale; write it anew:\n\
         cargo run -p xuejika-card-model --example life_cycle > docs/life-cycle.md"
    );
}
