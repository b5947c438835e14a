//! `conformance reader`: a reader program against cards that misbehave.
//!
//! The program is started once for each of them and has to say by its exit status whether it claims
//! success; what it did with the card, the card itself has seen.

mod rig;
mod trial;

use xuejika_emulator::misbehave::{CATALOGUE, Misbehaviour, Occasion, Plan, Ruling, Who};
use xuejika_vectors::conformance::report::{MadeWith, Report};
use xuejika_vectors::conformance::{CaseReport, Class, Hash, Kind, Verdict, glob};

use super::args::{ReaderCommand, ReaderRunArgs};
use super::files::Destinations;
use super::show::{self, Summary};
use super::{code, print_case, program};
use crate::clock;
use crate::exit::{Code, Failure, Outcome};
use crate::keys;
use crate::output::Output;
use crate::recorder;

use rig::{End, Rig, Trial};

/// Where what a reader has to do is written.
const CLAUSE: &str = "docs/conformance.md, Readers";

/// Runs the verb.
pub(super) fn run(command: &ReaderCommand, out: &Output) -> Outcome<Code> {
    match command {
        ReaderCommand::List { filter } => list(filter.as_deref(), out),
        ReaderCommand::Run(args) => run_reader(args, out),
    }
}

fn list(filter: Option<&str>, out: &Output) -> Outcome<Code> {
    let filter = filter.unwrap_or("*");
    for what in CATALOGUE.iter().filter(|what| glob(filter, what.id)) {
        out.report(&trial::Listed::new(what))?;
    }
    Ok(Code::AsExpected)
}

fn run_reader(args: &ReaderRunArgs, out: &Output) -> Outcome<Code> {
    let filter = args.filter.as_deref().unwrap_or("*");
    let chosen: Vec<_> = CATALOGUE.iter().filter(|what| glob(filter, what.id)).collect();
    if chosen.is_empty() {
        return Err(Failure::usage(anyhow::anyhow!("no misbehaviour fits the filter")));
    }
    let mut env = recorder::env(&out.trace, args.seed)?;
    let rig = Rig::new(args, &mut env, out)?;
    let destinations = Destinations::open(&args.reports)?;
    keys::announce();
    let (today, time) = clock::now(&clock::env(None)?)?;
    let tap = rig.tap("student card");
    out.trace.label("case", "sound");
    let sound = rig.run(None)?;
    let cases = plan(&chosen, &sound, &rig);
    let mut report =
        Report { made_with: made_with(args, &cases), serial: rig.serial()?, cases: Vec::new() };
    if out.is_json() {
        out.object(&show::Head::new(&report))?;
    }
    let mut printed = Ok(());
    for case in cases {
        out.trace.label("case", &case.id);
        let case = case.report(&rig, &sound)?;
        tap.verdict("case", &case.id, case.verdict.text(), &case.reason);
        if printed.is_ok() {
            printed = print_case(&case, out);
        }
        report.cases.push(case);
    }
    destinations.write(&report, &format!("{today} {time}"))?;
    printed?;
    out.report(&Summary::new(&report))?;
    Ok(code(&report))
}

/// A misbehaviour at one occasion, or why it is not tried.
struct Planned {
    id: String,
    what: &'static Misbehaviour,
    nth: Result<u32, String>,
}

/// Each misbehaviour at the first and at the last occasion that a sound card has seen. A reader that a
/// management card has unlocked may work: there only the first counts.
fn plan(chosen: &[&'static Misbehaviour], sound: &Trial, rig: &Rig) -> Vec<Planned> {
    let mut planned = Vec::new();
    for &what in chosen {
        let id = what.id;
        let nth = match sound.card(what.card).occasions(what.occasion) {
            _ if what.card == Who::Management && !rig.has_management() => {
                Err("the command has no {management}".to_owned())
            }
            0 => Err(format!("the reader does not come to {}", trial::occasion(what.occasion))),
            last => Ok(last),
        };
        planned.push(Planned { id: format!("{id}[first]"), what, nth: nth.clone().map(|_| 1) });
        if what.card == Who::Student && nth.as_ref().is_ok_and(|last| *last > 1) {
            planned.push(Planned { id: format!("{id}[last]"), what, nth });
        }
    }
    planned
}

impl Planned {
    fn report(self, rig: &Rig, sound: &Trial) -> Outcome<CaseReport> {
        let Self { id, what, nth } = self;
        let mut report = CaseReport {
            id,
            title: what.title.to_owned(),
            title_zh: what.title_zh.to_owned(),
            purpose: what.duty.text().to_owned(),
            clause: vec![CLAUSE.to_owned()],
            class: Class::Negative,
            card: match what.card {
                Who::Student => Kind::Student,
                Who::Management => Kind::Management,
            },
            verdict: Verdict::Pass,
            reason: String::new(),
            line: None,
            exchanges: Vec::new(),
            micros: 0,
        };
        if let Some(reason) = unsound(sound) {
            (report.verdict, report.reason) = (Verdict::Inconclusive, reason);
            report.exchanges = trial::exchanges(sound.card(what.card).steps());
            return Ok(report);
        }
        let nth = match nth {
            Ok(nth) => nth,
            Err(reason) => {
                (report.verdict, report.reason) = (Verdict::NotApplicable, reason);
                return Ok(report);
            }
        };
        let trial = rig.run(Some(Plan { what, nth }))?;
        (report.verdict, report.reason) = judge(&trial, sound, what);
        report.exchanges = trial::exchanges(trial.card(what.card).steps());
        report.micros = trial.micros;
        Ok(report)
    }
}

/// Why nothing can be said about a reader: it does not do its work with a sound card.
fn unsound(sound: &Trial) -> Option<String> {
    match &sound.end {
        _ if sound.student.steps().is_empty() => {
            Some("the reader has sent nothing to the card".to_owned())
        }
        End::Status(0) => None,
        end => Some(format!("with a sound card {end}")),
    }
}

fn judge(trial: &Trial, sound: &Trial, what: &Misbehaviour) -> (Verdict, String) {
    let status = match trial.end {
        End::Status(status) => status,
        // It did end with a sound card.
        End::Crashed | End::TimedOut(_) => return (Verdict::Fail, trial.end.to_string()),
    };
    let opened = trial.student.occasions(Occasion::Proof) > 0;
    let ruling = trial.card(what.card).judge(status == 0, sound.student.done(), opened);
    match ruling {
        Ruling::Kept => (Verdict::Pass, String::new()),
        Ruling::Broken(why) => (Verdict::Fail, format!("{why}; {}", trial.end)),
        Ruling::NotReached => {
            (Verdict::NotApplicable, "there was nothing to misbehave with".to_owned())
        }
    }
}

/// The command takes the place of a statement, the catalogue that of case files.
fn made_with(args: &ReaderRunArgs, cases: &[Planned]) -> MadeWith {
    let command = args.command.join(" ");
    let ids: Vec<_> = cases.iter().map(|case| case.id.as_str()).collect();
    MadeWith {
        ics: Hash::of(command.as_bytes()),
        target: command,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        suite: Hash::of(format!("{CATALOGUE:?}").as_bytes()),
        plan: Hash::of(ids.join("\n").as_bytes()),
        program: program(),
    }
}
