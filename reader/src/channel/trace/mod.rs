//! Traces (feature `trace`): what is said to cards and what they answer, in a file that Wireshark
//! opens (pcapng; the events beside commands are project-defined, `docs/traces.md`).
//!
//! A [`Tap`] writes a command before it is sent and its answer as soon as it is there, each in one
//! piece, so that the file can be read up to the last of them however the program ends. A trace that
//! cannot be written any more never changes what is done to a card: it ends, and the program is told.
//!
//! Nothing that was recorded is destroyed: a run goes to the end of the file, as a section of its own,
//! and the file is locked while it is written. [`Recording`] reads traces back.
//!
//! ```
//! use core::time::Duration;
//! use xuejika_reader::channel::trace::{Event, Options, Packet, Recording, Trace};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("t.pcapng");
//! let clock = Box::new(|| Duration::from_secs(1_788_220_800));
//! let trace = Trace::open(&path, Options { secrets: false, clock, on_end: |_, _| {} })?;
//! let tap = trace.tap("tcp://localhost:35963", "student card");
//! tap.event(Event::Reset);
//! tap.command(&[0x00, 0x20, 0x00, 0x01, 0x03, 0x12, 0x34, 0x56]);
//! tap.answer(&Ok(()), &[0x90, 0x00], None);
//!
//! let mut recording = Recording::new(std::fs::File::open(&path)?);
//! let reset = recording.next_entry()?.ok_or("no packet")?;
//! assert_eq!(reset.packet, Packet::Event(Event::Reset));
//! let verify = recording.next_entry()?.ok_or("no packet")?;
//! assert!(verify.is_masked());
//! # Ok(())
//! # }
//! ```

mod block;
mod blocks;
mod file;
mod packet;
mod read;
mod secret;

pub use block::BlockError;
pub use file::OpenError;
pub use packet::{Abilities, Event, Packet, PacketError};
pub use read::{Entry, Recording, RecordingError, is_trace};
pub use secret::{MASK, secret};

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use xuejika_apdu::ChannelError;

use block::{Block, NANOSECONDS};
use file::TraceFile;

/// What the name of the program begins with in sections of ours.
const PROGRAM: &str = "xuejika ";

/// Beginning of the comment on a command with bytes that were made unreadable.
const MASKED: &str = "masked: ";
/// Beginning of the comment on a response that says why the card refused.
const REASON: &str = "the card's reason: ";

/// Tells the time since the Unix epoch; asked once for each packet.
pub type Clock = Box<dyn FnMut() -> Duration + Send>;

/// How a trace is written.
pub struct Options {
    /// Whether PINs and keys stay readable.
    pub secrets: bool,
    /// The time of packets.
    pub clock: Clock,
    /// Called once, with the path, when nothing can be written any more.
    pub on_end: fn(&Path, &io::Error),
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("secrets", &self.secrets).finish_non_exhaustive()
    }
}

/// The trace of a run, if there is one: the default records nothing. Copies write to the same file.
#[derive(Clone, Debug, Default)]
pub struct Trace(Option<Arc<Mutex<Recorder>>>);

impl Trace {
    /// Makes the file, or begins a section at the end of an earlier trace.
    ///
    /// # Errors
    /// Returns an [`OpenError`]; a file that is no trace of this library is left as it is.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        Ok(Self(Some(Arc::new(Mutex::new(Recorder::create(path, options)?)))))
    }

    /// Takes the time of packets from another clock from now on.
    pub fn set_clock(&self, clock: Clock) {
        self.with(|recorder| recorder.options.clock = clock);
    }

    /// Where the traffic of a card is written down: the target, and which card is there.
    #[must_use]
    pub fn tap(&self, target: &str, card: &str) -> Tap {
        let mut interface = 0;
        self.with(|recorder| interface = recorder.interface(target, card));
        Tap { trace: self.clone(), interface }
    }

    /// Marks the packets from now on: `case` or `step`, and its id.
    pub fn label(&self, noun: &str, id: &str) {
        self.with(|recorder| recorder.label = Some(format!("{noun} {id}")));
    }

    /// Whether everything was written so far.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let mut whole = true;
        self.with(|recorder| whole = !recorder.ended);
        whole
    }

    fn with(&self, act: impl FnOnce(&mut Recorder)) {
        if let Some(recorder) = &self.0 {
            act(&mut recorder.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// Where the traffic of one card is written down.
#[derive(Clone, Debug, Default)]
pub struct Tap {
    trace: Trace,
    interface: u32,
}

impl Tap {
    /// A command is about to be sent.
    pub fn command(&self, command: &[u8]) {
        self.trace.with(|recorder| {
            let (mut command, mut comments) = (command.to_vec(), Vec::new());
            let range = secret(&command).filter(|_| !recorder.options.secrets);
            if let Some(range) = range {
                comments.push(format!("{MASKED}{} bytes", range.len()));
                command.get_mut(range).into_iter().flatten().for_each(|byte| *byte = MASK);
            }
            recorder.packet(self.interface, &Packet::Command(command), comments);
        });
    }

    /// What came of it: the response, and why the card refused where that is known.
    pub fn answer(&self, result: &Result<(), ChannelError>, response: &[u8], reason: Option<&str>) {
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
    pub fn atr(&self, result: &Result<Vec<u8>, ChannelError>) {
        match result {
            Ok(atr) => self.trace.with(|recorder| {
                recorder.packet(self.interface, &Packet::Atr(atr.clone()), Vec::new());
            }),
            Err(error) => self.lost(error),
        }
    }

    /// Something else.
    pub fn event(&self, event: Event) {
        self.trace.with(|recorder| {
            recorder.packet(self.interface, &Packet::Event(event), Vec::new());
        });
    }

    /// The beginning of a case of the conformance suite.
    pub fn begin(&self, case: &str) {
        self.trace.label("case", case);
        self.event(Event::Begin { case: case.to_owned() });
    }

    /// The end of a case or a step, as [`Trace::label`] names it; `verdict` in words, such as `pass`
    /// or `not applicable`.
    pub fn verdict(&self, noun: &str, id: &str, verdict: &str, reason: &str) {
        self.trace.with(|recorder| {
            let colon = if reason.is_empty() { "" } else { ": " };
            recorder.label = Some(format!("{noun} {id}: {verdict}{colon}{reason}"));
            let event = Packet::Event(Event::verdict(id, verdict, reason));
            recorder.packet(self.interface, &event, Vec::new());
            recorder.label = None;
        });
    }

    /// No answer came.
    pub fn lost(&self, error: &ChannelError) {
        let removed = *error == ChannelError::Removed;
        self.event(Event::Lost { removed, text: error.to_string() });
    }
}

/// An open trace.
#[derive(Debug)]
struct Recorder {
    file: TraceFile,
    options: Options,
    /// Target and card of each interface.
    interfaces: Vec<(String, String)>,
    label: Option<String>,
    /// Nothing can be written any more.
    ended: bool,
}

impl Recorder {
    fn create(path: &Path, options: Options) -> Result<Self, OpenError> {
        let mut file = TraceFile::open(path)?;
        let failed = |error| OpenError::Write { path: path.to_owned(), error };
        file.append(&section().emit()).map_err(failed)?;
        Ok(Self { file, options, interfaces: Vec::new(), label: None, ended: false })
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
        let now = (self.options.clock)();
        let at = Some(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX));
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
            (self.options.on_end)(self.file.path(), &error);
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

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::{AtomicUsize, Ordering};
    use std::fs;

    fn options(on_end: fn(&Path, &io::Error)) -> Options {
        let mut now = Duration::ZERO;
        let clock = Box::new(move || {
            now += Duration::from_millis(1);
            now
        });
        Options { secrets: false, clock, on_end }
    }

    #[test]
    fn runs_are_sections_of_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.pcapng");
        for _ in 0..2 {
            let trace = Trace::open(&path, options(|_, _| {})).unwrap();
            assert!(matches!(Trace::open(&path, options(|_, _| {})), Err(OpenError::Busy(_))));
            let tap = trace.tap("emu:cpu-aes", "card");
            tap.begin("A");
            tap.verdict("case", "A", "not applicable", "no card");
            tap.event(Event::Off);
            assert!(trace.is_whole());
        }
        let bytes = fs::read(&path).unwrap();
        let (one, two) = bytes.split_at(bytes.len() / 2);
        assert_eq!(one, two);
        let mut recording = Recording::new(one);
        let mut next = || recording.next_entry().unwrap();
        let [begin, verdict, off] = [next(), next(), next()].map(Option::unwrap);
        assert_eq!(begin.comments, ["case A"]);
        assert_eq!(verdict.comments, ["case A: not applicable: no card"]);
        assert_eq!((off.comments.len(), off.at), (0, Some(3_000_000)));
        assert_eq!(next(), None);
    }

    #[test]
    fn other_files_stay_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes");
        fs::write(&path, "text").unwrap();
        assert!(matches!(Trace::open(&path, options(|_, _| {})), Err(OpenError::Foreign(_))));
        assert_eq!(fs::read(&path).unwrap(), b"text");
    }

    #[test]
    fn the_end_of_a_trace_is_told_once() {
        static TOLD: AtomicUsize = AtomicUsize::new(0);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.pcapng");
        let told = |_: &Path, _: &io::Error| {
            TOLD.fetch_add(1, Ordering::Relaxed);
        };
        let trace = Trace::open(&path, options(told)).unwrap();
        let tap = trace.tap("emu:cpu-aes", "card");
        fs::write(&path, "changed").unwrap();
        tap.command(&[0, 0x84, 0, 0, 8]);
        tap.event(Event::Off);
        assert_eq!((TOLD.load(Ordering::Relaxed), trace.is_whole()), (1, false));
        assert_eq!(fs::read(&path).unwrap(), b"changed");
    }
}
