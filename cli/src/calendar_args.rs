//! The holiday table of a run.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use xuejika_card_model::calendar::Holidays;

use crate::exit::{Failure, Outcome};
use crate::input;

/// Where the holidays come from.
#[derive(Debug, Args)]
pub(crate) struct HolidayArgs {
    /// Holidays of further years: a line `2027 01-01..01-03 work 01-09` for each.
    #[arg(long, value_name = "FILE")]
    holidays: Option<PathBuf>,
}

impl HolidayArgs {
    /// The built-in holidays, and those of the file in their place.
    pub(crate) fn read(&self) -> Outcome<Holidays> {
        let mut holidays = Holidays::published();
        if let Some(path) = &self.holidays {
            let text = input::text(path, input::MAX_TEXT).map_err(Failure::usage)?;
            let own = text.parse().with_context(|| path.display().to_string());
            holidays.replace(own.map_err(Failure::usage)?);
        }
        Ok(holidays)
    }
}
