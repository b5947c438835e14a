//! Runs a plan: case by case, each on its own card, to a verdict.
//!
//! Whatever a card does, the run goes on: no answer and nonsense are `inconclusive`. Only when the
//! target cannot be reached several times in a row are the rest of the cases `blocked`.

mod education;
mod machine;
mod sam;
mod wallet;

use std::time::Instant;

use xuejika_card_model::date::Date;
use xuejika_keyscheme::legacy::WalletRoots;
use xuejika_keyscheme::provider::KeyProvider;

use super::bench::{Bench, BenchError};
use super::case::{Case, Kind, Suite, Variant};
use super::glob::glob;
use super::ics::Ics;
use super::plan::{Decision, Plan};
use super::report::{CaseReport, Verdict};
use super::step::Step;
use machine::{Machine, Stop};

/// So many cases in a row that cannot begin end the run.
const PATIENCE: usize = 3;

/// What all cases of a run share.
pub struct Runner<'a> {
    /// The cases.
    pub suite: &'a Suite,
    /// The card's statement.
    pub ics: &'a Ics,
    /// The education zone's roots.
    pub roots: &'a dyn KeyProvider,
    /// The operator's roots of the wallet.
    pub wallet: &'a WalletRoots,
    /// Serial of the student card.
    pub serial: [u8; 8],
    /// Today, for waivers.
    pub today: Date,
}

impl core::fmt::Debug for Runner<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Runner").field("cases", &self.suite.cases.len()).finish_non_exhaustive()
    }
}

impl Runner<'_> {
    /// Runs the cases of `plan`, and tells `each` as soon as one is done.
    pub fn run(
        &self,
        plan: &Plan,
        bench: &mut dyn Bench,
        mut each: impl FnMut(&CaseReport),
    ) -> Vec<CaseReport> {
        let mut reports = Vec::new();
        let mut lost = 0;
        for entry in &plan.cases {
            let Some((case, variant)) =
                self.suite.variants().find(|(_, variant)| variant.id == entry.id)
            else {
                continue;
            };
            let mut report = blank(case, variant);
            match &entry.decision {
                Decision::NotApplicable { reason } => {
                    (report.verdict, report.reason) = (Verdict::NotApplicable, reason.clone());
                }
                Decision::Run if lost >= PATIENCE => {
                    report.verdict = Verdict::Blocked;
                    "the target is gone".clone_into(&mut report.reason);
                }
                Decision::Run => {
                    let began = self.run_case(case, variant, bench, &mut report);
                    lost = if began { 0 } else { lost + 1 };
                }
            }
            each(&report);
            reports.push(report);
        }
        reports
    }

    /// Runs one case; false when it could not even begin.
    fn run_case(
        &self,
        case: &Case,
        variant: &Variant,
        bench: &mut dyn Bench,
        report: &mut CaseReport,
    ) -> bool {
        let begun = Instant::now();
        let began = match bench.begin(&variant.id, case.card) {
            Ok(()) => {
                self.run_steps(case, variant, bench, report);
                true
            }
            Err(error) => {
                report.verdict = match error {
                    BenchError::Channel(_) => Verdict::Inconclusive,
                    _ => Verdict::Blocked,
                };
                report.reason = error.to_string();
                !matches!(error, BenchError::Channel(_))
            }
        };
        report.micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.waive(report);
        began
    }

    fn run_steps(
        &self,
        case: &Case,
        variant: &Variant,
        bench: &mut dyn Bench,
        report: &mut CaseReport,
    ) {
        let mut machine = match Machine::new(self, case.card, &variant.id, bench) {
            Ok(machine) => machine,
            Err(error) => {
                (report.verdict, report.reason) = (Verdict::Blocked, error.to_string());
                return;
            }
        };
        let parts: [(&[Step], bool); 3] =
            [(&variant.given, true), (&variant.steps, false), (&variant.after, false)];
        let steps = parts.iter().flat_map(|(steps, given)| steps.iter().map(move |s| (s, *given)));
        for (step, given) in steps {
            if let Err(stop) = machine.step(step) {
                let (verdict, reason) = match stop {
                    Stop::Fails(reason) if given => {
                        (Verdict::Blocked, format!("precondition: {reason}"))
                    }
                    Stop::Fails(reason) => (Verdict::Fail, reason),
                    Stop::Lost(error) => (Verdict::Inconclusive, error.to_string()),
                    Stop::Cannot(reason) => (Verdict::Blocked, reason),
                };
                (report.verdict, report.reason) = (verdict, reason);
                report.line = Some(step.line);
                break;
            }
        }
        report.exchanges = machine.exchanges;
    }

    /// A failure that is known becomes `waived` until the last day of its waiver.
    fn waive(&self, report: &mut CaseReport) {
        if report.verdict != Verdict::Fail {
            return;
        }
        let waiver = self.ics.waivers.iter().find(|waiver| glob(&waiver.case, &report.id));
        let Some(waiver) = waiver else { return };
        let (ticket, until) = (&waiver.ticket, waiver.until);
        if self.today <= until {
            report.verdict = Verdict::Waived;
            report.reason = format!("{ticket} until {until}: {}", report.reason);
        } else {
            report.reason = format!("{} (waiver {ticket} ended {until})", report.reason);
        }
    }
}

/// Reads the serial of the student card, from its free files.
///
/// # Errors
/// Returns a [`BenchError`] when the card does not tell.
pub fn identify(bench: &mut dyn Bench) -> Result<[u8; 8], BenchError> {
    use xuejika_apdu::ChannelError;
    const SELECT: &[u8] = b"\x00\xA4\x04\x00\x07\xF0BJEDU\x01\x00";
    const READ: &[u8] = &[0x00, 0xB0, 0x85, 0x00, 0x08];
    bench.begin("identify", Kind::Student)?;
    let mut answer = Vec::new();
    bench.transmit(SELECT, &mut answer)?;
    bench.transmit(READ, &mut answer)?;
    match answer.as_slice() {
        [serial @ .., 0x90, 0x00] => serial.try_into().map_err(|_| {
            ChannelError::Malformed(format!("{} bytes for a serial", serial.len())).into()
        }),
        _ => {
            Err(ChannelError::Malformed("no serial; state it in the card's statement".into())
                .into())
        }
    }
}

fn blank(case: &Case, variant: &Variant) -> CaseReport {
    CaseReport {
        id: variant.id.clone(),
        title: case.title.clone(),
        title_zh: case.title_zh.clone(),
        purpose: case.purpose.clone(),
        clause: case.clause.clone(),
        class: case.class,
        card: case.card,
        verdict: Verdict::Pass,
        reason: String::new(),
        line: None,
        exchanges: Vec::new(),
        micros: 0,
    }
}
