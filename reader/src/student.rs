//! A student card in the field of an unlocked reader: the operations of school, district and
//! application unit on it.

mod application;
mod before;
mod life;
mod personalise;
mod sector;

use alloc::vec::Vec;

use xuejika_apdu::{CardChannel, StatusWord};
use xuejika_card_model::date::{Date, Time};
use xuejika_card_model::event::{self, Body, Request};
use xuejika_card_model::file::tree::{EDUCATION_NAME, sfi};
use xuejika_card_model::ident::UnitCode;
use xuejika_card_model::lifecycle::Event;
use xuejika_card_model::pupil::Pupil;
use xuejika_card_model::record::{
    ExtensionEntry, Issuance, LogEntry, Personalisation, Registration, SchoolYear, Status,
    StatusPair, Term, TerminalId, Transfer, TransferOperation,
};
use xuejika_card_model::state::LifeCycleState;
use xuejika_card_model::verdict::{Circumstances, Facts, Presented, Venue, Verdict, verdict};
use xuejika_keyscheme::provider::Path;
use xuejika_keyscheme::{KeyId, KeyNumber, KeyVersion, Zone};

use crate::error::Error;
use crate::link;
use crate::sam::{Sam, SamError};
use crate::session::{Application, Session, read_binary};

pub use application::ApplicationCard;
pub(crate) use before::Desk;
pub use life::Change;
pub use personalise::Personalised;

/// A student card, its education zone selected.
#[derive(Debug)]
pub struct StudentCard<'r, S: Sam, C: CardChannel> {
    sam: &'r mut S,
    desk: Desk<'r>,
    channel: C,
    application: Application,
    issuance: Issuance,
}

/// When and where an operation takes place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Date in Beijing.
    pub date: Date,
    /// Time of day in Beijing.
    pub time: Time,
    /// The terminal.
    pub terminal: TerminalId,
}

/// Everything an education reader can read.
#[derive(Clone, Debug)]
pub struct CardContents {
    /// EF 05.
    pub issuance: Issuance,
    /// EF 06, the current copy.
    pub status: Status,
    /// EF 07 and EF 08; absent while no pupil is on the card.
    pub pupil: Option<Pupil>,
    /// EF 09.
    pub personalisation: Option<Personalisation>,
    /// EF 0A, newest first.
    pub registrations: Vec<Registration>,
    /// EF 0B, newest first.
    pub transfers: Vec<Transfer>,
    /// EF 0C.
    pub extensions: Vec<ExtensionEntry>,
    /// EF 0D, newest first.
    pub log: Vec<LogEntry>,
}

impl CardContents {
    /// Returns what a verdict is made of.
    #[must_use]
    pub fn facts(&self) -> Facts<'_> {
        Facts {
            issuance: &self.issuance,
            status: &self.status,
            enrolment: self.pupil.as_ref().map(|pupil| &pupil.enrolment),
            personalisation: self.personalisation.as_ref(),
            registrations: &self.registrations,
            extensions: &self.extensions,
            log: &self.log,
        }
    }

    /// The units whose reports concern the card: the pupil's school and those the pupil came from;
    /// none while no pupil is on the card.
    #[must_use]
    pub fn units(&self) -> Vec<UnitCode> {
        units_of(self.pupil.as_ref().map(|pupil| pupil.enrolment.unit), &self.transfers)
    }

    /// The unit the card belongs to; none while it is in stock.
    #[must_use]
    pub fn owner(&self) -> Option<UnitCode> {
        event::owner(&self.status, self.personalisation.as_ref(), self.transfers.first())
    }

    /// Decides by the card alone, without lists, whether it is accepted in education today; with them
    /// [`StudentCard::verdict`] does.
    #[must_use]
    pub fn verdict(&self, today: Date) -> Verdict {
        let at = Circumstances { today, venue: Venue::Education, lists: &[] };
        verdict(&Presented::Card(self.facts()), &at)
    }
}

impl<'r, S: Sam, C: CardChannel> StudentCard<'r, S, C> {
    pub(crate) fn connect(sam: &'r mut S, desk: Desk<'r>, mut channel: C) -> Result<Self, Error> {
        let application = select(&mut channel)?;
        let bytes = link::command(&mut channel, "READ BINARY", &read_binary(sfi::ISSUANCE))?;
        let issuance = Issuance::parse(&bytes)?;
        if issuance.card_serial.bytes() != application.serial.0 {
            return Err(Error::Malformed("SELECT"));
        }
        Ok(Self { sam, desk, channel, application, issuance })
    }

    /// The issuance record, which is free to read.
    #[must_use]
    pub const fn issuance(&self) -> &Issuance {
        &self.issuance
    }

    /// The channel, given back.
    #[must_use]
    pub fn into_channel(self) -> C {
        self.channel
    }

    /// Decides whether this card, once read, is accepted in education today, by its records and the
    /// reader's lists.
    #[must_use]
    pub fn verdict(&self, contents: &CardContents) -> Verdict {
        let (today, lists) = (self.desk.today, self.desk.lists.about(contents));
        let at = Circumstances { today, venue: Venue::Education, lists: &lists };
        verdict(&Presented::Card(contents.facts()), &at)
    }

    fn session(&mut self, key: KeyNumber) -> Result<Session<'_, S, C>, Error> {
        self.application.authenticate(self.sam, &mut self.channel, key, Path::City)
    }

    /// Reads everything on the card under K1.
    ///
    /// # Errors
    /// Returns an [`Error`]; records on the card that break a rule are errors too.
    pub fn read(&mut self) -> Result<CardContents, Error> {
        let issuance = self.issuance;
        let mut session = self.session(KeyNumber::READ)?;
        let status = status(&mut session)?;
        let mut contents = CardContents {
            issuance,
            status,
            pupil: None,
            personalisation: None,
            registrations: Vec::new(),
            transfers: Vec::new(),
            extensions: records(&mut session, sfi::DIRECTORY, ExtensionEntry::parse)?,
            log: records(&mut session, sfi::LOG, LogEntry::parse)?,
        };
        if has_pupil(status.state) {
            let personalisation = session.read_file(sfi::PERSONALISATION)?;
            // A card cancelled out of the stock never had a pupil.
            if personalisation.iter().any(|&byte| byte != 0) {
                let identity = session.read_file(sfi::IDENTITY)?;
                let enrolment = session.read_file(sfi::ENROLMENT)?;
                contents.pupil = Some(Pupil::parse(&identity, &enrolment)?);
                contents.personalisation = Some(Personalisation::parse(&personalisation)?);
            }
            contents.registrations = records(&mut session, sfi::REGISTRATION, Registration::parse)?;
            contents.transfers = records(&mut session, sfi::TRANSFER, Transfer::parse)?;
        }
        Ok(contents)
    }

    /// Registers for a term (学籍注册). Registering twice for one term changes nothing and says so.
    ///
    /// # Errors
    /// Returns an [`Error`]; [`Error::Listed`] for a card that a list of the reader refuses.
    pub fn register(
        &mut self,
        school_year: SchoolYear,
        term: Term,
        stamp: Stamp,
    ) -> Result<Change, Error> {
        self.change(Event::Register, Body::Register { school_year, term }, None, stamp)
    }
}

impl<S: Sam, C: CardChannel> StudentCard<'_, S, C> {
    /// Loads a newer version of a key under K0; for the city. The SAM derives and protects it; the
    /// card takes it into use at the next authentication that asks for it.
    ///
    /// # Errors
    /// Returns [`Error::CityOnly`] for any other unit, or another [`Error`]; the card keeps the keys
    /// it had.
    pub fn load_key(&mut self, number: KeyNumber, version: KeyVersion) -> Result<(), Error> {
        let Application { zone, algorithm, .. } = self.application;
        let id = KeyId { zone, number, version, algorithm };
        self.as_city("loading a key", |session| session.put_key(id))
    }

    /// Retires the old version of a key that a newer one has replaced, under K0; for the city.
    ///
    /// # Errors
    /// Returns [`Error::CityOnly`] for any other unit, or another [`Error`].
    pub fn retire_key(&mut self, number: KeyNumber) -> Result<(), Error> {
        self.as_city("retiring a key", |session| session.retire_key(number))
    }

    /// Changes keys under K0. Whoever is not the city has a SAM without K0, or is refused by the card.
    fn as_city(
        &mut self,
        operation: &'static str,
        change: impl FnOnce(&mut Session<'_, S, C>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let unit = self.desk.unit;
        let done = self.session(KeyNumber::MASTER).and_then(|mut session| change(&mut session));
        match done {
            Err(
                Error::Sam(SamError::NotPermitted(KeyNumber::MASTER))
                | Error::Status { status: StatusWord::SECURITY_STATUS, .. },
            ) if unit != UnitCode::CITY => Err(Error::CityOnly { operation, unit }),
            done => done.and_then(|()| self.select_again()),
        }
    }

    /// The versions of a key the card offers, the active one first.
    #[must_use]
    pub fn key_versions(&self, number: KeyNumber) -> &[KeyVersion] {
        self.application.versions(number)
    }

    /// Reads anew what the card says of its keys.
    fn select_again(&mut self) -> Result<(), Error> {
        self.application = select(&mut self.channel)?;
        Ok(())
    }
}

/// Whether a card in this state has a pupil, but for one that was cancelled out of the stock.
const fn has_pupil(state: LifeCycleState) -> bool {
    use LifeCycleState::{Active, Cancelled, Frozen, TransferredIn, TransferredOut};
    matches!(state, Active | TransferredOut | TransferredIn | Frozen | Cancelled)
}

/// The pupil's school, and those the pupil came from. A school that a transfer only names as the next
/// one has no say: the pupil may never get there.
fn units_of(school: Option<UnitCode>, transfers: &[Transfer]) -> Vec<UnitCode> {
    let taken_in =
        |transfer: &Transfer| transfer.to.filter(|_| transfer.operation == TransferOperation::In);
    let moves = transfers.iter().flat_map(|transfer| [Some(transfer.from), taken_in(transfer)]);
    [school].into_iter().chain(moves).flatten().collect()
}

fn select<C: CardChannel>(channel: &mut C) -> Result<Application, Error> {
    Application::select(channel, "education zone", &EDUCATION_NAME, Zone::EDUCATION)
}

impl Stamp {
    const fn event(self, event: Event, body: Body) -> Request {
        let Self { date, time, terminal } = self;
        Request { event, date, time, terminal, reason: None, body }
    }
}

fn status<S: Sam, C: CardChannel>(session: &mut Session<'_, S, C>) -> Result<Status, Error> {
    Ok(StatusPair::parse(&session.read_file(sfi::STATUS)?)?.current)
}

fn records<S: Sam, C: CardChannel, T, E>(
    session: &mut Session<'_, S, C>,
    sfi: u8,
    parse: impl Fn(&[u8]) -> Result<T, E>,
) -> Result<Vec<T>, Error>
where
    Error: From<E>,
{
    session.read_records(sfi)?.iter().map(|bytes| Ok(parse(bytes)?)).collect()
}
