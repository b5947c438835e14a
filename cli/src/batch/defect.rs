//! Kinds of defects that are planted in a generated batch, each with the findings it must cause and
//! no others.

mod batch;
mod card;
mod image;
mod key;
mod text;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use xuejika_card_model::batch::{Check, Column, KeySlot, KeySource, Manifest};

use super::design::{BOX, Design, Sketch};
use crate::input::{self, MAX_TEXT};

/// Plants every kind that others do not hide.
const ALL: &str = "all";

/// A kind of defect.
pub(crate) struct Kind {
    /// Name in a defects file.
    pub(crate) name: &'static str,
    /// What is wrong.
    pub(crate) what: &'static str,
    /// What must be found.
    pub(crate) expects: &'static [(Check, At)],
    /// Whether it can be planted together with others.
    pub(crate) combines: bool,
    /// How it is planted.
    pub(crate) plant: Plant,
}

/// Where a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// On the planted row.
    Row,
    /// On no row, but naming the serial that the planted card has lost.
    Gap,
    /// On no row.
    Batch,
}

/// How a defect is planted.
pub(crate) enum Plant {
    /// In a good card, before its keys are derived.
    Card(fn(&mut Sketch, &Design) -> anyhow::Result<()>),
    /// In a scrap card.
    Scrap(fn(&mut Sketch, &Design) -> anyhow::Result<()>),
    /// In the cells of a good card.
    Cells(fn(&mut RowCells<'_>) -> anyhow::Result<()>),
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
    fn cell(&mut self, column: Column) -> anyhow::Result<&mut String> {
        self.cells.get_mut(column.index()).context("a row has every column")
    }

    fn set(&mut self, column: Column, text: impl Into<String>) -> anyhow::Result<()> {
        *self.cell(column)? = text.into();
        Ok(())
    }

    /// The card before it.
    fn before(&self) -> anyhow::Result<Sketch> {
        before(self.sketch, self.design)
    }
}

/// The card before this one.
fn before(sketch: &Sketch, design: &Design) -> anyhow::Result<Sketch> {
    design.sketch(sketch.index.checked_sub(1).context("the first card has none before it")?)
}

/// Every kind, in the order of the catalogue of checks.
pub(crate) fn kinds() -> impl Iterator<Item = &'static Kind> {
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

/// What is planted where.
#[derive(Default)]
pub(crate) struct Defects {
    /// By the place of the card.
    pub(crate) cards: BTreeMap<u32, &'static Kind>,
    /// In the batch as a whole.
    pub(crate) batch: Vec<&'static Kind>,
}

impl Defects {
    /// Reads a defects file, or plants all kinds that go together.
    pub(crate) fn read(source: &str, design: &mut Design) -> anyhow::Result<Self> {
        let wanted = if source == ALL {
            let all = kinds().filter(|kind| kind.combines);
            all.map(|kind| Wanted { kind: kind.name.to_owned(), card: None }).collect()
        } else {
            let text = input::text(Path::new(source), MAX_TEXT)?;
            toml::from_str::<DefectsFile>(&text).context(source.to_owned())?.defects
        };
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

    fn add(&mut self, wanted: &Wanted, design: &Design) -> anyhow::Result<()> {
        let name = &wanted.kind;
        let kind = Kind::named(name)?;
        if !kind.is_of_card() {
            ensure!(wanted.card.is_none(), "{name} is planted in no card");
            self.batch.push(kind);
            return Ok(());
        }
        let index = match wanted.card {
            Some(card) => {
                let index = card.checked_sub(1).filter(|index| self.fits(kind, *index, design));
                index.with_context(|| format!("{name} cannot be planted in card {card}"))?
            }
            None => {
                // Three apart: some kinds make a card look like the one before it.
                let start = design.random(7) % 3;
                let mut candidates =
                    (0..design.cards).skip(usize::try_from(start)?).step_by(kind.stride());
                let free = candidates.find(|index| self.fits(kind, *index, design));
                match free {
                    Some(index) => index,
                    None => bail!("{name}: the batch has no card left for it"),
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
    fn named(name: &str) -> anyhow::Result<&'static Self> {
        let named = kinds().find(|kind| kind.name == name);
        named.with_context(|| format!("{name}: no such kind; see xuejika batch defects"))
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
pub(crate) struct Truth {
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
