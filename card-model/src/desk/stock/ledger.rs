//! The stock ledger of a unit (卡库台账).

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::cards::{Cards, MAX_CARDS, check_count};
use super::movement::{Direction, Movement};
use crate::calendar::{CalendarError, Deadline, Holidays};
use crate::date::Date;
use crate::desk::line::{LineError, Numbered, lines, repeated};
use crate::ident::{CardSerial, Scope, SerialRange, UnitCode};

lines! {
    /// Cards that came into the stock or left it.
    pub struct StockEntry {
        /// Day.
        day: Date, "日期";
        /// Why.
        movement: Movement, "事由";
        /// Serials of the cards, as `S` or `S..S`.
        cards: SerialRange, "卡序号";
        /// Unit on the other side; none for the supplier or a pupil.
        counterpart: Option<UnitCode>, "对方单位";
        /// Slip the cards go with.
        slip: Option<String>, "交接单号";
    }
}

/// Why a line cannot stand in a ledger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StockError {
    /// The level knows no such movement.
    #[error("{movement} ({}) does not happen at unit {unit}", movement.chinese())]
    NotAtLevel {
        /// The movement.
        movement: Movement,
        /// Unit whose stock it is.
        unit: UnitCode,
    },
    /// Another unit has to stand on the other side.
    #[error("expected {expected} for {movement} ({})", movement.chinese())]
    Counterpart {
        /// The movement.
        movement: Movement,
        /// Who is expected.
        expected: &'static str,
    },
    /// The same line stands there already.
    #[error("line {0} says the same, expected each movement once")]
    Twice(u64),
    /// Cards come in that are in stock.
    #[error("taken in although in stock: {0}")]
    InStock(Cards),
    /// Cards leave that are not in stock.
    #[error("go out without being in stock: {0}")]
    NotInStock(Cards),
    /// The ledger is about more cards than can be looked at.
    #[error("more than {MAX_CARDS} cards move, the most a ledger may hold")]
    TooMany,
}

/// A card in the stock, from one day to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Stay {
    /// The card.
    pub card: CardSerial,
    /// Day it came in.
    pub since: Date,
    /// Why it came in.
    pub movement: Movement,
    /// Day it left; `None` while it is there.
    pub until: Option<Date>,
}

/// Cards that have stayed too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// Day they were received.
    pub since: Date,
    /// Last day to pass them on.
    pub due: Date,
    /// The cards.
    pub cards: Cards,
}

/// The ledger of a unit's stock, in which every card comes in before it goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    unit: UnitCode,
    entries: Vec<StockEntry>,
    /// By card, then by day.
    stays: Vec<Stay>,
}

/// A card that moves: sorted by card, then day, then as the movements are listed, whatever the order
/// of the lines.
type Move = (CardSerial, Date, Movement, usize);

impl Ledger {
    /// Takes the lines of a unit's ledger.
    ///
    /// # Errors
    /// Every line that breaks a rule, and the cards with which it does.
    pub fn new(
        unit: UnitCode,
        lines: &[Numbered<StockEntry>],
    ) -> Result<Self, Vec<LineError<StockError>>> {
        check_count(lines, |entry| entry.cards, StockError::TooMany).map_err(|error| [error])?;
        let twice = repeated(lines, |entry| entry);
        let mut errors: Vec<_> = twice
            .map(|(at, earlier)| LineError::new(at, "day", StockError::Twice(earlier)))
            .collect();
        errors.extend(lines.iter().filter_map(|at| counterpart_error(unit, at)));
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut moves: Vec<Move> = (0..)
            .zip(lines)
            .flat_map(|(index, Numbered { value, .. })| {
                value.cards.serials().map(move |card| (card, value.day, value.movement, index))
            })
            .collect();
        moves.sort_unstable();
        let (stays, wrong) = replay(&moves);
        if wrong.is_empty() {
            let mut entries: Vec<_> = lines.iter().map(|at| at.value.clone()).collect();
            entries.sort_unstable();
            return Ok(Self { unit, entries, stays });
        }
        let error = |((index, direction), cards): ((usize, Direction), Vec<CardSerial>)| {
            let cards = cards.into_iter().collect();
            let problem = match direction {
                Direction::In => StockError::InStock(cards),
                Direction::Out => StockError::NotInStock(cards),
            };
            lines.get(index).map(|at| LineError::new(at, "cards", problem))
        };
        Err(wrong.into_iter().filter_map(error).collect())
    }

    /// Returns whose stock it is.
    #[must_use]
    pub const fn unit(&self) -> UnitCode {
        self.unit
    }

    /// Returns the entries, by day.
    #[must_use]
    pub fn entries(&self) -> &[StockEntry] {
        &self.entries
    }

    /// Returns the cards in stock at the end of a day, in the order of their serials.
    pub fn in_stock(&self, on: Date) -> impl Iterator<Item = &Stay> {
        self.stays
            .iter()
            .filter(move |stay| stay.since <= on && stay.until.is_none_or(|until| on < until))
    }

    /// Returns how many cards moved so, up to a day.
    #[must_use]
    pub fn moved(&self, movement: Movement, until: Date) -> u64 {
        let entries = self.entries.iter();
        let entries = entries.filter(|entry| entry.movement == movement && entry.day <= until);
        entries.map(|entry| u64::from(entry.cards.count())).sum()
    }

    /// Returns the cards that a school or district was handed and has kept for more than ten working
    /// days (暂行办法 六(一), 操作规程 一/九(五)), those that came first before the others. As many
    /// as `keep` may stay: the temporary and spare cards.
    ///
    /// # Errors
    /// [`CalendarError::OutOfRange`] after 2099.
    pub fn overdue(
        &self,
        on: Date,
        keep: usize,
        holidays: &Holidays,
    ) -> Result<Vec<Overdue>, CalendarError> {
        if self.unit.scope() == Scope::City {
            return Ok(Vec::new());
        }
        let mut by_day = BTreeMap::<Date, Vec<CardSerial>>::new();
        for stay in self.in_stock(on).filter(|stay| stay.movement == Movement::Received) {
            by_day.entry(stay.since).or_default().push(stay.card);
        }
        let mut overdue = Vec::new();
        for (since, cards) in by_day {
            let due = Deadline::CardsPassedOn.last_day(since, holidays)?;
            if due < on {
                overdue.extend(cards.into_iter().map(|card| (since, due, card)));
            }
        }
        overdue.truncate(overdue.len().saturating_sub(keep));
        Ok(overdue
            .chunk_by(|one, other| one.0 == other.0)
            .filter_map(|cards| {
                let (since, due, _) = *cards.first()?;
                Some(Overdue { since, due, cards: cards.iter().map(|(.., card)| *card).collect() })
            })
            .collect())
    }
}

/// What is wrong with who stands on the other side.
fn counterpart_error(unit: UnitCode, at: &Numbered<StockEntry>) -> Option<LineError<StockError>> {
    let StockEntry { movement, counterpart, .. } = at.value;
    match movement.counterpart(unit) {
        None => Some(LineError::new(at, "movement", StockError::NotAtLevel { movement, unit })),
        Some(side) if side.is(unit, counterpart) => None,
        Some(side) => {
            let problem = StockError::Counterpart { movement, expected: side.expected() };
            Some(LineError::new(at, "counterpart", problem))
        }
    }
}

/// Cards that cannot have moved so, by line and direction.
type Wrong = BTreeMap<(usize, Direction), Vec<CardSerial>>;

/// Follows every card from day to day.
///
/// On one day a card may come and go more than once, and the ledger does not say in which order: some
/// order is right exactly if the card is in stock once or not at all afterwards. After a day that is
/// wrong a card is followed no further: every later day would be wrong as well.
fn replay(moves: &[Move]) -> (Vec<Stay>, Wrong) {
    let (mut stays, mut wrong) = (Vec::<Stay>::new(), Wrong::new());
    for of_card in moves.chunk_by(|one, other| one.0 == other.0) {
        let mut present: Option<Stay> = None;
        for of_day in of_card.chunk_by(|one, other| one.1 == other.1) {
            let of = |direction| of_day.iter().filter(move |m| m.2.direction() == direction);
            let (ins, outs) = (of(Direction::In).count(), of(Direction::Out).count());
            let before = usize::from(present.is_some());
            let excess = match (before + ins).checked_sub(outs) {
                None => Some(Direction::Out),
                Some(0 | 1) => None,
                Some(_) => Some(Direction::In),
            };
            if let Some(direction) = excess {
                let last = of(direction).max_by_key(|(.., index)| *index);
                if let Some((card, .., index)) = last {
                    wrong.entry((*index, direction)).or_default().push(*card);
                }
                break;
            }
            let Some((card, day, _, _)) = of_day.first().copied() else { continue };
            if outs > 0 {
                stays.extend(present.take().map(|stay| Stay { until: Some(day), ..stay }));
            }
            if before + ins > outs && present.is_none() {
                present = of(Direction::In).next().map(|(_, since, movement, _)| Stay {
                    card,
                    since: *since,
                    movement: *movement,
                    until: None,
                });
            }
        }
        stays.extend(present);
    }
    (stays, wrong)
}
