//! Life-cycle events as they reach the card: what they carry, and what they do.
//!
//! Every event changes state, record and operation log in one transaction. The acting unit is not
//! taken from the data: it is the unit inside the SAM's number, which the authentication has proved.
//! Layouts project-defined.

use alloc::vec::Vec;

use xuejika_keyscheme::KeyNumber;
use xuejika_keyscheme::auth::ReaderId;

use crate::card::{Card, CardError, Denied, append};
use crate::code::Reason;
use crate::date::{Date, Time};
use crate::file::tree::sfi;
use crate::ident::UnitCode;
use crate::lifecycle::Event;
use crate::management::SamSerial;
use crate::nvm::Nvm;
use crate::pupil::Pupil;
use crate::record::{
    Enrolment, LogEntry, Personalisation, Registration, SchoolYear, Status, StatusFlags,
    StatusPair, Term, TerminalId,
};
use crate::state::LifeCycleState;

/// Result code of a successful operation in the log.
const LOG_SUCCESS: u8 = 0x00;

/// Who asks for an event: the key and the SAM of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actor {
    /// Key of the education zone the session is under.
    pub key: KeyNumber,
    /// The SAM, as proved by the authentication.
    pub reader: ReaderId,
}

impl Actor {
    /// The unit that acts: the one inside the SAM's number.
    ///
    /// # Errors
    /// Returns [`CardError::ForeignUnit`] when the number is no SAM's.
    pub fn unit(&self) -> Result<UnitCode, CardError> {
        Ok(SamSerial::from_reader(self.reader).ok_or(CardError::ForeignUnit)?.unit)
    }
}

/// An event with everything it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The event.
    pub event: Event,
    /// Date, from the terminal; the card has no clock.
    pub date: Date,
    /// Time of day, from the terminal.
    pub time: Time,
    /// Terminal that asks.
    pub terminal: TerminalId,
    /// Why, where there is a reason.
    pub reason: Option<Reason>,
    /// What else the event carries.
    pub body: Body,
}

/// The event's own data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing.
    None,
    /// Of [`Event::PersonaliseCommit`]: whether the card is handed out at once.
    Commit {
        /// Handed out.
        issued: bool,
    },
    /// Of [`Event::Register`]: the term.
    Register {
        /// School year.
        school_year: SchoolYear,
        /// Term.
        term: Term,
    },
}

impl Request {
    /// Bytes in front of the body: date (4), time (3), terminal (4), reason (1).
    pub const HEADER_LEN: usize = 12;

    /// Reads the data of an event.
    ///
    /// # Errors
    /// Returns [`CardError::EventData`] for a wrong length or an undefined value.
    pub fn parse(event: Event, data: &[u8]) -> Result<Self, CardError> {
        let wrong = CardError::EventData;
        let (&[d1, d2, d3, d4, t1, t2, t3, n1, n2, n3, n4, reason], body) =
            data.split_first_chunk::<{ Self::HEADER_LEN }>().ok_or(wrong.clone())?;
        let body = match (event, body) {
            (Event::PersonaliseCommit, [issued @ (0 | 1)]) => Body::Commit { issued: *issued == 1 },
            (Event::Register, [y1, y2, term]) => Body::Register {
                school_year: SchoolYear::from_bytes([*y1, *y2]).map_err(|_| wrong.clone())?,
                term: Term::from_code(*term).ok_or(wrong.clone())?,
            },
            (Event::PersonaliseCommit | Event::Register, _) => return Err(wrong),
            (_, []) => Body::None,
            _ => return Err(wrong),
        };
        let reason = match reason {
            0 => None,
            code => Some(Reason::from_code(code).ok_or(wrong.clone())?),
        };
        Ok(Self {
            event,
            date: Date::from_bytes([d1, d2, d3, d4]).map_err(|_| wrong.clone())?,
            time: Time::from_bytes([t1, t2, t3]).map_err(|_| wrong)?,
            terminal: TerminalId([n1, n2, n3, n4]),
            reason,
            body,
        })
    }

    /// The data of the event.
    #[must_use]
    pub fn emit(&self) -> Vec<u8> {
        let mut data = Vec::with_capacity(Self::HEADER_LEN + 3);
        data.extend_from_slice(&self.date.bytes());
        data.extend_from_slice(&self.time.bytes());
        data.extend_from_slice(&self.terminal.0);
        data.push(self.reason.map_or(0, Reason::code));
        match self.body {
            Body::None => {}
            Body::Commit { issued } => data.push(issued.into()),
            Body::Register { school_year, term } => {
                data.extend_from_slice(&school_year.bytes());
                data.push(term.code());
            }
        }
        data
    }
}

/// What an event did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// State afterwards.
    pub state: LifeCycleState,
    /// Counter of the status record afterwards.
    pub counter: u16,
    /// Whether the event had happened before and nothing was written.
    pub repeated: bool,
}

impl Outcome {
    /// Length of the encoding, in bytes.
    pub const LEN: usize = 4;

    /// Reads state, counter (2), repeated.
    #[must_use]
    pub fn parse(data: &[u8]) -> Option<Self> {
        match data {
            [state, c1, c2, repeated @ (0 | 1)] => Some(Self {
                state: LifeCycleState::from(*state),
                counter: u16::from_be_bytes([*c1, *c2]),
                repeated: *repeated == 1,
            }),
            _ => None,
        }
    }

    /// State, counter (2), repeated.
    #[must_use]
    pub const fn emit(&self) -> [u8; Self::LEN] {
        let [c1, c2] = self.counter.to_be_bytes();
        [self.state.code(), c1, c2, self.repeated as u8]
    }
}

/// A record an event writes beside status and log.
enum Change {
    None,
    /// Overwrites a transparent file.
    Replace(u8, [u8; 16]),
    /// Appends to a cyclic file.
    Append(u8, [u8; 16]),
    /// It is all there already.
    Repeated,
}

impl<N: Nvm> Card<N> {
    /// Executes an event, if the table, the key and the unit allow it.
    ///
    /// # Errors
    /// Returns a [`CardError`] naming the broken rule; nothing has changed then.
    pub fn execute(&mut self, request: &Request, actor: Actor) -> Result<Outcome, CardError> {
        let rule = request.event.rule();
        if actor.key != rule.key {
            return Err(Denied::Security.into());
        }
        let acting = actor.unit()?;
        let pair = self.status()?;
        let status = pair.current;
        let next =
            request.event.next(status.state, status.previous).ok_or(CardError::Event(rule.name))?;
        self.check_unit(request.event, &status, acting)?;
        let (change, flags) = self.change(request, &status, acting)?;
        if let Change::Repeated = change {
            return Ok(Outcome { state: status.state, counter: status.counter, repeated: true });
        }
        let after = Status {
            state: next,
            previous: if next == status.state { status.previous } else { status.state },
            flags,
            counter: status.counter.wrapping_add(1),
            date: request.date,
            unit: acting,
            reason: request.reason,
        };
        self.write_event(request, &pair, &after, &change)?;
        Ok(Outcome { state: next, counter: after.counter, repeated: false })
    }

    /// Whose card it is decides who may act on it: its own school; for status events also the
    /// district and the city above it. A card of the stock belongs to no school yet.
    fn check_unit(&self, event: Event, status: &Status, acting: UnitCode) -> Result<(), CardError> {
        use LifeCycleState as S;
        let owner = match status.state {
            S::Blank | S::Initialised | S::Recalled => None,
            // The school that took the pupil in, or that began to personalise, goes on.
            S::TransferredIn | S::Personalising => Some(status.unit),
            _ => Some(self.enrolment().map_or(status.unit, |enrolment| enrolment.unit)),
        };
        let allowed = match (event.rule().key, owner) {
            (KeyNumber::MASTER, _) | (KeyNumber::STATUS, None) => true,
            (KeyNumber::STATUS, Some(owner)) => acting.covers(owner),
            (_, None) => acting.is_school(),
            (_, Some(owner)) => acting == owner,
        };
        // The mark of a district or of the city is not its school's to lift or to take over.
        let marked = status.state == S::Frozen && matches!(event, Event::Freeze | Event::Unfreeze);
        let allowed = allowed && (!marked || acting.covers(status.unit));
        if allowed { Ok(()) } else { Err(CardError::ForeignUnit) }
    }

    /// What the event writes besides status and log, and the flags afterwards.
    fn change(
        &self,
        request: &Request,
        status: &Status,
        acting: UnitCode,
    ) -> Result<(Change, StatusFlags), CardError> {
        let mut flags = status.flags;
        let change = match (request.event, request.body) {
            (
                Event::PersonaliseBegin
                | Event::Freeze
                | Event::Unfreeze
                | Event::Cancel
                | Event::Fault,
                _,
            ) => Change::None,
            (Event::TemporaryIssue, _) => {
                flags.temporary = true;
                Change::None
            }
            (Event::PersonaliseCommit, Body::Commit { issued }) => {
                let pupil = self.pupil()?;
                if pupil.enrolment.unit != acting {
                    return Err(CardError::ForeignUnit);
                }
                flags.issued |= issued;
                flags.rare_name = pupil.identity.rare_character;
                Change::Replace(sfi::PERSONALISATION, self.commit_record(request, issued, acting))
            }
            (Event::Register, Body::Register { school_year, term }) => {
                if self.registrations().any(|record| record.period() == (school_year, term)) {
                    Change::Repeated
                } else {
                    let record = Registration {
                        school_year,
                        term,
                        date: request.date,
                        unit: acting,
                        terminal: request.terminal,
                    };
                    Change::Append(sfi::REGISTRATION, record.emit())
                }
            }
            (event, _) => return Err(CardError::NotOffered(event.rule().name)),
        };
        Ok((change, flags))
    }

    fn commit_record(&self, request: &Request, issued: bool, acting: UnitCode) -> [u8; 16] {
        let before = Personalisation::parse(self.file(sfi::PERSONALISATION)).ok();
        Personalisation {
            count: before.map_or(0, |record| record.count).saturating_add(1),
            date: request.date,
            unit: acting,
            terminal: request.terminal,
            issued: issued || before.is_some_and(|record| record.issued),
        }
        .emit()
    }

    /// Status, record and log in one commit.
    fn write_event(
        &mut self,
        request: &Request,
        pair: &StatusPair,
        after: &Status,
        change: &Change,
    ) -> Result<(), CardError> {
        let entry = LogEntry {
            operation: request.event.code(),
            result: LOG_SUCCESS,
            date: request.date,
            time: request.time,
            unit: after.unit,
            counter: after.counter,
        };
        let file = |sfi| self.education(sfi).ok_or(CardError::Corrupt);
        let (status, log) = (file(sfi::STATUS)?, file(sfi::LOG)?);
        let record = match change {
            Change::Replace(sfi, _) | Change::Append(sfi, _) => Some(file(*sfi)?),
            Change::None | Change::Repeated => None,
        };
        let mut txn = self.begin();
        txn.write(status.offset + pair.slot.other().offset(), &after.emit());
        match (record, change) {
            (Some(file), Change::Replace(_, bytes)) => txn.write(file.offset, bytes),
            (Some(file), Change::Append(_, bytes)) => append(&mut txn, file, bytes),
            _ => {}
        }
        append(&mut txn, log, &entry.emit());
        Ok(txn.commit()?)
    }

    /// The pupil on the card, checked as a whole.
    ///
    /// # Errors
    /// Returns every field that breaks a rule.
    pub fn pupil(&self) -> Result<Pupil, CardError> {
        Ok(Pupil::parse(self.file(sfi::IDENTITY), self.file(sfi::ENROLMENT))?)
    }

    fn enrolment(&self) -> Option<Enrolment> {
        Enrolment::parse(self.file(sfi::ENROLMENT)).ok()
    }

    /// The readable registrations on the card, newest first.
    pub fn registrations(&self) -> impl Iterator<Item = Registration> {
        let file = self.education(sfi::REGISTRATION);
        (1..=u8::MAX)
            .map_while(move |number| self.stored_record(file?, number))
            .filter_map(|bytes| Registration::parse(bytes).ok())
    }
}
