//! Single rows of a batch: the cards that are looked at one by one.

use std::collections::BTreeMap;

use xuejika_card_model::ident::CardSerial;
use xuejika_card_model::record::Issuance;

use crate::error::Error;
use crate::file::{Delivery, FileEnd};
use crate::image::Facts;
use crate::{Column, Finding, Plan, Row};

/// A row as it stands, and as it is read.
#[derive(Clone, Debug)]
pub struct OneRow {
    /// Number of the row.
    pub number: u32,
    /// Its values.
    pub row: Row,
    /// The issuance record that follows from the row, if no image is given.
    pub record: Option<Issuance>,
    cells: Vec<String>,
}

impl OneRow {
    /// The text of a cell.
    #[must_use]
    pub fn text(&self, column: Column) -> &str {
        self.cells.get(column.index()).map_or("", String::as_str)
    }
}

/// Reads the rows that `wanted` names by serial and number, in one pass.
///
/// # Errors
/// Returns an [`Error`] when a file cannot be read as a whole.
pub fn read(
    delivery: &Delivery,
    plan: &Plan,
    mut wanted: impl FnMut(Option<CardSerial>, u32) -> bool,
) -> Result<(BTreeMap<u32, OneRow>, Vec<FileEnd>), Error> {
    let mut rows = BTreeMap::new();
    let mut wrong = None;
    let ends = delivery.each_row(
        |finding| wrong = wrong.take().or(Some(finding)),
        |place, cells| {
            let number = place.row.unwrap_or(0);
            let text = |column| cells.get(column).unwrap_or_default();
            let serial = text(Column::SERIAL).parse().ok();
            if wanted(serial, number) {
                let row = Row::read(plan, cells, &mut Vec::new());
                let site = crate::chip::hex_bytes(text(Column::SITE));
                let init_date = text(Column::INIT_DATE).parse().ok();
                let record = Facts { serial, init_date, site }.record(plan);
                let cells = Column::all().map(|column| text(column).to_owned()).collect();
                rows.insert(number, OneRow { number, row, record, cells });
            }
            Ok::<_, Error>(())
        },
    )?;
    match wrong {
        Some(finding) if finding.place.row.is_none() => {
            let Finding { check, .. } = finding;
            Err(Error::Unfit(format!("{check} {}; see batch check", check.title())))
        }
        _ => Ok((rows, ends)),
    }
}

/// The manifest as a plan.
///
/// # Errors
/// Returns [`Error::Unfit`] when something is wrong with it.
pub fn plan(delivery: &Delivery) -> Result<Plan, Error> {
    delivery.plan().map_err(|findings| {
        let first = findings.first().map(|finding| finding.check.title()).unwrap_or_default();
        Error::Unfit(format!("the manifest cannot be used: {first}; see batch check"))
    })
}
