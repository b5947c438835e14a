//! Single rows of a batch: the cards that are looked at one by one.

use std::collections::BTreeMap;

use anyhow::anyhow;
use sha2::{Digest, Sha256};
use xuejika_card_model::batch::image::Facts;
use xuejika_card_model::batch::{Column, Plan, Row};
use xuejika_card_model::ident::CardSerial;
use xuejika_card_model::record::Issuance;

use super::walk::{Delivery, FileEnd};
use crate::exit::{Failure, Outcome};

/// A row as it stands, and as it is read.
#[derive(Clone, Debug)]
pub(crate) struct OneRow {
    /// Number of the row.
    pub(crate) number: u32,
    /// Its values.
    pub(crate) row: Row,
    /// The issuance record that follows from the row, if no image is given.
    pub(crate) record: Option<Issuance>,
    cells: Vec<String>,
}

impl OneRow {
    /// The text of a cell.
    pub(crate) fn text(&self, column: Column) -> &str {
        self.cells.get(column.index()).map_or("", String::as_str)
    }
}

/// Reads the rows that `wanted` names by serial and number, in one pass.
pub(crate) fn read(
    delivery: &Delivery,
    plan: &Plan,
    mut wanted: impl FnMut(Option<CardSerial>, u32) -> bool,
) -> Outcome<(BTreeMap<u32, OneRow>, Vec<FileEnd>)> {
    let mut rows = BTreeMap::new();
    let mut wrong = None;
    let ends = delivery.each_row(
        |finding| wrong = wrong.take().or(Some(finding)),
        |place, cells| {
            let number = place.row.unwrap_or(0);
            let text = |column| cells.get(column).unwrap_or_default();
            let serial = text(Column::SERIAL).parse().ok();
            if wanted(serial, number) {
                let sha256 = |bytes: &[u8]| Sha256::digest(bytes).into();
                let row = Row::read(plan, sha256, cells, &mut Vec::new());
                let site = xuejika_card_model::batch::chip::hex_bytes(text(Column::SITE));
                let init_date = text(Column::INIT_DATE).parse().ok();
                let record = Facts { serial, init_date, site }.record(plan);
                let cells = Column::all().map(|column| text(column).to_owned()).collect();
                rows.insert(number, OneRow { number, row, record, cells });
            }
            Ok(())
        },
    )?;
    match wrong {
        Some(finding) if finding.place.row.is_none() => {
            let error = anyhow!("{} {}; see batch check", finding.check, finding.check.title());
            Err(Failure::usage(error))
        }
        _ => Ok((rows, ends)),
    }
}

/// The manifest as a plan.
pub(crate) fn plan(delivery: &Delivery) -> Outcome<Plan> {
    Plan::new(&delivery.manifest).map_err(|findings| {
        let first = findings.first().map(|finding| finding.check.title()).unwrap_or_default();
        Failure::usage(anyhow!("the manifest cannot be used: {first}; see batch check"))
    })
}
