//! Files that `conformance` reads and writes.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use xuejika_vectors::conformance::report::Report;
use xuejika_vectors::conformance::{CaseReport, Ics, Plan, Suite};

use super::args::ReportArgs;
use super::recording::Run;
use super::{html, junit, show};
use crate::exit::{Failure, Faults, Outcome};
use crate::recorder::{Recording, is_trace};
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

/// Reads the report or the trace of a run.
pub(super) fn recording(path: &Path) -> Outcome<Run> {
    if is_trace(path).is_ok_and(|it| it) {
        return Run::from_trace(&Recording::open(path)?)
            .with_context(|| path.display().to_string())
            .map_err(Failure::usage);
    }
    let text = read(path)?;
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
    fs::read_to_string(path).with_context(|| path.display().to_string()).map_err(Failure::usage)
}

/// Where reports go. The files are made before the run, so that what cannot be written is known.
#[derive(Debug, Default)]
pub(super) struct Destinations {
    junit: Option<(PathBuf, File)>,
    html: Option<Page>,
    report: Option<(PathBuf, File)>,
}

impl Destinations {
    pub(super) fn open(args: &ReportArgs) -> Outcome<Self> {
        Ok(Self {
            junit: create(args.junit.as_ref())?,
            html: args.html.as_deref().map(Page::create).transpose()?,
            report: create(args.report.as_ref())?,
        })
    }

    /// Writes all of them. `made_at` is the date and time of the run.
    pub(super) fn write(&mut self, report: &Report, made_at: &str) -> Outcome<()> {
        if let Some(page) = self.html.take() {
            let path = page.path.display().to_string();
            page.write(report, made_at).context(path).map_err(Failure::device)?;
        }
        if let Some((path, file)) = &self.junit {
            let write = junit::write(report, file);
            write.with_context(|| path.display().to_string()).map_err(Failure::device)?;
        }
        if let Some((path, file)) = &self.report {
            let write = lines(report, file);
            write.with_context(|| path.display().to_string()).map_err(Failure::device)?;
        }
        Ok(())
    }
}

/// A page that is whole or not there: it is written beside its place and moved to it.
#[derive(Debug)]
struct Page {
    path: PathBuf,
    beside: PathBuf,
    file: File,
}

impl Page {
    fn create(path: &Path) -> Outcome<Self> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.part", std::process::id()));
        let beside = path.with_file_name(name);
        let file = File::create(&beside)
            .with_context(|| path.display().to_string())
            .map_err(Failure::usage)?;
        Ok(Self { path: path.to_owned(), beside, file })
    }

    fn write(mut self, report: &Report, made_at: &str) -> anyhow::Result<()> {
        self.file.write_all(&html::page(report, made_at)?)?;
        self.file.sync_all()?;
        Ok(fs::rename(&self.beside, &self.path)?)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.beside);
    }
}

fn create(path: Option<&PathBuf>) -> Outcome<Option<(PathBuf, File)>> {
    let Some(path) = path else { return Ok(None) };
    let file =
        File::create(path).with_context(|| path.display().to_string()).map_err(Failure::usage)?;
    Ok(Some((path.clone(), file)))
}

fn lines(report: &Report, file: &File) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    writeln!(out, "{}", shown::to_json(&show::Head::new(report))?)?;
    for case in &report.cases {
        writeln!(out, "{}", shown::to_json(&show::Line::new(case))?)?;
    }
    writeln!(out, "{}", shown::to_json(&show::Summary::new(report))?)?;
    out.flush()
}
