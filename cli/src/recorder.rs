//! `--trace` and `trace`: the arguments of traces, and what a trace takes from this program. How they
//! are written and read is the library's ([`xuejika_reader::channel::trace`]).

mod show;
mod slot;

pub(crate) use show::run;
pub(crate) use slot::Tapped;

use core::time::Duration;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::{Args, Subcommand};
use xuejika_emulator::{Env, files};
use xuejika_reader::channel::trace::{Clock, OpenError, Options, Recording, Trace};

use crate::clock;
use crate::exit::{Code, Failure, Outcome, say};

/// Time from packet to packet where it does not come from a clock.
const TICK: Duration = Duration::from_millis(1);

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

/// Makes the trace that the command line asks for.
pub(crate) fn open(args: &TraceArgs) -> Outcome<Trace> {
    let Some(path) = &args.file else {
        if args.trace_secrets {
            return Err(Failure::usage(anyhow!("--trace-secrets: there is no --trace")));
        }
        return Ok(Trace::default());
    };
    let options = Options {
        secrets: args.trace_secrets,
        clock: ticking(clock::env(None)?),
        on_end: |path, error| {
            say(format_args!("xuejika: {}: the trace ends here: {error}", path.display()));
        },
    };
    Ok(Trace::open(path, options)?)
}

/// Time and randomness of a run. With a seed the times of its trace are repeatable too.
pub(crate) fn env(trace: &Trace, seed: Option<u64>) -> Outcome<Env> {
    if seed.is_some() {
        repeat(trace);
    }
    clock::env(seed)
}

/// Takes times from the number of the packet: the same run makes the same file.
pub(crate) fn repeat(trace: &Trace) {
    trace.set_clock(ticking(Env::from_seed(0)));
}

/// The clock of `env`, which a packet moves if it does not move by itself.
fn ticking(mut env: Env) -> Clock {
    Box::new(move || {
        env.advance(TICK);
        env.now()
    })
}

/// Ends with what is returned: [`Code::Device`] when the trace is not whole.
pub(crate) fn end(trace: &Trace, code: Code) -> Code {
    if trace.is_whole() { code } else { Code::Device }
}

/// Opens a trace to read it.
pub(crate) fn read(path: &Path) -> Outcome<Recording<BufReader<File>>> {
    let file = files::open(path).map_err(Failure::usage)?;
    Ok(Recording::new(BufReader::new(file)))
}

/// Why a trace cannot be used.
pub(crate) fn refused(path: &Path, error: impl Into<anyhow::Error>) -> Failure {
    Failure::usage(error.into().context(path.display().to_string()))
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let code = match &error {
            OpenError::Open { .. } => Code::Usage,
            OpenError::Foreign(_) => Code::Unsafe,
            _ => Code::Device,
        };
        Self::Because(code, error.into())
    }
}
