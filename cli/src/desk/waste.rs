//! `desk waste`: waste cards through wrong data.

use core::fmt;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use xuejika_card_model::desk::{WASTE_LIMIT, Waste, tally};

use super::file;
use crate::exit::{Code, Outcome};
use crate::output::Output;

/// The columns, for the help.
pub(super) const COLUMNS: &str = "\
Columns of the file, one line for each unit and batch:
  unit    unit whose data the cards were made from: 6 digits
  batch   batch they were made in
  cards   cards made
  wasted  those of them that are waste because the data were wrong";

/// `desk waste`.
#[derive(Debug, Args)]
pub(crate) struct WasteArgs {
    /// What came back, a .csv or .json file, `-` for stdin.
    #[arg(value_name = "FILE")]
    returned: PathBuf,
}

/// The waste of a unit as a line.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Report(Waste);

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Waste { batch, unit, cards, wasted, percent, liable } = &self.0;
        write!(f, "batch {batch}, unit {unit}: {wasted} of {cards} cards are waste, {percent} %")?;
        if *liable { write!(f, ", above {WASTE_LIMIT}: liable 承担经济责任") } else { Ok(()) }
    }
}

/// Prints the waste of each batch and level; a unit above the limit is a finding.
pub(super) fn run(args: &WasteArgs, csv: bool, out: &Output) -> Outcome<Code> {
    let lines = file::read(&args.returned)?;
    let waste = tally(&lines).map_err(file::findings(&args.returned))?;
    let none_liable = waste.iter().all(|waste| !waste.liable);
    file::print(csv, &waste.into_iter().map(Report).collect::<Vec<_>>(), out)?;
    Ok(Code::of(none_liable))
}
