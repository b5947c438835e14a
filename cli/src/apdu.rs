//! `apdu`: raw commands in one session. Exactly the bytes given are sent.

use std::io::{self, BufRead, Read};

use anyhow::{Context, anyhow};
use serde::Serialize;
use xuejika_apdu::status::Language;
use xuejika_apdu::{CardChannel, ChannelError, Command};
use xuejika_emulator::dispatch::COMMANDS;

use crate::args::ApduArgs;
use crate::exit::{Code, Failure, Outcome};
use crate::hex::{self, Expected};
use crate::output::Output;
use crate::recorder;
use crate::shown::{Lines, Show};
use crate::target::Channel;
use crate::trace::Exchange;
use crate::{atr, tlv};

/// INS of SELECT.
const SELECT: u8 = 0xA4;

/// Most bytes of a line of standard input: the longest command, with room for spaces and colons.
const MAX_LINE: u64 = 256 << 10;

/// Sends the commands and says whether each was answered as expected.
pub(crate) fn run(args: &ApduArgs, out: &Output) -> Outcome<Code> {
    let given: Vec<_> = args
        .commands
        .iter()
        .map(|text| match text.as_str() {
            "-" => Ok(None),
            text => hex::parse_command(text).map(Some).with_context(|| format!("command {text:?}")),
        })
        .collect::<anyhow::Result<_>>()
        .map_err(Failure::usage)?;
    let mut env = recorder::env(&out.trace, args.card.seed)?;
    let mut channel = args.card.target.open(&mut env, &out.trace, "card")?;
    if out.verbose {
        out.report(&Reset::new(&channel.atr()?))?;
    }
    let mut session = Session { channel: &mut channel, out, pending: None, good: true };
    for command in given {
        match command {
            Some(command) => session.send(&command)?,
            None => session.send_lines(io::stdin().lock())?,
        }
    }
    Ok(Code::of(session.finish(args.expect.as_ref())))
}

/// The commands of one run.
struct Session<'a> {
    channel: &'a mut Channel,
    out: &'a Output,
    /// The last exchange, whose status word may be expected.
    pending: Option<Exchange>,
    good: bool,
}

impl Session<'_> {
    fn send(&mut self, command: &[u8]) -> Outcome<()> {
        self.good &= self.pending.as_ref().is_none_or(Exchange::succeeded);
        let answer = Answer::to(command, self.channel, self.out)?;
        self.out.report(&answer)?;
        self.pending = Some(answer.exchange);
        Ok(())
    }

    /// Sends each line as it comes; empty lines and notes (#) are skipped.
    fn send_lines(&mut self, mut lines: impl BufRead) -> Outcome<()> {
        for number in 1.. {
            let mut line = String::new();
            let read = lines.by_ref().take(MAX_LINE + 1).read_line(&mut line);
            let read = read.context("standard input").map_err(Failure::usage)?;
            if read == 0 {
                break;
            }
            if read as u64 > MAX_LINE {
                let error = anyhow!("standard input, line {number}: longer than any command");
                return Err(Failure::usage(error));
            }
            let text = line.trim();
            if !text.is_empty() && !text.starts_with('#') {
                let command = hex::parse_command(text);
                let place = || format!("standard input, line {number}");
                self.send(&command.with_context(place).map_err(Failure::usage)?)?;
            }
        }
        Ok(())
    }

    fn finish(self, expected: Option<&Expected>) -> bool {
        let last = match (&self.pending, expected) {
            (None, expected) => expected.is_none(),
            (Some(last), None) => last.succeeded(),
            (Some(last), Some(expected)) => expected.matches(last.word),
        };
        self.good && last
    }
}

/// An exchange with what can be said about it.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    #[serde(flatten)]
    pub(crate) exchange: Exchange,
    /// Name of the command.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
    /// Why the card refused, which only a card in this process tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The data objects of an answer to SELECT.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    objects: Vec<tlv::Object>,
}

impl Answer {
    /// Sends a command.
    pub(crate) fn to(command: &[u8], channel: &mut Channel, out: &Output) -> Outcome<Self> {
        let mut response = Vec::new();
        channel.transmit(command, &mut response)?;
        let reason = if out.verbose { channel.refusal() } else { None };
        let answer = Self::read(command, &response, reason, out.language)?;
        Ok(Self { name: answer.name.filter(|_| out.verbose), ..answer })
    }

    /// Takes the bytes of a command and its response.
    pub(crate) fn read(
        command: &[u8],
        response: &[u8],
        reason: Option<String>,
        language: Language,
    ) -> Result<Self, ChannelError> {
        let exchange = Exchange::new(command, response, language)?;
        let parsed = Command::parse(command).ok();
        let is_select = parsed.is_some_and(|parsed| parsed.instruction == SELECT);
        let data = response.split_last_chunk::<2>().map_or(&[][..], |(data, _)| data);
        let objects = if is_select { tlv::tree(data).unwrap_or_default() } else { Vec::new() };
        let name = parsed.and_then(|parsed| name(&parsed));
        Ok(Self { exchange, name, reason, objects })
    }
}

/// What the card calls the command.
fn name(command: &Command<'_>) -> Option<&'static str> {
    let family = command.class.fields()?.family;
    let spec = COMMANDS
        .iter()
        .find(|spec| spec.family == family && spec.instruction == command.instruction)?;
    Some(spec.name)
}

impl Show for Answer {
    fn show(&self, to: &mut Lines) {
        self.name.iter().for_each(|name| to.line(format_args!("# {name}")));
        self.exchange.show(to);
        let reason = self.reason.iter();
        reason.for_each(|reason| to.line(format_args!("  the card's reason: {reason}")));
        to.indented(2, |to| self.objects.iter().for_each(|object| object.show(to)));
    }
}

/// An answer to reset.
#[derive(Debug, Serialize)]
pub(crate) struct Reset {
    atr: String,
    parts: Vec<atr::Part>,
}

impl Reset {
    /// Explains it.
    pub(crate) fn new(atr: &[u8]) -> Self {
        Self { atr: hex::emit(atr), parts: atr::explain(atr) }
    }
}

impl Show for Reset {
    fn show(&self, to: &mut Lines) {
        to.line(format_args!("ATR {}", self.atr));
        to.indented(2, |to| self.parts.iter().for_each(|part| to.line(part)));
    }
}
