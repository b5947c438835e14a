//! The program: arguments to a plan to output. What cards and readers do stands in the libraries.
#![forbid(unsafe_code)]

mod apdu;
mod args;
mod atr;
mod card;
mod clock;
mod demo;
mod emulate;
mod exit;
mod fields;
mod hex;
#[cfg(unix)]
mod key_verbs;
mod keys;
mod output;
mod pupil_file;
mod reader;
mod script;
mod shell;
mod target;
mod tlv;
mod trace;
mod vectors;

use std::process::ExitCode;

use clap::Parser;

use args::{CardCommand, Cli, Command, VectorsCommand};
use exit::{Code, Outcome};
use output::Output;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ending = run(&cli);
    ending.unwrap_or_else(|failure| failure.report()).into()
}

fn run(cli: &Cli) -> Outcome<Code> {
    let out = Output::new(cli);
    let code = match &cli.command {
        Command::Demo(args) => demo::run(args, &out),
        Command::Card(CardCommand::Create(args)) => card::create(args, &out),
        Command::Card(CardCommand::Show { image }) => card::show(image, &out),
        Command::Emulate(args) => emulate::run(args, &out),
        Command::Apdu(args) => apdu::run(args, &out),
        Command::Script(args) => script::run(args, &out),
        Command::Reader(command) => reader::run(command, &out),
        #[cfg(unix)]
        Command::Keys(command) => key_verbs::run(command, &out),
        Command::Vectors(VectorsCommand::Verify { files }) => vectors::verify(files, &out),
        Command::Completions { shell } => shell::completions(*shell, &out),
        Command::Man { out: folder } => shell::man(folder.as_deref(), &out),
    }?;
    out.finish()?;
    Ok(code)
}
