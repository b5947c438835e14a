//! Standard output: text for people, or one JSON object per line. Each report is one value that can
//! be shown both ways.

use core::fmt::{self, Display};
use std::io::{self, ErrorKind, Write};

use serde::Serialize;

use crate::exit::{Failure, Outcome};

/// Where reports go.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// Standard output, as JSON or as text.
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Prints a report and a line end.
    pub(crate) fn report(&self, report: &(impl Display + Serialize)) -> Outcome<()> {
        if self.json {
            let line = serde_json::to_string(report).map_err(Failure::device)?;
            self.text(format_args!("{line}\n"))
        } else {
            self.text(format_args!("{report}\n"))
        }
    }

    /// Whether reports are JSON.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Prints text as it is.
    #[allow(clippy::unused_self, reason = "all output goes through the one value that knows its form")]
    pub(crate) fn text(&self, text: impl Display) -> Outcome<()> {
        written(write!(io::stdout(), "{text}"))
    }

    /// Prints bytes as they are.
    #[allow(clippy::unused_self, reason = "all output goes through the one value that knows its form")]
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Outcome<()> {
        written(io::stdout().write_all(bytes))
    }

    /// Pushes out what is still buffered.
    #[allow(clippy::unused_self, reason = "all output goes through the one value that knows its form")]
    pub(crate) fn finish(&self) -> Outcome<()> {
        written(io::stdout().flush())
    }
}

fn written(result: io::Result<()>) -> Outcome<()> {
    result.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Failure::OutputClosed,
        _ => Failure::device(anyhow::Error::from(error).context("standard output")),
    })
}

/// Text filled up with spaces to a width in terminal columns, where Chinese characters take two.
pub(crate) struct Padded<T>(pub(crate) T, pub(crate) usize);

impl<T: Display> Display for Padded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        write!(f, "{text}{:1$}", "", self.1.saturating_sub(columns(&text)))
    }
}

/// Terminal columns of a text.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(|c| if u32::from(c) >= 0x2E80 { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_is_two_columns_wide() {
        assert_eq!(format!("{}|", Padded("sex 性别码", 12)), "sex 性别码  |");
        assert_eq!(format!("{}|", Padded("学籍号", 2)), "学籍号|");
    }
}
