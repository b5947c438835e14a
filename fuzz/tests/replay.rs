//! Inputs of the targets that `emulator/tests/fuzz_corpus.rs` cannot have.
#![allow(clippy::unwrap_used, reason = "a broken premise fails the test")]

use std::fs;
use std::path::Path;

fn replay(name: &str, target: fn(&[u8])) {
    for place in ["corpus", "regressions"] {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(place).join(name);
        for entry in fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            target(&fs::read(path).unwrap());
        }
    }
}

#[test]
fn mappings_are_read() {
    replay("mapping", xuejika_fuzz::mapping);
}
