//! `batch sample`: which cards of a batch are taken out of their boxes, and what that proves.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::{ArgGroup, Args};
use serde::Serialize;
use sha2::{Digest, Sha256};
use xuejika_batch::Delivery;
use xuejika_batch::sample::{Drawn, How, Sample, SampleError};
use xuejika_batch::sampling::{CONFIDENCE, Level, SamplePlan};
use xuejika_emulator::files::{self, Access, Existing};

use crate::exit::{Code, Failure, Outcome};
use crate::input::{self, MAX_DATA};
use crate::output::Output;
use crate::shown::{Lines, Show};

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

/// Reads the file of a sample, and its hash.
pub(crate) fn read(path: &Path) -> Outcome<(Sample, String)> {
    let read = || -> anyhow::Result<(Sample, String)> {
        let text = input::bytes(path, MAX_DATA)?;
        let sample = Sample::parse(&text).map_err(anyhow::Error::from_boxed)?;
        Ok((sample, hex::encode(Sha256::digest(&text))))
    };
    read().with_context(|| path.display().to_string()).map_err(Failure::usage)
}

impl From<SampleError> for Failure {
    fn from(error: SampleError) -> Self {
        match error {
            SampleError::Batch(error) => error.into(),
            SampleError::Refused(_) => Self::Because(Code::Findings, error.into()),
            error => Self::usage(error),
        }
    }
}

/// Draws a sample.
pub(crate) fn run(args: &SampleArgs, out: &Output) -> Outcome<Code> {
    let how = match (args.plan, args.aql, args.zero_failure) {
        (Some(level), Some(aql), _) => How::Single(level, aql),
        (_, _, Some(percent)) => How::ZeroFailure(percent),
        _ => return Err(Failure::usage(anyhow!("expected --plan and --aql, or --zero-failure"))),
    };
    let (sample, plan) = Sample::draw(&Delivery::open(&args.batch)?, how, &args.seed.0)?;
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
}
