//! `script`: commands with the status words they have to be answered with.
//!
//! A line is a command in hexadecimal, or `reset`. Behind `->` or `=` may stand the expected status
//! word; without one, any answer will do. Notes begin with `#` or `//`, a `;` may end a line.

use core::fmt;
use std::path::Path;

use anyhow::{Context, anyhow};
use serde::Serialize;
use xuejika_apdu::CardChannel;

use crate::apdu::{Answer, Reset};
use crate::args::ScriptArgs;
use crate::exit::{Code, Failure, Outcome};
use crate::hex::{self, Expected};
use crate::input::{self, MAX_TEXT};
use crate::output::Output;
use crate::recorder;
use crate::shown::{Lines, Show};

/// A line of a script that does something.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    number: usize,
    action: Action,
}

#[derive(Debug, PartialEq, Eq)]
enum Action {
    Reset,
    Send(Vec<u8>, Option<Expected>),
}

/// Runs a script; it is read to its end before anything is sent.
pub(crate) fn run(args: &ScriptArgs, out: &Output) -> Outcome<Code> {
    let lines = read(&args.script).map_err(Failure::usage)?;
    let mut env = recorder::env(&out.trace, args.card.seed)?;
    let mut channel = args.card.target.open(&mut env, &out.trace, "card")?;
    let mut summary = Summary { commands: 0, mismatches: 0 };
    for Line { number, action } in lines {
        match action {
            Action::Reset => out.report(&Reset::new(&channel.reset()?))?,
            Action::Send(command, expected) => {
                let answer = Answer::to(&command, &mut channel, out)?;
                let as_expected = expected.as_ref().is_none_or(|e| e.matches(answer.exchange.word));
                let expected = expected.map(|expected| expected.to_string());
                summary.commands += 1;
                summary.mismatches += usize::from(!as_expected);
                out.report(&Step { line: number, answer, expected, as_expected })?;
            }
        }
    }
    out.report(&summary)?;
    Ok(Code::of(summary.mismatches == 0))
}

fn read(path: &Path) -> anyhow::Result<Vec<Line>> {
    let name = path.display();
    let text = input::utf8(input::named(path, MAX_TEXT)?).with_context(|| name.to_string())?;
    parse(&text).map_err(|(line, error)| anyhow!("{name}:{line}: {error}"))
}

fn parse(text: &str) -> Result<Vec<Line>, (usize, String)> {
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.trim_start_matches('\u{FEFF}').lines()) {
        if let Some(action) = parse_line(line).map_err(|error| (number, error))? {
            lines.push(Line { number, action });
        }
    }
    Ok(lines)
}

fn parse_line(line: &str) -> Result<Option<Action>, String> {
    let end = line.find('#').into_iter().chain(line.find("//")).min().unwrap_or(line.len());
    let text = line.get(..end).unwrap_or_default();
    let text = text.trim_end().trim_end_matches(';').trim();
    if text.is_empty() {
        return Ok(None);
    }
    if text.eq_ignore_ascii_case("reset") {
        return Ok(Some(Action::Reset));
    }
    let (command, expected) = match text.split_once("->").or_else(|| text.split_once('=')) {
        Some((command, expected)) => (command, Some(expected.parse()?)),
        None => (text, None),
    };
    let command = hex::parse_command(command).map_err(|error| error.to_string())?;
    Ok(Some(Action::Send(command, expected)))
}

/// A command of a script with its answer.
#[derive(Debug, Serialize)]
struct Step {
    line: usize,
    #[serde(flatten)]
    answer: Answer,
    expected: Option<String>,
    as_expected: bool,
}

impl Show for Step {
    fn show(&self, to: &mut Lines) {
        self.answer.show(to);
        if let Some(expected) = self.expected.as_ref().filter(|_| !self.as_expected) {
            let (line, found) = (self.line, &self.answer.exchange.status);
            to.line(format_args!("! line {line}: found {found}, expected {expected}"));
        }
    }
}

/// The end of a script.
#[derive(Debug, Serialize)]
struct Summary {
    commands: usize,
    mismatches: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} commands, {} not as expected", self.commands, self.mismatches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = parse(&text);
        }
    }

    #[test]
    fn every_form_of_a_line() {
        let text =
            "# note\n\n reset ;\n00 A4 04 00 ; // note\n0x00,0xA4 -> 9xxx\n00:A4=6A82|6700;\n";
        let send = |command: &[u8], expected: Option<&str>| {
            Action::Send(command.into(), expected.map(|text| text.parse().unwrap()))
        };
        let expected = [
            (3, Action::Reset),
            (4, send(&[0x00, 0xA4, 0x04, 0x00], None)),
            (5, send(&[0x00, 0xA4], Some("9xxx"))),
            (6, send(&[0x00, 0xA4], Some("6A82|6700"))),
        ];
        let expected = expected.map(|(number, action)| Line { number, action });
        assert_eq!(parse(text).unwrap(), expected);
    }

    #[test]
    fn a_wrong_line_is_named() {
        for text in ["\n00A4 -> 90", "\n00A4 ->", "\npowerup", "\n00", "\n00A40"] {
            assert_eq!(parse(text).unwrap_err().0, 2, "{text}");
        }
    }
}
