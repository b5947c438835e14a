//! Completions and manual pages, made from the definition of the command line.

use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use xuejika_emulator::files::{self, Access, Existing, FileError, NewFile, NewFolder};

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
        let made = NewFolder::create(folder)?;
        let mut command = command.disable_help_subcommand(true);
        command.build();
        let mut pages = Vec::new();
        write_pages(command, folder, &mut pages)?;
        files::commit_all(pages)?;
        made.keep();
    } else {
        let mut bytes = Vec::new();
        clap_mangen::Man::new(command).render(&mut bytes).map_err(Failure::device)?;
        out.own_words(&bytes)?;
    }
    Ok(Code::AsExpected)
}

/// Writes the pages of a command and of those below it, which are not there before all are.
fn write_pages(command: Command, folder: &Path, pages: &mut Vec<NewFile>) -> Outcome<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()).cloned() {
        write_pages(below, folder, pages)?;
    }
    let page = clap_mangen::Man::new(command);
    let path = folder.join(page.get_filename());
    let mut file = NewFile::create(&path, Existing::Replace, Access::Umask)?;
    page.render(&mut file).map_err(|error| FileError::of(&path, error))?;
    pages.push(file);
    Ok(())
}
