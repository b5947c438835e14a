//! Defects of manifests and of the counts in them.

use super::At::{Batch, Gap, Row};
use super::{Kind, Plant};
use crate::Check;
use crate::manifest::Breach;

// The amounts are powers of two, so that no two of them make up for each other.
pub(super) const KINDS: &[Kind] = &[
    Kind::alone(
        "batch-number-form",
        "a batch number of 3 digits",
        &[(Check::ManifestField, Batch)],
        Plant::Manifest(|manifest| manifest.batch.number.truncate(3)),
    ),
    Kind::alone(
        "validity-reversed",
        "the cards end before they begin",
        &[(Check::ManifestField, Batch)],
        Plant::Manifest(|manifest| "2020-01-01".clone_into(&mut manifest.batch.valid_until)),
    ),
    Kind::alone(
        "ranges-overlap",
        "two serial ranges share serials",
        &[(Check::ManifestSerials, Batch)],
        Plant::Manifest(|manifest| manifest.serials.extend(manifest.serials.clone())),
    ),
    Kind::alone(
        "boxes-overlap",
        "two boxes share serials",
        &[(Check::ManifestBoxes, Batch)],
        Plant::Manifest(|manifest| {
            let again = manifest.boxes.first().cloned();
            manifest.boxes.extend(again.map(|mut again| {
                again.id.push('X');
                again
            }));
        }),
    ),
    Kind::alone(
        "box-name-twice",
        "two boxes have one name",
        &[(Check::ManifestBoxes, Batch)],
        Plant::Manifest(|manifest| {
            let name = manifest.boxes.first().map(|first| first.id.clone());
            if let (Some(last), Some(name)) = (manifest.boxes.last_mut(), name) {
                last.id = name;
            }
        }),
    ),
    Kind::alone(
        "key-not-declared",
        "a key of the schema has no root in the manifest",
        &[(Check::ManifestKeys, Batch)],
        Plant::Manifest(|manifest| drop(manifest.keys.root_kcv.remove("k3"))),
    ),
    Kind::alone(
        "other-root",
        "the manifest has another check value for a root",
        &[(Check::KeyRootOther, Batch)],
        Plant::Manifest(|manifest| {
            let value = manifest.keys.root_kcv.get_mut("k4");
            value.into_iter().for_each(|value| {
                let end = value.len() - 6;
                value.replace_range(end.., "000000");
            });
        }),
    ),
    Kind::alone(
        "roots-equal",
        "the manifest has one check value for two roots",
        &[(Check::KeyRootOther, Batch), (Check::KeyRootsEqual, Batch)],
        Plant::Manifest(|manifest| {
            let first = manifest.keys.root_kcv.get("k0").cloned();
            manifest.keys.root_kcv.extend(first.map(|value| ("k1".to_owned(), value)));
        }),
    ),
    Kind::row(
        "count-of-rows",
        "the manifest counts one row more",
        &[(Check::CountRows, Batch), (Check::CountBoxes, Batch)],
        Plant::Manifest(|manifest| manifest.count.rows += 1),
    ),
    Kind::row(
        "count-of-box",
        "the manifest counts cards in a box that has fewer",
        &[(Check::CountBox, Batch), (Check::CountBoxes, Batch)],
        Plant::Manifest(|manifest| {
            manifest.boxes.iter_mut().take(1).for_each(|first| first.count += 1 << 9);
        }),
    ),
    Kind::row(
        "count-of-good",
        "the manifest counts more good cards",
        &[(Check::CountState, Batch), (Check::CountOrder, Batch)],
        Plant::Manifest(|manifest| manifest.count.good += 1 << 10),
    ),
    Kind::row(
        "count-of-scrap",
        "the manifest counts more scrap cards",
        &[(Check::CountState, Batch), (Check::CountOrder, Batch)],
        Plant::Manifest(|manifest| manifest.count.scrap += 1 << 11),
    ),
    Kind::row(
        "count-of-order",
        "the manifest counts fewer cards as ordered",
        &[(Check::CountOrder, Batch)],
        Plant::Manifest(|manifest| {
            manifest.count.ordered = manifest.count.ordered.saturating_sub(1 << 6);
        }),
    ),
    Kind::alone(
        "too-few-good",
        "fewer good cards than were ordered",
        &[(Check::CountGood, Batch)],
        Plant::Manifest(|manifest| {
            manifest.count.ordered = manifest.count.good + 1;
            manifest.count.spare = manifest.count.rows - manifest.count.ordered;
        }),
    ),
    Kind::alone(
        "too-much-scrap",
        "every 25th card is scrap",
        &[(Check::CountScrap, Batch)],
        Plant::Design(|design| {
            design.scrap_every = 25;
            design.spare = design.cards / 20;
        }),
    ),
    Kind::alone(
        "too-many-spares",
        "a tenth of the cards are spares",
        &[(Check::CountSpare, Batch)],
        Plant::Design(|design| design.spare = design.cards / 10),
    ),
    Kind::alone(
        "scrap-above-contract",
        "scrap above a limit that the contract makes binding",
        &[(Check::CountScrap, Batch)],
        Plant::Manifest(|manifest| {
            manifest.limits.scrap_percent = 0;
            manifest.limits.breach = Breach::Error;
        }),
    ),
    Kind::row("row-missing", "a card has no row", &[(Check::SerialGap, Gap)], Plant::Times(0)),
    Kind::row(
        "row-twice",
        "a row occurs twice",
        &[(Check::SerialTwice, Row), (Check::ChipUidTwice, Row)],
        Plant::Times(2),
    ),
];
