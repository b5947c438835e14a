//! Which card is tested.

use core::fmt;
use core::str::FromStr;
use std::path::PathBuf;

use anyhow::anyhow;
use xuejika_card_model::record::Profile;
use xuejika_keyscheme::Algorithm;
use xuejika_reader::channel::trace::{Tap, Trace};
use xuejika_vectors::conformance::{Bench, Ics, ics};

use super::bench::{InProcess, Remote};
use super::child::Child;
use super::files;
use super::recording::Replay;
use crate::exit::{Failure, Faults, Outcome};
use crate::recorder;
use crate::target::{SERIAL, Target};

/// A card to test.
#[derive(Clone, Debug)]
pub(crate) enum TestTarget {
    /// One that other commands can reach too.
    Card(Target),
    /// A program that speaks the line protocol on its standard input and output.
    Program(String),
    /// The report or the trace of an earlier run.
    Recording(PathBuf),
}

impl FromStr for TestTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let after = |prefix| text.strip_prefix(prefix).filter(|rest: &&str| !rest.is_empty());
        if let Some(command) = after("exec:") {
            return Ok(Self::Program(command.to_owned()));
        }
        if let Some(file) = after("replay:") {
            return Ok(Self::Recording(file.into()));
        }
        text.parse()
            .map(Self::Card)
            .map_err(|error: String| error + ", exec:COMMAND or replay:FILE")
    }
}

impl fmt::Display for TestTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Card(target) => target.fmt(f),
            Self::Program(command) => write!(f, "exec:{command}"),
            Self::Recording(path) => write!(f, "replay:{}", path.display()),
        }
    }
}

impl TestTarget {
    /// The road to it.
    pub(super) fn bench(&self, fresh_on_power: bool) -> Outcome<Box<dyn Bench>> {
        Ok(match self {
            Self::Card(Target::Fresh(profile)) => Box::new(InProcess::new(*profile)?),
            Self::Card(Target::Image(path)) => Box::new(InProcess::of_image(path)?),
            Self::Card(target) => Box::new(Remote::new(target.clone(), fresh_on_power)),
            Self::Program(command) => Box::new(Child::spawn(command)?),
            Self::Recording(path) => Box::new(Replay::new(files::recording(path)?)),
        })
    }

    /// Where its traffic is written down. What runs in this process repeats to the byte, times
    /// included.
    pub(super) fn tap(&self, trace: &Trace) -> Tap {
        if matches!(self, Self::Card(Target::Fresh(_) | Target::Image(_)) | Self::Recording(_)) {
            recorder::repeat(trace);
        }
        trace.tap(&self.to_string(), "card under test")
    }

    /// The statement it has unless another is given.
    pub(super) fn statement(&self) -> Outcome<Ics> {
        let algorithm = match self {
            Self::Card(Target::Fresh(Profile::CpuSm4)) => Algorithm::Sm4,
            Self::Card(Target::Fresh(_)) => Algorithm::Aes128,
            _ => {
                let missing = anyhow!("{self}: give the statement of this card with --ics");
                return Err(Failure::usage(missing));
            }
        };
        let text = ics::own_statement(algorithm);
        Ics::parse("card.ics.toml", &text).map_err(|errors| {
            Failure::device(Faults(errors.iter().map(ToString::to_string).collect()))
        })
    }

    /// The serial of the student card, where the target knows it.
    pub(super) fn serial(&self) -> Outcome<Option<[u8; 8]>> {
        let text = match self {
            Self::Card(Target::Fresh(_)) => SERIAL.to_owned(),
            Self::Recording(path) => files::recording(path)?.serial,
            _ => return Ok(None),
        };
        let bytes = crate::hex::parse(&text).ok().and_then(|bytes| bytes.try_into().ok());
        Ok(bytes)
    }
}
