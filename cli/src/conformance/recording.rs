//! An earlier run as a card, from its report or its trace: it gives the answers that were given then.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Read;
use std::path::Path;

use anyhow::{Context, bail};
use xuejika_apdu::{CardChannel, ChannelError};
use xuejika_reader::channel::trace::{self, Entry, Event, Packet, Recording};
use xuejika_vectors::conformance::report::{Exchange, ExchangeKind, Lost, Report};
use xuejika_vectors::conformance::{Bench, BenchError, CaseReport, Kind, Verdict};

use crate::exit::Outcome;
use crate::hex;
use crate::recorder;
use crate::trace::masked;

/// Most of a run that is held, in bytes; the suite has about three million.
const MAX_HELD: usize = 1 << 26;
/// What is held of a packet beside its bytes, about.
const PACKET_HELD: usize = 256;

/// What was recorded of a run.
#[derive(Debug)]
pub(super) struct Run {
    /// Serial of the student card, hexadecimal.
    pub(super) serial: String,
    can: Abilities,
    cases: BTreeMap<String, Case>,
}

/// What the target of the run could do.
#[derive(Debug)]
struct Abilities {
    cut: bool,
    kinds: Vec<Kind>,
    renews: bool,
}

/// A case that began.
#[derive(Debug, Default)]
struct Case {
    /// Why it came no further.
    lost: Option<Lost>,
    exchanges: VecDeque<Exchange>,
}

impl From<Report> for Run {
    fn from(report: Report) -> Self {
        let mut exchanges = report.cases.iter().flat_map(|case| &case.exchanges);
        let cut = exchanges.any(|exchange| exchange.kind == ExchangeKind::Cut);
        let ran = |case: &CaseReport| case.verdict != Verdict::NotApplicable;
        let ran: Vec<_> = report.cases.into_iter().filter(ran).collect();
        let kinds = ran.iter().map(|case| case.card).collect::<BTreeSet<_>>().into_iter().collect();
        let case = |exchanges: Vec<_>| Case { lost: None, exchanges: exchanges.into() };
        let cases = ran.into_iter().map(|it| (it.id, case(it.exchanges))).collect();
        Self { serial: report.serial, can: Abilities { cut, kinds, renews: true }, cases }
    }
}

impl Run {
    /// Takes the cases of the last run out of a trace.
    pub(super) fn from_trace(path: &Path, recording: Recording<impl Read>) -> Outcome<Self> {
        Self::last(recording).map_err(|error| recorder::refused(path, error))
    }

    fn last(mut recording: Recording<impl Read>) -> anyhow::Result<Self> {
        let mut run = None;
        let mut cases = BTreeMap::<String, Case>::new();
        let mut current = None;
        let mut held = 0;
        while let Some(entry) = recording.next_entry()? {
            match &entry.packet {
                Packet::Event(Event::Run { serial, can }) => {
                    let can = Abilities::of(can);
                    let can = can.with_context(|| format!("packet {}", entry.number))?;
                    run = Some((serial.clone(), can));
                    (current, held) = (None, 0);
                    cases.clear();
                }
                Packet::Event(Event::Begin { case }) => {
                    current = Some(case.clone());
                    cases.insert(case.clone(), Case::default());
                }
                Packet::Event(Event::Verdict { .. }) => current = None,
                Packet::Event(Event::Truncated { .. }) => {
                    bail!("packet {} was not captured whole", entry.number);
                }
                _ => {
                    if let Some(case) = current.as_ref().and_then(|case| cases.get_mut(case)) {
                        case.take(&entry);
                    }
                }
            }
            held += PACKET_HELD + 2 * entry.packet.bytes().len();
            if held > MAX_HELD {
                bail!("too long for a run of the suite");
            }
        }
        let (serial, can) = run.context("no trace of a conformance run")?;
        Ok(Self { serial, can, cases })
    }
}

impl Abilities {
    fn of(words: &trace::Abilities) -> anyhow::Result<Self> {
        let kind = |word: &String| {
            let kind = Kind::ALL.into_iter().find(|kind| kind.name() == word);
            kind.with_context(|| format!("no kind of card: {word}"))
        };
        let kinds = words.kinds.iter().map(kind).collect::<anyhow::Result<_>>()?;
        Ok(Self { cut: words.cut, kinds, renews: words.renews })
    }
}

impl Case {
    /// A packet that is no boundary of a case.
    fn take(&mut self, entry: &Entry) {
        match &entry.packet {
            Packet::Command(command) => {
                let text = if entry.is_masked() { masked(command) } else { hex::emit(command) };
                self.ask(ExchangeKind::Transmit, text);
            }
            Packet::Event(Event::Reset) => self.ask(ExchangeKind::Reset, String::new()),
            Packet::Event(Event::Power) => self.ask(ExchangeKind::Power, String::new()),
            Packet::Event(Event::Cut { writes }) => {
                self.ask(ExchangeKind::Cut, format!("{writes:X}"));
                self.answer(Ok(&[]), None);
            }
            Packet::Response(bytes) | Packet::Atr(bytes) => {
                self.answer(Ok(bytes), entry.reason());
            }
            Packet::Event(Event::Lost { removed, text }) => {
                let lost = Lost { removed: *removed, text: text.clone() };
                match self.exchanges.is_empty() {
                    true => self.lost = Some(lost),
                    false => self.answer(Err(lost), None),
                }
            }
            Packet::Event(_) => {}
        }
    }

    /// Something was sent or done; until the answer is there, none came.
    fn ask(&mut self, kind: ExchangeKind, command: String) {
        let error = Lost { removed: false, text: "the recording ends here".to_owned() };
        self.exchanges.push_back(Exchange {
            note: String::new(),
            df: String::new(),
            kind,
            command,
            response: String::new(),
            error: Some(error),
            plain: None,
            reason: None,
        });
    }

    fn answer(&mut self, answer: Result<&[u8], Lost>, reason: Option<&str>) {
        if let Some(last) = self.exchanges.back_mut() {
            (last.response, last.error) = match answer {
                Ok(bytes) => (hex::emit(bytes), None),
                Err(lost) => (String::new(), Some(lost)),
            };
            last.reason = reason.map(str::to_owned);
        }
    }
}

/// A recorded run that answers.
#[derive(Debug)]
pub(super) struct Replay {
    run: Run,
    /// What is left of the case that runs.
    rest: VecDeque<Exchange>,
    reason: Option<String>,
}

impl Replay {
    pub(super) const fn new(run: Run) -> Self {
        Self { run, rest: VecDeque::new(), reason: None }
    }

    /// The next recorded exchange, which has to be this one.
    fn next(&mut self, kind: ExchangeKind, command: &str) -> Result<Vec<u8>, ChannelError> {
        let next = self.rest.pop_front().ok_or_else(|| {
            ChannelError::Malformed("nothing: the recording ends here".to_owned())
        })?;
        if next.kind != kind || !is_same(&next.command, command) {
            let recorded = format!("{:?} {}", next.kind, next.command).to_lowercase();
            return Err(ChannelError::Malformed(format!("another command then: {recorded}")));
        }
        self.reason = next.reason;
        match next.error {
            Some(error) => Err(channel_error(error)),
            None => hex::parse(&next.response)
                .map_err(|error| ChannelError::Malformed(error.to_string())),
        }
    }
}

/// Whether a command is the recorded one; stars in the recording stand for bytes that are secret.
fn is_same(recorded: &str, command: &str) -> bool {
    let mut pairs = recorded.bytes().zip(command.bytes());
    recorded.len() == command.len() && pairs.all(|(then, now)| then == now || then == b'*')
}

fn channel_error(lost: Lost) -> ChannelError {
    if lost.removed { ChannelError::Removed } else { ChannelError::Io(lost.text) }
}

impl CardChannel for Replay {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        response.clear();
        *response = self.next(ExchangeKind::Transmit, &hex::emit(command))?;
        Ok(())
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        self.next(ExchangeKind::Reset, "")
    }
}

impl Bench for Replay {
    fn begin(&mut self, case: &str, _kind: Kind) -> Result<(), BenchError> {
        let case = self.run.cases.get(case);
        let case = case.ok_or(BenchError::Unable("replay a case that was not recorded"))?;
        self.rest = case.exchanges.clone();
        match case.lost.clone() {
            Some(lost) => Err(channel_error(lost).into()),
            None => Ok(()),
        }
    }

    fn power_cycle(&mut self) -> Result<Vec<u8>, ChannelError> {
        self.next(ExchangeKind::Power, "")
    }

    fn cut_after(&mut self, writes: u64) -> Result<(), BenchError> {
        self.next(ExchangeKind::Cut, &format!("{writes:X}")).map(drop)?;
        Ok(())
    }

    fn abilities(&self) -> &[&str] {
        if self.run.can.cut { &["cut"] } else { &[] }
    }

    fn kinds(&self) -> &[Kind] {
        &self.run.can.kinds
    }

    fn renews(&self) -> bool {
        self.run.can.renews
    }

    fn reason(&self) -> Option<String> {
        self.reason.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_secret_bytes_and_for_nothing_else() {
        assert!(is_same("0020000103******", "0020000103123456"));
        assert!(!is_same("0020000103******", "002000010312345678"));
        assert!(!is_same("0020000103******", "0020000003123456"));
        assert!(!is_same("0020000103123456", "0020000103******"));
    }
}
