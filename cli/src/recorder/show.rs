//! `trace show`: what a trace holds, as the other commands print it.

use core::fmt::{self, Display};

use serde::Serialize;
use xuejika_apdu::status::Language;

use super::{Entry, Event, Packet, Recording, TraceCommand};
use crate::apdu::{Answer, Reset};
use crate::exit::{Code, Outcome, say};
use crate::hex;
use crate::output::Output;
use crate::shown::{Lines, Show};
use crate::trace::masked;

/// Runs the verb.
pub(crate) fn run(command: &TraceCommand, out: &Output) -> Outcome<Code> {
    let TraceCommand::Show { file } = command;
    let recording = Recording::open(file)?;
    let mut last: Option<&Entry> = None;
    let mut entries = (1..).zip(&recording.entries).peekable();
    while let Some((number, entry)) = entries.next() {
        let next = entries.peek().map(|(_, next)| *next);
        let answers = |next: &&Entry| matches!(&next.packet, Packet::Response(it) if it.len() >= 2);
        let answer = next.filter(answers);
        let shown = Shown::new(entry, answer, out.language);
        let before = last.replace(entry);
        let same = before.is_some_and(|it| (&it.target, &it.card) == (&entry.target, &entry.card));
        let (target, card) = (&*entry.target, &*entry.card);
        let line = Line { packet: number, at: entry.at, target, card, same, shown };
        out.report(&line)?;
        if answer.is_some() && matches!(entry.packet, Packet::Command(_)) {
            entries.next();
        }
    }
    if !recording.whole {
        say(format_args!("xuejika: {}: the trace ends within a packet", file.display()));
    }
    Ok(Code::AsExpected)
}

/// A packet, or a command and its response.
#[derive(Serialize)]
struct Line<'a> {
    /// Number of the first packet, as Wireshark counts.
    packet: usize,
    /// Nanoseconds since the Unix epoch.
    at: u64,
    target: &'a str,
    card: &'a str,
    /// Whether the line before was about the same card.
    #[serde(skip)]
    same: bool,
    #[serde(flatten)]
    shown: Shown<'a>,
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    comments: &'a [String],
    #[serde(flatten)]
    what: What,
}

#[derive(Serialize)]
#[serde(untagged)]
enum What {
    Answer(Box<Answer>),
    Reset(Reset),
    Event(Event),
    Bytes {
        /// A command without response or a response that is none.
        bytes: String,
        sent: bool,
    },
}

impl<'a> Shown<'a> {
    fn new(entry: &'a Entry, next: Option<&'a Entry>, language: Language) -> Self {
        let what = match (&entry.packet, next.map(|next| &next.packet)) {
            (Packet::Command(command), Some(Packet::Response(response))) => {
                let reason = next.and_then(Entry::reason).map(str::to_owned);
                match Answer::read(command, response, reason, language) {
                    Ok(mut answer) => {
                        answer.exchange.command = sent(entry, command);
                        What::Answer(Box::new(answer))
                    }
                    Err(_) => What::Bytes { bytes: sent(entry, command), sent: true },
                }
            }
            (Packet::Command(command), _) => {
                What::Bytes { bytes: sent(entry, command), sent: true }
            }
            (Packet::Response(response), _) => {
                What::Bytes { bytes: hex::emit(response), sent: false }
            }
            (Packet::Atr(atr), _) => What::Reset(Reset::new(atr)),
            (Packet::Event(event), _) => What::Event(event.clone()),
        };
        Self { comments: &entry.comments, what }
    }
}

/// A command as it was written down: stars stand for bytes that were made unreadable.
fn sent(entry: &Entry, command: &[u8]) -> String {
    if entry.is_masked() { masked(command) } else { hex::emit(command) }
}

impl Show for Line<'_> {
    fn show(&self, to: &mut Lines) {
        if !self.same {
            to.line(format_args!("[{}: {}]", self.target, self.card));
        }
        match &self.shown.what {
            What::Answer(answer) => answer.show(to),
            What::Reset(reset) => reset.show(to),
            What::Event(event) => to.line(event),
            What::Bytes { bytes, sent: true } => to.line(format_args!("> {bytes}")),
            What::Bytes { bytes, sent: false } => to.line(format_args!("< {bytes}")),
        }
    }
}

impl Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run { serial, .. } => write!(f, "= the conformance suite on card {serial}"),
            Self::Begin { case } => write!(f, "= {case}"),
            Self::Verdict { case, verdict, reason } => {
                write!(f, "= {case}: {verdict}")?;
                if reason.is_empty() { Ok(()) } else { write!(f, ": {reason}") }
            }
            Self::Power => f.write_str("> power"),
            Self::Off => f.write_str("> power off"),
            Self::Reset => f.write_str("> reset"),
            Self::Cut { writes } => write!(f, "> power goes after {writes} writes"),
            Self::Lost { text, .. } => write!(f, "! {text}"),
        }
    }
}
