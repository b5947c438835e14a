//! `desk register`: is an application filed, is a SAM registered.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args, Subcommand};
use xuejika_card_model::date::Date;
use xuejika_card_model::desk::{ApplicationCode, Applications, Sams};
use xuejika_card_model::ident::UnitCode;
use xuejika_card_model::management::SamSerial;
use xuejika_card_model::record::FilingNumber;

use super::{DeskArgs, file};
use crate::clock;
use crate::exit::{Code, Failure, Outcome};
use crate::output::Output;

const COLUMNS: &str = "\
Columns of the applications:
  filing       number they are filed under with the city: 8 digits
  application  code: 4 hexadecimal digits
  owner        unit that runs it: a school, a district or the city
  name
  filed_by     unit that filed it: the district for its schools and itself, the city for its own
  day          as 2026-09-01
Columns of the SAMs:
  sam          number: 16 digits, as in an authentication
  unit         unit whose reader it is in
  handed_to    district the reader was handed to; the city for its own
  day          as 2026-09-01
  withdrawn    day it was withdrawn; empty while it is in use";

/// `desk register`.
#[derive(Debug, Subcommand)]
pub(crate) enum RegisterCommand {
    /// Look up an application (应用备案), or a SAM (读写机具注册); status 1 if it may not be used.
    #[command(after_help = COLUMNS)]
    Check(CheckArgs),
}

/// `desk register check`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("register").required(true).args(["applications", "sams"]))]
pub(crate) struct CheckArgs {
    /// The register of applications, a .csv or .json file.
    #[arg(long, value_name = "FILE", requires_all = ["filing", "application", "owner"])]
    applications: Option<PathBuf>,
    /// Number the application is filed under (备案号): 8 digits.
    #[arg(long, value_name = "NO", value_parser = filing, requires = "applications")]
    filing: Option<FilingNumber>,
    /// Its code (应用代码): 4 hexadecimal digits.
    #[arg(long, value_name = "CODE", requires = "applications")]
    application: Option<ApplicationCode>,
    /// Unit that runs it (应用单位): 6 digits.
    #[arg(long, value_name = "UNIT", requires = "applications")]
    owner: Option<UnitCode>,
    /// The register of SAMs, a .csv or .json file.
    #[arg(long, value_name = "FILE", requires = "sam", conflicts_with = "applications")]
    sams: Option<PathBuf>,
    /// Number of the SAM: 16 digits, as in an authentication.
    #[arg(long, value_name = "S", requires = "sams")]
    sam: Option<SamSerial>,
    /// Unit it is expected at. By default any.
    #[arg(long, requires = "sams")]
    unit: Option<UnitCode>,
    /// Day it is used. By default the date in Beijing.
    #[arg(long)]
    date: Option<Date>,
}

fn filing(text: &str) -> Result<FilingNumber, String> {
    text.parse().map_err(|error| format!("{error}"))
}

/// Reads a register of applications.
pub(crate) fn applications(path: &Path) -> Outcome<Applications> {
    Applications::new(&file::read(path)?).map_err(file::findings(path))
}

/// Looks up what is asked for.
pub(super) fn run(command: &RegisterCommand, desk: &DeskArgs, out: &Output) -> Outcome<Code> {
    let RegisterCommand::Check(args) = command;
    let on = clock::stamp(&clock::env(None)?, args.date, None)?.0;
    match (&args.applications, args.filing, args.application, args.owner, &args.sams, args.sam) {
        (Some(path), Some(filing), Some(application), Some(owner), ..) => {
            let register = applications(path)?;
            let filed = register.application(filing, application, owner, on);
            desk.export(filed.map_err(super::finding)?, out)
        }
        (.., Some(path), Some(sam)) => {
            let register = Sams::new(&file::read(path)?).map_err(file::findings(path))?;
            desk.export(register.sam(sam, args.unit, on).map_err(super::finding)?, out)
        }
        _ => Err(Failure::usage(anyhow::anyhow!("expected --applications or --sams"))),
    }
}
