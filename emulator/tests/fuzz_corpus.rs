//! Every input in `fuzz/corpus` and `fuzz/regressions` through its fuzz target, without a fuzzer.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a broken premise fails the test"
)]

use std::fs;
use std::path::Path;

#[path = "../../fuzz/src/targets/mod.rs"]
mod targets;

use targets::{TARGETS, Target};

/// Runs the inputs of a target; how many there were.
fn replay(name: &str, target: Target) -> usize {
    let mut inputs = 0;
    for place in ["corpus", "regressions"] {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
        for entry in fs::read_dir(fuzz.join(place).join(name)).into_iter().flatten() {
            let path = entry.unwrap().path();
            // What a panic leaves behind says which input it was.
            println!("{}", path.display());
            target(&fs::read(path).unwrap());
            inputs += 1;
        }
    }
    inputs
}

#[test]
fn nothing_that_a_fuzzer_found_once_is_found_again() {
    for (name, target) in TARGETS {
        assert!(replay(name, target) > 0, "{name} has no corpus");
    }
}

/// What the reference says about such a card is not looked at.
#[cfg(faults)]
#[test]
fn cards_that_take_any_mac_do_not_panic() {
    assert!(replay("card_mock", targets::card_mock) > 0);
    assert!(replay("card_reference", targets::card_mock) > 0);
}
