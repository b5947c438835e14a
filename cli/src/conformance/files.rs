//! Files that `conformance` reads and writes.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use xuejika_emulator::files::{Access, Existing, FileError, NewFile, commit_all};
use xuejika_reader::channel::trace::is_trace;
use xuejika_vectors::conformance::report::Report;
use xuejika_vectors::conformance::{CaseReport, Ics, Plan, Suite};

use super::args::ReportArgs;
use super::recording::Run;
use super::{html, junit, show};
use crate::exit::{Failure, Faults, Outcome};
use crate::input::{self, MAX_TEXT};
use crate::recorder;
use crate::shown;

/// Reads and checks a statement.
pub(super) fn statement(path: &Path) -> Outcome<Ics> {
    let text = read(path)?;
    Ics::parse(&path.display().to_string(), &text)
        .map_err(|errors| Failure::usage(Faults(errors.iter().map(ToString::to_string).collect())))
}

/// Reads case files.
pub(super) fn suite(paths: &[PathBuf]) -> Outcome<Suite> {
    let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    let texts = paths.iter().map(|path| read(path)).collect::<Outcome<Vec<_>>>()?;
    let files: Vec<_> =
        names.iter().map(String::as_str).zip(texts.iter().map(String::as_str)).collect();
    Suite::parse(&files).map_err(Failure::usage)
}

/// Reads a plan.
pub(super) fn plan(path: &Path) -> Outcome<Plan> {
    let text = read(path)?;
    serde_json::from_str(&text)
        .with_context(|| format!("{}: no plan", path.display()))
        .map_err(Failure::usage)
}

/// Longest report of a run, in bytes; that of the suite has about three million.
const MAX_REPORT: usize = 16 << 20;

/// Reads the report or the trace of a run.
pub(super) fn recording(path: &Path) -> Outcome<Run> {
    if is_trace(path).is_ok_and(|it| it) {
        return Run::from_trace(path, recorder::read(path)?);
    }
    let text = input::text(path, MAX_REPORT).map_err(Failure::usage)?;
    let report = || -> anyhow::Result<Report> {
        let mut report: Option<Report> = None;
        for line in text.lines() {
            let value: serde_json::Value = serde_json::from_str(line)?;
            match (value.get("type").and_then(|it| it.as_str()), &mut report) {
                (Some("run"), None) => report = Some(show::Head::parse(value)?),
                (Some("case"), Some(report)) => report.cases.push(case(value)?),
                (Some("summary"), Some(_)) => {}
                _ => return Err(anyhow!("expected a line of a run, its cases and a summary")),
            }
        }
        report.ok_or_else(|| anyhow!("expected a line of a run"))
    };
    report()
        .map(Run::from)
        .with_context(|| format!("{}: neither report nor trace of a run", path.display()))
        .map_err(Failure::usage)
}

fn case(mut value: serde_json::Value) -> anyhow::Result<CaseReport> {
    if let Some(fields) = value.as_object_mut() {
        fields.remove("type");
    }
    Ok(serde_json::from_value(value)?)
}

fn read(path: &Path) -> Outcome<String> {
    input::text(path, MAX_TEXT).map_err(Failure::usage)
}

/// Where reports go. The files are begun before the run, so that what cannot be written is known.
#[derive(Debug)]
pub(super) struct Destinations {
    html: Option<NewFile>,
    junit: Option<NewFile>,
    report: Option<NewFile>,
}

impl Destinations {
    pub(super) fn open(args: &ReportArgs) -> Outcome<Self> {
        let begin = |path: &Option<PathBuf>| {
            let path = path.as_deref();
            path.map(|path| NewFile::create(path, Existing::Replace, Access::Umask)).transpose()
        };
        Ok(Self {
            html: begin(&args.html)?,
            junit: begin(&args.junit)?,
            report: begin(&args.report)?,
        })
    }

    /// Writes all of them. `made_at` is the date and time of the run.
    pub(super) fn write(self, report: &Report, made_at: &str) -> Outcome<()> {
        let contents: [(_, Contents<'_>); 3] = [
            (self.html, &|| html::page(report, made_at)),
            (self.junit, &|| junit::emit(report)),
            (self.report, &|| lines(report)),
        ];
        let mut written = Vec::new();
        for (file, contents) in contents {
            let Some(mut file) = file else { continue };
            let contents = contents()
                .with_context(|| file.path().display().to_string())
                .map_err(Failure::device)?;
            file.write_all(&contents).map_err(|error| FileError::of(file.path(), error))?;
            written.push(file);
        }
        Ok(commit_all(written)?)
    }
}

/// What makes the contents of a file.
type Contents<'a> = &'a dyn Fn() -> anyhow::Result<Vec<u8>>;

fn lines(report: &Report) -> anyhow::Result<Vec<u8>> {
    let cases = report.cases.iter().map(|case| shown::to_json(&show::Line::new(case)));
    let mut lines = vec![shown::to_json(&show::Head::new(report))?];
    lines.extend(cases.collect::<Result<Vec<_>, _>>()?);
    lines.push(shown::to_json(&show::Summary::new(report))?);
    Ok((lines.join("\n") + "\n").into_bytes())
}
