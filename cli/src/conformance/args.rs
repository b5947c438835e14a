//! The command line of `conformance`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::roots::RootArgs;
use super::target::TestTarget;
use crate::args::CpuProfile;

/// `conformance`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConformanceCommand {
    /// List the cases.
    List(ListArgs),
    /// Check the statement of a card for contradictions, or print the one of the project's own cards.
    Ics {
        /// The statement (card.ics.toml).
        #[arg(value_name = "FILE")]
        statement: Option<PathBuf>,
    },
    /// Freeze the list of cases for a card.
    Plan(PlanArgs),
    /// Run the cases that apply to a card.
    Run(RunArgs),
    /// Test a reader program with cards that misbehave.
    #[command(subcommand)]
    Reader(ReaderCommand),
}

impl ConformanceCommand {
    /// Whether there is something to record.
    pub(crate) const fn talks_to_cards(&self) -> bool {
        matches!(self, Self::Run(_) | Self::Reader(ReaderCommand::Run(_)))
    }
}

/// `conformance list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only cases whose id fits this pattern; `*` stands for any text.
    #[arg(long, value_name = "GLOB")]
    pub(super) filter: Option<String>,
    /// Case files (TOML) in the place of the program's own.
    #[arg(long, value_name = "FILE")]
    pub(super) cases: Vec<PathBuf>,
}

/// What both `plan` and `run` take.
#[derive(Debug, Args)]
pub(crate) struct ScopeArgs {
    /// The card: emu:PROFILE, emu:FILE, tcp://HOST:PORT, pcsc:READER, `exec:COMMAND` for a program
    /// that speaks the line protocol, or `replay:FILE` for the report or the trace of an earlier run.
    #[arg(short, long, value_name = "T")]
    pub(super) target: TestTarget,
    /// Statement of the card (card.ics.toml). By default that of the project's own cards.
    #[arg(long, value_name = "FILE")]
    pub(super) ics: Option<PathBuf>,
    /// Only cases whose id fits this pattern; `*` stands for any text.
    #[arg(long, value_name = "GLOB")]
    pub(super) filter: Option<String>,
    /// Case files (TOML) in the place of the program's own.
    #[arg(long, value_name = "FILE")]
    pub(super) cases: Vec<PathBuf>,
    /// Also run cases that spoil the card for good.
    #[arg(long)]
    pub(super) allow_destructive: bool,
    /// Only what every target can do with a student card, so that the plan is good for all of them.
    #[arg(long)]
    pub(super) portable: bool,
    /// The card behind tcp: or pcsc: is a new one after every loss of power (xuejika emulate --fresh).
    #[arg(long)]
    pub(super) fresh_on_power: bool,
}

/// `conformance plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    pub(super) scope: ScopeArgs,
    /// Where to write the plan; by default standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

/// `conformance run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(super) scope: ScopeArgs,
    /// The plan to run; by default one is made on the spot.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["filter", "allow_destructive", "portable"])]
    pub(super) plan: Option<PathBuf>,
    #[command(flatten)]
    pub(super) roots: RootArgs,
    #[command(flatten)]
    pub(super) reports: ReportArgs,
}

/// Where reports go.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Write a report in JUnit XML.
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
    /// Write a report as one HTML page.
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Write the whole report as JSON lines; that of a run `replay:` takes as a card.
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
}

/// `conformance reader`.
#[derive(Debug, Subcommand)]
pub(crate) enum ReaderCommand {
    /// List what cards can do wrong, and what a reader has to do then.
    List {
        /// Only those whose id fits this pattern; `*` stands for any text.
        #[arg(long, value_name = "GLOB")]
        filter: Option<String>,
    },
    /// Run a reader program with a sound card, and then with cards that misbehave.
    #[command(after_help = READER_ENDING)]
    Run(ReaderRunArgs),
}

const READER_ENDING: &str = "\
The command is the reader program with its arguments, once for each card. {target} in it is replaced by the
address of the student card (tcp://HOST:PORT, the vpcd protocol), {management} by that of the management
card. Exit status 0 means: the reader claims success.

Examples:
  xuejika conformance reader run -- xuejika wallet purchase --amount 2.50 --target {target}
  xuejika conformance reader run -- xuejika reader register --target {target} --management {management}
  xuejika conformance reader run --vpcd localhost:35963 -- ./my-gate --reader 0";

/// `conformance reader run`.
#[derive(Debug, Args)]
pub(crate) struct ReaderRunArgs {
    /// Only misbehaviours whose id fits this pattern; `*` stands for any text.
    #[arg(long, value_name = "GLOB")]
    pub(super) filter: Option<String>,
    /// Algorithm of the cards' keys.
    #[arg(long, value_enum, default_value = "cpu-aes")]
    pub(super) profile: CpuProfile,
    /// The student card; by default one that is personalised and holds 100 yuan. The image stays as
    /// it is.
    #[arg(long, value_name = "FILE")]
    pub(super) image: Option<PathBuf>,
    /// Put the student card into the virtual PC/SC driver there, in the place of {target}.
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) vpcd: Option<String>,
    /// Longest time the reader may take, in seconds.
    #[arg(long, value_name = "S", default_value_t = 30)]
    pub(super) timeout: u64,
    /// Take the randomness with which the cards are made from this seed.
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    #[command(flatten)]
    pub(super) reports: ReportArgs,
    /// The reader program and its arguments, with {target} and {management} for the cards.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(super) command: Vec<String>,
}
