//! Checks a batch under the published test keys, as `xuejika batch check DIR --keys test` does:
//! `cargo run -p xuejika-batch --example check -- DIR`
//!
//! Reads CSV, JSON lines and fixed width; with `--all-features` workbooks and Parquet too.

use std::path::Path;

use xuejika_batch::generate::TestKeys;
use xuejika_batch::{Delivery, Error, Event, Line, Options, Roots, Verdict, check};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: check DIR")?;
    let verdict = run(Path::new(&folder), |line| {
        println!("{} row {:?} {}: found {}", line.id, line.row, line.title, line.found);
    })?;
    println!("{}: {} errors, {} warnings", verdict.verdict, verdict.errors, verdict.warnings);
    std::process::exit(i32::from(verdict.errors > 0));
}

/// Hands over what is found in the batch in this folder.
pub(crate) fn run(folder: &Path, mut found: impl FnMut(&Line)) -> Result<Verdict, Error> {
    let delivery = Delivery::open(folder)?;
    // Without a plan no row is read, and no root is needed.
    let plan = delivery.plan().ok();
    let roots = plan.and_then(|plan| TestKeys::new(plan.key_version, plan.algorithm).ok());
    let roots = roots.as_ref().map_or(Roots::default(), TestKeys::roots);
    let checked = check(&delivery, roots, &Options::default(), |event| {
        if let Event::Finding(line) = event {
            found(line);
        }
        Ok::<_, Error>(())
    })?;
    Ok(checked.verdict)
}
