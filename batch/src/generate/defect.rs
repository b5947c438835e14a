//! Kinds of defects that are planted in a generated batch, each with the findings it must cause and
//! no others.

mod batch;
mod card;
mod image;
mod key;
mod text;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::design::{BOX, Design, Sketch};
use crate::error::{Cause, Error};
use crate::{Check, Column, KeySlot, KeySource, Manifest};

/// A kind of defect.
#[derive(Debug)]
pub struct Kind {
    /// Name in a defects file.
    pub name: &'static str,
    /// What is wrong.
    pub what: &'static str,
    /// What must be found.
    pub expects: &'static [(Check, At)],
    /// Whether it can be planted together with others.
    pub combines: bool,
    /// How it is planted.
    pub(crate) plant: Plant,
}

/// Where a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// On the planted row.
    Row,
    /// On no row, but naming the serial that the planted card has lost.
    Gap,
    /// On no row.
    Batch,
}

/// How a defect is planted.
#[derive(Debug)]
pub(crate) enum Plant {
    /// In a good card, before its keys are derived.
    Card(fn(&mut Sketch, &Design) -> Result<(), Cause>),
    /// In a scrap card.
    Scrap(fn(&mut Sketch, &Design) -> Result<(), Cause>),
    /// In the cells of a good card.
    Cells(fn(&mut RowCells<'_>) -> Result<(), Cause>),
    /// In the bytes of a row.
    Line(fn(&mut Vec<u8>)),
    /// By writing the row this many times.
    Times(u32),
    /// In the design of the batch.
    Design(fn(&mut Design)),
    /// In the heading.
    Heading(fn(&mut String)),
    /// In front of the file.
    Bom,
    /// By cutting the end of the file off after its hash was taken.
    CutShort,
    /// In the manifest.
    Manifest(fn(&mut Manifest)),
}

/// The cells of a row and what they come from.
pub(crate) struct RowCells<'a> {
    /// The cells, in the order of the columns.
    pub(crate) cells: Vec<String>,
    /// The card.
    pub(crate) sketch: &'a Sketch,
    /// Its key check values.
    pub(crate) values: &'a [[u8; 3]; KeySlot::COUNT],
    /// The batch.
    pub(crate) design: &'a Design,
    /// The roots.
    pub(crate) source: &'a KeySource<'a>,
}

impl RowCells<'_> {
    fn cell(&mut self, column: Column) -> Result<&mut String, Cause> {
        self.cells.get_mut(column.index()).ok_or_else(|| "a row has every column".into())
    }

    fn set(&mut self, column: Column, text: impl Into<String>) -> Result<(), Cause> {
        *self.cell(column)? = text.into();
        Ok(())
    }

    /// The card before it.
    fn before(&self) -> Result<Sketch, Cause> {
        before(self.sketch, self.design)
    }
}

/// The card before this one.
fn before(sketch: &Sketch, design: &Design) -> Result<Sketch, Cause> {
    design.sketch(sketch.index.checked_sub(1).ok_or("the first card has none before it")?)
}

/// Every kind, in the order of the catalogue of checks.
pub fn kinds() -> impl Iterator<Item = &'static Kind> {
    text::KINDS.iter().chain(batch::KINDS).chain(card::KINDS).chain(key::KINDS).chain(image::KINDS)
}

/// A defects file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DefectsFile {
    #[serde(rename = "defect")]
    defects: Vec<Wanted>,
}

/// A defect that is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    kind: String,
    /// Card it is planted in, counted from 1; by default one that the seed picks.
    card: Option<u32>,
}

impl Wanted {
    fn of(kind: &str) -> Self {
        Self { kind: kind.to_owned(), card: None }
    }
}

/// What is planted where.
#[derive(Debug, Default)]
pub struct Defects {
    /// By the place of the card.
    pub(crate) cards: BTreeMap<u32, &'static Kind>,
    /// In the batch as a whole.
    pub(crate) batch: Vec<&'static Kind>,
}

impl Defects {
    /// Plants all kinds that go together.
    ///
    /// # Errors
    /// Returns [`Error::Design`] when the batch is too small.
    pub fn all(design: &mut Design) -> Result<Self, Error> {
        Self::these(kinds().filter(|kind| kind.combines).map(|kind| kind.name), design)
    }

    /// Plants these kinds, in cards that the seed picks.
    ///
    /// # Errors
    /// Returns [`Error::Design`] for no such kind, or when the batch is too small.
    pub fn these<'k>(
        kinds: impl IntoIterator<Item = &'k str>,
        design: &mut Design,
    ) -> Result<Self, Error> {
        Self::plant(kinds.into_iter().map(Wanted::of).collect(), design)
    }

    /// Plants what a defects file says: TOML, `[[defect]]` tables with `kind` and, if it matters,
    /// `card`.
    ///
    /// # Errors
    /// Returns [`Error::Design`] for a file that is none, no such kind, or when a kind cannot be
    /// planted.
    pub fn parse(text: &str, design: &mut Design) -> Result<Self, Error> {
        let file: DefectsFile =
            toml::from_str(text).map_err(|error| Error::Design(error.into()))?;
        Self::plant(file.defects, design)
    }

    fn plant(wanted: Vec<Wanted>, design: &mut Design) -> Result<Self, Error> {
        Self::try_plant(wanted, design).map_err(Error::Design)
    }

    fn try_plant(wanted: Vec<Wanted>, design: &mut Design) -> Result<Self, Cause> {
        let mut defects = Self::default();
        for wanted in &wanted {
            if let Plant::Design(change) = Kind::named(&wanted.kind)?.plant {
                change(design);
            }
        }
        // Those with a card of their own come first, so that the seed picks others.
        let (fixed, free): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|wanted| wanted.card.is_some());
        for wanted in fixed.iter().chain(&free) {
            defects.add(wanted, design)?;
        }
        Ok(defects)
    }

    fn add(&mut self, wanted: &Wanted, design: &Design) -> Result<(), Cause> {
        let name = &wanted.kind;
        let kind = Kind::named(name)?;
        if !kind.is_of_card() {
            if wanted.card.is_some() {
                return Err(format!("{name} is planted in no card").into());
            }
            self.batch.push(kind);
            return Ok(());
        }
        let index = match wanted.card {
            Some(card) => {
                let index = card.checked_sub(1).filter(|index| self.fits(kind, *index, design));
                index.ok_or_else(|| format!("{name} cannot be planted in card {card}"))?
            }
            None => {
                // Three apart: some kinds make a card look like the one before it.
                let start = design.random(7) % 3;
                let mut candidates =
                    (0..design.cards).skip(usize::try_from(start)?).step_by(kind.stride());
                let free = candidates.find(|index| self.fits(kind, *index, design));
                match free {
                    Some(index) => index,
                    None => return Err(format!("{name}: the batch has no card left for it").into()),
                }
            }
        };
        self.cards.insert(index, kind);
        Ok(())
    }

    /// Whether a kind can be planted in this card.
    fn fits(&self, kind: &Kind, index: u32, design: &Design) -> bool {
        let is_scrap = |index: u32| {
            let number = index / design.scrap_every;
            number < design.scrap() && design.scrap_card(number) == index
        };
        let free =
            (index.saturating_sub(1)..=index + 1).all(|near| !self.cards.contains_key(&near));
        if matches!(kind.plant, Plant::Scrap(_)) {
            // The scrap card before it stays as it is.
            let number = index / design.scrap_every;
            return free && is_scrap(index) && number % 2 == 1;
        }
        free && index > 0
            && index < design.ordered()
            && !index.is_multiple_of(BOX)
            && !is_scrap(index)
            && !is_scrap(index - 1)
            && (design.boxes() > 1 || kind.name != card::ANOTHER_BOX)
    }
}

impl Kind {
    fn named(name: &str) -> Result<&'static Self, Cause> {
        let named = kinds().find(|kind| kind.name == name);
        named.ok_or_else(|| format!("{name}: no such kind; see xuejika batch defects").into())
    }

    /// Whether it is planted in one card.
    const fn is_of_card(&self) -> bool {
        use Plant::{Card, Cells, Line, Scrap, Times};
        matches!(self.plant, Card(_) | Scrap(_) | Cells(_) | Line(_) | Times(_))
    }

    const fn stride(&self) -> usize {
        if matches!(self.plant, Plant::Scrap(_)) { 1 } else { 3 }
    }

    const fn row(
        name: &'static str,
        what: &'static str,
        expects: &'static [(Check, At)],
        plant: Plant,
    ) -> Self {
        Self { name, what, expects, combines: true, plant }
    }

    const fn alone(
        name: &'static str,
        what: &'static str,
        expects: &'static [(Check, At)],
        plant: Plant,
    ) -> Self {
        Self { name, what, expects, combines: false, plant }
    }
}

/// A planted defect and what must be found because of it: one line of the truth file.
#[derive(Clone, Debug, Serialize)]
pub struct Truth {
    /// The kind.
    kind: &'static str,
    /// The row it is on; none when the row is gone or none is concerned.
    row: Option<u32>,
    /// The serial the card was made with.
    serial: Option<String>,
    /// What must be found.
    expect: Vec<Expected>,
}

/// A finding that must come.
#[derive(Clone, Debug, Serialize)]
struct Expected {
    id: &'static str,
    row: Option<u32>,
    /// The serial that has no row.
    #[serde(skip_serializing_if = "Option::is_none")]
    gap: Option<String>,
}

impl Truth {
    /// What must be found because of `kind`, planted in the row of the card made as `serial`.
    pub(crate) fn new(kind: &Kind, row: Option<u32>, serial: Option<String>) -> Self {
        let expected = |(check, at): &(Check, At)| Expected {
            id: check.id(),
            row: row.filter(|_| *at == At::Row),
            gap: serial.clone().filter(|_| *at == At::Gap),
        };
        let expect = kind.expects.iter().map(expected).collect();
        Self { kind: kind.name, row, serial, expect }
    }
}
