//! Personalisation uploads as files (个人化信息上传): schools to the district, districts to the city
//! (操作规程 一/八(三)1, 四/五). They are made, merged, keyed and verified as loss and freeze lists are;
//! `docs/uploads.md` describes the bytes.
//!
//! Each personalisation is a statement of its own: card, generation, day, count, number and unit tell
//! which. A correction (更正) is another personalisation of the same card, and the earlier ones are
//! kept: a number that was once given is never free again, which only a whole history tells. What is
//! stated again of one personalisation takes the place of what was stated before.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::PersonalisationUpload;
use crate::calendar::replacement_from;
use crate::code::Sex;
use crate::date::Date;
use crate::ident::{CardSerial, EducationId, StudentNumber, UnitCode};
use crate::list::{Entry, Kind, List, Roll};
use crate::pupil::Pupil;
use crate::record::Issuance;
use crate::text::GbText;

/// The personalisations of a school, or of all schools of a district or the city.
pub type Uploads = Roll<PersonalisationUpload>;

/// A card that is about to be personalised.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The pupil who is to have it.
    pub pupil: &'a Pupil,
    /// The card.
    pub card: &'a Issuance,
    /// The lost card for which it is to stand in, if it becomes a temporary card. Whether that is lost
    /// is asked of the loss lists.
    pub lost: Option<CardSerial>,
    /// The day.
    pub on: Date,
}

/// A personalisation that an upload tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earlier {
    /// The card.
    pub card: CardSerial,
    /// The student number.
    pub number: StudentNumber,
    /// The unit that personalised it.
    pub unit: UnitCode,
    /// The day.
    pub on: Date,
}

/// Why a card does not go to a pupil.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// A student number, once given, goes to nobody else (暂行办法 四(一)).
    #[error(
        "student number {} is that of another pupil, on card {} of unit {} since {}",
        .0.number, .0.card, .0.unit, .0.on
    )]
    NumberTaken(Earlier),
    /// The pupil has a card in use (暂行办法 一(一), 操作规程 一/四).
    #[error(
        "the pupil {} has a card in use, {} of unit {} since {}; it is neither replaced nor taken back",
        .0.number, .0.card, .0.unit, .0.on
    )]
    SecondCard(Earlier),
    /// A pupil of the same name, birthday and sex and of another number has a card in use: the same
    /// pupil, or a namesake. Education numbers (教育ID) tell them apart.
    #[error(
        "a pupil of this name, birthday and sex has a card in use, {} of unit {} since {}, as {}",
        .0.card, .0.unit, .0.on, .0.number
    )]
    SamePerson(Earlier),
    /// A temporary card stands in for a lost card of its own pupil (暂行办法 六(二)).
    #[error(
        "the lost card {} is that of another pupil, {} of unit {} since {}",
        .0.card, .0.number, .0.unit, .0.on
    )]
    NoLostCard(Earlier),
}

/// What ended a loss, and with it the use of a temporary card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossEnd {
    /// The lost card was found (解挂).
    Found,
    /// The lost card was replaced (补卡).
    Replaced,
    /// The temporary card is no longer valid (有效期至).
    Expired,
}

/// Something about uploads that a desk has to look into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// Two personalisations that cannot both be right.
    Conflict(Conflict),
    /// Uploaded after its last day (操作规程 四/五).
    Late {
        /// Last day to upload.
        upload_by: Date,
        /// Day of the upload.
        uploaded_on: Date,
    },
    /// A temporary card that names no lost card, or one of another pupil (暂行办法 六(二)).
    NoLostCard {
        /// The card that it names.
        named: Option<CardSerial>,
    },
    /// A temporary card that is due back (操作规程 四/六).
    StillOut {
        /// What ended the loss.
        end: LossEnd,
        /// The day it did.
        on: Date,
    },
}

/// Who somebody is, as far as an upload tells.
#[derive(Clone, Copy)]
struct Person {
    key: (Date, Sex, GbText<30>),
    education_id: Option<EducationId>,
}

/// A card that a pupil has, or is about to have.
#[derive(Clone, Copy)]
struct Claim {
    card: CardSerial,
    generation: u8,
    number: StudentNumber,
    person: Person,
    on: Date,
}

impl Uploads {
    /// Asks whether a card may be personalised for a pupil, as far as these uploads and the loss and
    /// freeze lists tell: the desk's question before it personalises.
    ///
    /// A number that another pupil was given is refused. So is a second card, unless the first one was
    /// taken back, cancelled or replaced, or is lost and past its loss period; a temporary card stands
    /// in for a card of its pupil instead. To personalise a card again for the pupil who has it is no
    /// second card.
    ///
    /// # Errors
    /// [`Conflict`]. A desk that has made sure that [`Conflict::SamePerson`] is a namesake may go on.
    pub fn admits(&self, candidate: &Candidate<'_>, lists: &[&List]) -> Result<(), Conflict> {
        let claim = Claim::from(candidate);
        let person = &claim.person;
        let rivals: Vec<_> =
            self.holdings().into_iter().filter(|held| held.concerns(&claim)).collect();
        number_taken(&claim, &rivals).map_or(Ok(()), Err)?;
        // Whether that card may be used still, it tells itself.
        let own = self.current(claim.card).is_some_and(|held| {
            !held.temporary && held.generation == claim.generation && Person::from(held).is(person)
        });
        // That no card stands in for itself, the reader knows.
        if let Some(lost) = candidate.lost {
            let other = self.of_other(lost, claim.number, person);
            let other = other.filter(|_| lost != claim.card);
            return other.map_or(Ok(()), |held| Err(Conflict::NoLostCard(Earlier::from(held))));
        }
        if own {
            return Ok(());
        }
        self.second_card(&claim, &rivals, lists).map_or(Ok(()), Err)
    }

    /// Checks everything on a day, as far as these uploads and the loss and freeze lists tell; the
    /// card of a finding stands beside it.
    #[must_use]
    pub fn findings(&self, lists: &[&List], today: Date) -> Vec<(CardSerial, Finding)> {
        let mut findings = Vec::new();
        for record in self.entries() {
            let found = [late(record), self.no_lost_card(record)];
            findings.extend(found.into_iter().flatten().map(|found| (record.card_serial, found)));
        }
        let holdings = self.holdings();
        for held in holdings.iter().filter(|held| self.is_current(held)) {
            let out = self.still_out(held, lists, today);
            findings.extend(out.map(|found| (held.card_serial, found)));
        }
        findings.extend(self.conflicts(holdings, lists));
        findings
    }

    /// Returns the newest personalisation of a card, if there is one: whose it is.
    #[must_use]
    pub fn current(&self, card: CardSerial) -> Option<&PersonalisationUpload> {
        self.entries().of(card).iter().max_by_key(|record| record.newness())
    }

    /// Returns the newest personalisation of a card that never was this pupil's: who applies for its
    /// replacement has to be its holder. A card that these uploads do not know may be anybody's.
    #[must_use]
    pub fn of_another(&self, card: CardSerial, pupil: &Pupil) -> Option<Earlier> {
        let number = pupil.identity.student_number;
        self.of_other(card, number, &Person::from(pupil)).map(Earlier::from)
    }

    fn is_current(&self, record: &PersonalisationUpload) -> bool {
        self.current(record.card_serial) == Some(record)
    }

    /// Of each card, generation and number the newest personalisation, in the order of time: data that
    /// was corrected is left out.
    fn holdings(&self) -> Vec<&PersonalisationUpload> {
        let mut newest = BTreeMap::new();
        for record in self.entries() {
            let whose = (record.card_serial, record.generation, record.student_number);
            let held = newest.entry(whose).or_insert(record);
            if held.newness() < record.newness() {
                *held = record;
            }
        }
        let mut holdings: Vec<_> = newest.into_values().collect();
        holdings.sort_by_key(|held| (held.personalised_on, held.subject()));
        holdings
    }

    fn conflicts(
        &self,
        holdings: Vec<&PersonalisationUpload>,
        lists: &[&List],
    ) -> Vec<(CardSerial, Finding)> {
        let mut earlier = Index::default();
        let mut conflicts = Vec::new();
        for held in holdings {
            let claim = Claim::from(held);
            let rivals = earlier.rivals(&claim);
            let second = || {
                let used = self.is_in_use(held, lists);
                used.then(|| self.second_card(&claim, &rivals, lists)).flatten()
            };
            let conflict = number_taken(&claim, &rivals).or_else(second);
            conflicts.extend(conflict.map(|found| (held.card_serial, Finding::Conflict(found))));
            earlier.add(held);
        }
        conflicts
    }

    /// Another card that the pupil has in use.
    fn second_card(
        &self,
        claim: &Claim,
        rivals: &[&PersonalisationUpload],
        lists: &[&List],
    ) -> Option<Conflict> {
        let in_use = |held: &&&PersonalisationUpload| {
            held.card_serial != claim.card
                && Person::from(**held).is(&claim.person)
                && self.is_in_use(held, lists)
                && !self.is_replaceable(held, claim.on, lists)
        };
        let held = rivals.iter().find(in_use)?;
        let earlier = Earlier::from(*held);
        Some(if held.student_number == claim.number {
            Conflict::SecondCard(earlier)
        } else {
            Conflict::SamePerson(earlier)
        })
    }

    /// A record card that is its pupil's until now.
    fn is_in_use(&self, held: &PersonalisationUpload, lists: &[&List]) -> bool {
        let ended = held.temporary || held.ended_on.is_some() || !self.is_current(held);
        !ended && self.reports(held, Kind::Replaced, lists).next().is_none()
    }

    /// Whether the card is lost, and its loss period over on a day (操作规程 四/六).
    fn is_replaceable(&self, held: &PersonalisationUpload, on: Date, lists: &[&List]) -> bool {
        let open = self.reports(held, Kind::Loss, lists);
        let first = open.map(|report| report.reported().date).min();
        first.and_then(|first| replacement_from(first).ok()).is_some_and(|from| from <= on)
    }

    /// The reports that stand of a card, of units above a school it was personalised at.
    fn reports<'a>(
        &'a self,
        held: &'a PersonalisationUpload,
        kind: Kind,
        lists: &'a [&List],
    ) -> impl Iterator<Item = &'a Entry> {
        let schools = self.entries().of(held.card_serial).iter();
        let schools = schools.filter(|record| record.generation == held.generation);
        let concerns = move |report: &&Entry| {
            let of_school =
                |school: &PersonalisationUpload| report.unit().covers(school.personalised_by);
            schools.clone().any(of_school)
                && report.generation().is_none_or(|last| held.generation <= last)
        };
        let open = move |list: &'a &List| list.entries().open(held.card_serial, kind);
        lists.iter().flat_map(open).filter(concerns)
    }

    fn no_lost_card(&self, record: &PersonalisationUpload) -> Option<Finding> {
        let named = record.lost_card;
        let person = Person::from(record);
        let of_pupil = |lost| self.of_other(lost, record.student_number, &person).is_none();
        let missing = record.temporary && !named.is_some_and(of_pupil);
        missing.then_some(Finding::NoLostCard { named })
    }

    /// The newest personalisation of a card that never was this pupil's. A card that these uploads do
    /// not know may be anybody's.
    fn of_other(
        &self,
        card: CardSerial,
        number: StudentNumber,
        person: &Person,
    ) -> Option<&PersonalisationUpload> {
        let own = |held: &PersonalisationUpload| {
            Person::from(held).is(person) || held.student_number == number
        };
        let never = !self.entries().of(card).iter().any(own);
        self.current(card).filter(|_| never)
    }

    fn still_out(
        &self,
        held: &PersonalisationUpload,
        lists: &[&List],
        today: Date,
    ) -> Option<Finding> {
        if !held.temporary || held.ended_on.is_some() {
            return None;
        }
        let (end, on) = loss_end(held, lists).or_else(|| {
            (held.valid_until < today).then_some((LossEnd::Expired, held.valid_until))
        })?;
        Some(Finding::StillOut { end, on })
    }
}

/// The number on another card, or on this one before it was restocked, of another pupil.
fn number_taken(claim: &Claim, rivals: &[&PersonalisationUpload]) -> Option<Conflict> {
    let other = |held: &&&PersonalisationUpload| {
        held.student_number == claim.number
            && (held.card_serial, held.generation) != (claim.card, claim.generation)
            && !Person::from(**held).is(&claim.person)
    };
    rivals.iter().find(other).map(|held| Conflict::NumberTaken(Earlier::from(*held)))
}

fn late(record: &PersonalisationUpload) -> Option<Finding> {
    let (upload_by, uploaded_on) = (record.upload_by, record.uploaded_at.date);
    (uploaded_on > upload_by).then_some(Finding::Late { upload_by, uploaded_on })
}

/// What ended the loss that a temporary card stands in for, and when.
fn loss_end(held: &PersonalisationUpload, lists: &[&List]) -> Option<(LossEnd, Date)> {
    let lost = held.lost_card?;
    let reports = lists.iter().flat_map(|list| list.entries().of(lost));
    let reports: Vec<_> =
        reports.filter(|report| report.unit().covers(held.personalised_by)).collect();
    let open = |kind| {
        let open = reports
            .iter()
            .filter(move |report| report.kind() == kind && report.withdrawn().is_none());
        open.map(|report| report.reported().date).min()
    };
    if let Some(on) = open(Kind::Replaced) {
        return Some((LossEnd::Replaced, on));
    }
    let losses = reports.iter().filter(|report| report.kind() == Kind::Loss);
    let withdrawn = losses.filter_map(|report| report.withdrawn()).map(|at| at.date).max();
    // A loss that ended before the card was given out is not the one it stands in for.
    let withdrawn = withdrawn.filter(|on| *on >= held.personalised_on);
    withdrawn.filter(|_| open(Kind::Loss).is_none()).map(|on| (LossEnd::Found, on))
}

impl PersonalisationUpload {
    /// The later of two of one card is whose it is.
    fn newness(&self) -> impl Ord + use<> {
        (self.generation, self.personalised_on, self.count, self.stated_at, self.subject())
    }

    fn concerns(&self, claim: &Claim) -> bool {
        self.student_number == claim.number || Person::from(self).is(&claim.person)
    }
}

impl Person {
    /// By the education number where both are known, else by birthday, sex and name.
    fn is(&self, other: &Self) -> bool {
        match (self.education_id, other.education_id) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => self.key == other.key,
        }
    }
}

impl From<&PersonalisationUpload> for Person {
    fn from(record: &PersonalisationUpload) -> Self {
        let key = (record.birth_date, record.sex, record.name);
        Self { key, education_id: record.education_id }
    }
}

impl From<&Pupil> for Person {
    fn from(pupil: &Pupil) -> Self {
        let identity = &pupil.identity;
        let key = (identity.birth_date, identity.sex, identity.name);
        Self { key, education_id: identity.education_id }
    }
}

impl From<&PersonalisationUpload> for Claim {
    fn from(record: &PersonalisationUpload) -> Self {
        Self {
            card: record.card_serial,
            generation: record.generation,
            number: record.student_number,
            person: Person::from(record),
            on: record.personalised_on,
        }
    }
}

impl From<&Candidate<'_>> for Claim {
    fn from(candidate: &Candidate<'_>) -> Self {
        Self {
            card: candidate.card.card_serial,
            generation: candidate.card.generation,
            number: candidate.pupil.identity.student_number,
            person: Person::from(candidate.pupil),
            on: candidate.on,
        }
    }
}

impl From<&PersonalisationUpload> for Earlier {
    fn from(record: &PersonalisationUpload) -> Self {
        let (card, number) = (record.card_serial, record.student_number);
        Self { card, number, unit: record.personalised_by, on: record.personalised_on }
    }
}

/// Personalisations by whom they are about.
#[derive(Default)]
struct Index<'a> {
    numbers: BTreeMap<StudentNumber, Vec<&'a PersonalisationUpload>>,
    people: BTreeMap<(Date, Sex, GbText<30>), Vec<&'a PersonalisationUpload>>,
    education_ids: BTreeMap<EducationId, Vec<&'a PersonalisationUpload>>,
}

impl<'a> Index<'a> {
    fn add(&mut self, record: &'a PersonalisationUpload) {
        let Person { key, education_id } = Person::from(record);
        self.numbers.entry(record.student_number).or_default().push(record);
        self.people.entry(key).or_default().push(record);
        if let Some(id) = education_id {
            self.education_ids.entry(id).or_default().push(record);
        }
    }

    fn rivals(&self, claim: &Claim) -> Vec<&'a PersonalisationUpload> {
        let Person { key, education_id } = &claim.person;
        let numbers = self.numbers.get(&claim.number);
        let people = self.people.get(key);
        let ids = education_id.as_ref().and_then(|id| self.education_ids.get(id));
        let rivals = [numbers, people, ids].into_iter().flatten().flatten();
        rivals.copied().filter(|held| held.concerns(claim)).collect()
    }
}

impl Conflict {
    /// Returns the earlier personalisation.
    #[must_use]
    pub const fn earlier(&self) -> &Earlier {
        match self {
            Self::NumberTaken(earlier)
            | Self::SecondCard(earlier)
            | Self::SamePerson(earlier)
            | Self::NoLostCard(earlier) => earlier,
        }
    }
}

impl Finding {
    /// Returns a stable name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Conflict(Conflict::NumberTaken(_)) => "number-taken",
            Self::Conflict(Conflict::SecondCard(_)) => "second-card",
            Self::Conflict(Conflict::SamePerson(_)) => "same-person",
            Self::Late { .. } => "late",
            Self::Conflict(Conflict::NoLostCard(_)) | Self::NoLostCard { .. } => "no-lost-card",
            Self::StillOut { .. } => "still-out",
        }
    }

    /// Returns the article that asks for it.
    #[must_use]
    pub const fn article(&self) -> &'static str {
        match self {
            Self::Conflict(Conflict::NumberTaken(_)) => "暂行办法 四(一)",
            Self::Late { .. } => "操作规程 四/五",
            Self::Conflict(Conflict::NoLostCard(_)) | Self::NoLostCard { .. } => "暂行办法 六(二)",
            Self::StillOut { .. } => "操作规程 四/六",
            Self::Conflict(_) => "暂行办法 一(一), 操作规程 一/四",
        }
    }
}

impl core::fmt::Display for Finding {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Conflict(conflict) => conflict.fmt(f),
            Self::Late { upload_by, uploaded_on } => {
                write!(f, "uploaded on {uploaded_on}, expected {upload_by} at the latest")
            }
            Self::NoLostCard { named: None } => f.write_str("a temporary card names no lost card"),
            Self::NoLostCard { named: Some(card) } => {
                write!(f, "a temporary card names the card {card}, which is another pupil's")
            }
            Self::StillOut { end, on } => {
                let end = match end {
                    LossEnd::Found => "the lost card was found",
                    LossEnd::Replaced => "the lost card was replaced",
                    LossEnd::Expired => "it was valid until that day",
                };
                write!(f, "the temporary card is due back since {on}: {end}")
            }
        }
    }
}
