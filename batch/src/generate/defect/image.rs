//! Defects of issuance images.

use core::num::NonZeroU8;

use sha2::{Digest, Sha256};
use xuejika_card_model::bcd::Digits;
use xuejika_card_model::crc;
use xuejika_card_model::date::Date;
use xuejika_card_model::record::{CardType, Profile};

use super::At::Row;
use super::{Kind, Plant, before};
use crate::{Check, Column};

/// First group of an image: sealed by a CRC, with the layout version in it.
const FIRST_GROUP: core::ops::Range<usize> = 0..16;

pub(super) const KINDS: &[Kind] = &[
    Kind::row(
        "image-form",
        "an image of 47 bytes",
        &[(Check::ImageForm, Row)],
        Plant::Cells(|row| {
            row.cell(Column::IMAGE)?.truncate(94);
            Ok(())
        }),
    ),
    Kind::row(
        "image-crc",
        "an image with a damaged CRC",
        &[(Check::ImageCrc, Row)],
        Plant::Cells(|row| {
            let mut image = row.sketch.issuance.emit();
            image.iter_mut().skip(FIRST_GROUP.end - 1).take(1).for_each(|byte| *byte ^= 1);
            row.set(Column::IMAGE, hex::encode_upper(image))
        }),
    ),
    Kind::row(
        "image-field",
        "an image of layout version 02",
        &[(Check::ImageField, Row)],
        Plant::Cells(|row| {
            let mut image = row.sketch.issuance.emit();
            image.iter_mut().skip(9).take(1).for_each(|version| *version = 2);
            if let Some(group) = image.get_mut(FIRST_GROUP) {
                crc::seal(group);
            }
            row.set(Column::IMAGE, hex::encode_upper(image))
        }),
    ),
    Kind::row(
        "image-of-other-card",
        "an image with the serial of the card before",
        &[(Check::ImageSerial, Row)],
        Plant::Card(|sketch, design| {
            sketch.issuance.card_serial = before(sketch, design)?.serial;
            Ok(())
        }),
    ),
    Kind::row(
        "image-profile",
        "an image of another profile",
        &[(Check::ImageProfile, Row)],
        Plant::Card(|sketch, _| {
            sketch.issuance.profile = Profile::S70;
            Ok(())
        }),
    ),
    Kind::row(
        "image-vendor",
        "an image of another vendor",
        &[(Check::ImageVendor, Row)],
        Plant::Card(|sketch, _| {
            sketch.issuance.vendor = Digits::new(sketch.issuance.vendor.value() + 100)?;
            Ok(())
        }),
    ),
    Kind::row(
        "image-key-set",
        "an image of another key set",
        &[(Check::ImageKeySet, Row)],
        Plant::Card(|sketch, _| {
            sketch.issuance.key_set_version = NonZeroU8::MAX;
            Ok(())
        }),
    ),
    Kind::row(
        "image-date",
        "an image of another day",
        &[(Check::ImageInitDate, Row)],
        Plant::Card(|sketch, _| {
            sketch.issuance.init_date = Date::new(2026, 6, 30)?;
            Ok(())
        }),
    ),
    Kind::row(
        "image-batch",
        "an image of another batch",
        &[(Check::ImageBatch, Row)],
        Plant::Card(|sketch, _| {
            sketch.issuance.batch = Digits::new(202_512_000_001)?;
            Ok(())
        }),
    ),
    Kind::row(
        "image-site",
        "an image of another site",
        &[(Check::ImageSite, Row)],
        Plant::Card(|sketch, _| {
            sketch.issuance.site = [0x99, 0x99];
            Ok(())
        }),
    ),
    Kind::row(
        "image-test-card",
        "an image of a test card",
        &[(Check::ImageTestCard, Row)],
        Plant::Card(|sketch, _| {
            sketch.issuance.card_type = CardType::Test;
            Ok(())
        }),
    ),
    Kind::row(
        "image-generation",
        "an image of a card that was recalled",
        &[(Check::ImageGeneration, Row)],
        Plant::Card(|sketch, _| {
            sketch.issuance.generation = 1;
            Ok(())
        }),
    ),
    Kind::row(
        "image-validity",
        "an image that is valid too long",
        &[(Check::ImageValidity, Row)],
        Plant::Card(|sketch, _| {
            sketch.issuance.valid_until = Date::new(2099, 12, 31)?;
            Ok(())
        }),
    ),
    Kind::row(
        "image-hash",
        "the hash of another image",
        &[(Check::ImageHash, Row)],
        Plant::Cells(|row| {
            let other = row.before()?.issuance.emit();
            row.set(Column::IMAGE, hex::encode(Sha256::digest(other)))
        }),
    ),
];
