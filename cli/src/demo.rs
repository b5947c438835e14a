//! `demo`: the main job in one go. Each step says what it expects; the first that turns out
//! otherwise ends the demonstration.

mod purse;
mod steps;
mod world;

use serde::Serialize;
use xuejika_vectors::conformance::Verdict;

use crate::args::DemoArgs;
use crate::exit::{Code, Failure, Outcome};
use crate::keys;
use crate::output::Output;
use crate::shown::{Lines, Show};
use crate::trace::Exchange;

use steps::STEPS;
use world::{DEMO, World};

/// What became of a step.
enum Finding {
    /// It was done.
    Done(String),
    /// Card, SAM or reader refused.
    Refused(String),
    /// Power went.
    Interrupted(String),
}

/// How a step ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Ending {
    #[serde(rename = "ok")]
    Done,
    Refused,
    Interrupted,
    /// As nobody expects.
    Failed,
}

/// One step of the demonstration.
struct Step {
    id: &'static str,
    title: &'static str,
    expected: Ending,
    run: fn(&mut World) -> anyhow::Result<Finding>,
}

/// Runs all steps.
pub(crate) fn run(args: &DemoArgs, out: &Output) -> Outcome<Code> {
    keys::announce();
    let trace = out.trace.clone();
    let mut world = World::new(args.seed, out.language, trace).map_err(Failure::device)?;
    let tap = out.trace.tap(DEMO, "student card");
    let mut as_expected = 0;
    for (index, step) in (1..).zip(STEPS) {
        out.trace.label("step", step.id);
        let report = StepReport::new(index, step, &mut world, out.verbose);
        let verdict = if report.as_expected { Verdict::Pass } else { Verdict::Fail };
        tap.verdict("step", step.id, verdict.text(), &report.detail);
        out.report(&report)?;
        if !report.as_expected {
            break;
        }
        as_expected += 1;
    }
    let summary = Summary { steps: STEPS.len(), as_expected, seed: args.seed };
    out.report(&summary)?;
    Ok(Code::of(summary.steps == summary.as_expected))
}

/// What became of a step, to be shown.
#[derive(Serialize)]
struct StepReport {
    index: usize,
    step: &'static str,
    title: &'static str,
    outcome: Ending,
    as_expected: bool,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    apdus: Option<Vec<Exchange>>,
}

impl StepReport {
    fn new(index: usize, step: &Step, world: &mut World, verbose: bool) -> Self {
        let (outcome, detail) = match (step.run)(world) {
            Ok(Finding::Done(detail)) => (Ending::Done, detail),
            Ok(Finding::Refused(detail)) => (Ending::Refused, detail),
            Ok(Finding::Interrupted(detail)) => (Ending::Interrupted, detail),
            Err(error) => (Ending::Failed, format!("{error:#}")),
        };
        let apdus = world.take_exchanges();
        Self {
            index,
            step: step.id,
            title: step.title,
            outcome,
            as_expected: outcome == step.expected,
            detail,
            apdus: verbose.then_some(apdus),
        }
    }
}

impl Show for StepReport {
    fn show(&self, to: &mut Lines) {
        let verdict = match (self.outcome, self.as_expected) {
            (Ending::Done, true) => "ok",
            (Ending::Refused, true) => "refused as expected",
            (Ending::Interrupted, true) => "interrupted as expected",
            (_, true) => "as expected",
            (_, false) => "NOT AS EXPECTED",
        };
        to.line(format_args!("{:>2}. {}: {verdict}", self.index, self.title));
        to.indented(4, |to| {
            to.line(&self.detail);
            self.apdus.iter().flatten().for_each(|exchange| exchange.show(to));
        });
    }
}

/// The end of the demonstration.
#[derive(Serialize)]
struct Summary {
    steps: usize,
    as_expected: usize,
    seed: u64,
}

impl Show for Summary {
    fn show(&self, to: &mut Lines) {
        let Self { steps, as_expected, seed } = self;
        to.line("");
        to.line(format_args!("{as_expected} of {steps} steps as expected (seed {seed})"));
    }
}
