//! Measures pieces of this workspace beside a floor and a named alternative, in the same run, and
//! prints the ratios: they mean something on any machine, the times do not.
//!
//! A floor is the primitive operations the work cannot do without, with nothing around them. Times
//! are processor time of the measuring thread ([`Clock`]), so that other work on the machine matters
//! little. Timing never fails a run. `docs/performance.md` says what each floor contains.
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput};
use rustix::time::{ClockId, clock_gettime};

/// Samples of each contestant; the table has their median.
const SAMPLES: usize = 50;

/// A run: Criterion, and what the table will show.
pub struct Bench {
    criterion: Criterion,
    lines: Vec<Line>,
    notes: Vec<String>,
}

/// What was measured of one piece, in nanoseconds for each element.
struct Line {
    what: String,
    ours: Option<f64>,
    floor: Option<f64>,
    alternatives: Vec<(String, f64)>,
}

impl Bench {
    /// A run with the arguments of the command line.
    #[must_use]
    pub fn from_args() -> Self {
        let criterion = Criterion::default()
            .without_plots()
            .sample_size(SAMPLES)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(1))
            .configure_from_args();
        Self { criterion, lines: Vec::new(), notes: Vec::new() }
    }

    /// Starts a line of the table.
    pub fn row(&mut self, what: &str) -> Row<'_> {
        Row {
            group: self.criterion.benchmark_group(what),
            elements: 1.0,
            line: Line { what: what.to_owned(), ours: None, floor: None, alternatives: Vec::new() },
            lines: &mut self.lines,
        }
    }

    /// Adds a sentence to print under the table.
    pub fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// Prints the table. Lines whose own measurement was filtered out are left out.
    pub fn print(&self) {
        let width = self.lines.iter().map(|line| line.what.chars().count()).max().unwrap_or(0);
        println!("\n| {:width$} | ours | floor | ratio | alternative | its time | ratio |", "what");
        println!("| {:-<width$} | ---: | ---: | ---: | --- | ---: | ---: |", "");
        for line in &self.lines {
            let Some(ours) = line.ours else { continue };
            let of = |other: f64| format!("{} | {:.2}", time(other), ours / other);
            let floor = line.floor.map_or("| ".to_owned(), of);
            let alternatives: Vec<String> = line
                .alternatives
                .iter()
                .map(|(name, ns)| format!("{name} | {}", of(*ns)))
                .collect();
            let (first, more) = match alternatives.split_first() {
                Some((first, more)) => (first.as_str(), more),
                None => ("| |", &[][..]),
            };
            println!("| {:width$} | {} | {floor} | {first} |", line.what, time(ours));
            for other in more {
                println!("| {:width$} | | | | {other} |", "");
            }
        }
        for note in &self.notes {
            println!("{note}");
        }
    }
}

/// A line of the table under way; it is finished when dropped.
pub struct Row<'a> {
    group: BenchmarkGroup<'a, WallTime>,
    elements: f64,
    line: Line,
    lines: &'a mut Vec<Line>,
}

impl Row<'_> {
    /// Says that one call does so many times what the line is about.
    #[must_use]
    pub fn elements(mut self, count: u32) -> Self {
        self.elements = count.into();
        self.group.throughput(Throughput::Elements(count.into()));
        self
    }

    /// Measures the piece itself.
    #[must_use]
    pub fn ours<T>(self, work: impl FnMut() -> T) -> Self {
        self.ours_timed(repeated(work))
    }

    /// Measures the piece itself; `work` repeats it so many times and says how long that took.
    #[must_use]
    pub fn ours_timed(mut self, work: impl FnMut(u64) -> Duration) -> Self {
        self.line.ours = self.measure("ours", work);
        self
    }

    /// Measures the primitive operations it needs.
    #[must_use]
    pub fn floor<T>(self, work: impl FnMut() -> T) -> Self {
        self.floor_timed(repeated(work))
    }

    /// Measures the primitive operations it needs, as [`Self::ours_timed`].
    #[must_use]
    pub fn floor_timed(mut self, work: impl FnMut(u64) -> Duration) -> Self {
        self.line.floor = self.measure("floor", work);
        self
    }

    /// Measures another way to do it.
    #[must_use]
    pub fn against<T>(self, name: &str, work: impl FnMut() -> T) -> Self {
        self.against_timed(name, repeated(work))
    }

    /// Measures another way to do it, as [`Self::ours_timed`].
    #[must_use]
    pub fn against_timed(mut self, name: &str, work: impl FnMut(u64) -> Duration) -> Self {
        if let Some(ns) = self.measure(name, work) {
            self.line.alternatives.push((name.to_owned(), ns));
        }
        self
    }

    /// Ends the line.
    pub fn done(self) {
        self.group.finish();
        self.lines.push(self.line);
    }

    /// The median time of an element, unless this contestant is filtered out.
    fn measure(&mut self, name: &str, mut work: impl FnMut(u64) -> Duration) -> Option<f64> {
        let mut samples = Vec::new();
        self.group.bench_function(name, |bencher| {
            bencher.iter_custom(|repeats| {
                let taken = work(repeats);
                samples.push(taken.as_secs_f64() * 1e9 / repeats as f64);
                taken
            });
        });
        // Those in front are of the warm-up.
        let mut last: Vec<f64> = samples.into_iter().rev().take(SAMPLES).collect();
        last.sort_by(f64::total_cmp);
        last.get(last.len() / 2).map(|ns| ns / self.elements)
    }
}

fn repeated<T>(mut work: impl FnMut() -> T) -> impl FnMut(u64) -> Duration {
    move |repeats| {
        let clock = Clock::start();
        for _ in 0..repeats {
            black_box(work());
        }
        clock.elapsed()
    }
}

/// Processor time of this thread.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Duration);

impl Clock {
    /// Starts now.
    #[must_use]
    pub fn start() -> Self {
        Self(Self::now())
    }

    /// What this thread has used since.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now().saturating_sub(self.0)
    }

    fn now() -> Duration {
        clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
    }
}

/// Three figures and a unit.
fn time(ns: f64) -> String {
    match ns {
        ..100.0 => format!("{ns:.1} ns"),
        100.0..1_000.0 => format!("{ns:.0} ns"),
        1_000.0..1_000_000.0 => format!("{:.2} us", ns / 1e3),
        _ => format!("{:.2} ms", ns / 1e6),
    }
}

impl core::fmt::Debug for Bench {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Bench({} lines)", self.lines.len())
    }
}

impl core::fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Row({})", self.line.what)
    }
}
