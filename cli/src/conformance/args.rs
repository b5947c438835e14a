//! The command line of `conformance`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::target::TestTarget;

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
    /// that speaks the line protocol, or `replay:FILE` for the report of an earlier run.
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
    #[arg(long, value_name = "FILE", conflicts_with_all = ["filter", "allow_destructive"])]
    pub(super) plan: Option<PathBuf>,
    /// Write a report in JUnit XML.
    #[arg(long, value_name = "FILE")]
    pub(super) junit: Option<PathBuf>,
    /// Write the whole report as JSON lines, which `replay:` takes as a card.
    #[arg(long, value_name = "FILE")]
    pub(super) report: Option<PathBuf>,
}
