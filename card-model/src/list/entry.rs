//! One entry of a list: what was said about a card, when, by whom, and whether it was withdrawn.

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;

use super::entries::settle_subject;
use super::header::Content;
use super::statement::Statement;
use crate::calendar::{CalendarError, Deadline, Holidays};
use crate::code::{Reason, codes};
use crate::date::{Date, Time};
use crate::ident::{CardSerial, UnitCode};
use crate::record::Problem;

codes! {
    /// What an entry says of a card (名单类别); one binary byte (project-defined).
    pub enum Kind {
        Loss = 1, "1", "loss", "挂失";
        Freeze = 2, "2", "freeze", "冻结";
        Replaced = 3, "3", "replaced", "补卡";
    }
}

impl Kind {
    /// Returns the day on which a report takes effect: the one wanted, by default the last one that
    /// the rules allow. A freeze and a replacement take effect at once, a loss within two working days
    /// (暂行办法 六(二), 操作规程 四/六).
    ///
    /// # Errors
    /// [`EffectError::TooLate`] for a loss or a replacement that would take effect later,
    /// [`EffectError::Calendar`] when the working days are not known.
    pub fn effective(
        self,
        reported: Date,
        wanted: Option<Date>,
        holidays: &Holidays,
    ) -> Result<Date, EffectError> {
        let limit = match self {
            Self::Loss => Deadline::LossEffective.last_day(reported, holidays)?,
            Self::Freeze | Self::Replaced => reported,
        };
        match wanted {
            Some(effective) if effective > limit && self != Self::Freeze => {
                Err(EffectError::TooLate { kind: self, effective, limit })
            }
            wanted => Ok(wanted.unwrap_or(limit)),
        }
    }
}

/// Why a report cannot take effect on the day wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EffectError {
    /// Later than the rules allow.
    #[error("{} takes effect on {effective}, expected {limit} at the latest", kind.english())]
    TooLate {
        /// Kind of report.
        kind: Kind,
        /// Day wanted.
        effective: Date,
        /// Last day allowed.
        limit: Date,
    },
    /// The working days are not known.
    #[error(transparent)]
    Calendar(#[from] CalendarError),
}

/// Date and time of day in Beijing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Moment {
    /// The date.
    pub date: Date,
    /// The time of day.
    pub time: Time,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.date, self.time)
    }
}

/// Why values make no entry, or bytes hold none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// A field of the record is no value of its kind.
    #[error("{0} is malformed")]
    Field(&'static str),
    /// What is wrong with a field of an upload.
    #[error("{field}: {problem}")]
    Value {
        /// Name of the field.
        field: &'static str,
        /// What is wrong.
        problem: Problem,
    },
    /// It takes effect before it was reported.
    #[error("effective {effective} lies before the report of {reported}")]
    EffectiveBeforeReport {
        /// Day of effect.
        effective: Date,
        /// The report.
        reported: Moment,
    },
    /// It was withdrawn before or as it was reported; the report would hold.
    #[error("withdrawn {withdrawn} does not lie after the report of {reported}")]
    WithdrawnTooEarly {
        /// The withdrawal.
        withdrawn: Moment,
        /// The report.
        reported: Moment,
    },
    /// A replaced card stays listed.
    #[error("a replaced card cannot be withdrawn from the list")]
    ReplacedForEver,
    /// A replacement takes effect at once (操作规程 四/六).
    #[error("a replaced card is listed from the report on, {reported}, expected no later effect")]
    ReplacedLater {
        /// The report.
        reported: Moment,
    },
    /// It was withdrawn already.
    #[error("it was withdrawn already, at {0}")]
    WithdrawnAlready(Moment),
}

/// An entry, consistent in itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Entry {
    serial: CardSerial,
    kind: Kind,
    unit: UnitCode,
    reported: Moment,
    effective: Date,
    reason: Option<Reason>,
    withdrawn: Option<Moment>,
    generation: Option<u8>,
}

impl Entry {
    /// Length in bytes.
    pub const LEN: usize = 32;

    /// Puts a card on the list: `unit` took the report at `reported`, and it takes effect on
    /// `effective`. Both are kept, so that it can be shown who answers for misuse (暂行办法 六(二)).
    /// The entry concerns every generation of the card; see [`Self::of_generation`].
    ///
    /// # Errors
    /// [`EntryError::EffectiveBeforeReport`], [`EntryError::ReplacedLater`].
    pub fn new(
        serial: CardSerial,
        kind: Kind,
        unit: UnitCode,
        reported: Moment,
        effective: Date,
        reason: Option<Reason>,
    ) -> Result<Self, EntryError> {
        if effective < reported.date {
            return Err(EntryError::EffectiveBeforeReport { effective, reported });
        }
        if kind == Kind::Replaced && effective > reported.date {
            return Err(EntryError::ReplacedLater { reported });
        }
        let (withdrawn, generation) = (None, None);
        Ok(Self { serial, kind, unit, reported, effective, reason, withdrawn, generation })
    }

    /// Restricts the entry to the holder of this generation of the card (EF 05) and those before: a
    /// card that was recalled, restocked and given to another pupil is not the one reported.
    /// Generation 255 stands for every generation, because a card is not restocked beyond it.
    #[must_use]
    pub fn of_generation(self, generation: u8) -> Self {
        Self { generation: Some(generation).filter(|generation| *generation < u8::MAX), ..self }
    }

    /// Withdraws the entry (解挂, 解冻).
    ///
    /// # Errors
    /// [`EntryError::ReplacedForEver`], [`EntryError::WithdrawnAlready`] or
    /// [`EntryError::WithdrawnTooEarly`].
    pub fn withdraw(self, withdrawn: Moment) -> Result<Self, EntryError> {
        let reported = self.reported;
        match self.withdrawn {
            _ if self.kind == Kind::Replaced => Err(EntryError::ReplacedForEver),
            Some(before) => Err(EntryError::WithdrawnAlready(before)),
            None if withdrawn <= reported => {
                Err(EntryError::WithdrawnTooEarly { withdrawn, reported })
            }
            None => Ok(Self { withdrawn: Some(withdrawn), ..self }),
        }
    }

    /// Returns the card.
    #[must_use]
    pub const fn serial(&self) -> CardSerial {
        self.serial
    }

    /// Returns what the entry says of it.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the unit that took the report.
    #[must_use]
    pub const fn unit(&self) -> UnitCode {
        self.unit
    }

    /// Returns when it was reported.
    #[must_use]
    pub const fn reported(&self) -> Moment {
        self.reported
    }

    /// Returns the first day on which it holds.
    #[must_use]
    pub const fn effective(&self) -> Date {
        self.effective
    }

    /// Returns the reason, where one was given.
    #[must_use]
    pub const fn reason(&self) -> Option<Reason> {
        self.reason
    }

    /// Returns when it was withdrawn, if it was.
    #[must_use]
    pub const fn withdrawn(&self) -> Option<Moment> {
        self.withdrawn
    }

    /// Returns the last generation of the card that the entry concerns; `None` for all.
    #[must_use]
    pub const fn generation(&self) -> Option<u8> {
        self.generation
    }

    /// Returns when the entry last changed.
    #[must_use]
    pub fn changed(&self) -> Moment {
        self.withdrawn.unwrap_or(self.reported)
    }

    /// Tells whether the entry holds on a day.
    #[must_use]
    pub fn holds(&self, today: Date) -> bool {
        self.withdrawn.is_none() && self.effective <= today
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// The first field that breaks a rule.
    pub fn parse(bytes: &[u8; Self::LEN]) -> Result<Self, EntryError> {
        use EntryError::Field;
        let [kind] = field(bytes, KIND);
        let kind = Kind::from_code(kind).ok_or(Field("kind"))?;
        let reason = match field(bytes, REASON) {
            [0] => None,
            [code] => Some(Reason::from_code(code).ok_or(Field("reason"))?),
        };
        let [generation] = field(bytes, GENERATION);
        let entry = Self::new(
            CardSerial::from_bytes(field(bytes, SERIAL)).map_err(|_| Field("card serial"))?,
            kind,
            UnitCode::from_bytes(field(bytes, UNIT)).map_err(|_| Field("unit"))?,
            moment(bytes, REPORTED).ok_or(Field("report time"))?,
            Date::from_bytes(field(bytes, EFFECTIVE)).map_err(|_| Field("effective date"))?,
            reason,
        )?;
        let entry = Self { generation: generation.checked_sub(1), ..entry };
        match field::<7>(bytes, WITHDRAWN) {
            [0, 0, 0, 0, 0, 0, 0] => Ok(entry),
            _ => entry.withdraw(moment(bytes, WITHDRAWN).ok_or(Field("withdrawal time"))?),
        }
    }

    /// Writes the entry.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        put(&mut bytes, SERIAL, &self.serial.bytes());
        put(&mut bytes, KIND, &[self.kind.code()]);
        put(&mut bytes, REASON, &[self.reason.map_or(0, Reason::code)]);
        put(&mut bytes, UNIT, &self.unit.bytes());
        put_moment(&mut bytes, REPORTED, &self.reported);
        put(&mut bytes, EFFECTIVE, &self.effective.bytes());
        if let Some(withdrawn) = &self.withdrawn {
            put_moment(&mut bytes, WITHDRAWN, withdrawn);
        }
        let generation = self.generation.and_then(|generation| generation.checked_add(1));
        put(&mut bytes, GENERATION, &[generation.unwrap_or(0)]);
        bytes
    }

    /// Whose statement about what it is: later statements of the same unit replace earlier ones, those
    /// of other units never do.
    pub(crate) const fn subject(&self) -> (CardSerial, Kind, UnitCode) {
        (self.serial, self.kind, self.unit)
    }

    /// Its place in a list. The fields behind subject and report only make the order total.
    pub(crate) fn order(&self) -> impl Ord + use<> {
        let reason = self.reason.map(Reason::code);
        (self.subject(), self.reported, self.effective, self.generation, self.withdrawn, reason)
    }

    /// Tells whether this open report makes the other one unnecessary: it lists the card as early and
    /// in as many generations, and no withdrawal ends it without ending the other one.
    pub(crate) fn outweighs(&self, other: &Self) -> bool {
        let covers = match (self.generation, other.generation) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(ours), Some(theirs)) => ours >= theirs,
        };
        covers && self.reported >= other.reported && self.effective <= other.effective
    }
}

impl Statement for Entry {
    const LEN: usize = Self::LEN;
    const CONTENT: Content = Content::List;

    fn read(bytes: &[u8]) -> Result<Self, EntryError> {
        Self::parse(bytes.first_chunk().ok_or(EntryError::Field("entry"))?)
    }

    fn write(&self, to: &mut Vec<u8>) {
        to.extend(self.emit());
    }

    /// An entry is consistent in itself.
    fn check(&self) -> Result<(), EntryError> {
        Ok(())
    }

    fn serial(&self) -> CardSerial {
        self.serial
    }

    fn unit(&self) -> UnitCode {
        self.unit
    }

    fn changed(&self) -> Moment {
        self.changed()
    }

    fn place(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }

    fn same_subject(&self, other: &Self) -> bool {
        self.subject() == other.subject()
    }

    fn settle(several: &[Self], settled: &mut Vec<Self>) {
        settle_subject(several, settled);
    }

    fn precedes(&self, next: &Self) -> bool {
        let open = next.withdrawn.is_none() && next.reported >= self.changed();
        !self.same_subject(next) || open && (self.withdrawn.is_some() || !next.outweighs(self))
    }

    /// A report of a unit that says no more than one of its own: it neither delays the effect nor
    /// begins the loss period anew.
    fn repeats(&self, standing: &Self) -> bool {
        let open = self.withdrawn.is_none() && standing.withdrawn.is_none();
        open && self.same_subject(standing)
            && standing.effective <= self.effective
            && standing.reported <= self.reported
            && standing.generation == self.generation
    }
}

// Offsets of the 32 bytes (project-defined); numbers and dates are BCD as on the card.
const SERIAL: usize = 0;
const KIND: usize = 8;
const REASON: usize = 9;
const UNIT: usize = 10;
const REPORTED: usize = 13;
const EFFECTIVE: usize = 20;
const WITHDRAWN: usize = 24;
/// Last generation that the entry concerns, plus 1; 0 for all.
const GENERATION: usize = 31;

/// The `N` bytes at `at`, which lie inside every record that calls this.
pub(super) fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
}

pub(super) fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes.iter_mut().skip(at).zip(value).for_each(|(to, from)| *to = *from);
}

pub(crate) fn moment(bytes: &[u8], at: usize) -> Option<Moment> {
    Some(Moment {
        date: Date::from_bytes(field(bytes, at)).ok()?,
        time: Time::from_bytes(field(bytes, at + 4)).ok()?,
    })
}

pub(crate) fn put_moment(bytes: &mut [u8], at: usize, moment: &Moment) {
    put(bytes, at, &moment.date.bytes());
    put(bytes, at + 4, &moment.time.bytes());
}
