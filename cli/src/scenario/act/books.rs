//! The books of the desks: allocation and stock.

use anyhow::anyhow;
use xuejika_card_model::desk::stock::{Cards, CountedCards, Ledger, StockEntry, StockError};
use xuejika_card_model::desk::{AllocationPlan, Heading, Line, Numbered, SchoolHolding};
use xuejika_card_model::ident::UnitCode;

use super::super::found::Found;
use super::super::script::Books;
use super::super::world::World;

impl World {
    pub(super) fn allocate(school: &SchoolHolding) -> Found {
        let line = Numbered { line: 1, value: school.clone() };
        let plan = match AllocationPlan::new(UnitCode::CITY, &[line]) {
            Ok(plan) => plan,
            Err(errors) => return refused("allocation", &errors),
        };
        plan.schools.iter().fold(Found::done("allocated"), |found, school| {
            found
                .with("spare", school.spare)
                .with("hand_out", school.hand_out)
                .with("recall", school.recall)
        })
    }

    pub(super) fn stock(&mut self, books: &Books) -> anyhow::Result<Found> {
        let ledger = match Ledger::new(books.unit, &lines::<StockEntry>(&books.ledger)?) {
            Ok(ledger) => ledger,
            Err(errors) => {
                let outcome = match errors.first().map(|error| &error.problem) {
                    Some(StockError::InStock(_)) => "in-stock",
                    Some(StockError::NotInStock(_)) => "not-in-stock",
                    _ => "ledger",
                };
                return Ok(refused(outcome, &errors));
            }
        };
        let stock: Cards = ledger.in_stock(self.date).map(|stay| stay.card).collect();
        if let Some(counted) = &books.counted {
            let counted = lines::<CountedCards>(counted)?;
            let counted = Cards::in_lines(&counted, |line| line.cards);
            let counted = counted.map_err(|errors| anyhow!("counted: {}", told(&errors)))?;
            if let Err(difference) = stock.expect(&counted) {
                return Ok(Found::refused("difference", difference.to_string()));
            }
        }
        let overdue = ledger.overdue(self.date, books.keep, &self.holidays)?;
        let overdue: usize = overdue.iter().map(|overdue| overdue.cards.count()).sum();
        Ok(Found::done(format!("{} cards", stock.count()))
            .with("in_stock", stock.count())
            .with("overdue", overdue))
    }
}

/// Reads lines whose cells stand in the order of the columns; the last ones may be left out.
fn lines<T: Line>(texts: &[String]) -> anyhow::Result<Vec<Numbered<T>>> {
    let heading = Heading::<T>::read(T::COLUMNS.iter().map(|column| column.name))?;
    let line = |(number, text): (u64, &String)| {
        let cells: Vec<_> = text.split(',').collect();
        heading.line(number, &cells).map_err(|errors| anyhow!("{}", told(&errors)))
    };
    (1..).zip(texts).map(line).collect()
}

fn told(errors: &[impl ToString]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn refused(outcome: &str, errors: &[impl ToString]) -> Found {
    Found::refused(outcome, told(errors))
}
