//! Stock of cards at a level: the ledger of what came in and went out (入库、出库), and the slips by
//! which cards go from one level to the next (交接单).
//!
//! A [`Ledger`] exists only if every card in it came in before it went out, and once. The order of
//! its lines does not matter: movements count by their day.

mod cards;
mod ledger;
mod movement;
mod slip;

pub use cards::{Cards, CardsError, CountedCards, Difference, MAX_CARDS};
pub use ledger::{Ledger, Overdue, Stay, StockEntry, StockError};
pub use movement::{Counterpart, Direction, Movement};
pub use slip::{ReceivedSlip, Slip, SlipError, SlipLine, UnknownSlip};
