//! `desk stock`: the ledger of a unit's cards. `desk slip`: the slips they go with.

use core::fmt::{self, Display};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use serde::Serialize;
use xuejika_card_model::date::Date;
use xuejika_card_model::desk::stock::{
    Cards, CountedCards, Ledger, Movement, Overdue, Slip, SlipLine, Stay, StockEntry,
};
use xuejika_card_model::ident::UnitCode;

use super::file;
use crate::calendar_args::{HolidayArgs, warn_of_years};
use crate::clock;
use crate::exit::{Code, Failure, Outcome};
use crate::output::Output;

/// The columns, for the help.
pub(super) const COLUMNS: &str = "\
Columns of a ledger, in any order of the lines:
  day          as 2026-09-01
  movement     in: 1 received 领取入库, 2 returned 交回入库, 3 moved in 随转入学生入库,
               4 fault in 故障卡入库, 5 recalled in 回收入库; out: 6 handed out 下发出库,
               7 personalised 个人化出库, 8 fault up 故障卡上交, 9 recalled up 回收上交
  cards        serials, as 1100260100000014 or 1100260100000014..1100260100000048
  counterpart  unit on the other side; empty for the supplier or a pupil
  slip         number of the slip the cards go with; may be left out
A counted file has the column cards.";

/// `desk stock`.
#[derive(Debug, Subcommand)]
pub(crate) enum StockCommand {
    /// How many cards came in and went out, and how many are in stock.
    #[command(after_help = COLUMNS)]
    Balance(LedgerArgs),
    /// The cards in stock, with the day they came in.
    #[command(after_help = COLUMNS)]
    Cards(LedgerArgs),
    /// Cards that should have been passed on within ten working days; status 1 if there are any.
    #[command(after_help = COLUMNS)]
    Overdue(OverdueArgs),
    /// Compare the stock with what was counted (清点); status 1 if it differs.
    #[command(after_help = COLUMNS)]
    Count(CountArgs),
}

/// `desk slip`.
#[derive(Debug, Subcommand)]
pub(crate) enum SlipCommand {
    /// Write the slip of cards that leave a stock (交接单).
    #[command(after_help = COLUMNS)]
    Make(MakeArgs),
    /// Compare a slip with what was counted, and write the lines of the receiver's ledger; status 1 if
    /// it differs and the sender has to make it anew.
    #[command(after_help = COLUMNS)]
    Check(CheckArgs),
}

/// A ledger and a day.
#[derive(Debug, Args)]
pub(crate) struct LedgerArgs {
    /// The ledger, a .csv or .json file, `-` for stdin.
    #[arg(value_name = "LEDGER")]
    ledger: PathBuf,
    /// Unit whose stock it is: 6 digits, 000000 for the city, dd0000 for a district.
    #[arg(long)]
    unit: UnitCode,
    /// At the end of this day. By default the date in Beijing.
    #[arg(long)]
    date: Option<Date>,
}

/// `desk stock overdue`.
#[derive(Debug, Args)]
pub(crate) struct OverdueArgs {
    #[command(flatten)]
    ledger: LedgerArgs,
    /// Temporary and spare cards, which may stay.
    #[arg(long, value_name = "N", default_value_t = 0)]
    keep: usize,
    #[command(flatten)]
    holidays: HolidayArgs,
}

/// `desk stock count`.
#[derive(Debug, Args)]
pub(crate) struct CountArgs {
    #[command(flatten)]
    ledger: LedgerArgs,
    /// What was counted, a .csv or .json file.
    #[arg(long, value_name = "FILE")]
    counted: PathBuf,
}

/// `desk slip make`.
#[derive(Debug, Args)]
pub(crate) struct MakeArgs {
    /// The sender's ledger, a .csv or .json file, `-` for stdin.
    #[arg(value_name = "LEDGER")]
    ledger: PathBuf,
    /// The sender: 6 digits.
    #[arg(long)]
    unit: UnitCode,
    /// Number of the slip, as the ledger has it.
    #[arg(long, value_name = "NO")]
    slip: String,
}

/// `desk slip check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// The slip, a .csv or .json file, `-` for stdin.
    #[arg(value_name = "SLIP")]
    slip: PathBuf,
    /// What was counted, a .csv or .json file.
    #[arg(long, value_name = "FILE")]
    counted: PathBuf,
    /// Day of the count. By default the date in Beijing.
    #[arg(long)]
    date: Option<Date>,
}

/// How many cards moved so, or are there.
#[derive(Debug, Serialize)]
struct Position {
    position: &'static str,
    #[serde(skip)]
    chinese: &'static str,
    cards: u64,
}

impl Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { position, chinese, cards } = self;
        write!(f, "{position} {chinese}: {cards}")
    }
}

/// A card in stock.
#[derive(Debug, Serialize)]
struct InStock {
    card: String,
    since: String,
    movement: &'static str,
}

impl From<&Stay> for InStock {
    fn from(stay: &Stay) -> Self {
        Self {
            card: stay.card.to_string(),
            since: stay.since.to_string(),
            movement: stay.movement.english(),
        }
    }
}

impl Display for InStock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { card, since, movement } = self;
        write!(f, "{card}: {movement} on {since}")
    }
}

/// Cards that stay too long.
#[derive(Debug, Serialize)]
struct OverdueReport {
    since: String,
    due: String,
    count: usize,
    cards: String,
}

impl From<&Overdue> for OverdueReport {
    fn from(Overdue { since, due, cards }: &Overdue) -> Self {
        let (since, due) = (since.to_string(), due.to_string());
        let ranges: Vec<_> = cards.ranges().iter().map(ToString::to_string).collect();
        Self { since, due, count: cards.count(), cards: ranges.join(" ") }
    }
}

impl Display for OverdueReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { since, due, count, cards } = self;
        write!(f, "{count} cards received on {since} had to be passed on by {due}: {cards}")
    }
}

/// Does what the verb says.
pub(super) fn run(command: &StockCommand, csv: bool, out: &Output) -> Outcome<Code> {
    match command {
        StockCommand::Balance(args) => {
            let (ledger, on) = args.open()?;
            file::print(csv, &balance(&ledger, on), out)?;
            Ok(Code::AsExpected)
        }
        StockCommand::Cards(args) => {
            let (ledger, on) = args.open()?;
            let cards: Vec<_> = ledger.in_stock(on).map(InStock::from).collect();
            file::print(csv, &cards, out)?;
            Ok(Code::AsExpected)
        }
        StockCommand::Overdue(args) => args.run(csv, out),
        StockCommand::Count(CountArgs { ledger, counted }) => {
            let (ledger, on) = ledger.open()?;
            let stock: Cards = ledger.in_stock(on).map(|stay| stay.card).collect();
            let difference = stock.expect(&count(counted)?);
            let named = difference.with_context(|| counted.display().to_string());
            named.map_err(super::finding)?;
            file::print(csv, &[in_stock(stock.count())], out)?;
            Ok(Code::AsExpected)
        }
    }
}

/// Makes a slip, or checks one.
pub(super) fn run_slip(command: &SlipCommand, out: &Output) -> Outcome<Code> {
    match command {
        SlipCommand::Make(MakeArgs { ledger, unit, slip }) => {
            let slip = Slip::of_ledger(&open(ledger, *unit)?, slip).map_err(super::finding)?;
            file::print_lines(&slip.lines().collect::<Vec<SlipLine>>(), out)?;
        }
        SlipCommand::Check(CheckArgs { slip, counted, date }) => {
            let counted_on = clock::stamp(&clock::env(None)?, *date, None)?.0;
            let slip = Slip::new(&file::read(slip)?).map_err(file::findings(slip))?;
            let received = slip.receive(&count(counted)?).map_err(|difference| {
                let anew = "the sender has to make the slip anew (操作规程 一/九(四))";
                let named = format!("{}: {anew}", counted.display());
                super::finding(anyhow::Error::from(difference).context(named))
            })?;
            let entries: Vec<StockEntry> = received.entries(counted_on).collect();
            file::print_lines(&entries, out)?;
        }
    }
    Ok(Code::AsExpected)
}

impl LedgerArgs {
    fn open(&self) -> Outcome<(Ledger, Date)> {
        let on = clock::stamp(&clock::env(None)?, self.date, None)?.0;
        Ok((open(&self.ledger, self.unit)?, on))
    }
}

impl OverdueArgs {
    fn run(&self, csv: bool, out: &Output) -> Outcome<Code> {
        let (ledger, on) = self.ledger.open()?;
        let holidays = self.holidays.read()?;
        let overdue = ledger.overdue(on, self.keep, &holidays).map_err(Failure::usage)?;
        let oldest = ledger.in_stock(on).map(|stay| stay.since).min();
        warn_of_years(oldest.into_iter().flat_map(|since| holidays.not_covered(since, on)));
        let reports: Vec<_> = overdue.iter().map(OverdueReport::from).collect();
        file::print(csv, &reports, out)?;
        Ok(Code::of(overdue.is_empty()))
    }
}

fn open(path: &Path, unit: UnitCode) -> Outcome<Ledger> {
    Ledger::new(unit, &file::read(path)?).map_err(file::findings(path))
}

fn count(path: &Path) -> Outcome<Cards> {
    let lines = file::read::<CountedCards>(path)?;
    Cards::in_lines(&lines, |counted| counted.cards).map_err(file::findings(path))
}

fn balance(ledger: &Ledger, on: Date) -> Vec<Position> {
    let moved = Movement::ALL.iter().map(|movement| Position {
        position: movement.english(),
        chinese: movement.chinese(),
        cards: ledger.moved(*movement, on),
    });
    let mut positions: Vec<_> = moved.filter(|position| position.cards > 0).collect();
    positions.push(in_stock(ledger.in_stock(on).count()));
    positions
}

fn in_stock(cards: usize) -> Position {
    Position { position: "in stock", chinese: "库存", cards: cards as u64 }
}
