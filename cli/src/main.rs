//! The program: arguments to a plan to output. What cards and readers do stands in the libraries.
#![forbid(unsafe_code)]

mod apdu;
mod args;
mod atr;
#[cfg(unix)]
mod batch;
mod calendar_args;
mod card;
mod clock;
mod conformance;
mod demo;
mod desk;
mod districts;
mod emulate;
mod exit;
mod fields;
mod hex;
mod input;
#[cfg(unix)]
mod key_verbs;
mod keys;
#[cfg(unix)]
mod list;
mod output;
mod pupil_file;
mod reader;
mod recorder;
mod scenario;
mod script;
mod shell;
mod shown;
mod spreadsheet;
mod target;
mod tlv;
mod trace;
mod vectors;
mod wallet;

use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

#[cfg(unix)]
use anyhow::Context;
use clap::Parser;

use args::{CardCommand, Cli, Command, VectorsCommand};
#[cfg(unix)]
use exit::Failure;
use exit::{Code, Outcome, say};
use output::Output;
use shown::is_deceptive;

fn main() -> ExitCode {
    let ending = forbid_core_dumps()
        .and_then(|()| run(&Cli::try_parse().unwrap_or_else(|error| wrong_usage(&error))));
    ending.unwrap_or_else(|failure| failure.report()).into()
}

/// Whatever the program does, it may hold keys.
#[cfg(unix)]
fn forbid_core_dumps() -> Outcome<()> {
    xuejika_reader::channel::secret::forbid_core_dumps()
        .context("core dumps cannot be forbidden")
        .map_err(Failure::device)
}

#[cfg(not(unix))]
fn forbid_core_dumps() -> Outcome<()> {
    Ok(())
}

/// Says what is wrong with the command line. Its lines are kept if none can come from an argument.
fn wrong_usage(error: &clap::Error) -> ! {
    let deceives = |argument: OsString| argument.to_string_lossy().contains(is_deceptive);
    if !env::args_os().any(deceives) {
        error.exit();
    }
    say(error.render());
    std::process::exit(error.exit_code());
}

fn run(cli: &Cli) -> Outcome<Code> {
    let out = Output::new(cli)?;
    let code = match &cli.command {
        Command::Demo(args) => demo::run(args, &out),
        Command::Card(CardCommand::Create(args)) => card::create(args, &out),
        Command::Card(CardCommand::Show { image }) => card::show(image, &out),
        Command::Card(CardCommand::Export(args)) => card::export(args, &out),
        Command::Emulate(args) => emulate::run(args, &out),
        Command::Apdu(args) => apdu::run(args, &out),
        Command::Script(args) => script::run(args, &out),
        Command::Reader(command) => reader::run(command, &out),
        Command::Wallet(command) => wallet::run(command, &out),
        #[cfg(unix)]
        Command::Keys(command) => key_verbs::run(command, &out),
        #[cfg(unix)]
        Command::Batch(command) => batch::run(command, &out),
        #[cfg(unix)]
        Command::List(command) => list::run(command, &out),
        Command::Desk(args) => desk::run(args, &out),
        Command::Scenario(command) => scenario::run(command, &out),
        Command::Vectors(VectorsCommand::Verify { files }) => vectors::verify(files, &out),
        Command::Conformance(command) => conformance::run(command, &out),
        Command::Trace(command) => recorder::run(command, &out),
        Command::Completions { shell } => shell::completions(*shell, &out),
        Command::Man { out: folder } => shell::man(folder.as_deref(), &out),
    }?;
    out.finish()?;
    Ok(recorder::end(&out.trace, code))
}
