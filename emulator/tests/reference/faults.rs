//! The comparison judged: each seeded fault that a student card's answers or files can show is
//! switched on in turn, and the cards have to part.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use xuejika_card_model::fault::{Fault, seed};

use super::run;

/// Sequences that a fault must get through to survive.
const SEQUENCES: u64 = 30_000;

/// What shows a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// The reference card.
    Reference,
    /// Power cuts and memories that fail (`tests/soak`).
    Cuts,
    /// Cards of other kinds, terminals and hosts.
    Elsewhere,
}

fn seen(fault: Fault) -> Seen {
    use Fault as F;
    match fault {
        F::DataBeforeJournal
        | F::JournalOmitted
        | F::JournalCheckIgnored
        | F::JournalCheckPartial
        | F::RecoveryOmitted
        | F::RecoveryStopsEarly
        | F::RecoveryForgetsFirst
        | F::CommitNotSynced
        | F::RecoveryNotSynced
        | F::BarrierOmitted
        | F::RecoveryBarrierOmitted
        | F::ImageCheckIgnored
        | F::KeyHeaderOutside
        | F::StatusOutside
        | F::FailureToldBeforeCounter
        | F::BalanceOutside
        | F::CounterOutside
        | F::ProofOutside
        | F::LogOutside
        | F::FlagOutside
        | F::RecordsOutside
        | F::RevealBeforeCommit
        | F::VerdictBeforeCounter
        | F::PinVerdictBeforeCounter
        | F::TryRefundedByCut => Seen::Cuts,
        F::TerminalSequenceReused
        | F::TerminalSequenceVolatile
        | F::Mac2LimitIgnored
        | F::Mac2NotChecked
        | F::SamStaysUnlocked
        | F::SamMaskIgnored
        | F::SamFloorIgnored
        | F::SamValidityIgnored
        | F::LostAnswerTakenForRefusal
        | F::LostAnswerPaidAgain
        | F::ProofAloneDecides
        | F::RepeatedPurchaseBooked
        | F::LateRequestBooked
        | F::FinalEntryCancelled => Seen::Elsewhere,
        F::FailureNotCounted
        | F::LastTryDoesNotBlock
        | F::SequenceNotAdvanced
        | F::SequenceWraps
        | F::MacHalfCompared
        | F::TacOverOldBalance
        | F::ProofOfOldSequence
        | F::ProveAnySequence
        | F::ProveAnyType
        | F::InitialiseForgetsProof
        | F::RandomRepeats
        | F::CreditWraps
        | F::DebitSaturates
        | F::LastFenRefused
        | F::FlagIgnored
        | F::PendingSurvivesError
        | F::PendingSurvivesOthers
        | F::PendingSurvivesReset
        | F::PendingSurvivesSuccess
        | F::SecurityStateKept
        | F::ChallengeNotConsumed
        | F::PreviousChallengeAccepted
        | F::LineMacSkipped
        | F::LineMacOverHeaderOnly
        | F::BlockNotPersisted
        | F::BlockIgnored
        | F::SecurityStateSurvivesReset
        | F::ReflectionAccepted
        | F::TokenHalfCompared
        | F::ZoneChallengeReusable
        | F::ZoneChallengeRepeats
        | F::KeyChoiceSurvivesFailure
        | F::AlgorithmNotCompared
        | F::ZoneFailureNotCounted
        | F::ZoneLimitIgnored
        | F::FallBackKept
        | F::OldVersionLoaded
        | F::KeyCheckIgnored
        | F::KeyLoadUnderAnyKey
        | F::DeadCardTakesKeys
        | F::SmMacSkipped
        | F::SmMacHalfCompared
        | F::SmReplayAccepted
        | F::SmIndicatorIgnored
        | F::SmPaddingIgnored
        | F::SmOuterLeIgnored
        | F::SmSessionSurvivesError
        | F::SmSessionSurvivesPlain
        | F::PlainOnlyTakenProtected
        | F::SessionSurvivesReset
        | F::SelectionSurvivesReset
        | F::KeyChoiceSurvivesSelect
        | F::FileSurvivesSelect
        | F::SecurityStateSurvivesSelect
        | F::PartialNameSelects
        | F::ChannelIgnored
        | F::UnknownInstructionAnswersClass
        | F::ChainMixed
        | F::ChainUnlimited
        | F::ChainLimitOffByOne
        | F::ChainSurvivesFailure
        | F::PendingResponseSurvives
        | F::GetResponseParametersIgnored
        | F::OffsetAtEndTaken
        | F::LeBeyondEndTaken
        | F::OffsetHighByteIgnored
        | F::RecordZeroTaken
        | F::ReadRightIgnored
        | F::UpdateRightIgnored
        | F::RightStateIgnored
        | F::AnyKeyOpens
        | F::UpdateBeyondEnd
        | F::WriterUnitIgnored
        | F::PupilReplaced
        | F::ForeignIssuanceTaken
        | F::EventUnderAnyKey
        | F::EventInAnyState
        | F::UnitRuleIgnored
        | F::PreviousStateLost
        | F::StatusCounterStuck
        | F::EventNotLogged
        | F::RegisteredTwice
        | F::WipeOmitted
        | F::TransferIgnoresSectors
        | F::RecallIgnoresWallet
        | F::SectorOpenedTwice
        | F::SectorKeyCheckIgnored
        | F::ForeignSectorReadable
        | F::StatusNotHealed => Seen::Reference,
    }
}

/// What became of a fault.
struct Hunted {
    fault: Fault,
    /// Seed and step at which the cards part, and what shows it.
    parted: Option<(u64, usize, String)>,
}

/// Seeds every fault in turn, or the one with this name.
pub(crate) fn hunt(only: Option<&str>, steps: usize) -> ExitCode {
    let begun = Instant::now();
    let wanted = |fault: &&Fault| match only {
        Some(only) => format!("{fault:?}") == only,
        None => seen(**fault) == Seen::Reference,
    };
    let faults: Vec<Fault> = Fault::ALL.iter().filter(wanted).copied().collect();
    let (next, hunted) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    // A fault may well make the card panic.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(&fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    seed(Some(fault));
                    let parted = (1..=SEQUENCES).find_map(|number| parting(number, steps));
                    seed(None);
                    hunted.lock().unwrap().push(Hunted { fault, parted });
                }
            });
        }
    });
    std::panic::set_hook(hook);
    let mut hunted = hunted.into_inner().unwrap();
    hunted.sort_by_key(|it| faults.iter().position(|fault| *fault == it.fault));
    report(&hunted, begun)
}

/// Where the cards part in this sequence.
fn parting(number: u64, steps: usize) -> Option<(u64, usize, String)> {
    match std::panic::catch_unwind(|| run::sequence(number, steps)) {
        Ok(Ok(_)) => None,
        Ok(Err(divergence)) => Some((number, divergence.step, divergence.what)),
        Err(_) => Some((number, 0, "panic".to_owned())),
    }
}

/// Prints the table; whether every fault parted the cards.
fn report(hunted: &[Hunted], begun: Instant) -> ExitCode {
    println!("{:30} {:>8} {:>5}  first divergence", "fault", "sequence", "step");
    for Hunted { fault, parted } in hunted {
        let (number, step, what) = match parted {
            Some((number, step, what)) => (number.to_string(), step.to_string(), what.as_str()),
            None => ("-".to_owned(), "-".to_owned(), "NOT FOUND"),
        };
        let what: String = what.chars().take(60).collect();
        println!("{:30} {number:>8} {step:>5}  {what}", format!("{fault:?}"));
    }
    let found = hunted.iter().filter(|it| it.parted.is_some()).count();
    let seconds = begun.elapsed().as_secs();
    println!("\n{found} of {} faults part the cards, {seconds} s", hunted.len());
    if found == hunted.len() && found > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
