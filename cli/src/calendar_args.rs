//! The holiday table of a run.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use xuejika_card_model::calendar::{HolidayError, Holidays};

use crate::exit::{Failure, Outcome, say};
use crate::input::{self, MAX_TEXT};

/// Where the holidays come from.
#[derive(Debug, Args)]
pub(crate) struct HolidayArgs {
    /// Holidays of further years: a line `2027 01-01..01-03 work 01-09` for each.
    #[arg(long, value_name = "FILE")]
    holidays: Option<PathBuf>,
}

/// Says which years have no published holidays, once each.
pub(crate) fn warn_of_years(years: impl IntoIterator<Item = u16>) {
    for year in years.into_iter().collect::<BTreeSet<_>>() {
        say(format_args!(
            "xuejika: the holidays of {year} are not known: weekends and holidays of fixed date \
             counted; --holidays FILE supplies a table"
        ));
    }
}

impl HolidayArgs {
    /// The built-in holidays, and those of the file in their place.
    pub(crate) fn read(&self) -> Outcome<Holidays> {
        let mut holidays = Holidays::published();
        if let Some(path) = &self.holidays {
            let text = input::text(path, MAX_TEXT).map_err(Failure::usage)?;
            let own = text.parse::<Holidays>().map_err(|HolidayError { line, problem }| {
                Failure::usage(anyhow!("{}:{line}: {problem}", path.display()))
            });
            holidays.replace(own?);
        }
        Ok(holidays)
    }
}
