//! `conformance`: the suite of cases against any card (`docs/conformance.md`).

mod args;
mod bench;
mod child;
mod files;
mod html;
mod junit;
mod reader;
mod recorded;
mod recording;
mod roots;
mod show;
mod target;

pub(crate) use args::ConformanceCommand;

use std::path::Path;

use anyhow::{Context, anyhow};
use xuejika_apdu::ChannelError;
use xuejika_emulator::files::{Access, Existing, write};
use xuejika_vectors::conformance::plan::Decision;
use xuejika_vectors::conformance::report::{MadeWith, Report};
use xuejika_vectors::conformance::{
    Bench, CaseReport, Hash, Ics, Plan, Runner, Scope, Suite, Verdict, glob, identify, suite,
};

use crate::clock;
use crate::exit::{Code, Failure, Outcome};
use crate::output::Output;
use crate::shown::{self, Document};

use args::{ListArgs, PlanArgs, RunArgs, ScopeArgs};
use bench::{Gone, PORTABLE};
use files::Destinations;
use recorded::Recorded;
use show::{CaseLine, Summary};

/// Runs the verb.
pub(crate) fn run(command: &ConformanceCommand, out: &Output) -> Outcome<Code> {
    match command {
        ConformanceCommand::List(args) => list(args, out),
        ConformanceCommand::Ics { statement } => ics(statement.as_deref(), out),
        ConformanceCommand::Plan(args) => plan(args, out),
        ConformanceCommand::Run(args) => run_cases(args, out),
        ConformanceCommand::Reader(command) => reader::run(command, out),
    }
}

fn list(args: &ListArgs, out: &Output) -> Outcome<Code> {
    let suite = cases(&args.cases)?;
    let filter = args.filter.as_deref().unwrap_or("*");
    for case in &suite.cases {
        let variants = case.variants.iter().filter(|variant| glob(filter, &variant.id)).count();
        if variants > 0 {
            out.report(&show::Listed::new(case, variants))?;
        }
    }
    Ok(Code::AsExpected)
}

/// Prints the statement of the project's own cards, or checks another one.
fn ics(path: Option<&Path>, out: &Output) -> Outcome<Code> {
    let Some(path) = path else {
        let algorithm = xuejika_keyscheme::Algorithm::Aes128;
        out.lines(&Document(&xuejika_vectors::conformance::ics::own_statement(algorithm)))?;
        return Ok(Code::AsExpected);
    };
    let statement = files::statement(path)?;
    out.report(&show::Checked { ics: statement.hash, consistent: true })?;
    Ok(Code::AsExpected)
}

fn plan(args: &PlanArgs, out: &Output) -> Outcome<Code> {
    let suite = cases(&args.scope.cases)?;
    let ics = statement(&args.scope)?;
    let bench = args.scope.target.bench(args.scope.fresh_on_power)?;
    let plan = make_plan(&args.scope, &suite, &ics, &*bench)?;
    let text = shown::to_json_pretty(&plan).map_err(Failure::device)? + "\n";
    match &args.output {
        Some(path) => {
            write(path, text.as_bytes(), Existing::Replace, Access::Umask)?;
            let runs = plan.cases.iter().filter(|case| case.decision == Decision::Run).count();
            let total = plan.cases.len();
            out.report(&show::Planned { plan: path.display().to_string(), cases: total, runs })?;
        }
        None => out.lines(&Document(&text))?,
    }
    Ok(Code::AsExpected)
}

fn run_cases(args: &RunArgs, out: &Output) -> Outcome<Code> {
    let scope = &args.scope;
    let suite = cases(&scope.cases)?;
    let ics = statement(scope)?;
    let mut bench = scope.target.bench(scope.fresh_on_power)?;
    let plan = match &args.plan {
        Some(path) => files::plan(path)?,
        None => make_plan(scope, &suite, &ics, &*bench)?,
    };
    plan.check(&suite, &ics).map_err(Failure::usage)?;
    let destinations = Destinations::open(&args.reports)?;
    let roots = args.roots.open(&ics)?;
    let (today, time) = clock::now(&clock::env(None)?)?;
    let made_at = format!("{today} {time}");
    let can = recorded::abilities(&*bench);
    let serial = match serial(&ics, scope, &mut *bench) {
        // Whatever is wrong with the card, there is a report.
        Err(Failure::Because(Code::Device, error)) => {
            bench = Box::new(Gone(ChannelError::Io(format!("{error:#}"))));
            [0; 8]
        }
        serial => serial?,
    };
    let frozen = serde_json::to_vec(&plan).map_err(Failure::device)?;
    let mut report = Report {
        made_with: MadeWith {
            target: scope.target.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ics: ics.hash,
            suite: suite.hash,
            plan: Hash::of(&frozen),
            program: program(),
        },
        serial: crate::hex::emit(&serial),
        cases: Vec::new(),
    };
    if out.is_json() {
        out.object(&show::Head::new(&report))?;
    }
    let tap = scope.target.tap(&out.trace);
    let mut bench = Recorded::new(bench, tap.clone(), can, &serial);
    let (provider, wallet) = (roots.source.provider(), &roots.wallet);
    let runner = Runner { suite: &suite, ics: &ics, roots: provider, wallet, serial, today };
    let mut printed = Ok(());
    report.cases = runner.run(&plan, &mut bench, |case| {
        tap.verdict("case", &case.id, case.verdict.text(), &case.reason);
        if printed.is_ok() {
            printed = print_case(case, out);
        }
    });
    // The report is written whoever reads the output.
    destinations.write(&report, &made_at)?;
    printed?;
    out.report(&Summary::new(&report))?;
    Ok(code(&report))
}

fn print_case(case: &CaseReport, out: &Output) -> Outcome<()> {
    if out.is_json() {
        return out.object(&show::Line::new(case));
    }
    let silent = matches!(case.verdict, Verdict::Pass | Verdict::NotApplicable) && !out.verbose;
    if silent { Ok(()) } else { out.report(&CaseLine { case, language: out.language }) }
}

/// A failure is a finding; where nothing failed, what could not be decided is a fault of the card
/// or of the road to it.
fn code(report: &Report) -> Code {
    let undecided = report.count(Verdict::Inconclusive) + report.count(Verdict::Blocked);
    match (report.count(Verdict::Fail), undecided) {
        (0, 0) => Code::AsExpected,
        (0, _) => Code::Device,
        _ => Code::Findings,
    }
}

fn make_plan(args: &ScopeArgs, suite: &Suite, ics: &Ics, bench: &dyn Bench) -> Outcome<Plan> {
    let (abilities, kinds) = match args.portable {
        true => (&[][..], PORTABLE),
        false => (bench.abilities(), bench.kinds()),
    };
    let scope = Scope {
        abilities,
        kinds,
        renews: bench.renews(),
        destructive: args.allow_destructive,
        filter: args.filter.as_deref(),
    };
    let plan = Plan::new(suite, ics, &scope, env!("CARGO_PKG_VERSION"), program());
    if plan.cases.is_empty() {
        return Err(Failure::usage(anyhow!("no case fits the filter")));
    }
    Ok(plan)
}

/// The suite of the program, or the cases of other files.
fn cases(paths: &[std::path::PathBuf]) -> Outcome<Suite> {
    if paths.is_empty() {
        return suite().map_err(Failure::device);
    }
    files::suite(paths)
}

fn statement(args: &ScopeArgs) -> Outcome<Ics> {
    match &args.ics {
        Some(path) => files::statement(path),
        None => args.target.statement(),
    }
}

/// The serial of the student card: stated, known, or read from its free files.
fn serial(ics: &Ics, args: &ScopeArgs, bench: &mut dyn Bench) -> Outcome<[u8; 8]> {
    let stated = ics.serial.map(|serial| serial.bytes());
    if let Some(serial) = stated.or(args.target.serial()?) {
        return Ok(serial);
    }
    if !ics.claims("education") {
        return Ok([0; 8]);
    }
    identify(bench).context("the serial of the card").map_err(Failure::device)
}

/// SHA-256 of the program's own file.
fn program() -> Option<Hash> {
    let path = std::env::current_exe().ok()?;
    std::fs::read(path).ok().map(|bytes| Hash::of(&bytes))
}
