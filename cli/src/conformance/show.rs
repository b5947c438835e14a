//! What `conformance` prints.

use core::fmt;

use anyhow::Context;
use serde::Serialize;
use xuejika_apdu::Response;
use xuejika_apdu::status::Language;
use xuejika_vectors::conformance::report::{Exchange, ExchangeKind, MadeWith, Report};
use xuejika_vectors::conformance::{Case, CaseReport, Class, Hash, Verdict};

use crate::hex;
use crate::shown::{Lines, Show};

/// First line of a report.
#[derive(Serialize)]
pub(super) struct Head<'a> {
    r#type: &'static str,
    #[serde(flatten)]
    made_with: &'a MadeWith,
    serial: &'a str,
}

impl<'a> Head<'a> {
    pub(super) const fn new(report: &'a Report) -> Self {
        let Report { made_with, serial, .. } = report;
        Self { r#type: "run", made_with, serial: serial.as_str() }
    }

    /// Reads the line back.
    pub(super) fn parse(value: serde_json::Value) -> anyhow::Result<Report> {
        let serial = value.get("serial").and_then(|it| it.as_str()).context("serial is missing")?;
        let serial = serial.to_owned();
        Ok(Report { made_with: serde_json::from_value(value)?, serial, cases: Vec::new() })
    }
}

/// A case, as a line of a report.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    r#type: &'static str,
    #[serde(flatten)]
    case: &'a CaseReport,
}

impl<'a> Line<'a> {
    pub(super) const fn new(case: &'a CaseReport) -> Self {
        Self { r#type: "case", case }
    }
}

/// Last line of a report.
#[derive(Serialize)]
pub(super) struct Summary {
    r#type: &'static str,
    cases: usize,
    pass: usize,
    fail: usize,
    inconclusive: usize,
    not_applicable: usize,
    waived: usize,
    blocked: usize,
}

impl Summary {
    pub(super) fn new(report: &Report) -> Self {
        Self {
            r#type: "summary",
            cases: report.cases.len(),
            pass: report.count(Verdict::Pass),
            fail: report.count(Verdict::Fail),
            inconclusive: report.count(Verdict::Inconclusive),
            not_applicable: report.count(Verdict::NotApplicable),
            waived: report.count(Verdict::Waived),
            blocked: report.count(Verdict::Blocked),
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cases: {} pass, {} fail", self.cases, self.pass, self.fail)?;
        let others = [
            (self.inconclusive, "inconclusive"),
            (self.not_applicable, "not applicable"),
            (self.waived, "waived"),
            (self.blocked, "blocked"),
        ];
        others
            .iter()
            .filter(|(count, _)| *count > 0)
            .try_for_each(|(count, verdict)| write!(f, ", {count} {verdict}"))
    }
}

/// A case for people: its verdict, and what went over the channel when it is no good one.
#[derive(Serialize)]
pub(super) struct CaseLine<'a> {
    pub(super) case: &'a CaseReport,
    #[serde(skip)]
    pub(super) language: Language,
}

impl Show for CaseLine<'_> {
    fn show(&self, to: &mut Lines) {
        let case = self.case;
        let title = match self.language {
            Language::English => &case.title,
            Language::Chinese => &case.title_zh,
        };
        let place = case.line.map(|line| format!(" (line {line} of the case file)"));
        let place = place.unwrap_or_default();
        if case.reason.is_empty() {
            to.line(format_args!("{:14} {}  {title}{place}", case.verdict, case.id));
        } else {
            to.line(format_args!("{:14} {}  {title}", case.verdict, case.id));
            to.line(format_args!("    {}{place}", case.reason));
        }
        if matches!(case.verdict, Verdict::Fail | Verdict::Inconclusive | Verdict::Blocked) {
            to.indented(4, |to| case.exchanges.iter().for_each(|it| Exchanged(it).show(to)));
        }
    }
}

/// What went over the channel, as lines.
pub(super) struct Exchanged<'a>(pub(super) &'a Exchange);

impl Show for Exchanged<'_> {
    fn show(&self, to: &mut Lines) {
        let Self(exchange) = self;
        match exchange.kind {
            ExchangeKind::Transmit => to.line(format_args!("> {}", exchange.command)),
            ExchangeKind::Reset => to.line("> reset"),
            ExchangeKind::Power => to.line("> power off and on"),
            ExchangeKind::Cut => {
                return to.line(format_args!("> power goes after {} writes", exchange.command));
            }
        }
        let words = hex::parse(&exchange.response)
            .ok()
            .filter(|_| exchange.kind == ExchangeKind::Transmit)
            .and_then(|bytes| Some(Response::parse(&bytes)?.status.text(Language::English)))
            .map(|words| format!(" : {words}"));
        let words = words.unwrap_or_default();
        match &exchange.error {
            Some(error) => to.line(format_args!("! {}{words}", error.text)),
            None => to.line(format_args!("< {}{words}", exchange.response)),
        }
        let reason = exchange.reason.iter();
        reason.for_each(|reason| to.line(format_args!("  the card's reason: {reason}")));
    }
}

/// A case of the list.
#[derive(Serialize)]
pub(super) struct Listed<'a> {
    id: &'a str,
    title: &'a str,
    title_zh: &'a str,
    purpose: &'a str,
    clause: &'a [String],
    class: Class,
    card: &'static str,
    changes: bool,
    destructive: bool,
    variants: usize,
}

impl<'a> Listed<'a> {
    pub(super) fn new(case: &'a Case, variants: usize) -> Self {
        Self {
            id: &case.id,
            title: &case.title,
            title_zh: &case.title_zh,
            purpose: &case.purpose,
            clause: &case.clause,
            class: case.class,
            card: case.card.name(),
            changes: case.changes,
            destructive: case.destructive,
            variants,
        }
    }
}

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:16} {:>4}  {} ({})", self.id, self.variants, self.title, self.title_zh)
    }
}

/// A statement without contradictions.
#[derive(Serialize)]
pub(super) struct Checked {
    pub(super) ics: Hash,
    pub(super) consistent: bool,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no contradiction; SHA-256 {}", self.ics)
    }
}

/// A plan that was written.
#[derive(Serialize)]
pub(super) struct Planned {
    pub(super) plan: String,
    pub(super) cases: usize,
    pub(super) runs: usize,
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} cases, {} of them run", self.plan, self.cases, self.runs)
    }
}
