//! What a scenario takes place in: cards in and out of the field, readers with their SAMs, lists,
//! a gate and the operator's host. Cards are changed by commands alone, through the reader library.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail};
use xuejika_apdu::status::Language;
use xuejika_card_model::bcd::Digits;
use xuejika_card_model::calendar::Holidays;
use xuejika_card_model::date::{Date, Time};
use xuejika_card_model::desk::Uploads;
use xuejika_card_model::factory;
use xuejika_card_model::ident::{CardSerial, Districts, UnitCode};
use xuejika_card_model::list::{Bearer, Edition, List, ListError, Lookup, Moment};
use xuejika_card_model::management::SamSerial;
use xuejika_card_model::nvm::RamNvm;
use xuejika_card_model::pupil::{Pupil, PupilDraft};
use xuejika_card_model::record::{
    ExtensionIndex, ExtensionSet, FieldErrors, Issuance, Profile, TerminalId,
};
use xuejika_card_model::s70;
use xuejika_emulator::{Env, VirtualCard, test_card};
use xuejika_keyscheme::key::Key;
use xuejika_keyscheme::{Algorithm, KeyId, legacy};
use xuejika_reader::channel::trace::{Tap, Trace};
use xuejika_reader::sam::{SamError, SoftSam};
use xuejika_reader::wallet::psam::SoftPsam;
use xuejika_reader::wallet::{SoftLoadHost, Terminal};
use xuejika_reader::{Error, Lists, Locked, Reader, Stamp, StudentCard};

use super::found::Found;
use super::script::{CardSpec, ReaderSpec, Role, Script, Step};
use super::source::Source;
use crate::clock;
use crate::recorder;
use crate::trace::{Exchange, Traced};

/// Number of the gate at which cards pay.
const GATE: legacy::TerminalId = legacy::TerminalId([0x30, 0x00, 0x20, 0x00, 0x00, 0x01]);

/// Number of every school's terminal.
pub(super) const TERMINAL: TerminalId = TerminalId([0, 0, 0, 1]);

/// When a day begins.
const MORNING: (u8, u8, u8) = (8, 0, 0);

/// Last day of a management card, unless its reader says otherwise.
const UNTIL: &str = "2038-08-31";

/// A card with the log of what was said to it.
pub(super) type Field = Traced<VirtualCard>;

/// Everything the steps share.
pub(super) struct World {
    pub(super) env: Env,
    pub(super) date: Date,
    pub(super) time: Time,
    pub(super) holidays: Holidays,
    /// Years over which days were counted without a holiday table.
    pub(super) uncovered: BTreeSet<u16>,
    pub(super) cards: BTreeMap<String, Field>,
    pub(super) readers: BTreeMap<String, Station>,
    pub(super) lists: BTreeMap<String, Book>,
    pub(super) pupils: BTreeMap<String, PupilDraft>,
    pub(super) districts: Districts,
    /// The personalisations of all schools, as the city has them.
    pub(super) uploads: Uploads,
    pub(super) gate: Terminal<SoftPsam>,
    pub(super) host: SoftLoadHost,
    pub(super) language: Language,
    /// What was said to management cards.
    pub(super) exchanges: Vec<Exchange>,
    pub(super) trace: Trace,
}

/// Where the cards are, for the trace.
pub(super) const SCENARIO: &str = "scenario";

/// A reader and the lists it was given.
pub(super) struct Station {
    pub(super) office: Office,
    pub(super) unit: UnitCode,
    /// The sectors of an application unit.
    pub(super) lent: Option<ExtensionSet>,
    pub(super) algorithm: Algorithm,
    pub(super) until: Date,
    /// The newest version of each list that it was given, to lead it on by a delta.
    pub(super) lists: Vec<List>,
}

/// The two states of a reader.
pub(super) enum Office {
    Locked(Locked<SoftSam>),
    Unlocked(Reader<SoftSam>),
    /// In the hands of a step that failed.
    Lost,
}

/// A list with all its versions, the first one first.
pub(super) struct Book {
    pub(super) scope: UnitCode,
    pub(super) versions: Vec<List>,
}

impl Office {
    /// The reader's lists.
    pub(super) fn lists(&self) -> anyhow::Result<&Lists> {
        match self {
            Self::Locked(locked) => Ok(locked.lists()),
            Self::Unlocked(reader) => Ok(reader.lists()),
            Self::Lost => bail!("the reader is out of order"),
        }
    }

    /// Gives the reader a list.
    pub(super) fn take_list(&mut self, list: Lookup) -> anyhow::Result<Result<(), ListError>> {
        match self {
            Self::Locked(locked) => Ok(locked.take_list(list)),
            Self::Unlocked(reader) => Ok(reader.take_list(list)),
            Self::Lost => bail!("the reader is out of order"),
        }
    }

    /// Gives the reader these lists in the place of its own.
    pub(super) fn set_lists(&mut self, lists: Lists) {
        *self = match core::mem::replace(self, Self::Lost) {
            Self::Locked(locked) => Self::Locked(locked.with_lists(lists)),
            Self::Unlocked(reader) => Self::Unlocked(reader.with_lists(lists)),
            Self::Lost => Self::Lost,
        };
    }
}

impl World {
    /// Sets up who takes part. The script's own holidays stand in place of `holidays`.
    pub(super) fn new(
        source: &Source,
        script: &Script,
        mut holidays: Holidays,
        language: Language,
        trace: Trace,
    ) -> anyhow::Result<Self> {
        recorder::repeat(&trace);
        holidays.replace(script.holidays.clone());
        let mut env = Env::from_seed(1);
        let (hour, minute, second) = MORNING;
        let mut cards = BTreeMap::new();
        for (name, spec) in &script.cards {
            let tap = trace.tap(SCENARIO, name);
            let card =
                card(spec, script.date, &mut env, tap, language).with_context(|| name.clone())?;
            cards.insert(name.clone(), card);
        }
        let mut readers = BTreeMap::new();
        for (number, (name, spec)) in (1..).zip(&script.readers) {
            let station = station(number, spec, &mut env).with_context(|| name.clone())?;
            readers.insert(name.clone(), station);
        }
        let book = |scope| Book { scope, versions: Vec::new() };
        let lists = script.lists.iter().map(|(name, spec)| (name.clone(), book(spec.scope)));
        let time = Time::new(hour, minute, second)?;
        let issued = Moment { date: script.date, time };
        let edition = Edition { scope: UnitCode::CITY, version: 1, issued };
        let pupil = |name: &String| Ok((name.clone(), source.draft(script, name)?));
        Ok(Self {
            date: script.date,
            time,
            holidays,
            uncovered: BTreeSet::new(),
            cards,
            readers,
            lists: lists.collect(),
            districts: source.districts(script)?,
            pupils: script.pupils.keys().map(pupil).collect::<anyhow::Result<_>>()?,
            uploads: Uploads::new(edition, [])?,
            gate: Terminal::new(SoftPsam::test(GATE)?)?,
            host: SoftLoadHost::test(),
            language,
            trace,
            exchanges: Vec::new(),
            env,
        })
    }

    /// Does a step, power cuts included.
    ///
    /// # Errors
    /// What makes the file unusable; how a step ends is never an error.
    pub(super) fn step(&mut self, step: &Step) -> anyhow::Result<Found> {
        if let Some(date) = step.date {
            self.date = date;
            let (hour, minute, second) = MORNING;
            self.time = Time::new(hour, minute, second)?;
        }
        self.time = step.time.unwrap_or(self.time);
        match step.cut {
            None => self.act(&step.act),
            Some(plan) => self.cut(&step.act, plan),
        }
    }

    /// A card by its name in the file.
    pub(super) fn card(&mut self, name: &str) -> anyhow::Result<&mut Field> {
        self.cards.get_mut(name).with_context(|| format!("there is no card {name:?}"))
    }

    /// The serial printed on a card.
    pub(super) fn serial(&mut self, name: &str) -> anyhow::Result<CardSerial> {
        Ok(CardSerial::from_bytes(self.card(name)?.channel().header().serial.0)?)
    }

    /// How often a card was recalled and restocked, as the desks' registers have it.
    pub(super) fn generation(&mut self, name: &str) -> anyhow::Result<u8> {
        Ok(self.card(name)?.channel().model().issuance()?.generation)
    }

    /// Whether a card was handed out to its pupil.
    pub(super) fn handed_out(&mut self, name: &str) -> anyhow::Result<bool> {
        let status = self.card(name)?.channel().model().status()?;
        Ok(status.current.flags.issued)
    }

    /// The other card of a pupil for which `card` is to stand in: one whose loss the reader's lists
    /// know, else any; where the pupil has no other, a card without a pupil whose loss they know; else
    /// the card itself, for which none can stand in.
    pub(super) fn lost_card(
        &mut self,
        reader: &str,
        card: &str,
        pupil: &Pupil,
    ) -> anyhow::Result<CardSerial> {
        let number = pupil.identity.student_number;
        let own = self.serial(card)?;
        let (mut others, mut nobodys) = (Vec::new(), Vec::new());
        for (_, other) in self.cards.iter_mut().filter(|(name, _)| *name != card) {
            let held = s70::Contents::of(other.channel().model()).ok().and_then(|card| card.pupil);
            let serial = CardSerial::from_bytes(other.channel().header().serial.0)?;
            match held {
                Some((held, _)) if held.identity.student_number == number => others.push(serial),
                None => nobodys.push(serial),
                Some(_) => {}
            }
        }
        let station = self.reader(reader)?;
        let (lists, units) = (station.office.lists()?, [station.unit]);
        let bearer = Bearer { generation: 0, units: &units };
        let lost = |serial: &&CardSerial| {
            lists.iter().any(|list| list.loss_reported(**serial, &bearer).is_some())
        };
        let stands = others.iter().find(lost).or(others.first());
        Ok(*stands.or_else(|| nobodys.iter().find(lost)).unwrap_or(&own))
    }

    /// A reader by its name in the file.
    pub(super) fn reader(&mut self, name: &str) -> anyhow::Result<&mut Station> {
        self.readers.get_mut(name).with_context(|| format!("there is no reader {name:?}"))
    }

    /// A list by its name in the file.
    pub(super) fn list(&mut self, name: &str) -> anyhow::Result<&mut Book> {
        self.lists.get_mut(name).with_context(|| format!("there is no list {name:?}"))
    }

    /// A pupil by their name in the file, or what is wrong with their data.
    pub(super) fn pupil(&self, name: &str) -> anyhow::Result<Result<Pupil, FieldErrors>> {
        let draft = self.pupils.get(name).with_context(|| format!("there is no pupil {name:?}"))?;
        Ok(draft.build_with(&self.districts))
    }

    /// A card in the field of a reader. A locked reader has no field.
    pub(super) fn present(
        &mut self,
        reader: &str,
        card: &str,
    ) -> anyhow::Result<Result<StudentCard<'_, SoftSam, &mut Field>, Error>> {
        let missing = |what: &str, name: &str| format!("there is no {what} {name:?}");
        let station = self.readers.get_mut(reader).with_context(|| missing("reader", reader))?;
        let card = self.cards.get_mut(card).with_context(|| missing("card", card))?;
        Ok(match &mut station.office {
            Office::Unlocked(reader) => reader.connect(card, self.date),
            Office::Locked(_) => Err(SamError::Locked.into()),
            Office::Lost => bail!("the reader {reader:?} is out of order"),
        })
    }

    /// Notes that days were counted between these two.
    pub(super) fn counted(&mut self, from: Date, to: Date) {
        self.uncovered.extend(self.holidays.not_covered(from, to));
    }

    /// Date, time and terminal of an operation.
    pub(super) const fn stamp(&self) -> Stamp {
        Stamp { date: self.date, time: self.time, terminal: TERMINAL }
    }

    /// The moment of a wallet transaction.
    pub(super) const fn moment(&self) -> legacy::Moment {
        legacy::Moment { date: self.date.bytes(), time: self.time.bytes() }
    }

    /// What was said to cards since the last call.
    pub(super) fn take_exchanges(&mut self) -> Vec<Exchange> {
        let mut exchanges = core::mem::take(&mut self.exchanges);
        for card in self.cards.values_mut() {
            exchanges.append(&mut card.take());
        }
        exchanges
    }

    /// A card of the key system of nobody, with this issuance record.
    pub(super) fn foreign_memory(env: &mut Env, issuance: &Issuance) -> anyhow::Result<Vec<u8>> {
        let wallet = test_card::wallet(issuance);
        let uid = test_card::uid(&issuance.card_serial);
        let key = |id: &KeyId| Key::new(id.algorithm, env.random());
        factory::student(issuance, uid, key, &wallet).context("the profile is no processor card")
    }
}

fn card(
    spec: &CardSpec,
    first: Date,
    env: &mut Env,
    tap: Tap,
    language: Language,
) -> anyhow::Result<Field> {
    let mut issuance = test_card::issuance(spec.serial, spec.profile)?;
    issuance.valid_from = spec.valid_from.unwrap_or(issuance.valid_from);
    issuance.valid_until = spec.valid_until.unwrap_or(issuance.valid_until);
    // A card is there on the first day, but not before the year of its serial.
    let made = Date::new(2000 + u16::from(spec.serial.year()), 1, 1)?;
    issuance.init_date = issuance.init_date.min(issuance.valid_from).min(first.max(made));
    let memory = match (spec.foreign, spec.blank) {
        (true, true) => bail!("a blank card of another key system"),
        (true, false) => World::foreign_memory(env, &issuance)?,
        (false, true) => test_card::blank_student_memory(&issuance)?,
        (false, false) => test_card::student_memory(&issuance)?,
    };
    powered(memory, Env::with_rng(clock::fork(env)), tap, language)
}

/// A card over this memory, in the field.
pub(super) fn powered(
    memory: Vec<u8>,
    env: Env,
    tap: Tap,
    language: Language,
) -> anyhow::Result<Field> {
    let card = VirtualCard::new(RamNvm::new(memory), env)?;
    let mut card = Traced::new(card, tap, language);
    card.power_on()?;
    Ok(card)
}

fn station(number: u64, spec: &ReaderSpec, env: &mut Env) -> anyhow::Result<Station> {
    let algorithm = match spec.profile {
        Profile::CpuAes => Algorithm::Aes128,
        Profile::CpuSm4 => Algorithm::Sm4,
        Profile::S70 => bail!("profile s70 has no SAM"),
    };
    let until = match spec.until {
        Some(until) => until,
        None => UNTIL.parse()?,
    };
    let serial = SamSerial { unit: spec.unit, number: Digits::new(number)? };
    let lent = lent(spec)?;
    let sam = SoftSam::test_for(algorithm, serial, lent, until, clock::fork(env));
    let office = Office::Locked(Locked::new(sam));
    Ok(Station { office, unit: spec.unit, lent, algorithm, until, lists: Vec::new() })
}

/// The sectors lent to an application unit; `None` for an office.
fn lent(spec: &ReaderSpec) -> anyhow::Result<Option<ExtensionSet>> {
    let sector = |&number: &u8| ExtensionIndex::new(number).context("sectors: expected 1 to 8");
    let sectors: Vec<_> = spec.sectors.iter().map(sector).collect::<anyhow::Result<_>>()?;
    let lent = ExtensionSet::of(sectors);
    match spec.role {
        Role::Application => {
            lent.context("sectors: an application unit needs some, such as [2, 3]").map(Some)
        }
        Role::Office if lent.is_some() => bail!("sectors: only with role = \"application\""),
        Role::Office => Ok(None),
    }
}
