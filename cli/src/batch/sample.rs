//! `batch sample`: which cards of a batch are taken out of their boxes, drawn from a published seed so
//! that vendor and city draw the same ones, and what that proves.
//!
//! Random numbers are those of ChaCha20 (RFC 8439, with a 64-bit counter and a zero nonce) under the key
//! SHA-256("xuejika batch sample 1" ‖ length of the seed in one byte ‖ seed ‖ batch number, 12 ASCII
//! digits ‖ SHA-256 of each file, in the order of the manifest), taken eight bytes at a time, little
//! end first. Project-defined.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, ensure};
use clap::{ArgGroup, Args};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use xuejika_card_model::batch::sampling::{CONFIDENCE, Level, SamplePlan, draw};
use xuejika_card_model::batch::{Column, Plan, State};
use xuejika_card_model::ident::CardSerial;
use xuejika_emulator::files::{self, Access, Existing};

use super::walk::{self, Delivery, FileEnd};
use crate::exit::{Code, Failure, Outcome};
use crate::input::{self, MAX_DATA};
use crate::output::Output;
use crate::shown::{Lines, Show};

/// In front of everything that is hashed.
const LABEL: &[u8] = b"xuejika batch sample 1";

/// Version of the sample file.
const VERSION: u32 = 1;

/// `batch sample`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("how").required(true).args(["plan", "zero_failure"]))]
pub(crate) struct SampleArgs {
    /// Folder with the manifest batch.toml in it, or a manifest.
    #[arg(value_name = "DIR")]
    batch: PathBuf,
    /// Single sampling, normal inspection, of GB/T 2828.1: `gbt2828-` and the level, S-1 to S-4, I, II
    /// or III; or the level alone.
    #[arg(long, value_name = "PLAN", value_parser = level, requires = "aql")]
    plan: Option<Level>,
    /// Acceptable quality limit (AQL, 接收质量限) of the plan, in percent.
    #[arg(long, value_name = "PERCENT", value_parser = thousandths, requires = "plan")]
    aql: Option<u32>,
    /// The smallest sample that proves, without any failure, that not more than this percentage fails.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    zero_failure: Option<f64>,
    /// Published seed, in hexadecimal, up to 64 bytes. Choose it after the files are delivered.
    #[arg(long, value_name = "HEX", value_parser = seed)]
    seed: Seed,
    /// Write the sample to a file for `batch readback`; an existing one is never overwritten.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// A seed.
#[derive(Clone, Debug)]
struct Seed(Vec<u8>);

fn seed(text: &str) -> Result<Seed, String> {
    let bytes = crate::hex::parse(text).map_err(|error| error.to_string())?;
    if (1..=64).contains(&bytes.len()) {
        Ok(Seed(bytes))
    } else {
        Err("expected 1 to 64 bytes in hexadecimal".to_owned())
    }
}

fn level(text: &str) -> Result<Level, String> {
    let name = text.strip_prefix("gbt2828-").unwrap_or(text);
    let known = Level::ALL.iter().find(|(_, known)| *known == name);
    known.map(|(level, _)| *level).ok_or_else(|| {
        "expected gbt2828-S-1, -S-2, -S-3, -S-4, -I, -II or -III, or the level alone".to_owned()
    })
}

/// A percentage with up to three decimal places, in thousandths.
fn thousandths(text: &str) -> Result<u32, String> {
    let wrong = || "expected a percentage, as 0.65".to_owned();
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || decimals.len() > 3 || !digits(whole) || !digits(decimals) {
        return Err(wrong());
    }
    let number = format!("{whole}{decimals:0<3}");
    number.parse().map_err(|_| wrong())
}

fn percent(text: &str) -> Result<f64, String> {
    let value: f64 = text.parse().map_err(|_| "expected a percentage, as 0.24".to_owned())?;
    if value > 0.0 && value < 100.0 {
        Ok(value)
    } else {
        Err("expected a percentage above 0 and below 100".to_owned())
    }
}

/// A sample, as its file has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sample {
    schema: u32,
    /// Batch number.
    pub(crate) batch: String,
    /// SHA-256 over the hashes of its files.
    pub(crate) files_sha256: String,
    seed: String,
    /// The plan in words.
    plan: String,
    /// Good cards of the batch.
    lot: u32,
    /// Failures with which the batch is still accepted.
    pub(crate) accept: u32,
    /// The cards, by box and serial.
    pub(crate) cards: Vec<Drawn>,
}

/// A card of a sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Drawn {
    /// Card serial.
    pub(crate) serial: String,
    /// Row.
    pub(crate) row: u32,
    /// Box.
    #[serde(rename = "box")]
    pub(crate) place: String,
}

impl Sample {
    /// Reads the file of a sample, and its hash.
    pub(crate) fn read(path: &Path) -> Outcome<(Self, String)> {
        let read = || -> anyhow::Result<(Self, String)> {
            let text = input::bytes(path, MAX_DATA)?;
            let sample: Self = serde_json::from_slice(&text)?;
            ensure!(sample.schema == VERSION, "schema {} is not supported", sample.schema);
            Ok((sample, hex::encode(Sha256::digest(&text))))
        };
        read().with_context(|| path.display().to_string()).map_err(Failure::usage)
    }
}

/// Draws a sample.
pub(crate) fn run(args: &SampleArgs, out: &Output) -> Outcome<Code> {
    let delivery = Delivery::open(&args.batch).map_err(Failure::usage)?;
    let lot = Lot::read(&delivery)?;
    let number = &delivery.manifest.batch.number;
    let plan = match (args.plan, args.aql, args.zero_failure) {
        (Some(level), Some(aql), _) => SamplePlan::single(level, aql, lot.size()),
        (_, _, Some(percent)) => SamplePlan::zero_failure(percent / 100.0, lot.size()),
        _ => return Err(Failure::usage(anyhow!("expected --plan and --aql, or --zero-failure"))),
    };
    let plan = plan.map_err(Failure::usage)?;
    let key = key(&args.seed.0, number, &lot.files);
    let mut random = ChaCha20Rng::from_seed(key);
    let counts: Vec<u32> = lot.boxes.iter().map(|(_, cards)| length(cards.len())).collect();
    let places = draw(&counts, plan.size, || random.next_u64());
    let mut cards = Vec::new();
    for ((name, of_box), places) in lot.boxes.iter().zip(&places) {
        let chosen = places.iter().filter_map(|place| of_box.get(*place as usize));
        cards.extend(chosen.map(|(serial, row)| Drawn {
            serial: serial.to_string(),
            row: *row,
            place: name.clone(),
        }));
    }
    let sample = Sample {
        schema: VERSION,
        batch: number.clone(),
        files_sha256: hex::encode(walk::digest(&lot.files)),
        seed: hex::encode(&args.seed.0),
        plan: in_words(args, &plan),
        lot: lot.size(),
        accept: plan.accept,
        cards,
    };
    if let Some(path) = &args.out {
        store(path, &sample)?;
    }
    out.report(&Report::new(args, &plan, &sample))?;
    Ok(Code::AsExpected)
}

fn store(path: &Path, sample: &Sample) -> Outcome<()> {
    let text = serde_json::to_vec_pretty(sample).map_err(Failure::device)?;
    Ok(files::write(path, &text, Existing::Refuse, Access::Umask)?)
}

fn length(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn key(seed: &[u8], batch: &str, files: &[FileEnd]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(LABEL);
    hash.update([u8::try_from(seed.len()).unwrap_or(u8::MAX)]);
    hash.update(seed);
    hash.update(batch.as_bytes());
    files.iter().for_each(|file| hash.update(file.sha256));
    hash.finalize().into()
}

/// The cards that are handed over: the good ones, by box and serial.
struct Lot {
    boxes: Vec<(String, Vec<(CardSerial, u32)>)>,
    files: Vec<FileEnd>,
}

impl Lot {
    /// Reads the batch; what cannot be read, or contradicts the manifest, ends it.
    fn read(delivery: &Delivery) -> Outcome<Self> {
        let plan = Plan::new(&delivery.manifest).map_err(|_| refused("its manifest"))?;
        let mut boxes: Vec<_> =
            plan.boxes.iter().map(|planned| (planned.name.clone(), Vec::new())).collect();
        let mut wrong = 0_u64;
        let files = delivery.each_row(
            |finding| {
                let error = finding.check.severity() == xuejika_card_model::batch::Severity::Error;
                wrong += u64::from(error);
            },
            |place, cells| {
                let text = |column| cells.get(column).unwrap_or_default();
                let state = text(Column::STATUS).parse::<State>();
                if state == Ok(State::Scrap) {
                    return Ok(());
                }
                let serial = text(Column::SERIAL).parse::<CardSerial>();
                let number = plan.box_number(text(Column::BOX));
                let (Ok(_), Ok(serial), Some((_, cards))) =
                    (state, serial, number.and_then(|number| boxes.get_mut(number)))
                else {
                    return Err(refused(&format!("row {}", place.row.unwrap_or(0))));
                };
                cards.push((serial, place.row.unwrap_or(0)));
                Ok(())
            },
        )?;
        if wrong > 0 {
            return Err(refused("its files"));
        }
        boxes.iter_mut().for_each(|(_, cards)| cards.sort_unstable());
        Ok(Self { boxes, files })
    }

    fn size(&self) -> u32 {
        length(self.boxes.iter().map(|(_, cards)| cards.len()).sum())
    }
}

fn refused(what: &str) -> Failure {
    let error = anyhow!("the batch cannot be sampled because of {what}; see batch check");
    Failure::Because(Code::Findings, error)
}

fn in_words(args: &SampleArgs, plan: &SamplePlan) -> String {
    match (args.plan, args.aql, plan.letter) {
        (Some(level), Some(aql), Some(letter)) => {
            let name = Level::ALL.iter().find(|(known, _)| *known == level);
            let name = name.map_or("", |(_, name)| *name);
            let aql = format!("{}.{:03}", aql / 1000, aql % 1000);
            format!("GB/T 2828.1 single sampling, normal, level {name}, AQL {aql}, letter {letter}")
        }
        _ => format!("zero failures, {} %", args.zero_failure.unwrap_or_default()),
    }
}

/// What was drawn and what it proves.
#[derive(Serialize)]
struct Report<'a> {
    report: &'static str,
    plan: &'a str,
    batch: &'a str,
    files_sha256: &'a str,
    seed: &'a str,
    lot: u32,
    size: usize,
    accept: u32,
    reject: u32,
    /// Cards of the batch that may fail after a sample with as many failures as are accepted.
    proves: u32,
    /// The same after a sample without failure.
    proves_without_failure: u32,
    confidence: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted_at_aql: Option<f64>,
    cards: &'a [Drawn],
}

impl<'a> Report<'a> {
    fn new(args: &SampleArgs, plan: &SamplePlan, sample: &'a Sample) -> Self {
        let failing = args.aql.map(|aql| u64::from(plan.lot) * u64::from(aql) / 100_000);
        let failing = failing.and_then(|failing| u32::try_from(failing).ok());
        Self {
            report: "sample",
            plan: &sample.plan,
            batch: &sample.batch,
            files_sha256: &sample.files_sha256,
            seed: &sample.seed,
            lot: plan.lot,
            size: sample.cards.len(),
            accept: plan.accept,
            reject: plan.accept + 1,
            proves: plan.proves(plan.accept),
            proves_without_failure: plan.proves(0),
            confidence: CONFIDENCE,
            accepted_at_aql: failing.map(|failing| plan.acceptance(failing)),
            cards: &sample.cards,
        }
    }

    fn share(&self, cards: u32) -> String {
        let percent = 100.0 * f64::from(cards) / f64::from(self.lot.max(1));
        format!("{cards} of the {} cards ({percent:.4} %)", self.lot)
    }
}

impl Show for Report<'_> {
    fn show(&self, to: &mut Lines) {
        for Drawn { serial, row, place } in self.cards {
            to.line(format_args!("{place}  {serial}  row {row}"));
        }
        let Self { plan, batch, lot, size, accept, reject, seed, files_sha256, .. } = self;
        to.line(format_args!("batch {batch}, seed {seed}, files {files_sha256}"));
        to.line(plan);
        to.line(format_args!(
            "Take these {size} cards out of {lot} good ones and read each of them."
        ));
        to.line(format_args!(
            "Accept the batch with up to {accept} failing cards, refuse it with {reject}."
        ));
        let clean = self.share(self.proves_without_failure);
        to.line(format_args!("If none fails: with 95 % confidence, not more than {clean} fail."));
        if *accept > 0 {
            let worst = self.share(self.proves);
            to.line(format_args!(
                "If {accept} fail: with 95 % confidence, not more than {worst} fail."
            ));
        }
        if let Some(passes) = self.accepted_at_aql {
            let passes = 100.0 * passes;
            to.line(format_args!(
                "A batch that fails exactly at the AQL passes {passes:.1} times in 100."
            ));
        }
        to.line("The sample says nothing about single cards that were not taken.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_exact() {
        assert_eq!(thousandths("0.65"), Ok(650));
        assert_eq!(thousandths("0.010"), Ok(10));
        assert_eq!(thousandths("4"), Ok(4000));
        for text in ["", "0.0001", "-1", "x", "1.-1"] {
            assert!(thousandths(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_part_of_the_key_counts() {
        let file = |byte| FileEnd { file: 0, bytes: 0, sha256: [byte; 32], next_row: 1 };
        let base = key(&[1, 2], "202607000001", &[file(1)]);
        assert_ne!(base, key(&[1], "202607000001", &[file(1)]));
        assert_ne!(base, key(&[1, 2], "202607000002", &[file(1)]));
        assert_ne!(base, key(&[1, 2], "202607000001", &[file(2)]));
        assert_eq!(base, key(&[1, 2], "202607000001", &[file(1)]));
    }
}
