//! The walk tried: seeded faults of rights, units, states and events, each of which it has to find.

use xuejika_card_model::fault::Fault;

use super::seeded::hunt;
use super::walk::{Tally, run};

const FAULTS: &[Fault] = &[
    Fault::KeyLoadUnderAnyKey,
    Fault::OldVersionLoaded,
    Fault::ReadRightIgnored,
    Fault::UpdateRightIgnored,
    Fault::RightStateIgnored,
    Fault::AnyKeyOpens,
    Fault::WriterUnitIgnored,
    Fault::EventUnderAnyKey,
    Fault::EventInAnyState,
    Fault::UnitRuleIgnored,
    Fault::PreviousStateLost,
    Fault::StatusCounterStuck,
    Fault::EventNotLogged,
    Fault::RegisteredTwice,
    Fault::WipeOmitted,
    Fault::TransferIgnoresSectors,
    Fault::RecallIgnoresWallet,
    Fault::SectorOpenedTwice,
];

/// Seeds that a fault must get through to survive.
const SEEDS: u64 = 4_000;

/// How many faults the walk finds, and how many not.
pub(crate) fn find() -> (usize, usize) {
    hunt(FAULTS, SEEDS, |seed| {
        run(seed, &mut Tally::default()).err().map(|broken| broken.breach.what)
    })
}
