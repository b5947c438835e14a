//! Verifies vector files and prints the table: `cargo run -p xuejika-vectors --example verify
//! [FILE...]`. Without a file it takes the bundled ones.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use xuejika_vectors::{VectorFile, bundled, verify};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let files: Vec<VectorFile> = if names.is_empty() {
        bundled().collect()
    } else {
        names.iter().map(|name| load(name)).collect::<Result<_, _>>()?
    };
    let report: verify::Report = files.iter().map(verify).collect();
    report.lines().iter().for_each(|line| println!("{}", line.escape_debug()));
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn load(name: &str) -> Result<VectorFile, Box<dyn Error>> {
    let text = std::fs::read_to_string(name).map_err(|error| format!("{name}: {error}"))?;
    let stem = Path::new(name).file_stem().unwrap_or(name.as_ref());
    Ok(VectorFile::parse(&stem.to_string_lossy(), &text)?)
}
