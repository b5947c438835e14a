//! The acceptance of an initialisation batch (点验), in small: rows as a vendor declares them, some
//! with a fault, and the check of [`xuejika_batch`].

use std::collections::BTreeSet;

use anyhow::ensure;
use xuejika_batch::generate::{Defects, Design, Generator};
use xuejika_batch::manifest::{Breach, Format, Limits};
use xuejika_batch::{Delivery, Error, Event, Manifest, Options};
use xuejika_card_model::record::Profile;

use super::super::found::Found;
use super::super::script::BatchFault;

/// Largest batch.
const MAX_CARDS: u32 = 1000;

/// Seed of the rows.
const SEED: u64 = 1;

impl BatchFault {
    /// The kind of defect that is planted.
    const fn kind(self) -> &'static str {
        match self {
            Self::SerialTwice => "serial-twice",
            Self::MissingRow => "row-missing",
            Self::KeyVersion => "key-set-version",
            Self::WrongKey => "kcv-wrong",
            Self::ImageCrc => "image-crc",
            Self::NoImage => "no-image",
        }
    }
}

/// Checks a batch of this many cards, some of them scrap.
pub(super) fn check(
    (cards, scrap): (u32, u32),
    faults: &[BatchFault],
    breach: Breach,
) -> anyhow::Result<Found> {
    ensure!((1..=MAX_CARDS).contains(&cards), "cards: expected 1 to {MAX_CARDS}");
    ensure!(scrap <= cards, "scrap: more than there are cards");
    let mut design = Design::new(cards, SEED, Profile::CpuAes)?.with_scrap(scrap)?;
    // What the vendor declares: a batch without faults.
    let vendor = Generator::new(design.clone(), None, Format::Csv)?;
    let declared = vendor.manifest(&vendor.write_rows(std::io::sink(), |_| {})?)?;
    let kinds = faults.iter().map(|fault| fault.kind());
    let faulty =
        Generator::new(design.clone(), Some(Defects::these(kinds, &mut design)?), Format::Csv)?;
    let mut rows = Vec::new();
    let written = faulty.write_rows(&mut rows, |_| {})?;
    let files = faulty.manifest(&written)?.files;
    let limits = Limits { breach, ..Limits::default() };
    let delivery = Delivery::in_memory(Manifest { files, limits, ..declared }, rows);

    let mut ids = BTreeSet::new();
    let checked =
        xuejika_batch::check(&delivery, vendor.roots().roots(), &Options::default(), |event| {
            if let Event::Finding(line) = event {
                ids.insert(line.id);
            }
            Ok::<_, Error>(())
        })?;
    let found = ids.into_iter().collect::<Vec<_>>().join(", ");
    let text = if found.is_empty() { format!("{cards} cards accepted") } else { found.clone() };
    let ended = match checked.verdict.errors {
        0 => Found::done(text),
        _ => Found::refused("refused", text),
    };
    Ok(ended.with("findings", found))
}
