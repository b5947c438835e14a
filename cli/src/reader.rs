//! `reader`: a school's reader, its SAM a card or the test SAM in this process, unlocked by a
//! management card.

mod admission;
pub(crate) mod life;
pub(crate) mod lists;
mod report;

use core::num::NonZeroU16;

use xuejika_apdu::fci::Fci;
use xuejika_apdu::status::Language;
use xuejika_apdu::{CardChannel, Class, Command, Response};
use xuejika_card_model::bcd::Digits;
use xuejika_card_model::calendar::Holidays;
use xuejika_card_model::date::Date;
use xuejika_card_model::file::tree::EDUCATION_NAME;
use xuejika_card_model::ident::UnitCode;
use xuejika_card_model::management::SamSerial;
use xuejika_card_model::pupil::Pupil;
use xuejika_card_model::record::{ExtensionIndex, ExtensionSet};
use xuejika_card_model::verdict::{Circumstances, Listed, Presented, Venue, verdict};
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::{Algorithm, KeyNumber, KeyVersion};
use xuejika_reader::channel::trace::{Tap, Trace};
use xuejika_reader::sam::{CardSam, Sam, SoftSam};
use xuejika_reader::{CardContents, Error, Lists, Locked, Reader, Stamp};

use crate::args::{DeskCard, PupilArgs, ReaderCommand, RegisterArgs, StationArgs};
use crate::exit::{Code, Failure, Outcome, say};
use crate::output::Output;
use crate::pupil_file::{self, Choice};
use crate::recorder;
use crate::target::Channel;
use crate::trace::Traced;
use crate::{clock, keys};

use admission::Admission;
pub(crate) use report::ContentsReport;
use report::{EventReport, KeyReport, RefusalReport, VerdictReport};

/// Last day of the test management cards; the key file of a test SAM opens to that day alone.
pub(crate) const VALID_UNTIL: &str = "2099-12-31";

/// School of a reader that needs none of its own.
const SOME_SCHOOL: &str = "084012";

/// Does one operation; what the card refuses is a finding.
pub(crate) fn run(command: &ReaderCommand, out: &Output) -> Outcome<Code> {
    let (args, name) = match command {
        ReaderCommand::Read(args) => (args, "read"),
        ReaderCommand::Personalise(args) => (&args.pupil.reader, "personalise"),
        ReaderCommand::Register(args) => (&args.reader, "register"),
        ReaderCommand::Verdict(args) => (&args.reader, "verdict"),
        ReaderCommand::LoadKey(args) => (&args.key.reader, "load-key"),
        ReaderCommand::RetireKey(args) => (&args.reader, "retire-key"),
        ReaderCommand::Life(command) => (command.reader(), command.name()),
    };
    // An input that cannot be used is found before the card is touched.
    let pupil = match command {
        ReaderCommand::Personalise(args) => Some(pupil(&args.pupil)?),
        ReaderCommand::Life(command) => command.pupil().map(pupil).transpose()?,
        _ => None,
    };
    let holidays = match command {
        ReaderCommand::Life(command) => command.holidays()?,
        _ => Holidays::default(),
    };
    let admission = match command {
        ReaderCommand::Personalise(args) => Admission::open(&args.admission, &args.pupil)?,
        ReaderCommand::Life(life::LifeCommand::TemporaryIssue(args)) => {
            Admission::open(&args.personalise.admission, &args.personalise.pupil)?
        }
        _ => None,
    };
    let lists = lists::read_all(&args.lists)?;
    let mut station = Station::open(&args.station, lists, out)?;
    station.admission = admission;
    let result = match (command, pupil) {
        (ReaderCommand::Personalise(args), Some(pupil)) => {
            station.personalise(&pupil, args.issued, out)
        }
        (ReaderCommand::Register(args), _) => station.register(args, out),
        (ReaderCommand::Verdict(args), _) => {
            station.verdict(args.sector.zip(args.application), out)
        }
        (ReaderCommand::LoadKey(args), _) => station.key(args.key.key, Some(args.version), out),
        (ReaderCommand::RetireKey(args), _) => station.key(args.key, None, out),
        (ReaderCommand::Life(command), pupil) => {
            station.live(command, (pupil.as_ref(), &holidays), out)
        }
        _ => station.read(out),
    };
    if out.verbose {
        station.channel.take().into_iter().for_each(say);
    }
    match result {
        Err(End::Refused(error)) => {
            out.report(&RefusalReport::new(name, &error))?;
            Ok(Code::Findings)
        }
        Err(End::Failed(failure)) => Err(failure),
        Ok(code) => Ok(code),
    }
}

fn pupil(args: &PupilArgs) -> Outcome<Pupil> {
    let choice = match (args.row, args.number) {
        (Some(row), _) => Choice::Row(row),
        (None, Some(number)) => Choice::Number(number),
        (None, None) => Choice::Only,
    };
    let districts = args.districts.read()?;
    match &args.pupil {
        Some(path) => pupil_file::read(path, &choice, &districts),
        None => {
            say("xuejika: no --pupil: personalising for the fictional pupil 张三");
            pupil_file::sample()
        }
    }
}

/// Reads a card for a desk; what refuses to be read is a finding.
pub(crate) fn read_card(args: &StationArgs, out: &Output) -> Outcome<(CardContents, Stamp)> {
    let mut station = Station::open(args, Lists::default(), out)?;
    match station.contents() {
        Ok(contents) => Ok((contents, station.stamp)),
        Err(End::Refused(error)) => Err(Failure::Because(Code::Findings, error.into())),
        Err(End::Failed(failure)) => Err(failure),
    }
}

/// Why an operation ended.
enum End {
    /// Card, SAM or reader refused.
    Refused(Error),
    /// It came to no answer.
    Failed(Failure),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        if error.is_refusal() { Self::Refused(error) } else { Self::Failed(Failure::device(error)) }
    }
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// An application: its sector and its code.
type Application = (ExtensionIndex, NonZeroU16);

/// A reader's desk: the card in the field, and what unlocks the reader.
struct Station<'a> {
    args: &'a StationArgs,
    lists: Lists,
    /// Sectors lent to the application unit whose test SAM and test management card these are.
    lent: Option<ExtensionSet>,
    env: Env,
    stamp: Stamp,
    channel: Traced<Channel>,
    trace: Trace,
    language: Language,
    /// What is asked before a card is personalised.
    admission: Option<Admission>,
}

impl<'a> Station<'a> {
    fn open(args: &'a StationArgs, lists: Lists, out: &Output) -> Outcome<Self> {
        let (trace, language) = (out.trace.clone(), out.language);
        let lent = args.holder.lent()?;
        let mut env = recorder::env(&trace, args.card.seed)?;
        let (date, time) = clock::stamp(&env, args.date, args.time)?;
        let channel = args.card.target.open(&mut env, &trace, "card")?;
        let channel = Traced::new(channel, Tap::default(), language);
        if !matches!(args.card.target, crate::target::Target::Fresh(_)) {
            keys::announce();
        }
        let stamp = Stamp { date, time, terminal: args.terminal };
        Ok(Self { args, lists, lent, env, stamp, channel, trace, language, admission: None })
    }

    /// A reader, unlocked: of `unit` with the test SAM, of its own unit with one that is a card.
    fn unlock(&mut self, unit: UnitCode) -> Result<Reader<Box<dyn Sam>>, End> {
        let valid_until: Date = VALID_UNTIL.parse().map_err(Failure::device)?;
        let (sam, algorithm) = self.sam(unit, valid_until)?;
        let unit = SamSerial::from_reader(sam.id()).map_or(unit, |serial| serial.unit);
        let locked = Locked::new(sam).with_lists(self.lists.clone());
        let unlocked = match &self.args.management {
            DeskCard::Test => {
                let memory = test_card::management_for(algorithm, unit, self.lent, valid_until);
                let env = Env::with_rng(clock::fork(&mut self.env));
                let card = VirtualCard::new(memory, env).map_err(Failure::device)?;
                let tap = self.trace.tap("test", "management card");
                let mut card = Traced::new(card, tap, self.language);
                card.power_on().map_err(Failure::device)?;
                locked.unlock(&mut card, self.stamp.date)
            }
            DeskCard::Card(target) => {
                let mut card = target.open(&mut self.env, &self.trace, "management card")?;
                locked.unlock(&mut card, self.stamp.date)
            }
        };
        unlocked.map_err(|locked| locked.error.into())
    }

    /// The SAM and the algorithm of its keys.
    fn sam(&mut self, unit: UnitCode, valid_until: Date) -> Result<(Box<dyn Sam>, Algorithm), End> {
        if let DeskCard::Card(target) = &self.args.sam {
            let channel = target.open(&mut self.env, &self.trace, "SAM")?;
            let sam = CardSam::new(channel).map_err(Error::from)?;
            let algorithm = sam.algorithm();
            return Ok((Box::new(sam), algorithm));
        }
        let algorithm = self.algorithm()?;
        let number = Digits::new(1).map_err(Failure::device)?;
        let rng = clock::fork(&mut self.env);
        let serial = SamSerial { unit, number };
        let sam = SoftSam::test_for(algorithm, serial, self.lent, valid_until, rng);
        Ok((Box::new(sam), algorithm))
    }

    /// The algorithm of the card's keys, by which a SAM is chosen. A card that does not say is
    /// refused later, by the reader.
    fn algorithm(&mut self) -> Result<Algorithm, End> {
        let select =
            Command::new(Class::ISO, 0xA4, 0x04, 0x00).with_data(&EDUCATION_NAME).with_ne(256);
        let mut response = Vec::new();
        let command = select.to_vec().map_err(Failure::device)?;
        self.channel.transmit(&command, &mut response).map_err(Failure::from)?;
        let fci = Response::parse(&response).and_then(|answer| Fci::parse(answer.data).ok());
        let code = fci.and_then(|fci| fci.security).map(|security| security.algorithm);
        Ok(code.and_then(Algorithm::from_code).unwrap_or(Algorithm::Aes128))
    }

    /// The given school, or some.
    fn unit(&self) -> Result<UnitCode, End> {
        match self.args.sam_unit {
            Some(unit) => Ok(unit),
            None => Ok(SOME_SCHOOL.parse().map_err(Failure::device)?),
        }
    }

    fn contents(&mut self) -> Result<CardContents, End> {
        let unit = self.unit()?;
        let mut reader = self.unlock(unit)?;
        let date = self.stamp.date;
        Ok(reader.connect(&mut self.channel, date)?.read()?)
    }

    /// The unit the card belongs to, or some school for a card of the stock.
    fn owner(&mut self) -> Result<UnitCode, End> {
        match self.contents()?.owner() {
            Some(owner) => Ok(owner),
            None => self.unit(),
        }
    }

    fn read(&mut self, out: &Output) -> Result<Code, End> {
        let contents = self.contents()?;
        let listed = Listed::new(&self.lists.about(&contents), self.stamp.date);
        out.report(&ContentsReport::new(&contents).noting(listed.notes()))?;
        Ok(Code::AsExpected)
    }

    fn verdict(&mut self, application: Option<Application>, out: &Output) -> Result<Code, End> {
        let today = self.stamp.date;
        let (found, venue) = match self.present(application)? {
            Ok((contents, venue)) => (Ok(contents), venue),
            Err(presented) => (Err(presented), Venue::Education),
        };
        let (card, presented, listings) = match &found {
            Ok(contents) => {
                let card = contents.issuance.card_serial;
                (Some(card), Presented::Card(contents.facts()), self.lists.about(contents))
            }
            Err(presented) => (None, *presented, Vec::new()),
        };
        let at = Circumstances { today, venue, lists: &listings };
        let report = VerdictReport::new(card, today, &verdict(&presented, &at));
        out.report(&report)?;
        Ok(Code::of(report.accept()))
    }

    /// What is on the card and what it is wanted for, or what it means that it cannot be read.
    fn present(
        &mut self,
        application: Option<Application>,
    ) -> Result<Result<(CardContents, Venue), Presented<'static>>, End> {
        let unit = match (self.args.sam_unit, application) {
            // An application of the pupil's school, if the card says which that is.
            (None, Some(_)) => self.owner().or_else(|_| self.unit())?,
            _ => self.unit()?,
        };
        let mut reader = match self.unlock(unit) {
            Ok(reader) => reader,
            Err(End::Refused(error)) => {
                say(format_args!("xuejika: {error}"));
                return Ok(Err(Presented::ReaderLocked));
            }
            Err(failed) => return Err(failed),
        };
        let card = reader.connect(&mut self.channel, self.stamp.date);
        let found = card.and_then(|mut card| match application {
            None => Ok((card.read()?, Venue::Education)),
            Some((sector, application)) => {
                let card = card.application(sector, application)?;
                Ok((card.contents().clone(), card.venue()))
            }
        });
        let error = match found {
            Ok(found) => return Ok(Ok(found)),
            Err(error) => error,
        };
        match error.presented() {
            Some(presented) => {
                say(format_args!("xuejika: {error}"));
                Ok(Err(presented))
            }
            None => Err(error.into()),
        }
    }

    fn personalise(&mut self, pupil: &Pupil, issued: bool, out: &Output) -> Result<Code, End> {
        let mut reader = self.unlock(self.args.sam_unit.unwrap_or(pupil.enrolment.unit))?;
        let mut card = reader.connect(&mut self.channel, self.stamp.date)?;
        let serial = card.issuance().card_serial;
        if let Some(admission) = &self.admission {
            admission.ask(pupil, card.issuance(), None, self.stamp.date)?;
        }
        let done = card.personalise(pupil, self.stamp, issued)?;
        out.report(&EventReport::personalised("personalise", serial, &done))?;
        Ok(Code::AsExpected)
    }

    fn register(&mut self, args: &RegisterArgs, out: &Output) -> Result<Code, End> {
        let (school_year, term) = clock::period(self.stamp.date, args.school_year, args.term)?;
        let unit = match self.args.sam_unit {
            Some(unit) => unit,
            // The pupil's school registers the card.
            None => self.owner()?,
        };
        let mut reader = self.unlock(unit)?;
        let mut card = reader.connect(&mut self.channel, self.stamp.date)?;
        let serial = card.issuance().card_serial;
        let done = card.register(school_year, term, self.stamp)?;
        out.report(&EventReport::registered(serial, school_year, term, &done))?;
        Ok(Code::AsExpected)
    }

    /// Loads this version of a key, or retires its old one.
    fn key(&mut self, number: u8, version: Option<u8>, out: &Output) -> Result<Code, End> {
        let mut reader = self.unlock(self.args.sam_unit.unwrap_or(UnitCode::CITY))?;
        let mut card = reader.connect(&mut self.channel, self.stamp.date)?;
        let (serial, number) = (card.issuance().card_serial, KeyNumber(number));
        match version.and_then(KeyVersion::new) {
            Some(version) => card.load_key(number, version)?,
            None => card.retire_key(number)?,
        }
        out.report(&KeyReport::new(serial, number, card.key_versions(number)))?;
        Ok(Code::AsExpected)
    }
}
