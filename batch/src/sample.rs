//! A sample: which cards of a batch are taken out of their boxes, drawn from a published seed so that
//! vendor and city draw the same ones.
//!
//! Random numbers are those of ChaCha20 (RFC 8439, with a 64-bit counter and a zero nonce) under the key
//! SHA-256("xuejika batch sample 1" ‖ length of the seed in one byte ‖ seed ‖ batch number, 12 ASCII
//! digits ‖ SHA-256 of each file, in the order of the manifest), taken eight bytes at a time, little
//! end first. Project-defined.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use xuejika_card_model::ident::CardSerial;

use crate::error::{Cause, Error};
use crate::file::{Delivery, FileEnd, digest};
use crate::sampling::{Level, PlanError, SamplePlan, draw};
use crate::{Column, Severity, State};

/// In front of everything that is hashed.
const LABEL: &[u8] = b"xuejika batch sample 1";

/// Version of the sample file.
const VERSION: u32 = 1;

/// How many cards are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum How {
    /// Single sampling, normal inspection, of GB/T 2828.1: level, and AQL in thousandths of a percent.
    Single(Level, u32),
    /// The smallest sample that proves, without any failure, that not more than this percentage fails.
    ZeroFailure(f64),
}

impl How {
    fn plan(self, lot: u32) -> Result<SamplePlan, PlanError> {
        match self {
            Self::Single(level, aql) => SamplePlan::single(level, aql, lot),
            Self::ZeroFailure(percent) => SamplePlan::zero_failure(percent / 100.0, lot),
        }
    }

    fn in_words(self, plan: &SamplePlan) -> String {
        match self {
            Self::Single(level, aql) => {
                let name = Level::ALL.iter().find(|(known, _)| *known == level);
                let name = name.map_or("", |(_, name)| *name);
                let aql = format!("{}.{:03}", aql / 1000, aql % 1000);
                let letter = plan.letter.unwrap_or_default();
                format!(
                    "GB/T 2828.1 single sampling, normal, level {name}, AQL {aql}, letter {letter}"
                )
            }
            Self::ZeroFailure(percent) => format!("zero failures, {percent} %"),
        }
    }
}

/// A sample, as its file has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    schema: u32,
    /// Batch number.
    pub batch: String,
    /// SHA-256 over the hashes of its files.
    pub files_sha256: String,
    /// The seed, in hexadecimal.
    pub seed: String,
    /// The plan in words.
    pub plan: String,
    /// Good cards of the batch.
    pub lot: u32,
    /// Failures with which the batch is still accepted.
    pub accept: u32,
    /// The cards, by box and serial.
    pub cards: Vec<Drawn>,
}

/// A card of a sample.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drawn {
    /// Card serial.
    pub serial: String,
    /// Row.
    pub row: u32,
    /// Box.
    #[serde(rename = "box")]
    pub place: String,
}

impl Sample {
    /// Reads the file of a sample.
    ///
    /// # Errors
    /// Returns what is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Self, Cause> {
        let sample: Self = serde_json::from_slice(text)?;
        match sample.schema {
            VERSION => Ok(sample),
            other => Err(format!("schema {other} is not supported").into()),
        }
    }

    /// Draws the cards of a batch under a seed of up to 64 bytes.
    ///
    /// # Errors
    /// Returns [`SampleError`] when the batch cannot be sampled.
    pub fn draw(
        delivery: &Delivery,
        how: How,
        seed: &[u8],
    ) -> Result<(Self, SamplePlan), SampleError> {
        let lot = Lot::read(delivery)?;
        let number = &delivery.manifest.batch.number;
        let plan = how.plan(lot.size())?;
        let mut random = ChaCha20Rng::from_seed(key(seed, number, &lot.files));
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
        let sample = Self {
            schema: VERSION,
            batch: number.clone(),
            files_sha256: hex::encode(digest(&lot.files)),
            seed: hex::encode(seed),
            plan: how.in_words(&plan),
            lot: lot.size(),
            accept: plan.accept,
            cards,
        };
        Ok((sample, plan))
    }
}

/// Why there is no sample.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// Something is wrong with the batch.
    #[error("the batch cannot be sampled because of {0}; see batch check")]
    Refused(String),
    /// The batch cannot be read.
    #[error(transparent)]
    Batch(#[from] Error),
    /// There is no such plan.
    #[error(transparent)]
    Plan(#[from] PlanError),
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
    fn read(delivery: &Delivery) -> Result<Self, SampleError> {
        let plan = delivery.plan().map_err(|_| refused("its manifest"))?;
        let mut boxes: Vec<_> =
            plan.boxes.iter().map(|planned| (planned.name.clone(), Vec::new())).collect();
        let mut wrong = 0_u64;
        let files = delivery.each_row(
            |finding| {
                let error = finding.check.severity() == Severity::Error;
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

fn refused(what: &str) -> SampleError {
    SampleError::Refused(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

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
