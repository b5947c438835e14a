//! The walk tried: seeded faults of the wallet and the PSAM, each of which it has to find.

use xuejika_card_model::fault::Fault;

use super::seeded::hunt;
use super::walk::{Tally, run};

const FAULTS: &[Fault] = &[
    Fault::BalanceOutside,
    Fault::CounterOutside,
    Fault::ProofOutside,
    Fault::LogOutside,
    Fault::FlagOutside,
    Fault::RecordsOutside,
    Fault::FailureNotCounted,
    Fault::SequenceNotAdvanced,
    Fault::SequenceWraps,
    Fault::MacHalfCompared,
    Fault::TacOverOldBalance,
    Fault::ProofOfOldSequence,
    Fault::ProveAnySequence,
    Fault::ProveAnyType,
    Fault::InitialiseForgetsProof,
    Fault::RandomRepeats,
    Fault::CreditWraps,
    Fault::DebitSaturates,
    Fault::LastFenRefused,
    Fault::FlagIgnored,
    Fault::PendingSurvivesError,
    Fault::PendingSurvivesOthers,
    Fault::PendingSurvivesReset,
    Fault::PendingSurvivesSuccess,
    Fault::SecurityStateKept,
    Fault::TerminalSequenceReused,
    Fault::Mac2LimitIgnored,
    Fault::Mac2NotChecked,
    Fault::ChallengeNotConsumed,
    Fault::PreviousChallengeAccepted,
    Fault::LineMacSkipped,
    Fault::LineMacOverHeaderOnly,
    Fault::BlockNotPersisted,
    Fault::BlockIgnored,
    Fault::SecurityStateSurvivesReset,
];

/// Seeds that a fault must get through to survive.
const SEEDS: u64 = 4_000;

/// How many faults the walk finds, and how many not.
pub(crate) fn find() -> (usize, usize) {
    hunt(FAULTS, SEEDS, |seed| run(seed, &mut Tally::default()).err().map(|breach| breach.what))
}
