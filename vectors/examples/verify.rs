//! Verifies vector files and prints the table: `cargo run -p xuejika-vectors --example verify
//! [FILE...]`. Without a file it takes the bundled ones.

use std::path::Path;
use std::process::ExitCode;

use xuejika_vectors::{FileError, VectorFile, bundled, verify};

fn main() -> Result<ExitCode, FileError> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let files: Vec<VectorFile> = if names.is_empty() {
        bundled().collect()
    } else {
        names.iter().map(|name| VectorFile::load(Path::new(name))).collect::<Result<_, _>>()?
    };
    let report: verify::Report = files.iter().map(verify).collect();
    print!("{report}");
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
