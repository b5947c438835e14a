//! The seeded faults: whose each of them is, and how all are tried.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use xuejika_card_model::fault::{Fault, seed};

/// Where a fault shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// In what a student card answers or keeps.
    Student,
    /// In what a PSAM or a SAM answers.
    Sam,
    /// In what a card answers whose memory takes no write.
    Unwritable,
    /// Where power is cut, or a memory reorders (`tests/soak`).
    Cuts,
    /// In terminals and hosts.
    Outside,
}

/// Whose fault it is. One that nobody has placed is a student card's, and has to be found there.
pub(crate) const fn whose(fault: Fault) -> Whose {
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
        | F::BalanceOutside
        | F::CounterOutside
        | F::ProofOutside
        | F::LogOutside
        | F::FlagOutside
        | F::RecordsOutside
        | F::RevealBeforeCommit
        | F::VerdictBeforeCounter
        | F::TryRefundedByCut => Whose::Cuts,
        F::FailureToldBeforeCounter | F::PinVerdictBeforeCounter => Whose::Unwritable,
        F::TerminalSequenceReused
        | F::TerminalSequenceVolatile
        | F::Mac2LimitIgnored
        | F::Mac2NotChecked
        | F::SamStaysUnlocked
        | F::SamMaskIgnored
        | F::SamFloorIgnored
        | F::SamValidityIgnored => Whose::Sam,
        F::LostAnswerTakenForRefusal
        | F::LostAnswerPaidAgain
        | F::ProofAloneDecides
        | F::RepeatedPurchaseBooked
        | F::LateRequestBooked
        | F::FinalEntryCancelled => Whose::Outside,
        _ => Whose::Student,
    }
}

/// Seeds each of the faults in turn, on all processors; what `hunt` says of each, in their order.
pub(crate) fn in_turn<T: Send>(faults: &[Fault], hunt: impl Fn(Fault) -> T + Sync) -> Vec<T> {
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(&fault) = faults.get(number) else { return };
                    seed(Some(fault));
                    let told = hunt(fault);
                    seed(None);
                    found.lock().unwrap().push((number, told));
                }
            });
        }
    });
    let mut found = found.into_inner().unwrap();
    found.sort_by_key(|(number, _)| *number);
    found.into_iter().map(|(_, told)| told).collect()
}

/// What a walk says of a seeded fault: the seed with which it finds it, and how it shows.
pub(crate) type Found = Option<(u64, String)>;

/// Seeds each of these faults in turn; a walk has to find it with one of the first seeds. Prints a line
/// for each. Gives how many were found and how many were not.
pub(crate) fn hunt(
    faults: &[Fault],
    seeds: u64,
    breach: impl Fn(u64) -> Option<String> + Sync,
) -> (usize, usize) {
    let hook = std::panic::take_hook();
    // A fault may well make the card panic.
    std::panic::set_hook(Box::new(|_| {}));
    let once = |seed| {
        let tried = std::panic::AssertUnwindSafe(|| breach(seed));
        let what = std::panic::catch_unwind(tried).unwrap_or_else(|_| Some("panic".into()));
        what.map(|what| (seed, what))
    };
    let found: Vec<(Fault, Found)> = in_turn(faults, |fault| (fault, (1..=seeds).find_map(once)));
    std::panic::set_hook(hook);
    for (fault, found) in &found {
        let told = match found {
            Some((seed, what)) => format!("seed {seed}: {}", what.lines().next().unwrap_or("")),
            None => "NOT FOUND".into(),
        };
        println!("{:28} {}", format!("{fault:?}"), told.chars().take(100).collect::<String>());
    }
    let missed = found.iter().filter(|(_, found)| found.is_none()).count();
    (found.len() - missed, missed)
}
