//! Standard output: text for people, or one JSON object per line. Each report is one value that can
//! be shown both ways.

use core::fmt::{self, Display};
use std::io::{self, ErrorKind, Write};

use anyhow::anyhow;
use serde::Serialize;
use xuejika_apdu::status::Language;
use xuejika_reader::channel::trace::Trace;

use crate::args::Cli;
use crate::exit::{Failure, Outcome};
use crate::recorder;
use crate::shown::{self, Lines, Show};
use crate::spreadsheet::Csv;

/// Where reports go, and in which form.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    /// Whether to show what went over the channel.
    pub(crate) verbose: bool,
    /// Language of status words.
    pub(crate) language: Language,
    /// What was said to cards, for whoever wants to see it later.
    pub(crate) trace: Trace,
}

impl Output {
    /// Standard output as the command line wants it.
    pub(crate) fn new(cli: &Cli) -> Outcome<Self> {
        if cli.trace.is_given() && !cli.command.talks_to_cards() {
            return Err(Failure::usage(anyhow!("--trace: this command talks to no card")));
        }
        let trace = recorder::open(&cli.trace)?;
        Ok(Self { json: cli.json, verbose: cli.verbose, language: cli.lang.into(), trace })
    }

    /// Prints a report: its lines, or one JSON object and a line end.
    pub(crate) fn report(&self, report: &(impl Show + Serialize)) -> Outcome<()> {
        if self.json { self.object(report) } else { self.lines(report) }
    }

    /// Prints a JSON object and a line end.
    pub(crate) fn object(&self, object: &impl Serialize) -> Outcome<()> {
        let line = shown::to_json(object).map_err(Failure::device)?;
        written(writeln!(io::stdout(), "{line}"))
    }

    /// Prints lines.
    pub(crate) fn lines(&self, report: &(impl Show + ?Sized)) -> Outcome<()> {
        written(io::stdout().write_all(Lines::of(report).as_str().as_bytes()))
    }

    /// Whether reports are JSON.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a table as CSV.
    pub(crate) fn csv(&self, table: Csv) -> Outcome<()> {
        let bytes = table.finish().map_err(Failure::device)?;
        written(io::stdout().write_all(&bytes))
    }

    /// Prints what is made from the definition of the command line alone, as it is.
    pub(crate) fn own_words(&self, text: &[u8]) -> Outcome<()> {
        written(io::stdout().write_all(text))
    }

    /// Pushes out what is still buffered.
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
