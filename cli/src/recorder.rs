//! Traces: what goes between the program and cards, in a file that Wireshark opens
//! (`docs/traces.md`).
//!
//! A command is written before it is sent and its answer as soon as it is there, each in one piece,
//! so that the file can be read up to the last of them however the program ends. A trace that cannot
//! be written any more never changes what is done to a card: it ends, and the program says so.
//!
//! Nothing that was recorded is destroyed: a run goes to the end of the file, as a section of its own,
//! and the file is locked while it is written.

mod block;
mod blocks;
mod file;
mod packet;
mod read;
mod secret;
mod show;
mod slot;

pub(crate) use packet::{Abilities, Event, Packet};
pub(crate) use read::{Entry, Recording, is_trace};
pub(crate) use secret::{MASK, secret};
pub(crate) use show::run;
pub(crate) use slot::Tapped;

use core::time::Duration;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use xuejika_apdu::ChannelError;
use xuejika_emulator::Env;
use xuejika_vectors::conformance::Verdict;

use crate::clock;
use crate::exit::{Code, Failure, Outcome, say};
use block::{Block, NANOSECONDS};
use file::TraceFile;

/// What the name of the program begins with in sections of ours.
const PROGRAM: &str = "xuejika ";

/// Time from packet to packet where it does not come from a clock.
const TICK: Duration = Duration::from_millis(1);

/// Beginning of the comment on a command with bytes that were made unreadable.
const MASKED: &str = "masked: ";
/// Beginning of the comment on a response that says why the card refused.
const REASON: &str = "the card's reason: ";

/// What every command that talks to cards takes.
#[derive(Debug, Args)]
pub(crate) struct TraceArgs {
    /// Record what is said to cards and what they answer, for Wireshark (pcapng), at the end of an
    /// earlier trace if there is one.
    #[arg(id = "trace-file", long = "trace", value_name = "FILE", global = true)]
    file: Option<PathBuf>,
    /// Leave PINs and keys in the trace readable.
    #[arg(long, global = true)]
    trace_secrets: bool,
}

impl TraceArgs {
    /// Whether there is to be a trace.
    pub(crate) const fn is_given(&self) -> bool {
        self.file.is_some() || self.trace_secrets
    }
}

/// `trace`.
#[derive(Debug, Subcommand)]
pub(crate) enum TraceCommand {
    /// Show what a trace holds, decoded.
    Show {
        /// The trace.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// The trace of a run, if there is one. Copies write to the same file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trace(Option<Arc<Mutex<Recorder>>>);

impl Trace {
    /// Makes the file.
    pub(crate) fn open(args: &TraceArgs) -> Outcome<Self> {
        let Some(path) = &args.file else {
            if args.trace_secrets {
                return Err(Failure::usage(anyhow!("--trace-secrets: there is no --trace")));
            }
            return Ok(Self::default());
        };
        let recorder = Recorder::create(path, args.trace_secrets)?;
        Ok(Self(Some(Arc::new(Mutex::new(recorder)))))
    }

    /// Time and randomness of a run. With a seed the times of the trace are repeatable too.
    pub(crate) fn env(&self, seed: Option<u64>) -> Outcome<Env> {
        if seed.is_some() {
            self.repeat();
        }
        clock::env(seed)
    }

    /// Takes times from the number of the packet: the same run makes the same file.
    pub(crate) fn repeat(&self) {
        self.with(|recorder| recorder.clock = Env::seeded(0));
    }

    /// A road to a card, with the target and what is there.
    pub(crate) fn tap(&self, target: &str, card: &str) -> Tap {
        let mut interface = 0;
        self.with(|recorder| interface = recorder.interface(target, card));
        Tap { trace: self.clone(), interface }
    }

    /// Marks the packets from now on: `case` or `step`, and its id.
    pub(crate) fn label(&self, noun: &str, id: &str) {
        self.with(|recorder| recorder.label = Some(format!("{noun} {id}")));
    }

    /// Ends with what is returned: [`Code::Device`] when the trace is not whole.
    pub(crate) fn end(&self, code: Code) -> Code {
        let mut whole = true;
        self.with(|recorder| whole = !recorder.ended);
        if whole { code } else { Code::Device }
    }

    fn with(&self, act: impl FnOnce(&mut Recorder)) {
        if let Some(recorder) = &self.0 {
            act(&mut recorder.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// Where the traffic of one card is written down.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tap {
    trace: Trace,
    interface: u32,
}

impl Tap {
    /// A command is about to be sent.
    pub(crate) fn command(&self, command: &[u8]) {
        self.trace.with(|recorder| {
            let (mut command, mut comments) = (command.to_vec(), Vec::new());
            let range = secret(&command).filter(|_| !recorder.secrets);
            if let Some(range) = range {
                comments.push(format!("{MASKED}{} bytes", range.len()));
                command.get_mut(range).into_iter().flatten().for_each(|byte| *byte = MASK);
            }
            recorder.packet(self.interface, &Packet::Command(command), comments);
        });
    }

    /// What came of it: the response, and why the card refused where that is known.
    pub(crate) fn answer(
        &self,
        result: &Result<(), ChannelError>,
        response: &[u8],
        reason: Option<&str>,
    ) {
        match result {
            Ok(()) => self.trace.with(|recorder| {
                let reason = reason.map(|reason| format!("{REASON}{reason}"));
                let response = Packet::Response(response.to_vec());
                recorder.packet(self.interface, &response, reason.into_iter().collect());
            }),
            Err(error) => self.lost(error),
        }
    }

    /// The answer to a reset, or to power.
    pub(crate) fn atr(&self, result: &Result<Vec<u8>, ChannelError>) {
        match result {
            Ok(atr) => self.trace.with(|recorder| {
                recorder.packet(self.interface, &Packet::Atr(atr.clone()), Vec::new());
            }),
            Err(error) => self.lost(error),
        }
    }

    /// Something else.
    pub(crate) fn event(&self, event: Event) {
        self.trace.with(|recorder| {
            recorder.packet(self.interface, &Packet::Event(event), Vec::new());
        });
    }

    /// The beginning of a case of the suite.
    pub(crate) fn begin(&self, case: &str) {
        self.trace.label("case", case);
        self.event(Event::Begin { case: case.to_owned() });
    }

    /// The end of a case or a step, as [`Trace::label`] names it.
    pub(crate) fn verdict(&self, noun: &str, id: &str, verdict: Verdict, reason: &str) {
        self.trace.with(|recorder| {
            let colon = if reason.is_empty() { "" } else { ": " };
            recorder.label = Some(format!("{noun} {id}: {verdict}{colon}{reason}"));
            let (case, reason) = (id.to_owned(), reason.to_owned());
            let event = Packet::Event(Event::Verdict { case, verdict, reason });
            recorder.packet(self.interface, &event, Vec::new());
            recorder.label = None;
        });
    }

    /// No answer came.
    pub(crate) fn lost(&self, error: &ChannelError) {
        let removed = *error == ChannelError::Removed;
        self.event(Event::Lost { removed, text: error.to_string() });
    }
}

/// An open trace.
#[derive(Debug)]
struct Recorder {
    file: TraceFile,
    clock: Env,
    secrets: bool,
    /// Target and card of each interface.
    interfaces: Vec<(String, String)>,
    label: Option<String>,
    /// Nothing can be written any more.
    ended: bool,
}

impl Recorder {
    fn create(path: &Path, secrets: bool) -> Outcome<Self> {
        let mut recorder = Self {
            file: TraceFile::open(path)?,
            clock: clock::env(None)?,
            secrets,
            interfaces: Vec::new(),
            label: None,
            ended: false,
        };
        let written = recorder.file.append(&section().emit());
        written.with_context(|| path.display().to_string()).map_err(Failure::device)?;
        Ok(recorder)
    }

    fn interface(&mut self, target: &str, card: &str) -> u32 {
        let interface = (target.to_owned(), card.to_owned());
        let known = self.interfaces.iter().position(|it| *it == interface);
        let index = known.unwrap_or(self.interfaces.len());
        if known.is_none() {
            let block = described(&interface);
            self.write(&block);
            self.interfaces.push(interface);
        }
        u32::try_from(index).unwrap_or(u32::MAX)
    }

    fn packet(&mut self, interface: u32, packet: &Packet, comments: Vec<String>) {
        self.clock.advance(TICK);
        let at = Some(u64::try_from(self.clock.now().as_nanos()).unwrap_or(u64::MAX));
        let comments = self.label.iter().cloned().chain(comments).collect();
        let data = packet.emit();
        let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
        self.write(&Block::Packet { interface, at, data, length, comments });
    }

    /// Writes a block, or says once that the trace ends before it.
    fn write(&mut self, block: &Block) {
        if self.ended {
            return;
        }
        if let Err(error) = self.append(block) {
            self.ended = true;
            say(format_args!("xuejika: {}: the trace ends here: {error}", self.file.name()));
        }
    }

    fn append(&mut self, block: &Block) -> io::Result<()> {
        if self.file.was_emptied()? {
            let again = [section()].into_iter().chain(self.interfaces.iter().map(described));
            self.file.append(&again.flat_map(|block| block.emit()).collect::<Vec<_>>())?;
        }
        self.file.append(&block.emit())
    }
}

/// The beginning of what one run writes.
fn section() -> Block {
    Block::Section { program: format!("{PROGRAM}{}", env!("CARGO_PKG_VERSION")) }
}

fn described((name, description): &(String, String)) -> Block {
    let (name, description) = (name.clone(), description.clone());
    Block::Interface { name, description, resolution: NANOSECONDS, offset: 0, limit: 0 }
}
