//! The comparison judged: each seeded fault that a student card's answers or files can show is
//! switched on in turn, and the cards have to part.

use std::process::ExitCode;
use std::time::Instant;

use xuejika_card_model::fault::Fault;

use super::run;
use super::seeded::{Whose, in_turn, whose};

/// Sequences that a fault must get through to survive.
const SEQUENCES: u64 = 30_000;

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
        None => whose(**fault) == Whose::Student,
    };
    let faults: Vec<Fault> = Fault::ALL.iter().filter(wanted).copied().collect();
    // A fault may well make the card panic.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let hunted = in_turn(&faults, |fault| Hunted {
        fault,
        parted: (1..=SEQUENCES).find_map(|number| parting(number, steps)),
    });
    std::panic::set_hook(hook);
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
