//! `trace show`: what a trace holds, as the other commands print it.

use serde::Serialize;
use xuejika_apdu::status::Language;
use xuejika_reader::channel::trace::{Entry, Event, Packet};

use super::{TraceCommand, read, refused};
use crate::apdu::{Answer, Reset};
use crate::exit::{Code, Outcome, say};
use crate::hex;
use crate::output::Output;
use crate::shown::{Lines, Show};
use crate::trace::masked;

/// Runs the verb.
pub(crate) fn run(command: &TraceCommand, out: &Output) -> Outcome<Code> {
    let TraceCommand::Show { file } = command;
    let mut recording = read(file)?;
    let mut next_entry = || recording.next_entry().map_err(|error| refused(file, error));
    let mut last = None;
    let mut current = next_entry()?;
    while let Some(entry) = current {
        let next = next_entry();
        let answers = |next: &&Entry| matches!(&next.packet, Packet::Response(it) if it.len() >= 2);
        let answer = next.as_ref().ok().and_then(Option::as_ref).filter(answers);
        let answered = answer.is_some() && matches!(entry.packet, Packet::Command(_));
        let shown = Shown::new(&entry, answer, out.language);
        let (target, card) = (&*entry.target, &*entry.card);
        let place = Some((entry.target.clone(), entry.card.clone()));
        let same = last == place;
        out.report(&Line { packet: entry.number, at: entry.at, target, card, same, shown })?;
        last = place;
        current = if answered { next_entry() } else { next }?;
    }
    if !recording.is_whole() {
        say(format_args!("xuejika: {}: the trace ends within a packet", file.display()));
    }
    Ok(Code::AsExpected)
}

/// A packet, or a command and its response.
#[derive(Serialize)]
struct Line<'a> {
    /// Number of the first packet, as Wireshark counts.
    packet: u64,
    /// Nanoseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<u64>,
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
