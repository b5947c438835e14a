//! `list`: loss and freeze lists (挂失、冻结名单) as files: made, merged, compared, checked, shown.

mod check;
mod csv_file;
mod files;
mod report;

use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use xuejika_card_model::date::{Date, Time};
use xuejika_card_model::ident::{CardSerial, UnitCode};
use xuejika_card_model::list::{Edition, List, Moment};
use xuejika_keyscheme::KeyId;

use crate::calendar_args::HolidayArgs;
use crate::clock;
use crate::exit::{Code, Failure, Outcome};
use crate::key_verbs::source::SourceArgs;
use crate::output::Output;

pub(crate) use files::Keys;
pub(crate) use files::of_files;
use files::{AnyList, list_key_id};
use report::{EntryReport, FileReport, FindingReport};

const CSV: &str = "\
A CSV file has a heading and these columns; all but the first three may be left out:
  card_serial     16 digits
  kind            loss (挂失), freeze (冻结) or replaced (补卡)
  reported_date   as 2026-09-01
  reported_time   as 09:30:00; by default midnight
  unit            who took the report; by default the unit of the list
  effective       first day it holds; by default, for a loss, the second working day after the report
  reason          a code of the school record, such as 52 (left school)
  withdrawn_date  when it was withdrawn (解挂, 解冻)
  withdrawn_time
  generation      how often the card had been recalled and restocked (代次); without it the entry
                  concerns the card whoever has it later";

/// `list`.
#[derive(Debug, Subcommand)]
pub(crate) enum ListCommand {
    /// Make a list of the reports in a CSV file.
    #[command(after_help = CSV)]
    Build(BuildArgs),
    /// Merge lists upwards: schools into a district's list, districts into the city's.
    Merge(MergeArgs),
    /// Write what the readers of one unit need of a wider list: every entry that stands.
    Part(PartArgs),
    /// Write what changed from one version of a list to a later one.
    Diff(DiffArgs),
    /// Lead a list to the next version by a delta.
    Apply(ApplyArgs),
    /// Check files: authentic, fresh, within the limits of the rules; status 1 tells of findings.
    Check(CheckArgs),
    /// Show the entries of a file, or what it says about one card.
    #[command(after_help = CSV)]
    Show(ShowArgs),
}

/// Which version of which unit's file is written, and where.
#[derive(Debug, Args)]
pub(crate) struct EditionArgs {
    /// Unit whose file it is: 6 digits, 000000 for the city, dd0000 for a district.
    #[arg(long, value_name = "UNIT")]
    scope: UnitCode,
    /// Version of the file, 1 or above.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    version: u32,
    /// Day of issue, as 2026-09-01. By default the date in Beijing.
    #[arg(long)]
    date: Option<Date>,
    /// Time of issue, as 08:30:00. By default the time in Beijing.
    #[arg(long)]
    time: Option<Time>,
    #[command(flatten)]
    to: ToArgs,
}

/// Where a list is written.
#[derive(Debug, Args)]
pub(crate) struct ToArgs {
    #[command(flatten)]
    keys: SourceArgs,
    /// Root of the list key, as DF80-81-01-01: zone, number, version, algorithm.
    #[arg(long, value_name = "ID", default_value = "DF80-81-01-01", value_parser = list_key_id)]
    pub(crate) key: KeyId,
    /// The file to write; an existing one is never overwritten.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

/// `list build`.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// The reports, `-` for stdin.
    #[arg(value_name = "CSV")]
    reports: PathBuf,
    /// Earlier version of the list, which the reports are added to.
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    /// Make a list although the file holds no report.
    #[arg(long)]
    empty: bool,
    #[command(flatten)]
    holidays: HolidayArgs,
    #[command(flatten)]
    edition: EditionArgs,
}

/// `list merge`.
#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// The lists, an earlier version of the merged one among them.
    #[arg(value_name = "FILE", required = true)]
    lists: Vec<PathBuf>,
    #[command(flatten)]
    edition: EditionArgs,
}

/// `list part`.
#[derive(Debug, Args)]
pub(crate) struct PartArgs {
    /// The list.
    #[arg(value_name = "FILE")]
    list: PathBuf,
    #[command(flatten)]
    edition: EditionArgs,
}

/// `list diff`.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The earlier version.
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The later version.
    #[arg(value_name = "NEW")]
    new: PathBuf,
    #[command(flatten)]
    to: ToArgs,
}

/// `list apply`.
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// The list.
    #[arg(value_name = "LIST")]
    list: PathBuf,
    /// The change.
    #[arg(value_name = "DELTA")]
    delta: PathBuf,
    #[command(flatten)]
    to: ToArgs,
}

/// `list check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Lists and deltas.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Today, as 2026-09-01. By default the date in Beijing.
    #[arg(long)]
    date: Option<Date>,
    #[command(flatten)]
    holidays: HolidayArgs,
    #[command(flatten)]
    keys: SourceArgs,
}

/// `list show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// A list or a delta.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Show one card only; status 1 if it is not listed.
    #[arg(long, value_name = "S")]
    card: Option<CardSerial>,
    /// Write the entries as a CSV file that `list build` reads.
    #[arg(long, conflicts_with = "card")]
    csv: bool,
    #[command(flatten)]
    keys: SourceArgs,
}

/// Does what the verb says.
pub(crate) fn run(command: &ListCommand, out: &Output) -> Outcome<Code> {
    match command {
        ListCommand::Build(args) => build(args, out),
        ListCommand::Merge(args) => {
            let (keys, edition) = args.edition.open()?;
            let lists =
                args.lists.iter().map(|path| keys.list(path)).collect::<Outcome<Vec<_>>>()?;
            let merged = List::merge(edition, &lists).map_err(of_files(&args.lists))?;
            let differences: Vec<_> = merged.entries().disagreements().collect();
            let code = args.edition.to.write("merge", &keys, merged, out)?;
            let report =
                |difference| out.report(&FindingReport::new(&args.edition.to.output, difference));
            differences.iter().try_for_each(report)?;
            Ok(code)
        }
        ListCommand::Part(args) => {
            let (keys, edition) = args.edition.open()?;
            let part = keys.list(&args.list)?.part(edition).map_err(of_files([&args.list]))?;
            args.edition.to.write("part", &keys, part, out)
        }
        ListCommand::Diff(args) => {
            let keys = Keys::open(&args.to.keys)?;
            let (old, new) = (keys.list(&args.old)?, keys.list(&args.new)?);
            let change = new.since(&old).map_err(of_files([&args.old, &args.new]))?;
            args.to.write("diff", &keys, change, out)
        }
        ListCommand::Apply(args) => {
            let keys = Keys::open(&args.to.keys)?;
            let (list, delta) = (keys.list(&args.list)?, keys.delta(&args.delta)?);
            let list = delta.apply(&list).map_err(of_files([&args.list, &args.delta]))?;
            args.to.write("apply", &keys, list, out)
        }
        ListCommand::Check(args) => check::run(args, out),
        ListCommand::Show(args) => show(args, out),
    }
}

fn build(args: &BuildArgs, out: &Output) -> Outcome<Code> {
    let (keys, edition) = args.edition.open()?;
    let holidays = args.holidays.read()?;
    let reports = csv_file::read(&args.reports, &edition, &holidays)?;
    if reports.is_empty() != args.empty {
        let problem = if args.empty {
            "holds reports, but --empty was given"
        } else {
            "holds no report; --empty makes a list without"
        };
        return Err(Failure::usage(anyhow!("{}: {problem}", args.reports.display())));
    }
    let list = match &args.base {
        Some(path) => keys.list(path)?.next(edition, reports).map_err(of_files([path]))?,
        None => List::new(edition, reports).map_err(of_files([&args.reports]))?,
    };
    args.edition.to.write("build", &keys, list, out)
}

fn show(args: &ShowArgs, out: &Output) -> Outcome<Code> {
    let list = Keys::open(&args.keys)?.any(&args.file)?;
    if args.csv {
        out.csv(csv_file::emit(list.entries())?)?;
        return Ok(Code::AsExpected);
    }
    if let Some(card) = args.card {
        let entries = list.entries().of(card);
        entries.iter().try_for_each(|entry| out.report(&EntryReport::from(entry)))?;
        return Ok(Code::of(!entries.is_empty()));
    }
    out.report(&FileReport::new("show", &args.file, &list))?;
    list.entries().iter().try_for_each(|entry| out.report(&EntryReport::from(entry)))?;
    Ok(Code::AsExpected)
}

impl EditionArgs {
    /// Where the file is written, and with which key.
    pub(crate) const fn to(&self) -> &ToArgs {
        &self.to
    }

    /// The keys, and the edition with its date.
    pub(crate) fn open(&self) -> Outcome<(Keys, Edition)> {
        let (date, time) = clock::stamp(&clock::env(None)?, self.date, self.time)?;
        let issued = Moment { date, time };
        let edition = Edition { scope: self.scope, version: self.version, issued };
        Ok((Keys::open(&self.to.keys)?, edition))
    }
}

impl ToArgs {
    /// Writes the file and tells of it.
    fn write(
        &self,
        operation: &'static str,
        keys: &Keys,
        list: impl Into<AnyList>,
        out: &Output,
    ) -> Outcome<Code> {
        let list = list.into();
        keys.write(&self.output, &self.key, list.edition().scope, |mac| list.emit(mac))?;
        out.report(&FileReport::new(operation, &self.output, &list))?;
        Ok(Code::AsExpected)
    }
}
