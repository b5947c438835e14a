//! What `conformance` prints.

use core::fmt;

use anyhow::Context;
use serde::Serialize;
use xuejika_apdu::Response;
use xuejika_apdu::status::Language;
use xuejika_vectors::conformance::report::{Exchange, ExchangeKind, MadeWith, Report};
use xuejika_vectors::conformance::{Case, CaseReport, Class, Hash, Verdict};

use crate::hex;

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

impl fmt::Display for CaseLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let case = self.case;
        let title = match self.language {
            Language::English => &case.title,
            Language::Chinese => &case.title_zh,
        };
        write!(f, "{:14} {}  {title}", case.verdict, case.id)?;
        if !case.reason.is_empty() {
            write!(f, "\n    {}", case.reason)?;
        }
        if let Some(line) = case.line {
            write!(f, " (line {line} of the case file)")?;
        }
        if matches!(case.verdict, Verdict::Fail | Verdict::Inconclusive | Verdict::Blocked) {
            case.exchanges
                .iter()
                .try_for_each(|it| write!(f, "\n    {}", exchange(it).replace('\n', "\n    ")))?;
        }
        Ok(())
    }
}

/// An exchange as lines of text.
pub(super) fn exchange(exchange: &Exchange) -> String {
    let asked = match exchange.kind {
        ExchangeKind::Transmit => format!("> {}", exchange.command),
        ExchangeKind::Reset => "> reset".to_owned(),
        ExchangeKind::Power => "> power off and on".to_owned(),
        ExchangeKind::Cut => return format!("> power goes after {} writes", exchange.command),
    };
    let answered = match &exchange.error {
        Some(error) => format!("! {}", error.text),
        None => format!("< {}", exchange.response),
    };
    let words = hex::parse(&exchange.response)
        .ok()
        .filter(|_| exchange.kind == ExchangeKind::Transmit)
        .and_then(|bytes| {
            Some(Response::parse(&bytes)?.status.text(Language::English).into_owned())
        });
    let words = words.map(|words| format!(" : {words}")).unwrap_or_default();
    let reason = exchange.reason.as_ref().map(|it| format!("\n  the card's reason: {it}"));
    format!("{asked}\n{answered}{words}{}", reason.unwrap_or_default())
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
