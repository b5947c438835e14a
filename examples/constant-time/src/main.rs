//! Runs the keys' code on secret bytes and counts the jumps and addresses that depend on them, as
//! Valgrind's Memcheck sees them. `.ci/constant-time` builds and runs it.
//!
//! ```text
//! valgrind --error-exitcode=9 xuejika-constant-time clean     what must depend on no secret
//! valgrind xuejika-constant-time control                      what is made to, and must be found
//! valgrind xuejika-constant-time known                        what does, as SECURITY.md says
//! ```
//!
//! The one thing a comparison makes public is its verdict: the conversion of `subtle::Choice` to
//! `bool`. The script builds `subtle` with that conversion led through [`xuejika_verdict`], which
//! publishes the verdict and nothing else, and counts how many there were.

mod checks;
mod valgrind;

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};

use checks::CHECKS;

/// What is expected of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    /// Nothing depends on a secret.
    Clean,
    /// Something does, to show that it would be found.
    Control,
    /// Something does, and is documented.
    Known,
}

/// One piece of code run on secrets.
struct Check {
    group: Group,
    name: &'static str,
    /// How many verdicts it makes public.
    verdicts: usize,
    run: fn(),
}

static VERDICTS: AtomicUsize = AtomicUsize::new(0);

/// The verdict of a comparison, published: 0 or 1.
// SAFETY: no other symbol has this name; the patched `subtle` calls it with one byte.
#[unsafe(no_mangle)]
pub extern "C" fn xuejika_verdict(verdict: u8) -> u8 {
    VERDICTS.fetch_add(1, Ordering::Relaxed);
    let mut verdict = [verdict];
    valgrind::publish(&mut verdict);
    let [verdict] = verdict;
    verdict
}

fn main() -> ExitCode {
    let group = match std::env::args().nth(1).as_deref() {
        Some("clean") => Group::Clean,
        Some("control") => Group::Control,
        Some("known") => Group::Known,
        _ => {
            eprintln!("expected clean, control or known");
            return ExitCode::from(2);
        }
    };
    if !valgrind::is_running() {
        eprintln!("this program shows something under Valgrind only");
        return ExitCode::from(2);
    }
    let aes = std::arch::is_x86_feature_detected!("aes");
    println!("the processor has AES under Valgrind: {aes}");
    let mut good = true;
    for check in CHECKS.iter().filter(|check| check.group == group) {
        good &= report(check);
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a check and says whether it turned out as expected.
fn report(check: &Check) -> bool {
    let (findings, verdicts) = (valgrind::findings(), VERDICTS.load(Ordering::Relaxed));
    (check.run)();
    let findings = valgrind::findings() - findings;
    let verdicts = VERDICTS.load(Ordering::Relaxed) - verdicts;
    let good = (findings == 0) == (check.group == Group::Clean) && verdicts == check.verdicts;
    let expected = if good { "as expected" } else { "NOT AS EXPECTED" };
    let Check { group, name, .. } = check;
    println!("{group:?}: {name}: findings {findings}, verdicts {verdicts}, {expected}");
    good
}
