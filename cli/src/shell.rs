//! Completions and manual pages, made from the definition of the command line.

use std::fs;
use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Cli;
use crate::exit::{Code, Failure, Outcome};
use crate::output::Output;

/// Prints completions.
pub(crate) fn completions(shell: Shell, out: &Output) -> Outcome<Code> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut bytes);
    out.own_words(&bytes)?;
    Ok(Code::AsExpected)
}

/// Prints the manual page of the program, or writes the pages of all commands into a folder.
pub(crate) fn man(folder: Option<&Path>, out: &Output) -> Outcome<Code> {
    let command = Cli::command();
    if let Some(folder) = folder {
        fs::create_dir_all(folder)
            .and_then(|()| clap_mangen::generate_to(command, folder))
            .with_context(|| folder.display().to_string())
            .map_err(Failure::device)?;
    } else {
        let mut bytes = Vec::new();
        clap_mangen::Man::new(command).render(&mut bytes).map_err(Failure::device)?;
        out.own_words(&bytes)?;
    }
    Ok(Code::AsExpected)
}
