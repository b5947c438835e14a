//! The issuance record (EF 05 发行信息) of a row against the manifest and the rest of the row.

use sha2::{Digest, Sha256};
use xuejika_card_model::date::Date;
use xuejika_card_model::ident::CardSerial;
use xuejika_card_model::record::{CardType, FieldErrors, Issuance, Problem};

use crate::catalogue::Check;
use crate::chip::hex_bytes;
use crate::finding::{Finding, shown};
use crate::plan::Plan;
use crate::schema::Column;

/// Length of an image in hexadecimal digits.
const DIGITS: usize = 2 * Issuance::LEN;

/// Length of a hash in hexadecimal digits.
const HASH_DIGITS: usize = 64;

/// What a row says beside its image; a part that could not be read is missing.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Card serial.
    pub serial: Option<CardSerial>,
    /// Initialisation date.
    pub init_date: Option<Date>,
    /// Initialisation site.
    pub site: Option<[u8; 2]>,
}

impl Facts {
    /// The issuance record that a card of the batch has, once all facts are known.
    #[must_use]
    pub fn record(&self, plan: &Plan) -> Option<Issuance> {
        Some(Issuance {
            card_serial: self.serial?,
            card_type: CardType::Pupil,
            profile: plan.profile,
            vendor: plan.vendor,
            key_set_version: plan.key_set(),
            init_date: self.init_date?,
            batch: plan.number,
            site: self.site?,
            generation: 0,
            valid_from: plan.valid.0,
            valid_until: plan.valid.1,
        })
    }
}

/// Checks an image, given in hexadecimal or as its hash.
pub fn check(plan: &Plan, facts: Facts, text: &str, findings: &mut impl Extend<Finding>) {
    let mut note = |finding: Finding| findings.extend([finding.field(Column::IMAGE.name())]);
    let expected = facts.record(plan).map(|record| record.emit());
    let image = match text.len() {
        DIGITS => hex_bytes::<{ Issuance::LEN }>(text),
        HASH_DIGITS => {
            match hex_bytes::<32>(text) {
                None => note(form(text)),
                Some(hash)
                    if expected
                        .is_some_and(|image| <[u8; 32]>::from(Sha256::digest(image)) != hash) =>
                {
                    note(Finding::new(Check::ImageHash, "the hash of the row's image", "another"));
                }
                Some(_) => {}
            }
            return;
        }
        _ => None,
    };
    match image {
        None => note(form(text)),
        Some(image) if Some(image) == expected => {}
        Some(image) => match Issuance::parse(&image) {
            Ok(record) => findings.extend(compare(plan, facts, &record)),
            Err(errors) => errors_of(&errors).into_iter().flatten().for_each(note),
        },
    }
}

fn form(text: &str) -> Finding {
    Finding::new(Check::ImageForm, "96 or 64 hexadecimal digits", shown(text))
}

/// One finding for wrong checksums, one for broken rules.
fn errors_of(errors: &FieldErrors) -> [Option<Finding>; 2] {
    let is_crc = |problem: &Problem| matches!(problem, Problem::Crc { .. });
    let first = |crc: bool| errors.iter().find(|error| is_crc(&error.problem) == crc);
    let found = |check, expected, crc| first(crc).map(|error| Finding::new(check, expected, error));
    [
        found(Check::ImageCrc, "the CRC of the data", true),
        found(Check::ImageField, "fields that keep their rules", false),
    ]
}

/// The fields that are not those of the batch and the row.
fn compare(plan: &Plan, facts: Facts, record: &Issuance) -> impl Iterator<Item = Finding> {
    let other = |check, name: &'static str, expected: Option<String>, found| {
        let found: String = found;
        expected
            .filter(|expected| *expected != found)
            .map(|expected| Finding::new(check, expected, found).field(name))
    };
    let text = |value: &dyn core::fmt::Display| format!("{value}");
    let [year_from, year_until] = [plan.valid.0, plan.valid.1];
    let site = |[high, low]: [u8; 2]| format!("{high:02X}{low:02X}");
    [
        other(
            Check::ImageSerial,
            "image.card_serial",
            facts.serial.map(|serial| text(&serial)),
            text(&record.card_serial),
        ),
        other(
            Check::ImageProfile,
            "image.profile",
            Some(text(&plan.profile)),
            text(&record.profile),
        ),
        other(Check::ImageVendor, "image.vendor", Some(text(&plan.vendor)), text(&record.vendor)),
        other(
            Check::ImageKeySet,
            "image.key_set_version",
            Some(text(&plan.key_set())),
            text(&record.key_set_version),
        ),
        other(
            Check::ImageInitDate,
            "image.init_date",
            facts.init_date.map(|date| text(&date)),
            text(&record.init_date),
        ),
        other(Check::ImageBatch, "image.batch", Some(text(&plan.number)), text(&record.batch)),
        other(Check::ImageSite, "image.site", facts.site.map(site), site(record.site)),
        other(
            Check::ImageTestCard,
            "image.card_type",
            Some(text(&CardType::Pupil)),
            text(&record.card_type),
        ),
        other(Check::ImageGeneration, "image.generation", Some(text(&0)), text(&record.generation)),
        other(
            Check::ImageValidity,
            "image.valid_from",
            Some(format!("{year_from} to {year_until}")),
            format!("{} to {}", record.valid_from, record.valid_until),
        ),
    ]
    .into_iter()
    .flatten()
}
