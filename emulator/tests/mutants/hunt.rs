//! Which faults a card's answers can show, and which cases show them.

use std::process::ExitCode;
use std::time::Instant;

use xuejika_card_model::fault::Fault;
use xuejika_card_model::ident::CardSerial;
use xuejika_keyscheme::legacy::WalletRoots;
use xuejika_keyscheme::provider::TestRoots;
use xuejika_vectors::conformance::{
    CaseReport, Ics, Kind, Plan, Runner, Scope, Suite, Verdict, suite,
};

use crate::bench::{Cards, InProcess, SERIAL};
use crate::faults::{Whose, in_turn, whose};

/// At least so many faults have to be seen by the suite.
const LEAST: usize = 30;

/// Cases of one bite: a fault that this many cases fail is looked at no further.
const BITE: usize = 100;
/// See [`BITE`].
const ENOUGH: usize = 8;

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
    // Of the options of a card the test cards have none.
    assert!(sound.0.iter().all(|case| case.verdict == Verdict::NotApplicable));
    let wanted = |fault: &&Fault| only.is_none_or(|only| format!("{fault:?}") == only);
    let faults: Vec<Fault> = Fault::ALL.iter().filter(wanted).copied().collect();
    let hunted = in_turn(&faults, |fault| {
        let (failed, enough) = failures(&suite, &ics, &cards, ENOUGH);
        let failed = failed.into_iter().filter(|it| it.verdict == Verdict::Fail).collect();
        Hunted { fault, failed, enough }
    });
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

/// Whether a case has to fail: not for what only power cuts, terminals and hosts show.
const fn is_due(fault: Fault) -> bool {
    !matches!(whose(fault), Whose::Cuts | Whose::Outside)
}

/// Prints the table; whether every fault that the suite has to see was seen.
fn report(hunted: &[Hunted], begun: Instant) -> ExitCode {
    println!("{:30} {:>6}  first cases that fail", "fault", "cases");
    for Hunted { fault, failed, enough } in hunted {
        let mut first: Vec<_> = failed.iter().filter_map(|it| it.id.split('[').next()).collect();
        first.dedup();
        first.truncate(4);
        let count = format!("{}{}", failed.len(), if *enough { "+" } else { "" });
        let note = if is_due(*fault) { String::new() } else { format!("({:?})", whose(*fault)) };
        println!("{:30} {count:>6}  {} {note}", format!("{fault:?}"), first.join(" "));
    }
    let due: Vec<_> = hunted.iter().filter(|it| is_due(it.fault)).collect();
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
