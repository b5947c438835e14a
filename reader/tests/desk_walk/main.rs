//! A school's desk against a policy: random reports, withdrawals, deliveries, days and operations. What
//! the reader refuses and does is compared with [`policy`]; a refusal leaves every byte of the card.
//!
//! ```text
//! cargo test --release -p xuejika-reader --test desk_walk -- --steps N --seed S
//! ```
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a broken premise fails the test"
)]

mod policy;
#[path = "../support/mod.rs"]
mod support;
#[path = "../../../emulator/tests/support/walk.rs"]
mod walk;

use core::num::NonZeroU16;
use std::process::ExitCode;
use std::time::Instant;

use policy::{HOME, Report, UNITS, Why};
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};
use xuejika_card_model::calendar::{Holidays, term_of};
use xuejika_card_model::date::Date;
use xuejika_card_model::event::Opening;
use xuejika_card_model::list::{Entry, Kind, Moment};
use xuejika_card_model::nvm::Nvm;
use xuejika_card_model::record::ExtensionIndex;
use xuejika_card_model::verdict::Reason;
use xuejika_emulator::VirtualCard;
use xuejika_reader::sam::SoftSam;
use xuejika_reader::{Change, Error, Locked, NoLoss, Stamp, StudentCard};

const SHARE: walk::Share = walk::Share { name: "desk_walk", release: 20_000, debug: 600 };

/// Steps of one seed.
const LENGTH: u64 = 60;

fn main() -> ExitCode {
    let Some(options) = walk::Options::parse(&SHARE) else {
        println!("0 passed, 0 failed, 1 skipped");
        return ExitCode::SUCCESS;
    };
    let start = Instant::now();
    let last = options.seed + options.steps.div_ceil(LENGTH);
    let (tally, breaches) = walk::for_seeds(options.seed..last, run, Tally::add);
    println!("{tally:?}, {:.1} s", start.elapsed().as_secs_f64());
    for (seed, what) in &breaches {
        println!("BREACH with seed {seed}: {what}\n  again with: --steps 1 --seed {seed}");
    }
    println!("{} passed, {} failed", u8::from(breaches.is_empty()), breaches.len());
    if breaches.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Debug, Default)]
struct Tally {
    done: u64,
    listed: u64,
    behind: u64,
    temporary: u64,
    no_loss: u64,
    other: u64,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.done += other.done;
        self.listed += other.listed;
        self.behind += other.behind;
        self.temporary += other.temporary;
        self.no_loss += other.no_loss;
        self.other += other.other;
    }
}

/// What is done at the desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Register,
    Correct,
    TransferOut,
    Withdraw,
    Open(u8),
    Reclaim(u8),
    Freeze,
    Unfreeze,
}

impl Operation {
    /// Whether it puts the card to use, or keeps it there.
    const fn uses(self) -> bool {
        !matches!(self, Self::Reclaim(_) | Self::Freeze | Self::Unfreeze)
    }
}

struct World {
    rng: ChaCha12Rng,
    card: VirtualCard,
    today: Date,
    /// Day of the card's last event.
    last: Date,
    reports: Vec<Report>,
    /// What the reader was given: the city's list, and the school's.
    held: [Vec<Report>; 2],
    version: u32,
}

fn run(seed: u64, tally: &mut Tally) -> Result<(), String> {
    let mut world = World::new(seed);
    (0..LENGTH).try_for_each(|_| world.step(tally))
}

impl World {
    fn new(seed: u64) -> Self {
        let mut card = support::student();
        let mut reader = support::reader(HOME);
        let mut connected = reader.connect(&mut card, support::today()).unwrap();
        connected.personalise(&support::pupil(), support::stamp(), true).unwrap();
        Self {
            rng: ChaCha12Rng::seed_from_u64(seed),
            card,
            today: support::today(),
            last: support::today(),
            reports: Vec::new(),
            held: [Vec::new(), Vec::new()],
            version: 0,
        }
    }

    fn below(&mut self, end: u32) -> u32 {
        self.rng.next_u32() % end
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        let index = self.below(u32::try_from(of.len()).unwrap()) as usize;
        of[index]
    }

    fn step(&mut self, tally: &mut Tally) -> Result<(), String> {
        match self.below(12) {
            0 => {
                let days = self.below(4);
                self.today = after(self.today, days);
            }
            1 => self.report(),
            2 => self.take_back(),
            3 => self.held[0] = self.reports.clone(),
            4 => {
                let own = self.reports.iter().filter(|report| report.unit == HOME);
                self.held[1] = own.cloned().collect();
            }
            5 => return self.issue_temporary(tally),
            _ => return self.operate(tally),
        }
        Ok(())
    }

    fn report(&mut self) {
        let kind = self.pick(&[Kind::Loss, Kind::Loss, Kind::Freeze, Kind::Freeze, Kind::Replaced]);
        if kind == Kind::Replaced && self.below(8) != 0 {
            return;
        }
        let unit = self.pick(&UNITS);
        let later = if kind == Kind::Loss { self.below(3) } else { 0 };
        let effective = after(self.today, later);
        let reported = self.today;
        let same = |it: &&mut Report| (it.kind, it.unit) == (kind, unit);
        match self.reports.iter_mut().find(same) {
            // Reporting again changes nothing while the first report stands.
            Some(it) if it.withdrawn.is_none_or(|day| day >= reported) => {}
            Some(it) => *it = Report { kind, unit, reported, effective, withdrawn: None },
            None => self.reports.push(Report { kind, unit, reported, effective, withdrawn: None }),
        }
    }

    fn take_back(&mut self) {
        let today = self.today;
        let standing = |it: &&mut Report| {
            it.kind != Kind::Replaced && it.withdrawn.is_none() && it.reported < today
        };
        let skip = self.below(3) as usize;
        if let Some(it) = self.reports.iter_mut().filter(standing).nth(skip) {
            it.withdrawn = Some(today);
        }
    }

    /// A card at a reader of this unit, whose clock says `today`, with the lists that were delivered.
    fn at<T>(
        &mut self,
        (unit, today): (&str, Date),
        card: Option<&mut VirtualCard>,
        work: impl FnOnce(&mut StudentCard<'_, SoftSam, &mut VirtualCard>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let locked = Locked::new(support::sam(unit));
        let unlocked = locked.unlock(&mut support::management(unit), today);
        let mut reader = unlocked.map_err(|still| still.error).unwrap();
        for (scope, reports) in ["000000", HOME].into_iter().zip(&self.held) {
            self.version += 1;
            let entries: Vec<Entry> = reports.iter().map(entry).collect();
            let issued = self.today.to_string();
            let list = support::list(scope, self.version, &issued, &entries);
            reader.take_list(list).unwrap();
        }
        let card = card.unwrap_or(&mut self.card);
        work(&mut reader.connect(card, today)?)
    }

    fn operate(&mut self, tally: &mut Tally) -> Result<(), String> {
        use Operation as O;
        let sector = u8::try_from(self.below(3) + 1).unwrap();
        let operation = self.pick(&[
            O::Register,
            O::Register,
            O::Correct,
            O::TransferOut,
            O::Withdraw,
            O::Open(sector),
            O::Reclaim(sector),
            O::Freeze,
            O::Unfreeze,
            O::Unfreeze,
        ]);
        let behind = if self.below(8) == 0 { i32::try_from(self.below(5)).unwrap() } else { 0 };
        let day = self.today.add_days(-behind).unwrap().max(support::today());
        // A clock that is behind matters when it is behind the card.
        let day = if day < self.last { day } else { self.today };
        let before = self.card.model().nvm().bytes().to_vec();
        let done = self.at((HOME, day), None, |card| perform(card, operation, stamp(day)));
        let expected = policy::refused(&self.held, day).filter(|_| operation.uses());
        let told = |what: &str| format!("{operation:?} on {day}: {what}; {done:?}");
        if done.is_err() && before != self.card.model().nvm().bytes() {
            return Err(told("refused, but the card has changed"));
        }
        match (&done, expected) {
            (Err(Error::BeforeLastEvent { .. }), _) if day < self.last => tally.behind += 1,
            (Ok(_), _) if day < self.last => return Err(told("before the card's last event")),
            (Err(_), _) if day < self.last => tally.other += 1,
            (Err(Error::BeforeLastEvent { .. }), _) => return Err(told("no event lies ahead")),
            (Err(Error::Listed { reason, .. }), Some(why)) if *reason == reason_of(why) => {
                tally.listed += 1;
            }
            (Err(Error::Listed { .. }), _) => return Err(told(&format!("expected {expected:?}"))),
            (Ok(_), Some(why)) => return Err(told(&format!("done although {why:?}"))),
            (Ok(change), None) => {
                // What had been done before leaves no event.
                if change.as_ref().is_none_or(|change| !change.outcome.repeated) {
                    self.last = self.last.max(day);
                }
                tally.done += 1;
            }
            // The card's state or its sectors speak against it.
            (Err(_), _) => tally.other += 1,
        }
        Ok(())
    }

    /// A temporary card of the stock, for the card as the lost one.
    fn issue_temporary(&mut self, tally: &mut Tally) -> Result<(), String> {
        let memory = xuejika_emulator::test_card::student(support::LOST).unwrap();
        let env = xuejika_emulator::Env::from_seed(5);
        let mut fresh = support::powered(VirtualCard::new(memory, env).unwrap());
        let days = self.pick(&[10, 90]);
        let mut pupil = support::pupil();
        pupil.enrolment.valid_until = after(self.today, days);
        let (today, lost) = (self.today, support::SERIAL.parse().unwrap());
        let (holidays, at) = (Holidays::published(), stamp(today));
        let done = self.at((HOME, today), Some(&mut fresh), |card| {
            card.temporary_issue(&pupil, lost, &holidays, at, true)
        });
        let reported = policy::loss(&self.held);
        let told = |what: &str| format!("temporary card on {today}: {what}; {done:?}");
        // Ten days, a week and ten working days make 27 to 45 days.
        let at_least = |days| reported.map(|day| after(day, days));
        match &done {
            Ok(_) if reported.is_none() => return Err(told("without a loss")),
            Ok(_) if at_least(45) < Some(pupil.enrolment.valid_until) => {
                return Err(told("longer than a loss may take"));
            }
            Ok(_) => tally.temporary += 1,
            Err(Error::NoLoss { why: NoLoss::Over { .. }, .. }) if at_least(27) >= Some(today) => {
                return Err(told("the loss is not over"));
            }
            Err(Error::NoLoss { why, .. }) if !matches!(why, NoLoss::Over { .. }) => {
                if reported.is_some() {
                    return Err(told("a loss stands"));
                }
                tally.no_loss += 1;
            }
            Err(Error::TooLong { .. }) if at_least(27) >= Some(pupil.enrolment.valid_until) => {
                return Err(told("not too long"));
            }
            Err(Error::TooLong { .. } | Error::NoLoss { .. }) => tally.other += 1,
            Err(_) => return Err(told("refused for another reason")),
        }
        Ok(())
    }
}

fn perform(
    card: &mut StudentCard<'_, SoftSam, &mut VirtualCard>,
    operation: Operation,
    at: Stamp,
) -> Result<Option<Change>, Error> {
    use Operation as O;
    let index = |sector| ExtensionIndex::new(sector).unwrap();
    match operation {
        O::Register => {
            let (year, term) = term_of(at.date).unwrap();
            card.register(year, term, at)
        }
        O::Correct => return card.correct(&support::pupil(), at).map(|_| None),
        O::TransferOut => card.transfer_out(false, Some("084013".parse().unwrap()), None, at),
        O::Withdraw => card.withdraw(None, at),
        O::Open(sector) => {
            let owner = UNITS[usize::from(sector) - 1].parse().unwrap();
            let (application, filing) = (NonZeroU16::MIN, "20260001".parse().unwrap());
            card.open_sector(Opening { index: index(sector), application, owner, filing }, at)
        }
        O::Reclaim(sector) => card.reclaim_sector(index(sector), at),
        O::Freeze => card.freeze(None, at),
        O::Unfreeze => card.unfreeze(None, at),
    }
    .map(Some)
}

fn after(day: Date, days: u32) -> Date {
    day.add_days(i32::try_from(days).unwrap()).unwrap()
}

fn stamp(date: Date) -> Stamp {
    Stamp { date, ..support::stamp() }
}

fn entry(report: &Report) -> Entry {
    let Report { kind, unit, reported, effective, withdrawn } = report;
    let (reported, effective) = (reported.to_string(), effective.to_string());
    let entry = support::entry(support::SERIAL, *kind, unit, &reported, &effective);
    let time = support::stamp().time;
    withdrawn.map_or(entry, |date| entry.withdraw(Moment { date, time }).unwrap())
}

const fn reason_of(why: Why) -> Reason {
    match why {
        Why::Replaced => Reason::Replaced,
        Why::Lost => Reason::Lost,
        Why::Frozen => Reason::Frozen,
    }
}
