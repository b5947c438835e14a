//! The slip with which cards go from one level to the next (交接单). The sender makes it, the receiver
//! counts; where count or serials differ the sender makes it anew (操作规程 一/九(四)).

use alloc::string::String;
use alloc::vec::Vec;

use super::cards::{Cards, CardsError, Difference};
use super::ledger::{Ledger, StockEntry};
use super::movement::Movement;
use crate::date::Date;
use crate::desk::line::{LineError, Numbered, lines};
use crate::ident::{SerialRange, UnitCode};

lines! {
    /// A line of a slip: some of its cards. Number, day, units and movement are those of the slip.
    pub struct SlipLine {
        /// Number of the slip.
        slip: String, "交接单号";
        /// Day the cards leave.
        day: Date, "日期";
        /// Unit that sends them.
        from: UnitCode, "交出单位";
        /// Unit that takes them in.
        to: UnitCode, "接收单位";
        /// Why, as the sender's ledger says.
        movement: Movement, "事由";
        /// Serials of the cards, as `S` or `S..S`.
        cards: SerialRange, "卡序号";
        /// How many they are.
        count: u32, "张数";
    }
}

/// What is wrong with a line of a slip.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SlipError {
    /// The line is of another slip than the first.
    #[error("not as in the first line, expected one slip in a file")]
    Other,
    /// The movement does not lead from one unit to the next.
    #[error("{movement} ({}) does not lead from unit {from} to unit {to}", movement.chinese())]
    Way {
        /// The movement.
        movement: Movement,
        /// The sender.
        from: UnitCode,
        /// The receiver.
        to: UnitCode,
    },
    /// The number of cards is not that of the serials.
    #[error("is not the number of the serials, expected {0}")]
    Count(u32),
    /// The cards are no set.
    #[error(transparent)]
    Cards(#[from] CardsError),
}

/// Why a ledger has no such slip.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownSlip {
    /// No entry by which cards leave names it.
    #[error("no cards leave the stock of unit {unit} with slip {slip:?}")]
    NoEntry {
        /// Whose ledger it is.
        unit: UnitCode,
        /// Number of the slip.
        slip: String,
    },
    /// Its entries are of several days, units or movements.
    #[error("the entries with slip {0:?} are of several days, units or movements")]
    Several(String),
}

/// A slip as the sender made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slip {
    number: String,
    day: Date,
    from: UnitCode,
    to: UnitCode,
    movement: Movement,
    cards: Cards,
}

/// A slip whose cards the receiver has counted and found as it says: only such cards go into stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedSlip(Slip);

impl Slip {
    /// Takes the lines of a slip.
    ///
    /// # Errors
    /// Every line that breaks a rule; none for no lines, which are no slip.
    pub fn new(lines: &[Numbered<SlipLine>]) -> Result<Self, Vec<LineError<SlipError>>> {
        let Some(first) = lines.first().map(|at| &at.value) else { return Err(Vec::new()) };
        let mut errors: Vec<_> = lines.iter().flat_map(|at| line_errors(first, at)).collect();
        let cards = Cards::in_lines(lines, |line| line.cards);
        match cards {
            Ok(cards) if errors.is_empty() => Ok(Self {
                number: first.slip.clone(),
                day: first.day,
                from: first.from,
                to: first.to,
                movement: first.movement,
                cards,
            }),
            Ok(_) => Err(errors),
            Err(more) => {
                let more = more.into_iter().map(|LineError { line, field, problem }| LineError {
                    line,
                    field,
                    problem: problem.into(),
                });
                errors.extend(more);
                Err(errors)
            }
        }
    }

    /// Makes the slip of the cards that leave a stock with this number.
    ///
    /// # Errors
    /// Any [`UnknownSlip`].
    pub fn of_ledger(ledger: &Ledger, number: &str) -> Result<Self, UnknownSlip> {
        let entries = ledger.entries().iter();
        let entries = entries.filter(|entry| {
            entry.slip.as_deref() == Some(number) && entry.movement.taken_in_as().is_some()
        });
        let mut entries = entries.peekable();
        let key = |entry: &StockEntry| Some((entry.day, entry.counterpart?, entry.movement));
        let Some((day, to, movement)) = entries.peek().and_then(|entry| key(entry)) else {
            return Err(UnknownSlip::NoEntry { unit: ledger.unit(), slip: number.into() });
        };
        let mut cards = Vec::new();
        for entry in entries {
            if key(entry) != Some((day, to, movement)) {
                return Err(UnknownSlip::Several(number.into()));
            }
            cards.extend(entry.cards.serials());
        }
        let (number, cards) = (number.into(), cards.into_iter().collect());
        Ok(Self { number, day, from: ledger.unit(), to, movement, cards })
    }

    /// Returns its lines.
    pub fn lines(&self) -> impl Iterator<Item = SlipLine> + '_ {
        self.cards.ranges().into_iter().map(|cards| SlipLine {
            slip: self.number.clone(),
            day: self.day,
            from: self.from,
            to: self.to,
            movement: self.movement,
            cards,
            count: cards.count(),
        })
    }

    /// Returns its cards.
    #[must_use]
    pub const fn cards(&self) -> &Cards {
        &self.cards
    }

    /// Compares with what the receiver counted.
    ///
    /// # Errors
    /// [`Difference`]: the sender has to make the slip anew.
    pub fn receive(self, counted: &Cards) -> Result<ReceivedSlip, Difference> {
        self.cards.expect(counted)?;
        Ok(ReceivedSlip(self))
    }
}

impl ReceivedSlip {
    /// Returns the entries of the receiver's ledger, for cards that were counted on this day, or on
    /// the day they left if that was later.
    pub fn entries(&self, counted_on: Date) -> impl Iterator<Item = StockEntry> + '_ {
        let Slip { number, day, from, movement, cards, .. } = &self.0;
        let ranges = movement.taken_in_as().map(|movement| (movement, cards.ranges()));
        ranges.into_iter().flat_map(move |(movement, ranges)| {
            ranges.into_iter().map(move |cards| StockEntry {
                day: counted_on.max(*day),
                movement,
                cards,
                counterpart: Some(*from),
                slip: Some(number.clone()),
            })
        })
    }
}

/// What is wrong with a line of the slip that begins with `first`.
fn line_errors(first: &SlipLine, at: &Numbered<SlipLine>) -> Vec<LineError<SlipError>> {
    let line = &at.value;
    let mut errors = Vec::new();
    for (field, same) in [
        ("slip", line.slip == first.slip),
        ("day", line.day == first.day),
        ("from", line.from == first.from),
        ("to", line.to == first.to),
        ("movement", line.movement == first.movement),
    ] {
        if !same {
            errors.push(LineError::new(at, field, SlipError::Other));
        }
    }
    let SlipLine { from, to, movement, .. } = *line;
    let side = movement.taken_in_as().and_then(|_| movement.counterpart(from));
    if !side.is_some_and(|side| side.is(from, Some(to))) {
        errors.push(LineError::new(at, "to", SlipError::Way { movement, from, to }));
    }
    let count = line.cards.count();
    if line.count != count {
        errors.push(LineError::new(at, "count", SlipError::Count(count)));
    }
    errors
}
