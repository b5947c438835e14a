//! `desk`: the records that school, district and city pass to each other about a card, as JSON, CSV
//! or text, and the books that each of them keeps.

mod allocation;
mod file;
mod rare;
pub(crate) mod register;
mod stock;
mod uploads;
mod waste;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value;
use xuejika_card_model::date::Date;
use xuejika_card_model::desk::{
    FaultCause, FaultOccasion, FaultSheet, Inspection, PersonalisationUpload, RecallLine,
    ReplacementCause, ReplacementForm,
};
use xuejika_card_model::ident::{CardSerial, StudentNumber, UnitCode};
use xuejika_card_model::list::{List, Moment};

use crate::args::StationArgs;
use crate::calendar_args::{HolidayArgs, warn_of_years};
use crate::districts::{self, DistrictArgs};
use crate::exit::{Code, Failure, Outcome};
use crate::key_verbs::source::DefaultSourceArgs;
use crate::list::Keys;
use crate::output::Output;
use crate::pupil_file::{self, Choice};
use crate::spreadsheet::Csv;
use crate::{clock, reader};

/// `desk`.
#[derive(Debug, Args)]
pub(crate) struct DeskArgs {
    #[command(subcommand)]
    command: DeskCommand,
    /// Write CSV: a heading and one line.
    #[arg(long, global = true, conflicts_with = "json")]
    csv: bool,
}

/// The records.
#[derive(Debug, Subcommand)]
enum DeskCommand {
    /// Personalisation upload record of a card (个人化信息).
    Personalisation(PersonalisationArgs),
    /// Files of personalisation uploads (个人化信息上传): made, merged upwards, checked, shown.
    #[command(subcommand)]
    Uploads(uploads::UploadsCommand),
    /// Fault sheet that goes up with a faulty card (故障卡说明单).
    Fault(FaultArgs),
    /// Line of a recall slip, for an inspected card (回收单).
    Recall(RecallArgs),
    /// Application for a new record card (补办申请单).
    Replacement(ReplacementArgs),
    /// Sheet that tells the district of a rare character in a name (生僻字描述文件).
    RareCharacter(rare::RareCharacterArgs),
    /// Cards to hand out to schools and to recall from them (学籍卡发放与回收).
    #[command(after_help = allocation::COLUMNS)]
    Allocation(allocation::AllocationArgs),
    /// Waste cards through wrong data (废卡), by batch and level; status 1 if somebody is liable.
    #[command(after_help = waste::COLUMNS)]
    Waste(waste::WasteArgs),
    /// The stock of a level: cards in and out (入库、出库).
    #[command(subcommand)]
    Stock(stock::StockCommand),
    /// Slips of cards that go from one level to the next (交接单).
    #[command(subcommand)]
    Slip(stock::SlipCommand),
    /// Registers of the city: filed applications and SAMs (应用备案、读写机具注册).
    #[command(subcommand)]
    Register(register::RegisterCommand),
}

/// `desk personalisation`.
#[derive(Debug, Args)]
struct PersonalisationArgs {
    #[command(flatten)]
    reader: StationArgs,
    /// Serial of the lost card that a temporary card stands in for: 16 digits.
    #[arg(long, value_name = "S")]
    lost: Option<CardSerial>,
}

/// `desk fault`.
#[derive(Debug, Args)]
struct FaultArgs {
    /// Serial of the card: 16 digits.
    #[arg(long, value_name = "S")]
    card: CardSerial,
    /// School that hands the card in: 6 digits.
    #[arg(long)]
    unit: UnitCode,
    /// When the fault showed: 1 (personalisation failed, 个人化失败) or 2 (card unusable, 不能正常使用).
    #[arg(long, value_name = "CODE")]
    occasion: FaultOccasion,
    /// What was seen.
    #[arg(long, value_name = "TEXT", default_value = "")]
    description: String,
    /// Day of the sheet. By default the date in Beijing.
    #[arg(long)]
    date: Option<Date>,
    /// Student number of the pupil.
    #[arg(long, value_name = "学籍号")]
    number: Option<StudentNumber>,
    /// Day the card was handed out.
    #[arg(long, value_name = "DATE")]
    issued_on: Option<Date>,
    /// The district's finding, as 2026-09-01=1: 1 (fault of the card, 卡片质量问题), 2 (damaged by the
    /// holder, 人为损坏) or 3 (no fault found, 未发现故障).
    #[arg(long, value_name = "DATE=CODE", value_parser = inspection)]
    district: Option<Inspection>,
    /// The city's finding, like the district's.
    #[arg(long, value_name = "DATE=CODE", value_parser = inspection, requires = "district")]
    city: Option<Inspection>,
    #[command(flatten)]
    districts: DistrictArgs,
}

/// `desk recall`.
#[derive(Debug, Args)]
struct RecallArgs {
    #[command(flatten)]
    reader: StationArgs,
    /// School that hands the card in: 6 digits.
    #[arg(long)]
    unit: UnitCode,
    /// The card did not pass the inspection.
    #[arg(long)]
    failed: bool,
    /// Remark.
    #[arg(long, value_name = "TEXT", default_value = "")]
    remark: String,
    #[command(flatten)]
    districts: DistrictArgs,
}

/// `desk replacement`.
#[derive(Debug, Args)]
struct ReplacementArgs {
    /// The pupil's data, a .toml or a .csv file.
    #[arg(long, value_name = "FILE")]
    pupil: PathBuf,
    /// Student number of the line of a .csv file.
    #[arg(long, value_name = "学籍号")]
    number: Option<StudentNumber>,
    /// Serial of the card to be replaced: 16 digits.
    #[arg(long, value_name = "S")]
    card: CardSerial,
    /// Why: 1 (lost, 丢失), 2 (damaged, 损坏) or 3 (fault of the card, 卡片质量问题).
    #[arg(long, value_name = "CODE")]
    cause: ReplacementCause,
    /// Day of the loss report, the damage or the fault.
    #[arg(long, value_name = "DATE")]
    since: Date,
    /// Day of the application. By default the date in Beijing.
    #[arg(long)]
    date: Option<Date>,
    /// Loss and freeze lists (挂失冻结名单), which tell whether the card was replaced already.
    #[arg(long = "list", value_name = "FILE")]
    lists: Vec<PathBuf>,
    #[command(flatten)]
    keys: DefaultSourceArgs,
    /// The card broke before it was handed out: not the holder's damage, no fee.
    #[arg(long)]
    not_issued: bool,
    /// Serial of the new card, once it was handed out.
    #[arg(long, value_name = "S", requires = "handed_out_on")]
    new_card: Option<CardSerial>,
    /// Day the new card was handed out.
    #[arg(long, value_name = "DATE", requires = "new_card")]
    handed_out_on: Option<Date>,
    #[command(flatten)]
    holidays: HolidayArgs,
    #[command(flatten)]
    districts: DistrictArgs,
}

/// Writes the record; what the rules refuse is a finding.
pub(crate) fn run(args: &DeskArgs, out: &Output) -> Outcome<Code> {
    match &args.command {
        DeskCommand::Personalisation(personalisation) => {
            args.export(&personalisation.record(out)?, out)
        }
        DeskCommand::Uploads(command) => uploads::run(command, args.csv, out),
        DeskCommand::Fault(fault) => args.export(&fault.sheet()?, out),
        DeskCommand::Recall(recall) => {
            districts::check(recall.unit, &recall.districts.read()?)?;
            let (contents, stamp) = reader::read_card(&recall.reader, out)?;
            let line = RecallLine::new(
                &contents.issuance,
                &contents.status,
                recall.unit,
                stamp.date,
                !recall.failed,
                recall.remark.clone(),
            );
            args.export(&line.map_err(finding)?, out)
        }
        DeskCommand::Replacement(replacement) => args.export(&replacement.form()?, out),
        DeskCommand::RareCharacter(rare) => args.export(&rare.sheet()?, out),
        DeskCommand::Allocation(allocation) => allocation::run(allocation, args.csv, out),
        DeskCommand::Waste(waste) => waste::run(waste, args.csv, out),
        DeskCommand::Stock(stock) => stock::run(stock, args.csv, out),
        DeskCommand::Slip(slip) => stock::run_slip(slip, out),
        DeskCommand::Register(register) => register::run(register, args, out),
    }
}

impl DeskArgs {
    fn export(&self, record: &impl Serialize, out: &Output) -> Outcome<Code> {
        if self.csv {
            out.csv(Csv::of([record]).map_err(Failure::device)?)?;
        } else if out.is_json() {
            out.object(record)?;
        } else {
            let fields = serde_json::to_value(record).map_err(Failure::device)?;
            for (field, value) in fields.as_object().into_iter().flatten() {
                let value = match value {
                    Value::Null => String::new(),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                out.lines(&format_args!("{field}: {value}"))?;
            }
        }
        Ok(Code::AsExpected)
    }
}

impl PersonalisationArgs {
    fn record(&self, out: &Output) -> Outcome<PersonalisationUpload> {
        let (contents, stamp) = reader::read_card(&self.reader, out)?;
        let (Some(pupil), Some(personalisation)) = (&contents.pupil, &contents.personalisation)
        else {
            let state = contents.status.state.english();
            return Err(finding(anyhow::anyhow!("no pupil is on the card: it is {state}")));
        };
        let at = Moment { date: stamp.date, time: stamp.time };
        let (issuance, status) = (&contents.issuance, &contents.status);
        let record = PersonalisationUpload::new(issuance, status, pupil, personalisation, at)
            .map_err(Failure::usage)?;
        self.lost.map_or(Ok(record), |lost| record.for_lost(lost)).map_err(Failure::usage)
    }
}

impl FaultArgs {
    fn sheet(&self) -> Outcome<FaultSheet> {
        districts::check(self.unit, &self.districts.read()?)?;
        let today = clock::stamp(&clock::env(None)?, self.date, None)?.0;
        let description = self.description.clone();
        let mut sheet = FaultSheet::new(self.card, self.unit, self.occasion, description, today);
        sheet.student_number = self.number;
        sheet.issued_on = self.issued_on;
        if let Some(inspection) = self.district {
            sheet = sheet.checked_by_district(inspection).map_err(finding)?;
        }
        match self.city {
            Some(inspection) => sheet.tested_by_city(inspection).map_err(finding),
            None => Ok(sheet),
        }
    }
}

impl ReplacementArgs {
    fn form(&self) -> Outcome<ReplacementForm> {
        let choice = self.number.map_or(Choice::Only, Choice::Number);
        let pupil = pupil_file::read(&self.pupil, &choice, &self.districts.read()?)?;
        let today = clock::stamp(&clock::env(None)?, self.date, None)?.0;
        let holidays = self.holidays.read()?;
        let lists = self.read_lists()?;
        let form =
            ReplacementForm::new(&pupil, self.card, self.cause, self.since, today, &holidays)
                .and_then(|form| form.unless_replaced(&lists.iter().collect::<Vec<_>>()))
                .map_err(finding)?;
        warn_of_years(holidays.not_covered(self.since, form.hand_out_by));
        let form = if self.not_issued { form.never_handed_out() } else { form };
        match (self.new_card, self.handed_out_on) {
            (Some(card), Some(on)) => form.hand_out(card, on).map_err(finding),
            _ => Ok(form),
        }
    }

    fn read_lists(&self) -> Outcome<Vec<List>> {
        if self.lists.is_empty() {
            return Ok(Vec::new());
        }
        let keys = Keys::from(self.keys.open()?);
        self.lists.iter().map(|path| keys.list(path)).collect()
    }
}

/// Reads `DATE=CODE`.
fn inspection(text: &str) -> Result<Inspection, String> {
    let (on, found) = text.split_once('=').ok_or("expected DATE=CODE, as 2026-09-01=1")?;
    Ok(Inspection {
        on: on.parse::<Date>().map_err(|error| error.to_string())?,
        found: found.parse::<FaultCause>().map_err(|error| error.to_string())?,
    })
}

fn finding(error: impl Into<anyhow::Error>) -> Failure {
    Failure::Because(Code::Findings, error.into())
}
