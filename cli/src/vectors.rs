//! `vectors verify`.

use std::path::{Path, PathBuf};

use serde::Serialize;
use xuejika_vectors::verify::{Counts, Report};
use xuejika_vectors::{Origin, VectorFile, bundled};

use crate::exit::{Code, Failure, Outcome};
use crate::input::{self, MAX_TEXT};
use crate::output::Output;

/// Runs all vectors of `files`, or of the bundled ones when there are none.
pub(crate) fn verify(files: &[PathBuf], out: &Output) -> Outcome<Code> {
    let report: Report = if files.is_empty() {
        bundled().map(|file| xuejika_vectors::verify(&file)).collect()
    } else {
        let files = files.iter().map(|path| load(path)).collect::<anyhow::Result<Vec<_>>>();
        files.map_err(Failure::usage)?.iter().map(xuejika_vectors::verify).collect()
    };
    if out.is_json() {
        print_json(&report, out)?;
    } else {
        report.lines().iter().try_for_each(|line| out.lines(line))?;
    }
    Ok(Code::of(report.is_clean()))
}

fn load(path: &Path) -> anyhow::Result<VectorFile> {
    let text = input::text(path, MAX_TEXT)?;
    let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
    Ok(VectorFile::parse(&name, &text)?)
}

/// The counts of one origin in one file.
#[derive(Serialize)]
struct Row<'a> {
    file: &'a str,
    origin: String,
    passed: usize,
    refused: usize,
    failed: usize,
    not_supported: usize,
}

/// A vector that failed.
#[derive(Serialize)]
struct Finding<'a> {
    file: &'a str,
    vector: &'a str,
    failed: &'a str,
}

fn print_json(report: &Report, out: &Output) -> Outcome<()> {
    for origin in [Origin::Published, Origin::Project] {
        for topic in &report.topics {
            let counts = topic.counts(origin);
            let Counts { passed, refused, failed, not_supported } = counts;
            let origin = origin.to_string();
            if counts.total() > 0 {
                let file = &topic.name;
                out.object(&Row { file, origin, passed, refused, failed, not_supported })?;
            }
        }
    }
    report
        .failures()
        .try_for_each(|(file, vector, failed)| out.object(&Finding { file, vector, failed }))
}
