//! Which faults a card's answers can show, and which cases show them.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use xuejika_card_model::fault::{Fault, seed};
use xuejika_card_model::ident::CardSerial;
use xuejika_keyscheme::legacy::WalletRoots;
use xuejika_keyscheme::provider::TestRoots;
use xuejika_vectors::conformance::{
    CaseReport, Ics, Kind, Plan, Runner, Scope, Suite, Verdict, suite,
};

use crate::bench::{Cards, InProcess, SERIAL};

/// At least so many faults have to be seen by the suite.
const LEAST: usize = 30;

/// Cases of one bite: a fault that this many cases fail is looked at no further.
const BITE: usize = 100;
/// See [`BITE`].
const ENOUGH: usize = 8;

/// What shows a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// The conformance suite.
    Suite,
    /// Power cuts at every write, and memories that reorder (`tests/soak`).
    Cuts,
    /// Nothing a card answers: the fault is the terminal's or the host's.
    Outside,
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
        | F::BalanceOutside
        | F::CounterOutside
        | F::ProofOutside
        | F::LogOutside
        | F::FlagOutside
        | F::RecordsOutside
        | F::RevealBeforeCommit
        | F::VerdictBeforeCounter
        | F::TryRefundedByCut => Seen::Cuts,
        F::LostAnswerTakenForRefusal
        | F::LostAnswerPaidAgain
        | F::ProofAloneDecides
        | F::RepeatedPurchaseBooked
        | F::LateRequestBooked
        | F::FinalEntryCancelled => Seen::Outside,
        F::FailureToldBeforeCounter
        | F::FailureNotCounted
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
        | F::TerminalSequenceReused
        | F::TerminalSequenceVolatile
        | F::Mac2LimitIgnored
        | F::Mac2NotChecked
        | F::PinVerdictBeforeCounter
        | F::ChallengeNotConsumed
        | F::PreviousChallengeAccepted
        | F::LineMacSkipped
        | F::LineMacOverHeaderOnly
        | F::BlockNotPersisted
        | F::BlockIgnored
        | F::SecurityStateSurvivesReset
        | F::SamStaysUnlocked
        | F::SamMaskIgnored
        | F::SamFloorIgnored
        | F::SamValidityIgnored
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
        | F::StatusNotHealed => Seen::Suite,
    }
}

/// What became of a seeded fault.
struct Hunted {
    fault: Fault,
    /// Cases that failed, in the order of the suite.
    failed: Vec<CaseReport>,
    /// Whether the rest was spared.
    enough: bool,
}

/// Seeds every fault in turn, or the one with this name.
pub(crate) fn run(only: Option<&str>) -> ExitCode {
    let begun = Instant::now();
    let suite = suite().unwrap();
    let ics =
        xuejika_vectors::conformance::ics::own_statement(xuejika_keyscheme::Algorithm::Aes128);
    let ics = Ics::parse("card.ics.toml", &ics).unwrap();
    let cards = Cards::new();
    let sound = failures(&suite, &ics, &cards, usize::MAX);
    for case in &sound.0 {
        println!("without a fault: {} {} {}", case.verdict, case.id, case.reason);
    }
    assert!(sound.0.is_empty());
    let wanted = |fault: &&Fault| only.is_none_or(|only| format!("{fault:?}") == only);
    let faults: Vec<Fault> = Fault::ALL.iter().filter(wanted).copied().collect();
    let (next, hunted) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(&fault) = faults.get(next.fetch_add(1, Ordering::Relaxed)) {
                    seed(Some(fault));
                    let (failed, enough) = failures(&suite, &ics, &cards, ENOUGH);
                    seed(None);
                    let failed = failed.into_iter().filter(|it| it.verdict == Verdict::Fail);
                    let failed = failed.collect();
                    hunted.lock().unwrap().push(Hunted { fault, failed, enough });
                }
            });
        }
    });
    let mut hunted = hunted.into_inner().unwrap();
    hunted.sort_by_key(|it| faults.iter().position(|fault| *fault == it.fault));
    report(&hunted, begun)
}

/// Ids of the cases that fail, of so many at least unless the suite ends before.
fn failures(suite: &Suite, ics: &Ics, cards: &Cards, least: usize) -> (Vec<CaseReport>, bool) {
    let scope = Scope {
        abilities: &["cut"],
        kinds: &Kind::ALL,
        renews: true,
        destructive: true,
        filter: None,
    };
    let plan = Plan::new(suite, ics, &scope, "mutants", None);
    let serial = SERIAL.parse::<CardSerial>().unwrap().bytes();
    let today = "2026-09-01".parse().unwrap();
    let wallet = WalletRoots::test();
    let runner = Runner { suite, ics, roots: &TestRoots, wallet: &wallet, serial, today };
    let mut bench = InProcess::new(cards.clone());
    let mut failed = Vec::new();
    for cases in plan.cases.chunks(BITE) {
        let bite = Plan { cases: cases.to_vec(), ..plan.clone() };
        let reports = runner.run(&bite, &mut bench, |_| {});
        failed.extend(reports.into_iter().filter(|case| case.verdict != Verdict::Pass));
        let fails = failed.iter().filter(|it| it.verdict == Verdict::Fail).count();
        if fails >= least {
            return (failed, true);
        }
    }
    (failed, false)
}

/// Prints the table; whether every fault that the suite has to see was seen.
fn report(hunted: &[Hunted], begun: Instant) -> ExitCode {
    println!("{:30} {:>6}  first cases that fail", "fault", "cases");
    for Hunted { fault, failed, enough } in hunted {
        let mut first: Vec<_> = failed.iter().filter_map(|it| it.id.split('[').next()).collect();
        first.dedup();
        first.truncate(4);
        let count = format!("{}{}", failed.len(), if *enough { "+" } else { "" });
        let note = match seen(*fault) {
            Seen::Suite => String::new(),
            seen => format!("({seen:?})").to_lowercase(),
        };
        println!("{:30} {count:>6}  {} {note}", format!("{fault:?}"), first.join(" "));
    }
    let due: Vec<_> = hunted.iter().filter(|it| seen(it.fault) == Seen::Suite).collect();
    let missed: Vec<_> = due.iter().filter(|it| it.failed.is_empty()).map(|it| it.fault).collect();
    let seconds = begun.elapsed().as_secs();
    println!(
        "\n{} of {} faults are failed by a case, {seconds} s",
        due.len() - missed.len(),
        due.len()
    );
    if missed.is_empty() && (due.len() >= LEAST || hunted.len() == 1) {
        ExitCode::SUCCESS
    } else {
        println!("not seen: {missed:?}");
        ExitCode::FAILURE
    }
}
