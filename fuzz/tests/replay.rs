//! Every file of `corpus/` and `regressions/` through its target.
#![allow(clippy::unwrap_used, reason = "a broken premise fails the test")]

use std::fs;
use std::path::Path;

use xuejika_fuzz::{TARGETS, Target, mapping};

fn replay(name: &str, target: Target) -> usize {
    let mut files = 0;
    for place in ["corpus", "regressions"] {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(place).join(name);
        for entry in fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            target(&fs::read(path).unwrap());
            files += 1;
        }
    }
    files
}

#[test]
fn nothing_that_was_found_once_is_found_again() {
    for (name, target) in TARGETS.into_iter().chain([("mapping", mapping as Target)]) {
        assert!(replay(name, target) > 0, "{name} has no corpus");
    }
}
