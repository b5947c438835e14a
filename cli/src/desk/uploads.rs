//! `desk uploads`: files of personalisation uploads (个人化信息上传), from school to district to city.

mod csv_file;
mod report;

use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde::Serialize;
use xuejika_card_model::date::Date;
use xuejika_card_model::desk::Uploads;
use xuejika_card_model::ident::CardSerial;

use crate::clock;
use crate::exit::{Code, Failure, Outcome};
use crate::key_verbs::source::SourceArgs;
use crate::list::{EditionArgs, Keys, of_files};
use crate::output::Output;
use crate::shown::Show;
use crate::spreadsheet::Csv;

use report::{FileReport, FindingReport, RecordReport};

const CSV: &str = "\
A CSV file has a heading and a line for each personalisation, as `desk personalisation --csv` and
`desk uploads show --csv` write them. These columns are needed:
  card_serial, student_number, record_type, name, sex, birth_date, school_name, grade, valid_until,
  personalised_on, terminal, count
and these may be left out or empty:
  generation      how often the card was recalled and restocked (代次); 0
  rare_character, temporary, issued    true or false; false
  education_id    教育ID, which tells namesakes of one birthday apart
  lost_card       the lost card that a temporary card stands in for
  personalised_by the unit; by default the unit of the file
  ended_on        day the card was recalled, given back, cancelled or replaced (停用日期)
  unit, stage, upload_by    follow from the student number and personalised_on, and must agree
  uploaded_at, stated_at    not read: it is stated when the file is issued";

/// `desk uploads`.
#[derive(Debug, Subcommand)]
pub(super) enum UploadsCommand {
    /// Make a file of records in CSV files, or the next version of one.
    #[command(after_help = CSV)]
    Build(BuildArgs),
    /// Merge files upwards: schools into a district's file, districts into the city's.
    Merge(MergeArgs),
    /// Check files against the rules; status 1 tells of findings.
    Check(CheckArgs),
    /// Show the records of a file.
    Show(ShowArgs),
}

/// `desk uploads build`.
#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// The records, `-` for stdin.
    #[arg(value_name = "CSV", required = true)]
    records: Vec<PathBuf>,
    /// Earlier version of the file, which the records are added to.
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    /// Make a file although there is no record.
    #[arg(long)]
    empty: bool,
    #[command(flatten)]
    edition: EditionArgs,
}

/// `desk uploads merge`.
#[derive(Debug, Args)]
pub(super) struct MergeArgs {
    /// The files, an earlier version of the merged one among them.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    edition: EditionArgs,
}

/// `desk uploads check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Files of uploads.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Loss and freeze lists (挂失冻结名单), which tell what was lost, found and replaced.
    #[arg(long = "list", value_name = "FILE")]
    lists: Vec<PathBuf>,
    /// Today, as 2026-09-01. By default the date in Beijing.
    #[arg(long)]
    date: Option<Date>,
    #[command(flatten)]
    keys: SourceArgs,
}

/// `desk uploads show`.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// A file of uploads.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Show one card only; status 1 if there is nothing about it.
    #[arg(long, value_name = "S")]
    card: Option<CardSerial>,
    #[command(flatten)]
    keys: SourceArgs,
}

/// Does what the verb says.
pub(super) fn run(command: &UploadsCommand, csv: bool, out: &Output) -> Outcome<Code> {
    match command {
        UploadsCommand::Build(args) => build(args, csv, out),
        UploadsCommand::Merge(args) => {
            let (keys, edition) = args.edition.open()?;
            let files = args.files.iter().map(|path| keys.uploads(path));
            let files = files.collect::<Outcome<Vec<_>>>()?;
            let merged = Uploads::merge(edition, &files).map_err(of_files(&args.files))?;
            write("merge", &args.edition, &keys, &merged, csv, out)
        }
        UploadsCommand::Check(args) => check(args, csv, out),
        UploadsCommand::Show(args) => show(args, csv, out),
    }
}

fn build(args: &BuildArgs, csv: bool, out: &Output) -> Outcome<Code> {
    let (keys, edition) = args.edition.open()?;
    let mut records = Vec::new();
    for path in &args.records {
        records.append(&mut csv_file::read(path, &edition)?);
    }
    if records.is_empty() != args.empty {
        let problem = if args.empty {
            "there are records, but --empty was given"
        } else {
            "there is no record; --empty makes a file without"
        };
        let names: Vec<_> = args.records.iter().map(|path| path.display().to_string()).collect();
        return Err(Failure::usage(anyhow!("{}: {problem}", names.join(", "))));
    }
    let uploads = match &args.base {
        Some(path) => keys.uploads(path)?.next(edition, records).map_err(of_files([path]))?,
        None => Uploads::new(edition, records).map_err(of_files(&args.records))?,
    };
    write("build", &args.edition, &keys, &uploads, csv, out)
}

fn check(args: &CheckArgs, csv: bool, out: &Output) -> Outcome<Code> {
    let keys = Keys::open(&args.keys)?;
    let (today, _) = clock::stamp(&clock::env(None)?, args.date, None)?;
    let lists = args.lists.iter().map(|path| keys.list(path)).collect::<Outcome<Vec<_>>>()?;
    let lists: Vec<_> = lists.iter().collect();
    let mut read: Vec<(&PathBuf, Uploads)> = Vec::new();
    let mut findings = Vec::new();
    for path in &args.files {
        let uploads = keys.uploads(path)?;
        if !csv {
            out.report(&FileReport::new("check", path, &uploads))?;
        }
        for (card, finding) in uploads.findings(&lists, today) {
            findings.push(FindingReport::new(path, card, &finding));
        }
        let issued = uploads.edition().issued.date;
        if issued > today {
            let detail = format!("issued {issued}, after {today}");
            findings.push(FindingReport::of_file(path, "ahead", detail));
        }
        for (other, earlier) in &read {
            if let Err(error) = uploads.stands_beside(earlier) {
                let detail = format!("with {}: {error}", other.display());
                findings.push(FindingReport::of_file(path, "edition", detail));
            }
        }
        read.push((path, uploads));
    }
    give(&findings, csv, out)?;
    Ok(Code::of(findings.is_empty()))
}

fn show(args: &ShowArgs, csv: bool, out: &Output) -> Outcome<Code> {
    let uploads = Keys::open(&args.keys)?.uploads(&args.file)?;
    let records = match args.card {
        Some(card) => uploads.entries().of(card).iter(),
        None => uploads.entries().iter(),
    };
    let records: Vec<_> = records.map(RecordReport).collect();
    if args.card.is_none() && !csv {
        out.report(&FileReport::new("show", &args.file, &uploads))?;
    }
    give(&records, csv, out)?;
    Ok(Code::of(args.card.is_none() || !records.is_empty()))
}

/// Writes a new file and tells of it.
fn write(
    operation: &'static str,
    to: &EditionArgs,
    keys: &Keys,
    uploads: &Uploads,
    csv: bool,
    out: &Output,
) -> Outcome<Code> {
    let (scope, to) = (uploads.edition().scope, to.to());
    keys.write(&to.output, &to.key, scope, |mac| uploads.emit(mac))?;
    give(&[FileReport::new(operation, &to.output, uploads)], csv, out)?;
    Ok(Code::AsExpected)
}

/// Prints reports, as a CSV table if asked for.
fn give(reports: &[impl Serialize + Show], csv: bool, out: &Output) -> Outcome<()> {
    if csv {
        return out.csv(Csv::of(reports).map_err(Failure::device)?);
    }
    reports.iter().try_for_each(|report| out.report(report))
}
