//! `scenario`: careers of cards, played on virtual cards step by step (`docs/scenarios.md`).

mod act;
mod cut;
mod expectation;
mod found;
mod script;
mod source;
mod world;

use core::fmt;
use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde::Serialize;
use xuejika_apdu::status::Language;
use xuejika_card_model::calendar::Holidays;

use crate::calendar_args::{HolidayArgs, warn_of_years};
use crate::exit::{Code, Failure, Outcome};
use crate::keys;
use crate::output::{Output, Padded};
use crate::shown::{Lines, Show};
use crate::trace::Exchange;

use script::Script;
use source::Source;
use world::World;

/// `scenario`.
#[derive(Debug, Subcommand)]
pub(crate) enum ScenarioCommand {
    /// Play scenarios: those in the files, or all that come with the program.
    Run(RunArgs),
    /// List the scenarios that come with the program, with their articles.
    List,
}

/// `scenario run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Scenario files (TOML).
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    holidays: HolidayArgs,
}

/// Columns of a scenario's name.
const NAME_WIDTH: usize = 26;

/// Columns of its articles.
const ARTICLES_WIDTH: usize = 44;

/// Runs one of the commands.
pub(crate) fn run(command: &ScenarioCommand, out: &Output) -> Outcome<Code> {
    match command {
        ScenarioCommand::Run(args) => play_all(args, out),
        ScenarioCommand::List => {
            for (source, script) in read(Source::shipped())? {
                out.report(&Entry::new(&source, &script))?;
            }
            Ok(Code::AsExpected)
        }
    }
}

fn play_all(args: &RunArgs, out: &Output) -> Outcome<Code> {
    let sources = if args.files.is_empty() {
        Source::shipped()
    } else {
        let opened = args.files.iter().map(|path| Source::open(path));
        opened.collect::<anyhow::Result<_>>().map_err(Failure::usage)?
    };
    // Every file is read before anything is played.
    let scenarios = read(sources)?;
    let holidays = args.holidays.read()?;
    keys::announce();
    let mut summary = Summary { scenarios: scenarios.len(), as_expected: 0 };
    let mut uncovered = BTreeSet::new();
    for (source, script) in &scenarios {
        let world = world(source, script, &holidays, out).map_err(Failure::usage)?;
        let played = play(source, script, world, &mut uncovered, out).map_err(Failure::usage)?;
        summary.as_expected += usize::from(played.ok);
        out.report(&played)?;
    }
    warn_of_years(uncovered);
    out.report(&summary)?;
    Ok(Code::of(summary.as_expected == summary.scenarios))
}

fn read(sources: Vec<Source>) -> Outcome<Vec<(Source, Script)>> {
    let read = |source: Source| source.script().map(|script| (source, script));
    sources.into_iter().map(read).collect::<anyhow::Result<_>>().map_err(Failure::usage)
}

/// Who takes part in a scenario.
fn world(
    source: &Source,
    script: &Script,
    holidays: &Holidays,
    out: &Output,
) -> anyhow::Result<World> {
    let language: Language = out.language;
    World::new(source, script, holidays.clone(), language, out.trace.clone())
        .with_context(|| source.file.clone())
}

/// Plays one scenario up to its end or to the first step that ends otherwise than expected. Adds the
/// years in which days were counted without a holiday table.
fn play(
    source: &Source,
    script: &Script,
    mut world: World,
    uncovered: &mut BTreeSet<u16>,
    out: &Output,
) -> anyhow::Result<Played> {
    let mut played = Played::new(source, script);
    for (index, spanned) in (1..).zip(&script.steps) {
        let (at, step) = (spanned.span().start, spanned.get_ref());
        out.trace.label("step", &format!("{} {index} {}", source.name, step.act.name()));
        let found = world
            .step(step)
            .with_context(|| format!("{}: step {index}, {}", source.place(at), step.act.name()))?;
        let differs = found.differs(&step.expect);
        if out.verbose {
            played.details.get_or_insert_default().push(Detail {
                step: index,
                date: world.date.to_string(),
                act: step.act.name(),
                outcome: found.outcome().to_owned(),
                text: found.text().to_owned(),
                apdus: world.take_exchanges(),
            });
        }
        if let Some((expected, found)) = differs {
            let (act, line) = (step.act.name(), source.line(at));
            played.ok = false;
            played.failed = Some(Failed { step: index, line, act, expected, found });
            break;
        }
        played.steps = index;
    }
    uncovered.append(&mut world.uncovered);
    Ok(played)
}

/// A scenario that comes with the program.
#[derive(Debug, Serialize)]
struct Entry {
    scenario: String,
    title: String,
    articles: Vec<String>,
    steps: usize,
}

impl Entry {
    fn new(source: &Source, script: &Script) -> Self {
        Self {
            scenario: source.name.clone(),
            title: script.title.clone(),
            articles: script.articles.clone(),
            steps: script.steps.len(),
        }
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let articles = self.articles.join(", ");
        let name = Padded(&self.scenario, NAME_WIDTH);
        write!(f, "{name}  {}  {}", Padded(articles, ARTICLES_WIDTH), self.title)
    }
}

/// How a scenario ended.
#[derive(Debug, Serialize)]
struct Played {
    scenario: String,
    title: String,
    articles: Vec<String>,
    ok: bool,
    /// Steps that ended as expected.
    steps: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<Failed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Vec<Detail>>,
}

/// The step that ended otherwise than expected.
#[derive(Debug, Serialize)]
struct Failed {
    step: usize,
    line: usize,
    act: String,
    expected: String,
    found: String,
}

/// One step with what was said to the cards.
#[derive(Debug, Serialize)]
struct Detail {
    step: usize,
    date: String,
    act: String,
    outcome: String,
    text: String,
    apdus: Vec<Exchange>,
}

impl Played {
    fn new(source: &Source, script: &Script) -> Self {
        let Entry { scenario, title, articles, .. } = Entry::new(source, script);
        Self { scenario, title, articles, ok: true, steps: 0, failed: None, details: None }
    }
}

impl Show for Played {
    fn show(&self, to: &mut Lines) {
        for detail in self.details.iter().flatten() {
            let Detail { step, date, act, outcome, text, apdus } = detail;
            to.line(format_args!("{step:>3}. {date} {act}: {outcome}: {text}"));
            to.indented(5, |to| apdus.iter().for_each(|exchange| exchange.show(to)));
        }
        let verdict = if self.ok { "ok" } else { "FAILED" };
        let (name, articles) = (Padded(&self.scenario, NAME_WIDTH), self.articles.join(", "));
        let articles = Padded(articles, ARTICLES_WIDTH);
        let (title, steps) = (&self.title, self.steps);
        to.line(format_args!("{name}  {verdict:6}  {articles}  {title} ({steps} steps)"));
        if let Some(Failed { step, line, act, expected, found }) = &self.failed {
            to.indented(4, |to| {
                to.line(format_args!("step {step} (line {line}), {act}:"));
                to.line(format_args!("expected {expected}"));
                to.line(format_args!("found    {found}"));
            });
        }
    }
}

/// The end.
#[derive(Debug, Serialize)]
struct Summary {
    scenarios: usize,
    as_expected: usize,
}

impl Show for Summary {
    fn show(&self, to: &mut Lines) {
        let Self { scenarios, as_expected } = self;
        to.line("");
        to.line(format_args!("{as_expected} of {scenarios} scenarios as expected"));
    }
}
