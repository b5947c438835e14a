//! Cards of other makers: a program that speaks the line protocol on standard input and output.
//!
//! One line is one request or one answer, in ASCII; `docs/conformance.md` has the grammar.

use core::time::Duration;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{self, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;

use anyhow::{Context, anyhow};
use xuejika_apdu::{CardChannel, ChannelError};
use xuejika_vectors::conformance::{Bench, BenchError, Kind};

use crate::exit::{Failure, Outcome};
use crate::hex;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest answer: an extended response in hexadecimal, with room to spare.
const MAX_LINE: u64 = 256 * 1024;

/// A program that plays a card.
#[derive(Debug)]
pub(super) struct Child {
    command: String,
    process: process::Child,
    requests: ChildStdin,
    answers: Receiver<String>,
    /// It has ended, or has said something that is no answer: whatever comes now may be late.
    lost: bool,
}

impl Child {
    /// Starts the program; arguments are apart by spaces.
    pub(super) fn spawn(command: &str) -> Outcome<Self> {
        start(command).map_err(Failure::device)
    }

    /// Sends a request and returns the answer without its first word, which says that it is one.
    fn ask(&mut self, request: &str) -> Result<String, ChannelError> {
        if self.lost {
            return Err(ChannelError::Removed);
        }
        // Answers carry no number: one that comes late would be taken for another.
        let answer = self.exchange(request).inspect_err(|_| self.lost = true)?;
        let (word, rest) = answer.trim().split_once(' ').unwrap_or((answer.trim(), ""));
        match word {
            "ok" => Ok(rest.trim().to_owned()),
            "removed" => Err(ChannelError::Removed),
            "unable" => Err(ChannelError::Io("the program cannot do this".to_owned())),
            _ => {
                self.lost = true;
                let found = format!("{answer:?}, expected ok, removed or unable");
                Err(ChannelError::Malformed(found))
            }
        }
    }

    fn exchange(&mut self, request: &str) -> Result<String, ChannelError> {
        let sent = writeln!(self.requests, "{request}").and_then(|()| self.requests.flush());
        sent.map_err(|_| ChannelError::Removed)?;
        self.answers.recv_timeout(PATIENCE).map_err(|error| match error {
            RecvTimeoutError::Timeout => {
                ChannelError::Timeout(u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX))
            }
            RecvTimeoutError::Disconnected => ChannelError::Removed,
        })
    }

    /// As [`Self::ask`], for an answer that is bytes.
    fn ask_bytes(&mut self, request: &str) -> Result<Vec<u8>, ChannelError> {
        let answer = self.ask(request)?;
        hex::parse(&answer).map_err(|error| {
            self.lost = true;
            ChannelError::Malformed(error.to_string())
        })
    }

    fn restart(&mut self) -> Result<(), BenchError> {
        let fresh = start(&self.command).map_err(|error| ChannelError::Io(format!("{error:#}")))?;
        *self = fresh;
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl CardChannel for Child {
    fn transmit(&mut self, command: &[u8], response: &mut Vec<u8>) -> Result<(), ChannelError> {
        response.clear();
        *response = self.ask_bytes(&format!("transmit {}", hex::emit(command)))?;
        Ok(())
    }

    fn reset(&mut self) -> Result<Vec<u8>, ChannelError> {
        self.ask_bytes("reset")
    }
}

impl Bench for Child {
    fn begin(&mut self, case: &str, kind: Kind) -> Result<(), BenchError> {
        if self.lost || !matches!(self.process.try_wait(), Ok(None)) {
            self.restart()?;
        }
        match self.ask(&format!("begin {} {case}", kind.name())) {
            Err(ChannelError::Io(_)) => Err(BenchError::Absent(kind)),
            other => Ok(other.map(drop)?),
        }
    }

    fn power_cycle(&mut self) -> Result<Vec<u8>, ChannelError> {
        self.ask_bytes("power")
    }

    fn renews(&self) -> bool {
        true
    }
}

fn start(command: &str) -> anyhow::Result<Child> {
    let mut words = command.split_whitespace();
    let program = words.next().ok_or_else(|| anyhow!("exec: expected a program"))?;
    let mut process = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {program:?}"))?;
    let (Some(requests), Some(stdout)) = (process.stdin.take(), process.stdout.take()) else {
        return Err(anyhow!("{program:?} has no standard input or output"));
    };
    let (sender, answers) = mpsc::channel();
    thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        loop {
            let mut line = Vec::new();
            match stdout.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
                Ok(count) if count > 0 => {}
                _ => break,
            }
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    });
    Ok(Child { command: command.to_owned(), process, requests, answers, lost: false })
}
