//! The report as one HTML page that loads nothing. Without its one script, which the page names by its
//! hash, it only cannot filter.

mod trace;

use askama::Template;
use sha2::{Digest, Sha256};
use xuejika_vectors::conformance::report::Report;
use xuejika_vectors::conformance::{CaseReport, Verdict};

use crate::shown;
use trace::Line;

/// The filter.
const SCRIPT: &str = include_str!("../../templates/conformance-report.js");

/// Up to so many bad cases are open from the beginning.
const MAX_OPEN: usize = 10;

/// The page.
#[derive(Template)]
#[template(path = "conformance-report.html")]
struct Page<'a> {
    report: &'a Report,
    headline: String,
    headline_class: &'static str,
    made_at: &'a str,
    seconds: String,
    tallies: Vec<Tally>,
    areas: Vec<Area<'a>>,
    cases: Vec<Case<'a>>,
    script: &'static str,
    script_hash: String,
}

/// How a verdict looks.
struct Look {
    /// As in the other reports.
    value: &'static str,
    text: &'static str,
    class: &'static str,
    chinese: &'static str,
}

impl Look {
    const fn of(verdict: Verdict) -> Self {
        let (value, class, chinese) = match verdict {
            Verdict::Pass => ("pass", "good", "通过"),
            Verdict::Fail => ("fail", "bad", "不通过"),
            Verdict::Inconclusive => ("inconclusive", "doubt", "无法判定"),
            Verdict::NotApplicable => ("not-applicable", "none", "不适用"),
            Verdict::Waived => ("waived", "other", "豁免"),
            Verdict::Blocked => ("blocked", "doubt", "受阻"),
        };
        Self { value, text: verdict.text(), class, chinese }
    }
}

/// How many cases have a verdict.
struct Tally {
    look: Look,
    count: usize,
}

/// The cases of an area, the first part of their ids; or of a unit, where all are of one area.
struct Area<'a> {
    name: &'a str,
    cases: usize,
    /// By verdict, in the order of [`Verdict::ALL`].
    counts: [usize; Verdict::ALL.len()],
}

/// A case.
struct Case<'a> {
    report: &'a CaseReport,
    area: &'a str,
    look: Look,
    milliseconds: String,
    open: bool,
}

impl Case<'_> {
    fn lines(&self) -> Vec<Line<'_>> {
        trace::lines(self.report)
    }

    /// The rules: bare numbers are sections of the card profile.
    fn rules(&self) -> String {
        let rule = |clause: &String| match clause.starts_with(|first: char| first.is_ascii_digit())
        {
            true => format!("card profile {clause}"),
            false => clause.clone(),
        };
        self.report.clause.iter().map(rule).collect::<Vec<_>>().join("; ")
    }
}

/// Writes the page. `made_at` is the date and time of the run.
pub(super) fn page(report: &Report, made_at: &str) -> anyhow::Result<Vec<u8>> {
    let count = |verdict| report.count(verdict);
    let bad = |case: &&CaseReport| {
        matches!(case.verdict, Verdict::Fail | Verdict::Inconclusive | Verdict::Blocked)
    };
    let few_bad = report.cases.iter().filter(bad).count() <= MAX_OPEN;
    let undecided = count(Verdict::Inconclusive) + count(Verdict::Blocked);
    let (headline, headline_class) = match (count(Verdict::Fail), undecided) {
        (0, 0) => (format!("{} pass", count(Verdict::Pass)), "good"),
        (0, undecided) => (format!("{undecided} undecided"), "doubt"),
        (fail, _) => (format!("{fail} fail"), "bad"),
    };
    let parts = parts(report);
    let case = |report| Case {
        report,
        area: area(report, parts),
        look: Look::of(report.verdict),
        milliseconds: format!("{}.{}", report.micros / 1000, report.micros % 1000 / 100),
        open: few_bad && bad(&report),
    };
    let micros: u64 = report.cases.iter().map(|case| case.micros).sum();
    let page = Page {
        report,
        headline,
        headline_class,
        made_at,
        seconds: format!("{}.{}", micros / 1_000_000, micros % 1_000_000 / 100_000),
        tallies: Verdict::ALL
            .map(|verdict| Tally { look: Look::of(verdict), count: count(verdict) })
            .into(),
        areas: areas(report, parts),
        cases: report.cases.iter().map(case).collect(),
        script: SCRIPT,
        script_hash: base64(&Sha256::digest(SCRIPT)),
    };
    Ok(shown::html(&page.render()?).into_bytes())
}

/// How many parts of an id tell the cases apart.
fn parts(report: &Report) -> usize {
    let mut areas = report.cases.iter().map(|case| area(case, 1));
    let first = areas.next();
    if areas.any(|area| Some(area) != first) { 1 } else { 2 }
}

/// So many parts of a case's id.
fn area(case: &CaseReport, parts: usize) -> &str {
    let end = case.id.match_indices('-').nth(parts - 1).map_or(case.id.len(), |(at, _)| at);
    case.id.get(..end).unwrap_or_default()
}

/// Every area once, in order.
fn areas(report: &Report, parts: usize) -> Vec<Area<'_>> {
    let mut areas: Vec<Area<'_>> = Vec::new();
    for case in &report.cases {
        let name = area(case, parts);
        let at = areas.iter().position(|area| area.name == name).unwrap_or_else(|| {
            areas.push(Area { name, cases: 0, counts: [0; Verdict::ALL.len()] });
            areas.len() - 1
        });
        let Some(area) = areas.get_mut(at) else { continue };
        area.cases += 1;
        for (verdict, count) in Verdict::ALL.iter().zip(&mut area.counts) {
            *count += usize::from(case.verdict == *verdict);
        }
    }
    areas
}

/// Base64 (RFC 4648 §4), as a content security policy names hashes.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |group: u32, place: usize| {
        let index = group >> (18 - 6 * place) & 0x3F;
        DIGITS.get(index as usize).map_or('=', |digit| char::from(*digit))
    };
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0, |group, byte| group << 8 | u32::from(*byte));
        let group = group << (8 * (3 - chunk.len()));
        (0..4).for_each(|at| text.push(if at <= chunk.len() { digit(group, at) } else { '=' }));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4648 §10.
    #[test]
    fn base64_of_the_standard() {
        for (text, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }

    #[test]
    fn the_script_does_not_end_its_element() {
        assert!(!SCRIPT.contains("</") && !SCRIPT.contains("<!--"));
    }
}
