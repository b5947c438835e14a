//! The acceptance of an initialisation batch (点验), in small: rows as a vendor declares them, some
//! with a fault, and the rules of [`xuejika_card_model::batch`].

use std::collections::BTreeMap;

use anyhow::{Context, anyhow, ensure};
use xuejika_card_model::batch::index::Index;
use xuejika_card_model::batch::keys::{KnownValues, check_block, check_roots};
use xuejika_card_model::batch::manifest::{Breach, Carton, Count, Head, Keys, Limits, Range};
use xuejika_card_model::batch::plan::kcv_method;
use xuejika_card_model::batch::{
    Cells, Check, Column, Finding, KeySlot, KeySource, Manifest, Place, Plan, Row, Severity, Tally,
    schema,
};
use xuejika_card_model::card::{Header, Privacy};
use xuejika_card_model::factory;
use xuejika_card_model::file::tree::{CardKind, PROFILE_VERSION};
use xuejika_card_model::ident::CardSerial;
use xuejika_card_model::record::{CardType, Issuance, Profile};
use xuejika_emulator::{atr, ats, test_card};
use xuejika_keyscheme::auth::CardId;
use xuejika_keyscheme::legacy::WalletRoots;
use xuejika_keyscheme::provider::TestRoots;
use xuejika_keyscheme::{Algorithm, KeyVersion};

use super::super::found::Found;
use super::super::script::BatchFault;
use crate::hex;

/// Largest batch.
const MAX_CARDS: u32 = 1000;

/// Name of the one box.
const BOX: &str = "B00001";

/// Year and vendor of the serials.
const VENDOR: (u8, u8) = (7, 1);

/// Row in which faults are planted, from 0; the row after it is correct.
const FAULTY: u32 = 6;

/// Checks a batch of this many cards, the first ones scrap.
pub(super) fn check(
    (cards, scrap): (u32, u32),
    faults: &[BatchFault],
    breach: Breach,
) -> anyhow::Result<Found> {
    ensure!((1..=MAX_CARDS).contains(&cards), "cards: expected 1 to {MAX_CARDS}");
    ensure!(scrap <= cards, "scrap: more than there are cards");
    let (algorithm, version) = (Algorithm::Aes128, KeyVersion::FIRST);
    let wallet = WalletRoots::test();
    let source = KeySource::new(Some(&TestRoots), Some(&wallet), version, algorithm);
    let limits = Limits { breach, ..Limits::default() };
    let plan = Plan::new(&Manifest { limits, ..manifest(cards, scrap, &source)? })
        .map_err(|findings| anyhow!("the manifest: {}", ids(&findings)))?;
    let mut findings = check_roots(&source, &plan)?;
    let vendor = Vendor::new(cards, scrap, &source)?;
    let mut rows = Vec::new();
    let mut tally = Tally::new(plan.boxes.len());
    for number in 0..cards {
        let of_row: &[BatchFault] = if number == FAULTY { faults } else { &[] };
        if of_row.contains(&BatchFault::MissingRow) {
            continue;
        }
        let cells = vendor.cells(number, of_row)?;
        let mut given = Cells::empty();
        for (column, text) in Column::all().zip(&cells) {
            given.set(column, Some(text));
        }
        let row = Row::read(&plan, no_hash, &given, &mut findings);
        tally.add(Some(&row));
        rows.push((Place::row(number + 1), row));
    }
    findings.extend(check_block(&source, &KnownValues::new(algorithm), &rows)?.findings);
    check_serials(&plan, &rows, &mut findings);
    tally.check(&plan, &mut findings);
    let found = ids(&findings);
    let refused = |finding: &Finding| limits.severity(finding.check) == Severity::Error;
    let outcome = if findings.iter().any(refused) { "refused" } else { "ok" };
    let text = if found.is_empty() { format!("{cards} cards accepted") } else { found.clone() };
    Ok(Found::ended(outcome, text).with("findings", found))
}

/// Serials that occur twice or not at all.
fn check_serials(plan: &Plan, rows: &[(Place, Row)], findings: &mut Vec<Finding>) {
    let mut serials = Index::<8>::with_capacity(rows.len());
    for (place, row) in rows {
        if let Some(serial) = row.serial {
            serials.push(serial.bytes(), place.row.unwrap_or(0));
        }
    }
    let serials = serials.sorted();
    let twice = serials.repeated().map(|twice| {
        Finding::new(Check::SerialTwice, "another serial", format!("that of row {}", twice.first))
            .at(Place::row(twice.row))
    });
    let gaps = plan.serials.iter().flat_map(|range| serials.missing(*range));
    let gaps = gaps.map(|(first, count)| {
        Finding::new(Check::SerialGap, "a row", format!("{count} missing")).subject(first)
    });
    findings.extend(twice.chain(gaps));
}

/// The identifiers of what was found, each once.
fn ids(findings: &[Finding]) -> String {
    let mut ids: Vec<_> = findings.iter().map(|finding| finding.check.id()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.join(", ")
}

/// No row of these gives its image as a hash.
const fn no_hash(_: &[u8]) -> [u8; 32] {
    [0; 32]
}

fn serial(number: u32) -> anyhow::Result<CardSerial> {
    Ok(CardSerial::new(VENDOR.0, VENDOR.1, number + 1)?)
}

fn issuance(number: u32) -> anyhow::Result<Issuance> {
    let issuance = test_card::issuance(serial(number)?, Profile::CpuAes)?;
    Ok(Issuance { card_type: CardType::Pupil, ..issuance })
}

/// What the vendor says of the whole batch.
fn manifest(cards: u32, scrap: u32, source: &KeySource<'_>) -> anyhow::Result<Manifest> {
    let first = issuance(0)?;
    let range = Range { first: serial(0)?.to_string(), last: serial(cards - 1)?.to_string() };
    let (atr, ats) = answers(&first);
    let any = |answer: &str| "xx".repeat(answer.len() / 2);
    let root = |slot: KeySlot| -> anyhow::Result<(String, String)> {
        let value = source.root(slot)?.unwrap_or_default();
        let method = kcv_method(slot, Algorithm::Aes128);
        Ok((slot.name().to_owned(), format!("{method}{}", hex::emit(&value))))
    };
    let date = first.init_date.to_string();
    Ok(Manifest {
        schema: schema::VERSION,
        batch: Head {
            number: first.batch.to_string(),
            vendor: first.vendor.to_string(),
            profile: first.profile.to_string(),
            profile_version: PROFILE_VERSION.into(),
            initialised_from: date.clone(),
            initialised_until: date,
            valid_from: first.valid_from.to_string(),
            valid_until: first.valid_until.to_string(),
            sites: vec![hex::emit(&first.site)],
            uid_prefix: hex::emit(test_card::uid(&first.card_serial).get(..1).unwrap_or_default()),
            atr: any(&atr),
            ats: any(&ats),
        },
        count: Count {
            rows: cards,
            ordered: cards - scrap,
            spare: scrap,
            good: cards - scrap,
            scrap,
        },
        limits: Limits::default(),
        keys: Keys {
            version: KeyVersion::FIRST.number().into(),
            root_kcv: KeySlot::all().map(root).collect::<anyhow::Result<BTreeMap<_, _>>>()?,
        },
        files: Vec::new(),
        serials: vec![range.clone()],
        boxes: vec![Carton {
            id: BOX.to_owned(),
            first: range.first,
            last: range.last,
            count: cards,
        }],
    })
}

/// ATR and ATS of a card, in hexadecimal.
fn answers(issuance: &Issuance) -> (String, String) {
    let header = Header {
        kind: CardKind::Student,
        algorithm: Algorithm::Aes128,
        privacy: Privacy::default(),
        uid: test_card::uid(&issuance.card_serial),
        serial: CardId(issuance.card_serial.bytes()),
    };
    (hex::emit(&atr(&header)), hex::emit(&ats(&header)))
}

/// Who made the batch, and with which keys.
struct Vendor {
    cards: u32,
    scrap: u32,
    /// Check values by key and card.
    values: Vec<Vec<[u8; 3]>>,
}

impl Vendor {
    fn new(cards: u32, scrap: u32, source: &KeySource<'_>) -> anyhow::Result<Self> {
        let records = (0..cards).map(issuance).collect::<anyhow::Result<Vec<_>>>()?;
        let serials: Vec<_> = records.iter().map(|record| record.card_serial.bytes()).collect();
        let wallets: Vec<_> = records.iter().map(factory::transit_number).collect();
        let values = |slot: KeySlot| {
            let of = if slot.is_wallet() { &wallets } else { &serials };
            source.check_values(slot, of)?.context("a test root is missing")
        };
        let values = KeySlot::all().map(values).collect::<anyhow::Result<_>>()?;
        Ok(Self { cards, scrap, values })
    }

    /// A row, cell by cell.
    fn cells(&self, number: u32, faults: &[BatchFault]) -> anyhow::Result<Vec<String>> {
        let has = |fault| faults.contains(&fault);
        let scrap = number < self.scrap;
        let number = if has(BatchFault::SerialTwice) { number + 1 } else { number };
        let issuance = issuance(number)?;
        let (atr, ats) = answers(&issuance);
        let mut image = issuance.emit();
        if let Some(byte) = image.last_mut().filter(|_| has(BatchFault::ImageCrc)) {
            *byte ^= 1;
        }
        let version = if has(BatchFault::KeyVersion) { "02" } else { "01" };
        let image = if has(BatchFault::NoImage) { String::new() } else { hex::emit(&image) };
        // What failed before its keys were loaded has nothing after that step.
        let loaded = |text: String| if scrap { String::new() } else { text };
        let replacement = match self.cards.checked_sub(1 + number) {
            Some(other) if scrap => serial(other)?.to_string(),
            _ => String::new(),
        };
        let mut cells = vec![
            issuance.card_serial.to_string(),
            hex::emit(&test_card::uid(&issuance.card_serial)),
            atr,
            ats,
            issuance.init_date.to_string(),
            hex::emit(&issuance.site),
            version.to_owned(),
            loaded(hex::emit(&factory::transit_number(&issuance))),
            loaded("0".to_owned()),
            loaded("00".to_owned()),
            loaded(image),
            BOX.to_owned(),
            if scrap { "scrap" } else { "good" }.to_owned(),
            replacement,
        ];
        for (slot, of_cards) in KeySlot::all().zip(&self.values) {
            let value = of_cards.get(usize::try_from(number)?).context("no such card")?;
            let [a, b, c] = *value;
            let wrong = has(BatchFault::WrongKey) && slot.index() == 0;
            cells.push(loaded(hex::emit(&[a ^ u8::from(wrong), b, c])));
        }
        Ok(cells)
    }
}
