//! Reports of a check as files: JUnit for build servers, CSV for spreadsheets, one HTML page for
//! people, and the data of the hand-over note (交接单). Serials, counts and hashes; no keys, no people.

mod html;

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite, XmlString};
use xuejika_batch::note::Note;
use xuejika_batch::{Check, Line, Manifest, Report, Severity, Verdict};
use xuejika_emulator::files::{Access, Existing, FileError, NewFile};

use super::report::FindingLine;
use crate::exit::{Failure, Outcome};
use crate::shown::{self, Lines, Shown};
use crate::spreadsheet::Csv;

/// What makes the contents of a file.
type Contents<'a> = &'a dyn Fn() -> anyhow::Result<Vec<u8>>;

/// Files of a report. None is overwritten.
#[derive(Debug, Args)]
pub(crate) struct ReportFiles {
    /// Write the report as one HTML page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the report as JUnit XML: one test case per check.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write the printed findings as CSV, safe to open in a spreadsheet.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the data of the hand-over note (交接单) as JSON.
    #[arg(long, value_name = "FILE")]
    note: Option<PathBuf>,
}

impl ReportFiles {
    /// Refuses to begin when a file is there already.
    pub(crate) fn check_new(&self) -> Outcome<()> {
        let all = [&self.html, &self.junit, &self.csv, &self.note].into_iter().flatten();
        match all.into_iter().find(|path| path.symlink_metadata().is_ok()) {
            None => Ok(()),
            Some(path) => Err(FileError::Exists { path: path.clone() }.into()),
        }
    }

    /// Writes all of them, to be given their names together. `signed` says when and by whom the batch
    /// was accepted.
    pub(crate) fn write(
        &self,
        report: &Report,
        manifest: &Manifest,
        verdict: &Verdict,
        signed: Option<(&str, Option<&str>)>,
    ) -> Outcome<Vec<NewFile>> {
        let note = Note::new(manifest, verdict, signed);
        let all: [(&Option<PathBuf>, Contents<'_>); 4] = [
            (&self.html, &|| html::page(report, verdict, &note)),
            (&self.junit, &|| junit(report, verdict)),
            (&self.csv, &|| csv(report.lines())),
            (&self.note, &|| Ok(shown::to_json_pretty(&note)?.into_bytes())),
        ];
        let mut written = Vec::new();
        for (path, contents) in all {
            let Some(path) = path else { continue };
            let contents =
                contents().with_context(|| path.display().to_string()).map_err(Failure::device)?;
            let mut file = NewFile::create(path, Existing::Refuse, Access::Umask)?;
            file.write_all(&contents).map_err(|error| FileError::of(path, error))?;
            written.push(file);
        }
        Ok(written)
    }
}

/// One test case per check: it fails on errors, and tells its warnings.
fn junit(report: &Report, verdict: &Verdict) -> anyhow::Result<Vec<u8>> {
    let mut suite = TestSuite::new(format!("batch {}", Shown(&verdict.batch)));
    for check in Check::ALL {
        let count = report.counts().get(check).copied().unwrap_or(0);
        let lines = report.lines().iter().filter(|line| line.id == check.id());
        let told: String =
            lines.map(|line| Lines::of(&FindingLine(line)).as_str().to_owned()).collect();
        let mut status = TestCaseStatus::success();
        if count > 0 && report.severity(*check) == Severity::Error {
            status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type(check.id());
            status.set_message(format!("{count}: {}", check.title()));
            status.set_description(told.trim_end());
        }
        let mut case = TestCase::new(format!("{check} {}", check.title()), status);
        case.set_classname("xuejika.batch");
        if count > 0 && report.severity(*check) == Severity::Warning {
            case.set_system_out(XmlString::new(told.trim_end()));
        }
        suite.add_test_case(case);
    }
    for (name, value) in [("rows", verdict.rows), ("good", verdict.good), ("scrap", verdict.scrap)]
    {
        suite.add_property((name, value.to_string().as_str()));
    }
    suite.add_property(("verdict", verdict.verdict));
    let mut all = quick_junit::Report::new("xuejika batch check");
    all.add_test_suite(suite);
    Ok(all.to_string()?.into_bytes())
}

fn csv(lines: &[Line]) -> anyhow::Result<Vec<u8>> {
    let mut table = Csv::new([
        "id", "severity", "file", "row", "byte", "subject", "field", "title", "expected", "found",
        "remedy",
    ])?;
    for line in lines {
        let number = |number: Option<u64>| number.map(|n| n.to_string()).unwrap_or_default();
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let cells = [
            line.id.to_owned(),
            line.severity.to_owned(),
            text(&line.file),
            number(line.row.map(u64::from)),
            number(line.byte),
            text(&line.subject),
            text(&line.field),
            line.title.to_owned(),
            line.expected.clone(),
            line.found.clone(),
            line.remedy.to_owned(),
        ];
        table.row(&cells)?;
    }
    table.finish()
}
