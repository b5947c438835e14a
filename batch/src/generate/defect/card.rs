//! Defects of serials, chips, wallets, boxes and replacements.

use xuejika_card_model::date::Date;
use xuejika_card_model::ident::CardSerial;

use super::At::{Gap, Row};
use super::{Kind, Plant, RowCells, before};
use crate::error::Cause;
use crate::{Check, Column};

/// The one kind that needs two boxes.
pub(super) const ANOTHER_BOX: &str = "another-box";

const LOST: (Check, super::At) = (Check::SerialGap, Gap);

pub(super) const KINDS: &[Kind] = &[
    Kind::row(
        "serial-form",
        "a letter in a serial",
        &[(Check::SerialForm, Row), LOST],
        Plant::Cells(|row| replace_last(row, Column::SERIAL, "O")),
    ),
    Kind::row(
        "serial-check-digit",
        "a wrong check digit",
        &[(Check::SerialDigit, Row), LOST],
        Plant::Cells(|row| {
            let last = row.cell(Column::SERIAL)?.pop().and_then(|last| last.to_digit(10));
            let other = (last.unwrap_or(0) + 1) % 10;
            row.cell(Column::SERIAL)?.push_str(&other.to_string());
            Ok(())
        }),
    ),
    Kind::row(
        "serial-outside",
        "a card of another range",
        &[(Check::SerialRange, Row), LOST],
        Plant::Card(|sketch, design| {
            sketch.rename(design.serial(design.cards + sketch.index)?);
            Ok(())
        }),
    ),
    Kind::row(
        "serial-twice",
        "two cards with one serial",
        &[(Check::SerialTwice, Row), LOST],
        Plant::Card(|sketch, design| {
            sketch.rename(before(sketch, design)?.serial);
            Ok(())
        }),
    ),
    Kind::row(
        "uid-form",
        "a UID of 13 digits",
        &[(Check::ChipUid, Row)],
        Plant::Cells(|row| replace_last(row, Column::UID, "")),
    ),
    Kind::row(
        "uid-of-other-maker",
        "a UID of another chip maker",
        &[(Check::ChipMaker, Row)],
        Plant::Cells(|row| {
            row.cell(Column::UID)?.replace_range(..2, "04");
            Ok(())
        }),
    ),
    Kind::row(
        "uid-twice",
        "two cards with one UID",
        &[(Check::ChipUidTwice, Row)],
        Plant::Card(|sketch, design| {
            sketch.uid = before(sketch, design)?.uid;
            Ok(())
        }),
    ),
    Kind::row(
        "atr-check-byte",
        "an ATR without its check byte",
        &[(Check::ChipAtr, Row)],
        Plant::Cells(|row| {
            let length = row.cell(Column::ATR)?.len() - 2;
            row.cell(Column::ATR)?.truncate(length);
            Ok(())
        }),
    ),
    Kind::row(
        "atr-of-other-card",
        "the ATR of the card before",
        &[(Check::ChipAtrOther, Row)],
        Plant::Cells(|row| row.set(Column::ATR, row.design.atr(&row.before()?))),
    ),
    Kind::row(
        "ats-length",
        "an ATS that is cut short",
        &[(Check::ChipAts, Row)],
        Plant::Cells(|row| {
            let length = row.cell(Column::ATS)?.len() - 2;
            row.cell(Column::ATS)?.truncate(length);
            Ok(())
        }),
    ),
    Kind::row(
        "ats-of-other-card",
        "the ATS of the card before",
        &[(Check::ChipAtsOther, Row)],
        Plant::Cells(|row| row.set(Column::ATS, row.design.ats(&row.before()?))),
    ),
    Kind::row(
        "empty-cell",
        "a good card without a site",
        &[(Check::RowEmpty, Row)],
        Plant::Cells(|row| row.set(Column::SITE, "")),
    ),
    Kind::row(
        "no-image",
        "a good card without an issuance image",
        &[(Check::RowEmpty, Row)],
        Plant::Cells(|row| row.set(Column::IMAGE, "")),
    ),
    Kind::row(
        "date-form",
        "a thirteenth month",
        &[(Check::RowDate, Row)],
        Plant::Cells(|row| row.set(Column::INIT_DATE, "2026-13-01")),
    ),
    Kind::row(
        "date-outside",
        "a card made months later",
        &[(Check::RowDateOutside, Row)],
        Plant::Card(|sketch, _| {
            sketch.init_date = Date::new(2026, 12, 31)?;
            sketch.issuance.init_date = sketch.init_date;
            Ok(())
        }),
    ),
    Kind::row(
        "unknown-site",
        "a card made at another site",
        &[(Check::RowSite, Row)],
        Plant::Card(|sketch, _| {
            sketch.site = [0xAA, 0xAA];
            sketch.issuance.site = sketch.site;
            Ok(())
        }),
    ),
    Kind::row(
        "unknown-status",
        "a card that is neither good nor scrap",
        &[(Check::RowStatus, Row)],
        Plant::Cells(|row| row.set(Column::STATUS, "fine")),
    ),
    Kind::row(
        "wallet-number-form",
        "a wallet card number of another city",
        &[(Check::WalletNumber, Row)],
        Plant::Cells(|row| {
            row.cell(Column::WALLET_NUMBER)?.replace_range(..4, "2000");
            Ok(())
        }),
    ),
    Kind::row(
        "wallet-number-twice",
        "two cards with one wallet card number",
        &[(Check::WalletTwice, Row)],
        Plant::Card(|sketch, design| {
            sketch.wallet_number = before(sketch, design)?.wallet_number;
            sketch.keys.1 = sketch.wallet_number;
            Ok(())
        }),
    ),
    Kind::row(
        "wallet-not-empty",
        "a new card with money on it",
        &[(Check::WalletBalance, Row)],
        Plant::Cells(|row| row.set(Column::WALLET_BALANCE, "100")),
    ),
    Kind::row(
        "wallet-open",
        "a new card with an open wallet",
        &[(Check::WalletOpen, Row)],
        Plant::Cells(|row| row.set(Column::WALLET_STATE, "01")),
    ),
    Kind::row(
        "wallet-state-form",
        "a wallet state that has lost a zero",
        &[(Check::RowForm, Row)],
        Plant::Cells(|row| row.set(Column::WALLET_STATE, "0")),
    ),
    Kind::row(
        "unknown-box",
        "a box that is not in the manifest",
        &[(Check::BoxUnknown, Row)],
        Plant::Cells(|row| row.set(Column::BOX, "B99999")),
    ),
    Kind::row(
        ANOTHER_BOX,
        "a card in the next box",
        &[(Check::BoxOther, Row)],
        Plant::Card(|sketch, design| {
            sketch.place = (sketch.place + 1) % design.boxes();
            Ok(())
        }),
    ),
    Kind::row(
        "no-replacement",
        "a scrap card that nothing replaces",
        &[(Check::ReplacementMissing, Row)],
        Plant::Scrap(|sketch, _| {
            sketch.replacement = None;
            Ok(())
        }),
    ),
    Kind::row(
        "needless-replacement",
        "a good card that another one replaces",
        &[(Check::ReplacementNeedless, Row)],
        Plant::Card(|sketch, design| {
            sketch.replacement = Some(design.serial(design.cards - 1)?);
            Ok(())
        }),
    ),
    Kind::row(
        "unknown-replacement",
        "a replacement that is not in the batch",
        &[(Check::ReplacementUnknown, Row)],
        Plant::Scrap(|sketch, _| {
            sketch.replacement = Some(CardSerial::new(99, 99, 1)?);
            Ok(())
        }),
    ),
    Kind::row(
        "replacement-twice",
        "a card that replaces two",
        &[(Check::ReplacementTwice, Row)],
        Plant::Scrap(|sketch, design| {
            let number = sketch.index / design.scrap_every;
            let other = design.scrap_card(number.saturating_sub(1));
            sketch.replacement = design.sketch(other)?.replacement;
            Ok(())
        }),
    ),
];

/// Puts other text in the place of the last character.
fn replace_last(row: &mut RowCells<'_>, column: Column, text: &str) -> Result<(), Cause> {
    let cell = row.cell(column)?;
    cell.pop();
    cell.push_str(text);
    Ok(())
}
