//! What a reader program is tried in: cards behind ports, and the program as a process.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use anyhow::{Context, anyhow};
use xuejika_card_model::bcd::Digits;
use xuejika_card_model::date::Date;
use xuejika_card_model::management::SamSerial;
use xuejika_card_model::nvm::{Nvm, RamNvm};
use xuejika_card_model::record::{Profile, TerminalId};
use xuejika_emulator::file_store::read_image;
use xuejika_emulator::misbehave::{Misbehaving, Plan, Who};
use xuejika_emulator::transport::{Client, Event, Listener, Peers, Service, Slot};
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::Algorithm;
use xuejika_keyscheme::legacy::{Fen, Moment, TerminalId as TerminalNumber};
use xuejika_reader::channel::trace::{Tap, Trace};
use xuejika_reader::sam::SoftSam;
use xuejika_reader::wallet::{Direction, Pin, SoftLoadHost, WalletCard};
use xuejika_reader::{Locked, Stamp};

use super::super::args::ReaderRunArgs;
use crate::clock;
use crate::exit::{Failure, Outcome};
use crate::hex;
use crate::output::Output;
use crate::pupil_file;
use crate::reader::VALID_UNTIL;
use crate::recorder::Tapped;
use crate::target::{SERIAL, memory_of, other_serial};

/// What stands for the address of a card in the command.
const TARGET: &str = "{target}";
const MANAGEMENT: &str = "{management}";

/// What the wallets hold.
const MONEY: Fen = Fen(10_000);

/// Any port of this machine.
const ANY_PORT: &str = "127.0.0.1:0";

/// Longer than the 400 ms between two looks of a PC/SC service at its slot: so long a card is out of
/// it before it is in, and in it before the program begins.
const SETTLE: Duration = Duration::from_millis(800);

/// Longest wait for the driver.
const DRIVER: Duration = Duration::from_secs(10);

/// How often the program is looked after.
const POLL: Duration = Duration::from_millis(5);

/// Cards as they are at the beginning of each trial, and the program.
pub(super) struct Rig<'a> {
    args: &'a ReaderRunArgs,
    student: Vec<u8>,
    other: Vec<u8>,
    management: Vec<u8>,
    verbose: bool,
    trace: Trace,
}

/// How the program ended with a set of cards.
pub(super) struct Trial {
    pub(super) student: Misbehaving,
    pub(super) management: Misbehaving,
    pub(super) end: End,
    pub(super) micros: u64,
}

impl Trial {
    pub(super) const fn card(&self, who: Who) -> &Misbehaving {
        match who {
            Who::Student => &self.student,
            Who::Management => &self.management,
        }
    }
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// With this status.
    Status(i32),
    /// By a signal.
    Crashed,
    /// Not by itself.
    TimedOut(u64),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "the reader ended with status {status}"),
            Self::Crashed => f.write_str("the reader crashed"),
            Self::TimedOut(seconds) => write!(f, "the reader did not end within {seconds} s"),
        }
    }
}

impl<'a> Rig<'a> {
    /// Prepares the cards.
    pub(super) fn new(args: &'a ReaderRunArgs, env: &mut Env, out: &Output) -> Outcome<Self> {
        if args.vpcd.is_none() && !args.command.iter().any(|word| word.contains(TARGET)) {
            return Err(Failure::usage(anyhow!(
                "the command has no {TARGET}, and there is no --vpcd"
            )));
        }
        let profile = args.profile.into();
        let unit = pupil_file::sample()?.enrolment.unit;
        let algorithm = match profile {
            Profile::CpuSm4 => Algorithm::Sm4,
            _ => Algorithm::Aes128,
        };
        let until: Date = VALID_UNTIL.parse().map_err(Failure::device)?;
        let student = match &args.image {
            Some(path) => read_image(path)?,
            None => prepared(profile, SERIAL, env)?,
        };
        let other = other_serial(&serial(&student)?);
        Ok(Self {
            args,
            student,
            other: prepared(profile, other, env)?,
            management: test_card::management(algorithm, unit, until).into_bytes(),
            verbose: out.verbose,
            trace: out.trace.clone(),
        })
    }

    /// Whether the program takes the management card from here.
    pub(super) fn has_management(&self) -> bool {
        self.args.command.iter().any(|word| word.contains(MANAGEMENT))
    }

    /// Serial of the student card.
    pub(super) fn serial(&self) -> Outcome<String> {
        Ok(hex::emit(&serial(&self.student)?))
    }

    /// Runs the program with the cards, one of them misbehaving as planned.
    pub(super) fn run(&self, plan: Option<Plan>) -> Outcome<Trial> {
        let plan_of = |who| plan.filter(|plan| plan.what.card == who);
        let mut student = self.card(&self.student, plan_of(Who::Student))?;
        let mut management = self.card(&self.management, plan_of(Who::Management))?;
        let stop = AtomicBool::new(false);
        let inserted = AtomicBool::new(false);
        let log = |event: &Event| {
            let connected = matches!(event, Event::Connected(_));
            inserted.fetch_or(connected, Ordering::Relaxed);
        };
        let service = Service::new(&stop, &log);
        let (road, other_road) = (self.road()?, Listener::bind(ANY_PORT, Peers::Loopback)?);
        if matches!(road, Road::Driver(_)) {
            student = student.behind_driver();
            thread::sleep(SETTLE);
        }
        let begun = Instant::now();
        let end = thread::scope(|scope| {
            let words = self.words(&road, &other_road);
            let mut student = Tapped { slot: &mut student, tap: self.tap("student card") };
            let mut management = Tapped { slot: &mut management, tap: self.tap("management card") };
            let (road, other_road, service) = (&road, &other_road, &service);
            scope.spawn(move || road.serve(&mut student, service));
            scope.spawn(move || other_road.run(&mut management, service));
            let end = road.wait(&inserted).and_then(|()| self.execute(&words));
            stop.store(true, Ordering::Relaxed);
            end
        })
        .map_err(Failure::usage)?;
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        Ok(Trial { student, management, end, micros })
    }

    fn card(&self, memory: &[u8], plan: Option<Plan>) -> Outcome<Misbehaving> {
        let card = |memory: &[u8], seed| {
            VirtualCard::new(RamNvm::new(memory.to_vec()), Env::from_seed(seed))
                .map_err(Failure::usage)
        };
        Ok(Misbehaving::new(card(memory, 1)?, card(&self.other, 2)?, plan))
    }

    /// Where the traffic of a card is written down.
    pub(super) fn tap(&self, card: &str) -> Tap {
        self.trace.tap("reader under test", card)
    }

    fn road(&self) -> Outcome<Road> {
        Ok(match &self.args.vpcd {
            Some(address) => Road::Driver(Client::new(address, Peers::Loopback)?),
            None => Road::Hosts(Listener::bind(ANY_PORT, Peers::Loopback)?),
        })
    }

    /// The words of the command, with the addresses in them.
    fn words(&self, road: &Road, management: &Listener) -> Vec<String> {
        let target = match road {
            Road::Driver(_) => String::new(),
            Road::Hosts(listener) => address(listener),
        };
        let management = address(management);
        let words = self.args.command.iter();
        words.map(|word| word.replace(TARGET, &target).replace(MANAGEMENT, &management)).collect()
    }

    fn execute(&self, words: &[String]) -> anyhow::Result<End> {
        let (program, arguments) = words.split_first().context("expected a command")?;
        let output = || if self.verbose { Stdio::inherit() } else { Stdio::null() };
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(output())
            .spawn()
            .with_context(|| format!("cannot start {program:?}"))?;
        let limit = Duration::from_secs(self.args.timeout);
        let begun = Instant::now();
        while begun.elapsed() < limit {
            if let Some(status) = child.try_wait()? {
                return Ok(status.code().map_or(End::Crashed, End::Status));
            }
            thread::sleep(POLL);
        }
        child.kill()?;
        child.wait()?;
        Ok(End::TimedOut(self.args.timeout))
    }
}

fn address(listener: &Listener) -> String {
    format!("tcp://{}", listener.local_addr())
}

/// How the program reaches the student card.
enum Road {
    Driver(Client),
    Hosts(Listener),
}

impl Road {
    fn serve(&self, card: &mut impl Slot, service: &Service<'_>) {
        match self {
            Self::Driver(client) => client.run(card, service),
            Self::Hosts(listener) => listener.run(card, service),
        }
    }

    /// Waits until a PC/SC service has seen the card.
    fn wait(&self, inserted: &AtomicBool) -> anyhow::Result<()> {
        let Self::Driver(_) = self else { return Ok(()) };
        let begun = Instant::now();
        while !inserted.load(Ordering::Relaxed) {
            if begun.elapsed() > DRIVER {
                return Err(anyhow!("no virtual PC/SC driver answers"));
            }
            thread::sleep(POLL);
        }
        thread::sleep(SETTLE);
        Ok(())
    }
}

/// Memory of a card that is personalised and holds money, so that a reader has something to do.
fn prepared(profile: Profile, serial: &str, env: &mut Env) -> Outcome<Vec<u8>> {
    let (date, time) = clock::stamp(env, None, None)?;
    let mut prepare = || -> anyhow::Result<Vec<u8>> {
        let memory = memory_of(serial, profile).map_err(|error| anyhow!(error.text()))?;
        let mut card = powered(memory)?;
        let pupil = pupil_file::sample().map_err(|error| anyhow!(error.text()))?;
        let (unit, until) = (pupil.enrolment.unit, VALID_UNTIL.parse()?);
        let algorithm =
            Algorithm::from_code(card.header().algorithm.code()).context("algorithm")?;
        let number = SamSerial { unit, number: Digits::new(1)? };
        let sam = SoftSam::test(algorithm, number, until, clock::fork(env));
        let mut management = powered(test_card::management(algorithm, unit, until))?;
        let unlocked = Locked::new(sam).unlock(&mut management, date);
        let mut reader = unlocked.map_err(|locked| locked.error)?;
        let stamp = Stamp { date, time, terminal: TerminalId([0, 0, 0, 1]) };
        reader.connect(&mut card, date)?.personalise(&pupil, stamp, true)?;
        let mut wallet = WalletCard::select(&mut card)?;
        wallet.verify(&"123456".parse::<Pin>()?)?;
        let at = Moment { date: date.bytes(), time: time.bytes() };
        let terminal = TerminalNumber([0, 0, 0, 0, 0, 1]);
        wallet.transfer(&mut SoftLoadHost::test(), Direction::Load, MONEY, terminal, at)?;
        Ok(card.model().nvm().bytes().to_vec())
    };
    prepare().map_err(Failure::device)
}

fn serial(memory: &[u8]) -> Outcome<[u8; 8]> {
    let card = VirtualCard::new(RamNvm::new(memory.to_vec()), Env::from_seed(0));
    Ok(card.map_err(Failure::usage)?.header().serial.0)
}

fn powered(memory: RamNvm) -> anyhow::Result<VirtualCard> {
    let mut card = VirtualCard::new(memory, Env::from_seed(0))?;
    card.power_on()?;
    Ok(card)
}
