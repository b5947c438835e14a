//! `batch readback`: the sampled cards of a batch, one after the other, each compared with its row. A
//! card proves its education and extension keys; nothing is written to it.
//!
//! What was read is appended to a progress file, one line per card, durable before the next card is
//! asked for, so that a reading can be broken off and taken up again.

mod compare;
mod progress_file;

use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::path::PathBuf;

use anyhow::anyhow;
use clap::Args;
use serde::Serialize;
use xuejika_batch::file::digest;
use xuejika_batch::one_row::{self, OneRow};
use xuejika_batch::sample::Sample;
use xuejika_batch::{Delivery, Plan};
use xuejika_card_model::ident::CardSerial;
use xuejika_reader::StockCard;
use xuejika_reader::channel::trace::Trace;

use super::roots::{BatchRoots, RootArgs};
use super::sample;
use crate::clock;
use crate::exit::{Code, Failure, Outcome, say};
use crate::output::Output;
use crate::shown::{Lines, Show};
use crate::target::Target;
use compare::{Comparer, Difference};
use progress_file::ProgressFile;

/// `batch readback`.
#[derive(Debug, Args)]
pub(crate) struct ReadbackArgs {
    /// Folder with the manifest batch.toml in it, or a manifest.
    #[arg(value_name = "DIR")]
    batch: PathBuf,
    #[command(flatten)]
    roots: RootArgs,
    /// The sample, as `batch sample --out` wrote it.
    #[arg(long, value_name = "FILE")]
    sample: PathBuf,
    /// Where the cards are presented; see the end of `xuejika --help`.
    #[arg(short, long, value_name = "T")]
    target: Target,
    /// What was read so far; made if it is not there. By default the sample with `.progress` behind.
    #[arg(long, value_name = "FILE")]
    progress: Option<PathBuf>,
    /// Read one card and end.
    #[arg(long)]
    one: bool,
}

/// Reads presented cards until all of the sample were read or nobody presents another one.
pub(crate) fn run(args: &ReadbackArgs, out: &Output) -> Outcome<Code> {
    let delivery = Delivery::open(&args.batch)?;
    let plan = one_row::plan(&delivery)?;
    let (sample, sample_sha256) = sample::read(&args.sample)?;
    let rows = sampled_rows(&delivery, &plan, &sample)?;
    let roots = BatchRoots::open(&args.roots, &plan)?;
    let keys = roots.roots().city.ok_or_else(|| {
        Failure::usage(anyhow!("cards prove their keys to roots: --keys test or a key file"))
    })?;
    let path = args.progress.clone().unwrap_or_else(|| {
        let mut path = args.sample.clone().into_os_string();
        path.push(".progress");
        path.into()
    });
    let mut desk = Desk {
        comparer: Comparer { plan: &plan, keys, env: clock::env(None)? },
        rows,
        progress: ProgressFile::open(&path, &sample.batch, &sample_sha256)?,
    };
    let mut lines = io::stdin().lock().lines();
    while !desk.is_complete() {
        let presented = desk.read(&args.target, &out.trace)?;
        out.report(&presented)?;
        if args.one || desk.is_complete() {
            break;
        }
        let left = desk.left();
        say(format_args!("xuejika: {left} cards left; present the next one and press Enter"));
        if lines.next().is_none() {
            break;
        }
    }
    let end = desk.end(&sample);
    out.report(&end)?;
    Ok(Code::of(end.left == 0 && end.verdict == ACCEPTED))
}

const ACCEPTED: &str = "accepted";
const REFUSED: &str = "refused";
const INCOMPLETE: &str = "incomplete";

/// The rows of the sample, by serial; a sample of other files is refused.
fn sampled_rows(
    delivery: &Delivery,
    plan: &Plan,
    sample: &Sample,
) -> Outcome<BTreeMap<CardSerial, OneRow>> {
    let foreign = || Failure::usage(anyhow!("the sample was drawn from another batch"));
    if delivery.manifest.batch.number != sample.batch {
        return Err(foreign());
    }
    let mut serials = BTreeMap::new();
    for drawn in &sample.cards {
        let serial: CardSerial = drawn.serial.parse().map_err(Failure::usage)?;
        serials.insert(serial, drawn.row);
    }
    let wanted =
        |serial: Option<CardSerial>, _| serial.is_some_and(|serial| serials.contains_key(&serial));
    let (rows, ends) = one_row::read(delivery, plan, wanted)?;
    if hex::encode(digest(&ends)) != sample.files_sha256 {
        return Err(foreign());
    }
    let of_serial = |row: OneRow| row.row.serial.map(|serial| (serial, row));
    let rows: BTreeMap<_, _> = rows.into_values().filter_map(of_serial).collect();
    if rows.len() == serials.len() { Ok(rows) } else { Err(foreign()) }
}

/// Where cards are presented.
struct Desk<'a> {
    comparer: Comparer<'a>,
    rows: BTreeMap<CardSerial, OneRow>,
    progress: ProgressFile,
}

impl Desk<'_> {
    fn read(&mut self, target: &Target, trace: &Trace) -> Outcome<Presented> {
        let mut channel = target.open(&mut clock::env(None)?, trace, "card")?;
        let atr = channel.atr()?;
        let mut card = match StockCard::select(&mut channel) {
            Ok(card) => card,
            Err(xuejika_reader::Error::Channel(error)) => return Err(error.into()),
            Err(error) => return Ok(Presented::unknown(None, &error.to_string())),
        };
        let serial = match CardSerial::from_bytes(card.serial().0) {
            Ok(serial) => serial,
            Err(error) => return Ok(Presented::unknown(None, &error.to_string())),
        };
        let Some(row) = self.rows.get(&serial) else {
            return Ok(Presented::unknown(Some(serial), "is not in the sample"));
        };
        if self.progress.has(serial) {
            return Ok(Presented::unknown(Some(serial), "was read already"));
        }
        let mut differences = self.comparer.keys_and_record(&mut card, row)?;
        differences.extend(self.comparer.chip_and_wallet(&mut channel, &atr, row)?);
        self.progress.add(serial, row.number, differences.clone())?;
        Ok(Presented::read(serial, row.number, differences))
    }

    fn left(&self) -> usize {
        self.rows.keys().filter(|serial| !self.progress.has(**serial)).count()
    }

    fn is_complete(&self) -> bool {
        self.left() == 0
    }

    fn end(&self, sample: &Sample) -> End {
        let failed = self.progress.failed();
        let left = self.left();
        let refused = failed.len() > sample.accept as usize;
        let verdict = match (refused, left) {
            (true, _) => REFUSED,
            (false, 0) => ACCEPTED,
            (false, _) => INCOMPLETE,
        };
        let read = self.rows.len() - left;
        End { report: "readback", verdict, read, left, accept: sample.accept, failed }
    }
}

/// A card that was presented.
#[derive(Serialize)]
struct Presented {
    report: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    serial: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<u32>,
    /// `same`, `differs` or `left out`.
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differences: Vec<Difference>,
}

impl Presented {
    fn unknown(serial: Option<CardSerial>, reason: &str) -> Self {
        let serial = serial.map(|serial| serial.to_string());
        let reason = Some(reason.to_owned());
        let (report, result) = ("card", "left out");
        Self { report, serial, row: None, result, reason, differences: Vec::new() }
    }

    fn read(serial: CardSerial, row: u32, differences: Vec<Difference>) -> Self {
        let result = if differences.is_empty() { "same" } else { "differs" };
        let (serial, row) = (Some(serial.to_string()), Some(row));
        Self { report: "card", serial, row, result, reason: None, differences }
    }
}

impl Show for Presented {
    fn show(&self, to: &mut Lines) {
        let serial = self.serial.as_deref().unwrap_or("a card");
        let row = self.row.map(|row| format!(" row {row}")).unwrap_or_default();
        let reason = self.reason.iter().map(|reason| format!(": {reason}")).collect::<String>();
        to.line(format_args!("{serial}{row}: {}{reason}", self.result));
        for Difference { field, expected, found } in &self.differences {
            to.line(format_args!("    {field}: the row has {expected}, the card {found}"));
        }
    }
}

/// What was read so far.
#[derive(Serialize)]
struct End {
    report: &'static str,
    verdict: &'static str,
    read: usize,
    left: usize,
    accept: u32,
    /// Serials of cards that differ from their rows.
    failed: Vec<String>,
}

impl Show for End {
    fn show(&self, to: &mut Lines) {
        let Self { verdict, read, left, accept, failed, .. } = self;
        let differ = failed.len();
        to.line(format_args!(
            "{verdict}: {read} cards read, {left} left, {differ} differ where {accept} may"
        ));
        to.indented(4, |to| failed.iter().for_each(|serial| to.line(serial)));
    }
}
