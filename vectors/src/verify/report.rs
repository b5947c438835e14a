//! Counting and printing of outcomes.

use std::collections::BTreeMap;

use super::outcome::Outcome;
use crate::vector::Origin;

/// One entry and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Name of the entry.
    pub id: String,
    /// Who stands behind its values.
    pub origin: Origin,
    /// What became of it.
    pub outcome: Outcome,
}

/// How many entries ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Valid and as the file says.
    pub passed: usize,
    /// Invalid and refused.
    pub refused: usize,
    /// Not as the file says.
    pub failed: usize,
    /// Not run.
    pub not_supported: usize,
}

impl Counts {
    /// Number of entries.
    #[must_use]
    pub const fn total(&self) -> usize {
        self.passed + self.refused + self.failed + self.not_supported
    }

    fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Refused => self.refused += 1,
            Outcome::Failed(_) => self.failed += 1,
            Outcome::NotSupported(_) => self.not_supported += 1,
        }
    }
}

/// The entries of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicReport {
    /// Name of the file.
    pub name: String,
    /// Its entries, in file order.
    pub checked: Vec<Checked>,
}

impl TopicReport {
    /// Counts the entries of one origin.
    #[must_use]
    pub fn counts(&self, origin: Origin) -> Counts {
        let mut counts = Counts::default();
        let of_origin = self.checked.iter().filter(|checked| checked.origin == origin);
        of_origin.for_each(|checked| counts.add(&checked.outcome));
        counts
    }
}

/// The outcome of any number of files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One part per file.
    pub topics: Vec<TopicReport>,
}

impl Report {
    /// Counts the entries of one origin in all files.
    #[must_use]
    pub fn counts(&self, origin: Origin) -> Counts {
        let mut counts = Counts::default();
        let of_origin = self.checked().filter(|(_, checked)| checked.origin == origin);
        of_origin.for_each(|(_, checked)| counts.add(&checked.outcome));
        counts
    }

    /// The failed entries: file name, entry name, what differs.
    pub fn failures(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.checked().filter_map(|(name, checked)| match &checked.outcome {
            Outcome::Failed(text) => Some((name, &*checked.id, &**text)),
            _ => None,
        })
    }

    /// Whether no entry failed.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failures().next().is_none()
    }

    fn checked(&self) -> impl Iterator<Item = (&str, &Checked)> {
        self.topics.iter().flat_map(|topic| {
            let name = &*topic.name;
            topic.checked.iter().map(move |checked| (name, checked))
        })
    }
}

impl From<TopicReport> for Report {
    fn from(topic: TopicReport) -> Self {
        Self { topics: vec![topic] }
    }
}

impl FromIterator<Report> for Report {
    fn from_iter<I: IntoIterator<Item = Self>>(reports: I) -> Self {
        Self { topics: reports.into_iter().flat_map(|report| report.topics).collect() }
    }
}

impl Report {
    /// The report for people: a table, what is not supported, and the failed entries by name. No line
    /// has an end, and names and texts are as the files have them, line ends and all.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "{:28}{:17}{:>8}{:>9}{:>8}{:>15}",
            "file", "origin", "passed", "refused", "failed", "not supported"
        )];
        for origin in [Origin::Published, Origin::Project] {
            let of_topic = |topic: &TopicReport| row(&topic.name, origin, topic.counts(origin));
            lines.extend(self.topics.iter().filter_map(of_topic));
        }
        let totals = [Origin::Published, Origin::Project];
        lines.extend(totals.into_iter().filter_map(|it| row("total", it, self.counts(it))));
        let not_supported = self.not_supported().into_iter();
        lines.extend(
            not_supported
                .map(|((name, what), number)| format!("not supported: {name}: {what} ({number})")),
        );
        lines.extend(
            self.failures().map(|(name, id, text)| format!("FAILED: {name}: {id}: {text}")),
        );
        lines
    }

    /// Number of entries not run, by file and reason.
    fn not_supported(&self) -> BTreeMap<(&str, &'static str), usize> {
        let mut numbers = BTreeMap::new();
        for (name, checked) in self.checked() {
            if let Outcome::NotSupported(what) = checked.outcome {
                *numbers.entry((name, what)).or_default() += 1;
            }
        }
        numbers
    }
}

fn row(name: &str, origin: Origin, counts: Counts) -> Option<String> {
    let Counts { passed, refused, failed, not_supported } = counts;
    let origin = origin.to_string();
    (counts.total() > 0)
        .then(|| format!("{name:28}{origin:17}{passed:8}{refused:9}{failed:8}{not_supported:15}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_origins_apart_and_failures_by_name() {
        let checked = |id: &str, origin, outcome| Checked { id: id.into(), origin, outcome };
        let report = Report::from(TopicReport {
            name: "f".into(),
            checked: vec![
                checked("a", Origin::Published, Outcome::Passed),
                checked("b", Origin::Published, Outcome::NotSupported("x")),
                checked("c", Origin::Published, Outcome::NotSupported("x")),
                checked("d", Origin::Project, Outcome::Refused),
                checked("e", Origin::Project, Outcome::Failed("tag differs".into())),
            ],
        });
        let lines = "\
file                        origin             passed  refused  failed  not supported
f                           published               1        0       0              2
f                           project-defined         0        1       1              0
total                       published               1        0       0              2
total                       project-defined         0        1       1              0
not supported: f: x (2)
FAILED: f: e: tag differs
";
        assert_eq!(report.lines(), lines.lines().collect::<Vec<_>>());
        assert!(!report.is_clean());
    }
}
