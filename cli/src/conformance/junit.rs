//! JUnit XML, for continuous integration. It knows four results: what does not apply and what is
//! waived is skipped, what could not be decided is an error.

use core::time::Duration;

use quick_junit::{NonSuccessKind, Report as Xml, TestCase, TestCaseStatus, TestSuite};
use xuejika_vectors::conformance::report::Report;
use xuejika_vectors::conformance::{CaseReport, Verdict};

use super::show::Exchanged;
use crate::shown::{Lines, Show, Shown};

/// The report.
pub(super) fn emit(report: &Report) -> anyhow::Result<Vec<u8>> {
    let mut xml = Xml::new("xuejika conformance");
    for area in areas(report) {
        let mut suite = TestSuite::new(shown(area));
        let made = &report.made_with;
        suite.add_property(("target", &*shown(&made.target)));
        suite.add_property(("serial", &*shown(&report.serial)));
        suite.add_property(("version", &*shown(&made.version)));
        for (name, hash) in [("ics", made.ics), ("suite", made.suite), ("plan", made.plan)] {
            suite.add_property((format!("{name}-sha256").as_str(), hash.to_string().as_str()));
        }
        if let Some(program) = made.program {
            suite.add_property(("program-sha256", program.to_string().as_str()));
        }
        suite.add_test_cases(report.cases.iter().filter(|case| unit(case) == area).map(test_case));
        xml.add_test_suite(suite);
    }
    Ok(xml.to_string()?.into_bytes())
}

fn shown(text: &str) -> String {
    Shown(text).to_string()
}

/// `<AREA>-<UNIT>` of every case, each once, in order.
fn areas(report: &Report) -> Vec<&str> {
    let mut areas = Vec::new();
    for case in &report.cases {
        if !areas.contains(&unit(case)) {
            areas.push(unit(case));
        }
    }
    areas
}

fn unit(case: &CaseReport) -> &str {
    let id = case.id.split('[').next().unwrap_or_default();
    id.rsplit_once('-').map_or(id, |(unit, _)| unit)
}

fn test_case(case: &CaseReport) -> TestCase {
    let status = match case.verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Inconclusive | Verdict::Blocked => {
            TestCaseStatus::non_success(NonSuccessKind::Error)
        }
        Verdict::NotApplicable | Verdict::Waived => TestCaseStatus::skipped(),
    };
    let mut test = TestCase::new(shown(&case.id), status);
    if case.verdict != Verdict::Pass {
        test.status.set_message(format!("{}: {}", case.verdict, Shown(&case.reason)));
        test.status.set_type(case.verdict.text());
    }
    if matches!(case.verdict, Verdict::Fail | Verdict::Inconclusive | Verdict::Blocked) {
        let mut lines = Lines::default();
        case.exchanges.iter().for_each(|exchange| Exchanged(exchange).show(&mut lines));
        test.set_system_out(lines.as_str().trim_end());
    }
    test.set_classname(shown(unit(case)));
    test.set_time(Duration::from_micros(case.micros));
    test
}
