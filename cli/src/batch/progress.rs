//! How far a run is, on a terminal only; and how much memory it took.

use core::fmt;
use std::fs;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Drawn at most this often a second.
const DRAWN_PER_SECOND: u8 = 5;

/// A run over many rows.
pub(crate) struct Progress {
    bar: ProgressBar,
    start: Instant,
}

impl Progress {
    /// Starts a run over about this many rows.
    pub(crate) fn start(what: &'static str, rows: u64) -> Self {
        // Hides itself where standard error is no terminal.
        let target = ProgressDrawTarget::stderr_with_hz(DRAWN_PER_SECOND);
        let template = "{msg} [{bar:30}] {human_pos}/{human_len} rows, {per_sec}, {eta} left";
        let style = ProgressStyle::with_template(template);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(Some(rows), target).with_style(style);
        bar.set_message(what);
        Self { bar, start: Instant::now() }
    }

    /// This many rows more are done.
    pub(crate) fn advance(&self, rows: u64) {
        self.bar.inc(rows);
    }

    /// Prints something without tearing the bar.
    pub(crate) fn paused<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    /// Ends the run and tells what it took.
    pub(crate) fn end(&self, rows: u64) -> Effort {
        self.bar.finish_and_clear();
        Effort { rows, time: self.start.elapsed(), peak_memory: peak_memory() }
    }
}

/// What a run took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    rows: u64,
    time: Duration,
    peak_memory: Option<u64>,
}

impl Effort {
    /// Seconds.
    pub(crate) const fn seconds(&self) -> f64 {
        self.time.as_secs_f64()
    }

    /// Rows a second.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rate for people"
    )]
    pub(crate) fn rate(&self) -> u64 {
        (self.rows as f64 / self.seconds().max(1e-3)) as u64
    }

    /// Most memory the process ever had, in MiB, where the system tells.
    pub(crate) const fn peak_memory(&self) -> Option<u64> {
        self.peak_memory
    }
}

impl fmt::Display for Effort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s, {} rows/s", self.seconds(), self.rate())?;
        match self.peak_memory {
            Some(memory) => write!(f, ", peak memory {memory} MiB"),
            None => Ok(()),
        }
    }
}

/// Peak resident set size of this process (Linux).
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024)
}
