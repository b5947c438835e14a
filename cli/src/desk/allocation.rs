//! `desk allocation`: cards to hand out and to recall.

use core::fmt;
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use xuejika_card_model::desk::{Allocation, AllocationPlan, SPARE};
use xuejika_card_model::ident::UnitCode;

use super::file;
use crate::exit::{Code, Outcome};
use crate::output::Output;

/// The columns, for the help.
pub(super) const COLUMNS: &str = "\
Columns of the file, one line for each school:
  unit          the school: 6 digits
  pupils        its pupils: the printed-card data that were taken in
  held          cards that it was handed out and has not given back
  ordered_back  cards that the city orders back; may be left out";

/// `desk allocation`.
#[derive(Debug, Args)]
pub(crate) struct AllocationArgs {
    /// The schools, a .csv or .json file, `-` for stdin.
    #[arg(value_name = "FILE")]
    schools: PathBuf,
    /// Who allocates: a district, or the city.
    #[arg(long, value_name = "UNIT", default_value = "000000")]
    unit: UnitCode,
}

/// An allocation as a line.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct Report(Allocation);

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Allocation { unit, pupils, spare, held, hand_out, recall } = self.0;
        let name = if unit.is_school() { "unit" } else { "all of unit" };
        write!(
            f,
            "{name} {unit}: {pupils} pupils 学生, {spare} spare ({SPARE}) 备用, {held} held 已发"
        )?;
        write!(f, ": hand out 应发 {hand_out}, recall 应回收 {recall}")
    }
}

/// Prints what each school gets and gives back, and what they do together.
pub(super) fn run(args: &AllocationArgs, csv: bool, out: &Output) -> Outcome<Code> {
    let lines = file::read(&args.schools)?;
    let plan = AllocationPlan::new(args.unit, &lines).map_err(file::findings(&args.schools))?;
    let all = plan.schools.into_iter().chain(plan.totals).map(Report);
    file::print(csv, &all.collect::<Vec<_>>(), out)?;
    Ok(Code::AsExpected)
}
