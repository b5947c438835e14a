//! The report as one HTML page that loads nothing: the charts are inline SVG.

use askama::Template;
use xuejika_batch::note::Note;
use xuejika_batch::{Line, Report, Verdict};

use crate::shown;

/// Most bars of a chart; the rest is one bar.
const MAX_BARS: usize = 20;

/// Width of the longest bar, and height of a row of a chart, in SVG units.
const BAR: u64 = 400;
const ROW: usize = 24;

/// The page.
#[derive(Template)]
#[template(path = "batch-report.html")]
struct Page<'a> {
    verdict: &'a Verdict,
    note: &'a Note,
    lines: &'a [Line],
    findings: u64,
    charts: [Chart<'a>; 2],
}

/// A chart of bars.
struct Chart<'a> {
    id: &'static str,
    title: &'static str,
    bars: Vec<Bar<'a>>,
    height: usize,
}

/// A bar of a chart.
struct Bar<'a> {
    label: &'a str,
    count: u64,
    /// Length in SVG units.
    length: u64,
    /// From the top, in SVG units.
    top: usize,
    severity: &'static str,
}

impl<'a> Chart<'a> {
    fn new(
        id: &'static str,
        title: &'static str,
        mut counts: Vec<(&'a str, u64, &'static str)>,
    ) -> Self {
        counts.sort_by_key(|(label, count, _)| (core::cmp::Reverse(*count), *label));
        if counts.len() > MAX_BARS {
            let rest = counts.split_off(MAX_BARS - 1);
            counts.push(("all others", rest.iter().map(|(_, count, _)| count).sum(), "other"));
        }
        let most = counts.iter().map(|(_, count, _)| *count).max().unwrap_or(1).max(1);
        let bar = |(at, (label, count, severity)): (usize, (&'a str, u64, &'static str))| Bar {
            label,
            count,
            length: (count.saturating_mul(BAR) / most).max(1),
            top: at * ROW,
            severity,
        };
        let bars: Vec<_> = counts.into_iter().enumerate().map(bar).collect();
        Self { id, title, height: bars.len() * ROW, bars }
    }
}

/// Writes the page.
pub(crate) fn page(report: &Report, verdict: &Verdict, note: &Note) -> anyhow::Result<Vec<u8>> {
    let kinds = report
        .counts()
        .iter()
        .map(|(check, count)| (check.id(), *count, report.severity(*check).name()));
    let (boxes, elsewhere) = report.by_box();
    let elsewhere = (elsewhere > 0).then_some(("in no box", elsewhere, "other"));
    let boxes = boxes.into_iter().map(|(name, count)| (name, count, "other"));
    let charts = [
        Chart::new("by-kind", "Findings by kind", kinds.collect()),
        Chart::new("by-box", "Findings by box", boxes.chain(elsewhere).collect()),
    ];
    let (lines, findings) = (report.lines(), report.findings());
    let page = Page { verdict, note, lines, findings, charts }.render()?;
    Ok(shown::html(&page).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_counts() {
        let chart = Chart::new("x", "X", vec![("a", 1, "error"), ("b", 4, "error")]);
        let bars: Vec<_> = chart.bars.iter().map(|bar| (bar.label, bar.length, bar.top)).collect();
        assert_eq!(bars, [("b", BAR, 0), ("a", BAR / 4, ROW)]);
    }

    #[test]
    fn what_does_not_fit_is_one_bar() {
        let counts = vec![("a", 2, "error"); 30];
        let chart = Chart::new("x", "X", counts);
        assert_eq!(chart.bars.len(), MAX_BARS);
        assert_eq!(chart.bars.iter().map(|bar| bar.count).sum::<u64>(), 60);
    }
}
